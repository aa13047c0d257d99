"""The whole way on a folder of tunes: train, measure, export, measure again; what goes wrong is said in a sentence."""

import json

import pytest
import tensorflow as tf

from seqkeras.media import abc
from training import Stop, release
from training.config import parse
from training.datasets import sample_tunes
from training.music import __main__ as music
from training.music import evaluation
from training.music.__main__ import Config

TINY = [
    "--dataset=folder", "--units=6", "--num_layers=1", "--embedding_size=4", "--epochs=1", "--batch_size=16",
    "--transpose=false",
]  # fmt: skip


@pytest.fixture(scope="module", autouse=True)
def few():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(evaluation, "TUNES", 3)
        yield


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    (folder / "tunes").mkdir()
    # Waltzes alone: neither the metres nor all of the keys that are asked for of the shipped model.
    waltzes = [tune for tune in sample_tunes.write(120) if tune["rhythm"] == "waltz"]
    for tune in waltzes:
        (folder / "tunes" / f"{tune['title']}.abc").write_text(abc.full(tune["tune"], tune["title"]))
    options = [f"--folder={folder}/tunes", f"--workdir={folder}/run", f"--export={folder}/model"]
    music.main(parse(Config, [*TINY, *options]))
    return folder


def test_run_leaves_a_model_with_card_and_figures(folder):
    metrics = json.loads((folder / "model" / "metrics.json").read_text())
    assert sum(metrics["tunes"].values()) == 40 and metrics["run"]["epochs"] == metrics["run"]["best_epoch"] == 1
    assert set(metrics["written"]) == {"0.8", "1.0"} and metrics["written"]["0.8"]["tunes"] == 3
    config = json.loads((folder / "model" / "config.json").read_text())
    assert config["units"] == 6 and config["dataset"] == "folder" and str(folder) not in str(config)
    card = (folder / "model" / "model_card.md").read_text()
    for said in ("somebody's own", "--dataset folder --folder FOLDER --evaluate", "It knows tunes like these."):
        assert said in card
    for unsaid in ("folk", "Irish", "Nottingham", "fiddle", "benchmarks", str(folder), "{"):
        assert unsaid not in card
    signatures = tf.saved_model.load(str(folder / "model")).signatures
    assert set(signatures) == {"serving_default", "start", "step", "symbols"}
    assert b"M:3/4\n" in signatures["symbols"]()["symbols"].numpy()


def test_evaluate_prints_the_shipped_figures_again(folder, capsys):
    before = json.loads((folder / "model" / "metrics.json").read_text())
    # Whatever else is said now, the model is measured as it was made.
    options = ["--evaluate", f"--folder={folder}/tunes", f"--export={folder}/model", f"--workdir={folder}/run"]
    music.main(parse(Config, options))
    printed = capsys.readouterr().out
    assert json.loads(printed[printed.index("{") :]) == before == release.read_metrics(folder / "model")
    with pytest.raises(Stop, match="--dataset folder wants a folder"):
        music.main(parse(Config, ["--evaluate", f"--export={folder}/model"]))


def test_nothing_to_evaluate_is_said_in_a_sentence(folder, tmp_path):
    options = ["--dataset=folder", f"--folder={folder}/tunes", "--evaluate", f"--export={tmp_path}"]
    with pytest.raises(Stop, match="no SavedModel in .*python -m training.music --dataset folder"):
        music.main(parse(Config, options))


def test_a_folder_is_not_passed_over():
    with pytest.raises(Stop, match="read with --dataset folder alone"):
        music.main(Config(folder="tunes"))


def test_the_card_of_each_set_says_what_it_is(folder, tmp_path):
    metrics = release.read_metrics(folder / "model") | {"baselines": {"a peer": {"validation": 2.0, "test": 2.5}}}
    cards = {}
    for dataset in music.Config.__dataclass_fields__["dataset"].metadata["choices"]:
        evaluation.write_card(Config(dataset=dataset), metrics, tmp_path)
        cards[dataset] = (tmp_path / "model_card.md").read_text()
    assert "two collections, 804 Irish" in cards["folk"] and "Nottingham" not in cards["irish"]
    assert "Irish" not in cards["nottingham"] and "exercise" in cards["sample"]
    assert all("| a peer | 2.000 | 2.500 |" in card and "benchmarks.music" in card for card in cards.values())
