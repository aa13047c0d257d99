"""The shipped translators as a TensorFlow engineer meets them: folders, and a process that knows no seqkeras."""

import json
import pathlib

import numpy as np
import pytest

from tests.saved_models import bare

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models" / "translation"
PAIRS = sorted(path.parent.name for path in FOLDER.glob("*/saved_model.pb"))

CODE = """
results = {}
for pair, text in json.load(sys.stdin).items():
    model = tf.saved_model.load(f"{sys.argv[1]}/{pair}")
    signatures, results[pair] = model.signatures, {}
    given = tf.constant([t.encode("utf-8", "surrogateescape") for t in text], tf.string)
    results[pair]["plain"] = [t.decode() for t in signatures["serving_default"](text=given)["translation"].numpy()]
    results[pair]["known"] = signatures["known"](text=given)["known"].numpy().tolist()
    given = given[:2]
    for name, width, penalty in (("greedy", 1, 0.0), ("beams", 4, 1.0), ("odd", -3, float("nan"))):
        found = signatures["beam"](text=given, width=tf.constant(width), length_penalty=tf.constant(penalty))
        results[pair][name] = [[t.decode() for t in row] for row in found["translations"].numpy()]
        results[pair][f"{name} scores"] = found["scores"].numpy().tolist()
    found = signatures["attend"](text=given)
    results[pair]["attend"] = [t.decode() for t in found["translation"].numpy()]
    results[pair]["words"] = [[[w.decode() for w in row] for row in found[n].numpy()] for n in ("target", "source")]
    results[pair]["attention"] = found["attention"].numpy().tolist()
    none = signatures["serving_default"](text=tf.constant([], tf.string))
    results[pair]["none"] = none["translation"].shape.as_list()
    # Once will do for the optimising of graphs that are all made by the same lines; it takes most of the time.
    tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
print(json.dumps(results))
"""

SENTENCES = {
    "en-de": "A man is riding a bicycle down the street.",
    "en-fr": "A man is riding a bicycle down the street.",
    "fr-en": "Un homme fait du vélo dans la rue.",
    "en-es": "I don't know where he lives.",
    "en-vi": "I don't know where he lives.",
}
# Words of which a translation that is any good has one.
EXPECTED = {"en-de": "Fahrrad", "en-fr": "vélo", "fr-en": "bike bicycle", "en-es": "dónde", "en-vi": "đâu"}
ODD = ["", " \n\t", "🙂 12:30 …", "\x00\x01", "\udcff\udcfe", "<b>2 > 1</b>", "x" * 450, "so " * 120, "漢字"]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    given = {pair: [SENTENCES[pair], f" {SENTENCES[pair]}\n\n\t{SENTENCES[pair]} ", *ODD[:3]] for pair in PAIRS}
    given[PAIRS[0]] += ODD[3:]  # the same graph with other numbers: once will do
    return bare.run(CODE, FOLDER, given, tmp_path_factory.mktemp("elsewhere"))


@pytest.mark.parametrize("pair", PAIRS)
def test_translates_and_keeps_what_stands_between_sentences(results, pair):
    plain = results[pair]["plain"]
    assert any(word in plain[0] for word in EXPECTED[pair].split())
    assert plain[1] == f" {plain[0]}\n\n\t{plain[0]} "
    assert plain[2:5] == ["", " \n\t", "🙂 12:30 …"]
    assert results[pair]["none"] == [0]


@pytest.mark.parametrize("pair", PAIRS)
def test_beams_come_best_first_and_numbers_out_of_range_are_kept_within(results, pair):
    assert all(len(row) == 4 for row in results[pair]["beams"])
    assert all(len(row) == 1 for row in results[pair]["greedy"] + results[pair]["odd"])
    scores = np.array(results[pair]["beams scores"])
    # Other subwords may spell the same sentence, but not often.
    assert (np.diff(scores[0]) <= 0).all() and len(set(results[pair]["beams"][0])) >= 3
    np.testing.assert_allclose(scores[1], 2 * scores[0], rtol=1e-3)


@pytest.mark.parametrize("pair", PAIRS)
def test_attention_is_of_the_words_of_the_translation(results, pair):
    assert results[pair]["attend"] == results[pair]["plain"][:2]
    attention, (targets, sources) = np.array(results[pair]["attention"]), results[pair]["words"]
    assert attention.shape == (len(targets), len(targets[0]), len(sources[0]))
    assert (attention >= 0).all() and (attention.sum(axis=2) <= 1 + 1e-4).all()
    target, source = ([word for word in words[0] if word] for words in (targets, sources))
    assert "".join(target).lower() == results[pair]["plain"][0].replace(" ", "").lower()
    assert "".join(source).lower() == SENTENCES[pair].replace(" ", "").lower()
    # It looked at words, not past them; and at those of the first sentence while it wrote the first.
    assert attention[0, : len(target), : len(source)].sum() > len(target) / 2
    assert attention[1, : len(target), len(source) :].sum() == 0


@pytest.mark.parametrize("pair", PAIRS)
def test_tells_its_language_from_others(results, pair):
    known = results[pair]["known"]
    assert known[0] > 0.8 and known[2] == 1 and min(known) >= 0
    if pair == PAIRS[0]:
        assert known[len(ODD) + 1] == 0


@pytest.mark.parametrize("pair", PAIRS)
def test_papers_lie_beside_it(pair):
    metrics = json.loads((FOLDER / pair / "metrics.json").read_text())
    card = (FOLDER / pair / "model_card.md").read_text()
    assert f"{metrics['test']['beam']['bleu']:.2f}" in card and metrics["test"]["signatures"]["bleu"] in card
    assert json.loads((FOLDER / pair / "config.json").read_text())["pair"] == pair
