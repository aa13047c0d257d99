import functools
from pathlib import Path

import pytest
from streamlit import config
from streamlit.components.v2 import manifest_scanner
from streamlit.runtime.scriptrunner import script_cache, script_runner
from streamlit.testing.v1 import AppTest, app_test, local_script_runner

from apps import applications
from tests.apps.stand_in import save_captioning, save_language, save_music, save_sentiment, save_translation

ENTRY = Path(__file__).parents[2] / "apps" / "streamlit_app.py"


@pytest.fixture(scope="session", autouse=True)
def quick():
    """What Streamlit does again for every visitor or run of a page, here without effect, is done once or not at all."""
    with pytest.MonkeyPatch.context() as patch:
        # To look for components among the packages installed, and to compile the pages.
        scan, cache = manifest_scanner.scan_component_manifests, script_cache.ScriptCache()
        patch.setattr(manifest_scanner, "scan_component_manifests", functools.cache(scan))
        for module in (app_test, local_script_runner):
            patch.setattr(module, "ScriptCache", lambda: cache)
        # To throw away what TensorFlow has made of the graphs of all models, and to look through all of it for garbage.
        patch.setattr(script_runner, "_clean_problem_modules", lambda: None)
        config.set_option("runner.postScriptGC", False)
        yield


@pytest.fixture(scope="session")
def stand_ins(tmp_path_factory):
    """A folder of stand-in models, made once."""
    folder = tmp_path_factory.mktemp("saved_models")
    save_sentiment(folder)
    save_music(folder)
    save_translation(folder, "en-de", "en-es")
    save_captioning(folder)
    save_language(folder)
    return folder


@pytest.fixture
def saved_models(stand_ins, monkeypatch):
    """The stand-ins in the place of the trained models."""
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(stand_ins))
    return stand_ins


def visitor():
    """The suite as a new visitor has it, not yet run."""
    return AppTest.from_file(str(ENTRY), default_timeout=60)


@pytest.fixture
def app(saved_models):
    return visitor()


def at(app, word, **parameters):
    """The suite at an application's page, by an address with parameters; past a home page that asks no model."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(applications, "answer", lambda application: "")
        app.run()
    app.query_params.update(parameters)
    return app.switch_page(f"screens/{word}.py").run()


@pytest.fixture
def sentiment(app):
    return at(app, "sentiment")


@pytest.fixture
def music(app):
    return at(app, "music")


@pytest.fixture
def translation(app):
    return at(app, "translation")


@pytest.fixture
def captioning(app):
    return at(app, "captioning")


@pytest.fixture
def language(app):
    return at(app, "language")


@pytest.fixture
def inside(app):
    return at(app, "inside")
