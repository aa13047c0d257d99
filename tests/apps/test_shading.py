import io

import numpy as np
import pytest
from PIL import Image

from apps import shading
from tests.apps.test_widgets import shown


def opacity(weights, **options):
    with Image.open(io.BytesIO(shading.shade(np.asarray(weights, float), **options))) as image:
        values = np.asarray(image)
    assert (values[..., 0] == 0).all()
    return values[..., 1] / 255


def at(row, column, size=8):
    weights = np.full((size, size), 0.001)
    weights[row, column] = 1.0
    return weights / weights.sum()


def test_the_shade_is_clear_where_the_model_looked_and_dark_elsewhere():
    values = opacity(at(1, 6))
    assert values.shape == (96, 96)
    row, column = np.unravel_index(np.argmin(values), values.shape)
    assert 12 <= row < 24 and 72 <= column < 84  # within the cell
    assert values.min() < 0.02 and values[60:, :40].min() == pytest.approx(0.82, abs=0.01)


def test_the_shade_flows():
    values = opacity(at(4, 4))
    assert np.abs(np.diff(values, axis=0)).max() < 0.15 and np.abs(np.diff(values, axis=1)).max() < 0.15


def test_looking_everywhere_alike_is_an_even_shade():
    assert np.ptp(opacity(np.full((8, 8), 1 / 64))) == 0
    assert np.ptp(opacity(1 / 64 + 1e-4 * np.random.default_rng(0).normal(size=(8, 8)))) == 0


@pytest.mark.parametrize(
    "weights, words",
    [
        (at(0, 0), "the upper left"),
        (at(0, 7), "the upper right"),
        (at(7, 0), "the lower left"),
        (at(7, 3), "the lower part"),
        (at(4, 7), "the right"),
        (at(4, 3), "the middle"),
        (np.full((8, 8), 1 / 64), "all over"),
        (at(0, 2, size=3), "the upper right"),
    ],
)
def test_the_place_is_said_in_words(weights, words):
    assert shading.place(weights) == words


def test_each_word_has_a_picture_that_keyboards_and_readers_reach():
    markup = shading.shaded_html(b"jpeg", (400, 300), ["a", "dog"], np.stack([np.full((8, 8), 1 / 64), at(7, 0)]))
    assert markup.count('tabindex="0"') == 2
    assert 'aria-label="dog: looked at the lower left"' in markup and 'aria-label="a: looked at all over"' in markup
    assert ".looked .stage {--shade:var(--s1)}" in markup  # at first, the word looked at most closely
    assert markup.count("data:image/jpeg;base64,anBlZw==") == 1 and markup.count("data:image/png") == 2


def test_nothing_of_the_words_is_taken_for_html():
    words = ["<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "</style>"]
    markup = shading.shaded_html(b"jpeg", (400, 300), words, np.full((3, 8, 8), 1 / 64))
    assert "<script" not in markup and "<img" not in markup and markup.count("</style>") == 2
    body = markup[markup.rindex("</style>") + 8 :]
    assert shown(body) == "".join(words) * 2
