"""Tunes as the music page has them: what a visitor asks for, the drawing of symbol after symbol, sheet and sound."""

import itertools
import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import streamlit as st

from apps import sampling
from apps.models import Model
from apps.texts import InputError, clean

# What the symbols of the model mean beside the characters of a body (the model card says so).
END = 2
LINES = "MKRN"  # metre, key, dance, number of bars

HOME_SEED = 1  # of the tune whose beginning the home page shows
TEMPERATURE, TOP_P, BARS = 0.8, 0.9, "16"  # unless the visitor says otherwise
LONGEST = 2_000  # symbols of one tune
MAX_OPENING = 4_000  # characters of a body that the model reads
MAX_CHARACTERS = 100_000  # of all that is pasted or in a file

MODES = {
    "maj": "major", "min": "minor", "dor": "dorian", "mix": "mixolydian", "phr": "phrygian", "lyd": "lydian",
    "loc": "locrian",
}  # fmt: skip
# The metre that a dance is danced to.
METRES = {
    "jig": "6/8", "slide": "12/8", "slipjig": "9/8", "reel": "4/4", "hornpipe": "4/4", "polka": "2/4", "waltz": "3/4",
}  # fmt: skip
DANCES = {"slipjig": "slip jig", "setdance": "set dance"}

_BAR_SIGN = re.compile(r"[:|\[\]]*\|[:|\]]*|::")
_NOTE = re.compile(r"[A-Ga-gz]")
_FIELD = re.compile(r"([A-Za-z]):(?![|:])[ \t]*(.*)")
# What the normal form of a tune leaves out, by how it is written in the lines of notes.
_LEFT_OUT = {
    "chord symbols": re.compile(r'"[^"\n]*"'),
    "grace notes": re.compile(r"\{[^{}\n]*\}"),
    "ornaments": re.compile(r"![^!|\n]{1,24}!|[~.HLMOPSTuv](?=[\^_=]*[A-Ga-g])"),
    "slurs": re.compile(r"\((?![2-9])"),
}


def notation():
    """`seqkeras.media.abc`; not imported above because it takes seconds, and a page should be drawn before that."""
    from seqkeras.media import abc

    return abc


def key_name(key: str) -> str:
    """ "A dorian" for "Ador"."""
    return f"{key[:-3]} {MODES.get(key[-3:], key[-3:])}"


def dance_name(dance: str) -> str:
    return DANCES.get(dance, dance)


def choices(symbols: Sequence[str], letter: str) -> list[str]:
    """The values a model knows for a line of the header, such as its keys for "K"; keys by tonic, numbers ascend."""
    values = [symbol[2:-1] for symbol in symbols if len(symbol) > 2 and symbol.startswith(f"{letter}:")]
    if letter == "K":
        return sorted(values, key=lambda key: (key[:-3], [*MODES, key[-3:]].index(key[-3:])))
    return sorted(values, key=lambda value: (int(value) if value.isdigit() else 0, value))


def count_bars(body: str) -> int:
    """How many bars stand complete in a body; repeats count once."""
    return sum(bool(_NOTE.search(piece)) for piece in _BAR_SIGN.split(body)[:-1])


@dataclass(frozen=True)
class Request:
    """What a tune is to be: the lines of its header, "" for those left to the model, and the bars it opens with.

    Attributes:
        metre, key, dance: values the model knows, such as "6/8", "Ador", "jig".
        bars: about how many bars, as text.
        opening: bars in normal form, "" for none.
        title: of the visitor's own tune.
        least_bars: the tune does not end before so many are written.
    """

    metre: str = ""
    key: str = ""
    dance: str = ""
    bars: str = ""
    opening: str = ""
    title: str = ""
    least_bars: int = 0

    @property
    def prompt(self) -> str:
        """As the model reads it."""
        lines = zip(LINES, (self.metre, self.key, self.dance, self.bars))
        return "".join(f"{letter}:{value}\n" for letter, value in lines if value) + self.opening


def split_prompt(text: str) -> tuple[dict[str, str], str]:
    """The lines of a header by their letters, and all other lines, of a prompt or of a tune."""
    fields, rest = {}, []
    for line in text.split("\n"):
        found = _FIELD.fullmatch(line.strip())
        if found:
            fields.setdefault(found[1], found[2].strip())
        else:
            rest.append(line)
    return fields, "\n".join(rest).strip("\n")


def new_request(
    symbols: Sequence[str], metre: str, key: str, dance: str, bars: str, opening: str = ""
) -> tuple[Request, list[str]]:
    """The request of a visitor who chose lines of the header and may have written some bars.

    Returns:
        As `own_request`.

    Raises:
        InputError: if the bars cannot be read, or come without a metre and a key.
    """
    if not opening.strip():
        return Request(metre, key, dance, bars), []
    _check_length(opening)
    fields, body = split_prompt(clean(opening)[0])
    if not body.strip():
        raise InputError("The opening has no notes. Write some bars, such as e2A ABc|, or leave the box empty.")
    if not (key or "K" in fields) or not (metre or "M" in fields):
        raise InputError("Choose a key and a metre, so that the notes of your opening can be read.")
    lines = {"M": metre, "K": key, "R": dance} | fields
    text = "".join(f"{letter}:{lines[letter]}\n" for letter in "TMLRK" if lines.get(letter))
    return own_request(symbols, text + body, bars)


def own_request(symbols: Sequence[str], text: str, bars: str) -> tuple[Request, list[str]]:
    """The request to go on with a visitor's own tune.

    Args:
        symbols: of the model.
        text: one tune in ABC notation.
        bars: about how many it is to have in all; more, if so many are there already.

    Returns:
        The request, and what should be said about it: sentences.

    Raises:
        InputError: if the text is no tune, or not one that the model can go on with.
    """
    _check_length(text)
    text, removed = clean(text)
    if not text.strip():
        raise InputError("There is no tune yet. Paste one in ABC notation into the box, or open a file.")
    abc = notation()
    try:
        normal = abc.normalise(text)
    except abc.ABCError as error:
        raise InputError(str(error)) from error
    given, _ = split_prompt(text)
    fields, body = split_prompt(normal)
    remarks = [f"Control characters, which cannot be seen, were read as spaces: {removed:,}."] if removed else []
    remarks += _left_out(text, given)

    if fields["M"] not in choices(symbols, "M"):
        raise InputError(
            f"The model has not learned the metre {fields['M']}. It knows {_listed(choices(symbols, 'M'))}."
        )
    key, remark = _known_key(fields["K"], choices(symbols, "K"))
    remarks += remark
    dance = fields.get("R", "").replace(" ", "")
    if dance and dance not in choices(symbols, "R"):
        remarks.append(f"The model knows no dance called {dance[:40]}; it was left open.")
        dance = ""
    unknown = sorted(set(body) - set(symbols))
    if unknown:
        raise InputError(f"The model has no sign for {_listed(unknown)}. Write these notes in another way.")
    if len(body) > MAX_OPENING:
        raise InputError(
            f"This tune has {len(body):,} characters of notes; the model can go on from at most {MAX_OPENING:,}. "
            "Leave out bars at its beginning."
        )

    body, least = body.rstrip("\n"), 1
    if abc.check(normal).ends:
        remarks.append("This tune has come to an end already, so the model was asked for another part.")
        body, least = re.sub(r"\|\]$", "||", body), 4
    there = count_bars(body)
    enough = [number for number in choices(symbols, "N") if int(number) >= max(int(bars or 0), there + least)]
    title = " ".join(given.get("T", "").split())[:100]
    return Request(fields["M"], key, dance, enough[0] if enough else "", body, title, least), remarks


def split_tunes(text: str) -> list[tuple[str, str]]:
    """The tunes of a file, each with its title or else its number; a text with at most one X: is one tune."""
    pieces = re.split(r"(?m)^(?=[ \t]*X:)", clean(text)[0])
    tunes = [piece for piece in pieces if re.match(r"[ \t]*X:", piece)]
    if len(tunes) < 2:
        return [("", text)]
    titled = []
    for number, tune in enumerate(tunes, 1):
        fields, _ = split_prompt(tune)
        titled.append((" ".join(fields.get("T", "").split())[:80] or f"Tune {number}", tune))
    return titled


def read_file(data: bytes) -> str:
    """The text of a file of ABC.

    Raises:
        InputError: if it is too large or no text.
    """
    if len(data) > MAX_CHARACTERS:
        raise InputError(f"This file has {len(data):,} bytes; at most {MAX_CHARACTERS:,} are read. Open a single tune.")
    if not data.strip():
        raise InputError("This file is empty.")
    if b"\x00" in data:
        raise InputError("This file is not a text file. Tunes in ABC notation are text; their files end in .abc.")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("latin-1")  # many old collections; every byte is a character there


def _check_length(text: str) -> None:
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"There are {len(text):,} characters; at most {MAX_CHARACTERS:,} are read. Leave all but one tune out."
        )


def _left_out(text: str, fields: dict[str, str]) -> list[str]:
    """Sentences on what of a tune its normal form does not keep."""
    notes = "\n".join(line for line in text.split("\n") if not _FIELD.fullmatch(line.strip()))
    found = [name for name, pattern in _LEFT_OUT.items() if pattern.search(notes)]
    found += ["words"] * bool({"w", "W"} & set(fields))
    remarks = [f"Left out, because the model writes bare melodies: {_listed(found)}."] if found else []
    if fields.get("L", "1/8").replace(" ", "") != "1/8":
        remarks.append(f"Note lengths were rewritten from L:{fields['L'][:10]} to eighths, L:1/8.")
    return remarks


def _known_key(key: str, known: list[str]) -> tuple[str, list[str]]:
    """The key, or a known one of the same signature, and what to say about that."""
    from seqkeras.media.abc_parser import key_fifths

    if key in known:
        return key, []
    signature = key_fifths(key[:-3], key[-3:])
    for mode in MODES:
        for other in known:
            if other.endswith(mode) and key_fifths(other[:-3], other[-3:]) == signature:
                return other, [
                    f"The model has not learned {key_name(key)}; it goes on in {key_name(other)}, which has the same "
                    "sharps and flats."
                ]
    raise InputError(
        f"The model has not learned {key_name(key)} nor another key of its sharps and flats. Transpose the tune, "
        "if only by a semitone."
    )


def _listed(names: Sequence[str]) -> str:
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


@dataclass
class Tune:
    """A tune, finished or in the making.

    Attributes:
        request, temperature, top_p, seed: what it came of; the same give the same tune again.
        given: the lines and bars that the model was given, as it read them, in ABC notation.
        written: what it wrote.
        end: "" while it is being written, "end" when it came to its end, "limit" if it was cut.
        number: tells it from all other tunes.
    """

    request: Request
    temperature: float
    top_p: float
    seed: int
    given: str = ""
    written: list[sampling.Symbol] = field(default_factory=list)
    end: str = ""
    number: int = field(default_factory=itertools.count().__next__)

    @property
    def fields(self) -> dict[str, str]:
        """The lines of its header by their letters."""
        lines = "".join(symbol.text for symbol in self.written if len(symbol.text) > 1)
        return split_prompt(lines)[0] | split_prompt(self.given)[0]

    @property
    def given_body(self) -> str:
        return split_prompt(self.given)[1]

    @property
    def body(self) -> str:
        return self.given_body + "".join(symbol.text for symbol in self.written if len(symbol.text) == 1)

    @property
    def bars(self) -> int:
        return count_bars(self.body)

    @property
    def bars_asked(self) -> int:
        """What N: says, asked for or written by the model itself; 16 if nothing does."""
        number = self.request.bars or self.fields.get("N", "")
        return int(number) if number.isdigit() else 16

    @property
    def name(self) -> str:
        if self.request.title:
            return f"{self.request.title} (continued)"
        key, dance = self.fields.get("K", ""), self.fields.get("R", "")
        name = dance_name(dance).capitalize() or "Tune"
        return f"{name} in {key_name(key)}" if key else name

    @property
    def abc(self) -> str:
        """The tune as a complete file of ABC notation."""
        fields = self.fields | {"X": "1", "T": self.name, "L": "1/8"}
        lines = "".join(f"{letter}:{fields[letter]}\n" for letter in "XTRMLK" if letter in fields)
        return lines + self.body.rstrip("\n") + "\n"

    @property
    def file_name(self) -> str:
        plain = re.sub(r"[^a-z0-9]+", "_", self.name.replace("#", " sharp").lower()).strip("_")
        return f"{plain or 'tune'}_{self.seed}"


class Writing:
    """Tunes being written side by side; `step` adds a symbol to each that has not ended.

    Each tune has a generator of its own, so that it depends on its own seed alone.

    Args:
        model: the music model.
        request: what all of them are to be.
        tunes: how many.
        temperature, top_p: as in `sampling.draw`.
        seed: of the first; the others have the numbers that follow.

    Attributes:
        tunes: list of `Tune`, as far as they are written.
        stopped: whether the visitor wants no more of them; `step` may still be called.
        seconds: that the model took.
    """

    def __init__(self, model: Model, request: Request, tunes: int, temperature: float, top_p: float, seed: int):
        self._model = model
        self._names = [name or "the end" for name in vocabulary(model)]
        outputs = model.call("start", prompt=[request.prompt] * tunes)
        given = [music.decode("utf-8", "replace") for music in outputs["music"]]
        self.tunes = [Tune(request, temperature, top_p, seed + number, given[number]) for number in range(tunes)]
        self._randoms = [np.random.default_rng(tune.seed) for tune in self.tunes]
        self._rows = list(range(tunes))  # of the tunes that have not ended
        self._state, self._logits = outputs["state"], outputs["logits"]
        self.stopped = False
        self.seconds = 0.0
        # Streamlit may begin a page anew while its last run is still inside a step.
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        return not self._rows

    def step(self) -> None:
        """Draws one more symbol for each tune that has not ended.

        Raises:
            ModelError: if the model fails; the tunes stay as they are.
        """
        with self._lock:
            if self.ended:
                return
            start = time.perf_counter()
            drawn = [self._draw(row, logits) for row, logits in zip(self._rows, self._logits)]
            going = [place for place, token in enumerate(drawn) if token != END]
            outputs = {"state": self._state[:0], "logits": self._logits[:0]}
            if going:
                tokens = np.array([drawn[place] for place in going], np.int32)
                outputs = self._model.call("step", token=tokens, state=self._state[going])
            for place, token in enumerate(drawn):
                tune = self.tunes[self._rows[place]]
                if token == END:
                    tune.end = "end"
                else:
                    tune.written.append(sampling.written(token, self._logits[place], self._names))
            # Cut: a tune that finds no end.
            for place in going:
                tune = self.tunes[self._rows[place]]
                if len(tune.written) >= min(LONGEST, 300 + 30 * tune.bars_asked):
                    tune.end = "limit"
            kept = [number for number, place in enumerate(going) if not self.tunes[self._rows[place]].end]
            self._state, self._logits = outputs["state"][kept], outputs["logits"][kept]
            self._rows = [self._rows[going[number]] for number in kept]
            self.seconds += time.perf_counter() - start

    def _draw(self, row: int, logits: np.ndarray) -> int:
        tune = self.tunes[row]
        least = tune.request.least_bars
        if least and tune.bars - count_bars(tune.given_body) < least:
            logits = logits.copy()
            logits[END] = 10 * sampling.BANNED
        return sampling.draw(sampling.allowed(logits), tune.temperature, tune.top_p, self._randoms[row])


def beginning(model: Model, prompt: str, bars: int) -> str:
    """The first bars of the tune that the music page writes for a prompt without a seed: its body only."""
    fields, _ = split_prompt(prompt)
    request = Request(fields.get("M", ""), fields.get("K", ""), fields.get("R", ""), fields.get("N", BARS))
    writing = Writing(model, request, 1, TEMPERATURE, TOP_P, HOME_SEED)
    tune = writing.tunes[0]
    while tune.bars < bars and not writing.ended:
        writing.step()
    return " ".join(tune.body.split())


def vocabulary(model: Model) -> list[str]:
    """The text of each symbol of the music model; "" for padding, start and end."""
    return [symbol.decode("utf-8", "replace") for symbol in model.call("symbols")["symbols"]]


# Sheet and sound, kept for the next look at a tune: a few megabytes each.


@st.cache_data(max_entries=64, show_spinner=False)
def sheet(abc: str, width: int, title: str = "") -> str:
    """The tune as sheet music: SVG, black on a transparent ground, `width` pixels wide.

    Raises:
        InputError: if it cannot be drawn.
    """
    try:
        return notation().sheet(abc, width=width, title=title)
    except notation().ABCError as error:
        raise InputError(str(error)) from error


@st.cache_data(max_entries=32, show_spinner=False)
def sound(abc: str, tempo: int) -> bytes:
    """The tune as a WAV file at a tempo in quarter notes a minute.

    Raises:
        InputError: if it cannot be played.
    """
    try:
        return notation().sound(abc, tempo=tempo)
    except notation().ABCError as error:
        raise InputError(str(error)) from error
