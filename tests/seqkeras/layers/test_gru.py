import keras
import numpy as np
import pytest

from seqkeras.layers import GRU, GRUCell
from tests.seqkeras.layers.drop_in import DropIn
from tests.seqkeras.layers.peers import BATCH, MASK, TIME, UNITS, assert_gradient, assert_same, inputs, randomize
from tests.seqkeras.layers.without_peer import Deployed


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


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


@pytest.mark.parametrize("reset_after", [True, False])
def test_equations(reset_after):
    layer = GRU(UNITS, reset_after=reset_after, return_sequences=True)
    layer(inputs())
    randomize(layer)

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


class TestWithoutResetGate(Deployed):
    def make(self, **options):
        return GRU(UNITS, reset_gate=False, **options)

    def test_equations(self):
        layer = self.built(return_sequences=True)
        kernel, recurrent, bias = (w.astype("float64") for w in layer.get_weights())
        (w_xz, w_xn), (w_hz, w_hn), (b_z, b_n) = np.split(kernel, 2, 1), np.split(recurrent, 2, 1), np.split(bias, 2)
        outputs, h = layer(inputs()), np.zeros((BATCH, UNITS))
        for t in range(TIME):
            x = inputs()[:, t]
            z = sigmoid(x @ w_xz + h @ w_hz + b_z)
            h = z * h + (1 - z) * np.tanh(x @ w_xn + h @ w_hn + b_n)
            assert_same([outputs[:, t]], [h])

    def test_where_the_reset_would_stand_says_nothing(self):
        layers = [self.built(reset_after=reset_after, use_bias=False) for reset_after in (True, False)]
        assert [w.shape for w in layers[0].weights] == [(4, 2 * UNITS), (UNITS, 2 * UNITS)]
        assert_same([layers[0](inputs())], [layers[1](inputs())], 0)

    def test_general_activations(self):
        layer = self.built(activation="sigmoid", recurrent_activation="tanh", dtype="float64", return_sequences=True)
        assert layer.path == "derived"
        assert_gradient(layer, inputs("float64"), mask=MASK)
