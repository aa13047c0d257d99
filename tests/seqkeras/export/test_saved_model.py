import numpy as np
import pytest
import tensorflow as tf

from seqkeras import export, layers


def test_signatures_under_their_names(tmp_path):
    layer = layers.LSTM(3)
    layer.build((None, None, 2))
    path = str(tmp_path / "model")
    spec = [tf.TensorSpec((None, None, 2), tf.float32, name="x")]
    signatures = {"serving_default": (lambda x: {"h": layer(x)}, spec), "twice": (lambda x: {"h": 2 * layer(x)}, spec)}
    export.save(path, signatures, layer=layer)
    loaded = tf.saved_model.load(path).signatures
    x = tf.random.normal((4, 5, 2))
    np.testing.assert_allclose(loaded["serving_default"](x=x)["h"], layer(x), atol=1e-6)
    np.testing.assert_allclose(loaded["twice"](x=x)["h"], 2 * layer(x), atol=1e-6)
    assert "MatMul" in export.operations(path)


def test_writing_again_keeps_what_lies_beside(tmp_path):
    path = tmp_path / "model"
    constant = tf.Variable(1.0)
    signatures = {"serving_default": (lambda x: {"y": x + constant}, [tf.TensorSpec((), tf.float32, name="x")])}
    for value in (1.0, 2.0):
        constant.assign(value)
        export.save(str(path), signatures, constant=constant)
        (path / "model_card.md").write_text("card")
    assert (path / "model_card.md").read_text() == "card"
    loaded = tf.saved_model.load(str(path)).signatures["serving_default"]
    assert loaded(x=tf.constant(1.0))["y"] == 3.0
    assert not (tmp_path / "model.fresh").exists()


def test_refuses_what_would_not_load_elsewhere(tmp_path):
    def python(x):
        return {"y": tf.py_function(lambda v: v, [x], tf.float32)}

    with pytest.raises(ValueError, match="EagerPyFunc.*py_function"):
        export.save(str(tmp_path / "m"), {"serving_default": (python, [tf.TensorSpec((), tf.float32, name="x")])})
    assert not (tmp_path / "m").exists()
