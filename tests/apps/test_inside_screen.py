import json
import re
import sys
import threading
from urllib.parse import parse_qs, urlparse

import pytest

from apps import inside as logic
from apps import trainings
from tests.apps.conftest import at, visitor
from tests.apps.test_inside import row
from tests.apps.test_sentiment import everything, markup
from tests.apps.test_trainings import FAKE
from tests.apps.test_widgets import shown

PARTS = ["units", "gates", "gradients", "clipping", "memory", "table"]


def choose(app, **chosen):
    """Sets segmented controls by their keys."""
    for key, value in chosen.items():
        next(group for group in app.get("button_group") if group.key == f"inside_{key}").set_value(value)
    return app.run()


def headings(app):
    return [heading.value for heading in app.subheader]


def charts(app):
    return len(app.get("vega_lite_chart"))


def downloads(app):
    return [element.proto.label for element in app.get("download_button")]


def link(app):
    """The parameters of the address that the page shows."""
    (address,) = (code.value for code in app.code if "part=" in code.value)
    return {name: values[0] for name, values in parse_qs(urlparse(address).query, keep_blank_values=True).items()}


def fine(app):
    return not app.error and not app.exception and not app.warning


# Units


def test_the_page_opens_with_a_text_tinted_by_the_unit_that_tracks_best(inside):
    assert fine(inside) and headings(inside) == ["Search", "Tinted text", "Download", "Model"]
    assert "**Unit 1 of layer 1** tracks it best: r = +1.00 where it was found, +1.00 in" in everything(inside)
    assert "highest" in everything(inside) and 'title="G: +0.01"' in markup(inside)
    assert shown(markup(inside)).count("⏎") == logic._PLAY.count("\n") and charts(inside) == 1
    assert "among 6 by the first" in everything(inside) and downloads(inside) == ["The unit and all properties as CSV"]


def test_another_property_has_another_unit_and_any_unit_can_be_chosen(inside):
    before = markup(inside)
    inside.selectbox(key="inside_property").select("space").run()
    assert fine(inside) and markup(inside) != before
    pills = next(group for group in inside.get("button_group") if group.key == "inside_found")
    assert pills.value == 0 and re.fullmatch(r"layer \d, unit \d: r [+−]\d\.\d\d", pills.options[0])
    pills.set_value(2).run()
    chosen = inside.session_state["inside_layer"], inside.session_state["inside_unit"]
    assert f"layer {chosen[0]}, unit {chosen[1]}:" in pills.options[2]
    choose(inside, layer=1)
    inside.number_input(key="inside_unit").set_value(3).run()
    assert "Unit 3 of layer 1 is highest (+0.00)" in everything(inside) and fine(inside)


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "There is no text yet"),
        ("日本語", "knows nothing"),
        ("\x00\x01", "There is no text yet|knows nothing"),
        ("the", "needs a text of 40 characters or more; the model read 3"),
    ],
)
def test_a_text_that_cannot_be_read_is_kept_and_explained(inside, text, sentence):
    inside.text_area(key="inside_units_text").set_value(text)
    inside.button(key="inside_units_read").click().run()
    assert not inside.error and not inside.exception
    assert len(inside.warning) == 1 and re.search(sentence, inside.warning[0].value)
    assert inside.text_area(key="inside_units_text").value == text


@pytest.mark.parametrize("text", ["<script>alert(1)</script> ![x](http://a.b/c.png) the king\n" * 5, "a" * 100_000])
def test_a_strange_or_long_text_is_read_as_far_as_it_goes(inside, text):
    inside.text_area(key="inside_units_text").set_value(text)
    inside.button(key="inside_units_read").click().run()
    assert fine(inside) and "<script" not in markup(inside) and "![x](" not in everything(inside)
    assert "Left out" in everything(inside) or "only its first" in everything(inside)


def test_a_word_model_has_words_and_their_properties(inside):
    choose(inside, model="penn_treebank")
    assert fine(inside) and inside.text_area(key="inside_units_text").value.startswith("The company said")
    assert inside.selectbox(key="inside_property").value == "position in the sentence"
    assert "length of the word" in inside.selectbox(key="inside_property").options
    inside.button(key="inside_units_example_A story").click().run()
    assert fine(inside) and "alice" in everything(inside).lower()
    choose(inside, model="shakespeare")
    assert fine(inside)


# Gates


def test_gates_of_one_unit_and_of_many(inside):
    choose(inside, part="gates")
    assert fine(inside) and charts(inside) == 4 and downloads(inside) == ["What is drawn as CSV"]
    choose(inside, gates_view="many")
    assert fine(inside) and charts(inside) == 1
    choose(inside, gates_gate="hidden state")
    assert fine(inside) and "whose hidden state changes most" in everything(inside)
    inside.text_area(key="inside_gates_text").set_value("the king " * 50)
    inside.button(key="inside_gates_read").click().run()
    assert "only its first 80 characters are read" in everything(inside)


# Gradients


def test_gradients_are_drawn_and_settings_that_show_something_are_offered(app):
    at(app, "inside", part="gradients", length="20")
    assert fine(app) and charts(app) == 3 and headings(app) == ["The ReLU experiment", "Download"]
    assert re.search(r"left at the first of 20: Simple RNN [\d.]+; IRNN ", everything(app))
    assert downloads(app) == ["The gradients as CSV", "The experiment as CSV"]
    app.button(key="inside_flow_Vanishing").click().run()
    assert app.slider(key="inside_gradients_scale").value == 0.7 and "10⁻" in everything(app)
    choose(app, gradients_of="states")
    assert fine(app) and "LSTM, cell state" in everything(app)


# Trainings


@pytest.fixture
def fake(monkeypatch):
    """Trainings without TensorFlow, of as many reports as `fake(count)` says."""
    monkeypatch.setattr(trainings, "COMMAND", [sys.executable, "-c", FAKE])

    def fake(count, wait=0.0):
        of_each = {"count": count, "wait": wait}
        monkeypatch.setattr(logic, "memory_runs", lambda **settings: {"LSTM": of_each})
        both = {logic.WITHOUT: of_each, logic.WITH: of_each}
        monkeypatch.setattr(logic, "clipping_runs", lambda **settings: both)

    return fake


def test_a_cell_is_trained_and_its_loss_drawn(app, fake):
    fake(60)
    at(app, "inside", part="memory", length="10")
    assert fine(app) and charts(app) == 0
    app.button(key="inside_train_memory").click().run()
    assert fine(app) and "**Solved** after 590 steps" in everything(app) and charts(app) == 1
    assert downloads(app) == ["The curve as CSV"] and "LSTM, 32 units, adding, length 10" in everything(app)
    assert not [button for button in app.button if button.key == "inside_stop_memory"]
    app.switch_page("screens/home.py").run()
    app.switch_page("screens/inside.py").run()
    assert "**Solved** after 590 steps" in everything(app)


def test_a_training_that_is_stopped_is_shown_as_far_as_it_came(app, fake, monkeypatch):
    fake(10_000, wait=0.01)
    at(app, "inside", part="memory")
    begun = []
    begin = trainings.begin

    def begin_and_stop(runs):
        begun.append(begin(runs))
        threading.Timer(1.0, begun[-1].stop).start()
        return begun[-1]

    monkeypatch.setattr(trainings, "begin", begin_and_stop)
    app.button(key="inside_train_memory").click().run()
    assert begun[0].ended == trainings.STOPPED and charts(app) == 1
    assert fine(app) and "It was stopped after" in everything(app) and downloads(app) == ["The curve as CSV"]


def test_another_training_takes_the_place_of_a_visitors_first(app, fake):
    fake(10_000, wait=0.01)
    first = trainings.begin(logic.memory_runs())
    fake(3)
    at(app, "inside", part="memory")
    app.session_state["inside_training"] = ("memory", {}, first)
    app.button(key="inside_train_memory").click().run()
    assert first.ended == trainings.STOPPED and fine(app) and "**Solved** after 20 steps" in everything(app)


def test_who_comes_when_all_places_are_taken_is_told_to_wait(app, fake):
    fake(10_000, wait=0.01)
    others = [trainings.begin(logic.memory_runs()) for _ in range(trainings.MOST)]
    at(app, "inside", part="memory")
    app.button(key="inside_train_memory").click().run()
    assert len(app.warning) == 1 and "try again in a moment" in app.warning[0].value and not app.error
    for other in others:
        other.stop(wait=10)
    fake(3)
    app.button(key="inside_train_memory").click().run()
    assert fine(app) and "**Solved**" in everything(app)


def test_clipping_is_compared(app, fake):
    fake(30)
    at(app, "inside", part="clipping")
    app.button(key="inside_train_clipping").click().run()
    assert fine(app) and charts(app) == 2 and downloads(app) == ["The curves as CSV"]
    assert "Without clipping, the largest" in everything(app) and "With clipping, the largest" in everything(app)
    choose(app, part="memory")
    assert fine(app) and charts(app) == 0


# How all cells fare


def test_the_stored_table_is_shown_by_task(app, monkeypatch, tmp_path):
    monkeypatch.setattr(logic, "STORED", tmp_path / "rows.json")
    at(app, "inside", part="table")
    assert not app.error and "has not been measured yet" in app.info[0].value
    rows = [row(length=length, seed=seed, solved=length < 50) for length in (10, 50) for seed in range(3)]
    logic.STORED.write_text(json.dumps([*rows, row(cell="<b>new</b>"), row(cell="gru", length=100)]))
    app.run()
    assert fine(app) and "3 of 3" in shown(markup(app)) and "0 of 3" in shown(markup(app))
    # The LSTM was not tried at 100, for at 50 it failed; the GRU was not measured at 10.
    assert markup(app).count("<td>–</td>") == 1 and "<td></td>" in markup(app)
    assert "<b>" not in markup(app) and downloads(app) == ["This table as CSV", "Every run as CSV"]
    choose(app, table_task="copying")
    assert fine(app) and "nothing has been measured yet" in everything(app)


# Links


@pytest.mark.parametrize(
    "parameters",
    [
        {"part": "units", "model": "penn_treebank", "example": "A story", "property": "length of the word"},
        {"part": "units", "model": "shakespeare", "text": "the king of the land " * 3, "layer": "2", "unit": "3"},
        {"part": "gates", "text": "the king\n", "view": "many", "gate": "input gate", "layer": "2", "unit": "2"},
        {"part": "gradients", "of": "states", "length": "20", "scale": "0.7", "bias": "3.0", "relu_steps": "40"},
        {"part": "clipping", "cell": "gru", "length": "20", "learning_rate": "0.1", "clip": "3.0", "seed": "7"},
        {"part": "memory", "task": "copying", "cell": "scrn", "length": "45", "units": "16", "seed": "0"},
    ],
)
def test_the_link_of_a_part_names_what_it_shows(app, parameters):
    at(app, "inside", **parameters)
    assert fine(app)
    found = link(app)
    assert {name: found[name] for name in parameters} == parameters
    app.run()
    assert "part" in app.query_params
    # What is changed then is no longer what the address names.
    if parameters["part"] == "memory":
        app.slider(key="inside_memory_length").set_value(50).run()
        app.run()
        assert "part" not in app.query_params and link(app)["length"] == "50"


@pytest.mark.parametrize("part", [*PARTS, "nonsense"])
def test_whatever_a_link_says_the_page_stands(app, part):
    strange = {"layer": "99", "unit": "-1", "view": "x", "length": "nan", "scale": "1e9", "seed": "x", "task": "../.."}
    at(app, "inside", part=part, model="../music", example="nothing", property="<b>", cell="no", **strange)
    assert not app.error and not app.exception and not app.warning
    assert "<b>" not in markup(app)


# The page as a whole


def test_without_a_model_the_parts_that_need_none_work(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    at(app, "inside")
    for part in ("gates", "units"):
        choose(app, part=part)
        assert fine(app) and "--corpus shakespeare" in app.info[0].value
    choose(app, part="memory")
    assert fine(app) and app.button(key="inside_train_memory")


def test_what_is_chosen_outlives_a_look_elsewhere_and_is_the_visitors_own(inside):
    inside.selectbox(key="inside_property").select("vowel").run()
    choose(inside, part="clipping")
    inside.switch_page("screens/home.py").run()
    inside.switch_page("screens/inside.py").run()
    assert inside.session_state["inside_part"] == "clipping"
    choose(inside, part="units")
    assert inside.selectbox(key="inside_property").value == "vowel"
    other = at(visitor(), "inside")
    assert other.selectbox(key="inside_property").value == "position in the line"
