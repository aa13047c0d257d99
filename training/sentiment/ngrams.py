"""Evidence of phrases: a linear model of all words, pairs and triples (Wang and Manning 2012, "NB-SVM").

A recurrent net generalises and learns few phrases by heart; a linear model of phrases learns them all and generalises
little. They err on different reviews, so the sum of both errs least.
"""

import numpy as np
import scipy.sparse
import tensorflow as tf
from sklearn.linear_model import LogisticRegression

BUCKETS = 2**20  # 4 MB of weights; there are 1.0 million n-grams that occur twice or more
LARGEST = 3


def buckets(words):
    """Each n-gram's bucket, the place of its first word, and n: all single words first, then pairs, then triples.

    Args:
        words: RaggedTensor of strings `(batch, words)`.

    Returns:
        Three RaggedTensors `(batch, n-grams)`, int32.
    """
    columns = []
    for n in range(1, LARGEST + 1):
        grams = tf.strings.ngrams(words, n) if n > 1 else words
        hashed = tf.ragged.map_flat_values(tf.strings.to_hash_bucket_fast, grams, BUCKETS)
        places = tf.ragged.range(grams.row_lengths())
        columns.append([tf.cast(column, tf.int32) for column in (hashed, places, tf.ones_like(places) * n)])
    return tuple(tf.concat(column, axis=1) for column in zip(*columns))


def matrix(texts, split):
    """Which n-grams stand in which text: sparse float32 `(texts, BUCKETS)` of ones.

    Args:
        texts: dataset of strings.
        split: function from strings `(batch,)` to a RaggedTensor of words.
    """
    columns, starts = [], [0]
    for batch in texts.batch(500).map(lambda text: buckets(split(text))[0], num_parallel_calls=2):
        for row in np.split(batch.flat_values.numpy(), batch.row_splits.numpy()[1:-1]):
            columns.append(np.unique(row))
            starts.append(starts[-1] + len(columns[-1]))
    columns = np.concatenate(columns)
    return scipy.sparse.csr_matrix((np.ones(len(columns), np.float32), columns, starts), (len(starts) - 1, BUCKETS))


def fit(presence, labels, strength=30.0):
    """Fits the weights: logistic regression on n-grams scaled by how much more often they stand on one side.

    Args:
        presence: what `matrix` gives.
        labels: int `(texts,)`, 0 or 1.
        strength: scikit-learn's C, the inverse of the regularisation.

    Returns:
        The weights float32 `(BUCKETS,)`, and a bias. A text's evidence is the sum of the weights of its distinct
        n-grams, divided by the square root of their number, plus the bias.
    """
    labels = np.asarray(labels)
    often = np.asarray(presence.sum(axis=0)).ravel() >= 2
    presence = presence @ scipy.sparse.diags(often.astype(np.float32))
    positive = 1 + np.asarray(presence[labels == 1].sum(axis=0)).ravel()
    negative = 1 + np.asarray(presence[labels == 0].sum(axis=0)).ravel()
    ratio = np.where(often, np.log((positive / positive.sum()) / (negative / negative.sum())), 0).astype(np.float32)
    scaled = _normal(presence) @ scipy.sparse.diags(ratio)
    model = LogisticRegression(C=strength, max_iter=100).fit(scaled, labels)
    return (ratio * model.coef_[0]).astype(np.float32), float(model.intercept_[0])


def evidence(presence, weights, bias):
    """The evidence `(texts,)` of the rows of `matrix`; what `Evidence` computes in the graph."""
    known = presence @ scipy.sparse.diags((weights != 0).astype(np.float32))
    return _normal(known) @ weights + bias


def _normal(presence):
    """Rows divided by the square root of how many n-grams they hold."""
    count = np.maximum(np.asarray(presence.sum(axis=1)).ravel(), 1)
    return scipy.sparse.diags((1 / np.sqrt(count)).astype(np.float32)) @ presence


class Evidence(tf.Module):
    """The evidence of phrases, in the graph.

    Args:
        weights, bias: what `fit` gives.
    """

    def __init__(self, weights, bias):
        super().__init__()
        self.weights = tf.Variable(weights, trainable=False)
        self.bias = bias

    def shares(self, words):
        """What each word adds: an n-gram's weight is shared by its words, and counts where it first stands.

        Args:
            words: RaggedTensor of strings `(batch, words)`.

        Returns:
            float32 `(batch, longest)`; with the bias, the sum of a row is the text's evidence.
        """
        ids, places, sizes = buckets(words)
        lengths = tf.cast(words.row_lengths(), tf.int32)
        ids, places, sizes = ids.to_tensor(-1), places.to_tensor(0), sizes.to_tensor(1)
        weights = tf.gather(self.weights, tf.maximum(ids, 0)) * tf.cast(ids >= 0, tf.float32)
        weights *= tf.cast(_first(ids), tf.float32)
        known = tf.reduce_sum(tf.cast(weights != 0, tf.float32), axis=1, keepdims=True)
        weights *= tf.math.rsqrt(tf.maximum(known, 1.0)) / tf.cast(sizes, tf.float32)
        longest = tf.maximum(tf.reduce_max(tf.concat([lengths, [0]], axis=0)), 1)
        rows = tf.range(tf.shape(ids)[0])[:, None] * longest
        total = tf.zeros((tf.shape(ids)[0] * longest,))
        for shift in range(LARGEST):
            inside = tf.cast(sizes > shift, tf.float32)
            where = tf.reshape(rows + tf.minimum(places + shift, longest - 1), (-1, 1))
            total = tf.tensor_scatter_nd_add(total, where, tf.reshape(weights * inside, (-1,)))
        return tf.reshape(total, (-1, longest))[:, : tf.reduce_max(tf.concat([lengths, [0]], axis=0))]


def _first(ids):
    """Whether each id `(batch, n)` stands for the first time in its row: bool `(batch, n)`."""
    order = tf.argsort(ids, axis=1, stable=True)
    ranked = tf.gather(ids, order, batch_dims=1)
    fresh = tf.concat([tf.ones_like(ranked[:, :1], tf.bool), ranked[:, 1:] != ranked[:, :-1]], axis=1)
    return tf.gather(fresh, tf.argsort(order, axis=1), batch_dims=1)
