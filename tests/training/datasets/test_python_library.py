import sysconfig

import pytest

from training import Stop
from training.datasets import python_library


@pytest.fixture
def library(tmp_path, monkeypatch):
    """A function that writes files of such names, each with its name as a comment, as the standard library."""
    monkeypatch.setattr(sysconfig, "get_paths", lambda: {"stdlib": str(tmp_path)})

    def write(*names, text="# {}\nx = 1\n"):
        for name in names:
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text.format(name), encoding="utf-8")

    return write


def test_each_file_is_in_one_split_and_stays_there(library):
    names = [f"module_{number}.py" for number in range(200)]
    library(*names)
    texts = {split: python_library.load(split) for split in python_library.SPLITS}
    for name in names:
        assert [f"# {name}\n" in text for text in texts.values()].count(True) == 1
    assert len(texts["train"]) > 8 * len(texts["validation"]) > 0 < len(texts["test"])
    library("another.py", "package/one_more.py")
    for split, text in texts.items():
        assert set(text.split("\n")) <= set(python_library.load(split).split("\n"))


def test_tests_others_packages_and_what_is_no_code_are_left_out(library):
    library(*(f"module_{number}.py" for number in range(60)))
    texts = [python_library.load(split) for split in python_library.SPLITS]
    library("test/test_module.py", "package/tests/test_this.py", "site-packages/other.py", "notes.txt")
    library("_sysconfigdata__linux_.py", "__pycache__/module_1.pyc", ".hidden.py")
    library("accents.py", text="# {}: é\n")
    assert [python_library.load(split) for split in python_library.SPLITS] == texts


def test_the_library_of_this_python():
    text = python_library.load("train")
    assert len(text) > 3_000_000
    assert text.isascii()
    assert "def " in text and '"' in text and "(" in text
    assert text == python_library.load("train")


def test_without_a_library_there_is_a_sentence(library):
    with pytest.raises(Stop, match="no source code .*--corpus a folder"):
        python_library.load("train")


def test_an_unknown_split_is_an_error():
    with pytest.raises(ValueError, match="split is one of train, validation, test"):
        python_library.load("all")
