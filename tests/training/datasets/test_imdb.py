import io
import os
import tarfile

import numpy as np
import pytest

from tests.training.datasets import small_files
from training import Stop
from training.datasets import imdb

# Numbers on both sides of the held-out hundreds, and the stars the archive has.
NUMBERS = (0, 7, 99, 899, 900, 999, 1000, 1950)
STARS = {"neg": (1, 2, 3, 4), "pos": (7, 8, 9, 10)}
SMALL = 2 * len(NUMBERS)


def text_of(split, label, number):
    return f"{split} {label} {number}.<br /><br />C’était bien."


def write_archive(path, splits=("train", "test")):
    """A tiny archive of the official one's shape, with the unlabelled reviews and side files that are to be ignored."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:

        def add(name, text):
            content = text.encode()
            member = tarfile.TarInfo(f"aclImdb/{name}")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))

        add("README", "about")
        add("train/unsup/0_0.txt", "no label")
        add("train/urls_pos.txt", "addresses")
        for split in splits:
            for label in ("neg", "pos"):
                for place, number in enumerate(NUMBERS):
                    add(f"{split}/{label}/{number}_{STARS[label][place % 4]}.txt", text_of(split, label, number))


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(imdb, "REVIEWS", SMALL)
    write_archive(tmp_path / "manual" / imdb.MANUAL_PATH)
    return tmp_path


class ImdbTest(small_files.SmallFiles):
    DATASET_CLASS = imdb.Imdb
    SPLITS = {"train": SMALL, "test": SMALL}
    DL_DOWNLOAD_RESULT = "aclImdb_v1.tar.gz"

    PATCHES = ((imdb, "REVIEWS", SMALL),)

    @classmethod
    def write(cls, folder):
        write_archive(folder / cls.DL_DOWNLOAD_RESULT)


def read(split, folder):
    reviews = imdb.load(split, manual_dir=folder / "manual", data_dir=folder / "data").as_numpy_iterator()
    return {review["id"].decode(): review for review in reviews}


def test_text_label_and_stars(small):
    reviews = read("test", small)
    assert len(reviews) == SMALL
    for label in ("neg", "pos"):
        for place, number in enumerate(NUMBERS):
            review = reviews[f"test/{label}/{number}"]
            assert review["text"].decode() == text_of("test", label, number)
            assert review["label"] == (label == "pos")
            assert review["stars"] == STARS[label][place % 4]


def test_validation_is_every_tenth_hundred_of_train(small):
    held_out = {f"train/{label}/{number}" for label in ("neg", "pos") for number in (900, 999, 1950)}
    assert set(read("validation", small)) == held_out
    train = set(read("train", small))
    assert len(train) == SMALL - len(held_out) and not train & held_out


def test_the_order_is_the_same_every_time(small):
    assert list(read("train", small)) == list(read("train", small))


def test_prepared_once_and_then_read_without_the_archive(small, monkeypatch):
    monkeypatch.setenv("SEQKERAS_MANUAL_DIR", str(small / "manual"))
    first = list(imdb.load("test", data_dir=small / "data").as_numpy_iterator())
    os.remove(small / "manual" / imdb.MANUAL_PATH)
    assert list(imdb.load("test", data_dir=small / "data").as_numpy_iterator()) == first


def damaged_archives(path):
    content = path.read_bytes()
    yield content[: len(content) // 2]
    yield b"<html>Not found</html>"
    yield b""
    write_archive(path, splits=("train",))
    yield path.read_bytes()


def test_a_damaged_archive_gets_one_sentence(small):
    path = small / "manual" / imdb.MANUAL_PATH
    for content in damaged_archives(path):
        path.write_bytes(content)
        with pytest.raises(Stop, match=r"aclImdb_v1.tar.gz is damaged .*--manual_dir DIR .*--dataset sample"):
            imdb.load("train", manual_dir=small / "manual", data_dir=small / "data")
    write_archive(path)
    assert len(read("test", small)) == SMALL  # Nothing half-made is left behind.


def test_a_missing_archive_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"There is no file .*elsewhere/imdb/aclImdb_v1.tar.gz\. .*--dataset sample"):
        imdb.load("train", manual_dir=small / "elsewhere", data_dir=small / "data")


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://ai.stanford.edu.*no network in tests.*--manual_dir"):
        imdb.load("train", data_dir=small / "data")


def test_an_unknown_split_is_refused(small):
    with pytest.raises(ValueError, match="Received: 'unsup'"):
        imdb.load("unsup", data_dir=small / "data")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), imdb.MANUAL_PATH)),
    reason="SEQKERAS_MANUAL_DIR has no imdb archive",
)
def test_the_real_archive(tmp_path):
    def stars(split):
        batches = imdb.load(split, data_dir=tmp_path).batch(1_000).as_numpy_iterator()
        return np.concatenate([reviews["stars"] for reviews in batches])

    counts = {split: np.bincount(stars(split), minlength=11) for split in ("train", "validation", "test")}
    assert {split: int(count.sum()) for split, count in counts.items()} == {
        "train": 22_600,
        "validation": 2_400,
        "test": 25_000,
    }
    assert all(2 * count[:5].sum() == count.sum() and count[5] == count[6] == 0 for count in counts.values())
