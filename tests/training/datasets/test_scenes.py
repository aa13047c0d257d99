import hashlib
import re

import numpy as np
import pytest
import tensorflow as tf

from training.datasets import captions, scenes


@pytest.fixture(scope="module")
def composed():
    return scenes.compose()


def everything(composed):
    return [pair for split in composed.values() for pair in split]


def content(scene):
    return tuple(sorted(thing[:2] for thing in scene.things))


def test_sizes_and_form(composed):
    assert {split: len(found) for split, found in composed.items()} == {"train": 640, "validation": 80, "test": 80}
    dataset = scenes.load("test")
    assert dataset.element_spec == captions.dataset(["a"], ["b"], [["c"]]).element_spec
    rows = list(dataset.as_numpy_iterator())
    assert len({row["id"] for row in rows}) == len({row["image"] for row in rows}) == 80
    for row, (scene, texts) in zip(rows, composed["test"]):
        assert [text.decode() for text in row["captions"]] == texts
        np.testing.assert_array_equal(tf.io.decode_image(row["image"]), scenes.draw(scene))


def test_the_scenes_are_the_same_everywhere(composed):
    told = "\n".join(text for _, texts in everything(composed) for text in texts)
    assert (
        hashlib.sha256(told.encode()).hexdigest() == "97d47e8b5a462d4cd6ea52648c038916ba098d7e4d83d07243c5b3891d291317"
    )
    pixels = hashlib.sha256()
    for scene, _ in composed["test"]:
        pixels.update(scenes.draw(scene).tobytes())
    assert pixels.hexdigest() == "bdfb4b80141830594a002a5947b249b09e04467fb07fdd5f1ef228494ca6263a"


def test_what_a_test_scene_shows_is_not_in_training(composed):
    shown = {split: {content(scene) for scene, _ in found} for split, found in composed.items()}
    assert not shown["train"] & shown["test"]
    assert not shown["train"] & shown["validation"]
    assert not shown["validation"] & shown["test"]
    known = {word for _, texts in composed["train"] for text in texts for word in text.lower().split()}
    assert all(word in known for _, texts in composed["test"] for text in texts for word in text.lower().split())


def test_every_split_has_all_kinds_and_no_scene_twice(composed):
    for found in composed.values():
        assert {scene.kind for scene, _ in found} == {"one", "two", "equal"}
        assert {scene.background for scene, _ in found} == set(scenes.BACKGROUNDS)
        assert {scene.arrangement for scene, _ in found} >= {*scenes.RELATIONS, "row", "column"}
        assert len({(scene[2:], *(thing[:3] for thing in scene.things)) for scene, _ in found}) == len(found)
    things = {thing[:3] for scene, _ in composed["train"] for thing in scene.things}
    assert len(things) == len(scenes.SHAPES) * len(scenes.COLOURS) * 2


def test_captions_are_sentences_all_different(composed):
    for _, texts in everything(composed):
        assert len(set(texts)) == 5
        for text in texts:
            assert re.fullmatch(r"[A-Z][a-z]*( [a-z]+)+\.", text), text
            assert not re.search(r"\ba [aeiou]|\ban [^aeiou]", text, re.IGNORECASE), text


# The grammar read backwards: a thing as it is told, and where it is told to be.
THING = r"an?(?: (large|big|small|little))? (\w+) (circle|square|triangle|ring|cross)"
BEHIND = {"above": "above", "over": "above", "below": "below", "under": "below", "left": "left", "right": "right"}


def is_told(told, thing):
    size, colour, shape = told
    sizes = {"": thing.size, "big": "large", "little": "small"}
    return (sizes.get(size, size), colour, shape) == (thing.size, thing.colour, thing.shape)


def test_captions_of_two_things_are_true(composed):
    orders = set()
    for scene, texts in everything(composed):
        if scene.kind != "two":
            continue
        for text in texts:
            things = re.findall(THING, text.lower())
            assert len(things) == 2, text
            places = [[is_told(told, thing) for thing in scene.things].index(True) for told in things]
            assert sorted(places) == [0, 1], text
            relations = [BEHIND[word] for word in text.rstrip(".").split() if word in BEHIND]
            if not relations:
                assert text.endswith(f"on a {scene.background} background."), text
                continue
            (relation,) = relations
            # "a square with a circle above it": the second is above the first.
            subject, other = (scene.things[place] for place in (places[::-1] if " with " in text else places))
            orders.add((relation, places[0]))
            across, down = subject.x - other.x, subject.y - other.y
            seen = ("above" if down < 0 else "below") if abs(down) > abs(across) else "left" if across < 0 else "right"
            assert seen == relation, text
    assert len(orders) == 8


def test_captions_of_one_thing_are_true(composed):
    for scene, texts in everything(composed):
        if scene.kind != "one":
            continue
        (thing,) = scene.things
        for text in texts:
            (told,) = re.findall(THING, text.lower())
            assert is_told(told, thing), text
            for background in re.findall(r"\b(white|grey|black)\b", text):
                assert background == scene.background
            words = set(text.lower().rstrip(".").split())
            places = words & {"top", "bottom", "left", "right", "middle"}
            vertical = {"top"} if thing.y < 43 else {"bottom"} if thing.y > 85 else set()
            horizontal = {"left"} if thing.x < 43 else {"right"} if thing.x > 85 else set()
            if places:
                assert places == (vertical | horizontal or {"middle"}), text
            else:
                assert text.endswith(" background."), text


def test_captions_of_equal_things_are_true(composed):
    seen = set()
    for scene, texts in everything(composed):
        if scene.kind != "equal":
            continue
        number = {2: "two", 3: "three", 4: "four"}[len(scene.things)]
        first, last = scene.things[0], scene.things[-1]
        seen.add(number)
        for text in texts:
            told = re.search(r"(two|three|four) (?:small |little )?(\w+) (\w+?)(?:es|s)\b", text.lower())
            assert told.groups() == (number, first.colour, first.shape) or (
                told[3] + "e" == first.shape and told.groups()[:2] == (number, first.colour)
            ), text
            if re.search(r"\brow\b|side|next to", text, re.IGNORECASE):
                assert first.y == last.y and first.x < last.x, text
            elif re.search(r"column|one above|top to bottom", text, re.IGNORECASE):
                assert first.x == last.x and first.y < last.y, text
            else:
                assert text.endswith(" background."), text
    assert seen == {"two", "three", "four"}


def test_things_are_whole_and_apart(composed):
    for scene, _ in everything(composed):
        for i, thing in enumerate(scene.things):
            assert all(thing.radius <= place <= scenes.SIDE - thing.radius for place in (thing.x, thing.y))
            for other in scene.things[:i]:
                assert np.hypot(thing.x - other.x, thing.y - other.y) > thing.radius + other.radius


@pytest.mark.parametrize("shape", scenes.SHAPES)
def test_a_shape_is_drawn_where_it_is_said_to_be(shape):
    def mask(radius, x=64, y=64):
        thing = scenes.Thing(shape, "red", "large", x, y, radius)
        picture = scenes.draw(scenes.Scene("one", (thing,), "in the middle", "black"))
        return (picture[..., 0] > 110), picture

    there, picture = mask(24)
    assert picture.shape == (128, 128, 3) and picture.dtype == np.uint8
    rows, columns = np.nonzero(there)
    assert rows.min() >= 64 - 24 and rows.max() < 64 + 24 and columns.min() >= 64 - 24 and columns.max() < 64 + 24
    # The part of a square of twice the radius that each shape fills, by geometry.
    area = {
        "circle": np.pi / 4,
        "square": 1 / 2,
        "triangle": 3 * 3**0.5 / 16,
        "ring": np.pi / 4 * 0.7,
        "cross": 0.28 * (2 * 0.96 - 0.28),
    }[shape]
    assert there.sum() == pytest.approx(48**2 * area, rel=0.05)
    assert there[64, 64] == (shape != "ring")
    assert tuple(picture[64, 64 + 18 if shape == "ring" else 64]) == scenes.COLOURS["red"]
    assert tuple(picture[0, 0]) == scenes.BACKGROUNDS["black"]
    moved, _ = mask(24, 40, 90)
    np.testing.assert_array_equal(moved, np.roll(there, (26, -24), axis=(0, 1)))


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="Received: 'dev'"):
        scenes.load("dev")
