"""The whole way on the phrase book: train, measure, export, measure again; and what goes wrong said in one sentence."""

import json
import shutil

import numpy as np
import pytest
import tensorflow as tf

from training import Stop, loop, release
from training.config import parse
from training.datasets import phrase_book
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
    assert vars(settled(Config(pair="en-de", dataset="files"))).items() >= DEFAULTS.items()  # not of that set
    assert settled(Config(pair="en-vi", epochs=3, subword_dropout=0.0)).epochs == 3
    assert settled(Config(pair="en-vi", epochs=3, subword_dropout=0.0)).subword_dropout == 0.0


@pytest.mark.parametrize("pair", ["en-de", "en-es", "en-vi"])
def test_the_phrase_book_has_one_pair_of_languages(pair):
    with pytest.raises(Stop, match=f"--pair en-fr or fr-en, not {pair}"):
        translation.main(Config(pair=pair, dataset="sample"))


def test_other_pairs_want_files_of_ones_own():
    with pytest.raises(Stop, match="one of en-de, en-fr, fr-en, en-es, en-vi. Received: en-it.*--dataset files"):
        translation.main(Config(pair="en-it"))
    with pytest.raises(Stop, match="read with --dataset files alone"):
        translation.main(Config(source_file="a.txt", target_file="b.txt"))
    with pytest.raises(Stop, match="--source_file english.txt --target_file italian.txt"):
        translation.data.load(Config(pair="en-it", dataset="files"), "train")
    for pair in ("EN-it", "en", "en-it-de", "../en-it", "en_it"):
        with pytest.raises(Stop, match="two languages, such as en-it. Received: "):
            translation.main(Config(pair=pair, dataset="files"))


def test_a_model_of_ones_own_files_is_measured_on_them(saved, tmp_path, capsys):
    rows = phrase_book.write(220)
    files = [f"--{name}_file={tmp_path}/{name}.txt" for name in ("source", "target")]
    for name, column in zip(("source", "target"), zip(*rows)):
        (tmp_path / f"{name}.txt").write_text("\n".join(column), encoding="utf-8")
    # The phrase book's model, as if it had been trained on them.
    export = shutil.copytree(saved, tmp_path / "model" / "en-xx")
    options = ["--pair=en-xx", "--dataset=files", *files, "--embedding_size=8", "--units=6", "--width=2"]
    release.write_run(settled(parse(Config, options)), saved.parent, export)
    run = {"pairs": 200, "subwords": 400, "parameters": 1234, "minutes": 1, "machine": "a machine", "epochs_run": 1}
    run |= {"best_epoch": 1, "length_penalty": 0.0, "validation_bleu": {"0.0": 1.5}}
    release.write_metrics(export, {"run": run})
    config = (export / "config.json").read_text()
    assert str(tmp_path) not in config and '"dataset": "files"' in config
    translation.main(parse(Config, ["--pair=en-xx", "--evaluate", f"--export={tmp_path}/model", *files]))
    tested = json.loads(capsys.readouterr().out)["test"]
    assert 0 < tested["sentences"] < 40 and tested["bleu_by_length"] == []
    card = (export / "model_card.md").read_text()
    for said in ("# Translation, English to XX\n", "somebody's own texts", "--dataset files --source_file SOURCE"):
        assert said in card
    assert "news" not in card and str(tmp_path) not in card and "{" not in card
    with pytest.raises(Stop, match="--dataset files wants two text files"):
        translation.main(parse(Config, ["--pair=en-xx", "--evaluate", f"--export={tmp_path}/model"]))


def test_a_vocabulary_too_small_for_a_script_is_said_in_a_sentence(tmp_path):
    texts = ["".join(map(chr, range(0x4E00, 0x4E00 + 400)))] * 5
    with pytest.raises(Stop, match="have 8.. characters.*size=300.*--vocabulary"):
        translation.learn([texts, texts], Config(vocabulary=300), tmp_path)


def test_nothing_to_evaluate_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match="no SavedModel in"):
        translation.main(parse(Config, [*TINY, "--evaluate", f"--export={tmp_path}"]))
