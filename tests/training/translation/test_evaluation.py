import json
import os

import numpy as np
import pytest
import tensorflow as tf

from training import Stop, release
from training.translation import data, evaluation
from training.translation.__main__ import Config
from training.translation.model import TOGETHER


def pair(source, *references):
    texts = [text.encode() for text in references]
    return {"source": source.encode(), "target": texts[0], "references": np.array(texts, object)}


class Stub:
    """A translator that is right with one length penalty alone: it adds a word."""

    def __init__(self, word, right):
        self.word, self.right = word, right

    def beam(self, text, width, length_penalty):
        best = tf.where(tf.equal(length_penalty, self.right), text + self.word, "nothing at all of it")
        return {"translations": tf.repeat(best[:, None], width, axis=1), "scores": tf.zeros((tf.size(text), width))}


def test_translations_come_in_the_order_of_their_sources():
    pairs = [pair("x" * ((7 * number) % 50 + 1) + str(number), "") for number in range(2 * TOGETHER + 5)]
    asked = []

    def beam(text, width, length_penalty):
        asked.append(text.shape[0])
        assert width.dtype == tf.int32 and length_penalty.dtype == tf.float32
        return {"translations": tf.stack([text + "!", tf.fill(text.shape, "the second")], axis=1)}

    found = evaluation.translate(beam, pairs, 2, 0.6)
    assert found == [example["source"].decode() + "!" for example in pairs]
    assert asked == [TOGETHER, TOGETHER, 5]


def test_references_may_be_of_different_numbers():
    pairs = [pair("a", "one of it"), pair("b", "two", "second", "third"), pair("c", "three", "drei")]
    assert evaluation.references(pairs) == [
        ["one of it", "two", "three"],
        [None, "second", "drei"],
        [None, "third", None],
    ]


def test_any_reference_is_right():
    cats = pair("a", "The cat is on the mat.", "There is a cat on the mat.")
    pairs = [cats, pair("b", "He reads a book every day.")]
    for first in ("The cat is on the mat.", "There is a cat on the mat."):
        for metric in ("bleu", "chrf"):
            assert evaluation.score(metric, [first, "He reads a book every day."], pairs) == 100
    worse = evaluation.score("bleu", ["The cat is on the mat.", "He reads the books daily."], pairs)
    assert 0 < worse < 100 == evaluation.score("bleu", [cats["target"].decode()], [cats])


def test_signatures_name_the_tokens():
    for metric in evaluation.METRICS:
        evaluation.score(metric, ["one"], [pair("a", "one")])
    names = {name: str(metric.get_signature()) for name, metric in evaluation.METRICS.items()}
    assert "tok:13a" in names["bleu"] and "tok:none" in names["bleu_lc_norm_tok"] and "nc:6" in names["chrf"]


def test_without_spaces_between_words_bleu_counts_characters():
    cats = pair("a", "我喜欢猫和狗。")
    for language, tokens in (("zh", "tok:zh"), ("ja", "tok:char"), ("it", "tok:13a"), (None, "tok:13a")):
        figure = evaluation.score("bleu", ["我喜欢猫和鸟。"], [cats], language)
        assert (figure > 30) == (language in ("zh", "ja"))
        assert tokens in str(evaluation.metric("bleu", language).get_signature())
    assert evaluation.metric("chrf", "zh") is evaluation.METRICS["chrf"]


def test_figures_by_length():
    lengths = [3] * 30 + [5] * 20 + [6] * 40 + [12] * 19 + [40] * 25
    pairs = [pair(" ".join(["w"] * length), "one two three four five") for length in lengths]
    hypotheses = ["one two three four five" if length != 6 else "none of these words" for length in lengths]
    rows = evaluation.by_length(hypotheses, pairs)
    # Fewer than twenty sentences say little.
    assert [(row["from"], row["to"], row["sentences"]) for row in rows] == [(1, 5, 50), (6, 10, 40), (26, None, 25)]
    assert [row["bleu"] for row in rows] == [100, 0, 100]


def test_each_length_is_in_one_class():
    pairs = [pair(" ".join(["w"] * length), "one two three four") for length in range(1, 61) for _ in range(20)]
    rows = evaluation.by_length(["one two three four"] * len(pairs), pairs)
    assert sum(row["sentences"] for row in rows) == len(pairs)
    assert [row["from"] for row in rows] == [1, *(length + 1 for length in evaluation.LENGTHS)]


@pytest.mark.parametrize("right", evaluation.PENALTIES)
def test_the_length_penalty_of_the_best_figure_is_chosen(right):
    pairs = [pair(f"{number} is a number", f"{number} is a number indeed") for number in range(10)]
    penalty, bleu = evaluation.choose_penalty(Stub(" indeed", right), pairs, 2)
    assert penalty == right and bleu[right] == 100
    assert list(bleu) == list(evaluation.PENALTIES) and sorted(bleu.values())[-2] < 50


def test_figures_of_a_saved_model(saved):
    config = Config(pair="en-fr", dataset="sample", width=2, parent="runs/translation/en-es", memory_dropout=0.4)
    metrics = release.read_metrics(saved)
    run = {
        "pairs": 640, "parameters": 1234, "subwords": 400, "minutes": 2.4, "machine": "a machine", "epochs_run": 3,
        "best_epoch": 2, "validation_bleu": {"0.0": 1.5, "0.6": 2.5}, "length_penalty": 0.6,
    }  # fmt: skip
    baselines = {"a peer": {"bleu": 12.346, "chrf": 23.4}}
    release.write_metrics(saved, metrics | {"run": run, "baselines": baselines})
    written = evaluation.evaluate(config, saved)
    assert written == release.read_metrics(saved) and written["baselines"] == baselines
    assert written["test"]["sentences"] == 80
    pairs = list(data.load(config, "test").as_numpy_iterator())
    model = tf.saved_model.load(str(saved))
    for name, width, penalty in (("greedy", 1, 0.0), ("beam", 2, 0.6)):
        texts = evaluation.translate(model.signatures["beam"], pairs, width, penalty)
        for metric in ("bleu", "chrf"):
            assert written["test"][name][metric] == evaluation.score(metric, texts, pairs)
    assert set(written["test"]["signatures"]) == {"bleu", "chrf"}
    card = (saved / "model_card.md").read_text()
    for said in (
        "Translation, English to French", "640 pairs", "80 sentences", f"GRU of {config.units} units",
        f"| greedy | {written['test']['greedy']['bleu']:.2f} |", "| a peer | 12.35 | 23.40 |",
        "--pair en-fr --evaluate", "0.0: 1.5, 0.6: 2.5", "weights of en-es", written["test"]["signatures"]["chrf"],
    ):  # fmt: skip
        assert said in card, said
    assert "{" not in card


def test_what_is_saved_beside_the_model(saved):
    assert json.loads((saved / "config.json").read_text())["pair"] == "en-fr"
    assert (saved / "training.jsonl").read_text() == '{"epoch": 1}\n'


def test_no_saved_model_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match=r"no SavedModel in .*nothing.*--pair en-fr"):
        evaluation.evaluate(Config(pair="en-fr", dataset="sample"), tmp_path / "nothing")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), "multi30k/train.en.gz")),
    reason="SEQKERAS_MANUAL_DIR has no multi30k",
)
def test_tokens_are_those_of_the_real_files(tmp_path, monkeypatch):
    def lines_that_differ(metric, hypotheses, pairs):
        return sum(text != example["target"].decode() for text, example in zip(hypotheses, pairs, strict=True))

    monkeypatch.setattr(evaluation, "score", lines_that_differ)
    for languages, expected in (("en-de", 0), ("en-fr", 1), ("fr-en", 0)):
        config = Config(pair=languages, data_dir=str(tmp_path))
        texts = [example["target"].decode() for example in data.load(config, "test").as_numpy_iterator()]
        assert evaluation.tokenised_bleu(texts, config) == expected
