"""What the finished model is worth, and its way into saved_models/sentiment."""

import dataclasses
from pathlib import Path

import numpy as np
import tensorflow as tf
from scipy.optimize import minimize
from sklearn.linear_model import QuantileRegressor

from seqkeras import export
from training import Stop, release
from training.datasets.contrasts import PAIRS
from training.sentiment.data import stars_of


def measured(function, reviews):
    """Runs a function of strings `(batch,)` over reviews, sorted by length so that little is padded.

    Returns:
        The columns that it returns, in the order of the reviews, and the labels and stars (1 to 5): NumPy arrays.
    """
    rows = list(reviews.as_numpy_iterator())
    order = np.argsort([len(row["text"]) for row in rows], kind="stable")
    columns = []
    for start in range(0, len(rows), 32):
        batch = tf.constant([rows[i]["text"] for i in order[start : start + 32]])
        columns.append([column.numpy() for column in function(batch)])
    back = np.argsort(order, kind="stable")
    labels = np.array([row["label"] for row in rows])
    stars = stars_of([row["stars"] for row in rows]).numpy()
    return [np.concatenate(column)[back] for column in zip(*columns)], labels, stars


def compiled_parts(model):
    """`Sentiment.parts` as a graph."""
    return tf.function(model.parts, input_signature=[tf.TensorSpec((None,), tf.string)])


def weigh(model, validation):
    """How much each part counts: fitted on reviews that neither has seen, by logistic and by median regression."""
    (recurrent, phrases, star_head), labels, stars = measured(compiled_parts(model), validation)
    signs = 2.0 * labels - 1

    def loss(w):
        return np.mean(np.logaddexp(0, -signs * (w[0] * recurrent + w[1] * phrases + w[2])))

    # No part may count against what it says, however sure the other is.
    bounds = [(0.0, None), (0.0, None), (None, None)]
    weights = dict(zip(("recurrent", "phrases", "bias"), map(float, minimize(loss, [0.5, 0.5, 0.0], bounds=bounds).x)))
    odds = weights["recurrent"] * recurrent + weights["phrases"] * phrases + weights["bias"]
    # The median of absolute errors is least where the mean absolute error is.
    median = QuantileRegressor(quantile=0.5, alpha=0.0, solver="highs")
    median.fit(np.stack([1 + 4 * star_head, np.tanh(odds / 2)], axis=1), stars)
    return weights | {
        "star_head": float(median.coef_[0]),
        "star_odds": float(median.coef_[1]),
        "star_bias": float(median.intercept_),
    }


def test_figures(model, test):
    """Accuracy of the whole and of its parts, in per cent, and the stars' mean absolute error, on a split."""
    (recurrent, phrases, star_head), labels, stars = measured(compiled_parts(model), test)
    answer = model.answer(recurrent, phrases, star_head)
    positive = answer["positive"].numpy()
    return {
        "accuracy": _accuracy(positive > 0.5, labels),
        "accuracy_recurrent_part_alone": _accuracy(recurrent > 0, labels),
        "accuracy_phrases_alone": _accuracy(phrases > 0, labels),
        "stars_mean_absolute_error": round(float(np.mean(np.abs(answer["stars"].numpy() - stars))), 3),
        "log_loss": round(float(-np.mean(np.log(np.where(labels == 1, positive, 1 - positive) + 1e-9))), 4),
        "reviews": len(labels),
    }


def order_figures(rate):
    """How many of `contrasts.PAIRS`, held out, come out in the right order, and on the right sides of 0.5."""
    first, second = (rate(tf.constant([pair[i] for pair in PAIRS]))["positive"].numpy() for i in (0, 1))
    return {
        "pairs": len(PAIRS),
        "pairs_in_order": int(np.sum(first > second)),
        "pairs_on_their_sides": int(np.sum((first > 0.5) & (second < 0.5))),
        "food_was_good": round(float(first[0]), 3),
        "food_was_bad": round(float(second[0]), 3),
    }


def evaluate_saved_model(path, test):
    """The shipped figures once more, from the SavedModel alone."""
    if not (Path(path) / "saved_model.pb").exists():
        raise Stop(f"There is no SavedModel in {path}. Train one with python -m training.sentiment.")
    rate = tf.saved_model.load(path).signatures["serving_default"]
    (positive, stars), labels, true_stars = measured(
        lambda text: (rate(text=text)[n] for n in ("positive", "stars")), test
    )
    return {
        "accuracy": _accuracy(positive > 0.5, labels),
        "stars_mean_absolute_error": round(float(np.mean(np.abs(stars - true_stars))), 3),
        "reviews": len(labels),
    } | order_figures(lambda text: rate(text=text))


def save(model, config, figures, workdir, path):
    """Writes the SavedModel with its card, figures and configuration."""
    text = [tf.TensorSpec((None,), tf.string, name="text")]
    export.save(
        path,
        {"serving_default": (model.rate, text), "explain": (model.explain, text)},
        model=model,
    )
    folder = Path(path)
    figures = figures | release.read_baselines(workdir)
    release.write_metrics(folder, figures)
    write_card(config, figures, path)
    release.write_run(config, workdir, folder)


def write_card(config, figures, path):
    """Fills card.md in and writes it as model_card.md."""
    data = (
        "the Large Movie Review Dataset (Maas et al. 2011): 22,600 of its 25,000 training reviews of films, 2,400\n"
        "held out to choose by. It states no licence and asks to be cited. Nothing pre-trained elsewhere was used"
        if config.dataset == "imdb"
        else f"the data set `{config.dataset}`"
    )
    rows = [f"| {name} | {values['accuracy']:.2f} |\n" for name, values in figures.get("baselines", {}).items()]
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    values = dataclasses.asdict(config) | figures["test"] | figures["order"] | figures["run"]
    values |= {"cell": config.cell.upper(), "pooling": config.pooling.replace("_", " and ")}
    card = template.format(**values, data=data, baselines="".join(rows))
    (Path(path) / "model_card.md").write_text(card, encoding="utf-8")


def _accuracy(said, labels):
    """In per cent, to two digits."""
    return round(100 * float(np.mean(said == (labels == 1))), 2)
