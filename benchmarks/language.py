"""What the same language model learns on keras.layers in the time that the shipped one took.

    python -m benchmarks.language --manual_dir DIR [--minutes M] [--write]

The network, the dropouts, the text, the optimizer and the order of batches are those of the shipped model's
config.json; the recurrent layers are `keras.layers.LSTM` (or GRU, SimpleRNN), in the plain graph, their best on a CPU.
As many epochs are run as fit into the time, found by timing some steps first, and the learning rate falls over just
these. The weights of the best epoch are then measured as the shipped ones are: our layers take them as they are.

Time is processor time, in which others that share the machine do not count; of the shipped model, --minutes has to say
it, for its metrics.json has minutes by the clock.
"""

import argparse
import dataclasses
import json
import os
import time

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras

from seqkeras.models import LanguageModel
from training import loop, release
from training.language import data, evaluation
from training.language.__main__ import Config, architecture, settled
from training.language.model import Language

SHIPPED = "saved_models/language/shakespeare"
NAME = "the same network on keras.layers, in the same time"
TIMED, WARM = 20, 3  # steps
LAYERS = {"lstm": keras.layers.LSTM, "gru": keras.layers.GRU, "simple_rnn": keras.layers.SimpleRNN}


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--manual_dir", help="folder with tinyshakespeare/, as training.language takes it")
    parser.add_argument("--data_dir", help="where TFDS keeps what it prepared; its own folder if none")
    parser.add_argument("--shipped", default=SHIPPED, help="the model whose config.json and time count")
    parser.add_argument(
        "--minutes", type=float, help="of processor time; by default those that the shipped model took by the clock"
    )
    parser.add_argument("--workdir", default="runs/language_on_keras_layers", help="a run that can be gone on with")
    parser.add_argument("--write", action="store_true", help="put the figures beside the shipped model's")
    arguments = parser.parse_args()
    settings, metrics = release.read_config(arguments.shipped), release.read_metrics(arguments.shipped)
    if not settings or not metrics:
        parser.error(f"there is no SavedModel with config.json and metrics.json in {arguments.shipped}")
    if settings["tied"]:
        parser.error("this peer has no tied embeddings; name a model without")
    minutes = metrics["run"]["minutes"] if arguments.minutes is None else arguments.minutes
    config = dataclasses.replace(
        settled(Config(corpus=settings["corpus"])),
        **settings,
        manual_dir=arguments.manual_dir,
        data_dir=arguments.data_dir,
        workdir=arguments.workdir,
    )
    texts = {split: data.load(config, split) for split in ("train", "validation", "test")}
    symbols, encode = data.reader(texts["train"], config)
    ids = {split: encode(text) for split, text in texts.items()}
    steps = len(data.batches(ids["train"], config.batch_size, config.chunk))

    seconds = seconds_of_a_step(config, len(symbols), ids["train"])
    epochs = max(1, round(60 * minutes / (seconds * steps)))
    print(f"{seconds:.3f} s a step, {steps} steps an epoch: {epochs} epochs in {minutes:g} minutes.", flush=True)
    config = dataclasses.replace(config, epochs=epochs)
    workdir = loop.start(config.workdir, config, seed=config.seed)
    model = compiled(config, len(symbols), steps)
    rows = loop.fit(
        model,
        lambda epoch: data.training_batches(ids["train"], config, epoch),
        data.batches(ids["validation"], config.batch_size, config.chunk),
        workdir=workdir,
        epochs=epochs,
        seed=config.seed,
        xla="off",
    )

    ours = LanguageModel(**architecture(config, len(symbols)))
    ours.build((None, None))
    ours.set_weights(model.weights_in_order())
    language = Language(ours, symbols, config.top_p)
    nats = evaluation.nats(language.next_step, sum(language.sizes), ids["test"])
    figures = evaluation.figures(nats, config.level)
    run = {"processor_minutes": minutes, "epochs_run": len(rows)}
    print(json.dumps({NAME: figures, "run": run, "shipped": metrics["test"]}, indent=2))
    if arguments.write:
        release.write_variant(dataclasses.replace(config, export=arguments.shipped, baseline=NAME), figures, run)


class OnKerasLayers(keras.Model):
    """LanguageModel on keras.layers: stateful, trained on the same batches. Without masks, for only the end of an epoch
    has padding, which counts nothing in the loss, and keras.layers are faster so."""

    def __init__(self, config, vocabulary_size):
        super().__init__()
        self.embedding = keras.layers.Embedding(vocabulary_size, config.embedding_size)
        dropout = keras.layers.SpatialDropout1D if config.variational else keras.layers.Dropout
        self.dropouts = [dropout(rate) for rate in (config.embedding_dropout, *[config.dropout] * config.num_layers)]
        self.recurrent_layers = [
            LAYERS[config.cell](
                config.units, return_sequences=True, stateful=True, recurrent_dropout=config.recurrent_dropout
            )
            for _ in range(config.num_layers)
        ]
        self.head = keras.layers.Dense(vocabulary_size)

    def build(self, shape):
        self.embedding.build(shape["inputs"])
        size = self.embedding.output_dim
        for layer in self.recurrent_layers:
            layer.build((*shape["inputs"], size))
            size = layer.units
        self.head.build((*shape["inputs"], size))
        self.built = True

    def call(self, batch, training=False):
        x = self.dropouts[0](self.embedding(batch["inputs"]), training=training)
        for layer, dropout in zip(self.recurrent_layers, self.dropouts[1:]):
            for state in layer.states:
                state.assign(keras.ops.where(batch["reset"][:, None], 0.0, state))
            x = dropout(layer(x, training=training), training=training)
        return self.head(x)

    def weights_in_order(self):
        """The arrays that LanguageModel.set_weights takes."""
        layers = (self.embedding, *self.recurrent_layers, self.head)
        return [weight for layer in layers for weight in map(keras.ops.convert_to_numpy, layer.trainable_weights)]


def compiled(config, vocabulary_size, steps):
    model = OnKerasLayers(config, vocabulary_size)
    model.build({"inputs": (config.batch_size, config.chunk)})
    optimizer = loop.adam(
        config.learning_rate,
        steps=steps,
        epochs=config.epochs,
        clip=config.clip,
        moving_average=config.moving_average,
        end=0.02,
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True, reduction="mean_with_sample_weight")
    model.compile(optimizer=optimizer, loss=loss)
    return model


def seconds_of_a_step(config, vocabulary_size, train):
    """The processor time of a step, the mean of some of a model that is then forgotten."""
    keras.utils.set_random_seed(config.seed)
    model = compiled(config, vocabulary_size, steps=1000)
    batches = data.training_batches(train, config, epoch=0)
    model.fit(batches.take(WARM), verbose=0)
    batches = batches.take(TIMED).cache()
    for _ in batches:
        pass
    began = time.process_time()
    model.fit(batches, verbose=0)
    return (time.process_time() - began) / TIMED


if __name__ == "__main__":
    main()
