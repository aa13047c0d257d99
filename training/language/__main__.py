"""Trains a language model on characters or words, measures it and exports it to saved_models/language/<corpus>.

python -m training.language --corpus shakespeare --manual_dir DIR     characters (or SEQKERAS_MANUAL_DIR)
python -m training.language --corpus penn_treebank --manual_dir DIR   words
python -m training.language --corpus python                           code, of Python's own library; no download
python -m training.language --corpus PATH [--level words]             a text file, or a folder of them, source code too
python -m training.language --corpus penn_treebank --evaluate         the shipped model's figures once more
python -m training.language --corpus penn_treebank --units 200 --embedding_size 200 --tied false --dropout 0
    --recurrent_dropout 0 --embedding_dropout 0 --epochs 13 --chunk 20 --workdir runs/small
    --baseline "2 layers of 200"              a variant; its figures go beside the shipped model's
python -m training.language --corpus sample --epochs 3 --workdir runs/sample --export runs/sample
"""

import dataclasses
import json
from pathlib import Path

import keras

from seqkeras.export import stored_in_half
from seqkeras.models import LanguageModel
from training import loop, release
from training.config import option, parse
from training.language import data, evaluation
from training.language.model import Language

# Words are many and each is rare: the model is soon sure of what it saw once, and needs more dropout.
BY_LEVEL = {
    data.CHARACTERS: {
        "units": 384, "embedding_size": 64, "tied": False, "embedding_dropout": 0.1, "dropout": 0.4,
        "recurrent_dropout": 0.2, "epochs": 20, "batch_size": 32, "chunk": 128,
    },
    data.WORDS: {
        "units": 400, "embedding_size": 400, "tied": True, "embedding_dropout": 0.2, "dropout": 0.4,
        "recurrent_dropout": 0.25, "epochs": 16, "batch_size": 20, "chunk": 35,
    },
}  # fmt: skip
# Of characters likewise: eight times as much text, met four times, is not learned by heart.
BY_CORPUS = {
    "python": {"units": 256, "embedding_dropout": 0.0, "dropout": 0.1, "recurrent_dropout": 0.05, "epochs": 4},
}


@dataclasses.dataclass(frozen=True)
class Config:
    corpus: str = option(
        "shakespeare", f"one of {', '.join(data.SETS)}, or the path of a text file or a folder of them"
    )
    level: str | None = option(
        None, "what is read; words for penn_treebank, else characters", choices=(data.CHARACTERS, data.WORDS, None)
    )
    manual_dir: str | None = option(None, "folder with tinyshakespeare/ or ptb/; downloaded if none", may_change=True)
    data_dir: str | None = option(None, "where TFDS keeps what it prepared; its own folder if none", may_change=True)
    workdir: str = option("runs/language", "the run is in a folder of it named as the corpus", may_change=True)
    export: str = option("saved_models/language", "the SavedModel goes into a folder there, likewise", may_change=True)
    baseline: str | None = option(
        None, "write the figures under this name beside the SavedModel in --export, not a SavedModel", may_change=True
    )

    vocabulary: int = option(10_003, "ids of words at the most; the Penn Treebank has 10,000 and three to spare")
    minimum_count: int = option(1, "rarer characters are left out", at_least=1)
    cell: str = option("lstm", "the recurrent layers", choices=("lstm", "gru", "simple_rnn"))
    num_layers: int = option(2, "as in Zaremba et al. 2014", at_least=1)
    units: int | None = option(None, "of each recurrent layer; 384, or 400 for words", at_least=1)
    embedding_size: int | None = option(None, "of the symbols' vectors; 64, or 400 for words", at_least=1)
    tied: bool | None = option(None, "whether the output reads the embeddings backward; for words alone")
    embedding_dropout: float | None = option(None, "of dimensions; 0.1, or 0.2 for words")
    dropout: float | None = option(None, "of what each layer says; 0.4")
    recurrent_dropout: float | None = option(None, "of hidden states; 0.2, or 0.25 for words")
    variational: bool = option(True, "the same dropout in a whole chunk, as of Gal and Ghahramani 2016")

    epochs: int | None = option(
        None, "20, half an hour on a core; 4 for python, as long; or 16 for words, 1.5 hours", at_least=1
    )
    patience: int = option(5, "epochs without a better held-out figure before stopping", at_least=1, may_change=True)
    batch_size: int | None = option(None, "rows the text is read in; 32, or 20 for words", at_least=1)
    chunk: int | None = option(None, "symbols gradients go back through; 128, or 35 for words", at_least=2)
    learning_rate: float = option(2e-3, "of Adam; rises for an epoch and falls by a cosine")
    clip: float = option(1.0, "largest global norm of the gradient")
    moving_average: float = option(0.998, "of the weights, over about 500 steps: steadier than the last ones")
    top_p: float = option(0.95, "the unlikely rest is never drawn", may_change=True)
    seed: int = option(1, "of everything drawn at random")
    evaluate: bool = option(False, "measure the SavedModel in --export instead of training one", may_change=True)
    xla: str = option("auto", "on with a GPU, off without", choices=("auto", "on", "off"), may_change=True)


def main(config):
    config = settled(config)
    if config.evaluate:
        # As it was made, whatever the defaults are now.
        config = dataclasses.replace(config, **release.read_config(config.export))
    if config.baseline:
        release.shipped(config.export)  # before hours of work
    workdir = None if config.evaluate else loop.start(config.workdir, config, seed=config.seed)
    with loop.in_turn():
        texts = {split: data.load(config, split) for split in ("train", "validation", "test")}
    symbols, encode = data.reader(texts["train"], config)

    def ids(split):
        return encode(texts[split])

    network = architecture(config, len(symbols))
    if config.evaluate:
        print(json.dumps(evaluation.evaluate(config, config.export, ids), indent=2, ensure_ascii=False))
        return
    train = ids("train")
    print(f"{len(train):,} {config.level} to train on, a vocabulary of {len(symbols):,}", flush=True)

    # A stateful model, which reads the text chunk by chunk.
    with loop.strategy().scope():
        model = LanguageModel(**network, stateful=True, seed=config.seed)
        model.build({name: (loop.rows_each(config.batch_size), config.chunk) for name in ("inputs", "mask")})
        optimizer = loop.adam(
            config.learning_rate,
            steps=len(data.batches(train, config.batch_size, config.chunk)),
            epochs=config.epochs,
            clip=config.clip,
            moving_average=config.moving_average,
            end=0.02,
        )
        model.compile(
            optimizer=optimizer,
            # Nats a symbol, over the symbols that are there.
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight"),
        )
    rows = loop.fit(
        model,
        lambda epoch: data.training_batches(train, config, epoch),
        data.batches(ids("validation"), config.batch_size, config.chunk),
        workdir=workdir,
        epochs=config.epochs,
        patience=config.patience,
        seed=config.seed,
        xla=config.xla,
    )
    loop.end_others()

    # Without its optimizer and its states: what writes, one symbol at a time.
    with stored_in_half():
        trained = LanguageModel(**network)
        trained.build((None, None))
    trained.set_weights(model.get_weights())
    run = {
        "symbols": len(train),
        "vocabulary_size": len(symbols),
        "minutes": round(sum(row["seconds"] for row in rows) / 60, 1),
        "epochs_run": len(rows),
        "best_epoch": min(rows, key=lambda row: row["val_loss"])["epoch"],
        "parameters": int(trained.count_params()),
        "machine": release.machine(),
    }
    language = Language(trained, symbols, config.top_p)
    if config.baseline:
        measured = evaluation.nats(language.next_step, sum(language.sizes), ids("test"))
        measured = evaluation.figures(measured, config.level)
        release.write_variant(config, measured, run)
        return
    with loop.exporting(config.export):
        evaluation.save(language, config, run, workdir, config.export)
    print(json.dumps(evaluation.evaluate(config, config.export, ids), indent=2, ensure_ascii=False))
    print(f"The SavedModel is in {config.export}")


def settled(config):
    """The configuration with the level's own values where none were given, and its folders."""
    level = config.level or (data.WORDS if config.corpus == "penn_treebank" else data.CHARACTERS)
    defaults = BY_LEVEL[level] | (BY_CORPUS.get(config.corpus, {}) if level == data.CHARACTERS else {})
    values = {name: value for name, value in defaults.items() if getattr(config, name) is None}
    name = config.corpus if config.corpus in data.SETS else Path(config.corpus).stem
    folders = {folder: str(Path(getattr(config, folder)) / name) for folder in ("workdir", "export")}
    return dataclasses.replace(config, level=level, **values, **folders)


def architecture(config, symbols):
    """The arguments of the LanguageModel that `config` describes."""
    names = (
        "cell", "units", "num_layers", "embedding_size", "tied", "embedding_dropout", "dropout", "recurrent_dropout",
        "variational",
    )  # fmt: skip
    return {"vocabulary_size": symbols} | {name: getattr(config, name) for name in names}


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
