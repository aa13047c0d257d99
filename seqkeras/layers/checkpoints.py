"""Gradient checkpoints: backpropagation through a long sequence in the memory of a short one.

Of each chunk of k steps only the states before it are kept, the checkpoints. The backward pass takes the chunks from
the last to the first, runs each forward once more from its checkpoint, now keeping what its gradient needs, and goes
backward through it. So one more forward pass buys memory for T / k checkpoints and the intermediates of k steps in
place of those of T steps; k near the square root of T keeps both small (Griewank and Walther 2000; Chen et al. 2016).

The product of inputs and kernel is part of a chunk, too: longer than a chunk is only what the layer reads and says.
"""

import keras
from keras import ops

from seqkeras.layers.scan import custom_gradient, scan, vector_jacobian_product


def run_checkpointed(run, cell, x, states, mask, drop, keep, *, every, sequences, reverse):
    """Runs `cell` through time in chunks, and its gradient.

    Args:
        run: `run_derived` or `run_automatic`, which runs one chunk.
        cell: a RecurrentCell.
        x: the inputs `(time, batch, features)`.
        states: tuple of the initial states `(batch, size)`.
        mask: bool `(time, batch, 1)` or None; where False, the states pass the step unchanged.
        drop: dropout multipliers of the inputs `(batch, features)`, or None.
        keep: recurrent dropout multipliers `(batch, units)`, or None.
        every: steps between two checkpoints, k.
        sequences, reverse: as for `run_derived`.

    Returns:
        As `run_derived`.
    """
    n_states, length = len(states), ops.shape(x)[0]
    if isinstance(length, int):
        every = min(every, length)
    if not isinstance(length, int) or length % every:
        # The last chunk is filled up with steps that change nothing.
        ones = ops.ones((length, ops.shape(x)[1], 1), dtype="bool") if mask is None else mask
        x, mask = (ops.pad(a, ((0, -length % every), (0, 0), (0, 0))) for a in (x, ones))
    variables = list(cell.weights)
    # In the variables' own dtype, so that the chunks' gradients are summed up in float32 where policies mix.
    weights = tuple(ops.cast(ops.convert_to_tensor(v), v.dtype) for v in variables)
    masks = () if mask is None else (ops.reshape(mask, (-1, every, *ops.shape(mask)[1:])),)

    def run_chunk(x, states, weights, mask, training):
        """One chunk, with values for the cell's variables; its inputs and history are `(batch, every, ...)`."""
        x = _swapped(x)
        with keras.StatelessScope(list(zip(variables, weights))):
            inputs = x if drop is None else x * drop
            how = {"sequences": sequences, "training": training, "reverse": reverse, "unroll": False}
            history, states = run(cell, inputs, states, cell.step_weights(), *(mask or [None]), keep, **how)
        return tuple(_swapped(h) for h in history), states

    @custom_gradient
    def through_time(x, *states_and_weights):
        states, weights = states_and_weights[:n_states], states_and_weights[n_states:]
        numbers = ops.arange(ops.shape(x)[1] // every)

        def cut(x):
            return ops.reshape(x, (ops.shape(x)[0], -1, every, x.shape[-1]))

        def step(states, here):
            number, *mask = here
            history, after = run_chunk(cut(x)[:, number], states, weights, mask, training=False)
            return after, (*states, *(_swapped(h) for h in history))

        last, emitted = scan(step, states, (numbers, *masks), reverse, differentiable=False)
        checkpoints, histories = emitted[:n_states], emitted[n_states:]

        def backward(*upstream):
            upstream, gradients = upstream[:-n_states], upstream[-n_states:]

            def step(carry, here):
                gradients, sums = carry
                number, states, mask = here[0], here[1 : 1 + n_states], here[1 + n_states :]

                def again(x, *states_and_weights):
                    states, weights = states_and_weights[:n_states], states_and_weights[n_states:]
                    history, after = run_chunk(x, states, weights, mask, training=True)
                    return (*history, *after)

                dx, *d = vector_jacobian_product(
                    again, (cut(x)[:, number], *states, *weights), (*(cut(u)[:, number] for u in upstream), *gradients)
                )
                sums = tuple(s + dw for s, dw in zip(sums, d[n_states:]))
                return (tuple(d[:n_states]), sums), (_swapped(dx),)

            carry = gradients, tuple(ops.zeros_like(w) for w in weights)
            (first, sums), (dx,) = scan(step, carry, (numbers, *checkpoints, *masks), not reverse, differentiable=False)
            return (_joined(dx), *first, *sums)

        return (*(_joined(h) for h in histories), *last), backward

    # Inputs and outputs of all steps are batch-major here, as they are outside the layer: what makes them time-major
    # and this undo each other, and no array of full length is copied or its gradient kept twice.
    results = through_time(_swapped(x), *states, *weights)
    return tuple(_swapped(h)[:length] for h in results[:-n_states]), tuple(results[-n_states:])


def _swapped(x):
    """`(time, batch, size)` <-> `(batch, time, size)`."""
    return ops.transpose(x, (1, 0, 2))


def _joined(x):
    """`(chunks, every, batch, size)` -> `(batch, chunks * every, size)`."""
    return _swapped(ops.reshape(x, (-1, *ops.shape(x)[2:])))
