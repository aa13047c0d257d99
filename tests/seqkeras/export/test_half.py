import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras import export
from seqkeras.layers import DeepRNN


def make():
    model = keras.Sequential([keras.layers.Embedding(30, 40), DeepRNN("lstm", 50, 2), keras.layers.Dense(3)])
    model.build((None, None))
    return model


def size(folder):
    return sum(path.stat().st_size for path in (folder / "variables").iterdir())


@pytest.fixture(scope="module")
def pair():
    whole = make()
    with export.stored_in_half():
        half = make()
    half.set_weights(whole.get_weights())
    return whole, half


def test_weights_are_rounded_and_all_else_is_float32(pair):
    whole, half = pair
    assert {w.dtype for w in half.weights} == {"float16"} and {layer.compute_dtype for layer in half.layers} == {
        "float32"
    }
    rounded = [weight.astype("float16").astype("float32") for weight in whole.get_weights()]
    reference = make()
    reference.set_weights(rounded)
    ids = np.arange(12).reshape(2, 6)
    found = half(ids)
    assert found.dtype == tf.float32
    np.testing.assert_allclose(found, reference(ids), atol=1e-6)


def test_a_saved_model_is_half_as_large_and_answers_the_same(pair, tmp_path):
    ids, answers = tf.constant([[1, 2, 3]]), []
    for name, model in zip(("whole", "half"), pair):

        def call(ids, model=model):
            return {"y": model(ids)}

        export.save(
            tmp_path / name, {"serving_default": (call, [tf.TensorSpec((None, None), tf.int32, "ids")])}, m=model
        )
        answers.append(tf.saved_model.load(tmp_path / name).signatures["serving_default"](ids=ids)["y"])
    np.testing.assert_allclose(*answers, atol=1e-3)
    assert size(tmp_path / "half") < 0.6 * size(tmp_path / "whole")


def test_the_policy_before_comes_back():
    before = keras.config.dtype_policy()
    with pytest.raises(RuntimeError), export.stored_in_half():
        raise RuntimeError
    assert keras.config.dtype_policy() == before
