"""Sample pictures for the captioning page, drawn when they are asked for: each is computed, none is a file."""

import io
from collections.abc import Callable, Sequence
from functools import lru_cache

import numpy as np
from PIL import Image, ImageChops, ImageDraw, ImageFilter

# Drawn twice as large and shrunk, which smooths all edges.
_WIDE, _HIGH = 960, 720

Colour = tuple[int, int, int]
Points = Sequence[tuple[float, float]]


@lru_cache(maxsize=8)
def draw(name: str) -> bytes:
    """The JPEG of a sample, 480 wide and 360 high.

    Args:
        name: a key of SAMPLES.
    """
    picture = _DRAWN[name](np.random.default_rng(8))
    # As a lens does: a little darker towards the corners, and a grain.
    rows, columns = np.mgrid[-1 : 1 : _HIGH * 1j, -1 : 1 : _WIDE * 1j]
    light = 1 - 0.16 * (rows**2 + columns**2) / 2
    grain = np.random.default_rng(3).normal(0, 3.5, (_HIGH, _WIDE, 1))
    values = np.asarray(picture.convert("RGB"), np.float32) * light[..., None] + grain
    picture = Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)).resize((_WIDE // 2, _HIGH // 2))
    out = io.BytesIO()
    picture.save(out, "JPEG", quality=90)
    return out.getvalue()


def _dog(random: np.random.Generator) -> Image.Image:
    picture = _gradient((186, 210, 226), (222, 232, 226))
    _trees(picture, random, (52, 92, 48), bottom=330)
    _ground(picture, random, 310, (112, 150, 58), (70, 118, 36), blades=True)
    _shadow(picture, (500, 606), (270, 26))
    brown, dark = (150, 92, 46), (96, 56, 28)
    # The legs of the far side first.
    _limb(picture, [(392, 470), (330, 520), (268, 548), (238, 584)], [44, 28, 20, 22], dark)
    _limb(picture, [(622, 480), (684, 520), (742, 540), (786, 566)], [40, 28, 20, 22], dark)
    _limb(picture, [(362, 420), (296, 378), (246, 322), (222, 276)], [26, 22, 16, 8], brown)
    body = [(346, 410), (420, 376), (520, 380), (606, 364), (672, 386), (690, 446), (652, 500), (560, 500), (470, 482)]
    _blob(picture, [*body, (400, 506), (350, 478)], brown, random, fur=9)
    _limb(picture, [(384, 462), (366, 530), (306, 562), (282, 606)], [70, 36, 22, 24], brown)
    _limb(picture, [(642, 462), (668, 530), (724, 566), (756, 600)], [62, 34, 22, 24], brown)
    _limb(picture, [(648, 420), (690, 366), (716, 322)], [96, 76, 64], brown)
    _blob(picture, [(668, 296), (706, 258), (756, 262), (790, 292), (840, 306), (846, 330), (806, 348), (742, 356)],
          brown, random, fur=8)  # fmt: skip
    _blob(picture, [(796, 318), (842, 308), (850, 326), (812, 346), (776, 346)], (196, 150, 104), random)
    _blob(picture, [(706, 258), (684, 270), (668, 326), (684, 368), (706, 352), (722, 298)], dark, random, fur=7)
    _blob(picture, [(816, 344), (826, 376), (812, 384), (800, 350)], (214, 104, 112), random)
    pen = ImageDraw.Draw(picture)
    pen.ellipse((834, 298, 858, 318), fill=(28, 22, 22))
    pen.ellipse((756, 284, 770, 300), fill=(24, 18, 16))
    pen.ellipse((761, 287, 765, 291), fill=(240, 240, 240))
    _limb(picture, [(676, 372), (714, 394), (748, 386)], [13, 13, 13], (186, 36, 40))
    _blades(picture, random, (86, 136, 42), rows=(590, 720), number=900)
    return picture


def _beach(random: np.random.Generator) -> Image.Image:
    picture = _gradient((92, 160, 220), (206, 228, 240))
    _clouds(picture, random, top=0, bottom=190)
    sea = _gradient((28, 96, 140), (92, 178, 190), 210, 430)
    picture.paste(sea, (0, 210))
    _waves(picture, random, 214, 430)
    _ground(picture, random, 420, (214, 188, 140), (232, 206, 160))
    _foam(picture, random)
    _shadow(picture, (400, 640), (150, 18))
    skin, shade, hair = (226, 172, 134), (200, 144, 108), (108, 70, 36)
    _limb(picture, [(366, 506), (352, 566), (350, 632)], [40, 33, 24], shade)
    _limb(picture, [(428, 506), (446, 566), (458, 630)], [40, 33, 24], skin)
    _limb(picture, [(340, 640), (356, 636)], [20, 22], shade)
    _limb(picture, [(456, 638), (478, 640)], [22, 20], skin)
    _limb(picture, [(344, 352), (304, 400), (272, 356)], [30, 25, 20], shade)
    _blob(picture, [(346, 334), (396, 324), (450, 334), (452, 400), (444, 470), (398, 478), (350, 470), (342, 400)],
          skin, random)  # fmt: skip
    _blob(picture, [(346, 448), (398, 440), (446, 448), (464, 536), (410, 546), (398, 516), (386, 546), (332, 536)],
          (204, 48, 54), random)  # fmt: skip
    _limb(picture, [(452, 352), (494, 404), (516, 456)], [30, 25, 20], skin)
    _limb(picture, [(398, 330), (398, 310)], [30, 30], shade)
    _blob(picture, [(356, 262), (368, 222), (400, 210), (434, 222), (444, 264), (430, 302), (400, 316), (370, 302)],
          skin, random)  # fmt: skip
    _blob(picture, [(350, 266), (352, 222), (392, 192), (438, 206), (452, 256), (444, 264), (430, 236), (384, 236)],
          hair, random, fur=10)  # fmt: skip
    pen = ImageDraw.Draw(picture)
    for x in (384, 416):
        pen.ellipse((x - 5, 258, x + 5, 270), fill=(40, 30, 26))
    pen.arc((382, 268, 420, 296), 20, 160, fill=(150, 66, 60), width=4)
    # A bucket in one hand, and a castle of sand.
    pen.arc((480, 442, 560, 540), 180, 360, fill=(60, 60, 66), width=5)
    _blob(picture, [(478, 492), (562, 492), (552, 566), (490, 566)], (32, 110, 190), random, smooth=False)
    _shadow(picture, (726, 640), (150, 22))
    for x, high in ((640, 66), (726, 120), (806, 74)):
        _blob(picture, [(x - 46, 640), (x - 36, 640 - high), (x + 36, 640 - high), (x + 46, 640)], (206, 172, 118),
              random, smooth=False, fur=14)  # fmt: skip
        for step in (-28, 0, 28):
            pen.rectangle((x + step - 8, 626 - high, x + step + 8, 642 - high), fill=(198, 162, 108))
    pen.line((726, 512, 726, 440), fill=(120, 90, 60), width=5)
    pen.polygon([(728, 440), (784, 456), (728, 474)], fill=(236, 190, 40))
    return picture


def _snow(random: np.random.Generator) -> Image.Image:
    picture = _gradient((48, 112, 190), (176, 208, 236))
    far = [(0, 400), (110, 250), (190, 300), (330, 120), (430, 250), (520, 190), (680, 330), (800, 240), (960, 360)]
    _blob(picture, [*far, (960, 720), (0, 720)], (168, 188, 214), random, smooth=False)
    pen = ImageDraw.Draw(picture)
    for points in (
        [(330, 120), (286, 184), (318, 176), (336, 216), (366, 172), (392, 200)],
        [(110, 250), (82, 290), (112, 282), (138, 300), (150, 274)],
        [(520, 190), (480, 220), (512, 226), (536, 254), (566, 222)],
    ):
        pen.polygon(points, fill=(240, 246, 252))
    hill = _curve([(-40, 560), (160, 470), (420, 420), (700, 330), (1000, 280), (1000, 800), (-40, 800)])
    _blob(picture, hill, (232, 240, 250), random, smooth=False, shading=0.12)
    for x, y, size in ((70, 500, 120), (150, 472, 90), (868, 316, 120), (926, 306, 96)):
        for part in range(4):
            width, top = size * (0.16 + 0.09 * part), y - size + size * 0.2 * part
            pen.polygon([(x, top - size * 0.1), (x - width, top + size * 0.3), (x + width, top + size * 0.3)],
                        fill=(34 + 6 * part, 66 + 6 * part, 56 + 4 * part))  # fmt: skip
    for offset in (0, 26):
        track = _curve(
            [(-60, 676 + offset), (240, 640 + offset), (420, 610 + offset), (560, 566 + offset)], closed=False
        )
        pen.line(track, fill=(200, 214, 234), width=8)
    _shadow(picture, (560, 626), (190, 16), strength=90, colour=(60, 84, 130))
    trousers, jacket, dark = (38, 44, 62), (206, 40, 44), (164, 28, 36)
    for points in ([(404, 628), (720, 560), (756, 536)], [(424, 648), (740, 580), (776, 556)]):
        pen.line(points, fill=(236, 178, 40), width=9, joint="curve")
    _limb(picture, [(560, 470), (604, 520), (570, 590)], [48, 42, 34], (28, 32, 48))
    _limb(picture, [(548, 470), (580, 534), (544, 604)], [50, 44, 34], trousers)
    _limb(picture, [(548, 606), (582, 598)], [32, 28], (24, 24, 28))
    _limb(picture, [(606, 366), (652, 412), (694, 396)], [36, 32, 24], dark)
    _blob(picture, [(556, 330), (606, 326), (634, 362), (616, 430), (590, 486), (530, 488), (524, 430), (536, 368)],
          jacket, random)  # fmt: skip
    pen.line([(700, 392), (624, 612)], fill=(60, 60, 70), width=5)
    pen.line([(690, 398), (786, 540)], fill=(60, 60, 70), width=5)
    _limb(picture, [(566, 362), (616, 424), (676, 408)], [40, 34, 26], jacket)
    _limb(picture, [(676, 406), (698, 398)], [26, 26], (30, 30, 36))
    _blob(picture, [(578, 292), (600, 266), (632, 272), (644, 300), (632, 326), (602, 334), (582, 318)],
          (224, 176, 144), random)  # fmt: skip
    _blob(picture, [(574, 302), (572, 266), (604, 244), (640, 258), (646, 284), (616, 278), (590, 300)],
          (40, 92, 160), random)  # fmt: skip
    _limb(picture, [(606, 290), (642, 298)], [20, 20], (236, 150, 40))
    flakes = Image.new("L", picture.size)
    spots = ImageDraw.Draw(flakes)
    for x, y, size in zip(random.uniform(0, _WIDE, 90), random.uniform(0, _HIGH, 90), random.uniform(1, 5, 90)):
        spots.ellipse((x - size, y - size, x + size, y + size), fill=210)
    picture.paste("white", mask=flakes.filter(ImageFilter.GaussianBlur(1.5)))
    return picture


def _bicycle(random: np.random.Generator) -> Image.Image:
    picture = _gradient((150, 190, 226), (226, 234, 236))
    _clouds(picture, random, top=0, bottom=200)
    _trees(picture, random, (60, 104, 56), bottom=400)
    _ground(picture, random, 390, (120, 152, 70), (104, 140, 58), blades=True)
    _ground(picture, random, 500, (150, 142, 134), (112, 106, 102))
    pen = ImageDraw.Draw(picture)
    for x in range(-40, 1000, 210):
        pen.polygon([(x, 672), (x + 110, 672), (x + 96, 684), (x - 18, 684)], fill=(226, 222, 212))
    _shadow(picture, (490, 634), (330, 18))
    back, front, crank = (326, 520), (662, 520), (468, 530)
    for x, y in (back, front):
        pen.ellipse((x - 112, y - 112, x + 112, y + 112), outline=(30, 30, 34), width=13)
        pen.ellipse((x - 98, y - 98, x + 98, y + 98), outline=(176, 180, 186), width=4)
        for angle in np.linspace(0, np.pi, 12, endpoint=False):
            along = 98 * np.cos(angle), 98 * np.sin(angle)
            pen.line((x - along[0], y - along[1], x + along[0], y + along[1]), fill=(150, 154, 160), width=2)
        pen.ellipse((x - 10, y - 10, x + 10, y + 10), fill=(60, 60, 66))
    seat, head = (420, 366), (614, 374)
    skin, shirt, shorts = (214, 160, 122), (32, 112, 184), (40, 42, 54)
    # The far leg and arm are behind the frame.
    _limb(picture, [(420, 346), (518, 402), (490, 492)], [54, 42, 26], (176, 124, 92))
    _limb(picture, [(480, 500), (518, 502)], [22, 18], (50, 50, 56))
    frame = (200, 44, 40)
    for points in ([back, crank, head, seat, crank], [back, seat], [head, front], [(606, 330), head]):
        pen.line(points, fill=frame, width=13, joint="curve")
    pen.line([(414, 348), seat], fill=(60, 60, 66), width=10)
    pen.line([(606, 334), (634, 318), (658, 330)], fill=(40, 40, 44), width=11, joint="curve")
    pen.rounded_rectangle((376, 336, 452, 354), 9, fill=(30, 28, 30))
    pen.ellipse((442, 504, 494, 556), outline=(70, 70, 76), width=9)
    _limb(picture, [(414, 330), (512, 388)], [62, 50], shorts)
    _limb(picture, [(506, 390), (496, 470), (446, 548)], [46, 38, 24], skin)
    _limb(picture, [(440, 560), (484, 566)], [24, 18], (236, 236, 236))
    _blob(picture, [(388, 330), (398, 258), (446, 190), (506, 166), (536, 196), (520, 250), (462, 344), (420, 352)],
          shirt, random)  # fmt: skip
    _limb(picture, [(512, 196), (540, 268)], [44, 34], shirt)
    _limb(picture, [(540, 266), (600, 306), (640, 318)], [28, 24, 22], skin)
    _limb(picture, [(526, 174), (546, 150)], [32, 32], skin)
    _blob(picture, [(526, 124), (542, 92), (578, 92), (598, 120), (592, 154), (564, 168), (536, 156)], skin, random)
    _blob(picture, [(516, 124), (520, 84), (560, 62), (602, 82), (610, 106), (566, 108), (530, 132)],
          (240, 200, 40), random)  # fmt: skip
    pen.ellipse((580, 116, 589, 127), fill=(36, 28, 26))
    return picture


SAMPLES = {
    "dog": "A brown dog running over grass, drawn",
    "beach": "A child with a bucket on a beach beside a sand castle, drawn",
    "snow": "A skier in a red jacket on a snowy hill, drawn",
    "bicycle": "A man in a blue shirt riding a bicycle along a road, drawn",
}
_DRAWN: dict[str, Callable[[np.random.Generator], Image.Image]] = {
    "dog": _dog, "beach": _beach, "snow": _snow, "bicycle": _bicycle
}  # fmt: skip


# What the pictures are made of. All coordinates are pixels of the canvas, from its upper left corner.


def _gradient(upper: Colour, lower: Colour, top: int = 0, bottom: int = _HIGH) -> Image.Image:
    """From one colour to another, as wide as the canvas and from `top` to `bottom` high."""
    share = np.linspace(0, 1, bottom - top)[:, None, None]
    values = (1 - share) * np.array(upper) + share * np.array(lower)
    return Image.fromarray(np.broadcast_to(values, (bottom - top, _WIDE, 3)).astype(np.uint8))


def _noise(random: np.random.Generator, size: tuple[int, int], grains: Sequence[tuple[int, int]]) -> np.ndarray:
    """Smooth noise about 0 of unit spread, float `(high, wide)`; each grain is a size (wide, high) of its lumps."""
    wide, high = size
    total = np.zeros((high, wide), np.float32)
    for across, down in grains:
        cells = random.normal(size=(high // down + 2, wide // across + 2)).astype(np.float32)
        total += np.asarray(Image.fromarray(cells).resize((wide, high), Image.Resampling.BICUBIC))
    return total / max(float(total.std()), 1e-6)


def _curve(points: Points, *, closed: bool = True, steps: int = 12) -> list[tuple[float, float]]:
    """A smooth curve through points (Catmull and Rom, 1974)."""
    points = np.asarray(points, float)
    if closed:
        around = [points[-1:], points, points[:2]]
    else:
        around = [points[:1], points, points[-1:]]
    around = np.concatenate(around)
    time = np.linspace(0, 1, steps, endpoint=False)[:, None]
    pieces = []
    for before, start, end, after in zip(around, around[1:], around[2:], around[3:]):
        pieces.append(
            start
            + 0.5 * time * (end - before)
            + time**2 * (before - 2.5 * start + 2 * end - 0.5 * after)
            + time**3 * (1.5 * (start - end) + 0.5 * (after - before))
        )
    return [tuple(point) for point in np.concatenate(pieces)]


def _fill(
    picture: Image.Image, mask: Image.Image, colour: Colour, texture: np.ndarray | float = 0.0, shading: float = 0.3
) -> None:
    """Fills a mask with a colour that is lighter above and darker below, as under a sky."""
    box = mask.getbbox()
    if box is None:
        return
    light = np.linspace(1 + shading / 2, 1 - shading, box[3] - box[1])[:, None, None]
    values = np.array(colour) * light + np.atleast_3d(texture)
    values = np.broadcast_to(values, (box[3] - box[1], box[2] - box[0], 3))
    picture.paste(Image.fromarray(np.clip(values, 0, 255).astype(np.uint8)), box[:2], mask.crop(box))


def _blob(
    picture: Image.Image,
    points: Points,
    colour: Colour,
    random: np.random.Generator,
    *,
    smooth: bool = True,
    fur: float = 4,
    shading: float = 0.3,
) -> None:
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).polygon(_curve(points) if smooth else list(points), fill=255)
    left, top, right, bottom = mask.getbbox()
    _fill(
        picture,
        mask,
        colour,
        fur * _noise(random, (right - left, bottom - top), [(9, 4), (30, 14)])[..., None],
        shading,
    )


def _limb(picture: Image.Image, points: Points, widths: Sequence[float], colour: Colour) -> None:
    """A bent stroke whose width changes from point to point, round at both ends."""
    mask = Image.new("L", picture.size)
    pen = ImageDraw.Draw(mask)
    path = _curve(points, closed=False, steps=24) + [tuple(points[-1])]
    breadth = np.interp(np.linspace(0, len(points) - 1, len(path)), np.arange(len(points)), widths) / 2
    for (x, y), half in zip(path, breadth):
        pen.ellipse((x - half, y - half, x + half, y + half), fill=255)
    _fill(picture, mask, colour, shading=0.22)


def _shadow(
    picture: Image.Image,
    middle: tuple[int, int],
    half: tuple[int, int],
    strength: int = 110,
    colour: Colour = (20, 30, 20),
) -> None:
    mask = Image.new("L", picture.size)
    (x, y), (across, down) = middle, half
    ImageDraw.Draw(mask).ellipse((x - across, y - down, x + across, y + down), fill=strength)
    picture.paste(colour, mask=mask.filter(ImageFilter.GaussianBlur(14)))


def _ground(
    picture: Image.Image, random: np.random.Generator, top: int, far: Colour, near: Colour, blades: bool = False
) -> None:
    """Earth, sand or grass from `top` to the lower edge; coarser the nearer."""
    ground = np.asarray(_gradient(far, near, top), np.float32)
    size = (_WIDE, _HIGH - top)
    depth = np.linspace(0.3, 1, size[1])[:, None]
    ground = ground + (9 * depth * _noise(random, size, [(4, 2), (16, 5), (120, 24)]))[..., None]
    picture.paste(Image.fromarray(np.clip(ground, 0, 255).astype(np.uint8)), (0, top))
    if blades:
        _blades(picture, random, near, rows=(top, _HIGH), number=5_000)


def _blades(
    picture: Image.Image, random: np.random.Generator, colour: Colour, *, rows: tuple[int, int], number: int
) -> None:
    """Grass, the longer the nearer."""
    pen = ImageDraw.Draw(picture)
    for y in np.sort(random.uniform(*rows, number)):
        x, lean, light = random.uniform(0, _WIDE), random.normal(0, 0.35), random.uniform(0.7, 1.35)
        long = 3 + 30 * ((y - 300) / 420) ** 2
        pen.line((x, y, x + lean * long, y - long), fill=tuple(int(min(255, light * part)) for part in colour), width=2)


def _trees(picture: Image.Image, random: np.random.Generator, colour: Colour, bottom: int) -> None:
    """A wood out of focus."""
    wood = picture.copy()
    pen = ImageDraw.Draw(wood)
    for _ in range(150):
        x, size, light = random.uniform(-50, _WIDE + 50), random.uniform(30, 84), random.uniform(0.6, 1.5)
        y = bottom - random.uniform(0, 190) * (0.7 + 0.3 * np.sin(x / 130))
        fill = tuple(int(min(255, light * part)) for part in colour)
        pen.ellipse((x - size, y - size, x + size, y + size), fill=fill)
    picture.paste(wood.filter(ImageFilter.GaussianBlur(13)))


def _clouds(picture: Image.Image, random: np.random.Generator, top: int, bottom: int) -> None:
    size = (_WIDE, bottom - top)
    thick = _noise(random, size, [(340, 90), (150, 44), (60, 20), (24, 10)])
    fade = np.sin(np.linspace(0, np.pi, size[1]))[:, None]
    mask = Image.fromarray(np.clip(255 * fade * (0.35 * thick + 0.1), 0, 235).astype(np.uint8))
    picture.paste((250, 252, 255), (0, top, _WIDE, bottom), mask)


def _waves(picture: Image.Image, random: np.random.Generator, top: int, bottom: int) -> None:
    size = (_WIDE, bottom - top)
    depth = np.linspace(0.25, 1, size[1])[:, None]
    swell = _noise(random, size, [(90, 5), (160, 10), (40, 3)]) * depth
    sea = np.asarray(picture.crop((0, top, _WIDE, bottom)), np.float32) + 15 * swell[..., None]
    # The highest crests break.
    sea = np.where((swell > 1.7)[..., None], 0.4 * sea + 0.6 * 246, sea)
    picture.paste(Image.fromarray(np.clip(sea, 0, 255).astype(np.uint8)), (0, top))


def _foam(picture: Image.Image, random: np.random.Generator) -> None:
    """The edge of the sea: wet sand, and a white line."""
    across = np.linspace(0, _WIDE, 25)
    line = 446 + 16 * np.sin(across / 120) + random.normal(0, 3, across.size)
    for drop, colour, opacity in ((34, (150, 126, 92), 110), (0, (96, 176, 188), 255)):
        mask = Image.new("L", picture.size)
        edge = _curve(list(zip(across, line + drop)), closed=False)
        ImageDraw.Draw(mask).polygon([(0, 415), *edge, (_WIDE, 415)], fill=opacity)
        picture.paste(colour, mask=mask.filter(ImageFilter.GaussianBlur(5)))
    mask = Image.new("L", picture.size)
    ImageDraw.Draw(mask).line(_curve(list(zip(across, line)), closed=False), fill=255, width=18)
    spray = 160 + 70 * _noise(random, picture.size, [(14, 4), (5, 3)])
    spray = Image.fromarray(np.clip(spray, 0, 255).astype(np.uint8))
    picture.paste((250, 252, 250), mask=ImageChops.multiply(mask.filter(ImageFilter.GaussianBlur(3)), spray))
