"""Tunes of one's own: a folder of files in ABC notation, of one tune or many each, in UTF-8 or, if old, Latin-1.

They become what `abc_collection` describes, which says what is left out too. The rhythm is what R: says; a field M:, L:
or R: before the first tune of a file holds for all its tunes that have none, as in the standard.
"""

import functools
import os
import re

from training import Stop
from training.datasets import abc_collection, folk_tunes, own_corpus

# Bytes that are read at most. Two thousand tunes are 0.7 MB.
LIMIT = 20_000_000


def load(split, folder, limit=LIMIT):
    """The tunes of a split.

    Families of tunes stay on one side, and the side depends on the family alone (see `folk_tunes.divide`).

    Args:
        split: "train" (nine tenths of the families), "validation" or "test" (a twentieth each).
        folder: it, and the folders below, hold files whose names end with .abc; what is hidden, and links, are not
            read.
        limit: bytes that are read at most, whole files in the order of their names.

    Returns:
        A `tf.data.Dataset` of single examples as of `folk_tunes.load`. The first call for a folder prints how many
        tunes there are, and what was left out.

    Raises:
        Stop: there is no such folder, no file or no tune in it to learn from, or there are too few for three splits;
            the sentence says what to do.
    """
    if split not in folk_tunes.SPLITS:
        raise ValueError(f"split is one of {', '.join(folk_tunes.SPLITS)}. Received: {split!r}")
    if not folder:
        raise Stop("--dataset folder wants a folder of files in ABC notation: --folder tunes.")
    folder = os.path.expanduser(folder)
    if not os.path.isdir(folder):
        raise Stop(f"There is no folder {folder}. Name the folder of your files in ABC notation with --folder.")
    failed = []
    files = [path for path in own_corpus.files_below(folder, failed) if path.lower().endswith(".abc")]
    if not files:
        raise Stop(f"{folder} has no file whose name ends with .abc. Name the folder of your tunes with --folder.")
    # With what tells whether they have changed.
    status = [os.stat(path) for path in files]
    files = tuple((path, s.st_mtime_ns, s.st_size) for path, s in zip(files, status))
    return folk_tunes.examples(_divided(folder, files, limit)[split])


@functools.lru_cache(maxsize=1)  # A run loads three splits one after the other.
def _divided(folder, files, limit):
    """Dict from each split to its list of tunes."""
    tunes, left_out, unread, size = [], {reason: [] for reason in abc_collection.REASONS}, [], 0
    for path, _, bytes_of_file in files:
        size += bytes_of_file
        try:
            text = None if size > limit else _read(path)
        except OSError:
            text = None
        if text is None:
            unread.append(path)
            continue
        name = os.path.relpath(path, folder)
        tunes += abc_collection.examples(name, _tunes_of(text), _rhythm, left_out)
    total = len(tunes) + sum(map(len, left_out.values()))
    divided = folk_tunes.divide(tunes) if tunes else {}
    kept = sum(map(len, divided.values()))
    reasons = [f"{reason}: {len(sources):,}, like {sources[0]}" for reason, sources in left_out.items() if sources]
    if kept < len(tunes):
        reasons.append(f"it stands there before: {len(tunes) - kept:,}")
    if unread:
        reasons.append(f"files that cannot be read, or beyond {limit:,} bytes: {len(unread):,}, like {unread[0]}")
    said = f"{folder} has {total:,} tunes in {len(files) - len(unread):,} files"
    said += f"; left out: {'; '.join(reasons)}" if reasons else ""
    if not tunes:
        raise Stop(f"{said}. There is none to learn from; give --folder one with tunes in ABC notation.")
    for split, inside in divided.items():
        if not inside:
            raise Stop(
                f"{said}. The {kept:,} to learn from, of which settings of one tune count as one, are too few for a "
                f"{split} split; some hundreds are the least."
            )
    print(said, flush=True)
    return divided


def _read(path):
    with open(path, "rb") as file:
        content = file.read()
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _tunes_of(text):
    """The tunes of a file, list of str, each with the fields that hold for all; one alone may lack its X: line."""
    tunes = abc_collection.tunes_of(text)
    if not tunes:
        return [f"X:1\n{text}"] if abc_collection.field(text, "K") else []
    before = text[: len(text) - sum(map(len, tunes))]
    for letter in "MLR":
        if value := abc_collection.field(before, letter):
            tunes = [
                tune if abc_collection.field(tune, letter) else tune.replace("\n", f"\n{letter}:{value}\n", 1)
                for tune in tunes
            ]
    return tunes


def _rhythm(_, text):
    """What R: says, as the model's prompts are read: the letters alone."""
    return re.sub("[^a-z]", "", abc_collection.field(text, "R").partition("%")[0].lower())
