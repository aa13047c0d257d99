import re
from urllib.parse import parse_qs, urlparse

import pytest
import streamlit as st

from apps import language as logic
from apps import models
from tests.apps.conftest import at, visitor
from tests.apps.test_sentiment import everything, markup
from tests.apps.test_widgets import shown


def choose(app, **chosen):
    """Sets segmented controls by their keys."""
    for key, value in chosen.items():
        next(group for group in app.get("button_group") if group.key == f"language_{key}").set_value(value)
    return app.run()


def write(app, prompt=None, **controls):
    """Sets controls by their keys and presses the button."""
    if prompt is not None:
        app.text_area(key="language_prompt").set_value(prompt)
    for key, value in controls.items():
        for kind in ("slider", "select_slider", "number_input", "toggle"):
            for element in app.get(kind):
                if element.key == f"language_{key}":
                    element.set_value(value)
    app.button(key="language_write").click()
    return app.run()


def compare(app, first, second):
    app.text_area(key="language_first").set_value(first)
    app.text_area(key="language_second").set_value(second)
    app.button(key="language_compare").click()
    return app.run()


def writing(app):
    return app.session_state["language_writing"]


def headings(app):
    return [heading.value for heading in app.subheader]


def refused(app, sentence):
    assert not app.error and not app.exception
    return [warning.value for warning in app.warning if sentence in warning.value.replace("\\", "")]


def test_the_page_opens_with_its_controls_and_the_model_card(language):
    assert not language.error and not language.exception and not language.warning
    assert headings(language) == ["Model"]
    assert "the plays of Shakespeare" in everything(language) and "2.50 bits" in everything(language)
    assert not language.toggle


# Writing on


def test_a_text_is_written_from_a_beginning_and_each_character_says_its_probability(language):
    write(language, "the ap", length_characters=50, seed=5)
    assert not language.error and not language.warning and not language.info
    assert headings(language) == ["Text", "Download", "Model"]
    assert writing(language).text in shown(markup(language)) and len(writing(language).written) == 50
    symbol = next(symbol for symbol in writing(language).written if symbol.text.isalpha())
    assert f'title="{symbol.text}: ' in markup(language) and "(next: " in markup(language)
    assert "50 characters written in" in everything(language)
    assert "Seed 5, temperature 0.8, top-k all, top-p 0.95" in everything(language)
    assert [element.proto.label for element in language.get("download_button")] == ["The text"]


def test_a_text_asked_for_is_written_though_another_run_of_the_page_overtakes_the_first(language, monkeypatch):
    make, overtaken = logic.Writing, []

    def overtake(*args):
        if not overtaken:
            overtaken.append(True)
            st.rerun()
        return make(*args)

    monkeypatch.setattr(logic, "Writing", overtake)
    write(language, "the ap", length_characters=50)
    assert overtaken and "50 characters written in" in everything(language)


def test_from_nothing_a_text_begins_and_the_seed_can_be_kept(language):
    write(language, "", length_characters=50)
    first = writing(language).text
    assert writing(language).given == "" and len(first) == 50
    language.button(key="language_keep").click().run()
    assert writing(write(language)).text == first
    assert writing(write(language, seed=None)).text != first


def test_going_on_adds_as_much_again(language):
    write(language, "the", length_characters=50, seed=5)
    before = writing(language).text
    language.button(key="language_go_on").click().run()
    assert len(writing(language).written) == 100 and writing(language).text.startswith(before)


def test_a_text_that_was_stopped_is_shown_and_goes_on(language):
    write(language, "the", length_characters=50, seed=5)
    whole = writing(language).text
    half = logic.Writing(writing(language).model, "the", 50, logic.Settings(seed=5))
    for _ in range(20):
        half.step()
    half.stopped = True
    language.session_state["language_writing"] = half
    language.run()
    assert "20 characters written" in everything(language) and half.text in shown(markup(language))
    language.button(key="language_go_on").click().run()
    assert writing(language).text == whole


def test_a_model_that_fails_on_the_way_loses_nothing(language, monkeypatch):
    write(language, "the", length_characters=50, seed=5)
    call = models.Model.call

    def failing(self, signature, **inputs):
        if signature == "step":
            raise models.ModelError("The model could not answer.")
        return call(self, signature, **inputs)

    monkeypatch.setattr(models.Model, "call", failing)
    language.button(key="language_go_on").click().run()
    assert refused(language, "could not answer") and len(writing(language).written) == 50


def test_a_word_model_writes_words_and_its_mark_only_where_allowed(language):
    choose(language, model="penn_treebank")
    assert language.toggle(key="language_unknown").value is False
    write(language, "The King’s zebra 🙂", length_words=30, seed=1, temperature=2.0)
    assert not language.error and not language.warning
    assert "zebra" in everything(language) and "30 words written" in everything(language)
    assert all(symbol.text != "<unk>" for symbol in writing(language).written)
    assert writing(language).text in shown(markup(language))
    write(language, unknown=True)
    assert writing(language).settings.unknown


@pytest.mark.parametrize(
    "prompt, sentence",
    [
        ("a\x00b", "Control characters"),
        ("the 🙂", "Left out"),
        ("日本語", "nothing of your text"),
        ("the king " * 600, "only its last 4,000 characters"),
        ("<img src=x onerror=alert(1)> :red[x] $y$", "Left out"),
    ],
)
def test_a_strange_beginning_is_kept_and_explained(language, prompt, sentence):
    write(language, prompt, length_characters=50)
    assert not language.error and not language.warning and not language.exception
    assert any(sentence in info.value.replace("\\", "") for info in language.info)
    assert language.text_area(key="language_prompt").value == prompt
    assert "<img" not in markup(language) and len(writing(language).written) == 50


def test_each_example_is_written(language):
    examples = [found.key for found in language.button if (found.key or "").startswith("language_example_")]
    assert len(examples) == len(logic.CORPORA["shakespeare"].prompts)
    language.button(key=examples[0]).click().run()
    assert language.text_area(key="language_prompt").value == "KING RICHARD:\nMy lord, the "
    assert writing(language).text.startswith("KING RICHARD:\nMy lord, the ")


def test_a_link_gives_the_same_text_again(language, app):
    choose(language, model="penn_treebank")
    write(language, "the king", length_words=30, seed=9, temperature=1.2, top_k=10, top_p=0.9)
    address = next(code.value for code in language.code if "prompt=" in code.value)
    query = parse_qs(urlparse(address).query)
    other = at(visitor(), "language", **{name: values[0] for name, values in query.items()})
    assert writing(other).text == writing(language).text and writing(other).settings == writing(language).settings
    write(other)
    assert "prompt" not in other.query_params and writing(other).text != writing(language).text


def test_the_link_of_the_home_page_goes_on_as_its_card_says(app, saved_models):
    at(app, "language", prompt="My lord, the king")
    assert logic.beginning("My lord, the king") in writing(app).text


@pytest.mark.parametrize(
    "parameters",
    [
        {"temperature": "1e9", "top_p": "nan", "top_k": "-3", "seed": "x", "length": "-5"},
        {"temperature": "0", "top_p": "7", "top_k": "1e99", "seed": "99999999999999", "length": "1e400"},
    ],
)
def test_numbers_of_a_link_are_brought_within_bounds(app, parameters):
    at(app, "language", prompt="the", **parameters)
    assert not app.error and not app.exception
    how = writing(app).settings
    assert 0.1 <= how.temperature <= 2 and 0.05 <= how.top_p <= 1 and how.top_k >= 0 and 0 <= how.seed < 2**31
    assert 50 <= len(writing(app).written) <= 2_000


def test_a_link_to_a_model_that_is_not_here_is_explained(app):
    at(app, "language", prompt="the", model="../music")
    assert refused(app, "The model ../music is not here")
    assert "language_writing" not in app.session_state
    assert app.text_area(key="language_prompt").value == "the"


# Comparing


def test_two_sentences_are_weighed_with_bars_and_a_table(language):
    choose(language, part="Compare two")
    assert language.text_area(key="language_first").value == "The apple and pear salad was delicious."
    language.button(key="language_compare").click().run()
    assert not language.error and not language.warning
    assert headings(language) == ["Result", "Word by word", "Download", "Model"]
    assert re.search(r"the \*\*first\*\* sentence \*\*[\d.,]+ times likelier\*\*", everything(language))
    first, second = (float(metric.value.removesuffix(" bits").replace("−", "-")) for metric in language.metric)
    assert second < first < 0
    assert len(language.get("vega_lite_chart")) == 1
    assert [element.proto.label for element in language.get("download_button")] == ["The words as CSV"]
    language.button(key="language_swap").click().run()
    assert "the **second** sentence" in everything(language)


def test_words_the_model_has_not_learned_are_said_to_be_one(language):
    choose(language, part="Compare two", model="penn_treebank")
    compare(language, "The zebra fell.", "The okapi fell.")
    assert "**equally likely**" in everything(language)
    assert "zebra" in everything(language) and "has not learned this word" in everything(language)


@pytest.mark.parametrize(
    "pair, sentence",
    [
        (("", "the"), "Write a sentence into each"),
        (("the", "日本🙂"), "Of the second sentence the model knows no"),
        (("\x00", "the"), "Of the first sentence the model knows no"),
    ],
)
def test_sentences_that_cannot_be_weighed_are_kept_and_explained(language, pair, sentence):
    choose(language, part="Compare two")
    compare(language, *pair)
    assert len(refused(language, sentence)) == 1
    assert language.text_area(key="language_first").value == pair[0]
    assert language.text_area(key="language_second").value == pair[1]
    compare(language, "the <b>king</b>", "the king")
    assert not language.warning and "<b>" not in markup(language)


def test_a_very_long_sentence_is_cut_and_said_to_be(language):
    choose(language, part="Compare two")
    compare(language, "the king " * 500, "the king")
    assert "only its first 4,000 characters are read" in everything(language).replace("\\", "")
    assert "The first 60 of" in everything(language) and "the longer is at a disadvantage" in everything(language)


def test_a_link_compares_again(app):
    at(app, "language", first="the king", second="the pair", model="penn_treebank")
    assert headings(app) == ["Result", "Word by word", "Download", "Model"]
    assert "the **first** sentence" in everything(app)


# What may come next


def suggested(app):
    return [found for found in app.button if re.fullmatch(r"language_next_\d+", found.key or "")]


def test_suggestions_are_appended_one_after_another(language):
    choose(language, model="penn_treebank", part="Suggest the next")
    language.text_input(key="language_typed").set_value("the stock ma").run()
    assert [found.label for found in suggested(language)] == [suggested(language)[0].label]
    assert suggested(language)[0].label.startswith("market **") and "begin with “ma”" in everything(language)
    suggested(language)[0].click().run()
    assert language.text_input(key="language_typed").value == "the stock market"
    assert len(suggested(language)) == 8 and suggested(language)[0].label.startswith("fell **")
    language.slider(key="language_next").set_value(3).run()
    assert len(suggested(language)) == 3


@pytest.mark.parametrize("text", ["", "\x00", "🙂", "<script>alert(1)</script>", "![x](http://a.b/c.png)", "日本"])
@pytest.mark.parametrize("model", ["shakespeare", "penn_treebank"])
def test_whatever_is_typed_something_may_come_next(language, text, model):
    choose(language, model=model, part="Suggest the next")
    language.text_input(key="language_typed").set_value(text).run()
    assert not language.error and not language.exception and not language.warning
    assert suggested(language) and language.text_input(key="language_typed").value == text
    assert "<script" not in markup(language) and "![x](" not in everything(language)


# The page as a whole


def test_texts_outlive_a_look_elsewhere_and_are_the_visitors_own(language):
    write(language, "the king", length_characters=50)
    text = writing(language).text
    choose(language, part="Compare two")
    language.switch_page("screens/home.py").run()
    language.switch_page("screens/language.py").run()
    choose(language, part="Write on")
    assert language.text_area(key="language_prompt").value == "the king" and text in shown(markup(language))
    other = at(visitor(), "language")
    assert headings(other) == ["Model"]


def test_without_a_model_the_page_says_how_to_make_one(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    at(app, "language")
    assert "--corpus shakespeare" in app.error[0].value and not app.exception
