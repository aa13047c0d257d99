"""Where gradients go on their way back through time: why recurrent networks forget, and which cells forget less.

Hochreiter (1991), Bengio, Simard and Frasconi (1994) and Pascanu, Mikolov and Bengio (2013): the gradient of a loss at
the last step with respect to the hidden state of an earlier one is a product of one matrix a step, so it vanishes or
explodes with the distance unless the cell keeps it.
"""

import typing

import numpy as np
from keras import ops, tree

from seqkeras.layers import RNN
from seqkeras.layers.rnn import has_step, time_major
from seqkeras.layers.scan import scan, vector_jacobian_product


class GradientFlow(typing.NamedTuple):
    """Euclidean norms of the gradients of a loss at the last step, averaged over the rows of the batch.

    states  tuple of float64 `(time,)`, one for each state of the cell: with respect to the state after each step, as
            the next step receives it; the first one is the hidden state, an LSTM's second one the cell state. The last
            number is of the loss itself, which reads the states after the last step.
    inputs  float64 `(time,)`: with respect to the input of each step
    """

    states: tuple
    inputs: np.ndarray

    @classmethod
    def of(cls, states, inputs):
        """Of what `gradients_through_time` returns."""
        return cls(tuple(map(_norms, states)), _norms(inputs))


def gradient_flow(layer, inputs, loss=None):
    """Follows the gradient of a loss at the last step back to the first one.

    The cell's weights count as they are; what the layer does beside running its cell from the first step to the last is
    left out: masks, dropout, `go_backwards`, states kept by a stateful layer. A float32 layer's gradients end at 1e-38;
    one made with dtype="float64" shows how they go on to vanish.

    Args:
        layer: a recurrent layer of `seqkeras.layers`, built or not, with one cell or a stack.
        inputs: float `(batch, time, features)`.
        loss: function of the output of the last step, `(batch, output_size)`, to a loss for each row, `(batch,)`; by
            default the sum of the output.

    Returns:
        `GradientFlow`. The states of a stack are those of its first cell, then those of the next.

    Raises:
        ValueError: if the layer is another one, or `inputs` has other than three axes or no step.
    """
    return GradientFlow.of(*gradients_through_time(layer, inputs, loss))


def gradients_through_time(layer, inputs, loss=None):
    """As `gradient_flow`, but returns the gradients themselves, and can be compiled to be called again and again.

    Args:
        layer: see there; to be compiled, it has to be built.
        inputs: float `(batch, time, features)`; in a graph, the time alone may be unknown.
        loss: see there.

    Returns:
        A tuple of tensors `(time, batch, size)`, one for each state, and a tensor `(time, batch, features)`.
    """
    cells = getattr(getattr(layer, "cell", None), "cells", [getattr(layer, "cell", None)])
    if not isinstance(layer, RNN) or not all(has_step(cell) for cell in cells):
        raise ValueError(
            "`layer` should be a recurrent layer with cells of seqkeras.layers, such as LSTM(8). "
            f"Received: layer={layer}"
        )
    inputs = ops.convert_to_tensor(inputs, dtype=layer.cell.compute_dtype)
    if len(inputs.shape) != 3 or inputs.shape[1] == 0:
        raise ValueError(
            f"`inputs` should be of shape (batch, time, features) with a step at least. Received: shape {inputs.shape}"
        )
    if not layer.built:
        layer.build(inputs.shape)
    structure = layer.get_initial_state(inputs.shape[0])
    top = cells[-1]

    def step(x, *states):
        _, after = layer.cell.call(x, tree.pack_sequence_as(structure, states))
        return tuple(tree.flatten(after))

    def forward(states, x):
        return step(x[0], *states), states

    def total_loss(*states):
        output = top.read(states[-len(top.state_sizes) :][: top.states_read])
        return (ops.sum(output if loss is None else loss(output)),)

    def backward(gradients, x):
        d_input, *d_states = vector_jacobian_product(step, x, gradients)
        return tuple(d_states), (*gradients, d_input)

    x = time_major(inputs)
    last, before = scan(forward, tuple(tree.flatten(structure)), (x,))
    (value,) = total_loss(*last)
    gradients = tuple(vector_jacobian_product(total_loss, last, (ops.ones_like(value),)))
    _, (*of_states, of_inputs) = scan(backward, gradients, (x, *before), reverse=True)
    return tuple(of_states), of_inputs


def _norms(gradients):
    """`(time, batch, size)` to `(time,)`, in float64, in which squares of small numbers are not 0."""
    return np.linalg.norm(ops.convert_to_numpy(gradients).astype("float64"), axis=-1).mean(axis=1)


def relu_experiment(variance, steps=100, units=500, seed=0):
    """The lectures' experiment: a signal and a gradient through a recurrence of rectified units with random weights.

        h_t = max(0, W h_{t-1}),    W_ij from N(0, variance / units),    h_0 from N(0, 1)
        dL/dh_{t-1} = W^T (dL/dh_t where h_t > 0),    dL/dh_steps from N(0, 1)

    Half of the units are 0, so a step multiplies both norms by about the square root of variance / 2: with 1.5 they
    vanish, with 3 they explode, and 2 keeps them (He et al. 2015). It is the same W in all steps, so single runs differ
    from that more than layers with weights of their own.

    Args:
        variance: of the recurrent weights, times the number of units.
        steps: number of steps.
        units: number of units.
        seed: int; the same one gives the same numbers.

    Returns:
        forward, backward: float64 `(steps + 1,)` each: the norms of h_t, and of the gradient with respect to h_t, for
            t = 0 .. steps.

    Raises:
        ValueError: if an argument is not positive.
    """
    for name, value in (("variance", variance), ("steps", steps), ("units", units)):
        if value <= 0:
            raise ValueError(f"`{name}` should be positive. Received: {name}={value}")
    random = np.random.default_rng(seed)
    weights = random.normal(0, np.sqrt(variance / units), (units, units))
    states = [random.normal(size=units)]
    for _ in range(steps):
        states.append(np.maximum(0, weights @ states[-1]))
    gradients = [random.normal(size=units)]
    for state in reversed(states[1:]):
        gradients.append(weights.T @ np.where(state > 0, gradients[-1], 0))
    return np.linalg.norm(states, axis=1), np.linalg.norm(gradients[::-1], axis=1)
