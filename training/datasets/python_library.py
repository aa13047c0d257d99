"""The source code of Python's standard library, which lies on every machine that has Python: 8 million characters.

A text in which quotes and brackets open and close and lines are indented, so that a model of characters has to keep all
of that in mind (Karpathy, Johnson and Fei-Fei 2016 read such units from the code of Linux). Nothing is downloaded. From
one version of Python to the next the text changes a little, but a file stays in its split.
"""

import os
import sysconfig
import zlib

from training import Stop
from training.datasets import own_corpus

SPLITS = ("train", "validation", "test")
PARTS = 20  # of the files, by their names, one is for validation and one for the test
# Tests, what others installed, and files that are tables or prose more than code.
LEFT_OUT = {
    "test", "tests", "idle_test", "site-packages", "dist-packages", "encodings", "ensurepip", "lib2to3", "pydoc_data",
}  # fmt: skip


def load(split, manual_dir=None, data_dir=None):
    """The text of a split, file after file, in an order that has nothing to do with their names.

    Args:
        split: "train", nine tenths of the files, "validation" or "test", a twentieth each.
        manual_dir: unused: there is nothing to download.
        data_dir: unused: there is nothing to prepare.

    Returns:
        str, with "\\n" at the ends of lines, of ASCII alone: a file with other characters is left out.

    Raises:
        Stop: this Python has no library of files, as when it lies in an archive; the sentence says what to do.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}. Received: {split!r}")
    folder = sysconfig.get_paths()["stdlib"]
    texts = []
    for number, path in sorted((zlib.crc32(name.encode()), path) for name, path in _files(folder)):
        if {0: "validation", 1: "test"}.get(number % PARTS, "train") == split:
            text, _ = own_corpus.read(path)
            if text.isascii():
                texts.append(text)
    if not texts:
        raise Stop(
            f"There is no source code in {folder}, where this Python has its standard library; give --corpus a folder "
            "of source code."
        )
    return "".join(texts)


def _files(folder):
    """(name in the library with slashes, path) of each file of Python code."""
    for path in own_corpus.files_below(folder, []):
        name = os.path.relpath(path, folder).replace(os.sep, "/")
        # How this Python was built says where, too.
        if name.endswith(".py") and not name.startswith("_sysconfigdata") and LEFT_OUT.isdisjoint(name.split("/")):
            yield name, path
