"""The Nottingham Music Database: 1,034 British and American folk tunes, collected by Eric Foxley.

The files are the database's edition in ABC as cleaned by Jukedeck, who mended bars that did not fill and repeats that
were ambiguous; their licence is GPL-3.0. See `abc_collection` for what an example holds.
"""

from training.datasets import abc_collection

# The commit is fixed, so that a download's checksum stays the same.
ADDRESS = "https://raw.githubusercontent.com/jukedeck/nottingham-dataset/bcb2afc67d291acdd689ed0c22ab2a8a480f38a6/ABC_cleaned/"
# What a file's name says of its tunes. R: stands in hpps.abc alone and calls all of it hornpipes, polkas included; the
# names left out say where tunes come from (Ashover, Playford), or when they are danced and sung.
RHYTHMS = {
    "ashover.abc": "",
    "hpps.abc": "hornpipe",
    "jigs.abc": "jig",
    "morris.abc": "",
    "playford.abc": "",
    "reelsa-c.abc": "reel",
    "reelsd-g.abc": "reel",
    "reelsh-l.abc": "reel",
    "reelsm-q.abc": "reel",
    "reelsr-t.abc": "reel",
    "reelsu-z.abc": "reel",
    "slip.abc": "slipjig",
    "waltzes.abc": "waltz",
    "xmas.abc": "",
}


class NottinghamAbc(abc_collection.Collection):
    """TFDS builder with one split, "tunes"."""

    ADDRESSES = {f"nottingham_abc/{name}": ADDRESS + name for name in RHYTHMS}
    TUNES = 1_034
    HOMEPAGE = "https://github.com/jukedeck/nottingham-dataset"
    DESCRIPTION = "British and American folk tunes in ABC notation, without their chord symbols."
    CITATION = (
        "@misc{foxley, author={Foxley, Eric}, title={Nottingham Music Database}, "
        "howpublished={http://abc.sourceforge.net/NMD/}}"
    )

    def rhythm(self, file_name, text):
        return RHYTHMS[file_name]


def load(manual_dir=None, data_dir=None):
    """All tunes, in an order that is always the same; arguments and errors are those of `folk_tunes.load`."""
    return abc_collection.load(NottinghamAbc, "the Nottingham Music Database", manual_dir, data_dir)
