"""Many to one: a sequence in, one or several numbers out."""

import keras
from keras import ops

from seqkeras import layers

CELLS = {"lstm": layers.LSTM, "gru": layers.GRU, "simple_rnn": layers.SimpleRNN}
POOLINGS = ("max", "mean", "max_mean", "attention", "last")


@keras.saving.register_keras_serializable("seqkeras")
class SequenceClassifier(keras.Model):
    """Embedding, recurrent layers, pooling over time, and a linear head for each output.

    With h_t the recurrent output at step t and w a head's weights, each pooling but "last" makes a head's value a sum
    over the steps, which `explain` takes apart again:

        max         sum_u w_u max_t h_tu               the share of step t: those units whose maximum it holds
        mean        sum_t w . h_t / T
        max_mean    both, each with weights of its own
        attention   sum_t a_t (w . h_t),  a = softmax_t(v . tanh(W h_t + b))      (Yang et al. 2016)
        last        w . h_T (and the backward layer's h_1): what a plain recurrent net reads

    Args:
        vocabulary_size: number of ids; 0 is padding, which never changes a result.
        outputs: dict from the name of each output to its activation, e.g. `{"positive": "sigmoid"}`.
        embedding_size: size of the embeddings.
        units: units of each recurrent layer, in each direction.
        cell: "lstm", "gru" or "simple_rnn".
        depth: number of recurrent layers.
        bidirectional: whether each layer runs both ways.
        pooling: see above.
        word_dropout: share of whole words left out in training.
        embedding_dropout: share of the embeddings' dimensions left out in training, the same ones in a whole sequence.
        dropout: share of the pooled vector left out in training.

    Call arguments:
        ids: int `(batch, time)`.
        training: whether dropout is applied.

    Returns:
        Dict from the name of each output to float32 `(batch, 1)`.

    Raises:
        ValueError: for an unknown cell or pooling.
    """

    def __init__(
        self,
        vocabulary_size,
        outputs,
        embedding_size=128,
        units=128,
        cell="lstm",
        depth=1,
        bidirectional=True,
        pooling="max_mean",
        word_dropout=0.0,
        embedding_dropout=0.0,
        dropout=0.0,
        **kwargs,
    ):
        if cell not in CELLS:
            raise ValueError(f"`cell` should be one of {sorted(CELLS)}. Received: cell={cell!r}")
        if pooling not in POOLINGS:
            raise ValueError(f"`pooling` should be one of {POOLINGS}. Received: pooling={pooling!r}")
        super().__init__(**kwargs)
        self.config = dict(
            vocabulary_size=vocabulary_size,
            outputs=dict(outputs),
            embedding_size=embedding_size,
            units=units,
            cell=cell,
            depth=depth,
            bidirectional=bidirectional,
            pooling=pooling,
            word_dropout=word_dropout,
            embedding_dropout=embedding_dropout,
            dropout=dropout,
        )
        self.pooling = pooling
        self.embedding = keras.layers.Embedding(vocabulary_size, embedding_size)
        self.word_dropout = keras.layers.Dropout(word_dropout, noise_shape=(None, None, 1))
        self.embedding_dropout = keras.layers.SpatialDropout1D(embedding_dropout)
        self.recurrent = []
        for i in range(depth):
            layer = CELLS[cell](units, return_sequences=pooling != "last" or i < depth - 1)
            self.recurrent.append(layers.Bidirectional(layer) if bidirectional else layer)
        if pooling == "attention":
            self.attention_hidden = keras.layers.Dense(units, activation="tanh")
            self.attention_score = keras.layers.Dense(1, use_bias=False)
        self.dropout = keras.layers.Dropout(dropout)
        # Probabilities and losses in float32, whatever the layers below compute in.
        self.heads = {name: keras.layers.Dense(1, name=name, dtype="float32") for name in outputs}
        self.activations = {name: keras.activations.get(activation) for name, activation in outputs.items()}

    def build(self, input_shape):
        shape = (*input_shape, self.config["embedding_size"])
        self.embedding.build(input_shape)
        for layer in self.recurrent:
            layer.build(shape)
            shape = layer.compute_output_shape(shape)
        features = shape[-1] * (2 if self.pooling == "max_mean" else 1)
        if self.pooling == "attention":
            self.attention_hidden.build(shape)
            self.attention_score.build((*shape[:-1], self.config["units"]))
        for head in self.heads.values():
            head.build((None, features))
        self.built = True

    def states(self, embedded, mask, training=False):
        """The top recurrent layer's outputs `(batch, time, features)` for `self.embedding(ids)` and its mask."""
        x = self.word_dropout(embedded, training=training)
        x = self.embedding_dropout(x, training=training)
        for layer in self.recurrent:
            x = layer(x, mask=mask, training=training)
        return x

    def pool(self, h, mask):
        """The pooled vector `(batch, features)` of outputs `(batch, time, features)`; zeros for a row of padding."""
        if self.pooling == "last":
            return h
        parts = []
        if "max" in self.pooling:
            parts.append(self._maximum(h, mask))
        if "mean" in self.pooling:
            parts.append(ops.sum(h * self._mean_weights(h, mask), axis=1))
        if self.pooling == "attention":
            parts.append(ops.sum(h * self._attention_weights(h, mask), axis=1))
        return ops.concatenate(parts, axis=-1)

    def call(self, ids, training=False):
        return self.classify(self.embedding(ids), ops.not_equal(ids, 0), training)

    def classify(self, embedded, mask, training=False):
        """The outputs for embeddings `(batch, time, embedding_size)` instead of ids, and the mask `(batch, time)`."""
        return self._outputs(self.pool(self.states(embedded, mask, training), mask), training)

    def _outputs(self, pooled, training=False):
        pooled = self.dropout(pooled, training=training)
        return {name: self.activations[name](head(pooled)) for name, head in self.heads.items()}

    def explain(self, ids, name):
        """The outputs, and what each step adds to the value of a head before its activation.

        Args:
            ids: int `(batch, time)`.
            name: the output asked about.

        Returns:
            What the model gives for `ids`, and the shares, float32 `(batch, time)`: their sum over time and the head's
            bias make the head's value. Zeros for padding.

        Raises:
            ValueError: with pooling "last", whose value is no sum over the steps.
        """
        if self.pooling == "last":
            raise ValueError(
                "With pooling='last' no step has a share of its own. Use another pooling to ask for shares."
            )
        mask = ops.not_equal(ids, 0)
        h = self.states(self.embedding(ids), mask)
        kernel = ops.convert_to_tensor(self.heads[name].kernel)
        kernels = iter(ops.split(kernel, 2) if self.pooling == "max_mean" else [kernel])
        shares = 0.0
        if "max" in self.pooling:
            first = ops.one_hot(ops.argmax(self._for_maximum(h, mask), axis=1), ops.shape(h)[1], axis=1, dtype=h.dtype)
            shares = shares + ops.matmul(ops.cast(h * first, "float32"), next(kernels))
        if self.pooling != "max":
            weights = self._attention_weights(h, mask) if self.pooling == "attention" else self._mean_weights(h, mask)
            shares = shares + ops.matmul(ops.cast(h * weights, "float32"), next(kernels))
        return self._outputs(self.pool(h, mask)), ops.where(mask, ops.squeeze(shares, -1), 0.0)

    def _for_maximum(self, h, mask):
        low = -3e4 if keras.backend.standardize_dtype(h.dtype) == "float16" else -1e30
        return ops.where(ops.expand_dims(mask, -1), h, ops.cast(low, h.dtype))

    def _maximum(self, h, mask):
        maximum = ops.max(self._for_maximum(h, mask), axis=1)
        return ops.where(ops.any(mask, axis=1, keepdims=True), maximum, ops.zeros_like(maximum))

    def _mean_weights(self, h, mask):
        kept = ops.expand_dims(ops.cast(mask, h.dtype), -1)
        return kept / ops.maximum(ops.sum(kept, axis=1, keepdims=True), 1)

    def _attention_weights(self, h, mask):
        scores = ops.squeeze(self.attention_score(self.attention_hidden(h)), -1)
        return ops.expand_dims(layers.attention.masked_softmax(scores, mask), -1)

    def get_config(self):
        return {**super().get_config(), **self.config}
