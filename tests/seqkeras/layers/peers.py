"""What the tests of the layers share: inputs, masks, and the outputs and gradients of a layer as one list of arrays."""

import inspect
import itertools
import re

import numpy as np
from keras import tree

BATCH, TIME, FEATURES, UNITS = 5, 6, 4, 5

# One batch holds every kind of row: unmasked, padded right, padded left, with holes, and masked throughout.
MASK = np.array(
    [
        [1, 1, 1, 1, 1, 1],
        [1, 1, 1, 1, 0, 0],
        [0, 0, 1, 1, 1, 1],
        [0, 1, 0, 1, 1, 0],
        [0, 0, 0, 0, 0, 0],
    ],
    "bool",
)


def normal(*shape, seed=0, scale=1.0, dtype="float32"):
    """Normally distributed numbers, the same for the same arguments."""
    return (scale * np.random.default_rng([seed, *shape]).standard_normal(shape)).astype(dtype)


def inputs(dtype="float32"):
    return normal(BATCH, TIME, FEATURES, seed=1, dtype=dtype)


def randomize(layer, seed=2):
    """Sets all weights, biases among them, to small random numbers."""
    layer.set_weights([normal(*w.shape, seed=seed + i, scale=0.5) for i, w in enumerate(layer.weights)])


def same_weights(theirs, ours, *arguments):
    """Builds both layers on the same arguments and gives both the same random weights."""
    theirs(*arguments), ours(*arguments)
    assert [w.shape for w in ours.weights] == [w.shape for w in theirs.weights]
    assert [w.name for w in ours.weights] == [w.name for w in theirs.weights]
    randomize(theirs)
    ours.set_weights(theirs.get_weights())
    return theirs, ours


def initial_states(layer, seed=20, dtype="float32"):
    """Random initial states in the structure that the layer wants."""
    seeds = itertools.count(seed)

    def state(size):
        # A plain list, where the layer's attribute is one that Keras watches.
        return [state(s) for s in size] if tree.is_nested(size) else normal(BATCH, size, seed=next(seeds), dtype=dtype)

    return state(layer.state_size)


def results(layer, x, states=None, *, compiled=None, **call):
    """Outputs of a layer, and gradients of their sum with random weights, as one list of arrays.

    Args:
        layer: a built layer, with seed generators or without.
        x: its input, or a list of inputs for several arguments.
        states: structure of initial states, or None.
        compiled: None for eager execution, else whether XLA compiles the function.
        call: other arguments of the call.

    Returns:
        The outputs, and the gradients by the inputs, by the initial states and by the trainable weights.
    """
    import tensorflow as tf

    x = [tf.constant(a) for a in (x if isinstance(x, list) else [x])]
    given = {} if states is None else {"initial_state": tree.map_structure(tf.constant, states)}

    def run():
        with tf.GradientTape() as tape:
            tape.watch([x, tree.flatten(given)])
            outputs = tree.flatten(layer(*x, **given, **call))
            loss = sum(tf.reduce_sum(tf.cast(o, a.dtype) * a) for o, a in zip(outputs, loss_weights(outputs)))
        variables = [w.value for w in layer.trainable_weights]
        gradients = tape.gradient(loss, [*x, *tree.flatten(given), *variables], unconnected_gradients="zero")
        return outputs, gradients

    if compiled is not None:
        run = tf.function(run, jit_compile=compiled)
    outputs, gradients = run()
    return [tf.cast(a, a.dtype if a.dtype == "float64" else "float32").numpy() for a in [*outputs, *gradients]]


def loss_weights(outputs):
    """A random weight for every output, so that no gradient of their sum is trivial."""
    return [
        normal(*o.shape, seed=40 + i, dtype="float64" if "float64" in str(o.dtype) else "float32")
        for i, o in enumerate(outputs)
    ]


def assert_same(actual, expected, tolerance=1e-5):
    """Asserts that lists of arrays are equal, within a tolerance relative to the magnitude of each array."""
    assert len(actual) == len(expected)
    for i, (a, b) in enumerate(zip(actual, expected)):
        a, b = np.asarray(a), np.asarray(b)
        assert a.shape == b.shape, f"array {i}: {a.shape} and {b.shape}"
        assert np.isfinite(b).all(), f"array {i} of the expected ones is not finite"
        difference, magnitude = np.abs(a - b).max(initial=0), max(1.0, np.abs(b).max(initial=0))
        assert difference <= tolerance * magnitude, f"array {i}: {difference} at a magnitude of {magnitude}"


def paths(layer):
    """The paths of a layer's weights below the layer, without the numbers that Keras gives to names it has seen."""
    return [re.sub(r"_\d+", "", w.path).split("/", 1)[1] for w in layer.weights]


def assert_gradient(layer, x, tolerance=1e-6, **call):
    """Asserts that gradients are those of central differences, along one random direction in inputs and weights.

    Args:
        layer: a built layer of float64.
        x: float64 input, or a list of inputs.
        tolerance: relative to the slope.
        call: other arguments of `results`.
    """
    x = x if isinstance(x, list) else [x]
    variables = layer.trainable_weights
    weights = [v.numpy() for v in variables]
    directions = [normal(*a.shape, seed=70 + i, dtype="float64") for i, a in enumerate([*x, *weights])]
    everything = results(layer, x, **call)
    n_states = len(tree.flatten(call["states"])) if "states" in call else 0
    n_outputs = len(everything) - len(directions) - n_states
    gradients = everything[n_outputs:]
    del gradients[len(x) : len(x) + n_states]

    def loss(step):
        for variable, w, d in zip(variables, weights, directions[len(x) :]):
            variable.assign(w + step * d)
        outputs = results(layer, [a + step * d for a, d in zip(x, directions)], **call)[:n_outputs]
        return sum(np.sum(o * a) for o, a in zip(outputs, loss_weights(outputs)))

    slope = (loss(1e-6) - loss(-1e-6)) / 2e-6
    for variable, w in zip(variables, weights):
        variable.assign(w)
    expected = sum(np.sum(g * d) for g, d in zip(gradients, directions))
    assert abs(slope - expected) <= tolerance * max(1, abs(expected)), f"{slope} by differences, {expected}"


def keeps_signature(ours, theirs):
    """Asserts that a constructor takes theirs' arguments, in their order with their defaults; extras come last."""

    def parameters(cls):
        values = inspect.signature(cls.__init__).parameters.values()
        return [(p.name, p.default) for p in values if p.kind != p.VAR_KEYWORD]

    expected = parameters(theirs)
    assert parameters(ours)[: len(expected)] == expected
