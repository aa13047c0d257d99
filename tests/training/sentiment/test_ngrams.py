import numpy as np
import tensorflow as tf

from seqkeras.text import split_words
from training.sentiment import ngrams

TEXTS = ["The food was good, not bad at all.", "a b a b a b", "", "x", "one two"]


def test_graph_and_matrix_agree():
    weights = np.random.default_rng(0).normal(size=ngrams.BUCKETS).astype("float32")
    matrix = ngrams.matrix(tf.data.Dataset.from_tensor_slices(TEXTS), split_words)
    shares = ngrams.Evidence(weights, 0.5).shares(split_words(tf.constant(TEXTS)))
    np.testing.assert_allclose(np.sum(shares, axis=1) + 0.5, ngrams.evidence(matrix, weights, 0.5), atol=1e-5)


def test_a_repeated_phrase_counts_once_where_it_first_stands():
    weights = np.ones(ngrams.BUCKETS, "float32")
    shares = ngrams.Evidence(weights, 0.0).shares(split_words(tf.constant(["a a a a"]))).numpy()[0]
    # Distinct: a, "a a", "a a a"; each weight is shared by the words of its first place.
    np.testing.assert_allclose(shares, np.array([1 + 1 / 2 + 1 / 3, 1 / 2 + 1 / 3, 1 / 3, 0]) / np.sqrt(3), rtol=1e-6)


def test_nothing_to_read():
    evidence = ngrams.Evidence(np.ones(ngrams.BUCKETS, "float32"), 0.0)
    assert evidence.shares(split_words(tf.constant(["", ""]))).shape == (2, 0)
    assert evidence.shares(split_words(tf.constant([], tf.string))).shape == (0, 0)


def test_fit_tells_phrases_apart():
    texts = ["this is not good", "this is not bad"] * 20
    matrix = ngrams.matrix(tf.data.Dataset.from_tensor_slices(texts), split_words)
    weights, bias = ngrams.fit(matrix, [0, 1] * 20)
    assert ((ngrams.evidence(matrix, weights, bias) > 0) == np.array([0, 1] * 20)).all()
