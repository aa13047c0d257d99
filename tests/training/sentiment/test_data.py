import types

import numpy as np
import pytest
import tensorflow as tf

from seqkeras.text import Vocabulary
from training.datasets import sample_reviews
from training.sentiment import data

CONFIG = types.SimpleNamespace(
    crop=20, piece_share=0.5, piece_weight=0.4, contrast_weight=1.0, words_per_batch=256, seed=1
)


@pytest.fixture(scope="module")
def vocabulary():
    return Vocabulary.learn(sample_reviews.load("train").map(lambda r: r["text"]).batch(100), 400)


@pytest.fixture(scope="module")
def encoded(vocabulary):
    return data.encode(sample_reviews.load("validation"), vocabulary, 100)


def test_stars_are_half_of_imdbs_and_one_at_least():
    assert data.stars_of([1, 2, 3, 7, 10]).numpy().tolist() == [1.0, 1.0, 1.5, 3.5, 5.0]


def test_encode_keeps_every_review_in_its_order(encoded, vocabulary):
    rows = list(sample_reviews.load("validation").as_numpy_iterator())
    ids = list(encoded.as_numpy_iterator())
    assert len(encoded) == len(rows) == len(ids)
    for row, (_, targets) in zip(rows, ids):
        assert targets["positive"] == row["label"]
        assert targets["stars"] == pytest.approx((max(row["stars"] / 2, 1) - 1) / 4)


@pytest.mark.parametrize("length", [1, 5, 10, 30])
def test_crop_is_a_run_of_the_words(length):
    ids = tf.range(1, 11)
    crops = [data.crop(ids, length, (0, i)).numpy() for i in range(60)]
    for crop in crops:
        assert len(crop) == min(length, 10)
        assert (np.diff(crop) == 1).all()
    if length == 5:  # the end comes more often than any other place, and every place comes
        starts = [crop[0] for crop in crops]
        assert starts.count(6) > 15 and len(set(starts)) == 6


def test_sentences_are_whole():
    end = 9
    ids = tf.constant([1, 2, 3, end, 4, 5, 6, end, 7, 8, 7, end])
    for i in range(30):
        piece = data.sentences(ids, tf.constant([end]), (0, i)).numpy()
        assert piece[-1] == end and piece[0] in (1, 4, 7)
    whole = data.sentences(tf.constant([1, 2]), tf.constant([end]), (0, 0)).numpy()
    assert whole.tolist() == [1, 2]


def test_an_epoch_depends_on_seed_and_epoch_alone(encoded, vocabulary):
    first, again, other = (
        [ids.numpy() for ids, _, _ in data.training_batches(encoded, None, vocabulary, CONFIG, epoch)]
        for epoch in (0, 0, 1)
    )
    assert all(np.array_equal(a, b) for a, b in zip(first, again))
    assert not all(a.shape == b.shape and np.array_equal(a, b) for a, b in zip(first, other))


def test_every_review_is_met_and_padded_to_a_boundary(encoded, vocabulary):
    count = 0
    for ids, targets, weights in data.training_batches(encoded, None, vocabulary, CONFIG, 0):
        assert ids.shape[1] in data.BOUNDARIES
        assert len(ids) == len(targets["positive"]) == len(weights["positive"])
        count += int(tf.reduce_sum(tf.cast(weights["positive"] == 1.0, tf.int32)))
    assert count == len(encoded)
    assert sum(len(ids) for ids, _ in data.evaluation_batches(encoded, 256)) == len(encoded)


def test_longer_than_the_last_boundary_goes_to_a_multiple_of_it():
    rows = tf.data.Dataset.from_tensors((tf.ones((1025,), tf.int32), {}))
    ((ids, _),) = data.evaluation_batches(rows, 4096)
    assert ids.shape == (1, 2048)
