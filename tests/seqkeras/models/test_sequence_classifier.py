import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.models import SequenceClassifier
from seqkeras.models.sequence_classifier import POOLINGS

OUTPUTS = {"positive": "sigmoid", "stars": "linear"}


def make(**arguments):
    model = SequenceClassifier(30, OUTPUTS, embedding_size=5, units=4, **arguments)
    model.build((None, None))
    # The heads' biases begin at zero, which would hide a forgotten one.
    for head in model.heads.values():
        head.bias.assign([0.3])
    return model


@pytest.fixture
def ids():
    ids = np.random.default_rng(0).integers(1, 30, (4, 7))
    ids[0, 4:] = 0
    ids[1, :2] = 0
    ids[2] = 0
    return ids


@pytest.mark.parametrize("pooling", POOLINGS)
def test_padding_never_changes_an_answer(pooling, ids):
    model = make(pooling=pooling)
    batch = model(ids)
    for row in (0, 1, 3):
        alone = model(ids[row][ids[row] > 0][None])
        for name in OUTPUTS:
            np.testing.assert_allclose(batch[name][row], alone[name][0], atol=1e-6)


@pytest.mark.parametrize("pooling", POOLINGS)
def test_a_row_of_padding_alone_is_finite(pooling, ids):
    outputs = make(pooling=pooling)(ids)
    assert all(np.isfinite(value).all() for value in outputs.values())
    assert outputs["positive"].shape == (4, 1)


@pytest.mark.parametrize("pooling", [pooling for pooling in POOLINGS if pooling != "last"])
def test_shares_and_bias_make_the_value(pooling, ids):
    model = make(pooling=pooling, depth=2)
    outputs, shares = model.explain(ids, "stars")
    np.testing.assert_allclose(np.sum(shares, axis=1) + 0.3, model(ids)["stars"][:, 0], atol=1e-6)
    np.testing.assert_allclose(outputs["positive"], model(ids)["positive"], atol=1e-6)
    assert not np.any(np.asarray(shares)[ids == 0])


def test_last_has_no_shares(ids):
    with pytest.raises(ValueError, match="no step has a share"):
        make(pooling="last").explain(ids, "stars")


@pytest.mark.parametrize("cell, bidirectional", [("lstm", True), ("gru", False), ("simple_rnn", False)])
def test_learns_which_word_comes_first(cell, bidirectional):
    """Order alone tells the classes apart: 1 before 2, or 2 before 1."""
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    ids = rng.integers(3, 6, (256, 6))
    label = rng.integers(0, 2, 256)
    for row, first in zip(ids, label):
        a, b = np.sort(rng.permutation(6)[:2])
        row[a], row[b] = (1, 2) if first else (2, 1)
    model = SequenceClassifier(6, {"first": "sigmoid"}, 8, 12, cell=cell, bidirectional=bidirectional)
    model.compile(keras.optimizers.Adam(0.02), "binary_crossentropy", metrics=[keras.metrics.BinaryAccuracy()])
    model.fit(ids, {"first": label}, epochs=14, verbose=0)
    assert model.evaluate(ids, {"first": label}, verbose=0, return_dict=True)["binary_accuracy"] > 0.9


def test_saves_and_loads(ids, tmp_path):
    model = make(pooling="attention", cell="gru")
    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    np.testing.assert_array_equal(again(ids)["stars"], model(ids)["stars"])
    model.export(tmp_path / "saved", verbose=False, input_signature=[tf.TensorSpec((None, None), tf.int64)])
    loaded = tf.saved_model.load(str(tmp_path / "saved"))
    np.testing.assert_allclose(loaded.serve(ids)["stars"], model(ids)["stars"], atol=1e-6)


def test_says_what_it_knows():
    with pytest.raises(ValueError, match="cell='transformer'"):
        SequenceClassifier(10, OUTPUTS, cell="transformer")
    with pytest.raises(ValueError, match="pooling='sum'"):
        SequenceClassifier(10, OUTPUTS, pooling="sum")
