import re

import numpy as np
import pytest

from apps import attention
from tests.apps.test_widgets import shown


def drawings(markup):
    """The drawing for wide windows and that for narrow ones."""
    wide, narrow = markup.split('<div class="if-narrow">')
    return wide, narrow


def boxes(drawing):
    return [shown(box) for box in re.findall(r'<div class="box"[^>]*>.*?</div>', drawing, re.DOTALL)]


def test_all_words_stand_in_both_drawings_and_speak_of_their_partners():
    markup = attention.lines_html(["the", "dog"], ["der", "Hund"], np.array([[0.9, 0.1], [0.2, 0.75]]))
    for drawing in drawings(markup):
        assert boxes(drawing) == ["the", "dog", "der", "Hund"]
        assert 'aria-label="the: der 90%, Hund 20%"' in drawing and 'aria-label="Hund: dog 75%, the 20%"' in drawing
        assert drawing.count('tabindex="0"') == 4
        all_lines, *words = drawing.split('<div class="word"')
        assert all_lines.count('<div class="line') == 4
        assert [word.count('<div class="line') for word in words] == [2, 2, 2, 2]


def test_the_stronger_the_attention_the_stronger_the_line_and_traces_have_none():
    markup = attention.lines_html(["a", "b", "c"], ["x"], np.array([[0.7, 0.27, 0.03]]))
    all_lines = drawings(markup)[0].split('<div class="word"')[0]
    lines = re.findall(r"--w:([\d.]+)px[^>]*opacity:([\d.]+)", all_lines)
    assert len(lines) == 2
    (strong, dark), (weak, light) = [tuple(map(float, line)) for line in lines]
    assert strong > weak and dark > light


def test_words_in_rows_neither_overlap_nor_leave_the_drawing():
    words = "a young man with a hat is playing the guitar .".split()
    drawing = drawings(attention.lines_html(words, words[::-1], np.eye(len(words))))[0]
    places = re.findall(r'class="box"[^>]*left:([\d.]+)%;width:([\d.]+)%', drawing)
    for row in (places[: len(words)], places[len(words) :]):
        ends = [(float(left), float(left) + float(width)) for left, width in row]
        assert ends[0][0] >= 0 and ends[-1][1] <= 100
        assert all(end < start for (_, end), (start, _) in zip(ends, ends[1:]))


def test_what_is_too_wide_for_rows_stands_in_columns():
    wide, narrow = drawings(attention.lines_html(["word"] * 40, ["Wort"] * 3, np.full((3, 40), 1 / 40)))
    assert boxes(wide) == boxes(narrow)
    assert "max-width:440px" in wide


@pytest.mark.parametrize("word", ["<script>alert(1)</script>", '" onmouseover="x', "&amp;", "</div>", "🙂", "x" * 200])
def test_words_are_never_taken_for_html(word):
    markup = attention.lines_html([word, "b"], [word], np.array([[0.6, 0.4]]))
    for drawing in drawings(markup):
        assert boxes(drawing) == [word, "b", word]
    assert "<script" not in markup and 'onmouseover="' not in markup
