import numpy as np
import pytest

from apps import models, sampling, tunes
from apps.texts import InputError
from tests.apps.stand_in import SYMBOLS

JIG = "X:7\nT:A  jig\nM:6/8\nL:1/8\nR:jig\nK:Ador\n|:e2A ABc|dcB A2G|\n"


@pytest.fixture
def model(saved_models):
    return models.load("music")


def write(model, request, tunes_=1, temperature=0.8, top_p=0.95, seed=5):
    writing = tunes.Writing(model, request, tunes_, temperature, top_p, seed)
    while not writing.ended:
        writing.step()
    return writing.tunes


# Writing


def test_a_tune_has_the_header_asked_for_and_comes_to_its_end(model):
    (tune,) = write(model, tunes.Request("6/8", "Ador", "jig", "16"))
    check = tunes.notation().check(tune.abc)
    assert tune.end == "end"
    assert (check.parses, check.bars_fill, check.ends, len(check.bars)) == (True, True, True, 16)
    assert tune.abc.startswith("X:1\nT:Jig in A dorian\nR:jig\nM:6/8\nL:1/8\nK:Ador\n")
    assert tune.file_name == "jig_in_a_dorian_5"
    assert (tune.bars, tune.bars_asked) == (16, 16)


def test_what_is_left_open_the_model_writes(model):
    (tune,) = write(model, tunes.Request())
    assert set("MK") <= set(tune.fields)
    assert tune.fields["M"] in tunes.choices(SYMBOLS, "M") and tune.fields["K"] in tunes.choices(SYMBOLS, "K")
    assert tunes.notation().check(tune.abc).parses


def test_the_same_seed_gives_the_same_tune_alone_or_among_others(model):
    request = tunes.Request("4/4", "Dmaj", "", "8")
    several = write(model, request, 4, seed=40)
    assert [tune.seed for tune in several] == [40, 41, 42, 43]
    assert len({tune.body for tune in several}) == 4
    for tune in several:
        assert write(model, request, seed=tune.seed)[0].written == tune.written


def test_probabilities_are_the_models_own(model):
    (tune,) = write(model, tunes.Request("6/8", "Ador", "", "8"), temperature=0.3, top_p=0.5)
    outputs = model.call("start", prompt=[tune.request.prompt])
    for symbol in tune.written[:20]:
        probability = sampling.softmax(outputs["logits"][0].astype(float))
        token = SYMBOLS.index(symbol.text)
        assert symbol.probability == pytest.approx(probability[token], rel=1e-5)
        assert all(text != symbol.text for text, _ in symbol.others)
        assert sorted((p for _, p in symbol.others), reverse=True) == [p for _, p in symbol.others]
        outputs = model.call("step", token=np.array([token], np.int32), state=outputs["state"])


def test_a_tune_that_finds_no_end_is_cut(model, monkeypatch):
    monkeypatch.setattr(tunes, "LONGEST", 30)
    several = write(model, tunes.Request("6/8", "Ador", "", "16"), 2)
    assert [(tune.end, len(tune.written)) for tune in several] == [("limit", 30)] * 2


def test_writing_may_be_left_and_taken_up_again(model):
    writing = tunes.Writing(model, tunes.Request("6/8", "Ador", "", "8"), 2, 0.8, 0.95, 3)
    for _ in range(20):
        writing.step()
    assert [len(tune.written) for tune in writing.tunes] == [20, 20] and not writing.ended
    assert tunes.notation().check(writing.tunes[0].abc).parses
    while not writing.ended:
        writing.step()
    assert writing.tunes[1].written == write(model, tunes.Request("6/8", "Ador", "", "8"), seed=4)[0].written


def test_the_beginning_is_that_of_the_tune_the_page_writes(model):
    body = tunes.beginning(model, "M:6/8\nK:Ador", bars=4)
    assert tunes.count_bars(body) == 4
    request = tunes.Request("6/8", "Ador", "", tunes.BARS)
    tune = write(model, request, 1, tunes.TEMPERATURE, tunes.TOP_P, tunes.HOME_SEED)[0]
    assert tune.body.startswith(body)


# Requests


def test_choices_come_in_an_order_musicians_expect():
    symbols = ["", "K:Bbmaj\n", "K:Bmin\n", "K:Amin\n", "K:Amaj\n", "N:8\n", "N:16\n", "N:24\n", "K"]
    assert tunes.choices(symbols, "K") == ["Amaj", "Amin", "Bmin", "Bbmaj"]
    assert tunes.choices(symbols, "N") == ["8", "16", "24"]
    assert tunes.key_name("Bbmix") == "Bb mixolydian"


@pytest.mark.parametrize(
    "body, bars", [("", 0), ("abc", 0), ("abc|", 1), ("|:abc|def:|", 2), ("A|abc||\n|:def::g|", 4), ("| |", 0)]
)
def test_count_bars(body, bars):
    assert tunes.count_bars(body) == bars


def test_a_request_without_an_opening_is_its_header():
    request, remarks = tunes.new_request(SYMBOLS, "6/8", "", "jig", "16")
    assert (request.prompt, remarks) == ("M:6/8\nR:jig\nN:16\n", [])


def test_an_opening_is_put_in_normal_form(model):
    request, _ = tunes.new_request(SYMBOLS, "6/8", "Ador", "jig", "16", ' e2A  "Am"ABc | dcB A2 G |\r\n')
    assert request.prompt == "M:6/8\nK:Ador\nR:jig\nN:16\ne2A ABc|dcB A2 G|"
    assert request.least_bars == 1
    (tune,) = write(model, request)
    assert tune.body.startswith("e2A ABc|dcB A2 G|") and tune.given_body == request.opening
    assert tune.bars == 16


def test_an_opening_may_bring_its_own_header():
    request, remarks = tunes.new_request(SYMBOLS, "6/8", "Ador", "", "16", "M:4/4\nL:1/4\nK:D\nA B c d|")
    assert (request.metre, request.key, request.opening) == ("4/4", "Dmaj", "A2 B2 c2 d2|")
    assert "L:1/4" in remarks[0]


@pytest.mark.parametrize(
    "metre, key, opening, sentence",
    [
        ("6/8", "", "abc", "Choose a key and a metre"),
        ("", "Ador", "abc", "Choose a key and a metre"),
        ("6/8", "Ador", "K:D\n", "no notes"),
        ("6/8", "Ador", "hello <b>world</b>", "No sign of ABC"),
        ("6/8", "Ador", "e>", "broken rhythm"),
        ("6/8", "Ador", "a" * 100_001, "at most 100,000"),
    ],
)
def test_an_opening_that_cannot_be_read_is_explained(metre, key, opening, sentence):
    with pytest.raises(InputError, match=sentence):
        tunes.new_request(SYMBOLS, metre, key, "", "16", opening)


def test_ones_own_tune_becomes_a_request(model):
    request, remarks = tunes.own_request(SYMBOLS, JIG, "16")
    assert request == tunes.Request("6/8", "Ador", "jig", "16", "|:e2A ABc|dcB A2G|", "A jig", 1)
    assert remarks == []
    (tune,) = write(model, request)
    assert tune.name == "A jig (continued)"
    assert tune.abc.startswith("X:1\nT:A jig (continued)\nR:jig\nM:6/8\nL:1/8\nK:Ador\n|:e2A ABc|dcB A2G|")


def test_what_was_left_out_is_said():
    text = 'X:1\nM:6/8\nL:1/16\nR:strathspey\nK:Ador\n"Am"e4{g}A2 (A2~B2!trill!c2)|\nw:la la la\nd4c2 B6|\x07\n'
    request, remarks = tunes.own_request(SYMBOLS, text, "8")
    assert request.opening.replace("\n", "") == "e2A ABc|d2c B3|"
    assert request.dance == ""
    assert remarks == [
        "Control characters, which cannot be seen, were read as spaces: 1.",
        "Left out, because the model writes bare melodies: chord symbols, grace notes, ornaments, slurs and words.",
        "Note lengths were rewritten from L:1/16 to eighths, L:1/8.",
        "The model knows no dance called strathspey; it was left open.",
    ]


def test_a_tuplet_is_no_slur():
    _, remarks = tunes.own_request(SYMBOLS, "X:1\nM:6/8\nL:1/8\nK:Ador\n(3abc A2 G2|\n", "8")
    assert remarks == []


@pytest.mark.parametrize("key, known", [("Edor", "Dmaj"), ("Flyd", "Cmaj"), ("Bphr", "Gmaj"), ("Amin", "Cmaj")])
def test_a_key_not_learned_becomes_one_of_the_same_notes(key, known):
    request, remarks = tunes.own_request(SYMBOLS, JIG.replace("Ador", key), "16")
    assert request.key == known
    assert f"goes on in {tunes.key_name(known)}" in remarks[0]


def test_a_tune_that_has_ended_gets_another_part(model):
    request, remarks = tunes.own_request(SYMBOLS, JIG.rstrip() + "e2A ABc|dcB A3|]\n", "8")
    assert request.opening.endswith("A3||") and request.bars == "8"
    assert "come to an end already" in remarks[0]
    (tune,) = write(model, request)
    assert tune.bars >= 8 and tune.end == "end"


def test_more_bars_are_asked_for_than_there_are():
    request, _ = tunes.own_request(SYMBOLS, JIG + "abcdef|" * 10 + "\n", "8")
    assert request.bars == "16"
    request, _ = tunes.own_request(SYMBOLS, JIG + "abcdef|" * 60 + "\n", "8")
    assert request.bars == ""


@pytest.mark.parametrize(
    "text, sentence",
    [
        ("", "no tune yet"),
        (" \n\t", "no tune yet"),
        ("Dear model, please write.", "A tune starts with its fields"),
        ("X:1\nM:6/8\nL:1/8\nabc|", "starts with its fields"),
        ("X:1\nK:D\nabc|", "needs a metre"),
        ("X:1\nM:6/8\nK:D\n", "no notes"),
        (JIG.replace("6/8", "7/8"), "not learned the metre 7/8. It knows 3/4, 4/4 and 6/8"),
        (JIG.replace("Ador", "C#"), "not learned C# major"),
        (JIG.replace("Ador", "Q"), "K: is a key"),
        (JIG.replace("dcB", "d7cB"), "no sign for 7"),
        (JIG + "<script>alert(1)</script>", "No sign of ABC"),
        (JIG + "\U0001f642é", "No sign of ABC"),
        (JIG + "X:2\nM:6/8\nK:D\nabc|", "One tune at a time"),
        (JIG + "abcdef|" * 1_000, "can go on from at most 4,000"),
        (JIG + "abcdef|" * 14_000, "characters at the most"),
        ("a" * 100_001, "at most 100,000"),
    ],
)
def test_a_text_that_is_no_tune_to_go_on_with_is_explained(text, sentence):
    with pytest.raises(InputError, match=sentence) as caught:
        tunes.own_request(SYMBOLS, text, "16")
    assert str(caught.value).endswith(".")


@pytest.mark.parametrize("seed", range(100))
def test_any_text_gives_a_request_or_a_sentence(seed):
    random = np.random.default_rng(seed)
    pieces = [
        "X:1\n",
        "M:6/8\n",
        "K:D\n",
        "|",
        "a",
        "B2",
        "(3",
        "[",
        "]",
        ">",
        "-",
        "\x00",
        "é",
        '"',
        "{",
        "\n",
        ":",
        "L:1/4",
    ]
    text = ["", JIG][seed % 2] + "".join(random.choice(pieces, random.integers(30)))
    try:
        request, _ = tunes.own_request(SYMBOLS, text, "16")
    except InputError as error:
        assert str(error)
    else:
        assert request.opening and set(request.opening) <= set(SYMBOLS)


# Files


def test_the_tunes_of_a_file_are_told_apart():
    text = "% a collection\n\nX:1\nT:One\nM:6/8\nK:D\nabc|\n\nX:2\r\nM:6/8\nK:D\ndef|\n"
    assert [(title, tune.split("\n")[0]) for title, tune in tunes.split_tunes(text)] == [
        ("One", "X:1"),
        ("Tune 2", "X:2"),
    ]
    assert tunes.split_tunes(JIG) == [("", JIG)]
    assert tunes.split_tunes("") == [("", "")]


def test_files_may_be_in_old_encodings():
    assert tunes.read_file("\ufeffT:é".encode()) == "T:é"
    assert tunes.read_file("T:é".encode("latin-1")) == "T:é"


@pytest.mark.parametrize(
    "data, sentence",
    [(b"", "empty"), (b"\n ", "empty"), (b"MThd\x00\x00", "not a text"), (b"a" * 100_001, "100,001 bytes")],
)
def test_files_that_are_no_text_are_explained(data, sentence):
    with pytest.raises(InputError, match=sentence):
        tunes.read_file(data)
