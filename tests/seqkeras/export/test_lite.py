import numpy as np
import pytest
import tensorflow as tf

from seqkeras import export, layers

TEXT = tf.TensorSpec((None,), tf.string, name="text")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A cell whose weights are variables, and what LiteRT cannot have."""
    cell = layers.GRUCell(3)
    cell.build((None, 2))
    x, h = tf.TensorSpec((None, 2), tf.float32, name="x"), tf.TensorSpec((None, 3), tf.float32, name="h")
    signatures = {
        "step": (lambda x, h: {"h": cell(x, h)[0]}, [x, h]),
        "upper": (lambda text: {"upper": tf.strings.upper(text)}, [TEXT]),
        "join": (lambda text: {"joined": tf.strings.reduce_join(text)}, [TEXT]),
    }
    path = tmp_path_factory.mktemp("model")
    export.save(str(path), signatures, cell=cell)
    return path


@pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")
def test_equal_answers_for_any_batch(folder):
    expected = tf.saved_model.load(str(folder)).signatures["step"]
    interpreter = tf.lite.Interpreter(model_content=export.to_lite(folder, "step"))
    step = interpreter.get_signature_runner("serving_default")
    random = np.random.default_rng(1)
    for batch in (4, 1):
        x, h = (random.normal(size=(batch, size)).astype("float32") for size in (2, 3))
        np.testing.assert_allclose(step(x=x, h=h)["h"], expected(x=tf.constant(x), h=tf.constant(h))["h"], atol=1e-6)


def test_says_what_stands_against_it(folder):
    with pytest.raises(ValueError, match=r"cannot have join .*: only with select_tf_ops has it ReduceJoin$"):
        export.to_lite(folder, "join")
    assert export.to_lite(folder, "join", select_tf_ops=True).startswith(b"\x1c\0\0\0TFL3")
    with pytest.raises(ValueError, match=r"in no form has it StringUpper$"):
        export.to_lite(folder, "upper", select_tf_ops=True)
    with pytest.raises(ValueError, match="has the signatures step, upper, join. Received: 'serving_default'"):
        export.to_lite(folder)
