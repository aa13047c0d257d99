"""Long streams in chunks, for truncated backpropagation through time (Williams and Peng 1990; Sutskever 2013, 2.8.6).

A stream of tokens, a book say, is too long to go back through. It is cut in chunks of k steps; a stateful layer begins
each chunk with the states that the chunk before ended with, so that the forward pass is that of the whole stream, while
gradients end at the chunk's first step:

    dataset = chunks(split(tokens, rows=32), batch_size=32, length=100)

    class LanguageModel(keras.Model):
        def call(self, batch):
            self.lstm.reset_state(batch["reset"])                   # lstm = LSTM(units, stateful=True, ...)
            return self.head(self.lstm(self.embedding(batch["inputs"]), mask=batch["mask"]))

    dataset.map(lambda batch: (batch, batch["targets"], tf.cast(batch["mask"], "float32")))
"""

import numpy as np
import tensorflow as tf


def chunks(streams, batch_size, length):
    """Lays streams side by side in the rows of a batch and cuts them in chunks that follow on from each other.

    Row i of a batch goes on where row i of the batch before ended, until its stream ends; then it begins the next
    stream that no row has begun yet, at a chunk's border, and `reset` says so. Nothing is dropped: the remainder of a
    stream, shorter than a chunk, is padded with zeros, and so are rows with no stream left while others go on. A stream
    of one token or none has no target and is left out. For one long stream or a few, see `split`.

    The streams are held in memory, one after the other; a batch is cut when it is asked for.

    Args:
        streams: list of arrays `(tokens,)`, or `(steps, features)`, of one dtype; or a `tf.data.Dataset` of such, which
            is read once: `dataset.apply(lambda streams: chunks(streams, 32, 100))`.
        batch_size: number of rows.
        length: number of steps in a chunk, k.

    Returns:
        A `tf.data.Dataset`, of known cardinality, of dictionaries:

            inputs   `(batch_size, length, ...)`, of the streams' dtype; 0 past the end of a stream
            targets  `(batch_size, length, ...)`, the stream one step later; 0 past its end
            mask     bool `(batch_size, length)`, True where there is a target
            reset    bool `(batch_size,)`, True where a stream begins with this chunk

    Raises:
        ValueError: if `batch_size` or `length` is not positive, or no stream has two tokens.
    """
    for name, value in (("batch_size", batch_size), ("length", length)):
        if value < 1:
            raise ValueError(f"`{name}` should be a positive integer. Received: {name}={value}")
    if isinstance(streams, tf.data.Dataset):
        streams = streams.as_numpy_iterator()
    streams = [stream for stream in map(np.asarray, streams) if len(stream) > 1]
    if not streams:
        raise ValueError("There is nothing to cut: no stream has two tokens, of which the second is a target.")
    schedule = _schedule([len(stream) - 1 for stream in streams], batch_size, length)
    tokens = tf.constant(np.concatenate(streams))

    def cut(start, stop, reset):
        place = start[:, None] + tf.range(length, dtype="int64")
        mask = place < stop[:, None]
        place = tf.where(mask, place, 0)

        def read(place):
            read = tf.gather(tokens, place)
            kept = tf.reshape(mask, (batch_size, length, *[1] * (len(tokens.shape) - 1)))
            return tf.where(kept, read, tf.zeros_like(read))

        return {"inputs": read(place), "targets": read(place + 1), "mask": mask, "reset": reset}

    return tf.data.Dataset.from_tensor_slices(schedule).map(cut, num_parallel_calls=2, deterministic=True)


def _schedule(steps, rows, length):
    """For streams of so many steps, which lie one after the other, what each row reads in each chunk.

    Returns:
        Arrays `(chunks, rows)`: first place, place behind the last of the stream's steps, whether a stream begins.
    """
    places = np.cumsum([0, *(n + 1 for n in steps)])
    starts, stops, resets = ([[] for _ in range(rows)] for _ in range(3))
    for place, n in zip(places, steps):
        row = min(range(rows), key=lambda row: len(starts[row]))  # the one that is free first
        new = list(range(place, place + n, length))
        starts[row] += new
        stops[row] += [place + n] * len(new)
        resets[row] += [True] + [False] * (len(new) - 1)
    chunks = max(map(len, starts))

    def table(column, dtype):
        return np.array([row + [0] * (chunks - len(row)) for row in column], dtype).T

    return table(starts, "int64"), table(stops, "int64"), table(resets, "bool")


def split(tokens, rows):
    """Cuts one stream in `rows` parts of equal length, give or take one step, to be read side by side.

    Nothing is dropped: each part ends with the token that the next one begins with, the target of its last step.

    Args:
        tokens: array `(tokens,)` or `(steps, features)`.
        rows: number of parts, at most the number of tokens less one.

    Returns:
        List of arrays.

    Raises:
        ValueError: if there are too few tokens.
    """
    steps = len(tokens) - 1
    if not 0 < rows <= steps:
        raise ValueError(f"A stream of {steps + 1} tokens cannot be split in {rows} parts of two tokens or more.")
    borders = [steps * row // rows for row in range(rows + 1)]
    return [tokens[start : stop + 1] for start, stop in zip(borders, borders[1:])]
