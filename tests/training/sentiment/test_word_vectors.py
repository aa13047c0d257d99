import numpy as np

from training.sentiment import word_vectors


def test_words_in_like_company_get_like_vectors():
    """1 and 2 stand between the same words, 3 between others."""
    rng = np.random.default_rng(0)
    sequences = []
    for _ in range(300):
        left = [10, rng.choice([1, 2]), 11]
        right = [12, 3, 13]
        sequences.append(np.array([*left, 0, 0, *right]))
    vectors = word_vectors.learn(sequences, 14, size=4, window=2)
    vectors = vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + 1e-9)
    assert vectors[1] @ vectors[2] > 0.9 > 0.5 > abs(vectors[1] @ vectors[3])


def test_words_never_met_are_zero():
    vectors = word_vectors.learn([np.array([1, 2, 1, 2])], 6, size=2, window=2)
    assert vectors.shape == (6, 2) and vectors.dtype == np.float32
    np.testing.assert_allclose(vectors[3:], 0, atol=1e-6)
