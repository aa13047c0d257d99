import collections
import hashlib
import math
import re

import pytest
import tensorflow as tf

from training.datasets import sample_reviews


@pytest.fixture(scope="module")
def splits():
    return {split: list(sample_reviews.load(split).as_numpy_iterator()) for split in sample_reviews.SIZES}


def test_sizes_and_features(splits):
    assert {split: len(reviews) for split, reviews in splits.items()} == {"train": 2000, "validation": 400, "test": 400}
    assert sample_reviews.load("test").element_spec == {
        "id": tf.TensorSpec((), tf.string),
        "text": tf.TensorSpec((), tf.string),
        "label": tf.TensorSpec((), tf.int64),
        "stars": tf.TensorSpec((), tf.int64),
    }


def test_labels_are_balanced_and_agree_with_stars(splits):
    for reviews in splits.values():
        assert sum(review["label"] for review in reviews) * 2 == len(reviews)
        assert {int(review["stars"]) for review in reviews} == {1, 2, 3, 4, 7, 8, 9, 10}
        assert all((review["stars"] > 5) == review["label"] for review in reviews)


def test_no_text_or_id_occurs_twice(splits):
    everything = [review for reviews in splits.values() for review in reviews]
    assert len({review["text"] for review in everything}) == len(everything)
    assert len({review["id"] for review in everything}) == len(everything)


def test_the_corpus_is_the_same_everywhere(splits):
    digest = hashlib.sha256(b"\n".join(review["text"] for reviews in splits.values() for review in reviews))
    assert digest.hexdigest() == "306b58ec3a6b44b3beee038289649d3241f9bfd5b2aac6f7acebc89c4f1aee4c"


def test_words_alone_are_not_enough(splits):
    """Naive Bayes on the set of words, which knows no order, is far from perfect and far from chance."""

    def words(review):
        return set(re.findall(r"\w+", review["text"].decode().lower()))

    counts = collections.Counter((word, int(review["label"])) for review in splits["train"] for word in words(review))
    right = 0
    for review in splits["test"]:
        score = sum(math.log((counts[word, 1] + 1) / (counts[word, 0] + 1)) for word in words(review))
        right += (score > 0) == review["label"]
    assert 0.6 < right / len(splits["test"]) < 0.85


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Received: 'unsup'"):
        sample_reviews.load("unsup")
