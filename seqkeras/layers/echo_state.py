"""The echo state network's reservoir (Jaeger 2001; leaking units: Jaeger, Lukosevicius, Popovici and Siewert 2007)."""

import random

import keras
import numpy as np
from keras import ops

from seqkeras.layers.cell import DERIVATIVES, RecurrentCell, outer_sum, times
from seqkeras.layers.rnn import CellLayer, arguments


@keras.saving.register_keras_serializable("seqkeras")
class EchoStateCell(RecurrentCell):
    """One step of a reservoir: a random recurrence that is drawn once and never trained.

        h_t = (1 - a) h_{t-1} + a tanh(W_xh x_t + W_hh h_{t-1} + b)

    W_xh is uniform between -input_scaling and input_scaling, and so is b. A share `connectivity` of the entries of
    W_hh is drawn uniform between -1 and 1, the others are 0; then W_hh is scaled to the `spectral_radius`, the largest
    magnitude of its eigenvalues. Below 1 the state usually forgets how it began: it echoes its inputs alone. Train a
    Dense layer on the states; gradients pass through to what lies below.

    Args:
        units: number of units.
        spectral_radius: of the recurrent matrix, a positive number.
        connectivity: share of the recurrent entries that are not 0, above 0 and up to 1; there are at least `units`.
        leak_rate: a, above 0 and up to 1; less is slower.
        input_scaling: largest magnitude of input weights and biases.
        activation: activation of the new content.
        use_bias: whether there is b.
        seed: seed of all weights, an integer: the same seed, sizes and options give the same weights. None draws one
            from Python's random numbers, which `keras.utils.set_random_seed` seeds.

    Call arguments:
        inputs: `(batch, features)`.
        states: list with the hidden state `(batch, units)`.

    Raises:
        ValueError: if an argument lies outside its range.
    """

    arguments = (
        "units", "spectral_radius", "connectivity", "leak_rate", "input_scaling", "activation", "use_bias", "seed",
    )  # fmt: skip

    def __init__(
        self,
        units,
        spectral_radius=0.9,
        connectivity=0.1,
        leak_rate=1.0,
        input_scaling=1.0,
        activation="tanh",
        use_bias=False,
        seed=None,
        **kwargs,
    ):
        for name, value, most in (
            ("spectral_radius", spectral_radius, np.inf),
            ("connectivity", connectivity, 1),
            ("leak_rate", leak_rate, 1),
            ("input_scaling", input_scaling, np.inf),
        ):
            if not 0 < value <= most:
                limit = "" if most == np.inf else f" and at most {most}"
                raise ValueError(f"`{name}` should be above 0{limit}. Received: {name}={value}")
        super().__init__(units, activation, use_bias, seed=seed, **kwargs)
        self.spectral_radius = spectral_radius
        self.connectivity = connectivity
        self.leak_rate = leak_rate
        self.input_scaling = input_scaling

    def build(self, input_shape):
        self.input_size = self._features(input_shape)
        # NumPy's generator, whose numbers are the same on every backend.
        generator = np.random.default_rng(random.randrange(2**32) if self.seed is None else self.seed)

        def scaled(*shape):
            return generator.uniform(-self.input_scaling, self.input_scaling, shape)

        self.kernel = self._add_fixed("kernel", scaled(self.input_size, self.units))
        self.recurrent_kernel = self._add_fixed("recurrent_kernel", self._reservoir(generator))
        self.bias = self._add_fixed("bias", scaled(self.units)) if self.use_bias else None
        self.built = True

    def _add_fixed(self, name, value):
        return self.add_weight(
            shape=value.shape,
            name=name,
            initializer=lambda shape, dtype=None: ops.convert_to_tensor(value, dtype=dtype),
            trainable=False,
        )

    def _reservoir(self, generator):
        entries = max(self.units, round(self.connectivity * self.units**2))
        radius = 0.0
        while radius < 1e-6:  # a sparse matrix may hold no cycle: all its eigenvalues are 0, and nothing echoes in it
            matrix = np.zeros(self.units**2)
            chosen = generator.choice(matrix.size, entries, replace=False)
            matrix[chosen] = generator.uniform(-1, 1, entries)
            matrix = matrix.reshape(self.units, self.units)
            radius = np.abs(np.linalg.eigvals(matrix)).max()
        return matrix * (self.spectral_radius / radius)

    @property
    def has_derived_gradient(self):
        return self.activation in DERIVATIVES

    def step(self, projected, states, weights, keep=None):
        (h,), (recurrent_kernel,) = states, weights
        new = self.activation(projected + times(h, recurrent_kernel))
        return (h + self.leak_rate * (new - h),), (new,)

    def step_gradient(self, gradients, saved, weights, keep=None):
        """With z_t what goes into the tanh, and n_t its value:

        dz_t      =  a dh_t tanh'(n_t)
        dh_{t-1}  =  (1 - a) dh_t + dz_t W_hh^T
        """
        (dh,), (new,), (recurrent_kernel,) = gradients, saved, weights
        dz = self.leak_rate * dh * DERIVATIVES[self.activation](new)
        return ((1 - self.leak_rate) * dh + ops.matmul(dz, ops.transpose(recurrent_kernel)),), (dz,)

    def weight_gradients(self, emitted, saved, before, keep=None):
        (dz,), (h,) = emitted, before
        return dz, (outer_sum(h, dz),)


@keras.saving.register_keras_serializable("seqkeras")
class EchoState(CellLayer):
    """A reservoir, `EchoStateCell`, run through a sequence.

    >>> EchoState(100, seed=1, return_sequences=True)(np.ones((2, 10, 3))).shape
    (2, 10, 100)

    Args: those of `EchoStateCell`, then those of `RNN`.

    Call arguments: those of `RNN`; inputs `(batch, time, features)`.
    """

    cell_class = EchoStateCell

    def __init__(
        self,
        units,
        spectral_radius=0.9,
        connectivity=0.1,
        leak_rate=1.0,
        input_scaling=1.0,
        activation="tanh",
        use_bias=False,
        seed=None,
        **kwargs,
    ):
        super().__init__(**arguments(locals()))
