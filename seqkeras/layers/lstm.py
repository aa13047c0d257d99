"""Long short-term memory (Hochreiter and Schmidhuber 1997; forget gate: Gers et al. 2000)."""

import keras
from keras import activations, initializers, ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, affine, outer_sum
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

    Arguments, defaults, weights and states are those of `keras.layers.LSTMCell`; see `RecurrentCell`, and:

    Args:
        recurrent_activation: activation of the gates.
        unit_forget_bias: begin with a forget gate's bias of 1 (Jozefowicz et al. 2015).

    Call arguments:
        inputs: `(batch, features)`.
        states: list of the hidden state and the cell state, each `(batch, units)`.
        training: whether dropout is applied.
    """

    blocks = 4
    arguments = (*RecurrentCell.arguments, "recurrent_activation", "unit_forget_bias")

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
        **kwargs,
    ):
        given = arguments(locals())
        del given["recurrent_activation"], given["unit_forget_bias"]
        super().__init__(**given)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = unit_forget_bias
        self.state_size = [units, units]

    def _add_bias(self, shape, name="bias", initializer=None):
        def forget_one(shape, dtype=None):
            ones = initializers.get("ones")((self.units,), dtype=dtype)
            i = self.bias_initializer((self.units,), dtype=dtype)
            rest = self.bias_initializer((2 * self.units,), dtype=dtype)
            return ops.concatenate([i, ones, rest])

        return super()._add_bias(shape, name, forget_one if self.unit_forget_bias else None)

    @property
    def _one_tanh(self):
        """Whether all gates can go through one tanh: sigmoid(z) = (1 + tanh(z/2)) / 2.

        The halves go into the kernels, once for all steps. One transcendental function over the whole pre-activation
        is what XLA and Eigen do fastest.
        """
        return self.activation is activations.tanh and self.recurrent_activation is activations.sigmoid

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES and self.recurrent_activation in DERIVATIVES

    def _halved(self, kernel):
        """Halves the columns of the three gates of a kernel or bias `(..., 4 * units)`."""
        return kernel * self._per_block(0.5, 0.5, 1.0, 0.5) if self._one_tanh else kernel

    def _per_block(self, *values):
        """One value a block of units: `(4 * units,)`."""
        return ops.repeat(ops.convert_to_tensor(values, dtype=self.compute_dtype), self.units)

    def project(self, inputs):
        bias = self._halved(self._tensor(self.bias)) if self.use_bias else None
        return affine(inputs, self._halved(self._tensor(self.kernel)), bias)

    def step_weights(self):
        return (self._halved(self._tensor(self.recurrent_kernel)),)

    def step(self, projected, states, weights, keep=None):
        (h, c), (recurrent_kernel,) = states, weights
        past = h if keep is None else h * keep
        z = projected + ops.matmul(past, recurrent_kernel)
        if self._one_tanh:
            gates = ops.tanh(z) * self._per_block(0.5, 0.5, 1.0, 0.5) + self._per_block(0.5, 0.5, 0.0, 0.5)
            i, f, g, o = ops.split(gates, 4, axis=-1)
        else:
            i, f, g, o = ops.split(z, 4, axis=-1)
            i, f, o = self.recurrent_activation(i), self.recurrent_activation(f), self.recurrent_activation(o)
            g = self.activation(g)
            gates = ops.concatenate([i, f, g, o], axis=-1)
        c_before, c = c, f * c + i * g
        tanh_c = self.activation(c)
        return (o * tanh_c, c), (gates, c_before, tanh_c)

    def step_gradient(self, gradients, saved, weights, keep=None):
        """With s' and tanh' the derivatives, written with the values of the gates:

        dc_t      <- dc_t + dh_t o_t tanh'(c_t)
        dz_t      =  (dc_t g_t s'(i_t), dc_t c_{t-1} s'(f_t), dc_t i_t tanh'(g_t), dh_t tanh(c_t) s'(o_t))
        dh_{t-1}  =  dz_t W_h^T
        dc_{t-1}  =  dc_t f_t
        """
        (dh, dc), (gates, c_before, tanh_c), (recurrent_kernel,) = gradients, saved, weights
        i, f, g, o = ops.split(gates, 4, axis=-1)
        act, gate = DERIVATIVES[self.activation], DERIVATIVES[self.recurrent_activation]
        dc = dc + dh * o * act(tanh_c)
        dz = ops.concatenate(
            [dc * g * gate(i), dc * c_before * gate(f), dc * i * act(g), dh * tanh_c * gate(o)], axis=-1
        )
        if self._one_tanh:  # the gates' pre-activations stand halved
            dz = dz * self._per_block(2.0, 2.0, 1.0, 2.0)
        dh = ops.matmul(dz, ops.transpose(recurrent_kernel))
        return (dh if keep is None else dh * keep, dc * f), (dz,)

    def weight_gradients(self, emitted, saved, before, keep=None):
        (dz,), h = emitted, before[0]
        return dz, (outer_sum(h if keep is None else h * keep, dz),)


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
        **kwargs,
    ):
        super().__init__(**arguments(locals()))
