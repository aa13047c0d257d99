"""What each worker of test_workers does: python -m tests.training.joint_training FOLDER [whole|killed]."""

import dataclasses
import os
import signal
import sys
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from seqkeras.models import LanguageModel
from seqkeras.text import chunks
from training import Stop, config, loop, workers

RANDOM = np.random.default_rng(0)
TEXTS = [RANDOM.integers(1, 20, n).astype("int32") for n in RANDOM.integers(2, 12, 43)]
STREAMS = [RANDOM.integers(3, 20, n).astype("int32") for n in (30, 13, 51, 24, 40, 21, 38)]


@dataclasses.dataclass(frozen=True)
class Config:
    units: int = config.option(4, "enough")
    manual_dir: str | None = config.option(None, "each machine may have its own", may_change=True)


def marks(epoch=0):
    """Texts in buckets, of which the last ones have one row or an odd number; targets are weighed by their place."""
    texts = tf.data.Dataset.from_generator(lambda: TEXTS, output_signature=tf.TensorSpec((None,), tf.int32))
    texts = texts.shuffle(43, seed=epoch, reshuffle_each_iteration=False)
    batches = texts.bucket_by_sequence_length(tf.size, [4, 8], [3, 4, 6])

    def ready(ids):
        return ids, ids % 3 % 2, tf.cast(ids > 0, tf.float32) * tf.cast(1 + tf.range(tf.shape(ids)[1]), tf.float32)

    return batches.map(ready)


def train_marks(workdir, batches=marks):
    """Marks the texts' ids, with a mean over weights that differ from part to part of a batch."""
    keras.utils.set_random_seed(0)
    with loop.strategy().scope():
        layers = [keras.layers.Embedding(20, 4), keras.layers.Dropout(1e-12), keras.layers.Dense(2)]
        model = keras.Sequential([keras.Input((None,), dtype="int32"), *layers])
        # Not the same on both machines, which must not matter.
        model.layers[0].embeddings.assign_add(tf.fill((20, 4), 0.1 * workers.worker()[0]))
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
        model.compile(loop.adam(0.02, steps=10, epochs=3, clip=0.2, moving_average=0.8), loss, metrics=["accuracy"])
    rows = loop.fit(model, batches, marks(), workdir=workdir, epochs=3)
    return rows, model


def train_streams(workdir):
    """Predicts what comes next in streams with carried states, padded and masked at their ends."""
    keras.utils.set_random_seed(0)
    with loop.strategy().scope():
        model = LanguageModel(20, 4, 5, 1, "simple_rnn", stateful=True)
        model.build({name: (loop.rows_each(4), 6) for name in ("inputs", "mask")})
        model.compile(
            loop.clipped(keras.optimizers.SGD(0.5), 0.2),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")],
        )
    dataset = chunks(STREAMS, 4, 6)
    dataset = dataset.map(lambda chunk: (chunk, chunk["targets"], tf.cast(chunk["mask"], tf.float32)))
    return loop.fit(model, dataset, dataset, workdir=workdir, epochs=2), model


def kill_the_second_worker_in_epoch_two(epoch):
    def kill():
        os.kill(os.getpid(), signal.SIGKILL)
        yield

    if workers.worker()[0] == 0 or epoch != 1:
        return marks(epoch)
    spec = marks().element_spec
    return marks(epoch).take(4).concatenate(tf.data.Dataset.from_generator(kill, output_signature=spec))


def main(folder, what):
    number, _ = workers.worker()
    workdir = loop.start(folder / "marks", Config(manual_dir=f"/data/{number}"), seed=0)
    if what == "killed":
        try:
            loop.start(folder / "differing", Config(units=number), seed=0)
        except Stop as stop:
            print(stop, flush=True)
        with loop.in_turn():
            file = folder / "written_once"
            if not file.exists():
                file.write_text(f"by worker {number}")
        _, model = train_streams(loop.start(folder / "streams", Config(), seed=0))
        if number == 0:
            np.savez(folder / "streams.npz", *model.get_weights())
        train_marks(workdir, kill_the_second_worker_in_epoch_two)
    _, model = train_marks(workdir)
    seeds = [int(variable.numpy()[0]) for variable in model.layers[1].variables]
    (folder / f"seeds{number}").write_text(str(seeds))
    loop.end_others()
    np.savez(folder / "marks.npz", *model.get_weights())


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
