"""Pictures as the captioning page has them: read from files that nobody vouches for, captioned many at a time."""

import csv
import io
import logging
import threading
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np
from PIL import Image, ImageOps

from apps import models
from apps.texts import InputError, clean, spreadsheet_cell

logger = logging.getLogger(__name__)

WIDTH, MAX_WIDTH = 3, 10  # beams
MAX_PICTURES = 200  # at once
MAX_MEGABYTES, MAX_MEGABYTES_IN_ALL = 20, 400  # of files
MAX_MEGAPIXELS, LEAST_SIDE = 40, 8  # of a picture
SIDE, SMALL = 512, 96  # the longest that goes to the model and back to the visitor, and that of a table: pixels
ENDINGS = ["jpg", "jpeg", "png", "gif", "bmp", "webp"]
TOGETHER = 8  # pictures a call; other visitors' calls come in between

_FORMATS = ("JPEG", "PNG", "GIF", "BMP", "WEBP")
_NAME = 120  # characters of a file's name that are kept
# A picture of 40 megapixels takes up to 160 MB while it is decoded, so visitors take turns.
_decoding = threading.Lock()


@dataclass(frozen=True)
class Picture:
    """A picture fit for the model: upright, in RGB, opaque, bounded, with nothing of its file but what is seen.

    Attributes:
        jpeg: its bytes.
        width, height: pixels, at most SIDE.
        small: a JPEG of it for a table.
        remarks: what should be said about how it was read: sentences.
    """

    jpeg: bytes
    width: int
    height: int
    small: bytes
    remarks: tuple[str, ...] = ()


def read(data: bytes) -> Picture:
    """A picture from the bytes of a file, whatever its name says. Its size is looked at before it is decoded.

    Of an animation the first frame counts; what is transparent becomes white; a camera's note on how it was held is
    followed. No note in the file outlives this, neither place nor time.

    Raises:
        InputError: if it is no picture, cut off, damaged, too large or too small.
    """
    if not data:
        raise InputError("This file is empty.")
    if len(data) > MAX_MEGABYTES * 2**20:
        raise InputError(f"This file has {len(data) / 2**20:.0f} MB; at most {MAX_MEGABYTES} are read.")
    try:
        with Image.open(io.BytesIO(data), formats=_FORMATS) as image:
            _check_size(*image.size)
            with _decoding:
                return _made_fit(image)
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise InputError(f"This picture has far more than the {MAX_MEGAPIXELS} megapixels that are read.") from None
    except Image.UnidentifiedImageError:
        raise InputError(
            "This is no picture that can be read here, whatever its name says: JPEG, PNG, GIF, BMP and WebP are. "
            "Photos in HEIC or RAW can be exported as JPEG."
        ) from None
    # Decoders raise errors of many kinds on bytes that somebody made up.
    except Exception as error:
        if "truncated" in str(error):
            raise InputError(
                "This picture is cut off: its file ends before the picture does. Copy or download it again."
            ) from None
        logger.info("A picture could not be decoded", exc_info=True)
        raise InputError("This picture is damaged and cannot be read. Open and save it anew, as JPEG or PNG.") from None


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_MEGAPIXELS * 1_000_000:
        raise InputError(
            f"This picture has {width:,} × {height:,} pixels, {width * height / 1e6:,.0f} megapixels; at most "
            f"{MAX_MEGAPIXELS} are read. Save it smaller."
        )
    if min(width, height) < LEAST_SIDE:
        raise InputError(
            f"This picture has {width:,} × {height:,} pixels, too few to see anything; at least {LEAST_SIDE} are "
            "needed each way."
        )


def _made_fit(image: Image.Image) -> Picture:
    remarks = []
    # A phone's photo may bring a second picture, such as one of depths.
    if getattr(image, "is_animated", False) and image.format != "MPO":
        remarks.append("It moves; only its first picture was looked at.")
        image.seek(0)
    if image.mode.startswith("I"):
        # Of 16 bits the upper eight; Pillow would take whatever is above 255 for white.
        image = Image.fromarray((np.clip(np.asarray(image), 0, 65_535) >> 8).astype(np.uint8))
    elif image.has_transparency_data:
        image = image.convert("RGBA")
    elif image.mode not in ("RGB", "L", "CMYK", "YCbCr"):
        image = image.convert("RGB")
    image.thumbnail((SIDE, SIDE))
    image = ImageOps.exif_transpose(image)
    if image.mode == "RGBA":
        white = Image.new("RGBA", image.size, "white")
        image = Image.alpha_composite(white, image)
    image = image.convert("RGB")
    if max(image.size) > 3 * min(image.size):
        remarks.append("It is very long and narrow; the model sees every picture pressed into a square.")
    if max(high - low for low, high in image.getextrema()) < 8:
        remarks.append("It is of one colour, so there is nothing to see; what the model writes is made up.")
    # Nothing is passed on but pixels: no EXIF, no colour profile, no comment.
    image = Image.fromarray(np.asarray(image))
    small = image.copy()
    small.thumbnail((SMALL, SMALL))
    return Picture(_jpeg(image, 92), *image.size, _jpeg(small, 80), tuple(remarks))


def _jpeg(image: Image.Image, quality: int) -> bytes:
    out = io.BytesIO()
    image.save(out, "JPEG", quality=quality, subsampling=0)
    return out.getvalue()


@dataclass
class Entry:
    """A picture that a visitor gave, and what became of it.

    Attributes:
        key: the same for the same upload.
        name: as it is shown.
        data: the file until it is read, then empty.
        picture: None until it is read, and where it cannot be.
        refused: why there is no caption, a sentence; "" where there is one.
        alternatives: captions and their scores, the best first; nats over the divisor for length.
        done: whether nothing more will become of it.
    """

    key: str
    name: str
    data: bytes = b""
    picture: Picture | None = None
    refused: str = ""
    alternatives: list[tuple[str, float]] = field(default_factory=list)
    done: bool = False

    @property
    def caption(self) -> str:
        return self.alternatives[0][0] if self.alternatives else ""

    @property
    def remarks(self) -> tuple[str, ...]:
        return (self.refused,) if self.refused else self.picture.remarks if self.picture else ()


def given(files: Iterable[tuple[str, str, bytes]]) -> list[Entry]:
    """Entries for files, each (key, name, bytes); those beyond the bounds are refused, the others kept.

    Raises:
        InputError: if there is none.
    """
    entries, total = [], 0
    for key, name, data in files:
        entry = Entry(key, tidy(name), data)
        total += len(data)
        if len(entries) >= MAX_PICTURES:
            entry.refused = f"Left out, for at most {MAX_PICTURES} pictures are captioned at once."
        elif total > MAX_MEGABYTES_IN_ALL * 2**20:
            entry.refused = f"Left out, for at most {MAX_MEGABYTES_IN_ALL} MB are read at once."
        if entry.refused:
            entry.data, entry.done = b"", True
        entries.append(entry)
    if not entries:
        raise InputError("There is no picture yet. Open one, take one, or pick one of the samples.")
    return entries


def tidy(name: str) -> str:
    """A file's name without its folders and without characters that cannot be seen, of bounded length."""
    name = " ".join(clean(name.replace("\\", "/").rsplit("/", 1)[-1])[0].split())
    return name if len(name) <= _NAME else f"{name[: _NAME - 12]}…{name[-11:]}"


class Work:
    """Pictures on their way to captions. What is done stays, whenever it is interrupted.

    Args:
        model: the captioning model.
        entries: at least one; those that are done are left as they are.
        width: of the beam, 1 for greedy.

    Attributes:
        seconds: that the model took so far.
        stopped: whether the visitor stopped it.
    """

    def __init__(self, model: models.Model, entries: Sequence[Entry], width: int):
        self.model, self.entries, self.width = model, list(entries), width
        self.seconds, self.stopped = 0.0, False
        # Streamlit may begin a page anew while its last run is still inside a step.
        self._lock = threading.Lock()

    @property
    def done(self) -> int:
        return sum(entry.done for entry in self.entries)

    @property
    def captioned(self) -> list[int]:
        """Places of the entries that have a caption."""
        return [place for place, entry in enumerate(self.entries) if entry.alternatives]

    @property
    def ended(self) -> bool:
        return self.done == len(self.entries)

    def step(self) -> None:
        """Reads and captions some more pictures.

        Raises:
            ModelError: as `Model.call`; nothing that was done is lost.
        """
        with self._lock:
            some = [entry for entry in self.entries if not entry.done][:TOGETHER]
            for entry in some:
                if entry.picture is None:
                    try:
                        entry.picture = read(entry.data)
                    except InputError as error:
                        entry.refused, entry.done = str(error), True
                    entry.data = b""
            some = [entry for entry in some if not entry.done]
            if not some:
                return
            start = time.perf_counter()
            image = [entry.picture.jpeg for entry in some]
            found = self.model.call("beam", image=image, width=np.int32(self.width))
            self.seconds += time.perf_counter() - start
            for entry, captions, scores in zip(some, found["captions"], found["scores"]):
                entry.alternatives = _alternatives(captions, scores)
                if not entry.alternatives:
                    entry.refused = "The model found no words for this picture."
                entry.done = True

    def with_width(self, width: int) -> "Work":
        """The same pictures, to be captioned with another beam."""
        with self._lock:
            return Work(self.model, [_afresh(entry) for entry in self.entries], width)

    def with_files(self, entries: Sequence[Entry]) -> "Work":
        """Other pictures with the same beam; what is done of those that stay is kept."""
        with self._lock:
            kept = {entry.key: entry for entry in self.entries if entry.picture and entry.done}
            work = Work(
                self.model, [entry if entry.done else kept.get(entry.key, entry) for entry in entries], self.width
            )
            work.seconds = self.seconds if work.captioned else 0.0
            return work

    def csv(self) -> bytes:
        """A table in UTF-8 with a row a picture: file, caption, score, remark; no cell is a spreadsheet's formula."""
        rows = [("file", "caption", "score", "remark")]
        for entry in self.entries:
            score = f"{entry.alternatives[0][1]:.4f}" if entry.alternatives else ""
            remark = " ".join(entry.remarks) if entry.done else "Not captioned yet."
            rows.append((spreadsheet_cell(entry.name), spreadsheet_cell(entry.caption), score, remark))
        return _csv(rows)


def _afresh(entry: Entry) -> Entry:
    """As it was before the model saw it."""
    if entry.refused and not entry.picture:
        return entry
    return Entry(entry.key, entry.name, entry.data, entry.picture)


def _alternatives(captions: np.ndarray, scores: np.ndarray) -> list[tuple[str, float]]:
    """Those there are, each once, the best first."""
    found = {}
    for caption, score in zip(captions, scores):
        caption = caption.decode("utf-8", "replace")
        if caption.strip() and np.isfinite(score):
            found.setdefault(caption, float(score))
    return list(found.items())


def alternatives_csv(alternatives: Sequence[tuple[str, float]]) -> bytes:
    """Captions and scores as a table in UTF-8."""
    rows = [(spreadsheet_cell(caption), f"{score:.4f}") for caption, score in alternatives]
    return _csv([("caption", "score"), *rows])


def _csv(rows: Iterable[Sequence[str]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text).writerows(rows)
    return text.getvalue().encode("utf-8-sig")


def grouped(entries: Iterable[Entry], refused: bool) -> list[str]:
    """What should be said about pictures, those of whom the same is said together: sentences.

    Args:
        entries: any.
        refused: whether of those that have no caption, or of the others.
    """
    said = {}
    for entry in entries:
        if bool(entry.refused) == refused:
            for remark in entry.remarks:
                said.setdefault(remark, []).append(entry.name or "A picture without a name")
    return [f"{_listed(names)}: {remark}" for remark, names in said.items()]


def _listed(names: list[str]) -> str:
    if len(names) <= 3:
        return ", ".join(names)
    return f"{', '.join(names[:3])} and {_counted(len(names) - 3)}"


def _counted(others: int) -> str:
    return "1 other" if others == 1 else f"{others:,} others"


@dataclass(frozen=True)
class Attention:
    """Where a model looked while it wrote a caption.

    Attributes:
        caption: as the model writes it unasked, with its own beam width.
        words: of the caption, as the model has them.
        weights: float `(words, rows, columns)` over the whole picture; each word's sum to 1.
    """

    caption: str
    words: list[str]
    weights: np.ndarray


def attention(model: models.Model, picture: Picture) -> Attention:
    """The attention of one picture.

    Raises:
        ModelError: as `Model.call`.
    """
    found = model.call("attend", image=[picture.jpeg])
    words = [word.decode("utf-8", "replace") for word in found["tokens"][0]]
    words = words[: words.index("")] if "" in words else words
    return Attention(
        found["caption"][0].decode("utf-8", "replace"), words, found["attention"][0][: len(words)].astype(float)
    )


def caption(jpeg: bytes) -> str:
    """A picture's caption.

    Args:
        jpeg: fit for the model, as `Picture.jpeg`.

    Raises:
        ModelError: if there is no model, or it fails.
    """
    captions = models.load("captioning").call("beam", image=[jpeg], width=np.int32(WIDTH))["captions"]
    return captions[0][0].decode("utf-8", "replace")
