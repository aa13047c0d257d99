"""Multi30k: captions of 31,014 photos in English, German and French (Elliott et al., 2016 and 2017).

Each sentence exists as it was written and in the form that published figures are computed on: lower-cased, normalised
and tokenised by the Moses scripts, with a space around every word and mark and entities for quotation marks (`&quot;`).

The data are for research that is not commercial. The test split is test_2016_flickr.
"""

import gzip
import os
import zlib

import tensorflow_datasets as tfds

from training.datasets import common, pairs

ADDRESS = "https://raw.githubusercontent.com/multi30k/dataset/master/data/task1/"
LANGUAGES = ("en", "de", "fr")
FILES = {"train": "train", "validation": "val", "test": "test_2016_flickr"}
SENTENCES = {"train": 29_000, "validation": 1_014, "test": 1_000}
# For each form of the text, the folder at the address and what a file's name ends with.
FORMS = {"raw": ("raw", "{}.gz"), "tokenised": ("tok", "lc.norm.tok.{}")}
ADDRESSES = {
    f"multi30k/{name}.{ending.format(language)}": f"{ADDRESS}{folder}/{name}.{ending.format(language)}"
    for name in FILES.values()
    for folder, ending in FORMS.values()
    for language in LANGUAGES
}
WHAT_TO_DO = (
    f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with the {len(ADDRESSES)} files of multi30k/ inside, as "
    f"downloaded from {ADDRESS}, or train on the project's own phrase book with --dataset sample."
)
DAMAGES = (EOFError, zlib.error, gzip.BadGzipFile, UnicodeDecodeError)


class Multi30k(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the splits train, validation and test; an example is a caption in six strings.

    They are en, de and fr, as written, and en_tokenised, de_tokenised and fr_tokenised.
    """

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Task 1 in English, German and French, raw and tokenised."}
    MANUAL_DOWNLOAD_INSTRUCTIONS = f"Optional: the files of multi30k/, as downloaded from {ADDRESS}."

    def _info(self):
        names = [name for language in LANGUAGES for name in (language, f"{language}_tokenised")]
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({name: tfds.features.Text() for name in names}),
            homepage="https://github.com/multi30k/dataset",
            description="Captions of photos in English, and their translations into German and French.",
            citation=(
                "@inproceedings{elliott2016, author={Elliott, Desmond and Frank, Stella and Sima'an, Khalil and "
                "Specia, Lucia}, title={Multi30K: Multilingual English-German Image Descriptions}, "
                "booktitle={Proceedings of the 5th Workshop on Vision and Language}, year={2016}, pages={70--74}}"
            ),
        )

    def _split_generators(self, dl_manager):
        # Downloaded alone: TFDS must not unpack what the manual folder holds packed.
        files = common.manual_files(dl_manager, ADDRESSES) or dl_manager.download(ADDRESSES)
        return {split: self._generate_examples(files, split) for split in FILES}

    def _generate_examples(self, files, split):
        columns = {}
        for language in LANGUAGES:
            for form, (_, ending) in FORMS.items():
                path = f"multi30k/{FILES[split]}.{ending.format(language)}"
                content = files[path].read_bytes()
                text = (gzip.decompress(content) if path.endswith(".gz") else content).decode("utf-8")
                # A few German captions hold characters that splitlines() would take for a line's end.
                lines = text.removesuffix("\n").split("\n")
                if len(lines) != SENTENCES[split]:
                    raise common.DamagedFile(f"{path} holds {len(lines)} sentences instead of {SENTENCES[split]}")
                columns[language if form == "raw" else f"{language}_tokenised"] = lines
        for number, strings in enumerate(zip(*columns.values())):
            yield number, dict(zip(columns, (string.strip() for string in strings)))


def load(split, source="en", target="de", manual_dir=None, data_dir=None, tokenised=False):
    """The pairs of a split; on first use it prepares `data_dir` (some seconds, after the download).

    Args:
        split: "train" (29,000 pairs), "validation" (1,014) or "test" (1,000).
        source, target: two of "en", "de", "fr".
        manual_dir: a folder with the files in multi30k/, by default what the environment variable SEQKERAS_MANUAL_DIR
            says. With one, the network is never touched.
        data_dir: where prepared data is kept; TFDS's usual ~/tensorflow_datasets by default.
        tokenised: whether to give the lower-cased, tokenised form.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.pairs` describes them, always in the same order.

    Raises:
        Stop: a file is missing, damaged or out of reach; the sentence says what to do.
    """
    pairs.check(split, source, target, [(a, b) for a in LANGUAGES for b in LANGUAGES if a != b])
    builder = Multi30k(data_dir=data_dir and os.path.expanduser(data_dir))
    common.prepare(builder, "Multi30k", ADDRESSES, WHAT_TO_DO, manual_dir, DAMAGES)
    examples = tfds.as_numpy(builder.as_dataset(split=split, batch_size=-1))
    ending = "_tokenised" if tokenised else ""
    return pairs.dataset(examples[source + ending].tolist(), examples[target + ending].tolist(), split)
