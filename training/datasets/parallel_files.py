"""Translations of one's own: two text files in UTF-8, each line of the one the translation of that line of the other.

A line ends with "\\n" or "\\r\\n", or with "\\r" in a file that has no other ends. White space and control characters
within a line become single spaces, and a byte order mark goes. Pairs that are empty on a side, and pairs that come
again, are left out.
"""

import codecs
import functools
import hashlib
import os
import re
import stat

from training import Stop
from training.datasets import pairs
from training.datasets.own_corpus import NoText

# Where a cluster's hash, a number from 0 to 1, has to lie.
SPLITS = {"train": (0.0, 0.9), "validation": (0.9, 0.95), "test": (0.95, 1.0)}
# Bytes of each file that are kept at most; the lines behind them are counted and no more. 700,000 pairs of everyday
# sentences are as much; they take half a minute and 700 MB of memory.
LIMIT = 50_000_000
FEWEST = 200  # pairs; with so many, validation and test have some
MOST_ASKED = 2_000  # sentences of validation and test; a beam search over more takes long and tells little more
_SPACE = re.compile(r"[\s\x00-\x1f\x7f-\x9f]+")


def load(split, source_file, target_file, limit=LIMIT):
    """The pairs of a split.

    Pairs that share a sentence of either language are on one side (see `pairs.cluster`), and the side depends on these
    sentences alone: it stays as it is when others are added, unless they join two clusters.

    Args:
        split: "train" (90 % of the clusters), "validation" or "test" (5 % each, at most MOST_ASKED sentences).
        source_file, target_file: the two files.
        limit: bytes of each file that are kept at most. If there are more, or pairs are left out, loading the split
            "train" prints a sentence that says so.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.pairs` describes them, in the order of the files.

    Raises:
        Stop: a file is missing, cannot be read or is no text in UTF-8, the numbers of lines differ, or there are too
            few pairs for three splits; the sentence says what to do.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}. Received: {split!r}")
    if not source_file or not target_file:
        raise Stop("--dataset files wants two text files: --source_file english.txt --target_file italian.txt.")
    divided, left_out = _divided(_found(source_file, "--source_file"), _found(target_file, "--target_file"), limit)
    if left_out and split == "train":
        print(left_out, flush=True)
    sources, targets = zip(*divided[split])
    return pairs.dataset(sources, targets, split)


def _found(path, option):
    """A file's path, its option and what tells whether it has changed."""
    path = os.path.expanduser(path)
    try:
        status = os.stat(path)
    except OSError as error:
        raise Stop(_cannot_read(path, option, error.strerror)) from None
    # A pipe could be read once only.
    if not stat.S_ISREG(status.st_mode):
        raise Stop(_cannot_read(path, option, "it is no file"))
    return path, option, status.st_mtime_ns, status.st_size


def _cannot_read(path, option, why):
    return f"Cannot read {path} ({why}); give {option} a text file in UTF-8 with a sentence a line."


@functools.lru_cache(maxsize=1)  # A run loads its splits one after the other.
def _divided(source, target, limit):
    """Dict from each split to its list of pairs of str; and a sentence on what was left out, "" if nothing was."""
    files = f"{source[0]} and {target[0]}"
    (sources, source_lines, source_filled), (targets, target_lines, target_filled) = (
        _read(path, option, limit) for path, option, *_ in (source, target)
    )
    lines = min(source_lines, target_lines)
    # Empty lines that one file alone has at its end put no line beside a wrong one.
    if max(source_filled, target_filled) > lines:
        raise Stop(
            f"{source[0]} has {source_lines:,} line{'s' * (source_lines != 1)} and {target[0]} has {target_lines:,}. "
            "Each line of the one is to be the translation of that line of the other: find where they part, and leave "
            "a line empty where there is no translation."
        )
    rows = list(zip(sources, targets))
    filled = [row for row in rows if all(row)]
    kept = list(dict.fromkeys(filled))
    if len(kept) < FEWEST:
        raise Stop(
            f"{files} have {len(kept):,} pairs of sentences, too few to learn from; {FEWEST} are the least, and some "
            "ten thousands are better."
        )
    clusters = pairs.cluster(kept)
    divided, unasked = {}, 0
    for split, (low, high) in SPLITS.items():
        inside = [row for row, name in zip(kept, clusters) if low <= pairs.place(name) < high]
        if not inside:
            raise Stop(
                f"{files} have {len(kept):,} pairs of sentences, but groups of them that share none: "
                f"{len(set(clusters)):,}, too few to train, choose and test on; {FEWEST} groups are the least."
            )
        divided[split] = inside if split == "train" else _asked(inside)
        unasked += len(inside) - len(divided[split])
    notes = {
        "lines empty in one file alone": sum(any(row) for row in rows) - len(filled),
        "pairs that come again": len(filled) - len(kept),
        f"held-out pairs beyond those of {MOST_ASKED:,} sentences a split": unasked,
        f"lines behind the first {len(rows):,}, for the files are large": lines - len(rows),
    }
    notes = "; ".join(f"{note}: {count:,}" for note, count in notes.items() if count)
    return divided, f"Left out of {files}: {notes}." if notes else ""


def _asked(rows):
    """The pairs of at most MOST_ASKED sentences, chosen by hash."""
    sentences = {source for source, _ in rows}
    if len(sentences) > MOST_ASKED:
        sentences = set(sorted(sentences, key=lambda source: hashlib.sha256(source.encode()).digest())[:MOST_ASKED])
    return [row for row in rows if row[0] in sentences]


def _read(path, option, limit):
    """A file's sentences.

    Returns:
        (list of str, those of the lines within the first `limit` bytes, "" for an empty line; the number of all lines;
        the number of the last line that is not empty).
    """
    sentences, number, filled, size = [], 0, 0, 0
    try:
        for number, line in enumerate(_lines(path), 1):
            size += len(line)
            if line.strip():
                filled = number
            if size <= limit:
                sentences.append(_sentence(line, number))
    except OSError as error:
        raise Stop(_cannot_read(path, option, error.strerror)) from None
    except NoText as error:
        raise Stop(f"{path} is no text in UTF-8: {error}. Save it as plain text in UTF-8 first.") from None
    return sentences, number, filled


def _lines(path):
    """The lines of a file one by one, bytes."""
    with open(path, "rb") as file:
        # What has no ends of lines is not read at once, however long it is.
        lines = iter(lambda: file.readline(LIMIT), b"")
        first = next(lines, b"").removeprefix(codecs.BOM_UTF8)
        if first.endswith(b"\n"):
            yield first
            yield from lines
        elif first:
            yield from first.removesuffix(b"\r").split(b"\r")


def _sentence(line, number):
    if b"\0" in line:
        raise NoText(f"a zero byte stands in line {number:,}, as in binary files and UTF-16")
    try:
        return _SPACE.sub(" ", line.decode("utf-8")).strip()
    except UnicodeDecodeError as error:
        raise NoText(f"{error.reason} in line {number:,}") from None
