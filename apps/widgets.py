"""What several screens show: gauges, stars, tinted text, alternatives, the time taken, a model's card.

Text from visitors reaches a page in two ways only: escaped as HTML inside `st.html`, or through `plain` as Markdown.
"""

import base64
import difflib
import html
import math
import re
from collections.abc import Callable, Mapping, Sequence
from urllib.parse import urlencode

import altair as alt
import pandas as pd
import streamlit as st

from apps.models import Model

# Blue-green and orange are told apart by nearly all eyes, and both stand on white as on near-black.
FOR = (21, 140, 156)
AGAINST = (222, 105, 44)
NEUTRAL = (128, 142, 150)

# Of the part of a text that a model did not read, so much is shown: a million characters would stall the browser.
UNREAD_SHOWN = 2_000
# Of a text in which one passage is marked, likewise; 10,000 words are all shown.
PASSAGE_SHOWN = 100_000

# Longer addresses are cut by what people send them with.
MAX_ADDRESS = 2_000
MIME = {
    "abc": "text/vnd.abc",
    "csv": "text/csv",
    "mid": "audio/midi",
    "svg": "image/svg+xml",
    "txt": "text/plain",
    "wav": "audio/wav",
}


def plain(text: str) -> str:
    """The text with every character of meaning in Markdown escaped, on one line."""
    return re.sub(r"([!-/:-@\[-`{-~])", r"\\\1", " ".join(text.split()))


def gauge(share: float, *, label: str, alt_text: str) -> None:
    """A half ring filled from the left, with the share inside.

    Args:
        share: from 0 to 1; below 0.4 in the colour of against, from 0.6 in that of for.
        label: a word under the number.
        alt_text: what a screen reader says.
    """
    colour = FOR if share >= 0.6 else AGAINST if share < 0.4 else NEUTRAL
    width, radius, thickness, middle = 230, 105, 18, 112

    def ring(to: float, colour: tuple[int, int, int], opacity: float = 1.0) -> alt.Chart:
        # Angles in radians from the top, clockwise; the schema takes negative ones from data only.
        angles = pd.DataFrame({"start": [-math.pi / 2], "end": [math.pi * (to - 0.5)]})
        style = {"outerRadius": radius, "innerRadius": radius - thickness, "cornerRadius": thickness / 2}
        return (
            alt.Chart(angles)
            .mark_arc(x=width / 2, y=middle, color=css(colour), opacity=opacity, tooltip=None, **style)
            .encode(theta=alt.Theta("end:Q", scale=None), theta2="start:Q")
        )

    # The title, because of all text in a chart it alone follows the theme when a visitor changes it.
    title = alt.TitleParams(
        f"{share:.0%}",
        subtitle=label,
        anchor="middle",
        orient="bottom",
        offset=-60,
        fontSize=38,
        subtitleFontSize=14,
        subtitleColor="#76858d",
        subtitlePadding=0,
    )
    chart = alt.layer(ring(1.0, NEUTRAL, opacity=0.22), ring(max(share, 0.03), colour))
    chart = chart.properties(width=width, height=124, title=title).configure_view(stroke=None)
    st.altair_chart(chart, width="content", alt=alt_text)


def stars(value: float) -> None:
    """A row of five stars filled to a value from 0 to 5, parts of a star too."""
    star = "M12 2.2l3 6.3 6.9.9-5.1 4.8 1.3 6.9L12 17.7l-6.1 3.4 1.3-6.9L2.1 9.4l6.9-.9z"
    row = "".join(f'<path transform="translate({24 * index})" d="{star}"/>' for index in range(5))
    # A star is 19.8 of its 24 wide, in the middle.
    filled = 24 * math.floor(value) + 2.1 + 19.8 * (value % 1)
    st.image(
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 120 24" width="140" height="28">'
        f'<clipPath id="filled"><rect width="{filled:.2f}" height="24"/></clipPath>'
        f'<g fill="{css(NEUTRAL)}" opacity="0.3">{row}</g>'
        f'<g fill="#d9a01f" clip-path="url(#filled)">{row}</g></svg>',
        width=140,
        alt=f"{value:.1f} of 5 stars",
    )


def tinted_html(
    text: str, spans: Sequence[tuple[int, int] | None], shares: Sequence[float], unread_from: int | None = None
) -> str:
    """A text as HTML with the given parts tinted by their shares; nothing of the text is taken for HTML.

    Args:
        text: as the visitor wrote it; its line breaks are kept.
        spans: (start, end) for each share, ascending; None for a share that has no place in the text.
        shares: positive for, negative against. The strongest has the full tint, the others in proportion.
        unread_from: where the part begins that the model did not read, greyed and shortened; None if it read all.
    """
    strongest = max((abs(share) for share in shares), default=0.0) or 1.0
    pieces, cursor = [], 0
    for span, share in zip(spans, shares):
        if span is None:
            continue
        start, end = span
        strength = abs(share) / strongest
        style = ""
        if strength >= 0.05:
            red, green, blue = FOR if share > 0 else AGAINST
            # The line below says which side it is on to those who do not see the colours.
            line = "solid" if share > 0 else "dashed"
            style = (
                f' style="background:rgba({red},{green},{blue},{0.08 + 0.42 * strength:.2f});border-radius:4px;'
                f'border-bottom:2px {line} rgba({red},{green},{blue},{0.25 + 0.75 * strength:.2f});padding:0 1px"'
            )
        word = html.escape(text[start:end])
        pieces.append(html.escape(text[cursor:start]))
        pieces.append(f'<span title="{word}: {share:+.3f}"{style}>{word}</span>')
        cursor = end
    read_end = len(text) if unread_from is None else unread_from
    pieces.append(html.escape(text[cursor:read_end]))
    if unread_from is not None:
        unread = text[unread_from:]
        pieces.append(f'<span style="opacity:0.45">{html.escape(unread[:UNREAD_SHOWN])}')
        if len(unread) > UNREAD_SHOWN:
            pieces.append(f" … and {len(unread) - UNREAD_SHOWN:,} more characters")
        pieces.append("</span>")
    return (
        '<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.85;font-size:1.05rem;'
        f'max-height:26rem;overflow-y:auto">{"".join(pieces)}</div>'
    )


def passage_html(text: str, passage: tuple[int, int] | None = None) -> str:
    """A text as HTML with one passage tinted; its line breaks are kept, nothing of it is taken for HTML.

    Args:
        text: any text; of a very long one, what surrounds the passage is shown.
        passage: its (start, end), or None for none.
    """
    start, end = passage or (0, 0)
    first = max(0, start - PASSAGE_SHOWN // 2)
    last = min(len(text), first + PASSAGE_SHOWN)
    before, after = f"… {first:,} characters before … " * (first > 0), len(text) - last
    marked = html.escape(text[start : min(end, last)])
    pieces = [
        f'<span style="opacity:0.6">{before}</span>' * bool(before),
        html.escape(text[first:start]),
        f'<span style="background:rgba{(*FOR, 0.18)};border-radius:4px">{marked}</span>' * bool(marked),
        html.escape(text[min(end, last) : last]),
        f'<span style="opacity:0.6"> … {after:,} characters after …</span>' * (after > 0),
    ]
    return (
        '<div dir="auto" style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.6;font-size:1.05rem;'
        f'max-height:26rem;overflow-y:auto">{"".join(pieces)}</div>'
    )


def tint_legend() -> None:
    """Says what the tints of `tinted_html` mean."""
    _legend(
        [(_swatch(FOR, "solid"), "speaks for"), (_swatch(AGAINST, "dashed"), "speaks against")],
        "The stronger the tint, the larger the share. Point at a word for its number.",
    )


def written_html(given: str, written: Sequence[tuple[str, float, str]]) -> str:
    """A text that a model wrote symbol by symbol, as HTML; nothing of the text is taken for HTML.

    Args:
        given: what it went on from, set apart by a grey ground.
        written: for each symbol its text, its probability, and what to say when the pointer rests on it. Probabilities
            above one half have the tint of for, those below that of against, the stronger the further from it.
    """
    pieces = [f'<span style="background:rgba{(*NEUTRAL, 0.22)}">{html.escape(given)}</span>'] if given else []
    for text, probability, words in written:
        colour, line = (FOR, "solid") if probability >= 0.5 else (AGAINST, "dashed")
        strength = abs(2 * probability - 1)
        style = f"background:rgba{(*colour, round(0.05 + 0.42 * strength, 2))}"
        if probability < 0.5:
            style += f";border-bottom:2px {line} rgba{(*colour, round(0.25 + 0.75 * strength, 2))}"
        pieces.append(f'<span title="{html.escape(words)}" style="{style}">{html.escape(text)}</span>')
    return (
        '<div dir="ltr" style="white-space:pre-wrap;overflow-wrap:anywhere;line-height:1.75;font-size:0.95rem;'
        f'font-family:monospace;max-height:26rem;overflow-y:auto">{"".join(pieces)}</div>'
    )


def ink(wide: str, narrow: str, *, alt_text: str) -> None:
    """A drawing of one colour in the colour of the page's text, so that it suits a light page and a dark one.

    Args:
        wide: SVG with a viewBox, on a transparent ground; only where it is opaque matters, not its colours.
        narrow: the same laid out for a phone.
        alt_text: what a screen reader says.
    """
    drawings = []
    for svg in (wide, narrow):
        width, height = re.search(r'viewBox="0 0 ([\d.]+) ([\d.]+)"', svg).groups()
        mask = f"url(data:image/svg+xml;base64,{base64.b64encode(svg.encode()).decode()}) 0 0/100% 100% no-repeat"
        drawings.append(
            f'<div role="img" aria-label="{html.escape(alt_text)}" style="background:currentColor;'
            f'aspect-ratio:{width}/{height};max-width:{width}px;margin:auto;-webkit-mask:{mask};mask:{mask}"></div>'
        )
    st.html(by_window(*drawings))


def by_window(wide: str, narrow: str) -> str:
    """HTML of which a window shows the one that suits it."""
    return (
        "<style>@media(max-width:640px){.if-wide{display:none}}@media(min-width:640.1px){.if-narrow{display:none}}"
        f'</style><div class="if-wide">{wide}</div><div class="if-narrow">{narrow}</div>'
    )


def written_legend(given: bool, what: str = "character") -> None:
    """Says what the grounds of `written_html` mean.

    Args:
        given: whether there is any text that was given.
        what: was written one by one.
    """
    swatches = [(_swatch(NEUTRAL, "none", 0.22), "given")] if given else []
    _legend(
        [*swatches, (_swatch(FOR, "none"), "sure of it"), (_swatch(AGAINST, "dashed"), "a surprise")],
        f"Point at a {what} for its probability and what else might have come.",
    )


def activation_legend(strongest: float, what: str = "character") -> None:
    """Says what the grounds of `written_html` mean where they are those of a number of either sign.

    Args:
        strongest: the number that has the full tint.
        what: has such a number, one by one.
    """
    _legend(
        [
            (_swatch(FOR, "none"), f"positive, up to {strongest:.2f}"),
            (_swatch(AGAINST, "dashed"), f"negative, down to −{strongest:.2f}"),
        ],
        f"Point at a {what} for its number.",
    )


def _swatch(colour: tuple[int, int, int], line: str, opacity: float = 0.5) -> str:
    return (
        "display:inline-block;width:1.6rem;height:1rem;vertical-align:-0.15rem;border-radius:4px;margin-right:0.4rem;"
        f"background:rgba{(*colour, opacity)};border-bottom:2px {line} {css(colour)}"
    )


def _legend(swatches: Sequence[tuple[str, str]], sentence: str) -> None:
    named = "".join(f'<span><span style="{style}"></span>{words}</span>' for style, words in swatches)
    st.html(
        '<div style="display:flex;flex-wrap:wrap;gap:0.3rem 1.4rem;font-size:0.875rem;opacity:0.85">'
        f"{named}<span>{sentence}</span></div>"
    )


def alternatives(sentences: Sequence[tuple[str, float]], width: int) -> None:
    """What a model wrote and what else it might have written, with scores; what differs from the first is underlined.

    Args:
        sentences: and their scores, the best first; nats over a divisor for length.
        width: of the beam.
    """
    best = sentences[0][0].split() if sentences else []
    rows = []
    for rank, (sentence, score) in enumerate(sentences, 1):
        rows.append(
            f'<div style="opacity:0.6">{rank}</div><div style="overflow-wrap:anywhere;min-width:0">'
            f"{_differing(best, sentence)}</div>"
            f'<div style="text-align:right;font-variant-numeric:tabular-nums">{f"{score:.2f}".replace("-", "−")}</div>'
        )
    st.html(
        '<div dir="auto" style="display:grid;grid-template-columns:auto 1fr auto;gap:0.45rem 0.8rem;max-height:26rem;'
        f'overflow-y:auto">{"".join(rows)}</div>'
    )
    scores = (
        "The nearer to 0 its score, the likelier the model finds a sentence. (It is the logarithm of the probability, "
        "divided by a measure of the length.)"
    )
    if width == 1:
        st.caption(f"{scores} Beam width 1 follows one way only; a wider beam gives alternatives.")
    else:
        st.caption(f"{scores} Underlined is what differs from the first.")


def _differing(best: list[str], sentence: str) -> str:
    """A sentence as HTML, its words that are not in the best one underlined."""
    words = sentence.split()
    pieces = []
    for kind, _, _, start, end in difflib.SequenceMatcher(None, best, words, autojunk=False).get_opcodes():
        text = html.escape(" ".join(words[start:end]))
        if text:
            line = f"text-decoration:underline 2px {css(AGAINST)};text-underline-offset:3px"
            pieces.append(text if kind == "equal" else f'<span style="{line}">{text}</span>')
    return " ".join(pieces)


def download(label: str, data: Callable[[], bytes | str], file_name: str, *, key: str, disabled: bool = False) -> None:
    """A button that saves a file, which is made when it is clicked; its kind is that of its ending."""
    st.download_button(
        label,
        data,
        file_name,
        MIME[file_name.rpartition(".")[2]],
        icon=":material/download:",
        on_click="ignore",
        disabled=disabled,
        key=key,
    )


def link(sentence: str, values: Mapping[str, str | float], *, key: str) -> None:
    """A button that shows the address of this page with some values in it; none where it would be too long to send.

    Args:
        sentence: what whoever opens the address finds.
        values: by the names under which the page reads them.
        key: of the button.
    """
    address = f"{(st.context.url or '').split('?')[0]}?{urlencode(values)}"
    if len(address) <= MAX_ADDRESS:
        with st.popover("Link", icon=":material/link:", key=key):
            st.caption(f"Whoever opens this address {sentence}.")
            st.code(address, language=None, wrap_lines=True)


def time_taken(seconds: float, what: str = "Answered") -> None:
    """A line with the time a model took."""
    figure = f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"
    st.caption(f":material/timer: {what} in {figure}")


def model_card(model: Model) -> None:
    """A button that opens the model's card in a drawer, under a heading."""
    st.subheader("Model", anchor=False)
    st.caption("What it learned from, how well it does, and what it is bad at.")
    if st.button("Model card", icon=":material/description:", key=f"{model.name}_model_card"):
        _model_card_drawer(model)


@st.dialog("Model card", position="right", width="medium", icon=":material/description:")
def _model_card_drawer(model: Model) -> None:
    st.markdown(model.card or "This model came without a card.")
    for label, contents in (("Figures", model.metrics), ("Configuration", model.config)):
        if contents:
            with st.expander(label):
                st.json(contents)


def css(colour: tuple[int, int, int]) -> str:
    """A colour as CSS writes it."""
    return f"rgb{colour}"
