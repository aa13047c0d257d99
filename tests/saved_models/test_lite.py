"""The step of models that write, in LiteRT with its own operations alone: the same numbers, and so the same tune."""

import pathlib

import numpy as np
import pytest
import tensorflow as tf

from seqkeras import export

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models"
LANGUAGE = sorted(path.parent.relative_to(FOLDER).as_posix() for path in FOLDER.glob("language/*/saved_model.pb"))
START, END = 1, 2

# Of tf.lite.Interpreter, which TensorFlow would like to leave to another package.
pytestmark = pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter is deprecated")


@pytest.fixture(scope="module", params=["music", *LANGUAGE[-1:]])
def both(request):
    """A model's signatures, and its step in LiteRT."""
    model = tf.saved_model.load(str(FOLDER / request.param))
    interpreter = tf.lite.Interpreter(model_content=export.to_lite(FOLDER / request.param, "step"))
    yield model.signatures, interpreter.get_signature_runner("serving_default")
    del model  # signatures do not keep it alive


@pytest.mark.parametrize("batch", [1, 5])
def test_steps_have_equal_answers(both, batch):
    signatures, step = both
    start = signatures["start"](prompt=tf.constant(["M:6/8\nK:Dmaj\n", "K:G", "", "M:3/4", "R:reel"][:batch]))
    token, state = np.arange(60, 60 + batch).astype("int32"), start["state"].numpy()
    for _ in range(3):
        expected = signatures["step"](token=tf.constant(token), state=tf.constant(state))
        found = step(token=token, state=state)
        assert set(found) == {"logits", "state"}
        for name, value in found.items():
            np.testing.assert_allclose(value, expected[name], rtol=1e-4, atol=1e-4)
        token, state = np.argmax(found["logits"], axis=1).astype("int32"), found["state"]


@pytest.mark.parametrize("both", ["music"], indirect=True)
def test_the_tune_is_the_savedmodels(both):
    signatures, step = both
    symbols = [symbol.decode() for symbol in signatures["symbols"]()["symbols"].numpy()]
    given = [START, symbols.index("M:6/8\n"), symbols.index("K:Dmaj\n")]
    state, written = np.zeros((1, step.get_input_details()["state"]["shape_signature"][1]), "float32"), []
    while len(written) < 100:
        token = given.pop(0) if given else written[-1]
        found = step(token=np.array([token], "int32"), state=state)
        state = found["state"]
        if not given:
            written.append(int(np.argmax(found["logits"])))
    expected = signatures["serving_default"](
        prompt=tf.constant(["M:6/8\nK:Dmaj\n"]),
        length=tf.constant(100),
        temperature=tf.constant(0.0),
        seed=tf.constant(1),
    )["music"].numpy()[0]
    # Further lines of the header stand before the body.
    body = "".join(symbols[token] for token in written if len(symbols[token]) == 1)
    assert END not in written and len(body) > 90 and expected.decode().endswith(f"\nK:Dmaj\n{body}")
