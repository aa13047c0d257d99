from pathlib import Path

import pytest
from streamlit.testing.v1 import AppTest

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


@pytest.fixture
def sentiment(app):
    """The suite at its sentiment page."""
    app.run()
    return app.switch_page("screens/sentiment.py").run()


@pytest.fixture
def music(app):
    """The suite at its music page."""
    app.run()
    return app.switch_page("screens/music.py").run()


@pytest.fixture
def translation(app):
    """The suite at its translation page."""
    app.run()
    return app.switch_page("screens/translation.py").run()


@pytest.fixture
def captioning(app):
    """The suite at its captioning page."""
    app.run()
    return app.switch_page("screens/captioning.py").run()


@pytest.fixture
def language(app):
    """The suite at its language page."""
    app.run()
    return app.switch_page("screens/language.py").run()
