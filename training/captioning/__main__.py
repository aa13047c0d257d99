"""Trains a model that says what is in a picture, measures it and exports it to saved_models/captioning.

python -m training.captioning --manual_dir DIR              (or SEQKERAS_MANUAL_DIR; without either, downloaded)
python -m training.captioning --evaluate                    the shipped model's figures once more
python -m training.captioning --attention none --baseline "without attention" --workdir runs/plain
                                                            a variant; its figures go beside the shipped model's
python -m training.captioning --dataset folder --folder pictures --captions_file captions.csv --workdir runs/mine
python -m training.captioning --dataset sample --word_epochs 3 --epochs 5 --workdir runs/sample --export runs/sample
"""

import dataclasses
import json

import keras

from seqkeras.models.encoder_decoder import SmoothedCrossentropy
from training import loop, release
from training.captioning import data, evaluation
from training.captioning.model import COMPACT, Captioner, build, build_encoder, build_words_model
from training.config import option, parse

WORDS, CAPTIONS, PICTURES = "words", "captions", "pictures"  # folders in the workdir


@dataclasses.dataclass(frozen=True)
class Config:
    dataset: str = option("flickr8k", "sample is drawn by us, folder is your own", choices=tuple(data.SETS))
    manual_dir: str | None = option(None, "folder with flickr8k/; downloaded if none", may_change=True)
    data_dir: str | None = option(None, "where TFDS keeps what it prepared; its own folder if none", may_change=True)
    folder: str | None = option(None, "with --dataset folder: where the pictures are")
    captions_file: str | None = option(None, "with --dataset folder: a CSV file with the columns image and caption")
    workdir: str = option("runs/captioning", "folder of the run", may_change=True)
    export: str = option("saved_models/captioning", "folder of the SavedModel", may_change=True)
    baseline: str | None = option(
        None, "write the figures under this name beside the SavedModel in --export, not a SavedModel", may_change=True
    )

    side: int = option(160, "pixels of the squares that pictures are kept as; Flickr8k's copy of ours has no more")
    crop: int = option(128, "pixels of the part that training sees", at_least=16)
    size: int = option(128, "pixels of the whole picture when it is captioned; 160 are no better", at_least=16)
    captions_each: int = option(5, "captions of a picture, which is encoded once for all", at_least=1)
    minimum_count: int = option(5, "rarer words are left out", at_least=1)

    encoder: str = option(COMPACT, "or a net of keras.applications, such as efficientnetv2-b0")
    encoder_weights: str | None = option(None, "imagenet, or a path, for a net of keras.applications")
    encoder_dtype: str = option(
        "mixed_bfloat16", "half the time on processors that have it, such as Xeons since 2023; float32 for others"
    )
    words: int = option(1000, "most frequent words that the encoder first learns to predict", at_least=1)
    word_epochs: int = option(40, "of that; 0 for an encoder that knows something", at_least=0)
    word_learning_rate: float = option(1e-3, "of AdamW, as below")
    words_dropout: float = option(0.2, "share of the features left out before the words")

    embedding_size: int = option(256, "of the words, and of what the decoder says", at_least=1)
    units: int = option(384, "of the decoder", at_least=1)
    cell: str = option("gru", "as in translation", choices=("gru", "lstm", "simple_rnn"))
    decoder_layers: int = option(1, "captions are short", at_least=1)
    attention: str | None = option("bahdanau", "bahdanau, general or concat; none for the mean of the grid alone")
    attention_units: int = option(128, "384 take thrice the time of an epoch, in tanh over 64 places", at_least=1)
    attention_penalty: float = option(1.0, "Show, Attend and Tell's doubly stochastic attention; 0 without attention")
    embedding_dropout: float = option(0.2, "of dimensions, in a whole caption")
    memory_dropout: float = option(0.2, "of the encoder's features, in all places")
    output_dropout: float = option(0.4, "of what the decoder says, before the words")
    label_smoothing: float = option(0.1, "five people never say the same")

    epochs: int = option(8, "of captions", at_least=1)
    width: int = option(3, "beams, as the figures of others have", at_least=1, may_change=True)
    patience: int = option(5, "epochs without a better held-out loss before stopping", at_least=1, may_change=True)
    batch_size: int = option(16, "pictures, each with all its captions", at_least=1)
    learning_rate: float = option(1.2e-3, "of AdamW; rises for an epoch and falls by a cosine")
    weight_decay: float = option(1e-2, "times the learning rate a step")
    clip: float = option(5.0, "largest global norm of the gradient")
    moving_average: float = option(0.998, "of the weights, over about 500 steps: steadier than the last ones")
    seed: int = option(1, "of everything drawn at random")
    evaluate: bool = option(False, "measure the SavedModel in --export instead of training one", may_change=True)
    xla: str = option("auto", "on with a GPU, off without", choices=("auto", "on", "off"), may_change=True)


def main(config):
    if config.attention is None:
        config = dataclasses.replace(config, attention_penalty=0.0)
    if config.evaluate:
        # As it was made, whatever the defaults are now.
        config = dataclasses.replace(config, **release.read_config(config.export))
        print(json.dumps(evaluation.evaluate(config, config.export), indent=2))
        return
    if config.baseline:
        release.shipped(config.export)  # before hours of work
    workdir = loop.start(config.workdir, config, seed=config.seed)
    with loop.in_turn():
        examples = {split: data.load(config, split) for split in ("train", "validation")}
        if config.dataset == "folder":
            data.check(data.load(config, "test"))  # now, and not when the training is over
        vocabulary = data.learn(examples["train"].as_numpy_iterator(), config.minimum_count)
        (workdir / PICTURES).mkdir(exist_ok=True)
        prepared = {
            split: data.prepare(rows, vocabulary, config, workdir / PICTURES / split)
            for split, rows in examples.items()
        }
    print(
        f"{len(prepared['train']):,} pictures to train on, {len(prepared['validation']):,} held out, "
        f"{len(vocabulary):,} words",
        flush=True,
    )

    def fit(model, name, loss, learning_rate, epochs, ready, times=1.0):
        """Trains a model in the folder `name` of the workdir; what it was best with is in it then."""
        folder = loop.start(workdir / name, config, seed=config.seed)
        with loop.strategy().scope():
            optimizer = loop.adam(
                learning_rate,
                steps=-(-len(prepared["train"]) // config.batch_size),
                epochs=epochs,
                clip=config.clip,
                moving_average=config.moving_average,
                weight_decay=config.weight_decay,
                end=0.02,
            )
            model.compile(optimizer=optimizer, loss=loss, loss_weights=[float(times)])
        return loop.fit(
            model,
            lambda epoch: data.training_batches(prepared["train"], config, epoch, ready),
            data.evaluation_batches(prepared["validation"], config, ready),
            workdir=folder,
            epochs=epochs,
            patience=config.patience,
            seed=config.seed,
            xla=config.xla,
        )

    with loop.strategy().scope():
        encoder = build_encoder(config, config.encoder_dtype, config.encoder_weights)
    rows = []
    if config.word_epochs:
        words = min(config.words, len(vocabulary.words) - len(data.START_AND_END))
        with loop.strategy().scope():
            lesson = build_words_model(encoder, config, words)
        loss = keras.losses.BinaryCrossentropy(from_logits=True)
        # Of all words together: of the mean over many, the gradients would be as small as Adam's epsilon.
        rows = fit(lesson, WORDS, loss, config.word_learning_rate, config.word_epochs, data.word_targets(words), words)
    with loop.strategy().scope():
        model = build(config, encoder, len(vocabulary))
    loss = SmoothedCrossentropy(config.label_smoothing, reduction="mean_with_sample_weight")
    captions = fit(model, CAPTIONS, loss, config.learning_rate, config.epochs, data.caption_targets)
    loop.end_others()

    # Without its optimizer, and in float32, which runs anywhere.
    trained = build(config, build_encoder(config), len(vocabulary))
    trained.set_weights(model.get_weights())
    captioner = Captioner(trained, vocabulary, config.size, config.width, length_penalty=0.0)
    captioner.length_penalty, bleu4 = evaluation.choose_penalty(captioner, examples["validation"], config.width)
    run = {
        "pictures": len(prepared["train"]),
        "held_out": len(prepared["validation"]),
        "words": len(vocabulary),
        "length_penalty": captioner.length_penalty,
        "validation_bleu4": bleu4,
        "minutes": round(sum(row["seconds"] for row in rows + captions) / 60, 1),
        "epochs_run": len(captions),
        "best_epoch": min(captions, key=lambda row: row["val_loss"])["epoch"],
        "parameters": int(trained.count_params()),
        "machine": release.machine(),
    }
    if config.baseline:
        evaluation.write_baseline(captioner, config, run)
        return
    with loop.exporting(config.export):
        evaluation.save(captioner, config, run, workdir / CAPTIONS, config.export)
    print(json.dumps(evaluation.evaluate(config, config.export), indent=2))
    print(f"The SavedModel is in {config.export}")


if __name__ == "__main__":
    main(parse(Config, description=__doc__))
