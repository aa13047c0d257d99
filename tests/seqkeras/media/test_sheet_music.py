import pathlib
import subprocess
import sys
import xml.etree.ElementTree as ElementTree

import pytest

from seqkeras.media import abc, sheet_music

MEI = "{http://www.music-encoding.org/ns/mei}"
SVG = "{http://www.w3.org/2000/svg}"


def measures(text):
    return list(ElementTree.fromstring(sheet_music.mei(text)).iter(f"{MEI}measure"))


def drawn(svg, kind):
    return [
        group for group in ElementTree.fromstring(svg).iter(f"{SVG}g") if kind in (group.get("class") or "").split()
    ]


def test_draws_what_the_tune_has():
    tune = "M:6/8\nK:Dmin\nA|:d>ef (3gag f|e^cA [=ce]3|[1f3-f2A:|[2d3-d2z|]\n"
    svg = abc.sheet(tune)
    assert len(drawn(svg, "note")) == 18
    assert len(drawn(svg, "rest")) == 1
    assert len(drawn(svg, "chord")) == 1
    assert len(drawn(svg, "tie")) == 2
    assert len(drawn(svg, "tuplet")) == 1
    assert len(drawn(svg, "measure")) == 5
    assert len(drawn(svg, "ending")) >= 2
    assert "Untitled" not in svg


def test_width_and_title():
    tune = "M:4/4\nK:G\n" + "GABc dedB|" * 8 + "\n"
    narrow, wide = (ElementTree.fromstring(abc.sheet(tune, width=width)) for width in (400, 1600))
    boxes = [[float(number) for number in svg.get("viewBox").split()] for svg in (narrow, wide)]
    assert [box[2] for box in boxes] == [400, 1600]
    assert boxes[0][3] > 2 * boxes[1][3]  # more lines of music
    assert "Morning &amp; evening" in abc.sheet(tune, title="Morning & evening")
    assert "a  b" in abc.sheet(tune, title="a\x00\nb")
    with pytest.raises(ValueError, match="width"):
        abc.sheet(tune, width=0)


def test_signs_of_bars_and_endings():
    found = measures("M:4/4\nK:C\n|:A8|B8|[1c8:|[2c8||d8::e8|]\n")
    assert found[0].get("left") == "rptstart"
    assert [measure.get("right") for measure in found] == ["single", "single", "rptend", "dbl", "rptboth", "end"]
    endings = list(ElementTree.fromstring(sheet_music.mei("M:4/4\nK:C\nA8|[1,3c8|d8:|[2e8|]\n")).iter(f"{MEI}ending"))
    assert [(ending.get("n"), len(ending)) for ending in endings] == [("1, 3", 2), ("2", 1)]


def test_pick_ups_are_bar_nought():
    found = measures("M:3/4\nK:C\nA2|B6|c4|]\n")
    assert [(measure.get("n"), measure.get("metcon")) for measure in found] == [
        ("0", "false"),
        ("1", None),
        ("2", "false"),
    ]


def test_lengths_of_notes_and_of_parts_tied_together():
    def signs(text):
        notes = measures(f"M:4/4\nK:C\n{text}|]\n")[0].iter(f"{MEI}note")
        return [(note.get("dur"), note.get("dots"), note.get("tie")) for note in notes]

    assert signs("A") == [("8", None, None)]
    assert signs("A3") == [("4", "1", None)]
    assert signs("A7") == [("2", "2", None)]
    assert signs("A5") == [("2", None, "i"), ("8", None, "t")]
    assert signs("A>B") == [("8", "1", None), ("16", None, None)]
    assert signs("(3ABc") == [("8", None, None)] * 3
    assert signs("A16") == [("breve", None, None)]
    assert signs("A2-A2") == [("4", None, "i"), ("4", None, "t")]


def test_accidentals_say_on_paper_what_is_heard():
    def accidentals(text):
        return [note.get("accid") for measure in measures(text) for note in measure.iter(f"{MEI}note")]

    assert accidentals("M:4/4\nK:D\n^GG=Ff|^G4-|GG|]\n") == ["s", None, "n", "n", "s", None, None]
    # On paper an accidental holds for one octave, in ABC for all: the reader is told.
    assert accidentals("M:4/4\nK:C\n^Ff|f|]\n") == ["s", "s", None]
    assert accidentals("M:4/4\nK:C\n^F-|FF|]\n") == ["s", None, None]
    assert accidentals("M:4/4\nK:C\n__B^^C|]\n") == ["ff", "x"]
    # A tie to another note is none.
    assert accidentals("M:4/4\nK:C\nA-^A|]\n") == [None, "s"]


def test_beams_follow_the_spaces():
    bar = measures("M:4/4\nK:C\nAB cdz(3efg a2|]\n")[0]
    assert [len(beam) for beam in bar.iter(f"{MEI}beam")] == [2, 2, 3]


def test_huge_bars_are_refused():
    with pytest.raises(abc.ABCError, match="too many to be drawn"):
        abc.sheet("M:4/4\nK:C\n" + "A" * 300 + "|]\n")


def test_draws_in_another_thread_than_the_one_that_imported_it():
    """In a process of its own: one drawing in the right thread would hide it."""
    code = (
        "import threading\n"
        "from seqkeras.media import sheet_music\n"
        "found = []\n"
        "draw = lambda: found.append(sheet_music.sheet('M:4/4\\nK:Gmaj\\nGABc d4|]\\n'))\n"
        "thread = threading.Thread(target=draw); thread.start(); thread.join()\n"
        "assert found[0].startswith('<svg')\n"
    )
    root = pathlib.Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
