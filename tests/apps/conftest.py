from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

from apps import applications
from tests.apps.stand_in import save_captioning, save_language, save_music, save_sentiment, save_translation

ENTRY = Path(__file__).parents[2] / "apps" / "streamlit_app.py"


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


@pytest.fixture
def app(saved_models):
    """The suite, not yet run."""
    return AppTest.from_file(str(ENTRY), default_timeout=60)


def at(app, word):
    """The suite at an application's page, past a home page that asks no model."""
    with pytest.MonkeyPatch.context() as patch:
        for application in applications.APPLICATIONS:
            patch.setitem(vars(application), "answer", lambda example: "")
        app.run()
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
