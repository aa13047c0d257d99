from pathlib import Path

from apps.applications import APPLICATIONS


def test_each_application_has_a_card_with_an_answer_and_a_link(app):
    app.run()
    assert not app.error
    assert [card.value for card in app.subheader] == [application.title for application in APPLICATIONS]
    assert any("90% positive" in element.value for element in app.markdown)
    link = app.get("page_link")[0].proto
    assert link.page == "sentiment" and "text=The" in link.query_string


def test_without_a_model_the_card_says_how_to_make_it(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    app.run()
    assert not app.error
    assert any("make train APP=sentiment" in caption.value for caption in app.caption)


def test_each_application_has_a_screen():
    screens = Path(__file__).parents[2] / "apps" / "screens"
    assert {path.stem for path in screens.glob("*.py")} == {"home", *(application.word for application in APPLICATIONS)}
