"""From pairs of sentences to batches: subwords in the graph, buckets by length padded to their boundary."""

import tensorflow as tf

from seqkeras.text.subwords import START
from training.datasets import multi30k, parallel_files, phrase_book, tatoeba

# A batch's source and target are padded to a boundary each, of which XLA meets few pairs.
BOUNDARIES = (6, 8, 10, 12, 14, 16, 18, 20, 24, 28, 36, 50, 100)
# Of each pair its own set.
SETS = {"en-de": multi30k, "en-fr": multi30k, "fr-en": multi30k, "en-es": tatoeba, "en-vi": tatoeba}
LANGUAGES = {"en": "English", "de": "German", "fr": "French", "es": "Spanish", "vi": "Vietnamese"}
# What a model card says of each.
ABOUT = {
    "multi30k": (
        "29,000 captions of photos and their translations, Multi30k (Elliott et al. 2016; for research that is not "
        "commercial). 1,014 more were held out to choose by, and test_2016_flickr is the test"
    ),
    "tatoeba": (
        "everyday sentences of tatoeba.org and their translations (CC BY 2.0 FR). Sentences that translate each other, "
        "or one sentence more, are on one side of the split. Still, many a test sentence differs from one in training "
        'in one word ("Tom is happy." and "Tom is busy."), as in any collection of phrases, and figures are higher '
        "than they would be on news"
    ),
    "phrase_book": "640 sentences that the project's own grammar composed. This model is an exercise",
    "parallel_files": (
        "somebody's own texts, a file in each language. Pairs that share a sentence, up to case, punctuation and "
        "contractions, are on one side of the split, a twentieth of such groups to choose by and a twentieth to test on"
    ),
}


def set_of(config):
    """The module of the data set that `config` names."""
    return {"sample": phrase_book, "files": parallel_files}.get(config.dataset) or SETS[config.pair]


def language(code):
    """The name of a language, or its code in capitals where we know none."""
    return LANGUAGES.get(code, code.upper())


def load(config, split):
    """The pairs of a split: dataset of the examples that `training.datasets.pairs` describes."""
    if config.dataset == "files":
        return parallel_files.load(split, config.source_file, config.target_file)
    source, target = config.pair.split("-")
    return set_of(config).load(split, source, target, manual_dir=config.manual_dir, data_dir=config.data_dir)


def columns(dataset):
    """Sources and targets of a split: two string tensors `(pairs,)`."""
    pairs = list(dataset.map(lambda pair: (pair["source"], pair["target"])).batch(10_000))
    return tuple(tf.concat(side, axis=0) for side in zip(*pairs))


def encode(texts, subwords, dropout=0.0, seed=0):
    """Ids of many texts, each with the end: int32 RaggedTensor `(texts, pieces)`.

    Args:
        texts: string tensor `(texts,)`.
        subwords: seqkeras.text.Subwords.
        dropout: share of the merges left out (Provilkov et al., 2020).
        seed: int, of that.
    """

    def read(number, text):
        return subwords.ids(text, dropout=dropout, seed=tf.stack([seed, tf.cast(number, tf.int32)]))

    # A thousand at a time: all their words are one tensor, as wide as its longest one.
    batches = tf.data.Dataset.from_tensor_slices(texts).batch(1000).enumerate().map(read, num_parallel_calls=2)
    return tf.concat(list(batches), axis=0)


def training_batches(encoded, config, epoch):
    """The batches of one epoch, which depend on the seed and the epoch alone: each pair once.

    Args:
        encoded: what `encode` gave for the sources and the targets.
        config: `batch_size`, `longest`, `seed`.
        epoch: counted from 0.

    Returns:
        Dataset as of `batches`.
    """
    seed = config.seed * 1000 + epoch
    rows = _rows(*encoded, config.longest).shuffle(encoded[0].nrows(), seed=seed, reshuffle_each_iteration=False)
    return batches(rows, config.batch_size).shuffle(100, seed=seed, reshuffle_each_iteration=False).prefetch(8)


def evaluation_batches(encoded, config):
    """All pairs: dataset as of `batches`."""
    return batches(_rows(*encoded, config.longest), config.batch_size).prefetch(8)


def batches(rows, batch_size):
    """Pairs of ids in batches of one length.

    Returns:
        Dataset of `({"source": int32 (batch, source_time), "target": int32 (batch, target_time)}, the tokens that come
        next, int32 (batch, target_time), and their weights, 0 in the padding, float32 (batch, target_time))`.
    """
    return rows.bucket_by_sequence_length(
        # Of two sentences that translate each other one is about as long as the other.
        lambda source, target: tf.maximum(tf.size(source), tf.size(target)),
        bucket_boundaries=[boundary + 1 for boundary in BOUNDARIES],
        bucket_batch_sizes=[batch_size] * len(BOUNDARIES) + [max(1, batch_size // 4)],
    ).map(_ready, num_parallel_calls=2)


def _rows(sources, targets, longest):
    rows = tf.data.Dataset.from_tensor_slices((sources, targets))
    rows = rows.map(lambda source, target: (tf.identity(source), tf.identity(target)))  # plain rows of ragged tensors
    return rows.filter(lambda source, target: tf.maximum(tf.size(source), tf.size(target)) <= longest)


def _ready(source, target):
    source, target = _to_boundary(source), _to_boundary(target)
    read = tf.concat([tf.fill([tf.shape(target)[0], 1], START), target[:, :-1]], axis=1)
    weights = tf.cast(target != 0, tf.float32)
    return {"source": source, "target": read * tf.cast(target != 0, tf.int32)}, target, weights


def _to_boundary(ids):
    length = tf.shape(ids)[1]
    place = tf.reduce_sum(tf.cast(tf.constant(BOUNDARIES) < length, tf.int32))
    boundary = tf.constant([*BOUNDARIES, 0])[place]
    return tf.pad(ids, [[0, 0], [0, tf.maximum(boundary - length, 0)]])
