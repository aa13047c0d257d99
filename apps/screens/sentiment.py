"""Sentiment: how positive a text is, how many stars, and which words say so; one text or thousands."""

import time

import numpy as np
import pandas as pd
import streamlit as st

from apps import models, texts, widgets

EXAMPLES = {
    "A delight": "I went in tired and came out grinning. The jokes land, the cast is warm, and the last scene is the "
    "best thing I have seen this year.",
    "A letdown": "Two hours of a dull hero explaining the plot. The music was awful, the ending worse, and I want my "
    "evening back.",
    "Of two minds": "The pictures are wonderful and the first half is great fun.\n\nThen it grows slow, and by the end "
    "I was a little bored.",
    "Not bad": "The food was good, not bad at all.",
    "Not good": "The food was bad, not good at all.",
}
ONE, LINES, FILE = "One text", "Several lines", "CSV file"
# Characters of a text shown in the table; the download holds all of it.
TABLE_CHARACTERS = 200

state = st.session_state


def ask(text: str | None = None) -> None:
    """Takes what is in the box, or puts a text there first, as the text to rate."""
    if text is not None:
        state.sentiment_text = text
    state.sentiment_asked = state.sentiment_text
    # The address must not go on naming a text that is no longer the one shown.
    st.query_params.pop("text", None)


def verdict(positive: float) -> str:
    return "Positive" if positive >= 0.6 else "Negative" if positive < 0.4 else "Undecided"


def one_text() -> None:
    linked = st.query_params.get("text")
    if linked is not None and linked != state.get("sentiment_asked"):
        state.sentiment_text = state.sentiment_asked = linked
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Try", width="content")
        for name, text in EXAMPLES.items():
            st.button(name, on_click=ask, args=(text,), key=f"sentiment_example_{name}")
    with st.form("sentiment_form", border=False):
        st.text_area(
            "Text to rate",
            key="sentiment_text",
            height=150,
            placeholder="A review of a film, a meal, a book …",
            persist_state="session",
        )
        st.form_submit_button("Rate this text", type="primary", on_click=ask, key="sentiment_submit")
    if "sentiment_asked" not in state:
        return
    text, removed = texts.clean(state.sentiment_asked)
    if not text.strip():
        st.warning("There is no text yet. Write or paste one into the box, or pick an example above it.")
        return
    if not texts.has_words(text):
        st.warning(
            "There are no words in this text, only signs or pictures, so there is nothing to rate. Add a few words."
        )
        return
    if removed:
        st.info(f"{removed:,} control characters, which cannot be seen, were read as spaces.")
    if not texts.is_mostly_latin(text):
        st.warning(
            "Most letters here are not of the Latin alphabet. The model learned from English reviews only, so its "
            "answer says little about this text."
        )

    model = loaded_model()
    with st.spinner("Reading …", show_time=True):
        outputs, seconds = explain(model, text)
    positive, rating = float(outputs["positive"][0]), float(outputs["stars"][0])

    st.subheader("Result", anchor=False)
    with st.container(border=True, horizontal=True, gap="medium", vertical_alignment="center"):
        widgets.gauge(positive, label="positive", alt_text=f"Gauge: {positive:.0%} positive")
        with st.container(width=390, gap="xsmall"):
            st.markdown(f"**{verdict(positive)}**, {rating:.1f} of 5 stars")
            widgets.stars(rating)
            st.markdown(f"Probability that the writer liked it: {positive:.1%}")
            widgets.time_taken(seconds)
    words = why(model, text, outputs)
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        widgets.download(
            "Words and their shares",
            lambda: words.to_csv(index=False).encode("utf-8-sig"),
            "sentiment_words.csv",
            key="sentiment_words",
        )
        widgets.link("sees this text and its result", {"text": state.sentiment_asked}, key="sentiment_link")


def loaded_model() -> models.Model:
    with st.spinner("Loading the model …", show_time=True):
        return models.load("sentiment")


def explain(model: models.Model, text: str) -> tuple[dict[str, np.ndarray], float]:
    """The outputs of `explain` and the seconds they took; kept, so that other clicks on the page cost nothing."""
    kept = state.get("sentiment_explained")
    if kept is None or kept[:2] != (text, id(model)):
        start = time.perf_counter()
        outputs = model.call("explain", text=[text])
        kept = state.sentiment_explained = (text, id(model), outputs, time.perf_counter() - start)
    return kept[2:]


def why(model: models.Model, text: str, outputs: dict[str, np.ndarray]) -> pd.DataFrame:
    """Shows the text tinted by the shares of its words; returns the words and shares as a table."""
    tokens = [token.decode("utf-8", "replace") for token in outputs["tokens"][0]]
    tokens = tokens[: tokens.index("")] if "" in tokens else tokens
    shares = outputs["weights"][0][: len(tokens)].astype(float).round(6).tolist()
    spans = texts.align(text, tokens)
    words = pd.DataFrame({"word": tokens, "share": shares})

    st.subheader("Why", anchor=False)
    end = max((span[1] for span in spans if span), default=0)
    bound = model.max_words
    unread_from = None
    if texts.has_words(text[end:]) and (bound is None or len(tokens) >= bound):
        unread_from = end
        st.info(
            f"The model reads the first {len(tokens):,} words and punctuation marks of a text. The greyed rest did "
            "not count."
        )
    widgets.tint_legend()
    with st.container(border=True):
        st.html(widgets.tinted_html(text, spans, shares, unread_from))
    together = words[words.word.map(texts.has_words)].groupby(words.word.str.lower(), sort=False).share.sum()
    for side, strongest in (
        # Shares that would be shown as 0.00 say nothing.
        ("for", together[together >= 0.005].nlargest(5)),
        ("against", together[together <= -0.005].nsmallest(5)),
    ):
        if len(strongest):
            signed = {word: f"{share:+.2f}".replace("-", "−") for word, share in strongest.items()}
            listed = ", ".join(f"{widgets.plain(word)} ({share})" for word, share in signed.items())
            st.caption(f"Strongest {side}: {listed}")
    return words


def rate_all(key: str, table: pd.DataFrame, column: int) -> None:
    """Rates a column of a table with a progress bar and keeps the table and the outcome under a key of the state."""
    model = loaded_model()
    cleaned = [texts.clean(text)[0] for text in table.iloc[:, column]]
    ratable = [index for index, text in enumerate(cleaned) if texts.has_words(text)]
    if not ratable:
        raise texts.InputError(
            f"None of the {len(cleaned):,} texts holds a word, so there is nothing to rate. Is this the right column?"
        )
    bar = st.progress(0.0, "Starting …")
    start = time.perf_counter()
    outputs = model.call_in_batches(
        "serving_default",
        [cleaned[index] for index in ratable],
        progress=lambda done, total: bar.progress(done / total, f"{done:,} of {total:,} texts"),
    )
    seconds = time.perf_counter() - start
    bar.empty()
    outcome = pd.DataFrame({"positive": np.nan, "stars": np.nan, "verdict": "No words"}, index=range(len(cleaned)))
    outcome.loc[ratable, "positive"] = outputs["positive"].astype(float).round(4)
    outcome.loc[ratable, "stars"] = outputs["stars"].astype(float).round(2)
    outcome.loc[ratable, "verdict"] = [verdict(positive) for positive in outputs["positive"]]
    bound = model.max_words
    too_long = sum(texts.has_more_words(cleaned[index], bound) for index in ratable) if bound else 0
    state[key] = {
        "table": table,
        "texts": cleaned,
        "outcome": outcome,
        "seconds": seconds,
        "too_long": too_long,
        "number": time.time_ns(),
    }


def show_all(key: str) -> None:
    """Shows what `rate_all` kept: figures, table, the words behind a chosen row, the download."""
    kept = state[key]
    outcome = kept["outcome"]
    model = loaded_model()
    st.subheader("Result", anchor=False)
    counts = outcome.verdict.value_counts()
    with st.grid(4, min_column_width=120, gap="small"):
        st.metric("Positive", f"{counts.get('Positive', 0):,}", border=True)
        st.metric("Undecided", f"{counts.get('Undecided', 0):,}", border=True)
        st.metric("Negative", f"{counts.get('Negative', 0):,}", border=True)
        st.metric("Mean stars", f"{outcome.stars.mean():.1f}", border=True)
    if empty := counts.get("No words", 0):
        st.info(f"Texts without a word, which are not rated: {empty:,}.")
    if kept["too_long"]:
        st.info(
            f"Texts longer than the {model.max_words:,} words and punctuation marks that the model reads: "
            f"{kept['too_long']:,}. Of those only the beginning counted."
        )
    shown = outcome.assign(
        text=[text if len(text) <= TABLE_CHARACTERS else f"{text[:TABLE_CHARACTERS]} …" for text in kept["texts"]],
        positive=100 * outcome.positive,
    )[["text", "positive", "stars", "verdict"]]
    event = st.dataframe(
        shown,
        hide_index=True,
        on_select="rerun",
        selection_mode="single-row",
        key=f"{key}_rows_{kept['number']}",
        placeholder="–",
        alt="The texts with their probability of being positive, stars and verdict",
        column_config={
            "text": st.column_config.TextColumn("Text", width="medium"),
            "positive": st.column_config.ProgressColumn(
                "Positive", min_value=0, max_value=100, format="%.0f%%", width="small"
            ),
            "stars": st.column_config.NumberColumn("Stars", format="%.1f", width="small"),
            "verdict": st.column_config.TextColumn("Verdict", width="small"),
        },
    )
    st.caption("Positive from 60%, negative below 40%, undecided between.")
    widgets.time_taken(kept["seconds"], f"{len(outcome):,} texts rated")
    chosen = [row for row in event.selection.rows if row < len(outcome) and outcome.verdict[row] != "No words"]
    if chosen:
        text = kept["texts"][chosen[0]]
        why(model, text, explain(model, text)[0])
    else:
        st.subheader("Why", anchor=False)
        st.caption("Choose a row of the table to see which of its words speak for and against.")
    st.subheader("Download", anchor=False)
    widgets.download(
        "The table as CSV",
        lambda: pd.concat([kept["table"], outcome], axis=1).to_csv(index=False).encode("utf-8-sig"),
        "sentiment.csv",
        key="sentiment_table",
    )


def several_lines() -> None:
    with st.form("sentiment_lines_form", border=False):
        lines = st.text_area(
            "Texts to rate, one a line",
            key="sentiment_lines",
            height=190,
            placeholder="Loved every minute of it.\nThe worst meal in years.",
            help=f"At most {texts.MAX_TEXTS:,} lines; empty ones are passed over.",
            persist_state="session",
        )
        submitted = st.form_submit_button("Rate these texts", type="primary", key="sentiment_lines_submit")
    if submitted:
        rate_all("sentiment_lines_kept", pd.DataFrame({"text": texts.read_lines(lines)}), 0)
    if "sentiment_lines_kept" in state:
        show_all("sentiment_lines_kept")


def csv_file() -> None:
    file = st.file_uploader(
        f"CSV file in UTF-8, at most {texts.MAX_MEGABYTES} MB and {texts.MAX_TEXTS:,} rows",
        max_upload_size=texts.MAX_MEGABYTES,
        key="sentiment_file",
    )
    if file is not None:
        header = st.checkbox("First row names the columns", value=True, key="sentiment_header")
        table = texts.read_csv(file.getvalue(), header=header)
        column = 0
        if len(table.columns) > 1:
            column = st.selectbox(
                "Column with the texts",
                range(len(table.columns)),
                index=table.likely_text_column(),
                format_func=lambda index: table.columns[index],
                key=f"sentiment_column_{file.file_id}_{header}",
            )
        st.caption(f"{len(table.rows):,} rows. The first text: “{widgets.plain(table.rows[0][column][:120])}”")
        source = (file.file_id, header, column)
        if st.button("Rate this file", type="primary", key="sentiment_file_submit"):
            rate_all("sentiment_file_kept", pd.DataFrame(table.rows, columns=table.columns), column)
            state.sentiment_file_source = source
        if state.get("sentiment_file_source") != source:
            return
    if "sentiment_file_kept" in state:
        show_all("sentiment_file_kept")


st.title("Sentiment", anchor=False)
st.markdown("Is a review for or against, how many stars would its writer give, and which words say so?")
if st.query_params.get("text") is not None:
    state.sentiment_input = ONE
mode = st.segmented_control(
    "What to rate",
    [ONE, LINES, FILE],
    default=ONE,
    required=True,
    key="sentiment_input",
    label_visibility="collapsed",
    persist_state="session",
)
try:
    try:
        {ONE: one_text, LINES: several_lines, FILE: csv_file}[mode]()
    except texts.InputError as error:
        st.warning(str(error))
    # Loaded without waiting for a text, so that the model is there by the time the visitor has written one.
    widgets.model_card(loaded_model())
except models.ModelError as error:
    st.error(str(error), icon=":material/model_training:")
