"""Tunes in ABC notation: their normal form, other keys, notes, and whether they hold together.

The normal form is what models of music read and write: the fields M:, K: and, where it is known, R:, then the bars,
notes in eighths, without titles, words, chord symbols and ornaments. All functions take it, and ordinary ABC of one
tune (https://abcnotation.com/wiki/abc:standard:v2.1) as well. A text that is neither raises `ABCError`, whose message
is one sentence for the person who wrote it.
"""

import dataclasses
import functools
from fractions import Fraction

from seqkeras.media import abc_parser
from seqkeras.media.abc_parser import ABCError, ChangeError, Note
from seqkeras.media.sheet_music import sheet
from seqkeras.media.sound import midi, sound

__all__ = [
    "ABCError", "ChangeError", "Check", "Note", "check", "ends_on", "fits_key", "full", "midi", "normalise", "notes",
    "piano_roll", "sheet", "sound", "transpose",
]  # fmt: skip


@dataclasses.dataclass
class Check:
    """What `check` found.

    Attributes:
        parses: whether the text could be read at all.
        bars_fill: whether every bar fills its metre.
        ends: whether the tune stops at a final bar sign: |], :|, :: or ||.
        bars: list of (number, eighths, expected): a bar's number, 0 for a pick-up, how long it is and how long the
            metre has it. The two halves of a bar that a repeat sign divides share its number.
        problems: list of sentences, empty if all is well.
        renders: whether it can be drawn as sheet music; drawn when first asked.
    """

    abc: str = dataclasses.field(repr=False)
    parses: bool
    bars_fill: bool
    ends: bool
    bars: list
    problems: list

    @functools.cached_property
    def renders(self):
        if not self.parses:
            return False
        try:
            return bool(sheet(self.abc))
        except ABCError:
            return False


def normalise(abc):
    """The normal form of a tune.

    Args:
        abc: str, ordinary ABC of one tune.

    Returns:
        str: "M:6/8\\nK:Ddor\\nR:jig\\n" and the lines of the body, "\\n" at the end. R: is left out if it is not known.
        Keys are a tonic and one of maj, min, dor, mix, phr, lyd, loc; M:C is M:4/4 and M:C| is M:2/2. Chord symbols,
        slurs, grace notes, ornaments, words, parts and comments are dropped, and spaces beside bar signs.

    Raises:
        ABCError: if it is no tune; `ChangeError` if key or metre change inside the tune.
    """
    return _write(abc_parser.parse(abc))


def full(abc, title="Untitled"):
    """A complete file of a tune in normal form, as other programs of ABC want it: with X:, T: and L:."""
    tune = abc_parser.parse(abc)
    title = " ".join(title.split()) or "Untitled"
    rhythm = f"R:{tune.rhythm}\n" if tune.rhythm else ""
    metre = "{}/{}".format(*tune.metre)
    return _bounded(f"X:1\nT:{title}\n{rhythm}M:{metre}\nL:1/8\nK:{tune.tonic}{tune.mode}\n{_body(tune.elements)}")


def transpose(abc, semitones):
    """A tune in another key; every note sounds `semitones` higher (lower if negative).

    The new key is the one of its mode with the fewest sharps or flats, F# major rather than Gb major. Notes keep
    their place in the scale, unless that would take a double sharp or flat, and octaves (12, -12) keep the key's name.

    Args:
        abc: str, a tune.
        semitones: int.

    Returns:
        str, the transposed tune in normal form.

    Raises:
        ABCError: if `abc` is no tune, or leaves the octaves from C,,,, to b''' on the way.
    """
    tune = abc_parser.parse(abc)
    if semitones == 0:
        return _write(tune)
    fifths = tune.fifths if semitones % 12 == 0 else (tune.fifths + 7 * semitones + 5) % 12 - 5
    tonic = _tonic(fifths, tune.mode)
    moved = _midi(tonic) - _midi(tune.tonic)
    letters = abc_parser.LETTERS.index(tonic[0]) - abc_parser.LETTERS.index(tune.tonic[0])
    octaves, rest = divmod(semitones - moved, 12)
    assert rest == 0
    steps = letters + 7 * octaves
    of_key = abc_parser.signature(fifths)
    of_bar, tied, elements = list(of_key), {}, []
    for element in tune.elements:
        if element.kind == "bar":
            of_bar = list(of_key)
        elif element.kind in ("note", "rest"):
            pitches = []
            for pitch in element.pitches:
                new = _spell(pitch.midi + semitones, pitch.step + steps)
                if not 0 <= new.step // 7 <= 8:
                    raise ABCError(f"Shifted by {semitones} semitones, the tune leaves the octaves that can be played.")
                expected = tied.get(new.step, of_bar[new.step % 7])
                if pitch.accidental is not None or new.alteration != expected:
                    new.accidental = of_bar[new.step % 7] = new.alteration
                new.tied = pitch.tied
                pitches.append(new)
            tied = {pitch.step: pitch.alteration for pitch in pitches if pitch.tied}
            element = dataclasses.replace(element, pitches=pitches)
        elements.append(element)
    return _write(dataclasses.replace(tune, tonic=tonic, elements=elements))


def notes(abc, unfold=False):
    """The notes of a tune as they sound.

    Args:
        abc: str, a tune.
        unfold: whether to play repeats and endings; otherwise each bar comes once, in the order it is written.

    Returns:
        list of `Note` in order of time; tied notes are one.
    """
    found = abc_parser.bars(abc_parser.parse(abc))
    return [note for note, _ in abc_parser.sounding(found, abc_parser.unfold(found) if unfold else range(len(found)))]


def piano_roll(abc, unfold=False):
    """The notes of a tune as data for a chart.

    Args:
        abc: str, a tune.
        unfold: as in `notes`.

    Returns:
        list of dicts: start and end (float, quarter notes), pitch (int, MIDI), name ("F#4"; C4 is middle C) and bar
        (int, the number of the bar it starts in).
    """
    tune = abc_parser.parse(abc)
    found = abc_parser.bars(tune)
    numbers = abc_parser.bar_numbers(tune, found)
    names = "C Db D Eb E F Gb G Ab A Bb B" if tune.fifths < 0 else "C C# D D# E F F# G G# A A# B"
    return [
        {
            "start": float(note.start),
            "end": float(note.start + note.duration),
            "pitch": note.pitch,
            "name": f"{names.split()[note.pitch % 12]}{note.pitch // 12 - 1}",
            "bar": numbers[bar],
        }
        for note, bar in abc_parser.sounding(found, abc_parser.unfold(found) if unfold else range(len(found)))
    ]


def check(abc):
    """Whether a tune can be read, its bars fill their metre and it comes to an end, as a `Check`; it never raises.

    Bars are counted as musicians do. A repeat sign, a double bar or an ending may divide a bar. A part may begin with a
    pick-up, and its last bar, or that of each ending, may be short by the pick-up of the part it leads to: its own when
    it is repeated, that of the next part, and for the end of the tune that of its start.
    """
    try:
        tune = abc_parser.parse(abc)
    except ABCError as error:
        return Check(abc, False, False, False, [], [str(error)])
    found = abc_parser.bars(tune)
    expected = tune.bar_length
    signs = [element for element in tune.elements if element.kind not in ("space", "line")]
    ends = signs[-1].kind == "bar" and signs[-1].text in ("|]", ":|", "::", "||")
    problems = [] if ends else ["The tune does not stop at a final bar sign such as |] or :|."]
    numbers = abc_parser.bar_numbers(tune, found)
    full = _full_bars(found, expected)
    for number, bar, fills in zip(numbers, found, full):
        if not fills:
            metre = "{}/{}".format(*tune.metre)
            problems.append(f"Bar {number} has {_eighths(bar.eighths)} where {metre} has {_eighths(expected)}.")
    numbered = [(number, bar.eighths, expected) for number, bar in zip(numbers, found)]
    return Check(abc, True, all(full), ends, numbered, problems)


def _full_bars(found, expected):
    """For each bar whether it is full, as musicians count."""
    lengths = [bar.eighths for bar in found]
    full = [length == expected for length in lengths]
    order = abc_parser.unfold(found)
    # The lengths of what is played before and after a bar, where a repeat sign, a double bar or an ending lies between.
    before, after = [[] for _ in found], [[] for _ in found]
    for i, j in zip(order, order[1:]):
        if j != i + 1 or _is_joint(found, i):
            before[j].append(lengths[i])
            after[i].append(lengths[j])
    after[order[-1]].append(lengths[0])
    for i, (length, bar) in enumerate(zip(lengths, found)):
        if i == 0 and length < expected:
            full[i] = len(found) > 1
        elif length < expected:
            full[i] = any(length + other == expected for other in before[i] + after[i])
            full[i] |= expected in before[i] and not bar.starts_ending
    return full


def _is_joint(found, i):
    return found[i].right != "|" or i + 1 < len(found) and found[i + 1].starts_ending


def ends_on(abc):
    """The degree of the scale a tune ends on: 1 is the tonic, 5 the fifth above it; 0 is a note outside the scale."""
    tune = abc_parser.parse(abc)
    scale = [(_midi(tune.tonic) + offset) % 12 for offset in _scale(tune)]
    last = [element for element in tune.elements if element.kind == "note"][-1]
    pitch = min(pitch.midi for pitch in last.pitches) % 12
    return scale.index(pitch) + 1 if pitch in scale else 0


def fits_key(abc):
    """How well the notes keep to the key of K:, from 0 to 1: the share of the sounding time of notes in its scale.

    Of minor keys the raised sixth and seventh (melodic and harmonic minor) are in the scale too.
    """
    tune = abc_parser.parse(abc)
    scale = {(_midi(tune.tonic) + offset) % 12 for offset in _scale(tune)}
    if tune.mode == "min":
        scale |= {(_midi(tune.tonic) + offset) % 12 for offset in (9, 11)}
    inside = total = Fraction(0)
    for element in tune.elements:
        for pitch in element.pitches:
            total += element.duration
            inside += element.duration * (pitch.midi % 12 in scale)
    return float(inside / total)


def _scale(tune):
    """Semitones of the seven notes of a scale above its tonic."""
    of_key = abc_parser.signature(tune.fifths)
    start = abc_parser.LETTERS.index(tune.tonic[0])
    return [
        (abc_parser.SEMITONES[(start + i) % 7] + of_key[(start + i) % 7] - _midi(tune.tonic)) % 12 for i in range(7)
    ]


def _midi(tonic):
    """Semitones of a tonic above C."""
    letter = abc_parser.SEMITONES[abc_parser.LETTERS.index(tonic[0])]
    return letter + tonic.count("#") - tonic.count("b")


def _tonic(fifths, mode):
    sharps = fifths - abc_parser.MODES[mode] + 1
    alterations, letter = divmod(sharps, 7)
    return abc_parser.FIFTHS[letter] + ("#" * alterations if alterations > 0 else "b" * -alterations)


def _spell(midi, step):
    """The pitch on a step, or on the nearest one where it needs no double sharp or flat."""
    for candidate in (step, step + 1, step - 1, step + 2, step - 2):
        pitch = abc_parser.Pitch(candidate, None)
        pitch.alteration = midi - pitch.midi
        if abs(pitch.alteration) <= 1:
            return pitch
    raise AssertionError("some letter within two steps always fits")


def _write(tune):
    rhythm = f"R:{tune.rhythm}\n" if tune.rhythm else ""
    metre = "{}/{}".format(*tune.metre)
    return _bounded(f"M:{metre}\nK:{tune.tonic}{tune.mode}\n{rhythm}{_body(tune.elements)}")


def _bounded(text):
    """The text of a tune, unless it has become too long to be read again."""
    if len(text) > abc_parser.MAX_CHARACTERS:
        raise ABCError(
            f"A tune may have {abc_parser.MAX_CHARACTERS:,} characters at the most. Written out, it has {len(text):,}."
        )
    return text


def _body(elements):
    text = []
    for element in elements:
        if element.kind == "note":
            tied = all(pitch.tied for pitch in element.pitches)
            heads = [_head(pitch) + "-" * (pitch.tied and not tied) for pitch in element.pitches]
            head = heads[0] if len(heads) == 1 else f"[{''.join(heads)}]"
            text.append(head + _length(element.length) + "-" * tied)
        elif element.kind == "rest":
            text.append("z" + _length(element.length))
        elif element.kind == "tuplet":
            text.append(_tuplet(*element.tuplet))
        elif element.kind == "ending":
            text.append("[" + element.text)
        else:
            text.append({"space": " ", "line": "\n"}.get(element.kind, element.text))
    return "".join(text).rstrip("\n") + "\n"


def _head(pitch):
    accidental = {None: "", 0: "="}.get(pitch.accidental)
    if accidental is None:
        accidental = "^" * pitch.accidental if pitch.accidental > 0 else "_" * -pitch.accidental
    octave, letter = divmod(pitch.step, 7)
    name = abc_parser.LETTERS[letter]
    return accidental + (name + "," * (4 - octave) if octave < 5 else name.lower() + "'" * (octave - 5))


def _length(length):
    above = "" if length.numerator == 1 else str(length.numerator)
    return above if length.denominator == 1 else f"{above}/{length.denominator}"


def _tuplet(p, q, r):
    # Only what "(p" alone means in every metre may stay short.
    if (p, q) in ((2, 3), (3, 2), (4, 3), (6, 2), (8, 3)):
        return f"({p}" if r == p else f"({p}::{r}"
    return f"({p}:{q}" if r == p else f"({p}:{q}:{r}"


def _eighths(length):
    return f"{length} eighth{'' if length == 1 else 's'}"
