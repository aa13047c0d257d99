import keras
import numpy as np
import pytest

from seqkeras.layers import GRU, GRUCell
from tests.seqkeras.layers.drop_in import DropIn
from tests.seqkeras.layers.peers import BATCH, TIME, UNITS, assert_same, inputs, randomize


class TestResetAfter(DropIn):
    ours, theirs, cell = GRU, keras.layers.GRU, GRUCell
    activations = [
        ({"activation": "relu", "recurrent_activation": "hard_sigmoid"}, "derived"),
        ({"activation": "linear", "recurrent_activation": "sigmoid"}, "derived"),
        ({"activation": "sigmoid", "recurrent_activation": "tanh"}, "derived"),
        ({"activation": "hard_sigmoid", "recurrent_activation": "linear"}, "derived"),
        ({"activation": "gelu", "recurrent_activation": "sigmoid"}, "automatic"),
        ({"activation": "tanh", "recurrent_activation": "softsign"}, "automatic"),
    ]


class TestResetBefore(TestResetAfter):
    options = {"reset_after": False}


@pytest.mark.parametrize("reset_after", [True, False])
def test_equations(reset_after):
    layer = GRU(UNITS, reset_after=reset_after, return_sequences=True)
    layer(inputs())
    randomize(layer)

    def sigmoid(z):
        return 1 / (1 + np.exp(-z))

    kernel, recurrent, bias = (w.astype("float64") for w in layer.get_weights())
    assert bias.shape == ((2, 3 * UNITS) if reset_after else (3 * UNITS,))
    (w_xz, w_xr, w_xn), (w_hz, w_hr, w_hn) = np.split(kernel, 3, 1), np.split(recurrent, 3, 1)
    outside, inside = bias if reset_after else (bias, np.zeros_like(bias))
    (b_z, b_r, b_n), (b_hz, b_hr, b_hn) = np.split(outside, 3), np.split(inside, 3)
    outputs, h = layer(inputs()), np.zeros((BATCH, UNITS))
    for t in range(TIME):
        x = inputs()[:, t]
        z = sigmoid(x @ w_xz + h @ w_hz + b_z + b_hz)
        r = sigmoid(x @ w_xr + h @ w_hr + b_r + b_hr)
        if reset_after:
            n = np.tanh(x @ w_xn + b_n + r * (h @ w_hn + b_hn))
        else:
            n = np.tanh(x @ w_xn + b_n + (r * h) @ w_hn)
        h = z * h + (1 - z) * n
        assert_same([outputs[:, t]], [h])


def test_no_overflow_at_saturation():
    for reset_after in (True, False):
        layer = GRU(UNITS, reset_after=reset_after, return_sequences=True)
        assert np.isfinite(layer(inputs() * 1e6).numpy()).all()
