"""Word vectors to begin with, from the training reviews alone (Levy and Goldberg 2014; Bullinaria and Levy 2007).

What stands near a word tells what it means: a matrix of how much more often than by chance two words meet within a few
words of each other (positive pointwise mutual information), and its largest singular vectors. It takes seconds, and one
epoch with them is worth about three from random vectors.
"""

import numpy as np
import scipy.sparse
from sklearn.utils.extmath import randomized_svd


def learn(sequences, vocabulary_size, size, window=6, seed=0):
    """Vectors of all words.

    Args:
        sequences: iterable of int arrays `(words,)`, the ids of each training review; 0 is nothing.
        vocabulary_size: number of ids.
        size: size of the vectors.
        window: how far two words may stand apart; nearer pairs count more.
        seed: of the randomised singular value decomposition.

    Returns:
        float32 `(vocabulary_size, size)` of standard deviation 1; zeros for words that never occurred.
    """
    gap = np.zeros(window, np.int64)
    flat = np.concatenate([part for ids in sequences for part in (np.asarray(ids, np.int64), gap)])
    counts = scipy.sparse.csr_matrix((vocabulary_size, vocabulary_size), dtype=np.float32)
    for distance in range(1, window + 1):
        left, right = flat[:-distance], flat[distance:]
        both = (left > 0) & (right > 0)
        pairs, times = np.unique(left[both] * vocabulary_size + right[both], return_counts=True)
        nearness = (window + 1 - distance) / window
        counts += scipy.sparse.csr_matrix(
            (times.astype(np.float32) * nearness, (pairs // vocabulary_size, pairs % vocabulary_size)), counts.shape
        )
    counts = (counts + counts.T).tocoo()
    total = np.asarray(counts.sum(axis=1)).ravel() + 1e-9
    # The power gives rare contexts a little more than their share (Levy, Goldberg and Dagan 2015).
    context = total**0.75 / np.sum(total**0.75)
    information = np.log(counts.data / (total[counts.row] * context[counts.col]))
    kept = information > 0
    matrix = scipy.sparse.csr_matrix(
        (information[kept].astype(np.float32), (counts.row[kept], counts.col[kept])), counts.shape
    )
    vectors, values, _ = randomized_svd(matrix, size, n_iter=2, random_state=seed)
    vectors = (vectors * np.sqrt(values)).astype(np.float32)
    return vectors / vectors[np.asarray(matrix.sum(axis=1)).ravel() > 0].std()
