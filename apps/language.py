"""Language models as the language page has them: texts being written, sentences weighed, words that may come next."""

import difflib
import itertools
import math
import re
import string
import threading
import time
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from apps import models, sampling, texts

CHARACTERS, WORDS = "characters", "words"
UNKNOWN, NUMBER = "<unk>", "N"
LINE_END = "⏎"  # in a box of one line, the end of a line

LONGEST_READ = 4_000  # symbols of a text that a model reads
LONGEST = 4_000  # symbols that are written on one page
LENGTHS = {CHARACTERS: (50, 2_000, 50), WORDS: (10, 400, 10)}  # least and most to be written at once, and the step
LENGTH = {CHARACTERS: 400, WORDS: 80}
TEMPERATURES, TEMPERATURE = (0.1, 2.0), 0.8
TOP_P, TOP_K = 0.95, 0  # top-k 0: all
HOME_SEED = 1  # of the text whose beginning the home page shows
NEXT, MOST_NEXT = 8, 24  # suggestions

# What keyboards write for what is in old texts.
_PLAIN = {
    "’": "'", "‘": "'", "“": '"', "”": '"', "—": "--", "–": "-", "…": "...", "\u00a0": " ", "\t": " ",
}  # fmt: skip
_STRAIGHT = str.maketrans("‘’´`“”", "''''\"\"")
# Before these a word model writes no space.
_CLOSING = re.compile(r"n't|'(?:s|re|ve|ll|d|m)\b|[.,;:!?)\]}%]")
_OPENING = "([{$"
_WORD = re.compile(r"[\w'’-]+\s*|[^\w\s]+\s*|\s+")


# Two texts of which people find one likelier.
PAIRS = {
    "Pear or pair": ("The apple and pear salad was delicious.", "The apple and pair salad was delicious."),
    "Am or is": ("I am the king of this land.", "I is the king of this land."),
    "In order or not": ("The price of the stock fell on Monday.", "On the fell Monday price stock of the."),
    "Would or wood": ("He said that he would not go.", "He said that he wood knot go."),
}
CODE_PAIRS = {
    "Indented or not": ("for line in file:\n    lines.append(line)", "for line in file:\nlines.append(line)"),
    "Quotes": ("name = self.names['first'].lower()", "name = self.names['first].lower()'"),
    "One sign or two": (
        "def __init__(self, name):\n    self.name = name",
        "def __init__(self, name):\n    self.name == name",
    ),
    "Closed or not": (
        "if not (self.count and self.limit):\n    return None",
        "if not (self.count and self.limit:\n    return None",
    ),
}


@dataclass(frozen=True)
class Corpus:
    """What a model learned from.

    Attributes:
        title: as people call it.
        about: what it holds, in some words.
        prompts: beginnings of texts of that kind by a name for each.
        pairs: texts to compare, likewise.
    """

    title: str
    about: str
    prompts: dict[str, str]
    pairs: dict[str, tuple[str, str]] = field(default_factory=lambda: PAIRS)


CORPORA = {
    "shakespeare": Corpus(
        "Shakespeare",
        "the plays of Shakespeare",
        {
            "A king": "KING RICHARD:\nMy lord, the ",
            "Juliet": "JULIET:\nO gentle night, ",
            "To be": "To be, or not to be",
            "From nothing": "",
        },
    ),
    "penn_treebank": Corpus(
        "Wall Street Journal",
        "the Wall Street Journal of 1989 in lower case, with N for numbers and hardly a mark of punctuation",
        {
            "Markets": "the stock market",
            "A company": "the company said it expects",
            "A president": "president bush said",
            "From nothing": "",
        },
    ),
    "python": Corpus(
        "Python code",
        "the source code of Python's standard library",
        {
            "A function": "def read_lines(path):\n    ",
            "A class": "class Parser:\n    ",
            "A loop": "        for name, value in ",
            "From nothing": "",
        },
        CODE_PAIRS,
    ),
}


def available() -> list[str]:
    """The corpora whose models are there, at least one; those of visitors' own training behind the others.

    Raises:
        ModelError: if there is none; the message says which commands make them.
    """
    there = models.variants("language")
    if not there:
        first, second = (models.command(f"language/{name}") for name in ("shakespeare", "penn_treebank"))
        raise models.ModelError(
            "No language model is in `saved_models/language` yet. These commands, run in the project's folder, train "
            f"them and put them there: `{first}`, of characters; `{second}`, of words."
        )
    return [*(name for name in CORPORA if name in there), *(name for name in there if name not in CORPORA)]


def corpus(name: str) -> Corpus:
    """What the model of that name learned from."""
    return CORPORA.get(name) or Corpus(name.replace("_", " "), "a text given to its training", {"From nothing": ""})


def level(model: models.Model) -> str:
    """What a model reads and writes: CHARACTERS or WORDS."""
    return WORDS if model.config.get("level") == WORDS else CHARACTERS


def vocabulary(model: models.Model) -> list[str]:
    """The text of each symbol of a model; "" for those that never come."""
    return [symbol.decode("utf-8", "replace") for symbol in model.call("symbols")["symbols"]]


def measured(model: models.Model) -> str:
    """How well a model predicts text that it never saw, in a sentence; "" if its figures do not say."""
    figures = model.metrics.get("test", {})
    if "perplexity" in figures:
        return (
            f"On text it never saw it is as unsure of the next word as if {figures['perplexity']:,.0f} were equally "
            f"likely (perplexity {figures['perplexity']:.1f})."
        )
    if "bits_per_character" in figures:
        bits = figures["bits_per_character"]
        return (
            f"On text it never saw it is as unsure of the next character as if {2**bits:.1f} were equally likely "
            f"({bits:.2f} bits)."
        )
    return ""


# What a visitor gives, as a model reads it


def prepare(text: str, symbols: Sequence[str], level: str, *, end: bool = True) -> tuple[str, list[str]]:
    """Makes a text fit for a model.

    Args:
        text: as the visitor wrote it.
        symbols: of the model.
        level: CHARACTERS or WORDS.
        end: whether the end is kept of a text too long, or its beginning.

    Returns:
        The text, and what should be said about it: sentences. Unknown words are found by `unknown_words`.
    """
    text, removed = texts.clean(text)
    remarks = [f"Control characters, which cannot be seen, were read as spaces: {removed:,}."] if removed else []
    if level == CHARACTERS:
        text, more = _known_characters(text, set(symbols))
        remarks += more
        too_long = len(text) > LONGEST_READ
        text = text[-LONGEST_READ:] if end else text[:LONGEST_READ]
    else:
        # The model counts exactly; this many pieces hold as many words or more.
        too_long = texts.has_more_words(text, LONGEST_READ)
        pieces = re.findall(r"\s*\S+", text)
        if len(pieces) > LONGEST_READ:
            text = "".join(pieces[-LONGEST_READ:] if end else pieces[:LONGEST_READ])
    if too_long:
        remarks.append(f"This is a long text: only its {'last' if end else 'first'} {LONGEST_READ:,} {level} are read.")
    return text, remarks


def _known_characters(text: str, known: set[str]) -> tuple[str, list[str]]:
    """The text without the characters that a model has no sign for, and what to say about them."""
    replaced = [c for c in _PLAIN if c in text and c not in known and known.issuperset(_PLAIN[c])]
    text = text.translate({ord(character): _PLAIN[character] for character in replaced})
    unknown = dict.fromkeys(character for character in text if character not in known)
    remarks = []
    if replaced:
        remarks.append(f"Read in their plain form: {_listed(map(_visible, replaced))}.")
    if unknown:
        remarks.append(f"Left out, because the model has no sign for them: {_listed(map(_visible, unknown))}.")
        text = "".join(character for character in text if character in known)
        if not text.strip():
            remarks.append("That leaves nothing of your text.")
    return text, remarks


def unknown_words(text: str, read: str) -> list[str]:
    """Sentences on the words of a text that a word model does not know.

    Args:
        text: that the model was given.
        read: as it read it, with UNKNOWN for each word it does not know.
    """
    tokens = re.findall(rf"{UNKNOWN}|[^\W_]+|[^\w\s]", read)
    originals, left_out = _originals(text, tokens)
    unknown = dict.fromkeys(word for token, word in zip(tokens, originals) if token == UNKNOWN != word)
    remarks = []
    if unknown:
        remarks.append(f"Words that the model has not learned were read as {UNKNOWN}: {_listed(unknown)}.")
    # Of marks of punctuation nothing is said: word models read few, and the text as it was read is shown.
    strange = dict.fromkeys(c for c in left_out if unicodedata.category(c)[0] in "MS" and c not in string.punctuation)
    if strange:
        remarks.append(f"Left out, because the model has no sign for them: {_listed(map(_visible, strange))}.")
    return remarks


def _originals(text: str, tokens: Sequence[str]) -> tuple[list[str], str]:
    """What stands in a text for each token that a word model read there, and all that no token stands for.

    A token that is not in the text itself, such as UNKNOWN, has a word of the passage between its neighbours.
    """
    # Word models read all quotation marks and apostrophes as the plain ones.
    spans = texts.align(
        text.translate(_STRAIGHT), ["" if token in (UNKNOWN, NUMBER, "\n") else token for token in tokens]
    )
    originals, left_out, cursor, place = [], [], 0, 0
    while place <= len(tokens):
        missing = list(itertools.takewhile(lambda index: spans[index] is None, range(place, len(tokens))))
        after = place + len(missing)
        end = spans[after][0] if after < len(tokens) else len(text)
        gap = text[cursor:end]
        replaced = [index for index in missing if tokens[index] in (UNKNOWN, NUMBER)]
        # A word that was taken apart, such as "don't", is not found as its parts are; it is none of those replaced.
        apart = {
            "".join(tokens[index] for index in run)
            for is_replaced, run in itertools.groupby(missing, replaced.__contains__)
            if not is_replaced
        }
        words = re.findall(r"[^\W_](?:[\w.&'’/-]*[^\W_])?", gap)
        words = [word for word in words if word.translate(_STRAIGHT).lower() not in apart]
        for index in missing:
            number = replaced.index(index) if index in replaced else len(words)
            originals.append(words[number] if number < len(words) else tokens[index])
        left_out.append("" if replaced else gap)
        if replaced:
            left_out.append("".join(re.findall(r"[^\w\s]", gap)))
        if after < len(tokens):
            originals.append(text[slice(*spans[after])])
            cursor = spans[after][1]
        place = after + 1
    return originals, "".join(left_out)


def _listed(names: Iterable[str], most: int = 8) -> str:
    names = [name if len(name) <= 40 else f"{name[:40]} …" for name in names]
    if len(names) > most:
        return f"{', '.join(names[:most])} and {len(names) - most:,} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), names[-1])))


def _visible(character: str) -> str:
    """A character as it can be shown in a sentence, by its code point if it has no shape."""
    if character == "\t":
        return "tab"
    return character if character.isprintable() and not character.isspace() else f"U+{ord(character):04X}"


# Writing


@dataclass(frozen=True)
class Settings:
    """How symbols are drawn.

    Attributes:
        temperature: above 0; the logits are divided by it.
        top_k: among how many of the likeliest, 0 for all.
        top_p: among the likeliest that together reach this share of the probability.
        seed: that chance starts from.
        unknown: whether UNKNOWN may be written.
    """

    temperature: float = TEMPERATURE
    top_k: int = TOP_K
    top_p: float = TOP_P
    seed: int = HOME_SEED
    unknown: bool = False


class Writing:
    """A text being written; `step` adds a symbol.

    Args:
        model: a language model.
        prompt: that it goes on from, as `prepare` gives it.
        length: how many symbols it is to write.
        settings: how they are drawn.

    Attributes:
        given: the prompt as the model read it.
        written: list of `sampling.Symbol`, as far as the text has come.
        length: may be raised, to have more written.
        stopped: whether the visitor wants no more of it; `step` may still be called.
        seconds: that the model took.
    """

    def __init__(self, model: models.Model, prompt: str, length: int, settings: Settings = Settings()):
        start = time.perf_counter()
        self.model, self.settings, self.level = model, settings, level(model)
        self.symbols = vocabulary(model)
        outputs = model.call("start", prompt=[prompt])
        self.prompt, self.given = prompt, outputs["text"][0].decode("utf-8", "replace")
        self.written: list[sampling.Symbol] = []
        self.length = min(length, LONGEST)
        self.stopped = False
        self._state, self._logits = outputs["state"], outputs["logits"][0]
        self._random = np.random.default_rng(settings.seed)
        self._unknown = self.symbols.index(UNKNOWN) if UNKNOWN in self.symbols else None
        self.seconds = time.perf_counter() - start
        # Streamlit may begin a page anew while its last run is still inside a step.
        self._lock = threading.Lock()

    @property
    def ended(self) -> bool:
        return len(self.written) >= self.length

    @property
    def pieces(self) -> list[str]:
        """The text of each symbol written, with the space before it that a word may need."""
        symbols = [symbol.text for symbol in self.written]
        if self.level == CHARACTERS:
            return symbols
        return [space(before, word) + word for before, word in zip([self.given, *symbols], symbols)]

    @property
    def text(self) -> str:
        """The prompt as the model read it, and all that it wrote."""
        return self.given + "".join(self.pieces)

    def step(self) -> None:
        """Draws one more symbol.

        Raises:
            ModelError: if the model fails; the text stays as it is.
        """
        with self._lock:
            if self.ended:
                return
            start = time.perf_counter()
            allowed = sampling.allowed(self._logits)
            if self._unknown is not None and not self.settings.unknown:
                allowed[self._unknown] = -np.inf
            allowed = sampling.likeliest(allowed, self.settings.top_k)
            random_state = self._random.bit_generator.state
            token = sampling.draw(allowed, self.settings.temperature, self.settings.top_p, self._random)
            try:
                outputs = self.model.call("step", token=np.array([token], np.int32), state=self._state)
            except models.ModelError:
                self._random.bit_generator.state = random_state
                raise
            self.written.append(sampling.written(token, self._logits, self.symbols))
            self._state, self._logits = outputs["state"], outputs["logits"][0]
            self.seconds += time.perf_counter() - start


def space(before: str, word: str) -> str:
    """What a word model writes between a text and the word after it: a space or nothing."""
    if not before or before[-1].isspace() or before[-1] in _OPENING or word == "\n" or _CLOSING.match(word):
        return ""
    return " "


def beginning(prompt: str) -> str:
    """The first words of the text that the page writes for a prompt without a seed, with the first model there is."""
    model = models.load(f"language/{available()[0]}")
    symbols = vocabulary(model)
    text, _ = prepare(prompt, symbols, level(model))
    writing = Writing(model, text, 60 if level(model) == CHARACTERS else 12)
    while not writing.ended:
        writing.step()
    return "".join(writing.pieces).strip()


# Weighing


@dataclass(frozen=True)
class Word:
    """A word of a text, with its logarithm of the probability after all before it, in nats."""

    text: str
    log_probability: float


@dataclass(frozen=True)
class Scored:
    """A text and how likely a model finds it.

    Attributes:
        pieces: the text as the model read it, symbol by symbol, with the spaces between words.
        log_probabilities: of each symbol after those before it, nats.
        words: the same by words; those of a character model have the sum over their characters, the white space
            behind them included, for it says that the word has ended.
        remarks: what should be said about how the text was read.
    """

    pieces: list[str]
    log_probabilities: list[float]
    words: list[Word]
    remarks: list[str] = field(default_factory=list)

    @property
    def log_probability(self) -> float:
        """Of the whole text, nats."""
        return math.fsum(self.log_probabilities)


def score(model: models.Model, sentences: Sequence[str]) -> list[Scored]:
    """How likely a model finds each of some sentences.

    Raises:
        InputError: if there is nothing to read in one.
        ModelError: if the model fails.
    """
    symbols, prepared = vocabulary(model), []
    for number, sentence in enumerate(sentences):
        if not sentence.strip():
            raise texts.InputError("There are two boxes to fill. Write a sentence into each.")
        text, remarks = prepare(sentence.strip(), symbols, level(model), end=False)
        prepared.append((text, remarks))
        if not text.strip():
            which = "first" if number == 0 else "second"
            raise texts.InputError(f"Of the {which} sentence the model knows no character. Write it in another way.")
    outputs = model.call("score", text=[text for text, _ in prepared])
    scored = []
    for row, (text, remarks) in enumerate(prepared):
        tokens = [token.decode("utf-8", "replace") for token in outputs["tokens"][row] if token]
        logs = [float(value) for value in outputs["token_log_probability"][row, : len(tokens)]]
        if not tokens:
            which = "first" if row == 0 else "second"
            raise texts.InputError(f"Of the {which} sentence the model knows no word. Write it in another way.")
        if level(model) == CHARACTERS:
            scored.append(Scored(tokens, logs, _sums(tokens, logs), remarks))
            continue
        pieces = [space(before, word) + word for before, word in zip(["", *tokens], tokens)]
        originals, _ = _originals(text, tokens)
        words = [
            Word(f"{original}*" if token == UNKNOWN else LINE_END if token == "\n" else token, log)
            for token, original, log in zip(tokens, originals, logs)
        ]
        scored.append(Scored(pieces, logs, words, remarks + unknown_words(text, "".join(pieces))))
    return scored


def _sums(characters: Sequence[str], logs: Sequence[float]) -> list[Word]:
    words, text = [], "".join(characters)
    for found in _WORD.finditer(text):
        name = found[0].strip() or (LINE_END if "\n" in found[0] else "␣")
        words.append(Word(name, math.fsum(logs[found.start() : found.end()])))
    return words


def side_by_side(first: Sequence[Word], second: Sequence[Word]) -> list[tuple[Word | None, Word | None]]:
    """The words of two sentences in rows, the same words beside each other; None where one has no word for it."""
    names = [[word.text.lower() for word in words] for words in (first, second)]
    rows = []
    for _, start, stop, begin, end in difflib.SequenceMatcher(None, *names, autojunk=False).get_opcodes():
        rows += itertools.zip_longest(first[start:stop], second[begin:end])
    return rows


def times(nats: float) -> str:
    """How many times likelier, for a difference of log-probabilities that is not negative."""
    if nats > math.log(1e6):
        return f"10{str(round(nats / math.log(10))).translate(str.maketrans('0123456789', '⁰¹²³⁴⁵⁶⁷⁸⁹'))}"
    return f"{math.exp(nats):.1f}" if nats < math.log(10) else f"{math.exp(nats):,.0f}"


# What may come next


@dataclass(frozen=True)
class Suggestions:
    """What may come next.

    Attributes:
        likeliest: symbols and their probabilities, the likeliest first.
        before: the text that they are put behind; shorter than what was written where they complete its last word.
        completing: the beginning of a word that they complete, or "".
        unknown: the probability of words that the model has not learned.
        remarks: what should be said about how the text was read.
    """

    likeliest: list[tuple[str, float]]
    before: str
    completing: str = ""
    unknown: float = 0.0
    remarks: tuple[str, ...] = ()


def suggest(model: models.Model, text: str, k: int) -> Suggestions:
    """The `k` likeliest symbols to come after a text, or of words those that complete its last one.

    Args:
        text: as the visitor wrote it, on one line, with LINE_END for the ends of lines.
        k: from 1 to MOST_NEXT.

    Raises:
        ModelError: if the model fails.
    """
    symbols = vocabulary(model)
    known, remarks = prepare(text.replace(LINE_END, "\n"), symbols, level(model))
    if level(model) == CHARACTERS:
        return Suggestions(_next(model, known, k), text, remarks=tuple(remarks))
    # A word that is not known may be one that is not finished.
    begun = re.search(r"[^\W_][\w'-]*$", text)
    if begun and begun[0].lower() not in symbols:
        longer = {symbol for symbol in symbols if symbol.startswith(begun[0].lower())}
        if longer:
            before = text[: begun.start()]
            rest, _ = prepare(before.replace(LINE_END, "\n"), symbols, WORDS)
            found = [entry for entry in _next(model, rest, len(symbols)) if entry[0] in longer]
            return Suggestions(found[:k], before, begun[0], remarks=tuple(remarks))
    found = _next(model, known, len(symbols))
    unknown = sum(probability for symbol, probability in found if symbol == UNKNOWN)
    likely = [entry for entry in found if entry[0] != UNKNOWN][:k]
    if not set(re.findall(r"[^\W_]+", known.lower())) <= set(symbols):
        remarks += unknown_words(known, model.call("start", prompt=[known])["text"][0].decode("utf-8", "replace"))
    return Suggestions(likely, text, unknown=unknown, remarks=tuple(remarks))


def _next(model: models.Model, text: str, k: int) -> list[tuple[str, float]]:
    outputs = model.call("next", prompt=[text], k=np.int32(k))
    words = [word.decode("utf-8", "replace") for word in outputs["words"][0]]
    return [(word, float(probability)) for word, probability in zip(words, outputs["probability"][0]) if word]


def appended(text: str, symbol: str, level: str) -> str:
    """A text on one line with a symbol behind it."""
    if symbol == "\n":
        return text + LINE_END
    if level == CHARACTERS or text.endswith(LINE_END):
        return text + symbol
    return text + space(text, symbol) + symbol
