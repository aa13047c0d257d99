"""What a language model is worth, held-out perplexity or bits per character; and how it is written out."""

import dataclasses
import math
from pathlib import Path

import numpy as np
import tensorflow as tf

from seqkeras import export
from training import Stop, release
from training.language import data
from training.language.model import LONGEST, LONGEST_READ, LONGEST_TRACED

# When a split is measured: rows that are read side by side, symbols before each, and symbols read at a time, which the
# former number is a multiple of.
ROWS, WARM_UP, CHUNK = 64, 500, 500
EXAMPLES = ("The apple and pear salad was delicious.", "The apple and pair salad was delicious.")


def nats(step, size, ids):
    """Nats a symbol of a split, each one predicted from those before it, the states carried over.

    A long split is read in rows, side by side. Each row but the first begins with the states that the symbols before it
    leave, of which the last `WARM_UP` are read: far more than a state remembers.

    Args:
        step: the signature "step", or the method that becomes it.
        size: of the state.
        ids: int32 array `(symbols,)`, of which the first one is only read.
    """
    rows = min(ROWS, max(1, (len(ids) - 1) // (4 * WARM_UP)))
    each, before = -(-(len(ids) - 1) // rows), WARM_UP * (rows > 1)
    places = each * np.arange(rows)[:, None] + np.arange(-before, each + 1)
    tokens = ids[np.clip(places, 0, len(ids) - 1)]
    counted = (places[:, 1:] > each * np.arange(rows)[:, None]) & (places[:, 1:] < len(ids))

    @tf.function(
        input_signature=[
            tf.TensorSpec((rows, None), tf.int32),
            tf.TensorSpec((rows, None), tf.float32),
            tf.TensorSpec((rows, size), tf.float32),
        ]
    )
    def read(tokens, counted, state):
        def read_one(place, state, total):
            found = step(token=tokens[:, place], state=state)
            chosen = tf.gather(found["logits"], tokens[:, place + 1], batch_dims=1)
            losses = tf.reduce_logsumexp(found["logits"], axis=1) - chosen
            total += tf.reduce_sum(losses * counted[:, place])
            return place + 1, tf.ensure_shape(found["state"], (rows, size)), total

        _, state, total = tf.while_loop(lambda place, *_: place < tf.shape(counted)[1], read_one, (0, state, 0.0))
        return state, total

    state, total = tf.zeros((rows, size)), 0.0
    for first in range(0, before + each, CHUNK):
        if first == before:
            # Nothing stands before the first row.
            state *= tf.cast(np.arange(rows) > 0, tf.float32)[:, None]
        columns = slice(first, first + CHUNK)
        state, of_chunk = read(tokens[:, first : first + CHUNK + 1], counted[:, columns].astype("float32"), state)
        total += float(of_chunk)
    return total / (len(ids) - 1)


def figures(nats_each, level):
    """Nats a symbol as people know them, dict: perplexity of words, bits of characters."""
    if level == data.WORDS:
        return {"perplexity": round(math.exp(nats_each), 2), "nats_per_word": round(nats_each, 4)}
    return {"bits_per_character": round(nats_each / math.log(2), 4), "nats_per_character": round(nats_each, 4)}


def save(language, config, run, workdir, path):
    """Writes the SavedModel with its configuration and the course of its training.

    Args:
        language: training.language.model.Language.
        config: its Config, settled.
        run: dict of figures of the training.
        workdir: where the run is.
        path: folder of the SavedModel.
    """

    def spec(dtype, name, *shape):
        return tf.TensorSpec(shape, dtype, name=name)

    text, prompt = spec(tf.string, "text", None), spec(tf.string, "prompt", None)
    signatures = {
        "serving_default": (
            language.write,
            [prompt, spec(tf.int32, "length"), spec(tf.float32, "temperature"), spec(tf.int32, "seed")],
        ),
        "score": (language.score, [text]),
        "next": (language.next, [prompt, spec(tf.int32, "k")]),
        "trace": (language.trace, [text]),
        "start": (language.start, [prompt]),
        "step": (
            language.next_step,
            [spec(tf.int32, "token", None), spec(tf.float32, "state", None, sum(language.sizes))],
        ),
        "symbols": (language.vocabulary, []),
    }
    if config.cell != "lstm":
        # The gates are those of an LSTM.
        signatures.pop("trace")
    export.save(path, signatures, model=language.model, table=language.table)
    release.write_metrics(path, {"run": run})
    release.write_run(config, workdir, path)


def evaluate(config, path, ids):
    """The figures on the test split of the SavedModel in `path`, which are also written beside it with the card.

    Args:
        config: the Config of training.language, settled.
        path: folder of the SavedModel.
        ids: function of a split's name to its ids.

    Returns:
        Dict for metrics.json.
    """
    if not (Path(path) / "saved_model.pb").exists():
        raise Stop(
            f"There is no SavedModel in {path}. Train one with python -m training.language --corpus {config.corpus}."
        )
    metrics = release.read_metrics(path)
    model = tf.saved_model.load(str(path))
    step = model.signatures["step"]
    size = int(step.structured_outputs["state"].shape[-1])

    def measured(split):
        return {"symbols": len(ids(split)) - 1, **figures(nats(step, size, ids(split)), config.level)}

    metrics["test"] = measured("test")
    # The test split of Tiny Shakespeare is the held-out part.
    metrics["validation"] = metrics["test"] if config.corpus == "shakespeare" else measured("validation")
    scored = model.signatures["score"](text=tf.constant(EXAMPLES))["log_probability"].numpy()
    metrics["examples"] = {text: round(float(value), 2) for text, value in zip(EXAMPLES, scored)}
    release.write_metrics(path, metrics)
    write_card(config, metrics, path)
    return metrics


def write_card(config, metrics, path):
    """Fills card.md in and writes it as model_card.md."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    unit = "perplexity" if config.level == data.WORDS else "bits_per_character"
    rows = [["", f"{unit.replace('_', ' ')}, test"]]
    for name, measured in {"this model": metrics["test"], **metrics.get("baselines", {})}.items():
        rows.append([name, f"{measured[unit]:.2f}" if unit == "perplexity" else f"{measured[unit]:.3f}"])
    values = dataclasses.asdict(config) | metrics["run"]
    values |= {
        "title": config.corpus.replace("_", " ").capitalize() if config.corpus in data.SETS else "a text of one's own",
        "trained_on": data.ABOUT.get(config.corpus, "somebody's own text"),
        "cell": config.cell.upper(),
        "longest": f"{LONGEST:,}",
        "longest_read": f"{LONGEST_READ:,}",
        "longest_traced": LONGEST_TRACED,
        "test_symbols": metrics["test"]["symbols"],
        "figures": release.table(rows),
        "held_out_figure": metrics["validation"][unit],
        "unit": unit.replace("_", " "),
    }
    (Path(path) / "model_card.md").write_text(template.format(**values), encoding="utf-8")
