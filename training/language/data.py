"""From a text to the symbols a language model reads, characters or words, and to streams with carried states."""

import collections

import numpy as np
import tensorflow as tf

from seqkeras.text import Symbols, chunks, split
from training import Stop
from training.datasets import own_corpus, penn_treebank, python_library, sample_prose, tiny_shakespeare

SETS = {
    "shakespeare": tiny_shakespeare,
    "penn_treebank": penn_treebank,
    "python": python_library,
    "sample": sample_prose,
}
# What a model card says of each.
ABOUT = {
    "shakespeare": (
        "the first nine tenths of Tiny Shakespeare, 1,003,854 characters of his plays (public domain). The last tenth "
        "was held out and is what the figures are measured on, as all published ones are"
    ),
    "penn_treebank": (
        "929,589 words of the Wall Street Journal of 1989 in Mikolov's form: lower case, no marks of punctuation, N "
        "for numbers, 10,000 words and <unk> for all others (text of the LDC, for research only)"
    ),
    "python": (
        "the source code of Python's standard library, nine tenths of its files in ASCII (PSF licence); for the model "
        "that the project ships that of Python 3.11.7, and another version has a slightly different one"
    ),
    "sample": "prose that the project's own grammar composed. This model is an exercise",
}
NEWLINE, UNKNOWN, NUMBER = "\n", "<unk>", "N"
_LINE_END = "\ue000"  # stands for the end of a line while a text is taken apart
# Applied in turn, each a pattern of RE2 and what replaces it.
_APART = (
    ("[\u2018\u2019\u00b4`]", "'"),
    ("[\u201c\u201d]", '"'),
    (r"(\d),(\d)", r"\1\2"),  # 3,500 is one word
    (r"([^\pL\pM\pN\s'./-])", r" \1 "),
    (r"n't\b", " n't "),
    (r"'(s|re|ve|ll|d|m)\b", r" '\1 "),
    (r"(^|\s)'([^srvldm\s])", r"\1 ' \2"),
    (r"([\pL\pN])'(\s|$)", r"\1 ' "),
)
_ABBREVIATION = r"(?:\pL\.)+|(?:mr|mrs|ms|dr|prof|st|jr|sr|inc|co|corp|ltd|vs|etc)\."
_TOGETHER = (
    (r" +", " "),
    (r" ?\n ?", "\n"),
    (r" (n't|'(?:s|re|ve|ll|d|m)\b)", r"\1"),
    (r" ([.,;:!?)\]}%]+)", r"\1"),
    (r"([(\[{$]) ", r"\1"),
    (r"^ | $", ""),
)
WORDS, CHARACTERS = "words", "characters"


def load(config, split):
    """The text of a split, str; of Tiny Shakespeare, which has no test split, the held-out part for "test" too."""
    if config.corpus not in SETS:
        return own_corpus.load(split, config.corpus)
    part = "validation" if config.corpus == "shakespeare" and split == "test" else split
    return SETS[config.corpus].load(part, manual_dir=config.manual_dir, data_dir=config.data_dir)


class Characters(Symbols):
    """Characters; those unknown are left out of what is read."""

    unknown = None

    @classmethod
    def learn(cls, text, minimum_count=1):
        """The characters that occur `minimum_count` times in a text, str."""
        counts = collections.Counter(text)
        return cls(sorted({NEWLINE, *(character for character in counts if counts[character] >= minimum_count)}))

    def encode(self, text):
        """A whole text, str, to ids, int32 array `(symbols,)`."""
        places = {symbol: place for place, symbol in enumerate(self.symbols, 3)}
        return np.array([places[character] for character in text if character in places], np.int32)


class Words(Symbols):
    """Words in lower case and marks of punctuation; the end of a line is a word too. Unknown words are `<unk>`.

    Where the training text has no full stop, as the Penn Treebank has none, a sentence's end is a line's end, and a
    mark that the text lacks is left out. Where it has `N`, as there, that is what numbers are.

    Args:
        symbols: list of str, UNKNOWN and NEWLINE among them.
    """

    def __init__(self, symbols):
        super().__init__(symbols)
        self.unknown = 3 + self.symbols.index(UNKNOWN)
        self._has_stops, self._has_number = "." in self.symbols, NUMBER in self.symbols

    @classmethod
    def learn(cls, text, size):
        """The most frequent words of a text, str.

        Args:
            text: with spaces between its words, and a line for each sentence.
            size: number of ids in all.
        """
        counts = collections.Counter(text.split())
        counts.pop(UNKNOWN, None)
        words = sorted(counts, key=lambda word: (-counts[word], word))
        return cls([UNKNOWN, NEWLINE, *words[: size - 5]])

    def encode(self, text):
        """A whole text in the form that `learn` takes, str, to ids, int32 array `(symbols,)`."""
        places = {symbol: place for place, symbol in enumerate(self.symbols, 3)}
        words = text.replace("\n", f" {_LINE_END} ").split()
        return np.array(
            [places[NEWLINE] if word == _LINE_END else places.get(word, self.unknown) for word in words], np.int32
        )

    def ids(self, text):
        """As of `Symbols`, of text as people write it."""
        words = split_text(text)
        flat = words.flat_values
        if self._has_number:
            flat = tf.where(tf.strings.regex_full_match(flat, r"-?\d[\d./-]*"), NUMBER, flat)
        if not self._has_stops:
            flat = tf.where(tf.strings.regex_full_match(flat, r"\.+|!|\?"), _LINE_END, flat)
        found = self.lookup(tf.where(flat == _LINE_END, NEWLINE, flat))
        is_word = tf.strings.regex_full_match(flat, r".*[\pL\pN].*")
        found = tf.where((found < 0) & is_word, self.unknown, found)
        return tf.ragged.boolean_mask(words.with_flat_values(found), words.with_flat_values(found >= 0))

    def text(self, ids):
        text = tf.strings.reduce_join(self.strings(ids), axis=1, separator=" ")
        for pattern, replacement in _TOGETHER:
            text = tf.strings.regex_replace(text, pattern, replacement)
        return text


def split_text(text):
    """Text as people write it, string `(batch,)`, to lower-case words and marks: RaggedTensor of strings.

    A full stop stands alone behind a word and belongs to it in "Mr." and "U.S.".
    """
    text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
    text = tf.strings.regex_replace(text, r"[\r\n]+", f" {_LINE_END} ")
    # Before lower(), which would end a text at the first NUL.
    text = tf.strings.lower(tf.strings.regex_replace(text, r"[\p{Cc}\p{Cf}]", " "), encoding="utf-8")
    for pattern, replacement in _APART:
        text = tf.strings.regex_replace(text, pattern, replacement)
    words = tf.strings.split(text)
    flat = words.flat_values
    without_stop = tf.strings.regex_replace(flat, r"^(.*[^.])(\.+)$", r"\1 \2")
    words = words.with_flat_values(tf.where(tf.strings.regex_full_match(flat, _ABBREVIATION), flat, without_stop))
    return tf.strings.split(tf.strings.reduce_join(words, separator=" ", axis=1))


def split_lines(text):
    """A whole text, str, in the form that `Words.learn` takes, str."""
    lines = tf.data.Dataset.from_tensor_slices(text.split("\n")).batch(1000)
    joined = lines.map(lambda line: tf.strings.reduce_join(split_text(line), separator=" ", axis=1))
    return "\n".join(line.decode() for part in joined.as_numpy_iterator() for line in part)


def reader(text, config):
    """What reads the text of the training split, and that text as it takes it.

    Returns:
        Characters or Words; and a function of a split's text, str, to its ids, int32 array.
    """
    if config.level == CHARACTERS:
        symbols = Characters.learn(text, config.minimum_count)
        return symbols, symbols.encode
    form = str if config.corpus == "penn_treebank" else split_lines
    symbols = Words.learn(form(text), config.vocabulary)
    return symbols, lambda text: symbols.encode(form(text))


def training_batches(ids, config, epoch):
    """The batches of one epoch, which depend on the seed and the epoch alone: the text read in `batch_size` rows.

    Each epoch begins somewhere else in the text, so that chunks end where they did not before.

    Args:
        ids: int32 array `(symbols,)`.
        config: `batch_size`, `chunk`, `seed`.
        epoch: counted from 0.

    Returns:
        Dataset of `(chunk of seqkeras.text.chunks, targets, weights)`.
    """
    random = np.random.default_rng((config.seed, epoch))
    return batches(np.roll(ids, -int(random.integers(len(ids)))), config.batch_size, config.chunk)


def batches(ids, rows, length):
    """A stream in chunks with carried states: dataset of `(chunk, targets, weights)`."""
    try:
        dataset = chunks(split(ids, rows), rows, length)
    except ValueError as error:
        raise Stop(f"The text is too short: {error} Give a longer one or a smaller --batch_size.") from None
    return dataset.map(lambda chunk: (chunk, chunk["targets"], tf.cast(chunk["mask"], tf.float32))).prefetch(4)
