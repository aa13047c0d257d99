"""Subwords: from a string to the ids of pieces of words and back, with core TensorFlow operations alone.

Byte pair encoding (Sennrich et al., 2016): a word begins as its characters, and the pairs that the training texts
showed most often are merged, in the order in which they were learnt. The merges are learnt by the library `tokenizers`;
they are applied in the graph, exactly, so that tf.data, a SavedModel and the library agree. There are no lookup tables
and no files: the vocabulary is a few constants, and a function that uses it can be saved as it is.

A joiner, `￭`, says where no space belongs, and everything else follows from it. `Isn't it, Tom?` is the words
`is ￭n't it ￭, Tom ￭?`, and a word of several pieces is `trans￭ la￭ tion`: to come back, put spaces between pieces
and take away each joiner with the space beside it. That restores `l'eau`, `¿Qué?`, `« oui »` and `2:30` as they were.
"""

import collections
import functools
import json
import types
import unicodedata

import numpy as np
import tensorflow as tf

PAD, START, END, UNKNOWN = range(4)
JOINER = "\uffed"

Segments = collections.namedtuple("Segments", ["ids", "words", "word_index"])

_SPECIAL = ("", "<s>", "</s>", "<unk>")
_MARK = "\ue000"  # stands before the first letter of a sentence while a text is taken apart
_LONGEST = 40  # characters; a longer word is read as several, joined
_SHIFT = 21  # bits: enough for any code point and any id
_NO_RANK = np.iinfo(np.int32).max
# What is known about the case of a word: in the middle of sentences it is mostly lower-case; it is never, and has a
# capital; it is never, and is all capitals; it occurs in capitals.
_LOWER, _TITLE, _UPPER, _CAPITALS = 1, 2, 4, 8

_ABBREVIATIONS = "Mr|Mrs|Ms|Dr|Prof|St|Dept|vs|etc|bzw|usw|ca|Nr|evtl|Sr|Sra|Srta|Uds?|Mme|Mlle"

# Applied in turn, each a pattern of RE2 and what replaces it.
_CLEAN = (
    (r"[\p{Cc}\pZ]+", " "),
    (rf"[\p{{Cf}}{JOINER}{_MARK}]", ""),
    ("[\u2018\u2019\u00b4`]", "'"),
    (r"^ +| +$", ""),
    (r"  +", " "),
)
_MARK_SENTENCES = (
    # Two letters before the full stop: "p.m." and initials end no sentence. Nor does a quotation: "Where?" he asked.
    (r"(^|[\pL\pM\pN]{2}[.!?] )((?:[¿¡«„“\"'(\[-] ?){0,3})", rf"\1\2{_MARK}"),
    (rf"{_MARK}([^\pL]|$)", r"\1"),
    (rf"((?:^|[^\pL])(?:{_ABBREVIATIONS})\. [^\pL]*){_MARK}", r"\1"),
)
_SPLIT = (
    (" ", "▁"),
    (rf"([^▁\pL\pM{_MARK}])", rf" {JOINER}\1{JOINER} "),  # a mark of punctuation, and each digit, stands alone
    (rf"{JOINER} +{JOINER}", f" {JOINER}"),
    (rf"(?:{JOINER} )?▁(?: {JOINER})?", " "),
    (rf"^ {JOINER}|{JOINER} $", ""),
    # English: do n't, Tom 's. French: l' eau.
    (rf"(?i)([\pL\pM])(n) {JOINER}'{JOINER} (t)( |$)", rf"\1 {JOINER}\2'\3\4"),
    (rf"(?i) {JOINER}'{JOINER} (s|re|ve|ll|d|m)( |$)", rf" {JOINER}'\1\2"),
    (
        rf"(?i)(^| )({_MARK}?(?:[cdjlmnst]|qu|jusqu|lorsqu|puisqu|quoiqu)) {JOINER}'{JOINER} ",
        rf"\1\2'{JOINER} ",
    ),
)
_CUT = (rf"([^ ]{{{_LONGEST}}})([^ ])", rf"\1{JOINER} \2")


class Subwords:
    """Text <-> ids of subwords, in the graph.

    Ids: 0 padding, 1 start, 2 end, 3 unknown; then single characters, then what the merges made of them. A word with a
    character that the training texts lack is one unknown id, and `segment` gives the word itself, to be copied.

    Learn one with `learn`, or several that share their ids with `learn_joint`, and keep it with `save`.

    Args:
        characters: int32 `(characters,)`, ascending: 4 * code point, + 2 if joined to what is before it, + 1 if it ends
            its word.
        merges: int32 `(merges, 2)`: ids of left and right part, most important first.
        casing: "true": a word that begins a sentence loses its capital unless it also has it inside sentences, and
            `text` begins sentences with capitals. A word typed without its capital, or in capitals, is read as what
            the training texts have. "lower": all is lower-case. "keep": all stays as it is.
        split: "punctuation", or "spaces" for text that is tokenised already.
        cases: int64 `(2, words)`, what is known about the case of words: fingerprints, ascending, and flags.

    Raises:
        ValueError: if `casing` or `split` is something else.
    """

    def __init__(self, characters, merges, casing="true", split="punctuation", cases=((), ())):
        for name, value, known in (
            ("casing", casing, ("true", "lower", "keep")),
            ("split", split, ("punctuation", "spaces")),
        ):
            if value not in known:
                raise ValueError(f"`{name}` should be one of {', '.join(map(repr, known))}. Received: {name}={value!r}")
        self.characters = np.asarray(characters, "int32").reshape(-1)
        self.merges = np.asarray(merges, "int32").reshape(-1, 2)
        self.casing, self.split = casing, split
        self.cases = np.asarray(cases, "int64").reshape(2, -1)
        self.pieces = list(_SPECIAL) + [_render(key) for key in self.characters.tolist()]
        known = {piece: i for i, piece in enumerate(self.pieces)}
        results = []
        for left, right in self.merges.tolist():
            piece = self.pieces[left].removesuffix(JOINER) + self.pieces[right]
            results.append(known.setdefault(piece, len(self.pieces)))
            if results[-1] == len(self.pieces):
                self.pieces.append(piece)
        self._merges = _Pairs(self.merges, results)
        # Whether the next piece belongs to the same word.
        self._goes_on = np.array([p.endswith(JOINER) and p.strip(JOINER).isalpha() for p in self.pieces])

    @classmethod
    def learn(cls, texts, size, casing="true", split="punctuation", minimum_count=5):
        """The subwords of a dataset.

        Args:
            texts: tf.data.Dataset of string tensors `(batch,)`.
            size: number of ids at the most. The specials and the characters count: for 10,000 merges ask for some 300
                more.
            casing, split: as in the constructor.
            minimum_count: a character seen less often is unknown.

        Returns:
            Subwords. The same texts give the same ids.

        Raises:
            ImportError: if the library `tokenizers` is missing, which nothing but learning needs.
            ValueError: if `size` does not hold the characters.
        """
        return cls.learn_joint([texts], size, casing, split, minimum_count)[0]

    @classmethod
    def learn_joint(cls, corpora, size, casing="true", split="punctuation", minimum_count=5):
        """As `learn`, for several corpora, such as the two sides of a translation, which shall share their subwords.

        Returns:
            List of Subwords, one a corpus: the same ids in each, and each corpus's own casing.
        """
        blank = cls((), (), casing, split)
        counts, cases = collections.Counter(), []
        for texts in corpora:
            surface = collections.Counter()
            for words in texts.map(lambda text: blank._split(text).flat_values, num_parallel_calls=2):
                surface.update(words.numpy().tolist())
            distinct = sorted(surface)
            cases.append(
                _learn_cases({word.decode(): surface[word] for word in distinct}) if casing == "true" else [[]] * 2
            )
            reader = cls((), (), casing, split, cases[-1])
            true = reader._true_case(tf.constant(distinct, tf.string)).numpy().tolist()
            for word, plain in zip(distinct, true):
                counts[plain.decode()] += surface[word]
        characters, merges = _learn_merges(counts, size, minimum_count)
        return [cls(characters, merges, casing, split, c) for c in cases]

    def __len__(self):
        return len(self.pieces)

    @functools.cached_property
    def _tables(self):
        return _tables(
            pieces=self.pieces,
            goes_on=self._goes_on,
            characters=self.characters,
            cased=self.cases[0],
            flags=self.cases[1],
        )

    def get_config(self):
        """Lists, strings and numbers that make the same object again: `Subwords(**config)`."""
        return {
            "characters": self.characters.tolist(),
            "merges": self.merges.tolist(),
            "casing": self.casing,
            "split": self.split,
            "cases": self.cases.tolist(),
        }

    def save(self, path):
        """Writes `path`, which ends in .npz, to be read by `Subwords.load`."""
        np.savez_compressed(path, **self.get_config())

    @classmethod
    def load(cls, path):
        with np.load(path, allow_pickle=False) as arrays:
            return cls(**{name: array.item() if array.ndim == 0 else array for name, array in arrays.items()})

    def segment(self, text, dropout=0.0, seed=None):
        """Takes text apart.

        Bytes that are no UTF-8 become the replacement character, control characters spaces; curly apostrophes become
        straight ones, and letters with separate accents whole ones.

        Args:
            text: string tensor `(batch,)`, UTF-8.
            dropout: float or float32 tensor: each merge is left out with this probability, each time it could be done
                (BPE-dropout, Provilkov et al., 2020; they use 0.1). For training alone.
            seed: int tensor `(2,)`: the same seed leaves out the same merges. Needed with dropout.

        Returns:
            Segments, a named tuple of RaggedTensors:

                ids         int32 `(batch, pieces)`, without start and end
                words       string `(batch, words)`, with joiners; what `text` takes as `copied`
                word_index  int32 `(batch, pieces)`: of which word a piece is
        """
        words = self._split(text)
        flat, inverse = tf.unique(words.flat_values)
        flat = self._true_case(flat)
        words = words.with_flat_values(tf.gather(flat, inverse))
        if isinstance(dropout, (int, float)) and dropout == 0:
            pieces = tf.gather(self._pieces(flat), inverse)
        else:
            if seed is None:
                raise ValueError("Dropout needs a `seed`: an integer tensor of shape (2,).")
            pieces = self._pieces(words.flat_values, dropout, tf.cast(seed, tf.int32))
        nested = tf.RaggedTensor.from_row_splits(pieces, words.row_splits)
        splits = tf.gather(pieces.row_splits, words.row_splits)
        word_index = tf.cast(
            pieces.value_rowids() - tf.repeat(words.row_splits[:-1], splits[1:] - splits[:-1]), tf.int32
        )
        return Segments(nested.merge_dims(1, 2), words, tf.RaggedTensor.from_row_splits(word_index, splits))

    def ids(self, text, start=False, end=True, dropout=0.0, seed=None):
        """As `segment`, ids alone: int32 RaggedTensor `(batch, pieces)`, with the start and the end id if asked."""
        ids = self.segment(text, dropout, seed).ids
        border = tf.ones([ids.nrows(), 1], tf.int32)
        parts = [START * border] * start + [ids] + [END * border] * end
        return tf.concat(parts, axis=1) if len(parts) > 1 else ids

    def text(self, ids, copied=None):
        """Puts ids together again: `text(ids(s))` is s if it has no unknown word and begins like a sentence.

        Args:
            ids: int tensor `(batch, steps)`, dense or ragged. All from the first end on is left out, padding too.
            copied: string tensor of the shape of `ids`: what stands for an unknown id; "<unk>" by default.

        Returns:
            string `(batch,)`.
        """
        strings, _ = self._strings(ids, copied)
        text = tf.strings.reduce_join(strings, axis=1, separator=" ")
        text = tf.strings.regex_replace(text, f"(?: ?{JOINER} ?)+", "")
        if self.casing != "true":
            return text
        for pattern, replacement in _MARK_SENTENCES:
            text = tf.strings.regex_replace(text, pattern, replacement)
        parts = tf.strings.split(text, _MARK)
        starts = tf.range(tf.size(parts.flat_values, tf.int64)) == tf.gather(parts.row_splits, parts.value_rowids())
        parts = parts.with_flat_values(tf.where(starts, parts.flat_values, _capitalise(parts.flat_values)))
        return tf.strings.reduce_join(parts, axis=1)

    def words(self, ids, copied=None):
        """The words that ids are pieces of, without joiners, to be shown; arguments as in `text`.

        Returns:
            words: string RaggedTensor `(batch, words)`.
            word_index: int32 RaggedTensor `(batch, steps)`, for the steps before the first end: of which word they are.
        """
        strings, ids = self._strings(ids, copied)
        goes_on = tf.gather(self._tables.goes_on, ids.flat_values)
        first = tf.equal(tf.range(tf.size(goes_on, tf.int64)), tf.gather(ids.row_splits, ids.value_rowids()))
        begins = tf.logical_or(first, tf.logical_not(tf.roll(goes_on, 1, 0)))
        number = tf.cumsum(tf.cast(begins, tf.int32)) - 1
        rows = tf.boolean_mask(ids.value_rowids(), begins)
        flat = tf.strings.reduce_join(tf.RaggedTensor.from_value_rowids(strings.flat_values, number), axis=1)
        words = tf.RaggedTensor.from_value_rowids(without_joiners(flat), rows, nrows=ids.nrows())
        base = tf.gather(tf.cast(words.row_splits, tf.int32), ids.value_rowids())
        return words, ids.with_flat_values(number - base)

    def known(self, words):
        """Whether the training texts had words inside sentences, in any case; those without letters count as known.

        Args:
            words: string RaggedTensor or tensor, as `segment` gives them, with `casing="true"`.

        Returns:
            bool, of the same shape.

        Raises:
            ValueError: with another `casing`, which keeps no words.
        """
        if self.casing != "true":
            raise ValueError(f'Words are known with `casing="true"` alone. Received: casing={self.casing!r}')
        if isinstance(words, tf.RaggedTensor):
            return words.with_flat_values(self.known(words.flat_values))
        words = tf.strings.lower(without_joiners(words), encoding="utf-8")
        return (self._flags(words) > 0) | ~tf.strings.regex_full_match(words, r".*\pL.*")

    def _flags(self, words):
        """What is known about the case of words in lower case, without joiners: int64, 0 for unknown ones."""
        wanted = _fingerprint(words)
        if not self.cases.shape[1]:
            return tf.zeros_like(wanted)
        known, values = self._tables.cased, self._tables.flags
        place = tf.minimum(tf.searchsorted(known, wanted), self.cases.shape[1] - 1)
        return tf.where(tf.gather(known, place) == wanted, tf.gather(values, place), 0)

    def _strings(self, ids, copied):
        ids = tf.cast(ids, tf.int32)
        if not isinstance(ids, tf.RaggedTensor):
            ids = tf.RaggedTensor.from_tensor(ids)
        if copied is not None and not isinstance(copied, tf.RaggedTensor):
            copied = tf.RaggedTensor.from_tensor(copied)
        ends = tf.cast(ids.flat_values == END, tf.int32)
        before = tf.cumsum(ends, exclusive=True)
        before -= tf.gather(tf.concat([before, [0]], 0), tf.gather(ids.row_splits, ids.value_rowids()))
        kept = (before == 0) & (ids.flat_values > END)
        kept = ids.with_flat_values(kept)
        short = tf.ragged.boolean_mask(ids, kept)
        strings = tf.gather(self._tables.pieces, short.flat_values)
        if copied is not None:
            copied = tf.boolean_mask(copied.flat_values, kept.flat_values)
            strings = tf.where(short.flat_values == UNKNOWN, copied, strings)
        return short.with_flat_values(strings), short

    def _split(self, text):
        """Words `(batch, words)`, with joiners; the first of a sentence with a mark, until its true case is known."""
        text = tf.strings.unicode_transcode(text, "UTF-8", "UTF-8", errors="replace")
        rules = _CLEAN
        if self.casing == "true":
            rules += _MARK_SENTENCES
        rules += _SPLIT if self.split == "punctuation" else ()
        for pattern, replacement in (*rules, _CUT):
            text = tf.strings.regex_replace(text, pattern, replacement)
        if self.casing == "lower":
            text = tf.strings.lower(text, encoding="utf-8")
        words = tf.strings.split(text)
        return words.with_flat_values(_compose(words.flat_values))

    def _true_case(self, words):
        if self.casing != "true":
            return words
        starts = tf.strings.regex_full_match(words, f"{_MARK}.*")
        words = tf.strings.regex_replace(words, f"^{_MARK}", "")
        bare = without_joiners(words)
        lower = tf.strings.lower(words, encoding="utf-8")
        bare_lower = without_joiners(lower)
        flags = self._flags(bare_lower)

        def flag(bit):
            return tf.bitwise.bitwise_and(flags, tf.constant(bit, tf.int64)) > 0

        title = tf.strings.regex_full_match(bare, r"\p{Lu}[^\p{Lu}]*")
        shouted = tf.strings.regex_full_match(bare, r"[\p{Lu}\pM]{2,}") & ~flag(_CAPITALS)
        plain = (bare == bare_lower) | shouted
        words = tf.where((starts & title & flag(_LOWER)) | shouted, lower, words)
        words = tf.where(plain & flag(_TITLE), _capitalise(lower), words)
        return tf.where(plain & flag(_UPPER), tf.strings.upper(lower, encoding="utf-8"), words)

    def _pieces(self, words, dropout=0.0, seed=None):
        """Strings `(words,)` to int32 RaggedTensor `(words, pieces)`."""
        codes = tf.strings.unicode_decode(without_joiners(words), "UTF-8")
        lengths = tf.cast(codes.row_lengths(), tf.int32)[:, None]
        codes = codes.to_tensor()
        codes = tf.pad(codes, [[0, 0], [0, tf.maximum(0, 2 - tf.shape(codes)[1])]])
        place = tf.range(tf.shape(codes)[1])
        left = tf.strings.regex_full_match(words, f"{JOINER}.+")[:, None] & (place == 0)
        final = ~tf.strings.regex_full_match(words, f".+{JOINER}")[:, None] & (place == lengths - 1)
        keys = 4 * codes + 2 * tf.cast(left, tf.int32) + tf.cast(final, tf.int32)
        known = tf.zeros_like(place < lengths)
        ids = tf.zeros_like(codes)
        if len(self.characters):
            characters = self._tables.characters
            found = tf.reshape(tf.searchsorted(characters, tf.reshape(keys, [-1])), tf.shape(keys))
            found = tf.minimum(found, len(self.characters) - 1)
            known = tf.gather(characters, found) == keys
            ids = tf.where(place < lengths, found + len(_SPECIAL), PAD)
        unknown = tf.reduce_any(~known & (place < lengths), axis=1, keepdims=True)
        ids = tf.where(unknown, tf.where(place == 0, UNKNOWN, PAD), ids)
        ids = self._merges.apply(ids, dropout, seed)
        return tf.ragged.boolean_mask(ids, ids != PAD)


def without_joiners(words):
    """Words to be shown: strings of any shape, less their joiners."""
    if isinstance(words, tf.RaggedTensor):
        return words.with_flat_values(without_joiners(words.flat_values))
    return tf.strings.regex_replace(words, JOINER, "")


def _tables(**arrays):
    """Tensors by name, made outside any graph: so all functions of a SavedModel share one copy of each."""
    with tf.init_scope():
        return types.SimpleNamespace(**{name: tf.constant(array) for name, array in arrays.items()})


class _Pairs:
    """Merges of neighbours: pairs `(merges, 2)`, most important first, and what each becomes."""

    def __init__(self, pairs, results):
        pairs = np.asarray(pairs, "int64").reshape(-1, 2)
        keys = pairs[:, 0] << _SHIFT | pairs[:, 1]
        order = np.argsort(keys)
        self.keys = keys[order]
        self.ranks = order.astype("int32")
        self.results = np.asarray(results, "int32")

    @functools.cached_property
    def _tables(self):
        return _tables(keys=self.keys, ranks=self.ranks, results=self.results)

    def apply(self, symbols, dropout=0.0, seed=None):
        """Merges in each row the pair of the lowest rank, its first if there are several, until none is left.

        Args:
            symbols: int32 `(rows, steps)`, steps >= 2, with zeros behind a row's end.
            dropout, seed: as in `Subwords.segment`.

        Returns:
            int32 of the same shape.
        """
        if not len(self.keys):
            return symbols
        steps = tf.range(tf.shape(symbols)[1])
        rank = self._rank(symbols, _next(symbols, PAD))

        def one_merge_each(symbols, rank, _, number):
            candidates = rank
            if seed is not None:
                draw = tf.random.stateless_uniform(tf.shape(rank), seed + tf.stack([0, number]))
                candidates = tf.where(draw < dropout, _NO_RANK, rank)
            best = tf.argmin(candidates, axis=1, output_type=tf.int32)[:, None]
            lowest = tf.reduce_min(candidates, axis=1, keepdims=True)
            found = lowest < _NO_RANK
            merged = tf.gather(self._tables.results, tf.where(found, lowest, 0))
            best = tf.where(found, best, tf.size(steps))
            symbols = tf.where(steps < best, symbols, tf.where(steps == best, merged, _next(symbols, PAD)))
            rank = tf.where(steps < best, rank, _next(rank, _NO_RANK))
            # A row whose merges were all left out at once is done, however long others take.
            rank = tf.where(found, rank, _NO_RANK)
            # Only the pairs that the new symbol is part of are new.
            for first in (best - 1, best):
                pair = (
                    tf.gather(symbols, tf.clip_by_value(first + i, 0, tf.size(steps) - 1), batch_dims=1) for i in (0, 1)
                )
                rank = tf.where((steps == first) & found, self._rank(*pair), rank)
            return symbols, rank, tf.reduce_any(found), number + 1

        shape = tf.TensorShape([symbols.shape[0], None])
        return tf.while_loop(
            lambda symbols, rank, more, number: more,
            one_merge_each,
            (symbols, rank, tf.size(symbols) > 0, 0),
            (shape, shape, tf.TensorShape([]), tf.TensorShape([])),
        )[0]

    def _rank(self, left, right):
        wanted = tf.bitwise.left_shift(tf.cast(left, tf.int64), tf.constant(_SHIFT, tf.int64)) + tf.cast(
            right, tf.int64
        )
        keys = self._tables.keys
        place = tf.minimum(tf.searchsorted(keys, tf.reshape(wanted, [-1])), len(self.keys) - 1)
        place = tf.reshape(place, tf.shape(wanted))
        return tf.where(tf.gather(keys, place) == wanted, tf.gather(self._tables.ranks, place), _NO_RANK)


def _next(values, last):
    """Each row moved one step to the left."""
    return tf.pad(values[:, 1:], [[0, 0], [0, 1]], constant_values=last)


def _compositions():
    """Letter and accent to the letter with the accent, for the Latin, Greek and Cyrillic scripts (Unicode's NFC)."""
    pairs, results = [], []
    for code in (*range(0xC0, 0x530), *range(0x1E00, 0x2000)):
        parts = unicodedata.normalize("NFD", chr(code))
        if len(parts) > 1 and unicodedata.normalize("NFC", parts) == chr(code):
            pairs.append((ord(unicodedata.normalize("NFC", parts[:-1])), ord(parts[-1])))
            results.append(code)
    return _Pairs(pairs, results)


_COMPOSITIONS = _compositions()


def _compose(words):
    accents = tf.reduce_any(tf.strings.regex_full_match(words, r".*\pM.*"))

    def compose():
        codes = tf.strings.unicode_decode(words, "UTF-8").to_tensor()
        codes = _COMPOSITIONS.apply(tf.pad(codes, [[0, 0], [0, 1]]))
        return tf.strings.unicode_encode(tf.ragged.boolean_mask(codes, codes > 0), "UTF-8")

    return tf.cond(accents, compose, lambda: words)


def _capitalise(words):
    """First letter to upper case; words may be empty."""
    border = tf.minimum(1, tf.strings.length(words, unit="UTF8_CHAR"))
    first = tf.strings.substr(words, tf.zeros_like(border), border, unit="UTF8_CHAR")
    rest = tf.strings.substr(words, border, tf.fill(tf.shape(border), _NO_RANK), unit="UTF8_CHAR")
    return tf.strings.upper(first, encoding="utf-8") + rest


def _fingerprint(words):
    return tf.strings.to_hash_bucket_fast(words, np.iinfo(np.int64).max)


def _render(key):
    return JOINER * (key >> 1 & 1) + chr(key >> 2) + JOINER * (1 - (key & 1))


def _keys(word):
    left, right = word[0] == JOINER, word[-1] == JOINER
    bare = word[left : len(word) - right]
    return [4 * ord(c) + 2 * (left and i == 0) + (not right and i == len(bare) - 1) for i, c in enumerate(bare)]


def _learn_cases(counts):
    """What `Subwords` takes as `cases`, from counts of words as `_split` gives them."""
    inside, capitals = collections.Counter(), set()
    for word, count in counts.items():
        bare = word.replace(JOINER, "").removeprefix(_MARK)
        if len(bare) > 1 and bare.isupper():
            capitals.add(bare.lower())
        if not word.startswith(_MARK):
            inside[bare] += count
    flags = {}
    for lower in sorted({word.lower() for word in inside} | capitals):
        forms = [inside[lower], inside[lower[:1].upper() + lower[1:]], inside[lower.upper()] if len(lower) > 1 else 0]
        known = _CAPITALS * (lower in capitals)
        if forms[0]:
            known += _LOWER * (forms[0] >= forms[1])
        elif forms[1] >= (2 if len(lower) > 1 else 50) and forms[1] >= forms[2]:  # I, but no initials
            known += _TITLE
        elif forms[2] > 1:
            known += _UPPER
        if known and lower.upper() != lower:
            flags[lower] = known
    fingerprints = _fingerprint(tf.constant(list(flags), tf.string)).numpy()
    order = np.argsort(fingerprints)
    return np.stack([fingerprints[order], np.array(list(flags.values()), "int64")[order]])


def _learn_merges(counts, size, minimum_count):
    try:
        from tokenizers import Tokenizer, models, pre_tokenizers, trainers
    except ImportError:
        raise ImportError("Learning subwords needs the library tokenizers: pip install tokenizers") from None
    characters, symbols = collections.Counter(), collections.Counter()
    for word, count in counts.items():
        for key in _keys(word):
            characters[key >> 2] += count
            symbols[key] += count
    kept = {code for code, count in characters.items() if count >= minimum_count}
    keys = sorted(
        {key for key in symbols if key >> 2 in kept}
        # A letter may end a word, and may not, even where the texts show one of the two alone.
        | {4 * code + final for code in kept if unicodedata.category(chr(code))[0] in "LM" for final in (0, 1)}
    )
    if len(_SPECIAL) + len(keys) > size:
        raise ValueError(f"The texts have {len(keys)} characters; `size` should be greater. Received: size={size}")
    # The library sees each character as one of the private use area, so that joiners and word ends need no rules there.
    private = {key: chr(0xF0000 + i) for i, key in enumerate(keys)}

    def lines():
        for word, count in counts.items():
            if all(key in private for key in _keys(word)):
                yield " ".join(["".join(private[key] for key in _keys(word))] * count)

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.train_from_iterator(
        lines(),
        trainers.BpeTrainer(
            vocab_size=size - len(_SPECIAL),
            min_frequency=2,
            initial_alphabet=list(private.values()),
            special_tokens=[],
            show_progress=False,
        ),
    )
    ids = {character: len(_SPECIAL) + i for i, character in enumerate(private.values())}
    merges = []
    for left, right in json.loads(tokenizer.to_str())["model"]["merges"]:
        merges.append((ids[left], ids[right]))
        ids.setdefault(left + right, len(ids) + len(_SPECIAL))
    return keys, merges
