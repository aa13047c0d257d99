import os
import shutil

import pytest

from tests.training.datasets import small_files
from training import Stop
from training.datasets import tiny_shakespeare

PATH = "tinyshakespeare/input.txt"
TEXT = "First Citizen:\nSpeak, speak.\n\nAll:\nResolved.\n"


def write_file(path):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(TEXT)


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(tiny_shakespeare, "CHARACTERS", len(TEXT))
    write_file(tmp_path / "manual" / PATH)
    return tmp_path


class KarpathyShakespeareTest(small_files.SmallFiles):
    DATASET_CLASS = tiny_shakespeare.KarpathyShakespeare
    SPLITS = {"train": 1, "validation": 1}
    DL_DOWNLOAD_RESULT = {PATH: PATH}

    PATCHES = ((tiny_shakespeare, "CHARACTERS", len(TEXT)),)

    @classmethod
    def write(cls, folder):
        write_file(folder / PATH)


def read(folder, split):
    return tiny_shakespeare.load(split, manual_dir=folder / "manual", data_dir=folder / "data")


def test_the_last_tenth_is_for_validation(small):
    assert read(small, "train") + read(small, "validation") == TEXT
    assert read(small, "validation") == TEXT[int(0.9 * len(TEXT)) :]


def test_prepared_once_and_then_read_without_the_file(small):
    first = read(small, "validation")
    shutil.rmtree(small / "manual")
    assert read(small, "validation") == first


def test_wrong_files_get_one_sentence(small):
    path = small / "manual" / PATH
    for content in (TEXT[:-1].encode(), b"<html>Not found</html>", b"", b"\xff" * len(TEXT)):
        path.write_bytes(content)
        with pytest.raises(Stop, match=r"damaged .*--manual_dir DIR .*--corpus sample"):
            read(small, "train")
    path.unlink()
    with pytest.raises(Stop, match=r"There is no file .*input\.txt\. .*--corpus sample"):
        read(small, "train")


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://.*no network in tests.*--manual_dir"):
        tiny_shakespeare.load("train", data_dir=small / "data")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Received: 'test'"):
        tiny_shakespeare.load("test")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), PATH)),
    reason="SEQKERAS_MANUAL_DIR has no tinyshakespeare",
)
def test_the_real_file(tmp_path):
    train, validation = (tiny_shakespeare.load(split, data_dir=tmp_path) for split in ("train", "validation"))
    assert (len(train), len(validation)) == (1_003_854, 111_540)
    assert train.startswith("First Citizen:\nBefore we proceed any further, hear me speak.\n")
    assert len(set(train)) == 65 and set(validation) <= set(train)
