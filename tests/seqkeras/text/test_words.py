import pytest
import tensorflow as tf

from seqkeras.text import Vocabulary, split_words


def words(text, **arguments):
    return [word.decode() for word in split_words(tf.constant([text]), **arguments).numpy()[0]]


@pytest.mark.parametrize(
    "text, expected",
    [
        ("The food was good, not bad at all.", ["the", "food", "was", "good", ",", "not", "bad", "at", "all", "."]),
        ("I can't, it isn't.", ["i", "ca", "n't", ",", "it", "is", "n't", "."]),
        ("It\u2019s Anna's 'best'", ["it", "'s", "anna", "'s", "'", "best", "'"]),
        ("8 out of 10, or 7.5/10?", ["8/10", ",", "or", "7.5/10", "?"]),
        ("Wow!!!! Really??", ["wow", "!!", "really", "??"]),
        ("and so on.... :-) ok", ["and", "so", "on", "...", ":-)", "ok"]),
        ("one<br /><br/>two\r\nthree\tfour", ["one", "two", "three", "four"]),
        ("a\x00b\u200bc", ["a", "b", "c"]),
        ("\u00dcN\u00cf \u65e5\u672c\u8a9e", ["\u00fcn\u00ef", "\u65e5\u672c\u8a9e"]),
        ("\U0001f600\U0001f600", ["\U0001f600", "\U0001f600"]),
        ("", []),
        (" \n ", []),
    ],
)
def test_splits(text, expected):
    assert words(text) == expected


def test_bytes_that_are_no_utf8_are_no_error():
    assert words(b"\xff\xfe good") == ["\ufffd", "\ufffd", "good"]


def test_reads_no_more_than_asked():
    assert words("one two three four", max_words=3) == ["one", "two", "three"]
    assert len(words("word " * 200_000, max_words=50)) == 50
    assert len(words("x" * 1_000_000, max_words=50)) == 1


def test_a_batch_of_any_size():
    assert split_words(tf.constant([], tf.string)).shape[0] == 0
    assert split_words(tf.constant(["a b", "", "c"])).row_lengths().numpy().tolist() == [2, 0, 1]


def test_vocabulary_ranks_by_frequency_and_shares_ids_among_the_unknown():
    texts = tf.data.Dataset.from_tensor_slices(["b b b a a c", "a b rare"]).batch(1)
    vocabulary = Vocabulary.learn(texts, size=6, unknown_ids=2, minimum_count=1)
    assert vocabulary.words == ["b", "a", "c"]
    assert len(vocabulary) == 6
    ids = vocabulary.ids(tf.constant(["", "b", "a", "c", "rare", "never"])).numpy()
    assert ids[:4].tolist() == [0, 3, 4, 5]
    assert set(ids[4:]) <= {1, 2}


def test_minimum_count_leaves_rare_words_out():
    texts = tf.data.Dataset.from_tensor_slices(["a a b"]).batch(1)
    assert Vocabulary.learn(texts, size=100, minimum_count=2).words == ["a"]
