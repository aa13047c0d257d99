import os
import shutil
import zipfile

import pytest

from tests.training.datasets import small_files
from training import Stop
from training.datasets import captions, flickr8k

SMALL = {"train": 6, "validation": 3, "test": 2}
NAMES = {split: [f"{split}_{i}.jpg" for i in range(size)] for split, size in SMALL.items()}
ALL = [name for names in NAMES.values() for name in names]


def photo(name):
    return b"\xff\xd8\xff" + name.encode() + b"\x00\xff\xd9"


def texts(name):
    return [f"Caption {i} of {name} , as written ." for i in range(5)]


def write_archives(folder, photos=None, **members):
    """Two archives of the official ones' shape, with what macOS adds, a photo on no list and captions without a photo.

    Keywords replace the text of a member, by its name without dots, or leave it out where None.
    """
    folder = folder / "flickr8k"
    folder.mkdir(parents=True, exist_ok=True)
    photos = {name: photo(name) for name in (*ALL, "on_no_list.jpg")} if photos is None else photos
    with zipfile.ZipFile(folder / "Flickr8k_Dataset.zip", "w") as archive:
        archive.writestr("Flicker8k_Dataset/", "")
        for name, content in photos.items():
            archive.writestr(f"Flicker8k_Dataset/{name}", content)
            archive.writestr(f"__MACOSX/Flicker8k_Dataset/._{name}", "of macOS")
    lines = [f"{name}#{i}\t{text}\n" for name in (*ALL, "without.jpg") for i, text in enumerate(texts(name))]
    content = {flickr8k.TOKENS: "".join(lines) + "without.jpg.1#0\tNo photo .\n", "Flickr8k.lemma.token.txt": "lemmas"}
    content |= {flickr8k.LISTS[split]: "\n".join(names) + "\n" for split, names in NAMES.items()}
    with zipfile.ZipFile(folder / "Flickr8k_text.zip", "w") as archive:
        for name, text in content.items():
            text = members.get(name.replace(".", ""), text)
            if text is not None:
                archive.writestr(name, text)
            archive.writestr(f"__MACOSX/{name}", "of macOS")


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(flickr8k, "SIZES", SMALL)
    write_archives(tmp_path / "manual")
    return tmp_path


class Flickr8kTest(small_files.SmallFiles):
    DATASET_CLASS = flickr8k.Flickr8k
    SPLITS = SMALL
    DL_DOWNLOAD_RESULT = {path: path for path in flickr8k.ADDRESSES}
    # The archives were given out on request, and no official checksum of them is known.
    SKIP_CHECKSUMS = True

    PATCHES = ((flickr8k, "SIZES", SMALL),)

    @classmethod
    def write(cls, folder):
        write_archives(folder)


def read(split, folder):
    return list(flickr8k.load(split, manual_dir=folder / "manual", data_dir=folder / "data").as_numpy_iterator())


def test_the_bytes_and_the_captions_are_those_of_the_archives(small):
    for split, names in NAMES.items():
        rows = read(split, small)
        assert sorted(row["id"].decode() for row in rows) == names
        for row in rows:
            name = row["id"].decode()
            assert row["image"] == photo(name)
            assert [text.decode() for text in row["captions"]] == texts(name)


def test_the_form_is_that_of_the_other_sets(small):
    spec = flickr8k.load("test", small / "manual", small / "data").element_spec
    assert spec == captions.dataset(["a"], ["b"], [["c"]]).element_spec


def test_prepared_once_and_then_read_in_the_same_order_without_the_archives(small, monkeypatch):
    monkeypatch.setenv("SEQKERAS_MANUAL_DIR", str(small / "manual"))
    first = [row["id"] for row in flickr8k.load("train", data_dir=small / "data").as_numpy_iterator()]
    shutil.rmtree(small / "manual")
    assert [row["id"] for row in flickr8k.load("train", data_dir=small / "data").as_numpy_iterator()] == first


@pytest.mark.parametrize("path", flickr8k.ADDRESSES)
def test_a_damaged_archive_gets_one_sentence(small, path):
    path = small / "manual" / path
    good = path.read_bytes()
    broken = bytearray(good)
    broken[good.index(b"train_0.jpg")] ^= 1  # the name of the first photo, or a letter of the first caption
    for content in (good[: len(good) // 2], b"<html>Not found</html>", b"", bytes(broken)):
        path.write_bytes(content)
        with pytest.raises(Stop, match=r"damaged \(.*--manual_dir DIR .*--dataset sample"):
            read("train", small)
    path.write_bytes(good)
    assert len(read("test", small)) == SMALL["test"]  # Nothing half-made is left behind.


@pytest.mark.parametrize(
    "members, said",
    [
        ({"Flickr8ktokentxt": None}, "Flickr8k_text.zip holds no Flickr8k.token.txt"),
        ({"Flickr_8ktestImagestxt": None}, "holds no Flickr_8k.testImages.txt"),
        ({"Flickr_8ktrainImagestxt": "train_0.jpg\n"}, "trainImages.txt .* names 1 photos instead of 6"),
        ({"Flickr_8ktrainImagestxt": "train_0.jpg\n" * 6}, "names 1 photos instead of 6"),
        ({"Flickr8ktokentxt": "train_0.jpg#0\tOnly one .\n"}, "does not hold 5 captions of train_0.jpg"),
        ({"Flickr8ktokentxt": "train_0.jpg#0\t\n" * 5}, "does not hold 5 captions of train_0.jpg"),
        ({"Flickr8ktokentxt": "<html>"}, "line 1 is not NAME#0<TAB>caption but '<html>'"),
        ({"photos": {"train_0.jpg": b"GIF89a"}}, "train_0.jpg in .* is no JPEG file"),
        ({"photos": {"train_0.jpg": photo("train_0.jpg")}}, "holds no train_1.jpg, .* the train split"),
    ],
)
def test_what_is_missing_is_named(small, members, said):
    write_archives(small / "manual", **members)
    with pytest.raises(Stop, match=f"damaged .*{said}.*--dataset sample"):
        read("train", small)


def test_a_missing_archive_gets_one_sentence(small):
    (small / "manual" / flickr8k.TEXT).unlink()
    with pytest.raises(Stop, match=r"There is no file .*flickr8k/Flickr8k_text.zip\. .*--dataset sample"):
        read("train", small)


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://.*no network in tests.*--manual_dir"):
        flickr8k.load("train", data_dir=small / "data")


def test_an_unknown_split_is_refused(small):
    with pytest.raises(ValueError, match="Received: 'dev'"):
        read("dev", small)


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), flickr8k.PHOTOS)),
    reason="SEQKERAS_MANUAL_DIR has no flickr8k",
)
def test_the_real_archives(tmp_path):
    seen = set()
    for split, size in {"train": 6_000, "validation": 1_000, "test": 1_000}.items():
        rows = list(flickr8k.load(split, data_dir=tmp_path).as_numpy_iterator())
        assert len(rows) == size
        assert all(row["captions"].shape == (5,) and row["image"].endswith(b"\xff\xd9") for row in rows)
        seen |= {row["id"] for row in rows}
    assert len(seen) == 8_000
