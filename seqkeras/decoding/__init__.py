"""From a model that takes one step at a time to whole sequences, inside the graph."""

from seqkeras.decoding.sampling import Sampler

__all__ = ["Sampler"]
