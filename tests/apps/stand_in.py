"""Stand-ins for trained models: the same signatures from a few lines of plain TensorFlow.

`python -m tests.apps.stand_in FOLDER` writes them, to see the suite without a trained model:
`SEQKERAS_SAVED_MODELS=FOLDER streamlit run apps/streamlit_app.py`.
"""

import json
import string
import sys
from pathlib import Path

import numpy as np
import tensorflow as tf

MAX_WORDS = 200
LEXICON = {
    "good": 1.0, "great": 1.6, "loved": 1.8, "wonderful": 1.7, "fun": 0.9, "warm": 0.7, "best": 1.2,
    "bad": -1.2, "dull": -1.4, "worst": -2.0, "boring": -1.5, "awful": -1.9, "waste": -1.3, "slow": -0.5,
}  # fmt: skip


class LexiconSentiment(tf.Module):
    """Adds up the shares of the words it knows; "not" turns the word after it round."""

    def __init__(self):
        super().__init__()
        self.shares = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(LEXICON), list(LEXICON.values())), 0.0
        )

    def read(self, text):
        spaced = tf.strings.regex_replace(tf.strings.lower(text, "utf-8"), r"([^\pL\pM\pN\s'])", r" \1 ")
        tokens = tf.strings.split(spaced)[:, :MAX_WORDS].to_tensor("")
        before = tf.concat([tf.fill([tf.shape(tokens)[0], 1], ""), tokens[:, :-1]], axis=1)[:, : tf.shape(tokens)[1]]
        weights = self.shares.lookup(tokens) * tf.where(before == "not", -1.0, 1.0)
        positive = tf.sigmoid(tf.reduce_sum(weights, axis=1))
        return tokens, weights, positive

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def rate(self, text):
        _, _, positive = self.read(text)
        return {"positive": positive, "stars": 1.0 + 4.0 * positive}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def explain(self, text):
        tokens, weights, positive = self.read(text)
        return {"tokens": tokens, "weights": weights, "positive": positive, "stars": 1.0 + 4.0 * positive}


def save_sentiment(folder: Path) -> Path:
    """Writes the stand-in as <folder>/sentiment with its card, metrics and configuration; returns that folder."""
    model = LexiconSentiment()
    target = Path(folder) / "sentiment"
    tf.saved_model.save(model, str(target), {"serving_default": model.rate, "explain": model.explain})
    (target / "model_card.md").write_text("# Stand-in\n\nA word list, **for tests only**.\n", encoding="utf-8")
    (target / "metrics.json").write_text(json.dumps({"accuracy": 0.5}), encoding="utf-8")
    (target / "config.json").write_text(json.dumps({"max_words": MAX_WORDS}), encoding="utf-8")
    return target


METRES = {"M:4/4\n": 8, "M:6/8\n": 6, "M:3/4\n": 6}
LENGTHS = {"N:8\n": 8, "N:16\n": 16, "N:48\n": 48}
SCALE = "CDEFGABcdefgab"
SYMBOLS = [
    *("", "", "", *METRES, "K:Cmaj\n", "K:Dmaj\n", "K:Gmaj\n", "K:Ador\n", "R:jig\n", "R:reel\n", "R:waltz\n"),
    *(*LENGTHS, *"\n |:[]()23468/<>^_=-,'z", *SCALE),
]  # fmt: skip


class Scales(tf.Module):
    """Writes tunes of eighths that go up and down by small steps: bars that fill, then "|]" and the end.

    The state is six numbers: eighths of a bar, whether there is a key, bars wanted, bars written, eighths in this bar,
    and the symbol last read.
    """

    def values(self, of):
        return tf.constant([float(of(symbol) or 0) for symbol in SYMBOLS])

    def read(self, token, state):
        metre, key, wanted, bars, eighths, last = tf.unstack(state, axis=1)
        after_note = tf.gather(self.values(lambda s: len(s) == 1 and s in SCALE + "z"), tf.cast(last, tf.int32))
        metre = tf.maximum(metre, tf.gather(self.values(METRES.get), token))
        key = tf.maximum(key, tf.gather(self.values(lambda s: s.startswith("K:")), token))
        wanted = tf.maximum(wanted, tf.gather(self.values(LENGTHS.get), token))
        bar = tf.gather(self.values(lambda s: s == "|"), token)
        bars += bar * tf.cast(eighths > 0, tf.float32)
        eighths += tf.gather(self.values(lambda s: len(s) == 1 and s in SCALE + "z"), token)
        eighths += after_note * tf.gather(self.values(lambda s: s.isdigit() and int(s) - 1), token)
        state = tf.stack([metre, key, wanted, bars, eighths * (1 - bar), tf.cast(token, tf.float32)], axis=1)
        return state, self.logits(state)

    def logits(self, state):
        metre, key, wanted, bars, eighths, last = (value[:, None] for value in tf.unstack(state, axis=1))

        def only(of):
            return tf.where(self.values(of) > 0, 0.0, -1e9)[None]

        first_note = float(SYMBOLS.index("C"))
        places = tf.range(len(SYMBOLS), dtype=tf.float32)[None]
        near = tf.where(last >= first_note, last, first_note + 4)
        note = tf.where(places >= first_note, -tf.abs(places - near), -20.0)
        note = tf.where(places < 3, -1e9, note)
        bar = tf.where(places == float(SYMBOLS.index("|")), 0.0, note - 8)
        closed = tf.where(last == float(SYMBOLS.index("]")), only(lambda s: False), only(lambda s: s == "]"))
        closed = tf.where((places == 2) & (last == float(SYMBOLS.index("]"))), 0.0, closed)
        done = (bars >= tf.where(wanted > 0, wanted, 8.0)) & (eighths == 0)
        logits = tf.where(eighths >= metre, bar, tf.where(done, closed, note))
        logits = tf.where(key == 0, only(lambda s: s.startswith("K:")), logits)
        return tf.where(metre == 0, only(METRES.get), logits)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="prompt")])
    def start(self, prompt):
        state = tf.zeros([tf.shape(prompt)[0], 6])
        lines = []
        for letter in "RMKN":
            found = tf.strings.regex_full_match(prompt, rf"(?s)(.*\n)?{letter}:.*")
            line = tf.strings.regex_replace(prompt, rf"(?s)^(?:.*\n)?({letter}:[^\n]*\n?).*$", r"\1")
            line = tf.where(found, tf.strings.join([tf.strings.strip(line), "\n"]), "")
            known = tf.reduce_any(line[:, None] == tf.constant(SYMBOLS)[None], axis=1)
            lines.append(tf.where(known, line, ""))
            state = tf.where(
                (line != "")[:, None], self.read(tf.argmax(line[:, None] == SYMBOLS, 1, tf.int32), state)[0], state
            )
        body = tf.strings.strip(tf.strings.regex_replace(prompt, r"(?m)^[A-Z]:[^|\n]*$\n?", ""))
        letters = tf.strings.unicode_split(body, "UTF-8").to_tensor("")
        for place in tf.range(tf.shape(letters)[1]):
            token = tf.argmax(letters[:, place, None] == SYMBOLS, 1, tf.int32)
            state = tf.where((letters[:, place] != "")[:, None], self.read(token, state)[0], state)
        rhythm, metre, key, _ = lines
        music = tf.strings.join(["X:1\n", rhythm, metre, "L:1/8\n", key, body])
        return {"state": state, "logits": self.logits(state), "music": music}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int32, name="token"), tf.TensorSpec([None, 6], name="state")]
    )
    def step(self, token, state):
        state, logits = self.read(token, state)
        return {"state": state, "logits": logits}

    @tf.function(input_signature=[])
    def symbols(self):
        return {"symbols": tf.constant(SYMBOLS)}


def save_music(folder: Path) -> Path:
    """Writes the stand-in as <folder>/music with its card; returns that folder. The pages use no `serving_default`."""
    model = Scales()
    target = Path(folder) / "music"
    tf.saved_model.save(model, str(target), {"start": model.start, "step": model.step, "symbols": model.symbols})
    (target / "model_card.md").write_text("# Stand-in\n\nScales, **for tests only**.\n", encoding="utf-8")
    return target


PHRASES = {
    "a": "ein", "the": "der", "dog": "Hund", "dogs": "Hunde", "two": "zwei", "runs": "läuft", "are": "sind",
    "sees": "sieht", "man": "Mann",
}  # fmt: skip


class WordForWord(tf.Module):
    """Translates each word it knows and leaves the others; the second translation is the first in capital letters.

    Further ones it has not: they are "", with the score -inf. A word looks at its own source word alone.
    """

    def __init__(self):
        super().__init__()
        self.phrases = tf.lookup.StaticHashTable(
            tf.lookup.KeyValueTensorInitializer(list(PHRASES), list(PHRASES.values())), ""
        )

    def read(self, text):
        source = tf.strings.split(tf.strings.regex_replace(text, r"([^\pL\pM\pN\s])", r" \1 "))
        found = self.phrases.lookup(tf.strings.lower(source, "utf-8").to_tensor(""))
        found = tf.RaggedTensor.from_tensor(found, source.row_lengths())
        target = tf.ragged.map_flat_values(lambda new, old: tf.where(new == "", old, new), found, source)
        words = tf.ragged.boolean_mask(found, tf.strings.regex_full_match(source, r".*\pL.*"))
        known = tf.reduce_mean(tf.cast(words != "", tf.float32), axis=1)
        translation = tf.strings.reduce_join(target, axis=1, separator=" ")
        translation = tf.strings.regex_replace(translation, r" ([.,!?])", r"\1")
        return source, target, translation, tf.where(words.row_lengths() > 0, known, 1.0)

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def translate(self, text):
        return {"translation": self.read(text)[2]}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name="text"),
            tf.TensorSpec([], tf.int32, name="width"),
            tf.TensorSpec([], tf.float32, name="length_penalty"),
        ]
    )
    def beam(self, text, width, length_penalty):
        best = self.read(text)[2]
        missing = tf.fill([tf.size(text), width - 1], "")
        translations = tf.concat([best[:, None], tf.strings.upper(best, "utf-8")[:, None], missing], 1)[:, :width]
        score = -length_penalty * tf.cast(tf.strings.length(text, "UTF8_CHAR"), tf.float32)
        scores = tf.concat([score[:, None], score[:, None] - 1, tf.fill([tf.size(text), width - 1], -np.inf)], 1)
        return {"translations": translations, "scores": scores[:, :width]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def attend(self, text):
        source, target, translation, _ = self.read(text)
        source, target = source.to_tensor(""), target.to_tensor("")
        attention = tf.eye(tf.shape(source)[1], batch_shape=[tf.size(text)])
        return {"translation": translation, "source": source, "target": target, "attention": attention}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def known(self, text):
        return {"known": self.read(text)[3]}


def save_translation(folder: Path, *pairs: str) -> Path:
    """Writes the stand-in as <folder>/translation/<pair> for each pair, with card and metrics; returns their folder."""
    model = WordForWord()
    for pair in pairs:
        target = Path(folder) / "translation" / pair
        signatures = {"serving_default": model.translate, "beam": model.beam}
        tf.saved_model.save(model, str(target), signatures | {"attend": model.attend, "known": model.known})
        (target / "model_card.md").write_text(f"# {pair}\n\nA word list, **for tests only**.\n", encoding="utf-8")
        (target / "metrics.json").write_text(json.dumps({"run": {"length_penalty": 0.1}}), encoding="utf-8")
    return Path(folder) / "translation"


COLOURS = {
    "red": (220, 40, 40), "green": (60, 140, 50), "blue": (50, 100, 200), "yellow": (230, 200, 50),
    "white": (235, 235, 235), "black": (20, 20, 20),
}  # fmt: skip


class ColourNamer(tf.Module):
    """Names the two colours that most of an 8 x 8 grid has. A colour's word looks where it is, the others everywhere.

    The second caption is a rewording, further ones it has not: they are "", with the score -inf.
    """

    def read(self, image):
        def grid(data):
            return tf.image.resize(tf.io.decode_image(data, channels=3, expand_animations=False), [8, 8], "area")

        grids = tf.map_fn(grid, image, fn_output_signature=tf.TensorSpec([8, 8, 3], tf.float32))
        distances = tf.reduce_sum((grids[:, :, :, None] - tf.constant(list(COLOURS.values()), tf.float32)) ** 2, -1)
        there = tf.one_hot(tf.argmin(distances, axis=-1), len(COLOURS))
        places = tf.math.top_k(tf.reduce_mean(there, axis=[1, 2]), 2).indices
        most, second = tf.unstack(tf.gather(list(COLOURS), places), axis=1)
        return most, second, tf.gather(tf.transpose(there, [0, 3, 1, 2]), places, batch_dims=1)

    def caption(self, most, second):
        return tf.strings.join(["A ", most, " picture with a little ", second, " in it."])

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def describe(self, image):
        return {"caption": self.caption(*self.read(image)[:2])}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="image"), tf.TensorSpec([], tf.int32, name="width")]
    )
    def beam(self, image, width):
        most, second, _ = self.read(image)
        both = tf.stack([self.caption(most, second), tf.strings.join(["Something ", most, "."])], 1)
        captions = tf.concat([both, tf.fill([tf.size(image), width], "")], 1)
        two = tf.tile([[-0.5, -1.25]], [tf.size(image), 1])
        scores = tf.concat([two, tf.fill([tf.size(image), width], -np.inf)], 1)
        return {"captions": captions[:, :width], "scores": scores[:, :width]}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="image")])
    def attend(self, image):
        most, second, there = self.read(image)
        caption = self.caption(most, second)
        tokens = tf.strings.split(tf.strings.regex_replace(tf.strings.lower(caption), r"\.", "")).to_tensor("")
        everywhere = tf.ones_like(there[:, :1])
        there = tf.where(tf.reduce_sum(there, [2, 3], keepdims=True) > 0, there, everywhere)
        places = [there[:, :1] if word == 1 else there[:, 1:] if word == 6 else everywhere for word in range(9)]
        # One step more than there are words, as where another picture of the batch has a longer caption.
        attention = tf.concat([*places, 0 * everywhere], 1)
        attention = tf.math.divide_no_nan(attention, tf.reduce_sum(attention, axis=[2, 3], keepdims=True))
        tokens = tf.pad(tokens, [[0, 0], [0, 1]], constant_values="")
        return {"caption": caption, "tokens": tokens, "attention": attention}


def save_captioning(folder: Path) -> Path:
    """Writes the stand-in as <folder>/captioning with its card and configuration; returns that folder."""
    model = ColourNamer()
    target = Path(folder) / "captioning"
    signatures = {"serving_default": model.describe, "beam": model.beam, "attend": model.attend}
    tf.saved_model.save(model, str(target), signatures)
    (target / "model_card.md").write_text("# Stand-in\n\nNames colours, **for tests only**.\n", encoding="utf-8")
    (target / "config.json").write_text(json.dumps({"width": 3}), encoding="utf-8")
    return target


PROSE = (
    "the apple and pear salad was good\nthe king of the land was good\n"
    "the king said that he would go\nthe stock market fell on monday\nthe company said that the market fell\n"
)


class Pairs(tf.Module):
    """Knows of PROSE how often a symbol comes after another, characters or words; the state is the symbol last read."""

    def __init__(self, level):
        super().__init__()
        self.words = level == "words"
        found = PROSE.replace("\n", " \n ").split(" ")[:-1] if self.words else [*PROSE, *string.ascii_letters, *":,.'-"]
        known = sorted({"\n", *found} - {""})
        self.names = ["", "", "", *(["<unk>"] if self.words else []), *known]
        self.first = self.names.index("\n")
        ids = [self.names.index(symbol) for symbol in ["\n", *found] if symbol]
        counts = np.full([len(self.names)] * 2, 0.05, np.float32)
        np.add.at(counts, (ids[:-1], ids[1:]), 1)
        logits = np.log(counts / counts[:, 3:].sum(axis=1, keepdims=True))
        logits[:, :3] = -1e9
        self.table = tf.constant(logits, tf.float32)
        places = np.arange(3, len(self.names), dtype=np.int64)
        self.ids = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(self.names[3:], places), -1)

    def read(self, text):
        if self.words:
            text = tf.strings.lower(tf.strings.regex_replace(text, r"\n|[.!?]", " \ue000 "), "utf-8")
            symbols = tf.strings.split(tf.strings.regex_replace(text, r"[^\pL\pN\s\x{e000}'<>-]", " "))
            symbols = symbols.with_flat_values(tf.where(symbols.flat_values == "\ue000", "\n", symbols.flat_values))
        else:
            symbols = tf.strings.unicode_split(text, "UTF-8", errors="ignore")
        ids = symbols.with_flat_values(tf.cast(self.ids.lookup(symbols.flat_values), tf.int32))
        if self.words:
            return tf.maximum(ids, 3)
        return tf.ragged.boolean_mask(ids, ids >= 0)

    def last(self, text):
        ids = self.read(text)
        return tf.concat([tf.fill([ids.nrows(), 1], self.first), ids], axis=1)[:, -1:].to_tensor()[:, 0], ids

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="prompt")])
    def start(self, prompt):
        last, ids = self.last(prompt)
        strings = ids.with_flat_values(tf.gather(self.names, ids.flat_values))
        text = tf.strings.reduce_join(strings, axis=1, separator=" " if self.words else "")
        text = tf.strings.regex_replace(text, " ?\n ?", "\n") if self.words else text
        return {"state": tf.cast(last, tf.float32)[:, None], "logits": tf.gather(self.table, last), "text": text}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.int32, name="token"), tf.TensorSpec([None, 1], name="state")]
    )
    def step(self, token, state):
        return {"state": 0 * state + tf.cast(token, tf.float32)[:, None], "logits": tf.gather(self.table, token)}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def score(self, text):
        ids = self.read(text)
        lengths, ids = ids.row_lengths(), ids.to_tensor(0)
        before = tf.concat([tf.fill([tf.shape(ids)[0], 1], self.first), ids], axis=1)[:, : tf.shape(ids)[1]]
        each = tf.gather_nd(self.table, tf.stack([before, ids], axis=-1))
        each *= tf.sequence_mask(lengths, tf.shape(ids)[1], tf.float32)
        tokens = tf.gather(self.names, ids)
        return {"log_probability": tf.reduce_sum(each, 1), "tokens": tokens, "token_log_probability": each}

    @tf.function(
        input_signature=[tf.TensorSpec([None], tf.string, name="prompt"), tf.TensorSpec([], tf.int32, name="k")]
    )
    def next(self, prompt, k):
        logits = tf.gather(self.table, self.last(prompt)[0])
        found = tf.math.top_k(tf.nn.softmax(logits), tf.clip_by_value(k, 1, len(self.names) - 3))
        return {"words": tf.gather(self.names, found.indices), "probability": found.values}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")])
    def trace(self, text):
        """Two layers of three units; the first of each counts the place in the line, up and down; one is always 0."""
        ids = self.read(text)[:, :500].to_tensor(0)
        places = tf.range(1, tf.shape(ids)[1] + 1)[None]
        ends = tf.where(ids == self.first, places, 0)
        before = tf.linalg.band_part(tf.repeat(ends[:, None], tf.shape(ids)[1], axis=1), -1, 0)
        position = tf.cast(places - tf.reduce_max(before, axis=2), tf.float32)
        id = tf.cast(ids, tf.float32)
        layers = [[position / 80, tf.sin(id), 0 * id], [-position / 99, tf.cos(id), tf.sin(3 * id)]]
        hidden = tf.stack([tf.stack(units, axis=2) for units in layers], axis=2)
        gates = tf.sigmoid(tf.stack([hidden, -hidden, 2 * hidden], axis=3))
        return {"tokens": tf.gather(self.names, ids), "hidden": hidden, "gates": gates}

    @tf.function(input_signature=[])
    def symbols(self):
        return {"symbols": tf.constant(self.names)}


def save_language(folder: Path) -> Path:
    """Writes the stand-ins as <folder>/language/shakespeare and penn_treebank, of characters and of words, with cards,
    figures and configurations; returns their folder. The pages use no `serving_default`."""
    for corpus, level, figure in (
        ("shakespeare", "characters", "bits_per_character"),
        ("penn_treebank", "words", "perplexity"),
    ):
        model = Pairs(level)
        target = Path(folder) / "language" / corpus
        names = ("start", "step", "score", "next", "trace", "symbols")
        tf.saved_model.save(model, str(target), {name: getattr(model, name) for name in names})
        (target / "model_card.md").write_text(
            f"# {corpus}\n\nPairs of {level}, **for tests only**.\n", encoding="utf-8"
        )
        (target / "metrics.json").write_text(json.dumps({"test": {figure: 2.5}}), encoding="utf-8")
        (target / "config.json").write_text(json.dumps({"level": level}), encoding="utf-8")
    return Path(folder) / "language"


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    print(save_sentiment(folder), save_music(folder), save_translation(folder, "en-de", "en-es"))
    print(save_captioning(folder), save_language(folder))
