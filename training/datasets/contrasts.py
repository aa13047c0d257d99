"""Short sentences of our own that differ in order and negation alone: "not dull but moving", "not moving but dull".

Whole reviews say little about a single "not": of the training reviews that hold "not bad", 41 % are positive. A
model trained on reviews alone reads a short text by its words and not by their order. Each frame here has its mirror,
with the same words on the other side, so that nothing but order tells the two apart.
"""

import random

import tensorflow as tf

PRAISE = """good great wonderful excellent funny moving clever gripping beautiful brilliant charming delightful
enjoyable exciting fresh interesting lovely powerful superb touching fun strong fantastic amazing perfect impressive
memorable smart thrilling convincing""".split()
BLAME = """bad awful terrible boring dull stupid weak poor horrible predictable silly lame ridiculous annoying
disappointing pointless tedious ugly cheap flat slow laughable pathetic dreadful bland forgettable
unconvincing clumsy lifeless mediocre""".split()
LIKE = "love like enjoy admire recommend adore".split()
DISLIKE = "hate dislike loathe regret despise resent".split()
THINGS = """movie film story plot acting cast script ending show music dialogue direction camera book meal place
service hotel song performance picture series soup concert evening game trip""".split()

# {a} and {b} are things. In a frame as it stands {right}, {right2} are praise, {wrong}, {wrong2} blame, {does} liking
# and {hates} disliking, and it means praise; its mirror exchanges each pair, and means blame.
FRAMES = (
    "The {a} was {right}.",
    "What a {right} {a}!",
    "The {a} is {right} and {right2}.",
    "The {a} was {right}, not {wrong}.",
    "The {a} is not {wrong}.",
    "The {a} is not {wrong} at all.",
    "The {a} wasn't {wrong}.",
    "This {a} isn't {wrong}, it is {right}.",
    "I thought the {a} would be {wrong}, but it is {right}.",
    "The {a} was never {wrong}.",
    "A {wrong} {a}, but the {b} is {right} and I {does} it.",
    "Although the {a} is {wrong}, it is a {right} {b}.",
    "I don't {hates} this {a}, I {does} it.",
    "I did not {hates} the {a}.",
    "There was no {wrong} {b} here.",
    "Far from {wrong}, the {a} is {right}.",
    "There is nothing {wrong} about the {a}.",
    "Not a {wrong} {a}.",
    "A {right} {a}, hardly {wrong}.",
    "The {a} begins {wrong} but turns {right}.",
    "It is neither {wrong} nor {wrong2}.",
    "The {a} is anything but {wrong}.",
    "Not {wrong} but {right}.",
)


def write(count, seed=1):
    """Writes `count` sentences, each frame's and its mirror's in turn: a list of (text, label), label 1 for praise."""
    generator = random.Random(seed)

    def pick(items):
        return items[int(generator.random() * len(items))]

    sentences = []
    while len(sentences) < count:
        frame, a, b = pick(FRAMES), pick(THINGS), pick(THINGS)
        praise, blame = (pick(PRAISE), pick(PRAISE)), (pick(BLAME), pick(BLAME))
        does, hates = pick(LIKE), pick(DISLIKE)
        for label in (1, 0):
            (right, right2), (wrong, wrong2) = (praise, blame) if label else (blame, praise)
            words = dict(right=right, right2=right2, wrong=wrong, wrong2=wrong2, a=a, b=b)
            words |= dict(does=does, hates=hates) if label else dict(does=hates, hates=does)
            sentences.append((frame.format(**words), label))
    return sentences[:count]


def load(count, seed=1):
    """As `write`, as a `tf.data.Dataset` of the elements of `imdb.load`; praise has 8 stars, blame 3."""
    sentences = write(count, seed)
    return tf.data.Dataset.from_tensor_slices(
        {
            "id": [f"contrast/{i}" for i in range(count)],
            "text": [text for text, _ in sentences],
            "label": tf.constant([label for _, label in sentences], tf.int64),
            "stars": tf.constant([8 if label else 3 for _, label in sentences], tf.int64),
        }
    )


# Held out: frames and turns that `FRAMES` has not, to see whether order is read. The first of each pair is praise.
PAIRS = (
    ("The food was good, not bad at all.", "The food was bad, not good at all."),
    ("I expected it to be terrible, but it was wonderful.", "I expected it to be wonderful, but it was terrible."),
    ("The acting was weak, but the story was great.", "The acting was great, but the story was weak."),
    ("Never boring, always funny.", "Never funny, always boring."),
    ("It starts slow but ends brilliantly.", "It starts brilliantly but ends slow."),
    ("I liked everything about it.", "I liked nothing about it."),
    ("Without a doubt worth seeing.", "Without a doubt not worth seeing."),
    ("You will not regret watching it.", "You will regret watching it."),
    ("It never fails to entertain.", "It fails to entertain."),
    ("The critics were wrong: this is excellent.", "The critics were right: this is awful."),
    ("It was bad at first, then it became good.", "It was good at first, then it became bad."),
    ("A great film, not a waste of time.", "A waste of time, not a great film."),
    ("Not only funny but also moving.", "Neither funny nor moving."),
    ("The jokes are not stupid, they are clever.", "The jokes are not clever, they are stupid."),
    ("I would watch it again.", "I would never watch it again."),
    ("It could not have been better.", "It could have been better."),
    ("I have no complaints.", "I have many complaints."),
    ("It is hardly disappointing.", "It is hardly impressive."),
    ("Despite its flaws, I enjoyed it a lot.", "Despite its charm, I did not enjoy it."),
    ("The best film of the year, far from the worst.", "The worst film of the year, far from the best."),
)
