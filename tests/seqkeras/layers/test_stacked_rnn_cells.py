import keras
import numpy as np
import pytest

from seqkeras.layers import RNN, GRUCell, LSTMCell, SimpleRNNCell, StackedRNNCells
from tests.seqkeras.layers.drop_in import label
from tests.seqkeras.layers.peers import (
    BATCH,
    MASK,
    UNITS,
    assert_gradient,
    assert_same,
    initial_states,
    inputs,
    keeps_signature,
    paths,
    randomize,
    results,
    same_weights,
)


def cells(module=None):
    """Cells of different kinds, sizes and numbers of states: of a module, or of this package."""
    kinds = (SimpleRNNCell, LSTMCell, GRUCell)
    simple, lstm, gru = kinds if module is None else (getattr(module, kind.__name__) for kind in kinds)
    return [lstm(4), simple(3), gru(UNITS)]


def test_signature():
    keeps_signature(StackedRNNCells, keras.layers.StackedRNNCells)


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"return_sequences": True, "return_state": True},
        {"go_backwards": True, "return_sequences": True},
        {"zero_output_for_mask": True, "return_state": True},
        {"unroll": True, "return_state": True},
    ],
    ids=label,
)
def test_equals_keras(options):
    theirs, ours = same_weights(keras.layers.RNN(cells(keras.layers), **options), RNN(cells(), **options), inputs())
    assert ours.path == "derived"
    assert paths(ours) == paths(theirs)
    assert_same(results(ours, inputs()), results(theirs, inputs()))
    states = initial_states(theirs)
    assert_same(results(ours, inputs(), states, mask=MASK), results(theirs, inputs(), states, mask=MASK))
    shape = (None, None, 4)
    assert ours.compute_output_shape(shape) == theirs.compute_output_shape(shape)


def test_steps_as_one_cell():
    theirs, ours = keras.layers.StackedRNNCells(cells(keras.layers)), StackedRNNCells(cells())
    states = ours.get_initial_state(BATCH)
    shapes = [[tuple(s.shape) for s in keras.tree.flatten(state)] for state in states]
    assert shapes == [[(BATCH, 4), (BATCH, 4)], [(BATCH, 3)], [(BATCH, UNITS)]]
    same_weights(theirs, ours, inputs()[:, 0], states)
    assert ours.state_size == theirs.state_size and ours.output_size == theirs.output_size
    for t in range(3):
        expected = theirs(inputs()[:, t], states)
        actual = ours(inputs()[:, t], states)
        assert_same(keras.tree.flatten(actual), keras.tree.flatten(expected))
        states = actual[1]
    driver = keras.layers.RNN(StackedRNNCells(cells()))
    driver(inputs())
    driver.set_weights(ours.get_weights())
    fast = RNN(ours)
    assert_same([fast(inputs(), mask=MASK)], [driver(inputs(), mask=MASK)])


def test_cells_of_both_packages():
    mixed = RNN([keras.layers.LSTMCell(4), SimpleRNNCell(3), keras.layers.GRUCell(UNITS)], return_state=True)
    assert mixed.path == "automatic"
    ours = RNN(cells(), return_state=True)
    same_weights(mixed, ours, inputs())
    assert_same(results(mixed, inputs(), mask=MASK), results(ours, inputs(), mask=MASK))


def test_gradient():
    derived, automatic = (
        RNN([type(cell)(cell.units, dtype="float64", dropout=0.3, recurrent_dropout=0.3, seed=i)
             for i, cell in enumerate(cells())],
            return_sequences=True, return_state=True, gradient=gradient, dtype="float64")
        for gradient in ("derived", "automatic")
    )  # fmt: skip
    x = inputs("float64")
    same_weights(automatic, derived, x)
    states = initial_states(derived, dtype="float64")
    arguments = {"states": states, "mask": MASK}
    actual, expected = (results(layer, x, training=True, **arguments) for layer in (derived, automatic))
    assert_same(actual, expected, 1e-12)
    assert np.abs(actual[0] - results(derived, x, **arguments)[0]).max() > 1e-3, "dropout acts in a stack"
    assert_gradient(derived, x, **arguments)


def test_one_activation_without_a_derivative_is_enough_for_the_automatic_path():
    assert RNN([LSTMCell(4), GRUCell(3, activation="gelu")]).path == "automatic"
    with pytest.raises(ValueError, match="gradient='derived'"):
        RNN([LSTMCell(4), GRUCell(3, activation="gelu")], gradient="derived")


def test_stateful():
    theirs, ours = same_weights(
        keras.layers.RNN(cells(keras.layers), stateful=True), RNN(cells(), stateful=True), inputs()
    )
    ours.reset_state()
    for state in keras.tree.flatten(theirs.states):  # Keras's reset_state fails on a stack
        state.assign(keras.ops.zeros_like(state))
    for _ in range(2):
        assert_same([ours(inputs())], [theirs(inputs())])
    ours.reset_state()
    assert all(np.all(s.numpy() == 0) for s in keras.tree.flatten(ours.states))


def test_round_trip():
    layer = RNN(StackedRNNCells(cells(), name="stack"), return_sequences=True)
    layer(inputs())
    randomize(layer)
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(layer))
    assert again.get_config() == layer.get_config()
    assert again.cell.get_config().keys() >= keras.layers.StackedRNNCells(cells()).get_config().keys()
    again(inputs())
    again.set_weights(layer.get_weights())
    assert_same([again(inputs())], [layer(inputs())], 0)


def test_errors():
    with pytest.raises(ValueError, match=r"at least one cell.*\[\]"):
        StackedRNNCells([])
    with pytest.raises(ValueError, match="must have a `state_size`.*Dense"):
        StackedRNNCells([LSTMCell(3), keras.layers.Dense(3)])
