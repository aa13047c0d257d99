"""Translations as the translation page has them: pairs of languages, the sentences of a text, the work on them."""

import re
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from apps import models
from apps.texts import InputError, clean

WIDTH, MAX_WIDTH = 5, 12  # beams
LENGTH_PENALTY = 1.0  # where a model's figures name none
MAX_CHARACTERS = 1_000_000  # of a text or a file
TOGETHER = 16  # sentences a call; other visitors' calls come in between

# As in the models, so that one sentence here is one sentence there.
MOST_WORDS, MOST_CHARACTERS = 50, 200  # of a sentence, of a word
_WORD = re.compile(rf"(\s*)(\S{{1,{MOST_CHARACTERS}}})")
_ENDS = re.compile(r".*[.!?…]+[\"'»”’)\]]*", re.DOTALL)
_GOES_ON = re.compile(r"[(\"'«“]*(?:[A-ZÀ-ÖØ-ÞĐ]|Mr|Mrs|Ms|Dr|Prof|St|vs|Sra?|Srta|Mme|Mlle|e\.g|i\.e)\.")

CAPTIONS = {
    "A dog in the snow": "A brown dog is carrying a red ball across a snowy field.",
    "A street musician": "A young man with a hat is playing the guitar on a street corner while people walk past him.",
    "At the market": "An old woman in a green coat is buying apples from a man at a market.",
    "Two paragraphs": "Three children are building a castle out of sand. Their father is taking a picture of them.\n\n"
    "Behind them, two women are sitting under a yellow umbrella.",
}
CAPTIONS_IN_FRENCH = {
    "Un chien dans la neige": "Un chien brun porte une balle rouge à travers un champ enneigé.",
    "Un musicien": "Un jeune homme avec un chapeau joue de la guitare au coin d'une rue pendant que des gens passent.",
    "Au marché": "Une vieille femme en manteau vert achète des pommes à un homme sur un marché.",
    "Deux paragraphes": "Trois enfants construisent un château de sable. Leur père les prend en photo.\n\n"
    "Derrière eux, deux femmes sont assises sous un parasol jaune.",
}
EVERYDAY = {
    "Lost keys": "I don't remember where I put my keys.",
    "Tea or coffee": "Would you like a cup of tea, or do you prefer coffee?",
    "A rainy day": "It was raining all day, so we stayed at home and played cards.",
    "Two paragraphs": "Excuse me, where is the station? I have to catch the last train.\n\n"
    "Don't worry. My brother can take you there in his car.",
}


@dataclass(frozen=True)
class Pair:
    """A source and a target language, what their model learned from, and texts of that kind by a name for each."""

    source: str
    target: str
    learned_from: str
    examples: dict[str, str]

    @property
    def name(self) -> str:
        return f"{self.source} → {self.target}"


_PHOTOGRAPHS = "captions of photographs: people, animals, and what they are doing there"
_SENTENCES = "short everyday sentences, such as stand in phrase books"
PAIRS = {
    "en-de": Pair("English", "German", _PHOTOGRAPHS, CAPTIONS),
    "en-fr": Pair("English", "French", _PHOTOGRAPHS, CAPTIONS),
    "fr-en": Pair("French", "English", _PHOTOGRAPHS, CAPTIONS_IN_FRENCH),
    "en-es": Pair("English", "Spanish", _SENTENCES, EVERYDAY),
    "en-vi": Pair("English", "Vietnamese", _SENTENCES, EVERYDAY),
}
# Names of ISO 639-1's codes, for models of pairs that are not listed above.
LANGUAGES = {
    "ar": "Arabic", "bg": "Bulgarian", "bn": "Bengali", "ca": "Catalan", "cs": "Czech", "cy": "Welsh", "da": "Danish",
    "de": "German", "el": "Greek", "en": "English", "eo": "Esperanto", "es": "Spanish", "et": "Estonian",
    "eu": "Basque", "fa": "Persian", "fi": "Finnish", "fr": "French", "ga": "Irish", "gl": "Galician", "he": "Hebrew",
    "hi": "Hindi", "hr": "Croatian", "hu": "Hungarian", "hy": "Armenian", "id": "Indonesian", "is": "Icelandic",
    "it": "Italian", "ja": "Japanese", "ka": "Georgian", "ko": "Korean", "la": "Latin", "lt": "Lithuanian",
    "lv": "Latvian", "mk": "Macedonian", "ms": "Malay", "mt": "Maltese", "nb": "Norwegian Bokmål", "nl": "Dutch",
    "nn": "Norwegian Nynorsk", "no": "Norwegian", "pl": "Polish", "pt": "Portuguese", "ro": "Romanian",
    "ru": "Russian", "sk": "Slovak", "sl": "Slovenian", "sq": "Albanian", "sr": "Serbian", "sv": "Swedish",
    "sw": "Swahili", "ta": "Tamil", "te": "Telugu", "th": "Thai", "tl": "Tagalog", "tr": "Turkish", "uk": "Ukrainian",
    "ur": "Urdu", "vi": "Vietnamese", "yi": "Yiddish", "zh": "Chinese",
}  # fmt: skip


def pair(code: str) -> Pair:
    """What the model of a pair, such as "en-de", translates, and what it learned from."""
    if code in PAIRS and models.config(f"translation/{code}").get("dataset") != "files":
        return PAIRS[code]
    source, target = (LANGUAGES.get(language, language.upper()) for language in code.split("-"))
    return Pair(source, target, "texts of your own", {})


def available() -> list[str]:
    """The pairs whose models are there, at least one; those of visitors' own training behind the others.

    Raises:
        ModelError: if there is none; the message says which commands make them.
    """
    there = [name for name in models.variants("translation") if re.fullmatch(r"[a-z]{2,3}-[a-z]{2,3}", name)]
    if not there:
        first, *others = PAIRS
        raise models.ModelError(
            "No translation model is in `saved_models/translation` yet. This command, run in the project's folder, "
            f"trains one and puts it there: `{models.command(f'translation/{first}')}`. "
            f"Likewise {', '.join(others[:-1])} and {others[-1]}."
        )
    return [*(name for name in PAIRS if name in there), *(name for name in there if name not in PAIRS)]


@dataclass
class Sentence:
    """A sentence of a text, with the white space before it, and what became of it.

    Attributes:
        before: white space.
        text: the sentence as it was written.
        alternatives: translations and their scores, the best first; nats over the length penalty's divisor. Empty
            where there is nothing to translate, or the model found nothing.
        known: the share of its words that the model's training texts had; None until it was asked.
    """

    before: str
    text: str
    alternatives: list[tuple[str, float]] = field(default_factory=list)
    known: float | None = None

    @property
    def has_letters(self) -> bool:
        return any(character.isalpha() for character in self.text)

    @property
    def best(self) -> str:
        """The translation; the sentence itself where there is none."""
        return self.alternatives[0][0] if self.alternatives else self.text


def split(text: str) -> list[Sentence]:
    """The sentences of a text; `before` and `text` of all of them, joined, are the text again.

    A sentence ends with its line, or before a space with one of .!?… and what closes behind it. Neither titles nor
    initials end one. What is longer than MOST_WORDS words, and a word longer than MOST_CHARACTERS, is taken in parts.
    White space at the end of the text makes a last sentence without a text.
    """
    pieces, words, ended, end = [], 0, True, 0
    for found in _WORD.finditer(text):
        space, word = found.groups()
        if ended or not space or "\n" in space or words == MOST_WORDS:
            pieces.append((space, [word]))
            words = 0
        else:
            pieces[-1][1].extend((space, word))
        words += 1
        ended = _ENDS.fullmatch(word) is not None and not _GOES_ON.fullmatch(word)
        end = found.end()
    if end < len(text):
        pieces.append((text[end:], []))
    return [Sentence(before, "".join(parts)) for before, parts in pieces]


def prepare(text: str) -> tuple[str, list[str]]:
    """A visitor's text made fit for a model, and what should be said about that: sentences.

    Raises:
        InputError: if there is nothing to translate, or too much.
    """
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"This text has {len(text):,} characters; at most {MAX_CHARACTERS:,} are translated at once. Split it up."
        )
    text, removed = clean(text)
    if not text.strip():
        raise InputError("There is no text yet. Write or paste one into the box, open a file, or pick an example.")
    if not any(character.isalpha() for character in text):
        raise InputError(
            "There are no words in this text, only signs, numbers or pictures, so there is nothing to translate. Add a "
            "few words."
        )
    return text, [f"Control characters, which cannot be seen, were read as spaces: {removed:,}."] if removed else []


def read_file(data: bytes) -> str:
    """The text of a file in UTF-8, with or without a byte order mark.

    Raises:
        InputError: if it is too large, empty, or no text in UTF-8.
    """
    # A character has four bytes at most; whether there are too many characters is seen when they are read.
    if len(data) > 4 * MAX_CHARACTERS:
        raise InputError(
            f"This file has {len(data):,} bytes; a text may have {MAX_CHARACTERS:,} characters. Split it into smaller "
            "files."
        )
    if not data.strip():
        raise InputError("This file is empty.")
    if b"\x00" in data:
        raise InputError("This is not a text file. From a word processor, save it as “Plain text”, in UTF-8.")
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(
            f"This is not a text file in UTF-8 (its byte {error.start + 1:,} does not belong there). If it is a text, "
            "save it again with the encoding UTF-8; editors offer it under “Save as”."
        ) from error
    if len(text) > MAX_CHARACTERS:
        raise InputError(
            f"This file has {len(text):,} characters; at most {MAX_CHARACTERS:,} are translated at once. Split it into "
            "smaller files."
        )
    return text


class Work:
    """A text on its way from one language to another. What is done stays, whenever it is interrupted.

    Args:
        model: of the pair.
        pair: such as "en-de".
        text: as `prepare` gives it.
        width: of the beam, 1 for greedy.

    Attributes:
        sentences: of the text, in order.
        seconds: that the model took so far.
        stopped: whether the visitor stopped it.
    """

    def __init__(self, model: models.Model, pair: str, text: str, width: int):
        self.model, self.pair, self.text, self.width = model, pair, text, width
        self.sentences = split(text)
        self.length_penalty = float(model.metrics.get("run", {}).get("length_penalty", LENGTH_PENALTY))
        self.seconds, self.stopped = 0.0, False
        self.spoken = [index for index, sentence in enumerate(self.sentences) if sentence.has_letters]
        self._done = 0
        # Streamlit may begin a page anew while its last run is still inside a step.
        self._lock = threading.Lock()

    @property
    def done(self) -> list[int]:
        """Indices of the sentences with letters that are translated."""
        return self.spoken[: self._done]

    @property
    def ended(self) -> bool:
        return self._done == len(self.spoken)

    @property
    def translated(self) -> list[Sentence]:
        """The sentences up to the first that is not translated yet; all of them at the end."""
        return self.sentences if self.ended else self.sentences[: self.spoken[self._done]]

    @property
    def translation(self) -> str:
        """What is translated so far; white space, and sentences without a letter, as they were."""
        return "".join(sentence.before + sentence.best for sentence in self.translated)

    def place(self, index: int) -> tuple[int, int]:
        """(start, end) of a translated sentence in `translation`."""
        start = sum(len(sentence.before) + len(sentence.best) for sentence in self.sentences[:index])
        start += len(self.sentences[index].before)
        return start, start + len(self.sentences[index].best)

    def step(self) -> None:
        """Translates some more sentences.

        Raises:
            ModelError: as `Model.call`; nothing that was done is lost.
        """
        with self._lock:
            some = [self.sentences[index] for index in self.spoken[self._done : self._done + TOGETHER]]
            if not some:
                return
            start = time.perf_counter()
            text = [sentence.text for sentence in some]
            found = self.model.call(
                "beam", text=text, width=np.int32(self.width), length_penalty=np.float32(self.length_penalty)
            )
            known = self.model.call("known", text=text)["known"]
            self.seconds += time.perf_counter() - start
            for sentence, translations, scores, share in zip(some, found["translations"], found["scores"], known):
                sentence.known = float(share)
                sentence.alternatives = _alternatives(translations, scores)
            self._done += len(some)

    def remarks(self) -> list[str]:
        """What should be said about the text: sentences."""
        source = pair(self.pair).source
        done = [self.sentences[index] for index in self.done]
        words = [len(sentence.text.split()) for sentence in done]
        strange = [sentence for sentence in done if sentence.known < 0.5]
        remarks = []
        if strange and np.average([sentence.known for sentence in done], weights=words) < 0.5:
            remarks.append(
                f"Most words here are new to the model. It reads {source}; if this is another language, choose another "
                "pair, for what it made of it says little."
            )
        elif strange:
            number = "One sentence has" if len(strange) == 1 else f"{len(strange):,} sentences have"
            others = "" if len(strange) == 1 else " and others"
            remarks.append(
                f"{number} mostly words that are new to the model, which reads {source}: "
                f"“{_shortened(strange[0].text, 80)}”{others}. Trust that part less."
            )
        if empty := sum(not sentence.alternatives for sentence in done):
            remarks.append(f"Sentences for which the model found no words, which stand as they were: {empty:,}.")
        return remarks


def _alternatives(translations: np.ndarray, scores: np.ndarray) -> list[tuple[str, float]]:
    """Those there are, each once, the best first."""
    found = {}
    for translation, score in zip(translations, scores):
        translation = translation.decode("utf-8", "replace")
        if translation.strip() and np.isfinite(score):
            found.setdefault(translation, float(score))
    return list(found.items())


def _shortened(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[:most]} …"


@dataclass(frozen=True)
class Attention:
    """Where a model looked while it wrote a translation.

    Attributes:
        translation: as the model writes it unasked, with its own beam width.
        source, target: words of both.
        weights: float `(target, source)`; what a row lacks to 1 went to the end of the sentence.
    """

    translation: str
    source: list[str]
    target: list[str]
    weights: np.ndarray


def attention(model: models.Model, sentence: str) -> Attention:
    """The attention of one sentence.

    Raises:
        ModelError: as `Model.call`.
    """
    found = model.call("attend", text=[sentence])
    source, target = _words(found["source"][0]), _words(found["target"][0])
    weights = found["attention"][0][: len(target), : len(source)].astype(float)
    return Attention(found["translation"][0].decode("utf-8", "replace"), source, target, weights)


def _words(words: Sequence[bytes]) -> list[str]:
    words = [word.decode("utf-8", "replace") for word in words]
    return words[: words.index("")] if "" in words else words


def translate(text: str) -> str:
    """A sentence in the first pair that is there.

    Raises:
        ModelError: if there is none, or it fails.
    """
    pair = available()[0]
    work = Work(models.load(f"translation/{pair}"), pair, text, WIDTH)
    work.step()
    return work.translation
