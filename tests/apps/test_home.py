import os
import shutil
from pathlib import Path

from apps import inside, language, models
from apps.applications import APPLICATIONS, INSIDE, INSIDE_EXAMPLE, offered
from seqkeras.understanding.units import character_properties
from tests.apps.conftest import visitor
from tests.apps.stand_in import save_sentiment, save_translation


def test_each_application_has_a_card_with_an_answer_and_a_link(app):
    app.run()
    assert not app.error
    pages = (*APPLICATIONS, INSIDE)
    assert [card.value for card in app.subheader] == [page.title for page in pages]
    assert any("90% positive" in element.value for element in app.markdown)
    assert any("|" in element.value and "`" in element.value for element in app.markdown)
    links = [element.proto for element in app.get("page_link")]
    assert [link.page for link in links] == [page.word for page in pages]
    assert "text=The" in links[0].query_string and "text=M%3A6%2F8" in links[1].query_string
    assert links[3].query_string == "sample=dog" and links[4].query_string == "prompt=My+lord%2C+the+king"
    assert [image.proto.imgs[0].alt for image in app.image] == ["A brown dog running over grass, drawn"]


def test_the_card_of_the_inside_leads_to_a_unit_where_its_model_is(app, saved_models, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    app.run()
    assert not app.get("page_link")[-1].proto.query_string
    shutil.copytree(saved_models / "language" / "shakespeare", tmp_path / "language" / INSIDE_EXAMPLE["model"])
    app.run()
    assert "property=inside+quotes" in app.get("page_link")[-1].proto.query_string
    assert INSIDE_EXAMPLE["example"] in inside.EXAMPLES[INSIDE_EXAMPLE["part"]][language.CHARACTERS]
    assert INSIDE_EXAMPLE["property"] in character_properties("x") and INSIDE_EXAMPLE["model"] in language.CORPORA


def test_without_a_model_the_card_says_how_to_make_it(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    app.run()
    assert not app.error
    for application in APPLICATIONS:
        assert any(f"make train APP={application.word}" in caption.value for caption in app.caption)


def test_an_application_without_a_model_is_not_offered_beside_others(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    save_sentiment(tmp_path)
    save_translation(tmp_path, "en-es")
    app.run()
    assert [card.value for card in app.subheader] == ["Sentiment", "Translation", "Inside the network"]
    assert [application.word for application in offered()] == ["sentiment", "translation"]


def test_each_page_has_a_screen():
    screens = Path(__file__).parents[2] / "apps" / "screens"
    assert {path.stem for path in screens.glob("*.py")} == {"home", *(page.word for page in (*APPLICATIONS, INSIDE))}


def test_the_answers_are_made_once_for_all_visitors_and_anew_for_a_new_model(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    save_sentiment(tmp_path)
    calls = []
    call = models.Model.call
    monkeypatch.setattr(models.Model, "call", lambda *args, **inputs: calls.append(args[1]) or call(*args, **inputs))
    app.run()
    visitor().run()
    assert calls == ["explain"]
    graph = tmp_path / "sentiment" / "saved_model.pb"
    os.utime(graph, ns=(0, graph.stat().st_mtime_ns + 10**9))
    visitor().run()
    assert calls == ["explain"] * 2
