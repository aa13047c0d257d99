"""Sheet music: a tune in ABC notation drawn by Verovio.

Verovio gets MEI (https://music-encoding.org), its own format. Its reader of ABC knows no endings and no lengths of
whole chords, and a few real tunes crash it.
"""

import importlib.resources
import threading
import xml.etree.ElementTree as ElementTree
from fractions import Fraction

import verovio

from seqkeras.media import abc_parser
from seqkeras.media.abc_parser import ABCError

_NAMESPACE = "http://www.music-encoding.org/ns/mei"
_SIGNS = {
    "|": "single",
    "": "invis",
    "||": "dbl",
    "[|": "dbl",
    "|]": "end",
    "|:": "rptstart",
    ":|": "rptend",
    "::": "rptboth",
}
_ACCIDENTALS = {-3: "tf", -2: "ff", -1: "f", 0: "n", 1: "s", 2: "x", 3: "xs"}
# Notes that one sign can write, longest first: (eighths, MEI's dur, dots).
_VALUES = sorted(
    (
        (Fraction(16, 2**i) * (2 - Fraction(1, 2**dots)), "breve" if i == 0 else str(2 ** (i - 1)), dots)
        for i in range(12)
        for dots in range(3)
    ),
    reverse=True,
)
_PIXELS_PER_UNIT = 0.4
_MAX_NOTES = 200  # in a bar; the time Verovio takes grows with their square

# A toolkit is not safe to share between threads and is never freed, so there is one, behind a lock.
_lock = threading.Lock()
_toolkit = None


def sheet(abc, width=800, title=""):
    """Draws a tune.

    Args:
        abc: str, a tune in ABC notation.
        width: of the drawing, in pixels (200 to 5,000); lines of music are broken to fit.
        title: str above the music; none if empty.

    Returns:
        str, an SVG drawing that needs no font.

    Raises:
        ABCError: if `abc` is no tune, or has a bar of more than 200 notes.
    """
    if not 200 <= width <= 5000:
        raise ValueError(f"width is from 200 to 5000 pixels. Received: {width!r}")
    text = mei(abc, title)
    options = {
        "pageWidth": round(width / _PIXELS_PER_UNIT), "pageHeight": 60_000, "adjustPageHeight": True,
        "scale": round(100 * _PIXELS_PER_UNIT), "svgViewBox": True, "header": "encoded" if title else "none",
        "footer": "none", "breaks": "auto", "inputFrom": "mei",
    }  # fmt: skip
    global _toolkit
    with _lock:
        if _toolkit is None:
            verovio.enableLog(verovio.LOG_OFF)
            # Verovio finds its fonts by a path it keeps for each thread, and sets in that of its import alone.
            verovio.setDefaultResourcePath(str(importlib.resources.files("verovio") / "data"))
            _toolkit = verovio.toolkit()
        _toolkit.setOptions(options)
        svg = _toolkit.renderToSVG(1) if _toolkit.loadData(text) else ""
    if 'class="note"' not in svg:
        raise ABCError("The tune cannot be drawn as sheet music.")
    return svg


def mei(abc, title=""):
    """A tune as a document of the Music Encoding Initiative, for Verovio, MuseScore and others: str, XML."""
    tune = abc_parser.parse(abc)
    title = "".join(character if character.isprintable() else " " for character in title)  # XML has no others
    root = ElementTree.Element("mei", xmlns=_NAMESPACE, meiversion="5.0")
    head = _add(_add(_add(root, "meiHead"), "fileDesc"), "titleStmt")
    _add(head, "title").text = title
    score = _add(_add(_add(_add(root, "music"), "body"), "mdiv"), "score")
    fifths = tune.fifths
    definition = _add(
        score,
        "scoreDef",
        {
            "keysig": f"{abs(fifths)}{'s' if fifths > 0 else 'f'}" if fifths else "0",
            "meter.count": str(tune.metre[0]),
            "meter.unit": str(tune.metre[1]),
        },
    )
    if title:
        rend = {"halign": "center", "valign": "middle", "fontsize": "large"}
        _add(_add(definition, "pgHead", {"func": "first"}), "rend", rend).text = title
    _add(_add(definition, "staffGrp"), "staffDef", {"n": "1", "lines": "5", "clef.shape": "G", "clef.line": "2"})
    section = _add(score, "section")
    found = abc_parser.bars(tune)
    if max(sum(len(element.pitches) for element in bar.elements) for bar in found) > _MAX_NOTES:
        raise ABCError(f"A bar has more than {_MAX_NOTES} notes, too many to be drawn.")
    place, tied = section, set()
    for i, (number, bar) in enumerate(zip(abc_parser.bar_numbers(tune, found), found)):
        if not bar.endings:
            place = section
        elif bar.starts_ending or place is section:
            place = _add(section, "ending", {"n": ", ".join(map(str, bar.endings))})
        measure = _add(place, "measure", {"n": str(number), "right": _SIGNS[bar.right]})
        if bar.left in ("|:", "::") and (i == 0 or found[i - 1].right == ""):
            measure.set("left", "rptstart")
        if bar.eighths != tune.bar_length:
            measure.set("metcon", "false")
        layer = _add(_add(measure, "staff", {"n": "1"}), "layer", {"n": "1"})
        tied = _write_bar(layer, bar, abc_parser.signature(fifths), tied)
    return ElementTree.tostring(root, encoding="unicode")


def _write_bar(layer, bar, of_key, tied):
    """Writes the notes of a bar; `tied` holds the notes that ties lead from, and is returned for the next bar."""
    read = {}  # what a reader takes a note on a line or space to be, after the accidentals printed in this bar
    tuplet, left, beam = None, 0, None
    factor = Fraction(1)
    for element in bar.elements:
        if element.kind == "space":
            beam = None
        elif element.kind == "tuplet":
            p, q, left = element.tuplet
            tuplet, factor, beam = _add(layer, "tuplet", {"num": str(p), "numbase": str(q)}), Fraction(q, p), None
        elif element.kind in ("note", "rest"):
            values = _values(element.duration / factor)
            beamed = element.kind == "note" and values[0][0] < 2
            parent = layer if tuplet is None else tuplet
            if not beamed:
                beam = None
            elif beam is None:
                beam = _add(parent, "beam")
            for i, (_, duration, dots) in enumerate(values):
                timed = {"dur": duration} | ({"dots": str(dots)} if dots else {})
                place = beam if beamed else parent
                if element.kind == "rest":
                    _add(place, "rest", timed)
                    continue
                chord = _add(place, "chord", timed) if len(element.pitches) > 1 else None
                for pitch in element.pitches:
                    note = _add(place, "note", timed) if chord is None else _add(chord, "note")
                    octave, letter = divmod(pitch.step, 7)
                    note.set("pname", abc_parser.LETTERS[letter].lower())
                    note.set("oct", str(octave))
                    before = i > 0 or (pitch.step, pitch.alteration) in tied
                    after = i + 1 < len(values) or pitch.tied
                    if before or after:
                        note.set("tie", "m" if before and after else "t" if before else "i")
                    expected = read.get(pitch.step, of_key[letter])
                    if i == 0 and not before and (pitch.accidental is not None or pitch.alteration != expected):
                        note.set("accid", _ACCIDENTALS[pitch.alteration])
                        read[pitch.step] = pitch.alteration
            tied = {(pitch.step, pitch.alteration) for pitch in element.pitches if pitch.tied}
            left -= tuplet is not None
            if tuplet is not None and left == 0:
                tuplet, factor, beam = None, Fraction(1), None
    for parent in (layer, *layer.findall("tuplet")):
        parent[:] = [child[0] if child.tag == "beam" and len(child) == 1 else child for child in parent]
    return tied


def _values(eighths):
    """The signs, tied together, that write a length: most lengths take one, five eighths take two."""
    values = []
    while eighths:
        value = next(value for value in _VALUES if value[0] <= eighths)
        values.append(value)
        eighths -= value[0]
    return values


def _add(parent, name, attributes=None):
    return ElementTree.SubElement(parent, name, attributes or {})
