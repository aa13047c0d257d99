"""What the page "Inside the network" shows, as data: units, gates, gradients, and trainings that can be watched."""

import functools
import json
import logging
import math
import re
import threading
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from apps import language, models, texts
from apps.trainings import DONE, FAILED, LATE, LEFT, SECONDS, STOPPED, Report, Training, Unavailable

logger = logging.getLogger(__name__)

UNITS, GATES, GRADIENTS, CLIPPING, MEMORY, TABLE = "units", "gates", "gradients", "clipping", "memory", "table"

LONGEST_PASSAGE = {language.CHARACTERS: 500, language.WORDS: 150}  # symbols that a model's `trace` reads at once
LONGEST = {
    UNITS: {language.CHARACTERS: 2_000, language.WORDS: 600},
    GATES: {language.CHARACTERS: 80, language.WORDS: 40},  # more cannot be told apart in a drawing
}
LONGEST_GIVEN = 50_000  # characters of a text that are looked at at all
SHORTEST = 40  # symbols in which units are searched
GATE_NAMES = ("input gate", "forget gate", "output gate")
HIDDEN = "hidden state"

MAX_SEED = 2**31 - 1
STEPS = {CLIPPING: 300, MEMORY: 3_000}  # of a training, at most
EVERY = {CLIPPING: 5, MEMORY: 10}  # steps from report to report

CELLS = {
    "simple_rnn": "Simple RNN",
    "irnn": "IRNN",
    "lstm": "LSTM",
    "gru": "GRU",
    "peephole_lstm": "LSTM with peepholes",
    "coupled_lstm": "LSTM, coupled gates",
    "gru_without_reset_gate": "GRU, no reset gate",
    "clockwork_rnn": "Clockwork RNN",
    "scrn": "SCRN",
    "elman": "Elman network",
    "echo_state": "Echo state network",
}
FLOWING = ("simple_rnn", "irnn", "lstm", "gru")  # side by side in the gradients
TASKS = {"adding": "Adding", "copying": "Copying"}
FOLLOWED = {"inputs": "Input of a step", "states": "State after a step"}
VIEWS = {"one": "One unit", "many": "Many units"}
VARIANCES = (1.5, 2.0, 3.0)  # of the lectures' experiment
LOWEST = 1e-300  # in a logarithmic drawing


# What the controls of the page may say


@dataclass(frozen=True)
class Number:
    """A number from `least` to `most` in steps; ints stay ints."""

    least: float
    most: float
    step: float
    default: float

    def read(self, value) -> float:
        """What a control or a link says, brought within the bounds; the default if it says no number."""
        try:
            value = float(value)
        except (TypeError, ValueError):
            return self.default
        if not math.isfinite(value):
            return self.default
        steps = round((min(max(value, self.least), self.most) - self.least) / self.step)
        return type(self.default)(round(self.least + steps * self.step, 6))


@dataclass(frozen=True)
class Choice:
    """One of some options; the first unless another is the default."""

    options: tuple
    default: object = None

    def read(self, value):
        """The option that a control or a link says; the default if it says none of them."""
        default = self.options[0] if self.default is None else self.default
        return next((option for option in self.options if str(option) == str(value)), default)


SEED = Number(0, MAX_SEED, 1, 1)
SETTINGS = {
    UNITS: {"layer": Number(1, 64, 1, 1), "unit": Number(1, 100_000, 1, 1)},
    GATES: {
        "layer": Number(1, 64, 1, 1),
        "unit": Number(1, 100_000, 1, 1),
        "view": Choice(tuple(VIEWS)),
        "gate": Choice((*GATE_NAMES, HIDDEN), GATE_NAMES[1]),
    },
    GRADIENTS: {
        "of": Choice(tuple(FOLLOWED)),
        "length": Number(10, 200, 10, 60),
        "scale": Number(0.5, 2.0, 0.05, 1.0),
        "bias": Number(0.0, 6.0, 0.5, 1.0),
        "seed": SEED,
        "relu_steps": Number(10, 200, 10, 100),
        "relu_units": Number(50, 1_000, 50, 500),
        "relu_seed": SEED,
    },
    CLIPPING: {
        "cell": Choice(("irnn", "simple_rnn", "lstm", "gru")),
        "length": Number(10, 100, 10, 50),
        "learning_rate": Choice((0.003, 0.01, 0.03, 0.1), 0.03),
        "clip": Choice((0.1, 0.3, 1.0, 3.0, 10.0), 1.0),
        "seed": SEED,
    },
    MEMORY: {
        "task": Choice(tuple(TASKS)),
        "cell": Choice(tuple(CELLS), "lstm"),
        "length": Number(5, 200, 5, 30),
        "units": Choice((16, 32, 64), 32),
        "seed": SEED,
    },
    TABLE: {"task": Choice(tuple(TASKS))},
}
# Settings of the gradients that show something.
FLOWS = {
    "As training begins": {"length": 60, "scale": 1.0, "bias": 1.0},
    "Vanishing": {"length": 60, "scale": 0.7, "bias": 0.0},
    "Exploding": {"length": 60, "scale": 1.6, "bias": 0.0},
    "Gates that keep": {"length": 60, "scale": 1.0, "bias": 6.0},
}

_PLAY = """GONZALO:
Here is everything advantageous to life.

ANTONIO:
True; save means to live.

SEBASTIAN:
Of that there's none, or little.

GONZALO:
How lush and lusty the grass looks! how green!

ANTONIO:
The ground indeed is tawny.

SEBASTIAN:
With an eye of green in't.

ANTONIO:
He misses not much.

SEBASTIAN:
No; he doth but mistake the truth totally.

GONZALO:
But the rarity of it is,--which is indeed almost
beyond credit,--

SEBASTIAN:
As many vouched rarities are.

GONZALO:
That our garments, being, as they were, drenched in
the sea, hold notwithstanding their freshness and
glosses, being rather new-dyed than stained with
salt water.

ANTONIO:
If but one of his pockets could speak, would it not
say he lies?

SEBASTIAN:
Ay, or very falsely pocket up his report

GONZALO:
Methinks our garments are now as fresh as when we
put them on first in Afric, at the marriage of
the king's fair daughter Claribel to the King of Tunis.
"""
_CODE = '''class Reader:
    """Reads a file, line by line (but not all of it)."""

    def __init__(self, path, encoding="utf-8"):
        self.path, self.encoding = path, encoding
        self.lines = []

    def read(self, limit=None):
        with open(self.path, encoding=self.encoding) as file:
            for number, line in enumerate(file):
                if limit is not None and number >= limit:
                    raise ValueError("the file has too many lines")
                self.lines.append(line.strip())
        return self.lines

    def report(self, words=("a", "an", "the")):
        """Says how often each of these words stands in the file."""
        if not self.lines:
            return "nothing has been read so far"
        found = {word: sum(line.count(word) for line in self.lines) for word in words}
        print("There are %d lines in the file" % len(self.lines))
        for word, count in sorted(found.items()):
            print("the word", word, "was found", count, "times")
        return "that is all there is to say"
'''
_STORY = """Alice was beginning to get very tired of sitting by her sister on the bank,
and of having nothing to do: once or twice she had peeped into the book her
sister was reading, but it had no pictures or conversations in it, "and what is
the use of a book," thought Alice "without pictures or conversations?"

There was nothing so very remarkable in that; nor did Alice think it so very
much out of the way to hear the Rabbit say to itself, "Oh dear! Oh dear! I shall
be late!" (when she thought it over afterwards, it occurred to her that she
ought to have wondered at this, but at the time it all seemed quite natural).
"""
_NEWS = """The company said its profit rose 12% to $24 million in the third quarter.
Sales of computers fell for a second year, the chairman said, but the new machines are selling well.
Analysts had expected a smaller gain, and the shares rose $2 to close at $31.
In New York, prices of government bonds fell as the dollar rose against the yen.
The bank said it will sell its real estate unit to a group of investors for $180 million.
The sale, which still has to be approved by the board, would be one of the largest of the year.
Traders said that many investors are waiting for the report on the trade deficit.
The government will publish the figures on Friday.
"I think the market is a bit nervous," said one trader at a big brokerage firm.
Interest rates on short loans were little changed.
"""
EXAMPLES = {
    UNITS: {
        language.CHARACTERS: {"A play": _PLAY, "Source code": _CODE, "A story": _STORY},
        language.WORDS: {"Business news": _NEWS, "A story": _STORY},
    },
    GATES: {
        language.CHARACTERS: {
            "A king": "KING RICHARD:\nMy lord, the night is long.\n",
            "Brackets": 'print(f(x, [1, 2]), "done")\n',
            "To be": "To be, or not to be, that is the question.\n",
        },
        language.WORDS: {
            "A profit": "The company said its profit rose 12% in the third quarter. The chairman was pleased.",
            "Far apart": "The price of the shares that the investors of the bank bought last year has fallen.",
        },
    },
}


def examples(part: str, model: models.Model) -> dict[str, str]:
    """The examples of a part of which a model can read nine tenths; all for its level if it can of none."""
    of_level = EXAMPLES[part][language.level(model)]
    if language.level(model) == language.WORDS:
        return of_level
    known = set(language.vocabulary(model))
    readable = {name: text for name, text in of_level.items() if sum(c in known for c in text) >= 0.9 * len(text)}
    return readable or of_level


# A text as a language model goes through it


@dataclass(frozen=True)
class Traced:
    """What went on in a model while it read a text.

    Attributes:
        level: language.CHARACTERS or language.WORDS.
        tokens: of the text as it was read.
        hidden: float32 `(tokens, layers, units)`, the hidden states after each.
        gates: float32 `(tokens, layers, 3, units)`, in the order of GATE_NAMES; None where they are not wanted.
        passages: into how many parts the text was taken apart, each read as if it were the first.
        remarks: what should be said about how the text was read.
    """

    level: str
    tokens: list[str]
    hidden: np.ndarray
    gates: np.ndarray | None
    passages: int = 1
    remarks: list[str] = field(default_factory=list)

    @property
    def pieces(self) -> list[str]:
        """The tokens with the spaces that belong between words."""
        if self.level == language.CHARACTERS:
            return self.tokens
        return [language.space(before, word) + word for before, word in zip(["", *self.tokens], self.tokens)]


def trace(model: models.Model, text: str, part: str) -> Traced:
    """Has a model read a text.

    Args:
        model: a language model.
        text: as the visitor wrote it.
        part: UNITS or GATES, which says how much of it is read.

    Raises:
        InputError: if there is nothing to read.
        ModelError: if the model fails, or is of another kind than an LSTM.
    """
    if model.config.get("cell", "lstm") != "lstm":
        raise models.ModelError("This model shows nothing of its inside: only those with LSTM layers do.")
    if not text.strip():
        raise texts.InputError("There is no text yet. Write or paste one, or take an example.")
    level = language.level(model)
    shortened, remark = _shortened(text, level, LONGEST[part][level])
    read, remarks = language.prepare(shortened, language.vocabulary(model), level, end=False)
    passages = _passages(read, level) if read.strip() else []
    outputs = model.call("trace", text=passages) if passages else {"tokens": np.zeros((0, 0), "S1")}
    there = outputs["tokens"] != b""
    tokens = [token.decode("utf-8", "replace") for token in outputs["tokens"][there]]
    if not tokens:
        raise texts.InputError("Of this text the model knows nothing, so it read nothing. Write it in another way.")
    gates = outputs["gates"][there] if part == GATES else None
    traced = Traced(level, tokens, outputs["hidden"][there], gates, len(passages), remark + remarks)
    if level == language.WORDS:
        traced.remarks.extend(language.unknown_words(read, "".join(traced.pieces)))
    return traced


def _shortened(text: str, level: str, most: int) -> tuple[str, list[str]]:
    """The beginning of a text, as much of it as is read, and a sentence that says so if that is not all."""
    if level == language.CHARACTERS:
        shorter = text[:most]
    else:
        shorter = "".join(re.findall(r"\s*\S+", text[:LONGEST_GIVEN])[:most])
    rest = text[len(shorter) :].strip()
    return shorter, [f"This is a long text: only its first {most:,} {level} are read."] if rest else []


def _passages(text: str, level: str) -> list[str]:
    """A text in parts that a model can trace, which end with a line or else a word where they can."""
    most = LONGEST_PASSAGE[level]
    if level == language.WORDS:
        words = re.findall(r"\s*\S+", text)
        return ["".join(words[start : start + most]) for start in range(0, len(words), most)]
    passages = []
    while len(text) > most:
        end = text.rfind("\n", 0, most) + 1 or text.rfind(" ", 0, most) + 1 or most
        passages.append(text[:end])
        text = text[end:]
    return [*passages, text]


def properties(traced: Traced) -> tuple[dict[str, np.ndarray], list[str]]:
    """The properties of a traced text in which its tokens differ, and the names of those that it has none of."""
    from seqkeras.understanding import character_properties, word_properties

    if traced.level == language.CHARACTERS:
        found = character_properties("".join(traced.tokens))
    else:
        found = word_properties(traced.tokens)
    varying = {name: values for name, values in found.items() if np.ptp(values) > 0}
    return varying, [name for name in found if name not in varying]


def search(traced: Traced, values: np.ndarray):
    """The units that track a property: `seqkeras.understanding.Tracking`, its units counted through all layers.

    Raises:
        InputError: if the text is too short for it.
    """
    from seqkeras.understanding import search_units

    if len(values) < SHORTEST:
        raise texts.InputError(
            f"A search needs a text of {SHORTEST} {traced.level} or more; the model read {len(values):,}."
        )
    return search_units(traced.hidden.reshape(len(values), -1), values)


def place(flat: int, units: int) -> tuple[int, int]:
    """Layer and unit, counted from 1, of a unit that is counted from 0 through all layers of so many units."""
    return flat // units + 1, flat % units + 1


def tracks(values: np.ndarray, properties: dict[str, np.ndarray], most: int = 3) -> list[tuple[str, float]]:
    """The properties that go along best with a unit's states over a whole text, and the correlations."""
    from seqkeras.understanding import correlations

    found = correlations(values[:, None], np.stack(list(properties.values()), axis=1))[:, 0]
    best = np.argsort(-np.abs(found), kind="stable")[:most]
    return [(list(properties)[index], float(found[index])) for index in best if found[index]]


def extremes(traced: Traced, values: np.ndarray) -> tuple[str, str]:
    """Where a unit is highest and where lowest: the bits of text that end there."""
    before = 12 if traced.level == language.CHARACTERS else 3
    ends = (int(values.argmax()), int(values.argmin()))
    bits = ("".join(traced.pieces[max(0, end - before) : end + 1]) for end in ends)
    return tuple(bit.replace("\n", language.LINE_END).strip() or "␣" for bit in bits)


def gate_lines(traced: Traced, layer: int, unit: int) -> pd.DataFrame:
    """The gates and the hidden state of one unit and of all units at the mean.

    Args:
        traced: the text.
        layer, unit: counted from 1.

    Returns:
        A table with a row for each token, quantity (of GATE_NAMES or HIDDEN) and "this unit" or "mean of the layer".
    """
    return pd.DataFrame(
        [
            {"place": place, "symbol": traced.tokens[place], "quantity": name, "of": of, "value": float(value)}
            for name, values in _quantities(traced, layer).items()
            for of, line in (("this unit", values[:, unit - 1]), ("mean of the layer", values.mean(axis=1)))
            for place, value in enumerate(line)
        ]
    )


def gate_map(traced: Traced, layer: int, unit: int, quantity: str, most: int = 32) -> pd.DataFrame:
    """One quantity of those units in which it changes most, and of the one that was chosen.

    Args:
        traced: the text.
        layer, unit: counted from 1.
        quantity: of GATE_NAMES, or HIDDEN.
        most: number of units.

    Returns:
        A table with a row for each token and unit; the units in the order of their numbers.
    """
    values = _quantities(traced, layer)[quantity]
    changing = np.argsort(-values.std(axis=0), kind="stable")[:most]
    if unit - 1 not in changing:
        changing[-1] = unit - 1
    return pd.DataFrame(
        [
            {"place": place, "symbol": traced.tokens[place], "unit": int(index) + 1, "value": float(value)}
            for index in sorted(changing)
            for place, value in enumerate(values[:, index])
        ]
    )


def _quantities(traced: Traced, layer: int) -> dict[str, np.ndarray]:
    gates = traced.gates[:, layer - 1]
    return {name: gates[:, index] for index, name in enumerate(GATE_NAMES)} | {HIDDEN: traced.hidden[:, layer - 1]}


# Gradients


class _Network:
    """A layer whose weights may be changed, and its gradients through time, compiled once for all lengths."""

    BATCH, UNITS = 16, 64

    def __init__(self, cell: str):
        from seqkeras.understanding import gradients_through_time

        tf = models.tensorflow()
        self.cell = cell
        self.layer = self._new(0)
        spec = tf.TensorSpec((self.BATCH, None, 2), tf.float64)
        self._follow = tf.function(lambda inputs: gradients_through_time(self.layer, inputs), input_signature=[spec])

    def _new(self, seed: int):
        from seqkeras.understanding import CELLS

        # Gradients of float32 would end at 1e-38.
        kind, arguments = CELLS[self.cell](self.UNITS, seed, 1)
        layer = kind(self.UNITS, **arguments, dtype="float64")
        layer.build((self.BATCH, None, 2))
        return layer

    def follow(self, inputs: np.ndarray, scale: float, bias: float, seed: int):
        from seqkeras.understanding import GradientFlow

        self.layer.set_weights(self._new(seed).get_weights())
        cell = self.layer.cell
        cell.recurrent_kernel.assign(scale * cell.recurrent_kernel)
        if self.cell in ("lstm", "gru"):
            # LSTM: the forget gate's, behind the input gate's. GRU: the update gate's, of the input's two biases.
            values = np.array(cell.bias)
            kept = values[self.UNITS : 2 * self.UNITS] if self.cell == "lstm" else values[0, : self.UNITS]
            kept[:] = bias
            cell.bias.assign(values)
        return GradientFlow.of(*self._follow(inputs.astype("float64")))


_flow_lock = threading.Lock()
_network = functools.cache(_Network)


def gradients(length: int, scale: float, bias: float, seed: int) -> pd.DataFrame:
    """How far a gradient comes through networks with fresh weights, of 64 units, that read the adding problem.

    Args:
        length: number of steps.
        scale: that the recurrent weights are multiplied with.
        bias: of the gates that keep: an LSTM's forget gate and a GRU's update gate.
        seed: of weights and sequences.

    Returns:
        A table with a row for each network, what the gradient is with respect to ("input", "hidden state" or "cell
        state") and step (from 1): its norm, and that relative to the last input's or the last hidden state's.
    """
    from seqkeras.understanding import adding_problem

    inputs, _ = adding_problem(_Network.BATCH, length, seed)
    rows = []
    for cell in FLOWING:
        with _flow_lock:
            flow = _network(cell).follow(inputs, scale, bias, seed)
        # The loss reads the last hidden state, and no cell state.
        last = flow.states[0][-1]
        followed = [("input", flow.inputs, flow.inputs[-1])]
        followed += [(name, norms, last) for name, norms in zip(("hidden state", "cell state"), flow.states)]
        for of, norms, whole in followed:
            rows += [
                {"network": CELLS[cell], "of": of, "step": step, "norm": norm, "relative": norm / whole}
                for step, norm in enumerate(norms.tolist(), 1)
            ]
    return pd.DataFrame(rows)


def relu(steps: int, units: int, seed: int) -> pd.DataFrame:
    """The lectures' experiment with each of VARIANCES: `seqkeras.understanding.relu_experiment` as a table.

    Returns:
        A row for each variance, direction ("forward" or "backward") and step: the norm, and that relative to where the
        signal, or the gradient, begins.
    """
    from seqkeras.understanding import relu_experiment

    rows = []
    for variance in VARIANCES:
        forward, backward = relu_experiment(variance, steps, units, seed)
        for direction, norms, first in (("forward", forward, forward[0]), ("backward", backward, backward[-1])):
            rows += [
                {"variance": variance, "direction": direction, "step": step, "norm": norm, "relative": norm / first}
                for step, norm in enumerate(norms.tolist())
            ]
    return pd.DataFrame(rows)


def magnitude(value: float) -> str:
    """A number of any size in a few characters: "0.02", "35", "7 · 10⁻¹²"."""
    if value == 0 or not math.isfinite(value):
        return "0" if value == 0 else "more than a computer's numbers hold"
    if 0.001 <= abs(value) < 10_000:
        return f"{value:.2g}" if abs(value) < 100 else f"{value:,.0f}"
    digits, _, power = f"{value:.0e}".partition("e")
    return f"{digits} · 10{str(int(power)).translate(str.maketrans('-0123456789', '⁻⁰¹²³⁴⁵⁶⁷⁸⁹'))}"


# Trainings

WITHOUT, WITH = "without clipping", "with clipping"


def clipping_runs(cell: str, length: int, learning_rate: float, clip: float, seed: int) -> dict[str, dict]:
    """The same training on the adding problem twice, without clipping and with it, for `trainings.begin`."""
    arguments = {"cell": cell, "task": "adding", "length": length, "learning_rate": learning_rate, "seed": seed}
    arguments |= {"units": 32, "steps": STEPS[CLIPPING], "every": EVERY[CLIPPING]}
    return {name: arguments | {"clip": norm} for name, norm in ((WITHOUT, None), (WITH, clip))}


def memory_runs(task: str, cell: str, length: int, units: int, seed: int) -> dict[str, dict]:
    """One training, for `trainings.begin`."""
    arguments = {"cell": cell, "task": task, "length": length, "units": units, "seed": seed}
    return {CELLS[cell]: arguments | {"steps": STEPS[MEMORY], "every": EVERY[MEMORY]}}


def curves(training: Training) -> pd.DataFrame:
    """What a training has reported: a row for each run and step. Losses and norms that no number holds are left out."""
    rows = [
        {"run": name, **progress._asdict()} for name, reports in training.reports.items() for progress in list(reports)
    ]
    table = pd.DataFrame(rows, columns=["run", *Report._fields])
    return table.replace([np.inf, -np.inf], np.nan)


_ENDINGS = {
    STOPPED: "It was stopped after {steps} steps.",
    LATE: f"Its {SECONDS / 60:g} minutes were over after {{steps}} steps.",
    LEFT: "It ended after {steps} steps, because this part of the page was left.",
    FAILED: "It broke off after {steps} steps; the server's log says why.",
}


def memory_verdict(training: Training, task: str) -> str:
    """What came of a training on a task, in sentences."""
    (reports,) = training.reports.values()
    if not reports:
        return _ENDINGS.get(training.ended, _ENDINGS[STOPPED]).format(steps=0)
    last = reports[-1]
    if not math.isfinite(last.loss):
        return f"The training exploded within {last.step:,} steps: its loss is no number any more."
    if last.solved:
        ending = f"**Solved** after {last.step:,} steps."
    elif training.ended == DONE:
        ending = f"**Not solved** in {last.step:,} steps, as many as are taken here."
    else:
        ending = _ENDINGS.get(training.ended, _ENDINGS[STOPPED]).format(steps=f"{last.step:,}")
    if task == "adding":
        return (
            f"{ending} On sequences it was not trained on, the mean squared error is {last.loss:.4f}; below 0.01 is a "
            f"solution, and who remembers nothing and always answers 1 has {last.baseline:.4f}."
        )
    return (
        f"{ending} Of the symbols to be copied, {last.measure:.1%} are right in sequences it was not trained on; more "
        f"than 99% is a solution, and guessing gets 12.5%. The loss is {last.loss:.3f} nats a step; who remembers "
        f"nothing has {last.baseline:.3f}."
    )


def clipping_verdict(training: Training) -> str:
    """What came of the two trainings, in sentences."""
    sentences = []
    for name, reports in training.reports.items():
        finite = [progress for progress in reports if math.isfinite(progress.gradient_norm)]
        if len(reports) < 2 or not finite:
            continue
        worst, last = max(finite, key=lambda progress: progress.gradient_norm), reports[-1]
        if len(finite) < len(reports):
            norm = "more than a float holds"
        else:
            norm = f"{magnitude(worst.gradient_norm)} (by step {worst.step:,})"
        loss = f"{last.loss:.3f}" if math.isfinite(last.loss) else "no number any more"
        sentences.append(
            f"{name.capitalize()}, the largest gradient had a norm of {norm}, and the loss after {last.step:,} steps "
            f"is **{loss}**."
        )
    if training.ended in _ENDINGS:
        steps = max((reports[-1].step for reports in training.reports.values() if reports), default=0)
        sentences.append(_ENDINGS[training.ended].format(steps=f"{steps:,}"))
    return " ".join(sentences)


# How all cells fare

STORED = Path(__file__).with_name("memory_tasks.json")
COLUMNS = (
    "task", "cell", "length", "seed", "units", "steps", "batch_size", "learning_rate", "solved", "steps_taken", "loss",
    "measure", "baseline",
)  # fmt: skip


def stored() -> pd.DataFrame:
    """The runs of `benchmarks.memory_tasks` that were put beside this file, one a row.

    Raises:
        Unavailable: if they are not there or cannot be read.
    """
    try:
        rows = json.loads(STORED.read_text(encoding="utf-8"))
        table = pd.DataFrame(rows, columns=list(COLUMNS))
        if table.empty or table[["task", "cell", "length", "solved", "steps_taken"]].isna().any(axis=None):
            raise ValueError("it has no rows, or rows without their columns")
        return table
    except FileNotFoundError as error:
        raise Unavailable(
            "The table has not been measured yet: `apps/memory_tasks.json` is missing. "
            "`python -m benchmarks.memory_tasks --out apps/memory_tasks.json` measures it, which takes hours."
        ) from error
    except (OSError, ValueError, TypeError) as error:
        logger.exception("The stored table could not be read")
        raise Unavailable(
            "The table in `apps/memory_tasks.json` cannot be read. "
            "`python -m benchmarks.memory_tasks --out apps/memory_tasks.json` measures it anew."
        ) from error


def summary(runs: pd.DataFrame, task: str) -> pd.DataFrame:
    """How often each cell solved a task at each length.

    Returns:
        A row for each cell and length: cell (as people call it), length, runs, solved, share, and median_steps of those
        that solved it, NaN where none did. The cells that solved most come first.
    """
    here = runs[runs["task"] == task]
    rows = []
    for (cell, length), of in here.groupby(["cell", "length"], sort=False):
        solved = of[of["solved"].astype(bool)]
        rows.append(
            {
                "cell": CELLS.get(cell, cell),
                "length": int(length),
                "runs": len(of),
                "solved": len(solved),
                "share": len(solved) / len(of),
                "median_steps": solved["steps_taken"].median(),
            }
        )
    table = pd.DataFrame(rows, columns=["cell", "length", "runs", "solved", "share", "median_steps"])
    solved = table.groupby("cell")["share"].sum()
    order = sorted(solved.index, key=lambda cell: (-solved[cell], [*CELLS.values(), cell].index(cell)))
    ranked = table.assign(rank=table["cell"].map(order.index)).sort_values(["rank", "length"])
    return ranked.drop(columns="rank").reset_index(drop=True)


def as_csv(table: pd.DataFrame) -> bytes:
    """A table as a CSV file that spreadsheets read rightly, formulas among its texts included."""
    table = table.copy()
    for name in table.columns:
        if not pd.api.types.is_numeric_dtype(table[name]):
            table[name] = table[name].map(texts.spreadsheet_cell)
    return table.to_csv(index=False).encode("utf-8-sig")
