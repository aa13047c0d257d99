"""Language: texts written while the visitor looks on, two sentences weighed, and what may come next while one types."""

import csv
import io
import json
import math
import time

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import language, models, texts, widgets

WRITE, COMPARE, TYPE = "Write on", "Compare two", "Suggest the next"
TOP_K = (1, 2, 5, 10, 20, 50, 100, 0)
MAX_SEED = 2**31 - 1
FRAME = 0.1  # seconds between pictures of a text in the making
MAX_ROWS = 60  # words that are drawn as bars
LINKED = ("prompt", "model", "length", "temperature", "top_k", "top_p", "seed")
COMPARED = ("first", "second", "model")
KEEP = {"on_change": "ignore", "persist_state": "session"}

state = st.session_state


# What a visitor asks for


def ask(prompt: str | None = None) -> None:
    """Takes what is in the box, or puts a prompt there first, as what is to be gone on with."""
    if prompt is not None:
        state.language_prompt = prompt
    state.language_asked = True
    forget_link()


def ask_to_compare(pair: tuple[str, str] | None = None) -> None:
    """Takes what is in the two boxes, or puts two sentences there first, as what is to be compared."""
    if pair is not None:
        state.language_first, state.language_second = pair
    state.language_compare_asked = True
    forget_link()


def swap() -> None:
    """The second sentence into the first box, and the other way round."""
    ask_to_compare((state.language_second, state.language_first))


def forget_link() -> None:
    # The address must not go on naming what is no longer shown.
    state.pop("language_refused", None)
    state.pop("language_linked", None)
    for name in {*LINKED, *COMPARED}:
        st.query_params.pop(name, None)


def follow_link(names: list[str]) -> None:
    """Sets the controls to what the address says and asks for it, once."""
    linked = {name: st.query_params[name] for name in (*LINKED, *COMPARED) if name in st.query_params}
    if not linked or linked == state.get("language_linked"):
        return
    state.language_linked = linked
    name = linked.get("model", names[0])
    state.language_model = name if name in names else names[0]
    compares = "first" in linked and "second" in linked
    asked = "language_compare_asked" if compares else "language_asked"
    state[asked] = compares or "prompt" in linked
    if compares:
        state.language_part = COMPARE
        state.language_first, state.language_second = linked["first"], linked["second"]
    elif "prompt" in linked:
        state.language_part = WRITE
        state.language_prompt = linked["prompt"]
        for level, (least, most, step) in language.LENGTHS.items():
            length = texts.number(linked.get("length"), language.LENGTH[level], least, most)
            state[f"language_length_{level}"] = round(length / step) * step
        state.language_temperature = round(
            texts.number(linked.get("temperature"), language.TEMPERATURE, *language.TEMPERATURES), 2
        )
        state.language_top_p = round(texts.number(linked.get("top_p"), language.TOP_P, 0.05, 1), 2)
        top_k = int(texts.number(linked.get("top_k"), language.TOP_K, 0, 1e9))
        state.language_top_k = min(TOP_K, key=lambda k: abs((k or 1e4) - (top_k or 1e4)))
        # Not in the box, or the next text would be the same; without a seed, the text that the home page shows.
        state.language_linked_seed = int(texts.number(linked.get("seed"), language.HOME_SEED, 0, MAX_SEED))
    if name not in names:
        state[asked] = False
        state.language_refused = f"The model {name[:40]} is not here. Choose another, then ask again."


def choose_model(names: list[str]) -> str:
    if state.setdefault("language_model", names[0]) not in names:
        state.language_model = names[0]
    return st.segmented_control(
        "Trained on",
        names,
        format_func=lambda name: widgets.plain(language.corpus(name).title),
        required=True,
        key="language_model",
        persist_state="session",
    )


def choose_part() -> str:
    state.setdefault("language_part", WRITE)
    return st.segmented_control(
        "What to do",
        [WRITE, COMPARE, TYPE],
        required=True,
        key="language_part",
        label_visibility="collapsed",
        persist_state="session",
    )


def examples(prompts: dict, on_click, key: str) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Try", width="content")
        for name, prompt in prompts.items():
            st.button(name, on_click=on_click, args=(prompt,), key=f"language_{key}_{name}")


# Writing on


def writing_controls(name: str, level: str) -> None:
    examples(language.corpus(name).prompts, ask, f"example_{name}")
    st.text_area(
        "Beginning (may be empty)",
        key="language_prompt",
        height=110,
        placeholder="The model goes on from what you write here; from nothing, it starts a text of its own.",
        **KEEP,
    )
    least, most, step = language.LENGTHS[level]
    length_key = f"language_length_{level}"
    state.setdefault(length_key, language.LENGTH[level])
    state.setdefault("language_temperature", language.TEMPERATURE)
    state.setdefault("language_top_k", language.TOP_K)
    state.setdefault("language_top_p", language.TOP_P)
    with st.grid(3, min_column_width=150, gap="small"):
        st.slider(f"Length, {level}", least, most, step=step, key=length_key, **KEEP)
        st.slider(
            "Temperature",
            *language.TEMPERATURES,
            step=0.05,
            key="language_temperature",
            help="Low: the likeliest, and much repetition. 1: as varied as what it learned from. High: surprises, "
            "and nonsense.",
            **KEEP,
        )
        st.number_input(
            "Seed",
            0,
            MAX_SEED,
            None,
            key="language_seed",
            placeholder="random",
            help="The number that chance starts from. The same seed and settings give the same text again.",
            **KEEP,
        )
        st.select_slider(
            "Top-k",
            TOP_K,
            format_func=lambda k: str(k) if k else "all",
            key="language_top_k",
            help="Among how many of the likeliest the next one is drawn.",
            **KEEP,
        )
        st.slider(
            "Top-p",
            0.05,
            1.0,
            step=0.05,
            key="language_top_p",
            help="The next one is drawn among the likeliest that together have this share of the probability.",
            **KEEP,
        )
        if level == language.WORDS:
            st.toggle(
                "Allow <unk>".replace("<", r"\<"),
                key="language_unknown",
                help="Whether the model may write its mark for words that it has not learned.",
                **KEEP,
            )


def begin(model: models.Model, level: str) -> None:
    """Starts the text that was asked for, if one was."""
    if not state.get("language_asked"):
        return
    seed = state.get("language_linked_seed", state.get("language_seed"))
    if seed is None:
        seed = np.random.default_rng().integers(1, 1_000_000)
    seed = int(texts.number(seed, 1, 0, MAX_SEED))
    least, most, _ = language.LENGTHS[level]
    # A browser that is made to can send what the controls do not offer.
    length = int(texts.number(state[f"language_length_{level}"], language.LENGTH[level], least, most))
    settings = language.Settings(
        temperature=texts.number(state.language_temperature, language.TEMPERATURE, *language.TEMPERATURES),
        top_k=int(texts.number(state.language_top_k, language.TOP_K, 0, 1e9)),
        top_p=texts.number(state.language_top_p, language.TOP_P, 0.05, 1),
        seed=seed,
        unknown=bool(state.get("language_unknown", False)),
    )
    prompt, remarks = language.prepare(state.get("language_prompt") or "", language.vocabulary(model), level)
    try:
        with st.spinner("Reading the beginning …"):
            writing = language.Writing(model, prompt, length, settings)
    except models.ModelError as error:
        state.language_refused = str(error)
        del state.language_asked
        return
    if level == language.WORDS:
        remarks += language.unknown_words(prompt, writing.given)
    state.language_writing, state.language_remarks = writing, remarks
    # Only now: a run that another one of the same page overtakes ends at its spinner.
    del state.language_asked
    state.pop("language_linked_seed", None)
    # As it was written, for the link.
    state.language_written_from = state.get("language_prompt") or ""


def stop(writing: language.Writing, stopped: bool = True) -> None:
    writing.stopped = stopped


def go_on(writing: language.Writing, more: int) -> None:
    """Goes on with a text that was stopped, or has so much more written of one that has its length."""
    if writing.ended:
        writing.length = min(writing.length + more, language.LONGEST)
    writing.stopped = False


def write(writing: language.Writing) -> None:
    """Writes on until the text has its length or the visitor steps in, who then finds it as far as it came."""
    bar = st.progress(0.0)
    st.button("Stop writing", on_click=stop, args=(writing,), icon=":material/stop:", key="language_stop")
    place = st.empty()
    due = 0.0
    while not writing.ended and not writing.stopped:
        if time.perf_counter() >= due:
            done = len(writing.written)
            bar.progress(done / writing.length, f"{done:,} of {writing.length:,} {writing.level}")
            written = "".join(writing.pieces)
            place.html(widgets.written_html(writing.given, [(f"{written}▍", 0.5, "")]))
            due = time.perf_counter() + FRAME
        try:
            writing.step()
        except models.ModelError as error:
            writing.stopped, state.language_refused = True, str(error)
    st.rerun()


def written(name: str, model: models.Model, level: str) -> None:
    """Shows the text asked for last, and writes it first if it is not done."""
    writing = state.get("language_writing")
    if writing is None or writing.model is not model:
        return
    st.subheader("Text", anchor=False)
    for remark in state.language_remarks:
        st.info(widgets.plain(remark))
    if not writing.ended and not writing.stopped:
        write(writing)
    unit = level.removesuffix("s")
    widgets.written_legend(bool(writing.given), unit)
    with st.container(border=True):
        symbols = [(symbol.text, symbol.probability, said(symbol)) for symbol in writing.written]
        st.html(widgets.written_html(writing.given, list(tinted(writing.pieces, symbols))))
    count = len(writing.written)
    widgets.time_taken(writing.seconds, f"{counted(count, level)} written")
    if not writing.ended or count < language.LONGEST:
        st.button(
            "Go on writing",
            on_click=go_on,
            args=(writing, int(state[f"language_length_{level}"])),
            icon=":material/play_arrow:",
            key="language_go_on",
        )
    else:
        st.caption(f"{language.LONGEST:,} {level} are the most that are written at once.")
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        widgets.download(
            "The text", lambda: writing.text, f"{name}_{writing.settings.seed}.txt", key="language_download"
        )
        widgets.link(
            "sees the same text being written", dict(zip(LINKED, link_values(name, writing))), key="language_link"
        )
        st.button("Keep the seed", on_click=keep_seed, args=(writing,), icon=":material/keep:", key="language_keep")
    settings = writing.settings
    mean = np.mean([symbol.probability for symbol in writing.written]) if writing.written else 0
    st.caption(
        f"Seed {settings.seed}, temperature {settings.temperature:g}, top-k {settings.top_k or 'all'}, top-p "
        f"{settings.top_p:g}. On average it gave what it wrote a probability of {mean:.0%}, before temperature, top-k "
        "and top-p."
    )


def tinted(pieces: list[str], symbols: list[tuple[str, float, str]]):
    """For `widgets.written_html`: each symbol with its tint and words, the space before a word apart and without."""
    for piece, (text, probability, words) in zip(pieces, symbols):
        if len(piece) > len(text):
            yield piece.removesuffix(text), 0.5, ""
        yield text, probability, words


def said(symbol) -> str:
    others = ", ".join(f"{shown(text)} {share(probability)}" for text, probability in symbol.others)
    return f"{shown(symbol.text)}: {share(symbol.probability)}" + (f" (next: {others})" if others else "")


def shown(symbol: str) -> str:
    return {"\n": "new line", " ": "space"}.get(symbol, symbol)


def counted(count: int, level: str) -> str:
    """ "1 character", "2,000 words"."""
    return f"{count:,} {level if count != 1 else level.removesuffix('s')}"


def share(probability: float) -> str:
    """ "37%", "0.4%", "1 in 52,000"."""
    if probability >= 0.01:
        return f"{probability:.0%}"
    return f"{probability:.1%}" if probability >= 0.001 else f"1 in {1 / max(probability, 1e-12):,.0f}"


def keep_seed(writing: language.Writing) -> None:
    state.language_seed = writing.settings.seed


def link_values(name: str, writing: language.Writing) -> tuple:
    how = writing.settings
    values = (name, writing.length, f"{how.temperature:g}", how.top_k, f"{how.top_p:g}", how.seed)
    return (state.get("language_written_from", ""), *values)


# Comparing


def comparing_controls(name: str) -> None:
    pairs = language.corpus(name).pairs
    first, second = next(iter(pairs.values()))
    state.setdefault("language_first", first)
    state.setdefault("language_second", second)
    examples(pairs, ask_to_compare, "pair")
    with st.grid(2, min_column_width=280, gap="small"):
        st.text_area("First sentence", key="language_first", height=80, **KEEP)
        st.text_area("Second sentence", key="language_second", height=80, **KEEP)


def compare(model: models.Model) -> None:
    """Weighs the sentences that were asked for, if any were; what cannot be done is said beside the controls."""
    if not state.get("language_compare_asked"):
        return
    sentences = (state.get("language_first") or "", state.get("language_second") or "")
    start = time.perf_counter()
    try:
        with st.spinner("Reading both …"):
            scored = language.score(model, sentences)
    except (texts.InputError, models.ModelError) as error:
        state.language_refused = str(error)
        del state.language_compare_asked
        return
    state.language_compared = (model, sentences, scored, time.perf_counter() - start)
    del state.language_compare_asked


def compared(name: str, model: models.Model, level: str) -> None:
    """Shows the two sentences weighed last."""
    if "language_compared" not in state or state.language_compared[0] is not model:
        return
    _, sentences, scored, seconds = state.language_compared
    st.subheader("Result", anchor=False)
    nats = [one.log_probability for one in scored]
    difference = abs(nats[0] - nats[1])
    if difference < 1e-3:
        st.markdown("The model finds the two **equally likely**.")
    else:
        likelier = "first" if nats[0] > nats[1] else "second"
        st.markdown(f"The model finds the **{likelier}** sentence **{language.times(difference)} times likelier**.")
    with st.grid(2, min_column_width=280, gap="small"):
        for title, one in zip(("First", "Second"), scored):
            with st.container(border=True, height="stretch"):
                bits = f"{one.log_probability / math.log(2):,.1f} bits".replace("-", "−")
                st.metric(f"{title}, log-probability", bits)
                symbols = []
                for piece, log in zip(one.pieces, one.log_probabilities):
                    symbol = piece.removeprefix(" ") or piece
                    symbols.append((symbol, math.exp(log), f"{shown(symbol)}: {share(math.exp(log))}"))
                st.html(widgets.written_html("", list(tinted(one.pieces, symbols))))
                count = len(one.pieces)
                st.caption(
                    f"{one.log_probability:,.1f} nats for {count:,} {level if count != 1 else level[:-1]}".replace(
                        "-", "−"
                    )
                )
                for remark in one.remarks:
                    st.caption(widgets.plain(remark))
    widgets.time_taken(seconds)
    if len(scored[0].pieces) != len(scored[1].pieces):
        st.caption(
            f"They are not of one length: each of its {level} makes a text less likely, so the longer is at a "
            "disadvantage."
        )
    bars(scored, level)
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        widgets.download("The words as CSV", lambda: table(scored), "two_sentences.csv", key="language_table")
        values = dict(zip(COMPARED, (*sentences, name)))
        widgets.link("sees these sentences compared", values, key="language_link_compared")


def rows_of(scored: list[language.Scored]) -> list[tuple[language.Word | None, language.Word | None]]:
    return language.side_by_side(scored[0].words, scored[1].words)


def bars(scored: list[language.Scored], level: str) -> None:
    """How surprising each word is, the two sentences beside each other."""
    rows = rows_of(scored)
    drawn, labels, data = rows[:MAX_ROWS], [], []
    for place, row in enumerate(drawn):
        words = [word.text if word else "–" for word in row]
        labels.append(words[0] if words[0].lower() == words[1].lower() else " | ".join(words))
        for sentence, word in zip(("First", "Second"), row):
            if word:
                probability = math.exp(word.log_probability)
                bits = round(-word.log_probability / math.log(2), 3)
                data.append(
                    {"row": place, "sentence": sentence, "word": word.text, "bits": bits, "p": share(probability)}
                )
    st.subheader("Word by word", anchor=False)
    colours = alt.Scale(domain=["First", "Second"], range=[widgets.css(widgets.FOR), widgets.css(widgets.AGAINST)])
    chart = (
        alt.Chart(pd.DataFrame(data))
        .mark_bar(cornerRadiusEnd=3)
        .encode(
            # By number, for a word may come twice.
            y=alt.Y(
                "row:O",
                title=None,
                scale=alt.Scale(paddingInner=0.25, paddingOuter=0.1),
                axis=alt.Axis(
                    labelExpr=f"{json.dumps(labels)}[datum.value]", ticks=False, domain=False, labelLimit=130
                ),
            ),
            yOffset=alt.YOffset("sentence:N", sort=["First", "Second"]),
            x=alt.X("bits:Q", title="bits of surprise", axis=alt.Axis(orient="top", tickCount=5)),
            color=alt.Color("sentence:N", scale=colours, title=None, legend=alt.Legend(orient="bottom")),
            tooltip=[
                alt.Tooltip("sentence", title="Sentence"),
                alt.Tooltip("word", title="Word"),
                alt.Tooltip("p", title="Probability"),
                alt.Tooltip("bits", title="Bits", format=".1f"),
            ],
        )
        .properties(height=70 + 34 * len(drawn))
        .configure_view(stroke=None)
    )
    st.altair_chart(chart, alt=f"Bits of surprise of {len(drawn)} words, two sentences side by side")
    more = f" The first {MAX_ROWS} of {len(rows):,} rows are drawn; the table has all." if len(rows) > MAX_ROWS else ""
    unknown = any(word.text.endswith("*") for one in scored for word in one.words) and level == language.WORDS
    st.caption(
        "The longer a bar, the less likely the model found the word after all before it: one bit is a probability of "
        "50%, 10 bits are 1 in 1,024. The bars of a sentence add up to its log-probability."
        + (" A word's bar is the sum over its characters." if level == language.CHARACTERS else "")
        + (r" \* The model has not learned this word; all such words are one to it." if unknown else "")
        + more
    )


def table(scored: list[language.Scored]) -> bytes:
    out = io.StringIO()
    writer = csv.writer(out)
    writer.writerow(["first", "first_log_probability", "second", "second_log_probability"])
    for row in rows_of(scored):
        cells = [
            (texts.spreadsheet_cell(word.text), round(word.log_probability, 4)) if word else ("", "") for word in row
        ]
        writer.writerow([cell for pair in cells for cell in pair])
    return out.getvalue().encode("utf-8-sig")


# What may come next


def append(text: str) -> None:
    state.language_typed = text


@st.fragment
def typing(model: models.Model, level: str) -> None:
    """A box, and below it what may come next; a part of the page that is drawn anew while the visitor types."""
    unit = level.removesuffix("s")
    text = st.text_input(
        "Your text",
        key="language_typed",
        max_chars=2_000,
        live=True,
        placeholder="Type here …",
        persist_state="session",
        help=f"{language.LINE_END} is the end of a line.",
    )
    state.setdefault("language_next", language.NEXT)
    try:
        found = language.suggest(model, text or "", int(texts.number(state.language_next, 8, 1, language.MOST_NEXT)))
    except models.ModelError as error:
        st.warning(str(error))
        return
    st.subheader("Next", anchor=False)
    if found.completing:
        st.caption(f"Words that begin with “{widgets.plain(found.completing)}”, and how likely each was:")
    else:
        st.caption("What the model finds likeliest to come next. Choose one to have it appended.")
    with st.container(horizontal=True, gap="small"):
        for rank, (symbol, probability) in enumerate(found.likeliest):
            label = {"\n": f"{language.LINE_END} new line", " ": "␣ space"}.get(symbol, symbol)
            st.button(
                f"{widgets.plain(label)} **{share(probability)}**",
                on_click=append,
                args=(language.appended(found.before, symbol, level),),
                key=f"language_next_{rank}",
            )
    for remark in found.remarks:
        st.info(widgets.plain(remark))
    rest = 1 - found.unknown - sum(probability for _, probability in found.likeliest)
    if not found.completing:
        unknown = f", {share(found.unknown)} to words it has not learned" if found.unknown > 0.0005 else ""
        st.caption(f"It gives {share(max(rest, 0))} to all other {level}{unknown}.")
    st.slider("Suggestions", 3, language.MOST_NEXT, key="language_next", width=260, persist_state="session")
    st.caption(
        f"The suggestions follow a quarter of a second after your last key. The model suggests one {unit} at a time."
    )
    st.subheader("Download", anchor=False)
    widgets.download(
        "The text",
        lambda: (text or "").replace(language.LINE_END, "\n"),
        "text.txt",
        disabled=not text,
        key="language_typed_download",
    )


st.title("Language", anchor=False)
st.markdown(
    "A model that predicts what comes next in a text: have it write on, let it weigh two sentences, or take its "
    "suggestions while you type."
)
try:
    names = language.available()
    follow_link(names)
    chosen = choose_model(names)
    about = st.empty()
    with st.spinner("Loading the model …", show_time=True):
        model = models.load(f"language/{chosen}")
    level = language.level(model)
    about.caption(
        f"It reads and writes {level}, and learned from {widgets.plain(language.corpus(chosen).about)}. "
        f"{language.measured(model)}"
    )
    part = choose_part()
    if part == WRITE:
        writing_controls(chosen, level)
        above = st.container()  # on a phone, what stands under the button is out of sight
        st.button("Write", type="primary", on_click=ask, key="language_write", icon=":material/edit:")
        begin(model, level)
    elif part == COMPARE:
        comparing_controls(chosen)
        above = st.container()
        with st.container(horizontal=True):
            st.button(
                "Compare", type="primary", on_click=ask_to_compare, key="language_compare", icon=":material/balance:"
            )
            st.button("Swap", on_click=swap, key="language_swap", icon=":material/swap_horiz:")
        compare(model)
    else:
        above = st.container()
    if "language_refused" in state:
        above.warning(widgets.plain(state.language_refused))
    place = st.container()
    widgets.model_card(model)
    # Last, so that all else stands while the text is being written.
    with place:
        if part == WRITE:
            written(chosen, model, level)
        elif part == COMPARE:
            compared(chosen, model, level)
        else:
            typing(model, level)
except models.ModelError as error:
    st.error(str(error), icon=":material/model_training:")
