import concurrent.futures
import dataclasses
import random
import re
from fractions import Fraction

import pytest

from seqkeras.media import abc
from seqkeras.media.abc import ABCError

# Our own tunes, with all that the notation has: endings, pick-ups, tuplets, broken rhythm, ties, chords, accidentals.
JIG = """M:6/8
K:Ddor
R:jig
A|:d>ef (3gag f|e^cA =cde|[1f3-f2A:|[2d3-d2||
e|f2f [fa]2g|e_BG c3|A/2B/2c/2d/2e c^cB|d3-d2|]
"""
REEL = """M:4/4
K:Gmaj
DE|:G2BG d<gd2|e^fge dBAB|c2ec A3z|
(3FGA Bc A^GAF::
G,2DG- GFED|^c=cBA G4-|G4z4:|
"""
WALTZ = """M:3/4
K:Bbmaj
F|B2cd ef|g>d c2B2|A4F2|B,5:|
"""
TUNES = [JIG, REEL, WALTZ]


def pitches(text, **arguments):
    return [note.pitch for note in abc.notes(text, **arguments)]


def body(text, header="M:4/4\nK:Cmaj\n"):
    return pitches(header + text)


def lengths(text, header="M:4/4\nK:Cmaj\n"):
    return [note.duration for note in abc.notes(header + text)]


def test_normal_form_of_an_ordinary_file():
    ordinary = """X: 12
T:An example
% a remark
C:Nobody
Z:id
R: Slow  Jig
M:C
L:1/4
K:A Dorian % on the second string
P:A
"Am"A/2B/2 {g}c|!trill!d ~e .f (g|a) uA3/2 B/4c/4 | [1 "G"[B2d2] z2 :|\\
 |2 [Gc-]/ A// B// c2 ||!
|: G,>A c'<d' ||: (3A/B/c/ A3 :| A4 |]
w: la la la
"""
    assert abc.normalise(ordinary) == (
        "M:4/4\nK:Ador\nR:slow jig\nAB c2|d2 e2 f2 g2|a2 A3 B/2c/2|[1[Bd]4 z4:|\n[2[Gc-] A/2 B/2 c4||\n"
        "|:G,2>A2 c'2<d'2|:(3ABc A6:|A8|]\n"
    )


@pytest.mark.parametrize("tune", TUNES)
def test_normal_form_stays_as_it_is(tune):
    assert abc.normalise(tune) == tune
    assert abc.normalise(abc.full(tune)) == tune
    assert abc.notes(abc.full(tune, "Any title")) == abc.notes(tune)


def test_full_is_a_complete_file():
    assert abc.full(JIG, "Two\nlines").startswith("X:1\nT:Two lines\nR:jig\nM:6/8\nL:1/8\nK:Ddor\nA|:d>ef")


@pytest.mark.parametrize(
    "key, normal",
    [
        ("D", "Dmaj"), ("D Major", "Dmaj"), ("Am", "Amin"), ("F# Minor", "F#min"), ("Bb", "Bbmaj"), ("Edor", "Edor"),
        ("G Mixolydian", "Gmix"), ("C Ionian", "Cmaj"), ("B aeolian", "Bmin"), ("D clef=treble", "Dmaj"), ("", "Cmaj"),
        ("C lydian bass", "Clyd"),
    ],
)  # fmt: skip
def test_keys(key, normal):
    assert abc.normalise(f"X:1\nM:4/4\nL:1/8\nK:{key}\nA8|]\n") == f"M:4/4\nK:{normal}\nA8|]\n"


@pytest.mark.parametrize("metre, normal", [("C", "4/4"), ("C|", "2/2"), ("6/8", "6/8"), ("2+3/8", "5/8")])
def test_metres(metre, normal):
    assert abc.normalise(f"X:1\nM:{metre}\nL:1/8\nK:C\nA4|]\n") == f"M:{normal}\nK:Cmaj\nA4|]\n"


def test_unit_of_length_follows_the_standard():
    assert "A2 B4|" in abc.normalise("X:1\nM:4/4\nL:1/4\nK:C\nA B2|]\n")
    assert "A/2 B|" in abc.normalise("X:1\nM:2/4\nK:C\nA B2|]\n")  # no L: sixteenths below 3/4
    assert "A B2|" in abc.normalise("X:1\nM:6/8\nK:C\nA B2|]\n")
    assert "A B2|" in abc.normalise("M:2/4\nK:C\nA B2|]\n")  # the normal form is in eighths


def test_changes_on_the_way_are_refused():
    for change in ("\nK:G\n", "\nM:3/4\n", "[K:G]", "[M:3/4]"):
        with pytest.raises(abc.ChangeError, match="changes inside"):
            abc.normalise(f"M:4/4\nK:D\nA8|{change}B8|]\n")
    assert abc.normalise("M:4/4\nK:D\nA8|\nK:D\nB8|]\n") == "M:4/4\nK:Dmaj\nA8|\nB8|]\n"
    assert abc.normalise("M:4/4\nK:D\nM:6/8\nA6|]\n") == "M:6/8\nK:Dmaj\nA6|]\n"


def test_pitches():
    assert body("C,CcC'c'z|]") == [48, 60, 72, 72, 84]
    assert body("^F_B=c__d^^c|]") == [66, 70, 72, 72, 74]
    assert pitches("M:4/4\nK:Emaj\nCDEFGAB|]\n") == [61, 63, 64, 66, 68, 69, 71]
    assert pitches("M:4/4\nK:Fdor\nBEA|]\n") == [70, 63, 68]


def test_accidentals_last_to_the_end_of_the_bar_and_over_a_tie():
    assert body("^FFf|F|]") == [66, 66, 78, 65]
    assert body("^F4=FF|F|]") == [66, 65, 65, 65]
    assert [(note.duration, note.pitch) for note in abc.notes("M:4/4\nK:C\n^F4-|F2F2|]\n")] == [(3, 66), (1, 65)]


def test_lengths():
    assert lengths("AA2A/A//A3/2A/4A3/|]") == [Fraction(n, 8) for n in (4, 8, 2, 1, 6, 1, 6)]
    assert lengths("A>BA<<BA>>>B|]") == [Fraction(n, 16) for n in (12, 4, 2, 14, 15, 1)]
    assert lengths("(3ABc(4ABcd(2AB(3:2:2A2B|]") == [
        *[Fraction(1, 3)] * 3, *[Fraction(3, 8)] * 4, *[Fraction(3, 4)] * 2, Fraction(2, 3), Fraction(1, 3),
    ]  # fmt: skip
    assert lengths("(5ABcde|]", "M:6/8\nK:C\n")[0] == Fraction(3, 10)
    assert lengths("(5ABcde|]")[0] == Fraction(1, 5)
    assert lengths("A-A A-B|]") == [1, Fraction(1, 2), Fraction(1, 2)]
    assert lengths("[ce]3-[ce]2|]") == [Fraction(5, 2)] * 2
    assert lengths("[c3e3]2|]") == [3, 3]


def test_starts_run_on_over_bars_and_rests():
    assert [note.start for note in abc.notes("M:4/4\nK:C\nA2z2A>B|c4|]\n")] == [0, 2, Fraction(11, 4), 3]


@pytest.mark.parametrize(
    "text, order",
    [
        ("A8|B8|]", "AB"),
        ("A8|B8:|", "ABAB"),
        ("|:A8:|:B8:|", "AABB"),
        ("A8::B8:|", "AABB"),
        ("A8|[1B8:|[2c8|d8:|", "ABAcd"),
        ("|:A8|[1B8:|[2c8||d8|[1e8:|[2f8|]", "ABAcdedf"),
        ("|:A8|[1,3B8:|[2c8:|d8|]", "ABAcABd"),
        ("A8||B8:|", "ABB"),  # parts are divided by double bars where |: is missing
        ("|:A8||B8:|", "ABAB"),
        ("A8|:B8|c8:|", "ABcBc"),
        ("D2|:A8|B6:|c2|d8|e6:|", "DABABcdecde"),
        ("A8:|\n|:B8:|", "AABB"),
    ],
)
def test_repeats_and_endings(text, order):
    expected = body("".join(order))
    assert pitches(f"M:4/4\nK:C\n{text}\n", unfold=True) == expected
    written = abc.notes(f"M:4/4\nK:C\n{text}\n")
    assert len(written) == text.count("8") + text.count("2|") + text.count("6:")


@pytest.mark.parametrize("tune", TUNES)
@pytest.mark.parametrize("semitones", [*range(-13, 14), 24])
def test_transposed_notes_sound_exactly_shifted(tune, semitones):
    shifted = abc.transpose(tune, semitones)
    assert abc.normalise(shifted) == shifted
    expected = [dataclasses.replace(note, pitch=note.pitch + semitones) for note in abc.notes(tune)]
    assert abc.notes(shifted) == expected
    assert "^^" not in shifted and "__" not in shifted
    assert abc.notes(abc.transpose(shifted, -semitones)) == abc.notes(tune)
    assert abc.fits_key(shifted) == abc.fits_key(tune)
    assert abc.ends_on(shifted) == abc.ends_on(tune)


def test_random_accidentals_are_transposed_too():
    generator = random.Random(3)
    for _ in range(20):
        bars = []
        for _ in range(4):
            notes = [
                generator.choice(["", "^", "_", "=", "^^", "__"]) + generator.choice("CDEFGABcdefgab") for _ in "1234"
            ]
            bars.append("".join(note + generator.choice(["2", "2-"]) for note in notes))
        tune = f"M:4/4\nK:{generator.choice(['C#maj', 'Cbmaj', 'Dmin', 'Elyd', 'G#loc'])}\n{'|'.join(bars)}|]\n"
        for semitones in range(-7, 8):
            got = abc.notes(abc.transpose(tune, semitones))
            assert [(note.start, note.duration, note.pitch - semitones) for note in got] == [
                dataclasses.astuple(note) for note in abc.notes(tune)
            ]


@pytest.mark.parametrize(
    "key, semitones, new",
    [
        ("Cmaj", 6, "F#maj"), ("Cmaj", -6, "F#maj"), ("Cmaj", 1, "Dbmaj"), ("Dmaj", 1, "Ebmaj"), ("Ddor", 1, "Ebdor"),
        ("Amin", 1, "Bbmin"), ("Amin", 6, "D#min"), ("Gmix", -1, "F#mix"), ("Bmaj", 0, "Bmaj"), ("Cbmaj", 12, "Cbmaj"),
        ("Dmaj", 2, "Emaj"), ("Dmaj", -12, "Dmaj"),
    ],
)  # fmt: skip
def test_new_keys_have_the_fewest_accidentals(key, semitones, new):
    assert f"\nK:{new}\n" in abc.transpose(f"M:4/4\nK:{key}\nA8|]\n", semitones)


def test_transposing_out_of_reach_is_refused():
    for semitones in (120, -120, 10**9):
        with pytest.raises(ABCError, match="octaves that can be played"):
            abc.transpose(JIG, semitones)


def test_what_grows_too_long_to_be_read_again_is_refused():
    text = "M:4/4\nK:D\n" + "a" * 9_989
    assert abc.check(text).parses
    for write in (abc.normalise, abc.full, lambda text: abc.transpose(text, 0)):
        with pytest.raises(ABCError, match="at the most. Written out, it has 10,0"):
            write(text)


def test_transposing_keeps_the_place_in_the_scale():
    assert abc.transpose("M:6/8\nK:Dmaj\nDFA d>ef|=c^GB, (3ABc d|]\n", 2) == (
        "M:6/8\nK:Emaj\nEGB e>fg|=d^Ac, (3Bcd e|]\n".replace("c,", "C")
    )


@pytest.mark.parametrize("tune", TUNES)
def test_good_tunes_pass(tune):
    found = abc.check(tune)
    assert (found.parses, found.renders, found.bars_fill, found.ends, found.problems) == (True, True, True, True, [])


@pytest.mark.parametrize(
    "text",
    [
        "A8|B8|]",
        "A2|B8|B6|]",  # pick-up, short last bar
        "A2|B8|B8|]",  # pick-up, and yet a full last bar
        "A2|:B8|B6:|",  # the pick-up before the repeat sign
        "|:A2|B8|B6:|:c2|d8|e6:|",
        "A2|B8|[1B6:|[2B8|]",  # an ending that completes the pick-up
        "A2|B8|[1B4cd:|[2B6||c2|d8|d6|]",
        "A8|B4:|c4|d8|]",  # a bar divided by a repeat sign
        "A8|B4||c4|d8|]",
        "A4|B8|[1c4:|[2c4||d4|e8|]",
        "A2|B8|B6:|c2|d8|[1e6:|[2e6|]",
        "(3ABcd6|A>BA4z2|]",
    ],
)
def test_full_as_musicians_count(text):
    found = abc.check(f"M:4/4\nK:C\n{text}\n")
    assert found.bars_fill and found.problems == []


@pytest.mark.parametrize(
    "text, bar, eighths",
    [
        ("A8|B7|c8|]", 2, "7 eighths"),
        ("A8|B9|c8|]", 2, "9 eighths"),
        ("A10|B8|]", 1, "10 eighths"),
        ("A2|B8|B5|]", 2, "5 eighths"),  # neither full nor completed by the pick-up
        ("A8|B8|B6|]", 3, "6 eighths"),  # no pick-up to make up for it
        ("A8|B6:|c8|]", 2, "6 eighths"),
        ("A2|B8|[1B5:|[2B6|]", 2, "5 eighths"),
        ("A8|B/2A8|c8|]", 2, "17/2 eighths"),
        ("A8|B4|B4|c8|]", 2, "4 eighths"),
        ("A8|(3ABcA|c8|]", 2, "3 eighths"),
    ],
)
def test_bars_that_do_not_fill_are_named(text, bar, eighths):
    found = abc.check(f"M:4/4\nK:C\n{text}\n")
    assert found.parses and not found.bars_fill
    assert found.problems[0] == f"Bar {bar} has {eighths} where 4/4 has 8 eighths."


def test_bars_are_numbered_as_musicians_do():
    found = abc.check("M:3/4\nK:C\nA2|B6|c4:|d2|e6|]\n")
    assert found.bars == [(0, 2, 6), (1, 6, 6), (2, 4, 6), (2, 2, 6), (3, 6, 6)]


@pytest.mark.parametrize(
    "end, ends", [("|]", True), (":|", True), ("||", True), ("|", False), ("", False), ("|]A8", False)]
)
def test_ends(end, ends):
    found = abc.check(f"M:4/4\nK:C\nA8{end}\n")
    assert found.ends == ends and found.bars_fill
    assert len(found.problems) == (not ends)


def test_fits_key():
    assert abc.fits_key("M:4/4\nK:Gmaj\nGABc defg|]\n") == 1
    assert abc.fits_key("M:4/4\nK:Gmaj\nG6=f2|]\n") == 0.75
    assert abc.fits_key("M:4/4\nK:Amin\nE^F^GA c4|]\n") == 1  # melodic minor
    assert abc.fits_key("M:4/4\nK:Ador\nE^G A6|]\n") == 0.875


def test_ends_on():
    assert [abc.ends_on(f"M:4/4\nK:Ador\nA4{note}4|]\n") for note in ("a", "B", "E", "g", "_b")] == [1, 2, 5, 7, 0]


def test_piano_roll():
    roll = abc.piano_roll("M:3/4\nK:Fmaj\nA2|B4-B^c|[Fa]4:|\n")
    assert roll == [
        {"start": 0.0, "end": 1.0, "pitch": 69, "name": "A4", "bar": 0},
        {"start": 1.0, "end": 3.5, "pitch": 70, "name": "Bb4", "bar": 1},
        {"start": 3.5, "end": 4.0, "pitch": 73, "name": "Db5", "bar": 1},
        {"start": 4.0, "end": 6.0, "pitch": 65, "name": "F4", "bar": 2},
        {"start": 4.0, "end": 6.0, "pitch": 81, "name": "A5", "bar": 2},
    ]
    assert len(abc.piano_roll("M:3/4\nK:F\nA6:|\n", unfold=True)) == 2


BAD = [
    "", "\n\n", "hello world", "\x00\xff\x01", "M:6/8\nabc|", "K:D\nabc|", "M:6/8\nK:D\n", "M:6/8\nK:D\nz6|]",
    "M:6/8\nK:D\nthis is no music", "M:6/8\nK:H\nabc|", "M:6/8\nK:G#maj\nabc|", "M:0/8\nK:D\nabc|", "M:6/7\nK:D\nabc|",
    "M:6/8\nL:1/0\nK:D\nabc|", "M:6/8\nK:D\n[ace|", "M:6/8\nK:D\n(abc|", "M:6/8\nK:D\n{abc|", 'M:6/8\nK:D\n"abc|',
    "M:6/8\nK:D\nA0|", "M:6/8\nK:D\nA9999|", "M:6/8\nK:D\nA99999999999999|", "M:6/8\nK:D\nA/3|", "M:6/8\nK:D\n(3ab|c|",
    "M:6/8\nK:D\n(3ab", "M:6/8\nK:D\n(3a(3bcd|", "M:6/8\nK:D\n>ab|", "M:6/8\nK:D\na>|b|", "M:6/8\nK:D\n-ab|",
    "M:6/8\nK:D\n|a|[1-b|", "M:6/8\nK:D\na''''''|", "M:6/8\nK:D\nabc|\nX:2\nabc|", "V:2\nM:6/8\nK:D\nabc|",
    "M:6/8\nK:D\n" + "abc def|" * 12_500, "M:6/8\nK:D\n" + "[" * 9_000, "M:6/8\nK:D\n" + "^" * 9_000 + "a",
    "M:6/8\nK:D\n(" + "a" * 900, "M:6/8\nK:D\n[" + "a1" * 4_500, b"M:6/8\nK:D\nabc|", None, 3,
]  # fmt: skip


@pytest.mark.parametrize("bad", BAD, ids=lambda bad: repr(bad)[:30])
def test_bad_input_is_one_sentence(bad, capfd):
    for function in (
        abc.normalise,
        abc.full,
        abc.notes,
        abc.piano_roll,
        abc.fits_key,
        abc.ends_on,
        abc.sheet,
        abc.midi,
    ):
        with pytest.raises(ABCError) as error:
            function(bad)
        assert str(error.value).endswith(".") and "\n" not in str(error.value) and len(str(error.value)) < 200
    with pytest.raises(ABCError):
        abc.transpose(bad, 2)
    with pytest.raises(ABCError):
        abc.sound(bad)
    found = abc.check(bad)
    assert not (found.parses or found.renders or found.bars_fill or found.ends)
    assert found.problems == [str(error.value)]
    assert capfd.readouterr() == ("", "")


def test_mangled_tunes_are_read_or_refused():
    generator = random.Random(1)
    for _ in range(300):
        text = list(generator.choice(TUNES))
        for _ in range(generator.randrange(1, 6)):
            at = generator.randrange(len(text))
            text[at : at + generator.randrange(3)] = generator.choice("|:[]()3/2-><^_=zA\n\u00e9")
        found = abc.check("".join(text))
        assert found.renders == found.parses, "".join(text)


def test_threads_may_share_it():
    def draw(text):
        # Without the ids, which are drawn by lot.
        return re.findall(r'(?:\bd|transform|points|viewBox)="[^"]*"', abc.sheet(text))

    texts = [abc.transpose(tune, semitones) for tune in TUNES for semitones in range(4)]
    alone = [draw(text) for text in texts]
    assert all(len(drawing) > 50 for drawing in alone) and alone[0] != alone[1]
    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        assert list(pool.map(draw, texts)) == alone
