import numpy as np
import pytest
import tensorflow as tf

from training import Stop
from training.language import data, evaluation
from training.language.__main__ import Config


@pytest.mark.parametrize("name", ["characters", "words"])
def test_nats_are_those_of_the_whole_text_read_at_once(name, request, monkeypatch):
    monkeypatch.setattr(evaluation, "CHUNK", 7)
    language = request.getfixturevalue(name)
    ids = language.symbols.encode("the cat sat on the mat\na dog\n")
    found = evaluation.nats(language.next_step, sum(language.sizes), ids)
    logits = language.model(ids[None, :-1]).numpy()
    logits[:, :, :3] = -1e9
    log = tf.nn.log_softmax(logits).numpy()
    assert found == pytest.approx(-np.mean(np.take_along_axis(log, ids[None, 1:, None], 2)), rel=1e-4)


def test_rows_side_by_side_give_the_same(characters, monkeypatch):
    ids = np.random.default_rng(1).choice(characters.symbols.encode("the cat sat on\n"), 801)
    whole = evaluation.nats(characters.next_step, sum(characters.sizes), ids)
    for name in ("WARM_UP", "CHUNK"):
        monkeypatch.setattr(evaluation, name, 50)
    assert evaluation.nats(characters.next_step, sum(characters.sizes), ids) == pytest.approx(whole, rel=1e-5)


def test_figures():
    assert evaluation.figures(np.log(100), data.WORDS)["perplexity"] == 100
    assert evaluation.figures(np.log(2), data.CHARACTERS)["bits_per_character"] == 1


def test_nothing_to_evaluate_is_said_in_a_sentence(tmp_path):
    with pytest.raises(Stop, match="no SavedModel in .*--corpus sample"):
        evaluation.evaluate(Config(corpus="sample"), tmp_path, None)
