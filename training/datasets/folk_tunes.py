"""Folk tunes in ABC notation to train on: two collections in one, divided so that no melody is on both sides.

Session tunes go by many names and in many settings: the same reel in G and in A, with a triplet here and a passing
note there, as a hornpipe and as a reel. If one setting is learnt from and another one tested on, the test measures
memory. So tunes are gathered in families first, and a family stays together: see `families`.

Elements are those of `abc_collection`: the strings tune, title, rhythm and source.
"""

import functools
import hashlib
import re
from fractions import Fraction

import numpy as np
import scipy.sparse.csgraph
import tensorflow as tf

from seqkeras.media import abc_parser
from training.datasets import abc_collection, irish_abc, nottingham_abc, sample_tunes

DATASETS = {
    "folk": (irish_abc.load, nottingham_abc.load),
    "irish": (irish_abc.load,),
    "nottingham": (nottingham_abc.load,),
    "sample": (sample_tunes.load,),
}
# Where a family's hash, a number from 0 to 1, has to lie.
SPLITS = {"train": (0.0, 0.9), "validation": (0.9, 0.95), "test": (0.95, 1.0)}

# Tunes are of one family if they share this part of their phrases of ten notes, or of those of eight beats (counted in
# the shorter tune), ...
NOTES, BEATS, SHARE = 10, 8, 0.2
# ... where a tune of a few bars is counted as if it had this many phrases, for one chance match is no kinship; ...
LEAST_PHRASES = 24
# ... or if anywhere this many notes in a row are the same.
NOTES_IN_A_ROW = 20
# Words of a title that tell no tune from another.
COMMON_WORDS = {"a", "an", "the", "jig", "reel", "hornpipe", "waltz", "polka", "slide", "march", "no", "gan", "ainm"}


def load(split, dataset="folk", manual_dir=None, data_dir=None):
    """The tunes of a split; on first use it prepares `data_dir` (some seconds, after the download).

    Args:
        split: "train" (nine tenths of the families), "validation" or "test" (a twentieth each).
        dataset: "irish" and "nottingham" are the two collections, "folk" is both and "sample" the project's own tunes.
            Families depend on which tunes there are, so a tune may be on another side in "irish" than in "folk".
        manual_dir: A folder with irish_abc/irish.abc and nottingham_abc/*.abc, by default what the environment variable
            SEQKERAS_MANUAL_DIR says. With one, the network is never touched; without, the files are downloaded.
        data_dir: Where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.

    Returns:
        A `tf.data.Dataset` of single examples, dicts of the string scalars tune, title, rhythm and source, in an order
        that mixes the collections and is always the same.

    Raises:
        Stop: A file is missing, damaged or out of reach; the sentence says what to do.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}. Received: {split!r}")
    if dataset not in DATASETS:
        raise ValueError(f"dataset is one of {', '.join(DATASETS)}. Received: {dataset!r}")
    return examples(_divided(dataset, manual_dir, data_dir)[split])


def examples(tunes):
    """A list of dicts with tune, title, rhythm and source, str each, as the `tf.data.Dataset` of `load`."""
    return tf.data.Dataset.from_tensor_slices(
        {name: tf.constant([tune[name] for tune in tunes], tf.string) for name in abc_collection.FEATURES}
    )


@functools.lru_cache(maxsize=1)  # A run loads two or three splits one after the other.
def _divided(dataset, manual_dir, data_dir):
    return divide(
        [
            {name: value.decode() for name, value in tune.items()}
            for source in DATASETS[dataset]
            for tune in source(manual_dir=manual_dir, data_dir=data_dir).as_numpy_iterator()
        ]
    )


def divide(tunes):
    """Divides tunes into splits by a hash of their family; of tunes that are the same but for R: it keeps one.

    Args:
        tunes: list of dicts with tune, title, rhythm and source, str each, in any order.

    Returns:
        A dict from each of `SPLITS` to a list of tunes, in an order that mixes families and is always the same.
    """
    kept = {}
    # Those with a known rhythm come first and are kept.
    for tune in sorted(tunes, key=lambda tune: (tune["rhythm"] == "", tune["source"])):
        kept.setdefault(re.sub(r"(?m)^R:.*\n", "", tune["tune"]), tune)
    divided = {split: [] for split in SPLITS}
    for family, content in sorted(zip(families(list(kept.values())), kept), key=lambda pair: _hash(pair[1])):
        # Hashed again, for a name is the least of some hashes, and those of large families would all be small.
        place = int(_hash(family), 16) / 16**64
        split = next(split for split, (low, high) in SPLITS.items() if low <= place < high)
        divided[split].append(kept[content])
    return divided


def families(tunes):
    """Gathers tunes that are settings of one melody.

    Two tunes are of one family if their titles have the same words, or if their melodies share phrases (constants at
    the top of this file). A melody is taken as steps between letters, so that key, mode and accidentals do not matter:
    from one note to the next different one, without rhythm, and from beat to beat, without what ornaments the beats. A
    family is whatever such kinship connects.

    Args:
        tunes: list of dicts with tune (ABC) and title, in any order.

    Returns:
        A list of str, for each tune its family's name: the least hash of the melodies in it.
    """
    melodies = [melody(tune["tune"]) for tune in tunes]
    kinship = (
        _kin([_phrases(notes, NOTES) for notes, _ in melodies], SHARE, LEAST_PHRASES)
        + _kin([_phrases(beats, BEATS) for _, beats in melodies], SHARE, LEAST_PHRASES)
        + _kin([_phrases(notes, NOTES_IN_A_ROW - 1) for notes, _ in melodies])
        + _kin([{words} - {()} for words in map(_words, (tune["title"] for tune in tunes))])
    )
    members = scipy.sparse.csgraph.connected_components(kinship, directed=False)[1]
    names = {}
    for family, (notes, beats) in zip(members, melodies):
        name = _hash(f"{notes} {beats}")
        names[family] = min(name, names.get(family, name))
    return [names[family] for family in members]


def melody(tune):
    """The steps of a tune's melody, the highest note where there are several.

    Args:
        tune: str, ABC.

    Returns:
        (notes, beats), two lists of int: by how many letters each note is higher than the one before it, repeated notes
        counted as one, and each beat than the beat before it. There are four beats in a bar of 4/4, 2/2 and 2/4, which
        are often written for each other, two in 6/8, three in 9/8 and 3/4.
    """
    parsed = abc_parser.parse(tune)
    beat = _beat(parsed.metre)
    notes, beats = [], []
    for bar in abc_parser.bars(parsed):
        time, next_beat = Fraction(0), Fraction(0)
        for element in bar.elements:
            if element.pitches:
                notes.append(max(pitch.step for pitch in element.pitches))
            time += element.duration
            # A bar of less than a beat is a pick-up.
            while notes and bar.eighths >= beat and next_beat < time:
                beats.append(notes[-1])
                next_beat += beat
    steps = np.diff(notes)
    return steps[steps != 0].tolist(), np.diff(beats).tolist()


def _beat(metre):
    whole = Fraction(8 * metre[0], metre[1])
    if metre[0] in (6, 9, 12):
        return whole / (metre[0] // 3)
    return whole / (4 if metre[0] in (2, 4) else metre[0])


def _phrases(steps, length):
    return {tuple(steps[i : i + length]) for i in range(len(steps) - length + 1)}


def _kin(phrases, share=0.0, least=1):
    """Which of a list of sets share at least one item and a part of the smaller one's: a sparse matrix of bool."""
    index = {}
    places = [(i, index.setdefault(phrase, len(index))) for i, items in enumerate(phrases) for phrase in items]
    rows, columns = np.array(places, np.int64).reshape(-1, 2).T
    has = scipy.sparse.csr_array((np.ones(len(places), np.int32), (rows, columns)), (len(phrases), max(len(index), 1)))
    shared = (has @ has.T).tocoo()
    sizes = np.array([len(items) for items in phrases])
    enough = shared.data >= share * np.maximum(np.minimum(sizes[shared.row], sizes[shared.col]), least)
    return scipy.sparse.csr_array((enough[enough], (shared.row[enough], shared.col[enough])), shared.shape)


def _words(title):
    return tuple(sorted(set(re.findall(r"[^\W\d]+", re.sub(r"['’]", "", title.lower()))) - COMMON_WORDS))


def _hash(text):
    return hashlib.sha256(text.encode()).hexdigest()
