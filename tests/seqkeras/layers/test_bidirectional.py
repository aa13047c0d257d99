import keras
import numpy as np
import pytest

from seqkeras import layers
from seqkeras.layers import GRU, LSTM, RNN, Bidirectional, GRUCell, LSTMCell, SimpleRNN
from tests.seqkeras.layers.peers import (
    BATCH,
    FEATURES,
    MASK,
    UNITS,
    assert_gradient,
    assert_same,
    initial_states,
    inputs,
    keeps_signature,
    normal,
    paths,
    randomize,
    results,
    same_weights,
)

MERGE_MODES = ["concat", "sum", "ave", "mul", None]
SEQUENCES = {"return_sequences": True}
STATES = {"return_state": True}


def pair(theirs, ours, **options):
    return same_weights(keras.layers.Bidirectional(theirs, **options), Bidirectional(ours, **options), inputs())


def test_signature_and_configuration():
    keeps_signature(Bidirectional, keras.layers.Bidirectional)
    expected, layer = keras.layers.Bidirectional(LSTM(3)), Bidirectional(LSTM(3))
    assert expected.get_config().keys() <= layer.get_config().keys()


@pytest.mark.parametrize("merge_mode", MERGE_MODES)
@pytest.mark.parametrize("options", [{}, SEQUENCES, {**SEQUENCES, **STATES}], ids=["last", "all", "all and states"])
def test_equals_keras(merge_mode, options):
    theirs, ours = pair(keras.layers.LSTM(UNITS, **options), LSTM(UNITS, **options), merge_mode=merge_mode)
    assert paths(ours) == paths(theirs)
    assert_same(results(ours, inputs()), results(theirs, inputs()))
    states = initial_states(ours.forward_layer) + initial_states(ours.forward_layer, seed=30)
    assert_same(results(ours, inputs(), states, mask=MASK), results(theirs, inputs(), states, mask=MASK))
    expected = keras.tree.flatten(theirs.compute_output_shape((None, None, FEATURES)))
    assert keras.tree.flatten(ours.compute_output_shape((None, None, FEATURES))) == expected
    x = keras.Input((None, FEATURES))
    assert [o.shape for o in keras.tree.flatten(ours(x))] == [o.shape for o in keras.tree.flatten(theirs(x))]


@pytest.mark.parametrize("ours, theirs", [(SimpleRNN, keras.layers.SimpleRNN), (GRU, keras.layers.GRU)])
def test_equals_keras_for_other_layers(ours, theirs):
    theirs, ours = pair(theirs(UNITS, **SEQUENCES), ours(UNITS, **SEQUENCES))
    assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))


def test_equals_keras_for_a_stack():
    def stack(module, lstm, gru):
        return module([lstm(4), gru(UNITS)], **SEQUENCES, **STATES)

    theirs = stack(keras.layers.RNN, keras.layers.LSTMCell, keras.layers.GRUCell)
    theirs, ours = pair(theirs, stack(RNN, LSTMCell, GRUCell))
    assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))
    assert ours.forward_layer.path == ours.backward_layer.path == "derived"


@pytest.mark.parametrize("options", [{}, SEQUENCES])
def test_backward_layer_of_its_own(options):
    theirs, ours = (
        module.Bidirectional(
            module.LSTM(UNITS, **options),
            backward_layer=module.GRU(3, activation="relu", go_backwards=True, **options),
        )
        for module in (keras.layers, layers)
    )
    same_weights(theirs, ours, inputs())
    assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ours))
    assert again.get_config() == ours.get_config()
    assert isinstance(again.backward_layer, GRU) and again.backward_layer.units == 3


def test_output_shape_of_unequal_directions():
    layer = Bidirectional(LSTM(UNITS), backward_layer=GRU(3, go_backwards=True))
    assert layer.compute_output_shape((None, None, FEATURES)) == (None, UNITS + 3)
    assert layer(keras.Input((None, FEATURES))).shape == (None, UNITS + 3)


def test_a_layer_of_keras_inside():
    theirs, ours = pair(keras.layers.LSTM(UNITS, **SEQUENCES), keras.layers.LSTM(UNITS, use_cudnn=False, **SEQUENCES))
    assert ours.forward_layer.use_cudnn is False
    assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))
    ours = keras.layers.Bidirectional(LSTM(UNITS, **SEQUENCES))
    same_weights(theirs, ours, inputs())
    assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))


def test_a_layer_that_runs_backward_already():
    forward = Bidirectional(GRU(UNITS, **SEQUENCES, go_backwards=False))
    reversed_ = Bidirectional(GRU(UNITS, **SEQUENCES, go_backwards=True))
    assert reversed_.forward_layer.go_backwards and not reversed_.backward_layer.go_backwards
    same_weights(forward, reversed_, inputs())


def test_initial_weights():
    layer = Bidirectional(LSTM(UNITS))
    layer(inputs())
    randomize(layer)
    again = Bidirectional(LSTM(UNITS), weights=layer.get_weights())
    assert_same([again(inputs())], [layer(inputs())], 0)


def test_the_given_layer_keeps_its_own_weights():
    layer = LSTM(UNITS)
    layer(inputs())
    before = layer.get_weights()
    both = Bidirectional(layer)
    both(inputs())
    randomize(both)
    assert_same(layer.get_weights(), before, 0)


def test_padding_never_changes_a_result():
    layer = Bidirectional(LSTM(UNITS, **SEQUENCES))
    padded = layer(inputs(), mask=MASK).numpy()
    assert np.all(padded[~MASK] == 0)
    for row in range(BATCH - 1):
        alone = layer(inputs()[row : row + 1, MASK[row]]).numpy()
        assert_same([padded[row, MASK[row]]], [alone[0]], 1e-6)


def test_padding_reaches_no_gradient():
    layer = Bidirectional(GRU(UNITS, **SEQUENCES))
    layer(inputs())
    x = inputs()
    x[~MASK] = np.nan
    assert_same(results(layer, x, mask=MASK), results(layer, inputs(), mask=MASK), 0)


def test_mask_of_an_embedding_goes_through():
    words = np.array([[1, 2, 0, 0], [0, 0, 4, 5], [0, 0, 0, 0]])
    embedded = keras.layers.Embedding(6, FEATURES, mask_zero=True)(words)
    theirs, ours = pair(keras.layers.LSTM(UNITS, **SEQUENCES), LSTM(UNITS, **SEQUENCES))
    output = ours(embedded)
    assert_same([output], [theirs(embedded)])
    assert np.array_equal(output._keras_mask, words > 0)
    top = Bidirectional(GRU(2))
    assert_same([top(output)], [top(output, mask=words > 0)], 0)
    states = [normal(3, UNITS, seed=i) for i in range(4)]
    assert_same([ours(embedded, initial_state=states)], [ours(embedded, initial_state=states, mask=words > 0)], 0)


def test_mask_of_outputs_that_are_not_merged():
    words = np.array([[1, 2, 0]])
    embedded = keras.layers.Embedding(6, FEATURES, mask_zero=True)(words)
    forward, backward, *states = Bidirectional(LSTM(2, **SEQUENCES, **STATES), merge_mode=None)(embedded)
    assert np.array_equal(forward._keras_mask, words > 0) and np.array_equal(backward._keras_mask, words > 0)
    assert len(states) == 4 and all(getattr(s, "_keras_mask", None) is None for s in states)


def test_stateful():
    theirs, ours = pair(keras.layers.GRU(UNITS, stateful=True), GRU(UNITS, stateful=True))
    for layer in (theirs, ours):
        layer.reset_state()
    first = ours(inputs())
    assert_same([first], [theirs(inputs())])
    second = ours(inputs())
    assert_same([second], [theirs(inputs())])
    assert np.abs(first.numpy() - second.numpy()).max() > 1e-3
    assert len(ours.states) == 2
    ours.reset_state()
    assert all(np.all(s.numpy() == 0) for s in ours.states)


def test_dropout():
    layer = Bidirectional(LSTM(UNITS, dropout=0.5, recurrent_dropout=0.5, seed=1))
    quiet = layer(inputs()).numpy()
    assert_same([layer(inputs(), training=False)], [quiet], 0)
    assert np.abs(layer(inputs(), training=True).numpy() - quiet).max() > 1e-3


def test_gradient():
    layer = Bidirectional(LSTM(UNITS, dtype="float64", **SEQUENCES, **STATES), merge_mode="mul", dtype="float64")
    layer(inputs("float64"))
    randomize(layer)
    assert_gradient(layer, inputs("float64"), mask=MASK)


def test_same_under_xla():
    layer = Bidirectional(LSTM(UNITS, dtype="mixed_bfloat16", **SEQUENCES), dtype="mixed_bfloat16")
    assert layer(inputs()).dtype == "bfloat16"
    assert layer.supports_jit is True
    assert_same(results(layer, inputs(), mask=MASK, compiled=True), results(layer, inputs(), mask=MASK), 6e-2)


def test_errors():
    with pytest.raises(ValueError, match="(?s)`layer` of Bidirectional.*keras.layers.Layer.*three"):
        Bidirectional("three")
    with pytest.raises(ValueError, match="(?s)`backward_layer` of Bidirectional.*keras.layers.Layer.*three"):
        Bidirectional(LSTM(3), backward_layer="three")
    with pytest.raises(ValueError, match="'concat'.*merge_mode='product'"):
        Bidirectional(LSTM(3), merge_mode="product")
    with pytest.raises(ValueError, match="go_backwards.*Received: False for both"):
        Bidirectional(LSTM(3), backward_layer=LSTM(3))
    with pytest.raises(ValueError, match="return_sequences.*Received: True and False"):
        Bidirectional(LSTM(3, return_sequences=True), backward_layer=LSTM(3, go_backwards=True))
    with pytest.raises(ValueError, match="recurrent layer.*Dense"):
        Bidirectional(keras.layers.Dense(3))
