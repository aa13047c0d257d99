"""The attention cell: against a NumPy step from the formula, in the driver, in models, and one step at a time.

JAX and torch: a case in backends.py.
"""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers import (
    GRU,
    LSTM,
    RNN,
    AttentionCell,
    BahdanauAttention,
    Bidirectional,
    ElmanCell,
    GRUCell,
    LSTMCell,
    LuongAttention,
    SimpleRNNCell,
)
from tests.seqkeras.layers import peers
from tests.seqkeras.layers.peers import BATCH, FEATURES, MASK, TIME, UNITS, assert_same, inputs, normal, randomize

SOURCE = 7
SOURCE_MASK = np.array([[1] * 7, [1, 1, 1, 0, 0, 0, 0], [0, 0, 1, 1, 0, 1, 1], [1, 0, 0, 0, 0, 0, 0], [0] * 7], "bool")


def memory(dtype="float32"):
    return normal(BATCH, SOURCE, 3, seed=5, dtype=dtype)


class Decoder(keras.layers.Layer):
    """A decoder whose memory is a plain argument, as `peers.results` wants it."""

    def __init__(self, cell, **options):
        super().__init__(dtype=cell.dtype_policy)
        self.rnn = RNN(cell, dtype=cell.dtype_policy, **options)
        self.state_size = self.rnn.state_size
        self.supports_masking = True

    def compute_mask(self, *args, **kwargs):
        return None

    def call(self, x, memory, memory_mask=None, mask=None, initial_state=None, training=False):
        constants = [memory] if memory_mask is None else [memory, memory_mask]
        return self.rnn(x, initial_state=initial_state, mask=mask, constants=constants, training=training)


def decoder(cell=None, attention=None, dtype="float32", cell_options=None, return_sequences=True, **options):
    cell = LSTMCell(UNITS, dtype=dtype) if cell is None else cell
    attention = LuongAttention("general", dtype=dtype) if attention is None else attention
    cell = AttentionCell(cell, attention, dtype=dtype, **(cell_options or {}))
    layer = Decoder(cell, return_sequences=return_sequences, **options)
    layer(inputs(dtype), memory(dtype))
    randomize(layer)
    return layer


def results(layer, x=None, **call):
    x = inputs() if x is None else x
    return peers.results(layer, [x, memory(x.dtype)], **call)


@pytest.mark.parametrize("attend", ["after", "before"])
@pytest.mark.parametrize("mask", [None, SOURCE_MASK], ids=["unmasked", "masked"])
def test_formula(attend, mask):
    cell, attention = SimpleRNNCell(UNITS), LuongAttention("general")
    layer = decoder(cell, attention, cell_options={"attend": attend, "units": 6, "return_attention": True})
    w_x, w_h, b = (v.numpy().astype("float64") for v in cell.weights)
    w_a, w_c = (v.numpy().astype("float64") for v in (attention.key_kernel, layer.rnn.cell.kernel))
    outputs, weights = np.zeros((BATCH, TIME, 6)), np.zeros((BATCH, TIME, SOURCE))

    def attend_to(m, query, mask):
        """a_j = softmax_j(s . W_a m_j), c = sum_j a_j m_j."""
        shares = np.exp([query @ w_a.T @ m_j for m_j in m]) * mask
        shares = shares / max(shares.sum(), 1e-300)
        return sum(a * m_j for a, m_j in zip(shares, m)), shares

    for row in range(BATCH):
        m, kept = memory()[row], np.ones(SOURCE) if mask is None else mask[row]
        h, fed = np.zeros(UNITS), np.zeros(6)
        for t in range(TIME):
            if attend == "before":
                context, weights[row, t] = attend_to(m, h, kept)
                fed = context
            h = np.tanh(np.concatenate([inputs()[row, t], fed]) @ w_x + h @ w_h + b)
            if attend == "after":
                context, weights[row, t] = attend_to(m, h, kept)
            outputs[row, t] = np.tanh(np.concatenate([context, h]) @ w_c)
            if attend == "after":
                fed = outputs[row, t]
    found = layer(inputs(), memory(), memory_mask=mask)
    assert_same(found, [outputs, weights])


CELLS = {
    "LSTM": lambda dtype: LSTMCell(UNITS, dtype=dtype),
    "GRU": lambda dtype: GRUCell(UNITS, dtype=dtype),
    "Elman": lambda dtype: ElmanCell(UNITS, 3, dtype=dtype),
    "stack": lambda dtype: [LSTMCell(4, dtype=dtype), GRUCell(UNITS, dtype=dtype)],
    "theirs": lambda dtype: keras.layers.LSTMCell(UNITS, dtype=dtype),
}


@pytest.mark.parametrize(
    "name, attend", [*((name, "after") for name in CELLS), ("Elman", "before"), ("stack", "before")]
)
def test_gradient(name, attend):
    """By inputs, memory and all weights, with masks on both sides and initial states."""
    attention = BahdanauAttention(4, dtype="float64", normalize=attend == "before")
    options = {"attend": attend, "return_attention": True}
    layer = decoder(CELLS[name]("float64"), attention, "float64", options, return_state=True)
    states = peers.initial_states(layer, dtype="float64")
    x = [inputs("float64"), memory("float64")]
    peers.assert_gradient(layer, x, states=states, mask=MASK, memory_mask=SOURCE_MASK)


@pytest.mark.parametrize("name, attend", [("LSTM", "after"), ("stack", "before"), ("theirs", "after")])
def test_one_step_at_a_time_equals_the_whole(name, attend):
    layer = decoder(CELLS[name]("float32"), cell_options={"attend": attend}, return_state=True)
    cell = layer.rnn.cell
    expected, *last = layer(inputs(), memory(), memory_mask=SOURCE_MASK)
    prepared = cell.prepare([memory(), SOURCE_MASK])
    assert all(tensor.shape[0] == BATCH for tensor in keras.tree.flatten(prepared)), "beams can be repeated"
    states, outputs = cell.get_initial_state(BATCH), []
    assert [s.shape[-1] for s in states] == cell.state_size
    for t in range(TIME):
        (output, weights), states = cell.call(inputs()[:, t], states, prepared, return_attention=True)
        assert np.allclose(weights.numpy().sum(axis=-1), SOURCE_MASK.any(axis=-1), atol=1e-6)
        assert np.all(weights.numpy()[~SOURCE_MASK] == 0)
        outputs.append(output)
    assert_same([np.stack(outputs, axis=1), *states], [expected, *last])


def test_masks_of_the_memory_and_of_the_inputs():
    layer = decoder(return_state=True, cell_options={"return_attention": True})
    clean = results(layer, mask=MASK, memory_mask=SOURCE_MASK)
    x, values = inputs(), memory()
    x[~MASK], values[~SOURCE_MASK] = np.nan, np.nan
    rubbish = peers.results(layer, [x, values], mask=MASK, memory_mask=SOURCE_MASK)
    assert_same(rubbish, clean, 0)
    outputs, weights = clean[:2]
    assert np.all(weights[:4][:, :, None][~SOURCE_MASK[:4, None, None].repeat(TIME, 1)] == 0)
    assert np.all(weights[4] == 0) and np.all(outputs[1, 4:] == outputs[1, 3])
    for row in range(BATCH - 1):
        alone = layer(x[row : row + 1, MASK[row]], values[row : row + 1, SOURCE_MASK[row]])
        assert_same([alone[0][0, -1], *[s[0] for s in alone[2:]]], [outputs[row, -1], *[s[row] for s in clean[2:5]]])


def test_takes_the_mask_that_the_memory_carries():
    words = np.array([[1, 2, 0], [0, 0, 0], [0, 3, 4]])
    values = keras.layers.Embedding(6, 4, mask_zero=True)(words)
    rnn = RNN(AttentionCell(GRUCell(UNITS), LuongAttention(), return_attention=True), return_sequences=True)
    x = inputs()[:3]
    outputs, weights = rnn(x, constants=[values])
    assert np.all((weights.numpy() > 0) == (words > 0)[:, None])
    assert_same(rnn(x, constants=[np.array(values), words > 0]), [outputs, weights], 0)


OPTIONS = [
    {"go_backwards": True, "return_state": True},
    {"unroll": True},
    {"zero_output_for_mask": True, "return_sequences": False},
    {"return_sequences": False, "return_state": True},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options_of_the_driver(options):
    """Whatever the driver is told, it does with both outputs; with XLA and in a graph without."""
    plain = decoder(return_state=True, cell_options={"return_attention": True})
    layer = decoder(cell_options={"return_attention": True}, **options)
    x = inputs()[:, ::-1] if options.get("go_backwards") else inputs()
    mask = MASK[:, ::-1] if options.get("go_backwards") else MASK
    outputs, weights, *states = plain(x, memory(), mask=mask, memory_mask=SOURCE_MASK)
    expected = [outputs, weights] if options.get("return_sequences", True) else [outputs[:, -1], weights[:, -1]]
    if options.get("zero_output_for_mask"):
        expected = [np.where(MASK[:, -1:], e, 0) for e in expected]
    if options.get("return_state"):
        expected += states
    eager = results(layer, mask=MASK, memory_mask=SOURCE_MASK)
    assert_same(eager[: len(expected)], expected)
    if options.get("go_backwards"):
        for compiled in (True, False):
            assert_same(results(layer, mask=MASK, memory_mask=SOURCE_MASK, compiled=compiled), eager)


def test_dropout_masks_are_drawn_once_a_sequence():
    cell = SimpleRNNCell(UNITS, dropout=0.5, recurrent_dropout=0.5, seed=1)
    layer = decoder(cell, LuongAttention("general", dropout=0.5, seed=2), cell_options={"return_attention": True})
    quiet, again, third = layer(inputs(), memory()), *(layer(inputs(), memory(), training=True) for _ in range(2))
    assert np.abs(again[0] - quiet[0]).max() > 1e-3 and np.abs(again[0] - third[0]).max() > 1e-3
    # Without a recurrent product and with equal inputs all steps are equal, if they share their masks.
    cell.recurrent_kernel.assign(np.zeros(cell.recurrent_kernel.shape))
    kernel = cell.kernel.numpy()
    kernel[FEATURES:] = 0
    cell.kernel.assign(kernel)
    outputs, _ = layer(np.repeat(inputs()[:, :1], TIME, axis=1), memory(), training=True)
    assert_same([outputs], [np.repeat(outputs[:, :1], TIME, axis=1)], 1e-6)
    compiled = results(layer, training=True, compiled=True)
    assert all(np.isfinite(a).all() for a in compiled)


@pytest.mark.parametrize("attends", [True, False])
def test_a_cell_of_keras_draws_its_dropout_masks_once_a_sequence(attends):
    cell = keras.layers.SimpleRNNCell(UNITS, dropout=0.5, recurrent_dropout=0.5, seed=1)
    rnn = RNN(AttentionCell(cell, LuongAttention()) if attends else cell, return_sequences=True)
    constants = [memory()] if attends else None

    def run(x, rows=slice(None)):
        given = {"constants": [constants[0][rows]]} if attends else {}
        return rnn(x[rows], training=True, **given).numpy()

    x = np.repeat(inputs()[:, :1], TIME, axis=1)
    first = run(x)
    assert np.abs(run(x) - first).max() > 1e-3, "each call draws its own"
    assert run(x, slice(3)).shape[0] == 3, "and for its own batch"
    cell.recurrent_kernel.assign(np.zeros(cell.recurrent_kernel.shape))
    kernel = cell.kernel.numpy()
    kernel[FEATURES:] = 0
    cell.kernel.assign(kernel)
    outputs = run(x)
    assert_same([outputs], [np.repeat(outputs[:, :1], TIME, axis=1)], 1e-6)
    compiled = tf.function(lambda x: rnn(x, training=True, constants=constants), jit_compile=True)
    assert np.isfinite(compiled(inputs())).all() and np.abs(compiled(x) - compiled(x)).max() > 1e-3


@pytest.mark.parametrize("dtype, tolerance", [("mixed_float16", 1e-2), ("mixed_bfloat16", 8e-2)])
def test_half_precision(dtype, tolerance):
    exact = decoder(cell_options={"return_attention": True})
    layer = Decoder(
        AttentionCell(LSTMCell(UNITS, dtype=dtype), LuongAttention(dtype=dtype), return_attention=True, dtype=dtype),
        return_sequences=True,
    )
    outputs, _ = layer(inputs(), memory())
    assert outputs.dtype == layer.compute_dtype
    layer.set_weights(exact.get_weights())
    assert_same(
        results(layer, mask=MASK, memory_mask=SOURCE_MASK),
        results(exact, mask=MASK, memory_mask=SOURCE_MASK),
        tolerance,
    )


def translation_model(cell_options=None):
    """An encoder-decoder of unknown lengths whose decoder begins with the encoder's states."""
    words, target = keras.Input((None,), dtype="int32"), keras.Input((None, FEATURES))
    embedded = keras.layers.Embedding(6, 4, mask_zero=True)(words)
    encoder = Bidirectional(LSTM(UNITS, return_sequences=True, return_state=True), merge_mode="sum")
    encoded, h, c, _, _ = encoder(embedded)
    cell = AttentionCell(LSTMCell(UNITS), BahdanauAttention(8), return_attention=True, **(cell_options or {}))
    rnn = RNN(cell, return_sequences=True)
    states = [h, c, keras.ops.zeros_like(h)]
    outputs, weights = rnn(keras.layers.Masking()(target), initial_state=states, constants=[encoded])
    assert outputs.shape == (None, None, UNITS) and weights.shape == (None, None, None)
    model = keras.Model([words, target], [outputs, weights])
    randomize(model)
    return model


def test_functional_model_trains_and_round_trips(tmp_path):
    model = translation_model()
    data = [np.array([[1, 2, 3, 0], [0, 4, 5, 0]], "int32"), normal(2, 5, FEATURES)]
    data[1][0, 2:] = 0
    model.compile("sgd", ["mse", None], jit_compile=False)
    losses = [model.train_on_batch(data, [np.zeros((2, 5, UNITS)), np.zeros((2, 5, 4))]) for _ in range(5)]
    assert losses[-1] < losses[0]
    found = [a.numpy() for a in model(data)]
    assert np.all(found[1][:, :, 3] == 0) and np.all(found[1][1, :, 0] == 0)
    assert np.all(found[0][0, 2:] == found[0][0, 1]), "masked steps repeat the decoder's output"
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras")(data), found, 1e-6)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    alone = exported.serve([data[0][:1, :3], data[1][:1, :2]])
    assert_same([a.numpy() for a in alone], model([data[0][:1, :3], data[1][:1, :2]]), 1e-6)


def test_configuration():
    cell = AttentionCell(
        [LSTMCell(3), GRUCell(2)], LuongAttention("concat", 4), 6, "before", "relu", "he_normal", "l2", True
    )
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(cell))
    assert again.get_config() == cell.get_config()
    assert cell.state_size == [3, 3, 2] and cell.output_size == (6, None)
    assert AttentionCell(LSTMCell(3), LuongAttention()).state_size == [3, 3, 3]
    rnn = RNN(cell)
    rnn(inputs(), constants=[memory()])
    assert len(rnn.losses) == 1 and rnn.path == "automatic"


def test_stateful():
    layer = decoder(stateful=True)
    whole = decoder()(np.concatenate([inputs(), inputs()], axis=1), memory())
    layer.rnn.reset_state()
    assert_same([layer(inputs(), memory()), layer(inputs(), memory())], [whole[:, :TIME], whole[:, TIME:]])


def test_copies_the_source_when_it_is_trained_to():
    """A learning test: what to say stands in the memory only, where the decoder's input points to it."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)

    def batch(n):
        values = rng.standard_normal((n, 4, 3)).astype("float32")
        places = np.stack([rng.permutation(4) for _ in range(n)])
        return [np.eye(4, dtype="float32")[places], values], np.take_along_axis(values, places[..., None], axis=1)

    pointer, source = keras.Input((4, 4)), keras.Input((4, 3))
    places = np.eye(4, dtype="float32")[None]
    told = keras.ops.concatenate([source, keras.ops.zeros_like(source[..., :1]) + places], axis=-1)
    cell = AttentionCell(GRUCell(16), LuongAttention("general"), 32)
    outputs = RNN(cell, return_sequences=True)(pointer, constants=[told])
    model = keras.Model([pointer, source], keras.layers.Dense(3)(outputs))
    model.compile(keras.optimizers.Adam(0.02), "mse", jit_compile=False)
    (x, y), (x_test, y_test) = batch(1024), batch(128)
    model.fit(x, y, batch_size=64, epochs=8, verbose=0)
    assert model.evaluate(x_test, y_test, verbose=0) < 0.1, "a decoder that cannot see the memory stays at 1"


class Shifted(keras.layers.Layer):
    """A cell as a user writes it, which reads constants as they are."""

    state_size = 3

    def call(self, inputs, states, constants):
        (shift,) = constants
        return states[0] + shift, [states[0] + keras.ops.sum(inputs, axis=-1, keepdims=True)]


def test_constants_of_a_cell_written_by_a_user():
    shift = normal(BATCH, 3)
    for constants in ([shift], shift):
        output = RNN(Shifted())(inputs(), constants=constants)
        assert_same([output], [inputs()[:, :-1].sum(axis=(1, 2))[:, None] + shift])


def test_errors():
    with pytest.raises(ValueError, match="should have a `state_size`.*Dense"):
        AttentionCell(keras.layers.Dense(3), LuongAttention())
    with pytest.raises(ValueError, match="such as LuongAttention.*Dense"):
        AttentionCell(LSTMCell(3), keras.layers.Dense(3))
    with pytest.raises(ValueError, match="'after' or 'before'.*'during'"):
        AttentionCell(LSTMCell(3), LuongAttention(), attend="during")
    with pytest.raises(ValueError, match="positive integer.*0"):
        AttentionCell(LSTMCell(3), LuongAttention(), units=0)
    rnn = RNN(AttentionCell(LSTMCell(3), LuongAttention()))
    with pytest.raises(ValueError, match=r"(?s)needs a memory.*constants=\[values\]"):
        rnn(inputs())
    rnn(inputs(), constants=[memory()])
    with pytest.raises(ValueError, match="needs a memory"):
        rnn(inputs())
    for layer in (GRU(3), RNN([LSTMCell(3), GRUCell(3)])):
        with pytest.raises(ValueError, match="`constants` are for cells"):
            layer(inputs(), constants=[memory()])
