"""Pictures that the project draws itself, with captions, for `--dataset sample`: no download, the same everywhere.

A scene is a thing in one of nine places, two things of which one is above the other or beside it, or two to four equal
things in a row or a column, on a plain background. Things have a shape, a colour and a size. A small grammar says what
is there in five ways, all of them true: from either side ("a red circle above a blue square", "a blue square below a
red circle"), with the size and the background or without.

What a scene shows, places and sizes aside (a red circle with a blue square; three green rings), is in one split only,
so a test picture asks for a caption that puts known words together anew.
"""

import collections
import itertools
import random

import numpy as np
import tensorflow as tf

from training.datasets import captions

SIZES = {"train": 640, "validation": 80, "test": 80}
SIDE = 128  # pixels
CAPTIONS = 5
FINENESS = 3  # points a pixel is measured at, across and down, which smooths the edges

COLOURS = {
    "red": (205, 45, 45),
    "green": (50, 150, 70),
    "blue": (50, 85, 205),
    "yellow": (235, 205, 50),
    "orange": (240, 135, 35),
    "purple": (140, 65, 165),
}
BACKGROUNDS = {"white": (246, 246, 246), "grey": (150, 150, 150), "black": (22, 22, 22)}
SHAPES = ("circle", "square", "triangle", "ring", "cross")
# The radius of the circle around a thing, in pixels: the smallest and the largest.
RADII = {"large": (23, 27), "small": (10, 13)}
WORDS = {"large": ("large", "big"), "small": ("small", "little")}
PLACES = (
    ("in the top left corner", "at the top", "in the top right corner"),
    ("on the left", "in the middle", "on the right"),
    ("in the bottom left corner", "at the bottom", "in the bottom right corner"),
)
# Where the first thing is, seen from the second.
RELATIONS = {
    "above": ("above", "over"),
    "below": ("below", "under"),
    "left": ("left of", "to the left of"),
    "right": ("right of", "to the right of"),
}
CONVERSE = {"above": "below", "below": "above", "left": "right", "right": "left"}
NUMBERS = {2: "two", 3: "three", 4: "four"}

Thing = collections.namedtuple("Thing", ["shape", "colour", "size", "x", "y", "radius"])  # the last three in pixels
# arrangement: a place, a relation, "row" or "column".
Scene = collections.namedtuple("Scene", ["kind", "things", "arrangement", "background"])


def load(split, manual_dir=None, data_dir=None):
    """The scenes of a split, "train" (640), "validation" or "test" (80 each).

    Args:
        manual_dir, data_dir: not used; they are there because the other data sets have them.

    Returns:
        A `tf.data.Dataset` of single examples as `training.datasets.captions` describes them: PNG files of 128 by 128
        pixels, five captions each.
    """
    captions.check(split)
    scenes = compose()[split]
    return captions.dataset(
        ids=[f"{split}/{number}" for number in range(len(scenes))],
        images=[tf.io.encode_png(draw(scene)).numpy() for scene, _ in scenes],
        captions=[texts for _, texts in scenes],
    )


def compose(seed=0):
    """All scenes with their captions: dict from a split to a list of (Scene, list of five different str)."""
    generator = random.Random(seed)

    def pick(items):
        # Of Python's generator only random() is promised to give the same numbers in every version.
        return items[int(generator.random() * len(items))]

    coloured = tuple(itertools.product(SHAPES, COLOURS))
    contents = {
        "one": [(thing,) for thing in coloured],
        "two": list(itertools.combinations(coloured, 2)),
        "equal": [(thing,) * number for thing in coloured for number in NUMBERS],
    }
    shares = {}
    for kind, found in contents.items():
        found.sort(key=lambda _: generator.random())
        tenth = len(found) // 10
        shares[kind] = {"validation": found[:tenth], "test": found[tenth : 2 * tenth], "train": found[2 * tenth :]}
    composed = {split: [] for split in SIZES}
    for split, written in composed.items():
        turns = {kind: itertools.cycle(share[split]) for kind, share in shares.items()}
        seen = set()
        # Half of the scenes have two things, of which there are the most ways.
        for kind in itertools.cycle(("two", "one", "two", "equal")):
            if len(written) == SIZES[split]:
                break
            scene = _scene(kind, next(turns[kind]), pick)
            # All that a caption can tell of it.
            look = (scene.arrangement, scene.background, *(thing[:3] for thing in scene.things))
            if look not in seen:
                seen.add(look)
                written.append((scene, _captions(scene, pick)))
    return composed


def draw(scene):
    """The picture of a scene: uint8 NumPy array `(128, 128, 3)`."""
    picture = np.empty((SIDE, SIDE, 3))
    picture[:] = BACKGROUNDS[scene.background]
    points = (np.arange(SIDE * FINENESS) + 0.5) / FINENESS
    for thing in scene.things:
        x, y = (points[None, :] - thing.x) / thing.radius, (points[:, None] - thing.y) / thing.radius
        inside = _inside(thing.shape, x, y).reshape(SIDE, FINENESS, SIDE, FINENESS).mean(axis=(1, 3))[..., None]
        picture = picture * (1 - inside) + np.array(COLOURS[thing.colour]) * inside
    return np.round(picture).astype(np.uint8)


def _inside(shape, x, y):
    """Whether points are inside a shape around the origin whose corners or rim are at distance 1."""
    distance = x * x + y * y
    across, down = abs(x), abs(y)
    if shape == "circle":
        return distance <= 1
    if shape == "ring":
        return (distance <= 1) & (distance >= 0.3)
    if shape == "square":
        return np.maximum(across, down) <= 0.5**0.5
    if shape == "cross":
        return (np.minimum(across, down) <= 0.28) & (np.maximum(across, down) <= 0.96)
    # Of the triangle with equal sides, upright: below its two upper edges and above the lower one.
    return (y <= 0.5) & (3**0.5 * across <= y + 1)


def _scene(kind, content, pick):
    def between(low, high):
        return low + pick(range(high - low + 1))

    def thing(shape_and_colour, x, y, size=None):
        size = size or pick(tuple(RADII))
        return Thing(*shape_and_colour, size, x, y, between(*RADII[size]))

    background = pick(tuple(BACKGROUNDS))
    if kind == "one":
        row, column = pick(range(3)), pick(range(3))
        # 32 pixels from place to place: each is told from the next by more than a thing moves.
        x, y = (SIDE // 4 * (place + 1) + between(-4, 4) for place in (column, row))
        return Scene(kind, (thing(content[0], x, y),), PLACES[row][column], background)
    if kind == "two":
        relation = pick(tuple(RELATIONS))
        near, far = 32 + between(-3, 2), 96 + between(-2, 3)
        along = (near, far) if relation in ("above", "left") else (far, near)
        middle = SIDE // 2 + between(-20, 20)
        beside = (middle + between(-6, 6), middle + between(-6, 6))
        places = zip(beside, along) if relation in ("above", "below") else zip(along, beside)
        first, second = content if pick((True, False)) else content[::-1]
        things = tuple(thing(what, x, y) for what, (x, y) in zip((first, second), places))
        return Scene(kind, things, relation, background)
    arrangement, step = pick(("row", "column")), 30
    start = SIDE / 2 - step * (len(content) - 1) / 2 + between(-4, 4)
    beside = SIDE // 2 + between(-30, 30)
    radius = between(*RADII["small"])
    places = [(start + step * i, beside) if arrangement == "row" else (beside, start + step * i) for i in range(4)]
    things = tuple(Thing(*what, "small", x, y, radius) for what, (x, y) in zip(content, places))
    return Scene(kind, things, arrangement, background)


def _captions(scene, pick):
    ways = {"one": _ways_of_one, "two": _ways_of_two, "equal": _ways_of_equal}[scene.kind](scene, pick)
    while len(ways) > CAPTIONS:
        ways.remove(pick(ways))
    return [text[0].upper() + text[1:] + "." for text in ways]


def _ways_of_one(scene, pick):
    (thing,), place, background = scene.things, scene.arrangement, scene.background
    return [
        f"{_a(thing, pick)} {place}",
        f"there is {_a(thing, pick)} {place}",
        f"{place} of the picture is {_a(thing, pick)}",
        f"{_a(thing, pick)} {place} of a {background} picture",
        f"{_a(thing, pick)} on a {background} background",
        f"a {background} picture with {_a(thing, pick)} {place}",
    ]


def _ways_of_two(scene, pick):
    first, second = scene.things
    there, back = RELATIONS[scene.arrangement], RELATIONS[CONVERSE[scene.arrangement]]
    return [
        f"{_a(first, pick)} {pick(there)} {_a(second, pick)}",
        f"{_a(second, pick)} {pick(back)} {_a(first, pick)}",
        f"there is {_a(first, pick)} {pick(there)} {_a(second, pick)}",
        f"{_a(second, pick)} is {pick(back)} {_a(first, pick)}",
        f"{_a(second, pick)} with {_a(first, pick)} {pick(there)} it",
        f"{_a(first, pick)} and {_a(second, pick)} on a {scene.background} background",
    ]


def _ways_of_equal(scene, pick):
    thing, number, background = scene.things[0], NUMBERS[len(scene.things)], scene.background
    things = f"{thing.colour} {thing.shape}{'es' if thing.shape == 'cross' else 's'}"
    row = scene.arrangement == "row"
    return [
        f"{number} {things} in a {scene.arrangement}",
        f"there are {number} {things} {'side by side' if row else 'one above the other'}",
        f"a {scene.arrangement} of {number} {things}",
        f"{number} small {things} on a {background} background",
        f"{number} {things} {'next to each other' if row else 'in a line from top to bottom'}",
        f"{number} little {things} in a {scene.arrangement} on a {background} background",
    ]


def _a(thing, pick):
    """The thing with its article, a third of the time without its size."""
    words = f"{pick((*WORDS[thing.size], ''))} {thing.colour} {thing.shape}".strip()
    return f"{'an' if words[0] in 'aeiou' else 'a'} {words}"
