"""Translation: a text in another language, sentence by sentence, with alternatives and where the model looked."""

import json
import re
from pathlib import Path

import altair as alt
import pandas as pd
import streamlit as st

from apps import attention, models, texts, translations, widgets

# Characters of a sentence in the list to choose from, and of all that is written while the work goes on.
LISTED_CHARACTERS, WORKING_CHARACTERS = 70, 3_000
# A text up to so long can be copied from a box of its own.
COPIED_CHARACTERS = 20_000
LINKED = ("text", "pair", "width")

state = st.session_state


# What a visitor asks for


def ask(text: str | None = None) -> None:
    """Takes what is in the box, or puts a text there first, as the text to translate."""
    if text is not None:
        state.translation_text = text
        state.pop("translation_file_name", None)
    state.translation_asked = True
    state.pop("translation_refused", None)
    # The address must not go on naming a text that is no longer the one shown.
    state.pop("translation_linked", None)
    for name in LINKED:
        st.query_params.pop(name, None)


def follow_link(pairs: list[str]) -> None:
    """Sets the controls to what the address says and asks for it, once."""
    linked = {name: st.query_params[name] for name in LINKED if name in st.query_params}
    if "text" not in linked or linked == state.get("translation_linked"):
        return
    state.translation_linked = linked
    state.translation_text = linked["text"]
    state.translation_asked = True
    state.pop("translation_file_name", None)
    # Without a pair, the one that the home page shows.
    pair = linked.get("pair", pairs[0])
    state.translation_pair = pair if pair in pairs else pairs[0]
    width = linked.get("width", "")
    state.translation_width = within(int(width)) if re.fullmatch(r"[0-9]{1,9}", width) else translations.WIDTH
    if pair not in pairs:
        state.translation_asked = False
        state.translation_refused = f"The model for {pair[:20]} is not here. Choose another pair, then translate."


def within(width: int) -> int:
    return min(max(width, 1), translations.MAX_WIDTH)


def take_file() -> None:
    """Puts the text of an opened file into the box."""
    file = state.translation_file
    if file is None:
        return
    try:
        state.translation_text = translations.read_file(file.getvalue())
        state.translation_file_name = file.name
        state.pop("translation_refused", None)
    except texts.InputError as error:
        state.translation_refused = f"{file.name}: {error}"


def controls(pairs: list[str]) -> str:
    """Draws all that is to be chosen and written; returns the pair."""
    if state.setdefault("translation_pair", pairs[0]) not in pairs:
        state.translation_pair = pairs[0]
    pair = st.segmented_control(
        "From and into",
        pairs,
        format_func=lambda pair: translations.pair(pair).name,
        required=True,
        key="translation_pair",
        label_visibility="collapsed",
        persist_state="session",
    )
    languages = translations.pair(pair)
    st.caption(
        f"This model learned from {languages.learned_from}. It writes of other things too, fluently, but replaces what "
        "it has not met with something it has."
    )
    if languages.examples:
        with st.container(horizontal=True, gap="small", vertical_alignment="center"):
            st.caption("Try", width="content")
            for name, text in languages.examples.items():
                st.button(name, on_click=ask, args=(text,), key=f"translation_example_{pair}_{name}")
    state.setdefault("translation_width", translations.WIDTH)
    with st.form("translation_form", border=False):
        st.text_area(
            f"Text in {languages.source}",
            key="translation_text",
            height=170,
            placeholder="A sentence, several, or whole paragraphs …",
            persist_state="session",
        )
        with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
            st.slider(
                "Beam width",
                1,
                translations.MAX_WIDTH,
                key="translation_width",
                width=260,
                help="How many translations are kept in view while one is written. 1 is greedy: always the likeliest "
                "next word. Wider is slower, finds likelier sentences, and gives as many alternatives.",
                persist_state="session",
            )
            st.form_submit_button(
                "Translate", type="primary", on_click=ask, icon=":material/translate:", key="translation_submit"
            )
    st.file_uploader(
        f"Or open a text file in UTF-8, at most {translations.MAX_CHARACTERS:,} characters",
        max_upload_size=4,
        key="translation_file",
        on_change=take_file,
    )
    return pair


def begin(model: models.Model, pair: str) -> None:
    """Starts the translation that was asked for, if any was; what cannot be done is said beside the controls."""
    if not state.pop("translation_asked", False):
        return
    try:
        text, remarks = translations.prepare(state.translation_text)
    except texts.InputError as error:
        state.translation_refused = str(error)
        return
    # A browser that is made to can send what the slider does not offer.
    state.translation_work = translations.Work(model, pair, text, within(state.translation_width))
    state.translation_remarks = remarks
    state.translation_sentence = None


# What came of it


def stop(work: translations.Work, stopped: bool = True) -> None:
    work.stopped = stopped


def work_on(work: translations.Work) -> None:
    """Translates until the text is done or the visitor steps in, who then finds it as far as it came."""
    bar = st.progress(0.0)
    st.button("Stop translating", on_click=stop, args=(work,), icon=":material/stop:", key="translation_stop")
    place = st.empty()
    total = len(work.spoken)
    while not work.ended and not work.stopped:
        bar.progress(len(work.done) / total, f"{len(work.done):,} of {total:,} sentences")
        if work.done:
            latest = work.translated[-WORKING_CHARACTERS // 20 :]
            text = "".join(sentence.before + sentence.best for sentence in latest)
            place.html(widgets.passage_html(text[-WORKING_CHARACTERS:]))
        try:
            work.step()
        except models.ModelError as error:
            work.stopped, state.translation_refused = True, str(error)
    st.rerun()


def results(pair: str) -> None:
    """Shows the translation asked for last, and makes it first if it is not done."""
    work = state.get("translation_work")
    if work is None or work.pair != pair:
        return
    st.subheader("Translation", anchor=False)
    if not work.ended and not work.stopped:
        work_on(work)
    for remark in [*state.translation_remarks, *work.remarks()]:
        st.info(widgets.plain(remark))
    if not work.ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown(f"Stopped after {len(work.done):,} of {len(work.spoken):,} sentences.", width="content")
            st.button(
                "Go on translating",
                on_click=stop,
                args=(work, False),
                icon=":material/play_arrow:",
                key="translation_go_on",
            )
    if work.done:
        show(work)


def show(work: translations.Work) -> None:
    """The translation, and one of its sentences in all its forms."""
    several = len(work.done) > 1
    if state.get("translation_sentence") not in work.done:
        state.translation_sentence = work.done[0]
    translated(work, state.translation_sentence if several else None)
    st.subheader("Sentence by sentence" if several else "Alternatives", anchor=False)
    if several:
        st.selectbox(
            "Sentence to look at",
            work.done,
            format_func=lambda index: listed(work, index),
            key="translation_sentence",
        )
    sentence = work.sentences[state.translation_sentence]
    widgets.alternatives(sentence.alternatives, work.width)
    looked(work.model, sentence)
    downloads(work)


def listed(work: translations.Work, index: int) -> str:
    text = " ".join(work.sentences[index].text.split())
    number = work.spoken.index(index) + 1 if len(work.spoken) < 1_000 else ""
    shown = text if len(text) <= LISTED_CHARACTERS else f"{text[:LISTED_CHARACTERS]} …"
    return f"{number}. {shown}" if number else shown


def translated(work: translations.Work, chosen: int | None) -> None:
    text = work.translation
    with st.container(border=True):
        st.html(widgets.passage_html(text, None if chosen is None else work.place(chosen)))
    number = len(work.done)
    widgets.time_taken(work.seconds, "One sentence translated" if number == 1 else f"{number:,} sentences translated")
    if len(text) <= COPIED_CHARACTERS:
        with st.popover("Copy", icon=":material/content_copy:", key="translation_copy"):
            st.code(text, language=None, wrap_lines=True)


def downloads(work: translations.Work) -> None:
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        widgets.download(
            "The translation" if work.ended else "What is translated so far",
            lambda: work.translation,
            file_name(work.pair),
            key="translation_download",
        )
        values = dict(zip(LINKED, (work.text, work.pair, work.width)))
        widgets.link("sees this text and its translation", values, key="translation_link")


def file_name(pair: str) -> str:
    """ "letter.de.txt" for the translation of "letter.txt"."""
    stem = Path(state.get("translation_file_name") or "translation.txt").stem
    return f"{stem}.{pair.split('-')[1]}.txt"


def looked_at(model: models.Model, sentence: str) -> translations.Attention:
    """The attention of a sentence; kept, so that other clicks on the page cost nothing."""
    kept = state.get("translation_attention")
    if kept is None or kept[:2] != (sentence, id(model)):
        with st.spinner("Looking closer …"):
            kept = (sentence, id(model), translations.attention(model, sentence))
        state.translation_attention = kept
    return kept[2]


def looked(model: models.Model, sentence: translations.Sentence) -> None:
    """Where the model looked for each word it wrote: lines between the words, and a heat map."""
    found = looked_at(model, sentence.text)
    if not found.source or not found.target:
        return
    st.subheader("Attention", anchor=False)
    if found.translation != sentence.best:
        st.caption(
            "Drawn for what the model writes with its own beam width, "
            f"{model.config.get('width', translations.WIDTH)}: “{widgets.plain(found.translation)}”"
        )
    languages = translations.pair(state.translation_pair)
    with st.container(border=True):
        st.html(attention.lines_html(found.source, found.target, found.weights))
    st.caption(
        f"From {languages.source} to {languages.target}. The stronger the line, the more the model looked at the one "
        "word while it wrote the other. Point at a word, or tap it, to see its own lines alone."
    )
    heat_map(found)


def heat_map(found: translations.Attention) -> None:
    shares = pd.DataFrame(
        [
            {"s": s, "t": t, "source": source, "target": target, "attention": round(float(found.weights[t, s]), 4)}
            for t, target in enumerate(found.target)
            for s, source in enumerate(found.source)
        ]
    )

    def axis(words: list[str], **kwargs) -> alt.Axis:
        # By number, for a word may come twice.
        return alt.Axis(
            labelExpr=f"{json.dumps(words)}[datum.value]",
            title=None,
            ticks=False,
            domain=False,
            labelLimit=110,
            # Hidden only where they would lie on each other.
            labelOverlap=len(words) > 25,
            labelFlush=False,
            labelBound=False,
            **kwargs,
        )

    chart = (
        alt.Chart(shares)
        .mark_rect(color=widgets.css(widgets.FOR), cornerRadius=2)
        .encode(
            x=alt.X("s:O", axis=axis(found.source, orient="top", labelAngle=-90, labelAlign="left")),
            y=alt.Y("t:O", axis=axis(found.target)),
            # Not the colour, so that it suits a light page and a dark one.
            opacity=alt.Opacity("attention:Q", scale=alt.Scale(domain=[0, 1], range=[0.04, 1]), legend=None),
            tooltip=[
                alt.Tooltip("target", title="Written"),
                alt.Tooltip("source", title="Looked at"),
                alt.Tooltip("attention", title="Share", format=".0%"),
            ],
        )
        .properties(height=90 + 24 * len(found.target))
        .configure_view(stroke=None)
    )
    st.altair_chart(
        chart, alt=f"Heat map of the attention: {len(found.target)} words written, {len(found.source)} words read"
    )
    st.caption(
        "The same as a map: a row for each word written, a column for each word read. What a row lacks to 100% went to "
        "the end of the sentence."
    )


def lengths(model: models.Model) -> None:
    """BLEU by the length of the sentence, and that of variants of the model, such as one without attention."""
    measured = {"this model": model.metrics.get("test", {}).get("bleu_by_length")}
    for name, variant in model.metrics.get("variants", {}).items():
        measured[name] = variant.get("bleu_by_length")
    rows = [
        {
            "model": name,
            "words": f"{row['from']} to {row['to']}" if row["to"] else f"{row['from']} and more",
            "BLEU": row["bleu"],
            "sentences": row["sentences"],
        }
        for name, classes in measured.items()
        for row in classes or []
    ]
    if not rows:
        return
    with st.expander("Long sentences", icon=":material/bar_chart:"):
        colours = alt.Scale(domain=list(measured), range=[widgets.css(widgets.FOR), widgets.css(widgets.AGAINST)])
        chart = (
            alt.Chart(pd.DataFrame(rows), height=330)
            .mark_line(point=alt.OverlayMarkDef(size=60), strokeWidth=3)
            .encode(
                x=alt.X("words:O", sort=None, title="Words of the sentence", axis=alt.Axis(labelAngle=0)),
                y=alt.Y("BLEU:Q", scale=alt.Scale(domainMin=0)),
                color=alt.Color(
                    "model:N", scale=colours, title=None, legend=alt.Legend(orient="top", direction="vertical")
                ),
                tooltip=["model", "words", "BLEU", "sentences"],
            )
        )
        st.altair_chart(chart, alt="BLEU by the length of the sentence")
        if len(measured) > 1:
            st.caption(
                "Without attention, all that the decoder has of a sentence is one vector, however long the sentence "
                "is. With it, the decoder looks at each word when it needs it. BLEU is measured on the test sentences."
            )
        else:
            st.caption("Measured on the test sentences. The longer a sentence, the more there is to get wrong.")


st.title("Translation", anchor=False)
st.markdown("Write or paste a text and have it in another language, with alternatives and where the model looked.")
try:
    pairs = translations.available()
    follow_link(pairs)
    pair = controls(pairs)
    above = st.container()
    with st.spinner("Loading the model …", show_time=True):
        model = models.load(f"translation/{pair}")
    begin(model, pair)
    if "translation_refused" in state:
        above.warning(widgets.plain(state.translation_refused))
    place = st.container()
    widgets.model_card(model)
    lengths(model)
    # Last, so that all else stands while the work goes on.
    with place:
        results(pair)
except models.ModelError as error:
    st.error(str(error), icon=":material/model_training:")
