"""What every cell shares: the arguments of keras.layers' cells, their weights, and the protocol of one step."""

from numbers import Integral

import keras
from keras import activations, constraints, initializers, ops, regularizers

# The derivative of an activation, written with its value a = f(z) alone, for those that allow it.
DERIVATIVES = {
    activations.tanh: lambda a: 1 - a * a,
    activations.sigmoid: lambda a: a * (1 - a),
    activations.linear: ops.ones_like,
    activations.relu: lambda a: ops.cast(a > 0, a.dtype),
    activations.hard_sigmoid: lambda a: ops.cast(ops.logical_and(a > 0, a < 1), a.dtype) / 6,
}

_MODULES = {
    "activation": activations,
    "initializer": initializers,
    "regularizer": regularizers,
    "constraint": constraints,
}


class RecurrentCell(keras.layers.Layer):
    """One step of a recurrence. A cell knows nothing of time; `seqkeras.layers.RNN` runs it through a sequence.

    A cell of this family says, each in some lines under its equation:

    - `project(inputs)`: what needs no past, for any number of steps at once;
    - `step(projected, states, weights, keep)`: the recurrence;
    - `read(states)`: the output, for any number of steps at once; the first state unless said otherwise;

    and, if its backward equations are derived (`has_derived_gradient`),

    - `step_gradient(gradients, saved, weights, keep)`: the backward equation of one step, with `gradient_weights`;
    - `weight_gradients(emitted, saved, before, keep)`: the sums over time, as single large products.

    Without these a cell works all the same, by automatic differentiation.

    Args:
        units: number of units, a positive integer.
        activation: activation of the new content.
        use_bias: whether there is a bias.
        kernel_initializer, recurrent_initializer, bias_initializer: initializers of the weights.
        kernel_regularizer, recurrent_regularizer, bias_regularizer: regularizers of the weights.
        kernel_constraint, recurrent_constraint, bias_constraint: constraints of the weights.
        dropout: share of the inputs to drop, between 0 and 1.
        recurrent_dropout: share of the hidden state to drop on its way into the recurrent product. One mask serves all
            gates and, in a layer, all steps of a sequence (Gal and Ghahramani 2016, with tied weights).
        seed: seed of the dropout.

    Raises:
        ValueError: if `units` is not a positive integer.
    """

    # Gates, or blocks of columns, of the kernels.
    blocks = 1
    # The constructor's arguments that a layer made of this cell passes on, in the order of get_config.
    arguments = (
        "units", "activation", "use_bias",
        "kernel_initializer", "recurrent_initializer", "bias_initializer",
        "kernel_regularizer", "recurrent_regularizer", "bias_regularizer",
        "kernel_constraint", "recurrent_constraint", "bias_constraint",
        "dropout", "recurrent_dropout", "seed",
    )  # fmt: skip
    # How many of the states `read` looks at, from the first one on.
    states_read = 1

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
        kernel_constraint=None,
        recurrent_constraint=None,
        bias_constraint=None,
        dropout=0.0,
        recurrent_dropout=0.0,
        seed=None,
        **kwargs,
    ):
        kwargs.pop("implementation", None)  # keras.layers takes it; here there is one implementation
        check_units(units)
        super().__init__(**kwargs)
        self.units = units
        self.activation = activations.get(activation)
        self.use_bias = use_bias
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.recurrent_regularizer = regularizers.get(recurrent_regularizer)
        self.bias_regularizer = regularizers.get(bias_regularizer)
        self.kernel_constraint = constraints.get(kernel_constraint)
        self.recurrent_constraint = constraints.get(recurrent_constraint)
        self.bias_constraint = constraints.get(bias_constraint)
        self.dropout = min(1.0, max(0.0, dropout))
        self.recurrent_dropout = min(1.0, max(0.0, recurrent_dropout))
        self.seed = seed
        self.seed_generator = keras.random.SeedGenerator(seed)
        self.state_size = units
        self.output_size = units

    def build(self, input_shape):
        self.input_size = self._features(input_shape)
        columns = self.blocks * self.units
        self.kernel = self._add_kernel("kernel", (self.input_size, columns))
        self.recurrent_kernel = self._add_kernel("recurrent_kernel", (self.units, columns), "recurrent")
        self.bias = self._add_bias((columns,)) if self.use_bias else None
        self.built = True

    def _features(self, input_shape):
        if input_shape[-1] is None:
            raise ValueError(
                f"{type(self).__name__} needs to know the number of features of its input. "
                f"Received: input_shape={input_shape}; give the last axis a fixed size."
            )
        return input_shape[-1]

    def _add_kernel(self, name, shape, role="kernel"):
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=getattr(self, f"{role}_initializer"),
            regularizer=getattr(self, f"{role}_regularizer"),
            constraint=getattr(self, f"{role}_constraint"),
        )

    def _add_bias(self, shape, name="bias", initializer=None):
        return self.add_weight(
            shape=shape,
            name=name,
            initializer=initializer or self.bias_initializer,
            regularizer=self.bias_regularizer,
            constraint=self.bias_constraint,
        )

    def _tensor(self, variable):
        return ops.convert_to_tensor(variable, dtype=self.compute_dtype)

    # One step

    @property
    def has_derived_gradient(self):
        """Whether `step_gradient` and its companions hold for this cell's activations."""
        return False

    def projection(self):
        """The tensors that `project` multiplies with and adds: the kernel, and the bias if there is one."""
        kernel = self._tensor(self.kernel)
        return (kernel, self._tensor(self.bias)) if self.use_bias else (kernel,)

    def project(self, inputs):
        """What needs no past, `(..., features) -> (..., blocks * units)`: inputs times kernel, plus bias."""
        return affine(inputs, *self.projection())

    def step_weights(self):
        """The tensors that `step` multiplies the past with, as a tuple."""
        return (self._tensor(self.recurrent_kernel),)

    def step(self, projected, states, weights, keep=None):
        """One step of the recurrence.

        Args:
            projected: `(batch, ...)`, this step of `project(inputs)`.
            states: tuple of tensors `(batch, size)`, the states before the step.
            weights: the tuple of `step_weights()`.
            keep: `(batch, units)` or None; the recurrent dropout's multipliers of the hidden state.

        Returns:
            The tuple of states after the step, and a tuple of tensors kept for the backward equations.
        """
        raise NotImplementedError

    def gradient_weights(self, weights):
        """What `step_gradient` reads in place of `step_weights()`: made once, where the loop would repeat it each step.

        Most often the transposes, as to multiply with a transpose in place is slower on some machines.
        """
        return weights

    def step_gradient(self, gradients, saved, weights, keep=None):
        """The backward equation of one step.

        Args:
            gradients: tuple of the gradients `(batch, size)` of the states after the step.
            saved: what `step` kept.
            weights: the tuple of `gradient_weights(step_weights())`.
            keep: as for `step`.

        Returns:
            The tuple of gradients of the states before the step, and a tuple of tensors for `weight_gradients`.
        """
        raise NotImplementedError

    def weight_gradients(self, emitted, saved, before, keep=None):
        """The sums over time.

        Args:
            emitted: what `step_gradient` gave beside the gradients, for all steps: `(time, batch, ...)`.
            saved: what `step` kept, for all steps.
            before: tuple of the first `states_read` states before each step, `(time, batch, size)`.
            keep: as for `step`.

        Returns:
            The gradient of `project(inputs)` for all steps, and the tuple of gradients of `step_weights()`.
        """
        raise NotImplementedError

    def read(self, states):
        """The output `(..., output_size)` of the first `states_read` states `(..., size)`."""
        return states[0]

    # A step on its own, as keras.layers' cells have it

    def get_initial_state(self, batch_size=None):
        """Zeros: a list with one tensor `(batch_size, size)` a state."""
        return [ops.zeros((batch_size, size), dtype=self.compute_dtype) for size in self.state_sizes]

    @property
    def state_sizes(self):
        """`state_size` as a list, also of a cell with a single state."""
        return list(self.state_size) if isinstance(self.state_size, (list, tuple)) else [self.state_size]

    def dropout_masks(self, batch_size, training):
        """Draws the multipliers of the inputs `(batch, features)` and of the hidden state `(batch, units)`, or None."""
        if not training:
            return None, None

        def draw(rate, size):
            if not 0.0 < rate < 1.0:
                return None
            ones = ops.ones((batch_size, size), dtype=self.compute_dtype)
            return keras.random.dropout(ones, rate, seed=self.seed_generator)

        return draw(self.dropout, self.input_size), draw(self.recurrent_dropout, self.units)

    def call(self, inputs, states, training=False):
        """One step: inputs `(batch, features)`, states as `get_initial_state` gives them -> output, new states.

        Called on its own, a cell draws new dropout masks at each call; a layer draws them once a sequence.
        """
        nested = isinstance(states, (list, tuple))
        states = tuple(states) if nested else (states,)
        drop, keep = self.dropout_masks(ops.shape(inputs)[0], training)
        projected = self.project(inputs if drop is None else inputs * drop)
        states, _ = self.step(projected, states, self.step_weights(), keep)
        output = self.read(states[: self.states_read])
        return output, list(states) if nested else states[0]

    def step_function(self):
        """A function of inputs and states like `call`, without dropout, for a loop that takes many steps.

        What depends on the weights alone is computed here, once, and not in each of its calls.
        """
        projection = None
        if type(self).project is RecurrentCell.project:
            kernel, *bias = self.projection()
            projection = (in_pieces(kernel), *bias)
        weights = tuple(in_pieces(weight) for weight in self.step_weights())

        def step(inputs, states):
            projected = self.project(inputs) if projection is None else affine(inputs, *projection)
            states, _ = self.step(projected, tuple(states), weights)
            return self.read(states[: self.states_read]), list(states)

        return step

    def get_config(self):
        config = {}
        for name in self.arguments:
            module = _MODULES.get(name.rpartition("_")[2])
            config[name] = module.serialize(getattr(self, name)) if module else getattr(self, name)
        return {**super().get_config(), **config}


def check_units(units, name="units"):
    """Raises a ValueError unless `units` is a positive integer."""
    if isinstance(units, bool) or not isinstance(units, Integral) or units <= 0:
        raise ValueError(f"Received an invalid value for argument `{name}`, expected a positive integer, got {units}.")


def gate_function(activation):
    """A gate's activation as a step computes it, from and to `(batch, columns)`.

    The logistic function goes by way of tanh, sigmoid(z) = (1 + tanh(z/2)) / 2, with which XLA makes faster steps
    (benchmarks/README.md); any other activation is itself.
    """
    if activation is activations.sigmoid:
        return lambda z: 0.5 * ops.tanh(0.5 * z) + 0.5
    return activation


def affine(x, kernel, bias=None):
    """`x @ kernel + bias` over the last axis of x `(..., n)`, as one flat product, the fastest form."""
    flat = ops.reshape(x, (-1, kernel.shape[0])) if len(x.shape) > 2 else x
    y = times(flat, kernel)
    if bias is not None:
        y = ops.add(y, bias)
    return ops.reshape(y, (*ops.shape(x)[:-1], kernel.shape[1])) if len(x.shape) > 2 else y


def times(x, kernel):
    """`x @ kernel` for x `(batch, n)`; a kernel that `in_pieces` cut is multiplied piece by piece."""
    if isinstance(kernel, tuple):
        return ops.concatenate([ops.matmul(x, piece) for piece in kernel], axis=-1)
    return ops.matmul(x, kernel)


def in_pieces(weight):
    """A weight as it is, or a large kernel `(n, columns)` as a tuple of pieces `(n, some columns)`.

    TensorFlow's product of one row and a kernel of more than the cache of a core goes to several threads, and waking
    them takes four times as long as the product. A step of a larger batch loses nothing by the pieces.
    """
    if keras.backend.backend() != "tensorflow" or len(weight.shape) != 2:
        return weight
    rows, columns = weight.shape
    count = -(-rows * columns * 4 // _LARGEST_PIECE)
    count = next((n for n in range(count, columns) if columns % n == 0), 1)
    return tuple(ops.split(weight, count, axis=1)) if count > 1 else weight


_LARGEST_PIECE = 2**20  # bytes, of float32


def outer_sum(a, b):
    """Sum over time and batch of the outer products of a `(time, batch, n)` and b `(time, batch, m)`: `(n, m)`."""
    n, m = a.shape[-1], b.shape[-1]
    return ops.matmul(ops.transpose(ops.reshape(a, (-1, n))), ops.reshape(b, (-1, m)))
