import json
import math
from types import SimpleNamespace

import numpy as np
import pytest
import tensorflow as tf

from training import Stop, release
from training.captioning import data, evaluation
from training.captioning.__main__ import Config
from training.captioning.cider import cider_d


def example(image, *texts):
    return {"image": image, "captions": np.array([text.encode() for text in texts], object)}


PICTURES = [
    example(b"dog", "A dog runs fast .", "The brown dog runs over the grass ."),
    example(b"child", "A child 's red hat .", "A child with a hat ."),
    example(b"sea", "Two surfers ride a wave ."),
]
REFERENCES = evaluation.captions_of(PICTURES)


class Stub:
    """A captioner that is right with one length penalty alone: it writes the first caption of `PICTURES`."""

    def __init__(self, right):
        self.right, self.length_penalty = right, None

    def beam(self, image, width):
        places = tf.argmax(image[:, None] == tf.constant([row["image"] for row in PICTURES]), axis=1)
        right = tf.gather(tf.constant([texts[0] for texts in REFERENCES]), places)
        best = right if self.length_penalty == self.right else tf.fill(tf.shape(image), "Nothing of it.")
        return {"captions": tf.repeat(best[:, None], width, axis=1)}


# Figures


def test_captions_are_those_of_the_examples():
    assert REFERENCES[0] == ["A dog runs fast .", "The brown dog runs over the grass ."]
    assert list(map(len, REFERENCES)) == [2, 2, 1]


@pytest.mark.parametrize("place", [0, -1])
def test_any_reference_is_right_whatever_its_capitals_and_marks(place):
    captions = ["A DOG, runs fast!", "a child's red hat", "Two surfers ride a wave."]
    if place:
        captions = ["the brown dog runs over the grass", "A child with a hat.", "Two surfers ride a wave."]
    found = evaluation.scores(captions, REFERENCES)
    assert [found[f"bleu{order}"] for order in (1, 2, 3, 4)] == [100] * 4 and 4 < found["cider"] < 10


def test_figures_worked_out_by_hand():
    references = [["A cat sits on a mat.", "There is a cat!"], ["Dogs run."]]
    # Words: cat, sits, on of five, and both of the second; the first "the" and "red" are nowhere: 5 of 7.
    # Pairs: cat-sits, sits-on of four, and dogs-run: 3 of 5. Threes: cat-sits-on of three and none: 1 of 3. Fours: 0.
    # Seven words; of the references the nearest in length have four (four and six are as near: the shorter) and two.
    found = evaluation.scores(["The cat sits on red.", "Dogs run"], references)
    precisions = [5 / 7, 3 / 5, 1 / 3]
    for order in (1, 2, 3):
        expected = 100 * math.prod(precisions[:order]) ** (1 / order)
        assert found[f"bleu{order}"] == pytest.approx(expected, abs=0.01)
    assert found["bleu4"] == 0
    words = [["a cat sits on a mat", "there is a cat"], ["dogs run"]]
    assert found["cider"] == round(cider_d(["the cat sits on red", "dogs run"], words), 4) > 0


def test_too_short_is_worse():
    # All words are right, but two of four: exp(1 - 4/2).
    found = evaluation.scores(["A dog"], [["A dog runs fast"]])
    assert found["bleu1"] == found["bleu2"] == pytest.approx(100 * math.exp(-1), abs=0.01)


def test_the_signature_names_the_words():
    evaluation.scores(["one"], [["one"]])
    signature = str(evaluation.METRICS["bleu4"].get_signature())
    assert "tok:none" in signature and "smooth:none" in signature


def test_captions_come_in_the_order_of_their_pictures(monkeypatch):
    monkeypatch.setattr(evaluation, "TOGETHER", 3)
    asked = []

    def beam(image, width):
        asked.append((len(image), int(width)))
        return {"captions": tf.stack([image + "!", tf.fill(image.shape, "the second")], axis=1)}

    rows = [example(str(number).encode(), "") for number in range(8)]
    assert evaluation.caption(beam, rows, 2) == [f"{number}!" for number in range(8)]
    assert asked == [(3, 2), (3, 2), (2, 2)]


@pytest.mark.parametrize("right", [evaluation.PENALTIES[0], evaluation.PENALTIES[2]])
def test_the_length_penalty_of_the_best_figure_is_chosen(right):
    captioner = Stub(right)
    examples = SimpleNamespace(as_numpy_iterator=lambda: iter(PICTURES))
    penalty, found = evaluation.choose_penalty(captioner, examples, 2)
    assert penalty == right and list(found) == list(evaluation.PENALTIES)
    assert found[right] > 3 and sum(found.values()) == found[right]


# Simpler ways of captioning


def test_the_most_frequent_caption():
    rows = [
        example(b"", "Two men .", "A dog runs ."),
        example(b"", "a dog runs", "Two men!", "a cat"),
        example(b"", "A dog, runs!", "dogs run"),
    ]
    assert evaluation.most_frequent(rows) == "a dog runs"
    assert evaluation.most_frequent(rows[:2]) == "a dog runs"  # two of them, by the alphabet


def test_the_typical_caption_of_a_picture():
    texts = ["A man climbs.", "A brown dog runs fast.", "The dog, brown, runs!", "a dog runs on grass"]
    assert evaluation._typical(texts) == "A brown dog runs fast."
    assert evaluation._typical(["only one"]) == "only one" and evaluation._typical(["...", "?"]) == "..."


def test_a_picture_that_is_known_finds_itself(captioner, few_scenes, monkeypatch):
    monkeypatch.setattr(evaluation, "TOGETHER", 7)
    model = SimpleNamespace(signatures={"encode": tf.function(captioner.encode)})
    train = few_scenes["train"]
    asked = [train[place] for place in (17, 2, 23)]
    expected = [evaluation._typical(texts) for texts in evaluation.captions_of(asked)]
    assert evaluation.nearest(model, train, asked) == expected
    known = {text for texts in evaluation.captions_of(train) for text in texts}
    assert set(evaluation.nearest(model, train, few_scenes["test"])) <= known


def test_similar_is_what_differs_from_the_mean_alike():
    grids = {b"a": (10, 1), b"b": (10, -1), b"c": (12, 0.5)}

    def encode(image):
        rows = [np.broadcast_to(np.array(grids[name], "float32"), (2, 3, 2)) for name in image.numpy()]
        return {"features": tf.constant(np.stack(rows))}

    model = SimpleNamespace(signatures={"encode": encode})
    rows = [example(b"a", "up"), example(b"b", "down")]
    # Without the mean (10, 0) taken off, all three would look alike.
    assert evaluation.nearest(model, rows, [example(b"c", "?")]) == ["up"]


# What is written


def test_what_is_saved_beside_the_model(saved):
    assert json.loads((saved / "config.json").read_text())["units"] == 6
    assert (saved / "training.jsonl").read_text() == '{"epoch": 1}\n'
    assert release.read_metrics(saved)["run"] == {"length_penalty": 0.5}


def test_figures_of_a_saved_model(saved, few_scenes, monkeypatch):
    examples = {
        split: SimpleNamespace(as_numpy_iterator=lambda rows=rows: iter(rows)) for split, rows in few_scenes.items()
    }
    monkeypatch.setattr(data, "load", lambda config, split: examples[split])
    config = Config(dataset="sample", width=2)
    run = {
        "pictures": 24, "words": 50, "minutes": 2.4, "machine": "a machine", "epochs_run": 3, "best_epoch": 2,
        "parameters": 1234, "length_penalty": 0.5, "validation_bleu4": {"0.0": 0.1, "0.5": 0.2},
    }  # fmt: skip
    variant = {"bleu1": 12.346, "bleu2": 1.0, "bleu3": 0.5, "bleu4": 0.25, "cider": 0.1236}
    release.write_metrics(saved, {"run": run, "baselines": {"without attention": variant}})
    written = evaluation.evaluate(config, saved)
    assert written == release.read_metrics(saved) and written["run"] == run
    assert written["test"]["pictures"] == 8 and written["baselines"]["without attention"] == variant
    references = evaluation.captions_of(few_scenes["test"])
    model = tf.saved_model.load(str(saved))
    for name, width in (("greedy", 1), ("beam", 2)):
        texts = evaluation.caption(model.signatures["beam"], few_scenes["test"], width)
        assert written["test"][name] == evaluation.scores(texts, references)
    frequent = [evaluation.most_frequent(few_scenes["train"])] * 8
    assert evaluation.scores(frequent, references) in written["baselines"].values()
    alike = evaluation.nearest(model, few_scenes["train"], few_scenes["test"])
    assert evaluation.scores(alike, references) in written["baselines"].values()
    card = (saved / "model_card.md").read_text()
    for said in (
        "24 pictures", "8 pictures of the test split", "a GRU of 384 units", data.ABOUT["sample"],
        f"| greedy | {written['test']['greedy']['bleu1']:.1f} |",
        "| without attention | 12.3 | 1.0 | 0.5 | 0.2 | 0.124 |",
        "2 beams, length penalty 0.5", "0.0: 0.1, 0.5: 0.2", written["test"]["signature"],
    ):  # fmt: skip
        assert said in card, said
    assert "{" not in card


def test_no_saved_model_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match=r"no SavedModel in .*nothing.*training\.captioning"):
        evaluation.evaluate(Config(dataset="sample"), tmp_path / "nothing")
