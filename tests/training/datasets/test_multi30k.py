import gzip
import os
import shutil

import pytest

from tests.training.datasets import small_files
from training import Stop
from training.datasets import multi30k

SMALL = {"train": 6, "validation": 3, "test": 2}


def sentence(split, language, number, tokenised=False):
    # The next-line character would end a line for str.splitlines().
    return f"{split} {language} {number} .\u0085 &quot;" if tokenised else f"{split.title()} {language} {number}.\u0085"


def write_files(folder, sizes=SMALL):
    for split, size in sizes.items():
        for language in multi30k.LANGUAGES:
            name = folder / "multi30k" / f"{multi30k.FILES[split]}.{language}.gz"
            name.parent.mkdir(parents=True, exist_ok=True)
            name.write_bytes(gzip.compress("".join(f"{sentence(split, language, i)}\n" for i in range(size)).encode()))
            name = folder / "multi30k" / f"{multi30k.FILES[split]}.lc.norm.tok.{language}"
            name.write_text("".join(f"{sentence(split, language, i, True)}\n" for i in range(size)), encoding="utf-8")


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(multi30k, "SENTENCES", SMALL)
    write_files(tmp_path / "manual")
    return tmp_path


class Multi30kTest(small_files.SmallFiles):
    DATASET_CLASS = multi30k.Multi30k
    SPLITS = SMALL
    DL_DOWNLOAD_RESULT = {path: path for path in multi30k.ADDRESSES}

    PATCHES = ((multi30k, "SENTENCES", SMALL),)

    @classmethod
    def write(cls, folder):
        write_files(folder)


def read(folder, *arguments, **options):
    rows = multi30k.load(*arguments, manual_dir=folder / "manual", data_dir=folder / "data", **options)
    return [(row["source"].decode(), row["target"].decode()) for row in rows.as_numpy_iterator()]


def test_both_sides_of_a_pair_are_the_same_caption(small):
    for split, size in SMALL.items():
        for source, target in (("en", "de"), ("fr", "en")):
            for tokenised in (False, True):
                rows = read(small, split, source, target, tokenised=tokenised)
                expected = [
                    tuple(sentence(split, language, i, tokenised).strip() for language in (source, target))
                    for i in range(size)
                ]
                assert sorted(rows) == sorted(expected)
                assert rows == read(small, split, source, target, tokenised=tokenised)


def test_prepared_once_and_then_read_without_the_files(small):
    first = read(small, "test", "en", "fr")
    shutil.rmtree(small / "manual")
    assert read(small, "test", "en", "fr") == first


def test_wrong_files_get_one_sentence(small):
    path = small / "manual" / "multi30k" / "val.de.gz"
    good = path.read_bytes()
    for content in (good[: len(good) // 2], b"<html>Not found</html>", b"", gzip.compress(b"one sentence\n")):
        path.write_bytes(content)
        with pytest.raises(Stop, match=r"damaged .*--manual_dir DIR .*--dataset sample"):
            read(small, "train", "en", "de")
    path.unlink()
    with pytest.raises(Stop, match=r"There is no file .*val\.de\.gz\. .*--dataset sample"):
        read(small, "train", "en", "de")
    path.write_bytes(good)
    assert len(read(small, "train", "en", "de")) == SMALL["train"]


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://.*no network in tests.*--manual_dir"):
        multi30k.load("train", data_dir=small / "data")


def test_unknown_languages_are_refused(small):
    with pytest.raises(ValueError, match="en-de.*Received: 'en' to 'cs'"):
        read(small, "train", "en", "cs")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), "multi30k/train.en.gz")),
    reason="SEQKERAS_MANUAL_DIR has no multi30k",
)
def test_the_real_files(tmp_path):
    for split, size in {"train": 29_000, "validation": 1_014, "test": 1_000}.items():
        rows = list(multi30k.load(split, "en", "fr", data_dir=tmp_path, tokenised=True).as_numpy_iterator())
        assert len(rows) == size
        assert all(row["source"].decode().islower() and row["target"] for row in rows)
