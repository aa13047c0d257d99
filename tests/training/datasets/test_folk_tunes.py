import os
import random
import re
import subprocess
import sys

import pytest
import tensorflow as tf

from seqkeras.media import abc
from training import Stop
from training.datasets import folk_tunes, irish_abc, nottingham_abc, sample_tunes

REEL = (
    "M:4/4\nK:Gmaj\nR:reel\nG2BG dGBd|eaag efg2|G2BG dGBd|egdB AGEF|\nG2BG dGBd|eaag efga|bgag egfa|gedB AGED:|\n"
    "g2fg edBc|dGG2 dGBd|g2fg efge|dBGA BAA2|\ng2fg efge|dBB2 dega|bgag egfa|gedB AGED:|\n"
)
# Another reel, with nothing of the first.
OTHER_REEL = (
    "M:4/4\nK:Dmix\nR:reel\nAddc AGEF|GEcE dEcE|Addc AGEF|GEcE EDD2|\nAddc AGEF|G2AB c3d|eddc AGEF|GEcE EDD2:|\n"
    "f3d e3d|cAAB cdeg|f3d e3d|eaag edd2|\nf3d e3d|cAAB c3d|eddc AGEF|GEcE EDD2:|\n"
)


def example(tune, title="", rhythm="reel", source=""):
    return {"tune": tune, "title": title, "rhythm": rhythm, "source": source}


def related(tune, other, title="One", other_title="Two"):
    first, second = folk_tunes.families([example(tune, title), example(other, other_title)])
    return first == second


@pytest.fixture(scope="module")
def collection():
    """Many melodies, each in several settings, mixed."""
    tunes = []
    for tune in sample_tunes.write(60):
        tunes += [
            {
                **tune,
                "tune": abc.transpose(tune["tune"], semitones),
                "title": f"{tune['title']} in {name}",
                "source": name,
            }
            for semitones, name in ((0, "itself"), (5, "fourth"), (-2, "second"))
        ]
    random.Random(4).shuffle(tunes)
    return tunes


def melody_of(tune):
    return re.sub(" in .*", "", tune["title"])


@pytest.mark.parametrize("semitones", [-5, -2, 1, 6, 12])
def test_a_tune_in_another_key_is_the_same_tune(semitones):
    assert folk_tunes.melody(abc.transpose(REEL, semitones)) == folk_tunes.melody(REEL)
    assert related(REEL, abc.transpose(REEL, semitones))


def test_variants_are_related():
    assert related(REEL, REEL.replace("K:Gmaj", "K:Gmix"))
    # Passing notes, triplets and another turn here and there.
    assert related(REEL, REEL.replace("G2BG", "GABG").replace("d2", "(3dcd").replace("egdB AGEF", "efdB AGFE"))
    # Bars and beams drawn otherwise: two bars of 2/4 for one of 4/4 keep the notes, other spaces keep all.
    assert related(REEL, REEL.replace(" ", "").replace("4/4", "2/2"))
    # One part alone.
    assert related(REEL, REEL.split("g2fg")[0])


def test_other_tunes_are_not_related():
    assert not related(REEL, OTHER_REEL)
    # What is shared is short: an upbeat and the last two bars.
    assert not related(REEL, OTHER_REEL.replace("eddc AGEF|GEcE EDD2:|", "bgag egfa|gedB AGED:|"))


def test_a_common_run_of_notes_relates_long_tunes():
    run = REEL.splitlines()[3].split("|", 3)
    short = "|".join(run[:3])
    long = OTHER_REEL + "".join(OTHER_REEL.splitlines(keepends=True)[3:]).swapcase() * 4
    assert not related(REEL, long)
    assert related(REEL, long + short + "|\n")


def test_titles_relate_by_the_words_that_tell_them_apart():
    assert related(REEL, OTHER_REEL, "The Cuckoo's Nest", "Cuckoos Nest, The (Hornpipe) 2")
    assert not related(REEL, OTHER_REEL, "The Silver Spear", "The Silver Spire")
    # Nothing is left of these; they tell nothing.
    assert not related(REEL, OTHER_REEL, "The Reel", "Gan Ainm")


def test_melody_steps():
    """G A B | d (rest) | d: a step, a step, two steps, a repeated note; two beats in a bar of 6/8."""
    assert folk_tunes.melody("M:6/8\nK:Gmaj\nG2A B3|d3 z3|d3 [Bg]3|]\n") == ([1, 1, 2, 3], [2, 2, 0, 0, 3])


def test_a_pick_up_is_no_beat():
    with_pick_up = folk_tunes.melody("M:6/8\nK:Gmaj\nD|G3 B3|d3 g2:|\n")
    assert with_pick_up[1] == folk_tunes.melody("M:6/8\nK:Gmaj\nG3 B3|d3 g3|]\n")[1] == [2, 2, 3]


def test_all_settings_of_a_melody_are_in_one_split(collection):
    divided = folk_tunes.divide(collection)
    places = {}
    for split, tunes in divided.items():
        for tune in tunes:
            places.setdefault(melody_of(tune), set()).add(split)
    assert all(len(splits) == 1 for splits in places.values())
    assert set(divided) == {"train", "validation", "test"}
    assert sum(map(len, divided.values())) == len(collection) == 3 * len(places)
    assert len(divided["train"]) > 0.75 * len(collection)


def test_the_order_of_tunes_does_not_matter(collection):
    assert folk_tunes.divide(collection) == folk_tunes.divide(collection[::-1])


def test_line_breaks_and_rhythm_do_not_matter_for_the_split(collection):
    def where(tunes):
        return {tune["title"]: split for split, kept in folk_tunes.divide(tunes).items() for tune in kept}

    changed = [
        {**tune, "tune": re.sub("R:.*\n", "", tune["tune"]).replace("|\n", "|"), "rhythm": ""} for tune in collection
    ]
    assert where(changed) == where(collection)


def test_the_same_tune_twice_is_kept_once_with_its_rhythm():
    without = example(REEL.replace("R:reel\n", ""), "One", rhythm="", source="a")
    divided = folk_tunes.divide([without, example(REEL, "Two", source="b"), example(OTHER_REEL, "Three", source="c")])
    assert sorted(tune["title"] for tunes in divided.values() for tune in tunes) == ["Three", "Two"]


def test_the_split_does_not_depend_on_the_hash_seed():
    program = (
        "from training.datasets import folk_tunes, sample_tunes\n"
        "print([tune['title'] for tune in folk_tunes.divide(sample_tunes.write(40))['train']])"
    )
    seed = "2" if os.environ.get("PYTHONHASHSEED") == "1" else "1"
    environment = {**os.environ, "PYTHONHASHSEED": seed, "TF_CPP_MIN_LOG_LEVEL": "3"}
    printed = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True).stdout
    here = [tune["title"] for tune in folk_tunes.divide(sample_tunes.write(40))["train"]]
    assert printed.strip() == str(here)


def test_load_the_sample_tunes():
    splits = {split: list(folk_tunes.load(split, "sample").as_numpy_iterator()) for split in folk_tunes.SPLITS}
    assert sum(map(len, splits.values())) == sample_tunes.TUNES
    assert all(splits.values())
    assert folk_tunes.load("train", "sample").element_spec == {
        name: tf.TensorSpec((), tf.string) for name in ("tune", "title", "rhythm", "source")
    }


def test_load_both_collections(tmp_path, monkeypatch):
    """The same reel in both, in two keys and under two names, is never on both sides."""
    monkeypatch.setattr(irish_abc.IrishAbc, "TUNES", 1)
    monkeypatch.setattr(nottingham_abc.NottinghamAbc, "TUNES", 2)
    (tmp_path / "manual" / "irish_abc").mkdir(parents=True)
    (tmp_path / "manual" / "nottingham_abc").mkdir()
    (tmp_path / "manual" / "irish_abc" / "irish.abc").write_text(abc.full(REEL, "Lasses"))
    for name in nottingham_abc.RHYTHMS:
        (tmp_path / "manual" / "nottingham_abc" / name).write_text("")
    jigs = abc.full(abc.transpose(REEL, 2), "Cherry") + "\n" + abc.full(OTHER_REEL, "Jenny").replace("X:1", "X:2")
    (tmp_path / "manual" / "nottingham_abc" / "jigs.abc").write_text(jigs)

    def titles(dataset):
        return {
            frozenset(tune["title"].decode() for tune in folk_tunes.load(
                split, dataset, manual_dir=tmp_path / "manual", data_dir=tmp_path / "data"
            ).as_numpy_iterator())
            for split in folk_tunes.SPLITS
        }  # fmt: skip

    folk = titles("folk")
    assert {title for split in folk for title in split} == {"Lasses", "Cherry", "Jenny"}
    assert any(split >= {"Lasses", "Cherry"} for split in folk)
    assert {title for split in titles("irish") for title in split} == {"Lasses"}
    assert {title for split in titles("nottingham") for title in split} == {"Cherry", "Jenny"}


def test_a_missing_collection_gets_one_sentence(tmp_path):
    with pytest.raises(Stop, match=r"There is no file .*irish_abc/irish.abc\. .*--dataset sample"):
        folk_tunes.load("train", manual_dir=tmp_path, data_dir=tmp_path / "data")


def test_unknown_splits_and_datasets_are_refused():
    with pytest.raises(ValueError, match="Received: 'valid'"):
        folk_tunes.load("valid", "sample")
    with pytest.raises(ValueError, match="Received: 'scottish'"):
        folk_tunes.load("train", "scottish")


@pytest.mark.skipif(
    not all(
        os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), path))
        for path in ("irish_abc/irish.abc", "nottingham_abc/jigs.abc")
    ),
    reason="SEQKERAS_MANUAL_DIR lacks irish_abc or nottingham_abc",
)
def test_no_melody_of_the_real_tunes_is_on_both_sides(tmp_path):
    """24 sounding notes in a row, in any key, are never in a held-out tune and in a training tune."""

    def runs(split):
        tunes = list(folk_tunes.load(split, data_dir=tmp_path).as_numpy_iterator())
        found = set()
        for tune in tunes:
            pitches = [note.pitch for note in abc.notes(tune["tune"].decode())]
            steps = [after - before for before, after in zip(pitches, pitches[1:])]
            found.update(tuple(steps[i : i + 23]) for i in range(len(steps) - 22))
        return len(tunes), found

    (train, learnt), (validation, seen), (test, unseen) = map(runs, folk_tunes.SPLITS)
    total = train + validation + test
    assert total > 1_600
    assert 0.85 < train / total < 0.95 and 0.03 < test / total < 0.08 and 0.03 < validation / total < 0.08
    assert not learnt & seen and not learnt & unseen and not seen & unseen
