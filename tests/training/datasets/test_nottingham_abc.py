import os

import pytest

from seqkeras.media import abc
from tests.training.datasets import small_files
from training import Stop
from training.datasets import nottingham_abc

FILES = tuple(nottingham_abc.RHYTHMS)
# As in the archive: an empty line first, a comment, chord symbols, a part, notes in quarters, a line that goes on.
TUNE = """
X: 1
T:{} Tune
% Nottingham Music Database
S:Trad
Y:AB
M:4/4
L:1/4
K:{}
P:A
|:"{}"d2 B/2c/2d|\\
"D7"A2 "G"B2|"G"d2 Bd|"D7"A2 "G"G2:|

"""
KEYS = ("G", "Am", "D", "Em", "Bb")


def write_files(folder):
    folder.mkdir(parents=True, exist_ok=True)
    for i, name in enumerate(FILES):
        (folder / name).write_text(TUNE.format(name.removesuffix(".abc"), KEYS[i % len(KEYS)], "G"))


class NottinghamAbcTest(small_files.SmallFiles):
    DATASET_CLASS = nottingham_abc.NottinghamAbc
    SPLITS = {"tunes": len(FILES)}
    DL_DOWNLOAD_RESULT = {f"nottingham_abc/{name}": name for name in FILES}

    PATCHES = ((nottingham_abc.NottinghamAbc, "TUNES", len(FILES)),)

    @classmethod
    def write(cls, folder):
        write_files(folder)


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(nottingham_abc.NottinghamAbc, "TUNES", len(FILES))
    write_files(tmp_path / "manual" / "nottingham_abc")
    return tmp_path


def read(folder):
    tunes = nottingham_abc.load(manual_dir=folder / "manual", data_dir=folder / "data").as_numpy_iterator()
    return {tune["title"].decode(): {name: text.decode() for name, text in tune.items()} for tune in tunes}


def test_all_files_are_read_and_name_the_rhythm(small):
    tunes = read(small)
    assert {name: tunes[f"{name.removesuffix('.abc')} Tune"]["rhythm"] for name in FILES} == nottingham_abc.RHYTHMS


def test_tune_in_normal_form(small):
    assert read(small)["jigs Tune"] == {
        "tune": "M:4/4\nK:Dmaj\nR:jig\n|:d4 Bcd2|A4 B4|d4 B2d2|A4 G4:|\n",
        "title": "jigs Tune",
        "rhythm": "jig",
        "source": "nottingham_abc/jigs.abc 1",
    }
    assert "R:" not in read(small)["xmas Tune"]["tune"]


def test_a_missing_file_is_named(small):
    os.remove(small / "manual" / "nottingham_abc" / "slip.abc")
    with pytest.raises(Stop, match=r"There is no file .*nottingham_abc/slip.abc\. .*--manual_dir"):
        read(small)


def test_a_file_cut_short_is_damaged(small):
    (small / "manual" / "nottingham_abc" / "slip.abc").write_text("")
    with pytest.raises(Stop, match=r"A file of .* is damaged \(it holds 13 tunes instead of 14\)"):
        read(small)


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), "nottingham_abc/jigs.abc")),
    reason="SEQKERAS_MANUAL_DIR has no nottingham_abc",
)
def test_the_real_files(tmp_path):
    tunes = list(nottingham_abc.load(data_dir=tmp_path).as_numpy_iterator())
    left_out = nottingham_abc.NottinghamAbc(data_dir=tmp_path).info.metadata["left_out"]
    assert len(tunes) + sum(map(len, left_out.values())) == 1_034
    assert len(tunes) > 900
    for tune in tunes:
        check = abc.check(tune["tune"].decode())
        assert check.parses and check.bars_fill, tune["source"]
        assert '"' not in tune["tune"].decode()
