import os

import pytest

from seqkeras.media import abc
from tests.training.datasets import small_files
from training import Stop
from training.datasets import abc_collection, irish_abc

PATH = "irish_abc/irish.abc"
HEADER = "X:{}\nT:{}\nZ: id:dc-{}\nM:{}\nL:1/8\nK:D Major\n"
GOOD = HEADER.format(1, "Kettle", "jig-1", "6/8") + "A|dfa agf|efd dcA|dfa agf|edc d2:|!\n\n"
OCAROLAN = HEADER.format(2, "Kettle's Planxty", "ocarolan-1", "C|") + "dfaf d2d2|eeee d4:|!\n\n"
SLIP_JIG = HEADER.format(3, "Slip", "slipjig-4", "9/8") + "def def def|d3 d3 d3:|!\n\n"
CHANGE = HEADER.format(1, "Two Metres", "slide-1", "6/8") + "dfa agf|d3 d3||!\nM:9/8\ndef def d3:|!\n\n"
NO_ABC = HEADER.format(2, "Words", "slide-2", "6/8") + "dfa agf|d3 is & so:|!\n\n"
LONG_BAR = HEADER.format(3, "Long", "slide-3", "6/8") + "dfa agf|d3 d3 d3|dfa agf|d3 d3:|!\n"
FILE = GOOD + OCAROLAN + SLIP_JIG + CHANGE + NO_ABC + LONG_BAR


def write_file(folder, text=FILE):
    path = folder / PATH
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


@pytest.fixture
def small(offline, monkeypatch, tmp_path):
    monkeypatch.setattr(irish_abc.IrishAbc, "TUNES", 6)
    write_file(tmp_path / "manual")
    return tmp_path


class IrishAbcTest(small_files.SmallFiles):
    DATASET_CLASS = irish_abc.IrishAbc
    SPLITS = {"tunes": 3}
    DL_DOWNLOAD_RESULT = {PATH: "irish.abc"}

    PATCHES = ((irish_abc.IrishAbc, "TUNES", 6),)

    @classmethod
    def write(cls, folder):
        (folder / "irish.abc").write_text(FILE)


def read(folder):
    tunes = irish_abc.load(manual_dir=folder / "manual", data_dir=folder / "data").as_numpy_iterator()
    return {tune["title"].decode(): {name: text.decode() for name, text in tune.items()} for tune in tunes}


def test_tune_title_rhythm_and_source(small):
    tunes = read(small)
    assert tunes["Kettle"] == {
        "tune": "M:6/8\nK:Dmaj\nR:jig\nA|dfa agf|efd dcA|dfa agf|edc d2:|\n",
        "title": "Kettle",
        "rhythm": "jig",
        "source": "irish_abc/irish.abc 1",
    }
    assert tunes["Slip"]["rhythm"] == "slipjig"
    assert tunes["Slip"]["source"] == "irish_abc/irish.abc 3"
    assert tunes["Kettle's Planxty"]["rhythm"] == ""
    assert tunes["Kettle's Planxty"]["tune"] == "M:2/2\nK:Dmaj\ndfaf d2d2|eeee d4:|\n"


def test_what_is_left_out_is_counted_by_reason(small, capsys):
    assert set(read(small)) == {"Kettle", "Kettle's Planxty", "Slip"}
    left_out = irish_abc.IrishAbc(data_dir=small / "data").info.metadata["left_out"]
    assert left_out == {
        abc_collection.CHANGES: ["irish_abc/irish.abc 4"],
        abc_collection.NO_ABC: ["irish_abc/irish.abc 5"],
        abc_collection.WRONG_BARS: ["irish_abc/irish.abc 6"],
    }
    assert "6 tunes; left out: key or metre changes: 1, cannot be read: 1" in capsys.readouterr().out


def test_prepared_once_and_then_read_without_the_file(small, monkeypatch):
    monkeypatch.setenv("SEQKERAS_MANUAL_DIR", str(small / "manual"))
    first = list(irish_abc.load(data_dir=small / "data").as_numpy_iterator())
    os.remove(small / "manual" / PATH)
    assert list(irish_abc.load(data_dir=small / "data").as_numpy_iterator()) == first


def test_line_ends_of_any_system(small):
    first = read(small)
    (small / "manual" / PATH).write_bytes(FILE.replace("\n", "\r\n").encode())
    again = irish_abc.load(manual_dir=small / "manual", data_dir=small / "other").as_numpy_iterator()
    assert {tune["tune"].decode() for tune in again} == {tune["tune"] for tune in first.values()}


@pytest.mark.parametrize("content", [GOOD.encode(), b"<html>Not found</html>", b"", b"X:1\nT:\xff\xfe\n"])
def test_a_damaged_file_gets_one_sentence(small, content):
    (small / "manual" / PATH).write_bytes(content)
    with pytest.raises(Stop, match=r"irish.abc is damaged .*--manual_dir DIR .*--dataset sample"):
        read(small)
    write_file(small / "manual")
    assert len(read(small)) == 3  # Nothing half-made is left behind.


def test_a_missing_file_gets_one_sentence(small):
    os.remove(small / "manual" / PATH)
    with pytest.raises(Stop, match=r"There is no file .*manual/irish_abc/irish.abc\. .*--dataset sample"):
        read(small)


def test_no_network_gets_one_sentence(small):
    with pytest.raises(Stop, match=r"Could not download https://raw.*irish.abc \(.*no network in tests.*--manual_dir"):
        irish_abc.load(data_dir=small / "data")


@pytest.mark.skipif(
    not os.path.exists(os.path.join(os.environ.get("SEQKERAS_MANUAL_DIR", ""), PATH)),
    reason="SEQKERAS_MANUAL_DIR has no irish_abc/irish.abc",
)
def test_the_real_file(tmp_path):
    tunes = list(irish_abc.load(data_dir=tmp_path).as_numpy_iterator())
    left_out = irish_abc.IrishAbc(data_dir=tmp_path).info.metadata["left_out"]
    assert len(tunes) + sum(map(len, left_out.values())) == 804
    assert len(tunes) > 740
    assert {tune["rhythm"].decode() for tune in tunes} == {*irish_abc.RHYTHMS, ""}
    for tune in tunes:
        check = abc.check(tune["tune"].decode())
        assert check.parses and check.bars_fill, tune["source"]
