import keras
import numpy as np

from seqkeras.layers import LSTM, LSTMCell
from tests.seqkeras.layers.drop_in import DropIn
from tests.seqkeras.layers.peers import BATCH, TIME, UNITS, assert_same, inputs, randomize


class TestLSTM(DropIn):
    ours, theirs, cell = LSTM, keras.layers.LSTM, LSTMCell
    activations = [
        ({"activation": "relu", "recurrent_activation": "hard_sigmoid"}, "derived"),
        ({"activation": "linear", "recurrent_activation": "sigmoid"}, "derived"),
        ({"activation": "sigmoid", "recurrent_activation": "tanh"}, "derived"),
        ({"activation": "tanh", "recurrent_activation": "linear"}, "derived"),
        ({"activation": "hard_sigmoid", "recurrent_activation": "relu"}, "derived"),
        ({"activation": "gelu", "recurrent_activation": "sigmoid"}, "automatic"),
        ({"activation": "tanh", "recurrent_activation": "softsign"}, "automatic"),
    ]


def test_equations():
    layer = LSTM(UNITS, return_sequences=True, return_state=True)
    outputs, *_ = layer(inputs())
    randomize(layer)
    outputs, h_last, c_last = layer(inputs())

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    kernel, recurrent, bias = (w.astype("float64") for w in layer.get_weights())
    (w_xi, w_xf, w_xg, w_xo), (w_hi, w_hf, w_hg, w_ho) = np.split(kernel, 4, 1), np.split(recurrent, 4, 1)
    b_i, b_f, b_g, b_o = np.split(bias, 4)
    h = c = np.zeros((BATCH, UNITS))
    for t in range(TIME):
        x = inputs()[:, t]
        i = sigmoid(x @ w_xi + h @ w_hi + b_i)
        f = sigmoid(x @ w_xf + h @ w_hf + b_f)
        g = np.tanh(x @ w_xg + h @ w_hg + b_g)
        o = sigmoid(x @ w_xo + h @ w_ho + b_o)
        c = f * c + i * g
        h = o * np.tanh(c)
        assert_same([outputs[:, t]], [h])
    assert_same([h_last, c_last], [h, c])


def test_forget_bias():
    biases = []
    for unit_forget_bias in (True, False):
        layer = LSTM(2, unit_forget_bias=unit_forget_bias)
        layer(inputs())
        biases.append(layer.get_weights()[2])
    assert_same(biases, [[0, 0, 1, 1, 0, 0, 0, 0], np.zeros(8)], 0)


def test_saturated_gates_stay_finite():
    """Pre-activations beyond the range of exp: one tanh for all gates must not overflow."""
    layer = LSTM(UNITS, return_sequences=True)
    layer(inputs())
    assert np.isfinite(layer(inputs() * 1e6).numpy()).all()
