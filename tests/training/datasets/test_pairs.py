import pytest

from training.datasets import pairs

# One cluster: joined by the English, by its contraction, and by the Spanish.
CLUSTER = [("I am here.", "Estoy aquí."), ("I'm here!", "Aquí estoy."), ("Here I am", "¡Estoy aquí!"), ("Hi", "aqui")]


def test_training_keeps_every_pair_and_tests_ask_once():
    sources, targets = ["a", "b", "a"], ["x", "y", "z"]
    train = list(pairs.dataset(sources, targets, "train").as_numpy_iterator())
    assert [(row["source"], row["target"]) for row in train] == [(b"a", b"x"), (b"b", b"y"), (b"a", b"z")]
    test = pairs.dataset(sources, targets, "test")
    rows = [(row["source"], row["target"], row["references"].tolist()) for row in test.as_numpy_iterator()]
    assert rows == [(b"a", b"x", [b"x", b"z"]), (b"b", b"y", [b"y"])]
    batch = next(iter(test.padded_batch(2)))
    assert batch["references"].numpy().tolist() == [[b"x", b"z"], [b"y", b""]]


def test_unknown_splits_and_languages_are_refused():
    with pytest.raises(ValueError, match="Received: 'dev'"):
        pairs.check("dev", "en", "fr", [("en", "fr")])
    with pytest.raises(ValueError, match="en-fr.*Received: 'fr' to 'en'"):
        pairs.check("test", "fr", "en", [("en", "fr")])


def test_the_normal_form_leaves_what_paraphrases_share():
    assert pairs.normal_form("I CAN'T — won’t!") == pairs.normal_form("i cannot, will not")
    assert pairs.normal_form("¿Qué?") == "qué"
    assert pairs.normal_form("Đi!") != pairs.normal_form("Di!")


def test_the_normal_form_keeps_vowel_signs_with_their_word():
    assert pairs.normal_form("दिन, दीन।") == "दिन दीन"
    assert pairs.normal_form("¨ ที่นี่!") == "ที่นี่"


def test_what_shares_a_sentence_is_one_cluster():
    names = pairs.cluster(CLUSTER)
    assert names[0] == names[1] == names[2] == "here i am" != names[3]
    # Joined through others alone, whatever the order.
    chain = [(str(i // 2), f"{(i + 1) // 2}") for i in range(20)]
    for rows in (chain, chain[::-1], chain[1::2] + chain[::2]):
        assert set(pairs.cluster(rows)) == {"0"}


def test_sentences_of_signs_alone_are_not_all_one():
    assert pairs.cluster([("?!", "¿¡"), ("…", "---")]) == ["?!", "…"]
