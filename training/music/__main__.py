"""Trains the music model on Irish and English folk tunes, measures it and exports it to saved_models/music.

python -m training.music --manual_dir DIR           (or SEQKERAS_MANUAL_DIR; without either, the tunes are downloaded)
python -m training.music --evaluate                                 the shipped model's figures once more
python -m training.music --dataset folder --folder tunes --workdir runs/mine/music --export runs/mine/saved_models/music
                                                                    your own tunes, files in ABC notation
python -m training.music --dataset sample --epochs 3 --workdir runs/sample --export runs/sample/saved_model
"""

import dataclasses
import json

import keras

from seqkeras.export import stored_in_half
from seqkeras.models import LanguageModel
from training import Stop, loop, release
from training.config import option, parse
from training.datasets import abc_folder, folk_tunes
from training.music import data, evaluation
from training.music.model import Music


@dataclasses.dataclass(frozen=True)
class Config:
    dataset: str = option(
        "folk",
        "Irish and Nottingham tunes together; sample is composed by us, folder is your own",
        choices=("folk", "irish", "nottingham", "sample", "folder"),
    )
    folder: str | None = option(None, "with --dataset folder: where the files in ABC notation are")
    manual_dir: str | None = option(
        None, "folder with irish_abc/ and nottingham_abc/; downloaded if none", may_change=True
    )
    data_dir: str | None = option(None, "where TFDS keeps what it prepared; its own folder if none", may_change=True)
    workdir: str = option("runs/music", "checkpoints, metrics and logs of the run", may_change=True)
    export: str = option("saved_models/music", "where the SavedModel goes", may_change=True)

    cell: str = option("lstm", "the recurrent layers", choices=("lstm", "gru", "simple_rnn"))
    units: int = option(384, "of each recurrent layer; twice as many train four times as long", at_least=1)
    num_layers: int = option(2, "the upper one sees bars and parts where the lower one sees notes", at_least=1)
    embedding_size: int = option(64, "of the symbols' vectors; there are some two hundred symbols", at_least=1)
    tied: bool = option(False, "a few symbols need no help from their embeddings to be told apart")
    embedding_dropout: float = option(0.1, "a slip in one note should not throw the tune off")
    dropout: float = option(0.35, "1,400 tunes are soon known by heart")
    recurrent_dropout: float = option(0.15, "likewise")
    line_dropout: float = option(0.3, "how often the lines R: and N: are left out, so that a prompt may leave them out")
    transpose: bool = option(True, "each tune in all twelve keys: twelve times the data, and any key can be asked for")

    epochs: int = option(45, "three quarters of an hour on one core; later ones gain little", at_least=1)
    patience: int = option(8, "epochs without a better held-out figure before stopping", at_least=1, may_change=True)
    batch_size: int = option(32, "tunes side by side", at_least=1)
    chunk: int = option(96, "symbols that gradients go back through, about ten bars; states go on", at_least=2)
    learning_rate: float = option(3e-3, "of Adam; falls to three tenths by a cosine")
    clip: float = option(1.0, "largest global norm of the gradient")
    moving_average: float = option(0.995, "of the weights, over about 200 steps: steadier than the last ones")
    top_p: float = option(
        0.9, "the unlikely rest is never drawn; with 0.95 fewer tunes keep their bars full", may_change=True
    )
    seed: int = option(1, "of everything drawn at random")
    evaluate: bool = option(False, "measure the SavedModel in --export instead of training one", may_change=True)
    xla: str = option("auto", "on with a GPU, off without", choices=("auto", "on", "off"), may_change=True)


def main(config):
    if config.evaluate:
        # As it was made, whatever the defaults are now.
        config = dataclasses.replace(config, **release.read_config(config.export))
    if config.dataset != "folder" and config.folder:
        raise Stop("--folder is read with --dataset folder alone; give that too.")
    workdir = None if config.evaluate else loop.start(config.workdir, config, seed=config.seed)
    with loop.in_turn():
        tunes = {split: load(config, split) for split in ("train", "validation", "test")}
    if config.evaluate:
        print(json.dumps(evaluation.evaluate(config, config.export, tunes), indent=2))
        return

    # Tunes, in all keys, and the symbols they are written in.
    keys = range(-5, 7) if config.transpose else (0,)
    train = [data.Tune(tune, keys) for tune in tunes["train"]]
    validation = [data.Tune(tune) for tune in tunes["validation"]]
    symbols = data.vocabulary(train)
    encoder = data.Encoder(symbols)
    streams = data.evaluation_streams(validation, encoder)
    print(f"{len(train)} tunes to train on, {len(validation)} held out, {len(symbols)} symbols", flush=True)

    # A stateful model, which reads a tune chunk by chunk.
    with loop.strategy().scope():
        model = LanguageModel(**architecture(config, len(symbols)), stateful=True, seed=config.seed)
        model.build({name: (loop.rows_each(config.batch_size), config.chunk) for name in ("inputs", "mask")})

        def batches(epoch):
            return data.training_batches(train, encoder, config, epoch)

        optimizer = loop.adam(
            config.learning_rate,
            steps=sum(1 for _ in batches(0)),
            epochs=config.epochs,
            clip=config.clip,
            moving_average=config.moving_average,
        )
        model.compile(
            optimizer=optimizer,
            loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
            # Nats a symbol, over the symbols that are there.
            weighted_metrics=[keras.metrics.SparseCategoricalCrossentropy(from_logits=True, name="nats")],
        )
    rows = loop.fit(
        model,
        batches,
        data.batches(streams, config),
        workdir=workdir,
        epochs=config.epochs,
        monitor="val_nats",
        patience=config.patience,
        seed=config.seed,
        xla=config.xla,
    )
    loop.end_others()

    # Without its optimizer and its states: what writes, one symbol at a time.
    with stored_in_half():
        trained = LanguageModel(**architecture(config, len(symbols)))
        trained.build((None, None))
    trained.set_weights(model.get_weights())
    with loop.exporting(config.export):
        evaluation.save(Music(trained, symbols, config.top_p), config, rows, workdir, config.export)
    figures = evaluation.evaluate(config, config.export, tunes)
    print(json.dumps(figures, indent=2))
    print(f"The SavedModel is in {config.export}")


def architecture(config, symbols):
    """The arguments of the LanguageModel that `config` describes."""
    names = (
        "cell", "units", "num_layers", "embedding_size", "tied", "embedding_dropout", "dropout", "recurrent_dropout"
    )  # fmt: skip
    return {"vocabulary_size": symbols} | {name: getattr(config, name) for name in names}


def load(config, split):
    """The tunes of a split in normal form: list of str."""
    if config.dataset == "folder":
        dataset = abc_folder.load(split, config.folder)
    else:
        dataset = folk_tunes.load(split, config.dataset, manual_dir=config.manual_dir, data_dir=config.data_dir)
    return [tune["tune"].decode() for tune in dataset.as_numpy_iterator()]


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
