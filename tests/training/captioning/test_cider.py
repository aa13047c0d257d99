import math

import pytest

from training.captioning.cider import cider_d, cider_d_each

HYPOTHESES = ["a dog runs", "a cat"]
REFERENCES = [["a dog runs fast", "the dog"], ["a cat sleeps"]]

# A corpus in which pictures have words of their own.
DISTINCT = [
    ["red dogs run over wet grass", "two red dogs run over grass"],
    ["one small child climbs steep stairs", "a small child climbs the stairs"],
    ["surfers ride huge blue waves", "a surfer rides some huge waves today"],
]


def test_a_case_worked_out_by_hand():
    # Two pictures. In the references of both: a, so its weight is ln 2/2 = 0. In one: all other n-grams, ln 2/1 = L.
    # All that is not 0 weighs L, and L falls out of each cosine, so with L = 1, for n = 1, 2, 3, 4:
    #
    # "a dog runs" and "a dog runs fast": 3 and 4 words, penalty exp(-1/72).
    #   1: hypothesis dog runs, reference dog runs fast:             2 / (sqrt 2 * sqrt 3)
    #   2: a-dog dog-runs; a-dog dog-runs runs-fast:                 2 / (sqrt 2 * sqrt 3)
    #   3: a-dog-runs; a-dog-runs dog-runs-fast:                     1 / (sqrt 1 * sqrt 2)
    #   4: none; a-dog-runs-fast:                                    0
    # "a dog runs" and "the dog": 3 and 2 words, penalty exp(-1/72).
    #   1: dog runs; the dog:                                        1 / (sqrt 2 * sqrt 2)
    #   2: a-dog dog-runs; the-dog:                                  0
    # Their sum, over four n and two references, times 10:
    first = 10 / 2 * math.exp(-1 / 72) * (2 * 2 / math.sqrt(6) + 1 / math.sqrt(2) + 1 / 2) / 4
    # "a cat" and "a cat sleeps": 2 and 3 words.
    #   1: cat; cat sleeps:                                          1 / (1 * sqrt 2)
    #   2: a-cat; a-cat cat-sleeps:                                  1 / (1 * sqrt 2)
    second = 10 * math.exp(-1 / 72) * (2 / math.sqrt(2)) / 4
    assert cider_d_each(HYPOTHESES, REFERENCES) == pytest.approx([first, second])
    assert cider_d(HYPOTHESES, REFERENCES) == pytest.approx((first + second) / 2)
    # In figures: 5/4 * 0.986207 * (1.632993 + 0.707107 + 0.5), and 10/4 * 0.986207 * 1.414214.
    assert [round(first, 4), round(second, 4)] == [3.5012, 3.4868]


def test_a_rare_word_weighs_more_than_a_common_one():
    # Of four pictures three have x and one has y, so they weigh ln 4/3 and ln 4/1; no n-gram is longer than one word.
    references = [["x y"], ["x"], ["x"], ["z"]]
    rare, common = math.log(4), math.log(4 / 3)
    penalty = math.exp(-1 / 72)
    expected = [10 / 4 * penalty * weight / math.hypot(rare, common) for weight in (rare, common)]
    assert cider_d_each(["y", "x", "x", "z"], references)[0] == pytest.approx(expected[0])
    assert cider_d_each(["x", "x", "x", "z"], references)[0] == pytest.approx(expected[1])


def test_a_repeated_word_is_counted_as_often_as_the_reference_has_it():
    # dog, once in the reference, weighs L there and 3 L in the hypothesis; the minimum is L. So for n = 1 there is
    # L * L / (3 L * L) = 1/3, where the cosine without the minimum would be 1; a word more or less is no n-gram.
    [score, _] = cider_d_each(["dog dog dog", "cat"], [["dog"], ["cat"]])
    assert score == pytest.approx(10 / 4 * math.exp(-4 / 72) / 3)


def test_the_same_caption_scores_highest():
    references = [texts[:1] for texts in DISTINCT]
    hypotheses = [texts[0] for texts in DISTINCT]
    assert cider_d(hypotheses, references) == pytest.approx(10)
    assert cider_d(hypotheses, DISTINCT) < 10
    for changed in ("red dogs run over wet", "dogs red run over wet grass", "red dogs run over wet mud", ""):
        assert cider_d([changed, *hypotheses[1:]], references) < 10 - 0.1


def test_nothing_in_common_scores_nothing():
    assert cider_d(["zebra crossing", "ship", "moon"], DISTINCT) == 0
    assert cider_d(["", "", ""], DISTINCT) == 0
    # What every picture has tells nothing of any.
    assert cider_d(["the same"] * 2, [["the same"]] * 2) == 0


def test_word_order_matters():
    references = [texts[:1] for texts in DISTINCT]
    others = [texts[0] for texts in DISTINCT[1:]]
    ordered = cider_d_each(["red dogs run over wet grass", *others], references)[0]
    turned = cider_d_each(["grass wet over run dogs red", *others], references)[0]
    assert ordered == pytest.approx(10) and turned == pytest.approx(10 / 4)  # the single words are all there


def test_length_is_penalised_by_a_gaussian():
    # A word that no reference has weighs as much as one that a single picture has, here ln 2. So n such words more make
    # the cosine of the single words 1 / sqrt(1 + n).
    references = [["dog"], ["cat"]]
    for more in (1, 6, 12):
        words = " ".join(f"w{i}" for i in range(more))
        expected = 10 / 4 * math.exp(-(more**2) / 72) / math.sqrt(1 + more)
        assert cider_d_each([f"dog {words}", "cat"], references)[0] == pytest.approx(expected)


def test_the_order_of_references_does_not_matter_and_each_counts():
    hypotheses = [texts[0] for texts in DISTINCT]
    turned = [texts[::-1] for texts in DISTINCT]
    assert cider_d(hypotheses, DISTINCT) == pytest.approx(cider_d(hypotheses, turned))
    alone = [cider_d_each(hypotheses, [[text], *DISTINCT[1:]])[0] for text in DISTINCT[0]]
    assert alone[0] > cider_d_each(hypotheses, DISTINCT)[0] > alone[1]


@pytest.mark.parametrize("hypotheses, references", [([], []), (["a"], []), (["a"], [["a"], ["b"]]), (["a"], [[]])])
def test_what_does_not_fit_is_refused(hypotheses, references):
    with pytest.raises(ValueError, match="wanted|wants a reference"):
        cider_d(hypotheses, references)
