import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.models import LanguageModel
from seqkeras.text import chunks

VOCABULARY = 11


def make(**arguments):
    model = LanguageModel(VOCABULARY, embedding_size=5, units=4, **arguments)
    stateful = arguments.get("stateful")
    model.build({"inputs": (2, 3), "mask": (2, 3)} if stateful else (None, None))
    random = np.random.default_rng(0)
    model.set_weights([random.normal(size=w.shape, scale=0.7) for w in model.get_weights()])
    return model


@pytest.fixture
def ids():
    return np.random.default_rng(1).integers(1, VOCABULARY, (2, 9)).astype("int32")


KINDS = [
    dict(cell="lstm"),
    dict(cell="gru", num_layers=3),
    dict(cell="simple_rnn", num_layers=1),
    dict(tied=True),
    dict(residual=True, num_layers=3),
]


@pytest.mark.parametrize("arguments", KINDS)
def test_step_by_step_is_the_whole_at_once(arguments, ids):
    model = make(**arguments)
    whole = model(ids)
    assert whole.shape == (2, 9, VOCABULARY) and whole.dtype == "float32"
    states = model.start(2)
    for place in range(ids.shape[1]):
        logits, states = model.step(ids[:, place], states)
        np.testing.assert_allclose(logits, whole[:, place], atol=1e-5)


def test_the_logits_by_hand(ids):
    """One plain recurrent layer, the formulas of the docstring."""
    model = make(cell="simple_rnn", num_layers=1)
    embeddings, kernel, recurrent_kernel, bias, head, head_bias = model.get_weights()
    h = np.zeros((2, 4))
    for place in range(ids.shape[1]):
        h = np.tanh(embeddings[ids[:, place]] @ kernel + h @ recurrent_kernel + bias)
        np.testing.assert_allclose(model(ids)[:, place], h @ head + head_bias, atol=1e-5)


def test_tied_logits_read_the_embeddings_backward(ids):
    model = make(tied=True)
    free = make()
    assert model.count_params() < free.count_params() + 4 * 5 + 5  # no second table of embeddings
    before = model(ids)
    model.output_bias.assign(model.output_bias + 1.0)
    np.testing.assert_allclose(model(ids), before + 1.0, atol=1e-5)
    outputs, *_ = model.recurrent(model.embedding(ids))
    by_hand = (model.towards_embedding(outputs) @ keras.ops.transpose(model.embedding.embeddings)) + model.output_bias
    np.testing.assert_allclose(model(ids), by_hand, atol=1e-5)


def test_what_comes_later_changes_nothing_before(ids):
    model = make()
    other = ids.copy()
    other[:, 5:] = 1
    np.testing.assert_allclose(model(ids)[:, :5], model(other)[:, :5], atol=1e-6)


def test_a_stateful_model_reads_streams_as_one_piece():
    random = np.random.default_rng(2)
    streams = [random.integers(1, VOCABULARY, n).astype("int32") for n in (12, 5, 8, 2)]
    stateful, plain = make(stateful=True), make()
    plain.set_weights(stateful.get_weights())
    found = {}
    for batch in chunks(streams, 2, 3):
        logits = stateful(batch).numpy()
        for row in range(2):
            for place in range(3):
                if batch["mask"][row, place]:
                    found.setdefault(row, []).append((int(batch["inputs"][row, place]), logits[row, place]))
    expected = {tuple(s[:-1]): plain(s[None, :-1]).numpy()[0] for s in streams}
    # Rows hold whole streams, one after the other.
    for row in found.values():
        while row:
            inputs = tuple(i for i, _ in row)
            stream = next(s for s in expected if inputs[: len(s)] == s)
            np.testing.assert_allclose([logits for _, logits in row[: len(stream)]], expected.pop(stream), atol=1e-5)
            row = row[len(stream) :]
    assert not expected


def test_it_learns_a_rule_and_keeps_it_after_saving(tmp_path):
    """Counting round and round is easy; the loss must fall far below that of guessing."""
    model = LanguageModel(VOCABULARY, embedding_size=8, units=16, num_layers=1, dropout=0.1, seed=1)
    ids = (np.arange(40)[None] + np.arange(16)[:, None]) % (VOCABULARY - 1) + 1
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.02), loss)
    model.fit(ids[:, :-1], ids[:, 1:], epochs=30, verbose=0)
    assert model.evaluate(ids[:, :-1], ids[:, 1:], verbose=0) < 0.2 * np.log(VOCABULARY)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    np.testing.assert_allclose(again(ids), model(ids), atol=1e-6)


def test_variational_dropout_is_drawn_once_for_a_chunk():
    model = LanguageModel(VOCABULARY, 50, 40, dropout=0.5, embedding_dropout=0.5, variational=True, seed=1)
    assert LanguageModel.from_config(model.get_config()).config["variational"]
    for layer, size in ((model.embedding_dropout, 50), (model.output_dropout, 40)):
        masks = layer(np.ones((2, 7, size)), training=True).numpy()
        assert set(np.unique(masks)) == {0, 2} and np.array_equal(masks, masks[:, :1].repeat(7, 1))


def test_xla_gives_the_same(ids):
    model = make()
    np.testing.assert_allclose(tf.function(model, jit_compile=True)(ids), model(ids), atol=1e-5)


def test_half_precision_keeps_its_logits_in_float32(ids):
    model = LanguageModel(VOCABULARY, 5, 4, dtype="mixed_bfloat16")
    assert model(ids).dtype == "float32"
    logits, _ = model.step(ids[:, 0], model.start(2))
    assert logits.dtype == "float32"
