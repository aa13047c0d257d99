"""Two translators of the phrase book: one of a few units, and one that writes what it reads."""

import keras
import pytest
import tensorflow as tf

from seqkeras.models import EncoderDecoder
from seqkeras.text import Subwords
from seqkeras.text.subwords import END
from training import loop
from training.datasets import phrase_book
from training.translation import data, evaluation
from training.translation.__main__ import Config
from training.translation.model import Translator


class Echo:
    """Stands for a trained model: it writes the source's tokens one by one, and looks at each as it does.

    Where `look_at`, a variable, is no longer -1, it looks at that place instead, all the time.
    """

    config = {"attention": "bahdanau"}

    def __init__(self, vocabulary):
        self.vocabulary, self.look_at = vocabulary, tf.Variable(-1)

    def start(self, source):
        state = {"place": tf.zeros_like(source[:, 0]), "attention": tf.zeros(tf.shape(source))}
        return state, {"source": source}

    def step(self, ids, state, memory):
        source, place = memory["source"], state["place"]
        logits = tf.one_hot(tf.gather(source, place, batch_dims=1), self.vocabulary, 20.0)
        looked_at = tf.where(self.look_at < 0, place, self.look_at)
        attention = tf.one_hot(looked_at, tf.shape(source)[1])
        place = tf.minimum(place + 1, tf.shape(source)[1] - 1)
        return logits, {"place": place, "attention": attention}

    def attention_of(self, state):
        return state["attention"]


@pytest.fixture(scope="session")
def pairs():
    """Sources and targets of the phrase book's training split, string tensors."""
    return data.columns(phrase_book.load("train"))


@pytest.fixture(scope="session")
def subwords(pairs):
    corpora = [tf.data.Dataset.from_tensor_slices(side).batch(1000) for side in pairs]
    return Subwords.learn_joint(corpora, 400, minimum_count=1)


@pytest.fixture(scope="session")
def tiny(subwords):
    """Makes a network of a few units with random weights, as sure of itself as a trained one."""

    def make(**options):
        keras.utils.set_random_seed(1)
        size = len(subwords[0])
        options = {"share_embeddings": True, "embedding_size": 8, "units": 6, **options}
        model = EncoderDecoder(size, size, **options)
        model.build({"source": (None, None), "target": (None, None)})
        model.target_embedding.embeddings.assign(model.target_embedding.embeddings * 60)
        # Some sentences come to an end and some do not.
        model.output_bias.assign(3.0 * tf.one_hot(END, size))
        return model

    return make


@pytest.fixture(scope="session")
def translator(tiny, subwords):
    return Translator(tiny(), subwords, width=3, length_penalty=0.6)


@pytest.fixture(scope="session")
def saved(translator, tmp_path_factory):
    """The folder of its SavedModel."""
    folder = tmp_path_factory.mktemp("translation")
    (folder / loop.METRICS).write_text('{"epoch": 1}\n')
    config = Config(pair="en-fr", dataset="sample", embedding_size=8, units=6)
    evaluation.save(translator, config, {"length_penalty": 0.6}, folder, folder / "en-fr")
    return folder / "en-fr"


@pytest.fixture(scope="session")
def echo(subwords):
    """A translator that gives the text itself, with a capital at the start of each sentence."""
    return Translator(Echo(len(subwords[0])), (subwords[0], subwords[0]), width=1, length_penalty=0.0)
