"""Units that track something: hidden states that go along with a property of the text, such as the place in its line.

Karpathy, Johnson and Fei-Fei (2016) found such units of character models by eye. Here Pearson's correlation finds them
in the first half of a text; its second half, and the same search for a shifted property, say what was an accident.
"""

import re
import typing
import unicodedata

import numpy as np

SHORTEST = 4  # tokens of a search, two in each half
QUANTILE = 0.95  # of the best correlations that chance finds
VOWELS = "aeiou"
# What opens for each mark that closes.
QUOTES = {'"': '"', "”": "“"}
BRACKETS = {")": "(", "]": "[", "}": "{"}
# A line of a play that says who speaks next.
_NAME = re.compile(r"^[A-Z][^\n:.!?]{0,29}:$", re.MULTILINE)
_SENTENCE_ENDS = ("\n", ".", "!", "?")
_ARTICLES = ("a", "an", "the")
# The commonest words of English that hold a sentence together.
_FUNCTION_WORDS = {
    *_ARTICLES, "of", "to", "in", "for", "on", "at", "by", "with", "from", "as", "into", "about", "than", "and",
    "or", "but", "if", "that", "which", "who", "this", "these", "those", "it", "its", "he", "his", "him", "she",
    "her", "they", "their", "them", "we", "our", "us", "i", "my", "me", "you", "your", "is", "are", "was", "were",
    "be", "been", "has", "have", "had", "will", "would", "could", "can", "may", "not", "n't", "'s", "there", "also",
}  # fmt: skip


def character_properties(text):
    """What can be said of each character of a text.

    Args:
        text: str of n characters.

    Returns:
        A dict of float64 arrays `(n,)`, named by what they say. Positions are numbers of characters: in the line (0 for
        its end, 1 for the first character), in the word (0 outside of words); the indentation is that of the line, as
        far as it has come. The others are 1 where it is so and 0 elsewhere. "inside quotes" and "inside brackets" hold
        from the mark that opens up to the character before the one that closes, as one who has just read it knows;
        marks without a partner do not count.
    """
    bases = [unicodedata.normalize("NFD", character)[0].lower() for character in text]
    lines = _since(text, lambda character: character == "\n")
    blank = _since(text, lambda character: character != " ")
    indented = np.where(blank == lines, lines, 0)
    for place in range(1, len(text)):
        if indented[place] == 0 and text[place] != "\n":
            indented[place] = indented[place - 1]
    names = np.zeros(len(text))
    for found in _NAME.finditer(text):
        names[found.start() : found.end()] = 1
    return {
        "position in the line": lines,
        "first of a line": np.array(lines == 1, "float64"),
        "end of a line": _flags(text, lambda character: character == "\n"),
        "indentation": indented,
        "inside quotes": _inside(text, QUOTES),
        "inside brackets": _inside(text, BRACKETS),
        "speaker's name": names,
        "position in the word": _since(text, lambda character: not character.isalnum()),
        "space": _flags(text, lambda character: character == " "),
        "capital letter": _flags(text, str.isupper),
        "vowel": _flags(bases, lambda base: base in VOWELS),
        "consonant": _flags(bases, lambda base: base.isalpha() and base not in VOWELS),
        "digit": _flags(text, str.isdigit),
        "mark of punctuation": _flags(text, _is_mark),
    }


def word_properties(words):
    """What can be said of each word of a text.

    Args:
        words: list of n str, as a word model reads them: in lower case, marks of punctuation and the end of a line as
            words of their own, `<unk>` for unknown words, N for numbers.

    Returns:
        A dict of float64 arrays `(n,)`, as of `character_properties`. The position in the sentence is a number of
        words, 0 for a mark or a line's end that ends a sentence.
    """
    sentence = _since(words, lambda word: word in _SENTENCE_ENDS)
    return {
        "position in the sentence": sentence,
        "first of a sentence": np.array(sentence == 1, "float64"),
        "end of a sentence": np.array(sentence == 0, "float64"),
        "length of the word": np.array([0 if word == "\n" else len(word) for word in words], "float64"),
        "function word": _flags(words, lambda word: word in _FUNCTION_WORDS),
        "after an article": _flags(["", *words][: len(words)], lambda word: word in _ARTICLES),
        "number": _flags(words, lambda word: word == "N" or word[:1].isdigit()),
        "unknown word": _flags(words, lambda word: word == "<unk>"),
        "word that ends in s": _flags(words, lambda word: word.endswith("s") and word not in _FUNCTION_WORDS),
        "inside quotes": _inside(words, QUOTES),
        "inside brackets": _inside(words, BRACKETS),
        "mark of punctuation": _flags(words, lambda word: all(map(_is_mark, word))),
    }


def _flags(tokens, holds):
    return np.array([bool(holds(token)) for token in tokens], "float64")


def _is_mark(character):
    return unicodedata.category(character)[0] == "P"


def _since(tokens, begins_anew):
    """How many tokens ago the last one was with which the count begins anew, and which has 0 itself."""
    counts, count = np.zeros(len(tokens)), 0
    for place, token in enumerate(tokens):
        count = 0 if begins_anew(token) else count + 1
        counts[place] = count
    return counts


def _inside(tokens, pairs):
    inside, opened = np.zeros(len(tokens)), []
    for place, token in enumerate(tokens):
        partners = [index for index in opened if tokens[index] == pairs.get(token)]
        if partners:
            inside[partners[-1] : place] = 1
            opened = [index for index in opened if index < partners[-1]]
        elif token in pairs.values():
            opened.append(place)
    return inside


def correlations(states, properties):
    """Pearson's correlation of each unit with each property.

    Args:
        states: float `(time, units)`.
        properties: float `(time, properties)`.

    Returns:
        float64 `(properties, units)`, from -1 to 1; 0 where either is the same all the time, and has no correlation.

    Raises:
        ValueError: if either has other than two axes, or their times differ.
    """
    states, properties = (np.asarray(array, "float64") for array in (states, properties))
    if states.ndim != 2 or properties.ndim != 2 or len(states) != len(properties):
        raise ValueError(
            "`states` should be of shape (time, units) and `properties` of (time, properties), with the same time. "
            f"Received: shapes {states.shape} and {properties.shape}"
        )
    return np.clip(_standardized(properties).T @ _standardized(states), -1, 1)


def _standardized(columns):
    """Each column less its mean and of norm 1; 0 if it is constant, which rounding must not blow up."""
    if not len(columns):
        return columns
    centred = np.where(np.ptp(columns, axis=0) > 0, columns - columns.mean(axis=0), 0)
    norms = np.linalg.norm(centred, axis=0)
    return centred / np.where(norms > 0, norms, 1)


class Tracking(typing.NamedTuple):
    """Units that go along with a property, the surest first.

    units         int `(k,)`, their numbers
    correlations  float64 `(k,)`, with the property in the first half of the text, by which they were found
    confirmed     float64 `(k,)`, in the second half, which had no say in that
    chance        float, the correlation that chance reaches: where the property is shifted along the first half by a
                  random number of tokens, the best of all units, whichever it is, stays below it 19 times out of 20
    """

    units: np.ndarray
    correlations: np.ndarray
    confirmed: np.ndarray
    chance: float


def search_units(states, values, k=8, shifts=200, seed=0):
    """Finds the units that track a property of a text.

    Among hundreds of units some correlate with anything. A shift keeps how the property comes and goes, and takes away
    what it has to do with the text, so that what is found then is an accident.

    Args:
        states: float `(time, units)`, of 4 tokens at least.
        values: float `(time,)`, the property.
        k: number of units to be found; all if there are fewer.
        shifts: number of shifts drawn.
        seed: int, of these.

    Returns:
        `Tracking`, sorted by the absolute correlation in the first half. Nothing in it is NaN: where a correlation does
        not exist, because the unit or the property is constant in that half, it is 0.

    Raises:
        ValueError: if the text is too short, or the shapes do not fit.
    """
    states, values = np.asarray(states, "float64"), np.asarray(values, "float64")
    if values.ndim != 1 or len(values) < SHORTEST:
        raise ValueError(
            f"`values` should be of shape (time,), with {SHORTEST} or more tokens. Received: shape {values.shape}"
        )
    half = len(values) // 2
    (found,) = correlations(states[:half], values[:half, None])
    (again,) = correlations(states[half:], values[half:, None])
    places = np.random.default_rng(seed).integers(1, half, shifts)
    shifted = np.stack([np.roll(values[:half], place) for place in places], axis=1)
    best = np.abs(correlations(states[:half], shifted)).max(axis=1)
    units = np.argsort(-np.abs(found), kind="stable")[:k]
    return Tracking(units, found[units], again[units], float(np.quantile(best, QUANTILE)))
