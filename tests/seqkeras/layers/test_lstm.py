import keras
import numpy as np

from seqkeras.layers import LSTM, LSTMCell
from tests.seqkeras.layers.drop_in import DropIn
from tests.seqkeras.layers.peers import (
    BATCH,
    MASK,
    TIME,
    UNITS,
    assert_gradient,
    assert_same,
    inputs,
    randomize,
    results,
    same_weights,
)
from tests.seqkeras.layers.without_peer import ALL, Deployed, WithoutPeer


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


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_equations():
    layer = LSTM(UNITS, return_sequences=True, return_state=True)
    outputs, *_ = layer(inputs())
    randomize(layer)
    outputs, h_last, c_last = layer(inputs())

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
    """Pre-activations beyond the range of exp: the gates must not overflow."""
    layer = LSTM(UNITS, return_sequences=True)
    layer(inputs())
    assert np.isfinite(layer(inputs() * 1e6).numpy()).all()


class Variant(WithoutPeer):
    options = {}

    def make(self, **options):
        return LSTM(UNITS, **self.options, **options)

    def test_equations(self):
        layer = self.built(return_sequences=True, return_state=True)
        peephole, coupled = (self.options.get(name, False) for name in ("peephole", "coupled"))
        kernel, recurrent, bias, *p = (w.astype("float64") for w in layer.get_weights())
        blocks = 3 if coupled else 4
        *_, w_xf, w_xg, w_xo = np.split(kernel, blocks, 1)
        *_, w_hf, w_hg, w_ho = np.split(recurrent, blocks, 1)
        *_, b_f, b_g, b_o = np.split(bias, blocks)
        *_, p_f, p_o = p[0] if peephole else np.zeros((2, UNITS))
        outputs, h_last, c_last = layer(inputs())
        h = c = np.zeros((BATCH, UNITS))
        for t in range(TIME):
            x = inputs()[:, t]
            f = sigmoid(x @ w_xf + h @ w_hf + p_f * c + b_f)
            if coupled:
                i = 1 - f
            else:
                i = sigmoid(x @ kernel[:, :UNITS] + h @ recurrent[:, :UNITS] + p[0][0] * c + bias[:UNITS])
            g = np.tanh(x @ w_xg + h @ w_hg + b_g)
            c = f * c + i * g
            h = sigmoid(x @ w_xo + h @ w_ho + p_o * c + b_o) * np.tanh(c)
            assert_same([outputs[:, t]], [h])
        assert_same([h_last, c_last], [h, c])

    def test_general_activations(self):
        """Gates that do not go through tanh."""
        given = {"activation": "sigmoid", "recurrent_activation": "tanh", "dtype": "float64"}
        pair = [self.make(gradient=gradient, **given, **ALL) for gradient in ("automatic", "derived")]
        same_weights(*pair, inputs("float64"))
        automatic, derived = (results(layer, inputs("float64"), mask=MASK) for layer in pair)
        assert_same(derived, automatic, 1e-12)
        assert_gradient(pair[1], inputs("float64"), mask=MASK)


class TestPeephole(Variant):
    options = {"peephole": True}

    def test_begins_as_the_recurrent_initializer_says(self):
        layer = LSTM(UNITS, peephole=True, recurrent_initializer="ones", recurrent_regularizer="l2")
        layer(inputs())
        assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "bias", "peephole_kernel"]
        assert_same(layer.get_weights()[3:], [np.ones((3, UNITS))], 0)
        assert len(layer.losses) == 2


class TestCoupled(Variant):
    options = {"coupled": True}

    def test_forget_bias(self):
        layer = LSTM(2, coupled=True)
        layer(inputs())
        assert_same(layer.get_weights()[2:], [[1, 1, 0, 0, 0, 0]], 0)


class TestPeepholeCoupled(Variant, Deployed):
    options = {"peephole": True, "coupled": True}


def test_without_bias():
    layer = LSTM(UNITS, peephole=True, coupled=True, use_bias=False)
    layer(inputs())
    assert [w.shape for w in layer.weights] == [(4, 3 * UNITS), (UNITS, 3 * UNITS), (2, UNITS)]
