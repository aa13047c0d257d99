"""804 Irish dance tunes in ABC notation, the file of a well-known course.

MIT's Introduction to Deep Learning (6.S191) trains its music model on this file; its licence is MIT. Each tune names
its kind: "Z: id:dc-reel-7" is a reel. See `abc_collection` for what an example holds.
"""

import re

from training.datasets import abc_collection

# The commit is fixed, so that a download's checksum stays the same.
ADDRESS = (
    "https://raw.githubusercontent.com/aamini/introtodeeplearning/ecfbd390988a035ed3749534aa778b7a99d870fb/"
    "lab1/data/irish.abc"
)
# Kinds that say how a tune is danced; "miscellaneous" and "ocarolan" (the harper) do not.
RHYTHMS = ("hornpipe", "jig", "polka", "reel", "setdance", "slide", "slipjig", "waltz")


class IrishAbc(abc_collection.Collection):
    """TFDS builder with one split, "tunes"."""

    ADDRESSES = {"irish_abc/irish.abc": ADDRESS}
    TUNES = 804
    HOMEPAGE = "https://github.com/aamini/introtodeeplearning"
    DESCRIPTION = "Irish dance tunes in ABC notation, the data of the first lab of MIT's Introduction to Deep Learning."
    CITATION = (
        "@misc{amini2018, author={Amini, Alexander and Amini, Ava and others}, "
        "title={MIT 6.S191: Introduction to Deep Learning}, howpublished={http://introtodeeplearning.com}}"
    )

    def rhythm(self, file_name, text):
        name = re.search(r"id:\w+-(\w+)-\d+", text)
        return name[1] if name and name[1] in RHYTHMS else ""


def load(manual_dir=None, data_dir=None):
    """All tunes, in an order that is always the same; arguments and errors are those of `folk_tunes.load`."""
    return abc_collection.load(IrishAbc, "the Irish tunes", manual_dir, data_dir)
