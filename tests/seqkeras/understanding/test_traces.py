import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras import layers
from seqkeras.understanding import trace

BATCH, TIME, FEATURES, UNITS = 2, 5, 3, 4
inputs = np.random.default_rng(0).normal(size=(BATCH, TIME, FEATURES))


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def lstm_steps(cell, h, c):
    """The lectures' equations in NumPy: a dict a step."""
    kernel, recurrent_kernel, bias = map(np.array, (cell.kernel, cell.recurrent_kernel, cell.bias))
    for x in inputs.swapaxes(0, 1):
        *past, g, o = np.split(x @ kernel + h @ recurrent_kernel + bias, cell.blocks, axis=-1)
        if cell.peephole:
            *p, p_o = np.array(cell.peephole_kernel)
            past = [z + q * c for z, q in zip(past, p)]
        *i, f = map(sigmoid, past)
        i = i[0] if i else 1 - f
        g = np.tanh(g)
        c = f * c + i * g
        o = sigmoid(o + p_o * c if cell.peephole else o)
        h = o * np.tanh(c)
        yield {
            "hidden_state": h, "cell_state": c, "input_gate": i, "forget_gate": f, "new_content": g, "output_gate": o,
        }  # fmt: skip


def gru_steps(cell, h):
    kernel, recurrent_kernel, bias = map(np.array, (cell.kernel, cell.recurrent_kernel, cell.bias))
    for x in inputs.swapaxes(0, 1):
        if not cell.reset_gate:
            z, n = np.split(x @ kernel + h @ recurrent_kernel + bias, 2, axis=-1)
            z, n, r = sigmoid(z), np.tanh(n), None
        elif cell.reset_after:
            x_z, x_r, x_n = np.split(x @ kernel + bias[0], 3, axis=-1)
            h_z, h_r, h_n = np.split(h @ recurrent_kernel + bias[1], 3, axis=-1)
            z, r = sigmoid(x_z + h_z), sigmoid(x_r + h_r)
            n = np.tanh(x_n + r * h_n)
        else:
            x_z, x_r, x_n = np.split(x @ kernel + bias, 3, axis=-1)
            w_z, w_r, w_n = np.split(recurrent_kernel, 3, axis=-1)
            z, r = sigmoid(x_z + h @ w_z), sigmoid(x_r + h @ w_r)
            n = np.tanh(x_n + (r * h) @ w_n)
        h = z * h + (1 - z) * n
        found = {"hidden_state": h, "update_gate": z, "reset_gate": r, "new_content": n}
        yield {name: value for name, value in found.items() if value is not None}


@pytest.mark.parametrize(
    "kind, options",
    [
        (layers.LSTM, {}),
        (layers.LSTM, {"peephole": True}),
        (layers.LSTM, {"coupled": True, "peephole": True}),
        (layers.GRU, {}),
        (layers.GRU, {"reset_after": False}),
        (layers.GRU, {"reset_gate": False}),
    ],
)
def test_a_step_in_numpy(kind, options):
    layer = kind(UNITS, dtype="float64", bias_initializer="random_normal", return_sequences=True, **options)
    outputs = np.array(layer(inputs))
    start = [np.random.default_rng(1).normal(size=(BATCH, UNITS)) for _ in layer.state_size]
    steps = list((lstm_steps if kind is layers.LSTM else gru_steps)(layer.cell, *start))
    found = trace(layer, inputs, start)
    assert set(found) == set(steps[0])
    for name, values in found.items():
        np.testing.assert_allclose(values, np.stack([step[name] for step in steps], axis=1), atol=1e-12)
    np.testing.assert_allclose(trace(layer, inputs)["hidden_state"], outputs, atol=1e-12)


def test_in_a_graph_of_any_length():
    layer = layers.LSTM(UNITS)
    layer.build((None, None, FEATURES))
    in_graph = tf.function(lambda x: trace(layer, x), input_signature=[tf.TensorSpec((None, None, FEATURES))])
    for x in (inputs, inputs[:1, :2]):
        found, again = in_graph(tf.constant(x, tf.float32)), trace(layer, x)
        assert all(value.shape == (*x.shape[:2], UNITS) for value in found.values())
        for name in again:
            np.testing.assert_allclose(found[name], again[name], atol=1e-6)


def test_other_layers_are_refused():
    for layer in (layers.SimpleRNN(3), keras.layers.LSTM(3), keras.layers.Dense(3)):
        with pytest.raises(ValueError, match="an LSTM or a GRU"):
            trace(layer, inputs)
    with pytest.raises(ValueError, match="no weights yet"):
        trace(layers.GRU(3), inputs)
