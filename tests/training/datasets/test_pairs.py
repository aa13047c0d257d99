import pytest

from training.datasets import pairs


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
