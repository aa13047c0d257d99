"""The shipped captioner as a TensorFlow engineer meets it: a folder, and a process that knows no seqkeras."""

import base64
import io
import json
import pathlib

import numpy as np
import pytest
from PIL import Image, ImageDraw

from tests.saved_models import bare

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models" / "captioning"

pytestmark = pytest.mark.skipif(
    not (FOLDER / "saved_model.pb").exists(),
    reason="there is no saved_models/captioning yet: python -m training.captioning makes it",
)

CODE = """
import base64
model = tf.saved_model.load(sys.argv[1])
signatures = model.signatures
given = {name: tf.constant([base64.b64decode(file) for file in files], tf.string)
         for name, files in json.load(sys.stdin).items()}

def listed(found):
    return {name: np.char.decode(np.array(value.numpy(), "bytes"), "utf-8").tolist() if value.dtype == tf.string
            else value.numpy().tolist() for name, value in found.items()}

import numpy as np
results = {"signatures": {name: [
    {key: [spec.dtype.name, str(spec.shape)] for key, spec in signature.structured_input_signature[1].items()},
    {key: [spec.dtype.name, str(spec.shape)] for key, spec in signature.structured_outputs.items()},
] for name, signature in signatures.items()}}
for name in ("scenes", "forms", "odd"):
    results[name] = listed(signatures["serving_default"](image=given[name]))["caption"]
scenes = given["scenes"]
for width in (1, 4, -3, 1000):
    results[f"width {width}"] = listed(signatures["beam"](image=scenes, width=tf.constant(width)))
results["attend"] = listed(signatures["attend"](image=scenes))
results["encode"] = signatures["encode"](image=given["forms"])["features"].numpy().tolist()
nothing = tf.constant([], tf.string)
results["none"] = {name: [value.shape.as_list() for value in signatures[name](image=nothing).values()]
                   for name in ("serving_default", "attend", "encode")}
results["errors"] = []
for file in given["bad"]:
    try:
        results["errors"].append(listed(signatures["serving_default"](image=tf.stack([scenes[0], file]))))
    except tf.errors.OpError as error:
        results["errors"].append(type(error).__name__)
print(json.dumps(results))
"""


def draw(sky, ground, thing, place):
    """A field under a sky with something on it, a little noisy: an RGB picture of 240 by 160 pixels."""
    picture = Image.new("RGB", (240, 160), sky)
    pencil = ImageDraw.Draw(picture)
    pencil.rectangle((0, 90, 240, 160), fill=ground)
    pencil.ellipse((place, 60, place + 50, 120), fill=thing)
    noise = np.random.default_rng(place).normal(0, 8, (160, 240, 3))
    return Image.fromarray(np.clip(np.array(picture) + noise, 0, 255).astype("uint8"))


def file(picture, form="PNG", **options):
    stream = io.BytesIO()
    picture.save(stream, form, **options)
    return stream.getvalue()


SCENES = [
    draw((120, 170, 230), (60, 140, 50), (130, 90, 50), 40),
    draw((140, 180, 220), (30, 80, 150), (230, 230, 230), 120),
    draw((230, 230, 240), (240, 240, 250), (200, 30, 30), 90),
    Image.new("RGB", (100, 100), "black"),
]
FIRST = SCENES[0]
FORMS = [
    file(FIRST),
    file(FIRST, "BMP"),
    file(FIRST.convert("RGBA")),
    file(FIRST, "JPEG", quality=97, subsampling=0),
    file(FIRST.convert("CMYK"), "JPEG", quality=97, subsampling=0),
]
ODD = [
    file(FIRST.convert("L"), "JPEG"),
    file(FIRST.convert("LA")),
    file(FIRST.quantize(8), bits=4),
    file(FIRST, "GIF", save_all=True, append_images=SCENES[1:3]),
    file(Image.new("RGBA", (50, 40), (0, 0, 0, 0))),
    file(Image.new("RGB", (1, 1))),
    file(Image.new("RGB", (3000, 2), "red"), "JPEG"),
]
BAD = [
    b"",
    b"\xff",
    b"no picture at all",
    file(FIRST, "JPEG")[:-500],
    file(FIRST)[:-500],
    b"\x89PNG\r\n\x1a\n",
    b"GIF89a",
]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    given = {"scenes": [file(picture) for picture in SCENES], "forms": FORMS, "odd": ODD, "bad": BAD}
    given = {name: [base64.b64encode(content).decode() for content in files] for name, files in given.items()}
    return bare.run(CODE, FOLDER, given, tmp_path_factory.mktemp("elsewhere"))


def test_signatures(results):
    image, batch = {"image": ["string", "(None,)"]}, {"caption": ["string", "(None,)"]}
    found = results["signatures"]
    assert set(found) == {"serving_default", "beam", "attend", "encode"}
    assert found["serving_default"] == [image, batch]
    assert found["beam"][0] == image | {"width": ["int32", "()"]}
    assert {name: dtype for name, (dtype, _) in found["beam"][1].items()} == {"captions": "string", "scores": "float32"}
    assert found["attend"][0] == found["encode"][0] == image
    assert set(found["attend"][1]) == {"caption", "tokens", "attention"}


def test_captions_are_sentences(results):
    for text in results["scenes"] + results["forms"] + results["odd"]:
        assert text[0].isupper() and text.endswith(".") and " ." not in text and "<" not in text
        assert 3 <= len(text.split()) <= 24
    assert len(results["odd"]) == len(ODD)
    assert len(set(results["scenes"])) > 1


def test_the_form_of_the_file_does_not_matter(results):
    features = np.array(results["encode"])
    np.testing.assert_allclose(features[1:3], features[[0, 0]], atol=1e-3)
    assert np.abs(features[3:] - features[0]).mean() < 0.1 * np.abs(features[0]).mean()
    assert results["forms"][0] == results["forms"][1] == results["forms"][2] == results["scenes"][0]


def test_beams_come_best_first_and_numbers_out_of_range_are_kept_within(results):
    config = json.loads((FOLDER / "config.json").read_text())
    assert config["width"] == 3
    for width, expected in ((1, 1), (4, 4), (-3, 1), (1000, 20)):
        found = results[f"width {width}"]
        captions, scores = np.array(found["captions"]), np.array(found["scores"])
        assert captions.shape == scores.shape == (len(SCENES), expected)
        assert (np.diff(scores) <= 0).all() and (scores < 0).all()
        assert all(len(set(row)) == expected for row in captions.tolist())
    assert results["width -3"] == results["width 1"]


def test_attention_is_of_the_words_of_the_caption(results):
    found = results["attend"]
    assert found["caption"] == results["scenes"]
    attention, tokens = np.array(found["attention"]), np.array(found["tokens"])
    assert attention.shape[:2] == tokens.shape and attention.shape[2] == attention.shape[3] > 1
    assert list(attention.shape[2:]) == json.loads(
        results["signatures"]["attend"][1]["attention"][1].replace("(None, None, ", "[").replace(")", "]")
    )
    assert (attention >= 0).all()
    np.testing.assert_allclose(attention.sum(axis=(2, 3)), tokens != "", atol=1e-3)
    for words, caption in zip(found["tokens"], found["caption"]):
        text = " ".join(word for word in words if word).replace(" '", "'")
        assert caption == text[0].upper() + text[1:] + "."


def test_no_pictures_no_captions(results):
    none = results["none"]
    assert none["serving_default"] == [[0]] and none["encode"][0][0] == 0
    assert sorted(map(len, none["attend"])) == [1, 2, 4] and all(shape[0] == 0 for shape in none["attend"])


def test_what_is_no_picture_is_an_error_of_tensorflows(results):
    assert results["errors"] == ["InvalidArgumentError"] * len(BAD)


def test_papers_lie_beside_it():
    metrics = json.loads((FOLDER / "metrics.json").read_text())
    card = (FOLDER / "model_card.md").read_text()
    beam = metrics["test"]["beam"]
    assert metrics["test"]["pictures"] == 1000 and beam["bleu1"] >= 55 and beam["bleu4"] >= 11
    assert f"{beam['bleu4']:.1f}" in card and f"{beam['cider']:.3f}" in card and metrics["test"]["signature"] in card
    assert "{" not in card
    assert json.loads((FOLDER / "config.json").read_text())["dataset"] == "flickr8k"
