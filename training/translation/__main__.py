"""Trains a translation model, measures it and exports it to saved_models/translation/<source>-<target>.

python -m training.translation --pair en-de --manual_dir DIR   (or SEQKERAS_MANUAL_DIR; without either, downloaded)
python -m training.translation --pair en-vi --parent runs/translation/en-es     begins with what that run learnt
python -m training.translation --pair en-de --evaluate                          the shipped model's figures once more
python -m training.translation --pair en-fr --attention none --workdir runs/plain --baseline "without attention"
                                                            a variant; its figures go beside the shipped model's
python -m training.translation --dataset files --pair en-it --source_file english.txt --target_file italian.txt
    --workdir runs/mine --export runs/mine/saved_models/translation      your own texts, of any two languages
python -m training.translation --pair en-fr --dataset sample --epochs 5 --workdir runs/sample --export runs/sample
"""

import dataclasses
import json
import re
from pathlib import Path

import tensorflow as tf

from seqkeras.models import EncoderDecoder
from seqkeras.models.encoder_decoder import SmoothedCrossentropy
from seqkeras.text import Subwords
from training import Stop, loop, release
from training.config import option, parse
from training.translation import data, evaluation
from training.translation.model import Translator

SUBWORDS = ("source.npz", "target.npz")
# Where the data sets want different things: captions of photos are 29,000 pairs of like sentences, soon known by heart;
# everyday sentences are four times as many and half as long; the Vietnamese ones are few. German glues words together.
BY_PAIR = {
    "en-de": {
        "vocabulary": 8000,
        "epochs": 24,
        "embedding_dropout": 0.3,
        "memory_dropout": 0.4,
        "output_dropout": 0.5,
    },
    "fr-en": {"learning_rate_end": 0.05},
    "en-es": {
        "vocabulary": 8000,
        "epochs": 10,
        "embedding_dropout": 0.1,
    },
    "en-vi": {"epochs": 30, "subword_dropout": 0.1, "batch_size": 32},
}


@dataclasses.dataclass(frozen=True)
class Config:
    pair: str = option(
        "en-de", f"source and target language: {', '.join(data.SETS)}; with --dataset files any two, such as en-it"
    )
    dataset: str = option(
        "own",
        "the pair's own; sample is our phrase book, en-fr or fr-en; files are yours",
        choices=("own", "sample", "files"),
    )
    source_file: str | None = option(None, "with --dataset files: a text file in UTF-8, a sentence a line")
    target_file: str | None = option(None, "likewise: its translation, line by line")
    manual_dir: str | None = option(None, "folder with multi30k/ or tatoeba/; downloaded if none", may_change=True)
    data_dir: str | None = option(None, "where TFDS keeps what it prepared; its own folder if none", may_change=True)
    workdir: str = option("runs/translation", "the run is in a folder of it named as the pair", may_change=True)
    export: str = option(
        "saved_models/translation", "the SavedModel goes into the pair's folder there", may_change=True
    )
    baseline: str | None = option(
        None, "write the figures under this name beside the SavedModel in --export, not a SavedModel", may_change=True
    )
    parent: str | None = option(None, "folder of a run of another pair to begin with; helps where pairs are few")

    vocabulary: int | None = option(
        None, "subwords of both languages together; 4000, or 8000 for en-de, en-es", at_least=300
    )
    embedding_size: int = option(128, "as in LIUM-CVC's WMT17 system, which the figures are compared with", at_least=1)
    units: int = option(256, "of each direction and of the decoder, likewise", at_least=1)
    cell: str = option("gru", "likewise", choices=("gru", "lstm", "simple_rnn"))
    encoder_layers: int = option(1, "a second one costs a quarter of the time", at_least=1)
    decoder_layers: int = option(1, "likewise", at_least=1)
    attention: str | None = option("bahdanau", "bahdanau, general or concat; none for the lectures' plain decoder")
    embedding_dropout: float | None = option(
        None, "of dimensions, in a whole sentence; 0.2, for en-de 0.3, for en-es 0.1"
    )
    memory_dropout: float | None = option(None, "of what the encoder says, likewise; 0.2, or 0.4 for en-de")
    output_dropout: float | None = option(None, "of what the decoder says, before the words; 0.3, or 0.5 for en-de")
    label_smoothing: float = option(0.1, "keeps it from being sure of one wording")
    scheduled_sampling: float = option(0.0, "share of words that the decoder is given of its own in training")
    subword_dropout: float | None = option(
        None, "share of merges left out, so that words are met in parts; for en-vi 0.1"
    )

    epochs: int | None = option(None, "18; 24 for en-de, 10 for en-es, 30 for en-vi: an hour at most", at_least=1)
    width: int = option(5, "beams of the SavedModel's plain signature", at_least=1, may_change=True)
    patience: int = option(5, "epochs without a better held-out figure before stopping", at_least=1, may_change=True)
    batch_size: int | None = option(None, "sentences; 64, or 32 for en-vi", at_least=1)
    longest: int = option(100, "subwords of a sentence; longer ones are left out of training", at_least=1)
    learning_rate: float = option(1.5e-3, "of Adam; falls by a cosine")
    learning_rate_end: float | None = option(None, "share of it that is left at the end; 0.3, or 0.05 for fr-en")
    clip: float = option(5.0, "largest global norm of the gradient")
    moving_average: float = option(0.998, "of the weights, over about 500 steps: steadier than the last ones")
    seed: int = option(1, "of everything drawn at random")
    evaluate: bool = option(False, "measure the SavedModel in --export instead of training one", may_change=True)
    xla: str = option("auto", "on with a GPU, off without", choices=("auto", "on", "off"), may_change=True)


DEFAULTS = {
    "vocabulary": 4000,
    "embedding_dropout": 0.2,
    "memory_dropout": 0.2,
    "output_dropout": 0.3,
    "subword_dropout": 0.0,
    "epochs": 18,
    "batch_size": 64,
    "learning_rate_end": 0.3,
}


def main(config):
    config = settled(config)
    if config.evaluate:
        # As it was made, whatever the defaults are now.
        config = dataclasses.replace(config, **release.read_config(config.export))
    check(config)
    if config.evaluate:
        print(json.dumps(evaluation.evaluate(config, config.export), indent=2, ensure_ascii=False))
        return
    if config.baseline:
        release.shipped(config.export)  # before hours of work
    workdir = loop.start(config.workdir, config, seed=config.seed)
    with loop.in_turn():
        train, validation = (data.columns(data.load(config, split)) for split in ("train", "validation"))
        subwords = learn(train, config, workdir)
    held_out = [data.encode(texts, side) for texts, side in zip(validation, subwords)]
    print(
        f"{len(train[0]):,} pairs to train on, {len(validation[0]):,} held out, {len(subwords[0]):,} subwords",
        flush=True,
    )

    # A dropout of merges takes every sentence apart anew in each epoch.
    plain = None if config.subword_dropout else [data.encode(*side) for side in zip(train, subwords)]

    def batches(epoch):
        encoded = plain or [
            data.encode(texts, side, config.subword_dropout, 2 * (1000 * config.seed + epoch) + number)
            for number, (texts, side) in enumerate(zip(train, subwords))
        ]
        return data.training_batches(encoded, config, epoch)

    with loop.strategy().scope():
        model = build(config, len(subwords[0]))
        if config.parent:
            print(begin_with(model, subwords, config.parent), flush=True)
        optimizer = loop.adam(
            config.learning_rate,
            steps=sum(1 for _ in batches(0)),
            epochs=config.epochs,
            clip=config.clip,
            moving_average=config.moving_average,
            end=config.learning_rate_end,
        )
        model.compile(
            optimizer=optimizer,
            loss=SmoothedCrossentropy(config.label_smoothing, reduction="mean_with_sample_weight"),
        )
    rows = loop.fit(
        model,
        batches,
        data.evaluation_batches(held_out, config),
        workdir=workdir,
        epochs=config.epochs,
        patience=config.patience,
        seed=config.seed,
        xla=config.xla,
    )
    loop.end_others()

    # Without its optimizer.
    trained = build(config, len(subwords[0]))
    trained.set_weights(model.get_weights())
    translator = Translator(trained, subwords, config.width, length_penalty=0.0)
    pairs = list(data.load(config, "validation").as_numpy_iterator())
    target = config.pair.split("-")[1]
    translator.length_penalty, bleu = evaluation.choose_penalty(translator, pairs, config.width, target)
    run = {
        "pairs": len(train[0]),
        "held_out": len(pairs),
        "subwords": len(subwords[0]),
        "length_penalty": translator.length_penalty,
        "validation_bleu": bleu,
        "minutes": round(sum(row["seconds"] for row in rows) / 60, 1),
        "epochs_run": len(rows),
        "best_epoch": min(rows, key=lambda row: row["val_loss"])["epoch"],
        "parameters": int(trained.count_params()),
        "machine": release.machine(),
    }
    if config.baseline:
        evaluation.write_baseline(translator, config, run)
        return
    with loop.exporting(config.export):
        evaluation.save(translator, config, run, workdir, config.export)
    print(json.dumps(evaluation.evaluate(config, config.export), indent=2, ensure_ascii=False))
    print(f"The SavedModel is in {config.export}")


def settled(config):
    """The configuration with the pair's own values where none were given, and its folders."""
    if not re.fullmatch("[a-z]{2,3}-[a-z]{2,3}", config.pair):
        raise Stop(f"--pair wants the codes of two languages, such as en-it. Received: {config.pair}")
    # A pair's own values are those that its own set wants.
    values = DEFAULTS | (BY_PAIR.get(config.pair, {}) if config.dataset != "files" else {})
    values = {name: value for name, value in values.items() if getattr(config, name) is None}
    folders = {name: str(Path(getattr(config, name)) / config.pair) for name in ("workdir", "export")}
    return dataclasses.replace(config, **values, **folders)


def check(config):
    """Raises Stop where the data set has not the pair, or files are given that it would not read."""
    if config.dataset != "files" and (config.source_file or config.target_file):
        raise Stop("--source_file and --target_file are read with --dataset files alone; give that too.")
    if config.dataset == "sample" and config.pair not in ("en-fr", "fr-en"):
        raise Stop(f"Our phrase book is English and French: give --pair en-fr or fr-en, not {config.pair}.")
    if config.dataset == "own" and config.pair not in data.SETS:
        raise Stop(
            f"--pair wanted one of {', '.join(data.SETS)}. Received: {config.pair}. For other languages give texts of "
            "your own, with --dataset files."
        )


def learn(texts, config, workdir):
    """The subwords of source and target, which share their ids; kept in the workdir, for whoever goes on from there."""
    paths = [workdir / name for name in SUBWORDS]
    if not all(path.exists() for path in paths):
        corpora = [tf.data.Dataset.from_tensor_slices(side).batch(1000) for side in texts]
        try:
            learnt = Subwords.learn_joint(corpora, config.vocabulary)
        except ValueError as error:
            # Of Chinese and the like there are more characters than there are subwords of others.
            raise Stop(f"{error}. Give a greater --vocabulary.") from None
        for side, path in zip(learnt, paths):
            side.save(path)
    return [Subwords.load(path) for path in paths]


def build(config, subwords):
    """The network that `config` describes, built."""
    names = (
        "embedding_size", "units", "cell", "encoder_layers", "decoder_layers", "attention", "embedding_dropout",
        "memory_dropout", "output_dropout", "scheduled_sampling", "seed",
    )  # fmt: skip
    values = {name: getattr(config, name) for name in names}
    model = EncoderDecoder(subwords, subwords, share_embeddings=True, **values)
    model.build({"source": (None, None), "target": (None, None)})
    return model


def begin_with(model, subwords, parent):
    """Gives the model what the run in the folder `parent` learnt; subwords that it had too keep their vectors."""
    parent = Path(parent)
    if not (parent / loop.BEST).exists():
        raise Stop(f"There is no finished epoch in {parent}, the --parent. Train that pair first.")
    config = Config(**json.loads((parent / loop.CONFIG).read_text(encoding="utf-8")))
    before = [Subwords.load(parent / name) for name in SUBWORDS]
    trained = build(config, len(before[0]))
    trained.load_weights(parent / loop.BEST)
    places = {piece: place for place, piece in enumerate(before[0].pieces)}
    same = [(new, places[piece]) for new, piece in enumerate(subwords[0].pieces) if piece in places]
    new, old = zip(*same)
    for variable, learnt in zip(model.weights, trained.weights):
        if variable.shape == learnt.shape:
            variable.assign(learnt)
        elif variable.shape[1:] == learnt.shape[1:]:  # a row, or a bias, for each subword
            value = variable.numpy()
            value[list(new)] = learnt.numpy()[list(old)]
            variable.assign(value)
        else:
            raise Stop(f"The run in {parent} is of another size: {variable.path} has the shape {learnt.shape} there.")
    count = f"{len(new):,} of {len(subwords[0]):,}"
    return f"All layers begin with the weights of {parent}, and {count} subwords with its vectors."


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
