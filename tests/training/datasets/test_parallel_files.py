import os

import pytest

from training import Stop
from training.datasets import pairs, parallel_files

SPLITS = tuple(parallel_files.SPLITS)
ROWS = [(f"Sentence number {i}.", f"Frase numero {i}.") for i in range(300)]


def write(folder, rows=ROWS, end="\n"):
    """Two files of such rows, each row behind an end of line but the first."""
    paths = folder / "english.txt", folder / "italian.txt"
    for path, column in zip(paths, zip(*rows)):
        path.write_bytes(end.join(column).encode())
    return paths


def read(paths, **options):
    """Dict from each split to its pairs, each with its references one by one."""
    found = {}
    for split in SPLITS:
        rows = parallel_files.load(split, *paths, **options).as_numpy_iterator()
        found[split] = [
            (row["source"].decode(), target.decode())
            for row in rows
            for target in row.get("references", [row["target"]])
        ]
    return found


def all_of(splits):
    return sorted(row for rows in splits.values() for row in rows)


def test_every_pair_is_in_one_split(tmp_path, capsys):
    splits = read(write(tmp_path))
    assert all_of(splits) == sorted(ROWS)
    assert 250 < len(splits["train"]) < 290 and len(splits["validation"]) > 4 and len(splits["test"]) > 4
    assert splits["train"] == [row for row in ROWS if row in set(splits["train"])]
    assert capsys.readouterr().out == ""


def test_splits_are_of_clusters_and_stay_when_lines_are_added(tmp_path):
    rows = [(f"a {i % 40}", f"b {i % 56}") for i in range(280)] + [(f"C {i}!", f"d {i // 2}") for i in range(300)]
    once = read(write(tmp_path, rows))
    sides = {}
    for split, inside in once.items():
        for row in inside:
            for language, sentence in enumerate(row):
                assert sides.setdefault((language, pairs.normal_form(sentence)), split) == split
    assert set(sides.values()) == set(SPLITS)
    more = read(write(tmp_path, ROWS + rows[::-1]))
    for split in SPLITS:
        assert set(once[split]) <= set(more[split])


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_ends_of_lines_and_byte_order_mark(tmp_path, end):
    english, italian = write(tmp_path, ROWS, end)
    english.write_bytes(b"\xef\xbb\xbf" + english.read_bytes() + end.encode())
    assert all_of(read((english, italian))) == sorted(ROWS)


def test_white_space_and_controls_are_single_spaces_and_end_no_line(tmp_path):
    rows = [(f" One\t\x07{i} \u2028 two\x0b", f"uno\u00a0{i}\x85\x1cdue\r") for i in range(300)]
    paths = write(tmp_path, [(first, second.replace("\r", "\r x")) for first, second in rows])
    assert all_of(read(paths)) == sorted((f"One {i} two", f"uno {i} due x") for i in range(300))


def test_what_is_left_out_is_said_once(tmp_path, capsys):
    rows = [*ROWS, ("alone", " \t"), ("", "solo"), ("", ""), ROWS[7], ROWS[7]]
    english, italian = write(tmp_path, rows)
    english.write_bytes(english.read_bytes() + b"\n\n\n\n")  # puts no line beside a wrong one
    assert all_of(read((english, italian))) == sorted(ROWS)
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "english.txt" in said and "italian.txt" in said
    assert "lines empty in one file alone: 2; pairs that come again: 2." in said


def test_no_more_than_the_limit_is_kept_and_all_lines_are_counted(tmp_path, capsys):
    english, italian = write(tmp_path, ROWS * 3)
    size = len("\n".join(first for first, _ in ROWS)) + 10
    assert all_of(read((english, italian), limit=size)) == sorted(ROWS)
    assert "lines behind the first 300, for the files are large: 600." in capsys.readouterr().out
    with open(italian, "ab") as file:
        file.write(b"\none more")
    with pytest.raises(Stop, match=r"english.txt has 900 lines and .*italian.txt has 901"):
        parallel_files.load("train", english, italian, limit=size)


def test_no_more_sentences_are_asked_than_are_useful(tmp_path, capsys, monkeypatch):
    paths = write(tmp_path, [(first, f"{second} {i}") for first, second in ROWS for i in range(2)])
    whole = read(paths)
    monkeypatch.setattr(parallel_files, "MOST_ASKED", 5)
    os.utime(paths[0], ns=(1, 1))  # what changes is read again
    splits = read(paths)
    assert splits["train"] == whole["train"]
    left_out = 0
    for split in ("validation", "test"):
        assert len({source for source, _ in splits[split]}) == 5 and len(splits[split]) == 10
        assert set(splits[split]) <= set(whole[split])
        left_out += len(whole[split]) - 10
    assert f"held-out pairs beyond those of 5 sentences a split: {left_out}." in capsys.readouterr().out


@pytest.mark.parametrize(
    "english, said",
    [
        (b"", r"english.txt has 0 lines and .*italian.txt has 300. Each line"),
        (b"One line.", r"english.txt has 1 line and"),
        ("\n".join(first for first, _ in ROWS[1:]).encode(), "english.txt has 299 lines and .*italian.txt has 300"),
        (b"\n" * 299 + b"a", "english.txt and .*italian.txt have 1 pairs of sentences, .* 200 are the least"),
        (b"the same\n" * 300, "300 pairs of sentences, but groups of them that share none: 1, too few to train"),
        (b"a\n" * 4 + b"a \xff\n" * 296, "english.txt is no text in UTF-8: invalid start byte in line 5. Save it"),
        (b"a\n\x7fELF\0\0\n" * 150, "no text in UTF-8: a zero byte stands in line 2,"),
        (("Wörter\n" * 300).encode("utf-16"), "a zero byte stands in line 1,"),
    ],
)
def test_says_what_is_wrong_with_the_files(tmp_path, english, said):
    paths = write(tmp_path)
    paths[0].write_bytes(english)
    for split in SPLITS:  # whatever the split, so that it is said before a training and not after it
        with pytest.raises(Stop, match=said):
            parallel_files.load(split, *paths)


def test_says_what_is_wrong_with_a_path(tmp_path):
    english, italian = write(tmp_path)
    for missing in ((None, italian), (english, None)):
        with pytest.raises(Stop, match="--source_file english.txt --target_file italian.txt"):
            parallel_files.load("train", *missing)
    with pytest.raises(Stop, match=r"Cannot read .*none.txt \(No such file.*--source_file a text file"):
        parallel_files.load("train", tmp_path / "none.txt", italian)
    with pytest.raises(Stop, match=r"Cannot read .*\(it is no file\).*--target_file a text file"):
        parallel_files.load("train", english, tmp_path)
    with pytest.raises(ValueError, match="Received: 'dev'"):
        parallel_files.load("dev", english, italian)
