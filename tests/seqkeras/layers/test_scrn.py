import numpy as np
import pytest

from seqkeras.layers import SCRN
from tests.seqkeras.layers.peers import BATCH, TIME, UNITS, assert_same, inputs
from tests.seqkeras.layers.without_peer import ALL, Deployed, WithoutPeer

CONTEXT = 3


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


class TestFixed(WithoutPeer):
    options = {"use_bias": True, "output_units": 2, "output_activation": "tanh"}

    def make(self, **options):
        return SCRN(UNITS, CONTEXT, **self.options, **options)

    def test_equations(self):
        layer = self.built(**ALL)
        weights = {w.name: w.numpy().astype("float64") for w in layer.weights}
        b_, a_ = np.split(weights["kernel"], [CONTEXT], 1)
        p_, r_ = np.split(weights["recurrent_kernel"], [CONTEXT])
        bias = weights.get("bias", 0)
        alpha = sigmoid(weights["alpha_logits"]) if layer.learn_alpha else 0.95
        outputs, h_last, s_last = layer(inputs())
        h, s = np.zeros((BATCH, UNITS)), np.zeros((BATCH, CONTEXT))
        for t in range(TIME):
            x = inputs()[:, t]
            s = (1 - alpha) * (x @ b_) + alpha * s
            h = sigmoid(s @ p_ + x @ a_ + h @ r_ + bias)
            if layer.output_units is None:
                y = np.concatenate([h, s], 1)
            else:
                u_, v_ = np.split(weights["output_kernel"], [UNITS])
                y = np.tanh(h @ u_ + s @ v_ + weights["output_bias"])
            assert_same([outputs[:, t]], [y])
        assert_same([h_last, s_last], [h, s])


class TestLearnt(TestFixed, Deployed):
    options = {"learn_alpha": True, "alpha": 0.8}

    def test_alpha_begins_as_said(self):
        layer = self.make()
        layer(inputs())
        assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "alpha_logits"]
        assert_same([sigmoid(layer.get_weights()[2])], [np.full(CONTEXT, 0.8)], 1e-6)


def test_the_context_keeps_what_it_saw_longer():
    layer = SCRN(1, 1, activation="linear", recurrent_initializer="zeros", kernel_initializer="ones")
    x = np.zeros((1, 21, 1), "float32")
    x[0, 0] = 1
    hidden, context = layer(x).numpy()[0]
    assert hidden == 0 and abs(context - 0.05 * 0.95**20) < 1e-7


def test_errors():
    for options, match in (
        ({"context_units": 0}, "context_units.*positive integer.*0"),
        ({"context_units": 2, "output_units": -1}, "output_units.*positive integer.*-1"),
        ({"context_units": 2, "alpha": 1.0}, "`alpha` should be above 0 and below 1.*1.0"),
    ):
        with pytest.raises(ValueError, match=match):
            SCRN(UNITS, **options)
