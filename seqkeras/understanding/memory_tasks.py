"""How long a cell remembers: the adding and the copying problem, and a training that can be watched.

Both come from Hochreiter and Schmidhuber (1997, experiments 4 and 5), in the forms that later papers compare cells on
(Le, Jaitly and Hinton 2015; Arjovsky, Shah and Bengio 2016). What has to be remembered stands at the beginning, what
it is needed for comes at the end, and the length between says how far gradients have to reach.

    for progress in trainer("lstm", "adding", length=100, seed=1):
        print(progress.step, progress.loss, progress.solved)
"""

import math
import typing

import keras
import numpy as np
from keras import initializers, ops

from seqkeras import layers

SYMBOLS = 8  # different ones that the copying problem copies; 0 is the blank, 9 the delimiter
COPIED = 10  # how many symbols it copies
SHORTEST = 2  # steps between, of either task


def adding_problem(count, length, seed):
    """Draws sequences of the adding problem: two of the numbers are marked, and their sum is wanted.

    Args:
        count: number of sequences.
        length: number of steps, at least 2.
        seed: int, or a sequence of such; the same one gives the same sequences.

    Returns:
        inputs: float32 `(count, length, 2)`; first a number, uniform between 0 and 1, then its mark: 1 at one step of
            the first half and at one of the second half, and 0 elsewhere.
        targets: float32 `(count, 1)`, the sum of the two marked numbers.

        Who always answers 1 has a mean squared error of 1/6, the variance of that sum. (Le et al. print 0.1767.)
    """
    _check(count, length)
    random = np.random.default_rng(seed)
    inputs = np.zeros((count, length, 2), "float32")
    inputs[:, :, 0] = random.random((count, length), "float32")
    rows, half = np.arange(count), length // 2
    inputs[rows, random.integers(0, half, count), 1] = 1
    inputs[rows, random.integers(half, length, count), 1] = 1
    return inputs, (inputs[:, :, 0] * inputs[:, :, 1]).sum(1, keepdims=True)


def copying_problem(count, length, seed):
    """Draws sequences of the copying problem: ten symbols, to be said again after a long pause.

    With s the symbols (1 to 8), . the blank (0), and | the delimiter (9), for a length of 5:

        inputs   s s s s s s s s s s . . . . | . . . . . . . . . .
        targets  . . . . . . . . . . . . . . . s s s s s s s s s s

    Args:
        count: number of sequences.
        length: number of steps T from the last symbol up to the delimiter, at least 2.
        seed: int, or a sequence of such; the same one gives the same sequences.

    Returns:
        inputs: int32 `(count, length + 20)`, ids from 0 to 9.
        targets: int32 `(count, length + 20)`, ids from 0 to 8.

        Who remembers nothing, and says blanks and then symbols by chance, has a mean cross-entropy of
        10 ln 8 / (T + 20) nats a step.
    """
    _check(count, length)
    symbols = np.random.default_rng(seed).integers(1, SYMBOLS + 1, (count, COPIED))
    inputs, targets = np.zeros((2, count, length + 2 * COPIED), "int32")
    inputs[:, :COPIED] = symbols
    inputs[:, COPIED + length - 1] = SYMBOLS + 1
    targets[:, -COPIED:] = symbols
    return inputs, targets


def _check(count, length):
    for name, value, least in (("count", count, 1), ("length", length, SHORTEST)):
        if value < least:
            raise ValueError(f"`{name}` should be an integer of at least {least}. Received: {name}={value}")


class Task(typing.NamedTuple):
    """A task that `trainer` knows: how it is drawn, answered and measured.

    draw            function (count, length, seed) -> inputs, targets
    features        size of an input vector; ids become such vectors, all 0 but for a 1
    outputs         size of an answer
    every_step      whether an answer is given at each step, and not only at the last one
    loss            function (targets, answers) -> scalar tensor
    measure         function (targets, answers) -> scalar tensor, the measure of success
    solved          function of that measure's value -> bool
    learning_rate   Adam's, unless another one is asked for
    baseline        function of the length -> the loss of who remembers nothing
    """

    draw: typing.Callable
    features: int
    outputs: int
    every_step: bool
    loss: typing.Callable
    measure: typing.Callable
    solved: typing.Callable
    learning_rate: float
    baseline: typing.Callable


def _squared_error(targets, answers):
    return ops.mean(ops.square(targets - answers))


def _cross_entropy(targets, answers):
    return ops.mean(keras.losses.sparse_categorical_crossentropy(targets, answers, from_logits=True))


def _copied_right(targets, answers):
    right = ops.equal(ops.argmax(answers, axis=-1), ops.cast(targets, "int64"))
    return ops.mean(ops.cast(right[:, -COPIED:], "float32"))


TASKS = {
    "adding": Task(
        adding_problem,
        features=2,
        outputs=1,
        every_step=False,
        loss=_squared_error,
        measure=_squared_error,
        solved=lambda error: error < 0.01,
        learning_rate=0.005,
        baseline=lambda length: 1 / 6,
    ),
    "copying": Task(
        copying_problem,
        features=SYMBOLS + 2,
        outputs=SYMBOLS + 1,
        every_step=True,
        loss=_cross_entropy,
        measure=_copied_right,
        solved=lambda accuracy: accuracy > 0.99,
        learning_rate=0.01,
        baseline=lambda length: COPIED * math.log(SYMBOLS) / (length + 2 * COPIED),
    ),
}


def _weights(seed, recurrent=True):
    """Seeded forms of the initializers that all layers have by default."""
    seeded = {"kernel_initializer": initializers.GlorotUniform(seed)}
    return seeded | {"recurrent_initializer": initializers.Orthogonal(seed=seed + 1)} if recurrent else seeded


# For each cell, a function (units, seed, outputs) -> the layer's class and its arguments.
CELLS = {
    "simple_rnn": lambda units, seed, outputs: (layers.SimpleRNN, _weights(seed)),
    "irnn": lambda units, seed, outputs: (
        layers.IRNN,
        {"kernel_initializer": initializers.RandomNormal(stddev=0.001, seed=seed)},
    ),
    "lstm": lambda units, seed, outputs: (layers.LSTM, _weights(seed)),
    "gru": lambda units, seed, outputs: (layers.GRU, _weights(seed)),
    "peephole_lstm": lambda units, seed, outputs: (layers.LSTM, {"peephole": True, **_weights(seed)}),
    "coupled_lstm": lambda units, seed, outputs: (layers.LSTM, {"coupled": True, **_weights(seed)}),
    "gru_without_reset_gate": lambda units, seed, outputs: (layers.GRU, {"reset_gate": False, **_weights(seed)}),
    "clockwork_rnn": lambda units, seed, outputs: (
        layers.ClockworkRNN,
        {"periods": (1, 2, 4, 8, 16, 32, 64, 128), **_weights(seed)},
    ),
    "scrn": lambda units, seed, outputs: (layers.SCRN, {"context_units": units, **_weights(seed)}),
    "elman": lambda units, seed, outputs: (layers.Elman, {"output_units": outputs, **_weights(seed)}),
    "echo_state": lambda units, seed, outputs: (layers.EchoState, {"spectral_radius": 0.99, "seed": seed}),
}


class Progress(typing.NamedTuple):
    """How far a training has come.

    step           int, number of training steps taken
    loss           float, of sequences that it is never trained on: mean squared error, or nats a step
    measure        float, the measure of success on them: of adding that loss, of copying the share of right symbols
    gradient_norm  float, the largest since the last report, before clipping; 0 before the first step
    solved         bool, whether the measure says success; then training has ended
    """

    step: int
    loss: float
    measure: float
    gradient_norm: float
    solved: bool


def trainer(
    cell,
    task,
    length,
    seed=0,
    units=64,
    steps=10_000,
    batch_size=64,
    learning_rate=None,
    clip=1.0,
    every=50,
    evaluated=256,
    jit_compile=True,
):
    """Trains one layer on one task, with a report now and then; needs Keras's TensorFlow backend.

    The layer reads the sequence, a Dense layer answers (an Elman network by itself; of an echo state network the Dense
    layer alone is trained), Adam minimizes the task's loss. Each batch is new, and never one of the sequences that the
    reports are about.

    Args:
        cell: one of `CELLS`.
        task: one of `TASKS`: "adding" is solved when the mean squared error is below 0.01, "copying" when more than
            99 % of the symbols are right.
        length: as for `adding_problem` and `copying_problem`.
        seed: int, of weights and sequences: the same one gives the same training on the same machine.
        units: number of units; of a clockwork RNN a multiple of 8.
        steps: number of training steps at most.
        batch_size: number of sequences a step.
        learning_rate: of Adam; the task's if None.
        clip: norm that all gradients together are clipped to; None does not clip.
        every: number of steps from report to report.
        evaluated: number of sequences that the reports are about.
        jit_compile: whether XLA compiles the steps, which takes some seconds and makes them faster.

    Yields:
        `Progress`: before the first step, then every so many steps. The last one is solved, or at the last step, or has
        a loss that is not finite, when the training has exploded.

    Raises:
        ValueError: if the cell or task is unknown, or a number below 1 (`length`: 2).
    """
    for name, value, known in (("cell", cell, CELLS), ("task", task, TASKS)):
        if value not in known:
            raise ValueError(f"`{name}` should be one of {', '.join(known)}. Received: {name}={value!r}")
    for name, value in (("steps", steps), ("batch_size", batch_size), ("every", every), ("evaluated", evaluated)):
        if value < 1:
            raise ValueError(f"`{name}` should be a positive integer. Received: {name}={value}")
    return _train(
        cell, TASKS[task], length, seed, units, steps, batch_size, learning_rate, clip, every, evaluated, jit_compile
    )


def _train(cell, task, length, seed, units, steps, batch_size, learning_rate, clip, every, evaluated, jit_compile):
    import tensorflow as tf

    answer, variables = _network(cell, task, seed, units)
    held_out = tuple(tf.constant(array) for array in task.draw(evaluated, length, (seed, 0)))
    optimizer = keras.optimizers.Adam(learning_rate or task.learning_rate)
    optimizer.build(variables)

    @tf.function(jit_compile=jit_compile)
    def train(inputs, targets):
        with tf.GradientTape() as tape:
            loss = task.loss(targets, answer(inputs, training=True))
        gradients = tape.gradient(loss, [variable.value for variable in variables])
        norm = tf.linalg.global_norm(gradients)
        if clip is not None:
            gradients, _ = tf.clip_by_global_norm(gradients, clip, use_norm=norm)
        optimizer.apply(gradients, variables)
        return norm

    @tf.function(jit_compile=jit_compile)
    def evaluate(inputs, targets):
        answers = answer(inputs)
        return task.loss(targets, answers), task.measure(targets, answers)

    step, norm = 0, 0.0
    while True:
        loss, measure = (float(value) for value in evaluate(*held_out))
        solved = bool(task.solved(measure))
        yield Progress(step, loss, measure, norm, solved)
        if solved or step == steps or not math.isfinite(loss):
            return
        norms = []
        for step in range(step + 1, min(step + every, steps) + 1):  # noqa: B020
            inputs, targets = task.draw(batch_size, length, (seed, step))
            norms.append(train(tf.constant(inputs), tf.constant(targets)))
        norm = float(np.max(norms))


def _network(cell, task, seed, units):
    """A function inputs -> answers, and the list of variables to train."""
    kind, arguments = CELLS[cell](units, seed, task.outputs)
    layer = kind(units, return_sequences=task.every_step, **arguments)
    layer.build((None, None, task.features))
    head = None
    if cell != "elman":
        head = keras.layers.Dense(task.outputs, **_weights(seed + 2, recurrent=False))
        head.build((None, layer.cell.output_size))

    def answer(inputs, training=False):
        x = ops.one_hot(inputs, task.features) if inputs.dtype == "int32" else inputs
        x = layer(x, training=training)
        return x if head is None else head(x)

    return answer, layer.trainable_variables + (head.trainable_variables if head else [])
