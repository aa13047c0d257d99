"""What the sets of translated sentences share: the form of their examples.

Training examples hold two strings, `source` and `target`. Validation and test ask each sentence once, whatever the
number of its translations: `source`, `references` string[n], all its translations in the split, and `target`, the first
of them.
"""

import tensorflow as tf


def dataset(sources, targets, split):
    """A `tf.data.Dataset` of single examples, in the order given.

    Args:
        sources, targets: sequences of str or bytes, of one length.
        split: "train", "validation" or "test".
    """
    if split == "train":
        return tf.data.Dataset.from_tensor_slices({"source": list(sources), "target": list(targets)})
    references = {}
    for source, target in zip(sources, targets):
        references.setdefault(source, []).append(target)
    asked = {
        "source": list(references),
        "target": [translations[0] for translations in references.values()],
        "references": tf.ragged.constant(list(references.values()), tf.string, ragged_rank=1),
    }
    return tf.data.Dataset.from_tensor_slices(asked).map(
        # A row of a ragged tensor is a plain one, which padded_batch takes.
        lambda example: {**example, "references": tf.convert_to_tensor(example["references"])}
    )


def check(split, source, target, languages):
    """Raises ValueError unless the split exists and the set translates between these two languages."""
    if split not in ("train", "validation", "test"):
        raise ValueError(f"split is 'train', 'validation' or 'test'. Received: {split!r}")
    if (source, target) not in languages:
        known = ", ".join("-".join(pair) for pair in languages)
        raise ValueError(f"The set has the pairs {known}. Received: {source!r} to {target!r}")
