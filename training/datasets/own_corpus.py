"""A text or source code of one's own, for `--corpus PATH`: a file, or a folder with all files of text below it."""

import codecs
import os
import stat

from training import Stop

# Of 1,000: where the parts end. They are contiguous, so that no passage stands partly in two of them.
SPLITS = {"train": (0, 900), "validation": (900, 950), "test": (950, 1000)}
# Bytes that are read at most. While so many are read, 360 MB of memory are in use, twice that if there are emoji.
LIMIT = 50_000_000
FEWEST = 1_000  # characters
BLOCK = 1 << 20  # bytes read at once


class NoText(Exception):
    """A file is no text; the message says why."""


def load(split, path, limit=LIMIT):
    """A part of the text at `path`.

    Of a folder, all files below it are read in the order of their names, those of a folder before those of the folders
    in it, but for what is hidden (names that begin with a dot), links, and files that are no text in UTF-8. Ends of
    lines become "\\n", also where the last line of a file has none, and a byte order mark goes.

    Args:
        split: "train", the first 90 %, "validation", the next 5, or "test", the last 5. A part ends at the end of a
            line where there is one near by.
        path: a file or folder.
        limit: number of bytes that are read at most, from the beginning. If there is more, or a file is left out,
            loading the part "train" prints a sentence that says so.

    Returns:
        str.

    Raises:
        Stop: the path is missing, cannot be read, is no text in UTF-8, or too short; the sentence says what to do.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}. Received: {split!r}")
    text, left_out = read(path, limit)
    if left_out and split == "train":
        print(left_out, flush=True)
    if len(text.strip()) < FEWEST:
        lines = text.count("\n")
        raise Stop(
            f"{path} has {len(text.strip()):,} characters in {lines} line{'s' * (lines != 1)}, too few to learn from; "
            f"give at least {FEWEST:,}, better some hundred thousands."
        )
    start, end = (_border(text, thousandth) for thousandth in SPLITS[split])
    return text[start:end]


def read(path, limit=LIMIT):
    """The text at `path` up to `limit` bytes, and a sentence on what was left out, "" if nothing was.

    Raises:
        Stop: as `load`, but for a short text.
    """
    if not path:
        raise Stop("--corpus wants a text file in UTF-8 or a folder of such: --corpus book.txt, --corpus my_project.")
    path = os.path.expanduser(path)
    if os.path.isdir(path):
        return _read_folder(path, limit)
    try:
        status = os.stat(path)
        if not stat.S_ISREG(status.st_mode):
            raise Stop(f"{path} is neither a file nor a folder; give --corpus a text file in UTF-8 or a folder.")
        text, size = _read_file(path, limit)
    except OSError as error:
        raise Stop(f"Cannot read {path} ({error.strerror}); give --corpus a text file in UTF-8 or a folder.") from None
    except NoText as error:
        raise Stop(f"{path} is no text in UTF-8: {error}. Save it as plain text in UTF-8 first.") from None
    if size < status.st_size:
        return text, f"Of {path}, {status.st_size:,} bytes, the first {size:,} are read; the rest is left out."
    return text, ""


def _read_folder(path, limit):
    texts, total, enough, no_text, failed = [], 0, False, [], []
    for file in files_below(path, failed):
        try:
            text, size = _read_file(file, limit - total)
            enough = size < os.path.getsize(file)
        except OSError:
            failed.append(file)
            continue
        except NoText:
            no_text.append(file)
            continue
        if text:
            texts.append(text)
        total += size
        if enough:
            break
    if not texts:
        raise Stop(
            f"{path} has no text in it ({len(no_text)} files are no text in UTF-8, {len(failed)} cannot be read); give "
            "--corpus a text file in UTF-8 or a folder of such."
        )
    notes = [
        f"{len(files)} {what}, like {files[0]}"
        for files, what in ((no_text, "not text"), (failed, "not readable"))
        if files
    ]
    if enough:
        notes.append(f"all that follows the first {total:,} bytes of text, from {file} on")
    return "".join(texts), f"Left out of {path}: {'; '.join(notes)}." if notes else ""


def files_below(folder, failed):
    """All files below a folder, in the order of their names, without links and what is hidden.

    Args:
        folder: path.
        failed: list, to which folders that cannot be read are added.
    """
    for current, folders, names in os.walk(folder, onerror=lambda error: failed.append(error.filename)):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            file = os.path.join(current, name)
            # A pipe or a device among them would be read for ever.
            if not name.startswith(".") and not os.path.islink(file) and os.path.isfile(file):
                yield file


def _read_file(path, limit):
    """The text of a file up to `limit` bytes, and the number of bytes read; what is over is never in memory.

    Where it is not read to its end, the text ends with a line, if it has more than one.
    """
    decoder = codecs.getincrementaldecoder("utf-8-sig")()
    parts, size = [], 0
    with open(path, "rb") as file:
        whole = os.fstat(file.fileno()).st_size <= limit
        while size < limit and (block := file.read(min(BLOCK, limit - size))):
            if b"\0" in block:
                raise NoText(f"a zero byte stands at {size + block.index(0):,}, as in binary files and UTF-16")
            try:
                parts.append(decoder.decode(block))
            except UnicodeDecodeError as error:
                raise NoText(f"{error.reason} at byte {size + error.start:,} or shortly after") from None
            size += len(block)
        if whole:
            try:
                parts.append(decoder.decode(b"", final=True))
            except UnicodeDecodeError:
                raise NoText("it ends within a character") from None
    text = "".join(parts).replace("\r\n", "\n").replace("\r", "\n")
    if not whole and "\n" in text:
        text = text[: text.rindex("\n")]
    return text + "\n" if text and not text.endswith("\n") else text, size


def _border(text, thousandth):
    """A place at about so many thousandths: behind the end of a line if one is less than a thousandth away or so."""
    place = len(text) * thousandth // 1000
    if place in (0, len(text)):
        return place
    reach = max(200, len(text) // 1000)
    return text.find("\n", place - 1, place + reach) + 1 or place
