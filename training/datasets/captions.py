"""What the sets of captioned pictures share: the form of their examples, and Flickr's form of captions.

An example holds:

    id        string, no other picture of the set has it
    image     string, the bytes of the file: JPEG, PNG, GIF or BMP, of any size
    captions  string[n], as written; n is at least 1 and may differ from picture to picture
"""

import tensorflow as tf

SPLITS = ("train", "validation", "test")


def dataset(ids, images, captions):
    """A `tf.data.Dataset` of single examples, in the order given.

    Args:
        ids: sequence of str.
        images: sequence of bytes, or of str where the reader maps paths to bytes.
        captions: sequence of lists of str.
    """
    examples = {
        "id": list(ids),
        "image": list(images),
        "captions": tf.ragged.constant(list(captions), tf.string, ragged_rank=1),
    }
    return tf.data.Dataset.from_tensor_slices(examples).map(
        # A row of a ragged tensor is a plain one, which padded_batch takes.
        lambda example: {**example, "captions": tf.convert_to_tensor(example["captions"])}
    )


def read_tokens(text):
    """Captions in the form of Flickr8k's own file, `NAME.jpg#0<TAB>caption`, a line each.

    Args:
        text: str.

    Returns:
        Dict from each picture's name to the list of its captions, both in the order of the lines.

    Raises:
        ValueError: a line is of another form; the message says which.
    """
    found = {}
    # Not splitlines(), which would end a line at some characters that a caption may hold.
    for number, line in enumerate(text.split("\n"), 1):
        if line.strip():
            key, tab, caption = line.partition("\t")
            name, mark, _ = key.rpartition("#")
            if not (tab and mark and name.strip()):
                raise ValueError(f"line {number} is not NAME#0<TAB>caption but {line.strip()[:80]!r}")
            found.setdefault(name.strip(), []).append(caption.strip())
    return found


def check(split):
    """Raises ValueError unless there is such a split."""
    if split not in SPLITS:
        raise ValueError(f"split is 'train', 'validation' or 'test'. Received: {split!r}")
