"""What visitors give as text, made fit for a model: cleaning, numbers, files of texts, and a model's tokens
found again."""

import csv
import io
import math
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice

MAX_TEXTS = 10_000
MAX_MEGABYTES = 25

# Every control character but tab and line feed; the surrogates cannot be written as UTF-8.
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


class InputError(ValueError):
    """What a visitor gave cannot be used. The message is a sentence for visitors, saying what to do."""


def clean(text: str) -> tuple[str, int]:
    """Makes line ends uniform and control characters spaces.

    Returns:
        The text, and how many control characters became spaces.
    """
    return _CONTROL.subn(" ", text.replace("\r\n", "\n").replace("\r", "\n"))


def has_words(text: str) -> bool:
    """Whether there is a letter or a digit of any script in the text."""
    return re.search(r"[^\W_]", text) is not None


def is_mostly_latin(text: str) -> bool:
    """Whether at least half of the letters, among the first 10,000 characters, are of the Latin alphabet."""
    letters = [character for character in text[:10_000] if character.isalpha()]
    latin = sum(unicodedata.name(letter, "").startswith(("LATIN", "FULLWIDTH LATIN")) for letter in letters)
    return 2 * latin >= len(letters)


def has_more_words(text: str, number: int) -> bool:
    """Whether the text has more words and punctuation marks than a number, as nearly as it can be told."""
    return len(text) > number and any(True for _ in islice(re.finditer(r"\w+|[^\w\s]", text), number, None))


def align(text: str, tokens: Sequence[str]) -> list[tuple[int, int] | None]:
    """Finds a model's tokens in the text they came from, whatever the case of either.

    Tokens are looked for in order, each after the one before. A token that is not found (an unknown-word mark, a
    changed spelling) is None and disturbs no other; where a longer part of the text has no tokens, the search reaches
    further with each token it misses.

    Args:
        text: the text as the visitor wrote it.
        tokens: the model's words and punctuation marks, in order.

    Returns:
        For each token (start, end) with text[start:end] equal to it but for case, or None. Spans ascend and do not
        overlap.
    """
    lowered, origin = [], []
    for index, character in enumerate(text):
        # The lower case of one character may be two: "İ" is "i" and a dot above.
        lowered.extend(character.lower())
        origin.extend([index] * len(character.lower()))
    origin.append(len(text))
    lowered = "".join(lowered)

    spans, cursor, missed = [], 0, 0
    for token in tokens:
        # Character by character, as the text above: the lower case of a whole word may differ (a final sigma).
        token = "".join(character.lower() for character in token)
        start = _find(lowered, token, cursor, reach=64 << min(missed, 20)) if token else -1
        if start < 0:
            spans.append(None)
            missed += bool(token)
            continue
        cursor, missed = start + len(token), 0
        spans.append((origin[start], max(origin[cursor - 1] + 1, origin[start] + 1)))
    return spans


def _find(text: str, token: str, cursor: int, reach: int) -> int:
    """Where the token stands next to the cursor, or else begins (and ends) as a word within reach; -1 if neither."""
    while cursor < len(text) and text[cursor].isspace():
        cursor += 1
    if text.startswith(token, cursor):
        return cursor
    end = cursor + reach + len(token)
    start = text.find(token, cursor, end)
    while start >= 0:
        begins = not (text[start].isalnum() and start > 0 and text[start - 1].isalnum())
        stop = start + len(token)
        ends = not (text[stop - 1].isalnum() and stop < len(text) and text[stop].isalnum())
        if begins and ends:
            return start
        start = text.find(token, start + 1, end)
    return -1


@dataclass(frozen=True)
class Table:
    """A CSV file: the names of its columns and its rows, all cells strings, each row as long as `columns`."""

    columns: list[str]
    rows: list[list[str]]

    def likely_text_column(self) -> int:
        """The index of the column that most likely holds the texts: by its name, or else the one with most text."""
        names = [column.strip().lower() for column in self.columns]
        for name in ("text", "review", "comment", "sentence", "message"):
            if name in names:
                return names.index(name)
        sample = self.rows[:200]
        return max(
            range(len(names)),
            key=lambda index: sum(len(row[index]) for row in sample if has_words(re.sub(r"[\d.,]", "", row[index]))),
        )


def read_lines(text: str) -> list[str]:
    """The lines that hold anything, cleaned.

    Raises:
        InputError: if there is none, or more than MAX_TEXTS.
    """
    lines = [line.strip() for line in clean(text)[0].split("\n") if line.strip()]
    if not lines:
        raise InputError("There is no text yet. Write or paste some texts, one a line.")
    _check_number(len(lines), "lines")
    return lines


def read_csv(data: bytes, *, header: bool = True) -> Table:
    """Reads a CSV file with commas, semicolons or tabs between its cells.

    Args:
        data: the file, in UTF-8 with or without a byte order mark.
        header: whether the first row names the columns; if not, they are named "column 1", "column 2", ...

    Raises:
        InputError: if the file is too large, empty, not UTF-8, not CSV, or its rows differ in length.
    """
    if len(data) > MAX_MEGABYTES * 2**20:
        raise InputError(f"This file is larger than {MAX_MEGABYTES} MB. Split it into smaller files.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"This file is not in UTF-8 (its byte {error.start + 1:,} does not belong there). Save it again as "
            "“CSV UTF-8”; spreadsheets offer it under “Save as” or “Export”."
        ) from error
    if "\x00" in text:
        raise InputError("This file holds zero bytes, so it is not a text file. Save the table as “CSV UTF-8”.")
    first_line = text.lstrip().split("\n", 1)[0]
    delimiter = max(",;\t", key=first_line.count)
    # The csv module refuses cells beyond 128 KiB unless told otherwise; the file as a whole is bounded above.
    csv.field_size_limit(MAX_MEGABYTES * 2**20)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    rows = []
    try:
        for row in reader:
            if not any(cell.strip() for cell in row):
                continue
            if rows and len(row) != len(rows[0]):
                raise InputError(
                    f"Line {reader.line_num:,} has {_cells(len(row))} where the first row has {len(rows[0])}. A text "
                    "that holds a comma, a semicolon or a line break must stand in double quotes."
                )
            rows.append(row)
    except csv.Error as error:
        raise InputError(
            f"Line {reader.line_num:,} is not valid CSV: a double quote is missing or stands in the wrong place. "
            'Inside a quoted text, write a double quote twice (""").'
        ) from error
    if not rows:
        raise InputError("This file is empty. It needs at least one row with a text.")
    if header:
        columns, rows = [name.strip() or f"column {index + 1}" for index, name in enumerate(rows[0])], rows[1:]
    else:
        columns = [f"column {index + 1}" for index in range(len(rows[0]))]
    if not rows:
        raise InputError(
            "This file has one row only, read as the names of the columns. If it is a text, switch off "
            "“First row names the columns”."
        )
    _check_number(len(rows), "rows")
    return Table(columns, rows)


def _cells(number: int) -> str:
    return "1 cell" if number == 1 else f"{number} cells"


def _check_number(number: int, what: str) -> None:
    if number > MAX_TEXTS:
        raise InputError(f"There are {number:,} {what}; at most {MAX_TEXTS:,} are read at once. Split them up.")


def spreadsheet_cell(text: str) -> str:
    """The text as a cell of a CSV file that no spreadsheet takes for a formula: an apostrophe is put before one."""
    return f"'{text}" if text.lstrip().startswith(("=", "+", "-", "@", "＝", "＋", "－", "＠")) else text


def number(text: str | float | None, otherwise: float, least: float, most: float) -> float:
    """The number that a link or a control says, kept within bounds; `otherwise` if it says none."""
    try:
        value = float(text)
    except (TypeError, ValueError):
        return otherwise
    return min(max(value, least), most) if math.isfinite(value) else otherwise
