import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers import LSTM
from seqkeras.text import chunks, split
from tests.seqkeras.layers.peers import assert_same, normal, randomize


def batches(*args):
    return list(chunks(*args).as_numpy_iterator())


def read_back(found, rows):
    """The streams that the rows of the batches tell of, as pairs of inputs and targets."""
    streams = []
    for row in range(rows):
        for batch in found:
            if batch["reset"][row]:
                streams.append(([], []))
            kept = batch["mask"][row]
            for values, name in zip(streams[-1] if kept.any() else (), ("inputs", "targets")):
                values.extend(batch[name][row][kept])
            assert np.all(batch["inputs"][row][~kept] == 0) and np.all(batch["targets"][row][~kept] == 0)
    return streams


def test_two_rows_by_hand():
    first, second = chunks([np.array([1, 2, 3, 4, 5, 6]), np.array([7, 8])], 2, 3).as_numpy_iterator()
    assert first["inputs"].tolist() == [[1, 2, 3], [7, 0, 0]] and first["targets"].tolist() == [[2, 3, 4], [8, 0, 0]]
    assert second["inputs"].tolist() == [[4, 5, 0], [0, 0, 0]] and second["targets"].tolist() == [[5, 6, 0], [0, 0, 0]]
    assert first["mask"].tolist() == [[True] * 3, [True, False, False]]
    assert second["mask"].tolist() == [[True, True, False], [False] * 3]
    assert first["reset"].tolist() == [True, True] and second["reset"].tolist() == [False, False]


@pytest.mark.parametrize("rows, length", [(1, 1), (3, 4), (4, 100), (9, 3)])
def test_nothing_is_lost(rows, length):
    """Every step of every stream once, in order, whatever the lengths."""
    rng = np.random.default_rng(0)
    streams = [rng.integers(1, 99, n) for n in (12, 2, 1, 9, 13, 0, 5, 30)]
    found = batches(streams, rows, length)
    assert len(found) == chunks(streams, rows, length).cardinality()
    assert all(batch["inputs"].shape == (rows, length) for batch in found)
    told = sorted((list(map(int, i)), list(map(int, t))) for i, t in read_back(found, rows))
    assert told == sorted((s[:-1].tolist(), s[1:].tolist()) for s in streams if len(s) > 1)


def test_rows_take_the_next_stream_when_theirs_ends():
    found = batches([np.arange(1, 10), np.arange(20, 23), np.arange(30, 33)], 2, 2)
    assert [batch["reset"].tolist() for batch in found] == [[True, True], [False, True], [False, False], [False, False]]
    assert found[1]["inputs"].tolist() == [[3, 4], [30, 31]]


def test_a_dataset_of_streams_and_streams_of_vectors():
    texts = tf.data.Dataset.from_tensor_slices(["to be", "or not"]).map(lambda text: tf.io.decode_raw(text, "uint8"))
    (batch,) = texts.apply(lambda streams: chunks(streams, 2, 8))
    assert bytes(batch["targets"].numpy()[1][:5]) == b"r not" and batch["inputs"].dtype == "uint8"
    vectors = normal(7, 3)
    found = batches([vectors], 1, 4)
    assert_same([np.concatenate([b["targets"][0] for b in found])[:6]], [vectors[1:]], 0)


def test_split():
    for n, rows in ((11, 2), (12, 5), (3, 2), (100, 7)):
        tokens = np.arange(n)
        parts = split(tokens, rows)
        assert len(parts) == rows and np.ptp([len(part) for part in parts]) <= 1
        assert np.concatenate([part[:-1] for part in parts]).tolist() == tokens[:-1].tolist()
        assert np.concatenate([part[1:] for part in parts]).tolist() == tokens[1:].tolist()


def test_errors():
    with pytest.raises(ValueError, match="cannot be split in 3"):
        split(np.arange(3), 3)
    with pytest.raises(ValueError, match="`length`.*length=0"):
        chunks([np.arange(3)], 2, 0)
    with pytest.raises(ValueError, match="no stream has two tokens"):
        chunks([np.arange(1)], 2, 3)


# With a stateful layer


class Model(keras.Model):
    """Says what the module's docstring says, with states told."""

    def __init__(self):
        super().__init__()
        self.embedding = keras.layers.Embedding(30, 4)
        self.lstm = LSTM(5, stateful=True, return_sequences=True)
        self.head = keras.layers.Dense(30)

    def build(self, shapes):
        self.embedding.build(shapes["inputs"])
        self.lstm.build((*shapes["inputs"], 4))
        self.head.build((*shapes["inputs"], 5))

    def call(self, batch):
        self.lstm.reset_state(batch["reset"])
        return self.head(self.lstm(self.embedding(batch["inputs"]), mask=batch["mask"]))


def test_chunks_go_forward_as_the_whole_stream_does():
    """Also where a row begins a new stream while the others go on."""
    rng = np.random.default_rng(1)
    streams = [rng.integers(1, 30, n) for n in (17, 6, 9)]
    found = list(chunks(streams, 2, 4))
    model = Model()
    model(found[0])
    randomize(model)
    told = [[], []]
    for batch in found:
        logits = model(batch).numpy()
        for row in range(2):
            told[row].append(logits[row][batch["mask"].numpy()[row]])
    whole = LSTM(5, return_sequences=True)
    whole(normal(1, 2, 4))
    whole.set_weights(model.lstm.get_weights())
    expected = [model.head(whole(model.embedding(stream[None, :-1])))[0] for stream in streams]
    assert_same([np.concatenate(told[0]), np.concatenate(told[1])], [expected[0], np.concatenate(expected[1:])])


def test_gradients_stop_at_the_borders_of_chunks():
    x = tf.constant(normal(2, 8, 4))
    layer = LSTM(5, stateful=True)
    layer(x[:, :4])
    whole = LSTM(5, return_state=True)
    whole(x)
    whole.set_weights(layer.get_weights())
    layer.reset_state()
    with tf.GradientTape() as tape:
        tape.watch(x)
        layer(x[:, :4])
        loss = tf.reduce_sum(layer(x[:, 4:]))
    gradients = tape.gradient(loss, [x, *(w.value for w in layer.trainable_weights)])
    _, *states = whole(x[:, :4])
    with tf.GradientTape() as tape:
        tape.watch(x)
        expected = tf.reduce_sum(whole(x[:, 4:], initial_state=[tf.stop_gradient(s) for s in states])[0])
    expected = tape.gradient(expected, [x, *(w.value for w in whole.trainable_weights)])
    assert np.all(gradients[0][:, :4] == 0) and np.all(np.abs(gradients[0][:, 4:]).max(axis=-1) > 0)
    assert_same(gradients, expected)
    with tf.GradientTape() as tape:
        tape.watch(x)
        full = tf.reduce_sum(whole(x)[0])
    assert np.abs(tape.gradient(full, x)[:, :4]).max() > 1e-6, "the whole sequence goes back further"


def test_training_with_and_without_xla():
    """The same weights after some epochs of a stream that repeats, and a stream learnt."""
    tokens, trained = np.tile([1, 2, 2, 2, 3, 2, 2, 2], 60), []
    for jit_compile in (False, True):
        keras.utils.set_random_seed(3)
        dataset = chunks(split(tokens, 4), 4, 10)
        dataset = dataset.map(lambda batch: (batch, batch["targets"], tf.cast(batch["mask"], "float32")))
        model = Model()
        loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
        model.compile(keras.optimizers.Adam(0.05), loss, jit_compile=jit_compile)
        losses = model.fit(dataset, epochs=4, shuffle=False, verbose=0).history["loss"]
        assert losses[-1] < 0.6 * losses[0]
        trained.append(model.get_weights())
    assert_same(trained[1], trained[0], 1e-3)
