"""The loop over time of each backend, and its gradient: the one file of the layers that is not keras.ops alone.

keras.ops.scan is too narrow here: on TensorFlow what it emits must have the shapes of its carry. And
keras.ops.custom_gradient differs by backend: JAX hands over one tuple of gradients, torch knows one output only.
"""

import keras
from keras import ops, tree


def scan(step, init, xs, reverse=False, unroll=False, differentiable=True):
    """Runs `step(carry, x) -> (carry, y)` along the first axis of every array in `xs`.

    Args:
        step: function of the carry (structure of `init`) and of one slice of `xs`; returns the next carry, of the
            same shapes and dtypes, and a tuple of tensors of any shapes.
        init: structure of tensors, the first carry.
        xs: tuple of tensors of shape `(time, ...)`.
        reverse: start at the last slice. What is emitted stays in the order of `xs`.
        unroll: write the steps out one by one; the length must be static.
        differentiable: whether automatic differentiation will go through the loop. Where it will not, TensorFlow
            reads slices of `xs` in place instead of splitting it up first.

    Returns:
        The last carry, and the tuple of what was emitted, each tensor of shape `(time, ...)`.
    """
    backend = keras.backend.backend()
    if unroll or backend not in ("jax", "tensorflow"):
        return _python_scan(step, init, xs, reverse)
    if backend == "jax":
        import jax

        return jax.lax.scan(step, init, xs, reverse=reverse)
    return _tensorflow_scan(step, init, xs, reverse, differentiable)


def _python_scan(step, init, xs, reverse):
    length = xs[0].shape[0]
    carry, emitted = init, []
    for t in reversed(range(length)) if reverse else range(length):
        carry, y = step(carry, tuple(x[t] for x in xs))
        emitted.append(y)
    if reverse:
        emitted.reverse()
    return carry, tuple(ops.stack(column) for column in zip(*emitted))


def _tensorflow_scan(step, init, xs, reverse, differentiable):
    import tensorflow as tf

    length = xs[0].shape[0]
    if length is None:
        length = tf.shape(xs[0])[0]
    if differentiable:
        # The gradient of a slice is an array of zeros of full length, one a step; that of a TensorArray is not.
        arrays = [tf.TensorArray(x.dtype, size=length, element_shape=x.shape[1:]).unstack(x) for x in xs]

        def read(t):
            return tuple(array.read(t) for array in arrays)
    else:

        def read(t):
            return tuple(x[t] for x in xs)

    # What a step emits must be known before the loop; a graph drops this call again, as nothing reads its values.
    _, example = step(init, tuple(x[0] for x in xs))
    writers = tuple(tf.TensorArray(y.dtype, size=length, element_shape=y.shape) for y in example)
    structure = init
    init = tuple(tree.flatten(init))

    def body(i, carry, writers):
        t = length - 1 - i if reverse else i
        new, emitted = step(tree.pack_sequence_as(structure, carry), read(t))
        new = tuple(tree.flatten(new))
        for value, before in zip(new, carry):
            value.set_shape(before.shape)  # one of the two may know the batch, the other not
        return i + 1, new, tuple(writer.write(t, y) for writer, y in zip(writers, emitted))

    _, carry, writers = tf.while_loop(
        lambda *_: True,
        body,
        (0, init, writers),
        # Said here alone, the length tells XLA how many turns there are; a condition would be asked before each.
        maximum_iterations=length,
        # In a plain graph the product of the next steps' inputs need not wait for this step. More cost bookkeeping.
        parallel_iterations=4,
    )
    return tree.pack_sequence_as(structure, carry), tuple(writer.stack() for writer in writers)


def custom_gradient(function):
    """As keras.ops.custom_gradient, the same on every backend.

    Args:
        function: function of tensors that returns a tuple of tensors, and the function `backward(*gradients)` from the
            gradients of that tuple to a tuple with the gradient of each argument.
    """
    backend = keras.backend.backend()
    if backend == "numpy":  # nothing to differentiate
        return lambda *args: function(*args)[0]
    if backend == "torch":
        import torch

        class Function(torch.autograd.Function):
            @staticmethod
            def forward(ctx, *args):
                outputs, ctx.backward_function = function(*args)
                return outputs

            @staticmethod
            def backward(ctx, *gradients):
                return tuple(ctx.backward_function(*gradients))

        return Function.apply
    if backend == "jax":

        def flat(*args):
            outputs, backward = function(*args)
            return outputs, lambda gradients: backward(*gradients)

        return ops.custom_gradient(flat)
    import tensorflow as tf

    # TensorFlow takes a variable among the arguments for one that the function captured, and wants its gradient apart.
    return lambda *args: ops.custom_gradient(function)(*map(tf.convert_to_tensor, args))


def vector_jacobian_product(function, args, upstream):
    """The gradient of each of `args`, from the gradients `upstream` of the tuple of tensors `function(*args)`."""
    backend = keras.backend.backend()
    if backend == "jax":
        import jax

        return jax.vjp(function, *args)[1](tuple(upstream))
    if backend == "torch":
        import torch

        with torch.enable_grad():
            args = [a.detach().requires_grad_() for a in args]
            outputs = function(*args)
        gradients = torch.autograd.grad(outputs, args, upstream, allow_unused=True)
        return tuple(torch.zeros_like(a) if g is None else g for a, g in zip(args, gradients))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        tape.watch(args)
        outputs = function(*args)
    return tape.gradient(outputs, args, upstream, unconnected_gradients="zero")
