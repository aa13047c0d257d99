import re
from urllib.parse import parse_qs

import pytest

from apps import models, sampling, tunes
from tests.apps.conftest import at, visitor
from tests.apps.test_sentiment import everything, markup
from tests.apps.test_widgets import shown

OWN = "X:1\nT:Mine\nM:6/8\nL:1/8\nK:Ador\ne2A ABc|dcB A2G|\n"


def write(app, **controls):
    """Sets controls by their keys and presses the button."""
    for key, value in controls.items():
        state_key = f"music_{key}"
        for kind in ("selectbox", "text_area", "number_input", "slider", "select_slider", "button_group"):
            for element in app.get(kind):
                if element.key == state_key:
                    element.set_value(value)
    app.button(key="music_write").click()
    return app.run()


def mode(app, name):
    next(group for group in app.get("button_group") if group.key == "music_mode").set_value(name)
    return app.run()


def tune(app, index=0):
    return app.session_state["music_writing"].tunes[index]


def button(app, words):
    return next(found for found in app.button if words in found.label)


def refused(app, sentence):
    assert not app.error and not app.exception
    return [warning.value for warning in app.warning if sentence in re.sub(r"\\", "", warning.value)]


def test_the_page_opens_with_its_controls_and_the_model_card(music):
    assert not music.error and not music.exception and not music.warning
    assert [heading.value for heading in music.subheader] == ["Model"]
    assert {box.label for box in music.selectbox} == {"Key", "Dance", "Metre", "Bars, about"}


def test_a_tune_is_shown_in_all_its_forms(music):
    write(music, key="Ador", metre="6/8", dance="jig", bars="16", seed=5)
    assert not music.error and not music.exception and not music.warning
    assert [heading.value for heading in music.subheader] == ["Tune", "How sure it was", "Download", "Model"]
    assert tune(music).seed == 5 and tune(music).end == "end"
    assert "**Jig in A dorian**" in everything(music)
    assert len(music.get("audio")) == 1
    assert 'aria-label="Sheet music of Jig in A dorian, 16 bars"' in markup(music)
    assert len(music.get("vega_lite_chart")) == 1
    assert tune(music).request.prompt + "".join(symbol.text for symbol in tune(music).written) in shown(markup(music))
    assert "Seed 5, temperature 0.8, top-p 0.9" in everything(music)
    labels = [element.proto.label for element in music.get("download_button")]
    assert labels == ["ABC", "MIDI", "WAV", "SVG"]
    assert "symbols written in" in everything(music)


def test_every_character_says_its_probability(music):
    write(music, seed=5)
    symbol = tune(music).written[0]
    assert f'title="{symbol.text}: {symbol.probability:.0%} (next: {symbol.others[0][0]}' in markup(music)


def test_the_same_seed_gives_the_same_tune_and_none_gives_another(music):
    first = tune(write(music, seed=7)).body
    assert tune(write(music)).body == first
    assert tune(write(music, seed=None)).body != first
    button(music, "Keep the seed").click().run()
    kept = music.session_state["music_seed"]
    assert kept == tune(music).seed
    body = tune(music).body
    assert tune(write(music)).body == body


def test_a_dance_brings_its_metre(music):
    music.selectbox(key="music_dance").set_value("waltz").run()
    assert music.selectbox(key="music_metre").value == "3/4"
    music.selectbox(key="music_metre").set_value("4/4")
    write(music)
    assert tune(music).fields["M"] == "4/4"


def test_all_may_be_left_to_the_model(music):
    write(music, key="", dance="", metre="", bars="")
    assert tune(music).request.prompt == ""
    assert not music.error and "Sheet music of Tune in" in markup(music)


def test_several_tunes_at_once_and_a_look_at_each(music):
    write(music, tunes=3, seed=10)
    assert [heading.value for heading in music.subheader] == ["Tunes", "How sure it was", "Download", "Model"]
    assert "Seed 10," in everything(music)
    next(group for group in music.get("button_group") if group.key == "music_chosen").set_value(2)
    music.run()
    assert "Seed 12," in everything(music)
    write(music, tunes=1)
    assert "Seed 10," in everything(music)


@pytest.mark.parametrize("place", range(4))
def test_an_example_sets_the_controls_and_is_written(music, place):
    examples = [found for found in music.button if (found.key or "").startswith("music_example_")]
    assert len(examples) == 4
    examples[place].click().run()
    assert not music.error and tune(music).end == "end"
    assert bool(music.text_area(key="music_opening").value) == (place == 3)


def test_opening_bars_are_told_apart_from_what_the_model_wrote(music):
    write(music, key="Ador", metre="6/8", opening="e2A ABc|dcB A2G|")
    given = re.search(r'<span style="background[^>]*>(.*?)</span>', markup(music).split("pre-wrap")[-1], re.DOTALL)[1]
    assert given.endswith("e2A ABc|dcB A2G|")
    assert tune(music).body.startswith("e2A ABc|dcB A2G|")


def test_a_bar_too_long_is_named_and_all_is_shown_the_same(music):
    write(music, key="Ador", metre="6/8", opening="e2A ABcdef|dcB A2G|")
    assert "Bar 1 has 9 eighths where 6/8 has 6 eighths" in everything(music).replace("\\", "")
    assert len(music.get("audio")) == 1 and "Sheet music of" in markup(music)


def test_a_tune_that_cannot_be_read_is_shown_as_text(music, monkeypatch):
    def broken(self):
        self.tunes[0].written += [sampling.Symbol(text, 0.5, ()) for text in "abc|d>|]"]
        self.tunes[0].end, self._rows = "end", []

    monkeypatch.setattr(tunes.Writing, "step", broken)
    write(music, key="Ador", metre="6/8")
    assert refused(music, "The model made a slip")
    assert "abc|d>|]" in shown(markup(music))
    assert [element.proto.label for element in music.get("download_button")] == ["ABC"]
    assert not music.get("audio")


@pytest.mark.parametrize(
    "controls, sentence",
    [
        ({"key": "", "opening": "abc"}, "Choose a key and a metre"),
        ({"opening": "What a lovely day"}, "No sign of ABC"),
        ({"opening": "<img src=x onerror=alert(1)> :red[x] $y$"}, "No sign of ABC"),
        ({"opening": "\x00\U0001f642 é"}, "No sign of ABC"),
        ({"opening": "a" * 100_001}, "at most 100,000"),
    ],
)
def test_an_opening_that_cannot_be_used_is_kept_and_explained(music, controls, sentence):
    write(music, seed=3)
    before = tune(music)
    write(music, **controls)
    assert len(refused(music, sentence)) == 1
    assert music.text_area(key="music_opening").value == controls["opening"]
    assert tune(music) is before
    assert "<img" not in markup(music)
    write(music, key="Dmaj", opening="")
    assert not music.warning and tune(music) is not before


@pytest.mark.parametrize("temperature, used", [("0", 0.2), ("-3", 0.2), ("1e9", 1.5), ("1e400", 0.8), ("hot", 0.8)])
def test_numbers_out_of_bounds_are_brought_within_them(app, temperature, used):
    at(app, "music", text="M:6/8\nK:Ador", temperature=temperature, seed="-7", daring="nan")
    assert not app.error and not app.exception
    assert (tune(app).temperature, tune(app).seed, tune(app).top_p) == (used, 0, 0.9)


# Stopping


def test_stopping_loses_nothing_and_writing_goes_on(music, monkeypatch):
    step = tunes.Writing.step

    def stops(self):
        step(self)
        self.stopped = len(self.tunes[0].written) == 40

    monkeypatch.setattr(tunes.Writing, "step", stops)
    write(music, tunes=2, seed=4, key="Ador", metre="6/8", bars="16")
    assert [len(found.written) for found in music.session_state["music_writing"].tunes] == [40, 40]
    assert "Stopped on the way" in everything(music)
    assert len(music.get("audio")) == 1
    button(music, "Keep this tune").click().run()
    assert "Stopped on the way" in everything(music)
    button(music, "Go on writing").click().run()
    assert [found.end for found in music.session_state["music_writing"].tunes] == ["end", "end"]
    assert "Stopped on" not in everything(music)
    monkeypatch.undo()


def test_an_interrupted_tune_is_taken_up_where_it_stood(music, saved_models):
    request = tunes.Request("6/8", "Ador", "jig", "16")
    writing = tunes.Writing(models.load("music"), request, 1, 0.8, 0.95, 4)
    for _ in range(30):
        writing.step()
    begun = list(writing.tunes[0].written)
    music.session_state["music_writing"], music.session_state["music_remarks"] = writing, []
    music.run()
    assert tune(music).written[:30] == begun and tune(music).end == "end"


# Keeping


def test_kept_tunes_outlive_new_ones_and_a_look_elsewhere(music):
    write(music, seed=1)
    first = tune(music)
    button(music, "Keep this tune").click().run()
    assert button(music, "Kept").disabled
    write(music, seed=2)
    button(music, "Keep this tune").click().run()
    music.switch_page("screens/home.py").run()
    music.switch_page("screens/music.py").run()
    assert "Kept tunes" in [heading.value for heading in music.subheader]
    assert [kept.seed for kept in music.session_state["music_kept"]] == [1, 2]
    assert len(music.get("audio")) == 1

    music.session_state[f"music_kept_{first.number}"] = True
    music.run()
    assert len(music.get("audio")) == 2
    assert "Seed 1, temperature" in everything(music)
    button(music, "Remove").click().run()
    assert [kept.seed for kept in music.session_state["music_kept"]] == [2]


def test_visitors_see_their_own_tunes_only(music):
    write(music, seed=1)
    button(music, "Keep this tune").click().run()
    other = at(visitor(), "music")
    assert [heading.value for heading in other.subheader] == ["Model"]


# One's own tune


def test_ones_own_tune_is_continued(music):
    mode(music, "Continue my tune")
    write(music, own=OWN)
    assert "**Mine \\(continued\\)**" in everything(music)
    assert tune(music).body.startswith("e2A ABc|dcB A2G|") and tune(music).bars >= 16
    assert music.text_area(key="music_own").value == OWN
    mode(music, "New tune")
    mode(music, "Continue my tune")
    assert music.text_area(key="music_own").value == OWN


def test_what_was_changed_in_ones_own_tune_is_said(music):
    mode(music, "Continue my tune")
    write(music, own='X:1\nM:6/8\nL:1/4\nK:Flyd\n"F"F>G A{c}B/c/d/|F3|]\n')
    said = everything(music).replace("\\", "")
    for words in (
        "chord symbols and grace notes",
        "from L:1/4 to eighths",
        "learned F lydian",
        "come to an end already",
    ):
        assert words in said


@pytest.mark.parametrize(
    "own, sentence",
    [
        ("", "no tune yet"),
        ("Dear model, write me a song.", "A tune starts with its fields"),
        (OWN.replace("6/8", "5/8"), "not learned the metre 5/8"),
        (OWN.replace("Ador", "C#"), "not learned C# major"),
        (OWN + "é\x00", "No sign of ABC"),
        (OWN + "abcdef|" * 14_000, "characters at the most"),
        ("<script>alert(1)</script>" * 9_000, "at most 100,000"),
    ],
)
def test_a_text_that_is_no_tune_is_kept_and_explained(music, own, sentence):
    mode(music, "Continue my tune")
    write(music, own=own)
    assert len(refused(music, sentence)) == 1
    assert music.text_area(key="music_own").value == own
    assert "<script" not in markup(music)


def upload(app, data):
    mode(app, "Continue my tune")
    app.file_uploader[0].upload("tunes.abc", data)
    return app.run()


def test_of_several_tunes_in_a_file_one_is_chosen(music):
    upload(music, (OWN + "\n" + OWN.replace("X:1", "X:2").replace("Mine", "Other")).encode())
    box = next(found for found in music.selectbox if found.label == "Which of the 2 tunes")
    assert box.options == ["Mine", "Other"]
    box.set_value(1)
    write(music)
    assert tune(music).name == "Other (continued)"


@pytest.mark.parametrize(
    "data, sentence", [(b"", "empty"), (b"MThd\x00\x01", "not a text file"), (b"a" * 100_001, "bytes")]
)
def test_a_file_that_cannot_be_read_is_explained_and_the_box_keeps_its_text(music, data, sentence):
    mode(music, "Continue my tune")
    write(music, own=OWN)
    upload(music, data)
    assert len(refused(music, sentence)) == 1
    assert music.text_area(key="music_own").value == OWN


# Links


def test_the_link_that_is_offered_leads_to_the_same_tune(music):
    write(music, key="Ador", metre="6/8", opening="e2A ABc|", seed=99, temperature=1.1, daring=1.0)
    query = music.code[0].value.split("?")[1]
    other = at(visitor(), "music", **_decoded(query))
    assert tune(other).written == tune(music).written
    assert other.text_area(key="music_opening").value == "e2A ABc|"
    write(other)
    assert "text" not in other.query_params
    assert tune(other).seed != 99


def _decoded(query):
    return {name: values[0] for name, values in parse_qs(query).items()}


def test_a_link_to_what_the_model_has_not_learned_is_explained(app):
    at(app, "music", text="M:6/8\nK:Zphr<b>")
    assert len(refused(app, "has not learned K:Zphr<b>")) == 1
    assert "music_writing" not in app.session_state
    assert app.selectbox(key="music_metre").value == "6/8"


def test_the_home_page_shows_the_beginning_of_the_tune_that_its_link_writes(app):
    app.run()
    quoted = next(re.search(r"`(.*) …`", element.value)[1] for element in app.markdown if " …`" in element.value)
    link = next(found.proto for found in app.get("page_link") if found.proto.page == "music")
    app.query_params.update(_decoded(link.query_string))
    app.switch_page("screens/music.py").run()
    assert tune(app).body.startswith(quoted) and tunes.count_bars(quoted) == 4


# Failures


def test_without_a_model_the_page_says_how_to_make_it(app, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path))
    at(app, "music")
    assert ["make train APP=music" in error.value for error in app.error] == [True]


def test_a_model_that_fails_on_the_way_leaves_what_was_written(music, monkeypatch):
    call = models.Model.call
    calls = []

    def failing(self, signature, **inputs):
        calls.append(signature)
        if signature == "step" and calls.count("step") == 20:
            raise models.ModelError("The music model could not answer this.")
        return call(self, signature, **inputs)

    monkeypatch.setattr(models.Model, "call", failing)
    write(music, seed=1)
    assert len(refused(music, "could not answer")) == 1
    assert len(tune(music).written) == 19 and len(music.get("audio")) == 1
    button(music, "Go on writing").click().run()
    assert tune(music).end == "end"
