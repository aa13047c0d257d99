"""Short reviews that the project writes itself, for `--dataset sample`: no download, the same on every machine.

A grammar of our own phrases about restaurants, films, books and concerts. The label can often not be told from the
words alone: most reviews hold praise and blame, and negation ("not dull but gripping"), contrast ("the soup was bland,
yet the service was lovely") and expectation ("I feared a clumsy plot and found a clever one") decide between them. A
model that ignores order stays well below one that reads.

Examples look like those of `imdb`: id, text, label (0 negative, 1 positive) and stars (1 to 4 and 7 to 10).
"""

import random

import tensorflow as tf

SIZES = {"train": 2_000, "validation": 400, "test": 400}

# For each kind of thing: its names, its parts, and words of praise and of blame that fit its parts.
KINDS = (
    (
        ("restaurant", "bistro", "café", "pizzeria", "noodle bar"),
        ("soup", "pasta", "service", "dessert", "bread", "curry", "coffee", "wine list"),
        ("delicious", "fresh", "excellent", "lovely", "perfect", "memorable"),
        ("bland", "stale", "poor", "mediocre", "awful", "disappointing"),
    ),
    (
        ("film", "movie", "comedy", "thriller", "documentary"),
        ("plot", "acting", "dialogue", "camera work", "ending", "opening scene", "score"),
        ("gripping", "clever", "moving", "brilliant", "funny", "convincing"),
        ("dull", "clumsy", "flat", "terrible", "tedious", "wooden"),
    ),
    (
        ("novel", "book", "biography", "short story", "crime story"),
        ("prose", "plot", "first chapter", "heroine", "last page", "translation"),
        ("elegant", "witty", "touching", "masterful", "vivid", "wise"),
        ("lifeless", "pompous", "confusing", "dreadful", "shallow", "boring"),
    ),
    (
        ("concert", "album", "opera", "quartet", "festival"),
        ("singing", "drumming", "sound", "second song", "encore", "violin solo"),
        ("thrilling", "warm", "precise", "wonderful", "lively", "superb"),
        ("shrill", "sloppy", "cold", "horrible", "listless", "muddy"),
    ),
)
OPENINGS = (
    "We tried this {name} last week.",
    "A friend told me about this {name}.",
    "I came to this {name} by chance.",
    "This was my second time with this {name}.",
    "Let me tell you about this {name}.",
    "Everyone talks about this {name}.",
)
# {right} is a word of the review's own side, {wrong} one of the other side; each sentence means {right}.
CLEAR = (
    "The {part} was {right}.",
    "I found the {part} {right} from start to finish.",
    "What a {right} {name}!",
    "Nothing about the {part} was {wrong}.",
)
TURNED = (
    "The {part} was not {wrong}, it was {right}.",
    "The {part} was {right}, not {wrong} at all.",
    "The {part} was anything but {wrong}; I call it {right}.",
    "I expected the {part} to be {wrong}, and it turned out {right}.",
    "They say the {part} is {wrong}, but in truth it is {right}.",
    "Far from {wrong}, the {part} was {right}.",
    "Not {wrong} but {right}: that is the {part}.",
)
# The main clause outweighs the other, so the whole leans to {right}, without going all the way.
MIXED = (
    "Although the {other_part} was {wrong}, the {part} was {right} enough to decide it.",
    "The {other_part} was a bit {wrong}, but the {part} was {right}.",
    "The {part} was {right}, even if the {other_part} was {wrong}.",
    "Yes, the {other_part} was {wrong}, yet what stays with me is the {right} {part}.",
)
VERDICTS = {
    1: ("Never again.", "A waste of an evening.", "Stay away."),
    2: ("I would not repeat it.", "Hard to recommend.", "I left early."),
    3: ("I had hoped for more.", "Once is enough.", "On the whole not for me."),
    4: ("Nearly, but no.", "It could have been better.", "I am in no hurry to return."),
    7: ("On the whole worth it.", "I am glad I went.", "A good evening, if not a great one."),
    8: ("I would gladly repeat it.", "Easy to recommend.", "I smiled all the way home."),
    9: ("I cannot wait for the next time.", "Do not miss it.", "One of the best this year."),
    10: ("Simply perfect.", "The best there is.", "I would change nothing."),
}


def load(split, manual_dir=None, data_dir=None):
    """The sample reviews of a split; same arguments and elements as `imdb.load`, the two folders are not used.

    Args:
        split: "train" (2,000 reviews), "validation" or "test" (400 each). No text is in two of them.

    Returns:
        A `tf.data.Dataset` of single examples: id and text string[], label and stars int64[].
    """
    if split not in SIZES:
        raise ValueError(f"split is one of {', '.join(SIZES)}. Received: {split!r}")
    start = 0
    for earlier in SIZES:
        if earlier == split:
            break
        start += SIZES[earlier]
    reviews = write(sum(SIZES.values()))[start : start + SIZES[split]]
    return tf.data.Dataset.from_tensor_slices(
        {
            "id": [f"{split}/{'pos' if stars > 5 else 'neg'}/{i}" for i, (_, stars) in enumerate(reviews)],
            "text": [text for text, _ in reviews],
            "label": tf.constant([int(stars > 5) for _, stars in reviews], tf.int64),
            "stars": tf.constant([stars for _, stars in reviews], tf.int64),
        }
    )


def write(count, seed=1):
    """Writes `count` different reviews: a list of (text, stars), the eight numbers of stars in turn."""
    generator = random.Random(seed)

    def pick(items):
        # Of Python's generator only random() is promised to give the same numbers in every version.
        return items[int(generator.random() * len(items))]

    reviews, seen = [], set()
    while len(reviews) < count:
        stars = tuple(VERDICTS)[len(reviews) % len(VERDICTS)]
        text = _review(stars, pick)
        if text not in seen:
            seen.add(text)
            reviews.append((text, stars))
    return reviews


def _review(stars, pick):
    names, parts, praise, blame = pick(KINDS)
    name = pick(names)
    right, wrong = (praise, blame) if stars > 5 else (blame, praise)

    def sentence(patterns):
        part = pick(parts)
        other_part = pick([other for other in parts if other != part])
        return pick(patterns).format(name=name, part=part, other_part=other_part, right=pick(right), wrong=pick(wrong))

    extreme = stars in (1, 2, 9, 10)
    body = [sentence(TURNED), sentence(pick((CLEAR, TURNED)) if extreme else MIXED)]
    if pick((True, False)):
        body.reverse()
    # Half of the reviews end without a verdict, so that the body has to be read.
    opening = [pick(OPENINGS).format(name=name)] if pick((True, False)) else []
    return " ".join(opening + body + ([pick(VERDICTS[stars])] if pick((True, False)) else []))
