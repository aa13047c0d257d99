"""Attention over a picture, drawn as the picture itself: clear where a model looked, dark where it did not."""

import base64
import html
import io
from collections.abc import Sequence

import numpy as np
from PIL import Image

from apps.widgets import FOR, css

# The one large picture: at most so many pixels high; on a phone so many per cent of the window.
HEIGHT, HEIGHT_NARROW = 400, 38

_STYLE = f"""<style>
.looked {{container-type: inline-size}}
.looked .stage {{position: relative; max-width: 100%; margin: 0 auto}}
.looked .stage, .looked .view {{background: var(--shade), var(--picture); background-size: 100% 100%}}
.looked .stage, .looked .view {{border-radius: 8px; aspect-ratio: var(--ratio)}}
.looked .stage {{width: calc({HEIGHT}px * var(--ratio))}}
.looked .label {{display: none; position: absolute; left: 0.6rem; bottom: 0.6rem; border-radius: 6px}}
.looked .label {{padding: 0.1rem 0.6rem; font-size: 1.15rem; font-weight: 600; background: rgba(0, 0, 0, 0.72)}}
.looked .label {{color: white; max-width: calc(100% - 1.2rem); overflow-wrap: anywhere}}
.looked .words {{display: grid; grid-template-columns: repeat(auto-fill, minmax(84px, 1fr)); gap: 0.7rem 0.5rem}}
.looked .cell {{cursor: pointer; outline: none; text-align: center; min-width: 0}}
.looked .cell .word {{font-size: 0.9rem; line-height: 1.5; overflow-wrap: anywhere}}
.looked .cell:hover .view, .looked .cell:focus .view {{box-shadow: 0 0 0 3px {css(FOR)}}}
.looked .parts {{display: grid; gap: 1rem}}
.looked .beside {{position: sticky; top: 4rem; z-index: 1; align-self: start}}
@container (max-width: 599.9px) {{.looked .stage {{width: min(100%, calc({HEIGHT_NARROW}vh * var(--ratio)))}}}}
@container (min-width: 600px) {{.looked .parts {{grid-template-columns: minmax(0, 1.15fr) minmax(0, 1fr)}}}}
</style>"""


def shade(weights: np.ndarray, *, side: int = 96, darkest: float = 0.82) -> bytes:
    """A black PNG to lay over a picture, whatever its shape: clear where the model looked most, dark where it did not.

    Args:
        weights: float `(rows, columns)`, not negative.
        side: of the PNG, which is a square to be stretched: pixels.
        darkest: opacity where the model looked least, from 0 to 1. One that looked everywhere alike is half as dark.
    """
    low, high = float(weights.min()), float(weights.max())
    # Weights that hardly differ must not be blown up to a pattern.
    if high - low <= 0.1 * high:
        light = np.full((side, side), 0.5)
    else:
        cells = Image.fromarray(((weights - low) / (high - low)).astype(np.float32))
        light = np.clip(np.asarray(cells.resize((side, side), Image.Resampling.BICUBIC)), 0, 1)
    opacity = np.round(255 * darkest * (1 - light)).astype(np.uint8)
    out = io.BytesIO()
    Image.fromarray(np.stack([np.zeros_like(opacity), opacity], axis=-1), "LA").save(out, "PNG")
    return out.getvalue()


def place(weights: np.ndarray) -> str:
    """In words where most of the attention lies, such as "the lower left"; for those who do not see the shading.

    Args:
        weights: float `(rows, columns)`, not negative, not all zero.
    """
    shares = weights / weights.sum()
    rows, columns = shares.shape
    down = float((shares.sum(axis=1) * (np.arange(rows) + 0.5) / rows).sum())
    across = float((shares.sum(axis=0) * (np.arange(columns) + 0.5) / columns).sum())
    # So many cells hold half of it.
    half = int(np.searchsorted(np.cumsum(np.sort(shares, axis=None)[::-1]), 0.5 - 1e-9)) + 1
    if half > 0.4 * shares.size:
        return "all over"
    vertical = "upper" if down < 0.4 else "lower" if down > 0.6 else ""
    horizontal = "left" if across < 0.4 else "right" if across > 0.6 else ""
    if vertical and horizontal:
        return f"the {vertical} {horizontal}"
    return f"the {vertical} part" if vertical else f"the {horizontal}" if horizontal else "the middle"


def shaded_html(jpeg: bytes, size: tuple[int, int], words: Sequence[str], weights: np.ndarray) -> str:
    """A small picture for every word, shaded by the attention to it, and a large one for the word looked at, as HTML.

    Resting on a small picture, tapping it, or moving to it by keyboard makes it the large one; at first that is the
    word to which the model looked most closely. Nothing of the words is taken for HTML.

    Args:
        jpeg: the picture.
        size: its width and height.
        words: of the caption, at least one.
        weights: float `(words, rows, columns)` over the whole picture, not negative, not all zero.
    """
    # Longer or narrower pictures are shown pressed, as the model sees every picture.
    ratio = min(max(size[0] / size[1], 0.4), 3.5)
    shades = "".join(f"--s{index}:{_url(shade(of_word), 'png')};" for index, of_word in enumerate(weights))
    closest = int(np.argmax([of_word.max() / of_word.sum() for of_word in weights]))
    rules = [_rule("", closest)]
    rules += [_rule(f":has(.w{index}:focus)", index) for index in range(len(words))]
    rules += [_rule(f":has(.w{index}:hover)", index) for index in range(len(words))]
    cells, labels = [], []
    for index, (word, of_word) in enumerate(zip(words, weights)):
        shown = html.escape(word)
        labels.append(f'<div class="label l{index}">{shown}</div>')
        cells.append(
            f'<div class="cell w{index}" tabindex="0" role="img" aria-label="{shown}: looked at {place(of_word)}">'
            f'<div class="view" style="--shade:var(--s{index})"></div><div class="word">{shown}</div></div>'
        )
    own = f".looked {{--picture:{_url(jpeg, 'jpeg')};--ratio:{ratio:.4f};{shades}}}"
    return (
        f"{_STYLE}<style>{own}{''.join(rules)}</style>"
        '<div class="looked"><div class="parts"><div class="beside"><div class="stage" aria-hidden="true">'
        f'{"".join(labels)}</div></div><div class="words">{"".join(cells)}</div></div></div>'
    )


def _rule(when: str, index: int) -> str:
    """What makes a word's picture the large one."""
    return (
        f".looked{when} .stage {{--shade:var(--s{index})}} .looked{when} .stage .label {{display:none}} "
        f".looked{when} .stage .l{index} {{display:block}}\n"
    )


def _url(data: bytes, kind: str) -> str:
    return f"url(data:image/{kind};base64,{base64.b64encode(data).decode()})"
