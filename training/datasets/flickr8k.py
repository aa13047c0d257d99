"""Flickr8k: 8,000 photos, mostly of people and dogs out of doors, with five captions each (Hodosh et al., 2013).

Examples are those of `training.datasets.captions`; an id is the name of the photo's file. The photos come in any size,
and the bytes are those of the archive, never encoded a second time. The three standard lists are the splits, and the
91 photos that are on none of them are left out, as are the captions of a photo that the archive lacks.

The University of Illinois gave the data out on request, for research and teaching that is not commercial; the address
below is a public copy.
"""

import os
import zipfile
import zlib

import tensorflow as tf
import tensorflow_datasets as tfds

from training.datasets import captions, common

ADDRESS = "https://github.com/jbrownlee/Datasets/releases/download/Flickr8k/"
PHOTOS = "flickr8k/Flickr8k_Dataset.zip"
TEXT = "flickr8k/Flickr8k_text.zip"
ADDRESSES = {path: ADDRESS + os.path.basename(path) for path in (PHOTOS, TEXT)}
TOKENS = "Flickr8k.token.txt"
LISTS = {
    "train": "Flickr_8k.trainImages.txt",
    "validation": "Flickr_8k.devImages.txt",
    "test": "Flickr_8k.testImages.txt",
}
SIZES = {"train": 6_000, "validation": 1_000, "test": 1_000}
CAPTIONS = 5  # of each photo
WHAT_TO_DO = (
    f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with {PHOTOS} and {TEXT} inside, as downloaded from "
    f"{ADDRESS}, or train on scenes that the project draws itself with --dataset sample."
)
DAMAGES = (zipfile.BadZipFile, EOFError, zlib.error, UnicodeDecodeError)


class Flickr8k(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the splits train (6,000 photos), validation and test (1,000 each)."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The standard lists, the bytes of the photos as they are, five captions each."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Optional: {PHOTOS} and {TEXT}, as downloaded from {ADDRESS}."

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(
                {
                    "id": tfds.features.Text(),
                    "image": tfds.features.Tensor(shape=(), dtype=tf.string),
                    "captions": tfds.features.Sequence(tfds.features.Text()),
                }
            ),
            homepage="https://hockenmaier.cs.illinois.edu/8k-pictures.html",
            description="Photos from Flickr, mostly of people and dogs, with five captions each.",
            citation=(
                "@article{hodosh2013, author={Hodosh, Micah and Young, Peter and Hockenmaier, Julia}, "
                "title={Framing Image Description as a Ranking Task: Data, Models and Evaluation Metrics}, "
                "journal={Journal of Artificial Intelligence Research}, volume={47}, year={2013}, pages={853--899}}"
            ),
        )

    def _split_generators(self, dl_manager):
        # Downloaded alone: TFDS must not unpack what the manual folder holds packed.
        files = common.manual_files(dl_manager, ADDRESSES) or dl_manager.download(ADDRESSES)
        return {split: self._generate_examples(files, split) for split in LISTS}

    def _generate_examples(self, files, split):
        with _open(files, TEXT) as archive:
            members = _members(archive)
            texts = {}
            for name in (TOKENS, LISTS[split]):
                if name not in members:
                    raise common.DamagedFile(f"{TEXT} holds no {name}")
                texts[name] = archive.read(members[name]).decode("utf-8")
        try:
            written = captions.read_tokens(texts[TOKENS])
        except ValueError as error:
            raise common.DamagedFile(f"{TOKENS} in {TEXT}: {error}") from None
        names = list(dict.fromkeys(texts[LISTS[split]].split()))
        if len(names) != SIZES[split]:
            raise common.DamagedFile(f"{LISTS[split]} in {TEXT} names {len(names)} photos instead of {SIZES[split]}")
        with _open(files, PHOTOS) as archive:
            members = _members(archive)
            for name in names:
                if name not in members:
                    raise common.DamagedFile(f"{PHOTOS} holds no {name}, which is on the list of the {split} split")
                if len(written.get(name, ())) != CAPTIONS or not all(written[name]):
                    raise common.DamagedFile(f"{TOKENS} in {TEXT} does not hold {CAPTIONS} captions of {name}")
                content = archive.read(members[name])
                if not content.startswith(b"\xff\xd8"):
                    raise common.DamagedFile(f"{name} in {PHOTOS} is no JPEG file")
                yield name, {"id": name, "image": content, "captions": written[name]}


def load(split, manual_dir=None, data_dir=None):
    """The photos of a split; on first use it prepares `data_dir` (some seconds, after the download of a gigabyte).

    Args:
        split: "train" (6,000 photos), "validation" or "test" (1,000 each).
        manual_dir: a folder with the two archives in flickr8k/, by default what the environment variable
            SEQKERAS_MANUAL_DIR says. With one, the network is never touched.
        data_dir: where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.captions` describes them, in a mixed order that is
        always the same.

    Raises:
        Stop: an archive is missing, damaged or out of reach; the sentence says what to do.
    """
    captions.check(split)
    builder = Flickr8k(data_dir=data_dir and os.path.expanduser(data_dir))
    common.prepare(builder, "Flickr8k", ADDRESSES, WHAT_TO_DO, manual_dir, DAMAGES)
    return builder.as_dataset(split=split)


def _open(files, path):
    try:
        return zipfile.ZipFile(files[path])
    except zipfile.BadZipFile as error:
        raise common.DamagedFile(f"{path}: {error}") from None


def _members(archive):
    """Dict from a file's name, less its folder, to its path in the archive, without what macOS put there."""
    return {os.path.basename(name): name for name in archive.namelist() if not name.startswith("__MACOSX/")}
