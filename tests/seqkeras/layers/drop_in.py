"""What holds for every layer that stands in for one of keras.layers: test_lstm.py and its like subclass `DropIn`."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers import RNN, recurrence
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
    keeps_signature,
    normal,
    randomize,
    results,
    same_weights,
)

SEQUENCES = {"return_sequences": True}
OPTIONS = [
    {},
    {**SEQUENCES},
    {"return_state": True},
    {**SEQUENCES, "return_state": True},
    {"go_backwards": True, "return_state": True},
    {**SEQUENCES, "go_backwards": True},
    {"zero_output_for_mask": True},
    {**SEQUENCES, "zero_output_for_mask": True, "return_state": True},
    {**SEQUENCES, "zero_output_for_mask": True, "go_backwards": True},
    {**SEQUENCES, "unroll": True, "return_state": True},
    {"unroll": True, "go_backwards": True},
    {**SEQUENCES, "use_bias": False},
]


def label(options):
    return "-".join(name if value is True else f"{name}={value}" for name, value in options.items()) or "default"


class DropIn:
    """Tests of a layer `ours` against its peer `theirs`, both made with `options` beside those of each test."""

    ours, theirs, cell, options = None, None, None, {}
    # Activations: pairs for the layer's arguments `activation` and `recurrent_activation`, with the path they take.
    activations = []

    @pytest.fixture(autouse=True)
    def project_in_the_loop(self, monkeypatch):
        """As it is with batches of the usual sizes, also with the few rows of these tests."""
        monkeypatch.setattr(recurrence, "SMALL_BATCH", 1)

    def make(self, **options):
        return self.ours(UNITS, **{**self.options, **options})

    def pair(self, **options):
        return same_weights(self.theirs(UNITS, **{**self.options, **options}), self.make(**options), inputs())

    # The same interface

    def test_signature(self):
        keeps_signature(self.ours, self.theirs)
        keeps_signature(self.cell, getattr(keras.layers, self.cell.__name__))

    def test_configuration_is_a_superset(self):
        options = {"name": "layer", "kernel_regularizer": "l2", "dropout": 0.1, "seed": 3, **SEQUENCES, **self.options}
        theirs, ours = self.theirs(UNITS, **options).get_config(), self.ours(UNITS, **options).get_config()
        assert theirs.items() <= ours.items()
        assert self.theirs(UNITS).get_config().keys() <= self.ours(UNITS).get_config().keys()

    def test_round_trip_of_configuration(self):
        options = {
            "kernel_regularizer": keras.regularizers.L1(0.1),
            "recurrent_constraint": "unit_norm",
            "bias_initializer": keras.initializers.Constant(0.3),
            "activity_regularizer": "l2",
            "recurrent_dropout": 0.2,
            "seed": 5,
            "gradient": "automatic",
            "zero_output_for_mask": True,
            "dtype": "mixed_bfloat16",
            "trainable": False,
            **SEQUENCES,
        }
        layer = self.make(**options)
        assert self.ours.from_config(layer.get_config()).get_config() == layer.get_config()
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert type(again) is self.ours and again.get_config() == layer.get_config()
        cell = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer.cell))
        assert type(cell) is self.cell and cell.get_config() == layer.cell.get_config()

    def test_arguments_are_attributes(self):
        theirs, ours = self.theirs(UNITS, dropout=0.25, **self.options), self.make(dropout=0.25)
        for name in ("units", "use_bias", "dropout", "recurrent_dropout", "state_size", "activation", *self.options):
            assert getattr(ours, name) == getattr(theirs, name)

    def test_weights_begin_alike(self):
        initializers = {
            "kernel_initializer": keras.initializers.GlorotUniform(1),
            "recurrent_initializer": keras.initializers.Orthogonal(seed=2),
            "bias_initializer": keras.initializers.RandomNormal(seed=3),
        }
        theirs, ours = (make(UNITS, name="layer", **initializers, **self.options) for make in (self.theirs, self.ours))
        theirs(inputs()), ours(inputs())
        assert [w.path for w in ours.weights] == [w.path for w in theirs.weights]
        assert_same(ours.get_weights(), theirs.get_weights(), 0)

    # The same numbers

    @pytest.mark.parametrize("options", OPTIONS, ids=label)
    def test_equals_keras(self, options):
        theirs, ours = self.pair(**options)
        assert ours.path == "derived"
        states = initial_states(theirs)
        assert_same(results(ours, inputs()), results(theirs, inputs()))
        assert_same(results(ours, inputs(), states, mask=MASK), results(theirs, inputs(), states, mask=MASK))

    def test_equals_keras_masked_from_zero_states(self):
        theirs, ours = self.pair(**SEQUENCES)
        assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))

    def test_activations(self):
        for given, path in self.activations:
            theirs, ours = self.pair(**given, **SEQUENCES)
            assert ours.path == path
            assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))

    def test_stateful(self):
        options = {"stateful": True, "return_sequences": True}
        theirs, ours = self.pair(**options)
        for layer in (theirs, ours):
            layer.reset_state()
        for _ in range(2):  # the second call goes on where the first one ended
            assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))
        assert_same([s.numpy() for s in ours.states], [s.numpy() for s in theirs.states])
        assert np.abs(ours.states[0].numpy()).max() > 0
        ours.reset_state()
        assert all(np.all(s.numpy() == 0) for s in ours.states)
        ours.reset_states()

    def test_masks_of_an_embedding(self):
        words = np.array([[1, 2, 3, 0, 0], [0, 4, 0, 5, 0], [0, 0, 0, 0, 0]])
        embedding = keras.layers.Embedding(6, FEATURES, mask_zero=True)
        theirs, ours = self.pair()
        expected = theirs(embedding(words))
        assert_same([ours(embedding(words))], [expected])
        # Keras drops the mask when there is an initial state, unless it is handed over; here it is never dropped.
        states = [normal(3, UNITS, seed=i) for i, _ in enumerate(ours.state_size)]
        expected = theirs(embedding(words), initial_state=states, mask=words > 0)
        assert_same([ours(embedding(words), initial_state=states)], [expected])

    def test_mask_goes_on(self):
        words = np.array([[1, 2, 0], [0, 4, 5]])
        embedded = keras.layers.Embedding(6, FEATURES, mask_zero=True)(words)
        assert np.array_equal(self.make(**SEQUENCES)(embedded)._keras_mask, words > 0)
        assert getattr(self.make()(embedded), "_keras_mask", None) is None

    # Masks

    @pytest.mark.parametrize("gradient", ["derived", "automatic"])
    def test_what_stands_in_padding_reaches_nothing(self, gradient):
        layer = self.make(gradient=gradient, return_state=True, **SEQUENCES)
        layer(inputs())
        randomize(layer)
        clean = results(layer, inputs(), initial_states(layer), mask=MASK)
        for rubbish in (np.nan, np.inf, 1e30):
            x = inputs()
            x[~MASK] = rubbish
            assert_same(results(layer, x, initial_states(layer), mask=MASK), clean, 0)

    @pytest.mark.parametrize("go_backwards", [False, True])
    def test_padding_never_changes_a_result(self, go_backwards):
        layer = self.make(return_state=True, go_backwards=go_backwards)
        padded = layer(inputs(), mask=MASK)
        for row in range(BATCH):
            if MASK[row].any():
                alone = layer(inputs()[row : row + 1, MASK[row]])
                assert_same([p[row] for p in padded], [a[0] for a in alone], 1e-6)
            else:
                assert all(np.all(p[row].numpy() == 0) for p in padded)

    def test_masked_steps_of_a_sequence(self):
        repeated = self.make(**SEQUENCES)
        zeroed = self.make(zero_output_for_mask=True, **SEQUENCES)
        same_weights(repeated, zeroed, inputs())
        repeated, zeroed = repeated(inputs(), mask=MASK).numpy(), zeroed(inputs(), mask=MASK).numpy()
        assert np.all(zeroed[~MASK] == 0)
        assert_same([zeroed[MASK]], [repeated[MASK]], 0)
        assert np.all(repeated[1, 4:] == repeated[1, 3]) and np.all(repeated[3, 2] == repeated[3, 1])
        assert np.all(repeated[2, :2] == 0) and np.all(repeated[4] == 0)

    def test_numeric_masks(self):
        layer = self.make()
        expected = layer(inputs(), mask=MASK)
        assert_same([layer(inputs(), mask=MASK.astype(dtype)) for dtype in ("int32", "float32")], 2 * [expected], 0)

    # The derived gradient

    @pytest.mark.parametrize("options", [{}, {**SEQUENCES, "go_backwards": True}, {"unroll": True}], ids=label)
    @pytest.mark.parametrize("dropout", [0.0, 0.4])
    def test_derived_equals_automatic(self, options, dropout):
        for dtype, tolerance in (("float32", 1e-5), ("float64", 1e-12)):
            pair = [
                self.make(
                    gradient=gradient,
                    dtype=dtype,
                    dropout=dropout,
                    recurrent_dropout=dropout,
                    seed=4,
                    return_state=True,
                    **options,
                )  # fmt: skip
                for gradient in ("automatic", "derived")
            ]
            x = inputs(dtype)
            same_weights(*pair, x)
            for arguments in ({}, {"mask": MASK, "states": initial_states(pair[0], dtype=dtype)}):
                automatic, derived = (results(layer, x, training=True, **arguments) for layer in pair)
                assert derived[0].dtype == dtype
                assert_same(derived, automatic, tolerance)

    def test_gradient_is_that_of_differences(self):
        for given, path in [({}, "derived"), *self.activations]:
            if path == "derived":
                layer = self.make(dtype="float64", return_state=True, **given, **SEQUENCES)
                layer(inputs("float64"))
                randomize(layer)
                assert_gradient(layer, inputs("float64"), mask=MASK)

    @pytest.mark.parametrize("options", [{}, {"use_bias": False, "go_backwards": True}])
    def test_projection_ahead_equals_projection_in_the_loop(self, options, monkeypatch):
        found = []
        layer = self.make(dtype="float64", return_state=True, **options, **SEQUENCES)
        layer(inputs("float64"))
        randomize(layer)
        for smallest in (1, BATCH + 1):
            monkeypatch.setattr(recurrence, "SMALL_BATCH", smallest)
            found.append(results(layer, inputs("float64"), training=True, mask=MASK))
        assert_same(*found, 1e-12)

    def test_second_derivatives(self):
        """The derived path either gives them right or fails; it never gives wrong ones."""
        pair = [self.make(gradient=gradient, dtype="float64") for gradient in ("automatic", "derived")]
        x = tf.constant(inputs("float64")[:2, :3])
        same_weights(*pair, x)
        found = []
        for layer in pair:
            with tf.GradientTape() as outer:
                outer.watch(x)
                with tf.GradientTape() as inner:
                    inner.watch(x)
                    loss = tf.reduce_sum(layer(x) ** 2)
                penalty = tf.reduce_sum(inner.gradient(loss, x) ** 2)
            found.append([g.numpy() for g in outer.gradient(penalty, [x, *(w.value for w in layer.weights)])])
        assert_same(found[1], found[0], 1e-9)

    # Dropout

    def test_dropout(self):
        # With linear projections of ones and no recurrence a layer shows its masks: a dropped input changes its output.
        x = np.ones((4, TIME, 8), "float32")
        layer = self.make(dropout=0.5, seed=1, recurrent_initializer="zeros", **SEQUENCES)
        quiet = layer(x).numpy()
        assert_same([layer(x, training=False).numpy()], [quiet], 0)
        first, second = layer(x, training=True).numpy(), layer(x, training=True).numpy()
        assert np.abs(first - quiet).max() > 1e-3
        assert np.abs(first - second).max() > 1e-3, "each batch draws its own masks"
        rows = first[:, 0]
        assert len(np.unique(rows.round(6), axis=0)) == 4, "each row has its own mask"

    def test_dropout_is_the_same_at_every_step(self):
        layer = self.make(dropout=0.5, seed=1, recurrent_initializer="zeros", **SEQUENCES)
        cell = layer.cell
        layer(inputs())
        drop, keep = cell.dropout_masks(BATCH, training=True)
        assert keep is None and drop.shape == (BATCH, FEATURES)
        again = self.make(dropout=0.5, seed=1, recurrent_initializer="zeros", **SEQUENCES)
        again(inputs())
        again.set_weights(layer.get_weights())
        # The same masks for all steps are the same as inputs multiplied before an undropped run.
        expected = again(inputs() * drop.numpy()[:, None])
        assert_same([again(inputs(), training=True)], [expected], 1e-6)

    def test_recurrent_dropout_is_the_same_at_every_step(self):
        layer = self.make(recurrent_dropout=0.5, seed=1)
        layer(inputs())
        randomize(layer)
        _, keep = layer.cell.dropout_masks(BATCH, training=True)
        again = self.make(recurrent_dropout=0.5, seed=1)
        again(inputs())
        again.set_weights(layer.get_weights())
        weights, states = layer.cell.step_weights(), tuple(layer.get_initial_state(BATCH))
        for t in range(TIME):
            states, _ = layer.cell.step(layer.cell.project(inputs()[:, t]), states, weights, keep)
        assert_same([again(inputs(), training=True)], [states[0]], 1e-6)
        assert np.abs(again(inputs()).numpy() - states[0].numpy()).max() > 1e-3

    def test_dropout_keeps_the_expectation(self):
        layer = self.make(dropout=0.3, recurrent_dropout=0.2, seed=1)
        layer(inputs())
        draws = [layer.cell.dropout_masks(1000, training=True) for _ in range(4)]
        for i, rate in ((0, 0.3), (1, 0.2)):
            masks = np.concatenate([d[i].numpy() for d in draws])
            assert np.allclose(np.unique(masks), [0, 1 / (1 - rate)])
            assert abs(masks.mean() - 1) < 0.05
        assert layer.cell.dropout_masks(3, training=False) == (None, None)

    # Training

    def test_regularizers_constraints_and_frozen_weights(self):
        losses = {"kernel_regularizer": 0.1, "recurrent_regularizer": 0.2, "bias_regularizer": 0.3}
        options = {name: keras.regularizers.L2(rate) for name, rate in losses.items()}
        layer = self.make(activity_regularizer=keras.regularizers.L1(0.5), **options)
        layer(inputs())
        randomize(layer)
        output = layer(inputs()).numpy()
        kernel, recurrent, bias = layer.get_weights()
        expected = 0.5 * np.abs(output).sum() / BATCH
        found = [float(value) for value in layer.losses]
        penalties = [0.1 * np.sum(kernel**2), 0.2 * np.sum(recurrent**2), 0.3 * np.sum(bias**2)]
        assert abs(sum(found) - sum(penalties) - expected) < 1e-4 * (1 + sum(found))
        layer.trainable = False
        assert layer.trainable_weights == [] and len(layer.non_trainable_weights) == 3

    # XLA

    @pytest.mark.parametrize("dtype, tolerance", [("float32", 1e-5), ("mixed_float16", 1e-2), ("mixed_bfloat16", 6e-2)])
    def test_same_values_and_gradients_under_xla(self, dtype, tolerance):
        layer = self.make(dtype=dtype, return_state=True, **SEQUENCES)
        x = inputs()
        layer(x)
        randomize(layer)
        assert layer.supports_jit is True
        xla = results(layer, x, mask=MASK, compiled=True)
        if dtype == "float32":
            assert_same(xla, results(layer, x, mask=MASK, compiled=False), tolerance)
        exact = self.make(return_state=True, **SEQUENCES)
        exact(x)
        exact.set_weights(layer.get_weights())
        assert_same(xla, results(exact, x, mask=MASK), tolerance)
        assert layer(x)[0].dtype == layer.compute_dtype

    # Cells

    def test_cell_equals_that_of_keras(self):
        theirs = getattr(keras.layers, self.cell.__name__)(UNITS, **self.options)
        ours = self.cell(UNITS, **self.options)
        x = inputs()[:, 0]
        states = [normal(BATCH, UNITS, seed=i) for i in range(len(ours.state_sizes))]
        same_weights(theirs, ours, x, states)
        expected, actual = theirs(x, states), ours(x, states)
        assert_same([actual[0], *actual[1]], [expected[0], *expected[1]])
        assert ours.state_size == theirs.state_size and ours.output_size == theirs.output_size
        zeros = ours.get_initial_state(2)
        assert [z.shape for z in zeros] == [z.shape for z in theirs.get_initial_state(2)]

    def test_our_cell_in_their_driver(self):
        layer = self.make(return_state=True, **SEQUENCES)
        theirs = keras.layers.RNN(self.cell(UNITS, **self.options), return_sequences=True, return_state=True)
        layer(inputs()), theirs(inputs())
        randomize(layer)
        theirs.set_weights(layer.get_weights())
        assert_same(results(layer, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))

    def test_their_cell_in_our_driver(self):
        cell = getattr(keras.layers, self.cell.__name__)(UNITS, **self.options)
        driver = RNN(cell, return_sequences=True, return_state=True)
        assert driver.path == "automatic"
        layer = self.make(return_state=True, **SEQUENCES)
        layer(inputs()), driver(inputs())
        randomize(layer)
        driver.set_weights(layer.get_weights())
        assert_same(results(driver, inputs(), mask=MASK), results(layer, inputs(), mask=MASK))
        with pytest.raises(ValueError, match="no gradient is derived"):
            RNN(cell, gradient="derived")

    # Errors

    @pytest.mark.parametrize("units", [-3, 0, 2.5, "five", None, True])
    def test_units(self, units):
        for make in (self.ours, self.cell):
            with pytest.raises(ValueError, match=f"positive integer.*{units}"):
                make(units, **self.options)

    def test_stateful_errors(self):
        layer = self.make(stateful=True)
        with pytest.raises(ValueError, match=r"batch size must be static.*\(None, 6, 4\)"):
            layer(keras.Input((TIME, FEATURES)))
        layer = self.make(stateful=True)
        layer(inputs())
        with pytest.raises(ValueError, match="(?s)batch size: 5.*batch size: 2"):
            layer(inputs()[:2])

    def test_other_errors(self):
        with pytest.raises(ValueError, match=r"(?s)unroll.*unknown.*\(5, None, 4\)"):
            tf.function(self.make(unroll=True)).get_concrete_function(tf.TensorSpec((5, None, FEATURES)))
        with pytest.raises(ValueError, match="gelu"):
            self.make(gradient="derived", activation="gelu")
        with pytest.raises(ValueError, match="gradient.*'best'"):
            self.make(gradient="best")
        with pytest.raises(ValueError, match="number of features"):
            self.make()(keras.Input((TIME, None)))
        with pytest.raises(ValueError, match="ndim"):
            self.make()(inputs()[0])
