"""The shapes of a sequence problem, each a keras.Model small enough to read."""

from seqkeras.models.encoder_decoder import EncoderDecoder, SmoothedCrossentropy
from seqkeras.models.language_model import LanguageModel
from seqkeras.models.picture_encoder import PictureEncoder
from seqkeras.models.sequence_classifier import SequenceClassifier

__all__ = ["EncoderDecoder", "LanguageModel", "PictureEncoder", "SequenceClassifier", "SmoothedCrossentropy"]
