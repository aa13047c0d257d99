import importlib.util
import io
import wave

import numpy as np
import pretty_midi
import pytest

from seqkeras.media import abc

TUNE = "M:4/4\nK:Gmaj\nD2|:G4 B4|[1d6D2:|[2(3gfg d>BG2|]\n"


def read(data):
    with wave.open(io.BytesIO(data)) as file:
        assert (file.getnchannels(), file.getsampwidth()) == (1, 2)
        return np.frombuffer(file.readframes(file.getnframes()), "<i2").astype(float), file.getframerate()


def loudest_frequency(samples, rate):
    return np.abs(np.fft.rfft(samples * np.hanning(len(samples)))).argmax() * rate / len(samples)


def test_midi_plays_the_notes_repeats_and_all():
    score = pretty_midi.PrettyMIDI(io.BytesIO(abc.midi(TUNE, program=40, tempo=120)))
    (instrument,) = score.instruments
    assert instrument.program == 40
    expected = abc.notes(TUNE, unfold=True)
    assert len(expected) == 1 + 4 + 2 + 6
    assert [note.pitch for note in instrument.notes] == [note.pitch for note in expected]
    np.testing.assert_allclose(
        [note.start for note in instrument.notes], [float(note.start / 2) for note in expected], atol=1e-3
    )
    ends = [float(note.start + note.duration) / 2 for note in expected]
    np.testing.assert_allclose([note.end for note in instrument.notes], ends, atol=1e-3)
    assert score.get_tempo_changes()[1].tolist() == [120]
    assert [(sign.numerator, sign.denominator) for sign in score.time_signature_changes] == [(4, 4)]
    assert [sign.key_number for sign in score.key_signature_changes] == [7]


@pytest.mark.parametrize("rate", [8_000, 44_100])
def test_sound_has_pitch_length_and_level(rate):
    samples, got = read(abc.sound("M:4/4\nK:C\nA8|c'8:|\n", rate=rate, tempo=120, synthesizer="numpy"))
    assert got == rate
    assert len(samples) / rate == pytest.approx(4 * 2, abs=0.2)  # two bars of two seconds, played twice
    assert np.abs(samples).max() == pytest.approx(0.89 * 32767, abs=2)
    second = slice(rate // 2, rate // 2 + rate)
    assert loudest_frequency(samples[second], rate) == pytest.approx(440, abs=1)
    assert loudest_frequency(samples[2 * rate :][second], rate) == pytest.approx(1046.5, abs=1.5)
    assert loudest_frequency(samples[4 * rate :][second], rate) == pytest.approx(440, abs=1)


def test_sound_starts_softly_and_dies_away():
    samples, rate = read(abc.sound("M:4/4\nK:C\nA8|]\n", tempo=120, synthesizer="numpy"))
    level = np.abs(samples) / np.abs(samples).max()
    assert level[:20].max() < 0.1 and level[-20:].max() < 0.01  # no clicks
    assert level[: rate // 4].max() == 1
    assert 0.05 < level[rate : rate + rate // 4].max() < 0.6
    assert abs(samples.mean()) < 50


def test_rests_are_silent():
    samples, rate = read(abc.sound("M:4/4\nK:C\nA2z6|A8|]\n", tempo=120, synthesizer="numpy"))
    assert np.abs(samples[rate : 2 * rate - 100]).max() == 0


@pytest.mark.parametrize("pitch", ["C,,,", "c'''"])
def test_extreme_notes_are_played(pitch):
    samples, _ = read(abc.sound(f"M:4/4\nK:C\n{pitch}2A/16z6|]\n", rate=8_000, synthesizer="numpy"))
    assert np.isfinite(samples).all() and np.abs(samples).max() > 1000


def test_without_fluidsynth_numpy_plays():
    if importlib.util.find_spec("fluidsynth"):
        pytest.skip("pyfluidsynth is installed")
    assert abc.sound(TUNE, rate=8_000) == abc.sound(TUNE, rate=8_000, synthesizer="numpy")
    with pytest.raises(ImportError, match="fluidsynth"):
        abc.sound(TUNE, synthesizer="fluidsynth")


def test_fluidsynth_plays_where_it_is_installed():
    pytest.importorskip("fluidsynth")
    samples, rate = read(abc.sound("M:4/4\nK:C\nA8|]\n", tempo=120, synthesizer="fluidsynth"))
    assert np.abs(samples).max() == pytest.approx(0.89 * 32767, abs=2)
    assert loudest_frequency(samples[rate // 2 : rate // 2 + rate], rate) % 440 == pytest.approx(0, abs=5)


def test_endless_tunes_are_refused():
    long = "M:4/4\nK:C\n" + "A128|" * 30 + "\n"
    for function in (abc.midi, abc.sound):
        with pytest.raises(abc.ABCError, match="longer than 10 minutes"):
            function(long, tempo=60)


@pytest.mark.parametrize("arguments", [{"tempo": 0}, {"tempo": -1}, {"program": 128}, {"rate": 10}])
def test_settings_out_of_range_are_named(arguments):
    with pytest.raises(ValueError, match=f"{next(iter(arguments))} is .* Received: {next(iter(arguments.values()))}"):
        abc.sound(TUNE, **arguments)
