"""Tatoeba: everyday sentences with their translations, English-Spanish and English-Vietnamese, from tatoeba.org.

The English-Spanish file is the one of TensorFlow's attention tutorial, 118,964 pairs in the order of their length; the
English-Vietnamese one grows at its address, and the project's figures are those of the edition of May 2022, 8,050
pairs. Neither has a standard split. The licence is CC BY 2.0 FR.

The same sentence stands there in many translations ("Go." is Ve, Vete, Vaya, Váyase), and each of these translates
other sentences ("Leave."). A split at random would ask in the test what was told in training. So a cluster, as of
`pairs.cluster`, goes to one split as a whole. What remains is that sentences look alike: many a test sentence differs
from one in training in one word ("Tom is happy." and "Tom is busy."). That is the nature of a phrase collection, and
makes figures on it higher than those on news.
"""

import collections
import os
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
        clusters = pairs.cluster(rows)
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


def split_of(name, language):
    """The split of a cluster, by a hash of its name: the same in every edition of the file that has the cluster."""
    place = pairs.place(name) * 1000
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
