"""Sentences a second: the SavedModel of translation against the same weights stepped from a loop in Python.

    python -m benchmarks.translation [--model saved_models/translation/en-de] [--runs 5]

The loop is the usual one of tutorials: the network is rebuilt from config.json, gets the SavedModel's own weights, and
is called once a token, eagerly or (the stronger peer) as a compiled step; the choice among its logits is NumPy's, the
argmax or five beams. The SavedModel's signature `beam` goes the whole way from string to string.

Both translate captions of our own. The loop gets no strings, for a SavedModel gives no ids: it reads ids at random, one
for each word or mark of a caption and one for the end, and writes one token for each word or mark of the longest
translation among the SavedModel's beams, and one for the end. Subwords are at least as many as words, and a beam search
goes on after its longest result: the loop never takes more steps than the SavedModel, rather fewer, and it has no text
to take apart and none to put together. What is unequal favours the loop.

All take turns in one process. Medians of the runs, half the distance of the quartiles behind them, and last how many
times as fast as each the SavedModel is.
"""

import argparse
import itertools
import json
import os
import pathlib
import re
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.generation import RESULTS, race
from seqkeras.text.subwords import END, START
from training.translation.__main__ import Config, build

WIDTHS = (1, 5)
ALONE = 8  # captions of a run at batch 1
CAPTIONS = [
    f"{who} {does} {where}."
    for who, does, where in itertools.product(
        ("A man", "Two young women in red coats", "A small child with a hat", "A group of people"),
        ("is walking", "are playing with a ball", "and a brown dog sit", "is looking at the camera and smiling"),
        ("in the park", "on a busy street", "next to the river on a sunny day", "in front of a white building"),
    )
]


def saved_model(model, batch, width):
    """A function that translates `batch` captions a call, as strings, and gives the number of captions."""
    beam = model.signatures["beam"]
    batches = [tf.constant(captions) for captions in in_batches(batch)]

    def run():
        for captions in batches:
            found = beam(text=captions, width=tf.constant(width), length_penalty=tf.constant(0.0))
            found["translations"].numpy()
        return batch * len(batches)

    return run


def loop(network, step, batch, width, steps):
    """The same from Python, on ids at random; `steps` is the number of tokens written for each batch."""
    random = np.random.default_rng(1)
    sources = []
    for captions in in_batches(batch):
        lengths = np.array([tokens(caption) for caption in captions])
        there = np.arange(lengths.max() + 1) < lengths[:, None]
        ids = np.where(there, random.integers(END + 2, network.config["source_vocabulary_size"], there.shape), 0)
        ids[np.arange(batch), lengths] = END
        sources.append(tf.constant(ids, tf.int32))
    write = greedy if width == 1 else beams

    def run():
        for source, number in zip(sources, steps):
            write(network, step, source, number, width)
        return batch * len(sources)

    return run


def greedy(network, step, source, steps, _):
    state, memory = network.start(source)
    token, written = np.full(len(source), START, np.int32), []
    for _ in range(steps):
        logits, state = step(tf.constant(token), state, memory)
        token = np.argmax(logits.numpy(), axis=1).astype(np.int32)
        written.append(token)
    return np.stack(written, axis=1)


def beams(network, step, source, steps, width):
    state, memory = network.start(source)
    state, memory = (tf.nest.map_structure(lambda x: tf.repeat(x, width, axis=0), x) for x in (state, memory))
    rows = len(source)
    token = np.full((rows, width), START, np.int32)
    scores = np.where(np.arange(width) == 0, 0.0, -np.inf) + np.zeros((rows, 1))
    ended = np.zeros((rows, width), bool)
    written = np.zeros((rows, width, 0), np.int32)
    for _ in range(steps):
        logits, state = step(tf.constant(token.reshape(-1)), state, memory)
        logits = logits.numpy().reshape(rows, width, -1)
        highest = logits.max(axis=2, keepdims=True)
        values = logits - highest - np.log(np.exp(logits - highest).sum(axis=2, keepdims=True))
        values[ended] = -np.inf
        values[ended, END] = 0.0  # it stays as it is
        values = (values + scores[:, :, None]).reshape(rows, -1)
        best = np.argpartition(values, -width, axis=1)[:, -width:]
        scores = np.take_along_axis(values, best, axis=1)
        parents, token = best // logits.shape[2], (best % logits.shape[2]).astype(np.int32)
        written = np.concatenate([np.take_along_axis(written, parents[:, :, None], axis=1), token[:, :, None]], axis=2)
        ended = np.take_along_axis(ended, parents, axis=1) | (token == END)
        origin = tf.constant((np.arange(rows)[:, None] * width + parents).reshape(-1))
        state = tf.nest.map_structure(lambda x, origin=origin: tf.gather(x, origin), state)
    return written


def in_batches(batch):
    captions = CAPTIONS[::8][:ALONE] if batch == 1 else CAPTIONS
    return [captions[first : first + batch] for first in range(0, len(captions), batch)]


def tokens(text):
    """Words and marks of a text."""
    return len(re.findall(r"\w+|[^\w\s]", text))


def steps_of(model, batch, width):
    """The least number of steps in which the SavedModel can have written each batch."""
    beam = model.signatures["beam"]
    steps = []
    for captions in in_batches(batch):
        found = beam(text=tf.constant(captions), width=tf.constant(width), length_penalty=tf.constant(0.0))
        steps.append(1 + max(tokens(text.decode()) for text in found["translations"].numpy().reshape(-1)))
    return steps


def rebuilt(model, path):
    """The network that config.json describes, with the SavedModel's weights."""
    config = Config(**json.loads((path / "config.json").read_text(encoding="utf-8")))
    # Names may end in other numbers, but their order is the same.
    weights = sorted(model.signatures["beam"].variables, key=lambda weight: weight.name)
    (vocabulary,) = next(weight.shape for weight in weights if "output_bias" in weight.name)
    network = build(config, vocabulary)
    ours = sorted(network.weights, key=lambda weight: weight.path)
    if [tuple(weight.shape) for weight in ours] != [tuple(weight.shape) for weight in weights]:
        raise SystemExit(f"The weights in {path} are not those of the network that its config.json describes.")
    for weight, value in zip(ours, weights):
        weight.assign(value)
    return network


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="saved_models/translation/en-de", help="folder of the SavedModel")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.model)
    if not (path / "saved_model.pb").exists():
        parser.error(f"there is no SavedModel in {path}; python -m training.translation makes one")
    if arguments.runs < 2:
        parser.error("--runs: quartiles need two runs at least")
    model = tf.saved_model.load(str(path))
    network = rebuilt(model, path)
    compiled = tf.function(network.step, reduce_retracing=True)

    results = []
    for batch, width in itertools.product((1, 64), WIDTHS):
        steps = steps_of(model, batch, width)
        functions = {
            "SavedModel": saved_model(model, batch, width),
            "loop in Python": loop(network, network.step, batch, width, steps),
            "loop in Python, compiled step": loop(network, compiled, batch, width, steps),
        }
        rates = race(functions, arguments.runs)
        ours = statistics.median(rates["SavedModel"])
        decoding = "greedy" if width == 1 else f"{width} beams"
        tokens_each = statistics.mean(steps)
        print(f"\nbatch {batch}, {decoding}, sentences a second (the loops write {tokens_each:.1f} tokens a sentence)")
        for name, values in rates.items():
            middle, quartiles = statistics.median(values), statistics.quantiles(values, n=4)
            half = (quartiles[2] - quartiles[0]) / 2
            print(f"  {name:30} {middle:9.2f} ± {half:7.2f}   {ours / middle:6.1f} x", flush=True)
        results.append({"batch": batch, "width": width, "tokens_of_the_loops": tokens_each, "rates": rates})
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "translation.json").write_text(json.dumps(results, indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
