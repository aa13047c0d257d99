"""Characters a second: the SavedModel of music against a loop in Python, on keras.layers and on torch.nn.

    pip install -r requirements-bench.txt
    python -m benchmarks.generation [--model saved_models/music] [--symbols 300] [--runs 7]

The loops in Python are the usual ones of tutorials: one call of the model a symbol, a draw from its logits, and the
draw fed back. They have the same network as the SavedModel, with random weights; one more has the course's network, one
LSTM of 1,024 units. Every contender writes so many symbols, in turns; medians, half the distance of the quartiles
behind them, and ratios of medians. The SavedModel's tunes may end early: its rate is of the symbols it really wrote.
"""

import argparse
import json
import os
import pathlib
import statistics

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from benchmarks.common import race, write

COURSE = {"units": 1024, "num_layers": 1, "embedding_size": 256}


def saved_model(path, tunes, symbols):
    """A function that writes `tunes` tunes with one call, and gives the number of symbols written."""
    import tensorflow as tf

    model = tf.saved_model.load(str(path))
    write = model.signatures["serving_default"]
    seeds = iter(range(1_000_000))

    def run():
        music = write(
            prompt=tf.constant(["M:4/4\nK:Gmaj\n"] * tunes),
            length=tf.constant(symbols),
            temperature=tf.constant(1.0),
            seed=tf.constant(next(seeds)),
        )["music"]
        header = len("X:1\nM:4/4\nL:1/8\nK:Gmaj\n")
        return sum(len(text) - header for text in music.numpy())

    run.keep = model  # signatures do not keep their model alive
    return run


def keras_loop(vocabulary, units, num_layers, embedding_size, tunes, symbols):
    """The tutorial's loop: stateful keras.layers, called eagerly once a symbol, as `model(ids)`."""
    import keras
    import tensorflow as tf

    layers = [keras.layers.Embedding(vocabulary, embedding_size)]
    layers += [keras.layers.LSTM(units, return_sequences=True, stateful=True) for _ in range(num_layers)]
    model = keras.Sequential([*layers, keras.layers.Dense(vocabulary)])
    model.build((tunes, None))

    def run():
        for layer in model.layers[1:-1]:
            layer.reset_states()
        ids, written = tf.ones((tunes, 1), tf.int64), []
        for _ in range(symbols):
            logits = model(ids)[:, -1]
            ids = tf.random.categorical(logits, 1)
            written.append(ids.numpy())
        return tunes * len(written)

    return run


def torch_loop(vocabulary, units, num_layers, embedding_size, tunes, symbols):
    """The same on torch.nn, without gradients."""
    import torch

    embedding = torch.nn.Embedding(vocabulary, embedding_size)
    lstm = torch.nn.LSTM(embedding_size, units, num_layers, batch_first=True)
    head = torch.nn.Linear(units, vocabulary)

    @torch.inference_mode()
    def run():
        ids, states, written = torch.ones((tunes, 1), dtype=torch.int64), None, []
        for _ in range(symbols):
            outputs, states = lstm(embedding(ids), states)
            ids = torch.multinomial(torch.softmax(head(outputs[:, -1]), -1), 1)
            written.append(ids.numpy())
        return tunes * len(written)

    return run


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", default="saved_models/music", help="folder of the SavedModel")
    parser.add_argument("--symbols", type=int, default=300, help="written by each run, for each tune")
    parser.add_argument("--runs", type=int, default=7)
    arguments = parser.parse_args()
    path = pathlib.Path(arguments.model)
    if not (path / "saved_model.pb").exists():
        parser.error(f"there is no SavedModel in {path}; python -m training.music makes one")
    config = json.loads((path / "config.json").read_text(encoding="utf-8"))
    same = {name: config[name] for name in COURSE}
    import tensorflow as tf

    vocabulary = len(tf.saved_model.load(str(path)).signatures["symbols"]()["symbols"])
    try:
        import torch  # noqa: F401

        with_torch = True
    except ImportError:
        with_torch = False
        print("torch is not installed: pip install -r requirements-bench.txt brings it.")

    results = {}
    for tunes in (1, 32):
        functions = {
            "SavedModel": saved_model(path, tunes, arguments.symbols),
            "keras loop, same network": keras_loop(vocabulary, **same, tunes=tunes, symbols=arguments.symbols),
            "keras loop, course's network": keras_loop(vocabulary, **COURSE, tunes=tunes, symbols=arguments.symbols),
        }
        if with_torch:
            functions["torch loop, same network"] = torch_loop(
                vocabulary, **same, tunes=tunes, symbols=arguments.symbols
            )
        rates = race(functions, arguments.runs)
        ours = statistics.median(rates["SavedModel"])
        print(f"\n{tunes} tune{'s' if tunes > 1 else ''} at once, symbols a second")
        for name, values in rates.items():
            middle = statistics.median(values)
            quartiles = statistics.quantiles(values, n=4)
            print(f"  {name:30} {middle:10,.0f} ± {(quartiles[2] - quartiles[0]) / 2:7,.0f}   {ours / middle:6.1f} x")
        results[tunes] = rates
    write("generation", results)


if __name__ == "__main__":
    main()
