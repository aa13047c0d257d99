import keras
import numpy as np
import pytest
import tensorflow as tf

from seqkeras.decoding import Sampler
from seqkeras.models import LanguageModel

END, VOCABULARY = 2, 6
# Logits of the next symbol by the one before: a chain without memory, whose probabilities are known.
CHAIN = np.random.default_rng(0).normal(size=(VOCABULARY, VOCABULARY)).astype("float32") * 2


def step(ids, states):
    return keras.ops.take(keras.ops.convert_to_tensor(CHAIN), ids, axis=0), states


def room_for(prompts, length):
    ids = np.zeros((len(prompts), max(map(len, prompts)) + length), "int32")
    given = np.zeros(ids.shape, bool)
    for row, prompt in enumerate(prompts):
        ids[row, : len(prompt)] = prompt
        given[row, : len(prompt)] = True
    return ids, given


def draw(sampler, rows=4000, length=1, **arguments):
    ids, given = room_for([[1]] * rows, length)
    return np.array(sampler(step, [], ids, given, **arguments))


def shares(written):
    return np.bincount(written, minlength=VOCABULARY) / len(written)


def softmax(logits):
    return np.exp(logits) / np.exp(logits).sum()


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
def test_symbols_come_as_often_as_they_are_probable(temperature):
    found = shares(draw(Sampler(), temperature=temperature, seed=3)[:, 1])
    np.testing.assert_allclose(found, softmax(CHAIN[1] / temperature), atol=0.03)


def test_top_k_and_top_p_leave_the_rest_out():
    probability = softmax(CHAIN[1])
    order = np.argsort(-probability)
    kept = order[: np.searchsorted(np.cumsum(probability[order]), 0.7) + 1]
    for sampler, allowed in ((Sampler(top_k=2), order[:2]), (Sampler(top_p=0.7), kept), (Sampler(top_k=1), order[:1])):
        found = shares(draw(sampler, seed=4)[:, 1])
        assert set(np.nonzero(found)[0]) == set(allowed)
        np.testing.assert_allclose(found[allowed], probability[allowed] / probability[allowed].sum(), atol=0.03)


def test_greedy_follows_the_likeliest_symbol():
    written = draw(Sampler(top_k=1), rows=1, length=8)[0]
    for before, after in zip(written, written[1:]):
        assert after == np.argmax(CHAIN[before])


def test_a_seed_gives_the_same_again_and_another_does_not():
    function = tf.function(lambda seed: draw_tensor(seed))
    first, again, other = (function(tf.constant(seed)).numpy() for seed in (5, 5, 6))
    assert (first == again).all() and (first != other).any()
    assert (draw(Sampler(), rows=8, length=8, seed=5) == first).all()
    assert len({tuple(row) for row in first}) == len(first)  # the rows differ


def draw_tensor(seed, jit=False):
    ids, given = room_for([[1]] * 8, 8)
    return SAMPLER(step, [], tf.constant(ids), tf.constant(given), seed=seed)


SAMPLER = Sampler()


def test_xla_draws_too():
    compiled = tf.function(draw_tensor, jit_compile=True)
    assert (compiled(tf.constant(5)).numpy() == compiled(tf.constant(5)).numpy()).all()


def test_what_is_given_stays_and_rows_may_differ():
    prompts = [[1], [1, 5, 4, 3], [1, 0, 5]]
    ids, given = room_for(prompts, 5)
    written = np.array(Sampler()(step, [], ids, given, seed=1))
    for row, prompt in zip(written, prompts):
        assert row[: len(prompt)].tolist() == prompt


def test_the_states_are_those_of_the_whole_prompt():
    model = LanguageModel(VOCABULARY, 4, 5, num_layers=1)
    model.build((None, None))
    ids, given = room_for([[1, 5, 3, 4]], 1)
    written = np.array(Sampler(top_k=1)(model.step, model.start(1), ids, given))
    assert written[0, 4] == np.argmax(model(ids[:, :4])[0, -1])


def test_banned_symbols_are_never_written():
    banned = np.zeros(VOCABULARY, bool)
    banned[[0, 3]] = True
    written = draw(Sampler(top_p=0.99), rows=200, length=10, temperature=5.0, banned=banned)
    assert not np.isin(written[:, 1:], [0, 3]).any()


def test_bans_may_depend_on_the_states():
    """No symbol twice in a row."""

    def remember(ids, states):
        return step(ids, None)[0], [keras.ops.one_hot(ids, VOCABULARY)]

    ids, given = room_for([[1]] * 50, 12)
    states = [keras.ops.zeros((50, VOCABULARY))]
    written = np.array(Sampler()(remember, states, ids, given, banned=lambda states: states[0] > 0))
    assert (written[:, 1:] != written[:, :-1]).all()


def test_it_stops_when_every_row_has_ended():
    calls = []

    def counted(ids, states):
        tf.py_function(lambda: calls.append(1), [], [])
        return tf.one_hot(tf.fill(tf.shape(ids), END), VOCABULARY) * 50.0, states

    ids, given = room_for([[1], [1, 3]], 100)
    written = np.array(Sampler()(counted, [], ids, given, end=END))
    assert written[0, 1] == END and written[1, 2] == END
    assert len(calls) < 5


def test_an_end_in_the_prompt_ends_nothing():
    ids, given = room_for([[1, END]], 3)
    assert (np.array(Sampler(top_k=1)(step, [], ids, given, end=END))[0, 2:3] != 0).all()


@pytest.mark.parametrize(
    "arguments, call, sentence",
    [
        (dict(top_k=0), {}, "`top_k` should be at least 1"),
        (dict(top_p=1.5), {}, "`top_p` should be between 0 and 1"),
        ({}, dict(temperature=0), "`temperature` should be above 0"),
        ({}, dict(temperature=float("nan")), "`temperature` should be above 0"),
    ],
)
def test_wrong_arguments_are_named(arguments, call, sentence):
    with pytest.raises(ValueError, match=sentence):
        draw(Sampler(**arguments), rows=1, **call)
