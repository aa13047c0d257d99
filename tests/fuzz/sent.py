"""What a visitor may send: strategies of hypothesis, and how long tests look for what breaks.

In the suite the examples are few and always the same. `SEQKERAS_FUZZ=100 .venv/bin/python -m pytest tests/fuzz` looks
at a hundred times as many, others each time.
"""

import io
import operator
import os

import numpy as np
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from PIL import Image

TIMES = int(os.environ.get("SEQKERAS_FUZZ", "1"))


def examples(number):
    """Settings of a test with so many examples."""
    return settings(
        max_examples=number * TIMES,
        derandomize=TIMES == 1,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


# What has broken readers of text before: marks that combine with nothing, joiners, changes of direction, line ends of
# all kinds, letters whose case has another length, ends of the planes, what is no character; and what models look for.
_PIECES = [
    "", " ", "\n", "\r\n", "\r", "\t", "\x00", "\x0b", "\x1f", "\x7f", "\x85", "\u00a0", "\u2028", "\u3000", "\ufeff",
    "\u0301", "e\u0301\u0327\u0301", "\u200b", "\u200d", "\u202e", "\u2066", "👩\u200d👧", "🇩🇪🇩", "ß", "İ", "ﬃ", "ǅ",
    "Σς", "ﷺ", "\ufffd", "\ufffe", "\uffff", "\U0010ffff", "漢字", "ก็", "ـ", "\u2581", "'", "''", "n't", "I'm",
    "7.5/10", "...", "9 out of 10", ".", "?!", "<br />", "<unk>", "[UNK]", "</s>", "\\", "\\1", "$1", "%", "(", ")",
    "[", "(?i)", "a.b", "Mr.", "no", "A", "dog", "=1+1", '"', ",", ";", "|", "@@", "##a", "-", "0", "1e999", "NaN",
    "X:1", "M:6/8\n", "K:D\n",
]  # fmt: skip

_pieces = st.lists(st.sampled_from(_PIECES), max_size=30)
text = st.one_of(
    st.text(max_size=60),
    _pieces.map("".join),
    _pieces.map(" ".join),
    # Translating thousands of symbols takes seconds a text: not in the suite.
    st.builds(operator.mul, st.sampled_from(_PIECES), st.integers(100, 1_000 if TIMES > 1 else 150)),
)

# As bytes, of UTF-8 and of none: halves of characters, spellings that are too long, surrogates.
_NO_UTF8 = [b"\xff", b"\xc3", b"\x80", b"\xc0\xaf", b"\xed\xa0\xbd", b"\xf4\x90\x80\x80", b"\xe2\x80", b"\xef\xbb\xbf"]
raw_text = st.one_of(
    text.map(str.encode),
    st.binary(max_size=60),
    st.lists(st.one_of(st.sampled_from(_NO_UTF8), text.map(str.encode)), max_size=6).map(b"".join),
)


def _file(picture, form, **options):
    file = io.BytesIO()
    picture.save(file, form, **options)
    return file.getvalue()


_PICTURE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (20, 30, 3), np.uint8))
PICTURES = [
    _file(_PICTURE, "PNG"),
    _file(_PICTURE.convert("RGBA"), "PNG"),
    _file(_PICTURE.quantize(8), "PNG", bits=4, transparency=1),
    _file(Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100), "PNG"),
    _file(_PICTURE, "JPEG"),
    _file(_PICTURE, "JPEG", progressive=True, subsampling=0),
    _file(_PICTURE.convert("CMYK"), "JPEG"),
    _file(_PICTURE.convert("L"), "GIF"),
    _file(_PICTURE, "GIF", save_all=True, append_images=[_PICTURE.rotate(90), _PICTURE.rotate(180)]),
    _file(_PICTURE, "BMP"),
    _file(_PICTURE.quantize(8), "BMP"),
    _file(_PICTURE, "WEBP", lossless=True),
]


@st.composite
def pictures(draw):
    """The bytes of a picture's file, whole, cut off, with some bits flipped or a piece put in; or any bytes."""
    data = bytearray(draw(st.sampled_from(PICTURES)))
    # Most of what a decoder must not believe stands in the header.
    place = st.one_of(st.integers(0, 63), st.integers(0, len(data) - 1))
    damage = draw(st.sampled_from(["none", "cut", "flip", "flip", "put in", "any"]))
    if damage == "cut":
        del data[draw(place) :]
    elif damage == "flip":
        for bit in draw(st.lists(st.integers(0, 7), min_size=1, max_size=5)):
            data[draw(place)] ^= 1 << bit
    elif damage == "put in":
        start = draw(place)
        data[start : start + draw(st.integers(0, 8))] = draw(st.binary(max_size=8))
    elif damage == "any":
        data[draw(st.integers(0, 12)) :] = draw(st.binary(max_size=100))
    return bytes(data)


# ABC: notes and bars for the most part, so that many are tunes; now and then a sign that may or may not stand there.
_HEADS = [
    "X:1\nM:6/8\nL:1/8\nK:Ador\n", "M:4/4\nK:D\n", "M:3/4\nL:1/16\nR:waltz\nK:Bbm\n", "M:C|\nK:F#\n",
    "K:none\nM:2/4\n",
]  # fmt: skip
_NOTES = [
    "A", "c2", "e'", "G,,", "^f", "__B/", "=c3/2", "z", "A|", "|:", ":|", "||", "|]", "::", "|1A", ":|2", "[1B",
    "(3ABc", "(2de", "(3:2:4ABcd", "A-A", "A>B", "d<<e", "[CEG]", "[A-c-][Ac]", "\n", " ", "abc d2e|", "f2a agf|\n",
    "(AB)", "{gf}e", '"Am"e', "!trill!A", "~A", ".A", "Z2|", "Ay", "%x\n", "\nw: la\n", "\nL:1/4\n", "A4-|A4",
]  # fmt: skip
_SIGNS = [
    "/", "0", "128", "a,,,,,,", "C'''''", "(", ")", "(9::", "-", ">", "[1,3", "[K:G]", "[M:3/4]", "\nK:Gm\n",
    "\nV:2\n", "\nX:2\n", "[", "]", "\\", "A" * 250, "A128|" * 60, "|:" * 50,
]  # fmt: skip
_body = st.lists(st.sampled_from(_NOTES), max_size=30).map("".join)
tunes = st.one_of(
    st.builds(str.__add__, st.sampled_from(_HEADS), _body),
    st.tuples(st.sampled_from(_HEADS), _body, st.sampled_from(_SIGNS), _body).map("".join),
    st.tuples(st.sampled_from([*_HEADS, ""]), _body, text, _body).map("".join),
)

# A cell of a table as a spreadsheet writes it, and as it should not stand there.
_right = text.map(lambda cell: '"' + cell.replace('"', '""') + '"')
_wrong = st.one_of(text.map(lambda cell: f'"{cell}'), st.text(max_size=8), st.sampled_from(_PIECES))


@st.composite
def csv_files(draw, header=("text", "number"), **columns):
    """The bytes of a CSV file: a header and rows under it, with something wrong or not; or any bytes.

    Args:
        header: names of the columns.
        **columns: strategies of the cells of some of them, text is that of others.
    """
    wrong = draw(st.sampled_from([None, None, "cell", "cells", "bytes", "header", "all"]))
    if wrong == "all":
        return draw(st.binary(max_size=80))
    separator, end = draw(st.sampled_from([",", ",", ",", ";", "\t"])), draw(st.sampled_from(["\n", "\r\n", "\r"]))
    names = draw(st.permutations(header)) if wrong != "header" else draw(st.lists(_wrong, max_size=3))
    cells = st.tuples(*(columns.get(name, _right) for name in names)).map(list)
    rows = [list(names), *draw(st.lists(cells, max_size=8))]
    row = rows[draw(st.integers(0, len(rows) - 1))]
    if wrong == "cell" and row:
        row[draw(st.integers(0, len(row) - 1))] = draw(_wrong)
    if wrong == "cells":
        row[draw(st.integers(0, len(row))) :] = draw(st.lists(_wrong, max_size=3))
    data = bytearray(end.join(map(separator.join, rows)).encode())
    if wrong == "bytes":
        place = draw(st.integers(0, len(data)))
        data[place:place] = draw(
            st.sampled_from([b"\0", b"\xff", b"\xc3", b"\xef\xbb\xbf", b'"', b"\r", b"\n\n", b"\x1a"])
        )
    return draw(st.sampled_from([b"", b"\xef\xbb\xbf"])) + bytes(data) + draw(st.sampled_from([b"", end.encode()]))
