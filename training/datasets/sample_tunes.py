"""Tunes that the project composes itself, for `--dataset sample`: no download, the same on every machine.

A grammar of our own after the habits of session tunes. A tune has two parts of eight bars, each played twice; a part
has two phrases that begin alike, the first one stops open on the dominant and the second one comes home to the tonic.
Chords are drawn first, then a note of the chord for each beat, not far from the last one, then what lies between two
such notes: steps, broken chords, turns, or nothing.

Examples look like those of `abc_collection`: tune, title, rhythm and source.
"""

import random

import tensorflow as tf

from training.datasets import abc_collection

TUNES = 200

# For each rhythm: metre, eighths in a bar, in a beat, in a pick-up and under one beam.
RHYTHMS = {
    "jig": ("6/8", 6, 3, 1, 3),
    "reel": ("4/4", 8, 2, 2, 4),
    "waltz": ("3/4", 6, 2, 2, 2),
}
# Keys that lie well on a fiddle, and the chords of each mode by their degree (0 is the tonic's): those to wander
# through, and the one that a phrase stops open on.
KEYS = {
    "maj": ("D", "G", "A", "C"),
    "mix": ("A", "D"),
    "dor": ("E", "A", "B"),
    "min": ("E", "B", "A"),
}
CHORDS = {
    "maj": ((0, 3, 4, 5, 1), 4),
    "mix": ((0, 6, 3, 4), 6),
    "dor": ((0, 6, 2, 3), 6),
    "min": ((0, 6, 5, 3, 2), 4),
}
ADJECTIVES = (
    "Rolling", "Idle", "Crooked", "Silver", "Merry", "Windy", "Lonesome", "Golden", "Dusty", "Barefoot", "Bold",
    "Quiet", "Frosty", "Wandering", "Laughing",
)  # fmt: skip
NOUNS = (
    "Ferryman", "Miller", "Lighthouse", "Haystack", "Tinker", "Blackthorn", "Kettle", "Piper", "Harbour", "Thrush",
    "Candle", "Weaver", "Turnpike", "Orchard", "Drover",
)  # fmt: skip
LETTERS = "CDEFGAB"


def load(manual_dir=None, data_dir=None):
    """All sample tunes as a `tf.data.Dataset`; the two folders are not used."""
    tunes = write(TUNES)
    return tf.data.Dataset.from_tensor_slices(
        {name: [tune[name] for tune in tunes] for name in abc_collection.FEATURES}
    )


def write(count, seed=1):
    """Composes `count` tunes of different titles, at most 225: a list of dicts of str, the three rhythms in turn."""
    if not 0 <= count <= len(ADJECTIVES) * len(NOUNS):
        raise ValueError(f"count is 0 to {len(ADJECTIVES) * len(NOUNS)}, the titles there are. Received: {count}")
    generator = random.Random(seed)

    def pick(items):
        # Of Python's generator only random() is promised to give the same numbers in every version.
        return items[int(generator.random() * len(items))]

    titles = [f"The {adjective} {noun}" for adjective in ADJECTIVES for noun in NOUNS]
    tunes = []
    for i in range(count):
        rhythm = tuple(RHYTHMS)[i % len(RHYTHMS)]
        title = pick(titles)
        titles.remove(title)
        tunes.append({"tune": _tune(rhythm, pick), "title": title, "rhythm": rhythm, "source": f"sample_tunes {i + 1}"})
    return tunes


def _tune(rhythm, pick):
    mode = pick(tuple(KEYS))
    tonic = pick(KEYS[mode])
    # The first part plays around A, five steps above C, the second one around d.
    parts = [_part(rhythm, mode, tonic, centre - LETTERS.index(tonic), pick) for centre in (5, 8)]
    return f"M:{RHYTHMS[rhythm][0]}\nK:{tonic}{mode}\nR:{rhythm}\n{''.join(parts)}"


# Below, a note is (degrees, eighths) or (degrees, eighths, accidental), where degrees is a tuple of one degree of the
# scale, 0 for the tonic and 7 for its octave, or of three for a triplet.


def _part(rhythm, mode, tonic, centre, pick):
    """A part in ABC: a pick-up and eight bars in two lines, around the degree `centre`."""
    _, whole, beat, pick_up, beam = RHYTHMS[rhythm]
    chords, dominant = CHORDS[mode]
    # The first two bars return and open the second phrase.
    opening = _bars([0, pick(chords), pick(chords)], whole, beat, centre, centre, pick)
    last = opening[-1][-1][0][-1]
    open_stop = _bars([dominant], whole, beat, last, centre, pick)
    closing = _bars([pick(chords)], whole, beat, opening[1][-1][0][-1], centre, pick)
    home = _cadence(closing[-1][-1][0][-1], mode, whole - pick_up, pick)
    bars = [*opening, *open_stop, *opening[:2], *closing, home]
    first = opening[0][0][0][0]
    if pick_up == 1:
        before = [((first + pick((-1, 1, 3)),), 1)]
    else:
        step = pick((-1, 1))
        before = pick(([((first + 2 * step,), 1), ((first + step,), 1)], [((first + step,), 2)]))
    written = [_write_bar(bar, tonic, beam) for bar in bars]
    return f"{_write_bar(before, tonic, beam)}|{'|'.join(written[:4])}|\n{'|'.join(written[4:])}:|\n"


def _bars(chords, whole, beat, last, centre, pick):
    """A bar over each of `chords`; `last` is the degree before them."""
    degrees = []
    for chord in chords:
        for _ in range(whole // beat):
            last = _near(last, chord, centre, pick)
            degrees.append((last, chord))
    # Where the last beat leads is not known yet: back, for now.
    targets = [degree for degree, _ in degrees[1:]] + [degrees[-2][0]]
    beats = [_fill(degree, target, chord, beat, pick) for (degree, chord), target in zip(degrees, targets)]
    return [sum(beats[i : i + whole // beat], []) for i in range(0, len(beats), whole // beat)]


def _near(last, chord, centre, pick):
    """Another note of the chord, within a fifth of `last` and a sixth of the centre."""
    near = [n for n in range(last - 4, last + 5) if (n - chord) % 7 in (0, 2, 4) and n != last and abs(n - centre) <= 5]
    return pick(near or [centre])


def _fill(degree, target, chord, beat, pick):
    """The notes of one beat, from a degree on towards the one of the next beat."""
    way = 1 if target >= degree else -1
    third = degree + 2 if (degree + 2 - chord) % 7 in (0, 2, 4) else degree - 2
    fifth = degree + 4 if (degree + 4 - chord) % 7 in (0, 2, 4) else degree - 3
    run = (degree, degree + way, degree + 2 * way)
    if beat == 3:
        figures = (
            [((note,), 1) for note in run],
            [((note,), 1) for note in run],
            [((note,), 1) for note in (degree, third, fifth)],
            [((note,), 1) for note in (degree, third, degree)],
            [((note,), 1) for note in (degree, degree + 1, degree)],
            [((degree,), 2), ((third,), 1)],
            [((degree,), 2), ((degree + way,), 1)],
            [((degree,), 3)],
        )
    else:
        figures = (
            [((note,), 1) for note in run[:2]],
            [((note,), 1) for note in run[:2]],
            [((degree,), 1), ((third,), 1)],
            [((degree,), 1), ((fifth,), 1)],
            [((degree,), 2)],
            [(run, 2)],
        )
    return pick(figures)


def _cadence(last, mode, eighths, pick):
    """The last bar, home to the tonic that is nearest."""
    home = 7 * round(last / 7)
    # The seventh degree of a minor key is raised where it leads to the tonic.
    leading = ((home - 1,), 1, "^" if mode == "min" else "")
    if eighths == 4:
        return pick(([((home + 1,), 1), leading, ((home,), 2)], [((home + 2,), 1), ((home + 1,), 1), ((home,), 2)]))
    approach = pick(([((home + 2,), 1), ((home + 1,), 1), leading], [((home + 1,), 1), ((home + 4,), 1), leading]))
    if eighths == 5:
        return [*approach, ((home,), 2)]
    return pick(([((home + 2,), 1), *approach], [((home + 1,), 2), *approach[1:]])) + [((home,), 2)]


def _write_bar(notes, tonic, beam):
    """Notes in ABC, with a space where a beam ends and around triplets."""
    written, place, apart = "", 0, False
    for degrees, eighths, *accidental in notes:
        triplet = len(degrees) == 3
        if written and (place % beam == 0 or triplet or apart):
            written += " "
        written += "(3" if triplet else "".join(accidental)
        written += "".join(_name(degree, tonic) for degree in degrees)
        written += str(eighths) if eighths > 1 and not triplet else ""
        place, apart = place + eighths, triplet
    return written


def _name(degree, tonic):
    """The ABC name of a degree of the scale on `tonic`: "D," an octave below "D", "d" above it, then "d'"."""
    octave, letter = divmod(LETTERS.index(tonic) + degree, 7)
    return (LETTERS[letter] + "," * -octave) if octave <= 0 else (LETTERS[letter].lower() + "'" * (octave - 1))
