import pytest

from seqkeras.media import abc
from training import Stop
from training.datasets import abc_collection, abc_folder, folk_tunes, sample_tunes

SPLITS = tuple(folk_tunes.SPLITS)
TUNES = {tune["title"]: tune for tune in sample_tunes.write(60)}
HEADER = "X:{}\nT:{}\nR: Slip  Jig % a dance\nM:9/8\nL:1/8\nK:D\n"
GOOD = HEADER.format(1, "Slip") + "def def def|d3 d3 d3:|\n"
CHANGE = HEADER.format(2, "Two Keys") + "def def def|\nK:G\nd3 d3 d3:|\n"
NO_ABC = HEADER.format(3, "Words") + "def def def|is & so:|\n"
LONG_BAR = HEADER.format(4, "Long") + "def def def|d3 d3 d3 d3|def def def|d3 d3 d3:|\n"


def write(folder, **files):
    """A folder with sixty tunes in two files, one of them in a folder inside, and others by name."""
    tunes = [abc.full(tune["tune"], title) for title, tune in TUNES.items()]
    halves = (
        "\n".join(text.replace("X:1", f"X:{i}") for i, text in enumerate(half)) for half in (tunes[:30], tunes[30:])
    )
    (folder / "old").mkdir()
    for path, text in zip((folder / "new.abc", folder / "old" / "OLD.ABC"), halves):
        path.write_text(text)
    for name, text in files.items():
        (folder / f"{name}.abc").write_bytes(text if isinstance(text, bytes) else text.encode())
    return folder


def read(folder, **options):
    """The tunes of all splits by title."""
    found = {}
    for split in SPLITS:
        for tune in abc_folder.load(split, folder, **options).as_numpy_iterator():
            found[tune["title"].decode()] = {name: value.decode() for name, value in tune.items()} | {"split": split}
    return found


def test_all_tunes_are_divided_by_families(tmp_path, capsys):
    tunes = read(write(tmp_path))
    assert tunes.keys() == TUNES.keys()
    divided = folk_tunes.divide(list(TUNES.values()))
    for split, inside in divided.items():
        for tune in inside:
            assert tunes[tune["title"]]["split"] == split and tunes[tune["title"]]["tune"] == tune["tune"]
    assert {tune["source"].partition(" ")[0] for tune in tunes.values()} == {"new.abc", "old/OLD.ABC"}
    assert {tune["rhythm"] for tune in tunes.values()} == {"jig", "reel", "waltz"}
    assert capsys.readouterr().out == f"{tmp_path} has 60 tunes in 2 files\n"
    assert abc_folder.load("train", tmp_path).element_spec == folk_tunes.load("train", "sample").element_spec


def test_what_is_left_out_is_counted_by_reason(tmp_path, capsys):
    tunes = read(write(tmp_path, mine=GOOD + CHANGE + NO_ABC + LONG_BAR + NO_ABC, same=GOOD))
    assert len(tunes) == 61
    assert tunes["Slip"]["tune"] == "M:9/8\nK:Dmaj\nR:slipjig\ndef def def|d3 d3 d3:|\n"
    assert tunes["Slip"]["source"] == "mine.abc 1" and tunes["Slip"]["rhythm"] == "slipjig"
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "66 tunes in 4 files; left out: " in said
    for reason, count, place in (
        (abc_collection.CHANGES, 1, 2), (abc_collection.NO_ABC, 2, 3), (abc_collection.WRONG_BARS, 1, 4),
    ):  # fmt: skip
        assert f"{reason}: {count}, like mine.abc {place}" in said
    assert said.endswith("; it stands there before: 1\n")


def test_old_files_are_read(tmp_path):
    """Latin-1, any end of lines, a byte order mark, fields for a whole file, a tune without a number."""
    title = "The Fiancée of Ørsted"
    body = "K:D\ndef def def|d3 d3 d3:|\n"
    write(
        tmp_path,
        latin=GOOD.replace("Slip\n", f"{title}\n").replace("\n", "\r\n").encode("latin-1"),
        mac=GOOD.replace("Slip\n", "Mac\n").replace("\n", "\r").encode("utf-8-sig"),
        whole=f"% All jigs\nR:slip jig\nM:9/8\nL:1/8\n\nX:1\nT:One\n{body}\nX:2\nT:Other\nR:reel\nM:3/4\n{body}",
        single=GOOD.replace("X:1\n", "").replace("Slip\n", "Single\n"),
        empty="",
        nothing="X:1",
    )
    # The same tune in all but the metre: each alone with the others.
    found = {}
    for name in ("latin", "mac", "whole", "single"):
        text = abc_folder._read(tmp_path / f"{name}.abc")
        left_out = {reason: [] for reason in abc_collection.REASONS}
        for tune in abc_collection.examples(name, abc_folder._tunes_of(text), abc_folder._rhythm, left_out):
            found[tune["title"]] = tune["tune"]
    expected = "M:9/8\nK:Dmaj\nR:slipjig\ndef def def|d3 d3 d3:|\n"
    assert found == dict.fromkeys((title, "Mac", "One", "Single"), expected)
    assert len(read(tmp_path)) == 61  # settings of one tune that are the same are one


def test_hidden_files_links_and_others_are_not_read(tmp_path):
    folder = write(tmp_path, **{".hidden": GOOD})
    (folder / "notes.txt").write_text(GOOD)
    (folder / "link.abc").symlink_to(folder / "notes.txt")
    assert len(read(folder)) == 60


def test_no_more_than_the_limit_is_read(tmp_path, capsys):
    write(tmp_path, zz=GOOD)
    size = sum(path.stat().st_size for path in (tmp_path / "new.abc", tmp_path / "zz.abc"))
    assert set(read(tmp_path, limit=size)) == {"Slip", *list(TUNES)[:30]}
    assert f"beyond {size:,} bytes: 1, like {tmp_path}/old/OLD.ABC" in capsys.readouterr().out


def test_a_folder_that_has_changed_is_read_again(tmp_path):
    assert len(read(write(tmp_path))) == 60
    (tmp_path / "more.abc").write_text(GOOD)
    assert len(read(tmp_path)) == 61


def test_says_what_is_wrong(tmp_path):
    with pytest.raises(Stop, match="--folder tunes"):
        abc_folder.load("train", None)
    with pytest.raises(Stop, match="There is no folder .*none.*--folder"):
        abc_folder.load("train", tmp_path / "none")
    (tmp_path / "readme.txt").write_text(GOOD)
    with pytest.raises(Stop, match="has no file whose name ends with .abc"):
        abc_folder.load("train", tmp_path)
    (tmp_path / "a.abc").write_text("A letter.\n")
    with pytest.raises(Stop, match="has 0 tunes in 1 files. There is none to learn from"):
        abc_folder.load("train", tmp_path)
    (tmp_path / "a.abc").write_text(CHANGE)
    with pytest.raises(Stop, match="has 1 tunes in 1 files; left out: key or metre changes: 1.* none to learn from"):
        abc_folder.load("train", tmp_path)
    (tmp_path / "a.abc").write_text(GOOD + NO_ABC)
    for split in SPLITS:
        with pytest.raises(Stop, match="left out: cannot be read: 1.*The 1 to learn from.* some hundreds"):
            abc_folder.load(split, tmp_path)
    with pytest.raises(ValueError, match="Received: 'dev'"):
        abc_folder.load("dev", tmp_path)
