"""From strings to ids and back, inside the graph, with core TensorFlow operations alone."""

from seqkeras.text.streams import chunks, split
from seqkeras.text.symbols import Symbols
from seqkeras.text.words import Vocabulary, split_words

__all__ = ["Symbols", "Vocabulary", "chunks", "split", "split_words"]
