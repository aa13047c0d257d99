"""Trains the sentiment model on the Large Movie Review Dataset, measures it and exports it to saved_models/sentiment.

python -m training.sentiment --manual_dir DIR        (or SEQKERAS_MANUAL_DIR; without either, it is downloaded)
python -m training.sentiment --evaluate                             the shipped model's figures once more
python -m training.sentiment --dataset csv --csv reviews.csv --workdir runs/mine --export runs/mine/saved_model
python -m training.sentiment --dataset sample --epochs 3 --workdir runs/sample --export runs/sample/saved_model
"""

import dataclasses
import json

import keras
import numpy as np

from seqkeras.models import SequenceClassifier
from seqkeras.text import Vocabulary, split_words
from training import loop, release
from training.config import option, parse
from training.datasets import contrasts, csv_reviews, imdb, sample_reviews
from training.sentiment import data, evaluation, ngrams, word_vectors
from training.sentiment.model import AdversarialClassifier, Sentiment


@dataclasses.dataclass(frozen=True)
class Config:
    dataset: str = option("imdb", "the benchmark of the field", choices=("imdb", "sample", "csv"))
    csv: str | None = option(None, "with --dataset csv: a file of your own reviews")
    text_column: str = option("text", "its column of reviews")
    label_column: str = option("label", "its column of labels: 0 or 1, neg or pos, negative or positive")
    manual_dir: str | None = option(None, "folder with imdb/aclImdb_v1.tar.gz; downloaded if none", may_change=True)
    data_dir: str | None = option(None, "where TFDS keeps what it prepared; its own folder if none", may_change=True)
    workdir: str = option("runs/sentiment", "checkpoints, metrics and logs of the run", may_change=True)
    export: str = option("saved_models/sentiment", "where the SavedModel goes", may_change=True)

    vocabulary_size: int = option(24000, "the commonest words; 12 MB of vectors in the SavedModel", at_least=200)
    unknown_ids: int = option(500, "unknown words spread over so many ids still tell names apart", at_least=1)
    max_words: int = option(1500, "99.9 % of reviews are shorter; the rest of a longer text is not read", at_least=1)
    embedding_size: int = option(128, "of the word vectors", at_least=1)
    embedding_scale: float = option(0.2, "standard deviation of the word vectors at the start")
    units: int = option(128, "of the LSTM, each way", at_least=1)
    cell: str = option("lstm", "the recurrent layer", choices=("lstm", "gru", "simple_rnn"))
    pooling: str = option(
        "max_mean", "shares of words add up exactly", choices=("max", "mean", "max_mean", "attention")
    )
    word_dropout: float = option(0.1, "no single word may decide")
    embedding_dropout: float = option(0.3, "the training reviews are soon known by heart")
    dropout: float = option(0.4, "of the pooled vector; likewise")
    perturbation: float = option(0.03, "adversarial training: length of the change over length of the embeddings")

    crop: int = option(512, "words of a review met in an epoch; nine in ten reviews are shorter", at_least=8)
    piece_share: float = option(0.25, "pieces of one to three sentences for each review, for short texts")
    piece_weight: float = option(0.4, "a sentence is less sure to say what its review says")
    contrasts: int = option(6000, "sentences of our own that teach what 'not' does; 0 for none", at_least=0)
    contrast_weight: float = option(1.0, "of each of them")

    epochs: int = option(4, "half an hour on two cores; later ones learn reviews by heart", at_least=1)
    patience: int = option(4, "epochs without a better validation loss before stopping", at_least=1, may_change=True)
    words_per_batch: int = option(16384, "64 reviews of 256 words", at_least=16)
    learning_rate: float = option(2e-3, "of Adam; falls to a tenth by a cosine")
    clip: float = option(1.0, "largest global norm of the gradient")
    moving_average: float = option(0.995, "of the weights, over about 200 steps: steadier than the last ones")
    star_weight: float = option(0.3, "of the stars' loss beside the label's")
    seed: int = option(1, "of everything drawn at random")
    evaluate: bool = option(False, "measure the SavedModel in --export instead of training one", may_change=True)
    xla: str = option("auto", "on with a GPU, off without", choices=("auto", "on", "off"), may_change=True)


def main(config):
    if config.evaluate:
        print(json.dumps(evaluation.evaluate_saved_model(config.export, load(config, "test")), indent=2))
        return
    workdir = loop.start(config.workdir, config, seed=config.seed)
    with loop.in_turn():
        train, validation, test = (load(config, split) for split in ("train", "validation", "test"))
    ours = contrasts.load(config.contrasts) if config.contrasts else None
    everything = train if ours is None else train.concatenate(ours)

    # Words, and what they mean by the company they keep.
    texts = train.map(lambda review: review["text"])
    vocabulary = Vocabulary.learn(texts.batch(500), config.vocabulary_size, config.unknown_ids, minimum_count=2)
    encoded = data.encode(train, vocabulary, config.max_words)
    encoded_ours = None if ours is None else data.encode(ours, vocabulary, config.max_words)
    vectors = word_vectors.learn(
        (ids for ids, _ in encoded.as_numpy_iterator()), len(vocabulary), config.embedding_size
    )
    print(f"{len(encoded)} reviews to train on, {len(vocabulary)} ids of words", flush=True)

    # The recurrent part.
    with loop.strategy().scope():
        classifier = AdversarialClassifier(
            vocabulary_size=len(vocabulary),
            outputs={"positive": "sigmoid", "stars": "sigmoid"},
            embedding_size=config.embedding_size,
            units=config.units,
            cell=config.cell,
            pooling=config.pooling,
            word_dropout=config.word_dropout,
            embedding_dropout=config.embedding_dropout,
            dropout=config.dropout,
            perturbation=config.perturbation,
        )
        classifier.build((None, None))
        classifier.embedding.embeddings.assign(vectors * config.embedding_scale)

        def batches(epoch):
            return data.training_batches(encoded, encoded_ours, vocabulary, config, epoch)

        steps = sum(1 for _ in batches(0))
        rate = keras.optimizers.schedules.CosineDecay(
            0.1 * config.learning_rate,
            steps * config.epochs - steps // 2,
            alpha=0.1,
            warmup_target=config.learning_rate,
            warmup_steps=steps // 2,
        )
        optimizer = keras.optimizers.Adam(rate, beta_2=0.99, use_ema=True, ema_momentum=config.moving_average)
        classifier.compile(
            optimizer=loop.clipped(optimizer, config.clip),
            loss={"positive": "binary_crossentropy", "stars": "mean_absolute_error"},
            loss_weights={"positive": 1.0, "stars": config.star_weight},
            metrics={"positive": [keras.metrics.BinaryAccuracy(name="accuracy")]},
        )
    rows = loop.fit(
        classifier,
        batches,
        data.evaluation_batches(data.encode(validation, vocabulary, config.max_words), config.words_per_batch),
        workdir=workdir,
        epochs=config.epochs,
        monitor="val_loss",
        patience=config.patience,
        seed=config.seed,
        xla=config.xla,
    )
    loop.end_others()

    # Without its optimizer, whose variables would make the SavedModel three times as large.
    trained = SequenceClassifier(**classifier.config)
    trained.build((None, None))
    trained.set_weights(classifier.get_weights())

    # The phrases, and how much each part is worth, which only reviews that neither has seen can tell.
    presence = ngrams.matrix(
        everything.map(lambda review: review["text"]), lambda text: split_words(text, config.max_words)
    )
    labels = np.array([int(review["label"]) for review in everything.as_numpy_iterator()])
    weights, bias = ngrams.fit(presence, labels)
    equal = dict(recurrent=1.0, phrases=0.0, bias=0.0, star_head=1.0, star_odds=0.0, star_bias=0.0)
    model = Sentiment(trained, ngrams.Evidence(weights, bias), vocabulary, equal, config.max_words)
    model.weights = evaluation.weigh(model, validation)
    print("Weights of the parts:", {name: round(value, 3) for name, value in model.weights.items()}, flush=True)

    # The test reviews, once, and out.
    figures = {
        "test": evaluation.test_figures(model, test),
        "order": evaluation.order_figures(model.rate),
        "run": {
            "minutes": round(sum(row["seconds"] for row in rows) / 60, 1),
            "epochs": len(rows),
            "best_epoch": min(rows, key=lambda row: row["val_loss"])["epoch"],
            "machine": release.machine(),
            "weights": {name: round(value, 4) for name, value in model.weights.items()},
        },
    }
    with loop.exporting(config.export):
        evaluation.save(model, config, figures, workdir, config.export)
    print(json.dumps(figures, indent=2))
    print(f"The SavedModel is in {config.export}")


def load(config, split):
    """The reviews of a split, of the data set that the configuration names."""
    if config.dataset == "csv":
        return csv_reviews.load(split, config.csv, config.text_column, config.label_column)
    source = imdb if config.dataset == "imdb" else sample_reviews
    return source.load(split, manual_dir=config.manual_dir, data_dir=config.data_dir)


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
