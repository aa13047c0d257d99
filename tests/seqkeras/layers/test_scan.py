"""The loop over time of each backend. TensorFlow runs here, JAX and torch in processes of their own."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers.scan import custom_gradient, scan
from tests.seqkeras.layers.backends import all_results
from tests.seqkeras.layers.peers import assert_same, normal

ROOT = Path(__file__).parents[3]


def loop(reverse=False, unroll=False, differentiable=True, compiled=None, signature=None):
    """Values and gradient of a recurrence whose carry and outputs differ in shape."""

    def run(x, first):
        with tf.GradientTape() as tape:
            tape.watch([x, first])

            def step(carry, slices):
                total, count = carry
                total = tf.tanh(total + slices[0])
                return (total, count + 1), (total[:, :1] * 2, tf.reduce_sum(total, axis=-1))

            (total, count), (a, b) = scan(
                step, (first, tf.zeros(())), (x,), reverse=reverse, unroll=unroll, differentiable=differentiable
            )
            loss = tf.reduce_sum(total) + tf.reduce_sum(a * tf.range(5.0)[:, None, None]) + tf.reduce_sum(b**2)
        return [total, count, a, b, *tape.gradient(loss, [x, first])]

    if compiled is not None:
        run = tf.function(run, jit_compile=compiled, input_signature=signature)
    return [a.numpy() for a in run(tf.constant(normal(5, 2, 3)), tf.constant(normal(2, 3)))]


def test_values():
    x, total = normal(5, 2, 3), normal(2, 3)
    found = loop()
    for t in range(5):
        total = np.tanh(total + x[t])
        assert_same([found[2][t], found[3][t]], [total[:, :1] * 2, total.sum(axis=-1)], 1e-6)
    assert_same(found[:2], [total, 5.0], 1e-6)


def test_reverse_emits_in_the_order_of_the_input():
    x, total = normal(5, 2, 3), normal(2, 3)
    found = loop(reverse=True)
    for t in reversed(range(5)):
        total = np.tanh(total + x[t])
        assert_same([found[3][t]], [total.sum(axis=-1)], 1e-6)


@pytest.mark.parametrize("reverse", [False, True])
def test_all_ways_to_run_agree(reverse):
    expected = loop(reverse, unroll=True)
    unknown = [tf.TensorSpec((None, None, 3)), tf.TensorSpec((None, 3))]
    for way in (
        {},
        {"differentiable": False},
        {"compiled": False},
        {"compiled": False, "signature": unknown},
        {"compiled": True},
        {"compiled": True, "signature": unknown},
    ):
        assert_same(loop(reverse, **way), expected, 1e-6)


def test_xla_knows_the_number_of_turns():
    @tf.function(jit_compile=True)
    def total(x):
        return scan(lambda carry, slices: (carry + slices[0], ()), tf.zeros(3), (x,), differentiable=False)[0]

    program = total.experimental_get_compiler_ir(tf.ones((7, 3)))(stage="optimized_hlo")
    assert '"known_trip_count":{"n":"7"}' in program


def test_second_derivatives_under_xla():
    """They go through loops that were made without a gradient in mind, which XLA takes if their length is bounded."""

    def twice(x):
        with tf.GradientTape() as outer:
            outer.watch(x)
            with tf.GradientTape() as inner:
                inner.watch(x)
                total, _ = scan(
                    lambda carry, slices: (tf.tanh(carry + slices[0]), ()), tf.zeros(3), (x,), differentiable=False
                )
            gradient = inner.gradient(total, x)
        return outer.gradient(gradient, x)

    x = tf.constant(normal(4, 3))
    assert_same([tf.function(twice, jit_compile=True)(x).numpy()], [tf.function(twice)(x).numpy()], 1e-6)


def test_custom_gradient_takes_variables_and_gives_what_it_is_told():
    variable, x = tf.Variable(3.0), tf.constant(2.0)

    @custom_gradient
    def product(a, b):
        return (a * b, a + b), lambda da, db: (10 * da + db, 100 * da)

    with tf.GradientTape() as tape:
        tape.watch(x)
        first, second = product(variable, x)
        loss = first + 2 * second
    assert (float(first), float(second)) == (6.0, 5.0)
    assert [float(g) for g in tape.gradient(loss, [variable, x])] == [12.0, 100.0]


@pytest.fixture(scope="module")
def on_tensorflow():
    return all_results()


@pytest.mark.parametrize("backend", ["jax", "torch"])
def test_other_backends_give_the_same(backend, on_tensorflow, tmp_path):
    if importlib.util.find_spec(backend) is None:
        pytest.skip(f"{backend} is not installed")
    # JAX compiles every case; what XLA optimises there is not what is tested.
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    command = [sys.executable, "-m", "tests.seqkeras.layers.backends", tmp_path / "results.npz"]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr[-3000:]
    found = dict(np.load(tmp_path / "results.npz"))
    losses, (first, second, *again) = found.pop("losses"), found.pop("predictions")
    assert losses[-1] < losses[0]
    assert np.abs(first - second).max() > 1e-6, "a stateful layer goes on from batch to batch"
    quiet, dropped = found.pop("attending")
    assert np.isfinite(dropped) and abs(dropped - quiet) > 1e-3
    assert_same(again, [first, second])
    assert found.keys() == on_tensorflow.keys()
    for name, expected in on_tensorflow.items():
        assert_same([found[name]], [expected], 6e-2 if name.startswith("bfloat16") else 1e-5)
