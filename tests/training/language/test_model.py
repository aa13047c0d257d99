import functools

import numpy as np
import pytest
import tensorflow as tf

from seqkeras.layers import LSTMCell
from tests.training.language.conftest import make
from training.language.data import Characters
from training.language.model import LONGEST, LONGEST_TRACED


@pytest.fixture(params=["characters", "words"])
def language(request):
    return request.getfixturevalue(request.param)


@functools.cache
def compiled(language):
    """What writes and what scores in a SavedModel."""
    texts, number = tf.TensorSpec((None,), tf.string), tf.TensorSpec((), tf.int32)
    write = tf.function(language.write, input_signature=[texts, number, tf.TensorSpec(()), number])
    return write, tf.function(language.score, input_signature=[texts])


def write(language, prompts, length=12, temperature=1.0, seed=1):
    arguments = tf.constant(length), tf.constant(temperature, tf.float32), tf.constant(seed)
    return [text.decode() for text in compiled(language)[0](tf.constant(prompts), *arguments)["text"].numpy()]


def score(language, texts):
    found = compiled(language)[1](tf.constant(texts))
    return {name: value.numpy() for name, value in found.items()}


def test_a_prompt_is_gone_on_with(language):
    texts = write(language, ["the cat", "", "the dog ate"])
    assert texts[0].startswith("the cat") and texts[2].startswith("the dog ate")
    assert all(len(text) > len(prompt) for text, prompt in zip(texts, ["the cat", "", "the dog ate"]))
    assert not any("<unk>" in text for text in write(language, [""] * 8, length=60, temperature=3.0))


def test_seeds_and_temperature(language):
    assert write(language, ["the"], seed=3) == write(language, ["the"], seed=3)
    assert len({write(language, ["the"], length=40, seed=seed, temperature=3.0)[0] for seed in range(4)}) > 1
    assert len({write(language, ["the"], temperature=0.0, seed=seed)[0] for seed in range(4)}) == 1
    assert write(language, ["the"], temperature=float("nan")) == write(language, ["the"], temperature=1.0)


def test_length_counts_for_each_row(characters):
    prompts = ["the cat sat", "a", ""]
    texts = write(characters, prompts, length=9)
    assert [len(text) - len(prompt) for text, prompt in zip(texts, prompts)] == [9] * 3
    assert write(characters, prompts, length=-5) == prompts and write(characters, ["a"], length=0) == ["a"]
    assert len(write(characters, [""], length=LONGEST + 100)[0]) == LONGEST


def test_no_texts_are_no_error(language):
    assert write(language, tf.constant([], tf.string)) == []
    found = score(language, tf.constant([], tf.string))
    assert found["tokens"].shape == (0, 1) and found["log_probability"].shape == (0,)
    # A column of padding where no text has a symbol.
    found = score(language, ["", "\0"])
    assert found["tokens"].tolist() == [[b""], [b""]] and found["log_probability"].tolist() == [0, 0]


def test_the_probability_of_a_text_is_that_of_its_tokens(language):
    texts = ["the cat sat", "a dog", ""]
    found = score(language, texts)
    each, tokens = found["token_log_probability"], found["tokens"]
    np.testing.assert_allclose(each.sum(1), found["log_probability"], rtol=1e-5)
    assert (each[tokens != b""] < 0).all() and (each[tokens == b""] == 0).all() and found["log_probability"][2] == 0
    # By the whole model at once, the end of a line before it.
    ids = language.symbols.ids(tf.constant(texts[:1])).to_tensor()
    logits = language.model(tf.concat([[[language.first]], ids], axis=1)[:, :-1]).numpy()
    logits[:, :, :3] = -1e9
    log = tf.nn.log_softmax(logits).numpy()
    expected = np.take_along_axis(log, ids.numpy()[..., None], 2)[0, :, 0]
    np.testing.assert_allclose(each[0][: len(expected)], expected, atol=1e-4)


def test_texts_of_a_batch_do_not_touch_each_other(language):
    texts = ["the cat sat on", "a", "the dog"]
    together = score(language, texts)["log_probability"]
    np.testing.assert_allclose([score(language, [text])["log_probability"][0] for text in texts], together, atol=1e-4)
    states = language.start(tf.constant(texts))
    for row, text in enumerate(texts):
        alone = language.start(tf.constant([text]))
        np.testing.assert_allclose(alone["state"][0], states["state"][row], atol=1e-5)


def test_what_comes_next_is_ranked_and_adds_up(language):
    everything = len(language.symbols) - 3
    found = language.next(tf.constant(["the", ""]), tf.constant(everything + 50))
    probability = found["probability"].numpy()
    assert probability.shape == (2, everything) and (np.diff(probability) <= 0).all()
    np.testing.assert_allclose(probability.sum(1), 1, atol=1e-4)
    assert b"" not in found["words"].numpy()
    best = found["words"][0, 0].numpy().decode()
    # The same as its score behind the same words.
    gap = " " if language.symbols.unknown else ""
    if best.strip() and not best.startswith("<"):
        scored = score(language, ["the" + gap + best])["token_log_probability"][0]
        np.testing.assert_allclose(scored[-1], np.log(probability[0, 0]), atol=1e-4)
    assert language.next(tf.constant(["a"]), tf.constant(0))["words"].shape == (1, 1)


def test_token_by_token_is_the_whole_at_once(language):
    start = language.start(tf.constant(["the"]))
    symbols = language.vocabulary()["symbols"].numpy()
    greedy, state, logits = [], start["state"], start["logits"]
    assert (start["logits"].numpy()[:, :3] == -1e9).all() and start["text"].numpy()[0] == b"the"
    for _ in range(6):
        banned = language.banned.numpy()
        token = int(np.argmax(np.where(banned, -np.inf, logits[0])))
        greedy.append(token)
        found = language.next_step(tf.constant([token]), state)
        state, logits = found["state"], found["logits"]
    whole = write(language, ["the"], length=6, temperature=0.0)[0]
    again = language.symbols.text(tf.constant([[*language.symbols.ids(tf.constant(["the"]))[0].numpy(), *greedy]]))
    assert again.numpy()[0].decode() == whole and symbols[greedy[0]] != b""


def test_tokens_that_are_none_do_no_harm(language):
    state = language.start(tf.constant([""]))["state"]
    for token in (-5, 10**6):
        assert np.isfinite(language.next_step(tf.constant([token]), state)["logits"].numpy()).all()


def test_a_trace_has_the_states_that_the_model_goes_through(language):
    text = "the cat sat"
    found = language.trace(tf.constant([text, "a"]))
    steps = found["tokens"].shape[1]
    assert found["hidden"].shape == (2, steps, 2, 5) and found["gates"].shape == (2, steps, 2, 3, 5)
    gates = found["gates"].numpy()
    assert (gates > 0).all() and (gates < 1).all()
    ids = language.symbols.ids(tf.constant([text]))[0].numpy()
    state = language.start(tf.constant([""]))["state"]
    for place, token in enumerate(ids):
        state = language.next_step(tf.constant([token]), state)["state"]
        # Of each layer its hidden state, then its cell state.
        hidden = [state[0, 0:5], state[0, 10:15]]
        np.testing.assert_allclose(found["hidden"][0, place], hidden, atol=1e-5)


def test_the_gates_of_a_trace_are_those_of_the_equations(characters):
    found = characters.trace(tf.constant(["c"]))
    layer = characters.model.recurrent.recurrent_layers[0]
    assert isinstance(layer.cell, LSTMCell)
    kernel, recurrent, bias = (w.numpy() for w in layer.cell.weights)
    before = characters.start(tf.constant([""]))["state"].numpy()[0, :5]
    x = characters.model.embedding(characters.symbols.ids(tf.constant(["c"])).to_tensor())[0, 0].numpy()
    i, f, _, o = np.split(x @ kernel + before @ recurrent + bias, 4)
    np.testing.assert_allclose(found["gates"][0, 0, 0], 1 / (1 + np.exp(-np.array([i, f, o]))), atol=1e-5)


def test_residual_layers_are_traced_too():
    language = make(Characters.learn("abc\n"), residual=True, embedding_size=5)
    found = language.trace(tf.constant(["ab"]))
    state = language.start(tf.constant(["ab"]))["state"]
    np.testing.assert_allclose(found["hidden"][0, -1, 1], state[0, 10:15], atol=1e-5)


def test_long_texts_are_bounded(characters):
    assert characters.trace(tf.constant(["a" * 900]))["tokens"].shape == (1, LONGEST_TRACED)


@pytest.mark.parametrize("text", ["\x00\x01", "\xff", "\U0001f642" * 50, "<b>é</b>", "\n\n\n", " "])
def test_odd_texts_are_no_error(language, text):
    found = score(language, [text.encode("latin-1", "ignore") or text.encode()])
    assert np.isfinite(found["log_probability"]).all()
    assert len(write(language, [text])) == 1
