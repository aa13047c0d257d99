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

from benchmarks.common import beams, give_weights, greedy, race, show, vocabulary_size, write
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

    def run():
        for source, number in zip(sources, steps):
            state, memory = network.start(source)
            if width == 1:
                greedy(step, state, memory, number, START)
            else:
                beams(step, state, memory, number, START, END, width)
        return batch * len(sources)

    return run


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
    network = build(config, vocabulary_size(model))
    give_weights(network, model, path)
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
        decoding = "greedy" if width == 1 else f"{width} beams"
        tokens_each = statistics.mean(steps)
        print(f"\nbatch {batch}, {decoding}, sentences a second (the loops write {tokens_each:.1f} tokens a sentence)")
        show(rates)
        results.append({"batch": batch, "width": width, "tokens_of_the_loops": tokens_each, "rates": rates})
    write("translation", results)


if __name__ == "__main__":
    main()
