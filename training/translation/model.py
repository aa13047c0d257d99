"""From a text to its translation: sentences, subwords, beam search, unknown words copied, all inside the graph."""

import tensorflow as tf

from seqkeras.decoding import beam_search
from seqkeras.text.subwords import END, PAD, START, UNKNOWN, without_joiners

WIDTHS = (1, 50)  # beams
PENALTIES = (0.0, 3.0)  # for length
TOGETHER = 64  # sentences translated side by side
MOST_WORDS = 50  # of a sentence; a longer one is read in parts
MOST_CHARACTERS = 200  # of a word, likewise
LONG = 400  # characters; a sentence of more ends at the next space, for its words may be endless too
_CUT = "\ue001"  # stands between sentences while a text is taken apart
_SPACE = r"\p{Cc}\pZ"  # what subwords take for a space: controls, and whatever is a space in any language
_LINE = r"\n\v\f\r\x{85}\x{2028}\x{2029}"  # what ends a line
_CUTS = (
    (_CUT, ""),
    (rf"([{_SPACE}]*[{_LINE}])", rf"{_CUT}\1"),
    (r"([.!?…]+[\"'»”’)\]]*)([ \t]+)", rf"\1{_CUT}\2"),
    # Neither titles nor initials end a sentence.
    (rf"((?:^|[\s(\"'«“])(?:\p{{Lu}}|Mr|Mrs|Ms|Dr|Prof|St|vs|Sr|Sra|Srta|Mme|Mlle|e\.g|i\.e)\.){_CUT}", r"\1"),
    (rf"([^{_SPACE}{_CUT}]{{{MOST_CHARACTERS}}})", rf"\1{_CUT}"),
    (rf"((?:[^{_SPACE}{_CUT}]+[{_SPACE}]+){{{MOST_WORDS - 1}}}[^{_SPACE}{_CUT}]+)", rf"\1{_CUT}"),
    (rf"([^{_CUT}]{{{LONG}}}[^{_SPACE}{_CUT}]*)([{_SPACE}])", rf"\1{_CUT}\2"),
)


class Translator(tf.Module):
    """Translates texts, sentence by sentence.

    What stands between sentences, and sentences without a letter, stay as they are. Of the text nothing is left out.

    Args:
        model: a built EncoderDecoder.
        subwords: tuple of the `seqkeras.text.Subwords` of source and target.
        width, length_penalty: of `serving_default` and `attend`; see `seqkeras.decoding.beam_search`.
    """

    def __init__(self, model, subwords, width, length_penalty):
        super().__init__()
        self.model = model
        self.source, self.target = subwords
        self.width, self.length_penalty = width, length_penalty
        self.attends = model.config["attention"] is not None
        specs = [tf.TensorSpec((None,), tf.string), tf.TensorSpec((), tf.int32), tf.TensorSpec((), tf.float32)]
        # One function, which all signatures of a SavedModel share.
        self.search = tf.function(self._search, input_signature=specs)
        ids = tf.range(len(self.target))
        # Without attention nothing says which word an unknown one stands for.
        self.banned = (ids == PAD) | (ids == START) | (False if self.attends else ids == UNKNOWN)

    def translate(self, text):
        """text string `(batch,)` -> dict of translation, string `(batch,)`."""
        return {"translation": self.beam(text, self.width, self.length_penalty)["translations"][:, 0]}

    def beam(self, text, width, length_penalty):
        """text string `(batch,)`, width int32 (), length_penalty float32 () -> dict of translations string `(batch,
        width)`, the best first, "" where there are fewer, now and then two alike of other subwords; and scores float32
        `(batch, width)`, nats over the length penalty's divisor, summed over the sentences of a text."""
        width = tf.clip_by_value(width, *WIDTHS)
        length_penalty = tf.where(tf.math.is_nan(length_penalty), self.length_penalty, length_penalty)
        length_penalty = tf.clip_by_value(length_penalty, *PENALTIES)
        parts = _Parts(text)
        count = tf.size(parts.spoken)
        steps = -(-count // TOGETHER)

        def some(step, texts, scores):
            sentences = parts.spoken[step * TOGETHER : (step + 1) * TOGETHER]
            read, found = self.search(sentences, width, length_penalty)
            flat = (-1, tf.shape(found.tokens)[-1])
            copied = self.copied(read, found.attention) if self.attends else None
            written = self.target.text(
                tf.reshape(found.tokens, flat), None if copied is None else tf.reshape(copied, flat)
            )
            written = tf.reshape(written, tf.shape(found.scores))
            return step + 1, texts.write(step, written), scores.write(step, found.scores)

        arrays = (
            tf.TensorArray(dtype, steps, infer_shape=False, element_shape=(None, None))
            for dtype in ("string", "float32")
        )
        _, texts, scores = tf.while_loop(
            lambda step, *_: step < steps, some, (0, *arrays), parallel_iterations=1
        )  # fmt: skip
        texts = tf.cond(steps > 0, texts.concat, lambda: tf.fill([0, width], ""))
        scores = tf.cond(steps > 0, scores.concat, lambda: tf.zeros([0, width]))
        return {"translations": parts.together(texts), "scores": parts.sums(scores)}

    def attend(self, text):
        """text string `(batch,)` -> dict of translation string `(batch,)`; its words, target string `(batch, T)`, and
        those of the text, source string `(batch, S)`, "" behind the last one; and attention float32 `(batch, T, S)`,
        how much of each target word was written looking at each source word. What a row lacks to 1 went to the end of
        the sentence."""
        parts = _Parts(text)
        read, found = self.search(parts.spoken, self.width, self.length_penalty)
        ids = found.tokens[:, 0]
        copied = self.copied(read, found.attention)[:, 0]
        targets, target_place = self.target.words(ids, copied)
        sources, source_place = without_joiners(read.words), read.word_index
        # Of the pieces of a source word the sum, of those of a target word the mean.
        weights = tf.einsum(
            "ntw,nts,nsv->nwv",
            _of_word(target_place, tf.shape(ids)[1], targets, mean=True),
            found.attention[:, 0],
            _of_word(source_place, tf.shape(found.attention)[3], sources),
        )
        return {
            "translation": parts.together(self.target.text(ids, copied)[:, None])[:, 0],
            "target": parts.gathered(targets).to_tensor(""),
            "source": parts.gathered(sources).to_tensor(""),
            "attention": parts.blocks(weights, targets, sources),
        }

    def known(self, text):
        """text string `(batch,)` -> dict of known, float32 `(batch,)`: the share of a text's words that the training
        texts had, 1 where there are none. With less than half of them it is another language, or of no sense."""
        words = self.source.segment(text).words
        words = tf.ragged.boolean_mask(words, tf.strings.regex_full_match(words, r".*\pL.*"))
        known = tf.cast(self.source.known(words), tf.float32)
        return {"known": tf.where(words.row_lengths() > 0, tf.reduce_mean(known, axis=1), 1.0)}

    def _search(self, sentences, width, length_penalty):
        """Sentences, string `(n,)`, to their Segments and the Beams of their translations."""
        read = self.source.segment(sentences)
        ids = tf.concat([read.ids, tf.fill([tf.size(sentences), 1], END)], axis=1)
        ids = ids.to_tensor(PAD, shape=tf.stack([-1, tf.reduce_max(tf.concat([ids.row_lengths(), [1]], 0))]))
        state, memory = self.model.start(ids)
        found = beam_search(
            self.model.step,
            state,
            START,
            END,
            max_length=2 * tf.shape(ids)[1] + 8,
            width=width,
            length_penalty=length_penalty,
            attention=self.model.attention_of if self.attends else None,
            return_attention=self.attends,
            memory=memory,
            banned=self.banned,
        )
        return read, found

    def copied(self, read, attention):
        """For each token `(n, width, length)` the source word looked at most, which it stands for if it is unknown."""
        places = read.word_index.to_tensor(-1, shape=tf.stack([-1, tf.shape(attention)[3]]))
        looked_at = tf.argmax(tf.where((places < 0)[:, None, None], -1.0, attention), axis=3)
        places = tf.gather(tf.maximum(places, 0), looked_at, batch_dims=1)
        return tf.gather(tf.pad(read.words.to_tensor(""), [[0, 0], [0, 1]]), places, batch_dims=1)


class _Parts:
    """Texts `(batch,)` taken apart: `spoken`, string `(n,)`, has their sentences that have letters."""

    def __init__(self, text):
        self.count = tf.size(text)
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        for pattern, replacement in _CUTS:
            text = tf.strings.regex_replace(text, pattern, replacement)
        sentences = tf.strings.split(text, _CUT)
        self.rows = tf.cast(sentences.value_rowids(), tf.int32)
        # Spaces stand before every sentence, and may stand behind the last one of a text.
        whole = rf"(?s)^([{_SPACE}]*)(.*?)([{_SPACE}]*)$"
        split = (tf.strings.regex_replace(sentences.flat_values, whole, rf"\{i}") for i in (1, 2, 3))
        self.before, self.sentences, self.behind = split
        self.places = tf.cast(tf.where(tf.strings.regex_full_match(self.sentences, r"(?s).*\pL.*")), tf.int32)
        self.spoken = tf.gather_nd(self.sentences, self.places)
        self.of_text = tf.gather_nd(self.rows, self.places)

    def together(self, written):
        """What became of the spoken sentences, string `(n, width)`, in its texts: string `(batch, width)`."""
        silent = tf.repeat(self.sentences[:, None], tf.shape(written)[1], axis=1)
        sentences = tf.tensor_scatter_nd_update(silent, self.places, written)
        whole = self.before[:, None] + sentences + self.behind[:, None]
        return tf.strings.unsorted_segment_join(whole, self.rows, self.count)

    def sums(self, scores):
        """float32 `(n, width)` to `(batch, width)`."""
        return tf.math.unsorted_segment_sum(scores, self.of_text, self.count)

    def gathered(self, words):
        """RaggedTensor `(n, words)` to `(batch, words)`."""
        rows = tf.cast(tf.gather(self.of_text, words.value_rowids()), tf.int64)
        return tf.RaggedTensor.from_value_rowids(words.flat_values, rows, nrows=tf.cast(self.count, tf.int64))

    def blocks(self, weights, targets, sources):
        """The attention of each sentence `(n, words, words)` as a block of that of its text `(batch, words, words)`."""
        sizes = [tf.cast(words.row_lengths(), tf.int32) for words in (targets, sources)]
        offsets = [tf.cumsum(size, exclusive=True) for size in sizes]
        totals = [tf.math.unsorted_segment_sum(size, self.of_text, self.count) for size in sizes]
        starts = [tf.gather(tf.cumsum(total, exclusive=True), self.of_text) for total in totals]
        there = [tf.sequence_mask(size, tf.shape(weights)[axis]) for axis, size in enumerate(sizes, 1)]
        places = tf.cast(tf.where(there[0][:, :, None] & there[1][:, None]), tf.int32)
        n = places[:, 0]
        inside = [tf.gather(offsets[axis] - starts[axis], n) + places[:, 1 + axis] for axis in (0, 1)]
        shape = [self.count, *(tf.reduce_max(tf.concat([total, [0]], 0)) for total in totals)]
        return tf.scatter_nd(tf.stack([tf.gather(self.of_text, n), *inside], 1), tf.gather_nd(weights, places), shape)


def _of_word(places, steps, words, mean=False):
    """Of which word each step is, float32 `(n, steps, words)`: 1, or with `mean` 1 over the number of its steps."""
    number = tf.cast(tf.reduce_max(tf.concat([words.row_lengths(), [0]], 0)), tf.int32)
    which = tf.one_hot(places.to_tensor(-1, shape=tf.stack([-1, steps])), number)
    return which / tf.maximum(tf.reduce_sum(which, axis=1, keepdims=True), 1.0) if mean else which
