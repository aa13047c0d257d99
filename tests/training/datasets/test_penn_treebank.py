import os
import shutil

import pytest

from tests.training.datasets import small_files
from training import Stop
from training.datasets import penn_treebank

LINES = {
    "train": [" no it was n't black <unk> ", " mr. <unk> is N years old "],
    "validation": [" consumers may want to move "],
    "test": [" no it is ", " a b "],
}
SMALL = {"train": 14, "validation": 6, "test": 7}


def write_files(folder):
    (folder / "ptb").mkdir(parents=True, exist_ok=True)
    for split, lines in LINES.items():
        (folder / "ptb" / penn_treebank.FILES[split]).write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(penn_treebank, "TOKENS", SMALL)
    write_files(tmp_path / "manual")
    return tmp_path


class PennTreebankTest(small_files.SmallFiles):
    DATASET_CLASS = penn_treebank.PennTreebank
    SPLITS = dict.fromkeys(SMALL, 1)
    DL_DOWNLOAD_RESULT = {path: path for path in penn_treebank.ADDRESSES}

    PATCHES = ((penn_treebank, "TOKENS", SMALL),)

    @classmethod
    def write(cls, folder):
        write_files(folder)


def read(folder, split):
    return penn_treebank.load(split, manual_dir=folder / "manual", data_dir=folder / "data")


def test_a_sentence_a_line_and_one_space_between_words(small):
    assert read(small, "train") == "no it was n't black <unk>\nmr. <unk> is N years old\n"
    for split, lines in LINES.items():
        text = read(small, split)
        assert text.splitlines() == [line.strip() for line in lines]
        assert len(text.replace("\n", " <eos> ").split()) == SMALL[split]


def test_prepared_once_and_then_read_without_the_files(small):
    first = read(small, "test")
    shutil.rmtree(small / "manual")
    assert read(small, "test") == first


def test_wrong_files_get_one_sentence(small):
    path = small / "manual" / "ptb" / "ptb.valid.txt"
    good = path.read_bytes()
    for content in (good[: len(good) // 2], b"<html>Not found</html>", b"", b"\xff" + good):
        path.write_bytes(content)
        with pytest.raises(Stop, match=r"damaged .*--manual_dir DIR .*--corpus sample"):
            read(small, "train")
    path.unlink()
    with pytest.raises(Stop, match=r"There is no file .*ptb\.valid\.txt\. .*--corpus sample"):
        read(small, "train")
    path.write_bytes(good)
    assert read(small, "train")


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://.*no network in tests.*--manual_dir"):
        penn_treebank.load("train", data_dir=small / "data")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Received: 'valid'"):
        penn_treebank.load("valid")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), "ptb/ptb.train.txt")),
    reason="SEQKERAS_MANUAL_DIR has no ptb",
)
def test_the_real_files(tmp_path):
    tokens = {
        split: penn_treebank.load(split, data_dir=tmp_path).replace("\n", " <eos> ").split()
        for split in ("train", "validation", "test")
    }
    assert {split: len(words) for split, words in tokens.items()} == {
        "train": 929_589,
        "validation": 73_760,
        "test": 82_430,
    }
    types = set(tokens["train"])
    assert len(types) == 10_000
    assert types >= set(tokens["validation"]) | set(tokens["test"])
