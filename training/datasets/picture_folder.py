"""Pictures of one's own: a folder, and a file of their captions.

The file is one of these, in UTF-8; several lines of one picture are several captions of it, and a picture of the folder
without a line is left out:

- CSV, or TSV with tabs instead of commas, with a header; the columns `image`, a path inside the folder, and `caption`
  are read, others are not:
      image,caption
      beach.jpg,"A dog, wet and happy, runs along the beach."
- Flickr's form, without a header: `beach.jpg#0<TAB>A dog runs along the beach.`

Pictures are taken as they lie in the file. A JPEG that only its EXIF note turns upright, as many phones write them, is
learnt lying on its side: save such pictures upright first.
"""

import csv
import hashlib
import io
import os
import re

import tensorflow as tf
from PIL import Image

from training import Stop
from training.datasets import captions

SHARES = {"train": range(0, 80), "validation": range(80, 90), "test": range(90, 100)}  # of 100, by a hash of the path
# What TensorFlow decodes.
FORMATS = ("JPEG", "PNG", "GIF", "BMP")


def load(split, folder, captions_file):
    """The pictures of a split.

    A picture's split depends on its path inside the folder alone, so it stays where it is when others come or go. Two
    copies of a picture under two names may be in two splits.

    Args:
        split: "train" (80 %), "validation" or "test" (10 % each).
        folder: the folder of the pictures: JPEG, PNG, GIF or BMP.
        captions_file: the file of their captions, see the top of this file.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.captions` describes them, in the order of the file;
        the id is the path inside the folder. A picture is read when its turn comes, so the folder may be larger than
        the memory.

    Raises:
        Stop: the folder or the file is missing or is of another form, a picture is missing or is none, there is no
            caption, or there are too few pictures for three splits. Whatever the split, all pictures are looked at,
            their headers only.
    """
    captions.check(split)
    if not folder or not captions_file:
        raise Stop("--dataset folder wants pictures and captions: --folder pictures --captions_file captions.csv.")
    folder = os.path.expanduser(folder)
    if not os.path.isdir(folder):
        raise Stop(f"There is no folder {folder}. Name the folder of your pictures with --folder.")
    written = _read(os.path.expanduser(captions_file))
    _check_pictures(folder, written, captions_file)
    # All three are looked at, or a test split without a picture would be found when the training is over.
    splits = {name: [path for path in written if _place(path) in share] for name, share in SHARES.items()}
    for name, paths in splits.items():
        if not paths:
            raise Stop(
                f"{captions_file} has captions of {len(written)} pictures, too few for a {name} split; "
                "some hundreds are the least."
            )
    here = splits[split]
    paths = [os.path.join(folder, name) for name in here]
    examples = captions.dataset(here, paths, [written[name] for name in here])
    return examples.map(lambda example: {**example, "image": tf.io.read_file(example["image"])})


def _place(name):
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") % 100


def _read(path):
    """Dict from each picture's path inside the folder to the list of its captions."""
    try:
        with open(path, encoding="utf-8-sig", newline="") as file:
            text = file.read()
    except UnicodeDecodeError as error:
        raise Stop(f"{path} is not text in UTF-8 ({error}). Save it as UTF-8 text and try again.") from None
    except OSError as error:
        raise Stop(f"Cannot read {path} ({error.strerror}). Name the file of captions with --captions_file.") from None
    try:
        rows = _rows_of_tokens(text) if re.match(r"[^\t\n]+#\d+\t", text) else _rows_of_table(text)
    except (ValueError, csv.Error) as error:
        raise Stop(f"Cannot read the captions in {path}: {error}.") from None
    written = {}
    for name, caption in rows:
        if caption:
            written.setdefault(os.path.normpath(name), []).append(caption)
    if not written:
        raise Stop(f"{path} has no caption. It wants a line for each caption, with the picture's name in the folder.")
    return written


def _rows_of_tokens(text):
    return [(name, caption) for name, texts in captions.read_tokens(text).items() for caption in texts]


def _rows_of_table(text):
    header = text.split("\n", 1)[0]
    separator = "\t" if "\t" in header else ","
    # Strict: a mark that is out of place is an error, and not the end of a caption or the start of a long one.
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True)
    columns = [column.strip().lower() for column in next(reader, [])]
    for column in ("image", "caption"):
        if columns.count(column) != 1:
            raise ValueError(
                "the first line is to name the columns, image and caption among them, or the file to be in the form "
                f"NAME#0<TAB>caption; the first line is {header.strip()[:80]!r}"
            )
    rows = []
    try:
        for row in reader:
            if not any(field.strip() for field in row):
                continue
            if len(row) != len(columns):
                raise ValueError(
                    f"line {reader.line_num} has {len(row)} fields instead of {len(columns)}; a caption that has "
                    f"a {'tab' if separator == chr(9) else 'comma'} wants quotation marks around it"
                )
            name, caption = (row[columns.index(column)].strip() for column in ("image", "caption"))
            if not name:
                raise ValueError(f"line {reader.line_num} names no picture")
            rows.append((name, " ".join(caption.split())))
    except csv.Error as error:
        raise ValueError(
            f"line {reader.line_num}: {error}; quotation marks stand around a whole field, and one inside it is doubled"
        ) from None
    return rows


def _check_pictures(folder, names, captions_file):
    missing = [name for name in names if not os.path.isfile(os.path.join(folder, name))]
    if missing:
        others = f" and {len(missing) - 1} more" if len(missing) > 1 else ""
        raise Stop(
            f"{captions_file} names pictures that are not in {folder}: {missing[0]}{others}. Add them, or take their "
            "lines out."
        )
    for name in names:
        path = os.path.join(folder, name)
        try:
            # Reads the header only.
            with Image.open(path) as picture:
                form = picture.format
        except Image.UnidentifiedImageError:
            raise Stop(f"{path} is no picture. Replace it, or take its lines out.") from None
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            raise Stop(f"Cannot read {path} ({error}). Replace it, or take its lines out.") from None
        if form not in FORMATS:
            raise Stop(f"{path} is a picture in the form {form}. Save it as JPEG, PNG, GIF or BMP.")
