"""The whole way on the phrase book: train, measure, export, measure again; and what goes wrong said in one sentence."""

import json

import numpy as np
import pytest
import tensorflow as tf

from training import Stop, loop
from training.config import parse
from training.translation import __main__ as translation
from training.translation.__main__ import BY_PAIR, DEFAULTS, SUBWORDS, Config, begin_with, build, settled
from training.translation.evaluation import write_card

TINY = [
    "--pair=en-fr", "--dataset=sample", "--vocabulary=400", "--embedding_size=8", "--units=6", "--epochs=1",
    "--batch_size=64", "--width=2", "--subword_dropout=0.1", "--learning_rate=0.01",
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.translation.evaluation.PENALTIES", (0.0, 1.0))
        translation.main(parse(Config, [*TINY, f"--workdir={folder}/run", f"--export={folder}/model"]))
    return folder


def test_run_leaves_a_model_with_card_and_figures(folder):
    model = folder / "model" / "en-fr"
    metrics = json.loads((model / "metrics.json").read_text())
    assert metrics["test"]["sentences"] == 80 and metrics["run"]["epochs_run"] == metrics["run"]["best_epoch"] == 1
    assert str(metrics["run"]["length_penalty"]) in metrics["run"]["validation_bleu"]
    assert f"{metrics['test']['greedy']['chrf']:.2f}" in (model / "model_card.md").read_text()
    config = json.loads((model / "config.json").read_text())
    assert config["units"] == 6 and config["memory_dropout"] == DEFAULTS["memory_dropout"]
    assert len((model / "training.jsonl").read_text().splitlines()) == 1
    assert build(Config(**config), metrics["run"]["subwords"]).count_params() == metrics["run"]["parameters"]
    assert set(tf.saved_model.load(str(model)).signatures) == {"serving_default", "beam", "attend", "known"}


def test_evaluate_prints_the_shipped_figures_again(folder, capsys):
    before = json.loads((folder / "model" / "en-fr" / "metrics.json").read_text())
    translation.main(parse(Config, [*TINY, "--evaluate", f"--export={folder}/model"]))
    printed = json.loads(capsys.readouterr().out)
    assert printed == before == json.loads((folder / "model" / "en-fr" / "metrics.json").read_text())


def test_a_variant_is_measured_like_the_shipped_one_and_written_beside_it(folder, capsys):
    # After the other tests' readings: the same run once more, which has nothing left to train.
    path = folder / "model" / "en-fr"
    before = json.loads((path / "metrics.json").read_text())
    graph = (path / "saved_model.pb").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("training.translation.evaluation.PENALTIES", (0.0, 1.0))
        options = [f"--workdir={folder}/run", f"--export={folder}/model", "--baseline=the same again"]
        translation.main(parse(Config, [*TINY, *options]))
    metrics = json.loads((path / "metrics.json").read_text())
    assert metrics["baselines"] == {"the same again": before["test"]["beam"]}
    assert metrics["variants"]["the same again"]["bleu_by_length"] == before["test"]["bleu_by_length"]
    assert metrics["test"] == before["test"] and (path / "saved_model.pb").read_bytes() == graph
    config = json.loads((path / "config.json").read_text())
    assert "baseline" not in config
    write_card(Config(**config), metrics, path)
    assert "| the same again | " in (path / "model_card.md").read_text()
    (path / "metrics.json").write_text(json.dumps(before, indent=2) + "\n")
    with pytest.raises(Stop, match="no SavedModel in .*nowhere.* to write the figures beside"):
        options = [f"--workdir={folder}/run", f"--export={folder}/nowhere", "--baseline=x"]
        translation.main(parse(Config, [*TINY, *options]))


def test_begins_with_a_parent(folder):
    parent = folder / "run" / "en-fr"
    config = Config(**json.loads((parent / loop.CONFIG).read_text()))
    before = [translation.Subwords.load(parent / name) for name in SUBWORDS]
    trained = build(config, 400)
    trained.load_weights(parent / loop.BEST)

    # Learnt on other texts: some pieces are the same, with other ids.
    texts = tf.data.Dataset.from_tensors([b"The cat likes the zzz and the house, the cats and zzz houses!"] * 9)
    new = translation.Subwords.learn_joint([texts, texts], 60)
    model = build(config, len(new[0]))
    fresh = model.target_embedding.embeddings.numpy()
    said = begin_with(model, new, str(parent))
    rows, learnt = model.target_embedding.embeddings.numpy(), trained.target_embedding.embeddings.numpy()
    bias, learnt_bias = model.output_bias.numpy(), trained.output_bias.numpy()
    places = {piece: place for place, piece in enumerate(before[0].pieces)}
    shared = 0
    for place, piece in enumerate(new[0].pieces):
        if piece in places:
            shared += 1
            np.testing.assert_array_equal(rows[place], learnt[places[piece]])
            assert bias[place] == learnt_bias[places[piece]]
        else:
            np.testing.assert_array_equal(rows[place], fresh[place])
    assert 4 < shared < len(new[0]) and f"{shared} of {len(new[0])} subwords" in said
    for ours, theirs in zip(model.weights, trained.weights):
        if ours.shape == theirs.shape:
            np.testing.assert_array_equal(ours, theirs)

    other = build(Config(**{**vars(config), "units": 7}), len(new[0]))
    with pytest.raises(Stop, match="of another size"):
        begin_with(other, new, str(parent))
    with pytest.raises(Stop, match="no finished epoch in .*nowhere"):
        begin_with(model, new, str(folder / "nowhere"))


def test_each_pair_has_its_own_values():
    for pair in translation.data.SETS:
        config = settled(Config(pair=pair))
        for name, value in (DEFAULTS | BY_PAIR.get(pair, {})).items():
            assert getattr(config, name) == value
        assert not [name for name in DEFAULTS if getattr(config, name) is None]
        assert config.workdir == f"runs/translation/{pair}" and config.export == f"saved_models/translation/{pair}"
    assert settled(Config(pair="en-vi", epochs=3, subword_dropout=0.0)).epochs == 3
    assert settled(Config(pair="en-vi", epochs=3, subword_dropout=0.0)).subword_dropout == 0.0


@pytest.mark.parametrize("pair", ["en-de", "en-es", "en-vi"])
def test_the_phrase_book_has_one_pair_of_languages(pair):
    with pytest.raises(Stop, match=f"--pair en-fr or fr-en, not {pair}"):
        translation.main(Config(pair=pair, dataset="sample"))


def test_nothing_to_evaluate_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match="no SavedModel in"):
        translation.main(parse(Config, [*TINY, "--evaluate", f"--export={tmp_path}"]))
