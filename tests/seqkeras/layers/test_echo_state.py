import keras
import numpy as np
import pytest

from seqkeras.layers import EchoState
from tests.seqkeras.layers.peers import BATCH, TIME, UNITS, assert_same, inputs, normal
from tests.seqkeras.layers.without_peer import Deployed


class TestEchoState(Deployed):
    dropout = {}

    def make(self, **options):
        return EchoState(UNITS, connectivity=0.5, leak_rate=0.3, use_bias=True, seed=1, **options)

    def randomize(self, layer):
        pass

    def test_equations(self):
        layer = self.built(return_sequences=True)
        w_xh, w_hh, b = (w.astype("float64") for w in layer.get_weights())
        outputs, h = layer(inputs()), np.zeros((BATCH, UNITS))
        for t in range(TIME):
            h = 0.7 * h + 0.3 * np.tanh(inputs()[:, t] @ w_xh + h @ w_hh + b)
            assert_same([outputs[:, t]], [h])


def test_the_reservoir_is_as_asked():
    layer = EchoState(40, spectral_radius=0.8, connectivity=0.2, input_scaling=0.5, seed=3)
    layer(inputs())
    kernel, recurrent = layer.get_weights()
    assert layer.trainable_weights == []
    assert np.count_nonzero(recurrent) == 320
    assert abs(np.abs(np.linalg.eigvals(recurrent)).max() - 0.8) < 1e-5
    assert 0.4 < np.abs(kernel).max() <= 0.5
    for units in (1, 2, 3):  # so few entries often hold no cycle
        small = EchoState(units, connectivity=0.01, seed=3)
        small(inputs())
        assert abs(np.abs(np.linalg.eigvals(small.get_weights()[1])).max() - 0.9) < 1e-5


def test_seeds():
    def weights(seed):
        layer = EchoState(10, seed=seed)
        layer(inputs())
        return layer.get_weights()[1]

    assert np.array_equal(weights(1), weights(1)) and not np.array_equal(weights(1), weights(2))
    assert not np.array_equal(weights(None), weights(None))
    keras.utils.set_random_seed(1)
    first = weights(None)
    keras.utils.set_random_seed(1)
    assert np.array_equal(weights(None), first)


def test_echoes_and_forgets_how_it_began():
    layer = EchoState(30, spectral_radius=0.8, seed=1)
    x = normal(1, 150, 4)
    ends = [layer(x, initial_state=[normal(1, 30, seed=seed)]).numpy() for seed in (1, 2)]
    assert_same(ends[:1], ends[1:], 1e-6)


def test_a_readout_is_trained_and_the_reservoir_is_not():
    """The reservoir holds its inputs: a linear readout finds the one of two steps ago."""
    x = normal(8, 60, 1, scale=0.3)
    model = keras.Sequential(
        [EchoState(60, spectral_radius=0.9, input_scaling=0.5, seed=1, return_sequences=True), keras.layers.Dense(1)]
    )
    model(x)
    reservoir = model.layers[0].get_weights()
    model.compile("adam", "mse")
    model.fit(x, x, epochs=2, verbose=0)
    assert_same(model.layers[0].get_weights(), reservoir, 0)
    states = model.layers[0](x).numpy()[:, 2:].reshape(-1, 60)
    target = x[:, :-2].reshape(-1, 1)
    readout = np.linalg.lstsq(states[:232], target[:232], rcond=None)[0]
    assert np.mean((states[232:] @ readout - target[232:]) ** 2) < 0.01 * np.var(target)


@pytest.mark.parametrize("name, value", [("spectral_radius", 0), ("connectivity", 1.5), ("leak_rate", 0)])
def test_errors(name, value):
    with pytest.raises(ValueError, match=f"`{name}` should be above 0.*{name}={value}"):
        EchoState(UNITS, **{name: value})
