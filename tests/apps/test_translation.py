import re
from urllib.parse import parse_qs, urlparse

import pytest
import streamlit as st

from apps import models, translations
from tests.apps.conftest import at, visitor
from tests.apps.test_sentiment import everything, markup
from tests.apps.test_widgets import shown


def translate(app, text):
    app.text_area(key="translation_text").set_value(text)
    app.button(key="translation_submit").click()
    return app.run()


def choose(app, pair):
    next(group for group in app.get("button_group") if group.key == "translation_pair").set_value(pair)
    return app.run()


def work(app):
    return app.session_state["translation_work"]


def headings(app):
    return [heading.value for heading in app.subheader]


def refused(app, sentence):
    assert not app.error and not app.exception
    return [warning.value for warning in app.warning if sentence in re.sub(r"\\", "", warning.value)]


def test_the_page_opens_with_its_controls_and_the_model_card(translation):
    assert not translation.error and not translation.exception and not translation.warning
    assert headings(translation) == ["Model"]
    assert translation.text_area(key="translation_text").label == "Text in English"
    assert translation.slider(key="translation_width").value == 5
    assert "captions of photographs" in everything(translation)


def test_a_sentence_gets_alternatives_attention_and_model_in_this_order(translation):
    translate(translation, "The dog runs.")
    assert not translation.error and not translation.warning and not translation.info
    assert headings(translation) == ["Translation", "Alternatives", "Attention", "Download", "Model"]
    assert "der Hund läuft." in shown(markup(translation)) and "DER HUND LÄUFT." in shown(markup(translation))
    assert "−1.30" in markup(translation) and "−2.30" in markup(translation)
    assert 'aria-label="dog: Hund 100%"' in markup(translation)
    assert len(translation.get("vega_lite_chart")) == 1
    assert "One sentence translated in" in everything(translation)
    assert [element.proto.label for element in translation.get("download_button")] == ["The translation"]
    assert translation.code[0].value == "der Hund läuft."


def test_paragraphs_are_kept_and_each_sentence_can_be_looked_at(translation):
    translate(translation, "The dog runs. 🙂\n\n\tTwo dogs!\n")
    assert headings(translation) == ["Translation", "Sentence by sentence", "Attention", "Download", "Model"]
    assert work(translation).translation == "der Hund läuft. 🙂\n\n\tzwei Hunde!\n"
    assert "der Hund läuft. 🙂\n\n\tzwei Hunde!\n" in shown(markup(translation))
    assert re.search(r"<span style=[^>]*>der Hund läuft\.</span>", markup(translation))
    box = translation.selectbox(key="translation_sentence")
    assert box.options == ["1. The dog runs.", "2. Two dogs!"]
    box.set_value(work(translation).done[1]).run()
    assert re.search(r"<span style=[^>]*>zwei Hunde!</span>", markup(translation))
    assert 'aria-label="dogs: Hunde 100%"' in markup(translation)


def test_greedy_has_one_way(translation):
    translation.slider(key="translation_width").set_value(1)
    translate(translation, "The dog runs.")
    assert work(translation).width == 1 and len(work(translation).sentences[0].alternatives) == 1
    assert "Beam width 1 follows one way only" in everything(translation)


def test_examples_fill_the_box_and_are_translated(translation):
    pair = "en-es"
    choose(translation, pair)
    for name, text in translations.PAIRS[pair].examples.items():
        translation.button(key=f"translation_example_{pair}_{name}").click().run()
        assert translation.text_area(key="translation_text").value == text
        assert work(translation).text == text and work(translation).ended and work(translation).pair == pair
        assert not translation.error and not translation.exception


def test_another_pair_keeps_the_text_and_has_its_own_card_and_translation(translation):
    translate(translation, "The dog runs.")
    choose(translation, "en-es")
    assert translation.text_area(key="translation_text").value == "The dog runs."
    assert headings(translation) == ["Model"] and "everyday sentences" in everything(translation)
    translation.button(key="translation/en-es_model_card").click().run()
    assert "# en-es" in everything(translation)
    choose(translation, "en-de")
    assert "Translation" in headings(translation)


# Bad input


@pytest.mark.parametrize(
    "text, sentence",
    [("", "no text yet"), (" \n\t ", "no text yet"), ("🙂🎉", "no words in this text"), ("a" * 1_000_001, "1,000,001")],
)
def test_what_cannot_be_translated_is_kept_and_explained(translation, text, sentence):
    translate(translation, text)
    assert len(refused(translation, sentence)) == 1
    assert translation.text_area(key="translation_text").value == text
    assert headings(translation) == ["Model"]


@pytest.mark.parametrize(
    "text, sentence",
    [("Un perro corre.", "Most words here are new"), ("The dog\x00 runs.", "read as spaces: 1")],
)
def test_doubtful_texts_are_translated_with_a_remark(translation, text, sentence):
    translate(translation, text)
    assert [sentence in info.value.replace("\\", "") for info in translation.info] == [True]
    assert "Translation" in headings(translation) and not translation.error


def test_a_visitors_markup_stays_text(translation):
    text = "The <script>alert(1)</script> dog <img src=x onerror=alert(1)> ![x](http://example.com/x.png) :red[bad]"
    translate(translation, text)
    assert not translation.error and not translation.exception
    assert "<script" not in markup(translation) and "<img" not in markup(translation)
    assert "![x]" not in everything(translation)
    assert translation.text_area(key="translation_text").value == text


def test_10000_words_are_translated_in_full(translation):
    text = ("The dog runs. " * 10 + "\n\n") * 334
    translate(translation, text)
    assert work(translation).ended and len(work(translation).done) == 3_340
    assert work(translation).translation == text.replace("The dog runs", "der Hund läuft")
    assert "3,340 sentences translated in" in everything(translation)
    assert not translation.error


@pytest.mark.parametrize("text", ["x" * 5_000, "漢" * 5_000, "word " * 5_000])
def test_what_has_no_end_is_translated_in_full(translation, text):
    translate(translation, text)
    assert work(translation).translation == text
    assert not translation.error and not translation.exception


def test_stopping_loses_nothing_and_the_work_goes_on(translation, monkeypatch):
    step = translations.Work.step

    def stopping(self):
        step(self)
        self.stopped = len(self.done) >= 2 * translations.TOGETHER

    monkeypatch.setattr(translations.Work, "step", stopping)
    translate(translation, "The dog runs.\n" * 40)
    assert "Stopped after 32 of 40 sentences" in everything(translation)
    assert work(translation).translation.count("der Hund") == 32
    assert [element.proto.label for element in translation.get("download_button")] == ["What is translated so far"]
    monkeypatch.setattr(translations.Work, "step", step)
    translation.button(key="translation_go_on").click().run()
    assert work(translation).translation == "der Hund läuft.\n" * 40
    assert "40 sentences translated in" in everything(translation)


def test_a_model_that_fails_on_the_way_leaves_what_was_done(translation, monkeypatch):
    call, calls = models.Model.call, []

    def failing(self, signature, **inputs):
        calls.append(signature)
        if calls.count("beam") == 2 and signature == "beam":
            raise models.ModelError("The model could not answer this.")
        return call(self, signature, **inputs)

    monkeypatch.setattr(models.Model, "call", failing)
    translate(translation, "The dog runs.\n" * 20)
    assert len(refused(translation, "could not answer")) == 1
    assert "Stopped after 16 of 20" in everything(translation)


# Files


def upload(app, data, name="letter.txt"):
    app.file_uploader(key="translation_file").upload(name, data)
    return app.run()


def test_a_file_is_put_into_the_box_and_gives_its_name_to_the_download(translation):
    upload(translation, b"The dog runs.\n\nTwo dogs.")
    assert translation.text_area(key="translation_text").value == "The dog runs.\n\nTwo dogs."
    translation.button(key="translation_submit").click().run()
    assert work(translation).translation == "der Hund läuft.\n\nzwei Hunde."
    assert translation.session_state["translation_file_name"] == "letter.txt"


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "letter.txt: This file is empty"),
        (b"\x89PNG\r\n\x00", "not a text file"),
        ("café".encode("latin-1"), "not a text file in UTF-8"),
        (b"a" * 1_000_001, "1,000,001 characters"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained_and_the_box_keeps_its_text(translation, data, sentence):
    translate(translation, "The dog runs.")
    upload(translation, data)
    assert len(refused(translation, sentence)) == 1
    assert translation.text_area(key="translation_text").value == "The dog runs."
    assert "Translation" in headings(translation)


# Links and visitors


def test_the_link_that_is_offered_leads_to_the_same_translation(translation, app):
    choose(translation, "en-es")
    translation.slider(key="translation_width").set_value(3)
    translate(translation, "The dog & 100% #fun?\n\nTwo dogs.")
    query = parse_qs(urlparse(translation.code[-1].value).query)
    other = at(visitor(), "translation", **{name: values[0] for name, values in query.items()})
    assert work(other).text == "The dog & 100% #fun?\n\nTwo dogs."
    assert work(other).pair == "en-es" and work(other).width == 3
    translate(other, "A man.")
    assert work(other).text == "A man." and "text" not in other.query_params


@pytest.mark.parametrize("width, used", [("0", 1), ("99", 12), ("wide", 5), ("", 5)])
def test_a_width_out_of_bounds_is_brought_within_them(app, width, used):
    at(app, "translation", text="The dog.", pair="en-de", width=width)
    assert work(app).width == used


def test_a_link_to_a_pair_that_is_not_there_keeps_the_text(app):
    at(app, "translation", text="The dog.", pair="en-vi<b>")
    assert len(refused(app, "The model for en-vi<b> is not here")) == 1
    assert app.text_area(key="translation_text").value == "The dog."
    assert "translation_work" not in app.session_state


def test_the_home_page_shows_the_translation_that_its_link_leads_to(app):
    app.run()
    assert any("**zwei Hunde sind running through der snow" in e.value.replace("\\", "") for e in app.markdown)
    link = next(found.proto for found in app.get("page_link") if found.proto.page == "translation")
    app.query_params.update({name: values[0] for name, values in parse_qs(link.query_string).items()})
    app.switch_page("screens/translation.py").run()
    assert work(app).translation == "zwei Hunde sind running through der snow."


def test_what_was_typed_and_done_outlives_a_look_elsewhere(translation):
    translate(translation, "The dog runs.")
    translation.switch_page("screens/home.py").run()
    translation.switch_page("screens/translation.py").run()
    assert translation.text_area(key="translation_text").value == "The dog runs."
    assert "Translation" in headings(translation)


def test_visitors_see_their_own_texts_only(translation):
    translate(translation, "The dog runs.")
    other = at(visitor(), "translation")
    assert other.text_area(key="translation_text").value == "" and headings(other) == ["Model"]


# Failures


def test_without_a_model_the_page_says_how_to_make_one(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    at(app, "translation")
    assert ['make train APP=translation ARGS="--pair en-de"' in error.value for error in app.error] == [True]
    assert not app.exception


def test_a_model_that_cannot_be_read_is_a_sentence_and_the_text_is_kept(app, tmp_path, monkeypatch):
    (tmp_path / "translation" / "en-fr").mkdir(parents=True)
    (tmp_path / "translation" / "en-fr" / "saved_model.pb").write_bytes(b"not a graph")
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    translate(at(app, "translation"), "The dog runs.")
    assert ['make train APP=translation ARGS="--pair en-fr"' in error.value for error in app.error] == [True]
    assert app.text_area(key="translation_text").value == "The dog runs."


def test_bleu_by_length_is_drawn_for_the_model_and_its_variants(translation, monkeypatch):
    def rows(*values):
        spans = ((1, 10), (11, None))
        return [{"from": a, "to": b, "sentences": 30, "bleu": value} for (a, b), value in zip(spans, values)]

    figures = {"test": {"bleu_by_length": rows(40.5, 30.25)}}
    monkeypatch.setattr(models, "_mapping", lambda path: figures)
    for variants, said in (
        ({}, "the more there is to get wrong"),
        ({"without attention": {"bleu_by_length": rows(20.75, 5.5)}, "seed 2": {}}, "one vector, however long"),
    ):
        figures["variants"] = variants
        st.cache_resource.clear()
        translation.run()
        assert not translation.exception and said in everything(translation)
        assert next(e.label for e in translation.expander) == "Long sentences"
        assert len(translation.get("vega_lite_chart")) == 1
    st.cache_resource.clear()
