"""Two captioners of the drawn scenes: one of a few units, and one that looks where a picture is brightest."""

import keras
import pytest
import tensorflow as tf

from seqkeras.models import EncoderDecoder, PictureEncoder
from seqkeras.text.words import Vocabulary
from training import loop
from training.captioning import data, evaluation
from training.captioning.__main__ import Config
from training.captioning.model import Captioner
from training.datasets import scenes

SIZE = 32  # pixels, of pictures
GRID = 4  # places a side


class Looker:
    """Stands for a trained model: it writes `words`, an id each, and looks at the brightest place of the grid, but for
    every second word at the last place."""

    config = {"attention": "bahdanau"}

    class encoder:
        @staticmethod
        def grid_shape(height, width):
            return height * GRID // SIZE, width * GRID // SIZE

    def __init__(self, vocabulary, words):
        self.vocabulary, self.words = vocabulary, tf.constant(words)

    def start(self, pictures):
        light = tf.reduce_mean(tf.nn.avg_pool2d(pictures, SIZE // GRID, SIZE // GRID, "VALID"), axis=3)
        brightest = tf.argmax(tf.reshape(light, (-1, GRID**2)), axis=1, output_type=tf.int32)
        state = {"place": tf.zeros_like(brightest), "attention": tf.zeros((tf.shape(pictures)[0], GRID**2))}
        return state, {"brightest": brightest}

    def step(self, ids, state, memory):
        place = state["place"]
        looked_at = tf.where(place % 2 == 0, memory["brightest"], GRID**2 - 1)
        logits = tf.one_hot(tf.gather(self.words, place), self.vocabulary, 20.0)
        return logits, {"place": place + 1, "attention": tf.one_hot(looked_at, GRID**2)}

    def attention_of(self, state):
        return state["attention"]


@pytest.fixture(scope="session")
def few_scenes():
    """Examples of each split, as NumPy: dict of lists."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scenes, "SIZES", {"train": 24, "validation": 8, "test": 8})
        return {split: list(scenes.load(split).as_numpy_iterator()) for split in scenes.SIZES}


@pytest.fixture(scope="session")
def vocabulary(few_scenes):
    return data.learn(few_scenes["train"], 1)


@pytest.fixture(scope="session")
def tiny(vocabulary):
    """Makes a network of a few units with random weights, as sure of itself as a trained one."""

    def make(**options):
        keras.utils.set_random_seed(2)
        encoder = PictureEncoder(stem=4, widths=(6, 8), blocks=(1, 1))
        model = EncoderDecoder(len(vocabulary), encoder=encoder, **{"embedding_size": 8, "units": 6, **options})
        model.build({"source": (None, SIZE, SIZE, 3), "target": (None, None)})
        model.target_embedding.embeddings.assign(model.target_embedding.embeddings * 60)
        for weight in model.weights:
            if "bridge" in weight.path and weight.path.endswith("kernel"):
                weight.assign(weight * 20)  # or pictures of the same kind would all have the same caption
        # Some captions come to an end and some do not.
        model.output_bias.assign(3.0 * tf.one_hot(data.END, len(vocabulary)))
        return model

    return make


@pytest.fixture(scope="session")
def captioner(tiny, vocabulary):
    return Captioner(tiny(), vocabulary, SIZE, width=3, length_penalty=0.5)


@pytest.fixture(scope="session")
def saved(captioner, tmp_path_factory):
    """The folder of its SavedModel."""
    folder = tmp_path_factory.mktemp("captioning")
    (folder / loop.METRICS).write_text('{"epoch": 1}\n')
    config = Config(dataset="sample", embedding_size=8, units=6)
    evaluation.save(captioner, config, {"length_penalty": 0.5}, folder, folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def looker():
    """A captioner that always writes "A dog's élan hat." ."""
    vocabulary = Vocabulary([*data.START_AND_END, "a", "dog", "'s", "élan", "hat", "t-shirt"])
    return Captioner(Looker(len(vocabulary), [4, 5, 6, 7, 8, data.END]), vocabulary, SIZE, 1, 0.0)
