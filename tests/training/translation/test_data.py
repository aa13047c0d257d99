import numpy as np
import pytest
import tensorflow as tf

from seqkeras.text.subwords import END, START
from training.datasets import multi30k, parallel_files, phrase_book, tatoeba
from training.translation import data
from training.translation.__main__ import Config

CONFIG = Config(dataset="sample", pair="en-fr", batch_size=32, longest=20, seed=3)


@pytest.fixture(scope="module")
def encoded(pairs, subwords):
    return [data.encode(*side) for side in zip(pairs, subwords)]


def rows(batches):
    """The pairs of ids in batches, the padding left out; each also without its start or end."""
    found = []
    for inputs, targets, weights in batches.as_numpy_iterator():
        for source, read, target, weight in zip(inputs["source"], inputs["target"], targets, weights):
            found.append(tuple(tuple(ids[ids > 0]) for ids in (source, read, target)) + (weight.sum(),))
    return found


def test_every_pair_of_languages_has_its_set():
    for pair, module in data.SETS.items():
        assert data.set_of(Config(pair=pair)) is module and set(pair.split("-")) <= set(data.LANGUAGES)
    assert data.set_of(CONFIG) is phrase_book
    assert data.set_of(Config(pair="en-it", dataset="files")) is parallel_files
    sets = (multi30k, tatoeba, phrase_book, parallel_files)
    assert {module.__name__.rpartition(".")[2] for module in sets} == set(data.ABOUT)
    assert (data.language("fr"), data.language("xx")) == ("French", "XX")


def test_columns_keep_the_order():
    english, french = data.columns(phrase_book.load("train"))
    first = next(phrase_book.load("train").as_numpy_iterator())
    assert english.shape == french.shape == (640,)
    assert (english[0], french[0]) == (first["source"], first["target"])
    assert data.columns(data.load(CONFIG, "validation"))[0].shape == (80,)


def test_ids_end_and_come_back_as_the_text(pairs, subwords, encoded):
    for texts, side, ids in zip(pairs, subwords, encoded):
        assert (ids[:, -1:].flat_values.numpy() == END).all() and (ids[:, :-1].flat_values.numpy() > END).all()
        assert side.text(ids).numpy().tolist() == texts.numpy().tolist()


def test_merges_left_out_differ_by_seed_and_come_back_as_the_text(pairs, subwords, encoded):
    # At the end one sentence twenty times, which is not always taken apart alike.
    english, side = tf.concat([pairs[0][:100], tf.repeat(pairs[0][:1], 20)], 0), subwords[0]
    first, again, other = (data.encode(english, side, 0.3, seed) for seed in (1, 1, 2))
    assert len(first[:100].flat_values) > len(encoded[0][:100].flat_values)
    assert first.to_list() == again.to_list() != other.to_list()
    assert len(set(map(tuple, first[100:].to_list()))) > 1
    for ids in (first, other):
        assert side.text(ids).numpy().tolist() == english.numpy().tolist()


def test_an_epoch_has_each_pair_once(encoded):
    sources, targets = (ids.to_list() for ids in encoded)
    short = [tuple(map(tuple, pair)) for pair in zip(sources, targets) if max(map(len, pair)) <= CONFIG.longest]
    assert 0 < len(short) < len(sources)
    for batches in (data.training_batches(encoded, CONFIG, 0), data.evaluation_batches(encoded, CONFIG)):
        assert sorted((source, target) for source, _, target, _ in rows(batches)) == sorted(short)


def test_batches_are_those_of_seed_and_epoch(encoded):
    first = rows(data.training_batches(encoded, CONFIG, 0))
    assert first == rows(data.training_batches(encoded, CONFIG, 0))
    other = rows(data.training_batches(encoded, CONFIG, 1))
    assert first != other and sorted(first) == sorted(other)
    assert first != rows(data.training_batches(encoded, Config(**{**vars(CONFIG), "seed": 4}), 0))


def test_targets_are_the_next_tokens_and_padding_weighs_nothing(encoded):
    for inputs, target, weights in data.training_batches(encoded, CONFIG, 0).as_numpy_iterator():
        read = inputs["target"]
        assert (read[:, 0] == START).all()
        there = target > 0
        np.testing.assert_array_equal(weights, there.astype("float32"))
        np.testing.assert_array_equal(read[:, 1:][there[:, 1:]], target[:, :-1][there[:, 1:]])
        assert (read[~there] == 0).all()
        # Each ends once, where its padding begins.
        assert ((target == END).sum(axis=1) == 1).all()
        np.testing.assert_array_equal(np.argmax(target == END, axis=1) + 1, there.sum(axis=1))


def test_batches_are_padded_to_a_boundary(encoded):
    sizes = set()
    for inputs, target, _ in data.training_batches(encoded, CONFIG, 0).as_numpy_iterator():
        assert {inputs["source"].shape[1], target.shape[1]} <= set(data.BOUNDARIES)
        assert inputs["target"].shape == target.shape and len(target) == len(inputs["source"]) <= CONFIG.batch_size
        longest = max((inputs["source"] > 0).sum(axis=1).max(), (target > 0).sum(axis=1).max())
        assert longest <= max(inputs["source"].shape[1], target.shape[1])
        sizes.add(target.shape[1])
    assert len(sizes) > 2


def test_longer_than_all_boundaries_is_kept_as_it_is():
    ids = tf.ragged.constant([[5] * 130 + [END], [6, END]], tf.int32)
    config = Config(batch_size=8, longest=200)
    shapes = [tuple(target.shape) for _, target, _ in data.evaluation_batches((ids, ids), config)]
    assert sorted(shapes) == [(1, data.BOUNDARIES[0]), (1, 131)]
