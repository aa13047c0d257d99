import numpy as np
import pytest

from seqkeras.media import abc
from seqkeras.text.symbols import END, START
from training.music import data
from training.music.__main__ import Config

REEL = "M:4/4\nK:Gmaj\nR:reel\n|:G2BG DGBG|c2ec BGAF|G2BG DGBd|cAFA G4:|\n|:gfga gdBd|c2ec BGAF|gfga gdBd|cAFA G4:|\n"
JIG = "M:6/8\nK:Dmix\nd|AFD DFA|=c3 cBA|AFD DFA|GEC D2:|\n"
KEYS = range(-5, 7)


@pytest.fixture
def tunes():
    return [data.Tune(REEL, KEYS), data.Tune(JIG, KEYS)] * 5


@pytest.fixture
def encoder(tunes):
    return data.Encoder(data.vocabulary(tunes))


def decode(encoder, ids):
    names = {place: symbol for symbol, place in encoder.places.items()}
    return [names[i] for i in ids if i > END]


def test_parts_are_the_header_and_the_body():
    fields, body = data.parts(JIG)
    assert fields == {"M": "6/8", "K": "Dmix"}
    assert body.startswith("d|AFD") and body.endswith(":|\n")


@pytest.mark.parametrize("tune, bars", [(REEL, 8), (JIG, 4)])
def test_bars_are_counted_without_pick_ups(tune, bars):
    assert data.count_bars(data.parts(tune)[1]) == bars


def test_all_twelve_keys_sound_the_same_but_higher(tunes):
    tune = tunes[0]
    assert len({fields["K"] for fields, _ in tune.versions.values()}) == 12
    for shift, (fields, body) in tune.versions.items():
        text = f"M:{fields['M']}\nK:{fields['K']}\n{body}"
        assert [n.pitch for n in abc.notes(text)] == [n.pitch + shift for n in abc.notes(REEL)]


def test_the_vocabulary_holds_lines_and_characters(tunes):
    symbols = data.vocabulary(tunes).symbols
    assert "M:6/8\n" in symbols and "K:Gmaj\n" in symbols and "R:reel\n" in symbols and "N:8\n" in symbols
    assert {"G", "|", ":", "2", "\n", " "} <= set(symbols)
    assert all(len(symbol) == 1 or symbol[0] in "MKRN" for symbol in symbols)


def test_a_dance_that_few_tunes_have_is_no_symbol(tunes):
    symbols = data.vocabulary(tunes[:4]).symbols
    assert "R:reel\n" not in symbols and "K:Gmaj\n" in symbols


def test_a_few_tunes_have_a_metre_all_the_same(tunes):
    symbols = data.vocabulary([tunes[0], *tunes[1:4:2]]).symbols
    assert "M:6/8\n" in symbols and "M:4/4\n" not in symbols


def test_a_tune_there_and_back(tunes, encoder):
    fields, body = tunes[0].versions[0]
    ids = encoder(fields, body, order=("K", "R", "M"))
    assert ids[0] == START and ids[-1] == END
    assert "".join(decode(encoder, ids)) == "K:Gmaj\nR:reel\nM:4/4\n" + body


def test_batches_depend_on_seed_and_epoch_alone(tunes, encoder):
    config = Config(batch_size=3, chunk=16)

    def epoch(number, **changes):
        batches = data.training_batches(tunes, encoder, Config(batch_size=3, chunk=16, **changes), number)
        return np.concatenate([chunk["inputs"].numpy() for chunk, *_ in batches])

    assert (epoch(0) == epoch(0)).all()
    assert epoch(0).shape != epoch(1).shape or (epoch(0) != epoch(1)).any()
    assert epoch(0).shape != epoch(0, seed=2).shape or (epoch(0) != epoch(0, seed=2)).any()
    for chunk, targets, weights in data.training_batches(tunes, encoder, config, 0):
        assert chunk["inputs"].shape == (3, 16) == targets.shape
        assert ((weights.numpy() > 0) == chunk["mask"].numpy()).all()
        assert (targets.numpy()[chunk["mask"].numpy()] > 0).all()


def test_every_tune_is_met_once_an_epoch_in_some_key_with_metre_and_key(tunes, encoder):
    config = Config(batch_size=2, chunk=500, line_dropout=0.5)
    found = []
    for chunk, *_ in data.training_batches(tunes, encoder, config, 3):
        for row in chunk["inputs"].numpy():
            lines = [s for s in decode(encoder, row) if len(s) > 1]
            if lines:
                found.append(lines)
    assert len(found) == len(tunes)
    assert all({"M", "K"} <= {line[0] for line in lines} for lines in found)
    assert len({tuple(s[0] for s in lines) for lines in found}) > 2  # orders and omissions vary
