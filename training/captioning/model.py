"""From a picture's file to a sentence about it: decoding, encoder, beam search and words, all inside the graph."""

import contextlib
import inspect

import keras
import tensorflow as tf

from seqkeras.decoding import beam_search
from seqkeras.models import EncoderDecoder, PictureEncoder
from training import Stop
from training.captioning.data import END, PAD, START, UNKNOWN, decode

WIDTHS = (1, 20)  # beams
COMPACT = "compact"  # the name of the encoder that needs no download


def build_encoder(config, dtype="float32", weights=None):
    """The encoder that `config` names.

    Args:
        config: `encoder`, `crop`.
        dtype: Keras dtype policy that it computes in.
        weights: what keras.applications takes as such, "imagenet" or a path; None for weights to be trained.
    """
    if config.encoder == COMPACT:
        encoder = PictureEncoder(dtype=dtype, name="encoder")
    else:
        encoder = PictureEncoder(backbone=_backbone(config.encoder, weights, dtype), dtype=dtype, name="encoder")
    encoder.build((None, None, None, 3))
    return encoder


def _backbone(name, weights, dtype):
    """A net of keras.applications without its top, which takes pixels from 0 to 255."""
    wanted = name.lower().replace("-", "").replace("_", "")
    known = {key.lower(): value for key, value in vars(keras.applications).items() if key[0].isupper()}
    if wanted not in known:
        raise Stop(f"There is no encoder {name}. Give {COMPACT}, or one of keras.applications: {', '.join(known)}.")
    constructor = known[wanted]
    preprocess = inspect.getmodule(constructor).preprocess_input
    with _policy(dtype):
        pictures = keras.Input((None, None, 3))
        try:
            net = constructor(include_top=False, weights=weights, input_shape=(None, None, 3))
        except Exception as error:  # nothing more special is what Keras raises for a download that fails
            raise Stop(f"The weights {weights} of {name} cannot be had ({str(error).splitlines()[0]}).") from None
        return keras.Model(pictures, net(preprocess(pictures)), name=wanted)


@contextlib.contextmanager
def _policy(dtype):
    """Within it layers are made with another dtype policy."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(dtype)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def build_words_model(encoder, config, words):
    """What gives the encoder its first lesson: pictures to the logits of which words their captions have."""
    pictures = keras.Input((None, None, 3))
    x = keras.layers.GlobalAveragePooling1D(dtype="float32")(encoder(pictures))
    x = keras.layers.Dropout(config.words_dropout, seed=config.seed)(x)
    return keras.Model(pictures, keras.layers.Dense(words, name="words")(x))


def build(config, encoder, vocabulary_size):
    """The captioning network that `config` describes around an encoder, built."""
    names = (
        "embedding_size", "units", "cell", "decoder_layers", "attention", "attention_units", "embedding_dropout",
        "memory_dropout", "output_dropout", "attention_penalty", "seed",
    )  # fmt: skip
    values = {name: getattr(config, name) for name in names}
    model = EncoderDecoder(vocabulary_size, encoder=encoder, **values)
    model.build({"source": (None, config.crop, config.crop, 3), "target": (None, None)})
    return model


class Captioner(tf.Module):
    """Says what is in pictures.

    Args:
        model: a built EncoderDecoder with a PictureEncoder.
        vocabulary: seqkeras.text.words.Vocabulary.
        size: pixels of a side of the square that each picture is made.
        width, length_penalty: see `seqkeras.decoding.beam_search`.
    """

    def __init__(self, model, vocabulary, size, width, length_penalty):
        super().__init__()
        self.model, self.size, self.width, self.length_penalty = model, size, width, length_penalty
        self.words = tf.constant(["", "", "", "", *vocabulary.words[2:]])
        self.attends = model.config["attention"] is not None
        ids = tf.range(len(self.words))
        self.banned = (ids == PAD) | (ids == START) | (ids == UNKNOWN)
        specs = [tf.TensorSpec((None,), tf.string), tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float32)]
        # One function, which all signatures of a SavedModel share.
        self.search = tf.function(self._search, input_signature=specs)

    def caption(self, image):
        """image string `(batch,)`, files of JPEG, PNG, GIF or BMP -> dict of caption, string `(batch,)`."""
        return {"caption": self.beam(image, self.width)["captions"][:, 0]}

    def beam(self, image, width):
        """image string `(batch,)`, width int32 () -> dict of captions string `(batch, width)`, the best first, "" where
        there are fewer; and scores float32 `(batch, width)`, nats over the length penalty's divisor."""
        found = self.search(image, tf.clip_by_value(width, *WIDTHS), self.length_penalty)
        return {"captions": self.text(found.tokens), "scores": found.scores}

    def attend(self, image):
        """image string `(batch,)` -> dict of caption string `(batch,)`; its words, tokens string `(batch, T)`, ""
        behind the last one; and attention float32 `(batch, T, rows, columns)`, how much of each word was written
        looking at each place of the grid that lies over the picture."""
        found = self.search(image, self.width, self.length_penalty)
        tokens = tf.gather(self.words, found.tokens[:, 0])
        longest = tf.reduce_max(tf.concat([tf.reduce_sum(tf.cast(tokens != "", tf.int32), axis=1), [0]], 0))
        rows, columns = self.model.encoder.grid_shape(self.size, self.size)
        there = tf.cast(tokens != "", tf.float32)[:, :, None]
        attention = tf.reshape(found.attention[:, 0] * there, (-1, tf.shape(tokens)[1], rows, columns))
        return {
            "caption": self.text(found.tokens[:, 0]),
            "tokens": tokens[:, :longest],
            "attention": attention[:, :longest],
        }

    def encode(self, image):
        """image string `(batch,)` -> dict of features float32 `(batch, rows, columns, channels)`: what the encoder sees
        in each place, to compare pictures by."""
        return {"features": self.model.encoder.grid(self._pictures_or_one(image))[: tf.shape(image)[0]]}

    def text(self, ids):
        """Ids int32 `(..., T)` to sentences, string `(...)`; "" where there is nothing but padding."""
        words = tf.strings.reduce_join(tf.gather(self.words, ids), axis=-1, separator=" ")
        words = tf.strings.regex_replace(words, r" '", "'")
        words = tf.strings.regex_replace(words, r" +$", "")
        # With its full stop none is empty: substr takes no start behind the end.
        sentences = words + "."
        first = tf.strings.upper(tf.strings.substr(sentences, 0, 1, unit="UTF8_CHAR"), encoding="utf-8")
        rest = tf.strings.substr(sentences, 1, 10_000, unit="UTF8_CHAR")
        return tf.where(words == "", "", first + rest)

    def pictures(self, image):
        """Files, string `(batch,)`, to whole pictures float32 `(batch, size, size, 3)`."""
        spec = tf.TensorSpec((self.size, self.size, 3), tf.float32)
        return tf.map_fn(lambda file: decode(file, self.size), image, fn_output_signature=spec)

    def _pictures_or_one(self, image):
        """The pictures, or a black one where there are none: TensorFlow's fused convolutions want some."""
        pictures = self.pictures(image)
        missing = tf.cast(tf.shape(image)[0] == 0, tf.int32)
        return tf.pad(pictures, [[0, missing], [0, 0], [0, 0], [0, 0]])

    def _search(self, image, width, length_penalty):
        state, memory = self.model.start(self._pictures_or_one(image))
        found = beam_search(
            self.model.step,
            state,
            START,
            END,
            max_length=24,
            width=width,
            length_penalty=length_penalty,
            attention=self.model.attention_of if self.attends else None,
            return_attention=self.attends,
            memory=memory,
            banned=self.banned,
            pad_token=PAD,
        )
        return keras.tree.map_structure(lambda x: x if x is None else x[: tf.shape(image)[0]], found)
