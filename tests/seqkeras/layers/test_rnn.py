"""The driver with cells of any kind, and all recurrent layers in models: trained, compiled, saved and exported."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras import layers
from seqkeras.layers import GRU, LSTM, RNN, Bidirectional, DeepRNN, Elman, GRUCell, LSTMCell, SimpleRNN
from tests.seqkeras.layers.drop_in import label
from tests.seqkeras.layers.peers import (
    BATCH,
    FEATURES,
    MASK,
    TIME,
    UNITS,
    assert_same,
    initial_states,
    inputs,
    keeps_signature,
    normal,
    randomize,
    results,
    same_weights,
)


def all_layers(module, **options):
    """One of every recurrent layer, of keras.layers or of this package."""
    return [
        module.SimpleRNN(UNITS, **options),
        module.LSTM(UNITS, **options),
        module.GRU(UNITS, **options),
        module.GRU(UNITS, reset_after=False, **options),
        module.RNN([module.LSTMCell(4), module.GRUCell(UNITS)], **options),
        module.Bidirectional(module.LSTM(3, **options)),
        module.Bidirectional(module.RNN([module.GRUCell(4), module.SimpleRNNCell(3)], **options), merge_mode="ave"),
    ]


def model_of_all(module, **options):
    """All layers side by side over the same masked input of unknown batch and time, with seeded weights."""
    x = keras.Input((None, FEATURES))
    masked = keras.layers.Masking()(x)
    model = keras.Model(x, keras.tree.flatten([layer(masked) for layer in all_layers(module, **options)]))
    randomize(model)
    return model


def padded(batch=BATCH, time=TIME):
    x = normal(batch, time, FEATURES, seed=6)
    x[0, -2:] = 0
    x[-1, :2] = 0
    return x


# The driver


def test_signature_and_configuration():
    keeps_signature(RNN, keras.layers.RNN)
    layer = RNN(LSTMCell(3), zero_output_for_mask=True, gradient="automatic", name="layer")
    expected = keras.layers.RNN(layer.cell, zero_output_for_mask=True, name="layer").get_config()
    assert expected.items() <= layer.get_config().items()
    assert RNN.from_config(layer.get_config()).get_config() == layer.get_config()


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"return_sequences": True, "return_state": True},
        {"go_backwards": True, "return_sequences": True, "zero_output_for_mask": True},
        {"unroll": True, "zero_output_for_mask": True},
    ],
    ids=label,
)
@pytest.mark.parametrize("name", ["SimpleRNNCell", "LSTMCell", "GRUCell"])
def test_equals_keras(name, options):
    theirs = keras.layers.RNN(getattr(keras.layers, name)(UNITS), **options)
    theirs, ours = same_weights(theirs, RNN(getattr(layers, name)(UNITS), **options), inputs())
    assert_same(results(ours, inputs()), results(theirs, inputs()))
    states = initial_states(theirs)
    assert_same(results(ours, inputs(), states, mask=MASK), results(theirs, inputs(), states, mask=MASK))


def test_path():
    assert RNN(LSTMCell(3)).path == LSTM(3).path == GRU(3).path == SimpleRNN(3).path == Elman(3, 2).path == "derived"
    assert RNN([LSTMCell(3), GRUCell(3)]).path == "derived"
    assert LSTM(3, gradient="automatic").path == "automatic"
    assert LSTM(3, activation="gelu").path == "automatic"
    assert GRU(3, recurrent_activation="softsign").path == "automatic"
    assert RNN(keras.layers.LSTMCell(3)).path == "automatic"
    assert LSTM(3, activation=lambda z: z).path == "automatic"


def test_an_activation_that_is_a_layer_with_weights():
    theirs = keras.layers.SimpleRNN(UNITS, activation=keras.layers.PReLU())
    theirs, ours = same_weights(theirs, SimpleRNN(UNITS, activation=keras.layers.PReLU()), inputs())
    assert ours.path == "automatic" and len(ours.weights) == 4
    assert_same(results(ours, inputs(), mask=MASK), results(theirs, inputs(), mask=MASK))


def test_one_initial_state_without_a_list():
    layer = GRU(UNITS)
    state = normal(BATCH, UNITS, seed=8)
    assert_same([layer(inputs(), initial_state=state)], [layer(inputs(), initial_state=[state])], 0)


def test_integer_inputs_and_float64_inputs():
    layer = LSTM(UNITS)
    assert layer(np.ones((2, 3, FEATURES), "int64")).dtype == "float32"
    assert_same([layer(inputs("float64"))], [layer(inputs("float64").astype("float32"))], 0)


@keras.saving.register_keras_serializable("tests")
class Leaky(keras.layers.Layer):
    """A cell as a user writes it: a decaying sum, with an output that is not its state."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = self.state_size = units
        self.output_size = 2 * units

    def build(self, input_shape):
        self.kernel = self.add_weight(shape=(input_shape[-1], self.units), name="kernel")

    def call(self, inputs, states):
        state = 0.5 * states[0] + keras.ops.matmul(inputs, self.kernel)
        return keras.ops.concatenate([state, keras.ops.tanh(state) + 1], axis=-1), [state]

    def get_config(self):
        return {**super().get_config(), "units": self.units}


@pytest.mark.parametrize(
    "options",
    [
        {"return_state": True},
        {"return_sequences": True, "go_backwards": True},
        {"return_sequences": True, "zero_output_for_mask": True},
        {"unroll": True, "return_sequences": True},
    ],
    ids=label,
)
def test_a_cell_written_by_a_user(options):
    theirs, ours = same_weights(keras.layers.RNN(Leaky(3), **options), RNN(Leaky(3), **options), inputs())
    assert ours.path == "automatic"
    for arguments in ({}, {"mask": MASK, "states": initial_states(ours)}):
        assert_same(results(ours, inputs(), **arguments), results(theirs, inputs(), **arguments))
    assert ours.compute_output_shape((None, 7, 4)) == theirs.compute_output_shape((None, 7, 4))
    again = keras.saving.deserialize_keras_object(keras.saving.serialize_keras_object(ours))
    assert isinstance(again.cell, Leaky) and again.get_config() == ours.get_config()


def test_a_cell_written_by_a_user_under_xla_and_in_a_stack():
    layer = RNN([Leaky(3), LSTMCell(2)], return_sequences=True)
    theirs = keras.layers.RNN([Leaky(3), keras.layers.LSTMCell(2)], return_sequences=True)
    same_weights(theirs, layer, inputs())
    expected = results(theirs, inputs(), mask=MASK)
    assert_same(results(layer, inputs(), mask=MASK), expected)
    assert_same(results(layer, inputs(), mask=MASK, compiled=True), expected)


def test_rubbish_in_padding_does_not_reach_a_users_cell():
    layer = RNN(Leaky(3), return_sequences=True)
    layer(inputs())
    x = inputs()
    x[~MASK] = np.nan
    assert_same(results(layer, x, mask=MASK), results(layer, inputs(), mask=MASK), 0)


class PictureCell(keras.layers.Layer):
    """A cell whose inputs and states have more axes than one."""

    state_size = 2

    def get_initial_state(self, batch_size):
        return [keras.ops.zeros((batch_size, 2, 3))]

    def call(self, inputs, states):
        return inputs + states[0], [inputs + states[0]]


def test_inputs_of_more_axes():
    x = normal(BATCH, TIME, 2, 3)
    outputs = RNN(PictureCell(), return_sequences=True)(x, mask=MASK)
    assert_same([outputs[0]], [np.cumsum(x[0], axis=0)])
    assert_same([outputs[3, -1]], [x[3][MASK[3]].sum(axis=0)])


def test_errors():
    with pytest.raises(ValueError, match="`cell` should have a `state_size`.*Dense"):
        RNN(keras.layers.Dense(3))
    with pytest.raises(ValueError, match="`cell` should have a `call`.*three"):
        RNN("three")
    cell = LSTMCell(3)
    cell.state_size = "three"
    with pytest.raises(ValueError, match="state_size.*must be an integer.*three"):
        RNN(cell)
    with pytest.raises(ValueError, match="at least one cell"):
        RNN([])
    with pytest.raises(ValueError, match="use_cudnn.*'sometimes'"):
        LSTM(3, use_cudnn="sometimes")
    assert LSTM(3, use_cudnn=True).supports_jit and GRU(3, implementation=1).units == 3


# In models


def test_models_of_unknown_batch_and_time_equal_those_of_keras():
    theirs, ours = (model_of_all(module, return_sequences=True) for module in (keras.layers, layers))
    assert [o.shape for o in ours.outputs] == [o.shape for o in theirs.outputs]
    graph = tf.function(ours, input_signature=[tf.TensorSpec((None, None, FEATURES))])
    for shape in ((BATCH, TIME), (2, 9)):
        assert_same(graph(padded(*shape)), theirs(padded(*shape)))


def test_training_equals_that_of_keras():
    trained = []
    for module in (keras.layers, layers):
        recurrent = [module.GRU(UNITS, return_sequences=True), module.Bidirectional(module.LSTM(2))]
        model = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.Masking(), *recurrent])
        randomize(model)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        losses = [model.train_on_batch(padded(), np.ones((BATCH, 4))) for _ in range(3)]
        assert losses[2] < losses[0]
        trained.append([np.array(losses), *model.get_weights()])
    assert_same(trained[1], trained[0])


def trained_on_words(jit_compile, **options):
    """Losses and weights after some steps on words of two lengths, and how often the step was traced."""
    keras.utils.set_random_seed(4)
    words = keras.Input((None,), dtype="int32")
    embedded = keras.layers.Embedding(6, FEATURES, mask_zero=True)(words)
    states = [keras.layers.Dense(UNITS)(keras.ops.max(embedded, axis=1)) for _ in range(2)]
    recurrent = [
        LSTM(UNITS, seed=2, **options)(embedded, initial_state=states),
        GRU(UNITS, reset_after=False, seed=4, **options)(embedded),
        Bidirectional(SimpleRNN(3))(embedded),
    ]
    model = keras.Model(words, keras.layers.Dense(1, dtype="float32")(keras.layers.Concatenate()(recurrent)))
    traces = []

    def loss(truth, prediction):
        traces.append(truth.shape)
        return keras.ops.mean(keras.ops.square(truth - prediction))

    model.compile("sgd", loss, jit_compile=jit_compile)
    assert model.jit_compile is jit_compile
    data = np.array([[1, 2, 3, 0, 0], [4, 5, 1, 2, 3], [0, 0, 0, 0, 0], [0, 3, 0, 2, 0]], "int32")
    batches = tf.data.Dataset.from_tensors((data, np.array([[0.0], [1.0], [0.0], [1.0]], "float32"))).repeat(10)
    losses = model.fit(batches, epochs=1, verbose=0, shuffle=False).history["loss"]
    first = len(traces)
    losses += model.fit(batches, epochs=2, verbose=0, shuffle=False).history["loss"]
    assert len(traces) == first <= 2, "one trace for all batches of a shape, beside the one that builds the model"
    assert losses[2] < losses[0]
    return [np.array(losses), *model.get_weights()]


def test_training_under_xla():
    """Masks of an embedding and initial states: the same with XLA and without, and traced once."""
    assert_same(trained_on_words(True), trained_on_words(False), 1e-4)


def test_training_under_xla_in_mixed_precision_with_dropout():
    """XLA has a random generator of its own, so that there is nothing to compare the losses with."""
    policy = keras.mixed_precision.dtype_policy()
    keras.mixed_precision.set_dtype_policy("mixed_bfloat16")
    try:
        half = trained_on_words(True, dropout=0.1, recurrent_dropout=0.1)
    finally:
        keras.mixed_precision.set_dtype_policy(policy)
    assert all(np.isfinite(a).all() and a.dtype != "bfloat16" for a in half)


def trained_from_a_seed(jit_compile, stateful):
    """Weights after 50 batches of one bucket's shape with all kinds of dropout, and how often the step was traced."""
    keras.utils.set_random_seed(11)
    x = keras.Input(batch_shape=(4, None, FEATURES))
    dropouts = {"dropout": 0.3, "recurrent_dropout": 0.3, "stateful": stateful}
    y = GRU(UNITS, return_sequences=True, **dropouts)(keras.layers.Masking()(x))
    y = DeepRNN("lstm", UNITS, num_layers=2, **dropouts)(y)
    model = keras.Model(x, keras.layers.Dense(1)(y))
    optimizer = keras.optimizers.SGD(0.05)
    optimizer.build(model.trainable_variables)
    traces = []

    @tf.function(jit_compile=jit_compile)
    def step(x, truth):
        traces.append(x.shape)
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((model(x, training=True) - truth) ** 2)
        optimizer.apply(tape.gradient(loss, [v.value for v in model.trainable_variables]))
        return loss

    for batch in range(50):
        data = normal(4, TIME, FEATURES, seed=batch)
        data[0, batch % TIME :] = 0
        step(tf.constant(data), tf.ones((4, 1)))
    return model.get_weights(), len(traces)


@pytest.mark.parametrize("jit_compile, stateful", [(False, True), (True, False)])
def test_a_seed_gives_the_same_weights_in_one_trace(jit_compile, stateful):
    (first, traces), (second, traces_again) = (trained_from_a_seed(jit_compile, stateful) for _ in range(2))
    assert traces == traces_again == 1
    assert all(np.isfinite(a).all() and np.array_equal(a, b) for a, b in zip(first, second)), "not the same bit for bit"


def test_predict_traces_once():
    model = keras.Sequential([keras.Input((None, FEATURES)), keras.layers.Masking(), *all_layers(layers)[3:4]])
    for _ in range(3):
        model.predict(padded(batch=8), batch_size=2, verbose=0)
    assert model.predict_function.experimental_get_tracing_count() == 1


def test_regularizers_and_constraints_act_in_fit():
    zero = np.zeros((BATCH, UNITS))

    def trained(**options):
        model = keras.Sequential([LSTM(UNITS, return_sequences=True, **options), GRU(UNITS, **options)])
        model.build((None, TIME, FEATURES))
        randomize(model)
        model.compile(keras.optimizers.SGD(0.1), "mse", jit_compile=False)
        return model.train_on_batch(inputs(), zero), model.get_weights()

    loss, weights = trained()
    for name in ("kernel_regularizer", "activity_regularizer"):
        regularized, shrunk = trained(**{name: keras.regularizers.L2(1.0)})
        assert regularized > loss + 1e-4
        assert np.abs(shrunk[0]).sum() < np.abs(weights[0]).sum()
    _, constrained = trained(
        kernel_constraint="non_neg", recurrent_constraint="unit_norm", bias_constraint=keras.constraints.MaxNorm(0)
    )
    assert weights[0].min() < 0 and weights[3].min() < 0
    for kernel, recurrent, bias in (constrained[:3], constrained[3:]):
        assert kernel.min() >= 0
        assert np.allclose(np.linalg.norm(recurrent, axis=0), 1, atol=1e-5)
        assert np.abs(bias).max() < 1e-5


def test_dropout_repeats_with_its_seed():
    def losses(seed):
        model = keras.Sequential([SimpleRNN(UNITS, dropout=0.5, recurrent_dropout=0.5, seed=seed)])
        model.build((None, TIME, FEATURES))
        randomize(model)
        model.compile(keras.optimizers.SGD(0.0), "mse", jit_compile=False)
        return [model.train_on_batch(inputs(), np.zeros((BATCH, UNITS))) for _ in range(3)]

    first = losses(1)
    assert losses(1) == first
    assert losses(2) != first
    assert len(set(first)) == 3, "each batch draws its own masks"


def test_stateful_models_equal_those_of_keras():
    predictions = []
    for module in (keras.layers, layers):
        x = keras.Input(batch_shape=(BATCH, TIME, FEATURES))
        recurrent = all_layers(module, stateful=True)
        model = keras.Model(x, [layer(x) for layer in recurrent])
        randomize(model)
        predictions += [model.predict(inputs(), verbose=0), model.predict(inputs(), verbose=0)]
    assert_same(predictions[2] + predictions[3], predictions[0] + predictions[1])
    assert all(np.abs(a - b).max() > 1e-3 for a, b in zip(predictions[2], predictions[3]))
    for layer in recurrent:
        for direction in getattr(layer, "forward_layer", layer), getattr(layer, "backward_layer", layer):
            direction.reset_state()
    assert_same(model.predict(inputs(), verbose=0), predictions[2], 1e-6)


def test_initial_states_from_an_encoder():
    predictions = []
    for module in (keras.layers, layers):
        source, target = keras.Input((None, FEATURES)), keras.Input((None, FEATURES))
        masked = keras.layers.Masking()(source)
        outputs = []
        encoders, decoders = (
            all_layers(module, return_sequences=last, return_state=not last) for last in (False, True)
        )
        for encoder, decoder in list(zip(encoders, decoders))[1:]:
            _, *states = encoder(masked)
            outputs.append(decoder(target, initial_state=states))
        model = keras.Model([source, target], outputs)
        randomize(model)
        predictions.append(model([padded(), inputs()[:, :4]]))
    assert_same(predictions[1], predictions[0])


def test_saved_and_exported_models(tmp_path):
    x = keras.Input((None, FEATURES))
    masked = keras.layers.Masking()(x)
    layers_ = [*all_layers(layers, return_state=True), Elman(UNITS, 3), LSTM(UNITS, activation="gelu"), RNN(Leaky(3))]
    model = keras.Model(x, keras.tree.flatten([layer(masked) for layer in layers_]))
    randomize(model)
    expected = model(padded())
    model.save(tmp_path / "model.keras")
    assert_same(keras.saving.load_model(tmp_path / "model.keras")(padded()), expected, 1e-6)
    model.export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    assert_same([a.numpy() for a in exported.serve(padded())], expected, 1e-6)
    alone = [a.numpy() for a in exported.serve(inputs()[:1, :3])]
    assert_same(alone, model(inputs()[:1, :3]), 1e-6)


def test_a_stateful_model_goes_on_after_export(tmp_path):
    model = keras.Sequential([keras.Input(batch_shape=(BATCH, TIME, FEATURES)), LSTM(UNITS, stateful=True)])
    model.export(tmp_path / "exported", verbose=False)
    model.layers[0].reset_state()
    exported = tf.saved_model.load(tmp_path / "exported")
    for _ in range(2):
        assert_same([exported.serve(inputs()).numpy()], [model.predict_on_batch(inputs())], 1e-6)


def test_weights_files_go_both_ways(tmp_path):
    theirs, ours = (
        keras.Sequential([keras.Input((None, FEATURES)), *all_layers(module, return_sequences=True)])
        for module in (keras.layers, layers)
    )
    randomize(theirs)
    theirs.save_weights(tmp_path / "theirs.weights.h5")
    ours.load_weights(tmp_path / "theirs.weights.h5")
    assert_same(ours.get_weights(), theirs.get_weights(), 0)
    randomize(ours, seed=9)
    ours.save_weights(tmp_path / "ours.weights.h5")
    theirs.load_weights(tmp_path / "ours.weights.h5")
    assert_same(theirs.get_weights(), ours.get_weights(), 0)


def test_a_cloned_model_is_the_same():
    model = model_of_all(layers)
    clone = keras.models.clone_model(model)
    clone.set_weights(model.get_weights())
    assert_same(clone(padded()), model(padded()), 0)


class ShoutingCell(layers.LSTMCell):
    """A subclass that changes the whole call: what comes out is twice the state."""

    def call(self, inputs, states, training=False):
        output, states = super().call(inputs, states, training=training)
        return 2 * output, states


class LeakyCell(layers.SimpleRNNCell):
    """A subclass that changes the step and not its gradient: half of the state stays."""

    def step(self, projected, states, weights, keep=None):
        (new,), _ = super().step(projected, states, weights, keep)
        return (0.5 * states[0] + 0.5 * new,), ()


def test_a_subclass_that_changes_the_call_is_heard():
    x = np.random.default_rng(0).normal(size=(2, 5, 3)).astype("float32")
    plain = layers.RNN(layers.LSTMCell(4), return_sequences=True)
    shouting = layers.RNN(ShoutingCell(4), return_sequences=True)
    plain.build(x.shape), shouting.build(x.shape)
    shouting.set_weights(plain.get_weights())
    assert shouting.path == "automatic"
    np.testing.assert_allclose(shouting(x), 2 * plain(x), atol=1e-6)


def test_a_subclass_that_changes_the_step_gets_no_gradient_of_the_old_one():
    layer = layers.RNN(LeakyCell(4))
    assert layer.path == "automatic"
    with pytest.raises(ValueError, match="gradient='derived'"):
        layers.RNN(LeakyCell(4), gradient="derived")


@pytest.mark.parametrize("make, compiled", [(SimpleRNN, None), (LSTM, None), (GRU, None), (LSTM, True)])
def test_a_gradient_without_training_is_that_of_training(make, compiled):
    """Without training nothing is kept for a gradient, and the forward loop runs again if one is asked for."""
    layer, x = make(UNITS, return_sequences=True, return_state=True), inputs()
    layer.build(x.shape)
    randomize(layer)
    states = initial_states(layer)
    kept, again = (results(layer, x, states, compiled=compiled, mask=MASK, training=t) for t in (True, False))
    assert_same(kept, again)


@pytest.mark.parametrize(
    "layer",
    [
        lambda: layers.LSTM(4),
        lambda: layers.GRU(4),
        lambda: layers.GRU(4, reset_after=False),
        lambda: layers.GRU(4, reset_gate=False),
        lambda: layers.SimpleRNN(4),
        lambda: layers.ClockworkRNN(4, periods=(1, 2)),
        lambda: layers.SCRN(4, context_units=2),
        lambda: layers.EchoState(4),
    ],
)
@pytest.mark.parametrize("largest_piece", [32, 2**20])
def test_steps_with_kernels_in_pieces(layer, largest_piece, monkeypatch):
    monkeypatch.setattr("seqkeras.layers.cell._LARGEST_PIECE", largest_piece)
    layer = layer()
    x = inputs()
    expected = layer(x)
    step, states = layer.cell.step_function(), layer.cell.get_initial_state(x.shape[0])
    for t in range(x.shape[1]):
        output, states = step(x[:, t], states)
    assert_same([output], [expected], 1e-6)
