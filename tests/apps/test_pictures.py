import csv
import io
import threading
import warnings

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from apps import models, pictures, sample_pictures
from apps.models import ModelError
from apps.pictures import Work, given, read
from apps.texts import InputError

NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (300, 400, 3), np.uint8))
RED, BLUE = Image.new("RGB", (60, 40), (220, 40, 40)), Image.new("RGB", (60, 40), (50, 100, 200))


def encoded(image, kind="PNG", **options):
    out = io.BytesIO()
    image.save(out, kind, **options)
    return out.getvalue()


def pixels(picture):
    with Image.open(io.BytesIO(picture.jpeg)) as image:
        assert image.format == "JPEG" and image.mode == "RGB"
        assert image.size == (picture.width, picture.height)
        return np.asarray(image).astype(int)


def near(picture, colour):
    return np.abs(pixels(picture) - colour).max() <= 6


@pytest.fixture
def model(saved_models):
    return models.load("captioning")


# Reading


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP", "MPO"])
def test_every_format_gives_the_same_picture(kind):
    smooth = NOISE.crop((0, 0, 4, 3)).resize((120, 90), Image.Resampling.BICUBIC)
    picture = read(encoded(smooth, kind))
    assert (picture.width, picture.height) == (120, 90)
    assert np.abs(pixels(picture) - np.asarray(smooth).astype(int)).mean() < 12  # a GIF has 256 colours
    assert picture.remarks == ()


@pytest.mark.parametrize(
    "image, kind, colour",
    [
        (Image.new("CMYK", (60, 60), (0, 255, 255, 0)), "JPEG", (255, 0, 0)),
        (Image.new("L", (60, 60), 77), "JPEG", (77, 77, 77)),
        (Image.new("1", (60, 60), 1), "PNG", (255, 255, 255)),
        (RED.quantize(2), "PNG", (220, 40, 40)),
        (Image.new("RGBA", (60, 60), (255, 0, 0, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (60, 60), (255, 0, 0, 128)), "PNG", (255, 127, 127)),
        (Image.new("LA", (60, 60), (0, 0)), "PNG", (255, 255, 255)),
        (Image.new("RGBA", (60, 60), (0, 0, 255, 255)), "WEBP", (0, 0, 255)),
        (Image.fromarray(np.full((60, 60), 257 * 100, np.uint16)), "PNG", (100, 100, 100)),
    ],
)
def test_every_kind_of_colour_becomes_opaque_rgb(image, kind, colour):
    assert near(read(encoded(image, kind)), colour)


def test_a_colour_of_a_palette_can_be_transparent():
    image = Image.new("P", (60, 60), 1)
    image.putpalette([0, 0, 0, 200, 0, 0])
    assert near(read(encoded(image, transparency=1)), (255, 255, 255))
    assert near(read(encoded(image, transparency=0)), (200, 0, 0))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_a_turned_photo_is_set_upright_and_its_notes_are_dropped(kind):
    wide = Image.new("RGB", (80, 40), (0, 0, 255))
    wide.paste((255, 0, 0), (0, 0, 40, 40))
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "At home, secretly"  # orientation: turn a quarter clockwise; description
    exif.get_ifd(0x8825)[1] = "N"  # the place
    data = encoded(wide, kind, exif=exif)
    picture = read(data)
    assert (picture.width, picture.height) == (40, 80)
    values = pixels(picture)
    assert values[:30, :, 0].min() > 240 and values[50:, :, 2].min() > 240
    assert b"secretly" in data and b"secretly" not in picture.jpeg + picture.small
    for jpeg in (picture.jpeg, picture.small):
        with Image.open(io.BytesIO(jpeg)) as image:
            assert not dict(image.getexif()) and "icc_profile" not in image.info and "comment" not in image.info


@pytest.mark.parametrize(
    "size, bounded", [((2_000, 1_000), (512, 256)), ((900, 1_800), (256, 512)), ((30, 20), (30, 20))]
)
def test_what_goes_on_is_bounded_and_never_enlarged(size, bounded):
    picture = read(encoded(NOISE.resize(size), "JPEG"))
    assert (picture.width, picture.height) == bounded
    with Image.open(io.BytesIO(picture.small)) as small:
        assert max(small.size) == min(pictures.SMALL, max(size))


@pytest.mark.parametrize("kind", ["GIF", "PNG", "WEBP"])
def test_of_an_animation_the_first_frame_counts_and_it_is_said(kind):
    picture = read(encoded(RED, kind, save_all=True, append_images=[BLUE, RED, BLUE]))
    assert near(picture, (220, 40, 40))
    assert picture.remarks[0].startswith("It moves")


def test_a_phones_photo_with_a_second_picture_in_its_file_does_not_move():
    assert read(encoded(NOISE, "MPO", save_all=True, append_images=[RED])).remarks == ()


def test_what_is_hard_to_see_is_said():
    assert "pressed into a square" in read(encoded(NOISE.resize((400, 100)))).remarks[0]
    assert "of one colour" in read(encoded(RED)).remarks[0]
    assert read(encoded(NOISE)).remarks == ()


def cut(kind, at=9_000):
    return encoded(NOISE, kind)[:at]


@pytest.mark.parametrize(
    "data, sentence",
    [
        (b"", "empty"),
        (b"hello", "no picture that can be read"),
        (b"\x00\x00\x00\x18ftypheic" + b"\x00" * 100, "HEIC or RAW can be exported as JPEG"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'></svg>", "no picture"),
        (encoded(RED, "TIFF"), "no picture"),
        (encoded(RED, "PPM"), "no picture"),
        (cut("JPEG"), "cut off"),
        (cut("PNG"), "cut off"),
        (cut("GIF"), "cut off"),
        (cut("BMP"), "cut off"),
        (cut("WEBP"), "damaged"),
        (cut("JPEG", 200), "damaged"),
        (encoded(RED.resize((1, 1))), "1 × 1 pixels, too few"),
        (encoded(RED.resize((5_000, 1))), "5,000 × 1 pixels, too few"),
        (b"\xff\xd8" + b"\x00" * (pictures.MAX_MEGABYTES * 2**20), "21 MB|20 MB; at most 20"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(data, sentence):
    with pytest.raises(InputError, match=sentence):
        read(data)


@pytest.mark.parametrize("side, sentence", [(20_000, "far more than the 40"), (7_000, "7,000 × 7,000 pixels, 49 mega")])
def test_a_picture_too_large_is_refused_by_its_header_before_it_is_decoded(side, sentence, monkeypatch):
    data = encoded(Image.new("1", (side, side)))

    def decode(*arguments):
        raise AssertionError("it was decoded")

    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load", decode)
    monkeypatch.setattr(PngImagePlugin.PngImageFile, "load_prepare", decode)
    with pytest.raises(InputError, match=sentence):
        read(data)


def test_a_warning_made_an_error_is_still_a_sentence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(InputError, match="far more than the 40 megapixels"):
            read(encoded(Image.new("1", (10_000, 10_000))))


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
def test_damaged_bytes_give_a_picture_or_a_sentence(kind):
    random = np.random.default_rng(5)
    data = np.frombuffer(encoded(NOISE.resize((60, 40)), kind), np.uint8)
    for _ in range(60):
        damaged = data.copy()
        damaged[random.integers(0, data.size, random.integers(1, 20))] = random.integers(0, 256)
        try:
            picture = read(damaged[: random.integers(1, data.size + 1)].tobytes())
        except InputError as error:
            assert str(error).endswith(".") and "/" not in str(error)
        else:
            assert max(picture.width, picture.height) <= pictures.SIDE


# Many at once


def files(number, image=RED):
    data = encoded(image)
    return [(f"key {index}", f"{index}.png", data) for index in range(number)]


def test_no_picture_is_a_sentence():
    with pytest.raises(InputError, match="no picture yet"):
        given([])


def test_what_is_beyond_the_bounds_is_left_out_and_named():
    entries = given(files(203))
    assert [entry.done for entry in entries] == [False] * 200 + [True] * 3
    assert all("at most 200 pictures" in entry.refused and not entry.data for entry in entries[200:])
    assert pictures.grouped(entries, refused=True) == [
        "200.png, 201.png, 202.png: Left out, for at most 200 pictures are captioned at once."
    ]
    large = b"\x00" * (pictures.MAX_MEGABYTES * 2**20)
    entries = given([(str(index), "large.png", large) for index in range(22)])
    assert [bool(entry.refused) for entry in entries] == [False] * 20 + [True] * 2


def test_the_same_of_many_pictures_is_said_once():
    entries = given(files(210))
    (sentence,) = pictures.grouped(entries, refused=True)
    assert sentence.startswith("200.png, 201.png, 202.png and 7 others: Left out")


@pytest.mark.parametrize(
    "name, shown",
    [
        ("a dog.jpg", "a dog.jpg"),
        ("../../etc/passwd.jpg", "passwd.jpg"),
        ("C:\\Users\\me\\dog.jpg", "dog.jpg"),
        ("a\x00\n\tb\x1b[31m.jpg", "a b [31m.jpg"),
        ("", ""),
    ],
)
def test_names_lose_folders_and_what_cannot_be_seen(name, shown):
    assert pictures.tidy(name) == shown


def test_a_long_name_keeps_both_ends():
    name = pictures.tidy("x" * 500 + "the end.jpg")
    assert len(name) == 120 and name.startswith("xxx") and name.endswith("the end.jpg")


def captioned(model, files, width=3):
    work = Work(model, given(files), width)
    while not work.ended:
        work.step()
    return work


def test_each_picture_gets_its_own_captions(model):
    work = captioned(model, [("1", "red.png", encoded(RED)), ("2", "blue.png", encoded(BLUE))])
    assert [entry.caption.split()[1] for entry in work.entries] == ["red", "blue"]
    assert work.entries[1].alternatives[1] == ("Something blue.", -1.25)
    assert len(work.entries[0].alternatives) == 2  # the third is not there
    assert len(captioned(model, files(1), width=1).entries[0].alternatives) == 1


def test_bad_pictures_do_not_hold_up_the_others(model):
    bad = [("a", "text.jpg", b"hello"), ("b", "cut.jpg", cut("JPEG")), ("c", "one.png", encoded(RED.resize((1, 1))))]
    work = captioned(model, [*bad, *files(12), ("z", "empty.png", b"")])
    assert work.captioned == list(range(3, 15)) and work.done == 16
    assert all(entry.refused for entry in (*work.entries[:3], work.entries[-1]))
    assert not any(entry.data for entry in work.entries)


def test_the_work_goes_some_at_a_time_and_a_failure_loses_nothing(model, monkeypatch):
    work = Work(model, given(files(20)), 2)
    work.step()
    assert work.done == pictures.TOGETHER and not work.ended
    call = models.Model.call

    def failing(self, signature, **inputs):
        raise ModelError("The model could not answer.")

    monkeypatch.setattr(models.Model, "call", failing)
    with pytest.raises(ModelError):
        work.step()
    assert work.done == pictures.TOGETHER
    monkeypatch.setattr(models.Model, "call", call)
    while not work.ended:
        work.step()
    assert len(work.captioned) == 20


def test_two_runs_of_a_page_at_once_do_each_picture_once(model, monkeypatch):
    seen, call = [], models.Model.call

    def counting(self, signature, **inputs):
        seen.append(len(inputs["image"]))
        return call(self, signature, **inputs)

    monkeypatch.setattr(models.Model, "call", counting)
    work = Work(model, given(files(60)), 2)

    def run():
        while not work.ended:
            work.step()

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(work.captioned) == 60 and sum(seen) == 60


def test_another_beam_captions_what_is_read_and_keeps_what_was_refused(model):
    work = captioned(model, [*files(2), ("bad", "bad.jpg", b"hello")], width=1)
    wider = work.with_width(2)
    assert not wider.ended and wider.done == 1 and wider.captioned == []
    while not wider.ended:
        wider.step()
    assert [len(entry.alternatives) for entry in wider.entries] == [2, 2, 0]
    assert [len(entry.alternatives) for entry in work.entries] == [1, 1, 0]
    half = Work(model, given(files(20)), 1)
    half.step()
    afresh = half.with_width(2)
    while not afresh.ended:
        afresh.step()
    assert len(afresh.captioned) == 20


def test_pictures_that_stay_are_not_captioned_again(model, monkeypatch):
    work = captioned(model, files(3))
    seen, call = [], models.Model.call

    def counting(self, signature, **inputs):
        seen.append(len(inputs["image"]))
        return call(self, signature, **inputs)

    monkeypatch.setattr(models.Model, "call", counting)
    more = work.with_files(given([*files(3)[1:], ("new", "new.png", encoded(BLUE))]))
    while not more.ended:
        more.step()
    assert [entry.name for entry in more.entries] == ["1.png", "2.png", "new.png"]
    assert more.captioned == [0, 1, 2] and seen == [1]


# Tables


def rows(data):
    assert data.startswith(b"\xef\xbb\xbf")
    return list(csv.reader(io.StringIO(data.decode("utf-8-sig"), newline="")))


def test_the_table_has_a_row_for_every_picture_and_no_formula(model):
    names = ["=cmd|'calc'!A1.png", "+1.png", "-1.png", "@sum.png", 'a,"b".png', "dog.png"]
    data = encoded(NOISE)
    work = captioned(model, [*((name, name, data) for name in names), ("bad", "bad.jpg", b"hello")])
    header, *table = rows(work.csv())
    assert header == ["file", "caption", "score", "remark"]
    assert [row[0] for row in table] == [*(f"'{name}" for name in names[:4]), *names[4:], "bad.jpg"]
    assert [row[2] for row in table] == ["-0.5000"] * 6 + [""]
    assert table[-1][1] == "" and "no picture that can be read" in table[-1][3]


def test_the_table_of_work_half_done_says_so(model):
    work = Work(model, given(files(9)), 1)
    work.step()
    assert [row[3] for row in rows(work.csv())[-1:]] == ["Not captioned yet."]


def test_captions_and_scores_as_a_table():
    assert rows(pictures.alternatives_csv([("A dog.", -0.5), ("=A dog.", -1.0)])) == [
        ["caption", "score"],
        ["A dog.", "-0.5000"],
        ["'=A dog.", "-1.0000"],
    ]


# Attention and samples


def test_attention_has_a_word_for_each_map_that_sums_to_one(model):
    found = pictures.attention(model, read(sample_pictures.draw("dog")))
    assert found.words == "a green picture with a little white in it".split()
    assert found.caption == "A green picture with a little white in it."
    assert found.weights.shape == (9, 8, 8)
    assert found.weights.sum(axis=(1, 2)) == pytest.approx(np.ones(9), abs=1e-5)


@pytest.mark.parametrize("name", sample_pictures.SAMPLES)
def test_samples_are_small_pictures_drawn_alike_each_time(name):
    data = sample_pictures.draw(name)
    sample_pictures.draw.cache_clear()
    assert sample_pictures.draw(name) == data and len(data) < 80_000
    picture = read(data)
    assert (picture.width, picture.height) == (480, 360) and picture.remarks == ()
    assert pixels(picture).std(axis=(0, 1)).min() > 25
