"""The clockwork recurrent network (Koutnik et al. 2014): groups of units, each with its own clock."""

import keras
import numpy as np
from keras import ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, check_units, outer_sum, times
from seqkeras.layers.rnn import CellLayer, arguments

# Up to where a number format of few bits counts without a gap.
COUNTS_TO = {"float16": 2**11, "bfloat16": 2**8}


@keras.saving.register_keras_serializable("seqkeras")
class ClockworkRNNCell(RecurrentCell):
    """One step of the clockwork recurrent network.

    The units stand in groups of equal size, one a period. Group i has the period T_i, and with steps counted from 0:

        h_t^i = f(W_xh^i x_t + sum over groups j with T_j >= T_i of W_hh^ij h_{t-1}^j + b^i)    if t mod T_i = 0
        h_t^i = h_{t-1}^i                                                                       otherwise

    So a group hears from those of its own period or a longer one. With ascending periods the paper's matrix, which
    multiplies a column, is block upper triangular; `recurrent_kernel`, from the right of a row, is its transpose. The
    blocks that nothing passes through stay in the weight, and stay as they were: their gradients are zero.

    The second state is the clocks: for each group, the number of steps since its units were last updated, 0 where it is
    now their turn. A masked step leaves all states as they are, so time passes in kept steps only, in each row of a
    batch for itself, and a stateful layer goes on counting with the next batch.

    Args:
        units: number of units, a multiple of the number of periods.
        periods: the period of each group, in steps. The first step updates all groups.
        Others: those of `SimpleRNNCell`.

    Call arguments:
        inputs: `(batch, features)`.
        states: list of the hidden state `(batch, units)` and the clocks `(batch, groups)`.
        training: whether dropout is applied.

    Raises:
        ValueError: if a period is no positive integer, if the units do not divide into groups of equal size, or if a
            clock would have to count further than a half-precision dtype can.
    """

    arguments = ("units", "periods", *RecurrentCell.arguments[1:])

    def __init__(self, units, periods=(1, 2, 4, 8), activation="tanh", **kwargs):
        super().__init__(units, activation, **kwargs)
        periods = tuple(periods)
        for period in periods:
            check_units(period, "periods")
        if not periods or units % len(periods):
            raise ValueError(
                "The units divide into groups of equal size, one a period, so `units` should be a multiple of the "
                f"number of periods. Received: units={units}, periods={periods}."
            )
        if max(periods) > COUNTS_TO.get(self.compute_dtype, np.inf):
            raise ValueError(
                f"In {self.compute_dtype} a clock counts to {COUNTS_TO[self.compute_dtype]}. Received: "
                f"periods={periods}; give shorter ones, or the layer dtype='float32'."
            )
        self.periods = periods
        self.state_size = [units, len(periods)]

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES

    def step_weights(self):
        """The recurrent kernel, with zeros from groups of a shorter period to those of a longer one."""
        periods = np.repeat(self.periods, self.units // len(self.periods))
        heard = ops.convert_to_tensor(periods[:, None] >= periods, dtype=self.compute_dtype)
        return (self._tensor(self.recurrent_kernel) * heard,)

    def step(self, projected, states, weights, keep=None):
        (h, clocks), (recurrent_kernel,) = states, weights
        past = h if keep is None else h * keep
        turn = ops.repeat(clocks == 0, self.units // len(self.periods), axis=-1)
        new = self.activation(projected + times(past, recurrent_kernel))
        clocks = ops.stop_gradient(clocks) + 1
        clocks = ops.where(clocks < ops.convert_to_tensor(self.periods, dtype=clocks.dtype), clocks, 0)
        return (ops.where(turn, new, h), ops.cast(clocks, h.dtype)), (new, turn)

    def step_gradient(self, gradients, saved, weights, keep=None):
        """For the units whose turn it was, the equation of the simple unit; for the others, dh_{t-1} = dh_t."""
        (dh, d_clocks), (new, turn), (recurrent_kernel,) = gradients, saved, weights
        zeros = ops.zeros_like(dh)
        dz = ops.where(turn, dh * DERIVATIVES[self.activation](new), zeros)
        past = ops.matmul(dz, ops.transpose(recurrent_kernel))
        dh = ops.where(turn, zeros, dh) + (past if keep is None else past * keep)
        return (dh, ops.zeros_like(d_clocks)), (dz,)

    def weight_gradients(self, emitted, saved, before, keep=None):
        (dz,), (h,) = emitted, before
        return dz, (outer_sum(h if keep is None else h * keep, dz),)

    def get_config(self):
        return {**super().get_config(), "periods": list(self.periods)}


@keras.saving.register_keras_serializable("seqkeras")
class ClockworkRNN(CellLayer):
    """The clockwork recurrent network run through a sequence.

    >>> ClockworkRNN(8, periods=(1, 2, 4, 8))(np.ones((2, 10, 3))).shape
    (2, 8)

    Args: those of `ClockworkRNNCell`, then those of `RNN`.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    cell_class = ClockworkRNNCell

    def __init__(self, units, periods=(1, 2, 4, 8), activation="tanh", **kwargs):
        super().__init__(**arguments(locals()))
