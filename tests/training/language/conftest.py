"""Two language models of a few units, as sure of themselves as trained ones: of characters, and of words."""

import keras
import pytest

from seqkeras.models import LanguageModel
from training.language import data
from training.language.model import Language

TEXT = "the cat sat on the mat\nthe dog ate the <unk> N times\na cat saw mr. smith\n" * 3


def make(symbols, **options):
    keras.utils.set_random_seed(1)
    model = LanguageModel(len(symbols), **{"embedding_size": 6, "units": 5, "num_layers": 2, **options})
    model.build((None, None))
    head = model.towards_embedding if model.config["tied"] else model.head
    head.kernel.assign(head.kernel * 20)
    model.embedding.embeddings.assign(model.embedding.embeddings * 20)
    return Language(model, symbols, top_p=0.95)


@pytest.fixture(scope="session")
def characters():
    return make(data.Characters.learn(TEXT.replace("<unk>", "x")))


@pytest.fixture(scope="session")
def words():
    return make(data.Words.learn(TEXT, 100), tied=True)
