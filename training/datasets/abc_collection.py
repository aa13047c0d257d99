"""What the collections of tunes in ABC notation share: their tunes are read one by one, put in normal form and checked.

An example holds four strings:

    tune    the normal form of `seqkeras.media.abc`, with the rhythm in its R: line
    title   as the collection writes it
    rhythm  "jig", "reel", "hornpipe", "slipjig", ..., "" if the collection does not say
    source  the file and the tune's place in it, like "nottingham_abc/jigs.abc 12" for its twelfth

Left out are tunes whose key or metre changes on the way, for the normal form has one of each, those that are no ABC,
and those with a bar that is too long or too short. `builder.info.metadata["left_out"]` names them, by reason.
"""

import abc as abstract
import os
import re

import tensorflow_datasets as tfds

from seqkeras.media import abc
from training.datasets import common

FEATURES = ("tune", "title", "rhythm", "source")
SPLIT = "tunes"
CHANGES = "key or metre changes"
NO_ABC = "cannot be read"
WRONG_BARS = "a bar is too long or too short"
REASONS = (CHANGES, NO_ABC, WRONG_BARS)


class Collection(tfds.core.GeneratorBasedBuilder):
    """TFDS builder with the one split "tunes"; a subclass says which files, and how they tell the rhythm."""

    VERSION = tfds.core.Version("1.0.0")
    RELEASE_NOTES = {"1.0.0": "Tunes in normal form, with title, rhythm and source."}
    ADDRESSES: dict[str, str]  # from a path inside the manual folder to the official address
    TUNES: int  # in the official files together
    HOMEPAGE: str
    DESCRIPTION: str
    CITATION: str

    @property
    def MANUAL_DOWNLOAD_INSTRUCTIONS(self):  # noqa: N802, TFDS's name
        return f"Optional: {', '.join(self.ADDRESSES)}, as downloaded from {', '.join(self.ADDRESSES.values())}."

    @abstract.abstractmethod
    def rhythm(self, file_name, text):
        """The rhythm of a tune, "" if unknown.

        Args:
            file_name: like "jigs.abc".
            text: the tune as it stands in that file, from X: on.
        """

    def _info(self):
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict({name: tfds.features.Text() for name in FEATURES}),
            homepage=self.HOMEPAGE,
            description=self.DESCRIPTION,
            citation=self.CITATION,
            metadata=tfds.core.MetadataDict(),
        )

    def _split_generators(self, dl_manager):
        files = common.manual_files(dl_manager, self.ADDRESSES) or dl_manager.download(self.ADDRESSES)
        return {SPLIT: self._generate_examples(files)}

    def _generate_examples(self, files):
        left_out, count = {reason: [] for reason in REASONS}, 0
        for path, file in files.items():
            texts = tunes_of(file.read_bytes().decode("utf-8"))
            count += len(texts)
            for example in examples(path, texts, self.rhythm, left_out):
                yield example["source"], example
        if count != self.TUNES:
            raise common.DamagedFile(f"it holds {count} tunes instead of {self.TUNES}")
        self.info.metadata["left_out"] = left_out
        reasons = ", ".join(f"{reason}: {len(sources)}" for reason, sources in left_out.items())
        print(f"{count} tunes; left out: {reasons}", flush=True)


def load(builder_class, title, manual_dir=None, data_dir=None):
    """All tunes of a collection, as a `tf.data.Dataset` of single examples (see the top of this file).

    Args:
        builder_class: a subclass of `Collection`.
        title: what it is, for messages.
        manual_dir, data_dir: as in `folk_tunes.load`.

    Raises:
        Stop: A file is missing, damaged or out of reach.
    """
    builder = builder_class(data_dir=data_dir and os.path.expanduser(data_dir))
    paths = list(builder.ADDRESSES)
    what_to_do = (
        f"Give --manual_dir DIR (or set SEQKERAS_MANUAL_DIR) with {', '.join(paths)} inside, as downloaded from "
        f"{os.path.dirname(builder.ADDRESSES[paths[0]])}, or train on the project's own tunes with --dataset sample."
    )
    common.prepare(builder, title, builder.ADDRESSES, what_to_do, manual_dir, damages=(UnicodeDecodeError,))
    return builder.as_dataset(split=SPLIT)


def examples(path, texts, rhythm, left_out):
    """The examples of a file, one by one.

    Args:
        path: names the file in `source`.
        texts: its tunes, list of str as of `tunes_of`.
        rhythm: function as `Collection.rhythm`.
        left_out: dict from each of REASONS to a list, to which the sources of what is left out are added.
    """
    for place, text in enumerate(texts, 1):
        dance, source = rhythm(os.path.basename(path), text), f"{path} {place}"
        try:
            tune = abc.normalise(_prepared(text, dance))
        except abc.ABCError as error:
            left_out[CHANGES if isinstance(error, abc.ChangeError) else NO_ABC].append(source)
            continue
        if abc.check(tune).bars_fill:
            yield {"tune": tune, "title": field(text, "T"), "rhythm": dance, "source": source}
        else:
            left_out[WRONG_BARS].append(source)


def tunes_of(text):
    """The tunes of an ABC file, a list of str; each begins with its X: line."""
    return re.split(r"(?m)^(?=X:)", text.replace("\r\n", "\n"))[1:]


def field(text, letter):
    """What the first line of a tune's field says, "" if it has none."""
    line = re.search(rf"(?m)^{letter}:(.*)$", text)
    return line[1].strip() if line else ""


def _prepared(text, rhythm):
    first, _, others = re.sub(r"(?m)^R:.*\n", "", text).partition("\n")
    # A line that ends in a backslash goes on in the next one, unless a field comes between.
    others = re.sub(r"\\[ \t]*\n(?![A-Za-z]:(?![|:])|%)", "", others)
    return f"{first}\nR:{rhythm}\n{others}" if rhythm else f"{first}\n{others}"
