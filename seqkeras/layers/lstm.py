"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""

import keras
from keras import activations, initializers, ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, gate_function, outer_sum, times
from seqkeras.layers.rnn import CellLayer, arguments


@keras.saving.register_keras_serializable("seqkeras")
class LSTMCell(RecurrentCell):
    """One step of the long short-term memory.

    The lectures' equations; the kernels hold the blocks i, f, g, o side by side:

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + b_i)        input gate
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + b_f)        forget gate
        g_t = tanh(W_xg x_t + W_hg h_{t-1} + b_g)           new content
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + b_o)        output gate
        c_t = f_t * c_{t-1} + i_t * g_t                     cell state
        h_t = o_t * tanh(c_t)                               hidden state

    With `peephole` (Gers and Schmidhuber 2000) the gates see the cell state, each unit its own: diagonal weights p,

        i_t = sigmoid(W_xi x_t + W_hi h_{t-1} + p_i * c_{t-1} + b_i)
        f_t = sigmoid(W_xf x_t + W_hf h_{t-1} + p_f * c_{t-1} + b_f)
        o_t = sigmoid(W_xo x_t + W_ho h_{t-1} + p_o * c_t + b_o)

    which stand as rows i, f, o in the weight `peephole_kernel`, `(3, units)`. With `coupled` (Greff et al. 2017) a unit
    takes in as much as it forgets, and the kernels hold the blocks f, g, o, the peephole kernel the rows f, o:

        i_t = 1 - f_t

    Arguments, defaults, weights and states are those of `keras.layers.LSTMCell`; see `RecurrentCell`, and:

    Args:
        recurrent_activation: activation of the gates.
        unit_forget_bias: begin with a forget gate's bias of 1 (Jozefowicz et al. 2015).
        peephole: whether the gates see the cell state. `recurrent_*` serve its weights as well; recurrent dropout
            drops nothing on this way.
        coupled: whether the input gate is 1 - f_t.

    Call arguments:
        inputs: `(batch, features)`.
        states: list of the hidden state and the cell state, each `(batch, units)`.
        training: whether dropout is applied.
    """

    blocks = 4
    arguments = (*RecurrentCell.arguments, "recurrent_activation", "unit_forget_bias", "peephole", "coupled")

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
        kernel_regularizer=None,
        recurrent_regularizer=None,
        bias_regularizer=None,
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        peephole=False,
        coupled=False,
        **kwargs,
    ):
        given = arguments(locals())
        for name in ("recurrent_activation", "unit_forget_bias", "peephole", "coupled"):
            del given[name]
        super().__init__(**given)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.peephole = peephole
        self.coupled = coupled
        self.blocks = 3 if coupled else 4
        self.state_size = [units, units]

    def build(self, input_shape):
        super().build(input_shape)
        if self.peephole:
            self.peephole_kernel = self._add_kernel("peephole_kernel", (self.blocks - 1, self.units), "recurrent")

    def _add_bias(self, shape, name="bias", initializer=None):
        def forget_one(shape, dtype=None):
            ones = initializers.get("ones")((self.units,), dtype=dtype)
            i = [] if self.coupled else [self.bias_initializer((self.units,), dtype=dtype)]
            rest = self.bias_initializer((2 * self.units,), dtype=dtype)
            return ops.concatenate([*i, ones, rest])

        return super()._add_bias(shape, name, forget_one if self.unit_forget_bias else None)

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES and self.recurrent_activation in DERIVATIVES

    def _with_input_gate(self, blocks):
        """The list of i, f and what follows, from a list without i if it is coupled."""
        return [1 - blocks[0], *blocks] if self.coupled else blocks

    def step_weights(self):
        """The recurrent kernel; with peepholes, p_i, p_f and p_o too, `(units,)` each, without p_i if coupled."""
        kernel = self._tensor(self.recurrent_kernel)
        if not self.peephole:
            return (kernel,)
        peepholes = self._tensor(self.peephole_kernel)
        return kernel, *(peepholes[row] for row in range(self.blocks - 1))

    def step(self, projected, states, weights, keep=None):
        (h, c), (recurrent_kernel, *peepholes) = states, weights
        gate = gate_function(self.recurrent_activation)
        past = h if keep is None else h * keep
        z = projected + times(past, recurrent_kernel)
        *z_past, z_g, z_o = ops.split(z, self.blocks, axis=-1)
        if peepholes:
            z_past = [a + p * c for a, p in zip(z_past, peepholes)]
        # Each gate by itself: XLA computes one over the whole of z, and then again for each part of it that is read.
        gates = [*(gate(a) for a in z_past), self.activation(z_g)]
        i, f, g = self._with_input_gate(gates)
        c_before, c = c, f * c + i * g
        o = gate(z_o + peepholes[-1] * c if peepholes else z_o)
        tanh_c = self.activation(c)
        return (o * tanh_c, c), (*gates, o, c_before, tanh_c)

    def gradient_weights(self, weights):
        return ops.transpose(weights[0]), *weights[1:]

    def step_gradient(self, gradients, saved, weights, keep=None):
        """With s' and tanh' the derivatives, written with the values of the gates:

        dc_t      <- dc_t + dh_t o_t tanh'(c_t),  peephole: + dz_o p_o
        dz_t      =  (dc_t g_t s'(i_t), dc_t c_{t-1} s'(f_t), dc_t i_t tanh'(g_t), dh_t tanh(c_t) s'(o_t))
        dz_f      =  dc_t (c_{t-1} - g_t) s'(f_t),  coupled, in place of both dz_i and dz_f
        dh_{t-1}  =  dz_t W_h^T
        dc_{t-1}  =  dc_t f_t,  peephole: + dz_i p_i + dz_f p_f
        """
        (dh, dc), (*gates, c_before, tanh_c), (transposed_kernel, *peepholes) = gradients, saved, weights
        i, f, g, o = self._with_input_gate(gates)
        act, gate = DERIVATIVES[self.activation], DERIVATIVES[self.recurrent_activation]
        dc = dc + dh * o * act(tanh_c)
        dz_o = dh * tanh_c * gate(o)
        if peepholes:
            dc = dc + dz_o * peepholes[-1]
        if self.coupled:
            dz_past = [dc * (c_before - g) * gate(f)]
        else:
            dz_past = [dc * g * gate(i), dc * c_before * gate(f)]
        dz = ops.concatenate([*dz_past, dc * i * act(g), dz_o], axis=-1)
        dh = ops.matmul(dz, transposed_kernel)
        dc = dc * f
        for d, p in zip(dz_past, peepholes):
            dc = dc + d * p
        return (dh if keep is None else dh * keep, dc), (dz,)

    def weight_gradients(self, emitted, saved, before, keep=None):
        (dz,), h = emitted, before[0]
        d_kernel = outer_sum(h if keep is None else h * keep, dz)
        if not self.peephole:
            return dz, (d_kernel,)
        *gates, c_before, _ = saved
        i, f, g, _ = self._with_input_gate(gates)
        *dz_past, _, dz_o = ops.split(dz, self.blocks, axis=-1)
        seen = [*((d, c_before) for d in dz_past), (dz_o, f * c_before + i * g)]
        return dz, (d_kernel, *(ops.sum(d * c, axis=(0, 1)) for d, c in seen))


@keras.saving.register_keras_serializable("seqkeras")
class LSTM(CellLayer):
    """The long short-term memory run through a sequence; a drop-in for `keras.layers.LSTM`.

    >>> LSTM(4, return_sequences=True)(np.ones((2, 10, 3))).shape
    (2, 10, 4)

    Args: those of `LSTMCell`, then those of `RNN`. `use_cudnn` is taken and ignored: XLA compiles this layer.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    cell_class = LSTMCell

    def __init__(
        self,
        units,
        activation="tanh",
        recurrent_activation="sigmoid",
        use_bias=True,
        kernel_initializer="glorot_uniform",
        recurrent_initializer="orthogonal",
        bias_initializer="zeros",
        unit_forget_bias=True,
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
        use_cudnn="auto",
        peephole=False,
        coupled=False,
        **kwargs,
    ):
        super().__init__(**arguments(locals()))
