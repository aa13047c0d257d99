import keras
import numpy as np
import pytest

from seqkeras.layers import IRNN, RNN, Elman, ElmanCell, SimpleRNN, SimpleRNNCell
from tests.seqkeras.layers.drop_in import DropIn
from tests.seqkeras.layers.peers import (
    BATCH,
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
from tests.seqkeras.layers.without_peer import WithoutPeer


class TestSimpleRNN(DropIn):
    ours, theirs, cell = SimpleRNN, keras.layers.SimpleRNN, SimpleRNNCell
    activations = [
        ({"activation": "relu"}, "derived"),
        ({"activation": "linear"}, "derived"),
        ({"activation": None}, "derived"),
        ({"activation": "sigmoid"}, "derived"),
        ({"activation": "hard_sigmoid"}, "derived"),
        ({"activation": "gelu"}, "automatic"),
        ({"activation": "softsign"}, "automatic"),
    ]


def test_equation():
    layer = SimpleRNN(UNITS, return_sequences=True)
    layer(inputs())
    randomize(layer)
    w_xh, w_hh, b = (w.astype("float64") for w in layer.get_weights())
    outputs, h = layer(inputs()), np.zeros((BATCH, UNITS))
    for t in range(TIME):
        h = np.tanh(inputs()[:, t] @ w_xh + h @ w_hh + b)
        assert_same([outputs[:, t]], [h])


@pytest.mark.parametrize(
    "sequence, expected",
    [([[1, 1], [1, 1], [2, 2]], [4, 12, 32]), ([[2, 2], [1, 1], [1, 1]], [8, 20, 44])],
)
def test_worked_example_of_the_lectures(sequence, expected):
    """One layer of two linear units, all weights 1, no bias; each output sums both units. Order matters."""
    layer = Elman(2, 2, activation="linear", use_bias=False, return_sequences=True)
    layer.build((None, None, 2))
    layer.set_weights([np.ones_like(w) for w in layer.get_weights()])
    outputs = layer(np.array([sequence], "float32")).numpy()
    assert outputs.tolist() == [[[y, y] for y in expected]]


def elman(**options):
    layer = Elman(UNITS, 3, **{"return_sequences": True, **options})
    layer(inputs(options.get("dtype", "float32")))
    randomize(layer)
    return layer


@pytest.mark.parametrize("output_activation", ["linear", "softmax", "gelu"])
def test_elman_equations(output_activation):
    layer = elman(output_activation=output_activation)
    assert [w.name for w in layer.weights] == ["kernel", "recurrent_kernel", "bias", "output_kernel", "output_bias"]
    w_xh, w_hh, b, w_hy, b_y = layer.get_weights()
    outputs, h = layer(inputs()), np.zeros((BATCH, UNITS))
    assert outputs.shape == (BATCH, TIME, 3)
    for t in range(TIME):
        h = np.tanh(inputs()[:, t] @ w_xh + h @ w_hh + b)
        y = keras.activations.get(output_activation)(keras.ops.convert_to_tensor(h @ w_hy + b_y))
        assert_same([outputs[:, t]], [y])


def test_elman_returns_its_hidden_state():
    output, state = elman(return_sequences=False, return_state=True)(inputs())
    assert output.shape == (BATCH, 3) and state.shape == (BATCH, UNITS)
    assert elman().compute_output_shape((None, None, 4)) == (None, None, 3)


@pytest.mark.parametrize("options", [{}, {"go_backwards": True, "return_state": True}, {"return_sequences": False}])
def test_elman_masked(options):
    """A masked step repeats the last output, which is not what the unit reads from a state of zeros."""
    derived, automatic = (elman(gradient=gradient, **options) for gradient in ("derived", "automatic"))
    theirs = keras.layers.RNN(ElmanCell(UNITS, 3), **{"return_sequences": True, **options})
    theirs(inputs())
    theirs.set_weights(derived.get_weights())
    for arguments in ({}, {"mask": MASK, "states": initial_states(derived)}):
        expected = results(theirs, inputs(), **arguments)
        assert_same(results(derived, inputs(), **arguments), expected)
        assert_same(results(automatic, inputs(), **arguments), expected)


def test_elman_gradient():
    assert_gradient(elman(dtype="float64", output_activation="softmax"), inputs("float64"), mask=MASK)


def test_elman_round_trips():
    layer = elman(output_activation="softmax", dropout=0.1, kernel_regularizer="l2")
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.get_config()["output_units"] == 3
    same_weights(layer, again, inputs())
    assert_same([again(inputs())], [layer(inputs())], 0)
    # kernel_regularizer serves both kernels that a sequence and its output pass.
    assert len(layer.losses) == 2


def test_elman_in_a_list_of_cells():
    """The upper cell reads the lower one's output, not its hidden state."""
    layer = RNN([ElmanCell(UNITS, 3), SimpleRNNCell(2)], return_sequences=True)
    layer(inputs())
    assert layer.cell.cells[1].kernel.shape == (3, 2)
    theirs = keras.layers.RNN([ElmanCell(UNITS, 3), SimpleRNNCell(2)], return_sequences=True)
    same_weights(theirs, layer, inputs())
    assert_same(results(layer, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))


def test_elman_errors():
    with pytest.raises(ValueError, match="output_units.*positive integer.*0"):
        Elman(2, 0)
    with pytest.raises(ValueError, match="units.*positive integer.*-3"):
        Elman(-3, 2)


def test_states_of_one_batch_do_not_reach_the_next():
    layer = SimpleRNN(UNITS)
    first = layer(normal(2, 3, 4)).numpy()
    layer(normal(7, 2, 4))
    assert_same([layer(normal(2, 3, 4))], [first], 0)


class TestIRNN(WithoutPeer):
    def make(self, **options):
        return IRNN(UNITS, scale=0.5, **options)

    def test_equation(self):
        layer = self.built(return_sequences=True)
        w_xh, w_hh, b = (w.astype("float64") for w in layer.get_weights())
        outputs, h = layer(inputs()), np.zeros((BATCH, UNITS))
        for t in range(TIME):
            h = np.maximum(0, inputs()[:, t] @ w_xh + h @ w_hh + b)
            assert_same([outputs[:, t]], [h])

    def test_beginning(self):
        first, second = self.make(), self.make()
        first(inputs()), second(inputs())
        kernel, recurrent_kernel, bias = first.get_weights()
        assert 0 < np.abs(kernel).max() < 0.006 and not np.array_equal(kernel, second.get_weights()[0])
        assert_same([recurrent_kernel, bias], [0.5 * np.eye(UNITS), np.zeros(UNITS)], 0)
        with pytest.raises(ValueError, match="scale.*orthogonal.*SimpleRNN"):
            IRNN(UNITS, recurrent_initializer="orthogonal")

    def test_round_trip(self):
        layer = self.make(use_bias=False, return_sequences=True)
        again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
        assert type(again) is IRNN and again.get_config() == layer.get_config()
        again(inputs())
        assert_same(again.get_weights()[1:], [0.5 * np.eye(UNITS)], 0)

    def test_remembers_without_training(self):
        layer = IRNN(UNITS, kernel_initializer="zeros")
        state = np.abs(normal(BATCH, UNITS))
        assert_same([layer(inputs(), initial_state=[state])], [state], 0)
