"""From strings to ids and back, inside the graph, with core TensorFlow operations alone."""

from seqkeras.text.streams import chunks, split
from seqkeras.text.subwords import Subwords, without_joiners
from seqkeras.text.symbols import Symbols
from seqkeras.text.words import Vocabulary, split_words

__all__ = ["Subwords", "Symbols", "Vocabulary", "chunks", "split", "split_words", "without_joiners"]
