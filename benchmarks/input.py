"""How much of a training step its input takes: preparing a batch against training on it, in processor milliseconds.

    python -m benchmarks.input training.language --corpus penn_treebank --manual_dir DIR

What follows is a pipeline and its options. Its own data and model are used, for 150 batches and 12 steps; nothing is
written but an empty run. One thread, so that the two can be compared: batches are prepared in the background, and only
an input that takes longer than a step on all cores is ever waited for.
"""

import itertools
import runpy
import sys
import tempfile
import time

import tensorflow as tf

from training import loop
from training.workers import Replicas

BATCHES, STEPS = 150, 12


def milliseconds(work):
    """Processor milliseconds that each thing an iterable gives took."""
    began, count = time.process_time(), 0
    for _ in work:
        count += 1
    return 1e3 * (time.process_time() - began) / count


def measure(model, train, validation, **options):
    """In place of `loop.fit`: takes its arguments, prints the two figures and ends."""
    batches = iter(train(0))
    kept = list(itertools.islice(batches, STEPS))
    preparing = milliseconds(itertools.islice(batches, BATCHES))
    replicas = Replicas(model, validation)
    for batch in kept:  # each length is traced
        replicas.train(batch)
    training = milliseconds(replicas.train(batch) for batch in kept)
    print(f"preparing a batch {preparing:.1f} ms, training on it {training:.0f} ms")
    sys.exit()


def main():
    if len(sys.argv) < 2 or not sys.argv[1].startswith("training."):
        sys.exit(__doc__)
    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    loop.fit = measure
    with tempfile.TemporaryDirectory() as folder:
        sys.argv = [*sys.argv[1:], "--workdir", f"{folder}/run", "--export", f"{folder}/model"]
        runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
