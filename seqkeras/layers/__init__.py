"""Recurrent layers and attention written from scratch on keras.ops: drop-in for keras.layers, trainable under XLA."""

from seqkeras.layers.attention import BahdanauAttention
from seqkeras.layers.bidirectional import Bidirectional
from seqkeras.layers.cell import RecurrentCell
from seqkeras.layers.gru import GRU, GRUCell
from seqkeras.layers.lstm import LSTM, LSTMCell
from seqkeras.layers.rnn import RNN
from seqkeras.layers.simple_rnn import Elman, ElmanCell, SimpleRNN, SimpleRNNCell
from seqkeras.layers.stacked_rnn_cells import StackedRNNCells

__all__ = [
    "BahdanauAttention",
    "Bidirectional",
    "Elman",
    "ElmanCell",
    "GRU",
    "GRUCell",
    "LSTM",
    "LSTMCell",
    "RNN",
    "RecurrentCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
