import os

import pytest

from training import Stop
from training.datasets import own_corpus

SPLITS = tuple(own_corpus.SPLITS)


def book(lines=400):
    return "".join(f"Line {i} of a book with naïve “quotes”.\n" for i in range(lines))


def parts(path, **options):
    return [own_corpus.load(split, path, **options) for split in SPLITS]


def test_parts_are_contiguous_and_end_with_lines(tmp_path, capsys):
    path = tmp_path / "book.txt"
    path.write_text(book(), encoding="utf-8")
    texts = parts(path)
    assert "".join(texts) == book()
    assert all(text.endswith("\n") for text in texts)
    assert [round(20 * len(text) / len(book())) for text in texts] == [18, 1, 1]
    assert capsys.readouterr().out == ""


def test_one_long_line_is_cut_within(tmp_path):
    path = tmp_path / "minified.js"
    path.write_text("var a=1;" * 1000)
    texts = parts(path)
    assert [len(text) for text in texts] == [7200, 400, 401]
    assert "".join(texts) == "var a=1;" * 1000 + "\n"


def test_ends_of_lines_and_byte_order_mark(tmp_path):
    path = tmp_path / "windows.txt"
    path.write_bytes(b"\xef\xbb\xbf" + book().replace("\n", "\r\n").encode())
    assert "".join(parts(path)) == book()


def test_a_folder_is_read_in_the_order_of_names_without_what_is_no_text(tmp_path, capsys):
    (tmp_path / "b").mkdir()
    (tmp_path / ".git").mkdir()
    (tmp_path / ".git" / "config").write_text("hidden\n")
    (tmp_path / "z.py").write_text(book())
    (tmp_path / "b" / "two.py").write_text("second, no end of line")
    (tmp_path / "a.py").write_text("first\n")
    (tmp_path / "empty.py").write_text("")
    (tmp_path / "picture.png").write_bytes(b"\x89PNG\r\n\x00\x00")
    (tmp_path / "latin.txt").write_bytes("naïve".encode("latin-1"))
    (tmp_path / "link.py").symlink_to(tmp_path / "a.py")
    (tmp_path / "loop").symlink_to(tmp_path)
    assert "".join(parts(tmp_path)) == "first\n" + book() + "second, no end of line\n"
    said = capsys.readouterr().out
    assert said.count("\n") == 1 and "2 not text" in said and "latin.txt" in said


def test_no_more_than_the_limit_is_read(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(own_corpus, "BLOCK", 7)  # characters of several bytes stand across the borders of blocks
    path = tmp_path / "large.txt"
    path.write_text(book(), encoding="utf-8")
    path.open("ab").truncate(500_000_000)  # a file with a hole: its end is zero bytes that must not be met
    text = "".join(parts(path, limit=9_000))
    assert book().startswith(text) and text.endswith("\n") and 8_900 < len(text.encode()) <= 9_000
    assert "500,000,000 bytes, the first 9,000 are read" in capsys.readouterr().out


def test_no_more_than_the_limit_of_a_folder(tmp_path, capsys):
    for name in "abc":
        (tmp_path / f"{name}.txt").write_text(book(100), encoding="utf-8")
    size = (tmp_path / "a.txt").stat().st_size
    text = "".join(parts(tmp_path, limit=size + 500))
    assert text.startswith(book(100)) and (book(100) * 2).startswith(text)
    assert size < len(text.encode()) <= size + 500
    assert "b.txt" in capsys.readouterr().out
    assert "".join(parts(tmp_path, limit=2 * size)) == book(100) * 2
    assert f"the first {2 * size:,} bytes" in capsys.readouterr().out
    assert "".join(parts(tmp_path, limit=3 * size)) == book(100) * 3
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize(
    "content, said",
    [
        (b"", "0 characters in 0 lines"),
        (b"One line.", "9 characters in 1 line,"),
        (b" \n" * 5_000, "0 characters in 5000 lines"),
        (b"\x7fELF\x00\x00" * 500, "zero byte stands at 4"),
        (("ein Wörterbuch\n" * 500).encode("latin-1"), "no text in UTF-8: .* byte 5"),
        (("Wörter\n" * 500).encode("utf-16"), "zero byte"),
        (book().encode() + b"\xe2\x80", "ends within a character"),
    ],
)
def test_says_what_is_wrong_with_a_file(tmp_path, content, said):
    path = tmp_path / "file.txt"
    path.write_bytes(content)
    for split in SPLITS:
        with pytest.raises(Stop, match=said):
            own_corpus.load(split, path)


def test_says_what_is_wrong_with_a_path(tmp_path):
    with pytest.raises(Stop, match="--corpus book.txt"):
        own_corpus.load("train", None)
    with pytest.raises(Stop, match="Cannot read .*No such file"):
        own_corpus.load("train", tmp_path / "none.txt")
    with pytest.raises(Stop, match="has no text in it"):
        own_corpus.load("train", tmp_path)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(Stop, match="neither a file nor a folder"):
        own_corpus.load("train", tmp_path / "pipe")
    with pytest.raises(Stop, match="has no text in it"):
        own_corpus.load("train", tmp_path)
    with pytest.raises(ValueError, match="Received: 'all'"):
        own_corpus.load("all", tmp_path)
