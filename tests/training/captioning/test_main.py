"""The whole way on a few drawn scenes: train, measure, export, measure again; what goes wrong is said in a sentence."""

import csv
import functools
import json

import numpy as np
import pytest
import tensorflow as tf

from seqkeras.models import PictureEncoder
from training import Stop
from training.captioning import __main__ as captioning
from training.captioning.__main__ import CAPTIONS, PICTURES, WORDS, Config
from training.config import parse
from training.datasets import scenes

TINY = [
    "--dataset=sample", "--side=32", "--crop=24", "--size=32", "--minimum_count=2", "--words=20", "--word_epochs=1",
    "--embedding_size=8", "--units=6", "--epochs=1", "--batch_size=8", "--captions_each=2", "--width=2",
    "--encoder_dtype=float32",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def small():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "SIZES", {"train": 24, "validation": 8, "test": 8})
        patch.setattr("training.captioning.evaluation.PENALTIES", (0.0, 1.0))
        tiny = functools.partial(PictureEncoder, stem=4, widths=(6, 8), blocks=(1, 1))
        patch.setattr("training.captioning.model.PictureEncoder", tiny)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    captioning.main(parse(Config, [*TINY, f"--workdir={folder}/run", f"--export={folder}/model"]))
    return folder


def test_run_leaves_a_model_with_card_and_figures(folder):
    metrics = json.loads((folder / "model" / "metrics.json").read_text())
    run = metrics["run"]
    assert (run["pictures"], run["held_out"], metrics["test"]["pictures"]) == (24, 8, 8)
    assert run["epochs_run"] == run["best_epoch"] == 1
    assert str(run["length_penalty"]) in run["validation_bleu4"]
    assert set(metrics["test"]["beam"]) == {"bleu1", "bleu2", "bleu3", "bleu4", "cider"}
    card = (folder / "model" / "model_card.md").read_text()
    assert f"{metrics['test']['greedy']['bleu1']:.1f}" in card and "24 pictures" in card
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["units"] == 6 and config["width"] == 2 and config["dataset"] == "sample"
    assert len((folder / "model" / "training.jsonl").read_text().splitlines()) == 1
    assert {path.name for path in (folder / "run").iterdir()} >= {WORDS, CAPTIONS, PICTURES}
    model = tf.saved_model.load(str(folder / "model"))
    assert set(model.signatures) == {"serving_default", "beam", "attend", "encode"}


def test_evaluate_prints_the_shipped_figures_again(folder, capsys):
    before = json.loads((folder / "model" / "metrics.json").read_text())
    # Whatever else is said now, the model is measured as it was made.
    captioning.main(parse(Config, ["--evaluate", "--units=99", f"--export={folder}/model"]))
    printed = json.loads(capsys.readouterr().out)
    assert printed == before == json.loads((folder / "model" / "metrics.json").read_text())


def test_a_variant_is_written_beside_the_model(folder, capsys):
    before = json.loads((folder / "model" / "metrics.json").read_text())
    graph = (folder / "model" / "saved_model.pb").read_bytes()
    options = ["--word_epochs=0", "--attention=none", "--baseline=without attention", f"--workdir={folder}/plain"]
    captioning.main(parse(Config, [*TINY, *options, f"--export={folder}/model"]))
    assert "without attention: {" in capsys.readouterr().out
    after = json.loads((folder / "model" / "metrics.json").read_text())
    assert after["test"] == before["test"] and after["run"] == before["run"]
    figures = after["baselines"].pop("without attention")
    assert after["baselines"] == before["baselines"] and set(figures) == set(before["test"]["beam"])
    assert after["variants"]["without attention"]["parameters"] < before["run"]["parameters"]
    assert (folder / "model" / "saved_model.pb").read_bytes() == graph and not (folder / "plain" / WORDS).exists()


def test_nothing_to_evaluate_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match="no SavedModel in"):
        captioning.main(parse(Config, [*TINY, "--evaluate", f"--export={tmp_path}"]))


def test_an_unknown_encoder_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match="no encoder resnet-17"):
        captioning.main(parse(Config, [*TINY, "--encoder=resnet-17", f"--workdir={tmp_path}/run"]))


def test_a_damaged_test_picture_is_found_before_training(tmp_path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3))
    picture = tf.io.encode_jpeg(noise.astype("uint8")).numpy()
    names = [f"{number}.jpg" for number in range(60)]
    for name in names:
        (tmp_path / name).write_bytes(picture)
    with open(tmp_path / "captions.csv", "w", newline="") as file:
        csv.writer(file).writerows([("image", "caption"), *((name, "Snow on the screen.") for name in names)])
    options = ["--dataset=folder", f"--folder={tmp_path}", f"--captions_file={tmp_path}/captions.csv"]
    config = parse(Config, [*TINY, *options, f"--workdir={tmp_path}/run"])
    bad = next(captioning.data.load(config, "test").as_numpy_iterator())["id"].decode()
    (tmp_path / bad).write_bytes(picture[:-500])
    with pytest.raises(Stop, match=f"{bad} cannot be decoded"):
        captioning.main(config)
    assert not (tmp_path / "run" / PICTURES).exists()
