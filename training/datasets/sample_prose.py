"""Prose that the project writes itself, for `--corpus sample`: no download, the same on every machine.

A grammar of our own small stories of a village. It holds what a language model has to keep in mind for a while: quotes
that close, brackets that close, a verb that agrees with a subject some words back ("the baker, who knows the twins,
sings"), a person who stays he or she for the paragraph, and things lost that are found again at the end.
"""

import random

SIZES = {"train": 900, "validation": 50, "test": 50}  # paragraphs

# A name or trade, and its pronouns.
PEOPLE = (
    ("Anna", "she", "her"),
    ("Clara", "she", "her"),
    ("Marie", "she", "her"),
    ("the baker", "she", "her"),
    ("the teacher", "she", "her"),
    ("Ben", "he", "his"),
    ("Hugo", "he", "his"),
    ("Oskar", "he", "his"),
    ("the miller", "he", "his"),
    ("the postman", "he", "his"),
)
GROUPS = ("the twins", "the neighbours", "the three fishermen", "the children", "the musicians")
# For one and for several.
VERBS = (
    ("sings", "sing"),
    ("laughs", "laugh"),
    ("waits", "wait"),
    ("listens", "listen"),
    ("hurries home", "hurry home"),
    ("says nothing", "say nothing"),
    ("looks at the sky", "look at the sky"),
)
KNOWS = (("knows", "know"), ("often visits", "often visit"), ("never forgets", "never forget"), ("likes", "like"))
THINGS = ("key", "umbrella", "red scarf", "old violin", "letter", "basket", "lantern", "silver spoon", "map", "kite")
PLACES = ("mill", "bridge", "harbour", "market", "orchard", "station", "lighthouse", "well", "school", "inn")
WEATHER = ("rain", "snow", "fog", "wind", "sunshine", "thunder")
TIMES = ("On Monday", "In the evening", "Before dawn", "After lunch", "On market day", "Late at night", "In April")
ASIDES = (
    "it was {number} o'clock",
    "as {group} know well",
    "nobody knew why",
    "not the one by the {place}",
    "in spite of the {weather}",
    "the {ordinal} time this year",
)
SPEECH = (
    "Have you seen my {thing}?",
    "I left it near the {place}.",
    "The {weather} will not last.",
    "Let us meet at the {place}!",
    "Where are {group}?",
    "We have {number} apples and your {thing}.",
    "Come in, the soup is warm.",
    "That is not my {thing}.",
)
CLOSINGS = (
    "In the end the {thing} was behind the {place}.",
    "{He} found the {thing} {number} days later.",
    "The {thing} hung on its nail all the while.",
    "So {he} carried the {thing} home, and the day was over.",
)


def load(split, manual_dir=None, data_dir=None):
    """The sample prose of a split.

    Args:
        split: "train" (900 paragraphs, about 180,000 characters), "validation" or "test" (50 each). No paragraph is in
            two of them.
        manual_dir, data_dir: not used; they are there because the other data sets have them.

    Returns:
        str: a paragraph a line, each ended by "\\n".
    """
    if split not in SIZES:
        raise ValueError(f"split is one of {', '.join(SIZES)}. Received: {split!r}")
    paragraphs, start = write(sum(SIZES.values())), 0
    for name, size in SIZES.items():
        if name == split:
            return "".join(f"{paragraph}\n" for paragraph in paragraphs[start : start + size])
        start += size


def write(count, seed=1):
    """Writes `count` different paragraphs: a list of str."""
    generator = random.Random(seed)

    def pick(items):
        # Of Python's generator only random() is promised to give the same numbers in every version.
        return items[int(generator.random() * len(items))]

    paragraphs, seen = [], set()
    while len(paragraphs) < count:
        paragraph = _paragraph(pick)
        if paragraph not in seen:
            seen.add(paragraph)
            paragraphs.append(paragraph)
    return paragraphs


def _paragraph(pick):
    name, he, his = pick(PEOPLE)
    thing = pick(THINGS)
    opening = pick(
        (
            "{time} {name} lost {his} {thing}.",
            "{time} {name} went to the {place} without {his} {thing}.",
            "{time} there was {weather}, and {name} was looking for {his} {thing}.",
            "{time} {name} ({aside}) could not find {his} {thing}.",
        )
    )
    middle = [pick((_speech, _scene, _crowd, _speech))(pick, name, he) for _ in range(pick((1, 2, 2, 3)))]
    sentences = [opening, *middle, pick(CLOSINGS)]
    return " ".join(_filled(sentence, pick, name=name, he=he, his=his, thing=thing) for sentence in sentences)


def _speech(pick, name, he):
    said = pick(SPEECH)
    # What is said has its own things; the lost one comes back in the last sentence.
    said = said.replace("{thing}", pick(THINGS))
    speaker = pick((name, he, pick(GROUPS)))
    if pick((True, False)):
        return f'{_capital(speaker)} said: "{said}"'
    # Inside the sentence a full stop becomes a comma.
    return f'"{said[:-1]}{"," if said[-1] == "." else said[-1]}" said {speaker}.'


def _scene(pick, name, he):
    verb, _ = pick(VERBS)
    knows, _ = pick(KNOWS)
    aside = pick((" ({aside})", "", ""))
    return f"{_capital(name)}, who {knows} {pick(GROUPS)}, {verb}{aside}."


def _crowd(pick, name, he):
    _, verb = pick(VERBS)
    _, know = pick(KNOWS)
    aside = pick((" ({aside})", "", ""))
    return f"{_capital(pick(GROUPS))}, who {know} {name}, {verb}{aside}."


def _filled(pattern, pick, **words):
    """A sentence with the words in its braces; an aside has braces of its own."""
    pattern = pattern.replace("{aside}", pick(ASIDES))
    return pattern.format(
        **words,
        He=_capital(words["he"]),
        time=pick(TIMES),
        place=pick(PLACES),
        weather=pick(WEATHER),
        group=pick(GROUPS),
        number=pick(("two", "four", "six", "seven", "nine")),
        ordinal=pick(("second", "fourth", "seventh", "ninth")),
    )


def _capital(text):
    return text[0].upper() + text[1:]
