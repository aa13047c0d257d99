"""Music against two other ideas on the same tunes: counting five characters, and the course's own network.

    python -m benchmarks.music --manual_dir DIR

trains both, keeps their bits per character in the run's folder and, where the model is there, in the figures and the
card of saved_models/music. Each epoch's held-out figure chooses; the test tunes are read once, at the end.
"""

import collections
import time

import keras
import numpy as np

from seqkeras.text import Symbols, split
from seqkeras.text.symbols import END, START
from training import loop, release
from training.config import parse
from training.music.__main__ import Config, load
from training.music.evaluation import text_of, write_card

ORDER = 5
PATIENCE = 4  # epochs: it soon knows the tunes by heart, and more time would only make it worse
# The network of MIT's Introduction to Deep Learning, which the tunes come from: one stateful LSTM.
UNITS, EMBEDDING_SIZE, LENGTH, BATCH_SIZE, LEARNING_RATE = 1024, 256, 100, 32, 1e-3


def main(config):
    keras.utils.set_random_seed(config.seed)
    texts = {split: [text_of(tune) for tune in load(config, split)] for split in ("train", "validation", "test")}
    symbols = Symbols.learn(texts["train"])
    places = {symbol: place for place, symbol in enumerate(symbols.symbols, 3)}
    rows = {
        name: [[START, *(places[c] for c in text if c in places), END] for text in part] for name, part in texts.items()
    }
    minutes = release.read_metrics(config.export).get("run", {}).get("minutes", 45.0)
    figures = {
        f"counts of {ORDER} characters in a row": n_grams(rows, len(symbols)),
        f"one stateful keras.layers.LSTM of {UNITS} units": stateful_lstm(rows, len(symbols), minutes),
    }
    if metrics := release.write_baselines(config.workdir, config.export, figures):
        write_card(config, metrics, config.export)


def n_grams(rows, symbols):
    """Bits per character of interpolated counts (Witten and Bell 1991): with n(c) the times a context was seen and t(c)
    the number of different characters behind it,

        P(x | c) = (n(c x) + t(c) P(x | c without its first)) / (n(c) + t(c))
    """
    counts = [collections.defaultdict(collections.Counter) for _ in range(ORDER)]
    for row in rows["train"]:
        for place in range(1, len(row)):
            for order in range(min(ORDER, place + 1)):
                counts[order][tuple(row[place - order : place])][row[place]] += 1

    def probability(row, place):
        p = 1 / symbols
        for order in range(min(ORDER, place + 1)):
            seen = counts[order].get(tuple(row[place - order : place]))
            if seen is None:
                break
            p = (seen[row[place]] + len(seen) * p) / (seen.total() + len(seen))
        return p

    def bits(part):
        logarithms = [np.log2(probability(row, place)) for row in part for place in range(1, len(row))]
        return round(-float(np.mean(logarithms)), 4)

    return {part: bits(rows[part]) for part in ("validation", "test")}


def stateful_lstm(rows, symbols, minutes):
    """Bits per character of the course's network, trained on the stream of all training tunes.

    It gets so many minutes, or stops when its held-out figure has not been bettered for `PATIENCE` epochs.
    """
    model = keras.Sequential(
        [
            keras.layers.Embedding(symbols, EMBEDDING_SIZE),
            keras.layers.LSTM(UNITS, return_sequences=True, stateful=True, recurrent_initializer="glorot_uniform"),
            keras.layers.Dense(symbols),
        ]
    )
    model.build((BATCH_SIZE, None))
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    optimizer = keras.optimizers.Adam(LEARNING_RATE)
    model.compile(optimizer=loop.clipped(optimizer, 1.0), loss=loss)
    reader = _reader(model)
    best, began, epoch = None, time.monotonic(), 0
    while time.monotonic() - began < 60 * minutes and (best is None or epoch - best[2] < PATIENCE):
        order = np.random.default_rng(epoch).permutation(len(rows["train"]))
        streams = split(np.concatenate([rows["train"][place] for place in order]).astype(np.int32), BATCH_SIZE)
        length = min(map(len, streams))
        streams = np.stack([stream[:length] for stream in streams])
        model.layers[1].reset_states()
        for place in range(0, length - LENGTH - 1, LENGTH):
            if time.monotonic() - began > 60 * minutes:
                break
            chunk = streams[:, place : place + LENGTH + 1]
            model.train_on_batch(chunk[:, :-1], chunk[:, 1:])
        epoch += 1
        bits = _bits(reader, rows["validation"])
        if best is None or bits < best[0]:
            best = bits, model.get_weights(), epoch
        print(f"epoch {epoch}  {(time.monotonic() - began) / 60:.1f} min  validation {bits:.4f} bits", flush=True)
    model.set_weights(best[1])
    return {
        "validation": best[0],
        "test": _bits(reader, rows["test"]),
        "epochs": epoch,
        "best_epoch": best[2],
        "minutes": round((time.monotonic() - began) / 60, 1),
    }


def _reader(model):
    """The same layers without states from before: one tune a row, with its own length."""
    embedding, lstm, dense = model.layers
    inputs = keras.Input((None,), dtype="int32")
    fresh = keras.layers.LSTM(UNITS, return_sequences=True)
    outputs = dense(fresh(embedding(inputs)))
    reader = keras.Model(inputs, outputs)
    return reader, lambda: fresh.set_weights(lstm.get_weights())


def _bits(reader, part, rows_at_once=16):
    read, refresh = reader
    refresh()
    part = sorted(part, key=len)
    bits, characters = 0.0, 0
    for first in range(0, len(part), rows_at_once):
        batch = part[first : first + rows_at_once]
        length = max(map(len, batch))
        ids = np.array([row + [0] * (length - len(row)) for row in batch])
        log_probability = keras.ops.convert_to_numpy(keras.ops.log_softmax(read.predict_on_batch(ids[:, :-1])))
        chosen = np.take_along_axis(log_probability, ids[:, 1:, None], axis=2)[:, :, 0]
        kept = ids[:, 1:] > 0
        bits -= float(np.sum(chosen * kept)) / np.log(2)
        characters += int(kept.sum())
    return round(bits / characters, 4)


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
