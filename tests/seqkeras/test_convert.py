"""Models of keras.layers and their conversions side by side."""

import keras
import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import layers
from tests.seqkeras.layers.peers import BATCH, FEATURES, TIME, UNITS, assert_same, inputs, normal, randomize

THEIRS = keras.layers


def padded():
    x = inputs()
    x[0, -2:] = 0
    x[-1, :2] = 0
    x[2] = 0
    return x


def all_theirs(**options):
    return [
        THEIRS.SimpleRNN(UNITS, **options),
        THEIRS.LSTM(UNITS, **options),
        THEIRS.GRU(UNITS, reset_after=False, **options),
        THEIRS.RNN([THEIRS.LSTMCell(4), THEIRS.GRUCell(UNITS)], **options),
        THEIRS.RNN(THEIRS.StackedRNNCells([THEIRS.SimpleRNNCell(3), THEIRS.LSTMCell(UNITS)]), **options),
        THEIRS.Bidirectional(THEIRS.LSTM(3, **options), merge_mode="sum"),
        THEIRS.Bidirectional(
            THEIRS.GRU(3, **options), backward_layer=THEIRS.SimpleRNN(3, go_backwards=True, **options)
        ),
    ]


def recurrent(model):
    return [layer for layer in model._flatten_layers() if hasattr(layer, "state_size") or hasattr(layer, "merge_mode")]


def converted(model, *data):
    """The conversion, after everything that must always hold."""
    expected = model(*data)
    before = model.get_weights()
    ours = seqkeras.convert(model)
    assert_same(keras.tree.flatten(ours(*data)), keras.tree.flatten(expected))
    assert [w.name for w in ours.weights] == [w.name for w in model.weights]
    assert_same(ours.get_weights(), before, 0)
    assert not {id(v) for v in ours.variables} & {id(v) for v in model.variables}, "nothing is shared"
    assert [layer.name for layer in ours.layers] == [layer.name for layer in model.layers]
    assert all(type(layer).__module__.startswith("seqkeras.layers.") for layer in recurrent(ours))
    assert len(recurrent(ours)) == len(recurrent(model))
    assert all(type(layer).__module__.startswith("keras.") for layer in recurrent(model)), "the original stays"
    return ours


@pytest.mark.parametrize("options", [{}, {"return_sequences": True, "return_state": True}, {"unroll": True}], ids=str)
def test_all_layers_with_a_mask(options):
    x = keras.Input((TIME, FEATURES))
    masked = keras.layers.Masking()(x)
    model = keras.Model(x, keras.tree.flatten([layer(masked) for layer in all_theirs(**options)]))
    randomize(model)
    converted(model, padded())


def test_sequential_loaded_from_a_file(tmp_path):
    model = keras.Sequential(
        [
            keras.layers.Embedding(9, FEATURES, mask_zero=True),
            THEIRS.Bidirectional(THEIRS.LSTM(UNITS, return_sequences=True)),
            keras.layers.Dropout(0.3),
            THEIRS.GRU(UNITS, activation="gelu", go_backwards=True),
            keras.layers.BatchNormalization(),
            keras.layers.Dense(1),
        ],
        name="words",
    )
    words = np.array([[1, 2, 3, 0], [0, 0, 4, 8]])
    model(words)
    randomize(model)
    model.layers[4].set_weights([np.full(UNITS, value) for value in (1.5, -0.5, 0.2, 0.7)])
    model.save(tmp_path / "model.keras")
    ours = converted(keras.saving.load_model(tmp_path / "model.keras"), words)
    assert type(ours) is keras.Sequential and ours.name == "words" and not ours.compiled
    ours.save(tmp_path / "ours.keras")
    assert_same([keras.saving.load_model(tmp_path / "ours.keras")(words)], [model(words)])


def test_encoder_decoder_with_several_inputs_and_outputs():
    """Initial states, a shared layer, a nested model called twice, operations, and names of inputs in a dictionary."""
    words, target = keras.Input((None,), name="words"), keras.Input((None, FEATURES), name="target")
    embedded = keras.layers.Embedding(9, FEATURES, mask_zero=True)(words)
    shared = THEIRS.GRU(FEATURES, return_sequences=True)
    inner = keras.Input((None, FEATURES))
    nested = keras.Model(inner, shared(THEIRS.SimpleRNN(FEATURES, return_sequences=True)(inner)), name="nested")
    encoded, h, c = THEIRS.LSTM(UNITS, return_sequences=True, return_state=True)(nested(embedded))
    decoded = THEIRS.LSTM(UNITS, return_sequences=True)(nested(shared(target)), initial_state=[h, c])
    context = keras.layers.AdditiveAttention()([decoded, encoded])
    outputs = {"logits": keras.layers.Dense(3)(context + decoded), "state": keras.ops.tanh(c)[:, :2]}
    model = keras.Model({"words": words, "target": target}, outputs)
    randomize(model)
    data = {"words": np.array([[1, 2, 3, 0], [4, 8, 0, 0]]), "target": normal(2, 3, FEATURES)}
    ours = converted(model, data)
    assert [t.name for t in ours.inputs] == [t.name for t in model.inputs] and ours(data).keys() == outputs.keys()
    assert len(ours.weights) == len(model.weights), "what was shared is shared"
    assert ours.get_layer("nested").layers[-1] is ours.get_layer(shared.name)


@keras.saving.register_keras_serializable("tests")
class Scale(keras.layers.Layer):
    """A layer of a user's own, with a weight and an argument."""

    def __init__(self, factor, **kwargs):
        super().__init__(**kwargs)
        self.factor = factor
        self.supports_masking = True

    def build(self, shape):
        self.shift = self.add_weight(shape=shape[-1:], name="shift")

    def call(self, x):
        return self.factor * x + self.shift


def test_layers_of_a_users_own():
    def own_activation(x):
        return keras.ops.tanh(2 * x)

    class LocalScale(Scale):
        """Nobody can find it by its name."""

    def own(**options):
        return [
            Scale(2.0),
            LocalScale(0.5),
            THEIRS.LSTM(UNITS, activation=own_activation, return_sequences=True),
            keras.layers.TimeDistributed(LocalScale(3.0)),
            keras.layers.Lambda(lambda x: tf.square(x)),
            keras.layers.Dense(4, activation=lambda x: tf.nn.relu(x)),
            THEIRS.GRU(UNITS, recurrent_activation=lambda x: tf.nn.softsign(x)),
        ]

    model = keras.Sequential([keras.Input((None, FEATURES)), *own()])
    randomize(model)
    converted(model, inputs())


def test_inside_other_layers():
    x = keras.Input((3, TIME, FEATURES))
    inner = keras.Sequential([keras.Input((TIME, FEATURES)), THEIRS.LSTM(2, return_sequences=True), THEIRS.GRU(2)])
    model = keras.Model(x, [keras.layers.TimeDistributed(layer)(x) for layer in (THEIRS.LSTM(UNITS), inner)])
    randomize(model)
    converted(model, normal(BATCH, 3, TIME, FEATURES))


def test_layers_that_were_adapted():
    texts = np.array([["to be or not"], ["not to be"]])
    vectorize = keras.layers.TextVectorization(output_sequence_length=4)
    vectorize.adapt(texts)
    normalize = keras.layers.Normalization()
    normalize.adapt(normal(50, 4, scale=3))
    text = keras.Input((1,), dtype="string")
    embedded = keras.layers.Embedding(9, 4, mask_zero=True)(vectorize(text))
    model = keras.Model(text, THEIRS.GRU(UNITS)(normalize(embedded)))
    converted(model, tf.constant(texts))


def test_stateful_layers_go_on():
    x = keras.Input(batch_shape=(BATCH, TIME, FEATURES))
    model = keras.Model(x, [layer(x) for layer in all_theirs(stateful=True)])
    randomize(model)
    model(inputs())
    ours = seqkeras.convert(model)
    for _ in range(2):
        assert_same(ours(inputs()), model(inputs()))


def test_dtypes_and_frozen_layers():
    dense = keras.layers.Dense(3, trainable=False)
    model = keras.Sequential(
        [keras.Input((None, FEATURES)), THEIRS.LSTM(UNITS, dtype="mixed_bfloat16", trainable=False), dense]
    )
    ours = seqkeras.convert(model)
    assert not ours.trainable_weights and len(ours.non_trainable_weights) == 5
    assert ours.layers[0].compute_dtype == "bfloat16"
    for layer in model.layers:
        layer.trainable = True
    assert len(seqkeras.convert(model).trainable_weights) == 5
    model.trainable = False
    assert not seqkeras.convert(model).trainable


# Compiled models


def compiled(loss="mse", optimizer=None):
    keras.utils.set_random_seed(1)
    model = keras.Sequential(
        [keras.Input((None, FEATURES)), keras.layers.Masking(), THEIRS.LSTM(UNITS), keras.layers.Dense(1)]
    )
    model.compile(optimizer or keras.optimizers.Adam(0.01), loss, metrics=["mae"], steps_per_execution=2)
    return model


def test_training_goes_on_where_it_was():
    model, target = compiled(), np.ones((BATCH, 1), "float32")
    for _ in range(3):
        model.train_on_batch(padded(), target)
    ours = seqkeras.convert(model)
    assert ours.optimizer is not model.optimizer and ours.steps_per_execution == 2
    assert_same([v.numpy() for v in ours.optimizer.variables], [v.numpy() for v in model.optimizer.variables], 0)
    for _ in range(3):
        theirs = model.train_on_batch(padded(), target, return_dict=True)
        found = ours.train_on_batch(padded(), target, return_dict=True)
    assert found.keys() == theirs.keys() and "mae" in found
    assert_same(ours.get_weights(), model.get_weights())
    assert ours.optimizer.iterations == 6


def test_xla_is_chosen_anew():
    """Where a GPU is visible, Keras's layers refuse XLA, and a model remembers their refusal."""
    model = compiled()
    model.compile("sgd", "mse", jit_compile=True)
    assert seqkeras.convert(model).get_compile_config()["jit_compile"] is True
    ours = seqkeras.convert(compiled())
    assert ours.jit_compile == ours._resolve_auto_jit_compile()
    assert all(layer.supports_jit for layer in ours._flatten_layers())


def test_a_loss_of_a_users_own():
    def own_loss(truth, prediction):
        return keras.ops.mean(keras.ops.abs(truth - prediction))

    assert seqkeras.convert(compiled(own_loss)).loss is own_loss

    class OwnMetric(keras.metrics.Mean):
        def __init__(self, what):
            super().__init__()

    model = compiled()
    model.compile("sgd", "mse", metrics=[OwnMetric(3)])
    with pytest.warns(UserWarning, match=r"(?s)not compiled.*OwnMetric.*Call `compile`"):
        ours = seqkeras.convert(model)
    assert not ours.compiled and model.compiled
    assert_same([ours(padded())], [model(padded())])


def test_export_without_cudnn(tmp_path):
    model = keras.Sequential(
        [keras.Input((None, FEATURES)), THEIRS.Bidirectional(THEIRS.LSTM(3, return_sequences=True)), THEIRS.GRU(3)]
    )
    seqkeras.convert(model).export(tmp_path / "exported", verbose=False)
    exported = tf.saved_model.load(tmp_path / "exported")
    assert_same([exported.serve(inputs()).numpy()], [model(inputs())])
    graph = exported.signatures["serving_default"].graph.as_graph_def()
    operations = {
        node.op
        for f in [graph, *graph.library.function]
        for node in getattr(f, "node", f.node_def if hasattr(f, "node_def") else ())
    }
    assert "MatMul" in operations and not [op for op in operations if "cudnn" in op.lower()]


# What it cannot convert


class OwnLSTM(THEIRS.LSTM):
    pass


class Hidden(keras.layers.Layer):
    """Holds a recurrent layer that its configuration does not tell of."""

    def __init__(self, units, **kwargs):
        super().__init__(**kwargs)
        self.units = units
        self.gru = THEIRS.GRU(units)

    def call(self, x):
        return self.gru(x)


def test_what_stays_is_named():
    x = keras.Input((TIME, FEATURES))
    pictures = keras.layers.Reshape((TIME, 2, 2, 1))(x)
    outputs = [
        OwnLSTM(UNITS, name="own")(x),
        Hidden(UNITS, name="hidden")(x),
        keras.layers.ConvLSTM2D(2, 2, name="pictures")(pictures),
        THEIRS.Bidirectional(keras.layers.ConvLSTM2D(2, 2), name="both")(pictures),
        THEIRS.GRU(UNITS, name="fine")(x),
    ]
    model = keras.Model(x, outputs)
    randomize(model)
    with pytest.warns(UserWarning, match="stay Keras's own") as warned:
        ours = seqkeras.convert(model)
    assert_same(ours(inputs()), model(inputs()))
    assert type(ours.get_layer("fine")) is layers.GRU and type(ours.get_layer("both")) is layers.Bidirectional
    (message,) = [str(w.message) for w in warned if w.category is UserWarning]
    for part in (
        "own (OwnLSTM: OwnLSTM is a class of its own",
        "hidden/gru",
        "(GRU: it stands in a layer whose configuration",
        "pictures (ConvLSTM2D: seqkeras.layers has none like it)",
        "forward_conv_lstm2d (ConvLSTM2D",
    ):
        assert part in message
    assert "fine" not in message


class Subclassed(keras.Model):
    def __init__(self):
        super().__init__()
        self.lstm = THEIRS.LSTM(3)

    def call(self, x):
        return self.lstm(x)


class WithStep(keras.Model):
    """A functional model with something beside."""

    def __init__(self, units):
        x = keras.Input((None, FEATURES))
        super().__init__(x, THEIRS.LSTM(units)(x))


class NoConfig(keras.layers.Layer):
    def __init__(self, function):
        super().__init__()
        self.given = function

    def call(self, x):
        return self.given(x)


def test_errors():
    subclassed = Subclassed()
    subclassed(inputs())
    with pytest.raises(ValueError, match=r"(?s)subclass Subclassed.*Use seqkeras.layers.*load_weights"):
        seqkeras.convert(subclassed)
    with pytest.raises(ValueError, match="wants a keras.Model.*LSTM"):
        seqkeras.convert(THEIRS.LSTM(3))
    with pytest.raises(ValueError, match="wants a built model.*`build`"):
        seqkeras.convert(keras.Sequential([THEIRS.LSTM(3)]))
    with pytest.raises(ValueError, match=r"(?s)'no_config' of class NoConfig cannot be copied.*Give the class"):
        x = keras.Input((None, FEATURES))
        seqkeras.convert(keras.Model(x, THEIRS.GRU(3)(NoConfig(tf.abs)(x))))


def test_the_copy_of_a_subclass_of_functional_models():
    model = WithStep(3)
    with pytest.warns(UserWarning, match="plain functional keras.Model.*WithStep"):
        ours = seqkeras.convert(model)
    assert_same([ours(inputs())], [model(inputs())])
