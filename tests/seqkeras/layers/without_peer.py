"""What holds for every recurrent layer that keras.layers has no peer of; tests subclass `WithoutPeer` or `Deployed`."""

import keras
import numpy as np
import tensorflow as tf

from tests.seqkeras.layers.peers import (
    BATCH,
    MASK,
    TIME,
    assert_gradient,
    assert_same,
    initial_states,
    inputs,
    randomize,
    results,
    same_weights,
)

ALL = {"return_sequences": True, "return_state": True}


class WithoutPeer:
    """Tests of the layer that `make(**options)` gives; it takes the options of the driver, and gradient and dtype."""

    dropout = {"dropout": 0.4, "recurrent_dropout": 0.4, "seed": 4}

    def make(self, **options):
        raise NotImplementedError

    def built(self, **options):
        layer = self.make(**options)
        layer(inputs(options.get("dtype", "float32")))
        self.randomize(layer)
        return layer

    def randomize(self, layer):
        randomize(layer)

    def states(self, layer, dtype="float32"):
        return initial_states(layer, dtype=dtype)

    def test_gradient_is_that_of_differences(self):
        layer = self.built(dtype="float64", **ALL)
        assert layer.path == "derived"
        assert_gradient(layer, inputs("float64"), mask=MASK, states=self.states(layer, "float64"))

    def test_derived_equals_automatic(self):
        x, states = inputs("float64"), None
        for options in (ALL, {"return_state": True, "go_backwards": True, **self.dropout}):
            pair = [self.make(gradient=g, dtype="float64", **options) for g in ("automatic", "derived")]
            assert [layer.path for layer in pair] == ["automatic", "derived"]
            same_weights(*pair, x)
            self.randomize(pair[0])
            pair[1].set_weights(pair[0].get_weights())
            states = self.states(pair[0], "float64")
            automatic, derived = (results(layer, x, states, training=True, mask=MASK) for layer in pair)
            assert_same(derived, automatic, 1e-12)

    def test_padding_never_changes_a_result(self):
        layer = self.built(return_state=True)
        x = inputs()
        x[~MASK] = np.nan
        padded = layer(x, mask=MASK)
        for row in range(BATCH):
            if MASK[row].any():
                alone = layer(inputs()[row : row + 1, MASK[row]])
                assert_same([p[row] for p in padded], [a[0] for a in alone], 1e-6)
            else:
                assert np.all(padded[0][row].numpy() == 0)


class Deployed(WithoutPeer):
    """As `WithoutPeer`, with the tests that take longer: XLA, half precision, saved and exported models."""

    def test_same_under_xla(self):
        layer = self.built(**ALL)
        arguments = {"states": self.states(layer), "mask": MASK}
        assert layer.supports_jit is True
        xla = results(layer, inputs(), compiled=True, **arguments)
        assert_same(xla, results(layer, inputs(), compiled=False, **arguments))
        assert self.make(dtype="mixed_bfloat16")(inputs()).dtype == "bfloat16"

    def test_saved_and_exported(self, tmp_path):
        x = keras.Input((None, inputs().shape[-1]))
        layer = self.make(**ALL)
        model = keras.Model(x, layer(x))
        self.randomize(layer)
        expected = model(inputs())
        model.save(tmp_path / "model.keras")
        again = keras.models.load_model(tmp_path / "model.keras")
        assert type(again.layers[1]) is type(layer) and again.layers[1].get_config() == layer.get_config()
        assert_same(again(inputs()), expected, 0)
        model.export(tmp_path / "exported", format="tf_saved_model", verbose=False)
        exported = tf.saved_model.load(tmp_path / "exported")
        assert_same(exported.serve(inputs()[:2]), [e[:2] for e in expected], 1e-6)
        assert [tuple(s) for s in layer.compute_output_shape((BATCH, TIME, 4))] == [tuple(e.shape) for e in expected]
