"""Sound: a tune in ABC notation as a MIDI file and as a WAV file, repeats and endings played."""

import io
import wave

import numpy as np
import pretty_midi

from seqkeras.media import abc_parser
from seqkeras.media.abc_parser import ABCError

MAX_SECONDS = 600
_RING = 0.15  # seconds that a plucked string sounds on after its note
_PEAK = 0.89  # of full scale: 1 dB below clipping


def midi(abc, program=73, tempo=160):
    """A tune as a standard MIDI file.

    Args:
        abc: str, a tune in ABC notation.
        program: int, the instrument in General MIDI, from 0; 73 is the flute, 40 the violin, 21 the accordion.
        tempo: quarter notes a minute (20 to 500). 160 makes a jig of 107 and a reel of 80 beats a minute.

    Returns:
        bytes.

    Raises:
        ABCError: if `abc` is no tune, or plays longer than ten minutes.
    """
    file = io.BytesIO()
    _score(abc, program, tempo).write(file)
    return file.getvalue()


def sound(abc, rate=44_100, tempo=160, program=73, synthesizer=None):
    """A tune as a WAV file, 16 bits, mono.

    Args:
        abc: str, a tune in ABC notation.
        rate: samples a second (8,000 to 96,000).
        tempo: quarter notes a minute (20 to 500).
        program: int, the instrument in General MIDI, which FluidSynth plays.
        synthesizer: "numpy" for plucked strings computed by ourselves; "fluidsynth" for FluidSynth with the sound font
            that comes with pretty_midi, or the path of another sound font (.sf2). By default FluidSynth where it and
            pyfluidsynth are installed, else NumPy.

    Returns:
        bytes. The loudest sample is 1 dB below full scale.

    Raises:
        ABCError: if `abc` is no tune, or plays longer than ten minutes.
        ImportError: if FluidSynth is asked for and not installed.
    """
    if not 8_000 <= rate <= 96_000:
        raise ValueError(f"rate is from 8000 to 96000 samples a second. Received: {rate!r}")
    score = _score(abc, program, tempo)
    if synthesizer is None:
        synthesizer = "fluidsynth" if _has_fluidsynth() else "numpy"
    if synthesizer == "numpy":
        for note in score.instruments[0].notes:
            note.end += _RING
        samples = score.synthesize(fs=rate, wave=_pluck)[: round(rate * score.get_end_time())]
    else:
        samples = score.fluidsynth(fs=rate, synthesizer=None if synthesizer == "fluidsynth" else synthesizer)
    samples = samples * (_PEAK * 32767 / max(np.abs(samples).max(), 1e-9))
    file = io.BytesIO()
    with wave.open(file, "wb") as writer:
        writer.setnchannels(1)
        writer.setsampwidth(2)
        writer.setframerate(rate)
        writer.writeframes(np.round(samples).astype("<i2").tobytes())
    return file.getvalue()


def _score(abc, program, tempo):
    """The tune as a `pretty_midi.PrettyMIDI`."""
    if not 0 <= program <= 127:
        raise ValueError(f"program is an instrument of General MIDI from 0 to 127. Received: {program!r}")
    if not 20 <= tempo <= 500:
        raise ValueError(f"tempo is from 20 to 500 quarter notes a minute. Received: {tempo!r}")
    tune = abc_parser.parse(abc)
    found = abc_parser.bars(tune)
    order = abc_parser.unfold(found)
    seconds = 60 / tempo
    if sum(found[i].eighths for i in order) / 2 * seconds > MAX_SECONDS:
        raise ABCError(f"The tune plays longer than {MAX_SECONDS // 60} minutes.")
    score = pretty_midi.PrettyMIDI(initial_tempo=tempo, resolution=480)
    score.time_signature_changes.append(pretty_midi.TimeSignature(*tune.metre, 0))
    # By the major key of the same signature; MIDI has no modes besides minor.
    score.key_signature_changes.append(pretty_midi.KeySignature(7 * tune.fifths % 12, 0))
    instrument = pretty_midi.Instrument(program)
    for note, _ in abc_parser.sounding(found, order):
        start, end = float(note.start) * seconds, float(note.start + note.duration) * seconds
        instrument.notes.append(pretty_midi.Note(90, note.pitch, start, end))
    score.instruments.append(instrument)
    return score


def _pluck(phase):
    """A plucked string: six harmonics that die away, the higher the sooner, behind a soft start.

    Args:
        phase: array, the phase of the fundamental in radians, from 0 up.
    """
    turns = phase / (2 * np.pi)
    step = phase[1] if len(phase) > 1 else 0.0
    samples = np.zeros_like(phase)
    for harmonic in range(1, 7):
        if harmonic * step < np.pi:  # others cannot be told from lower ones at this rate
            samples += np.sin(harmonic * phase) * np.exp(-harmonic * turns / 300) / harmonic**1.5
    return samples * np.minimum(turns / 3, 1)


def _has_fluidsynth():
    try:
        import fluidsynth  # noqa: F401  pyfluidsynth fails to import where the library itself is missing
    except (ImportError, OSError):
        return False
    return True
