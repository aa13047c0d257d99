import re
from urllib.parse import parse_qs, urlparse

import pytest
from PIL import Image

from apps import models, pictures, sample_pictures
from tests.apps.conftest import at, visitor
from tests.apps.test_pictures import BLUE, RED, cut, encoded, files
from tests.apps.test_sentiment import everything, markup
from tests.apps.test_translation import headings, refused
from tests.apps.test_widgets import shown


def upload(app, *files):
    app.file_uploader(key="captioning_files").set_value([(name, data, "image/jpeg") for name, data in files])
    return app.run()


def work(app):
    return app.session_state["captioning_work"]


def labels(app, kind="download_button"):
    return [element.proto.label for element in app.get(kind)]


def sentences(elements):
    return "\n".join(element.value.replace("\\", "") for element in elements)


def test_the_page_opens_with_its_controls_and_the_model_card(captioning):
    assert not captioning.error and not captioning.exception and not captioning.warning
    assert headings(captioning) == ["Model"]
    assert captioning.slider(key="captioning_width").value == 3
    assert "6,000 photos, mostly of people and dogs" in everything(captioning)
    assert not captioning.camera_input
    assert captioning.file_uploader(key="captioning_files").allowed_type


def test_a_picture_gets_caption_alternatives_attention_download_and_model_in_this_order(captioning):
    upload(captioning, ("dog.jpg", sample_pictures.draw("dog")))
    assert not captioning.error and not captioning.warning and not captioning.info
    assert headings(captioning) == ["Caption", "Alternatives", "Attention", "Download", "Model"]
    assert "A green picture with a little white in it." in shown(markup(captioning))
    assert "−0.50" in markup(captioning) and "Something green." in shown(markup(captioning))
    assert 'aria-label="white: looked at the upper part"' in markup(captioning)
    assert "8 × 8 places" in everything(captioning)
    assert "One picture captioned in" in everything(captioning)
    assert labels(captioning) == ["Captions and scores as CSV"]


def test_samples_are_captioned_and_have_a_link(captioning):
    for name in sample_pictures.SAMPLES:
        captioning.button(key=f"captioning_example_{name}").click().run()
        assert work(captioning).ended and work(captioning).captioned == [0]
        assert work(captioning).entries[0].name == f"{name}.jpg"
        assert f"sample={name}&width=3" in captioning.code[0].value
        assert not captioning.error and not captioning.exception and not captioning.warning


def test_the_camera_is_folded_away_until_it_is_wanted(captioning):
    captioning.toggle(key="captioning_camera").set_value(True).run()
    captioning.camera_input(key="captioning_photo").upload("shot.jpg", encoded(BLUE, "JPEG")).run()
    assert work(captioning).entries[0].caption.startswith("A blue picture")
    captioning.toggle(key="captioning_camera").set_value(False).run()
    assert not captioning.camera_input and "Caption" in headings(captioning)


def test_another_beam_width_captions_anew(captioning):
    captioning.button(key="captioning_example_dog").click().run()
    captioning.slider(key="captioning_width").set_value(1).run()
    assert work(captioning).width == 1 and len(work(captioning).entries[0].alternatives) == 1
    assert "Beam width 1 follows one way only" in everything(captioning)


def test_attention_to_another_caption_than_the_one_shown_is_said(captioning, monkeypatch):
    attention = pictures.attention

    def other(model, picture):
        found = attention(model, picture)
        return pictures.Attention("Another *caption*.", found.words, found.weights)

    monkeypatch.setattr(pictures, "attention", other)
    captioning.button(key="captioning_example_dog").click().run()
    assert "with its own beam width, 3: “Another \\*caption\\*\\.”" in everything(captioning)


# Several


def test_several_pictures_get_a_table_and_each_can_be_looked_at(captioning):
    upload(captioning, ("a.png", encoded(RED)), ("b.png", encoded(BLUE)))
    assert headings(captioning) == ["Captions", "Alternatives", "Attention", "Download", "Model"]
    table = captioning.dataframe[0].value
    assert list(table.file) == ["a.png", "b.png"] and list(table.score) == [-0.5, -0.5]
    assert [caption.split()[1] for caption in table.caption] == ["red", "blue"]
    assert all(picture.startswith("data:image/jpeg;base64,") for picture in table.picture)
    assert "2 pictures captioned in" in everything(captioning)
    assert labels(captioning) == ["The table as CSV", "This picture's captions as CSV"]
    box = captioning.selectbox(key="captioning_shown")
    assert box.options == ["1. a.png", "2. b.png"]
    assert "Something red." in shown(markup(captioning))
    box.set_value(1).run()
    assert "Something blue." in shown(markup(captioning)) and "Something red." not in shown(markup(captioning))


def test_bad_pictures_are_explained_and_the_others_captioned(captioning):
    upload(
        captioning,
        ("text.jpg", b"hello"),
        ("good.jpg", sample_pictures.draw("snow")),
        ("cut.jpg", cut("JPEG")),
        ("one.png", encoded(RED.resize((1, 1)))),
        ("vast.png", encoded(Image.new("1", (20_000, 20_000)))),
        ("moving.gif", encoded(RED, "GIF", save_all=True, append_images=[BLUE])),
        ("grey.png", encoded(Image.new("I;16", (50, 50), 30_000))),
        ("empty.jpg", b""),
    )
    assert not captioning.error and not captioning.exception
    said = sentences(captioning.warning)
    for sentence in (
        "text.jpg: This is no picture that can be read here",
        "cut.jpg: This picture is cut off",
        "one.png: This picture has 1 × 1 pixels",
        "vast.png: This picture has far more than the 40 megapixels",
        "empty.jpg: This file is empty",
    ):
        assert sentence in said
    assert "moving.gif: It moves; only its first picture" in sentences(captioning.info)
    assert work(captioning).captioned == [1, 5, 6]
    assert captioning.selectbox(key="captioning_shown").value == 1


@pytest.mark.parametrize(
    "data, sentence",
    [(b"hello", "no picture that can be read"), (cut("JPEG"), "cut off"), (b"", "empty")],
)
def test_one_bad_picture_is_a_sentence_and_no_more(captioning, data, sentence):
    upload(captioning, ("dog.jpg", data))
    assert len(refused(captioning, sentence)) == 1
    assert headings(captioning) == ["Model"]


def test_taking_all_files_away_says_what_to_do(captioning):
    upload(captioning, ("dog.jpg", sample_pictures.draw("dog")))
    captioning.file_uploader(key="captioning_files").clear().run()
    assert len(refused(captioning, "There is no picture yet")) == 1
    assert headings(captioning) == ["Model"]
    captioning.button(key="captioning_example_dog").click().run()
    assert not captioning.warning and "Caption" in headings(captioning)


def test_closing_a_file_leaves_the_caption_of_another_picture(captioning):
    upload(captioning, ("red.png", encoded(RED)))
    captioning.button(key="captioning_example_dog").click().run()
    captioning.file_uploader(key="captioning_files").clear().run()
    assert work(captioning).entries[0].name == "dog.jpg" and "Caption" in headings(captioning)
    assert not captioning.warning


def test_of_more_than_200_files_the_rest_is_named(captioning):
    upload(captioning, *[(name, data) for _, name, data in files(203)])
    assert not captioning.error and not captioning.exception
    assert "200.png, 201.png, 202.png: Left out, for at most 200" in sentences(captioning.warning)
    assert len(work(captioning).captioned) == 200
    assert "200 pictures captioned in" in everything(captioning)


def test_names_stay_text(captioning):
    name = "<img src=x onerror=alert(1)> ![x](http:!!example.com!x.png) :red[a] *b*.png"
    upload(captioning, (name, encoded(RED)), (f"2{name}", b"hello"), (f"3{name}", encoded(RED)))
    assert not captioning.error and not captioning.exception
    assert "<img" not in markup(captioning)
    assert "![x]" not in everything(captioning) and ":red[" not in everything(captioning)
    assert name in captioning.dataframe[0].value.file[0]


def test_stopping_loses_nothing_and_the_work_goes_on(captioning, monkeypatch):
    step = pictures.Work.step

    def stopping(self):
        step(self)
        self.stopped = self.done >= 2 * pictures.TOGETHER

    monkeypatch.setattr(pictures.Work, "step", stopping)
    upload(captioning, *[(name, data) for _, name, data in files(20)])
    assert "Stopped: 16 captioned, 4 to go" in everything(captioning)
    assert len(captioning.selectbox(key="captioning_shown").options) == 16
    assert list(captioning.dataframe[0].value.caption[16:]) == ["Not captioned yet."] * 4
    monkeypatch.setattr(pictures.Work, "step", step)
    captioning.button(key="captioning_go_on").click().run()
    assert "20 pictures captioned in" in everything(captioning) and "Stopped" not in everything(captioning)


def test_a_model_that_fails_on_the_way_leaves_what_was_done(captioning, monkeypatch):
    call, calls = models.Model.call, []

    def failing(self, signature, **inputs):
        calls.append(signature)
        if calls.count("beam") == 2 and signature == "beam":
            raise models.ModelError("The model could not answer this.")
        return call(self, signature, **inputs)

    monkeypatch.setattr(models.Model, "call", failing)
    upload(captioning, *[(name, data) for _, name, data in files(12)])
    assert len(refused(captioning, "could not answer")) == 1
    assert "Stopped: 8 captioned, 4 to go" in everything(captioning)
    captioning.button(key="captioning_go_on").click().run()
    assert "12 pictures captioned in" in everything(captioning)


# Links and visitors


def test_the_link_that_is_offered_leads_to_the_same_picture(captioning):
    captioning.slider(key="captioning_width").set_value(2).run()
    captioning.button(key="captioning_example_beach").click().run()
    query = parse_qs(urlparse(captioning.code[0].value).query)
    other = at(visitor(), "captioning", **{name: values[0] for name, values in query.items()})
    assert work(other).width == 2 and work(other).entries[0].name == "beach.jpg"
    other.button(key="captioning_example_snow").click().run()
    assert work(other).entries[0].name == "snow.jpg" and "sample" not in other.query_params
    other.query_params["sample"] = "beach"
    other.run()
    assert work(other).entries[0].name == "beach.jpg"
    other.slider(key="captioning_width").set_value(5).run()
    assert work(other).width == 5 and "sample" not in other.query_params


@pytest.mark.parametrize("width, used", [("0", 1), ("99", 10), ("wide", 3), ("", 3)])
def test_a_width_out_of_bounds_is_brought_within_them(app, width, used):
    at(app, "captioning", sample="dog", width=width)
    assert work(app).width == used


def test_a_link_to_a_sample_that_is_not_there_is_a_sentence(app):
    at(app, "captioning", sample="../cat<b>")
    assert len(refused(app, "There is no sample called ../cat<b>")) == 1
    assert headings(app) == ["Model"]


def test_the_home_page_shows_the_picture_and_the_caption_that_its_link_leads_to(app):
    app.run()
    assert any("**A green picture with a little white in it" in e.value.replace("\\", "") for e in app.markdown)
    link = next(found.proto for found in app.get("page_link") if found.proto.page == "captioning")
    assert link.query_string == "sample=dog"
    app.query_params["sample"] = "dog"
    app.switch_page("screens/captioning.py").run()
    assert work(app).entries[0].caption == "A green picture with a little white in it."


def test_what_was_done_outlives_a_look_elsewhere_and_is_its_visitors_own(captioning):
    captioning.button(key="captioning_example_dog").click().run()
    captioning.switch_page("screens/home.py").run()
    captioning.switch_page("screens/captioning.py").run()
    assert "Caption" in headings(captioning)
    other = at(visitor(), "captioning")
    assert headings(other) == ["Model"]


# Failures


def test_without_a_model_the_page_says_how_to_make_one(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    at(app, "captioning")
    assert ["make train APP=captioning" in error.value for error in app.error] == [True]
    assert not app.exception
    app.button(key="captioning_example_dog").click().run()
    assert len(app.error) == 1 and not app.exception


def test_an_unforeseen_error_is_a_sentence(captioning, monkeypatch):
    def broken(*arguments):
        raise RuntimeError("secret /path/of/the/server")

    monkeypatch.setattr(pictures, "attention", broken)
    captioning.button(key="captioning_example_dog").click().run()
    assert not captioning.exception
    assert not re.search("secret|path", sentences(captioning.error))
