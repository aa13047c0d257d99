"""The shipped model as a TensorFlow engineer meets it: a folder, and a process that knows nothing of seqkeras."""

import json
import pathlib

import pytest

from tests.saved_models import bare

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models" / "sentiment"

CODE = """
model = tf.saved_model.load(sys.argv[1])
texts = json.load(sys.stdin)
results = []
for batch in texts:
    given = tf.constant([t.encode("utf-8", "surrogateescape") for t in batch], tf.string)
    rated = model.signatures["serving_default"](text=given)
    explained = model.signatures["explain"](text=given)
    results.append({
        **{name: value.numpy().tolist() for name, value in rated.items()},
        "tokens": [[t.decode("utf-8") for t in row] for row in explained["tokens"].numpy()],
        "weights": explained["weights"].numpy().tolist(),
        "again": explained["positive"].numpy().tolist(),
    })
print(json.dumps(results))
"""

CLEAR = ["A wonderful film, I loved every minute.", "A terrible film, the worst I have ever seen."]
FOOD = ["The food was good, not bad at all.", "The food was bad, not good at all."]
ODD = [
    "",
    "   ",
    "\U0001f600\U0001f600",
    "\u0645\u0631\u062d\u0628\u0627",
    "\x00\x01\x02",
    "\udcff\udcfe",
    "x" * 100_000,
    "no " * 20_000,
]  # noqa: E501


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    batches = [CLEAR, FOOD, ODD, [""], []]
    return dict(
        zip(
            ("clear", "food", "odd", "empty", "none"),
            bare.run(CODE, FOLDER, batches, tmp_path_factory.mktemp("elsewhere")),
        )
    )


def test_tells_praise_from_blame(results):
    positive, stars = results["clear"]["positive"], results["clear"]["stars"]
    assert positive[0] > 0.9 and positive[1] < 0.1
    assert stars[0] > 4 and stars[1] < 2


def test_order_matters(results):
    good, bad = results["food"]["positive"]
    assert good > 0.5 > bad


def test_every_text_gets_a_finite_answer(results):
    for name in ("odd", "empty", "none"):
        assert all(0 <= p <= 1 for p in results[name]["positive"])
        assert all(1 <= s <= 5 for s in results[name]["stars"])
    assert len(results["odd"]["positive"]) == len(ODD)
    assert results["none"]["positive"] == []


def test_explain_says_the_same_and_pads_with_nothing(results):
    for result in results.values():
        assert result["again"] == pytest.approx(result["positive"], abs=1e-5)
        for tokens, weights in zip(result["tokens"], result["weights"]):
            assert len(tokens) == len(weights)
            assert all(weight == 0 for token, weight in zip(tokens, weights) if token == "")
    assert [t for t in results["food"]["tokens"][0] if t] == "the food was good , not bad at all .".split()


def test_shares_point_the_way_of_the_answer(results):
    praise, blame = (sum(row) for row in results["clear"]["weights"])
    assert praise > 0 > blame


def test_card_and_figures_are_there():
    metrics = json.loads((FOLDER / "metrics.json").read_text())
    card = (FOLDER / "model_card.md").read_text()
    assert f"{metrics['test']['accuracy']:.2f}" in card
    assert json.loads((FOLDER / "config.json").read_text())["max_words"] > 0
    assert metrics["test"]["accuracy"] >= 89.0
