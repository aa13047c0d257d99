"""From a prompt to a tune: reading the prompt, the grammar of a header, writing, all inside the graph."""

import itertools

import numpy as np
import tensorflow as tf

from seqkeras.decoding import Sampler
from seqkeras.text.symbols import END, PADDING, START
from training.music.data import BARS, FIELDS, line

LONGEST = 2000  # symbols written at the most
LONGEST_PROMPT = 4000  # characters of a prompt's body that are read
TEMPERATURES = (1e-4, 5.0)  # the lowest one leaves the likeliest symbol alone
MODES = {
    "maj": ("", "maj", "ion"),
    "min": ("m", "min", "aeo"),
    "dor": ("dor",),
    "mix": ("mix",),
    "phr": ("phr",),
    "lyd": ("lyd",),
    "loc": ("loc",),
}
# Of two names of one key, the one the tunes are written in may be the other.
SAME_TONIC = {"c#": "db", "d#": "eb", "e#": "f", "f#": "gb", "g#": "ab", "a#": "bb", "b#": "c", "cb": "b", "fb": "e"}


class Music(tf.Module):
    """Writes tunes.

    The state of a tune in the making is one vector: the recurrent states, then the number of a state of `Grammar`, from
    which follows what may not come next.

    Args:
        model: a built LanguageModel, not stateful.
        symbols: seqkeras.text.Symbols.
        top_p: of `serving_default`, see `seqkeras.decoding.Sampler`.
    """

    def __init__(self, model, symbols, top_p):
        super().__init__()
        self.model = model
        self.symbols = symbols
        self.table = symbols._ids  # tracked, so that a SavedModel holds it
        self.sampler = Sampler(top_p=top_p)
        self.sizes = [int(state.shape[-1]) for state in model.start(1)]
        names = ["", "", "", *symbols.symbols]
        self.lines = tf.constant([[float(name.startswith(f"{field}:")) for name in names] for field in FIELDS])
        self.is_character = tf.constant([float(len(name) == 1) for name in names])
        grammar = Grammar(names)
        self.transitions, self.forbidden = tf.constant(grammar.transitions), tf.constant(grammar.forbidden)
        self.keys = _key_table(symbols)
        self.bars = tf.constant([bars for bars in BARS if line("N", bars) in names] or [0])
        # ABC's own defaults, or whatever stands first where no tune had them.
        self.defaults = {}
        for field, value in (("M", "4/4"), ("K", "Cmaj")):
            known = [name for name in names if name.startswith(f"{field}:")]
            self.defaults[field] = names.index(line(field, value) if line(field, value) in known else known[0])

    # Writing

    def write(self, prompt, length, temperature, seed):
        """prompt string `(batch,)`, length int32 (), temperature float32 (), seed int32 () -> dict of music, string
        `(batch,)`: each prompt continued by at most `length` symbols, as a complete file of ABC notation."""
        titles, given = self.read(prompt)
        length = tf.clip_by_value(length, 0, LONGEST)
        sensible = tf.where(tf.math.is_nan(temperature), 1.0, temperature)
        counts = tf.cast(given.row_lengths(), tf.int32)
        room = tf.reduce_max(tf.concat([counts, [1]], axis=0)) + length
        ids = given.to_tensor(PADDING, shape=(None, None))
        ids = tf.pad(ids, [[0, 0], [0, room - tf.shape(ids)[1]]])
        places = tf.range(room)[None]
        written = self.sampler(
            self.step_function(),
            self.nothing(tf.shape(prompt)[0]),
            ids,
            places < counts[:, None],
            temperature=tf.clip_by_value(sensible, *TEMPERATURES),
            seed=seed,
            end=END,
            banned=self.banned,
        )
        # A row that was given less than another has no right to more.
        return {"music": self.abc(titles, tf.where(places < counts[:, None] + length, written, PADDING))}

    def start(self, prompt):
        """prompt string `(batch,)` -> state float32 `(batch, size)` behind it; logits float32 `(batch, symbols)` of
        what comes next, -1e9 where it may not; and music string `(batch,)`, the prompt as it was read."""
        titles, given = self.read(prompt)
        ids = given.to_tensor(PADDING)
        batch = tf.shape(ids)[0]
        last = tf.zeros((batch, len(self.symbols)))
        step = self.step_function()

        def read_one(place, logits, state):
            new_logits, new_state = step(ids[:, place], state)
            kept = (place < tf.cast(given.row_lengths(), tf.int32))[:, None]
            return place + 1, tf.where(kept, new_logits, logits), tf.where(kept, new_state, state)

        _, logits, state = tf.while_loop(
            lambda place, *_: place < tf.shape(ids)[1], read_one, (0, last, self.nothing(batch))
        )
        return {
            "state": state,
            "logits": tf.where(self.banned(state), -1e9, logits),
            "music": self.abc(titles, ids),
        }

    def next(self, token, state):
        """token int32 `(batch,)`, the symbol chosen, and the state before it -> the state behind it, and the logits of
        what comes next, as `start` gives them."""
        logits, state = self.step_function()(tf.clip_by_value(token, 0, len(self.symbols) - 1), state)
        return {"state": state, "logits": tf.where(self.banned(state), -1e9, logits)}

    def vocabulary(self):
        """The string of each id, `(symbols,)`; "" for padding, start and end, the ids 0, 1 and 2."""
        return {"symbols": self.symbols.strings(tf.range(len(self.symbols)))}

    # One step

    def nothing(self, batch_size):
        """The state before a tune."""
        return tf.zeros((batch_size, sum(self.sizes) + 1))

    def step_function(self):
        """A function of ids int32 `(batch,)` and the state before them to the logits and the state behind them."""
        take_step = self.model.step_function()

        def step(ids, state):
            *states, place = tf.split(state, [*self.sizes, 1], axis=1)
            logits, states = take_step(ids, states)
            place = tf.gather_nd(self.transitions, tf.stack([tf.cast(place[:, 0], tf.int32), ids], axis=1))
            return logits, tf.concat([*states, tf.cast(place, tf.float32)[:, None]], axis=1)

        return step

    def banned(self, state):
        """bool `(batch, symbols)`: what may not come next."""
        return tf.gather(self.forbidden, tf.cast(state[:, -1], tf.int32))

    # Prompts

    def read(self, prompt):
        """What of a prompt the model reads.

        Args:
            prompt: string `(batch,)`: nothing, lines of a header, an unfinished tune, in any order and spelling of ABC.

        Returns:
            The titles, string `(batch,)`, "" where there is none; and the ids, RaggedTensor int32 `(batch, symbols)`,
            START in front.
        """
        text = tf.strings.unicode_transcode(prompt, "UTF-8", "UTF-8", errors="replace", replacement_char=32)
        for pattern, replacement in (
            (r"\r\n?", "\n"),
            (r"[\t\x00-\x09\x0b-\x1f]", " "),
            (r"(?m)%.*$", ""),
            (r"(?m)^[ ]+", ""),
        ):
            text = tf.strings.regex_replace(text, pattern, replacement)
        titles = self._field(text, "T")
        ids = {}
        for field, clean in (("M", self._metre), ("K", self._key), ("R", self._dance), ("N", self._bars)):
            ids[field] = clean(self._field(text, field))
        body = tf.strings.substr(self._body(text), 0, LONGEST_PROMPT, unit="UTF8_CHAR")
        body = self.symbols.ids(body)
        # A body must not come before its metre and key.
        begun = body.row_lengths() > 0
        for field, default in self.defaults.items():
            ids[field] = tf.where(tf.logical_and(begun, ids[field] < 0), default, ids[field])
        lines = tf.stack([tf.fill(tf.shape(prompt), START), ids["N"], ids["R"], ids["M"], ids["K"]], axis=1)
        lines = tf.RaggedTensor.from_tensor(lines)
        return titles, tf.concat([tf.ragged.boolean_mask(lines, lines >= 0), body], axis=1)

    @staticmethod
    def _field(text, name):
        """The value of the last line `name:` of each text, without spaces around it; "" where there is none."""
        found = tf.strings.regex_full_match(text, rf"(?s)(.*\n)?{name}:.*")
        value = tf.strings.regex_replace(text, rf"(?s)^(?:.*\n)?{name}:([^\n]*).*$", r"\1")
        return tf.where(found, tf.strings.strip(value), "")

    @staticmethod
    def _body(text):
        for pattern, replacement in (
            (r"(?m)^[A-Za-z+]:([^|:].*)?$\n?", ""),  # lines of a header; "A:|" is music
            (r"\[[A-Za-z]:[^\]\n]*\]", ""),  # and those within a line
            (r'"[^"\n]*"|\{[^}\n]*\}|![^!\n]{1,30}!|\+[^+\n]{1,30}\+', ""),  # chords, grace notes, decorations
            (r"[!~`()\\]*\\?\n", "\n"),
            (r"\(([^0-9]|$)", r"\1"),  # slurs
            (r"\)", ""),
            (r"!", ""),
            (r" +", " "),
            (r"\n\s*", "\n"),
            (r"^\s+|\s+$", ""),
        ):
            text = tf.strings.regex_replace(text, pattern, replacement)
        return text

    def _metre(self, value):
        value = tf.strings.regex_replace(value, r"\s", "")
        value = tf.where(tf.equal(value, "C"), "4/4", tf.where(tf.equal(value, "C|"), "2/2", value))
        return self._line("M", value)

    def _dance(self, value):
        return self._line("R", tf.strings.regex_replace(tf.strings.lower(value), r"[^a-z]", ""))

    def _bars(self, value):
        is_number = tf.strings.regex_full_match(value, r"\d{1,4}")
        count = tf.strings.to_number(tf.where(is_number, value, "0"))
        nearest = tf.argmin(tf.abs(count[:, None] - tf.cast(self.bars, tf.float32)), axis=1)
        return self._line("N", tf.where(is_number, tf.strings.as_string(tf.gather(self.bars, nearest)), ""))

    def _key(self, value):
        pattern = r"^([a-g][#b]?)\s*(maj|ion|min|aeo|dor|mix|phr|lyd|loc|m\b)?.*$"
        value = tf.strings.lower(value)
        # "am" and "a major" alike: the tonic, then the mode's first letters.
        value = tf.where(
            tf.strings.regex_full_match(value, r"[a-g].*"), tf.strings.regex_replace(value, pattern, r"\1 \2"), "?"
        )
        return tf.cast(self.keys.lookup(value), tf.int32)

    def _line(self, field, value):
        return self.symbols.lookup(tf.strings.join([f"{field}:", value, "\n"]))

    def abc(self, titles, ids):
        """A complete file of ABC for each row of ids `(batch, symbols)`."""
        strings = self.symbols.strings(tf.where(tf.cumsum(tf.cast(tf.equal(ids, END), tf.int32), axis=1) > 0, 0, ids))

        def of(mask):
            return tf.strings.reduce_join(tf.where(tf.gather(mask, ids) > 0, strings, ""), axis=1)

        metre, key, dance, _ = (of(self.lines[place]) for place in range(len(FIELDS)))
        title = tf.where(tf.equal(titles, ""), "", tf.strings.join(["T:", titles, "\n"]))
        return tf.strings.join(["X:1\n", title, dance, metre, "L:1/8\n", key, of(self.is_character)])


class Grammar:
    """What may follow what: no line of the header twice, no body before metre and key, no line of the header within it,
    no blank line, and nothing that a reader of ABC would take for another header.

    A finite automaton, which costs two lookups a step. Its states are which lines stand already (a bit for each of
    `FIELDS`), and where in the tune one is: in the header, at the start of a line of the body, behind the letter that
    one begins with, or anywhere else.

    Args:
        names: list of str, what each id is written as.

    Attributes:
        transitions: int32 array `(states, symbols)`, the state behind a symbol; 0 is the state before a tune.
        forbidden: bool array `(states, symbols)`.
    """

    HEADER, LINE, LETTER, ELSEWHERE = range(4)

    def __init__(self, names):
        states = 4 << len(FIELDS)
        self.transitions = np.zeros((states, len(names)), np.int32)
        self.forbidden = np.zeros((states, len(names)), bool)
        for state in range(states):
            seen, where = divmod(state, 4)
            for symbol, name in enumerate(names):
                self.transitions[state, symbol] = self._after(seen, where, name)
                self.forbidden[state, symbol] = self._forbids(seen, where, symbol, name)

    def _after(self, seen, where, name):
        if len(name) > 1:
            seen |= 1 << FIELDS.index(name[0])
        elif name == "\n":
            where = self.LINE
        elif name:
            # Behind the header, too, a line begins.
            begins = where in (self.HEADER, self.LINE) and name.isalpha()
            where = self.LETTER if begins else self.ELSEWHERE
        return 4 * seen + where

    def _forbids(self, seen, where, symbol, name):
        if len(name) > 1:
            return where != self.HEADER or bool(seen >> FIELDS.index(name[0]) & 1)
        if symbol == END:
            return where == self.HEADER
        ready = all(seen >> FIELDS.index(field) & 1 for field in "MK")
        blank = name == "\n" and where in (self.HEADER, self.LINE)
        return not name or not ready or blank or (name == ":" and where == self.LETTER)


def _key_table(symbols):
    """From "d dor" or "am" to the id of the line K:."""
    known = {symbol: place for place, symbol in enumerate(symbols.symbols, 3) if symbol.startswith("K:")}
    spelled = {}
    for tonic, sign in itertools.product("abcdefg", ("", "#", "b")):
        for mode, names in MODES.items():
            same = SAME_TONIC.get(tonic + sign) or {b: a for a, b in SAME_TONIC.items()}.get(tonic + sign, tonic + sign)
            for name in (tonic + sign, same):
                place = known.get(line("K", name.capitalize() + mode))
                if place:
                    spelled |= {f"{tonic}{sign} {written}": place for written in names}
                    break
    keys, values = tf.constant(list(spelled)), tf.constant(list(spelled.values()), tf.int64)
    return tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, values), -1)
