"""Bytes that nobody vouches for, straight to the signatures: of every text comes an answer of the stated shape.

For pictures the card says that what is none is an InvalidArgumentError. All pairs of languages have the same graph, so
one of them is asked.
"""

import pathlib

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from tests.fuzz import sent

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models"
NAMES = sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("saved_model.pb"))
PAIRS = [name for name in NAMES if name.startswith("translation/")]
NAMES = [name for name in NAMES if name not in PAIRS[1:]]

NUMBERS = {
    # Others are clamped in tests/saved_models; more beams and symbols would show nothing else here.
    "width": st.integers(-(2**31), 5),
    "k": st.integers(-(2**31), 5),
    "length": st.integers(-(2**31), 12),
    "seed": st.integers(-(2**31), 2**31 - 1),
    "temperature": st.floats(width=32),
    "length_penalty": st.floats(width=32),
}
# What is left unsaid by the sizes of a signature.
BOUNDS = {"positive": (0, 1), "stars": (1, 5), "known": (0, 1), "probability": (0, 1), "attention": (0, 1.0001)}


@pytest.fixture(scope="module", autouse=True)
def unoptimised():
    """A signature is called with other shapes each time: optimising its graph first would take most of the time."""
    before = tf.config.optimizer.get_experimental_options().get("disable_meta_optimizer", False)
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
    yield
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": before})


@pytest.fixture(scope="module")
def models():
    return {name: tf.saved_model.load(str(FOLDER / name)) for name in NAMES}


def check(signature, outputs, rows):
    """That outputs are as the signature says, of so many rows, their strings UTF-8, their numbers finite."""
    for name, spec in signature.structured_outputs.items():
        value = outputs[name].numpy()
        assert spec.dtype == outputs[name].dtype and spec.shape.is_compatible_with(value.shape) and len(value) == rows
        if value.dtype == object:
            for string in value.ravel():
                string.decode()
        else:
            # Of fewer beams than asked for, the others have probability 0.
            assert (np.isfinite(value) | (np.isneginf(value) & (name == "scores"))).all(), name
            low, high = BOUNDS.get(name, (-np.inf, np.inf))
            assert ((low <= value) & (value <= high)).all(), name


def reading(model, *what):
    """The signatures that read strings of a kind, with their inputs."""
    signatures = [(signature, signature.structured_input_signature[1]) for signature in model.signatures.values()]
    return [(signature, specs) for signature, specs in signatures if set(what) & set(specs)]


def answer(model, texts, number):
    """Gives all signatures of a model the same texts, and numbers by their names, and checks what comes back."""
    for signature, specs in reading(model, "text", "prompt"):
        numbers = {name: tf.constant(number(name), specs[name].dtype) for name in NUMBERS if name in specs}
        (name,) = set(specs) - set(numbers)
        outputs = signature(**{name: tf.constant(texts, tf.string)}, **numbers)
        check(signature, outputs, len(texts))


READERS = [name for name in NAMES if name != "captioning"]


@pytest.mark.parametrize("name", READERS)
@given(data=st.data())
@sent.examples(8)
def test_every_text_gets_an_answer(models, name, data):
    answer(models[name], [*data.draw(st.lists(sent.raw_text, max_size=3)), b"A."], lambda key: data.draw(NUMBERS[key]))


@pytest.mark.parametrize("texts", [[], [b""], [b"\x00", b"\xff"]], ids=repr)
@pytest.mark.parametrize("name", READERS)
def test_texts_with_nothing_in_them_get_an_answer(models, name, texts):
    numbers = {"width": 2, "k": 2, "length": 2, "seed": 1, "temperature": 1.0, "length_penalty": 1.0}
    answer(models[name], texts, numbers.__getitem__)


@given(image=sent.pictures(), width=NUMBERS["width"])
@sent.examples(40)
def test_every_file_gets_an_answer_or_is_no_picture(models, image, width):
    for signature, specs in reading(models["captioning"], "image"):
        numbers = {"width": tf.constant(width)} if "width" in specs else {}
        try:
            outputs = signature(image=tf.constant([image]), **numbers)
        except tf.errors.InvalidArgumentError:
            continue
        check(signature, outputs, 1)
