"""Characters, and symbols of several characters: from a string to ids and back, with core TensorFlow operations."""

import tensorflow as tf

PADDING, START, END = range(3)


class Symbols:
    """Symbol <-> id, in the graph. Ids 0, 1 and 2 are padding, the start and the end of a text.

    Args:
        symbols: list of distinct str. Those of one character are what `ids` finds in a text; longer ones, such as a
            whole line of a header, are looked up with `lookup`.
    """

    def __init__(self, symbols):
        self.symbols = list(symbols)
        if len(set(self.symbols)) < len(self.symbols) or "" in self.symbols:
            raise ValueError("`symbols` should be distinct and not empty.")
        keys = tf.constant(self.symbols, tf.string)
        self._ids = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(keys, tf.range(3, 3 + len(self.symbols), dtype=tf.int64)), -1
        )
        self._symbols = tf.constant(["", "", "", *self.symbols])

    @classmethod
    def learn(cls, texts, longer=()):
        """The characters of some texts, in the order of their code points, behind symbols known beforehand.

        Args:
            texts: iterable of str.
            longer: symbols of several characters.
        """
        return cls([*longer, *sorted(set().union(*map(set, texts)))])

    def __len__(self):
        return len(self.symbols) + 3

    def lookup(self, symbols):
        """Ids of symbols, int32 of the shape of the string tensor `symbols`; -1 for those unknown."""
        return tf.cast(self._ids.lookup(symbols), tf.int32)

    def ids(self, text):
        """Ids of the characters of text.

        Args:
            text: string tensor `(batch,)`, UTF-8.

        Returns:
            RaggedTensor int32 `(batch, characters)`, without start and end. Unknown characters are left out.
        """
        characters = tf.strings.unicode_split(text, "UTF-8", errors="ignore")
        ids = tf.ragged.map_flat_values(self.lookup, characters)
        return tf.ragged.boolean_mask(ids, ids >= 0)

    def strings(self, ids):
        """The symbol of each id, strings of the shape of `ids`; "" for padding, start and end."""
        return tf.gather(self._symbols, ids)

    def text(self, ids):
        """Strings `(batch,)` of ids `(batch, symbols)`, up to the first END of each row."""
        ended = tf.cumsum(tf.cast(tf.equal(ids, END), tf.int32), axis=1) > 0
        return tf.strings.reduce_join(self.strings(tf.where(ended, PADDING, ids)), axis=1)
