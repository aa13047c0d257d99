"""Tatoeba: everyday sentences with their translations, English-Spanish and English-Vietnamese, from tatoeba.org.

The English-Spanish file is the one of TensorFlow's attention tutorial, 118,964 pairs in the order of their length; the
English-Vietnamese one grows at its address, and the project's figures are those of the edition of May 2022, 8,050
pairs. Neither has a standard split. The licence is CC BY 2.0 FR.

The same sentence stands there in many translations ("Go." is Ve, Vete, Vaya, Váyase), and each of these translates
other sentences ("Leave."). A split at random would ask in the test what was told in training. So all pairs that are
joined by a sentence of either language, up to case, punctuation and contractions, are one cluster, and a cluster goes
to one split as a whole. What remains is that sentences look alike: many a test sentence differs from one in training
in one word ("Tom is happy." and "Tom is busy."). That is the nature of a phrase collection, and makes figures on it
higher than those on news.
"""

import collections
import hashlib
import os
import re
import unicodedata
import zipfile
import zlib

import tensorflow_datasets as tfds

from training.datasets import common, pairs

ADDRESSES = {
    "es": "http://storage.googleapis.com/download.tensorflow.org/data/spa-eng.zip",
    "vi": "https://www.manythings.org/anki/vie-eng.zip",
}
ARCHIVES = {"es": "spa-eng.zip", "vi": "vie-eng.zip"}
MEMBERS = {"es": "spa.txt", "vi": "vie.txt"}
FEWEST = {"es": 118_964, "vi": 8_050}  # pairs
# Of a thousand clusters, how many go to test and to validation: about 1,500 and 1,000 sentences; about 500 and 300.
SHARES = {"es": (15, 10), "vi": (85, 50)}
DAMAGES = (zipfile.BadZipFile, EOFError, zlib.error, UnicodeDecodeError)
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


class Tatoeba(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with a configuration for each language and the splits train, validation and test.

    An example holds the strings english and other, and the cluster of the pair, a string.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Split by clusters of sentences that translate each other."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = "Optional: tatoeba/spa-eng.zip and tatoeba/vie-eng.zip."
    BUILDER_CONFIGS = [tfds.core.BuilderConfig(name=language) for language in ADDRESSES]

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {name: tfds.features.Text() for name in ("english", "other", "cluster")}
            ),
            homepage="https://tatoeba.org",
            description="Everyday sentences in English with their translations into another language.",
            citation="@misc{tatoeba, title={Tatoeba}, howpublished={https://tatoeba.org}}",
        )

    def _split_generators(self, dl_manager):
        language = self.builder_config.name
        path = f"tatoeba/{ARCHIVES[language]}"
        files = common.manual_files(dl_manager, [path])
        archive = files[path] if files else dl_manager.download(ADDRESSES[language])
        rows = _read(archive, language)
        clusters = cluster(rows)
        splits = collections.defaultdict(list)
        for number, (row, name) in enumerate(zip(rows, clusters)):
            splits[split_of(name, language)].append((number, row, name))
        return {split: self._generate_examples(splits[split]) for split in ("train", "validation", "test")}

    def _generate_examples(self, rows):
        for number, (english, other), name in rows:
            yield number, {"english": english, "other": other, "cluster": name}


def load(split, source="en", target="es", manual_dir=None, data_dir=None):
    """The pairs of a split; on first use it prepares `data_dir` (half a minute, after the download).

    Args:
        split: "train", "validation" or "test".
        source, target: "en" and one of "es", "vi", or the other way round.
        manual_dir: a folder with tatoeba/spa-eng.zip or tatoeba/vie-eng.zip, by default what the environment variable
            SEQKERAS_MANUAL_DIR says. With one, the network is never touched.
        data_dir: where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.pairs` describes them, in an order that mixes short
        and long sentences and is always the same.

    Raises:
        Stop: the file is missing, damaged or out of reach; the sentence says what to do.
    """
    pairs.check(split, source, target, [pair for other in ADDRESSES for pair in (("en", other), (other, "en"))])
    language = target if source == "en" else source
    path, address = f"tatoeba/{ARCHIVES[language]}", ADDRESSES[language]
    what_to_do = (
        f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with {path} inside, as downloaded from {address}, "
        "or train on the project's own phrase book with --dataset sample."
    )
    builder = Tatoeba(config=language, data_dir=data_dir and os.path.expanduser(data_dir))
    common.prepare(builder, f"Tatoeba's English-{language} sentences", {path: address}, what_to_do, manual_dir, DAMAGES)
    examples = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
    columns = {"en": examples["english"].tolist(), language: examples["other"].tolist()}
    return pairs.dataset(columns[source], columns[target], split)


def normal_form(sentence):
    """A sentence less what its paraphrases differ in without being others: case, punctuation, contractions."""
    sentence = unicodedata.normalize("NFKC", sentence).casefold().replace("\u2019", "'")
    for pattern, replacement in _CONTRACTIONS:
        sentence = re.sub(pattern, replacement, sentence)
    return " ".join(re.findall(r"\w+", sentence))


def cluster(rows):
    """For each pair of sentences the name of its cluster.

    Args:
        rows: list of pairs of str. Pairs that share a sentence of either language, up to its normal form, are in one
            cluster, and so are pairs that are joined by others.

    Returns:
        List of str: the first, by the alphabet, of the cluster's English sentences in normal form.
    """
    parents = {}

    def root(node):
        while (parent := parents.setdefault(node, node)) != node:
            parents[node] = node = parents[parent]
        return node

    for english, other in rows:
        a, b = root(("en", normal_form(english))), root(("other", normal_form(other)))
        parents[a] = b
    names = {}
    for english, _ in rows:
        node = root(("en", normal_form(english)))
        names[node] = min(names.get(node, normal_form(english)), normal_form(english))
    return [names[root(("en", normal_form(english)))] for english, _ in rows]


def split_of(name, language):
    """The split of a cluster, by a hash of its name: the same in every edition of the file that has the cluster."""
    place = int.from_bytes(hashlib.sha256(name.encode()).digest()[:4], "big") / 2**32 * 1000
    test, validation = SHARES[language]
    return "test" if place < test else "validation" if place < test + validation else "train"


def _read(archive, language):
    with open(archive, "rb") as file, zipfile.ZipFile(file) as members:
        name = [name for name in members.namelist() if os.path.basename(name) == MEMBERS[language]]
        if not name:
            raise common.DamagedFile(f"it holds no {MEMBERS[language]}")
        lines = members.read(name[0]).decode("utf-8").splitlines()
    rows = [tuple(line.split("\t")[:2]) for line in lines if line.strip()]
    if any(len(row) < 2 for row in rows):
        raise common.DamagedFile("a line has no translation")
    if len(rows) < FEWEST[language]:
        raise common.DamagedFile(f"it holds {len(rows)} pairs instead of {FEWEST[language]}")
    return rows
