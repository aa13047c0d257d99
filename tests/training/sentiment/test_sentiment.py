"""The whole way on the sample corpus: train, stop, go on, measure, export, and what goes wrong said in one sentence."""

import json
import subprocess
import sys

import keras
import numpy as np
import pytest
import tensorflow as tf

from training.config import parse
from training.datasets import contrasts
from training.sentiment.__main__ import Config, main
from training.sentiment.model import AdversarialClassifier

TINY = [
    "--dataset=sample", "--vocabulary_size=500", "--unknown_ids=5", "--embedding_size=12", "--units=8", "--crop=40",
    "--contrasts=200", "--piece_share=0.1", "--learning_rate=0.02", "--words_per_batch=2048",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("sentiment")
    options = [*TINY, "--epochs=2", f"--workdir={folder / 'run'}", f"--export={folder / 'model'}"]
    command = [sys.executable, "-m", "training.sentiment", *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=280)
    assert done.returncode == 0, done.stderr
    return folder


def test_run_leaves_a_model_with_card_and_figures(folder):
    model = folder / "model"
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["test"]["reviews"] == 400 and metrics["run"]["epochs"] == 2
    assert metrics["test"]["accuracy"] > 80
    assert f"{metrics['test']['accuracy']:.2f}" in (model / "model_card.md").read_text()
    assert json.loads((model / "config.json").read_text())["units"] == 8
    assert len((model / "training.jsonl").read_text().splitlines()) == 2


def test_signatures_and_shares(folder):
    model = tf.saved_model.load(str(folder / "model"))
    texts = tf.constant(["The soup was awful.", "", "A lovely film, not dull at all!"])
    rated = model.signatures["serving_default"](text=texts)
    told = model.signatures["explain"](text=texts)
    np.testing.assert_allclose(told["positive"], rated["positive"], atol=1e-6)
    assert told["tokens"].shape == told["weights"].shape
    # The shares and one constant, which the text without a word gives, make the log-odds.
    positive = np.clip(rated["positive"], 1e-6, 1 - 1e-6)
    constant = np.log(positive[1]) - np.log1p(-positive[1])
    np.testing.assert_allclose(
        1 / (1 + np.exp(-constant - np.sum(told["weights"], axis=1))), rated["positive"], atol=1e-4
    )


def test_evaluate_prints_the_shipped_figures_again(folder, capsys):
    main(parse(Config, [*TINY, "--evaluate", f"--export={folder / 'model'}"]))
    out = capsys.readouterr().out
    again = json.loads(out[out.index("{") :])
    test = json.loads((folder / "model" / "metrics.json").read_text())["test"]
    assert again["accuracy"] == test["accuracy"]
    assert again["stars_mean_absolute_error"] == pytest.approx(test["stars_mean_absolute_error"], abs=2e-3)


def test_does_not_go_on_with_another_configuration(folder):
    with pytest.raises(SystemExit, match="another configuration"):
        main(parse(Config, [*TINY, "--epochs=3", f"--workdir={folder / 'run'}"]))


@pytest.mark.parametrize(
    "options, said",
    [
        (["--dataset=csv"], "--csv reviews.csv"),
        (["--evaluate", "--export=/nowhere"], "no SavedModel in /nowhere"),
        (["--unit=3"], "--units"),
    ],
)
def test_says_what_is_wrong_in_a_sentence(options, said, tmp_path, capsys):
    with pytest.raises(SystemExit) as wrong:
        main(parse(Config, [*TINY, f"--workdir={tmp_path}", *options]))
    assert said in f"{wrong.value} {capsys.readouterr().err}"


@pytest.mark.parametrize("jit_compile", [False, True])
def test_adversarial_step_lowers_the_loss(jit_compile):
    keras.utils.set_random_seed(0)
    ids = np.random.default_rng(0).integers(1, 20, (32, 6))
    targets = {"positive": (ids[:, 0] > 10).astype("float32"), "stars": np.zeros(32, "float32")}
    outputs = {"positive": "sigmoid", "stars": "sigmoid"}
    model = AdversarialClassifier(20, outputs, embedding_size=8, units=6, perturbation=0.03)
    model.build((None, None))
    model.compile(keras.optimizers.Adam(0.03), "binary_crossentropy", jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)
    losses = [model.train_on_batch(ids, targets, return_dict=True)["loss"] for _ in range(20)]
    assert np.mean(losses[-3:]) < 0.6 * losses[0]


def test_contrasts_mirror_each_other():
    sentences = contrasts.write(400)
    assert sum(label for _, label in sentences) == 200
    for (first, _), (second, _) in zip(sentences[::2], sentences[1::2]):
        assert first != second
    # The pairs that measure are not among what teaches.
    assert not {text for pair in contrasts.PAIRS for text in pair} & {text for text, _ in contrasts.write(20_000)}
