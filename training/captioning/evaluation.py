"""What a captioner is worth, beside what much simpler ways of captioning are; and how it is written out."""

import collections
import dataclasses
from pathlib import Path

import numpy as np
import sacrebleu
import tensorflow as tf

from seqkeras import export
from training import Stop, release
from training.captioning import data
from training.captioning.cider import cider_d

PENALTIES = (0.0, 0.5, 1.0)  # for length, of which the best on held-out pictures is shipped
TOGETHER = 32  # pictures captioned side by side
# Words as they stand, of any number of captions a picture. "Of order 2" is the geometric mean of 1 and 2, as published.
METRICS = {
    f"bleu{order}": sacrebleu.BLEU(tokenize="none", force=True, smooth_method="none", max_ngram_order=order)
    for order in (1, 2, 3, 4)
}


def scores(captions, references):
    """BLEU-1 to BLEU-4, 0 to 100, and CIDEr-D, of captions as words: dict.

    Args:
        captions: list of str, as the model writes them.
        references: list of lists of str, of each picture its captions, as people wrote them.

    As in the evaluation of COCO, capitals and marks of punctuation count for nothing on either side.
    """
    captions = [" ".join(data.words_of(caption)) for caption in captions]
    references = [[" ".join(data.words_of(text)) for text in texts] for texts in references]
    columns = [[texts[i] if i < len(texts) else None for texts in references] for i in range(max(map(len, references)))]
    found = {name: round(metric.corpus_score(captions, columns).score, 2) for name, metric in METRICS.items()}
    return found | {"cider": round(cider_d(captions, references), 4)}


def captions_of(examples):
    """The captions of each example, list of lists of str."""
    return [[text.decode() for text in example["captions"]] for example in examples]


def caption(beam, examples, width):
    """The best caption of each example, list of str.

    Args:
        beam: the signature "beam".
        examples: list of examples, as NumPy.
        width: int.
    """
    found = []
    for first in range(0, len(examples), TOGETHER):
        images = tf.constant([example["image"] for example in examples[first : first + TOGETHER]])
        captions = beam(image=images, width=tf.constant(width))["captions"][:, 0]
        found += [text.decode() for text in captions.numpy()]
    return found


def choose_penalty(captioner, examples, width):
    """The length penalty of the best BLEU-4 on held-out pictures, and the BLEU-4 of each: float, dict."""
    examples = list(examples.as_numpy_iterator())
    found = {}
    for penalty in PENALTIES:
        captioner.length_penalty = penalty
        beam = tf.function(captioner.beam, input_signature=_specs("image", "width"))
        found[penalty] = scores(caption(beam, examples, width), captions_of(examples))["bleu4"]
    return max(found, key=found.get), found


def save(captioner, config, run, workdir, path):
    """Writes the SavedModel with its configuration and the course of its training.

    Args:
        captioner: training.captioning.model.Captioner.
        config: its Config.
        run: dict of figures of the training.
        workdir: where the run of captions is.
        path: folder of the SavedModel.
    """
    signatures = {
        "serving_default": (captioner.caption, _specs("image")),
        "beam": (captioner.beam, _specs("image", "width")),
    }
    if captioner.attends:
        signatures["attend"] = (captioner.attend, _specs("image"))
    signatures["encode"] = (captioner.encode, _specs("image"))
    export.save(path, signatures, model=captioner.model)
    release.write_metrics(path, {"run": run})
    release.write_run(config, workdir, path)


def evaluate(config, path):
    """The figures on the test split of the SavedModel in `path`, which are also written beside it with the card.

    Args:
        config: the Config of training.captioning.
        path: folder of the SavedModel.

    Returns:
        Dict for metrics.json.
    """
    if not (Path(path) / "saved_model.pb").exists():
        raise Stop(f"There is no SavedModel in {path}. Train one with python -m training.captioning.")
    metrics = release.read_metrics(path)
    model = tf.saved_model.load(str(path))
    examples = list(data.load(config, "test").as_numpy_iterator())
    references = captions_of(examples)
    metrics["test"] = {"pictures": len(examples)} | {
        name: scores(caption(model.signatures["beam"], examples, width), references)
        for name, width in (("greedy", 1), ("beam", config.width))
    }
    metrics["test"]["signature"] = str(METRICS["bleu4"].get_signature())
    train = list(data.load(config, "train").as_numpy_iterator())
    metrics["baselines"] = metrics.get("baselines", {}) | {
        "the most frequent caption for every picture": scores([most_frequent(train)] * len(examples), references),
        "a caption of the most similar training picture": scores(nearest(model, train, examples), references),
    }
    release.write_metrics(path, metrics)
    write_card(config, metrics, path)
    return metrics


def most_frequent(examples):
    """The caption that occurs most often, whatever its capitals and marks: str."""
    counts = collections.Counter(
        " ".join(data.words_of(caption)) for captions in captions_of(examples) for caption in captions
    )
    return max(sorted(counts), key=counts.get)


def nearest(model, train, examples):
    """Of each example a caption of the training picture that the encoder finds most similar: list of str.

    The similarity of two pictures is the cosine between the means of their grids, less the mean over training. Of the
    captions of a picture the one is taken that has most words in common with the others.
    """
    known, asked = (_summaries(model, rows) for rows in (train, examples))
    mean = known.mean(axis=0)
    known, asked = (rows - mean for rows in (known, asked))
    known, asked = (rows / np.linalg.norm(rows, axis=1, keepdims=True) for rows in (known, asked))
    captions = captions_of(train)
    return [_typical(captions[place]) for place in np.argmax(asked @ known.T, axis=1)]


def _summaries(model, examples):
    encode = model.signatures["encode"]
    batches = [
        encode(image=tf.constant([example["image"] for example in examples[first : first + TOGETHER]]))["features"]
        for first in range(0, len(examples), TOGETHER)
    ]
    return np.concatenate([np.mean(batch, axis=(1, 2)) for batch in batches])


def _typical(captions):
    """Of several captions of one picture the one with most words in common with the others."""
    bags = [set(data.words_of(caption)) for caption in captions]

    def agreement(place):
        return sum(len(bags[place] & bag) / max(1, len(bags[place] | bag)) for bag in bags)

    return captions[max(range(len(captions)), key=agreement)]


def write_baseline(captioner, config, run):
    """Measures a variant on the test split and writes its figures beside the SavedModel in `config.export`."""
    beam = tf.function(captioner.beam, input_signature=_specs("image", "width"))
    examples = list(data.load(config, "test").as_numpy_iterator())
    figures = scores(caption(beam, examples, config.width), captions_of(examples))
    release.write_variant(config, figures, run)


def _specs(*names):
    specs = {
        "image": tf.TensorSpec((None,), tf.string, name="image"),
        "width": tf.TensorSpec((), tf.int32, name="width"),
    }
    return [specs[name] for name in names]


def write_card(config, metrics, path):
    """Fills card.md in and writes it as model_card.md."""
    template = Path(__file__).with_name("card.md").read_text(encoding="utf-8")
    names = (*METRICS, "cider")
    test, run = metrics["test"], metrics["run"]
    rows = [["", "BLEU-1", "BLEU-2", "BLEU-3", "BLEU-4", "CIDEr-D"]]
    labels = {f"{config.width} beams, length penalty {run['length_penalty']}": test["beam"], "greedy": test["greedy"]}
    for label, figures in (labels | metrics["baselines"]).items():
        rows.append([label, *(f"{figures[name]:.3f}" if name == "cider" else f"{figures[name]:.1f}" for name in names)])
    values = dataclasses.asdict(config) | run
    values |= {
        "remarks": run.get("remarks", ""),
        "pictures_trained": run["pictures"],
        "words_learnt": config.words,
        "trained_on": data.ABOUT[config.dataset],
        "cell": config.cell.upper(),
        "together": TOGETHER,
        "pictures": test["pictures"],
        "figures": release.table(rows),
        "signature": test["signature"],
        "validation": ", ".join(f"{penalty}: {bleu}" for penalty, bleu in run["validation_bleu4"].items()),
    }
    (Path(path) / "model_card.md").write_text(template.format(**values), encoding="utf-8")
