import io

import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from seqkeras.text.words import Vocabulary
from training import Stop
from training.captioning import data
from training.captioning.__main__ import Config
from training.datasets import captions

CONFIG = Config(side=8, crop=6, size=10, captions_each=3, batch_size=4, seed=3)
# The quarters of a picture.
COLOURS = [(255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)]
GREYS = [76, 150, 29, 255]


def quarters(height=40, width=60):
    pixels = np.array(COLOURS, "uint8").reshape(2, 2, 3)
    return pixels.repeat(height // 2, axis=0).repeat(width // 2, axis=1)


def file(picture, form, **options):
    stream = io.BytesIO()
    (picture if isinstance(picture, Image.Image) else Image.fromarray(picture)).save(stream, form, **options)
    return stream.getvalue()


def corners(picture):
    return np.asarray(picture)[[0, 0, -1, -1], [0, -1, 0, -1]]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory, number=11):
    """Pictures of one colour each, and captions that begin with another word each."""
    ids = [str(n) for n in range(number)]
    images = [file(np.full((8, 8, 3), 20 * n + 5, "uint8"), "PNG") for n in range(number)]
    vocabulary = Vocabulary([*data.START_AND_END, *(f"w{n}" for n in range(number)), "dog"])
    texts = [[f"w{n} dog", f"A dog w{n}"] for n in range(number)]
    return data.prepare(
        captions.dataset(ids, images, texts), vocabulary, CONFIG, tmp_path_factory.mktemp("p") / "train"
    )


def as_they_are(pictures, ids):
    return pictures, ids


def numbers(batches):
    """The first word's number of each picture in batches as of `prepared`."""
    return [int(ids[0]) - data.END - 1 for _, batch in batches.as_numpy_iterator() for ids in batch[:, 0]]


# Decoding


def sixteen_bits():
    return tf.io.encode_png(quarters().astype("uint16") * 257).numpy()


def transparent(left=0):
    opaque = np.where(np.arange(60) < 30, left, 255).astype("uint8")
    return np.dstack([quarters(), np.broadcast_to(opaque, (40, 60))])


def palette(bits, **options):
    return file(Image.fromarray(quarters()).quantize(4), "PNG", bits=bits, **options)


def palette_with_a_transparent_colour(bits):
    picture = Image.fromarray(quarters()).quantize(4)
    return file(picture, "PNG", bits=bits, transparency=picture.getpixel((0, 0)))


def black_and_white():
    return Image.fromarray(quarters()).convert("1", dither=Image.Dither.NONE)


def moving():
    return file(quarters(), "GIF", save_all=True, append_images=[Image.new("RGB", (60, 40), "black")] * 3)


@pytest.mark.parametrize(
    "make, expected",
    [
        (lambda: file(quarters(), "JPEG", quality=95), COLOURS),
        (lambda: file(quarters(), "JPEG", quality=95, progressive=True), COLOURS),
        (lambda: file(Image.fromarray(quarters()).convert("L"), "JPEG"), GREYS),
        (lambda: file(Image.fromarray(quarters()).convert("CMYK"), "JPEG", quality=95), COLOURS),
        (lambda: file(quarters(), "PNG"), COLOURS),
        (sixteen_bits, COLOURS),
        (lambda: file(Image.fromarray(quarters()).convert("L"), "PNG"), GREYS),
        (lambda: file(Image.fromarray(quarters()).convert("LA"), "PNG"), GREYS),
        (lambda: file(black_and_white(), "PNG"), [0, 255, 0, 255]),
        (lambda: palette(2), COLOURS),
        (lambda: palette(8), COLOURS),
        (lambda: palette_with_a_transparent_colour(2), [(255, 255, 255), *COLOURS[1:]]),
        (lambda: palette_with_a_transparent_colour(8), [(255, 255, 255), *COLOURS[1:]]),
        (lambda: file(transparent(), "PNG"), [(255, 255, 255), (0, 255, 0)] + [(255, 255, 255)] * 2),
        (lambda: file(transparent(127), "PNG"), [(255, 128, 128), (0, 255, 0), (128, 128, 255), (255, 255, 255)]),
        (lambda: file(quarters(), "GIF"), COLOURS),
        (moving, COLOURS),
        (lambda: file(quarters(), "BMP"), COLOURS),
        (lambda: file(quarters(60, 40), "JPEG", quality=95), COLOURS),
    ],
    ids=[
        "JPEG", "progressive JPEG", "grey JPEG", "CMYK JPEG",
        "PNG", "PNG of 16 bits", "grey PNG", "grey PNG with alpha", "PNG of 1 bit",
        "palette of 2 bits", "palette", "transparent palette of 2 bits", "transparent palette",
        "transparent PNG", "half transparent PNG", "GIF", "moving GIF", "BMP", "upright JPEG",
    ],
)  # fmt: skip
def test_every_form_of_picture(make, expected):
    picture = data.decode(tf.constant(make()), 10)
    assert picture.shape == (10, 10, 3) and picture.dtype == tf.float32
    expected = np.broadcast_to(np.array(expected, "float32").reshape(4, -1), (4, 3))
    np.testing.assert_allclose(corners(picture), expected, atol=3)


@pytest.mark.parametrize("height, width", [(1, 1), (1, 3000), (2000, 2)])
@pytest.mark.parametrize("form", ["PNG", "GIF"])
def test_every_shape_of_picture(height, width, form):
    picture = data.decode(tf.constant(file(np.full((height, width, 3), (10, 200, 30), "uint8"), form)), 6)
    np.testing.assert_allclose(picture, np.broadcast_to([10.0, 200.0, 30.0], (6, 6, 3)), atol=1e-3)


def test_what_is_seen_is_the_mean_of_what_was_there():
    # Without antialiasing every second column would be all there is.
    stripes = np.zeros((40, 40, 3), "uint8")
    stripes[:, ::2] = 255
    picture = data.decode(tf.constant(file(stripes, "PNG")), 10)
    np.testing.assert_allclose(picture, 127.5, atol=20)


@pytest.mark.parametrize(
    "content", [b"", b"x", b"\xff", b"no picture", b"\x89PNG\r\n\x1a\n", b"\xff\xd8\xff", b"GIF89a", b"BM"]
)
def test_what_is_no_picture_is_an_error_of_one_kind(content):
    with pytest.raises(tf.errors.InvalidArgumentError):
        data.decode(tf.constant(content), 8)


@pytest.mark.parametrize("form", ["PNG", "GIF", "JPEG"])
def test_a_picture_cut_off_is_an_error_of_that_kind(form):
    content = file(quarters(), form)
    with pytest.raises(tf.errors.InvalidArgumentError):
        data.decode(tf.constant(content[: len(content) // 2]), 8)


# Words


@pytest.mark.parametrize(
    "caption, words",
    [
        ("A man 's T-shirt .", "a man 's t-shirt"),
        ("A man's T-shirt.", "a man 's t-shirt"),
        ("A man’s hat", "a man 's hat"),
        ("They're here, we'll see; don't!", "they 're here we 'll see don't"),
        ("The girls' hats", "the girls hats"),
        ('Two dogs, wet & happy -- "run" (fast).', "two dogs wet happy run fast"),
        ("number 3.50 on a black/white sign...", "number 3.50 on a black/white sign"),
        ("a snow_ball", "a snow ball"),
        ("Ein Mädchen, été", "ein mädchen été"),
        (" \t\n", ""),
        ("...?!", ""),
        ("", ""),
    ],
)
def test_words_of_a_caption(caption, words):
    assert data.words_of(caption) == words.split()


@pytest.mark.parametrize("caption", ["A man 's T-shirt .", "They're the girls' 3.50.", "A black/white été."])
def test_words_are_their_own_words(caption):
    words = data.words_of(caption)
    assert data.words_of(" ".join(words)) == words


def rows(*texts):
    return [{"captions": [text.encode() for text in texts[:2]]}, {"captions": [text.encode() for text in texts[2:]]}]


def test_words_are_learnt_most_frequent_first():
    vocabulary = data.learn(rows("The dog.", "a DOG", "a cat", "zoo's dog"), 1)
    assert vocabulary.words == ["<s>", "</s>", "dog", "a", "'s", "cat", "the", "zoo"]
    ids = vocabulary.ids(tf.constant(["", "?", *data.START_AND_END])).numpy().tolist()
    assert ids == [data.PAD, data.UNKNOWN, data.START, data.END]


def test_rare_words_are_left_out():
    assert data.learn(rows("The dog.", "a DOG", "a cat", "zoo's dog"), 2).words == ["<s>", "</s>", "dog", "a"]
    with pytest.raises(Stop, match="No word occurs 4 times.*minimum_count"):
        data.learn(rows("The dog.", "a DOG", "a cat", "zoo's dog"), 4)


def test_sets_are_those_that_are_named(monkeypatch):
    assert set(data.SETS) == set(data.ABOUT)
    asked = []
    for name, module in data.SETS.items():
        monkeypatch.setattr(module, "load", lambda *given, name=name, **named: asked.append((name, *given, named)))
    config = {"folder": "here", "captions_file": "texts.csv", "manual_dir": "there", "data_dir": "elsewhere"}
    for name in data.SETS:
        data.load(Config(dataset=name, **config), "test")
    assert asked == [
        ("flickr8k", "test", {"manual_dir": "there", "data_dir": "elsewhere"}),
        ("sample", "test", {}),
        ("folder", "test", "here", "texts.csv", {}),
    ]


# What is kept of a picture


def examples(*texts, images=None):
    images = images or [file(quarters(), "PNG")] * len(texts)
    return captions.dataset([f"pictures/{n}.png" for n in range(len(texts))], images, texts)


VOCABULARY = Vocabulary([*data.START_AND_END, "a", "dog", "runs"])  # from 4 on


def test_pictures_are_decoded_and_captions_are_ids(tmp_path):
    pictures = examples(["A dog runs.", "a cat"], ["dog"])
    (first, ids), (_, others) = data.prepare(pictures, VOCABULARY, CONFIG, tmp_path / "p").as_numpy_iterator()
    assert first.dtype == np.uint8 and ids.dtype == np.int32 and ids.shape == (3, data.LONGEST + 1)
    np.testing.assert_array_equal(first, np.round(data.decode(tf.constant(file(quarters(), "PNG")), 8)))
    # Two captions for three: the first comes again.
    assert [row[row > 0].tolist() for row in ids] == [[4, 5, 6, 3], [4, 1, 3], [4, 5, 6, 3]]
    assert [row[row > 0].tolist() for row in others] == [[5, 3]] * 3
    assert (ids[:, 4:] == 0).all()


def test_of_more_captions_the_first_count(tmp_path):
    (row,) = data.prepare(examples(["a", "dog", "runs", "dog a"]), VOCABULARY, CONFIG, tmp_path / "p")
    assert row[1][:, 0].numpy().tolist() == [4, 5, 6]


def test_captions_too_long_or_without_words_are_left_out(tmp_path):
    long, longer = "dog " * data.LONGEST, "dog " * (data.LONGEST + 1)
    pictures = examples([longer, long, "..."], [longer, ""], ["a"])
    (_, ids), (_, others) = data.prepare(pictures, VOCABULARY, CONFIG, tmp_path / "p").as_numpy_iterator()
    assert ids.tolist() == [[5] * data.LONGEST + [data.END]] * 3
    assert others[0, :2].tolist() == [4, data.END]


def test_pictures_are_prepared_once(tmp_path):
    def read_again():
        raise AssertionError
        yield

    first = data.prepare(examples(["a"], ["dog"]), VOCABULARY, CONFIG, tmp_path / "p")
    never = tf.data.Dataset.from_generator(read_again, output_signature=first.element_spec)
    again = data.prepare(never, VOCABULARY, CONFIG, tmp_path / "p")
    assert len(first) == len(again) == 2
    for ours, theirs in zip(first, again):
        np.testing.assert_array_equal(ours[0], theirs[0])
        np.testing.assert_array_equal(ours[1], theirs[1])


def test_what_was_not_finished_is_prepared_anew(tmp_path):
    class Killed(Exception):
        pass

    class Pictures:
        def as_numpy_iterator(self):
            yield from examples(["a"]).as_numpy_iterator()
            raise Killed

    with pytest.raises(Killed):
        data.prepare(Pictures(), VOCABULARY, CONFIG, tmp_path / "p")
    assert not (tmp_path / "p").exists()
    (tmp_path / "new.p").mkdir(exist_ok=True)
    (tmp_path / "new.p" / "half").write_text("of it")
    assert len(data.prepare(examples(["a"], ["dog"]), VOCABULARY, CONFIG, tmp_path / "p")) == 2
    assert [path.name for path in tmp_path.iterdir()] == ["p"]


def test_a_picture_that_cannot_be_decoded_is_named(tmp_path):
    content = file(quarters(), "JPEG")
    bad = examples(["a"], ["dog"], ["runs"], images=[content, content[:-200], content[:-100]])
    for find in (data.check, lambda pictures: data.prepare(pictures, VOCABULARY, CONFIG, tmp_path / "p")):
        with pytest.raises(Stop, match=r"pictures/1\.png cannot be decoded"):
            find(bad)
    assert not (tmp_path / "p").exists()
    data.check(examples(["a"], ["dog"]))


# Batches


def test_shares_of_words():
    ids = [[[4, 5, 3, 0], [4, 4, 3, 0]], [[1, 6, 3, 0], [8, 7, 7, 3]]]
    found = data.word_shares(tf.constant(ids), 4)
    np.testing.assert_array_equal(found, [[1, 0.5, 0, 0], [0, 0, 0.5, 0.5]])
    pictures, shares = data.word_targets(4)("pictures", tf.constant(ids))
    assert pictures == "pictures" and shares.numpy().tolist() == found.numpy().tolist()


def test_an_epoch_has_each_picture_once(prepared):
    for epoch in (0, 1):
        batches = data.training_batches(prepared, CONFIG, epoch, as_they_are)
        assert [len(ids) for _, ids in batches] == [4, 4, 3]
        assert sorted(numbers(batches)) == list(range(11))


def test_batches_are_those_of_seed_and_epoch(prepared):
    def batches(config, epoch):
        found = data.training_batches(prepared, config, epoch, as_they_are)
        return numbers(found), np.concatenate([pictures for pictures, _ in found])

    (order, pictures), (order_again, pictures_again) = batches(CONFIG, 0), batches(CONFIG, 0)
    assert order == order_again
    np.testing.assert_array_equal(pictures, pictures_again)
    for config, epoch in ((CONFIG, 1), (Config(**{**vars(CONFIG), "seed": 4}), 0)):
        other_order, other_pictures = batches(config, epoch)
        assert order != other_order
        # The same picture in another light.
        assert not np.array_equal(pictures[np.argsort(order)], other_pictures[np.argsort(other_order)])


def test_pictures_stay_with_their_captions(prepared, monkeypatch):
    monkeypatch.setattr(data, "TINT", 0.0)
    for pictures, ids in data.training_batches(prepared, CONFIG, 0, as_they_are):
        assert pictures.shape[1:] == (6, 6, 3) and pictures.dtype == tf.float32
        np.testing.assert_allclose(pictures[:, 2, 3, 1], 20 * (ids[:, 0, 0].numpy() - data.END - 1) + 5, atol=0.1)


def test_held_out_pictures_are_whole_and_in_their_order(prepared):
    batches = data.evaluation_batches(prepared, CONFIG, as_they_are)
    assert numbers(batches) == list(range(11))
    for pictures, ids in batches:
        expected = 20 * (ids[:, 0, 0].numpy() - data.END - 1) + 5
        np.testing.assert_allclose(pictures, np.broadcast_to(expected[:, None, None, None], (len(ids), 10, 10, 3)))


def test_the_next_word_is_to_be_said():
    ids = np.zeros((2, 2, data.LONGEST + 1), "int32")
    ids[0, 0, :4] = [4, 1, 5, data.END]
    ids[0, 1, :2] = [6, data.END]
    ids[1, :, 0] = data.END
    inputs, target, weights = data.caption_targets("pictures", tf.constant(ids))
    assert inputs["source"] == "pictures" and target.dtype == tf.int32
    np.testing.assert_array_equal(target, ids[:, :, : data.BOUNDARIES[0]])
    assert inputs["target"][0].numpy().tolist() == [[2, 4, 1, 5, 0, 0, 0, 0], [2, 6, 0, 0, 0, 0, 0, 0]]
    # What an unknown word should have been nobody can say.
    assert weights[0].numpy().tolist() == [[1, 0, 1, 1, 0, 0, 0, 0], [1, 1, 0, 0, 0, 0, 0, 0]]
    assert weights[1].numpy().tolist() == [[1, 0, 0, 0, 0, 0, 0, 0]] * 2


def test_captions_are_padded_to_a_boundary():
    expected = {1: data.BOUNDARIES[0]}
    for boundary, following in zip(data.BOUNDARIES, (*data.BOUNDARIES[1:], None)):
        expected[boundary] = boundary
        if following:
            expected[boundary + 1] = following
    for longest, size in expected.items():
        ids = np.zeros((1, 2, data.LONGEST + 1), "int32")
        ids[0, 1, :longest] = 5
        inputs, target, weights = data.caption_targets("pictures", tf.constant(ids))
        assert inputs["target"].shape == target.shape == weights.shape == (1, 2, size)
    assert max(expected) == data.LONGEST + 1


# A picture that is another in every epoch


def gradients(number, side=64):
    """Pictures whose red is the column and whose green is the row, from 0 to 255."""
    steps = np.linspace(0, 255, side)
    picture = np.stack([*np.meshgrid(steps, steps), np.full((side, side), 90.0)], axis=2)
    return tf.constant(np.broadcast_to(np.round(picture), (number, side, side, 3)).astype("uint8"))


def test_varied_pictures_keep_shape_and_range():
    pictures = tf.constant(np.random.default_rng(0).choice([0, 255], (40, 16, 16, 3)).astype("uint8"))
    found = data.varied(pictures, 10, (1, 2))
    assert found.shape == (40, 10, 10, 3) and found.dtype == tf.float32
    assert 0 <= found.numpy().min() < found.numpy().max() <= 255
    np.testing.assert_array_equal(found, data.varied(pictures, 10, (1, 2)))
    assert not np.allclose(found, data.varied(pictures, 10, (1, 3)))


def test_nothing_but_turned_over(monkeypatch):
    for name, value in (("AREA", (1.0, 1.0)), ("RATIO", (1.0, 1.0)), ("TINT", 0.0), ("GREY", 0.0)):
        monkeypatch.setattr(data, name, value)
    pictures = gradients(60, 12).numpy()
    found = data.varied(tf.constant(pictures), 12, (1, 2)).numpy()
    turned = found[:, 0, 0, 0] > found[:, 0, -1, 0]
    np.testing.assert_allclose(found[turned], pictures[turned][:, :, ::-1], atol=0.1)
    np.testing.assert_allclose(found[~turned], pictures[~turned], atol=0.1)
    assert 15 < turned.sum() < 45


def test_parts_of_a_picture(monkeypatch):
    monkeypatch.setattr(data, "TINT", 0.0)
    monkeypatch.setattr(data, "GREY", 0.0)
    found = data.varied(gradients(200), 20, (1, 2)).numpy()
    width, height = ((found[..., c].max(axis=(1, 2)) - found[..., c].min(axis=(1, 2))) / 255 for c in (0, 1))
    area, ratio = width * height, width / height
    assert data.AREA[0] - 0.01 < area.min() < 0.45 and 0.85 < area.max() <= 1 + 1e-3
    assert data.RATIO[0] - 0.01 < ratio.min() < 0.8 and 1.25 < ratio.max() < data.RATIO[1] + 0.01
    # From everywhere.
    assert found[..., 1].min() < 2 and found[..., 1].max() > 253
    np.testing.assert_allclose(found[..., 2], 90.0, atol=1e-3)


def test_some_pictures_lose_their_colour(monkeypatch):
    monkeypatch.setattr(data, "GREY", 0.5)
    found = data.varied(gradients(100), 6, (1, 2)).numpy()
    grey = np.ptp(found, axis=3).max(axis=(1, 2)) < 1e-2
    assert 30 < grey.sum() < 70


def test_light_and_colour_vary_from_picture_to_picture():
    pictures = tf.constant(np.full((50, 8, 8, 3), (100, 80, 60), "uint8"))
    found = data.varied(pictures, 4, (1, 2)).numpy()
    np.testing.assert_allclose(found, np.broadcast_to(found[:, :1, :1], found.shape), atol=1e-2)
    light, colour = found[:, 0, 0].mean(axis=1), np.ptp(found[:, 0, 0], axis=1)
    assert 80 * (1 - data.TINT) - 0.1 <= light.min() < 62 and 98 < light.max() <= 80 * (1 + data.TINT) + 0.1
    assert len(np.unique(np.round(colour / light, 3))) > 20
