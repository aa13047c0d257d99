"""What benchmarks share: runs in turns, their figures, and a model's steps from a loop in Python."""

import json
import pathlib
import re
import statistics
import time

import numpy as np
import tensorflow as tf

RESULTS = pathlib.Path(__file__).parent / "results"


def race(functions, runs):
    """What each function gives a second, in every run, in turns, after one run that is not counted."""
    for function in functions.values():
        function()
    rates = {name: [] for name in functions}
    for _ in range(runs):
        for name, function in functions.items():
            start = time.perf_counter()
            rates[name].append(function() / (time.perf_counter() - start))
    return rates


def show(rates):
    """Prints medians, half the distance of the quartiles, and how many times as fast as each the first one is."""
    first = statistics.median(next(iter(rates.values())))
    for name, values in rates.items():
        middle, quartiles = statistics.median(values), statistics.quantiles(values, n=4)
        half = (quartiles[2] - quartiles[0]) / 2
        print(f"  {name:30} {middle:9.2f} ± {half:7.2f}   {first / middle:6.1f} x", flush=True)


def write(name, results):
    """Keeps results as results/NAME.json."""
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / f"{name}.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


def give_weights(network, model, path):
    """Gives a network built as `path`/config.json says the weights of the SavedModel there, loaded as `model`."""
    # Names may hold other numbers, but their order is the same.
    weights = sorted(model.signatures["beam"].variables, key=lambda weight: _natural(weight.name))
    ours = sorted(network.weights, key=lambda weight: _natural(weight.path))
    if [tuple(weight.shape) for weight in ours] != [tuple(weight.shape) for weight in weights]:
        raise SystemExit(f"The weights in {path} are not those of the network that its config.json describes.")
    for weight, value in zip(ours, weights):
        weight.assign(value)


def _natural(name):
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", name)]


def vocabulary_size(model):
    """The number of tokens that an EncoderDecoder in a SavedModel can write."""
    (size,) = next(weight.shape for weight in model.signatures["beam"].variables if "output_bias" in weight.name)
    return size


# The usual loops of tutorials: one call a token, and NumPy's choice among the logits. Both write `steps` tokens from
# the state and the memory that `EncoderDecoder.start` gives.


def greedy(step, state, memory, steps, start_token):
    """The likeliest token at every step: int32 `(batch, steps)`."""
    token, written = np.full(len(tf.nest.flatten(state)[0]), start_token, np.int32), []
    for _ in range(steps):
        logits, state = step(tf.constant(token), state, memory)
        token = np.argmax(logits.numpy(), axis=1).astype(np.int32)
        written.append(token)
    return np.stack(written, axis=1)


def beams(step, state, memory, steps, start_token, end_token, width):
    """Beam search: int32 `(batch, width, steps)`."""
    rows = len(tf.nest.flatten(state)[0])
    state, memory = (tf.nest.map_structure(lambda x: tf.repeat(x, width, axis=0), x) for x in (state, memory))
    token = np.full((rows, width), start_token, np.int32)
    scores = np.where(np.arange(width) == 0, 0.0, -np.inf) + np.zeros((rows, 1))
    ended = np.zeros((rows, width), bool)
    written = np.zeros((rows, width, 0), np.int32)
    for _ in range(steps):
        logits, state = step(tf.constant(token.reshape(-1)), state, memory)
        logits = logits.numpy().reshape(rows, width, -1)
        highest = logits.max(axis=2, keepdims=True)
        values = logits - highest - np.log(np.exp(logits - highest).sum(axis=2, keepdims=True))
        values[ended] = -np.inf
        values[ended, end_token] = 0.0  # it stays as it is
        values = (values + scores[:, :, None]).reshape(rows, -1)
        best = np.argpartition(values, -width, axis=1)[:, -width:]
        scores = np.take_along_axis(values, best, axis=1)
        parents, token = best // logits.shape[2], (best % logits.shape[2]).astype(np.int32)
        written = np.concatenate([np.take_along_axis(written, parents[:, :, None], axis=1), token[:, :, None]], axis=2)
        ended = np.take_along_axis(ended, parents, axis=1) | (token == end_token)
        origin = tf.constant((np.arange(rows)[:, None] * width + parents).reshape(-1))
        state = tf.nest.map_structure(lambda x, origin=origin: tf.gather(x, origin), state)
    return written
