import json
import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

from apps import inside, models, texts, trainings
from apps.language import CHARACTERS, WORDS
from seqkeras import understanding
from tests.apps.test_trainings import report

PLAY = "the king of the land\nsaid that he would go\n" * 3


@pytest.fixture
def characters(saved_models):
    return models.load("language/shakespeare")


@pytest.fixture
def words(saved_models):
    return models.load("language/penn_treebank")


# What the controls may say


def test_numbers_are_brought_onto_a_step_within_bounds():
    whole, part = inside.Number(10, 200, 10, 60), inside.Number(0.5, 2.0, 0.05, 1.0)
    said = ["34", 35.1, "-5", "1e99", "nan", "inf", "x", None, ""]
    assert [whole.read(value) for value in said] == [30, 40, 10, 200, 60, 60, 60, 60, 60]
    assert isinstance(whole.read(34.2), int) and part.read("0.72") == 0.7 and part.read("9") == 2.0


def test_choices_are_found_by_what_they_are_called():
    rate = inside.Choice((0.003, 0.01, 0.03), 0.03)
    assert [rate.read(value) for value in ("0.01", 0.003, "0.02", None)] == [0.01, 0.003, 0.03, 0.03]
    assert inside.Choice(("a", "b")).read("c") == "a"


def test_the_page_knows_the_cells_and_tasks_there_are():
    assert list(inside.CELLS) == list(understanding.CELLS) and list(inside.TASKS) == list(understanding.TASKS)
    for part, settings in inside.SETTINGS.items():
        for setting in settings.values():
            assert setting.read(setting.read("nonsense")) == setting.read(None), part
    for flow in inside.FLOWS.values():
        assert all(inside.SETTINGS[inside.GRADIENTS][name].read(value) == value for name, value in flow.items())


# Texts


def test_a_text_is_traced_symbol_by_symbol(characters):
    traced = inside.trace(characters, PLAY, inside.GATES)
    assert "".join(traced.tokens) == "".join(traced.pieces) == PLAY[:80] and traced.level == CHARACTERS
    assert traced.hidden.shape == (80, 2, 3) and traced.gates.shape == (80, 2, 3, 3)
    np.testing.assert_allclose(traced.hidden[:21, 0, 0] * 80, [*range(1, 21), 0], atol=1e-4)
    assert traced.remarks == ["This is a long text: only its first 80 characters are read."]
    assert inside.trace(characters, PLAY[:60], inside.UNITS).gates is None


def test_a_long_text_is_read_in_passages_that_end_with_a_line(characters):
    text = "the king of the land\n" * 60
    traced = inside.trace(characters, text, inside.UNITS)
    assert traced.passages == 3 and "".join(traced.tokens) == text and not traced.remarks
    assert traced.hidden[:, 0, 0].max() * 80 == pytest.approx(20)
    without = inside.trace(characters, "a" * 1_200, inside.UNITS)
    assert without.passages == 3 and len(without.tokens) == 1_200
    longer = inside.trace(characters, "the king\n" * 5_000, inside.UNITS)
    assert len(longer.tokens) == 2_000 and "only its first 2,000 characters" in longer.remarks[0]


def test_words_are_traced_with_the_spaces_between_them(words):
    traced = inside.trace(words, "The king of the zebra fell.\nThe market fell", inside.GATES)
    assert traced.level == WORDS and traced.tokens[:5] == ["the", "king", "of", "the", "<unk>"]
    assert "".join(traced.pieces).startswith("the king of the <unk> fell")
    assert len(traced.hidden) == len(traced.gates) == len(traced.tokens)
    assert any("zebra" in remark for remark in traced.remarks)
    long = inside.trace(words, "the king fell " * 1_000, inside.UNITS)
    assert len(long.tokens) == 600 and long.passages == 4 and "first 600 words" in long.remarks[0]


@pytest.mark.parametrize("text", ["", " \n\t", "日本", "\x00\x00", "🙂" * 100_000])
def test_a_text_of_which_nothing_can_be_read_is_refused(characters, text):
    with pytest.raises(texts.InputError, match="There is no text yet|knows nothing"):
        inside.trace(characters, text, inside.UNITS)


def test_what_a_model_leaves_out_is_said(characters):
    traced = inside.trace(characters, "the 🙂 king\x07\r\n", inside.UNITS)
    assert "".join(traced.tokens) == "the  king \n" and any("🙂" in remark for remark in traced.remarks)


def test_a_model_without_gates_is_refused(characters, monkeypatch):
    monkeypatch.setattr(characters, "config", {"level": "characters", "cell": "gru"})
    with pytest.raises(models.ModelError, match="LSTM"):
        inside.trace(characters, "the king", inside.GATES)


def test_examples_are_those_that_a_model_can_read(characters, words):
    assert list(inside.examples(inside.GATES, characters)) == ["A king", "To be"]
    assert inside.examples(inside.UNITS, words) == inside.EXAMPLES[inside.UNITS][WORDS]


# Units


def test_the_search_finds_the_units_that_count_the_place_in_the_line(characters):
    traced = inside.trace(characters, PLAY, inside.UNITS)
    varying, missing = inside.properties(traced)
    assert "inside quotes" in missing and "inside quotes" not in varying
    found = inside.search(traced, varying["position in the line"])
    assert {inside.place(int(flat), 3) for flat in found.units[:2]} == {(1, 1), (2, 1)}
    assert sorted(found.correlations[:2]) == pytest.approx([-1, 1]) and abs(found.confirmed[:2]) == pytest.approx(1)
    best, others = inside.tracks(traced.hidden[:, 0, 0], varying)[0], inside.tracks(traced.hidden[:, 0, 2], varying)
    assert best == ("position in the line", pytest.approx(1)) and others == []
    high, low = inside.extremes(traced, traced.hidden[:, 0, 0])
    assert high.endswith("would go") and low.endswith("⏎")


def test_a_search_in_a_short_text_is_refused(characters):
    traced = inside.trace(characters, "the king", inside.UNITS)
    with pytest.raises(texts.InputError, match="40 characters or more; the model read 8"):
        inside.search(traced, inside.properties(traced)[0]["vowel"])


def test_properties_of_words_are_those_of_words(words):
    varying, _ = inside.properties(inside.trace(words, "The king fell.\nThe market fell", inside.UNITS))
    assert "position in the sentence" in varying


# Gates


def test_the_lines_of_a_unit_are_its_gates_and_their_mean(characters):
    traced = inside.trace(characters, "the king\n", inside.GATES)
    table = inside.gate_lines(traced, layer=2, unit=3)
    assert len(table) == 9 * 4 * 2
    forget = table[table["quantity"] == "forget gate"]
    own, mean = (forget.loc[forget["of"] == of, "value"] for of in ("this unit", "mean of the layer"))
    np.testing.assert_allclose(own, traced.gates[:, 1, 1, 2])
    np.testing.assert_allclose(mean, traced.gates[:, 1, 1].mean(axis=1), rtol=1e-6)
    hidden = table[(table["quantity"] == inside.HIDDEN) & (table["of"] == "this unit")]
    np.testing.assert_allclose(hidden["value"], traced.hidden[:, 1, 2])
    assert "".join(hidden["symbol"]) == "the king\n"


def test_the_map_has_the_units_that_change_most_and_the_one_chosen(characters):
    traced = inside.trace(characters, "the king\n", inside.GATES)
    table = inside.gate_map(traced, layer=1, unit=3, quantity="output gate", most=2)
    assert set(table["unit"]) == {2, 3}  # unit 3 is always 0, unit 1 rises slowly
    values = table.pivot(index="place", columns="unit", values="value")
    np.testing.assert_allclose(values, traced.gates[:, 0, 2, 1:], rtol=1e-6)


# Gradients


def first(table, of="input"):
    """What is left at the first step, by network."""
    here = table[(table["of"] == of) & (table["step"] == 1)]
    return dict(zip(here["network"], here["relative"]))


def test_gradients_are_those_of_the_library_at_every_length():
    for length, cells in ((10, ("simple_rnn", "lstm")), (20, ("simple_rnn",))):
        table = inside.gradients(length, scale=1.0, bias=1.0, seed=2)
        inputs, _ = understanding.adding_problem(16, length, 2)
        for cell in cells:
            kind, arguments = understanding.CELLS[cell](64, 2, 1)
            flow = understanding.gradient_flow(kind(64, **arguments, dtype="float64"), inputs)
            here = table[table["network"] == inside.CELLS[cell]]
            for of, norms in zip(("input", "hidden state", "cell state"), (flow.inputs, *flow.states)):
                np.testing.assert_allclose(here.loc[here["of"] == of, "norm"], norms, rtol=1e-9)


def test_gradients_vanish_explode_and_are_kept():
    middle, small, large, kept = (
        first(inside.gradients(40, scale, bias, 1)) for scale, bias in ((1.0, 1.0), (0.7, 1.0), (1.6, 1.0), (1.0, 6.0))
    )
    for network in inside.FLOWING:
        name = inside.CELLS[network]
        assert small[name] < middle[name] < large[name]
    assert middle["IRNN"] == pytest.approx(1, abs=0.2) and small["Simple RNN"] < 1e-4 and large["IRNN"] > 1e6
    for gated in ("LSTM", "GRU"):
        assert middle[gated] < 0.01 and kept[gated] > 0.3
    assert kept["Simple RNN"] == middle["Simple RNN"]


def test_the_relu_experiment_begins_with_one_on_either_side():
    table = inside.relu(steps=30, units=200, seed=1)
    assert len(table) == 3 * 2 * 31
    ends = table[table["step"] == np.where(table["direction"] == "forward", 0, 30)]
    assert (ends["relative"] == 1).all() and len(ends) == 6
    others = table[table["step"] == np.where(table["direction"] == "forward", 30, 0)]
    left = others.groupby("variance")["relative"]
    assert left.max()[1.5] < 0.1 and left.min()[3.0] > 10 and 0.05 < left.min()[2.0] < left.max()[2.0] < 20


@pytest.mark.parametrize(
    "value, shown",
    [(0, "0"), (1, "1"), (0.0063, "0.0063"), (170.4, "170"), (1e-5, "1 · 10⁻⁵"), (7.2e21, "7 · 10²¹")],
)
def test_magnitudes(value, shown):
    assert inside.magnitude(value) == shown


# Trainings


def test_clipping_is_the_one_difference():
    without, clipped = inside.clipping_runs("irnn", length=5, learning_rate=0.03, clip=3.0, seed=1).items()
    assert (without[0], clipped[0]) == (inside.WITHOUT, inside.WITH)
    assert without[1] | {"clip": 3.0} == clipped[1] and without[1]["clip"] is None


def finished(end=trainings.DONE, **reports):
    """What a training has come to, without one."""
    return SimpleNamespace(ended=end, reports={name.replace("_", " "): of for name, of in reports.items()})


def test_curves_leave_out_what_is_no_number():
    training = finished(a=[report(0), report(10, math.nan, math.inf)], b=[report(0, 0.5)])
    table = inside.curves(training)
    assert table["run"].tolist() == ["a", "a", "b"] and table["step"].tolist() == [0, 10, 0]
    assert table["loss"].isna().tolist() == [False, True, False] and np.isnan(table["gradient_norm"][1])
    assert inside.curves(finished(a=[])).empty


@pytest.mark.parametrize(
    "end, reports, task, sentence",
    [
        ("done", [report(0), report(650, 0.0092, solved=True)], "adding", "**Solved** after 650 steps"),
        ("done", [report(3000, 0.1)], "adding", "**Not solved** in 3,000 steps"),
        ("stopped", [report(20, 0.1)], "adding", "stopped after 20 steps. On sequences"),
        (None, [report(20, 0.1)], "adding", "stopped after 20 steps"),
        ("late", [report(20, 0.1)], "adding", "2 minutes were over after 20 steps"),
        ("left", [report(20, 0.1)], "adding", "this part of the page was left"),
        ("failed", [report(20, 0.1)], "adding", "broke off after 20 steps"),
        ("failed", [], "adding", "broke off after 0 steps"),
        ("done", [report(0), report(30, math.nan)], "adding", "exploded within 30 steps"),
        ("done", [report(3000, 0.2, measure=0.5)], "copying", "50.0% are right"),
    ],
)
def test_what_came_of_a_training_is_said(end, reports, task, sentence):
    assert sentence in inside.memory_verdict(finished(end, LSTM=reports), task)


def test_what_clipping_did_is_said():
    without = [report(0, 1.0, 0.0), report(10, 0.9, 1e13), report(20, 1.3, 5.0)]
    said = inside.clipping_verdict(
        finished("stopped", without_clipping=without, with_clipping=[report(0), report(10, 0.155, 3.0)])
    )
    assert "Without clipping, the largest gradient had a norm of 1 · 10¹³ (by step 10)" in said
    assert "after 20 steps is **1.300**" in said and "after 10 steps is **0.155**" in said and "stopped" in said
    broken = finished("done", without_clipping=[report(0), report(10, math.nan, math.inf)], with_clipping=[])
    assert "more than a float holds" in inside.clipping_verdict(broken)
    assert "no number any more" in inside.clipping_verdict(broken)


# The stored table


def row(task="adding", cell="lstm", length=10, seed=0, solved=True, steps_taken=500):
    rest = {"units": 64, "steps": 4000, "batch_size": 64, "learning_rate": 0.005, "loss": 0.1, "measure": 0.1}
    known = {"task": task, "cell": cell, "length": length, "seed": seed, "solved": solved, "steps_taken": steps_taken}
    return known | rest | {"baseline": 0.1667}


def test_the_summary_counts_what_was_solved(tmp_path, monkeypatch):
    rows = [row(seed=seed, solved=seed > 0, steps_taken=100 * (seed + 1)) for seed in range(3)]
    rows += [row(cell="irnn", length=length, solved=length == 10) for length in (50, 10)]
    rows += [row(cell="gru", length=50) | {"loss": None, "measure": None}, row(task="copying")]
    monkeypatch.setattr(inside, "STORED", tmp_path / "rows.json")
    inside.STORED.write_text(json.dumps(rows))
    table = inside.summary(inside.stored(), "adding")
    assert table[["cell", "length"]].values.tolist() == [["IRNN", 10], ["IRNN", 50], ["GRU", 50], ["LSTM", 10]]
    assert table["solved"].tolist() == [1, 0, 1, 2] and table["runs"].tolist() == [1, 1, 1, 3]
    assert table["median_steps"].iloc[3] == 250 and np.isnan(table["median_steps"].iloc[1])


@pytest.mark.parametrize("contents", [None, "", "[]", "{}", "7", '[{"task": "adding"}]', '["x"]', "\x00"])
def test_without_a_table_there_is_a_sentence(tmp_path, monkeypatch, contents):
    monkeypatch.setattr(inside, "STORED", tmp_path / "rows.json")
    if contents is not None:
        inside.STORED.write_text(contents)
    with pytest.raises(trainings.Unavailable, match="benchmarks.memory_tasks") as caught:
        inside.stored()
    assert str(tmp_path) not in str(caught.value)


def test_tables_hold_no_formulas():
    table = inside.as_csv(pd.DataFrame({"symbol": ["=1+1", "a,b", "\n"], "value": [0.5, -1.0, 2.0]}))
    assert table.decode("utf-8-sig") == 'symbol,value\n\'=1+1,0.5\n"a,b",-1.0\n"\n",2.0\n'
