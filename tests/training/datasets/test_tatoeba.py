import os
import zipfile

import pytest

from tests.training.datasets import small_files
from training import Stop
from training.datasets import pairs, tatoeba

PAIRS = [(f"Sentence number {i}.", f"Frase número {i}.", "attribution") for i in range(300)]


def write_archive(folder, rows, language="es"):
    path = folder / "tatoeba" / tatoeba.ARCHIVES[language]
    path.parent.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("spa-eng/_about.txt", "about\tit\n")
        archive.writestr(f"spa-eng/{tatoeba.MEMBERS[language]}", "".join("\t".join(row) + "\n" for row in rows))
    return path


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(tatoeba, "FEWEST", {"es": len(PAIRS), "vi": 2})
    monkeypatch.setattr(tatoeba, "SHARES", {"es": (100, 100), "vi": (0, 0)})
    write_archive(tmp_path / "manual", PAIRS)
    return tmp_path


class TatoebaTest(small_files.SmallFiles):
    DATASET_CLASS = tatoeba.Tatoeba
    BUILDER_CONFIG_NAMES_TO_TEST = ["es"]
    DL_DOWNLOAD_RESULT = "tatoeba/spa-eng.zip"
    # The addresses serve what they have: one file grows, and of neither is an official checksum known.
    SKIP_CHECKSUMS = True

    PATCHES = ((tatoeba, "FEWEST", {"es": len(PAIRS)}), (tatoeba, "SHARES", {"es": (100, 100)}))

    @classmethod
    def write(cls, folder):
        write_archive(folder, PAIRS)

    @classmethod
    def setUpClass(cls):
        with pytest.MonkeyPatch.context() as patch:
            for change in cls.PATCHES:
                patch.setattr(*change)
            splits = [tatoeba.split_of(name, "es") for name in pairs.cluster([row[:2] for row in PAIRS])]
        cls.SPLITS = {split: splits.count(split) for split in ("train", "validation", "test")}
        super().setUpClass()


def read(folder, split, source="en", target="es"):
    rows = tatoeba.load(split, source, target, manual_dir=folder / "manual", data_dir=folder / "data")
    return list(rows.as_numpy_iterator())


def test_every_pair_is_in_one_split(small):
    rows = [row for split in ("train", "validation", "test") for row in read(small, split)]
    assert sorted((r["source"].decode(), r["target"].decode()) for r in rows) == sorted(row[:2] for row in PAIRS)
    backwards = [row for split in ("train", "validation", "test") for row in read(small, split, "es", "en")]
    assert sorted((r["target"].decode(), r["source"].decode()) for r in backwards) == sorted(row[:2] for row in PAIRS)
    assert 10 < len(read(small, "test")) < 60 and 10 < len(read(small, "validation")) < 60


def test_a_cluster_stays_whole_whatever_else_there_is(small, monkeypatch):
    """No sentence of one split is in another, in either language."""
    rows = [(f"a {i % 40}", f"b {i % 56}") for i in range(300)] + [(f"c {i}", f"d {i // 3}") for i in range(300)]
    write_archive(small / "manual", rows)
    seen = {}
    for split in ("train", "validation", "test"):
        for row in read(small, split):
            for sentence in (row["source"], *row.get("references", [row["target"]])):
                assert seen.setdefault(sentence, split) == split
    assert set(seen.values()) == {"train", "validation", "test"}


def test_the_split_depends_on_the_cluster_alone():
    splits = [tatoeba.split_of(f"sentence {i}", "es") for i in range(20_000)]
    assert splits == [tatoeba.split_of(f"sentence {i}", "es") for i in range(20_000)]
    assert 230 < splits.count("test") < 370 and 140 < splits.count("validation") < 260


def test_wrong_files_get_one_sentence(small):
    path = small / "manual" / "tatoeba" / "spa-eng.zip"
    good = path.read_bytes()
    for content in (good[: len(good) // 2], b"<html>Not found</html>", b""):
        path.write_bytes(content)
        with pytest.raises(Stop, match=r"spa-eng.zip is damaged .*--manual_dir DIR .*--dataset sample"):
            read(small, "train")
    write_archive(small / "manual", PAIRS[:10])
    with pytest.raises(Stop, match="10 pairs instead of 300"):
        read(small, "train")
    write_archive(small / "manual", [("no translation",)] * 300)
    with pytest.raises(Stop, match="no translation"):
        read(small, "train")
    path.unlink()
    with pytest.raises(Stop, match=r"There is no file .*spa-eng.zip\. .*--dataset sample"):
        read(small, "train")


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://www.manythings.org.*no network in tests.*--manual_dir"):
        tatoeba.load("train", "en", "vi", data_dir=small / "data")


def test_unknown_languages_are_refused(small):
    with pytest.raises(ValueError, match="Received: 'es' to 'vi'"):
        read(small, "train", "es", "vi")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), "tatoeba/vie-eng.zip")),
    reason="SEQKERAS_MANUAL_DIR has no tatoeba",
)
def test_the_real_file(tmp_path):
    sentences, count = {}, {}
    for split in ("train", "validation", "test"):
        count[split] = 0
        for row in tatoeba.load(split, "en", "vi", data_dir=tmp_path).as_numpy_iterator():
            count[split] += 1
            for i, sentence in enumerate((row["source"], *row.get("references", [row["target"]]))):
                key = (i > 0, pairs.normal_form(sentence.decode()))
                assert sentences.setdefault(key, split) == split
    assert count == {"train": 7_046, "validation": 286, "test": 498}
