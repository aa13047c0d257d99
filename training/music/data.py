"""From tunes to batches: the header as four symbols, the body as characters, another key each epoch.

A tune reaches the model as

    START  K:Dmaj  N:16  M:6/8  R:jig  f e d B ...  |  ...  : | \\n  END

Each line of the header is one symbol, and so is each character of the body. The lines come in any order, R: (the dance)
and N: (about how many bars) not always, so that a prompt may give any of them and the model writes the rest.
"""

import collections
import re

import numpy as np
import tensorflow as tf

from seqkeras.media import abc
from seqkeras.text import Symbols, chunks
from seqkeras.text.symbols import END, START

BARS = (8, 16, 24, 32, 40, 48)  # what N: says: the nearest of these
FIELDS = ("M", "K", "R", "N")
RARE = 5  # a metre or dance that fewer tunes have is no symbol
BAR_SIGNS = re.compile(r"[:|\[\]]*\|[:|\]]*")


class Tune:
    """A tune's header lines and body, in each of the twelve keys.

    Args:
        normal: the tune in the normal form of `seqkeras.media.abc`.
        semitones: the transpositions wanted, 0 among them for the key as it is.
    """

    def __init__(self, normal, semitones=(0,)):
        self.versions = {}
        for shift in semitones:
            fields, body = parts(abc.transpose(normal, shift) if shift else normal)
            fields["N"] = str(min(BARS, key=lambda bars: abs(bars - count_bars(body))))
            self.versions[shift] = fields, body


def parts(normal):
    """Splits a tune in normal form into a dict of its header's fields and its body."""
    fields, rest = {}, normal
    while match := re.match(r"([MKR]):(.*)\n", rest):
        fields[match[1]] = match[2]
        rest = rest[match.end() :]
    return fields, rest


def count_bars(body):
    """About how many bars a body writes, repeats counted once; a pick-up is none."""
    pieces = [piece for piece in BAR_SIGNS.split(body) if re.search("[A-Ga-gz]", piece)]
    return sum(len(re.findall("[A-Ga-gz]", piece)) > 2 for piece in pieces)


def line(field, value):
    """The symbol of a line of the header."""
    return f"{field}:{value}\n"


def vocabulary(tunes):
    """All symbols of tunes: lines that several tunes have, and characters.

    Args:
        tunes: list of `Tune`.
    """
    counts = collections.Counter()
    for tune in tunes:
        counts.update({line(*field) for fields, _ in tune.versions.values() for field in fields.items()})
    # Of a few tunes no metre may be common, and without one there would be no tune.
    metre = max((symbol for symbol in counts if symbol[0] == "M"), key=counts.get)
    lines = [symbol for symbol, count in counts.items() if count >= RARE or symbol[0] in "KN" or symbol == metre]
    bodies = [body for tune in tunes for _, body in tune.versions.values()]
    return Symbols.learn(bodies, sorted(lines, key=lambda symbol: (FIELDS.index(symbol[0]), symbol)))


class Encoder:
    """Tunes to ids.

    Args:
        symbols: what `vocabulary` gives.
    """

    def __init__(self, symbols):
        self.places = {symbol: place for place, symbol in enumerate(symbols.symbols, 3)}

    def __call__(self, fields, body, order=("M", "K")):
        """Ids of a tune, int32, with the lines named in `order` where the tune and the vocabulary have them."""
        lines = [self.places.get(line(field, fields[field])) for field in order if field in fields]
        return np.array(
            [START, *(i for i in lines if i), *(self.places[c] for c in body if c in self.places), END], np.int32
        )


def training_batches(tunes, encoder, config, epoch):
    """The batches of one epoch, which depend on the seed and the epoch alone: each tune once, in a key drawn for it.

    Args:
        tunes: list of `Tune`.
        encoder: Encoder.
        config: `line_dropout`, `batch_size`, `chunk`, `seed`.
        epoch: counted from 0.

    Returns:
        Dataset of `(chunk of seqkeras.text.chunks, targets, weights)`.
    """
    random = np.random.default_rng((config.seed, epoch))
    streams = []
    for place in random.permutation(len(tunes)):
        versions = list(tunes[place].versions.values())
        fields, body = versions[random.integers(len(versions))]
        order = [f for f in FIELDS if f in "MK" or random.random() >= config.line_dropout]
        streams.append(encoder(fields, body, random.permutation(order)))
    return batches(streams, config)


def evaluation_streams(tunes, encoder):
    """Each tune as it is: metre, key, body."""
    return [encoder(*tune.versions[0]) for tune in tunes]


def batches(streams, config):
    """Streams in chunks with carried states: dataset of `(chunk, targets, weights)`."""
    dataset = chunks(streams, config.batch_size, config.chunk)
    return dataset.map(lambda chunk: (chunk, chunk["targets"], tf.cast(chunk["mask"], tf.float32))).prefetch(4)
