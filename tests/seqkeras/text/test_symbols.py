import numpy as np
import pytest
import tensorflow as tf

from seqkeras.text import Symbols
from seqkeras.text.symbols import END, PADDING, START


@pytest.fixture
def symbols():
    return Symbols.learn(["cab", "né c"], longer=["K:Dmaj\n", "M:6/8\n"])


def test_learns_the_characters_behind_the_longer_symbols(symbols):
    assert symbols.symbols == ["K:Dmaj\n", "M:6/8\n", " ", "a", "b", "c", "n", "é"]
    assert len(symbols) == 11


def test_there_and_back(symbols):
    texts = ["abba né", "", "c"]
    ids = symbols.ids(tf.constant(texts))
    assert ids.dtype == tf.int32
    assert [t.decode() for t in symbols.text(ids.to_tensor()).numpy()] == texts


def test_unknown_characters_are_left_out(symbols):
    ids = symbols.ids(tf.constant(["axb\x00", b"\xffc", "漢"]))
    assert [t.decode() for t in symbols.text(ids.to_tensor()).numpy()] == ["ab", "c", ""]


def test_lookup_finds_long_symbols_and_says_which_are_none(symbols):
    assert symbols.lookup(tf.constant(["M:6/8\n", "a", "M:9/8\n"])).numpy().tolist() == [4, 6, -1]


def test_text_ends_at_the_first_end(symbols):
    ids = np.array([[START, 6, 7, END, 8, END], [START, 3, PADDING, 6, 7, 8]])
    assert symbols.text(tf.constant(ids)).numpy().tolist() == [b"ab", b"K:Dmaj\nabc"]


@pytest.mark.parametrize("wrong", [["a", "a"], ["a", ""]])
def test_symbols_are_distinct_and_not_empty(wrong):
    with pytest.raises(ValueError, match="distinct and not empty"):
        Symbols(wrong)
