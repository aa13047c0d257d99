"""From ABC notation to bars of notes: what the other files about music here build on.

The standard is ABC 2.1 (https://abcnotation.com/wiki/abc:standard:v2.1), of which one voice is read. No library writes
ABC, so its signs have to be known here anyway; and those that read it were compared with this parser on the 1,725 tunes
of two collections (804 Irish ones, the 1,034 of the Nottingham set) that stay in one key and metre. Verovio 6.4 gives
436 of them wrong pitches or times and crashes on two, which no server can afford. music21 10.5 finds the same notes in
1,706; in the other 19 it loses a note before "::", a tie or an accidental of a chord, or ties different notes together;
it takes about thirty times as long.
"""

import dataclasses
import re
from fractions import Fraction

LETTERS = "CDEFGAB"
SEMITONES = (0, 2, 4, 5, 7, 9, 11)  # of the letters, above C
# How far the signature of a mode lies from that of the major key on the same tonic, in fifths.
MODES = {"maj": 0, "min": -3, "dor": -2, "mix": -1, "phr": -4, "lyd": 1, "loc": -5}
FIFTHS = "FCGDAEB"  # the order in which sharps come; flats come from its end

MAX_CHARACTERS = 10_000
_MAX_LENGTH = 128  # of one note, in eighths
_MIN_LENGTH = Fraction(1, 16)  # of one note as written, in eighths: a 128th note

_FIELD = re.compile(r"([A-Za-z+]):(?![|:])(.*)")  # "d:|" is a note and a repeat sign
_KEY = re.compile(
    r"([A-G])([#b]?)\s*((?i:maj|min|dor|mix|phr|lyd|loc|ion|aeo)[a-z]*|m|)"
    r"(\s*\b(clef\s*=\s*)?(treble|bass|alto|tenor|none)([-+]8)?)?\s*"
)
_METRE = re.compile(r"(\d{1,2})/(\d{1,2})$")
_NOTE = r"(?:\^{1,2}|_{1,2}|=)?[A-Ga-g][,']*"
_LENGTH = r"[0-9]*(?:/+[0-9]*)?"
_TOKEN = re.compile(
    rf"""
    (?P<space>[ \t`]+|\\(?=\s*$))
  | (?P<line>\n)
  | (?P<note>{_NOTE})(?P<note_length>{_LENGTH})
  | (?P<rest>[zxZX])(?P<rest_length>{_LENGTH})
  | (?P<bar>\[?(?::*\|+[\]|:]*|::+))(?P<bar_ending>[1-9][0-9,-]*)?
  | \[(?P<ending>[1-9][0-9,-]*)
  | \[(?P<field>[A-Za-z]):(?P<value>[^\]\n]*)\]
  | \[(?P<chord>(?:\s*{_NOTE}{_LENGTH}-?)+\s*)\](?P<chord_length>{_LENGTH})
  | \((?P<tuplet>[2-9])(?P<tuplet_rest>(?::[1-9]?){{0,2}})
  | (?P<tie>-)
  | (?P<broken>>{{1,3}}|<{{1,3}})
  | (?P<dropped>"[^"\n]*"|\{{[^{{}}\n]*\}}|![^!|\n]{{1,24}}!|\+[a-z.]{{1,24}}\+|[!*$~.HJLMOPSTuv]|y[0-9]*)
  | (?P<slur>[()])
    """,
    re.VERBOSE | re.MULTILINE,
)
_CHORD_NOTE = re.compile(rf"({_NOTE})({_LENGTH})(-?)")


class ABCError(ValueError):
    """A text that is no tune in ABC notation; the message is one sentence for the person who wrote it."""


class ChangeError(ABCError):
    """A tune whose key or metre changes on the way, which the normal form cannot say."""


@dataclasses.dataclass
class Pitch:
    """One note head.

    Attributes:
        step: letters counted from C0: 28 is middle C, 29 the D above it.
        accidental: the written one in semitones (-2 to 2), or None.
        tied: whether a tie leads from it to the next note.
        alteration: semitones by which it sounds away from its letter, after key and bar have had their say.
    """

    step: int
    accidental: int | None
    tied: bool = False
    alteration: int = 0

    @property
    def midi(self):
        return 12 * (self.step // 7 + 1) + SEMITONES[self.step % 7] + self.alteration


@dataclasses.dataclass
class Element:
    """What stands in a tune.

    Attributes:
        kind: "note" (a chord too), "rest", "tuplet", "broken" (rhythm), "bar" (its sign), "ending", "space" or "line".
        text: the sign of a broken rhythm ("<", ">>"), of a bar ("|", "||", "|:", ":|", "::", "|]", "[|") or the numbers
            of an ending ("1", "1,3").
        pitches: the note heads of a note.
        length: of a note or rest as written, in eighths.
        duration: of a note or rest with tuplet and broken rhythm counted, in eighths.
        tuplet: (p, q, r), p notes in the time of q for the next r.
    """

    kind: str
    text: str = ""
    pitches: list = dataclasses.field(default_factory=list)
    length: Fraction = Fraction(0)
    duration: Fraction = Fraction(0)
    tuplet: tuple = ()


@dataclasses.dataclass
class Tune:
    """A tune that has been read.

    Attributes:
        metre: (numerator, denominator).
        tonic: "C", "F#", "Bb", ...
        mode: one of `MODES`.
        rhythm: what kind of tune it calls itself, "" if nothing.
        elements: list of `Element`.
    """

    metre: tuple
    tonic: str
    mode: str
    rhythm: str
    elements: list

    @property
    def bar_length(self):
        """Eighths in a bar."""
        return Fraction(8 * self.metre[0], self.metre[1])

    @property
    def fifths(self):
        """Sharps in the signature; flats count as negative."""
        return key_fifths(self.tonic, self.mode)


@dataclasses.dataclass
class Bar:
    """What stands between two bar signs: the signs, the elements, and the endings it belongs to, () for none."""

    left: str
    right: str
    elements: list
    endings: tuple = ()
    starts_ending: bool = False
    ends_line: bool = False

    @property
    def eighths(self):
        return sum((element.duration for element in self.elements), Fraction(0))


@dataclasses.dataclass(frozen=True, order=True)
class Note:
    """A note as it sounds: start and duration in quarter notes (`Fraction`), pitch a MIDI number (60 is middle C)."""

    start: Fraction
    duration: Fraction
    pitch: int


def key_fifths(tonic, mode):
    """Sharps (flats negative) in the signature of a key: 2 for D major, -1 for D minor."""
    return FIFTHS.index(tonic[0]) - 1 + 7 * (tonic.count("#") - tonic.count("b")) + MODES[mode]


def signature(fifths):
    """The alterations of the seven letters C to B, in semitones, under a signature of `fifths` sharps."""
    return [(fifths - FIFTHS.index(letter) + 6) // 7 for letter in LETTERS]


def parse(abc):
    """Reads one tune.

    Args:
        abc: str, a tune in ABC notation with at least the fields M: and K:.

    Returns:
        A `Tune`. Chord symbols, grace notes, slurs, decorations, words and other fields are left out; the notes of a
        chord all take the length of its first; lengths are in eighths whatever L: says.

    Raises:
        ABCError: if it is no tune of one voice in ABC notation; ChangeError if its key or metre changes on the way.
    """
    if not isinstance(abc, str):
        raise ABCError(f"A tune is text. Received: {type(abc).__name__}.")
    if len(abc) > MAX_CHARACTERS:
        raise ABCError(f"A tune may have {MAX_CHARACTERS:,} characters at the most. Received: {len(abc):,}.")
    reader = _Reader()
    for number, line in enumerate(abc.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1):
        reader.read(number, line)
    return reader.finish()


def bars(tune):
    """Divides a tune at its bar signs: a list of `Bar`, none of them without a note or rest."""
    found, left, elements, endings, starts = [], "", [], (), False

    def close(right):
        nonlocal left, elements, endings, starts
        if any(element.duration for element in elements):
            found.append(Bar(left, right, elements, endings, starts))
            left, starts = right, False
        else:
            # Two signs with nothing between them, ":|" at the end of a line and "|:" at the start of the next, are one.
            if found:
                found[-1].right = left = _join(found[-1].right, right)
            else:
                left = _join(left, right)
        elements = []
        if right not in ("", "|"):
            # A first ending lasts to its repeat sign, the last one to the end of the part.
            endings = ()

    for element in tune.elements:
        if element.kind == "bar":
            close(element.text)
        elif element.kind == "ending":
            if any(other.duration for other in elements):
                close("")
            endings, starts = _ending_numbers(element.text), True
        elif element.kind == "line" and found and not any(other.duration for other in elements):
            found[-1].ends_line = True
        else:
            elements.append(element)
    close("")
    return found


def bar_numbers(tune, found):
    """The numbers musicians give to bars: 0 for a pick-up, the same for both halves of a divided bar."""
    numbers, number = [], 0
    for i, bar in enumerate(found):
        pick_up = i == 0 and bar.eighths < tune.bar_length and len(found) > 1
        divided = i > 1 and (found[i - 1].right != "|" or bar.starts_ending) and numbers[-1] != numbers[-2]
        number += not (pick_up or divided and found[i - 1].eighths + bar.eighths == tune.bar_length)
        numbers.append(number)
    return numbers


def unfold(found):
    """The order in which bars are played, repeats and endings followed: a list of indices into `found`.

    A repeat goes back to the last of: |:, the end of a repeat or of its endings, a double bar, the start.
    """
    order, start, time, i, group, last = [], 0, 1, 0, 0, {}
    marked = False  # whether |: stands at the start, so that a double bar inside the repeat does not move it
    while i < len(found):
        bar = found[i]
        if bar.left in ("|:", "::") and i > start:
            start, time = i, 1
        elif bar.left in ("||", "|]", "[|") and i > start and time == 1 and not marked and not bar.endings:
            start = i
        if i == start:
            marked = bar.left in ("|:", "::")
        if i >= group:
            # Bars with endings that stand together are a choice: one of them is played each time.
            group = next((j for j in range(i, len(found)) if not found[j].endings), len(found))
            last = {number: j for j in range(i, group) for number in found[j].endings}
        if bar.endings and time not in bar.endings and last.get(time, -1) > i:
            i += 1
            continue
        order.append(i)
        if bar.right in (":|", "::"):
            if time < (max(2, *last) if bar.endings else 2):
                time, i = time + 1, start
                continue
            i = group if bar.endings else i + 1
            start, time = i, 1
        else:
            i += 1
            if bar.endings and i == group:
                start, time = i, 1
    return order


def sounding(found, order):
    """The notes of bars played in an order; tied notes are one.

    Args:
        found: list of `Bar`.
        order: indices into it.

    Returns:
        list of (`Note`, index of the bar it starts in).
    """
    played, tied, time = [], {}, Fraction(0)
    for i in order:
        for element in found[i].elements:
            if not element.duration:
                continue
            duration = element.duration / 2
            still_tied = {}
            for pitch in element.pitches:
                place = tied.get(pitch.midi)
                if place is None:
                    place = len(played)
                    played.append((Note(time, duration, pitch.midi), i))
                else:
                    note, bar = played[place]
                    played[place] = dataclasses.replace(note, duration=note.duration + duration), bar
                if pitch.tied:
                    still_tied[pitch.midi] = place
            tied = still_tied
            time += duration
    return played


class _Reader:
    """Reads a tune line by line."""

    def __init__(self):
        self.fields = {}
        self.elements = []
        self.unit = None
        self.slurs = 0
        self.in_music = False

    def read(self, number, line):
        text = line.split("%", 1)[0].rstrip()
        if not text.strip():
            return
        field = _FIELD.match(text.lstrip())
        if field:
            self._field(field[1], field[2].strip())
        elif "key" in self.fields:
            self._music(number, text)
        else:
            raise ABCError(
                f"A tune starts with its fields, the last of them the key, such as K:D; line {number} came before it: "
                f"{_short(text)}."
            )

    def finish(self):
        if "key" not in self.fields:
            raise ABCError("A tune needs a key, a line such as K:D or K:Ador before the notes.")
        if "metre" not in self.fields:
            raise ABCError("A tune needs a metre, a line such as M:6/8 before the key.")
        if not any(element.kind == "note" for element in self.elements):
            raise ABCError("The tune has no notes.")
        if self.slurs > 0:
            raise ABCError("A bracket '(' is never closed.")
        tune = Tune(self.fields["metre"], *self.fields["key"], self.fields.get("rhythm", ""), _tidy(self.elements))
        _durations(tune)
        _alterations(tune)
        return tune

    def _field(self, name, value):
        if name == "K":
            self._set("key", _read_key(value), f"K:{value}")
        elif name == "M":
            self._set("metre", _read_metre(value), f"M:{value}")
        elif name == "L":
            length = _METRE.match(value.replace(" ", ""))
            if not length or int(length[2]) not in (1, 2, 4, 8, 16, 32, 64) or int(length[1]) != 1:
                raise ABCError(f"L: is the length of a note, such as L:1/8. Received: L:{_short(value)}.")
            self.unit = Fraction(8, int(length[2]))
        elif name == "R" and not self.in_music:
            self.fields.setdefault("rhythm", " ".join(value.lower().split())[:40])
        elif name == "V" and value.split()[:1] not in ([], ["1"]):
            raise ABCError(f"Only tunes of one voice can be read. Received: V:{_short(value)}.")
        elif name == "X":
            if self.in_music:
                raise ABCError(f"One tune at a time, please: a second one begins with X:{_short(value)}.")
            self.fields["number"] = value

    def _set(self, name, value, text):
        if self.in_music and value != self.fields.get(name):
            raise ChangeError(f"The {name} changes inside the tune, at {_short(text)}.")
        self.fields[name] = value

    def _music(self, number, text):
        position = 0
        while position < len(text):
            token = _TOKEN.match(text, position)
            if not token:
                raise ABCError(f"No sign of ABC notation: {_short(text[position:], 12)} in line {number}.")
            self._token(token, number)
            position = token.end()
        self.elements.append(Element("line"))

    def _token(self, token, number):
        kind = token.lastgroup
        if kind == "note_length":
            self._timed("note", [_read_pitch(token["note"])], token[kind], number)
        elif kind == "rest_length":
            if token["rest"] in "ZX":
                self._rests_of_bars(token[kind], number)
            else:
                self._timed("rest", [], token[kind], number)
        elif kind == "chord_length":
            notes = _CHORD_NOTE.findall(token["chord"])
            pitches = [dataclasses.replace(_read_pitch(note), tied=bool(tie)) for note, _, tie in notes]
            self._timed("note", pitches, notes[0][1], number, factor=_read_length(token[kind]))
        elif kind in ("bar", "bar_ending"):
            self.elements.append(Element("bar", _bar_sign(token["bar"])))
            if token["bar_ending"]:
                self.elements.append(Element("ending", _ending_text(token["bar_ending"], number)))
        elif kind == "ending":
            self.elements.append(Element("ending", _ending_text(token[kind], number)))
        elif kind == "value":
            self._field(token["field"], token["value"].strip())
        elif kind == "tuplet_rest":
            self.elements.append(Element("tuplet", tuplet=self._tuplet(int(token["tuplet"]), token[kind])))
        elif kind == "tie":
            last = next((e for e in reversed(self.elements) if e.kind not in ("space", "line", "bar")), None)
            if last is None or last.kind != "note":
                raise ABCError(f"A tie '-' follows a note; in line {number} there is none before it.")
            for pitch in last.pitches:
                pitch.tied = True
        elif kind == "broken":
            self.elements.append(Element("broken", token[kind]))
        elif kind == "slur":
            self.slurs += 1 if token[kind] == "(" else -1
        elif kind == "space":
            self.elements.append(Element("space"))

    def _timed(self, kind, pitches, length, number, factor=1):
        if self.unit is None:
            # Without L: the standard takes sixteenths for metres shorter than 3/4. The normal form, which has no X:
            # either, always counts in eighths.
            numerator, denominator = self.fields.get("metre", (4, 4))
            sixteenths = "number" in self.fields and 4 * numerator < 3 * denominator
            self.unit = Fraction(1, 2) if sixteenths else Fraction(1)
        length = _read_length(length) * factor * self.unit
        if not _MIN_LENGTH <= length <= _MAX_LENGTH or length.denominator & (length.denominator - 1):
            raise ABCError(f"Line {number} has a note of {length} eighths, which cannot be written in notes.")
        self.in_music = True
        self.elements.append(Element(kind, pitches=pitches, length=length))

    def _rests_of_bars(self, count, number):
        if not re.fullmatch("[1-9]?[0-9]?", count) or "metre" not in self.fields:
            raise ABCError(f"Z is followed by a number of bars; line {number} has Z{_short(count)}.")
        for i in range(int(count or 1)):
            if i:
                self.elements.append(Element("bar", "|"))
            self.elements.append(Element("rest", length=Fraction(8 * self.fields["metre"][0], self.fields["metre"][1])))

    def _tuplet(self, p, rest):
        numbers = [int(number) if number else None for number in rest.split(":")[1:]] + [None, None]
        numerator, denominator = self.fields.get("metre", (4, 4))
        n = 3 if denominator >= 8 and numerator % 3 == 0 and numerator > 3 else 2
        q = numbers[0] or {2: 3, 3: 2, 4: 3, 6: 2, 8: 3}.get(p, n)
        return p, q, numbers[1] or p


def _read_key(value):
    if value.lower() in ("", "none"):
        return "C", "maj"
    match = _KEY.fullmatch(value)
    if match:
        tonic, mode = match[1] + match[2], match[3].lower()[:3]
        mode = {"": "maj", "m": "min", "ion": "maj", "aeo": "min"}.get(mode, mode)
        if -7 <= key_fifths(tonic, mode) <= 7:
            return tonic, mode
    raise ABCError(f"K: is a key of up to seven sharps or flats, such as K:D or K:Ador. Received: K:{_short(value)}.")


def _read_metre(value):
    value = {"C": "4/4", "C|": "2/2"}.get(value, value.replace(" ", ""))
    sums = re.fullmatch(r"\(?(\d{1,2}(?:\+\d{1,2}){1,4})\)?/(\d{1,2})", value)
    if sums:
        value = f"{sum(map(int, sums[1].split('+')))}/{sums[2]}"
    match = _METRE.match(value)
    if match and 1 <= int(match[1]) <= 32 and int(match[2]) in (1, 2, 4, 8, 16, 32):
        return int(match[1]), int(match[2])
    raise ABCError(f"M: is a metre such as M:4/4, M:6/8 or M:C. Received: M:{_short(value)}.")


def _read_pitch(text):
    letter = text.lstrip("^_=")
    marks = text[: len(text) - len(letter)]
    accidental = marks.count("^") - marks.count("_") if marks else None
    octave = 4 + letter[0].islower() + letter.count("'") - letter.count(",")
    if not 0 <= octave <= 8:
        raise ABCError(f"The note {_short(text)} lies outside the octaves that can be played.")
    return Pitch(7 * octave + LETTERS.index(letter[0].upper()), accidental)


def _read_length(text):
    """The factor that "", "3", "/", "//", "/4" or "3/2" stands for."""
    numerator, slashes, denominator = re.fullmatch("([0-9]*)(/*)([0-9]*)", text).groups()
    if len(numerator) > 4 or len(denominator) > 4 or len(slashes) > 7:
        raise ABCError(f"The length of a note is too long a number: {_short(text)}.")
    below = int(denominator) if denominator else 2 ** len(slashes)
    if below == 0 or numerator and int(numerator) == 0:
        raise ABCError(f"The length of a note cannot be {_short(text)}.")
    return Fraction(int(numerator or 1), below)


def _bar_sign(text):
    before, after = text.startswith(":"), text.endswith(":")
    if "|" not in text or before and after:
        return "::"
    if before or after:
        return ":|" if before else "|:"
    if "]" in text:
        return "|]" if text != "[|]" else "|"
    return "[|" if text.startswith("[") else "||" if len(text) > 1 else "|"


def _join(first, second):
    """The one sign that two bar signs with nothing between them amount to."""
    if first in ("", "|"):
        return second or first
    if second in ("", "|"):
        return first
    if first in (":|", "::") and second in ("|:", "::"):
        return "::"
    ranks = ("||", "[|", "|]", "|:", ":|", "::")
    return max(first, second, key=ranks.index)


def _ending_text(text, number):
    if not re.fullmatch(r"[1-9]([,-][1-9])*", text):
        raise ABCError(f"An ending is written [1 or [1,3; line {number} has [{_short(text)}.")
    return text


def _ending_numbers(text):
    numbers = set()
    for part in text.split(","):
        ends = [int(number) for number in part.split("-")]
        numbers.update(range(min(ends), max(ends) + 1))
    return tuple(sorted(numbers))


def _tidy(elements):
    """Drops spaces beside bars and line ends, plain bars that bound nothing, and makes neighbouring signs one."""
    tidied = []
    for element in elements:
        last = tidied[-1] if tidied else Element("line")
        if element.kind in ("space", "line") and last.kind in ("space", "line", "bar", "ending", "broken", "tuplet"):
            if element.kind == "line" and last.kind in ("space", "bar", "ending"):
                if last.kind == "space":
                    tidied.pop()
                tidied.append(element)
            continue
        if element.kind in ("bar", "ending", "broken", "line") and last.kind == "space":
            tidied.pop()
        if element.kind == "bar" and tidied and tidied[-1].kind == "bar":
            tidied[-1].text = _join(tidied[-1].text, element.text)
            continue
        if element.kind == "bar" and element.text == "|":
            sign = next((e for e in reversed(tidied) if e.kind not in ("space", "line")), None)
            if sign is None or sign.kind == "bar":
                continue
        tidied.append(element)
    while tidied and tidied[-1].kind in ("space", "line"):
        tidied.pop()
    return tidied


def _durations(tune):
    """Fills in the durations: lengths changed by tuplets and broken rhythm."""
    factor, left, broken, last, bar = Fraction(1), 0, Fraction(1), None, 1
    for element in tune.elements:
        if element.kind == "tuplet":
            if left:
                raise ABCError(f"A tuplet starts inside another one, near bar {bar}.")
            factor, left = Fraction(element.tuplet[1], element.tuplet[0]), element.tuplet[2]
        elif element.kind == "broken":
            if last is None or broken != 1:
                raise ABCError(f"The sign {element.text} stands between two notes; near bar {bar} one is missing.")
            short = Fraction(1, 2 ** len(element.text))
            first, broken = (2 - short, short) if element.text[0] == ">" else (short, 2 - short)
            last.duration *= first
        elif element.kind in ("note", "rest"):
            element.duration = element.length * factor * broken
            last, broken, left = element, Fraction(1), max(left - 1, 0)
            if not left:
                factor = Fraction(1)
        elif element.kind in ("bar", "ending"):
            if left or broken != 1:
                raise ABCError(f"Bar {bar} ends in the middle of {'a tuplet' if left else 'a broken rhythm'}.")
            last, bar = None, bar + (element.kind == "bar")
    if left or broken != 1:
        raise ABCError(f"The tune ends in the middle of {'a tuplet' if left else 'a broken rhythm'}.")


def _alterations(tune):
    """Fills in how the pitches sound: an accidental holds for its letter in every octave to the end of the bar."""
    of_key = signature(tune.fifths)
    of_bar, tied = list(of_key), {}
    for element in tune.elements:
        if element.kind == "bar":
            of_bar = list(of_key)
        elif element.kind in ("note", "rest"):
            for pitch in element.pitches:
                if pitch.accidental is not None:
                    of_bar[pitch.step % 7] = pitch.accidental
                    pitch.alteration = pitch.accidental
                else:
                    # A tie carries an accidental over the bar line, to its own note alone.
                    pitch.alteration = tied.get(pitch.step, of_bar[pitch.step % 7])
            tied = {pitch.step: pitch.alteration for pitch in element.pitches if pitch.tied}


def _short(text, length=40):
    text = "".join(character if character.isprintable() else "\ufffd" for character in text)
    return f"'{text if len(text) <= length else text[: length - 1] + chr(0x2026)}'"
