"""Reviews of one's own, from a CSV file with a column of text and a column of labels."""

import warnings
import zlib

import pandas as pd
import tensorflow as tf

from training import Stop

LABELS = {"0": 0, "neg": 0, "negative": 0, "false": 0, "1": 1, "pos": 1, "positive": 1, "true": 1}
SHARES = {"train": range(0, 80), "validation": range(80, 90), "test": range(90, 100)}  # of 100, by a hash of the text


def load(split, path, text_column="text", label_column="label"):
    """The rows of a split, with the elements of `imdb.load`; stars are 8 for a positive row and 3 for a negative one.

    A row's split depends on its text alone, so that the same text never stands in two splits.

    Args:
        split: "train" (80 %), "validation" or "test" (10 % each).
        path: a CSV file in UTF-8.
        text_column, label_column: names of its columns; a label is 0 or 1, neg or pos, negative or positive.

    Returns:
        A `tf.data.Dataset`.

    Raises:
        Stop: the file cannot be read, lacks a column, has a label of another kind, or too few rows for a split.
    """
    if path is None:
        raise Stop("--dataset csv wants a file: --csv reviews.csv --text_column text --label_column label.")
    try:
        with warnings.catch_warnings(action="error", category=pd.errors.ParserWarning):
            # Where all rows are longer than the header, pandas would take their first cell for a name of the row, or,
            # with index_col=False, leave their last one out and warn.
            table = pd.read_csv(path, dtype=str, keep_default_na=False, index_col=False)
    except pd.errors.ParserWarning:
        raise Stop(
            f"The rows of {path} have more cells than its first line has names. A text that holds a comma must stand "
            "in double quotes."
        ) from None
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise Stop(f"Cannot read {path} as a CSV file in UTF-8 ({str(error).splitlines()[0]}).") from None
    for option, column in (("--text_column", text_column), ("--label_column", label_column)):
        if column not in table:
            raise Stop(f"{path} has no column {column!r}; it has {', '.join(table.columns)}. Name one with {option}.")
    labels = table[label_column].str.strip().str.lower()
    if not labels.isin(list(LABELS)).all():
        wrong = labels[~labels.isin(list(LABELS))].iloc[0]
        raise Stop(f"A label is 0 or 1, neg or pos, negative or positive; {path} has {wrong!r} in {label_column!r}.")
    place = table[text_column].map(lambda text: zlib.crc32(text.encode()) % 100)
    here = place.isin(list(SHARES[split])) & (table[text_column].str.strip() != "")
    if not here.any():
        raise Stop(f"{path} has {len(table)} rows, too few for a {split} split; some hundreds are the least.")
    label = labels[here].map(LABELS).to_numpy()
    return tf.data.Dataset.from_tensor_slices(
        {
            "id": [f"{split}/{i}" for i in table.index[here]],
            "text": table[text_column][here].tolist(),
            "label": tf.constant(label, tf.int64),
            "stars": tf.where(tf.constant(label) == 1, tf.constant(8, tf.int64), tf.constant(3, tf.int64)),
        }
    )
