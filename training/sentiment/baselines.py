"""Three weaker ideas of the lectures on the same data: a fixed window of words, a bag of words, a plain recurrent net.

    python -m training.sentiment.baselines --manual_dir DIR

trains each (about ten minutes in all on two cores), and keeps their test accuracies in the run's folder and, where the
model is already there, in the figures and the card of saved_models/sentiment. Each epoch's validation accuracy chooses;
the test reviews are read once, at the end.
"""

import keras
import numpy as np
import scipy.sparse
from sklearn.linear_model import LogisticRegression

from seqkeras.models import SequenceClassifier
from seqkeras.text import Vocabulary
from training import release
from training.config import parse
from training.sentiment import data
from training.sentiment.__main__ import Config, load
from training.sentiment.evaluation import write_card

WINDOW = 32  # words
LAST = 200  # words the plain recurrent net reads: what a memory without gates can make use of


def main(config):
    keras.utils.set_random_seed(config.seed)
    reviews = {split: load(config, split) for split in ("train", "validation", "test")}
    texts = reviews["train"].map(lambda review: review["text"])
    vocabulary = Vocabulary.learn(texts.batch(500), config.vocabulary_size, config.unknown_ids, minimum_count=2)
    encoded = {split: data.encode(rows, vocabulary, config.max_words) for split, rows in reviews.items()}
    rows = {split: [ids for ids, _ in part.as_numpy_iterator()] for split, part in encoded.items()}
    labels = {
        split: np.array([targets["positive"] for _, targets in part.as_numpy_iterator()])
        for split, part in encoded.items()
    }
    figures = {
        f"last {WINDOW} words, fixed window": fixed_window(rows, labels, len(vocabulary)),
        "bag of words": bag_of_words(rows, labels, len(vocabulary)),
        f"plain SimpleRNN over the last {LAST} words": simple_rnn(rows, labels, len(vocabulary)),
    }
    if metrics := release.write_baselines(config.workdir, config.export, figures):
        write_card(config, metrics, config.export)


def fixed_window(rows, labels, ids):
    """The last words' vectors side by side, and two dense layers: a word's weight depends on its place."""
    model = keras.Sequential(
        [
            keras.layers.Embedding(ids, 32),
            keras.layers.Flatten(),
            keras.layers.Dropout(0.5),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1, activation="sigmoid"),
        ]
    )
    return _fit(model, {split: last(part, WINDOW) for split, part in rows.items()}, labels, 1e-3, "fixed window")


def bag_of_words(rows, labels, ids):
    """Which words occur, and a weight for each: logistic regression, its strength chosen on validation."""

    def presence(part):
        unique = [np.unique(row) for row in part]
        starts = np.concatenate([[0], np.cumsum([len(row) for row in unique])])
        columns = np.concatenate(unique)
        return scipy.sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts), (len(part), ids))

    matrices = {split: presence(part) for split, part in rows.items()}
    models = [
        LogisticRegression(C=strength, max_iter=300).fit(matrices["train"], labels["train"])
        for strength in (0.01, 0.03, 0.1)
    ]
    scores = [model.score(matrices["validation"], labels["validation"]) for model in models]
    best = models[int(np.argmax(scores))]
    return _figures("bag of words", max(scores), best.score(matrices["test"], labels["test"]))


def simple_rnn(rows, labels, ids):
    """An embedding, one SimpleRNN of 128 units, and its last state: the vanishing gradient's victim."""
    model = SequenceClassifier(
        ids,
        {"positive": "sigmoid"},
        embedding_size=64,
        cell="simple_rnn",
        bidirectional=False,
        pooling="last",
        dropout=0.3,
    )
    arrays = {split: last(part, LAST) for split, part in rows.items()}
    labels = {split: {"positive": part} for split, part in labels.items()}
    return _fit(model, arrays, labels, 1e-3, "SimpleRNN")


def last(rows, length):
    """The last words of each row: int32 `(rows, length)`, padding in front."""
    array = np.zeros((len(rows), length), np.int32)
    for place, row in enumerate(rows):
        row = row[-length:]
        array[place, length - len(row) :] = row
    return array


def _fit(model, arrays, labels, learning_rate, name):
    model.compile(
        keras.optimizers.Adam(learning_rate, global_clipnorm=1.0),
        "binary_crossentropy",
        metrics=[keras.metrics.BinaryAccuracy(name="accuracy")],
    )
    stop = keras.callbacks.EarlyStopping("val_accuracy", mode="max", patience=2, restore_best_weights=True)
    validation = arrays["validation"], labels["validation"]
    history = model.fit(
        arrays["train"], labels["train"], 64, epochs=10, validation_data=validation, callbacks=[stop], verbose=2
    )
    accuracy = model.evaluate(arrays["test"], labels["test"], 256, verbose=0, return_dict=True)["accuracy"]
    return _figures(name, max(history.history["val_accuracy"]), accuracy)


def _figures(name, validation, test):
    print(
        f"{name}: {100 * validation:.2f} % of the validation reviews, {100 * test:.2f} % of the test reviews",
        flush=True,
    )
    return {"accuracy": round(100 * float(test), 2), "validation_accuracy": round(100 * float(validation), 2)}


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
