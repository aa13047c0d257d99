"""From reviews to batches: words to ids in the graph, pieces cut anew each epoch, buckets padded to their boundary."""

import tensorflow as tf

from seqkeras.text import split_words

# A batch holds about as many words whatever their length, so that XLA meets few shapes and memory stays level.
BOUNDARIES = (16, 32, 64, 96, 128, 192, 256, 384, 512, 768, 1024)
SENTENCE_ENDS = (".", "!", "?", "...", "!!", "??")


def stars_of(imdb_stars):
    """Stars from 1 to 5, the visitor's scale: half of IMDb's, and 1 where that is less. Any shape, float32."""
    return tf.maximum(tf.cast(imdb_stars, tf.float32) / 2, 1.0)


def encode(reviews, vocabulary, max_words):
    """Reviews as arrays of ids: a dataset of (ids int32 `(words,)`, targets), held in memory for all epochs.

    Args:
        reviews: dataset of the elements of `datasets.imdb.load`.
        vocabulary: seqkeras.text.Vocabulary.
        max_words: as for `split_words`.

    Returns:
        Dataset of `(ids, {"positive": float32 (), "stars": float32 () from 0 to 1})`.
    """

    def batch(review):
        ids = tf.cast(vocabulary.ids(split_words(review["text"], max_words)), tf.int32)
        return ids, tf.cast(review["label"], tf.float32), (stars_of(review["stars"]) - 1) / 4

    batches = list(reviews.batch(500).map(batch, num_parallel_calls=2))
    ids, positive, stars = (tf.concat(column, axis=0) for column in zip(*batches))
    rows = tf.data.Dataset.from_tensor_slices((ids, {"positive": positive, "stars": stars}))
    return rows.map(lambda ids, targets: (tf.identity(ids), targets))  # a row of a RaggedTensor becomes a plain tensor


def crop(ids, length, seed):
    """At most `length` words in a row: the end of a review, where verdicts stand, four times in ten, else any."""
    spare = tf.maximum(tf.shape(ids)[0] - length, 0)
    draw = tf.random.stateless_uniform((2,), seed)
    start = tf.where(draw[0] < 0.4, spare, tf.cast(draw[1] * tf.cast(spare + 1, tf.float32), tf.int32))
    return ids[start : start + length]


def sentences(ids, ends, seed):
    """One to three whole sentences in a row, so that the model also learns to read short texts."""
    is_end = tf.reduce_any(ids[:, None] == ends[None], axis=1)
    starts = tf.concat([[0], tf.cast(tf.where(is_end)[:, 0], tf.int32) + 1], axis=0)
    count = tf.shape(starts)[0]
    draw = tf.random.stateless_uniform((2,), seed)
    first = tf.cast(draw[0] * tf.cast(tf.maximum(count - 1, 1), tf.float32), tf.int32)
    last = tf.minimum(first + 1 + tf.cast(draw[1] * 3, tf.int32), count - 1)
    piece = ids[starts[first] : starts[last]]
    return tf.cond(tf.shape(piece)[0] > 3, lambda: piece, lambda: ids[:256])


def training_batches(encoded, contrasts, vocabulary, config, epoch):
    """The batches of one epoch, which depend on the seed and the epoch alone: `(ids, targets, sample weights)`.

    Args:
        encoded: what `encode` gives for the reviews; each is met once, cropped.
        contrasts: what `encode` gives for our own contrast sentences, or None.
        vocabulary: to find the ends of sentences.
        config: `crop`, `piece_share` (pieces for each review), `piece_weight`, `contrast_weight`, `words_per_batch`,
            `seed`.
        epoch: counted from 0.
    """
    ends = tf.cast(vocabulary.ids(tf.constant(SENTENCE_ENDS)), tf.int32)
    base = config.seed * 1000 + epoch

    def cropped(i, example):
        ids, targets = example
        return crop(ids, config.crop, (base, i)), targets, 1.0

    def piece(i, example):
        ids, targets = example
        return sentences(ids, ends, (base, i)), targets, config.piece_weight

    examples = encoded.enumerate().map(cropped, num_parallel_calls=2)
    if config.piece_share:
        count = int(config.piece_share * len(encoded))
        some = encoded.enumerate().shuffle(len(encoded), seed=base, reshuffle_each_iteration=False).take(count)
        examples = examples.concatenate(some.map(piece, num_parallel_calls=2))
    if contrasts is not None:
        examples = examples.concatenate(contrasts.map(lambda ids, targets: (ids, targets, config.contrast_weight)))
    examples = examples.shuffle(len(encoded) * 2, seed=base, reshuffle_each_iteration=False)
    return _batched(examples, config.words_per_batch).shuffle(64, seed=base).map(_weighted)


def evaluation_batches(encoded, words_per_batch):
    """The whole reviews, in buckets: `(ids, targets)`."""
    return _batched(encoded, words_per_batch)


def _batched(examples, words_per_batch):
    sizes = [max(1, words_per_batch // boundary) for boundary in BOUNDARIES]
    return (
        examples.bucket_by_sequence_length(
            lambda ids, *_: tf.shape(ids)[0],
            # A sequence as long as a boundary still goes into its bucket.
            bucket_boundaries=[boundary + 1 for boundary in BOUNDARIES],
            bucket_batch_sizes=[*sizes, max(1, sizes[-1] // 2)],
            pad_to_bucket_boundary=False,
        )
        .map(_to_boundary, num_parallel_calls=2)
        .prefetch(8)
    )


def _to_boundary(ids, *rest):
    """Pads a batch to the boundary of its bucket; past the last one, to the next multiple of it."""
    longest = tf.shape(ids)[1]
    boundaries = tf.constant(BOUNDARIES)
    place = tf.reduce_sum(tf.cast(boundaries < longest, tf.int32))
    past = -(-longest // BOUNDARIES[-1]) * BOUNDARIES[-1]
    length = tf.where(place < len(BOUNDARIES), boundaries[tf.minimum(place, len(BOUNDARIES) - 1)], past)
    return tf.pad(ids, [[0, 0], [0, length - longest]]), *rest


def _weighted(ids, targets, weights):
    return ids, targets, {"positive": weights, "stars": weights}
