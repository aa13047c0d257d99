"""The shapes of a sequence problem, each a keras.Model small enough to read."""

from seqkeras.models.sequence_classifier import SequenceClassifier

__all__ = ["SequenceClassifier"]
