"""Words: from a string to the ids of its words and back, with core TensorFlow operations alone.

All of it runs inside a graph, in tf.data as well as in a SavedModel, and needs no tensorflow_text to load.
"""

import collections

import keras
import tensorflow as tf

# Applied in turn, each a pattern of RE2 and what replaces it.
_RULES = (
    (r"(?i)<\s*/?\s*(br|p|i|b|em|hr|strong)\s*/?\s*>", " "),  # mark-up that reviews are full of
    ("[\u2018\u2019\u00b4`]", "'"),
    ("[\u201c\u201d]", '"'),
    (r"\b(\d+(?:\.\d+)?) ?(?:/|out of) ?(10|ten|5|five|4|four)\b", r" \1/\2 "),  # marks: 7 out of 10 is one word
    (r"n't\b", " n't "),
    (r"'(s|re|ve|ll|d|m)\b", r" '\1 "),
    (r"(\.\.+|!+|\?+|[:;]-?[()]|[^\pL\pM\pN\s'/.])", r" \1 "),  # punctuation stands alone, smileys stay whole
    (r"([\pL\pM])([./])([\pL\pM])", r"\1 \2 \3"),
    (r"(\.+|/+)(\s|$)", r" \1 "),  # a full stop behind a word; the one inside 7.5 stays
    (r"(^|\s)'([^srvldm\s])", r"\1 ' \2"),
    (r"([\pL\pN])'(\s|$)", r"\1 ' "),
    (r"!!+", "!!"),
    (r"\?\?+", "??"),
    (r"\.\.+", "..."),
)


def split_words(text, max_words=None):
    """Splits text into lower-cased words and marks of punctuation.

    "It isn't bad - 7 out of 10!" gives it, is, n't, bad, -, 7/10, !. Bytes that are no UTF-8 become the replacement
    character; control characters and line breaks count as spaces.

    Args:
        text: string tensor `(batch,)`, UTF-8.
        max_words: keep this many words from the front at the most; all if None.

    Returns:
        RaggedTensor of strings `(batch, words)`; a row is empty where the text has no word.
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    if max_words is not None:
        # No regular expression need see the rest of a book. 24 characters a word are thrice what English has.
        text = tf.strings.substr(text, 0, 24 * max_words, unit="UTF8_CHAR")
    # Control and invisible characters first: lower() would end a text at the first NUL.
    text = tf.strings.regex_replace(text, r"[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]", " ")
    text = tf.strings.lower(text, encoding="utf-8")
    for pattern, replacement in _RULES:
        text = tf.strings.regex_replace(text, pattern, replacement)
    words = tf.strings.split(text)
    return words if max_words is None else words[:, :max_words]


class Vocabulary:
    """Word <-> id, in the graph. Id 0 is padding; the next `unknown_ids` ids are shared by all other words, by hash.

    Args:
        words: list of str, the known words, most frequent first.
        unknown_ids: how many ids unknown words are spread over.
    """

    def __init__(self, words, unknown_ids=1):
        self.words = list(words)
        self.unknown_ids = unknown_ids
        self._lookup = keras.layers.StringLookup(
            vocabulary=self.words, num_oov_indices=unknown_ids, mask_token="", oov_token="[UNK]"
        )

    @classmethod
    def learn(cls, texts, size, unknown_ids=1, minimum_count=1):
        """The most frequent words of a dataset.

        Args:
            texts: tf.data.Dataset of string tensors `(batch,)`.
            size: number of ids in all, padding and unknown words' included.
            unknown_ids: as in the constructor.
            minimum_count: a word seen less often is left out.
        """
        counts = collections.Counter()
        for words in texts.map(lambda text: split_words(text).flat_values, num_parallel_calls=2):
            counts.update(words.numpy().tolist())
        ranked = sorted((-n, w) for w, n in counts.items() if n >= minimum_count)  # ties by the alphabet: reproducible
        return cls([w.decode() for _, w in ranked[: size - 1 - unknown_ids]], unknown_ids)

    def __len__(self):
        return 1 + self.unknown_ids + len(self.words)

    def ids(self, words):
        """Strings of any shape, ragged too, to int64 ids of that shape; "" is padding, 0."""
        return self._lookup(words)
