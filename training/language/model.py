"""What a language model can be asked: to go on with a text, how likely one is, what comes next, what goes on inside."""

import tensorflow as tf

from seqkeras.decoding import Sampler
from seqkeras.text.symbols import PADDING
from seqkeras.understanding import trace
from training.language.data import NEWLINE

LONGEST = 4000  # symbols written at the most
LONGEST_READ = 4000  # symbols of a text that are read; of a prompt the last ones, of a text to be scored the first ones
LONGEST_TRACED = 500
TEMPERATURES = (1e-4, 5.0)  # the lowest one leaves the likeliest symbol alone
GATES = ("input_gate", "forget_gate", "output_gate")


class Language(tf.Module):
    """Reads and writes text.

    Every text is read as if a line had ended before it. The state of a text is one vector, the recurrent states.

    Args:
        model: a built LanguageModel, not stateful.
        symbols: training.language.data.Characters or Words.
        top_p: of `serving_default`, see `seqkeras.decoding.Sampler`.
    """

    def __init__(self, model, symbols, top_p):
        super().__init__()
        self.model, self.symbols = model, symbols
        self.table = symbols._ids  # tracked, so that a SavedModel holds it
        self.sampler = Sampler(top_p=top_p)
        self.sizes = [int(state.shape[-1]) for state in model.start(1)]
        self.first = 3 + symbols.symbols.index(NEWLINE)
        ids = tf.range(len(symbols))
        # What no text has, and a word that stands for others.
        self.never = ids < 3
        self.banned = self.never if symbols.unknown is None else self.never | (ids == symbols.unknown)

    # Writing

    def write(self, prompt, length, temperature, seed):
        """prompt string `(batch,)`, length int32 (), temperature float32 (), seed int32 () -> dict of text, string
        `(batch,)`: each prompt, as the model reads it, and `length` symbols more. `<unk>` is never written."""
        length = tf.clip_by_value(length, 0, LONGEST)
        sensible = tf.where(tf.math.is_nan(temperature), 1.0, temperature)
        given = self.after_newline(self.symbols.ids(prompt)[:, -LONGEST_READ:])
        counts = tf.cast(given.row_lengths(), tf.int32)
        room = tf.reduce_max(tf.concat([counts, [1]], axis=0)) + length
        places = tf.range(room)[None]
        written = self.sampler(
            self.step_function(),
            self.nothing(tf.shape(prompt)[0]),
            given.to_tensor(PADDING, shape=tf.stack([-1, room])),
            places < counts[:, None],
            temperature=tf.clip_by_value(sensible, *TEMPERATURES),
            seed=seed,
            banned=self.banned,
        )
        # A row that was given less than another has no right to more.
        return {"text": self.symbols.text(tf.where(places < counts[:, None] + length, written, PADDING)[:, 1:])}

    def start(self, prompt):
        """prompt string `(batch,)` -> state float32 `(batch, size)` behind it; logits float32 `(batch, symbols)` of
        what comes next, -1e9 for what never does; and text string `(batch,)`, the prompt as it was read."""
        given = self.after_newline(self.symbols.ids(prompt)[:, -LONGEST_READ:])
        state, logits = self.read(given)
        return {"state": state, "logits": logits, "text": self.symbols.text(given.to_tensor(PADDING)[:, 1:])}

    def next_step(self, token, state):
        """token int32 `(batch,)`, the symbol chosen, and the state before it -> the state behind it, and the logits of
        what comes next, as `start` gives them."""
        logits, state = self.step_function()(tf.clip_by_value(token, 0, len(self.symbols) - 1), state)
        return {"state": state, "logits": tf.where(self.never, -1e9, logits)}

    def vocabulary(self):
        """The string of each id, `(symbols,)`; "" for the ids 0, 1 and 2, which never come."""
        return {"symbols": self.symbols.strings(tf.range(len(self.symbols)))}

    # Judging

    def score(self, text):
        """text string `(batch,)` -> dict of log_probability float32 `(batch,)`, nats; tokens string `(batch, T)`, ""
        behind the last one; and token_log_probability float32 `(batch, T)`, of each one after those before it, 0 behind
        the last one."""
        ids = self.symbols.ids(text)[:, :LONGEST_READ]
        lengths = tf.cast(ids.row_lengths(), tf.int32)
        ids = _at_least_one(ids.to_tensor(PADDING))
        steps = tf.shape(ids)[1]
        found = tf.TensorArray(tf.float32, steps, element_shape=(None,))
        take_step = self.step_function()

        def step(place, last, state, found):
            logits, state = take_step(last, state)
            logits = tf.where(self.never, -1e9, logits)
            chosen = tf.gather(logits, ids[:, place], batch_dims=1) - tf.reduce_logsumexp(logits, axis=1)
            return place + 1, ids[:, place], state, found.write(place, chosen)

        batch = tf.shape(ids)[0]
        start = 0, tf.fill([batch], self.first), self.nothing(batch), found
        *_, found = tf.while_loop(lambda place, *_: place < steps, step, start)
        each = tf.transpose(found.stack()) * tf.sequence_mask(lengths, steps, tf.float32)
        return {
            "log_probability": tf.reduce_sum(each, axis=1),
            "tokens": self.symbols.strings(ids),
            "token_log_probability": each,
        }

    def next(self, prompt, k):
        """prompt string `(batch,)`, k int32 () -> dict of words string `(batch, k)`, the likeliest ones to come next
        first (characters, of a model of those), and their probability float32 `(batch, k)`."""
        given = self.after_newline(self.symbols.ids(prompt)[:, -LONGEST_READ:])
        _, logits = self.read(given)
        found = tf.math.top_k(tf.nn.softmax(logits), tf.clip_by_value(k, 1, len(self.symbols) - 3))
        return {"words": self.symbols.strings(found.indices), "probability": found.values}

    # Looking inside

    def trace(self, text):
        """text string `(batch,)` -> dict of tokens string `(batch, T)`, "" behind the last one; hidden float32 `(batch,
        T, layers, units)`, the hidden states after each one; and gates float32 `(batch, T, layers, 3, units)`, the
        input, forget and output gates while it was read."""
        ids = _at_least_one(self.symbols.ids(text)[:, :LONGEST_TRACED].to_tensor(PADDING))
        x = self.model.embedding(ids)
        # The line's end before the text, so that the states are those of `score`.
        before = self.nothing(tf.shape(ids)[0])
        _, before = self.step_function()(tf.fill([tf.shape(ids)[0]], self.first), before)
        states = tf.split(before, self.sizes, axis=1)
        layers = self.model.recurrent.recurrent_layers
        each = len(states) // len(layers)
        hidden, gates = [], []
        for depth, layer in enumerate(layers):
            found = trace(layer, x, states[each * depth : each * (depth + 1)])
            hidden.append(found["hidden_state"])
            gates.append(tf.stack([found[name] for name in GATES], axis=2))
            y = found["hidden_state"]
            x = y + x if self.model.config["residual"] and x.shape[-1] == y.shape[-1] else y
        return {
            "tokens": self.symbols.strings(ids),
            "hidden": tf.stack(hidden, axis=2),
            "gates": tf.stack(gates, axis=2),
        }

    # One step

    def nothing(self, batch_size):
        """The state before a text."""
        return tf.zeros((batch_size, sum(self.sizes)))

    def after_newline(self, ids):
        """Ids, RaggedTensor `(batch, symbols)`, with the end of a line before them."""
        return tf.concat([tf.fill([ids.nrows(), 1], self.first), ids], axis=1)

    def step_function(self):
        """A function of ids int32 `(batch,)` and the state before them to the logits and the state behind them."""
        take_step = self.model.step_function()

        def step(ids, state):
            logits, states = take_step(ids, tf.split(state, self.sizes, axis=1))
            return logits, tf.concat(states, axis=1)

        return step

    def read(self, given):
        """The state behind ids, RaggedTensor `(batch, symbols)` of one or more, and the logits of what comes next."""
        ids = given.to_tensor(PADDING)
        batch = tf.shape(ids)[0]
        take_step = self.step_function()

        def step(place, logits, state):
            new_logits, new_state = take_step(ids[:, place], state)
            kept = (place < tf.cast(given.row_lengths(), tf.int32))[:, None]
            return place + 1, tf.where(kept, new_logits, logits), tf.where(kept, new_state, state)

        last = tf.zeros((batch, len(self.symbols)))
        _, logits, state = tf.while_loop(
            lambda place, *_: place < tf.shape(ids)[1], step, (0, last, self.nothing(batch))
        )
        return state, tf.where(self.never, -1e9, logits)


def _at_least_one(ids):
    """Ids int32 `(batch, symbols)`, one column of padding where there is none: a loop of no steps gives nothing."""
    return tf.pad(ids, [[0, 0], [0, tf.cast(tf.shape(ids)[1] == 0, tf.int32)]])
