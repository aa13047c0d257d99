"""A recurrence through time: the forward loop, and backpropagation through time derived by hand.

docs/backpropagation_through_time.md derives it, equation by equation beside these lines.

In the lectures' notation, with states s_t, inputs x_t and a loss L that reads the outputs y_t = s_t:

    forward     s_t = step(project(x_t), s_{t-1}; W)
    backward    ds_t = dL/ds_t + (ds_{t+1}/ds_t)^T ds_{t+1},  from the last step to the first
    weights     dL/dW = sum over t of (ds_t/dW)^T ds_t

Automatic differentiation would form the last sum by one small product a step, and keep or recompute every intermediate
of the loop. Here a cell says what its backward step will need (`step` returns it beside the states), the backward step
itself (`step_gradient`, one product), and the sum over time as one large product (`weight_gradients`).
"""

import keras
from keras import ops

from seqkeras.layers.cell import RecurrentCell, affine, outer_sum, times
from seqkeras.layers.scan import custom_gradient, scan

# Of fewer rows a product takes as long as its kernel takes to come from memory: then one for all steps is better.
SMALL_BATCH = 8


def run_derived(cell, inputs, states, weights, mask, keep, *, sequences, training, reverse, unroll):
    """Runs `cell` through time, with its derived gradient.

    Args:
        cell: a RecurrentCell with `has_derived_gradient`.
        inputs: `(time, batch, features)`.
        states: tuple of the initial states `(batch, size)`.
        weights: tuple of `cell.step_weights()`.
        mask: bool `(time, batch, 1)` or None; where False, the states pass the step unchanged.
        keep: recurrent dropout multipliers `(batch, units)`, or None.
        sequences: whether the states of every step are wanted.
        training: whether a gradient is to be expected. Without, nothing is kept for it on the way, which costs up to
            half of a forward pass; if one is asked for all the same, the forward loop runs once more.
        reverse: run from the last step to the first.
        unroll: write out the loop.

    Returns:
        The states that `cell.read` looks at after each step, a tuple of `(time, batch, size)`, empty unless
        `sequences`; and the tuple of last states.
    """
    n_states, n_weights, n_read = len(states), len(weights), cell.states_read if sequences else 0
    inputs, projection = (inputs, cell.projection()) if _projects_in_loop(cell, inputs) else (cell.project(inputs), ())

    @custom_gradient
    def through_time(inputs, *tensors):
        states, weights = tensors[:n_states], tensors[n_states : n_states + n_weights]
        projection = tensors[n_states + n_weights :]

        def forward(save):
            return _forward(cell, inputs, projection, states, weights, mask, keep, reverse, unroll, save=save)

        last, emitted = forward(save=training)

        def backward(*upstream):
            kept = emitted if training else forward(save=True)[1]
            history, saved = kept[: cell.states_read], kept[cell.states_read :]
            first, local = _backward(
                cell, upstream[n_read:], upstream[:n_read], saved, weights, mask, keep, reverse, unroll
            )
            before = tuple(_shifted(s, h, reverse) for s, h in zip(states, history))
            d_projected, d_weights = cell.weight_gradients(local, saved, before, keep)
            d_inputs, d_projection = _affine_gradients(d_projected, inputs, *projection)
            return (d_inputs, *first, *d_weights, *d_projection)

        return (*emitted[:n_read], *last), backward

    results = through_time(inputs, *states, *weights, *projection)
    return tuple(results[:n_read]), tuple(results[n_read:])


def run_automatic(cell, inputs, states, weights, mask, keep, *, sequences, training, reverse, unroll):
    """As `run_derived`, with the gradient left to automatic differentiation: for cells and activations without one."""
    last, emitted = _forward(
        cell, cell.project(inputs), (), states, weights, mask, keep, reverse, unroll, differentiable=True, save=False
    )
    return tuple(emitted) if sequences else (), tuple(last)


def _projects_in_loop(cell, inputs):
    """Whether each step projects its own input: then the projections of all steps are never written to memory.

    They are blocks times as large as the states, and XLA on a CPU does not vectorise a step that reads one of them. On
    a GPU one large product is the better way.
    """
    batch = inputs.shape[1]
    affine_only = type(cell).project is RecurrentCell.project
    return affine_only and keras.backend.backend() == "tensorflow" and (batch is None or batch >= SMALL_BATCH)


def _affine_gradients(d_projected, inputs, kernel=None, bias=None):
    """The gradients of `affine(inputs, kernel, bias)`: of the inputs, and a tuple of those of kernel and bias."""
    if kernel is None:  # the inputs are projected already
        return d_projected, ()
    d_weights = (outer_sum(inputs, d_projected),)
    if bias is not None:
        d_weights = (*d_weights, ops.sum(d_projected, axis=(0, 1)))
    return affine(d_projected, ops.transpose(kernel)), d_weights


def _forward(cell, inputs, projection, states, weights, mask, keep, reverse, unroll, *, save, differentiable=False):
    kernel, *bias = projection or (None,)

    def step(states, x):
        projected = x[0] if kernel is None else times(x[0], kernel)
        for b in bias:
            # Not by ops.add, which makes a BiasAdd of it: TensorFlow fuses that with the product, and a small product
            # that is fused takes longer than product and sum.
            projected = projected + b
        new, saved = cell.step(projected, states, weights, keep)
        if mask is not None:
            new = tuple(ops.where(x[1], s, old) for s, old in zip(new, states))
        return new, (*new[: cell.states_read], *(saved if save else ()))

    xs = (inputs,) if mask is None else (inputs, mask)
    return scan(step, tuple(states), xs, reverse, unroll, differentiable)


def _backward(cell, gradients, upstream, saved, weights, mask, keep, reverse, unroll):
    n_read, n_saved = len(upstream), len(saved)
    weights = cell.gradient_weights(weights)

    def step(gradients, x):
        here = tuple(g + d for g, d in zip(gradients, x[:n_read])) + tuple(gradients[n_read:])
        before, emitted = cell.step_gradient(here, x[n_read : n_read + n_saved], weights, keep)
        if mask is not None:
            before = tuple(ops.where(x[-1], g, passed) for g, passed in zip(before, here))
            emitted = tuple(ops.where(x[-1], e, ops.zeros_like(e)) for e in emitted)
        return before, emitted

    xs = (*upstream, *saved) if mask is None else (*upstream, *saved, mask)
    return scan(step, tuple(gradients), xs, not reverse, unroll, differentiable=False)


def _shifted(first, history, reverse):
    """The states before each step, from the first `(batch, size)` and those after each `(time, batch, size)`."""
    if reverse:
        return ops.concatenate([history[1:], first[None]], axis=0)
    return ops.concatenate([first[None], history[:-1]], axis=0)
