"""Attention between the words of two sentences, drawn as lines."""

import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from apps.widgets import AGAINST, FOR, by_window, css

# The width of a letter and the gap between words, the height of a word, and from one to the next in a column: pixels.
LETTER, GAP, HEIGHT, STEP = 9.2, 8, 28, 33
# How wide the two rows may be, and how high their drawing is; and the size of letters, which shrink to make rows fit.
ROWS, ROWS_HEIGHT = 700, 226
FONT, SMALLEST = 16, 12
# Shares below this are not drawn: every word looks a little at every other.
LEAST = 0.04

# Lines are boxes cut to a slanted strip --w wide, because `st.html` takes no SVG.
_STYLE = f"""<style>
.attention {{position: relative; isolation: isolate; container-type: inline-size}}
.attention {{margin: 0 auto; line-height: {HEIGHT}px}}
.attention .box, .attention .partner, .attention .line, .attention .share {{position: absolute; box-sizing: border-box}}
.attention .box, .attention .partner {{height: {HEIGHT}px; border-radius: 5px}}
.attention .box {{font-size: var(--font); padding: 0 0.2em; background: rgba{(*FOR, 0.09)}; z-index: 1}}
.attention .box {{white-space: pre; overflow: hidden; text-overflow: ellipsis}}
.attention .partner, .attention .line {{background: {css(FOR)}}}
.attention .share {{font-size: 0.75rem; opacity: 0.8; text-align: center}}
.attention .word {{cursor: pointer; outline: none}}
.attention .own {{display: none}}
.attention .own, .attention .line {{pointer-events: none}}
.attention .word:hover .own, .attention .word:focus .own {{display: block}}
.attention .word:hover .box, .attention .word:focus .box {{background: rgba{(*AGAINST, 0.35)}}}
.attention:has(.word:hover) .word:focus:not(:hover) .own {{display: none}}
.attention:has(.word:hover) .word:focus:not(:hover) .box {{background: rgba{(*FOR, 0.09)}}}
.attention:has(.word:hover) .all, .attention:has(.word:focus) .all {{opacity: 0.1}}
.attention .rightward {{clip-path: polygon(0 0, var(--w) 0, 100% 100%, calc(100% - var(--w)) 100%)}}
.attention .leftward {{clip-path: polygon(calc(100% - var(--w)) 0, 100% 0, var(--w) 100%, 0 100%)}}
.attention .downward {{clip-path: polygon(0 0, 100% calc(100% - var(--w)), 100% 100%, 0 var(--w))}}
.attention .upward {{clip-path: polygon(0 calc(100% - var(--w)), 100% 0, 100% var(--w), 0 100%)}}
</style>"""


@dataclass(frozen=True)
class _Word:
    """A word and its place: left and width in per cent of the drawing, top in pixels; `share` is CSS."""

    text: str
    left: float
    width: float
    top: float
    align: str
    share: str

    @property
    def middle(self) -> float:
        return self.left + self.width / 2

    @property
    def place(self) -> str:
        return f"left:{self.left:.2f}%;width:{self.width:.2f}%;top:{self.top:.1f}px"


def lines_html(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> str:
    """Words of a source and a target joined by lines as strong as the attention between them, as HTML.

    Resting on a word, tapping it, or moving to it by keyboard shows its own lines alone, with their shares. The words
    stand in two rows; in two columns on a phone, and where the rows would be too wide. Nothing of the words is taken
    for HTML.

    Args:
        source, target: words, at least one each.
        weights: float `(target, source)`, from 0 to 1.
    """
    columns = _in_columns(source, target, weights)
    return _STYLE + by_window(_in_rows(source, target, weights) or columns, columns)


def _in_rows(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> str | None:
    """The drawing with the source above the target; None if it is too wide."""
    widths = [[max(LETTER * len(word) + 12, 24) for word in words] for words in (source, target)]
    longest = max(sum(row) + GAP * (len(row) - 1) for row in widths)
    font = FONT * min(1, ROWS / longest)
    if font < SMALLEST:
        return None
    whole = ROWS * FONT / font
    sides = []
    for words, row, top, share in (
        (source, widths[0], 20, -4),
        (target, widths[1], ROWS_HEIGHT - 20 - HEIGHT, ROWS_HEIGHT - 24),
    ):
        left, side = (whole - sum(row) - GAP * (len(row) - 1)) / 2, []
        for word, width in zip(words, row):
            at = 100 * left / whole, 100 * width / whole
            side.append(_Word(word, *at, top, "center", f"left:{at[0]:.2f}%;width:{at[1]:.2f}%;top:{share}px"))
            left += width + GAP
        sides.append(side)

    def line(source: _Word, target: _Word, share: float) -> str:
        width, top = 1 + 4 * share, source.top + HEIGHT
        way = "rightward" if target.middle >= source.middle else "leftward"
        return (
            f'<div class="line {way}" style="--w:{width:.1f}px;'
            f"left:calc({min(source.middle, target.middle):.2f}% - {width / 2:.1f}px);"
            f"width:calc({abs(source.middle - target.middle):.2f}% + {width:.1f}px);"
            f'top:{top}px;height:{target.top - top}px;opacity:{_opacity(share)}"></div>'
        )

    return _drawing(
        *sides, weights, line, f"--font:{100 * font / ROWS:.2f}cqw;max-width:{ROWS}px;height:{ROWS_HEIGHT}px"
    )


def _in_columns(source: Sequence[str], target: Sequence[str], weights: np.ndarray) -> str:
    """The drawing with the source on the left of the target."""
    longest = max(len(source), len(target))
    sides = []
    for words, left, align, share in ((source, 11, "right", "left:0"), (target, 60, "left", "right:0")):
        side = []
        for place, word in enumerate(words):
            top = STEP * (place + (longest - len(words)) / 2)
            side.append(_Word(word, left, 29, top, align, f"{share};width:11%;top:{top}px"))
        sides.append(side)

    def line(source: _Word, target: _Word, share: float) -> str:
        width, left = 1 + 4 * share, source.left + source.width
        way = "downward" if target.top >= source.top else "upward"
        return (
            f'<div class="line {way}" style="--w:{width:.1f}px;'
            f"left:{left}%;width:{target.left - left}%;"
            f"top:{min(source.top, target.top) + (HEIGHT - width) / 2:.1f}px;"
            f'height:{abs(source.top - target.top) + width:.1f}px;opacity:{_opacity(share)}"></div>'
        )

    return _drawing(*sides, weights, line, f"--font:{FONT}px;max-width:440px;height:{STEP * longest}px")


def _opacity(share: float) -> str:
    return f"{0.15 + 0.85 * share:.2f}"


def _drawing(
    sources: list[_Word],
    targets: list[_Word],
    weights: np.ndarray,
    line: Callable[[_Word, _Word, float], str],
    style: str,
) -> str:
    lines = {(s, t): line(sources[s], targets[t], weights[t, s]) for t, s in np.argwhere(weights >= LEAST).tolist()}
    # Each word has a place of its own, and so is a key of its own.
    partners = {word: [] for word in [*sources, *targets]}
    for (s, t), drawn in lines.items():
        partners[sources[s]].append((targets[t], weights[t, s], drawn))
        partners[targets[t]].append((sources[s], weights[t, s], drawn))
    words = [_word(word, partners) for word, partners in partners.items()]
    all_lines = f'<div class="all">{"".join(lines.values())}</div>'
    return f'<div class="attention" style="{style}">{all_lines}{"".join(words)}</div>'


def _word(word: _Word, partners: list[tuple[_Word, float, str]]) -> str:
    """A word, and what is seen only while it is pointed at."""
    strongest = sorted(partners, key=lambda partner: -partner[1])[:6]
    said = ", ".join(f"{partner.text} {share:.0%}" for partner, share, _ in strongest)
    said = html.escape(f"{word.text}: {said}" if said else word.text)
    own = "".join(
        f'<div class="partner" style="{partner.place};opacity:{share / 2:.2f}"></div>{drawn}'
        f'<div class="share" style="{partner.share}">{share:.0%}</div>'
        for partner, share, drawn in partners
    )
    return (
        f'<div class="word" tabindex="0" role="img" aria-label="{said}"><div class="own">{own}</div>'
        f'<div class="box" title="{said}" style="{word.place};text-align:{word.align}">'
        f"{html.escape(word.text)}</div></div>"
    )
