"""Long sequences: peak memory and time of an LSTM's training step, with gradient checkpoints and without.

    python -m benchmarks.memory [--every 50,100,200] [--lengths 1000,...] [--all] [--input_gradient] [--runs 3]

Each figure comes from a process of its own with one thread. Memory is the peak of the process's own (anonymous) memory
while its first two steps run, looked up every 2 ms, in MiB above what it held before them, with the input there and
the same step over a short sequence done: libraries are not in it, nor is the input. The layer is the first of its
model, so the step gives the gradients of the weights, and of the input only if asked for; the loss reads the last
output, or all of them. Time is the median processor time of the steps after that. A contender that needs more than
`--limit` seconds is given up.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import threading
import time

from benchmarks.layers import RESULTS, contender

SHAPE = (8, 10_000, 64, 128)  # batch, time, features, units
LENGTHS = (1_000, 2_000, 5_000, 10_000, 20_000, 50_000)


def worker(library, xla, shape, options, runs):
    """Measures one contender in this process."""
    import tensorflow as tf

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    batch, _, *sizes = shape
    short = 3 * options.get("checkpoint_every", 4)
    contender(library, "LSTM", (batch, short, *sizes), True, xla, **options)()
    run = contender(library, "LSTM", shape, True, xla, **options)
    before = peak = own_memory()
    done = threading.Event()

    def watch():
        nonlocal peak
        while not done.wait(0.002):
            peak = max(peak, own_memory())

    watcher = threading.Thread(target=watch)
    watcher.start()
    start = time.process_time()
    run()
    first = time.process_time() - start
    run()
    done.set()
    watcher.join()
    seconds = []
    for _ in range(runs):
        start = time.process_time()
        run()
        seconds.append(time.process_time() - start)
    return {"peak_mib": peak - before, "milliseconds": 1e3 * statistics.median(seconds), "first_call_seconds": first}


def own_memory():
    """MiB of anonymous memory of this process: without the pages of files, which the kernel may drop at any time."""
    with open("/proc/self/status") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("RssAnon")) / 1024


def measure(name, library, xla, shape, options, runs, limit):
    """A row of the table, of a process of its own; without figures if that takes longer than `limit` seconds."""
    row = {"name": name, "shape": shape, "xla": xla, "options": options}
    code = "import sys; from benchmarks.memory import worker; print(worker(*eval(sys.argv[1])))"
    command = [sys.executable, "-c", code, repr((library, xla, shape, options, runs))]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "TF_CPP_MIN_LOG_LEVEL": "3"}
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=limit, env=environment)
        row |= eval(done.stdout.splitlines()[-1])
        figures = f"{row['peak_mib']:8.0f} MiB {row['milliseconds']:10.0f} ms"
    except subprocess.TimeoutExpired:
        figures = f"   not done after {limit} s"
    print(f"B{shape[0]} T{shape[1]:<6} D{shape[2]} H{shape[3]}  {name:32} {figures}", flush=True)
    return row


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--every", default="100", help="steps between checkpoints, joined by commas")
    parser.add_argument("--lengths", default=",".join(map(str, LENGTHS)), help="joined by commas")
    parser.add_argument("--all", action="store_true", help="the loss reads all outputs, not the last one alone")
    parser.add_argument("--input_gradient", action="store_true", help="the step gives the gradient of the input too")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--limit", type=int, default=600, help="seconds for one contender")
    parser.add_argument("--out", default=str(RESULTS / "memory.json"))
    options = parser.parse_args()

    which = {"return_sequences": options.all, "input_gradient": options.input_gradient}
    checkpoints = [int(k) for k in options.every.split(",")]
    found = []
    for xla in (False, True):
        mode = "XLA" if xla else "graph"
        contenders = [(f"keras {mode}", "keras", {}), (f"seqkeras {mode}", "seqkeras", {})]
        contenders += [(f"seqkeras {mode}, every {k}", "seqkeras", {"checkpoint_every": k}) for k in checkpoints]
        for name, library, given in contenders:
            found.append(measure(name, library, xla, SHAPE, which | given, options.runs, options.limit))
    done = {row["name"]: row for row in found if "peak_mib" in row}
    keras = [row for name, row in done.items() if name.startswith("keras")]
    for row in done.values():
        own = done.get(row["name"].partition(",")[0])
        if "checkpoint_every" not in row["options"] or not keras or not own:
            continue
        best = min(keras, key=lambda row: row["milliseconds"])
        print(
            f"{row['name']}: {row['peak_mib'] / best['peak_mib']:.2f} of the memory of {best['name']}, the fastest of "
            f"keras.layers; {row['milliseconds'] / own['milliseconds']:.2f} times its own normal time"
        )
    for length in (int(t) for t in options.lengths.split(",") if t):
        shape = (SHAPE[0], length, *SHAPE[2:])
        given = which | {"checkpoint_every": checkpoints[0]}
        name = f"seqkeras XLA, every {checkpoints[0]}"
        found.append(measure(name, "seqkeras", True, shape, given, options.runs, options.limit))
    path = pathlib.Path(options.out)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
