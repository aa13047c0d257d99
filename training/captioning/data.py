"""From pictures and their captions to batches: decoded once, then cut, turned and tinted anew in every epoch."""

import collections
import re
import shutil

import numpy as np
import tensorflow as tf

from seqkeras.text.words import Vocabulary
from training import Stop
from training.datasets import flickr8k, picture_folder, scenes

# The first ids of a Vocabulary whose first words are those two.
PAD, UNKNOWN, START, END = range(4)
START_AND_END = ("<s>", "</s>")
SETS = {"flickr8k": flickr8k, "sample": scenes, "folder": picture_folder}
# What a model card says of each.
ABOUT = {
    "flickr8k": (
        "6,000 photos of Flickr with five captions each, Flickr8k (Hodosh et al. 2013; for research that is not "
        "commercial), most of them of people and dogs out of doors. 1,000 more were held out to choose by, and 1,000 "
        "are the test"
    ),
    "sample": "pictures of coloured shapes that the project draws itself, with captions of its own grammar. This model "
    "is an exercise",
    "folder": "somebody's own pictures and captions",
}
# A caption's words and its end are padded to one of these, so that XLA meets few shapes.
BOUNDARIES = (8, 12, 16, 20)
LONGEST = BOUNDARIES[-1] - 1  # words; longer captions are left out of training
# Smallest share of a picture that training may see of it, and the range of its sides' ratio.
AREA, RATIO = (0.35, 1.0), (0.75, 4 / 3)
TINT = 0.3  # how far brightness, contrast and saturation may go from 1
GREY = 0.05  # share of the pictures without colour


def load(config, split):
    """The examples of a split: dataset of {"id", "image", "captions"}, each a picture's file and its captions."""
    if config.dataset == "sample":
        return scenes.load(split)
    if config.dataset == "folder":
        return picture_folder.load(split, config.folder, config.captions_file)
    return flickr8k.load(split, manual_dir=config.manual_dir, data_dir=config.data_dir)


def words_of(caption):
    """A caption's words in lower case, without marks of punctuation: list of str.

    "A man 's T-shirt ." and "A man's T-shirt." both give a, man, 's, t-shirt.
    """
    text = re.sub(r"['\u2019\u00b4`](s|re|ve|ll|d|m)\b", r" '\1", caption.lower())
    return re.findall(r"'(?:s|re|ve|ll|d|m)\b|[^\W_]+(?:['\u2019./-][^\W_]+)*", text)


def learn(examples, minimum_count):
    """The words of all captions that occur `minimum_count` times or more: Vocabulary with START and END."""
    counts = collections.Counter(
        word for example in examples for caption in example["captions"] for word in words_of(caption.decode())
    )
    words = sorted((word for word in counts if counts[word] >= minimum_count), key=lambda word: (-counts[word], word))
    if not words:
        raise Stop(f"No word occurs {minimum_count} times in the captions. Give a smaller --minimum_count.")
    return Vocabulary([*START_AND_END, *words])


def decode(image, side):
    """A picture's file, string (), as float32 `(side, side, 3)` from 0 to 255: the whole picture, whatever its shape.

    JPEG, PNG (what is transparent becomes white), the first frame of a GIF, or BMP.
    """

    # Not substr at a place, whose error for short files quotes bytes that Python cannot read.
    head = tf.io.decode_raw(tf.strings.substr(image, 0, 25) + b"\0" * 25, tf.uint8)

    def png():
        pixels = tf.cast(tf.io.decode_png(image, channels=4), tf.float32)
        # For a file of b bits without transparency TensorFlow fills in 2^b - 1, which with few bits is almost nothing.
        bits = tf.cast(head[24], tf.int32)
        opaque, filled = pixels[..., 3:], tf.cast(2 ** tf.minimum(bits, 8) - 1, tf.float32)
        opaque = tf.where(tf.reduce_all(opaque == filled), 1.0, opaque / 255.0)
        return pixels[..., :3] * opaque + 255.0 * (1.0 - opaque)

    def other():
        return tf.cast(tf.io.decode_image(image, channels=3, expand_animations=False), tf.float32)

    pixels = tf.cond(tf.reduce_all(head[1:4] == tuple(b"PNG")), png, other)
    pixels.set_shape((None, None, 3))
    return tf.image.resize(pixels, (side, side), antialias=True)


def check(examples):
    """Raises Stop with the id of the first example whose picture cannot be decoded, such as one that is cut off."""
    for example in examples.as_numpy_iterator():
        _decoded(example, 1)


def _decoded(example, side):
    try:
        return decode(example["image"], side)
    except tf.errors.InvalidArgumentError:
        raise Stop(
            f"The picture {example['id'].decode()} cannot be decoded: its file is damaged or cut off. Replace it, or "
            "take its captions out."
        ) from None


def prepare(examples, vocabulary, config, path):
    """Pictures decoded and captions as ids, kept in the folder `path`, so that a run does it once.

    Args:
        examples: dataset as of `load`.
        vocabulary: Vocabulary.
        config: `side`, `captions_each`.
        path: pathlib.Path.

    Returns:
        Dataset of pictures uint8 `(side, side, 3)` and ids int32 `(captions_each, LONGEST + 1)`, each with the end and
        0 behind it. Where a picture has fewer captions, some come twice; where it has more, the first ones count.

    Raises:
        Stop: as `check` does.
    """
    if not path.exists():
        known = {word: place for place, word in enumerate(vocabulary.words, START)}
        failures = []

        def rows():
            try:
                for example in examples.as_numpy_iterator():
                    ids = [
                        [known.get(word, UNKNOWN) for word in words_of(text.decode())] for text in example["captions"]
                    ]
                    ids = [row for row in ids if 0 < len(row) <= LONGEST]
                    if ids:
                        padded = np.zeros((config.captions_each, LONGEST + 1), np.int32)
                        for place in range(config.captions_each):
                            row = ids[place % len(ids)]
                            padded[place, : len(row) + 1] = [*row, END]
                        yield np.uint8(np.round(_decoded(example, config.side))), padded
            # TensorFlow waits for ever when a dataset that it saves fails, so this one only ends.
            except (Exception, Stop) as error:
                failures.append(error)

        picture = tf.TensorSpec((config.side, config.side, 3), tf.uint8)
        ids = tf.TensorSpec((config.captions_each, LONGEST + 1), tf.int32)
        # A run that is killed while it writes must not take what there is for all.
        unfinished = path.with_name(f"new.{path.name}")
        shutil.rmtree(unfinished, ignore_errors=True)
        tf.data.Dataset.from_generator(rows, output_signature=(picture, ids)).save(str(unfinished))
        if failures:
            raise failures[0]
        unfinished.rename(path)
    return tf.data.Dataset.load(str(path))


def word_shares(ids, words):
    """Of each of the `words` most frequent words the share of the captions that have it: float32 `(batch, words)`.

    Args:
        ids: int32 `(batch, captions, time)`.
        words: int.
    """
    there = tf.reduce_max(tf.one_hot(ids - (END + 1), words), axis=2)
    return tf.reduce_mean(there, axis=1)


def training_batches(prepared, config, epoch, ready):
    """The batches of one epoch, which depend on the seed and the epoch alone.

    Args:
        prepared: dataset as of `prepare`.
        config: `seed`, `batch_size`, `crop`.
        epoch: counted from 0.
        ready: `word_targets(words)` or `caption_targets`: what is learnt from a batch.
    """
    seed = config.seed * 1000 + epoch
    rows = prepared.shuffle(2000, seed=seed, reshuffle_each_iteration=False).batch(config.batch_size).enumerate()

    def vary(number, row):
        pictures, ids = row
        return ready(varied(pictures, config.crop, tf.stack([seed, tf.cast(number, tf.int32)])), ids)

    return rows.map(vary, num_parallel_calls=2).prefetch(4)


def evaluation_batches(prepared, config, ready):
    """All pictures, whole: dataset as of `training_batches`."""
    rows = prepared.batch(config.batch_size)
    return rows.map(lambda pictures, ids: ready(whole(pictures, config.size), ids), num_parallel_calls=2).prefetch(4)


def whole(pictures, size):
    """Pictures `(batch, height, width, 3)` as float32 `(batch, size, size, 3)`."""
    return tf.image.resize(tf.cast(pictures, tf.float32), (size, size), antialias=True)


def varied(pictures, size, seed):
    """A part of each picture, turned over or not, in other light: float32 `(batch, size, size, 3)`, 0 to 255.

    Args:
        pictures: uint8 `(batch, side, side, 3)`.
        size: int.
        seed: int32 (2,).
    """
    number = tf.shape(pictures)[0]
    draws = tf.random.stateless_uniform((number, 9), seed)

    def between(place, low, high):
        return low + (high - low) * draws[:, place]

    area, ratio = between(0, *AREA), tf.exp(between(1, *np.log(RATIO).tolist()))
    height, width = (tf.minimum(tf.sqrt(area * r), 1.0) for r in (1 / ratio, ratio))
    top, left = draws[:, 2] * (1 - height), draws[:, 3] * (1 - width)
    # A box from right to left turns the picture over.
    turned = draws[:, 4] < 0.5
    sides = tf.where(turned, left + width, left), tf.where(turned, left, left + width)
    boxes = tf.stack([top, sides[0], top + height, sides[1]], axis=1)
    x = tf.image.crop_and_resize(tf.cast(pictures, tf.float32), boxes, tf.range(number), (size, size))
    brightness, contrast, saturation = (between(i, 1 - TINT, 1 + TINT)[:, None, None, None] for i in (5, 6, 7))
    saturation = tf.where(draws[:, 8, None, None, None] < GREY, 0.0, saturation)
    grey = tf.reduce_mean(x, axis=3, keepdims=True)
    mean = tf.reduce_mean(grey, axis=(1, 2), keepdims=True)
    x = mean + (grey - mean + (x - grey) * saturation) * contrast
    return tf.clip_by_value(x * brightness, 0.0, 255.0)


def word_targets(words):
    """For the encoder's first lesson: function to (pictures, word_shares)."""
    return lambda pictures, ids: (pictures, word_shares(ids, words))


def caption_targets(pictures, ids):
    """`({"source": pictures, "target": int32 (batch, captions, time)}, the words that come next, int32, and their
    weights, float32, both of that shape)`; unknown words and the padding weigh nothing."""
    longest = tf.reduce_max(tf.reduce_sum(tf.cast(ids != PAD, tf.int32), axis=2))
    place = tf.reduce_sum(tf.cast(tf.constant(BOUNDARIES) < longest, tf.int32))
    ids = ids[:, :, : tf.constant(BOUNDARIES)[place]]
    there = tf.cast(ids != PAD, tf.int32)
    read = tf.concat([tf.fill(tf.shape(ids[:, :, :1]), START), ids[:, :, :-1]], axis=2) * there
    return {"source": pictures, "target": read}, ids, tf.cast(ids > UNKNOWN, tf.float32)
