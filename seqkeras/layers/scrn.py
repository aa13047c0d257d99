"""The structurally constrained recurrent network (Mikolov et al. 2014): a slow context beside the hidden state."""

import math

import keras
from keras import activations, initializers, ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, affine, check_units, outer_sum, times
from seqkeras.layers.rnn import CellLayer, arguments


@keras.saving.register_keras_serializable("seqkeras")
class SCRNCell(RecurrentCell):
    """One step of the structurally constrained recurrent network.

    Beside the hidden units stand context units, which only leak, and so change slowly:

        s_t = (1 - alpha) B x_t + alpha * s_{t-1}           context
        h_t = sigmoid(P s_t + A x_t + R h_{t-1} + b)        hidden state
        y_t = f(U h_t + V s_t + b_y)                        output, or h_t and s_t side by side

    `kernel` holds B and A side by side, `recurrent_kernel` P above R, `output_kernel` U above V. The paper has no
    biases.

    Args:
        units: number of hidden units.
        context_units: number of context units.
        alpha: share of the context that stays from step to step, above 0 and below 1.
        learn_alpha: learn one alpha a context unit, as the sigmoid of the weight `alpha_logits`; it begins at `alpha`.
        output_units: number of outputs; None gives h_t and s_t side by side, for a Dense layer to make y_t of.
        output_activation: f, if there are `output_units`.
        activation: of the hidden units.
        use_bias: whether there are b and b_y.
        Others: those of `RecurrentCell`; kernel_* serve `output_kernel` as well, recurrent dropout drops of h_{t-1}.

    Call arguments:
        inputs: `(batch, features)`.
        states: list of the hidden state `(batch, units)` and the context `(batch, context_units)`.
        training: whether dropout is applied.

    Raises:
        ValueError: if a number of units is no positive integer, or `alpha` not between 0 and 1.
    """

    arguments = (
        "units", "context_units", "alpha", "learn_alpha", "output_units", "output_activation",
        *RecurrentCell.arguments[1:],
    )  # fmt: skip
    states_read = 2

    def __init__(
        self,
        units,
        context_units,
        alpha=0.95,
        learn_alpha=False,
        output_units=None,
        output_activation="linear",
        activation="sigmoid",
        use_bias=False,
        **kwargs,
    ):
        check_units(context_units, "context_units")
        if output_units is not None:
            check_units(output_units, "output_units")
        if not 0 < alpha < 1:
            raise ValueError(f"`alpha` should be above 0 and below 1. Received: alpha={alpha}")
        super().__init__(units, activation, use_bias, **kwargs)
        self.context_units = context_units
        self.alpha = alpha
        self.learn_alpha = learn_alpha
        self.output_units = output_units
        self.output_activation = activations.get(output_activation)
        self.state_size = [units, context_units]
        self.output_size = units + context_units if output_units is None else output_units

    def build(self, input_shape):
        self.input_size = self._features(input_shape)
        both = self.context_units + self.units
        self.kernel = self._add_kernel("kernel", (self.input_size, both))
        self.recurrent_kernel = self._add_kernel("recurrent_kernel", (both, self.units), "recurrent")
        self.bias = self._add_bias((self.units,)) if self.use_bias else None
        if self.learn_alpha:
            self.alpha_logits = self.add_weight(
                shape=(self.context_units,),
                name="alpha_logits",
                initializer=initializers.Constant(math.log(self.alpha / (1 - self.alpha))),
            )
        if self.output_units is not None:
            self.output_kernel = self._add_kernel("output_kernel", (both, self.output_units))
            self.output_bias = self._add_bias((self.output_units,), "output_bias") if self.use_bias else None
        self.built = True

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES

    def _alpha(self):
        """`(context_units,)`."""
        if self.learn_alpha:
            return ops.sigmoid(self._tensor(self.alpha_logits))
        return ops.full((self.context_units,), self.alpha, dtype=self.compute_dtype)

    def project(self, inputs):
        kernel = self._tensor(self.kernel)
        taken_in = ops.concatenate([1 - self._alpha(), ops.ones((self.units,), dtype=kernel.dtype)])
        bias = None
        if self.use_bias:
            bias = ops.pad(self._tensor(self.bias), [[self.context_units, 0]])
        return affine(inputs, kernel * taken_in, bias)

    def step_weights(self):
        return self._tensor(self.recurrent_kernel), self._alpha()

    def step(self, projected, states, weights, keep=None):
        (h, s), (recurrent_kernel, alpha) = states, weights
        x_context, x_hidden = ops.split(projected, [self.context_units], axis=-1)
        s = x_context + alpha * s
        past = ops.concatenate([s, h if keep is None else h * keep], axis=-1)
        h = self.activation(x_hidden + times(past, recurrent_kernel))
        return (h, s), (h, s)

    def step_gradient(self, gradients, saved, weights, keep=None):
        """With a_t what goes into the activation of the hidden units:

        da_t      =  dh_t sigmoid'(h_t)
        ds_t      <- ds_t + da_t P^T
        dh_{t-1}  =  da_t R^T
        ds_{t-1}  =  alpha ds_t
        """
        (dh, ds), (h, _), (recurrent_kernel, alpha) = gradients, saved, weights
        da = dh * DERIVATIVES[self.activation](h)
        past = ops.matmul(da, ops.transpose(recurrent_kernel))
        d_context, dh = ops.split(past, [self.context_units], axis=-1)
        ds = ds + d_context
        return (dh if keep is None else dh * keep, alpha * ds), (ds, da)

    def weight_gradients(self, emitted, saved, before, keep=None):
        (ds, da), (_, s), (h, s_before) = emitted, saved, before
        past = ops.concatenate([s, h if keep is None else h * keep], axis=-1)
        d_alpha = ops.sum(ds * s_before, axis=(0, 1))
        return ops.concatenate([ds, da], axis=-1), (outer_sum(past, da), d_alpha)

    def read(self, states):
        both = ops.concatenate(states, axis=-1)
        if self.output_units is None:
            return both
        bias = self._tensor(self.output_bias) if self.use_bias else None
        return self.output_activation(affine(both, self._tensor(self.output_kernel), bias))


@keras.saving.register_keras_serializable("seqkeras")
class SCRN(CellLayer):
    """The structurally constrained recurrent network run through a sequence.

    >>> SCRN(8, context_units=4, return_sequences=True)(np.ones((2, 10, 3))).shape
    (2, 10, 12)

    Args: those of `SCRNCell`, then those of `RNN`.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    cell_class = SCRNCell

    def __init__(
        self,
        units,
        context_units,
        alpha=0.95,
        learn_alpha=False,
        output_units=None,
        output_activation="linear",
        activation="sigmoid",
        use_bias=False,
        **kwargs,
    ):
        super().__init__(**arguments(locals()))
