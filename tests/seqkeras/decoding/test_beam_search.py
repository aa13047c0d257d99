"""Beam search beside an exhaustive search, and beside a search written out in plain Python."""

import itertools
import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from keras import ops

from seqkeras.decoding.beam_search import _top_k, beam_search
from seqkeras.export import saved_model

ROOT = Path(__file__).parents[3]
START, END = 0, 2
BATCH, SOURCE, UNITS, LENGTH = 3, 4, 6, 4
MASK = np.array([[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 0]], bool)
PENALTIES = (0.0, 0.6, 2.0, -1.0, "mean")


class Model:
    """A random recurrent net with an attention; `step` for the search, `numpy_step` for one sequence at a time.

    Its state also holds the tokens it was given, and how many.
    """

    def __init__(self, seed=0, vocabulary=4, sharpness=2.0, end_bias=0.0, batch=BATCH):
        random = np.random.default_rng(seed)
        self.vocabulary = vocabulary
        self.embedding = random.normal(size=(vocabulary, UNITS)).astype("float32")
        self.recurrent = random.normal(size=(UNITS, UNITS)).astype("float32")
        self.output = (sharpness * random.normal(size=(UNITS, vocabulary))).astype("float32")
        self.bias = (end_bias * np.eye(vocabulary)[END]).astype("float32")
        self.query = random.normal(size=(UNITS, SOURCE)).astype("float32")
        self.first = random.normal(size=(batch, UNITS)).astype("float32")
        self.steps = 0

    def start(self, rows=slice(None)):
        hidden = self.first[rows]
        return {
            "hidden": ops.convert_to_tensor(hidden),
            "given": [ops.zeros((len(hidden), LENGTH), "int32"), ops.zeros((len(hidden),), "int32")],
        }

    def step(self, tokens, state):
        self.steps += 1
        given, count = state["given"]
        here = ops.equal(ops.arange(LENGTH), count[:, None])
        given = ops.where(here, tokens[:, None], given)
        hidden = ops.tanh(ops.take(self.embedding, tokens, axis=0) + ops.matmul(state["hidden"], self.recurrent))
        return ops.matmul(hidden, self.output) + self.bias, {"hidden": hidden, "given": [given, count + 1]}

    def attention(self, state):
        return ops.softmax(ops.matmul(state["hidden"], self.query), axis=-1)

    def numpy_step(self, token, hidden):
        hidden = np.tanh(self.embedding[token] + hidden @ self.recurrent)
        weights = np.exp(hidden @ self.query)
        return hidden @ self.output + self.bias, weights / weights.sum(), hidden


def score(log_probability, weights, mask, length_penalty, coverage_penalty):
    length = len(weights)
    divisor = length if length_penalty == "mean" else ((5 + length) / 6) ** length_penalty
    missed = np.log(np.minimum(np.sum(weights, axis=0), 1))[mask].sum()
    return log_probability / divisor + coverage_penalty * missed


def log_probabilities(logits, length, banned, minimum_length):
    logits = logits.astype("float64")
    if banned is not None:
        logits = logits + (np.where(banned, -np.inf, 0) if banned.dtype == bool else banned)
    if length < minimum_length:
        logits[END] = -np.inf
    return logits - np.log(np.exp(logits).sum())


def extended(model, beam, banned, minimum_length):
    """All beams longer by one: their log probability, tokens, attention and hidden state."""
    log_probability, tokens, weights, hidden = beam
    logits, attention, hidden = model.numpy_step(tokens[-1] if tokens else START, hidden)
    added = log_probabilities(logits, len(tokens), banned, minimum_length)
    return [
        (log_probability + added[token], [*tokens, token], [*weights, attention], hidden)
        for token in range(model.vocabulary)
        if added[token] > -np.inf
    ]


def as_arrays(beams, scores, width, max_length):
    tokens = np.full((width, max_length), END)
    attention = np.zeros((width, max_length, SOURCE))
    for i, (_, path, weights, _) in enumerate(beams[:width]):
        tokens[i, : len(path)], attention[i, : len(path)] = path, weights
    missing = width - len(beams[:width])
    lengths = np.array([len(beam[1]) for beam in beams[:width]] + [0] * missing)
    return tokens, np.array(scores[:width] + [-np.inf] * missing), lengths, attention


def ranked(finished, cut, rate, width, max_length):
    """The finished beams by their scores, and then those that were cut."""
    beams = [beam for group in (finished, cut) for beam in sorted(group, key=rate, reverse=True)]
    return as_arrays(beams, [rate(beam) for beam in beams], width, max_length)


def exhaustive(model, row, rate, width, max_length, banned, minimum_length):
    finished, running = [], [(0.0, [], [], model.first[row])]
    for _ in range(max_length):
        longer = [new for beam in running for new in extended(model, beam, banned, minimum_length)]
        finished += [beam for beam in longer if beam[1][-1] == END]
        running = [beam for beam in longer if beam[1][-1] != END]
    return ranked(finished, running, rate, width, max_length)


def written_out(model, row, rate, width, max_length, banned, minimum_length):
    """Beam search with lists, without an early stop."""
    finished, running = [], [(0.0, [], [], model.first[row])]
    for _ in range(max_length):
        longer = [new for beam in running for new in extended(model, beam, banned, minimum_length)]
        longer.sort(key=lambda beam: -beam[0])
        finished += [beam for beam in longer[:width] if beam[1][-1] == END]
        if width == 1 and finished:
            return ranked(finished, [], rate, width, max_length)
        running = [beam for beam in longer if beam[1][-1] != END][:width]
    return ranked(finished, running, rate, width, max_length)


def expected(search, model, width, max_length=LENGTH, length_penalty=0.0, coverage_penalty=0.0, mask=None, **bans):
    bans = {"banned": None, "minimum_length": 0, **bans}
    rows = []
    for row in range(len(model.first)):
        kept = np.ones(SOURCE, bool) if mask is None else mask[row]

        def rate(beam, kept=kept):
            return score(beam[0], beam[2], kept, length_penalty, coverage_penalty)

        rows.append(search(model, row, rate, width, max_length, **bans))
    return [np.stack(column) for column in zip(*rows)]


def found(model, width, max_length=LENGTH, mask=None, rows=slice(None), **options):
    beams = beam_search(
        model.step,
        model.start(rows),
        START,
        END,
        max_length=max_length,
        width=width,
        attention=model.attention,
        return_attention=True,
        source_mask=mask,
        **options,
    )
    return beams


def assert_same(beams, other, tolerance=1e-5):
    """The same tokens, scores, lengths, and attention if there is; beams of almost equal scores may change places."""
    beams, other = ([np.asarray(x) for x in group] for group in (beams, other))
    np.testing.assert_allclose(beams[1], other[1], tolerance, tolerance)
    with np.errstate(invalid="ignore"):
        tie = np.abs(np.diff(other[1], axis=1)) < tolerance * np.abs(other[1][:, 1:])
    clear = ~(np.pad(tie, [(0, 0), (1, 0)]) | np.pad(tie, [(0, 0), (0, 1)]))
    assert clear.mean() > 0.7
    for i in (0, 2):
        np.testing.assert_array_equal(beams[i][clear], other[i][clear])
    for a, b in zip(beams[3:], other[3:]):
        np.testing.assert_allclose(a[clear], b[clear], tolerance, tolerance)


BANS = (
    {},
    {"banned": np.array([0.5, -np.inf, -2.0, 0.0], "float32"), "minimum_length": 2},
)


@pytest.mark.parametrize("length_penalty", PENALTIES)
@pytest.mark.parametrize("coverage_penalty", [0.0, 0.4])
@pytest.mark.parametrize("bans", BANS)
def test_as_wide_as_there_are_sequences_it_finds_what_exhaustive_search_finds(length_penalty, coverage_penalty, bans):
    model = Model()
    options = dict(length_penalty=length_penalty, coverage_penalty=coverage_penalty, mask=MASK, **bans)
    width = 3 ** (LENGTH - 1) * 4
    assert_same(found(model, width, **options), expected(exhaustive, model, width, **options))


def test_exhaustive_with_five_tokens_and_length_five():
    model = Model(seed=3, vocabulary=5, batch=1)
    options = dict(max_length=5, length_penalty=1.0, coverage_penalty=0.2)
    assert_same(found(model, 4**4 * 5, **options), expected(exhaustive, model, 4**4 * 5, **options))


@pytest.mark.parametrize("width", [1, 2, 3, 7])
@pytest.mark.parametrize("end_bias", [0.0, 2.0])
def test_narrow_as_written_out(width, end_bias):
    model = Model(int(end_bias), end_bias=end_bias)
    for length_penalty, coverage_penalty in ((0.0, 0.0), (0.6, 0.4), (2.0, 0.0), (-1.0, 0.4), ("mean", 0.4)):
        options = dict(length_penalty=length_penalty, coverage_penalty=coverage_penalty, mask=MASK)
        assert_same(found(model, width, **options), expected(written_out, model, width, **options))


@pytest.mark.parametrize("vocabulary", [1024, 3001])
def test_large_vocabulary_as_written_out(vocabulary):
    model = Model(1, vocabulary, sharpness=0.7, end_bias=4.0)
    for width in (1, 4):
        assert_same(found(model, width, length_penalty=0.6), expected(written_out, model, width, length_penalty=0.6))


def test_top_k_of_many_is_that_of_keras_in_the_same_order():
    random = np.random.default_rng(0)
    for n, k in itertools.product((70, 1024, 2000, 3001), (2, 5, 70)):
        x = random.integers(0, 2 * n, (5, n)).astype("float32")  # with equal ones
        x[1, :-1], x[2] = -np.inf, 1.0
        for count in (k, tf.constant(k)):
            for a, b in zip(_top_k(tf.constant(x), count), ops.top_k(x, k)):
                np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("length_penalty", PENALTIES)
def test_width_one_is_greedy(length_penalty):
    for seed in range(3):
        model = Model(seed, end_bias=1.0)
        beams = found(model, 1, length_penalty=length_penalty, coverage_penalty=0.3)
        for row in range(BATCH):
            tokens, hidden = [], model.first[row]
            while len(tokens) < LENGTH and END not in tokens:
                logits, _, hidden = model.numpy_step(tokens[-1] if tokens else START, hidden)
                tokens.append(int(np.argmax(logits)))
            assert beams.tokens[row, 0, : len(tokens)].numpy().tolist() == tokens
            assert beams.lengths[row, 0] == len(tokens)


def test_greedy_takes_the_first_of_equals():
    def step(tokens, state):
        return ops.zeros((ops.shape(tokens)[0], 4)), state

    for end in range(4):
        beams = beam_search(step, ops.zeros((1, 1)), START, end, max_length=3, width=1, pad_token=9)
        assert beams.tokens[0, 0].numpy().tolist() == ([0, 9, 9] if end == 0 else [0, 0, 0])


def test_scores_are_the_log_probability_of_the_tokens():
    model = Model(5)
    beams = found(model, 3)
    for row, i in itertools.product(range(BATCH), range(3)):
        log_probability, hidden, token = 0.0, model.first[row], START
        for following in beams.tokens[row, i, : beams.lengths[row, i]].numpy():
            logits, _, hidden = model.numpy_step(token, hidden)
            log_probability += log_probabilities(logits, 0, None, 0)[following]
            token = following
        np.testing.assert_allclose(beams.scores[row, i], log_probability, 1e-5)


def test_a_row_is_the_same_alone():
    model = Model(2, end_bias=1.0)
    for width, options in ((1, {}), (3, {"length_penalty": 1.0, "coverage_penalty": 0.3})):
        together = found(model, width, mask=MASK, **options)
        for row in range(BATCH):
            rows = slice(row, row + 1)
            assert_same(found(model, width, mask=MASK[rows], rows=rows, **options), [x[rows] for x in together])


def test_states_follow_their_beams():
    for seed in range(3):
        model = Model(seed)
        beams = beam_search(
            model.step,
            model.start(),
            [1, 3, 1],
            END,
            max_length=LENGTH,
            width=4,
            # What the model was given so far is handed through as if it were attention.
            attention=lambda state: ops.cast(state["given"][0], "float32"),
            return_attention=True,
        )
        tokens, lengths, given = (np.asarray(x) for x in (beams.tokens, beams.lengths, beams.attention))
        for row, i in itertools.product(range(BATCH), range(4)):
            all_given = [(1, 3, 1)[row], *tokens[row, i]]
            for t in range(LENGTH):
                assert given[row, i, t].tolist() == (
                    all_given[: t + 1] + [0] * (LENGTH - t - 1) if t < lengths[row, i] else [0] * LENGTH
                )


def test_stopping_early_finds_the_same():
    stopped = 0
    for end_bias, length_penalty in itertools.product((1.0, 3.0), PENALTIES):
        model = Model(int(end_bias), end_bias=end_bias)
        options = dict(length_penalty=length_penalty, coverage_penalty=0.1 * end_bias)
        early = found(model, 2, **options)
        stopped += model.steps < LENGTH
        model.steps = 0
        assert_same(early, found(model, 2, early_stop=False, **options), 1e-6)
        assert model.steps == LENGTH
    assert 2 < stopped < 9


@pytest.mark.parametrize(
    "length_penalty, end, one, three, length",
    [(2.0, 0.5, 0.45, 0.05, 12), (-1.0, 0.3, 0.1, 0.6, 3), ("mean", 0.5, 0.45, 0.05, 12)],
)
def test_does_not_stop_while_a_running_beam_can_still_win(length_penalty, end, one, three, length):
    """Token 1 ends at once, token 3 after so many steps, when the penalty has made the third beam the best."""

    def step(tokens, count):
        logits = np.full((4, 4), -np.inf, "float32")
        logits[START, [END, 1, 3]] = np.log([end, one, three])
        logits[1, END] = logits[3, 3] = logits[END, END] = 0.0
        over = np.full(4, -np.inf, "float32")
        over[END] = 0.0
        return ops.where(count >= length - 1, over, ops.take(logits, tokens, axis=0)), count + 1

    # Much room behind the end of the third beam: to hope for the divisor of `max_length` alone is not enough, either.
    beams = beam_search(step, ops.zeros((1, 1)), START, END, max_length=40, width=2, length_penalty=length_penalty)
    divisor = length if length_penalty == "mean" else ((5 + length) / 6) ** length_penalty
    assert beams.lengths[0, 0] == length
    np.testing.assert_allclose(beams.scores[0, 0], np.log(three) / divisor, 1e-5)


def test_finished_beams_know_nothing_of_later_steps():
    seen = 0
    for seed in range(5):
        model = Model(seed, end_bias=4.0, batch=1)
        early = found(model, 2, length_penalty=0.6)
        if model.steps == LENGTH:
            continue
        seen += 1
        last = model.steps

        def step(tokens, state, model=model, last=last):
            late = state["given"][1][:, None] >= last
            logits, state = model.step(tokens, state)
            state["hidden"] = ops.where(late, -state["hidden"], state["hidden"])
            return ops.where(late, -logits, logits), state

        other = beam_search(
            step,
            model.start(),
            START,
            END,
            max_length=LENGTH,
            width=2,
            length_penalty=0.6,
            attention=model.attention,
            return_attention=True,
            early_stop=False,
        )
        assert_same(early, other, 1e-6)
    assert seen > 2


def test_memory_is_repeated_for_the_beams():
    model = Model(4)
    keys = np.random.default_rng(7).normal(size=(BATCH, SOURCE, 4)).astype("float32")

    def with_memory(tokens, state, memory):
        logits, state = model.step(tokens, state)
        return logits + ops.sum(memory["keys"], axis=1), state

    def with_state(tokens, state):
        logits, inner = model.step(tokens, state[0])
        return logits + ops.sum(state[1], axis=1), [inner, state[1]]

    options = dict(max_length=LENGTH, width=3)
    memory = {"keys": ops.convert_to_tensor(keys)}
    a = beam_search(with_memory, model.start(), START, END, memory=memory, **options)
    b = beam_search(with_state, [model.start(), memory["keys"]], START, END, **options)
    assert a.attention is None
    assert_same(a[:3], b[:3], 1e-6)


def test_who_never_ends_returns_the_best_running_beams():
    model = Model(6)
    options = dict(length_penalty=0.6, coverage_penalty=0.4, banned=np.arange(4) == END)
    beams = found(model, 3, **options)
    assert_same(beams, expected(written_out, model, 3, **options))
    assert (beams.lengths.numpy() == LENGTH).all()
    assert (np.diff(beams.scores, axis=1) <= 0).all()


def test_cut_beams_come_behind_finished_ones():
    model = Model(0, end_bias=-3.0)
    beams = found(model, 8)
    tokens, scores = np.asarray(beams.tokens), np.asarray(beams.scores)
    ended = np.take_along_axis(tokens, np.asarray(beams.lengths)[..., None] - 1, axis=2)[..., 0] == END
    assert ended.any() and not ended.all()
    assert (np.diff(ended.astype(int), axis=1) <= 0).all()
    for row in range(BATCH):
        for group in (scores[row][ended[row]], scores[row][~ended[row]]):
            assert (np.diff(group) <= 0).all()


@pytest.mark.parametrize("width", [1, 3, 9])
def test_one_step_long(width):
    model = Model(1)
    beams = found(model, width, max_length=1)
    assert_same(beams, expected(written_out, model, width, max_length=1))
    assert beams.tokens.shape == (BATCH, width, 1)
    if width == 9:
        assert (beams.lengths.numpy() == [[1] * 4 + [0] * 5] * BATCH).all()
        assert (beams.scores.numpy()[:, 4:] == -np.inf).all()


def test_beams_that_may_do_nothing_are_dropped():
    def step(tokens, state):
        """After token 1 only the end may come, after any other only the token 3."""
        after = np.full((4, 4), -np.inf, "float32")
        after[START] = [-np.inf, 1.0, -np.inf, 0.0]
        after[1, END] = after[3, 3] = 0.0
        return ops.take(after, tokens, axis=0), state

    beams = beam_search(step, ops.zeros((2, 1)), START, END, max_length=4, width=2, minimum_length=2, pad_token=0)
    assert beams.tokens.numpy().tolist() == [[[3, 3, 3, 3], [0, 0, 0, 0]]] * 2
    assert beams.lengths.numpy().tolist() == [[4, 0]] * 2
    np.testing.assert_allclose(beams.scores, [[np.log(1 / (1 + np.e)), -np.inf]] * 2, 1e-6)


def test_float16():
    model = Model(8)

    def half(tokens, state):
        logits, state = model.step(tokens, {**state, "hidden": ops.cast(state["hidden"], "float32")})
        # The scores of the largest vocabularies and longest texts do not fit in float16; nor would a -1e9.
        return ops.cast(logits + 3e4, "float16"), {**state, "hidden": ops.cast(state["hidden"], "float16")}

    def rounded(tokens, state):
        logits, state = half(tokens, {**state, "hidden": ops.cast(state["hidden"], "float16")})
        return ops.cast(logits, "float32"), {**state, "hidden": ops.cast(state["hidden"], "float32")}

    start = model.start()
    options = dict(max_length=LENGTH, width=3, length_penalty=0.6, banned=np.arange(4) == 1)
    start["hidden"] = ops.cast(start["hidden"], "float16")
    beams = beam_search(half, start, START, END, **options)
    start["hidden"] = ops.cast(start["hidden"], "float32")
    assert beams.scores.dtype == "float32" and np.isfinite(beams.scores).all()
    assert_same(beams[:3], beam_search(rounded, start, START, END, **options)[:3], 1e-6)


OPTIONS = dict(length_penalty=0.6, coverage_penalty=0.3, minimum_length=1, banned=np.array([1, 0, 0, 0], bool))


@pytest.mark.parametrize("jit_compile", [False, True])
def test_compiled_is_the_same(jit_compile):
    model = Model(9)
    run = tf.function(lambda: found(model, 3, mask=MASK, **OPTIONS), jit_compile=jit_compile, autograph=False)
    assert_same(run(), found(model, 3, mask=MASK, **OPTIONS), 1e-5)


@pytest.mark.parametrize("jit_compile", [False, True])
def test_width_length_and_penalties_as_tensors(jit_compile):
    model = Model(9)

    def run(hidden, mask, width, max_length, length_penalty, coverage_penalty):
        rows = tf.shape(hidden)[0]
        state = {"hidden": hidden, "given": [tf.zeros((rows, LENGTH), tf.int32), tf.zeros((rows,), tf.int32)]}
        return beam_search(
            model.step,
            state,
            START,
            END,
            max_length=max_length,
            width=width,
            length_penalty=length_penalty,
            coverage_penalty=coverage_penalty,
            attention=model.attention,
            return_attention=True,
            source_mask=mask,
        )

    integer, number = tf.TensorSpec((), tf.int32), tf.TensorSpec(())
    specs = [tf.TensorSpec((None, UNITS)), tf.TensorSpec((None, None), tf.bool), integer, integer, number, number]
    run = tf.function(run, input_signature=specs, jit_compile=jit_compile, autograph=False)
    for width, max_length in ((1, 4), (6, 2)):
        beams = run(model.first, MASK, width, max_length, 0.6, 0.3)
        options = dict(mask=MASK, length_penalty=0.6, coverage_penalty=0.3)
        assert_same(beams, found(model, width, max_length, **options), 1e-5)
    if not jit_compile:
        assert run(model.first, MASK, -5, 4, 0.6, 0.3).tokens.shape == (BATCH, 1, 4), "less than 1 counts as 1"
        assert run(model.first[:0], MASK[:0], 3, 4, 0.6, 0.3).tokens.shape == (0, 3, 4)


def test_in_a_saved_model(tmp_path):
    model = Model(10)

    def beam(hidden, width):
        rows = tf.shape(hidden)[0]
        state = {"hidden": hidden, "given": [tf.zeros((rows, LENGTH), tf.int32), tf.zeros((rows,), tf.int32)]}
        beams = beam_search(
            model.step,
            state,
            START,
            END,
            max_length=LENGTH,
            width=width,
            attention=model.attention,
            return_attention=True,
        )
        return beams._asdict()

    specs = [tf.TensorSpec((None, UNITS), name="hidden"), tf.TensorSpec((), tf.int32, name="width")]
    saved_model.save(str(tmp_path / "model"), {"beam": (beam, specs)})
    signature = tf.saved_model.load(str(tmp_path / "model")).signatures["beam"]
    for width in (1, 5):
        beams = signature(hidden=tf.constant(model.first), width=tf.constant(width))
        assert_same([beams[name] for name in ("tokens", "scores", "lengths", "attention")], found(model, width), 1e-5)


JAX = "import sys, numpy; from tests.seqkeras.decoding.test_beam_search import case; numpy.savez(sys.argv[1], *case())"


def case():
    """Beams on the backend that is set; on JAX, under jit."""
    results = []
    for vocabulary, width in ((4, 1), (1500, 3)):
        model = Model(9, vocabulary, sharpness=0.7)

        def run(model=model, width=width):
            return found(model, width, mask=ops.convert_to_tensor(MASK), length_penalty=0.6, coverage_penalty=0.3)

        if keras.backend.backend() == "jax":
            import jax

            run = jax.jit(run)
        results += [np.asarray(x) for x in run()]
    return results


def test_same_on_jax(tmp_path):
    pytest.importorskip("jax")
    path = tmp_path / "jax.npz"
    # What XLA optimises there is not what is tested.
    quick = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
    environment = {**os.environ, "KERAS_BACKEND": "jax", "JAX_PLATFORMS": "cpu", "XLA_FLAGS": quick}
    subprocess.run([sys.executable, "-c", JAX, path], check=True, env=environment, cwd=ROOT)
    with np.load(path) as loaded:
        on_jax, here = list(loaded.values()), case()
    for i in range(0, len(here), 4):
        assert_same(on_jax[i : i + 4], here[i : i + 4], 1e-5)


def test_errors():
    model = Model()

    def search(step=model.step, state=None, end_token=END, **options):
        state = model.start() if state is None else state
        return beam_search(step, state, START, end_token, **{"max_length": 3, "width": 2, **options})

    for wrong in (0, -1, 2.5, True, "many"):
        with pytest.raises(ValueError, match=f"`width` should be an integer, 1 or more.*{wrong!r}"):
            search(width=wrong)
    with pytest.raises(ValueError, match="`max_length` should be an integer, 1 or more.*0"):
        search(max_length=0)
    with pytest.raises(ValueError, match="`minimum_length` should be an integer, 0 or more.*-1"):
        search(minimum_length=-1)
    with pytest.raises(ValueError, match="number or 'mean'.*'gnmt'"):
        search(length_penalty="gnmt")
    with pytest.raises(ValueError, match="`coverage_penalty` should be 0 or more.*-0.1"):
        search(coverage_penalty=-0.1, attention=model.attention)
    for options in ({"coverage_penalty": 0.1}, {"return_attention": True}):
        with pytest.raises(ValueError, match="need `attention`"):
            search(**options)
    with pytest.raises(ValueError, match="`end_token` should be an integer.*None"):
        search(end_token=None)
    with pytest.raises(ValueError, match="(?s)more than `end_token`.*4.*end_token=4"):
        search(end_token=4)
    for state in ((), [ops.zeros(())]):
        with pytest.raises(ValueError, match="batch as their first axis"):
            search(state=state)
    with pytest.raises(ValueError, match="structure and shapes that it got"):
        search(lambda tokens, state: (model.step(tokens, state)[0], state["hidden"]))
