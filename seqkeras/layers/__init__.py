"""Recurrent layers and attention written from scratch on keras.ops: drop-in for keras.layers, trainable under XLA."""

from seqkeras.layers.attention import BahdanauAttention, LuongAttention
from seqkeras.layers.attention_cell import AttentionCell
from seqkeras.layers.bidirectional import Bidirectional
from seqkeras.layers.cell import RecurrentCell
from seqkeras.layers.clockwork_rnn import ClockworkRNN, ClockworkRNNCell
from seqkeras.layers.deep import DeepRNN
from seqkeras.layers.echo_state import EchoState, EchoStateCell
from seqkeras.layers.gru import GRU, GRUCell
from seqkeras.layers.lstm import LSTM, LSTMCell
from seqkeras.layers.rnn import RNN
from seqkeras.layers.scrn import SCRN, SCRNCell
from seqkeras.layers.simple_rnn import IRNN, Elman, ElmanCell, SimpleRNN, SimpleRNNCell
from seqkeras.layers.stacked_rnn_cells import StackedRNNCells

__all__ = [
    "AttentionCell",
    "BahdanauAttention",
    "Bidirectional",
    "ClockworkRNN",
    "ClockworkRNNCell",
    "DeepRNN",
    "EchoState",
    "EchoStateCell",
    "Elman",
    "ElmanCell",
    "GRU",
    "GRUCell",
    "IRNN",
    "LSTM",
    "LSTMCell",
    "LuongAttention",
    "RNN",
    "RecurrentCell",
    "SCRN",
    "SCRNCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "StackedRNNCells",
]
