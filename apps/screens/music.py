"""Music: tunes written while the visitor looks on, to read, hear and take away; new ones, or one's own continued."""

import time

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import models, sampling, texts, tunes, widgets

NEW, OWN = "New tune", "Continue my tune"
EXAMPLES = {
    "A jig in A dorian": "M:6/8\nK:Ador\nR:jig\nN:16",
    "A reel in D major": "M:4/4\nK:Dmaj\nR:reel\nN:16",
    "A waltz in G major": "M:3/4\nK:Gmaj\nR:waltz\nN:16",
    "From two bars": "M:6/8\nK:Gmaj\nR:jig\nN:16\nGBd gdB|cde dBG|",
}
OWN_EXAMPLE = """X:1
T:My tune
M:4/4
L:1/8
K:Edor
E2BE dEBE|E2BE AFDF|E2BE dEBE|BABc dAFD|"""
# How much of the probability the next note is drawn from, and a word for it.
DARING = {0.5: "Sure", 0.8: "Careful", 0.9: "Balanced", 0.97: "Daring", 1.0: "Reckless"}
TEMPERATURES = (0.2, 1.5)
MAX_TUNES, MAX_SEED, MAX_KEPT = 4, 2**31 - 1, 50
FRAME = 0.1  # seconds between pictures of a tune in the making
LINKED = ("text", "seed", "temperature", "daring")

state = st.session_state


# What a visitor asks for


def ask() -> None:
    """Takes what the controls say as what is to be written next."""
    state.music_asked = True
    state.pop("music_refused", None)
    # The address must not go on naming a tune that is no longer the one shown.
    for name in LINKED:
        st.query_params.pop(name, None)


def ask_for(prompt: str, symbols: list[str]) -> None:
    """Sets the controls to a prompt and asks for it."""
    ask()
    set_controls(prompt, symbols)


def set_controls(prompt: str, symbols: list[str]) -> None:
    state.music_mode = NEW
    fields, state.music_opening = tunes.split_prompt(prompt)
    for letter, name in zip(tunes.LINES, ("metre", "key", "dance", "bars")):
        value = fields.get(letter, "")
        if value and value not in tunes.choices(symbols, letter):
            state.music_refused = f"The model has not learned {letter}:{value[:40]}. Choose another, then write."
            state.music_asked = False
            value = ""
        state[f"music_{name}"] = value or ("" if letter != "N" else tunes.BARS)


def follow_link(symbols: list[str]) -> None:
    """Sets the controls to what the address says and asks for it, once."""
    linked = {name: st.query_params[name] for name in LINKED if name in st.query_params}
    if "text" not in linked or linked == state.get("music_linked"):
        return
    state.music_linked = linked
    state.music_asked = True
    set_controls(linked["text"][: tunes.MAX_CHARACTERS], symbols)
    state.music_tunes = 1
    # Not in the box, or the next tune would be the same; without a seed, the tune that the home page shows.
    state.music_linked_seed = int(texts.number(linked.get("seed"), tunes.HOME_SEED, 0, MAX_SEED))
    state.music_temperature = round(texts.number(linked.get("temperature"), tunes.TEMPERATURE, *TEMPERATURES), 2)
    daring = texts.number(linked.get("daring"), tunes.TOP_P, 0, 1)
    state.music_daring = min(DARING, key=lambda top_p: abs(top_p - daring))


def follow_dance(metres: list[str]) -> None:
    """Sets the metre to that of the dance just chosen."""
    metre = tunes.METRES.get(state.music_dance)
    if metre in metres:
        state.music_metre = metre


def take_file() -> None:
    """Puts the text of an opened file into the box."""
    if state.music_file is None:
        return
    try:
        state.music_own = tunes.read_file(state.music_file.getvalue())
        state.pop("music_refused", None)
    except texts.InputError as error:
        state.music_refused = str(error)


def choose(label: str, name: str, options: list[str], default: str, anything: str, format_func=str, **kwargs) -> None:
    """A box to choose a line of the header from, or to leave it open."""
    options = ["", *options]
    if state.setdefault(name, default) not in options:
        state[name] = ""
    st.selectbox(
        label,
        options,
        key=name,
        format_func=lambda value: format_func(value) if value else anything,
        persist_state="session",
        **({"on_change": "ignore"} | kwargs),
    )


def new_tune(symbols: list[str]) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Try", width="content")
        for name, prompt in EXAMPLES.items():
            st.button(name, on_click=ask_for, args=(prompt, symbols), key=f"music_example_{name}")
    metres = tunes.choices(symbols, "M")
    with st.grid(4, min_column_width=150, gap="small"):
        choose("Key", "music_key", tunes.choices(symbols, "K"), "Dmaj", "Any key", tunes.key_name)
        choose(
            "Dance",
            "music_dance",
            tunes.choices(symbols, "R"),
            "jig",
            "Any dance",
            lambda dance: tunes.dance_name(dance).capitalize(),
            on_change=follow_dance,
            args=(metres,),
            help="Choosing one sets the metre to its own.",
        )
        choose("Metre", "music_metre", metres, "6/8", "Any metre")
        choose("Bars, about", "music_bars", tunes.choices(symbols, "N"), tunes.BARS, "Any length")
    st.text_area(
        "Opening bars (optional)",
        key="music_opening",
        height=68,
        placeholder="e2A ABc|dcB A2G|",
        help="In ABC notation, counted in eighths: A to g are notes, A2 lasts two eighths, z is a rest, | ends a bar. "
        "The model goes on from there.",
        on_change="ignore",
        persist_state="session",
    )


def own_tune(symbols: list[str]) -> str:
    """Asks for the visitor's tune; returns the one of those in the box that is meant."""
    st.text_area(
        "Your tune in ABC notation",
        key="music_own",
        height=210,
        placeholder=OWN_EXAMPLE,
        help="With its metre (M:), key (K:) and bars. Chord symbols, ornaments and words are left out.",
        persist_state="session",
    )
    with st.container(horizontal=True, gap="medium", vertical_alignment="bottom"):
        st.file_uploader(
            "Or open a file", type=["abc", "txt"], key="music_file", on_change=take_file, max_upload_size=1, width=420
        )
        with st.container(width=160):
            choose("Bars in all, about", "music_bars", tunes.choices(symbols, "N"), tunes.BARS, "Any length")
    found = tunes.split_tunes(state.music_own[: tunes.MAX_CHARACTERS + 1])
    if len(found) == 1:
        return state.music_own
    chosen = st.selectbox(
        f"Which of the {len(found):,} tunes",
        range(len(found)),
        format_func=lambda index: found[index][0],
        key=f"music_own_which_{len(found)}",
        on_change="ignore",
    )
    return found[min(chosen, len(found) - 1)][1]


def how() -> None:
    """The controls of how tunes are written."""
    state.setdefault("music_temperature", tunes.TEMPERATURE)
    state.setdefault("music_daring", tunes.TOP_P)
    state.setdefault("music_tunes", 1)
    keep = {"on_change": "ignore", "persist_state": "session"}
    with st.grid(4, min_column_width=150, gap="small"):
        st.slider(
            "Temperature",
            *TEMPERATURES,
            step=0.05,
            key="music_temperature",
            help="Low: well-worn turns and much repetition. 1: as varied as the tunes it learned from. High: "
            "surprises, and slips.",
            **keep,
        )
        st.select_slider(
            "How daring",
            list(DARING),
            format_func=DARING.get,
            key="music_daring",
            help="How unlikely a note may be. Sure: only the likeliest, that together make up half of the probability "
            "(top-p 0.5); then 0.8, 0.9 and 0.97. Reckless: any.",
            **keep,
        )
        st.segmented_control("Tunes at once", range(1, MAX_TUNES + 1), required=True, key="music_tunes", **keep)
        st.number_input(
            "Seed",
            0,
            MAX_SEED,
            None,
            key="music_seed",
            placeholder="random",
            help="The number that chance starts from. The same seed and settings give the same tune again.",
            **keep,
        )


def begin(model: models.Model, symbols: list[str], own: str | None) -> None:
    """Starts the tunes that were asked for, if any were; what cannot be done is said beside the controls."""
    if not state.pop("music_asked", False):
        return
    try:
        if own is None:
            chosen = [state.get(f"music_{name}") or "" for name in ("metre", "key", "dance", "bars", "opening")]
            request, remarks = tunes.new_request(symbols, *chosen)
        else:
            request, remarks = tunes.own_request(symbols, own, state.get("music_bars") or "")
    except texts.InputError as error:
        state.music_refused = str(error)
        return
    seed = state.pop("music_linked_seed", state.get("music_seed"))
    if seed is None:
        seed = np.random.default_rng().integers(1, 1_000_000)
    seed = int(texts.number(seed, 1, 0, MAX_SEED))
    state.music_writing = tunes.Writing(
        model,
        request,
        # A browser that is made to can send what the controls do not offer.
        tunes=int(texts.number(state.music_tunes, 1, 1, MAX_TUNES)),
        temperature=texts.number(state.music_temperature, tunes.TEMPERATURE, *TEMPERATURES),
        top_p=texts.number(state.music_daring, tunes.TOP_P, 0, 1),
        seed=seed,
    )
    state.music_remarks = remarks
    state.music_chosen = 0


# What came of it


def stop(writing: tunes.Writing, stopped: bool = True) -> None:
    writing.stopped = stopped


def write(writing: tunes.Writing) -> None:
    """Writes on until the tunes have ended or the visitor steps in, who then finds them as far as they came."""
    bar = st.progress(0.0)
    st.button("Stop writing", on_click=stop, args=(writing,), icon=":material/stop:", key="music_stop")
    places = [st.empty() for _ in writing.tunes]
    due = 0.0
    while not writing.ended and not writing.stopped:
        if time.perf_counter() >= due:
            written, asked = (sum(getattr(tune, name) for tune in writing.tunes) for name in ("bars", "bars_asked"))
            bar.progress(min(written / asked, 1.0), f"{written} of about {asked} bars")
            for place, tune in zip(places, writing.tunes):
                text = "".join(symbol.text for symbol in tune.written) + "▍" * (not tune.end)
                place.html(widgets.written_html(tune.request.opening, [(text, 0.5, "")]))
            due = time.perf_counter() + FRAME
        try:
            writing.step()
        except models.ModelError as error:
            writing.stopped, state.music_refused = True, str(error)
    st.rerun()


def results() -> None:
    """Shows the tunes asked for last, and writes them first if they are not done."""
    writing = state.get("music_writing")
    if writing is None:
        return
    several = len(writing.tunes) > 1
    st.subheader("Tunes" if several else "Tune", anchor=False)
    if remarks := [widgets.plain(remark) for remark in state.music_remarks]:
        st.info(remarks[0] if len(remarks) == 1 else "\n".join(f"- {remark}" for remark in remarks))
    if not writing.ended and not writing.stopped:
        write(writing)
    if not writing.ended:
        with st.container(horizontal=True, vertical_alignment="center"):
            st.markdown("Stopped on the way; what was written is below.", width="content")
            st.button(
                "Go on writing", on_click=stop, args=(writing, False), icon=":material/play_arrow:", key="music_go_on"
            )
    chosen = 0
    if several:
        chosen = st.segmented_control(
            "Tune to look at",
            range(len(writing.tunes)),
            format_func=lambda index: f"{index + 1}: {writing.tunes[index].name}",
            required=True,
            key="music_chosen",
            label_visibility="collapsed",
        )
    symbols = sum(len(tune.written) for tune in writing.tunes)
    widgets.time_taken(writing.seconds, f"{symbols:,} symbols written")
    show(writing.tunes[min(chosen or 0, len(writing.tunes) - 1)])


def keep(tune: tunes.Tune) -> None:
    state.music_kept = [*state.get("music_kept", []), tune][-MAX_KEPT:]


def forget(tune: tunes.Tune) -> None:
    state.music_kept = [other for other in state.music_kept if other.number != tune.number]


def kept() -> None:
    """The tunes the visitor kept, newest first."""
    if not state.get("music_kept"):
        return
    st.subheader("Kept tunes", anchor=False)
    st.caption("They stay while this page is open in the browser. Download those you want for longer.")
    for tune in reversed(state.music_kept):
        opened = st.expander(
            widgets.plain(f"{tune.name}, seed {tune.seed}"), key=f"music_kept_{tune.number}", on_change="rerun"
        )
        if opened.open:
            with opened:
                show(tune, kept=True)


def show(tune: tunes.Tune, kept: bool = False) -> None:
    """A tune in all its forms."""
    key = f"music_{'kept_tune' if kept else 'tune'}_{tune.number}"
    check = tunes.notation().check(tune.abc)
    with st.container(horizontal=True, horizontal_alignment="distribute", vertical_alignment="center"):
        st.markdown(f"**{widgets.plain(tune.name)}**", width="content")
        if kept:
            st.button("Remove", on_click=forget, args=(tune,), icon=":material/delete:", key=f"{key}_remove")
        else:
            there = any(other.number == tune.number for other in state.get("music_kept", []))
            st.button(
                "Kept" if there else "Keep this tune",
                on_click=keep,
                args=(tune,),
                disabled=there,
                icon=":material/favorite:",
                key=f"{key}_keep",
            )
    if tune.end == "limit":
        st.info(f"It had found no end after {tune.bars} bars and was cut there.")
    playable = False
    if not check.parses:
        st.warning(
            f"The model made a slip, so that this cannot be read as music: {widgets.plain(check.problems[0])} Its text "
            "is below. A lower temperature or a more careful choice of notes makes slips rarer."
        )
    else:
        problems = check.problems if tune.end == "end" else [p for p in check.problems if p.startswith("Bar")]
        if problems and tune.end:
            more = f" And {len(problems) - 3} more such places." if len(problems) > 3 else ""
            st.info(f"Not quite in order: {widgets.plain(' '.join(problems[:3]))}{more}")
        playable = heard_and_seen(tune, check, key)
    if not kept:
        st.subheader("How sure it was", anchor=False)
    text(tune)
    if not kept:
        st.subheader("Download", anchor=False)
    downloads(tune, key, playable)


def heard_and_seen(tune: tunes.Tune, check, key: str) -> bool:
    """The player, the sheet and the piano roll; False where that was not possible."""
    try:
        tempo = state.get(f"{key}_tempo", 160)
        st.audio(tunes.sound(tune.abc, tempo), format="audio/wav", alt=f"{tune.name}, played on plucked strings")
        st.slider("Tempo, quarter notes a minute", 60, 280, 160, 10, key=f"{key}_tempo", width=300)
        alt_text = f"Sheet music of {tune.name}, {tune.bars} bars"
        widgets.ink(tunes.sheet(tune.abc, 700), tunes.sheet(tune.abc, 330), alt_text=alt_text)
    except texts.InputError as error:
        st.warning(widgets.plain(str(error)))
        return False
    st.caption("The tune as a musician reads it. The player follows the repeats.")
    piano_roll(tune, check)
    return True


def piano_roll(tune: tunes.Tune, check) -> None:
    notes = pd.DataFrame(tunes.notation().piano_roll(tune.abc))
    notes = notes.assign(low=notes.pitch - 0.45, high=notes.pitch + 0.45, quarters=notes.end - notes.start)
    lengths = [float(eighths) / 2 for _, eighths, _ in check.bars]
    starts = pd.DataFrame({"start": np.cumsum([0.0, *lengths])[:-1], "bar": [number for number, *_ in check.bars]})
    names = dict(sorted(zip(notes.pitch, notes.name)))
    labels = " : ".join(f"datum.value == {pitch} ? '{name}'" for pitch, name in names.items()) + " : ''"
    numbered = starts[starts.bar % (4 if len(starts) > 10 else 1) == 1].drop_duplicates("bar")
    bars = " : ".join(f"datum.value == {row.start} ? '{row.bar}'" for row in numbered.itertuples()) + " : ''"
    scale = alt.Scale(domain=[0, float(notes.end.max())], nice=False)
    axis = alt.Axis(values=numbered.start.tolist(), labelExpr=bars.removeprefix(" : "), grid=False, labelAlign="left")
    x = alt.X("start:Q", scale=scale, title="bar", axis=axis)
    y = alt.Y(
        "low:Q",
        title=None,
        scale=alt.Scale(domain=[min(names) - 1, max(names) + 1], nice=False),
        axis=alt.Axis(values=list(names), labelExpr=labels, grid=False, ticks=False, domain=False, labelOverlap=True),
    )
    lines = alt.Chart(starts).mark_rule(opacity=0.25, color=widgets.css(widgets.NEUTRAL)).encode(x=x)
    rectangles = (
        alt.Chart(notes)
        .mark_rect(color=widgets.css(widgets.FOR), cornerRadius=2)
        .encode(
            x=x,
            x2="end:Q",
            y=y,
            y2="high:Q",
            tooltip=[
                alt.Tooltip("name", title="Note"),
                alt.Tooltip("bar", title="Bar"),
                alt.Tooltip("quarters", title="Quarter notes"),
            ],
        )
    )
    chart = alt.layer(lines, rectangles).properties(height=260).configure_view(stroke=None)
    st.altair_chart(chart, alt=f"Piano roll of {tune.name}: {len(notes)} notes from {min(names)} to {max(names)}")
    st.caption("The same notes as a piano roll: time runs to the right, pitch upward. Repeats are drawn once.")


def text(tune: tunes.Tune) -> None:
    """What the model wrote, each character tinted by its probability."""
    given = tune.request.prompt
    widgets.written_legend(bool(given))
    with st.container(border=True):
        st.html(
            widgets.written_html(given, [(symbol.text, symbol.probability, said(symbol)) for symbol in tune.written])
        )
    if tune.written:
        mean = np.mean([symbol.probability for symbol in tune.written])
        st.caption(
            f"The text as the model wrote it, in ABC notation; N: says about how many bars. It gave the characters it "
            f"chose a probability of {mean:.0%} on average."
        )


def said(symbol: sampling.Symbol) -> str:
    def name(text: str) -> str:
        return {"\n": "new line", " ": "space"}.get(text, text.strip())

    others = ", ".join(f"{name(text)} {probability:.0%}" for text, probability in symbol.others)
    return f"{name(symbol.text)}: {symbol.probability:.0%}" + (f" (next: {others})" if others else "")


def downloads(tune: tunes.Tune, key: str, playable: bool) -> None:
    tempo = state.get(f"{key}_tempo", 160)
    forms = [("ABC", "abc", lambda: tune.abc)]
    if playable:
        forms += [
            ("MIDI", "mid", lambda: tunes.notation().midi(tune.abc, tempo=tempo)),
            ("WAV", "wav", lambda: tunes.sound(tune.abc, tempo)),
            ("SVG", "svg", lambda: tunes.sheet(tune.abc, 800, tune.name)),
        ]
    with st.container(horizontal=True):
        for name, ending, data in forms:
            widgets.download(name, data, f"{tune.file_name}.{ending}", key=f"{key}_{ending}")
        values = (tune.request.prompt.rstrip("\n"), tune.seed, f"{tune.temperature:g}", f"{tune.top_p:g}")
        widgets.link("sees the same tune being written", dict(zip(LINKED, values)), key=f"{key}_link")
        st.button("Keep the seed", on_click=keep_seed, args=(tune,), icon=":material/keep:", key=f"{key}_seed")
    st.caption(
        f"Seed {tune.seed}, temperature {tune.temperature:g}, top-p {tune.top_p:g}. The same seed and settings give "
        "this tune again; “Keep the seed” puts it into its box."
    )


def keep_seed(tune: tunes.Tune) -> None:
    state.music_seed = tune.seed


st.title("Music", anchor=False)
st.markdown("Folk tunes written note by note: read them, hear them, keep those you like, or have your own continued.")
try:
    with st.spinner("Loading the model …", show_time=True):
        model = models.load("music")
        symbols = tunes.vocabulary(model)
        tunes.notation()
    follow_link(symbols)
    state.setdefault("music_mode", NEW)
    mode = st.segmented_control(
        "What to write",
        [NEW, OWN],
        required=True,
        key="music_mode",
        label_visibility="collapsed",
        persist_state="session",
    )
    own = own_tune(symbols) if mode == OWN else new_tune(symbols)
    how()
    above = st.container()  # on a phone, what stands under the button is out of sight
    st.button("Write", type="primary", on_click=ask, key="music_write", icon=":material/music_note:")
    begin(model, symbols, own)
    if "music_refused" in state:
        above.warning(widgets.plain(state.music_refused))
    place = st.container()
    kept()
    widgets.model_card(model)
    # Last, so that all else stands while the tune is being written.
    with place:
        results()
except models.ModelError as error:
    st.error(str(error), icon=":material/model_training:")
