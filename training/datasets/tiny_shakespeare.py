"""Tiny Shakespeare: 40,000 lines of Shakespeare's plays, 1,115,394 characters, 65 different ones (Karpathy, 2015).

The file comes without splits. Published figures are on its last tenth, so that is the validation split here, and there
is no test split: a model chosen by its validation figure has no unseen text left in this file.
"""

import os

import tensorflow_datasets as tfds

from training.datasets import common

ADDRESS = "https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt"
ADDRESSES = {"tinyshakespeare/input.txt": ADDRESS}
CHARACTERS = 1_115_394
SPLITS = ("train", "validation")
WHAT_TO_DO = (
    f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with {', '.join(ADDRESSES)} inside, as downloaded from "
    f"{ADDRESS}, or train on the project's own prose with --corpus sample."
)


class KarpathyShakespeare(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the splits train and validation; an example is a whole split in one string, text.

    TFDS has a tiny_shakespeare of its own, whose splits are others; hence this name.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "The first nine tenths to train on, the last one to validate."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Optional: {', '.join(ADDRESSES)}, as downloaded from {ADDRESS}."

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            homepage="https://github.com/karpathy/char-rnn",
            description="40,000 lines of Shakespeare's plays, the usual small corpus of language models of characters.",
            citation=(
                "@misc{karpathy2015, author={Karpathy, Andrej}, title={The Unreasonable Effectiveness of Recurrent "
                "Neural Networks}, howpublished={http://karpathy.github.io/2015/05/21/rnn-effectiveness/}, year={2015}}"
            ),
        )

    def _split_generators(self, dl_manager):
        files = common.manual_files(dl_manager, ADDRESSES) or dl_manager.download(ADDRESSES)
        (file,) = files.values()
        return {split: self._generate_examples(file, split) for split in SPLITS}

    def _generate_examples(self, file, split):
        text = file.read_bytes().decode("utf-8")
        if len(text) != CHARACTERS:
            raise common.DamagedFile(f"it holds {len(text)} characters instead of {CHARACTERS}")
        border = int(0.9 * len(text))
        yield split, {"text": text[:border] if split == "train" else text[border:]}


def load(split, manual_dir=None, data_dir=None):
    """The text of a split; on first use it prepares `data_dir` (some seconds, after the download).

    Args:
        split: "train", the first nine tenths (1,003,854 characters), or "validation", the last one (111,540).
        manual_dir: a folder with tinyshakespeare/input.txt, by default what the environment variable
            SEQKERAS_MANUAL_DIR says. With one, the network is never touched.
        data_dir: where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.

    Returns:
        str, as it stands in the file.

    Raises:
        Stop: the file is missing, damaged or out of reach; the sentence says what to do.
    """
    if split not in SPLITS:
        raise ValueError(f"split is one of {', '.join(SPLITS)}; there is no other. Received: {split!r}")
    builder = KarpathyShakespeare(data_dir=data_dir and os.path.expanduser(data_dir))
    common.prepare(builder, "Tiny Shakespeare", ADDRESSES, WHAT_TO_DO, manual_dir, (UnicodeDecodeError,))
    (example,) = tfds.as_numpy(builder.as_dataset(split=split))
    return example["text"].decode("utf-8")
