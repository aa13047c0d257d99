"""Sequence models for Keras 3."""

from seqkeras import layers
from seqkeras.convert import convert
from seqkeras.loading import load

__version__ = "0.1.0"
__all__ = ["convert", "layers", "load"]
