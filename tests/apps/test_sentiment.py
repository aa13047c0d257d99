from urllib.parse import parse_qs, urlsplit

import pytest

from tests.apps.conftest import at, visitor


def rate(app, text):
    app.text_area(key="sentiment_text").set_value(text)
    app.button(key="sentiment_submit").click()
    return app.run()


def everything(app):
    """All sentences of the page."""
    kinds = (app.markdown, app.caption, app.warning, app.error, app.info, app.subheader)
    return "\n".join(element.value for kind in kinds for element in kind)


def markup(app):
    return "\n".join(element.proto.body for element in app.get("html"))


def test_the_page_opens_with_a_box_and_the_model_card(sentiment):
    assert not sentiment.error and not sentiment.exception
    assert [heading.value for heading in sentiment.subheader] == ["Model"]


def test_a_text_gets_result_why_download_and_model_in_this_order(sentiment):
    rate(sentiment, "The food was good, not bad at all.")
    assert [heading.value for heading in sentiment.subheader] == ["Result", "Why", "Download", "Model"]
    assert "**Positive**, 4.6 of 5 stars" in everything(sentiment)
    assert "liked it: 90.0%" in everything(sentiment)
    assert "Answered in" in everything(sentiment)
    assert "Strongest for: bad (+1.20), good (+1.00)" in everything(sentiment)
    assert 'title="good: +1.000"' in markup(sentiment)


def test_order_of_words_shows(sentiment):
    rate(sentiment, "The food was bad, not good at all.")
    assert "**Negative**" in everything(sentiment)


@pytest.mark.parametrize("number", range(5))
def test_an_example_fills_the_box_and_is_rated(sentiment, number):
    examples = [button for button in sentiment.button if (button.key or "").startswith("sentiment_example_")]
    assert len(examples) == 5
    examples[number].click().run()
    assert sentiment.text_area(key="sentiment_text").value
    assert "Result" in [heading.value for heading in sentiment.subheader]
    assert not sentiment.error


def test_the_model_card_opens_in_a_drawer(sentiment):
    sentiment.button(key="sentiment_model_card").click().run()
    assert "for tests only" in everything(sentiment)
    assert not sentiment.error


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "no text yet"),
        (" \n\t ", "no text yet"),
        ("\x00\x01", "no text yet"),
        ("🙂🙂🎉", "no words in this text"),
        ("!!! ???", "no words in this text"),
    ],
)
def test_what_cannot_be_rated_is_kept_and_explained(sentiment, text, sentence):
    rate(sentiment, text)
    assert [sentence in warning.value for warning in sentiment.warning] == [True]
    assert sentiment.text_area(key="sentiment_text").value == text
    assert [heading.value for heading in sentiment.subheader] == ["Model"]
    assert not sentiment.error


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("Очень хороший фильм", "not of the Latin alphabet"),
        ("とても良い映画", "not of the Latin alphabet"),
        ("good\x00\x1b[31m film", "2 control characters"),
        ("good " * 201, "first 200 words"),
    ],
)
def test_doubtful_texts_are_rated_with_a_remark(sentiment, text, sentence):
    rate(sentiment, text)
    assert sentence in everything(sentiment)
    assert "Result" in [heading.value for heading in sentiment.subheader]
    assert not sentiment.error


@pytest.mark.parametrize("unit", ["good film ", "goodfilm", "漢字", "<b>"])
def test_a_million_characters_are_answered_with_a_remark_or_in_full(sentiment, unit):
    text = (unit * 1_000_000)[:1_000_000]
    rate(sentiment, text)
    assert not sentiment.error
    assert "Result" in [heading.value for heading in sentiment.subheader]
    assert sentiment.text_area(key="sentiment_text").value == text
    if unit == "good film ":
        assert "first 200 words" in everything(sentiment)
        assert "more characters" in markup(sentiment)
        assert len(markup(sentiment)) < 100_000


def test_a_visitors_markup_stays_text(sentiment):
    rate(sentiment, "good <img src=x onerror=alert(1)> ![x](http://example.com/x.png) :red[bad]")
    assert "<img" not in markup(sentiment)
    assert "![x]" not in everything(sentiment)


def test_a_link_fills_the_box_and_shows_the_result(app):
    at(app, "sentiment", text="A wonderful film.")
    assert app.text_area(key="sentiment_text").value == "A wonderful film."
    assert "**Positive**" in everything(app)
    rate(app, "A dull film.")
    assert "**Negative**" in everything(app)
    assert "text" not in app.query_params


def test_the_link_that_is_offered_leads_back(sentiment):
    rate(sentiment, "good & bad?\n100% #fun")
    assert parse_qs(urlsplit(sentiment.code[0].value).query) == {"text": ["good & bad?\n100% #fun"]}


def test_without_a_model_the_page_says_how_to_make_it_and_keeps_the_text(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    rate(at(app, "sentiment"), "A good film.")
    assert ["make train APP=sentiment" in error.value for error in app.error] == [True]
    assert app.text_area(key="sentiment_text").value == "A good film."


def test_an_unforeseen_error_is_a_sentence(sentiment, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("secret /path/of/the/server")

    monkeypatch.setattr("apps.texts.align", broken)
    rate(sentiment, "A good film.")
    assert ["error of its own" in error.value for error in sentiment.error] == [True]
    assert not sentiment.exception
    assert "secret" not in everything(sentiment)


def choose(app, mode):
    app.get("button_group")[0].set_value(mode)
    return app.run()


def rate_lines(app, lines):
    app.text_area(key="sentiment_lines").set_value(lines)
    app.button(key="sentiment_lines_submit").click()
    return app.run()


def test_lines_become_a_table(sentiment):
    choose(sentiment, "Several lines")
    rate_lines(sentiment, "good\n\nbad\n🙂\nso\n" + "good " * 300)
    table = sentiment.dataframe[0].value
    assert table.verdict.tolist() == ["Positive", "Negative", "No words", "Undecided", "Positive"]
    assert table.stars[0] == pytest.approx(1 + 4 / (1 + 2.718281828**-1), abs=0.01)
    assert table.positive.isna().tolist() == [False, False, True, False, False]
    assert [metric.value for metric in sentiment.metric][:3] == ["2", "1", "1"]
    assert "longer than the 200 words" in everything(sentiment)
    assert "without a word, which are not rated: 1" in everything(sentiment)
    assert [heading.value for heading in sentiment.subheader] == ["Result", "Why", "Download", "Model"]


@pytest.mark.parametrize(
    "lines, sentence",
    [("", "no text yet"), ("🙂\n!!", "None of the 2 texts"), ("a\n" * 10_001, "at most 10,000")],
)
def test_lines_that_cannot_be_rated_are_kept_and_explained(sentiment, lines, sentence):
    choose(sentiment, "Several lines")
    rate_lines(sentiment, lines)
    assert [sentence in warning.value for warning in sentiment.warning] == [True]
    assert sentiment.text_area(key="sentiment_lines").value == lines
    assert not sentiment.error


def test_what_was_typed_outlives_a_look_elsewhere(sentiment):
    rate(sentiment, "A good film.")
    choose(sentiment, "CSV file")
    choose(sentiment, "One text")
    assert sentiment.text_area(key="sentiment_text").value == "A good film."
    sentiment.switch_page("screens/home.py").run()
    sentiment.switch_page("screens/sentiment.py").run()
    assert sentiment.text_area(key="sentiment_text").value == "A good film."


def upload(app, data, name="reviews.csv"):
    choose(app, "CSV file")
    app.file_uploader[0].upload(name, data)
    return app.run()


def test_a_csv_is_rated_in_the_column_chosen(sentiment):
    upload(sentiment, b"id,title,review\n1,bad,good\n2,good,bad\n3,good,\n")
    column = sentiment.selectbox[0]
    assert column.options == ["id", "title", "review"] and column.value == 2
    sentiment.button(key="sentiment_file_submit").click().run()
    assert sentiment.dataframe[0].value.verdict.tolist() == ["Positive", "Negative", "No words"]
    sentiment.selectbox[0].set_value(1).run()
    assert not sentiment.dataframe
    sentiment.button(key="sentiment_file_submit").click().run()
    assert sentiment.dataframe[0].value.verdict.tolist() == ["Negative", "Positive", "Positive"]


def test_a_csv_without_a_header_is_rated_in_full(sentiment):
    upload(sentiment, b"good\nbad\n")
    sentiment.checkbox(key="sentiment_header").uncheck().run()
    sentiment.button(key="sentiment_file_submit").click().run()
    assert sentiment.dataframe[0].value.verdict.tolist() == ["Positive", "Negative"]


def test_columns_of_one_name_are_kept_apart(sentiment):
    upload(sentiment, b"text,text,positive\ngood,bad,1\n")
    sentiment.selectbox[0].set_value(1).run()
    sentiment.button(key="sentiment_file_submit").click().run()
    assert sentiment.dataframe[0].value.verdict.tolist() == ["Negative"]
    assert not sentiment.error


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "empty"),
        ("text\ncafé".encode("latin-1"), "not in UTF-8"),
        (b"a,b\n1,2,3\n", "Line 2 has 3 cells"),
        (b"\x89PNG\r\n\x1a\n\x00", "not in UTF-8"),
    ],
)
def test_a_csv_that_cannot_be_read_is_explained(sentiment, data, sentence):
    upload(sentiment, data)
    assert [sentence in warning.value for warning in sentiment.warning] == [True]
    assert not sentiment.error and not sentiment.exception


def test_a_csv_without_texts_is_explained(sentiment):
    upload(sentiment, "id,mark\n1,🙂\n".encode())
    sentiment.selectbox[0].set_value(1).run()
    sentiment.button(key="sentiment_file_submit").click().run()
    assert ["Is this the right column?" in warning.value for warning in sentiment.warning] == [True]


def test_visitors_see_their_own_texts_only(sentiment, app):
    rate(sentiment, "A good film.")
    other = at(visitor(), "sentiment")
    assert other.text_area(key="sentiment_text").value == ""
    assert [heading.value for heading in other.subheader] == ["Model"]
