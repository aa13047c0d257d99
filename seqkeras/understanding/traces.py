"""What the gates do: states and gates of an LSTM or a GRU at every step."""

from keras import ops, tree

from seqkeras.layers import GRUCell, LSTMCell
from seqkeras.layers.rnn import has_step, time_major
from seqkeras.layers.scan import scan


def trace(layer, inputs, initial_state=None):
    """Runs an LSTM or a GRU over inputs and keeps the states and gates of every step.

    It is made of keras.ops alone, for graphs and SavedModels too. Masks, dropout, `go_backwards` and the states of a
    stateful layer are left out.

    Args:
        layer: an `LSTM` or `GRU` of `seqkeras.layers`, or an `RNN` with such a cell; built.
        inputs: float `(batch, time, features)`.
        initial_state: list of the states before the first step, `(batch, units)` each; zeros if None.

    Returns:
        A dict of tensors `(batch, time, units)`, of the layer's compute dtype, named as the equations of `LSTMCell` and
        `GRUCell` are. Of an LSTM, where the input gate of a coupled one is 1 - f:

            hidden_state, cell_state, input_gate, forget_gate, new_content, output_gate

        Of a GRU, whose update gate is the share of the past that stays, without the reset gate if it has none:

            hidden_state, update_gate, reset_gate, new_content

    Raises:
        ValueError: if the layer is of another kind, or not built.
    """
    cell = getattr(layer, "cell", None)
    if not isinstance(cell, (LSTMCell, GRUCell)) or not has_step(cell):
        raise ValueError(f"`layer` should be an LSTM or a GRU of seqkeras.layers. Received: layer={layer}")
    if not cell.built:
        raise ValueError(f"The layer has no weights yet; build it or call it once. Received: layer={layer}")
    x = time_major(ops.convert_to_tensor(inputs, dtype=cell.compute_dtype))
    states = layer.get_initial_state(ops.shape(x)[1]) if initial_state is None else initial_state
    states = tuple(ops.cast(state, cell.compute_dtype) for state in tree.flatten(states))
    weights = cell.step_weights()
    names = _lstm_names(cell) if isinstance(cell, LSTMCell) else _gru_names(cell)

    def step(states, x):
        after, saved = cell.step(x[0], states, weights)
        return after, (*after, *saved)

    _, emitted = scan(step, states, (cell.project(x),))
    found = {name: time_major(values) for name, values in zip(names, emitted) if name}
    if isinstance(cell, LSTMCell) and cell.coupled:
        found["input_gate"] = 1 - found["forget_gate"]
    return found


def _lstm_names(cell):
    """The names of the states and of what the cell's step keeps; None for what is no part of a trace."""
    gates = ("forget_gate",) if cell.coupled else ("input_gate", "forget_gate")
    return "hidden_state", "cell_state", *gates, "new_content", "output_gate", None, None


def _gru_names(cell):
    reset = ("reset_gate", None) if cell.reset_gate else ()
    return "hidden_state", "update_gate", *reset, "new_content", None
