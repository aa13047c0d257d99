import io
import urllib.error

import keras
import numpy as np
import pytest
import tensorflow as tf
from PIL import Image

from seqkeras.export import operations
from seqkeras.models.encoder_decoder import SmoothedCrossentropy
from seqkeras.text.words import Vocabulary
from tests.training.captioning.conftest import GRID, SIZE, Looker
from training import Stop
from training.captioning import data
from training.captioning.__main__ import Config
from training.captioning.model import COMPACT, WIDTHS, Captioner, build, build_encoder, build_words_model
from training.datasets import scenes


@pytest.fixture(scope="module")
def model(saved):
    return tf.saved_model.load(str(saved))


@pytest.fixture(scope="module")
def images(few_scenes):
    return tf.constant([example["image"] for example in few_scenes["train"][:6]])


def captions(model, images):
    return [text.decode() for text in model.signatures["serving_default"](image=images)["caption"].numpy()]


def beams(model, images, width):
    return model.signatures["beam"](image=images, width=tf.constant(width))


def strings(tensor):
    return np.char.decode(np.array(tensor.numpy(), "bytes"), "utf-8").tolist()


def step_by_step(captioner, images):
    """What greedy decoding gives, with its log probability, one picture and one step after the other."""
    network, forbidden = captioner.model, [data.PAD, data.START, data.UNKNOWN]
    found = []
    for picture in captioner.pictures(images):
        state, memory = network.start(picture[None])
        token, ids, total = data.START, [], 0.0
        while token != data.END and len(ids) < 24:
            logits, state = network.step(tf.constant([token]), state, memory)
            logits = logits.numpy()[0].astype("float64")
            logits[forbidden] = -np.inf
            token = int(np.argmax(logits))
            ids.append(token)
            total += logits[token] - np.logaddexp.reduce(logits)
        found.append((ids, total))
    return found


# Words to sentences


@pytest.mark.parametrize(
    "ids, text",
    [
        ([4, 5, 3, 0], "A dog."),
        ([4, 5, 6, 8, 3], "A dog's hat."),
        ([7, 8, 3], "Élan hat."),
        ([9, 9, 3], "T-shirt t-shirt."),
        ([4, 5, 8, 7], "A dog hat élan."),  # cut where it became too long
        ([3, 0, 0], ""),
        ([0, 0], ""),
    ],
)
def test_sentences(looker, ids, text):
    found = looker.text(tf.constant([[ids, ids]]))
    assert found.shape == (1, 2) and strings(found) == [[text, text]]


def test_pictures_are_whole(looker, images):
    found = looker.pictures(images)
    assert found.shape == (6, SIZE, SIZE, 3) and found.dtype == tf.float32
    np.testing.assert_array_equal(found[4], data.decode(images[4], SIZE))


# A model that is known to look at the brightest place


@pytest.mark.parametrize("height, width", [(32, 32), (30, 200), (160, 40)])
@pytest.mark.parametrize("row, column", [(0, 0), (0, 2), (3, 1), (2, 3)])
def test_attention_lies_over_the_picture(looker, height, width, row, column):
    picture = np.zeros((height, width, 3), "uint8")
    top, left = height * row // GRID, width * column // GRID
    picture[top : top + height // GRID, left : left + width // GRID] = 255
    found = looker.attend(tf.constant([tf.io.encode_png(picture).numpy()]))
    assert strings(found["caption"]) == ["A dog's élan hat."]
    assert strings(found["tokens"]) == [["a", "dog", "'s", "élan", "hat"]]
    expected = np.zeros((5, GRID, GRID))
    expected[::2, row, column] = expected[1::2, -1, -1] = 1
    np.testing.assert_array_equal(found["attention"][0], expected)


def test_captions_of_different_lengths(images):
    class Short(Looker):
        """Ends at once where the picture is brightest in the upper half."""

        def step(self, ids, state, memory):
            logits, state = super().step(ids, state, memory)
            early = (memory["brightest"] < GRID**2 // 2) & (state["place"] == 2)
            return tf.where(early[:, None], tf.one_hot([data.END], self.vocabulary, 20.0), logits), state

    vocabulary = Vocabulary([*data.START_AND_END, "a", "dog"])
    captioner = Captioner(Short(len(vocabulary), [4, 5, 5, 4, data.END]), vocabulary, SIZE, 1, 0.0)
    halves = np.zeros((2, 8, 8, 3), "uint8")
    halves[0, :4] = halves[1, 4:] = 255
    found = captioner.attend(tf.constant([tf.io.encode_png(picture).numpy() for picture in halves]))
    assert strings(found["caption"]) == ["A.", "A dog dog a."]
    assert strings(found["tokens"]) == [["a", "", "", ""], ["a", "dog", "dog", "a"]]
    np.testing.assert_array_equal(found["attention"].numpy().sum(axis=(2, 3)), [[1, 0, 0, 0], [1, 1, 1, 1]])


# Beams


def test_saved_model_gives_the_same(model, captioner, images):
    # The scenes differ enough for this network to say different things of them.
    assert len(set(captions(model, images))) > 1
    assert captions(model, images) == strings(captioner.caption(images)["caption"])
    ours, theirs = captioner.beam(images, tf.constant(4)), beams(model, images, 4)
    assert strings(ours["captions"]) == strings(theirs["captions"])
    np.testing.assert_allclose(ours["scores"], theirs["scores"], rtol=1e-4)
    for name, value in captioner.attend(images).items():
        other = model.signatures["attend"](image=images)[name]
        if name == "attention":
            np.testing.assert_allclose(value, other, atol=1e-4)
        else:
            assert strings(value) == strings(other)


def test_saved_model_needs_no_other_library(model, saved):
    assert set(model.signatures) == {"serving_default", "beam", "attend", "encode"}
    own = set(tf.raw_ops.__dict__) | {"XlaDynamicUpdateSlice"}
    assert not [name for name in operations(saved) if name not in own and not name.startswith("_")]
    # Who shades the picture reads the grid from here.
    assert model.signatures["attend"].structured_outputs["attention"].shape[2:] == (GRID, GRID)


def test_one_beam_is_the_likeliest_word_at_every_step(model, captioner, images):
    found, expected = beams(model, images, 1), step_by_step(captioner, images)
    assert strings(found["captions"]) == [[strings(captioner.text(tf.constant(ids)))] for ids, _ in expected]
    scores = [total / ((5 + len(ids)) / 6) ** captioner.length_penalty for ids, total in expected]
    np.testing.assert_allclose(found["scores"][:, 0], scores, rtol=1e-3)


@pytest.mark.parametrize("width", [2, 7])
def test_beams_are_as_many_as_asked_the_best_first(model, images, width):
    found = beams(model, images, width)
    assert found["captions"].shape == found["scores"].shape == (6, width)
    assert (np.diff(found["scores"]) <= 0).all() and (found["scores"].numpy() < 0).all()
    assert all(len(set(row)) == width for row in strings(found["captions"]))


def test_plain_caption_is_the_first_beam(model, captioner, images):
    found = beams(model, images, captioner.width)["captions"]
    assert (
        strings(found[:, 0]) == captions(model, images) == strings(model.signatures["attend"](image=images)["caption"])
    )


@pytest.mark.parametrize("width, expected", [(0, 1), (-3, 1), (1000, WIDTHS[1]), (2**31 - 1, WIDTHS[1])])
def test_width_is_kept_within_its_range(model, images, width, expected):
    assert beams(model, images[:1], width)["captions"].shape == (1, expected)


def test_each_picture_has_its_own_caption(model, images):
    assert captions(model, images) == [captions(model, image[None])[0] for image in images]
    together = model.signatures["attend"](image=images)
    for row in (0, 3):
        alone = model.signatures["attend"](image=images[row : row + 1])
        number = alone["tokens"].shape[1]
        assert strings(together["tokens"][row, :number]) == strings(alone["tokens"][0])
        np.testing.assert_allclose(together["attention"][row, :number], alone["attention"][0], atol=1e-4)
    grids = model.signatures["encode"](image=images)["features"]
    np.testing.assert_allclose(grids[3], model.signatures["encode"](image=images[3:4])["features"][0], atol=1e-4)


def test_no_pictures_no_captions(model):
    none = tf.zeros((0,), tf.string)
    assert captions(model, none) == []
    found = beams(model, none, 4)
    assert found["captions"].shape == found["scores"].shape == (0, 4)
    found = model.signatures["attend"](image=none)
    assert found["caption"].shape == (0,) and found["tokens"].shape == (0, 0)
    assert found["attention"].shape == (0, 0, GRID, GRID)
    assert model.signatures["encode"](image=none)["features"].shape == (0, GRID, GRID, 8)


def test_what_is_no_picture_is_an_error(model, images):
    for content in (b"", b"no picture", images[0].numpy()[:200]):
        with pytest.raises(tf.errors.InvalidArgumentError):
            captions(model, tf.constant([images[0].numpy(), content]))


def test_attention_is_shared_out_word_by_word(model, images):
    found = {name: value.numpy() for name, value in model.signatures["attend"](image=images).items()}
    there = found["tokens"] != b""
    assert found["attention"].shape == (*there.shape, GRID, GRID) and (found["attention"] >= 0).all()
    np.testing.assert_allclose(found["attention"].sum(axis=(2, 3)), there.astype(float), atol=1e-4)
    assert there.any(axis=0).all()  # no longer than the longest
    for words, caption in zip(found["tokens"], found["caption"]):
        text = b" ".join(word for word in words if word).decode().replace(" '", "'")
        assert caption.decode() == text[:1].upper() + text[1:] + "."


@pytest.mark.parametrize("attention", ["bahdanau", None])
def test_only_words_are_written(tiny, vocabulary, images, attention):
    network = tiny(attention=attention)
    bias = np.zeros(len(vocabulary))
    bias[[data.PAD, data.START, data.UNKNOWN]] = 1e4
    network.output_bias.assign(bias)
    captioner = Captioner(network, vocabulary, SIZE, width=2, length_penalty=0.0)
    assert captioner.attends == (attention is not None)
    found = captioner.beam(images, tf.constant(2))
    assert np.isfinite(found["scores"]).all()
    for text in sum(strings(found["captions"]), []):
        assert text[0].isupper() and text[-1] == "." and set(data.words_of(text)) <= set(vocabulary.words[2:])


def test_a_model_that_has_nothing_to_say(tiny, vocabulary, images):
    network = tiny()
    network.output_bias.assign(1e4 * tf.one_hot(data.END, len(vocabulary)))
    found = Captioner(network, vocabulary, SIZE, width=1, length_penalty=0.0).attend(images)
    assert strings(found["caption"]) == [""] * 6
    assert found["tokens"].shape == (6, 0) and found["attention"].shape == (6, 0, GRID, GRID)


def test_all_forms_of_pictures_side_by_side(model):
    picture = Image.fromarray(scenes.draw(scenes.compose()["test"][0][0]))
    files = []
    for form in ("PNG", "BMP", "GIF", "JPEG"):
        stream = io.BytesIO()
        picture.save(stream, form, **({"quality": 95} if form == "JPEG" else {}))
        files.append(stream.getvalue())
    features = model.signatures["encode"](image=tf.constant(files))["features"].numpy()
    np.testing.assert_array_equal(features[0], features[1])
    for other in features[2:]:  # a palette and JPEG lose a little
        assert np.abs(other - features[0]).max() < 0.2 * np.abs(features[0]).max()


# Encoders


def test_the_first_lesson_is_which_words_are_there():
    config = Config(crop=32)
    encoder = build_encoder(config)
    model = build_words_model(encoder, config, 7)
    pictures = np.random.default_rng(0).uniform(0, 255, (2, 32, 32, 3)).astype("float32")
    assert model(pictures).shape == (2, 7)
    # What the encoder learns there is what captions begin with.
    assert {id(weight) for weight in encoder.trainable_variables} < {id(weight) for weight in model.trainable_variables}
    dense = model.get_layer("words")
    np.testing.assert_allclose(
        model(pictures), np.mean(encoder(pictures), axis=1) @ dense.kernel.numpy() + dense.bias, atol=1e-4
    )


def test_a_net_of_keras_applications(vocabulary, images):
    config = Config(encoder="MobileNet-v2", crop=32, size=64, embedding_size=8, units=6)
    before = keras.config.dtype_policy()
    model = build(config, build_encoder(config), len(vocabulary))
    assert keras.config.dtype_policy() == before
    model.compile("sgd", SmoothedCrossentropy(), run_eagerly=True)
    inputs = {"source": np.full((2, 32, 32, 3), 200.0, "float32"), "target": np.array([[2, 5, 6], [2, 7, 0]])}
    loss = model.train_on_batch(inputs, np.array([[5, 6, 3], [7, 3, 0]]))
    assert np.isfinite(loss)
    found = Captioner(model, vocabulary, config.size, width=1, length_penalty=0.0).attend(images[:2])
    assert found["attention"].shape[2:] == (2, 2)
    # It takes pixels as they are, and does itself what the net wants done with them.
    net = model.encoder.backbone.layers[-1]
    pictures = np.random.default_rng(0).uniform(0, 255, (1, 32, 32, 3)).astype("float32")
    expected = net(keras.applications.mobilenet_v2.preprocess_input(pictures.copy()))
    np.testing.assert_allclose(model.encoder.grid(pictures), expected, atol=1e-4)


def test_encoders_that_there_are_not():
    with pytest.raises(Stop, match=f"no encoder resnet-17. Give {COMPACT}, or one of .*mobilenetv3small, .*resnet50"):
        build_encoder(Config(encoder="resnet-17"))


def test_weights_that_cannot_be_had(monkeypatch, tmp_path):
    def no_network(*arguments, **options):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", no_network)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    monkeypatch.setenv("HOME", str(tmp_path))
    for weights in ("imagenet", str(tmp_path / "nowhere.h5")):
        with pytest.raises(Stop, match=f"weights {weights} of mobilenet-v2 cannot be had"):
            build_encoder(Config(encoder="mobilenet-v2"), weights=weights)
