import dataclasses

import numpy as np
import pytest
import tensorflow as tf

from training import Stop
from training.language import data
from training.language.__main__ import Config, settled

NEWSPAPER = "mr. smith is n't here\nthe u.s. company 's shares rose N N\nhe said <unk> no\n"
PROSE = 'Mr. Smith isn\'t here, is he?\n"No," said Dr. Jones (at 5 p.m.): "He left."\n\nIt cost 3,500 - or less...\n'


@pytest.fixture(scope="module")
def newspaper():
    return data.Words.learn(NEWSPAPER, 100)


def read(symbols, text):
    return [symbol.decode() for symbol in symbols.strings(symbols.ids(tf.constant([text]))[0]).numpy()]


def split(text):
    words = data.split_text(tf.constant([text]))[0].numpy()
    return [word.decode() for word in words]


@pytest.mark.parametrize(
    "text, words",
    [
        ("", []),
        ("He's fine. Isn't he?", ["he", "'s", "fine", ".", "is", "n't", "he", "?"]),
        ("Mr. Smith of the U.S. left at 5 p.m.", ["mr.", "smith", "of", "the", "u.s.", "left", "at", "5", "p.m."]),
        ('"Yes," (he) said...', ['"', "yes", ",", '"', "(", "he", ")", "said", "..."]),
        ("\u201cDon\u2019t!\u201d", ['"', "do", "n't", "!", '"']),
        ("$3,500 and 7.5%", ["$", "3500", "and", "7.5", "%"]),
        ("a\x00b\tc\u200bd", ["a", "b", "c", "d"]),
        ("the 'new' house, the boys' house", ["the", "'", "new", "'", "house", ",", "the", "boys", "'", "house"]),
        ("ÜBER naïve Señor", ["über", "naïve", "señor"]),
        ("\U0001f642 ok", ["\U0001f642", "ok"]),
    ],
)
def test_text_is_split_as_people_would(text, words):
    assert split(text) == words


def test_a_text_without_stops_ends_sentences_with_lines(newspaper):
    assert read(newspaper, "Mr. Smith isn't here. The shares rose 5%!") == [
        "mr.", "smith", "is", "n't", "here", "\n", "the", "shares", "rose", "N", "\n",
    ]  # fmt: skip
    assert read(newspaper, "He said xyzzy, no") == ["he", "said", "<unk>", "no"]
    assert read(newspaper, "here\r\nhe") == ["here", "\n", "he"]
    assert read(newspaper, "") == [] and read(newspaper, "?!") == ["\n"] * 2


def test_a_text_with_stops_keeps_its_marks():
    symbols = data.Words.learn(data.split_lines(PROSE), 100)
    assert read(symbols, "He left, Mr. Jones.") == ["he", "left", ",", "mr.", "jones", "."]
    assert read(symbols, "It cost 9 @") == ["it", "cost", "<unk>"]
    assert data.split_lines(PROSE).split("\n")[0] == "mr. smith is n't here , is he ?"


def test_words_come_back_as_people_write_them(newspaper):
    def back(text):
        return newspaper.text(newspaper.ids(tf.constant([text])).to_tensor(0)).numpy()[0].decode()

    assert (
        back("Mr. Smith isn't here. The company's shares rose.") == "mr. smith isn't here\nthe company's shares rose\n"
    )
    symbols = data.Words.learn(data.split_lines(PROSE), 100)
    ids = symbols.ids(tf.constant(["He left (at 5 p.m.): no, it cost 3,500."])).to_tensor(0)
    assert symbols.text(ids).numpy()[0].decode() == "he left (at 5 p.m.): no, it cost 3500."


def test_the_training_text_is_read_in_one_piece(newspaper):
    ids = newspaper.encode(NEWSPAPER)
    names = [newspaper.symbols[place - 3] for place in ids]
    assert names == NEWSPAPER.replace("\n", " \n ").split(" ")[:-1] and ids.dtype == np.int32
    assert list(newspaper.encode("zzz he")) == [newspaper.unknown, newspaper.lookup(tf.constant("he")).numpy()]
    assert newspaper.symbols[:2] == ["<unk>", "\n"]


def test_the_most_frequent_words_are_kept():
    symbols = data.Words.learn("b b b a a c\n", 7)
    assert symbols.symbols == ["<unk>", "\n", "b", "a"] and len(symbols) == 7


def test_characters():
    symbols = data.Characters.learn("hello\nworld")
    assert symbols.symbols == sorted(set("hello\nworld")) and symbols.unknown is None
    assert [symbols.symbols[place - 3] for place in symbols.encode("low!\n")] == ["l", "o", "w", "\n"]
    assert read(symbols, "löw é") == ["l", "w"]
    assert data.Characters.learn("abb", minimum_count=2).symbols == ["\n", "b"], "a line must be able to end"


def test_batches_go_on_where_the_last_ended():
    ids = np.arange(1, 62, dtype=np.int32)
    rows = [[], [], []]
    for chunk, targets, weights in data.batches(ids, 3, 7):
        np.testing.assert_array_equal(targets, chunk["targets"])
        np.testing.assert_array_equal(weights, tf.cast(chunk["mask"], tf.float32))
        for row, read, mask in zip(rows, chunk["inputs"].numpy(), chunk["mask"].numpy()):
            row += list(read[mask])
    assert [row[0] for row in rows] == [1, 21, 41] and sum(rows, []) == list(range(1, 61))


def test_epochs_begin_elsewhere_and_are_the_same_again():
    config = Config(batch_size=2, chunk=5, seed=3)
    ids = np.arange(1, 42, dtype=np.int32)

    def inputs(epoch):
        return np.concatenate([chunk["inputs"] for chunk, *_ in data.training_batches(ids, config, epoch)], axis=1)

    np.testing.assert_array_equal(inputs(0), inputs(0))
    assert not np.array_equal(inputs(0), inputs(1))
    assert len(set(inputs(1).ravel()) - {0}) == 40


def test_too_short_a_text_is_said_in_a_sentence():
    with pytest.raises(Stop, match="too short.*smaller --batch_size"):
        data.batches(np.arange(5, dtype=np.int32), 32, 10)


def test_readers_by_level():
    config = settled(Config(corpus="sample", vocabulary=50))
    symbols, encode = data.reader("Ab ab.\nb", config)
    assert isinstance(symbols, data.Characters) and len(encode("Ab")) == 2
    symbols, encode = data.reader("Ab ab.\nb", dataclasses.replace(config, level="words"))
    assert symbols.symbols == ["<unk>", "\n", "ab", ".", "b"]
    assert [symbols.symbols[place - 3] for place in encode("AB. c")] == ["ab", ".", "<unk>"]


def test_a_text_file_of_ones_own_is_a_corpus(tmp_path):
    path = tmp_path / "mine.txt"
    path.write_text("".join(f"This is line {number} of my own text.\n" for number in range(400)))
    config = Config(corpus=str(path))
    assert "line 7 of" in data.load(config, "train") and "line 399 of" in data.load(config, "test")
    assert settled(config).workdir.endswith("language/mine")
    with pytest.raises(Stop):
        data.load(Config(corpus=str(tmp_path / "nothing.txt")), "train")


def test_shakespeare_is_measured_on_what_is_held_out(monkeypatch):
    monkeypatch.setattr(data.tiny_shakespeare, "load", lambda split, **_: split)
    config = Config(corpus="shakespeare")
    assert [data.load(config, split) for split in ("train", "validation", "test")] == ["train", *["validation"] * 2]
