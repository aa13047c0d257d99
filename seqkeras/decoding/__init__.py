"""From a model that takes one step at a time to whole sequences, inside the graph."""

from seqkeras.decoding.beam_search import Beams, beam_search
from seqkeras.decoding.sampling import Sampler

__all__ = ["Beams", "Sampler", "beam_search"]
