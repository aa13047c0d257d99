"""The simple recurrent unit (Elman 1990): `h_t = tanh(W_xh x_t + W_hh h_{t-1} + b)`."""

import keras
from keras import initializers, ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, affine, check_units, outer_sum, times
from seqkeras.layers.rnn import CellLayer, arguments


@keras.saving.register_keras_serializable("seqkeras")
class SimpleRNNCell(RecurrentCell):
    """One step of the simple recurrent unit.

    The lectures' equation, with W_xh the kernel and W_hh the recurrent kernel:

        h_t = f(W_xh x_t + W_hh h_{t-1} + b)

    Arguments, defaults, weights and states are those of `keras.layers.SimpleRNNCell`; see `RecurrentCell`.

    Call arguments:
        inputs: `(batch, features)`.
        states: list with the hidden state `(batch, units)`.
        training: whether dropout is applied.
    """

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES

    def step(self, projected, states, weights, keep=None):
        (h,), (recurrent_kernel,) = states, weights
        past = h if keep is None else h * keep
        h = self.activation(projected + times(past, recurrent_kernel))
        return (h,), (h,)

    def gradient_weights(self, weights):
        return (ops.transpose(weights[0]),)

    def step_gradient(self, gradients, saved, weights, keep=None):
        (dh,), (h,), (transposed_kernel,) = gradients, saved, weights
        dz = dh * DERIVATIVES[self.activation](h)
        dh = ops.matmul(dz, transposed_kernel)
        return (dh if keep is None else dh * keep,), (dz,)

    def weight_gradients(self, emitted, saved, before, keep=None):
        (dz,), (h,) = emitted, before
        return dz, (outer_sum(h if keep is None else h * keep, dz),)


@keras.saving.register_keras_serializable("seqkeras")
class SimpleRNN(CellLayer):
    """The simple recurrent unit run through a sequence; a drop-in for `keras.layers.SimpleRNN`.

    >>> SimpleRNN(4)(np.ones((2, 10, 3))).shape
    (2, 4)

    Args: those of `SimpleRNNCell`, then those of `RNN`.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    cell_class = SimpleRNNCell

    def __init__(
        self,
        units,
        activation="tanh",
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
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**arguments(locals()))


@keras.saving.register_keras_serializable("seqkeras")
class IRNN(SimpleRNN):
    """The simple recurrent unit with rectified units that begins by remembering (Le, Jaitly and Hinton 2015):

        h_t = max(0, W_xh x_t + W_hh h_{t-1} + b),    at first W_hh = scale * identity, b = 0, W_xh near zero

    >>> IRNN(4)(np.ones((2, 10, 3))).shape
    (2, 4)

    Args:
        units: number of units.
        scale: of the identity; 1 keeps what is there, less forgets it by and by.
        kernel_initializer: None for the paper's normal distribution of standard deviation 0.001.
        Others: those of `SimpleRNN`, without `recurrent_initializer`.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    def __init__(self, units, scale=1.0, activation="relu", use_bias=True, kernel_initializer=None, **kwargs):
        if "recurrent_initializer" in kwargs:
            raise ValueError(
                "An IRNN begins with `scale` times the identity. Received: recurrent_initializer="
                f"{kwargs['recurrent_initializer']!r}; use SimpleRNN(activation='relu') for another beginning."
            )
        super().__init__(
            units,
            activation,
            use_bias,
            initializers.RandomNormal(stddev=0.001) if kernel_initializer is None else kernel_initializer,
            initializers.Identity(gain=scale),
            **kwargs,
        )
        self.scale = scale

    def get_config(self):
        config = super().get_config()
        del config["recurrent_initializer"]
        return {**config, "scale": self.scale}


@keras.saving.register_keras_serializable("seqkeras")
class ElmanCell(SimpleRNNCell):
    """One step of the recurrent unit with an output of its own, as MIT's lecture 6.S191 writes it:

        h_t = f(W_hh h_{t-1} + W_xh x_t + b)
        y_t = g(W_hy h_t + b_y)

    Args:
        units: number of hidden units.
        output_units: number of outputs.
        output_activation: g; linear by default, as in the lecture.
        Others: those of `SimpleRNNCell`; kernel_* serve W_hy and bias_* serve b_y as well.

    Call arguments:
        inputs: `(batch, features)`.
        states: list with the hidden state `(batch, units)`; the output is `(batch, output_units)`.
    """

    arguments = ("units", "output_units", "output_activation", *SimpleRNNCell.arguments[1:])

    def __init__(self, units, output_units, output_activation="linear", activation="tanh", **kwargs):
        check_units(output_units, "output_units")
        super().__init__(units, activation, **kwargs)
        self.output_units = output_units
        self.output_activation = keras.activations.get(output_activation)
        self.output_size = output_units

    def build(self, input_shape):
        super().build(input_shape)
        self.output_kernel = self._add_kernel("output_kernel", (self.units, self.output_units), "kernel")
        self.output_bias = self._add_bias((self.output_units,), "output_bias") if self.use_bias else None

    def read(self, states):
        bias = self._tensor(self.output_bias) if self.use_bias else None
        return self.output_activation(affine(states[0], self._tensor(self.output_kernel), bias))


@keras.saving.register_keras_serializable("seqkeras")
class Elman(CellLayer):
    """`ElmanCell`, the recurrent unit with an output of its own, run through a sequence.

    >>> Elman(8, output_units=2, return_sequences=True)(np.ones((2, 10, 3))).shape
    (2, 10, 2)

    Args: those of `ElmanCell`, then those of `RNN`.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`, outputs `(batch, time, output_units)`.
    """

    cell_class = ElmanCell

    def __init__(self, units, output_units, output_activation="linear", activation="tanh", **kwargs):
        super().__init__(**arguments(locals()))
