import gc
import shutil
import threading
import time

import numpy as np
import pytest
from keras.src.backend.common import global_state
from streamlit.runtime.scriptrunner import script_runner

from apps import models
from apps.models import ModelError


def test_a_model_is_loaded_once_and_brings_its_papers(saved_models):
    model = models.load("sentiment")
    assert model is models.load("sentiment")
    assert model.max_words == 200
    assert "tests only" in model.card
    assert model.metrics == {"accuracy": 0.5}


def test_keras_is_not_cleared_when_a_page_has_run_and_what_tensorflow_optimised_with_it(saved_models):
    models.load("sentiment")
    global_state.set_global_attribute("kept", True)
    script_runner._clean_problem_modules()
    assert global_state.get_global_attribute("kept")


def test_what_stays_for_ever_is_not_searched_for_garbage(saved_models, tmp_path, monkeypatch):
    gc.unfreeze()
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    shutil.copytree(saved_models / "sentiment", tmp_path / "sentiment")
    models.load("sentiment")
    assert gc.get_freeze_count() > 100_000
    assert gc.isenabled()


def test_garbage_is_collected_again_after_a_failure(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    (tmp_path / "sentiment").mkdir()
    (tmp_path / "sentiment" / "saved_model.pb").write_bytes(b"no model")
    with pytest.raises(models.ModelError):
        models.load("sentiment")
    assert gc.isenabled()


def test_a_new_export_is_loaded_anew(saved_models, tmp_path, monkeypatch):
    shutil.copytree(saved_models / "sentiment", tmp_path / "sentiment")
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    first = models.load("sentiment")
    (tmp_path / "sentiment" / "saved_model.pb").touch()
    assert models.load("sentiment") is not first


def test_max_words_may_stand_in_the_card_or_nowhere(saved_models, tmp_path, monkeypatch):
    shutil.copytree(saved_models / "sentiment", tmp_path / "sentiment")
    (tmp_path / "sentiment" / "config.json").write_text("{}")
    (tmp_path / "sentiment" / "model_card.md").write_text("Reads `max_words` = 1,024 words.")
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    model = models.load("sentiment")
    assert model.max_words == 1024
    model.card = ""
    assert model.max_words is None


def test_a_missing_model_names_the_command_and_no_path(tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="make train APP=sentiment") as caught:
        models.load("sentiment")
    assert str(tmp_path) not in str(caught.value)


def test_an_unreadable_model_is_a_sentence(tmp_path, monkeypatch):
    (tmp_path / "sentiment").mkdir()
    (tmp_path / "sentiment" / "saved_model.pb").write_bytes(b"not a graph")
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    with pytest.raises(ModelError, match="cannot be read") as caught:
        models.load("sentiment")
    assert str(tmp_path) not in str(caught.value)


def test_a_failing_call_is_a_sentence(saved_models):
    with pytest.raises(ModelError, match="could not answer"):
        models.load("sentiment").call("no_such_signature", text=["a"])


def test_numbers_that_are_not_finite_are_refused(saved_models):
    model = models.Model("sentiment", saved_models / "sentiment")

    class Broken:
        def numpy(self):
            return np.array([np.nan], "float32")

    model._model = type("Loaded", (), {"signatures": {"serving_default": lambda text: {"positive": Broken()}}})
    with pytest.raises(ModelError, match="no usable number"):
        model.call("serving_default", text=["a"])


def test_batches_keep_the_order(saved_models):
    model = models.load("sentiment")
    lines = ["good " * (index % 7) + "bad " * (index % 5) + "x" for index in range(75)]
    calls = []
    together = model.call_in_batches("serving_default", lines, progress=lambda *done: calls.append(done))
    alone = [model.call("serving_default", text=[line])["positive"][0] for line in lines]
    np.testing.assert_allclose(together["positive"], alone, rtol=1e-6)
    assert calls == [(32, 75), (64, 75), (75, 75)]


def test_callers_wait_for_each_other(saved_models):
    model = models.Model("sentiment", saved_models / "sentiment")
    signature, inside, most = model._model.signatures["serving_default"], [], []

    def watched(text):
        inside.append(text)
        most.append(len(inside))
        try:
            return signature(text=text)
        finally:
            inside.pop()

    model._model = type("Loaded", (), {"signatures": {"serving_default": watched}})
    threads = [
        threading.Thread(target=model.call, args=("serving_default",), kwargs={"text": ["good"]}) for _ in range(16)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(most) == 16 and max(most) == 1


def test_who_asks_again_and_again_waits_behind_those_who_came_before():
    lock, served = models._FairLock(), []

    def ask(name):
        with lock:
            served.append(name)

    threads = [threading.Thread(target=ask, args=(name,)) for name in range(5)]
    with lock:
        for waiting, thread in enumerate(threads, start=2):
            thread.start()
            while len(lock._waiting) < waiting:
                time.sleep(0.001)
    ask("again")
    for thread in threads:
        thread.join()
    assert served == [0, 1, 2, 3, 4, "again"]


def test_the_command_that_makes_a_model_names_what_it_learns_from():
    assert models.command("sentiment") == "make train APP=sentiment"
    assert models.command("translation/en-de") == 'make train APP=translation ARGS="--pair en-de"'
    assert models.command("language/shakespeare") == 'make train APP=language ARGS="--corpus shakespeare"'


def test_the_variants_of_a_model_are_those_there_are_to_load(saved_models):
    assert models.variants("translation") == ["en-de", "en-es"]
    assert models.variants("sentiment") == [] and models.variants("nothing") == []
