import numpy as np
import pytest

from seqkeras.understanding import character_properties, correlations, search_units, word_properties

TEXT = 'KING:\n  "Go (now)", he\nsaid.'


def marked(text, values):
    """The characters of a text at which a property is not 0."""
    return "".join(character for character, value in zip(text, values) if value)


def test_positions_of_characters():
    found = character_properties("ab cd\n  é1\n")
    assert found["position in the line"].tolist() == [1, 2, 3, 4, 5, 0, 1, 2, 3, 4, 0]
    assert found["position in the word"].tolist() == [1, 2, 0, 1, 2, 0, 0, 0, 1, 2, 0]
    assert found["indentation"].tolist() == [0, 0, 0, 0, 0, 0, 1, 2, 2, 2, 0]


@pytest.mark.parametrize(
    "name, characters",
    [
        ("first of a line", "K s"),
        ("end of a line", "\n\n"),
        ("inside quotes", '"Go (now)'),
        ("inside brackets", "(now"),
        ("speaker's name", "KING:"),
        ("space", "    "),
        ("capital letter", "KINGG"),
        ("vowel", "Iooeai"),
        ("consonant", "KNGGnwhsd"),
        ("digit", ""),
        ("mark of punctuation", ':"()",.'),
    ],
)
def test_flags_of_characters(name, characters):
    values = character_properties(TEXT)[name]
    assert values.dtype == "float64" and set(values) <= {0, 1}
    assert marked(TEXT, values) == characters


@pytest.mark.parametrize(
    "text, inside",
    [
        ("a(b[c]d)e", "(b[c]d"),
        ("a)b(c", ""),
        ("(a[b)c]", "(a[b"),
        ("f(x)(y)", "(x(y"),
    ],
)
def test_brackets_count_in_pairs(text, inside):
    assert marked(text, character_properties(text)["inside brackets"]) == inside


def test_quotes_count_in_pairs():
    assert marked('"a" b “c” 5" d', character_properties('"a" b “c” 5" d')["inside quotes"]) == '"a“c'


def test_properties_of_words():
    words = ["the", "firms", "lost", "N", "<unk>", "(", "a", "lot", ")", "\n", "he", '"', "said", '"', "."]
    found = word_properties(words)
    assert found["position in the sentence"].tolist() == [*range(1, 10), 0, 1, 2, 3, 4, 0]
    assert found["length of the word"].tolist() == [len(word.strip()) for word in words]

    def of(name):
        return [word for word, value in zip(words, found[name]) if value]

    assert of("first of a sentence") == ["the", "he"] and of("end of a sentence") == ["\n", "."]
    assert of("after an article") == ["firms", "lot"]
    assert of("function word") == ["the", "a", "he"]
    assert of("number") == ["N"] and of("unknown word") == ["<unk>"] and of("word that ends in s") == ["firms"]
    assert of("inside brackets") == ["(", "a", "lot"] and of("inside quotes") == ['"', "said"]
    assert of("mark of punctuation") == ["(", ")", '"', '"', "."]


@pytest.mark.parametrize("properties", [character_properties, lambda text: word_properties(text.split(" "))])
def test_every_property_has_a_number_for_every_token(properties):
    for text in ("a", "\n", TEXT, "日本 🙂\x00"):
        found = properties(text)
        count = {len(values) for values in found.values()}
        assert count == {len(text)} or count == {len(text.split(" "))}
        assert all(np.isfinite(values).all() and values.dtype == "float64" for values in found.values())


def test_correlations_are_those_of_numpy():
    random = np.random.default_rng(0)
    states, properties = random.normal(size=(50, 7)) + 3, random.normal(size=(50, 3))
    found = correlations(states.astype("float32"), properties)
    assert found.shape == (3, 7) and found.dtype == "float64"
    expected = np.corrcoef(properties.T, states.T)[:3, 3:]
    np.testing.assert_allclose(found, expected, atol=1e-6)


def test_what_is_constant_has_no_correlation():
    states = np.stack([np.arange(10.0), np.full(10, 0.1), -np.arange(10.0), np.full(10, np.float32(1e-30))], axis=1)
    found = correlations(states, np.stack([np.arange(10.0) * 1e-6, np.full(10, 0.7)], axis=1))
    np.testing.assert_allclose(found, [[1, 0, -1, 0], [0, 0, 0, 0]], atol=1e-12)


def test_correlations_refuse_other_shapes():
    for states, properties in ((np.ones((3, 2)), np.ones((4, 1))), (np.ones(3), np.ones((3, 1)))):
        with pytest.raises(ValueError, match=r"\(time, units\).*Received: shapes"):
            correlations(states, properties)


def test_the_search_finds_the_unit_that_tracks_a_property_and_confirms_it():
    random = np.random.default_rng(1)
    values = np.tile(np.arange(25.0), 16)
    states = random.normal(size=(400, 60))
    states[:, 17] += 0.3 * (values - 12)
    states[:, 40] -= 0.15 * (values - 12)
    states[200:, 40] = random.normal(size=200)  # tracks it in the first half alone
    found = search_units(states, values, k=5)
    assert found.units[:2].tolist() == [17, 40] and len(found.units) == 5
    assert found.correlations[0] > 0.8 and found.confirmed[0] > 0.8
    assert found.correlations[1] < -0.6 and abs(found.confirmed[1]) < 0.25
    assert (np.diff(np.abs(found.correlations)) <= 0).all()


def test_chance_is_what_the_best_of_units_that_track_nothing_reach():
    """Smooth noise, the more of it the higher; the search itself stays below it most of the time."""
    random = np.random.default_rng(2)
    noise = random.normal(size=(430, 300))
    smooth = np.stack([np.convolve(column, np.ones(31) / 31, "valid") for column in noise.T], axis=1)
    below, levels = 0, []
    for seed in range(20):
        values = np.convolve(random.normal(size=430), np.ones(31) / 31, "valid")
        found = search_units(smooth, values, seed=seed, shifts=50)
        below += abs(found.correlations[0]) < found.chance
        levels.append(found.chance)
    assert below >= 15
    assert 0.4 < np.mean(levels) < 1
    rough = search_units(noise[:400], random.normal(size=400))
    assert rough.chance < min(levels)


def test_a_search_without_an_answer_has_zeros():
    random = np.random.default_rng(3)
    found = search_units(random.normal(size=(20, 4)), np.ones(20))
    assert found.units.tolist() == [0, 1, 2, 3]
    assert not found.correlations.any() and not found.confirmed.any() and found.chance == 0
    for values in (np.ones(3), np.ones((20, 1))):
        with pytest.raises(ValueError, match="4 or more tokens"):
            search_units(np.ones((20, 4)), values)
