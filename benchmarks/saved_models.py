"""The SavedModels as a TensorFlow engineer meets them: signatures, size, loading, latency, operations, LiteRT.

    python -m benchmarks.saved_models [--models sentiment,music] [--loads 3] [--runs 15] [--no_lite]

Every figure comes from a process that imports TensorFlow and NumPy alone, one a model and task. Loading: the seconds of
`tf.saved_model.load`, the median of several processes with the files in the page cache, and by how much it raises the
process's peak of memory. Latency: `serving_default` with a fixed example, the same in every row of the batch: the first
call, which optimises the graph, and medians of later ones with half the distance of the quartiles. What writes as much
as it is asked to writes 100 symbols.

Operations: the number of types in the graph, and the names of those that plain TensorFlow on a CPU has not; there
should be none. LiteRT, for the first model of each application: whether it can have a signature, in its own operations
or with TensorFlow's select ones, or what stands against it in either form. What it has in its own operations is run
beside the SavedModel: the largest difference between numbers of their answers. What it has with select ones is not run:
the Flex delegate, which would, is not in TensorFlow's Python packages. All names are in the JSON file that is written.
"""

import argparse
import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

BATCHES = (1, 32)
SENTENCES = {"en": "A man is riding a bicycle down the street.", "fr": "Un homme fait du vélo dans la rue."}
REVIEW = (
    "I did not expect much of this film, but the story is told with care, the actors are good, and the end, which I "
    "will not give away, moved me. The music is too loud. Still, not bad at all: 8 out of 10."
)


def example(name):
    """What `serving_default` of a model is given, a row: dict by input. What is no batch is given once."""
    import tensorflow as tf

    word, _, variant = name.partition("/")
    numbers = {"length": 100, "temperature": 0.8, "seed": 1}
    if word == "translation":
        return {"text": SENTENCES.get(variant.partition("-")[0], SENTENCES["en"])}
    if word == "captioning":
        noise = tf.random.stateless_uniform((6, 8, 3), seed=(1, 2), maxval=255.0)
        picture = tf.cast(tf.image.resize(noise, (375, 500), "bicubic"), tf.uint8)
        return {"image": tf.io.encode_jpeg(picture, quality=95).numpy()}
    if word == "music":
        return {"prompt": "M:6/8\nK:Ador\n", **numbers}
    if word == "language":
        return {"prompt": "My lord, the king", **numbers}
    return {"text": REVIEW}


# Tasks, each in a process of its own. They print a value as JSON.


def load(path):
    """Seconds and MiB of loading."""
    import resource

    import tensorflow as tf

    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    model = tf.saved_model.load(path)  # noqa: F841  it stays until the memory is looked up
    seconds = time.perf_counter() - start
    return {"seconds": seconds, "mib": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024}


def call(path, name, runs):
    """Milliseconds of the first call, and of later ones for each size of batch."""
    import tensorflow as tf

    model = tf.saved_model.load(path)
    serve = model.signatures["serving_default"]
    specs = serve.structured_input_signature[1]
    found = {}
    for batch in BATCHES:
        inputs = {
            key: tf.constant([value] * batch if specs[key].shape.rank else value, specs[key].dtype)
            for key, value in example(name).items()
        }
        times = []
        for _ in range(runs + 1):
            start = time.perf_counter()
            for value in serve(**inputs).values():
                value.numpy()
            times.append(1e3 * (time.perf_counter() - start))
        found.setdefault("first", times[0])
        found[f"batch {batch}"] = times[1:]
    return found


def describe(path):
    """What each signature takes and gives, and the types of operations."""
    import seqkeras
    from seqkeras import export

    signatures = {key: repr(signature) for key, signature in seqkeras.load(path).signatures.items()}
    return {"signatures": signatures, "operations": export.operations(path), "foreign": export.foreign_operations(path)}


def lite(path, key):
    """What LiteRT makes of a signature, in words."""
    from seqkeras import export

    forms = {}
    for select in (False, True):
        try:
            forms[select] = export.to_lite(path, key, select_tf_ops=select)
            break
        except ValueError as error:
            forms[select] = str(error).partition(": ")[2]
    if isinstance(forms[False], bytes):
        return f"its own operations, {len(forms[False]) / 2**20:.1f} MiB, {_difference(path, key, forms[False])}"
    if isinstance(forms[True], bytes):
        return f"with select operations, {len(forms[True]) / 2**20:.1f} MiB, not run: {forms[False]}"
    return f"no: {forms[True]}"


def _shortened(text):
    """Lists of more than four names cut."""
    return re.sub(r"(\w+, \w+, \w+)((?:, \w+){2,})", lambda found: f"{found[1]} and {found[2].count(',')} more", text)


def _difference(path, key, content):
    """How far the answers of LiteRT and the SavedModel to three tokens, from a state of zeros, are from each other."""
    import numpy as np
    import tensorflow as tf

    model = tf.saved_model.load(path)
    signature = model.signatures[key]
    inputs = {
        name: np.full([3, *spec.shape[1:]], 3 * spec.dtype.is_integer, spec.dtype.as_numpy_dtype)
        for name, spec in signature.structured_input_signature[1].items()
    }
    found = tf.lite.Interpreter(model_content=content).get_signature_runner("serving_default")(**inputs)
    largest = 0.0
    for name, expected in signature(**{name: tf.constant(value) for name, value in inputs.items()}).items():
        if expected.dtype != tf.string:
            largest = max(largest, float(np.abs(found[name] - expected.numpy()).max()))
        elif found[name].tolist() != expected.numpy().tolist():
            return "other strings"
    return f"answers differ by {largest:.0e}" if largest else "equal answers"


def alone(task, *arguments):
    """What a task gives, in a process of its own."""
    code = f"import json, sys; from benchmarks.saved_models import {task} as task; "
    code += "print(json.dumps(task(*json.loads(sys.argv[1]))))"
    command = [sys.executable, "-c", code, json.dumps(arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        raise SystemExit(f"{task}{arguments} failed:\n{done.stderr[-2000:]}")
    return json.loads(done.stdout.splitlines()[-1])


def measure(folder, name, loads, runs):
    """All that is said about a model but LiteRT."""
    path = str(folder / name)
    files = [file for file in (folder / name).rglob("*") if file.is_file()]
    return {
        "bytes": sum(file.stat().st_size for file in files),
        "loads": [alone("load", path) for _ in range(loads)],
        "calls": alone("call", path, name, runs),
        **alone("describe", path),
    }


def row(name, found):
    """A model's line of the first table."""
    seconds, mib = (statistics.median(load[key] for load in found["loads"]) for key in ("seconds", "mib"))
    calls = " | ".join(_spread(found["calls"][f"batch {batch}"]) for batch in BATCHES)
    foreign = ", ".join(found["foreign"]) or "none"
    size = f"{found['bytes'] / 2**20:.1f}"
    first = f"{found['calls']['first'] / 1e3:.1f}"
    return (
        f"| {name} | {size} | {seconds:.2f} | {mib:.0f} | {first} | {calls} | {len(found['operations'])} | {foreign} |"
    )


def _spread(times):
    quartiles = statistics.quantiles(times, n=4)
    return f"{statistics.median(times):.1f} ± {(quartiles[2] - quartiles[0]) / 2:.1f}"


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--folder", default="saved_models", help="where the SavedModels lie")
    parser.add_argument("--models", help="names joined by commas; all by default")
    parser.add_argument("--loads", type=int, default=3, help="processes that load each model")
    parser.add_argument("--runs", type=int, default=15, help="calls for each size of batch")
    parser.add_argument("--no_lite", action="store_true", help="leave LiteRT out, which takes some minutes")
    arguments = parser.parse_args()
    folder = pathlib.Path(arguments.folder)
    there = sorted(graph.parent.relative_to(folder).as_posix() for graph in folder.rglob("saved_model.pb"))
    names = arguments.models.split(",") if arguments.models else there
    unknown = [name for name in names if name not in there]
    if unknown or not names:
        parser.error(f"{folder} has no SavedModel {', '.join(unknown)}; it has {', '.join(there) or 'none'}.")
    if min(arguments.loads, arguments.runs - 1) < 1:
        parser.error("--loads is at least 1 and --runs at least 2.")

    results = {}
    columns = ["model", "MiB", "load, s", "memory, MiB", "first call, s"]
    columns += [*(f"batch {batch}, ms" for batch in BATCHES), "op types", "not of core TensorFlow"]
    print(f"| {' | '.join(columns)} |\n|{' --- |' * len(columns)}", flush=True)
    for name in names:
        results[name] = measure(folder, name, arguments.loads, arguments.runs)
        print(row(name, results[name]), flush=True)

    print("\n| model | signature | LiteRT |\n| --- | --- | --- |", flush=True)
    described = {}
    for name in names:
        word = name.partition("/")[0]
        first = described.setdefault(word, name)
        for key, takes in results[name]["signatures"].items():
            if arguments.no_lite:
                said = ""
            elif first == name:
                said = results[name].setdefault("lite", {})[key] = alone("lite", str(folder / name), key)
            else:
                said = f"as {first}"
            print(f"| {name} | `{key}`: {takes} | {_shortened(said)} |", flush=True)

    from benchmarks.common import write  # here, for a task's process is to import nothing but what it measures

    write("saved_models", results)


if __name__ == "__main__":
    main()
