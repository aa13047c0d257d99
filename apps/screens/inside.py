"""Inside the network: units, gates and gradients to be looked at, and trainings to be watched."""

import html
import json
import time

import altair as alt
import numpy as np
import pandas as pd
import streamlit as st

from apps import inside, language, models, texts, trainings, widgets

PARTS = {
    inside.UNITS: "Units",
    inside.GATES: "Gates",
    inside.GRADIENTS: "Gradients",
    inside.CLIPPING: "Clipping",
    inside.MEMORY: "Memory",
    inside.TABLE: "All cells",
}
# Of each part what is seen and why it matters, and where it comes from.
ABOUT = {
    inside.UNITS: (
        "A recurrent network keeps what it has read in a few hundred numbers, its **units**. Nobody tells it what to "
        "keep there. Below, a text is tinted by one unit: how high or low it stood after each symbol. Most units mean "
        "nothing to us; some turn out to count the place in a line, or to hold whether a bracket is open. The search "
        "finds those that go along with a property of the text.",
        "Karpathy, Johnson and Fei-Fei, Visualizing and Understanding Recurrent Networks (2016). The r of the search "
        "is Pearson's correlation.",
    ),
    inside.GATES: (
        "An LSTM decides at each step what to keep. For every unit, the **input gate** says how much of the new comes "
        "in, the **forget gate** how much of the old stays, the **output gate** how much is let out as the hidden "
        "state. Each is between 0, closed, and 1, open. A forget gate that stays near 1 is a memory; one that falls "
        "clears it.",
        "Hochreiter and Schmidhuber, Long Short-Term Memory (1997); Gers, Schmidhuber and Cummins, Learning to Forget "
        "(2000).",
    ),
    inside.GRADIENTS: (
        "A network learns from an earlier step only if the gradient of the loss gets back to it. On its way it is "
        "multiplied at each step, so it shrinks or grows like a power of the distance: it **vanishes**, and nothing "
        "far back is learnt, or it **explodes**, and training breaks. The lines show how much of it is left at each "
        "step, for networks with fresh weights. Cells with gates can keep it, as far as their gates are open: that is "
        "what the bias of the gates is for.",
        "Hochreiter (1991); Bengio, Simard and Frasconi (1994); Pascanu, Mikolov and Bengio (2013); IRNN: Le, Jaitly "
        "and Hinton (2015); the bias of the forget gate: Jozefowicz, Zaremba and Sutskever (2015).",
    ),
    inside.CLIPPING: (
        "When gradients explode, one step can throw the weights far away from all that was learnt. **Clipping** scales "
        "a gradient down whose norm is above a bound, and leaves its direction. Here the same training runs twice on "
        "the adding problem, from the same weights with the same data: once as it is, once clipped. Watch the norm "
        "shoot up, and what the loss does then: Adam divides by the mean of past squared gradients, so that after a "
        "huge one its steps are next to nothing for long.",
        "Pascanu, Mikolov and Bengio, On the difficulty of training recurrent neural networks (2013). Norms are "
        "measured before clipping; the optimizer is Adam.",
    ),
    inside.MEMORY: (
        "Two tests of nothing but memory. **Adding**: a sequence of random numbers, two of them marked; what is their "
        "sum? **Copying**: ten symbols, a long pause, then say them again. Who remembers nothing stays at the dashed "
        "line; a cell that learns to remember falls below it. Choose one and watch it learn, here and now.",
        "Hochreiter and Schmidhuber (1997), experiments 4 and 5, in the forms of Le, Jaitly and Hinton (2015) and "
        "Arjovsky, Shah and Bengio (2016).",
    ),
    inside.TABLE: (
        "How each cell of the lectures fares on the two tests: in how many of several trainings it solved them, from "
        "short sequences to long ones. The trainings are those of Memory with more units and more steps, run "
        "beforehand.",
        "Measured with `python -m benchmarks.memory_tasks`.",
    ),
}
SHARED = {"model", "layer", "unit"}  # of units and gates alike
WITH_TEXT = (inside.UNITS, inside.GATES)
FRAME = 0.5  # seconds between pictures of a training
TOP = 8  # units that a search lists
HELD = {"persist_state": "session"}

state = st.session_state


# Controls and links


def key(part: str, name: str) -> str:
    """Where the session keeps what a control says."""
    return f"inside_{name}" if name in SHARED else f"inside_{part}_{name}"


def value(part: str, name: str):
    """What a control says; a browser that is made to can send what it does not offer."""
    return inside.SETTINGS[part][name].read(state.get(key(part, name)))


def chosen(part: str) -> dict:
    return {name: value(part, name) for name in inside.SETTINGS[part]}


def put(name: str, said) -> None:
    """Has a control say something. One that says it already is left alone, for a visitor may be moving it."""
    if state.get(name) != said:
        state[name] = said


def slider(part: str, name: str, label: str, **kwargs):
    setting = inside.SETTINGS[part][name]
    put(key(part, name), value(part, name))
    return st.slider(label, setting.least, setting.most, step=setting.step, key=key(part, name), **HELD, **kwargs)


def seed_box(part: str, name: str = "seed"):
    setting = inside.SETTINGS[part][name]
    put(key(part, name), value(part, name))
    help = "The number that chance starts from. The same seed gives the same picture again."
    return st.number_input("Seed", setting.least, setting.most, step=1, key=key(part, name), help=help, **HELD)


def choice(part: str, name: str, label: str, show=str, widget=st.segmented_control, **kwargs):
    put(key(part, name), value(part, name))
    if widget is st.segmented_control:
        kwargs["required"] = True
    return widget(label, inside.SETTINGS[part][name].options, format_func=show, key=key(part, name), **HELD, **kwargs)


def examples(named: dict, on_click, prefix: str) -> None:
    with st.container(horizontal=True, gap="small", vertical_alignment="center"):
        st.caption("Try", width="content")
        for name, example in named.items():
            st.button(name, on_click=on_click, args=(example,), key=f"inside_{prefix}_{name}")


def follow_link() -> None:
    """Sets the controls to what the address says, once."""
    linked = {name: st.query_params[name] for name in st.query_params}
    part = linked.get("part")
    if part not in PARTS:
        return
    if linked == state.get("inside_linked"):
        # The address must not go on naming what is no longer shown.
        if state.get("inside_followed", shown(linked)) != shown(linked):
            st.query_params.clear()
        return
    state.inside_linked, state.inside_part = linked, part
    state.pop("inside_followed", None)
    for name, setting in inside.SETTINGS[part].items():
        state.pop(key(part, name), None)
        if name in linked:
            state[key(part, name)] = setting.read(linked[name])
    if part in WITH_TEXT:
        state.inside_model = linked.get("model")
        state.inside_property = linked.get("property")
        state[f"inside_{part}_text"] = linked.get("text", linked_example(part, linked.get("example")))


def followed() -> None:
    """Takes down what the page shows where it has followed a link; only now is all in its place."""
    if "inside_linked" in state:
        state.setdefault("inside_followed", shown(state.inside_linked))


def shown(linked: dict) -> list:
    """What the page shows of that which a link says."""
    part = linked["part"]
    names = [key(part, name) for name in inside.SETTINGS[part] if name in linked]
    names += ["inside_part", *(["inside_model", "inside_property", f"inside_{part}_text"] if part in WITH_TEXT else [])]
    return [state.get(name) for name in names]


def linked_example(part: str, name: str | None) -> str | None:
    found = [of[name] for of in inside.EXAMPLES[part].values() if name in of]
    return found[0] if found else None


def link(part: str, **more: str) -> None:
    """A button that shows the address of what is on the page."""
    values = {"part": part, **more, **chosen(part)}
    widgets.link("finds the page with these settings", values, key=f"inside_link_{part}")


def download(table: pd.DataFrame, name: str, label: str = "CSV") -> None:
    widgets.download(label, lambda: inside.as_csv(table), f"{name}.csv", key=f"inside_download_{name}")


# Drawing


def draw(chart: alt.Chart, height: int, alt_text: str, **kwargs) -> None:
    st.altair_chart(chart.properties(height=height).configure_view(stroke=None), alt=alt_text, **kwargs)


def lines(table: pd.DataFrame, y: str, series: str, order: list[str], x_title: str, y_title: str) -> alt.Chart:
    """Lines over steps on a logarithmic scale, told apart by colour and by dashes; what is not above 0 is left out."""
    scale = alt.Scale(domain=order)
    legend = alt.Legend(orient="bottom", columns=2, title=None, labelLimit=300)
    power = "abs(log(datum.value) / LN10) > 3.5 ? format(datum.value, '.0e') : format(datum.value, '~g')"
    return (
        alt.Chart(table[table[y] > inside.LOWEST])
        .mark_line(strokeWidth=2, clip=True)
        .encode(
            x=alt.X("step:Q", title=x_title, scale=alt.Scale(nice=False), axis=alt.Axis(tickMinStep=1, tickCount=6)),
            y=alt.Y(
                f"{y}:Q",
                title=y_title,
                scale=alt.Scale(type="log", nice=False),
                axis=alt.Axis(labelExpr=power, tickCount=6),
            ),
            color=alt.Color(f"{series}:N", sort=order, scale=scale, legend=legend),
            strokeDash=alt.StrokeDash(f"{series}:N", sort=order, scale=scale, legend=legend),
            tooltip=[
                alt.Tooltip(f"{series}:N", title="Line"),
                alt.Tooltip("step:Q", title=x_title.capitalize()),
                alt.Tooltip(f"{y}:Q", title=y_title.capitalize(), format=".3g"),
            ],
        )
    )


def symbols_axis(traced: inside.Traced) -> alt.X:
    """The symbols of a text from left to right, by number, for one may come twice."""
    labels = json.dumps([visible(token) for token in traced.tokens])
    axis = alt.Axis(
        labelExpr=f"{labels}[datum.value]",
        labelAngle=0 if traced.level == language.CHARACTERS else -60,
        labelFontSize=10,
        labelOverlap="greedy",
        ticks=False,
        domain=False,
        grid=False,
    )
    return alt.X("place:O", title=None, axis=axis)


def visible(token: str) -> str:
    return {"\n": language.LINE_END, " ": "␣"}.get(token, token)


# Texts and models


def choose_model() -> tuple[str, models.Model]:
    """The language model of the visitor's choice."""
    names = language.available()
    if state.get("inside_model") not in names:
        if state.get("inside_model"):
            st.info(f"The model {widgets.plain(state.inside_model[:40])} is not here; this is another one.")
        state.inside_model = names[0]
    name = st.segmented_control(
        "Trained on",
        names,
        format_func=lambda name: widgets.plain(language.corpus(name).title),
        required=True,
        key="inside_model",
        on_change=forget_unit,
        **HELD,
    )
    about = st.empty()
    with st.spinner("Loading the model …", show_time=True):
        model = models.load(f"language/{name}")
    about.caption(
        f"It reads {language.level(model)}, and learned from {widgets.plain(language.corpus(name).about)}. "
        f"{language.measured(model)}"
    )
    return name, model


def read(part: str, model: models.Model, height: int) -> tuple[inside.Traced, dict]:
    """The text in the box as the model read it, and how a link names it.

    Raises:
        InputError, ModelError: as `inside.trace`.
    """
    box, own = f"inside_{part}_text", inside.examples(part, model)
    others = [text for of in inside.EXAMPLES[part].values() for text in of.values() if text not in own.values()]
    if state.get(box) is None or state[box] in others:
        state[box] = next(iter(own.values()))
    examples(own, lambda text: state.update({box: text}), f"{part}_example")
    st.text_area("Text", key=box, height=height, on_change="ignore", **HELD)
    st.button("Read", type="primary", icon=":material/visibility:", key=f"inside_{part}_read")
    text = state[box] or ""
    kept = state.get(f"inside_{part}_traced")
    if kept is None or kept[0] is not model or kept[1] != text:
        state.pop(f"inside_{part}_traced", None)
        with st.spinner("The model is reading …"):
            kept = state[f"inside_{part}_traced"] = (model, text, inside.trace(model, text, part))
    for remark in kept[2].remarks:
        st.info(widgets.plain(remark))
    name = next((name for name, example in own.items() if example == text), None)
    return kept[2], {"example": name} if name else {"text": text}


def forget_unit() -> None:
    """The unit that tracks best what is looked for is shown next."""
    state.pop("inside_layer", None)
    state.pop("inside_unit", None)


def show_unit(layer: int, unit: int) -> None:
    put("inside_layer", layer)
    put("inside_unit", unit)


def choose_unit(part: str, traced: inside.Traced) -> tuple[int, int]:
    """Layer and unit, counted from 1."""
    layers, units = traced.hidden.shape[1:]
    show_unit(min(value(part, "layer"), layers), min(value(part, "unit"), units))
    with st.container(horizontal=True):
        layer = st.segmented_control("Layer", range(1, layers + 1), required=True, key="inside_layer", **HELD)
        unit = st.number_input(f"Unit, 1 to {units:,}", 1, units, key="inside_unit", width=170, **HELD)
    return layer, unit


# Units


def units_part() -> None:
    name, model = choose_model()
    traced, named = read(inside.UNITS, model, 160)
    found, missing = inside.properties(traced)
    st.subheader("Search", anchor=False)
    if found:
        look_for(traced, found, missing)
    else:
        st.caption("All symbols of this text are alike; there is nothing to track.")
    st.subheader("Tinted text", anchor=False)
    layer, unit = choose_unit(inside.UNITS, traced)
    tinted(traced, layer, unit, found)
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        table = {"symbol": traced.tokens, "hidden_state": traced.hidden[:, layer - 1, unit - 1].round(5)}
        table |= {f"{label}": values for label, values in found.items()}
        download(pd.DataFrame(table), f"unit_{layer}_{unit}", "The unit and all properties as CSV")
        link(inside.UNITS, model=name, property=state.get("inside_property", ""), **named)
    widgets.model_card(model)


def look_for(traced: inside.Traced, found: dict[str, np.ndarray], missing: list[str]) -> None:
    """What a unit may track, and the units that do."""
    if state.get("inside_property") not in found:
        state.inside_property = next(iter(found))
    property = st.selectbox(
        "Which units track the …", list(found), key="inside_property", on_change=forget_unit, **HELD
    )
    try:
        tracking = inside.search(traced, found[property])
    except texts.InputError as error:
        st.warning(str(error))
        return
    units = traced.hidden.shape[2]
    places = [inside.place(int(flat), units) for flat in tracking.units[:TOP]]
    if "inside_unit" not in state:
        show_unit(*places[0])
    half, rest = len(found[property]) // 2, len(found[property]) - len(found[property]) // 2
    st.markdown(verdict(property, places[0], tracking))
    labels = [f"layer {layer}, unit {unit}" for layer, unit in places]
    correlation_bars(labels, tracking, property)
    here = (state.inside_layer, state.inside_unit)
    put("inside_found", places.index(here) if here in places else None)
    st.pills(
        "Show one of them below",
        range(len(labels)),
        format_func=lambda rank: f"{labels[rank]}: r {signed(tracking.correlations[rank])}",
        key="inside_found",
        on_change=lambda: state.inside_found is not None and show_unit(*places[state.inside_found]),
    )
    st.caption(
        f"The units were chosen among {traced.hidden.shape[1] * units:,} by the first {half:,} {traced.level}; the "
        f"other {rest:,} had no say. So many units are never all unrelated to anything: with the property shifted "
        f"along the text at random, the best of them still reaches |r| = {tracking.chance:.2f} one time in twenty. "
        "Believe only what is well above that, and holds in the second half."
        + (f" This text has nothing of: {', '.join(missing)}." if missing else "")
        + (
            f" The text was read in {traced.passages} passages, each as if it were the first."
            if traced.passages > 1
            else ""
        )
    )


def signed(number: float) -> str:
    return f"{number:+.2f}".replace("-", "−")


def verdict(property: str, place: tuple[int, int], tracking) -> str:
    """What the search found, in a sentence."""
    best, again = tracking.correlations[0], tracking.confirmed[0]
    if best == 0:
        return f"The first half of this text has nothing of “{property}”, so no unit can be found by it."
    unit = f"unit {place[1]} of layer {place[0]}"
    figures = f"r = {signed(best)} where it was found, {signed(again)} in the second half"
    if abs(best) <= tracking.chance:
        return f"No unit tracks it better than chance would have it: the best is {unit}, {figures}."
    if again == 0 or best * again < 0 or abs(again) < abs(best) / 2:
        return f"The best is {unit}, but the rest of the text does not confirm it: {figures}."
    return f"**{unit.capitalize()}** tracks it best: {figures}."


def correlation_bars(labels: list[str], tracking, property: str) -> None:
    halves = ["first half, where they were found", "second half"]
    table = pd.DataFrame(
        [
            {"unit": label, "half": half, "r": round(float(r), 4)}
            for half, of in zip(halves, (tracking.correlations, tracking.confirmed))
            for label, r in zip(labels, of)
        ]
    )
    bars = (
        alt.Chart(table)
        .mark_bar(cornerRadiusEnd=2)
        .encode(
            y=alt.Y("unit:N", sort=labels, title=None, axis=alt.Axis(ticks=False, domain=False, labelLimit=140)),
            yOffset=alt.YOffset("half:N", sort=halves),
            x=alt.X("r:Q", title="correlation r", scale=alt.Scale(domain=[-1, 1])),
            color=alt.Color(
                "half:N",
                sort=halves,
                scale=alt.Scale(domain=halves),
                legend=alt.Legend(orient="bottom", title=None, columns=1, labelLimit=300),
            ),
            tooltip=["unit", "half", alt.Tooltip("r", format="+.2f")],
        )
    )
    chance = pd.DataFrame({"r": [-tracking.chance, tracking.chance]})
    rules = alt.Chart(chance).mark_rule(strokeDash=[4, 4], color=widgets.css(widgets.NEUTRAL)).encode(x="r:Q")
    draw(bars + rules, 60 + 30 * len(labels), f"Correlations of {len(labels)} units with “{property}”, and with chance")


def tinted(traced: inside.Traced, layer: int, unit: int, found: dict[str, np.ndarray]) -> None:
    """The text tinted by a unit's hidden state, and what can be said of it."""
    values = traced.hidden[:, layer - 1, unit - 1]
    strongest = float(np.abs(values).max()) or 1.0
    written = []
    for token, piece, value in zip(traced.tokens, traced.pieces, values.tolist()):
        if len(piece) > len(token):
            written.append((" ", 0.5, ""))
        shown = f"{language.LINE_END}\n" if token == "\n" else token
        written.append((shown, 0.5 + value / strongest / 2, f"{visible(token)}: {signed(value)}"))
    widgets.activation_legend(strongest, traced.level.removesuffix("s"))
    with st.container(border=True):
        st.html(widgets.written_html("", written))
    highest, lowest = inside.extremes(traced, values)
    st.caption(
        f"Unit {unit} of layer {layer} is highest ({signed(values.max())}) at the end of “{widgets.plain(highest)}”, "
        f"lowest ({signed(values.min())}) at the end of “{widgets.plain(lowest)}”, {signed(values.mean())} on average."
    )
    if found and (tracked := inside.tracks(values, found)):
        listed = ", ".join(f"{name} (r = {signed(r)})" for name, r in tracked)
        st.caption(f"Over the whole text it goes along best with: {listed}.")


# Gates


def gates_part() -> None:
    name, model = choose_model()
    traced, named = read(inside.GATES, model, 80)
    layer, unit = choose_unit(inside.GATES, traced)
    view = choice(inside.GATES, "view", "Show", inside.VIEWS.get)
    if view == "one":
        table = inside.gate_lines(traced, layer, unit)
        one_unit(traced, table, unit)
    else:
        quantity = choice(inside.GATES, "gate", "Of them the", str)
        table = inside.gate_map(traced, layer, unit, quantity)
        many_units(traced, table, quantity, layer)
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        download(table, f"gates_{layer}_{unit}", "What is drawn as CSV")
        link(inside.GATES, model=name, **named)
    widgets.model_card(model)


def one_unit(traced: inside.Traced, table: pd.DataFrame, unit: int) -> None:
    lines_of = ["this unit", "mean of the layer"]
    for quantity in (*inside.GATE_NAMES, inside.HIDDEN):
        here = table[table["quantity"] == quantity]
        bounds = [-1, 1] if quantity == inside.HIDDEN else [0, 1]
        # Of the four drawings, one above the other, the first says it for all.
        is_first = quantity == inside.GATE_NAMES[0]
        legend = alt.Legend(orient="top", title=None, labelLimit=200) if is_first else None
        scale = alt.Scale(domain=lines_of)
        chart = (
            alt.Chart(here)
            .mark_line(interpolate="step", strokeWidth=2)
            .encode(
                x=symbols_axis(traced),
                y=alt.Y(
                    "value:Q", title=None, scale=alt.Scale(domain=bounds), axis=alt.Axis(tickCount=3, minExtent=28)
                ),
                color=alt.Color("of:N", sort=lines_of, scale=scale, legend=legend),
                strokeDash=alt.StrokeDash("of:N", sort=lines_of, scale=scale, legend=legend),
                tooltip=["symbol", "of", alt.Tooltip("value", format=".2f")],
            )
        )
        mean = here.loc[here["of"] == "this unit", "value"].mean()
        st.markdown(f"**{quantity.capitalize()}**")
        alt_text = f"{quantity.capitalize()} of unit {unit} over {len(traced.tokens)} symbols, {mean:.2f} at the mean"
        draw(chart, (130 if traced.level == language.CHARACTERS else 170) + 35 * is_first, alt_text)
    st.caption(
        "What a line shows at a symbol is what the gate was while it was read. The hidden state is the output gate "
        "times the squashed cell state."
    )


def many_units(traced: inside.Traced, table: pd.DataFrame, quantity: str, layer: int) -> None:
    is_state = quantity == inside.HIDDEN
    low, high = ("negative", "positive") if is_state else ("more closed than open", "more open than closed")
    signed_by = table["value"] if is_state else 2 * table["value"] - 1
    full = max(float(signed_by.abs().max()), 1e-6) if is_state else 1.0
    table = table.assign(side=np.where(signed_by < 0, low, high), strength=signed_by.abs() / full)
    colours = alt.Scale(domain=[low, high], range=[widgets.css(widgets.AGAINST), widgets.css(widgets.FOR)])
    units = table["unit"].nunique()
    chart = (
        alt.Chart(table)
        .mark_rect()
        .encode(
            x=symbols_axis(traced),
            y=alt.Y("unit:O", title="unit", axis=alt.Axis(ticks=False, domain=False, labelOverlap=True)),
            color=alt.Color("side:N", scale=colours, legend=alt.Legend(orient="top", title=None, labelLimit=200)),
            opacity=alt.Opacity("strength:Q", scale=alt.Scale(domain=[0, 1], range=[0.03, 1]), legend=None),
            tooltip=["unit", "symbol", alt.Tooltip("value", format=".2f")],
        )
    )
    draw(chart, 70 + 13 * units, f"{quantity.capitalize()} of {units} units over {len(traced.tokens)} symbols")
    farthest = f"{full:.2f} or −{full:.2f}" if is_state else "1 or 0"
    st.caption(
        f"The units of layer {layer} whose {quantity} changes most in this text, and the one chosen. The stronger the "
        f"tint, the nearer to {farthest}."
    )


# Gradients


def set_flow(settings: dict) -> None:
    for name, setting in settings.items():
        state[key(inside.GRADIENTS, name)] = setting


def gradients_part() -> None:
    part = inside.GRADIENTS
    examples(inside.FLOWS, set_flow, "flow")
    of = choice(part, "of", "Gradient of the loss with respect to the", inside.FOLLOWED.get)
    with st.grid(2, min_column_width=260, gap="small"):
        slider(part, "length", "Steps")
        slider(
            part,
            "scale",
            "Scale of the recurrent weights",
            help="1 is how training begins: orthogonal matrices, of the IRNN the identity.",
        )
        slider(
            part,
            "bias",
            "Bias of the gates that keep",
            help="Of the LSTM's forget gate and the GRU's update gate. 0: half open. 1: Keras's forget gate when "
            "training begins. 6: nearly all stays.",
        )
        seed_box(part)
    with st.spinner("Following the gradients back …"):
        table = flows(*(value(part, name) for name in ("length", "scale", "bias", "seed")))
    shown = table[(table["of"] == "input") == (of == "inputs")].copy()
    cell_state = shown["of"] == "cell state"
    shown["network"] = shown["network"].where(~cell_state, shown["network"] + ", cell state")
    names = list(dict.fromkeys(shown["network"]))
    left = [f"{name} {inside.magnitude(shown.loc[shown['network'] == name, 'relative'].iloc[0])}" for name in names]
    length = int(shown["step"].max())
    chart = lines(shown, "relative", "network", names, "step", "gradient left")
    draw(chart, 340, f"Gradient left at each of {length} steps. At the first: {'; '.join(left)}")
    st.markdown(f"Of a gradient of 1 at the last step, this is left at the first of {length}: {'; '.join(left)}.")
    st.caption(
        "Norms, the mean of 16 sequences of the adding problem, 64 units each, computed in float64. The loss is the "
        "sum of the units after the last step."
    )
    experiment = relu_part()
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        download(table, "gradients", "The gradients as CSV")
        download(experiment, "relu_experiment", "The experiment as CSV")
        link(part)


@st.cache_data(max_entries=200, show_spinner=False)
def flows(length: int, scale: float, bias: float, seed: int) -> pd.DataFrame:
    return inside.gradients(length, scale, bias, seed)


@st.cache_data(max_entries=50, show_spinner=False)
def relus(steps: int, units: int, seed: int) -> pd.DataFrame:
    return inside.relu(steps, units, seed)


def relu_part() -> pd.DataFrame:
    """The lectures' experiment; returns what is drawn of it."""
    part = inside.GRADIENTS
    st.subheader("The ReLU experiment", anchor=False)
    st.markdown(
        "The lectures' smallest case: rectified units and nothing else, h = max(0, W h), with the weights of W drawn "
        "from a normal distribution of variance 1.5 / n, 2 / n or 3 / n for n units. Half of the units are 0, so a "
        "step multiplies by about the square root of variance / 2: with **1.5** signal and gradient vanish, with "
        "**3** they explode, and **2** keeps them."
    )
    with st.grid(3, min_column_width=150, gap="small"):
        slider(part, "relu_steps", "Steps")
        slider(part, "relu_units", "Units n")
        seed_box(part, "relu_seed")
    table = relus(*(value(part, f"relu_{name}") for name in ("steps", "units", "seed")))
    table["variance"] = table["variance"].map("variance {:g} / n".format)
    names = list(dict.fromkeys(table["variance"]))
    steps = int(table["step"].max())
    with st.grid(2, min_column_width=290, gap="small"):
        for direction, title, end in (("forward", "signal left", steps), ("backward", "gradient left", 0)):
            here = table[table["direction"] == direction]
            chart = lines(here, "relative", "variance", names, "step", title)
            left = here[here["step"] == end].set_index("variance")["relative"]
            left = "; ".join(f"{name}: {inside.magnitude(share)}" for name, share in left.items())
            draw(chart, 280, f"{title.capitalize()} after {steps} steps {direction}. {left}")
    st.caption(
        "Forward: the norm of h, beginning with 1 at step 0. Backward: the norm of the gradient, beginning with 1 at "
        "the last step and read from right to left. He et al., Delving Deep into Rectifiers (2015)."
    )
    return table


# Trainings


def start(part: str) -> None:
    """Begins the training that the controls say, and ends the visitor's last one."""
    state.pop("inside_refused", None)
    if "inside_training" in state:
        state.inside_training[2].stop(wait=3.0)
    settings = chosen(part)
    runs = (inside.clipping_runs if part == inside.CLIPPING else inside.memory_runs)(**settings)
    try:
        state.inside_training = (part, settings, trainings.begin(runs))
    except trainings.Unavailable as error:
        state.inside_refused = str(error)


def train_row(part: str) -> None:
    with st.container(horizontal=True):
        st.button(
            "Train",
            type="primary",
            icon=":material/play_arrow:",
            on_click=start,
            args=(part,),
            key=f"inside_train_{part}",
        )
        link(part)
    if "inside_refused" in state:
        st.warning(state.inside_refused)


def watch(part: str, show) -> None:
    """Shows the visitor's training, and as long as it goes on draws it again and again.

    A loop and no fragment that runs every half second: Streamlit collects garbage after each run, which takes a good
    part of that where TensorFlow is loaded.
    """
    begun, settings, training = state.get("inside_training", (None, None, None))
    if begun != part:
        return
    if training.running:
        bar = st.empty()
        st.button("Stop training", icon=":material/stop:", on_click=training.stop, key=f"inside_stop_{part}")
        place, drawn = st.empty(), None
        while training.running:
            training.look()
            steps = max((reports[-1].step for reports in training.reports.values() if reports), default=None)
            # Where a visitor has gone, or wants something else, the loop ends here.
            if steps is None:
                bar.progress(0.0, "Getting ready: TensorFlow starts, and the network is compiled …")
            else:
                most = inside.STEPS[part]
                bar.progress(steps / most, f"Step {steps:,} of {most:,} at most, {training.seconds:.0f} s")
            if steps is not None and steps != drawn:
                with place.container():
                    show(settings, training)
                drawn = steps
            time.sleep(FRAME)
        st.rerun()
    show(settings, training)


def clipping_part() -> None:
    part = inside.CLIPPING
    with st.grid(2, min_column_width=260, gap="small"):
        choice(part, "cell", "Cell", inside.CELLS.get)
        slider(part, "length", "Length of the sequences")
        choice(part, "learning_rate", "Learning rate", "{:g}".format, st.select_slider)
        choice(part, "clip", "Clip the norm at", "{:g}".format, st.select_slider)
        seed_box(part)
    train_row(part)
    watch(part, clipping_shown)


def clipping_shown(settings: dict, training: trainings.Training) -> None:
    table = inside.curves(training)
    if not training.running:
        st.markdown(inside.clipping_verdict(training))
    if table.empty:
        return
    runs = [inside.WITHOUT, inside.WITH]
    for column, title in (("gradient_norm", "norm of the gradient"), ("loss", "mean squared error")):
        draw(
            lines(table, column, "run", runs, "training step", title),
            280,
            f"{title.capitalize()} without clipping and with it",
        )
    st.caption(
        f"{inside.CELLS[settings['cell']]}, 32 units, sequences of {settings['length']} steps, learning rate "
        f"{settings['learning_rate']:g}, clipped at {settings['clip']:g}, seed {settings['seed']}. Who always answers "
        f"1 has a mean squared error of {1 / 6:.3f}. The norm is the largest of {inside.EVERY[inside.CLIPPING]} steps."
    )
    if not training.running:
        st.subheader("Download", anchor=False)
        download(table, "clipping", "The curves as CSV")


def memory_part() -> None:
    part = inside.MEMORY
    choice(part, "task", "Task", inside.TASKS.get)
    with st.grid(2, min_column_width=260, gap="small"):
        choice(part, "cell", "Cell", inside.CELLS.get, st.selectbox)
        slider(
            part,
            "length",
            "Length",
            help="Adding: of the sequence. Copying: of the pause. The longer, the harder, and the longer a step takes.",
        )
        choice(part, "units", "Units")
        seed_box(part)
    train_row(part)
    st.caption(
        f"A training here ends after {inside.STEPS[part]:,} steps or {trainings.SECONDS / 60:g} minutes, and when you "
        "leave this part of the page. Each step sees 64 new sequences; the loss is that of 256 others."
    )
    watch(part, memory_shown)


def memory_shown(settings: dict, training: trainings.Training) -> None:
    table = inside.curves(training)
    cell, task = inside.CELLS[settings["cell"]], settings["task"]
    if not training.running:
        st.markdown(inside.memory_verdict(training, task))
    if table.empty:
        return
    last = int(table["step"].max()) or inside.EVERY[inside.MEMORY]
    levels = {cell: None, "who remembers nothing": table["baseline"].iloc[0]}
    if task == "adding":
        levels["solved below"] = 0.01
    rules = [
        {"run": name, "step": step, "loss": level} for name, level in levels.items() if level for step in (0, last)
    ]
    shown = pd.concat([table[["run", "step", "loss"]], pd.DataFrame(rules)])
    title = "mean squared error" if task == "adding" else "cross-entropy, nats a step"
    chart = lines(shown, "loss", "run", list(levels), "training step", title)
    draw(chart, 330, f"Loss of {cell} on {task} as it is trained, and of who remembers nothing")
    right = f", {table['measure'].iloc[-1]:.1%} of the symbols right" if task == "copying" else ""
    st.caption(
        f"{cell}, {settings['units']} units, {task}, length {settings['length']}, seed {settings['seed']}. After "
        f"{int(table['step'].max()):,} steps the loss is {table['loss'].iloc[-1]:.4f}{right}."
    )
    if not training.running:
        st.subheader("Download", anchor=False)
        download(table, f"{task}_{settings['cell']}_{settings['length']}", "The curve as CSV")


# How all cells fare


def table_part() -> None:
    runs = inside.stored()
    task = choice(inside.TABLE, "task", "Task", inside.TASKS.get)
    summary = inside.summary(runs, task)
    if summary.empty:
        st.caption("Of this task nothing has been measured yet.")
        return
    st.html(fares_html(summary))
    here = runs[runs["task"] == task]
    most, units = (
        ", ".join(f"{int(number):,}" for number in sorted(here[name].unique())) for name in ("steps", "units")
    )
    st.caption(
        f"Solved trainings of all, and in how many steps at the median; {int(here['seed'].nunique())} seeds, at most "
        f"{most} steps, {units} units. –: not tried, for no seed solved a shorter one. The cells that solved "
        "most come first."
    )
    st.subheader("Download", anchor=False)
    with st.container(horizontal=True):
        download(summary, f"{task}_by_cell", "This table as CSV")
        download(here, f"{task}_runs", "Every run as CSV")
        link(inside.TABLE)


def fares_html(summary: pd.DataFrame) -> str:
    """A table with a row for each cell and a column for each length, tinted by the share that was solved."""
    lengths = sorted(summary["length"].unique())
    rows = []
    for cell in dict.fromkeys(summary["cell"]):
        fields, failed = [], False
        for length in lengths:
            found = summary[(summary["cell"] == cell) & (summary["length"] == length)]
            if found.empty:
                fields.append("<td>–</td>" if failed else "<td></td>")
                continue
            (row,) = found.itertuples()
            failed |= not row.solved
            steps = f'<div class="steps">{row.median_steps:,.0f}</div>' if row.solved else ""
            tint = f"background:rgba{(*widgets.FOR, round(0.04 + 0.5 * row.share, 2))}"
            fields.append(f'<td style="{tint}">{row.solved} of {row.runs}{steps}</td>')
        rows.append(f'<tr><th scope="row">{html.escape(cell)}</th>{"".join(fields)}</tr>')
    head = "".join(f'<th scope="col">{length}</th>' for length in lengths)
    return (
        "<style>.fares{overflow-x:auto}.fares table{border-collapse:separate;border-spacing:3px;font-size:0.9rem;"
        "width:100%}.fares td{text-align:center;border-radius:5px;padding:0.25rem 0.4rem;white-space:nowrap}"
        ".fares th{font-weight:500;text-align:center;padding:0.25rem 0.4rem}.fares th:first-child{text-align:left}"
        ".fares .steps{font-size:0.75rem;opacity:0.75}</style>"
        f'<div class="fares" tabindex="0" role="region" aria-label="Solved trainings by cell and length"><table><thead>'
        f'<tr><th scope="col">Length</th>{head}</tr></thead><tbody>{"".join(rows)}</tbody></table></div>'
    )


SHOW = {
    inside.UNITS: units_part,
    inside.GATES: gates_part,
    inside.GRADIENTS: gradients_part,
    inside.CLIPPING: clipping_part,
    inside.MEMORY: memory_part,
    inside.TABLE: table_part,
}

st.title("Inside the network", anchor=False)
st.markdown("Six views of what goes on in a recurrent network while it reads and while it learns.")
follow_link()
if state.setdefault("inside_part", inside.UNITS) not in PARTS:
    state.inside_part = inside.UNITS
part = st.segmented_control(
    "What to look at",
    list(PARTS),
    format_func=PARTS.get,
    required=True,
    key="inside_part",
    label_visibility="collapsed",
    on_change=lambda: state.pop("inside_refused", None),
    **HELD,
)
about, source = ABOUT[part]
st.markdown(about)
st.caption(source)
try:
    SHOW[part]()
except texts.InputError as error:
    st.warning(str(error))
except models.ModelError as error:
    st.info(str(error), icon=":material/model_training:")
except trainings.Unavailable as error:
    st.info(str(error), icon=":material/hourglass_empty:")
followed()
