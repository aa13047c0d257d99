"""Pictures a second: the SavedModel of captioning against the same weights stepped from a loop in Python.

    python -m benchmarks.captioning [--model saved_models/captioning] [--runs 5]

The loop is the usual one of tutorials: the network is rebuilt from config.json, gets the SavedModel's own weights, is
given the decoded pictures and then called once a word; the choice among its logits is NumPy's, the argmax or three
beams. It runs eagerly, or (the stronger peer) with decoding, encoder and step compiled, a tf.function each. The
SavedModel's signature `beam` goes the whole way from the file to the sentence.

All begin with the bytes of JPEG files of 500 by 375 pixels, as photos on the web have them; the pictures are noise with
the spectrum of photos, drawn here. The loop writes one token for each word of the longest caption among the beams of
the SavedModel, and one for the end: no more steps than the SavedModel takes, and it makes no sentences of its ids. What
is unequal favours the loop. The last line of each table is decoding alone, compiled: nobody can be faster.

All take turns in one process. Medians of the runs, half the distance of the quartiles behind them, and last how many
times as fast as each the SavedModel is.
"""

import argparse
import itertools
import json
import os
import pathlib
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import numpy as np
import tensorflow as tf

from benchmarks.common import beams, give_weights, greedy, race, show, vocabulary_size, write
from training.captioning import data
from training.captioning.__main__ import Config
from training.captioning.model import build, build_encoder

WIDTHS = (1, 3)
BATCHES = {1: 8, 32: 2}  # pictures at once, and batches of a run
HEIGHT, WIDTH = 375, 500


def files(number):
    """Bytes of JPEG files of pictures whose detail falls with its fineness, as that of photos does: list."""
    random = np.random.default_rng(1)
    images = []
    for _ in range(number):
        picture = np.full((HEIGHT, WIDTH, 3), 120.0)
        for places in (2, 4, 8, 16, 32, 64, 128, 256, 512):
            noise = random.normal(0, 80 / places**0.4, (places, places, 3))
            picture += tf.image.resize(noise, (HEIGHT, WIDTH), "bicubic").numpy()
        images.append(tf.io.encode_jpeg(np.clip(picture, 0, 255).astype("uint8"), quality=95).numpy())
    return images


def saved_model(model, batches, width):
    """A function that captions batches of files and gives the number of pictures."""
    beam = model.signatures["beam"]

    def run():
        for batch in batches:
            beam(image=batch, width=tf.constant(width))["captions"].numpy()
        return sum(map(len, batches))

    return run


def loop(decode, start, step, batches, width, steps):
    """The same from Python; `steps` is the number of tokens written for each batch."""

    def run():
        for batch, number in zip(batches, steps):
            state, memory = start(decode(batch))
            if width == 1:
                greedy(step, state, memory, number, data.START)
            else:
                beams(step, state, memory, number, data.START, data.END, width)
        return sum(map(len, batches))

    return run


def decoding(decode, batches):
    def run():
        for batch in batches:
            decode(batch).numpy()
        return sum(map(len, batches))

    return run


def steps_of(model, batches, width):
    """The least number of steps in which the SavedModel can have written each batch."""
    steps = []
    for batch in batches:
        found = model.signatures["beam"](image=batch, width=tf.constant(width))["captions"].numpy().reshape(-1)
        steps.append(1 + max(len(data.words_of(text.decode())) for text in found))
    return steps


def rebuilt(model, path):
    """The network that config.json describes, with the SavedModel's weights, and the size of its pictures."""
    config = Config(**json.loads((path / "config.json").read_text(encoding="utf-8")))
    network = build(config, build_encoder(config), vocabulary_size(model))
    give_weights(network, model, path)
    (image,) = files(1)
    seen = model.signatures["encode"](image=tf.constant([image]))["features"]
    if not np.allclose(network.encoder.grid(data.decode(image, config.size)[None]), seen, atol=1e-3):
        raise SystemExit(f"The network rebuilt from {path}/config.json sees something else than the SavedModel.")
    return network, config.size


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="saved_models/captioning", help="folder of the SavedModel")
    parser.add_argument("--runs", type=int, default=5)
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.model)
    if not (path / "saved_model.pb").exists():
        parser.error(f"there is no SavedModel in {path}; python -m training.captioning makes one")
    if arguments.runs < 2:
        parser.error("--runs: quartiles need two runs at least")
    model = tf.saved_model.load(str(path))
    network, size = rebuilt(model, path)
    images = files(max(batch * number for batch, number in BATCHES.items()))
    print(f"JPEG files of {WIDTH} by {HEIGHT} pixels, {statistics.mean(map(len, images)) / 1000:.0f} kB on average")

    def decode(batch):
        return tf.stack([data.decode(image, size) for image in batch])

    def decode_in_graph(batch):
        spec = tf.TensorSpec((size, size, 3), tf.float32)
        return tf.map_fn(lambda image: data.decode(image, size), batch, fn_output_signature=spec)

    compiled = [tf.function(f, reduce_retracing=True) for f in (decode_in_graph, network.start, network.step)]
    results = []
    for (batch, number), width in itertools.product(BATCHES.items(), WIDTHS):
        batches = [tf.constant(images[place * batch : (place + 1) * batch]) for place in range(number)]
        steps = steps_of(model, batches, width)
        functions = {
            "SavedModel": saved_model(model, batches, width),
            "loop in Python": loop(decode, network.start, network.step, batches, width, steps),
            "loop in Python, compiled parts": loop(*compiled, batches, width, steps),
            "decoding alone": decoding(compiled[0], batches),
        }
        rates = race(functions, arguments.runs)
        search, tokens = "greedy" if width == 1 else f"{width} beams", statistics.mean(steps)
        print(f"\nbatch {batch}, {search}, pictures a second (the loops write {tokens:.1f} tokens a picture)")
        show(rates)
        results.append({"batch": batch, "width": width, "tokens_of_the_loops": tokens, "rates": rates})
    write("captioning", results)


if __name__ == "__main__":
    main()
