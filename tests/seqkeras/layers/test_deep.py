import itertools

import keras
import numpy as np
import pytest

from seqkeras.layers import GRU, LSTM, Bidirectional, DeepRNN
from tests.seqkeras.layers.peers import (
    BATCH,
    FEATURES,
    MASK,
    TIME,
    UNITS,
    assert_same,
    initial_states,
    inputs,
    normal,
    randomize,
    results,
)
from tests.seqkeras.layers.without_peer import ALL, Deployed, WithoutPeer


class TestBidirectionalLSTM(Deployed):
    def make(self, go_backwards=False, **options):
        return DeepRNN("lstm", 3, num_layers=2, bidirectional=True, **options)


class TestResidualGRU(WithoutPeer):
    def make(self, go_backwards=False, **options):
        # As many units as features: the first layer is residual too.
        return DeepRNN("gru", FEATURES, num_layers=2, residual=True, **options)


@pytest.mark.parametrize("residual, bidirectional", itertools.product([False, True], repeat=2))
def test_is_the_layers_one_after_the_other(residual, bidirectional):
    deep = DeepRNN("lstm", 2, num_layers=3, residual=residual, bidirectional=bidirectional, **ALL)
    deep(inputs())
    randomize(deep)
    states, count = initial_states(deep), 2 * (1 + bidirectional)
    assert len(states) == 3 * count
    outputs, *last = deep(inputs(), initial_state=states, mask=MASK)
    x, weights, expected = np.where(MASK[..., None], inputs(), 0), deep.get_weights(), []
    for depth in range(3):
        layer = LSTM(2, **ALL)
        layer = Bidirectional(layer) if bidirectional else layer
        layer.build(x.shape)
        layer.set_weights(weights[: len(layer.weights)])
        del weights[: len(layer.weights)]
        y, *after = layer(x, initial_state=states[count * depth : count * (depth + 1)], mask=MASK)
        same_size = x.shape[-1] == y.shape[-1]
        x = (y + x) * MASK[..., None] if residual and same_size else y
        expected += after
    assert_same([outputs, *last], [x, *expected], 1e-6)


@pytest.mark.parametrize("residual, bidirectional", itertools.product([False, True], repeat=2))
def test_the_last_output(residual, bidirectional):
    options = {"num_layers": 2, "residual": residual, "bidirectional": bidirectional, "return_state": True}
    sequences, last = (DeepRNN("gru", 2, return_sequences=flag, **options) for flag in (True, False))
    sequences(inputs()), last(inputs())
    randomize(sequences)
    last.set_weights(sequences.get_weights())
    for mask in (None, MASK):
        y, *states = sequences(inputs(), mask=mask)
        kept = np.ones_like(MASK) if mask is None else mask
        ends = [np.flatnonzero(row)[[-1, 0]] if row.any() else None for row in kept]
        expected = np.zeros((BATCH, y.shape[-1]), "float32")
        for row, end in enumerate(ends):
            if end is not None:
                expected[row, :2], expected[row, 2:] = y[row, end[0], :2], y[row, end[1], 2:]
        assert_same(last(inputs(), mask=mask), [expected, *states], 1e-6)
        if not residual:
            assert_same([expected], [np.concatenate(states[2:], -1) if bidirectional else states[1]], 1e-6)


def test_masks_of_an_embedding():
    words = np.array([[1, 2, 3, 0, 0], [0, 4, 0, 5, 0], [0, 0, 0, 0, 0]])
    embedded = keras.layers.Embedding(6, FEATURES, mask_zero=True)(words)
    deep = DeepRNN("gru", 3, num_layers=2, return_sequences=True)
    output = deep(embedded)
    assert np.array_equal(output._keras_mask, words > 0)
    assert_same([output], [deep(keras.ops.copy(embedded), mask=words > 0)], 0)
    states = [normal(3, 3, seed=i) for i in range(2)]
    expected = deep(keras.ops.copy(embedded), initial_state=states, mask=words > 0)
    assert_same([deep(embedded, initial_state=states)], [expected], 0)


def test_variational_dropout_is_the_same_in_all_steps():
    deep = DeepRNN("gru", 50, num_layers=2, dropout=0.5, variational=True, seed=1, return_sequences=True)
    masks = deep.dropout_layers[0](np.ones((2, TIME, 50)), training=True).numpy()
    assert set(np.unique(masks)) == {0, 2} and np.array_equal(masks, masks[:, :1].repeat(TIME, 1))
    assert not np.array_equal(masks[0], masks[1])
    assert DeepRNN.from_config(deep.get_config()).variational


def test_dropout_stands_between_layers_only():
    def outputs(num_layers):
        deep = DeepRNN("simple_rnn", 50, num_layers=num_layers, dropout=0.5, seed=1, return_sequences=True)
        deep(inputs())
        return deep(inputs()).numpy(), deep(inputs(), training=True).numpy(), deep

    quiet, dropped, _ = outputs(1)
    assert_same([dropped], [quiet], 0)
    quiet, dropped, deep = outputs(2)
    assert np.abs(dropped - quiet).max() > 1e-2 and np.all(dropped != 0)
    masks = deep.dropout_layers[0](np.ones((1, TIME, 50)), training=True).numpy()
    assert set(np.unique(masks)) == {0, 2} and len(np.unique(masks[0], axis=0)) == TIME, "each step has its own mask"
    again = DeepRNN.from_config(deep.get_config())
    again(inputs())
    again.set_weights(deep.get_weights())
    fresh = DeepRNN.from_config(deep.get_config())
    fresh(inputs())
    fresh.set_weights(deep.get_weights())
    assert_same([again(inputs(), training=True)], [fresh(inputs(), training=True)], 0)


def test_options_reach_all_layers():
    options = {
        "kernel_regularizer": keras.regularizers.L1(0.1),
        "peephole": True,
        "activation": "relu",
        "recurrent_dropout": 0.2,
        "gradient": "automatic",
    }
    deep = DeepRNN("lstm", 3, num_layers=2, bidirectional=True, dtype="mixed_bfloat16", name="deep", **options)
    deep(inputs())
    assert len(deep.losses) == 4 and deep.path == "automatic" and len(deep.weights) == 16
    assert all(layer.forward_layer.recurrent_dropout == 0.2 for layer in deep.recurrent_layers)
    assert deep(inputs()).dtype == "bfloat16"
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(deep))
    assert type(again) is DeepRNN and again.get_config() == deep.get_config()
    assert again.get_config()["activation"] == "relu" and again.dtype_policy.name == "mixed_bfloat16"
    # Layers of one shape do not begin alike.
    first, second = (DeepRNN("gru", FEATURES, num_layers=2, recurrent_initializer=r) for r in ("orthogonal", None))
    first(inputs()), second(inputs())
    assert not np.array_equal(first.get_weights()[0], first.get_weights()[3])


def test_stateful():
    whole = DeepRNN("lstm", 3, num_layers=2, residual=True)
    stateful = DeepRNN("lstm", 3, num_layers=2, residual=True, stateful=True)
    whole(inputs()), stateful(inputs())
    whole.set_weights(stateful.get_weights())
    stateful.reset_state()
    stateful(inputs()[:, :2])
    assert len(stateful.states) == 4 and stateful.stateful
    assert_same([stateful(inputs()[:, 2:])], [whole(inputs())], 1e-6)
    stateful.reset_state()
    assert all(np.all(s.numpy() == 0) for s in stateful.states)


# PyTorch's weights


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


ROWS = {"simple_rnn": 1, "lstm": 4, "gru": 3}


def torch_weights(cell, num_layers, use_bias, bidirectional):
    """A state_dict of random weights, in torch's names, shapes and order."""
    state_dict, rows = {}, ROWS[cell] * UNITS
    for depth in range(num_layers):
        columns = FEATURES if depth == 0 else UNITS * (1 + bidirectional)
        for way in ("", "_reverse")[: 1 + bidirectional]:
            shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, UNITS)}
            if use_bias:
                shapes |= {"bias_ih": (rows,), "bias_hh": (rows,)}
            for kind, shape in shapes.items():
                state_dict[f"{kind}_l{depth}{way}"] = normal(*shape, seed=len(state_dict), scale=0.5)
    return state_dict


def torch_step(cell, x, h, c, w_ih, w_hh, b_ih, b_hh):
    """The equations of the documentation of torch.nn.RNN, torch.nn.LSTM and torch.nn.GRU."""
    count = ROWS[cell]
    a, b = np.split(w_ih @ x + b_ih, count), np.split(w_hh @ h + b_hh, count)
    if cell == "simple_rnn":
        return np.tanh(a[0] + b[0]), c
    if cell == "gru":
        r, z = sigmoid(a[0] + b[0]), sigmoid(a[1] + b[1])
        n = np.tanh(a[2] + r * b[2])
        return (1 - z) * n + z * h, c
    i, f, g, o = (function(p + q) for function, p, q in zip((sigmoid, sigmoid, np.tanh, sigmoid), a, b))
    c = f * c + i * g
    return o * np.tanh(c), c


def torch_forward(cell, state_dict, x, num_layers, bidirectional):
    """Outputs, and last states in the order of DeepRNN."""
    last = []
    for depth in range(num_layers):
        directions = []
        for way in ("", "_reverse")[: 1 + bidirectional]:
            weights = [
                np.float64(state_dict.get(f"{kind}_l{depth}{way}", 0))
                for kind in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
            ]
            y, ends = np.zeros((BATCH, TIME, UNITS)), np.zeros((2, BATCH, UNITS))
            for row in range(BATCH):
                h = c = np.zeros(UNITS)
                for t in reversed(range(TIME)) if way else range(TIME):
                    h, c = torch_step(cell, x[row, t], h, c, *weights)
                    y[row, t] = h
                ends[:, row] = h, c
            directions.append(y)
            last += list(ends) if cell == "lstm" else [ends[0]]
        x = np.concatenate(directions, -1)
    return [x, *last]


CASES = [
    ("simple_rnn", 2, True, False),
    ("simple_rnn", 1, True, True),
    ("lstm", 1, True, False),
    ("lstm", 2, True, True),
    ("gru", 2, True, True),
    ("gru", 1, False, False),
]


@pytest.mark.parametrize("cell, num_layers, use_bias, bidirectional", CASES)
def test_torch_weights(cell, num_layers, use_bias, bidirectional):
    state_dict = torch_weights(cell, num_layers, use_bias, bidirectional)
    deep = DeepRNN(cell, UNITS, num_layers, use_bias, bidirectional=bidirectional, **ALL)
    deep.set_torch_weights(state_dict)
    assert_same(deep(inputs()), torch_forward(cell, state_dict, inputs(), num_layers, bidirectional), 1e-6)


@pytest.mark.parametrize("cell, num_layers, use_bias, bidirectional", CASES)
def test_equals_torch(cell, num_layers, use_bias, bidirectional):
    torch = pytest.importorskip("torch")
    kind = {"simple_rnn": torch.nn.RNN, "lstm": torch.nn.LSTM, "gru": torch.nn.GRU}[cell]
    theirs = kind(FEATURES, UNITS, num_layers, bias=use_bias, batch_first=True, bidirectional=bidirectional)
    ours = DeepRNN(cell, UNITS, num_layers, use_bias, bidirectional=bidirectional, **ALL)
    ours.set_torch_weights(theirs.state_dict())
    with torch.no_grad():
        outputs, last = theirs(torch.tensor(inputs()))
    h, *c = last if isinstance(last, tuple) else (last,)
    states = [s.numpy() for pair in zip(h, *c) for s in pair] if c else [s.numpy() for s in h]
    assert_same(keras.tree.map_structure(keras.ops.convert_to_numpy, ours(inputs())), [outputs.numpy(), *states], 1e-6)


def test_torch_weights_that_do_not_fit():
    state_dict = torch_weights("lstm", 2, True, False)
    deep = DeepRNN("lstm", UNITS, num_layers=2)
    deep(inputs())
    before = deep.get_weights()
    lacking = {name: w for name, w in state_dict.items() if name != "bias_hh_l1"}
    misshapen = {**state_dict, "weight_hh_l1": state_dict["weight_hh_l1"][:, 1:]}
    for given, match in (
        (lacking, "lacks bias_hh_l1"),
        ({**state_dict, "weight_hr_l0": np.ones((2, 2))}, "no place for: weight_hr_l0"),
        (torch_weights("lstm", 3, True, False), "no place for: weight_ih_l2"),
        (misshapen, r"`weight_hh_l1` should have the shape \(20, 5\).*\(20, 4\)"),
        (torch_weights("gru", 2, True, False), r"`weight_ih_l0` should have the shape \(20, 4\).*\(15, 4\)"),
    ):
        with pytest.raises(ValueError, match=match):
            deep.set_torch_weights(given)
        assert_same(deep.get_weights(), before, 0)
    for cell, option in (
        ("gru", {"reset_after": False}),
        ("lstm", {"peephole": True}),
        ("lstm", {"activation": "relu"}),
    ):
        with pytest.raises(ValueError, match=f"{next(iter(option))}="):
            DeepRNN(cell, UNITS, **option).set_torch_weights({})


def test_errors():
    for arguments, match in (
        (("rnn", 3), "`cell` should be one of 'simple_rnn', 'lstm', 'gru'.*'rnn'"),
        (("gru", 0), "units.*positive integer.*0"),
        (("gru", 3, 0), "num_layers.*positive integer.*0"),
        (("gru", 3, 1, True, 1.0), "`dropout` should be at least 0 and below 1.*1.0"),
    ):
        with pytest.raises(ValueError, match=match):
            DeepRNN(*arguments)
    with pytest.raises(ValueError, match="bidirectional=True.*go_backwards=True"):
        DeepRNN("gru", 3, go_backwards=True)
    with pytest.raises(ValueError, match="peephole"):
        DeepRNN("gru", 3, peephole=True)
    with pytest.raises(ValueError, match="flat list of 4 tensors, 2 a layer.*2"):
        DeepRNN("lstm", 3, num_layers=2)(inputs(), initial_state=[normal(BATCH, 3)] * 2)


def test_one_layer_is_that_layer():
    deep, plain = DeepRNN("gru", 3), GRU(3)
    deep(inputs()), plain(inputs())
    plain.set_weights(deep.get_weights())
    assert_same(results(deep, inputs(), mask=MASK), results(plain, inputs(), mask=MASK), 1e-6)
