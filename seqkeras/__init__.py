"""Sequence models for Keras 3."""

from seqkeras import layers

__version__ = "0.1.0"
__all__ = ["layers"]
