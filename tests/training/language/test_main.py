"""The whole way on a small text of one's own: train, measure, export, measure again, and a variant beside it."""

import json

import numpy as np
import pytest
import tensorflow as tf

from seqkeras import export
from training.config import parse
from training.datasets import sample_prose
from training.language import __main__ as language
from training.language.__main__ import BY_LEVEL, Config, settled

TINY = ["--units=6", "--embedding_size=5", "--epochs=1", "--batch_size=8", "--chunk=50", "--learning_rate=0.01"]


@pytest.fixture(scope="module", params=["characters", "words"])
def run(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(request.param)
    text = folder / "prose.txt"
    text.write_text(sample_prose.load("validation"))
    options = [*TINY, f"--corpus={text}", f"--level={request.param}", f"--export={folder}/model"]
    language.main(parse(Config, [*options, f"--workdir={folder}/run"]))
    return folder, options, request.param


def test_run_leaves_a_model_with_card_and_figures(run):
    folder, _, level = run
    path = folder / "model" / "prose"
    metrics = json.loads((path / "metrics.json").read_text())
    unit = "perplexity" if level == "words" else "bits_per_character"
    assert 1 < metrics["test"][unit] < 2 * metrics["run"]["vocabulary_size"]
    assert f"{metrics['test'][unit]:.2f}" in (path / "model_card.md").read_text()
    config = json.loads((path / "config.json").read_text())
    assert config["level"] == level and "workdir" not in config
    model = tf.saved_model.load(str(path))
    assert set(model.signatures) == {"serving_default", "score", "next", "trace", "start", "step", "symbols"}
    assert not [name for name in export.operations(path) if not name]
    text = model.signatures["serving_default"](
        prompt=tf.constant(["The "]), length=tf.constant(5), temperature=tf.constant(1.0), seed=tf.constant(1)
    )["text"]
    assert text.shape == (1,) and len(text.numpy()[0]) > 3


def test_evaluate_prints_the_shipped_figures_again(run, capsys):
    folder, options, _ = run
    before = json.loads((folder / "model" / "prose" / "metrics.json").read_text())
    language.main(parse(Config, [*options, "--evaluate"]))
    printed = json.loads(capsys.readouterr().out)
    assert printed == before


def test_a_variant_is_written_beside_it(run):
    folder, options, level = run
    path = folder / "model" / "prose"
    before = json.loads((path / "metrics.json").read_text())
    language.main(parse(Config, [*options, f"--workdir={folder}/run", "--baseline=the same again"]))
    metrics = json.loads((path / "metrics.json").read_text())
    (path / "metrics.json").write_text(json.dumps(before, indent=2) + "\n")
    again, shipped = metrics["baselines"]["the same again"], metrics["test"]
    for name, value in again.items():
        np.testing.assert_allclose(value, shipped[name], rtol=1e-3)


def test_each_level_has_its_own_values():
    for corpus, level in (("penn_treebank", "words"), ("shakespeare", "characters"), ("my.py", "characters")):
        config = settled(Config(corpus=corpus))
        assert config.level == level and all(getattr(config, k) == v for k, v in BY_LEVEL[level].items())
    assert settled(Config(corpus="penn_treebank", units=200)).units == 200
    assert settled(Config(corpus="python")).units < settled(Config(corpus="shakespeare")).units
    assert settled(Config(corpus="python", units=300)).units == 300
    words = settled(Config(corpus="python", level="words"))
    assert words.units == words.embedding_size == BY_LEVEL["words"]["units"]  # which are tied
    assert settled(Config(corpus="a/my.py")).export == "saved_models/language/my"
