"""What the sets of translated sentences share: the form of their examples.

Training examples hold two strings, `source` and `target`. Validation and test ask each sentence once, whatever the
number of its translations: `source`, `references` string[n], all its translations in the split, and `target`, the first
of them.

A sentence may have many translations ("Go." is Ve, Vete, Vaya, Váyase in Spanish), and each of these may translate
other sentences ("Leave."). A set without a standard split is divided by clusters, so that no test asks what was told in
training: see `cluster`.
"""

import hashlib
import re
import unicodedata

import tensorflow as tf

_CONTRACTIONS = (
    (r"\bcan't\b", "cannot"),
    (r"\bcan not\b", "cannot"),
    (r"\bwon't\b", "will not"),
    (r"n't\b", " not"),
    (r"'m\b", " am"),
    (r"'re\b", " are"),
    (r"'ve\b", " have"),
    (r"'ll\b", " will"),
    (r"'s\b", " is"),
)


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


def normal_form(sentence):
    """A sentence less what its paraphrases differ in without being others: case, punctuation, English contractions."""
    sentence = unicodedata.normalize("NFKC", sentence).casefold().replace("\u2019", "'")
    for pattern, replacement in _CONTRACTIONS:
        sentence = re.sub(pattern, replacement, sentence)
    return " ".join(re.sub(r"[^\w\s]", _part_of_word, sentence).split())


def _part_of_word(match):
    r"""Vowel signs, as of Hindi and Thai, belong to their word, though \w lacks them."""
    before = match.string[: match.start()][-1:]
    sign = unicodedata.category(match[0]).startswith("M") and before and not before.isspace()
    return match[0] if sign else " "


def cluster(rows):
    """For each pair of sentences the name of its cluster.

    Args:
        rows: list of pairs of str. Pairs that share a sentence of either language, up to its normal form, are in one
            cluster, and so are pairs that are joined by others.

    Returns:
        List of str: the first, by the alphabet, of the cluster's sentences of the first language in normal form.
    """
    # Of signs alone, such as "?!", nothing would be left, and all of them be one.
    forms = [tuple(normal_form(sentence) or sentence for sentence in row) for row in rows]
    parents = {}

    def root(node):
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for first, second in forms:
        a, b = root((0, first)), root((1, second))
        parents[a] = b
    names = {}
    for first, _ in forms:
        node = root((0, first))
        names[node] = min(names.get(node, first), first)
    return [names[root((0, first))] for first, _ in forms]


def place(name):
    """Where a cluster lies, a float from 0 to 1, by a hash of its name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32
