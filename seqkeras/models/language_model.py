"""One to many, each step reading what the one before wrote: the probability of a sequence, symbol by symbol."""

import keras
from keras import ops

from seqkeras.layers.deep import DeepRNN


@keras.saving.register_keras_serializable("seqkeras")
class LanguageModel(keras.Model):
    """Embedding, a deep recurrent network, and the next symbol's logits (Mikolov et al. 2010; Graves 2013).

        e_t = E[w_t],    h_t = recurrent network of e_1 .. e_t,    P(w_{t+1} | w_1 .. w_t) = softmax(V h_t + b)

    and with `tied`, where the output reads the embeddings backward (Press and Wolf 2017; Inan et al. 2017),

        P(w_{t+1} | w_1 .. w_t) = softmax(E (W h_t + c) + b)

    A text longer than a batch is read in chunks by a stateful model, fed with the dictionaries of
    `seqkeras.text.chunks`:

        dataset = chunks(streams, batch_size=32, length=100)
        model = LanguageModel(vocabulary_size=60, stateful=True)
        model(next(iter(dataset)))      # where "reset" says so, a row begins with fresh states

    And it writes one symbol at a time: `states = model.start(batch_size)`, `logits, states = model.step(ids, states)`;
    `seqkeras.decoding.Sampler` does so inside the graph, fastest with `model.step_function()`.

    Args:
        vocabulary_size: number of ids.
        embedding_size: size of the embeddings.
        units: units of each recurrent layer.
        num_layers: number of recurrent layers.
        cell: "lstm", "gru" or "simple_rnn".
        tied: use the embeddings for the output too.
        residual: add what a recurrent layer reads to what it says, where the sizes allow it.
        embedding_dropout: share of the embeddings' dimensions left out in training.
        dropout: share of the outputs of each recurrent layer left out in training.
        recurrent_dropout: share of the hidden states left out of the recurrent products in training, drawn once for a
            chunk.
        variational: draw the other dropouts once for a chunk too, instead of anew for each symbol (Gal and Ghahramani
            2016).
        stateful: begin each batch with the states that the one before ended with.
        seed: seed of the dropouts.

    Call arguments:
        ids: int `(batch, time)`; or a dictionary with them as "inputs" and optionally "mask" (bool `(batch, time)`,
            True keeps) and, for a stateful model, "reset" (bool `(batch,)`, rows that begin with fresh states).
        training: whether dropout is applied.

    Returns:
        Logits, float32 `(batch, time, vocabulary_size)`, of the symbol after each one.
    """

    def __init__(
        self,
        vocabulary_size,
        embedding_size=128,
        units=256,
        num_layers=2,
        cell="lstm",
        tied=False,
        residual=False,
        embedding_dropout=0.0,
        dropout=0.0,
        recurrent_dropout=0.0,
        variational=False,
        stateful=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.config = dict(
            vocabulary_size=vocabulary_size,
            embedding_size=embedding_size,
            units=units,
            num_layers=num_layers,
            cell=cell,
            tied=tied,
            residual=residual,
            embedding_dropout=embedding_dropout,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            variational=variational,
            stateful=stateful,
            seed=seed,
        )
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_size)
        kind = keras.layers.SpatialDropout1D if variational else keras.layers.Dropout
        self.embedding_dropout = kind(embedding_dropout, seed=seed)
        self.recurrent = DeepRNN(
            cell,
            units,
            num_layers,
            dropout=dropout,
            recurrent_dropout=recurrent_dropout,
            residual=residual,
            variational=variational,
            stateful=stateful,
            return_sequences=True,
            return_state=True,
            seed=seed,
        )
        self.output_dropout = kind(dropout, seed=seed)
        # Logits in float32, whatever the layers below compute in: a softmax over many symbols needs the digits.
        self.towards_embedding = keras.layers.Dense(embedding_size, dtype="float32") if tied else None
        self.head = None if tied else keras.layers.Dense(vocabulary_size, dtype="float32")

    def build(self, input_shape):
        shape = tuple(input_shape["inputs"] if isinstance(input_shape, dict) else input_shape)
        self.embedding.build(shape)
        self.recurrent.build((*shape, self.config["embedding_size"]))
        outputs = (*shape, self.recurrent.output_size)
        if self.config["tied"]:
            self.towards_embedding.build(outputs)
            self.output_bias = self.add_weight(
                shape=(self.config["vocabulary_size"],), initializer="zeros", name="output_bias", dtype="float32"
            )
        else:
            self.head.build(outputs)
        self.built = True

    def call(self, ids, training=False):
        batch = ids if isinstance(ids, dict) else {"inputs": ids}
        if self.config["stateful"] and "reset" in batch:
            self.recurrent.reset_state(batch["reset"])
        x = self.embedding_dropout(self.embedding(batch["inputs"]), training=training)
        x, *_ = self.recurrent(x, mask=batch.get("mask"), training=training)
        return self._logits(self.output_dropout(x, training=training))

    def _logits(self, outputs):
        if not self.config["tied"]:
            return self.head(outputs)
        read = self.towards_embedding(outputs)
        embeddings = ops.cast(ops.convert_to_tensor(self.embedding.embeddings), read.dtype)
        return ops.matmul(read, ops.transpose(embeddings)) + self.output_bias

    # One symbol at a time

    def start(self, batch_size):
        """The states that a text begins with: a flat list of zeros `(batch_size, units)`."""
        return self.recurrent.get_initial_state(batch_size)

    def step(self, ids, states):
        """Reads one symbol.

        Args:
            ids: int `(batch,)`.
            states: as `start` and `step` give them.

        Returns:
            Logits of the next symbol, float32 `(batch, vocabulary_size)`, and the states after this one.
        """
        return self.step_function()(ids, states)

    def step_function(self):
        """`step` for a loop that takes many: what depends on the weights alone is computed here, once."""
        take_step = self.recurrent.step_function()

        def step(ids, states):
            output, states = take_step(self.embedding(ids), states)
            return self._logits(output), states

        return step

    def reset_state(self, rows=None):
        """Sets the states of a stateful model to zero: all, or in the rows where `rows`, bool `(batch,)`, is True."""
        self.recurrent.reset_state(rows)

    def get_config(self):
        return {**super().get_config(), **self.config}


def log_probabilities(logits, targets):
    """The natural logarithm of the probability of each target: float32 `(batch, time)`.

    Args:
        logits: float `(batch, time, vocabulary_size)`.
        targets: int `(batch, time)`.
    """
    logits = ops.cast(logits, "float32")
    chosen = ops.take_along_axis(logits, ops.expand_dims(ops.cast(targets, "int32"), -1), axis=-1)
    return ops.squeeze(chosen, -1) - ops.logsumexp(logits, axis=-1)
