"""Gradient checkpoints change nothing but the memory. JAX and torch: a case in backends.py."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers import (
    GRU,
    LSTM,
    RNN,
    SCRN,
    Bidirectional,
    ClockworkRNN,
    DeepRNN,
    EchoState,
    GRUCell,
    LSTMCell,
    SimpleRNN,
)
from tests.seqkeras.layers.peers import (
    BATCH,
    FEATURES,
    MASK,
    TIME,
    UNITS,
    assert_gradient,
    assert_same,
    initial_states,
    inputs,
    normal,
    randomize,
    results,
    same_weights,
)

ALL = {"return_sequences": True, "return_state": True}
DROPOUT = {"dropout": 0.4, "recurrent_dropout": 0.4, "seed": 4}
MAKERS = {
    "SimpleRNN": lambda **options: SimpleRNN(UNITS, **options),
    "LSTM": lambda **options: LSTM(UNITS, **options),
    "LSTM peephole": lambda **options: LSTM(UNITS, peephole=True, use_bias=False, **options),
    "LSTM automatic": lambda **options: LSTM(UNITS, activation="gelu", **options),
    "GRU": lambda **options: GRU(UNITS, **options),
    "GRU reset before": lambda **options: GRU(UNITS, reset_after=False, **options),
    "ClockworkRNN": lambda **options: ClockworkRNN(UNITS + 1, (1, 2, 3), **options),
    "SCRN": lambda **options: SCRN(UNITS, 3, learn_alpha=True, **options),
    "EchoState": lambda **options: EchoState(UNITS, leak_rate=0.5, **options),
    "stack": lambda dtype=None, **options: RNN(
        [LSTMCell(4, dtype=dtype), GRUCell(UNITS, dtype=dtype)], dtype=dtype, **options
    ),
}


def plain_and_checkpointed(make, every, x=None, **options):
    pair = [make(checkpoint_every=k, **options) for k in (None, every)]
    plain, checkpointed = same_weights(*pair, inputs() if x is None else x)
    checkpointed.set_weights(plain.get_weights())
    return plain, checkpointed


@pytest.mark.parametrize("name", MAKERS)
def test_equals_the_plain_run(name):
    x = inputs("float64")
    # Chunks that do not divide the six steps; that do, and one that is longer than they are.
    cases = [(4, {**ALL, "go_backwards": True})]
    if name in ("LSTM", "LSTM automatic", "stack"):
        cases += [(2, ALL), (9, {"return_state": True})]
    for every, options in cases:
        pair = plain_and_checkpointed(MAKERS[name], every, x, dtype="float64", **options)
        assert pair[1].path == pair[0].path
        states = initial_states(pair[0], dtype="float64")
        for call in ({"training": True}, {"mask": MASK, "states": states}):
            plain, checkpointed = (results(layer, x, **call) for layer in pair)
            assert_same(checkpointed, plain, 1e-12)


@pytest.mark.parametrize("gradient", ["derived", "automatic"])
@pytest.mark.parametrize("every", [2, 4])
def test_the_steps_run_again_with_the_same_dropout(every, gradient):
    x = inputs("float64")
    for layer in (LSTM, GRU):
        options = {"dtype": "float64", "gradient": gradient, **DROPOUT}
        pair = plain_and_checkpointed(lambda layer=layer, **o: layer(UNITS, **o), every, x, **options)
        plain, checkpointed = (results(layer, x, training=True, mask=MASK) for layer in pair)
        assert_same(checkpointed, plain, 1e-12)


def test_gradient_is_that_of_differences():
    for make in (MAKERS["LSTM"], MAKERS["GRU"]):
        layer = make(checkpoint_every=4, dtype="float64", **ALL)
        layer(inputs("float64"))
        randomize(layer)
        states = initial_states(layer, dtype="float64")
        assert_gradient(layer, inputs("float64"), mask=MASK, states=states)


@pytest.mark.parametrize("name, every", [("GRU", 2), ("LSTM automatic", 4)])
@pytest.mark.parametrize("compiled", [False, True])
def test_compiled(name, every, compiled):
    x, call = inputs("float64"), {"mask": MASK, "training": True}
    plain, checkpointed = plain_and_checkpointed(MAKERS[name], every, x, dtype="float64", **ALL)
    states = initial_states(plain, dtype="float64")
    expected = results(plain, x, states, **call)
    assert_same(results(checkpointed, x, states, compiled=compiled, **call), expected, 1e-12)


@pytest.mark.parametrize("compiled", [False, True])
def test_unknown_batch_and_length(compiled):
    plain, checkpointed = plain_and_checkpointed(MAKERS["LSTM"], 4, return_sequences=True)

    def run(layer, x):
        with tf.GradientTape() as tape:
            y = layer(x, training=True)
            loss = tf.reduce_sum(y**3)
        return [y, *tape.gradient(loss, [w.value for w in layer.trainable_weights])]

    shape = tf.TensorSpec((None, None, FEATURES))
    graph = tf.function(lambda x: run(checkpointed, x), input_signature=[shape], jit_compile=compiled)
    for length in (3, 8):
        x = normal(3, length, FEATURES)
        assert_same(graph(x), run(plain, tf.constant(x)))


def test_stateful():
    options = {"stateful": True, "return_sequences": True}
    plain, checkpointed = plain_and_checkpointed(MAKERS["GRU"], 4, **options)
    for layer in (plain, checkpointed):
        layer.reset_state()
    for _ in range(2):
        assert_same(results(checkpointed, inputs(), mask=MASK), results(plain, inputs(), mask=MASK), 1e-6)
    assert_same(checkpointed.states, plain.states, 1e-6)


@pytest.mark.parametrize("dtype, tolerance", [("mixed_float16", 1e-2), ("mixed_bfloat16", 6e-2)])
def test_mixed_precision(dtype, tolerance):
    half, exact = MAKERS["LSTM"](checkpoint_every=4, dtype=dtype, **ALL), MAKERS["LSTM"](**ALL)
    same_weights(exact, half, inputs())
    assert half(inputs())[0].dtype == half.compute_dtype
    assert_same(results(half, inputs(), mask=MASK), results(exact, inputs(), mask=MASK), tolerance)


def test_inside_other_layers():
    def bidirectional(**options):
        return Bidirectional(LSTM(UNITS, return_sequences=True, **options))

    def deep(**options):
        return DeepRNN("gru", UNITS, num_layers=2, bidirectional=True, **ALL, **options)

    for make in (bidirectional, deep):
        plain, checkpointed = plain_and_checkpointed(make, 4)
        assert_same(results(checkpointed, inputs(), mask=MASK), results(plain, inputs(), mask=MASK), 1e-5)
        assert type(checkpointed).from_config(checkpointed.get_config()).get_config() == checkpointed.get_config()
    assert [d.checkpoint_every for d in checkpointed._directions()] == [4] * 4


def test_frozen_weights():
    plain, checkpointed = plain_and_checkpointed(MAKERS["LSTM"], 4)
    for layer in (plain, checkpointed):
        layer.trainable = False
    assert not checkpointed.trainable_weights
    assert_same(results(checkpointed, inputs()), results(plain, inputs()), 1e-6)


def test_second_derivatives():
    """They are right or fail; they are never wrong ones."""
    x = tf.constant(inputs("float64")[:2, :4])
    found = []
    for layer in plain_and_checkpointed(MAKERS["LSTM"], 2, x, dtype="float64"):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                loss = tf.reduce_sum(layer(x) ** 2)
            penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
        found.append([g.numpy() for g in outer.gradient(penalty, [x, *(w.value for w in layer.weights)])])
    assert_same(found[1], found[0], 1e-9)


def largest(layer, x):
    """Numbers in the largest array that the graph of a training step has, loops and all."""

    @tf.function
    def run(x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            loss = tf.reduce_sum(layer(x, training=True))
        return tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])

    def sizes(graph):
        for operation in graph.get_operations():
            yield from (o.shape.num_elements() for o in operation.outputs if o.shape.is_fully_defined())
            for name in ("body", "cond"):
                try:
                    body = graph._get_function(operation.get_attr(name).name)
                except ValueError:
                    continue
                yield from sizes(body.graph)

    return max(sizes(run.get_concrete_function(x).graph))


@pytest.mark.parametrize("name", ["LSTM", "LSTM automatic"])
def test_nothing_but_inputs_and_outputs_is_as_long_as_the_sequence(name):
    x = tf.constant(normal(2, 400, FEATURES))
    options = {"return_sequences": True}
    assert largest(MAKERS[name](checkpoint_every=20, **options), x) == 2 * 400 * UNITS
    assert largest(MAKERS[name](**options), x) >= 2 * 400 * 3 * UNITS


def test_configuration():
    layer = LSTM(UNITS, checkpoint_every=7)
    assert layer.get_config()["checkpoint_every"] == 7
    assert LSTM.from_config(layer.get_config()).checkpoint_every == 7
    assert LSTM(UNITS).checkpoint_every is None
    stack = RNN([LSTMCell(4), GRUCell(3)], checkpoint_every=7)
    assert RNN.from_config(stack.get_config()).checkpoint_every == 7


@pytest.mark.parametrize("every", [0, -1, 2.5, True, "all"])
def test_what_is_no_number_of_steps(every):
    with pytest.raises(ValueError, match=f"checkpoint_every.*positive integer.*{every}"):
        LSTM(UNITS, checkpoint_every=every)


def test_what_cannot_run_again():
    with pytest.raises(ValueError, match="unroll=True, checkpoint_every=3"):
        LSTM(UNITS, unroll=True, checkpoint_every=3)
    for cell in (keras.layers.LSTMCell(UNITS), [GRUCell(2), keras.layers.GRUCell(UNITS)]):
        with pytest.raises(ValueError, match="cells of seqkeras.layers.*checkpoint_every=3"):
            RNN(cell, checkpoint_every=3)


def test_a_model_trains():
    x, y = normal(BATCH, TIME, FEATURES), np.ones((BATCH, 1), "float32")
    trained = []
    for every in (None, 4):
        model = keras.Sequential(
            [
                keras.Input((None, FEATURES)),
                keras.layers.Masking(),
                LSTM(UNITS, checkpoint_every=every),
                keras.layers.Dense(1),
            ]
        )
        randomize(model)
        model.compile(keras.optimizers.SGD(0.1), "mse")
        losses = [model.train_on_batch(x, y) for _ in range(4)]
        assert losses[-1] < losses[0]
        trained.append([np.array(losses), *model.get_weights()])
    assert_same(trained[1], trained[0], 1e-5)
