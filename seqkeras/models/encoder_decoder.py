"""Many to many, of two lengths: an encoder that reads, and a decoder that attends to what it read and writes."""

import keras
from keras import ops

from seqkeras.layers.attention import BahdanauAttention, LuongAttention
from seqkeras.layers.attention_cell import AttentionCell
from seqkeras.layers.deep import DeepRNN
from seqkeras.layers.gru import GRUCell
from seqkeras.layers.lstm import LSTMCell
from seqkeras.layers.rnn import RNN
from seqkeras.layers.simple_rnn import SimpleRNNCell

CELLS = {"lstm": LSTMCell, "gru": GRUCell, "simple_rnn": SimpleRNNCell}
# Not Luong's dot products as they are: the memory holds two directions and the query one.
ATTENTIONS = ("bahdanau", "general", "concat", None)


@keras.saving.register_keras_serializable("seqkeras")
class EncoderDecoder(keras.Model):
    """A sequence read by a bidirectional net and written anew by another (Sutskever et al. 2014; Bahdanau et al. 2015).

        m_1 .. m_S = encoder(x),   h_0 = tanh(W_0 mean_j m_j + b_0)          without attention: m_S and m_1 for the mean
        h_t = cell([E y_{t-1}; a_{t-1}], h_{t-1})                            input feeding (Luong et al. 2015)
        c_t = attention(h_t, m),   a_t = tanh(W_c [c_t; h_t])
        P(y_t | y_1 .. y_{t-1}, x) = softmax(V a_t + b)

    Training reads the right tokens so far (teacher forcing). With `scheduled_sampling` a share of them is replaced by
    what the model itself says there (Bengio et al. 2015), found in one pass before (Mihaylova and Martins 2019).

    It writes a token at a time, with `state, memory = model.start(source)` and `logits, state = model.step(ids, state,
    memory)`; inside the graph, `seqkeras.decoding.beam_search(model.step, state, START, END, memory=memory)` does so.

    Args:
        target_vocabulary_size: number of target ids; 0 is padding.
        source_vocabulary_size: number of source ids; 0 is padding. None with an `encoder`.
        encoder: a layer from whatever the source is to the memory `(batch, places, features)`, such as one of pictures;
            None for embeddings and a bidirectional recurrent net.
        share_embeddings: one table for source and target; they need one vocabulary.
        embedding_size: size of the embeddings, and of a_t, which the tied output reads them backward with.
        units: units of each recurrent layer, in each direction.
        cell: "gru", "lstm" or "simple_rnn".
        encoder_layers, decoder_layers: number of recurrent layers.
        attention: "bahdanau", "general" or "concat"; None for a decoder that has nothing but h_0.
        attention_units: units of Bahdanau's attention, whose tanh over all places is most of the work where there are
            many; as many as `units` if None.
        embedding_dropout: share of the embeddings' dimensions left out in training, the same in a whole sequence (Gal
            and Ghahramani 2016).
        memory_dropout: share of the memory's features left out, likewise.
        output_dropout: share of a_t left out.
        scheduled_sampling: share of the target tokens replaced in training.
        attention_penalty: what is added to the loss in training for each place of the memory i, in the mean over places
            and sequences: this times (1 - sum_t a_ti)^2, so that every place is looked at about once (doubly
            stochastic attention, Xu et al. 2015).
        seed: seed of the dropouts.

    Call arguments:
        inputs: dictionary of "source", int `(batch, source_time)` or what `encoder` takes, and "target", int `(batch,
            target_time)`: the start token and all tokens but the last. A target `(batch, targets, target_time)` has
            several for each source, which is read once.
        training: whether dropout is applied.

    Returns:
        Logits float32 of the token after each one, of the target's shape and `(target_vocabulary_size,)`.

    Raises:
        ValueError: for unknown names, an encoder and a source vocabulary both or neither, or a penalty on an attention
            that there is not.
    """

    def __init__(
        self,
        target_vocabulary_size,
        source_vocabulary_size=None,
        encoder=None,
        share_embeddings=False,
        embedding_size=128,
        units=256,
        cell="gru",
        encoder_layers=1,
        decoder_layers=1,
        attention="bahdanau",
        attention_units=None,
        embedding_dropout=0.0,
        memory_dropout=0.0,
        output_dropout=0.0,
        scheduled_sampling=0.0,
        attention_penalty=0.0,
        seed=None,
        **kwargs,
    ):
        if cell not in CELLS:
            raise ValueError(f"`cell` should be one of {sorted(CELLS)}. Received: cell={cell!r}")
        if attention not in ATTENTIONS:
            raise ValueError(f"`attention` should be one of {ATTENTIONS}. Received: attention={attention!r}")
        if (encoder is None) == (source_vocabulary_size is None):
            raise ValueError(
                "Either `source_vocabulary_size` or an `encoder` should be given. Received: "
                f"source_vocabulary_size={source_vocabulary_size}, encoder={encoder}"
            )
        if share_embeddings and source_vocabulary_size != target_vocabulary_size:
            raise ValueError(
                "`share_embeddings` needs one vocabulary for source and target. Received: source_vocabulary_size="
                f"{source_vocabulary_size}, target_vocabulary_size={target_vocabulary_size}"
            )
        if attention_penalty and attention is None:
            raise ValueError("`attention_penalty` needs an attention. Received: attention=None")
        super().__init__(**kwargs)
        self.config = dict(
            target_vocabulary_size=target_vocabulary_size,
            source_vocabulary_size=source_vocabulary_size,
            share_embeddings=share_embeddings,
            embedding_size=embedding_size,
            units=units,
            cell=cell,
            encoder_layers=encoder_layers,
            decoder_layers=decoder_layers,
            attention=attention,
            attention_units=attention_units,
            embedding_dropout=embedding_dropout,
            memory_dropout=memory_dropout,
            output_dropout=output_dropout,
            scheduled_sampling=scheduled_sampling,
            attention_penalty=attention_penalty,
            seed=seed,
        )
        self.target_embedding = keras.layers.Embedding(target_vocabulary_size, embedding_size)
        self.embedding_dropout = keras.layers.SpatialDropout1D(embedding_dropout, seed=seed)
        self.encoder = encoder
        if encoder is None:
            self.source_embedding = (
                self.target_embedding
                if share_embeddings
                else keras.layers.Embedding(source_vocabulary_size, embedding_size)
            )
            self.reader = DeepRNN(
                cell, units, encoder_layers, bidirectional=True, return_sequences=True, return_state=True, seed=seed
            )
        self.memory_dropout = keras.layers.SpatialDropout1D(memory_dropout, seed=seed)
        cells = [CELLS[cell](units) for _ in range(decoder_layers)]
        if attention is not None:
            size = attention_units or units
            kind = BahdanauAttention(size) if attention == "bahdanau" else LuongAttention(attention)
            self.decoder_cell = AttentionCell(cells, kind, units=embedding_size, return_attention=True)
            self.decoder = RNN(self.decoder_cell, return_sequences=True)
        else:
            self.decoder = RNN(cells, return_sequences=True)
            self.towards_embedding = keras.layers.Dense(embedding_size, activation="tanh")
        state_sizes = [size for c in cells for size in c.state_sizes]
        self.bridges = [
            keras.layers.Dense(size, activation="tanh", name=f"bridge_{i}") for i, size in enumerate(state_sizes)
        ]
        self.output_dropout = keras.layers.Dropout(output_dropout, seed=seed)
        self.sampling_seed = keras.random.SeedGenerator(seed)

    def build(self, input_shape):
        source, target = tuple(input_shape["source"]), tuple(input_shape["target"])
        size = self.config["embedding_size"]
        self.target_embedding.build(target)
        if self.encoder is None:
            if not self.source_embedding.built:
                self.source_embedding.build(source)
            self.reader.build((*source, size))
            memory = (*source, self.reader.output_size)
        else:
            if not self.encoder.built:
                self.encoder.build(source)
            memory = tuple(self.encoder.compute_output_shape(source))
        if self.config["attention"] is not None:
            self.decoder.build((*target, size), constants_shape=[memory])
        else:
            self.decoder.build((*target, size))
            self.towards_embedding.build((*target, self.config["units"]))
        for bridge in self.bridges:
            bridge.build((None, memory[-1]))
        self.output_bias = self.add_weight(
            shape=(self.config["target_vocabulary_size"],), initializer="zeros", name="output_bias", dtype="float32"
        )
        self.built = True

    def call(self, inputs, training=False):
        memory, mask, first = self._read(inputs["source"], training)
        target = inputs["target"]
        shape = ops.shape(target)
        if len(target.shape) == 3:
            each = shape[1]
            memory, *first = (ops.repeat(x, each, axis=0) for x in (memory, *first))
            mask = None if mask is None else ops.repeat(mask, each, axis=0)
            target = ops.reshape(target, (-1, shape[2]))
        if training and self.config["scheduled_sampling"]:
            said = ops.argmax(self._write(target, memory, mask, first, training=False), axis=-1)
            said = ops.concatenate([target[:, :1], ops.cast(said, target.dtype)[:, :-1]], axis=1)
            draw = keras.random.uniform(ops.shape(target), seed=self.sampling_seed)
            chosen = ops.logical_and(draw < self.config["scheduled_sampling"], ops.not_equal(target, 0))
            # The first token says that a sequence starts; nothing was said before it.
            chosen = ops.logical_and(chosen, ops.arange(ops.shape(target)[1]) > 0)
            target = ops.where(chosen, said, target)
        logits = self._write(target, memory, mask, first, training)
        return ops.reshape(logits, (*shape, logits.shape[-1])) if len(shape) == 3 else logits

    def _read(self, source, training):
        """The memory, its mask or None, and the states that the decoder's cells begin with."""
        if self.encoder is not None:
            memory, mask = self.encoder(source, training=training), None
            summary = ops.mean(memory, axis=1)
        else:
            mask = ops.not_equal(source, 0)
            x = self.embedding_dropout(self.source_embedding(source), training=training)
            memory, *states = self.reader(x, mask=mask, training=training)
            kept = ops.expand_dims(ops.cast(mask, memory.dtype), -1)
            summary = ops.sum(memory * kept, axis=1) / ops.maximum(ops.sum(kept, axis=1), 1.0)
            if self.config["attention"] is None:
                each = len(states) // (2 * self.config["encoder_layers"])
                summary = ops.concatenate([states[-2 * each], states[-each]], axis=-1)
        memory = self.memory_dropout(memory, training=training)
        return memory, mask, [bridge(summary) for bridge in self.bridges]

    def _write(self, target, memory, mask, first, training):
        x = self.embedding_dropout(self.target_embedding(target), training=training)
        if self.config["attention"] is None:
            vectors = self.towards_embedding(self.decoder(x, initial_state=self._grouped(first), training=training))
        else:
            constants = [memory] if mask is None else [memory, mask]
            fed = ops.zeros((ops.shape(memory)[0], self.config["embedding_size"]), dtype=first[0].dtype)
            vectors, weights = self.decoder(x, initial_state=[*first, fed], constants=constants, training=training)
            if training and self.config["attention_penalty"]:
                looked = ops.sum(weights * ops.cast(ops.not_equal(target, 0), weights.dtype)[..., None], axis=1)
                self.add_loss(self.config["attention_penalty"] * _mean(ops.square(1.0 - looked), mask))
        return self._logits(self.output_dropout(vectors, training=training))

    def _grouped(self, states):
        """The flat list of states as a stack of cells takes it."""
        each = len(states) // self.config["decoder_layers"]
        lists = [list(states[i : i + each]) for i in range(0, len(states), each)]
        return [group if each > 1 else group[0] for group in lists]

    def _logits(self, vectors):
        # In float32, whatever the layers below compute in: a softmax over many tokens needs the digits.
        embeddings = ops.cast(ops.convert_to_tensor(self.target_embedding.embeddings), "float32")
        return ops.matmul(ops.cast(vectors, "float32"), ops.transpose(embeddings)) + self.output_bias

    # One token at a time

    def start(self, source):
        """Reads a source.

        Args:
            source: as in a call.

        Returns:
            The state before the first token, a dictionary, and the memory, a dictionary that no step changes (empty
            without attention); each of tensors with the batch as first axis.
        """
        memory, mask, first = self._read(source, training=False)
        if self.config["attention"] is None:
            return {"states": first}, {}
        prepared = self.decoder_cell.prepare([memory] if mask is None else [memory, mask])
        fed = ops.zeros((ops.shape(memory)[0], self.config["embedding_size"]), dtype=first[0].dtype)
        return {"states": [*first, fed], "attention": ops.zeros_like(memory[:, :, 0])}, prepared

    def step(self, ids, state, memory):
        """Reads one token.

        Args:
            ids: int `(batch,)`, the token before.
            state, memory: as `start` and `step` give them.

        Returns:
            Logits of the next token, float32 `(batch, target_vocabulary_size)`, and the state after this one.
        """
        x = self.target_embedding(ids)
        if self.config["attention"] is None:
            output, states = self.decoder.cell(x, self._grouped(state["states"]))
            return self._logits(self.towards_embedding(output)), {"states": keras.tree.flatten(states)}
        (vector, weights), states = self.decoder_cell.call(x, state["states"], memory)
        return self._logits(vector), {"states": states, "attention": weights}

    def attention_of(self, state):
        """The weights of the last step's attention, float `(batch, source_time)`, in a state."""
        return state["attention"]

    def get_config(self):
        encoder = None if self.encoder is None else keras.saving.serialize_keras_object(self.encoder)
        return {**super().get_config(), **self.config, "encoder": encoder}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        if config["encoder"] is not None:
            config["encoder"] = keras.saving.deserialize_keras_object(config["encoder"], custom_objects=custom_objects)
        return cls(**config)


def _mean(values, mask):
    """The mean of values `(batch, places)` where the mask, if there is one, is True."""
    if mask is None:
        return ops.mean(values)
    kept = ops.cast(mask, values.dtype)
    return ops.sum(values * kept) / ops.maximum(ops.sum(kept), 1.0)


@keras.saving.register_keras_serializable("seqkeras")
class SmoothedCrossentropy(keras.losses.Loss):
    """Cross-entropy with a part of the probability spread over all tokens (Szegedy et al. 2016), in nats a token.

        loss = -(1 - s) log P(y) - s / V sum_v log P(v)

    Args:
        label_smoothing: s, from 0 (plain cross-entropy) to below 1.

    Call arguments:
        y_true: int `(batch, time)`.
        y_pred: logits `(batch, time, V)`.
    """

    def __init__(self, label_smoothing=0.0, name="smoothed_crossentropy", **kwargs):
        if not 0 <= label_smoothing < 1:
            raise ValueError(f"`label_smoothing` should be at least 0 and below 1. Received: {label_smoothing}")
        super().__init__(name=name, **kwargs)
        self.label_smoothing = label_smoothing

    def call(self, y_true, y_pred):
        logits = ops.cast(y_pred, "float32")
        chosen = ops.take_along_axis(logits, ops.expand_dims(ops.cast(y_true, "int32"), -1), axis=-1)[..., 0]
        # -log P(v) is log sum exp - logit, whichever token is meant.
        return ops.logsumexp(logits, axis=-1) - (
            (1 - self.label_smoothing) * chosen + self.label_smoothing * ops.mean(logits, axis=-1)
        )

    def get_config(self):
        return {**super().get_config(), "label_smoothing": self.label_smoothing}
