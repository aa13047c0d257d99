import numpy as np
import pytest

from apps import sampling


def test_draws_follow_the_softmax_of_the_divided_logits():
    logits, temperature = np.log([0.5, 0.3, 0.15, 0.05]), 1.7
    random = np.random.default_rng(0)
    drawn = np.bincount([sampling.draw(logits, temperature, 1.0, random) for _ in range(20_000)], minlength=4) / 20_000
    expected = np.array([0.5, 0.3, 0.15, 0.05]) ** (1 / temperature)
    np.testing.assert_allclose(drawn, expected / expected.sum(), atol=0.015)


@pytest.mark.parametrize("top_p, kept", [(0.0, 1), (0.4, 1), (0.55, 2), (0.9, 3), (1.0, 4)])
def test_top_p_keeps_the_fewest_symbols_that_reach_it(top_p, kept):
    logits, random = np.log([0.05, 0.5, 0.15, 0.3]), np.random.default_rng(0)
    drawn = {sampling.draw(logits, 1.0, top_p, random) for _ in range(2_000)}
    assert drawn == set([1, 3, 2, 0][:kept])


def test_what_is_banned_is_never_drawn():
    logits, random = np.array([0.0, -np.inf, -3.0, -np.inf]), np.random.default_rng(0)
    assert {sampling.draw(logits, 5.0, 1.0, random) for _ in range(500)} == {0, 2}


def test_top_k_keeps_the_largest():
    logits = np.array([1.0, 3.0, 2.0, 3.0, -np.inf])
    np.testing.assert_array_equal(sampling.likeliest(logits, 2), [-np.inf, 3, -np.inf, 3, -np.inf])
    np.testing.assert_array_equal(sampling.likeliest(logits, 1), [-np.inf, 3, -np.inf, -np.inf, -np.inf])
    for k in (0, 5, 100):
        np.testing.assert_array_equal(sampling.likeliest(logits, k), logits)


def test_what_the_model_bans_gets_no_chance():
    logits = np.array([0.0, -1e9, 2.0], "float32")
    np.testing.assert_array_equal(sampling.allowed(logits), [0, -np.inf, 2])


@pytest.mark.parametrize("token, others", [(1, ["c", "d"]), (2, ["b", "d"]), (0, ["b", "c"])])
def test_a_written_symbol_knows_its_probability_and_its_rivals(token, others):
    probability = np.array([0.05, 0.5, 0.3, 0.15])
    symbol = sampling.written(token, np.log(probability).astype("float32"), "abcd")
    assert symbol.text == "abcd"[token] and symbol.probability == pytest.approx(probability[token])
    assert symbol.others == tuple((name, pytest.approx(probability["abcd".index(name)])) for name in others)


def test_a_vocabulary_of_two():
    assert sampling.written(0, np.zeros(2), "ab").others == (("b", 0.5),)
