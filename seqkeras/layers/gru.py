"""The gated recurrent unit (Cho et al. 2014)."""

import keras
from keras import activations, ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, gate_function, outer_sum, times
from seqkeras.layers.rnn import CellLayer, arguments


@keras.saving.register_keras_serializable("seqkeras")
class GRUCell(RecurrentCell):
    """One step of the gated recurrent unit.

    The lectures' equations; the kernels hold the blocks z, r, n side by side:

        z_t = sigmoid(W_xz x_t + W_hz h_{t-1} + b_z)                update gate
        r_t = sigmoid(W_xr x_t + W_hr h_{t-1} + b_r)                reset gate
        n_t = tanh(W_xn x_t + b_n + r_t * (W_hn h_{t-1} + b_hn))    new content, `reset_after=True`
        n_t = tanh(W_xn x_t + b_n + W_hn (r_t * h_{t-1}))           new content, `reset_after=False` (Cho et al.)
        h_t = z_t * h_{t-1} + (1 - z_t) * n_t                       hidden state

    The simplified unit, `reset_gate=False` (Ravanelli et al. 2018), has only the blocks z, n, and one row of biases:

        n_t = tanh(W_xn x_t + W_hn h_{t-1} + b_n)                   new content

    Arguments, defaults, weights and states are those of `keras.layers.GRUCell`; see `RecurrentCell`, and:

    Args:
        recurrent_activation: activation of the gates.
        reset_after: whether the reset gate comes after the recurrent product (as cuDNN and torch.nn have it; the bias
            then has two rows, one inside the product) or before it, as in the paper. Without a reset gate it says
            nothing.
        reset_gate: whether there is a reset gate.

    Call arguments:
        inputs: `(batch, features)`.
        states: list with the hidden state `(batch, units)`.
        training: whether dropout is applied.
    """

    blocks = 3
    arguments = (*RecurrentCell.arguments, "recurrent_activation", "reset_after", "reset_gate")

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        reset_after=True,
        seed=None,
        reset_gate=True,
        **kwargs,
    ):
        given = arguments(locals())
        del given["recurrent_activation"], given["reset_after"], given["reset_gate"]
        super().__init__(**given)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.reset_after = reset_after
        self.reset_gate = reset_gate
        self.blocks = 3 if reset_gate else 2

    def _add_bias(self, shape, name="bias", initializer=None):
        return super()._add_bias((2, *shape) if self._two_biases else shape, name, initializer)

    @property
    def _two_biases(self):
        """Whether a second bias, if there are any, stands inside the recurrent product."""
        return self.reset_after and self.reset_gate

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES and self.recurrent_activation in DERIVATIVES

    def projection(self):
        kernel, *bias = super().projection()
        if self._two_biases:
            # The gates' recurrent bias is only added: so it is added here, once for all steps, and not in the loop.
            bias = [b[0] + ops.pad(b[1][: 2 * self.units], [[0, self.units]]) for b in bias]
        return kernel, *bias

    def step_weights(self):
        """The kernel, and the content's recurrent bias; with the reset before it, the kernels of gates and content."""
        kernel = self._tensor(self.recurrent_kernel)
        if self.reset_gate and not self.reset_after:
            return kernel[:, : 2 * self.units], kernel[:, 2 * self.units :]
        if self.use_bias and self._two_biases:
            return kernel, self._tensor(self.bias)[1, 2 * self.units :]
        return (kernel,)

    def step(self, projected, states, weights, keep=None):
        (h,) = states
        gate = gate_function(self.recurrent_activation)
        past = h if keep is None else h * keep
        if not self.reset_gate:
            z, n = ops.split(projected + times(past, weights[0]), 2, axis=-1)
            z, n = gate(z), self.activation(n)
            return (n + z * (h - n),), (z, n, h)
        split = [2 * self.units]
        x_gates, x_content = ops.split(projected, split, axis=-1)
        recurrent = times(past, weights[0])
        if self.reset_after:
            h_gates, content = ops.split(recurrent, split, axis=-1)
            if self.use_bias:
                content = content + weights[1]
            z, r = ops.split(gate(x_gates + h_gates), 2, axis=-1)
            n = self.activation(x_content + r * content)
        else:
            z, r = ops.split(gate(x_gates + recurrent), 2, axis=-1)
            content = r * past
            n = self.activation(x_content + times(content, weights[1]))
        return (n + z * (h - n),), (z, r, content, n, h)

    def gradient_weights(self, weights):
        return tuple(ops.transpose(kernel) for kernel in weights if len(kernel.shape) == 2)

    def step_gradient(self, gradients, saved, weights, keep=None):
        """With a_z, a_r, a_n what goes into the gates and the new content, and m_t = W_hn h_{t-1} + b_hn:

        da_n      =  dh_t (1 - z_t) tanh'(n_t)
        da_z      =  dh_t (h_{t-1} - n_t) s'(z_t)
        da_r      =  da_n m_t s'(r_t),                          reset after: dm_t = da_n r_t
        da_r      =  (da_n W_hn^T) h_{t-1} s'(r_t),             reset before
        dh_{t-1}  =  dh_t z_t + what comes back through the recurrent products

        Without a reset gate there is no a_r, and a_n goes through the recurrent product as a_z does.
        """
        (dh,), (z, *reset, n, h) = gradients, saved
        gate = DERIVATIVES[self.recurrent_activation]
        dn = dh * (1 - z) * DERIVATIVES[self.activation](n)
        dz = dh * (h - n) * gate(z)
        if not self.reset_gate:
            d_recurrent = ops.concatenate([dz, dn], axis=-1)
            past = ops.matmul(d_recurrent, weights[0])
            return (dh * z + (past if keep is None else past * keep),), (d_recurrent,)
        r, content = reset
        if self.reset_after:
            dr = dn * content * gate(r)
            d_recurrent = ops.concatenate([dz, dr, dn * r], axis=-1)
            past = ops.matmul(d_recurrent, weights[0])
            d_projected = ops.concatenate([dz, dr, dn], axis=-1)
            return (dh * z + (past if keep is None else past * keep),), (d_recurrent, d_projected)
        d_content = ops.matmul(dn, weights[1])
        dr = d_content * (h if keep is None else h * keep) * gate(r)
        d_gates = ops.concatenate([dz, dr], axis=-1)
        past = d_content * r + ops.matmul(d_gates, weights[0])
        return (dh * z + (past if keep is None else past * keep),), (d_gates, dn)

    def weight_gradients(self, emitted, saved, before, keep=None):
        d_recurrent = emitted[0]
        past = before[0] if keep is None else before[0] * keep
        d_kernel = outer_sum(past, d_recurrent)
        if not self.reset_gate:
            return d_recurrent, (d_kernel,)
        if self.reset_after:
            bias = (ops.sum(d_recurrent[..., 2 * self.units :], axis=(0, 1)),) if self.use_bias else ()
            return emitted[1], (d_kernel, *bias)
        content = saved[2]
        return ops.concatenate(emitted, axis=-1), (d_kernel, outer_sum(content, emitted[1]))


@keras.saving.register_keras_serializable("seqkeras")
class GRU(CellLayer):
    """The gated recurrent unit run through a sequence; a drop-in for `keras.layers.GRU`.

    >>> GRU(4, return_sequences=True)(np.ones((2, 10, 3))).shape
    (2, 10, 4)

    Args: those of `GRUCell`, then those of `RNN`. `use_cudnn` is taken and ignored: XLA compiles this layer.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    cell_class = GRUCell

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        activity_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        reset_after=True,
        use_cudnn="auto",
        reset_gate=True,
        **kwargs,
    ):
        super().__init__(**arguments(locals()))
