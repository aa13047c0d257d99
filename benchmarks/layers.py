"""Recurrent layers against keras.layers and torch.nn: a forward pass, a training step, the first call, memory.

    pip install -r requirements-bench.txt
    python -m benchmarks.layers [--layers LSTM,GRU] [--shapes 0,1] [--runs 15] [--seconds 10] [--memory]
    KERAS_BACKEND=jax python -m benchmarks.layers       on a GPU machine: XLA against cuDNN

Every contender runs in this one process, in turns, so that a busy machine hurts all alike; what is printed are medians,
half the distance of the quartiles behind them, and ratios of medians. keras.layers and this package each run as a plain
graph and under XLA, and the better one counts. The floor is the time of the layer's matrix products alone, each at the
best rate that any library here reached with it. `--memory` measures the peak of each contender in a process of its own.
A row takes `--seconds` at most, or five runs if these take longer: on two quiet cores all rows take 15 minutes or so.
"""

import argparse
import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

# (batch, time, features, units); the last one is what a service meets: one sequence, forward only.
SHAPES = ((32, 128, 64, 128), (64, 40, 128, 256), (64, 100, 256, 512), (32, 1000, 32, 64), (1, 100, 256, 512))
LAYERS = ("SimpleRNN", "LSTM", "GRU", "Bidirectional(LSTM)")
BLOCKS = {"SimpleRNN": 1, "LSTM": 4, "GRU": 3}
FEWEST_RUNS = 5
RESULTS = pathlib.Path(__file__).parent / "results"


def contender(library, layer, shape, training, xla, input_gradient=True, **options):
    """A function without arguments that runs one pass and waits for its end.

    Args:
        library: "keras", "seqkeras" or "torch".
        layer: one of `LAYERS`.
        shape: one of `SHAPES`.
        training: a whole training step's gradients, or the forward pass alone.
        xla: compile with XLA; of no meaning to torch.
        input_gradient: whether a training step gives the gradient of the input too, as a layer on top of others needs.
        options: other arguments of the layer of "keras" or "seqkeras".
    """
    bidirectional = layer.startswith("Bidirectional")
    kind = layer.removeprefix("Bidirectional(").removesuffix(")")
    batch, steps, features, units = shape
    if library == "torch":
        return _torch(kind, bidirectional, shape, training)

    import keras
    import numpy as np

    if library == "keras":
        source = keras.layers
    else:
        import seqkeras.layers as source
    made = getattr(source, kind)(units, **{"return_sequences": True, **options})
    made = source.Bidirectional(made) if bidirectional else made
    made.build((batch, steps, features))
    x = np.random.default_rng(0).normal(size=(batch, steps, features)).astype("float32")
    if keras.backend.backend() == "jax":
        return _jax(made, x, training, xla)
    return _tensorflow(made, x, training, xla, input_gradient)


def _tensorflow(layer, x, training, xla, input_gradient):
    import tensorflow as tf

    x = tf.constant(x)

    @tf.function(jit_compile=xla)
    def run():
        if not training:
            return layer(x)
        with tf.GradientTape() as tape:
            if input_gradient:
                tape.watch(x)
            loss = tf.reduce_mean(tf.square(layer(x, training=True)))
        weights = [v.value for v in layer.trainable_variables]
        return tape.gradient(loss, [x, *weights] if input_gradient else weights)

    def wait():
        result = run()
        (result[0] if training else result).numpy()

    return wait


def _jax(layer, x, training, xla):
    import jax

    x = jax.numpy.asarray(x)
    trainable = [v.value for v in layer.trainable_variables]
    rest = [v.value for v in layer.non_trainable_variables]

    def loss(trainable, x):
        y, _ = layer.stateless_call(trainable, rest, x, training=training)
        return (y**2).mean() if training else y

    run = jax.grad(loss, argnums=(0, 1)) if training else loss
    run = jax.jit(run) if xla else run
    return lambda: jax.block_until_ready(run(trainable, x))


def _torch(kind, bidirectional, shape, training):
    import torch

    batch, steps, features, units = shape
    device = "cuda" if torch.cuda.is_available() else "cpu"
    name = {"SimpleRNN": "RNN"}.get(kind, kind)
    layer = getattr(torch.nn, name)(features, units, batch_first=True, bidirectional=bidirectional).to(device)
    x = torch.randn(batch, steps, features, device=device, requires_grad=training)

    def run():
        if training:
            layer.zero_grad(set_to_none=True)
            x.grad = None
            layer(x)[0].square().mean().backward()
        else:
            with torch.no_grad():
                layer(x)
        if device == "cuda":
            torch.cuda.synchronize()

    return run


def contenders(xla_only, with_torch):
    """Names of the contenders, and their library and whether XLA compiles them."""
    found = {}
    for library in ("keras", "seqkeras"):
        if not xla_only:
            found[f"{library} graph"] = (library, False)
        found[f"{library} XLA"] = (library, True)
    if with_torch:
        found["torch"] = ("torch", False)
    return found


def race(functions, runs, limit=float("inf")):
    """Runs the functions in turns; the seconds of every run of each. No turn begins after `limit` seconds."""
    for function in functions.values():
        function()
    seconds = {name: [] for name in functions}
    begun = time.perf_counter()
    for run in range(runs):
        if run >= FEWEST_RUNS and time.perf_counter() - begun > limit:
            break
        for name, function in functions.items():
            start = time.perf_counter()
            function()
            seconds[name].append(time.perf_counter() - start)
    return seconds


def floor(layer, shape, training, with_torch, runs=15):
    """Seconds of the layer's matrix products alone, each at the best rate that any library here reached with it."""
    batch, steps, features, units = shape
    directions = 2 if layer.startswith("Bidirectional") else 1
    columns = BLOCKS[layer.removeprefix("Bidirectional(").removesuffix(")")] * units
    rows = steps * batch
    # (times, rows, inner, columns)
    products = [(1, rows, features, columns), (steps, batch, units, columns)]
    if training:
        products += [
            (steps, batch, columns, units),
            (1, rows, columns, features),
            (1, features, rows, columns),
            (1, units, rows, columns),
        ]
    return directions * sum(times * _best_product(*sizes, with_torch, runs) for times, *sizes in products)


_products = {}


def _best_product(m, k, n, with_torch, runs):
    if (m, k, n) not in _products:
        import numpy as np

        a, b = np.ones((m, k), "float32"), np.ones((k, n), "float32")
        repeat = max(1, int(2e9 / (2 * m * k * n)))
        functions = {"numpy": lambda: [a @ b for _ in range(repeat)]}
        if "tensorflow" in sys.modules:
            import tensorflow as tf

            ta, tb = tf.constant(a), tf.constant(b)
            functions["tensorflow"] = lambda: [tf.matmul(ta, tb) for _ in range(repeat)][-1].numpy()
            functions["XLA"] = _products_under_xla(ta, tb, repeat)
        if with_torch:
            import torch

            pa, pb = torch.from_numpy(a), torch.from_numpy(b)
            functions["torch"] = lambda: [torch.mm(pa, pb) for _ in range(repeat)]
        least = []
        for name, function in functions.items():
            time.sleep(0.3)  # threads of the library before, which still wait for work, would slow these products down
            least.append(min(race({name: function}, runs)[name]))
        _products[m, k, n] = min(least) / repeat
    return _products[m, k, n]


def _products_under_xla(a, b, repeat):
    """A function that forms the product `repeat` times in one compiled loop, as a recurrence does."""
    import tensorflow as tf

    @tf.function(jit_compile=True, autograph=False)
    def loop(a, b):
        def body(i, a, product):
            product = tf.matmul(a, b)
            return i + 1, a + 0 * product[0, 0], product  # XLA would move a product of the same numbers out of the loop

        product = tf.zeros((a.shape[0], b.shape[1]))
        return tf.while_loop(lambda i, *_: i < repeat, body, (0, a, product))[-1]

    return lambda: loop(a, b).numpy()


def measure(layer, shape, training, runs, limit, names, with_torch, on_gpu):
    """One row of the table."""
    functions, first = {}, {}
    for name, (library, xla) in names.items():
        start = time.perf_counter()
        functions[name] = contender(library, layer, shape, training, xla)
        functions[name]()
        first[name] = time.perf_counter() - start
    seconds = race(functions, runs, limit)
    median = {name: statistics.median(s) for name, s in seconds.items()}
    quarter = {name: statistics.quantiles(s, n=4) if len(s) > 1 else [s[0]] * 3 for name, s in seconds.items()}
    ours = min(value for name, value in median.items() if name.startswith("seqkeras"))
    keras = min(value for name, value in median.items() if name.startswith("keras"))
    return {
        "layer": layer,
        "shape": shape,
        "pass": "training step" if training else "forward",
        "milliseconds": {name: 1e3 * value for name, value in median.items()},
        "runs": len(next(iter(seconds.values()))),
        "spread_milliseconds": {name: 1e3 * (q[2] - q[0]) / 2 for name, q in quarter.items()},
        "first_call_seconds": first,
        "floor_milliseconds": None if on_gpu else 1e3 * floor(layer, shape, training, with_torch),
        "times_as_fast_as_keras": keras / ours,
        "times_as_fast_as_torch": median["torch"] / ours if "torch" in median else None,
    }


def peak_memory(layer, shape, names):
    """Peak resident memory of a training step, MiB above that of the process before it, each in its own process."""
    code = (
        "import resource, sys; from benchmarks.layers import contender; import keras, seqkeras.layers\n"
        "layer, shape, library, xla = eval(sys.argv[1])\n"
        "contender(library, layer, (2, 4, *shape[2:]), True, xla)()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "run = contender(library, layer, shape, True, xla); run(); run()\n"
        "print((resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)"
    )
    peaks = {}
    for name, (library, xla) in names.items():
        argument = repr((layer, shape, library, xla))
        done = subprocess.run([sys.executable, "-c", code, argument], capture_output=True, text=True, check=True)
        peaks[name] = float(done.stdout.split()[-1])
    return peaks


def show(row):
    times = "  ".join(
        f"{name} {value:.1f}±{row['spread_milliseconds'][name]:.1f}" for name, value in row["milliseconds"].items()
    )
    floor_text = f"  floor {row['floor_milliseconds']:.1f}" if row["floor_milliseconds"] else ""
    torch = f", torch {row['times_as_fast_as_torch']:.2f}" if row["times_as_fast_as_torch"] else ""
    shape = "B{} T{} D{} H{}".format(*row["shape"])
    first = "  ".join(f"{name} {value:.1f}" for name, value in row["first_call_seconds"].items())
    print(f"{row['layer']:20}{shape:22}{row['pass']:14} ms: {times}{floor_text}", flush=True)
    print(f"{'':56} first call, seconds: {first}")
    print(f"{'':56} times as fast as keras {row['times_as_fast_as_keras']:.2f}{torch}", flush=True)


def geometric_mean(values):
    values = list(values)
    return statistics.geometric_mean(values) if values else float("nan")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--layers", default=",".join(LAYERS), help="joined by commas")
    parser.add_argument("--shapes", default=",".join(map(str, range(len(SHAPES)))), help=f"places in {SHAPES}")
    parser.add_argument("--passes", default="training,forward")
    parser.add_argument("--runs", type=int, default=15, help="of each contender, in turns")
    parser.add_argument("--seconds", type=float, default=10, help=f"a row, unless {FEWEST_RUNS} runs take longer")
    parser.add_argument("--memory", action="store_true", help="also measure the peak memory of training steps")
    parser.add_argument("--out", default=str(RESULTS / "layers.json"))
    options = parser.parse_args()

    import keras

    try:
        import torch
    except ImportError:
        torch = None
        print("torch is not installed; pip install -r requirements-bench.txt to have it beside")
    on_gpu = bool(torch and torch.cuda.is_available())
    names = contenders(xla_only=keras.backend.backend() == "jax", with_torch=bool(torch))
    print(f"Backend {keras.backend.backend()}, {'a GPU' if on_gpu else f'{os.cpu_count()} CPU cores, no GPU'}.")
    rows = []
    for layer in options.layers.split(","):
        for shape in (SHAPES[int(i)] for i in options.shapes.split(",")):
            for which in options.passes.split(","):
                if which == "training" and shape[0] == 1:
                    continue
                row = measure(
                    layer, shape, which == "training", options.runs, options.seconds, names, bool(torch), on_gpu
                )
                show(row)
                if options.memory and which == "training" and not on_gpu:
                    row["peak_memory_mib"] = peak_memory(layer, shape, names)
                    peaks = "  ".join(f"{name} {value:.0f}" for name, value in row["peak_memory_mib"].items())
                    print(f"{'':56} peak memory, MiB: {peaks}", flush=True)
                rows.append(row)
                _write(options.out, rows)
    for which in ("training step", "forward"):
        chosen = [row for row in rows if row["pass"] == which]
        line = f"{which}: geometric mean, times as fast as keras "
        line += f"{geometric_mean(r['times_as_fast_as_keras'] for r in chosen):.2f}" if chosen else "not run"
        if chosen and torch:
            line += f", as torch {geometric_mean(r['times_as_fast_as_torch'] for r in chosen):.2f}"
        print(line)


def _write(path, rows):
    path = pathlib.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(rows, indent=1) + "\n")


if __name__ == "__main__":
    main()
