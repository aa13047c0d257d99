import collections
import hashlib

import pytest
import tensorflow as tf

from seqkeras.media import abc
from training.datasets import folk_tunes, sample_tunes


@pytest.fixture(scope="module")
def tunes():
    return sample_tunes.write(sample_tunes.TUNES)


def test_every_tune_is_sound(tunes):
    for tune in tunes:
        check = abc.check(tune["tune"])
        assert check.parses and check.bars_fill and check.ends, (tune["title"], check.problems)
        assert abc.normalise(tune["tune"]) == tune["tune"]
        assert abc.fits_key(tune["tune"]) > 0.9


def test_both_parts_end_on_the_tonic(tunes):
    for tune in tunes:
        tonic = tune["tune"].split("K:")[1][0]
        for part in tune["tune"].split(":|\n")[:2]:
            assert part.rstrip("0123456789,'")[-1].upper() == tonic, tune["tune"]


def test_notes_lie_on_a_fiddle(tunes):
    pitches = [note.pitch for tune in tunes for note in abc.notes(tune["tune"])]
    assert min(pitches) >= 55 and max(pitches) <= 95


def test_rhythms_metres_and_keys_vary(tunes):
    rhythms = collections.Counter((tune["rhythm"], tune["tune"].split("\n")[0]) for tune in tunes)
    assert set(rhythms) == {("jig", "M:6/8"), ("reel", "M:4/4"), ("waltz", "M:3/4")}
    assert min(rhythms.values()) > sample_tunes.TUNES // 4
    keys = {tune["tune"].split("\n")[1] for tune in tunes}
    assert keys == {f"K:{tonic}{mode}" for mode, tonics in sample_tunes.KEYS.items() for tonic in tonics}
    assert all(f"R:{tune['rhythm']}\n" in tune["tune"] for tune in tunes)


def test_tunes_are_no_settings_of_each_other(tunes):
    assert len({tune["title"] for tune in tunes}) == len(tunes)
    assert len(set(folk_tunes.families(tunes))) == len(tunes)


def test_a_seed_gives_the_same_tunes_on_every_machine(tunes):
    assert sample_tunes.write(5) == tunes[:5]
    assert sample_tunes.write(5, seed=2) != tunes[:5]
    digest = hashlib.sha256("\n".join(tune["tune"] for tune in tunes).encode())
    assert digest.hexdigest() == "dccb9981c15c8dfed880471555c394bd7a5e77baf6a4a7b887edaa9a87403214"


def test_features():
    dataset = sample_tunes.load()
    assert dataset.element_spec == {
        name: tf.TensorSpec((), tf.string) for name in ("tune", "title", "rhythm", "source")
    }
    assert len(dataset) == sample_tunes.TUNES


def test_more_tunes_than_titles_are_refused():
    with pytest.raises(ValueError, match="Received: 226"):
        sample_tunes.write(226)
