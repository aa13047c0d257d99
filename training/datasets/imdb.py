"""The Large Movie Review Dataset: 50,000 IMDb reviews, half to train on, half to test (Maas et al., 2011).

An example holds:

    id     string: "train/pos/1234", the split, the label and the review's number in the archive
    text   string, UTF-8, as it stands in the archive: `<br />` for line breaks and all. People paste such text too, so
           cleaning it is the tokeniser's work, in the graph, and not this file's.
    label  int64: 0 negative (1 to 4 stars), 1 positive (7 to 10)
    stars  int64: 1 to 10
"""

import gzip
import os
import re
import tarfile
import zlib

import tensorflow as tf
import tensorflow_datasets as tfds

from training.datasets import common

ADDRESS = "https://ai.stanford.edu/~amaas/data/sentiment/aclImdb_v1.tar.gz"
MANUAL_PATH = "imdb/aclImdb_v1.tar.gz"
REVIEWS = 25_000  # in each of train and test
WHAT_TO_DO = (
    f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with {MANUAL_PATH} inside, as downloaded from {ADDRESS}, "
    "or train on the project's own reviews with --dataset sample."
)
DAMAGES = (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)
# The official archive also has train/unsup: 50,000 reviews without a label, left out here.
MEMBER = re.compile(r"aclImdb/(train|test)/(neg|pos)/(\d+)_(\d+)\.txt")


class Imdb(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the splits train and test, 25,000 reviews each, half of them positive."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Text, label and stars of the labelled reviews."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Optional: {MANUAL_PATH}, as downloaded from {ADDRESS}."

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "text": tfds.features.Text(),
                    "label": tfds.features.ClassLabel(names=["neg", "pos"]),
                    "stars": tf.int64,
                }
            ),
            homepage="https://ai.stanford.edu/~amaas/data/sentiment/",
            description="50,000 film reviews from IMDb with one to ten stars, half for training and half for testing.",
            citation=(
                "@inproceedings{maas2011, author={Maas, Andrew L. and Daly, Raymond E. and Pham, Peter T. and "
                "Huang, Dan and Ng, Andrew Y. and Potts, Christopher}, "
                "title={Learning Word Vectors for Sentiment Analysis}, "
                "booktitle={Proceedings of ACL-HLT}, year={2011}, pages={142--150}}"
            ),
        )

    def _split_generators(self, dl_manager):
        files = common.manual_files(dl_manager, [MANUAL_PATH])
        archive = files[MANUAL_PATH] if files else dl_manager.download(ADDRESS)
        return {split: self._generate_examples(archive, split) for split in ("train", "test")}

    def _generate_examples(self, archive, split):
        count = 0
        with tf.io.gfile.GFile(archive, "rb") as file, tarfile.open(fileobj=file, mode="r|gz") as members:
            for member in members:
                match = MEMBER.fullmatch(member.name)
                if match and match[1] == split:
                    key = f"{split}/{match[2]}/{match[3]}"
                    text = members.extractfile(member).read().decode("utf-8")
                    yield key, {"id": key, "text": text, "label": match[2], "stars": int(match[4])}
                    count += 1
        if count != REVIEWS:
            raise tarfile.ReadError(f"it holds {count} {split} reviews instead of {REVIEWS}")


def load(split, manual_dir=None, data_dir=None):
    """The reviews of a split; on first use it prepares `data_dir` (some seconds, after the download).

    Args:
        split: "train", "validation" or "test". The archive has no validation split: 2,400 of its training reviews are
            held out (see `held_out`), and "train" is the other 22,600.
        manual_dir: A folder with imdb/aclImdb_v1.tar.gz, by default what the environment variable SEQKERAS_MANUAL_DIR
            says. With one, the network is never touched; without, the archive is downloaded from its official address.
        data_dir: Where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.

    Returns:
        A `tf.data.Dataset` of single examples (see the top of this file), in an order that mixes the labels and is
        always the same.

    Raises:
        Stop: The archive is missing, damaged or out of reach; the sentence says what to do.
    """
    if split not in ("train", "validation", "test"):
        raise ValueError(f"split is 'train', 'validation' or 'test'. Received: {split!r}")
    builder = Imdb(data_dir=data_dir and os.path.expanduser(data_dir))
    common.prepare(builder, "the IMDb reviews", {MANUAL_PATH: ADDRESS}, WHAT_TO_DO, manual_dir, DAMAGES)
    if split == "test":
        return builder.as_dataset(split="test")
    reviews = builder.as_dataset(split="train")
    return reviews.filter(lambda review: held_out(review["id"]) == (split == "validation"))


def held_out(id):
    """Whether a training review belongs to the validation split.

    The archive has up to 30 reviews of one film in a row. They should not part, or the validation reviews would be
    recognised by what was learnt of their film; so every tenth hundred of numbers is held out, positive and negative
    alike: 900 to 999, 1900 to 1999 and so on, 2,400 reviews. (Of two positive reviews next to each other 43 % share a
    rare name, of two that are ten numbers apart 16 %, of two that are 30 or more apart 0.3 %.)

    Args:
        id: string tensor of any shape, like "train/pos/1234".

    Returns:
        A bool tensor of the same shape.
    """
    return tf.strings.regex_full_match(id, r".*/\d*9\d\d")
