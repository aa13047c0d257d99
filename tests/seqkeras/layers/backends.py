"""The same cases on any backend: `KERAS_BACKEND=jax python -m tests.seqkeras.layers.backends FILE` writes an npz.

A case is a function of no arguments that makes a layer, and its call. The results are its outputs, and the gradients of
their sum with random weights, by inputs, initial states and weights, in float32.
"""

import sys

import keras
import numpy as np
from keras import tree

from seqkeras.layers import (
    GRU,
    LSTM,
    RNN,
    SCRN,
    AttentionCell,
    BahdanauAttention,
    Bidirectional,
    ClockworkRNN,
    DeepRNN,
    EchoState,
    Elman,
    GRUCell,
    LSTMCell,
    SimpleRNN,
)
from tests.seqkeras.layers.peers import (
    BATCH,
    FEATURES,
    MASK,
    TIME,
    UNITS,
    initial_states,
    inputs,
    loss_weights,
    normal,
    randomize,
)

ALL = {"return_sequences": True, "return_state": True}


class CarriesMask(keras.layers.Layer):
    """A recurrent layer behind an embedding whose mask it has to find on its input, beside an initial state."""

    def __init__(self, layer, **kwargs):
        super().__init__(**kwargs)
        self.masking, self.layer = keras.layers.Masking(), layer

    def call(self, x, initial_state):
        return self.layer(self.masking(x), initial_state=initial_state)


class Decoder(keras.layers.Layer):
    """An attention cell whose memory, masked in part, is a plain argument."""

    def __init__(self, dropout=0.0, **kwargs):
        super().__init__(**kwargs)
        cell = LSTMCell(UNITS, dropout=dropout, recurrent_dropout=dropout)
        cell = AttentionCell(cell, BahdanauAttention(4, dropout=dropout), return_attention=True)
        self.rnn = RNN(cell, return_sequences=True)
        self.supports_masking = True

    def compute_mask(self, *args, **kwargs):
        return None

    def call(self, x, memory, mask=None, training=False):
        constants = [memory, keras.ops.convert_to_tensor(MASK)]
        return self.rnn(x, mask=mask, constants=constants, training=training)


def cases():
    """Names, layers, inputs and other arguments."""
    x, masked = inputs(), {"mask": MASK}
    dirty = np.where(MASK[..., None], x, np.nan).astype("float32")
    zeros = np.where(MASK[..., None], x, 0).astype("float32")
    layers = {
        "SimpleRNN": SimpleRNN(UNITS, **ALL),
        "SimpleRNN backwards": SimpleRNN(UNITS, activation="relu", go_backwards=True, **ALL),
        "LSTM": LSTM(UNITS, **ALL),
        "LSTM unrolled": LSTM(UNITS, unroll=True, zero_output_for_mask=True, **ALL),
        "LSTM automatic": LSTM(UNITS, activation="gelu", **ALL),
        "GRU": GRU(UNITS, **ALL),
        "GRU reset before": GRU(UNITS, reset_after=False, go_backwards=True, **ALL),
        "LSTM peephole": LSTM(UNITS, peephole=True, **ALL),
        "LSTM coupled": LSTM(UNITS, peephole=True, coupled=True, activation="relu", go_backwards=True, **ALL),
        "GRU without reset gate": GRU(UNITS, reset_gate=False, **ALL),
        "ClockworkRNN": ClockworkRNN(UNITS + 1, (1, 2, 3), **ALL),
        "SCRN": SCRN(UNITS, 3, learn_alpha=True, **ALL),
        "EchoState": EchoState(UNITS, leak_rate=0.5, **ALL),
        "DeepRNN": DeepRNN("gru", FEATURES, num_layers=2, residual=True, **ALL),
        "LSTM with checkpoints": LSTM(UNITS, checkpoint_every=4, **ALL),
        "LSTM automatic with checkpoints": LSTM(UNITS, activation="gelu", checkpoint_every=3, go_backwards=True, **ALL),
        "Elman": Elman(UNITS, 3, **ALL),
        "stack": RNN([LSTMCell(4), GRUCell(UNITS)], **ALL),
        "their cell": RNN(keras.layers.LSTMCell(UNITS), **ALL),
    }
    for name, layer in layers.items():
        yield name, layer, [dirty], {"initial_state": initial_states(layer), **masked}
    yield "LSTM unmasked", LSTM(UNITS, **ALL), [x], {}
    yield "Bidirectional", Bidirectional(LSTM(UNITS, return_sequences=True)), [dirty], masked
    gru = GRU(UNITS)
    yield "mask carried", CarriesMask(gru), [zeros], {"initial_state": [normal(BATCH, UNITS, seed=20)]}
    for normalize in (False, True):
        attention = BahdanauAttention(UNITS, normalize=normalize)
        yield f"attention {normalize}", attention, [normal(BATCH, 3, 7), dirty], masked
    yield "attention cell", Decoder(), [dirty, dirty[..., :3]], masked
    yield "bfloat16", LSTM(UNITS, dtype="mixed_bfloat16", **ALL), [x], masked


def tensors_of(structure):
    return tree.map_structure(keras.ops.convert_to_tensor, structure)


def symbols_of(structure):
    return tree.map_structure(lambda array: keras.KerasTensor(array.shape, str(array.dtype)), structure)


def loss_of(outputs):
    flat = tree.flatten(outputs)
    return sum(
        keras.ops.sum(keras.ops.cast(o, "float32") * keras.ops.convert_to_tensor(a))
        for o, a in zip(flat, loss_weights(flat))
    )


def outputs_and_gradients(layer, x, call):
    """Outputs and gradients on the backend that is set."""
    mask = {name: call[name] for name in ("mask",) if name in call}
    states = {name: call[name] for name in ("initial_state",) if name in call}
    backend = keras.backend.backend()
    # A run that builds the layer would be compiled by JAX in all its parts; one such run is enough.
    given = symbols_of if backend == "jax" and call else tensors_of
    layer(*given(x), **given(states), **mask)
    randomize(layer)
    if backend == "jax":
        import jax

        def loss(weights, x, states):
            others = [v.value for v in layer.non_trainable_variables]
            outputs, _ = layer.stateless_call(weights, others, *x, **states, **mask)
            return loss_of(outputs), outputs

        weights = [v.value for v in layer.trainable_variables]
        differentiate = jax.jit(jax.value_and_grad(loss, argnums=(1, 2, 0), has_aux=True))
        (_, outputs), gradients = differentiate(weights, tensors_of(x), tensors_of(states))
    elif backend == "torch":
        x, states = (tree.map_structure(lambda t: t.clone().requires_grad_(), tensors_of(s)) for s in (x, states))
        outputs = layer(*x, **states, **mask)
        layer.zero_grad()
        loss_of(outputs).backward()
        gradients = [t.grad for t in [*tree.flatten([x, states]), *(v.value for v in layer.trainable_variables)]]
        outputs = tree.map_structure(lambda t: t.detach(), outputs)
    else:
        import tensorflow as tf

        x, states = tensors_of(x), tensors_of(states)
        with tf.GradientTape() as tape:
            tape.watch([x, states])
            outputs = layer(*x, **states, **mask)
            loss = loss_of(outputs)
        gradients = tape.gradient(loss, [x, states, [v.value for v in layer.trainable_variables]])
    return [
        np.asarray(keras.ops.convert_to_numpy(keras.ops.cast(a, "float32"))) for a in tree.flatten([outputs, gradients])
    ]


def all_results():
    """All arrays of all cases, by the name of the case and a number."""
    arrays = {}
    for name, layer, x, call in cases():
        for i, array in enumerate(outputs_and_gradients(layer, x, call)):
            arrays[f"{name} {i}"] = array
    return arrays


def training_losses():
    """Losses of a stateful layer with dropout in a model that the backend compiles in its own way; and those of an
    attention cell without its dropout and with it."""
    keras.utils.set_random_seed(1)
    x = keras.Input(batch_shape=(BATCH, None, FEATURES))
    model = keras.Model(x, keras.layers.Dense(1)(LSTM(UNITS, stateful=True, dropout=0.2, seed=1)(x)))
    model.compile(keras.optimizers.SGD(0.05), "mse")
    losses = [model.train_on_batch(inputs(), np.ones((BATCH, 1), "float32")) for _ in range(6)]
    predictions = []
    for _ in range(2):
        model.layers[1].reset_state()
        predictions += [model.predict_on_batch(inputs()) for _ in range(2)]
    source, target = keras.Input(batch_shape=(BATCH, TIME, 3)), keras.Input(batch_shape=(BATCH, TIME, FEATURES))
    decoder = keras.Model([target, source], Decoder(dropout=0.5)(target, source)[0])
    decoder.compile(keras.optimizers.SGD(0.05), "mse")
    data = [inputs(), normal(BATCH, TIME, 3)], np.ones((BATCH, TIME, UNITS), "float32")
    attending = [decoder.test_on_batch(*data), decoder.train_on_batch(*data)]
    return {"losses": np.array(losses), "predictions": np.array(predictions), "attending": np.array(attending)}


if __name__ == "__main__":
    np.savez(sys.argv[1], **all_results(), **training_losses())
