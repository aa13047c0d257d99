import random
import re
import threading

import numpy as np
import pytest

from apps import models, translations
from apps.models import ModelError
from apps.texts import InputError
from apps.translations import Sentence, Work, split


@pytest.fixture
def model(saved_models):
    return models.load("translation/en-de")


def work(model, text, width=5):
    work = Work(model, "en-de", text, width)
    while not work.ended:
        work.step()
    return work


# Sentences


@pytest.mark.parametrize(
    "text, sentences",
    [
        ("One. Two? Three!", ["One.", "Two?", "Three!"]),
        ('He said "Stop!" Then he ran.', ['He said "Stop!"', "Then he ran."]),
        ("Mr. Smith and J. Doe met Dr. Who, e.g. here. Yes.", ["Mr. Smith and J. Doe met Dr. Who, e.g. here.", "Yes."]),
        ("A line\nanother\n\n  a third  ", ["A line", "another", "a third", ""]),
        ("3.5 km … and on", ["3.5 km …", "and on"]),
        ("« Bonjour ! » Oui.", ["« Bonjour !", "» Oui."]),
        ("a.b.c", ["a.b.c"]),
        ("", []),
        (" \n ", [""]),
    ],
)
def test_sentences_end_where_a_reader_says_so(text, sentences):
    assert [sentence.text for sentence in split(text)] == sentences


def test_what_has_no_end_is_taken_in_parts():
    assert [len(sentence.text.split()) for sentence in split("word " * 120)] == [50, 50, 20, 0]
    assert [len(sentence.text) for sentence in split("x" * 450)] == [200, 200, 50]


@pytest.mark.parametrize("seed", range(100))
def test_nothing_of_a_text_is_lost(seed):
    generator = random.Random(seed)
    pieces = [
        "Two dogs",
        ".",
        "!",
        "?",
        '"',
        " ",
        "  ",
        "\n",
        "\n\n",
        "\t",
        "Mr.",
        "🙂",
        "<b>",
        "\u00a0",
        "é",
        "12",
        "x" * 250,
    ]
    text = "".join(generator.choices(pieces, k=generator.randrange(60)))
    sentences = split(text)
    assert "".join(sentence.before + sentence.text for sentence in sentences) == text
    for sentence in sentences:
        assert not sentence.before.strip() and "\n" not in sentence.text
        assert sentence.text == sentence.text.strip()
        assert len(sentence.text.split()) <= translations.MOST_WORDS


# The work


def test_a_text_is_translated_with_all_that_stands_between_its_sentences(model):
    done = work(model, " The dog runs.\n\n\tTwo dogs!  🙂 12\nA man \n")
    assert done.translation == " der Hund läuft.\n\n\tzwei Hunde!  🙂 12\nein Mann \n"
    assert [done.translation[slice(*done.place(index))] for index in done.done] == [
        "der Hund läuft.",
        "zwei Hunde!",
        "ein Mann",
    ]


def test_alternatives_are_those_there_are_with_the_models_own_length_penalty(model):
    sentence = work(model, "The dog runs.").sentences[0]
    (first, score), (second, next_score) = sentence.alternatives
    assert (first, second) == ("der Hund läuft.", "DER HUND LÄUFT.")
    assert (score, next_score) == (pytest.approx(-1.3), pytest.approx(-2.3))
    assert len(work(model, "The dog runs.", width=1).sentences[0].alternatives) == 1


def test_alternatives_that_read_the_same_are_one(model):
    assert work(model, "ÄÖ").sentences[0].alternatives == [("ÄÖ", pytest.approx(-0.2))]


def test_the_work_goes_some_at_a_time_and_in_order(model):
    text = "\n".join(f"The dog {number}" for number in range(40))
    half = Work(model, "en-de", text, 2)
    half.step()
    assert not half.ended and len(half.done) == translations.TOGETHER
    assert half.translation == "\n".join(f"der Hund {number}" for number in range(translations.TOGETHER))
    while not half.ended:
        half.step()
    assert half.translation == text.replace("The dog", "der Hund")


def test_a_failure_on_the_way_loses_nothing(model, monkeypatch):
    half = Work(model, "en-de", "The dog\n" * 40, 2)
    half.step()
    call = models.Model.call

    def failing(self, signature, **inputs):
        raise ModelError("The model could not answer.")

    monkeypatch.setattr(models.Model, "call", failing)
    with pytest.raises(ModelError):
        half.step()
    assert len(half.done) == translations.TOGETHER
    monkeypatch.setattr(models.Model, "call", call)
    while not half.ended:
        half.step()
    assert half.translation == "der Hund\n" * 40


def test_two_runs_of_a_page_at_once_do_each_sentence_once(model):
    shared = Work(model, "en-de", "The dog\n" * 200, 2)

    def run():
        while not shared.ended:
            shared.step()
            assert all(shared.sentences[index].known is not None for index in shared.done)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(shared.done) == 200 and shared.translation == "der Hund\n" * 200


@pytest.mark.parametrize(
    "text, remark",
    [
        ("The dog runs. Two dogs.", None),
        ("Ein Mann sieht den Hund.", "Most words here are new"),
        ("Собака бежит.", "Most words here are new"),
        ("The dog runs. The man sees two dogs. Hola.", "One sentence has mostly words that are new .*“Hola.”"),
        ("The dog runs. The man sees two dogs. Hola. Adiós.", "2 sentences have mostly .*“Hola.” and others"),
    ],
)
def test_words_the_model_does_not_know_are_said(model, text, remark):
    remarks = work(model, text).remarks()
    if remark is None:
        assert remarks == []
    else:
        assert len(remarks) == 1
        assert re.search(remark, remarks[0])


def test_a_sentence_without_a_translation_stands_as_it_was(model, monkeypatch):
    def mute(self, signature, text, **inputs):
        if signature == "known":
            return {"known": np.ones(len(text), "float32")}
        return {"translations": np.array([[b"", b""]] * len(text)), "scores": np.full((len(text), 2), -np.inf)}

    monkeypatch.setattr(models.Model, "call", mute)
    done = work(model, "The dog.\nTwo dogs.")
    assert done.translation == "The dog.\nTwo dogs."
    assert "stand as they were: 2" in done.remarks()[0]


def test_attention_has_the_words_that_there_are(model):
    found = translations.attention(model, "The dog runs.")
    assert found.translation == "der Hund läuft."
    assert found.source == ["The", "dog", "runs", "."] and found.target == ["der", "Hund", "läuft", "."]
    np.testing.assert_array_equal(found.weights, np.eye(4))


# Texts and files


def test_prepare_cleans_and_says_so():
    assert translations.prepare("a\r\nb") == ("a\nb", [])
    text, remarks = translations.prepare("a\x00b\x1bc")
    assert text == "a b c" and "read as spaces: 2" in remarks[0]


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "no text yet"),
        (" \n\t", "no text yet"),
        ("🙂🎉", "no words in this text"),
        ("12 + 3!", "no words in this text"),
        ("a" * 1_000_001, "1,000,001 characters; at most 1,000,000"),
    ],
)
def test_what_cannot_be_translated_is_explained(text, sentence):
    with pytest.raises(InputError, match=sentence):
        translations.prepare(text)


def test_a_file_is_read_in_utf_8_with_or_without_a_mark():
    assert (
        translations.read_file("Straße 🙂".encode())
        == translations.read_file("\ufeffStraße 🙂".encode())
        == "Straße 🙂"
    )


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\x89PNG\r\n\x1a\n\x00", "not a text file"),
        ("Straße".encode("utf-16"), "not a text file"),
        ("Straße".encode("latin-1"), "its byte 5 does not belong there"),
        (b"a" * 1_000_001, "1,000,001 characters; at most 1,000,000"),
        (b"a" * 4_000_001, "4,000,001 bytes"),
    ],
)
def test_a_file_that_cannot_be_read_is_explained(data, sentence):
    with pytest.raises(InputError, match=sentence):
        translations.read_file(data)


# Pairs


def test_only_pairs_whose_models_are_there_are_offered(saved_models):
    assert translations.available() == ["en-de", "en-es"]


def test_models_of_ones_own_are_offered_behind_the_others(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    for name in ("ast-it", "de-en", "en-es", "en-de", "old", "en-de-2", "EN-it"):
        (tmp_path / "translation" / name).mkdir(parents=True)
        (tmp_path / "translation" / name / "saved_model.pb").touch()
    (tmp_path / "translation" / "en-es" / "config.json").write_text('{"dataset": "own"}')
    assert translations.available() == ["en-de", "en-es", "ast-it", "de-en"]
    assert translations.pair("en-es") is translations.PAIRS["en-es"]
    own = translations.pair("ast-it")
    assert (own.name, own.learned_from, own.examples) == ("AST → Italian", "texts of your own", {})
    # A pair of ours that was trained on one's own texts.
    (tmp_path / "translation" / "en-de" / "config.json").write_text('{"dataset": "files"}')
    own = translations.pair("en-de")
    assert (own.name, own.learned_from, own.examples) == ("English → German", "texts of your own", {})
    (tmp_path / "translation" / "en-de" / "config.json").write_text('{"dataset": "fi')  # being written
    assert translations.pair("en-de") is translations.PAIRS["en-de"]


def test_without_models_the_commands_are_named(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match='make train APP=translation ARGS="--pair en-de"') as caught:
        translations.available()
    assert str(tmp_path) not in str(caught.value)
    with pytest.raises(ModelError, match='make train APP=translation ARGS="--pair en-vi"'):
        models.load("translation/en-vi")


def test_every_pair_has_examples_that_can_be_translated():
    for pair in translations.PAIRS.values():
        assert len(pair.examples) >= 3
        for text in pair.examples.values():
            assert translations.prepare(text) == (text, [])


def test_a_score_may_be_minus_infinity_and_nothing_else_not_finite(model):
    class Output:
        def __init__(self, value):
            self.value = value

        def numpy(self):
            return np.array([self.value], "float32")

    def answering(**outputs):
        other = models.Model.__new__(models.Model)
        other.__dict__.update(model.__dict__)
        found = {name: Output(value) for name, value in outputs.items()}
        other._model = type("Loaded", (), {"signatures": {"beam": lambda text: found}})
        return other.call("beam", text=["a"])

    assert answering(scores=-np.inf)["scores"] == -np.inf
    for outputs in ({"scores": np.nan}, {"scores": np.inf}, {"known": -np.inf}):
        with pytest.raises(ModelError, match="no usable number"):
            answering(**outputs)


def test_a_sentence_without_alternatives_is_itself():
    assert Sentence(" ", "🙂").best == "🙂" and not Sentence("", "12").has_letters
