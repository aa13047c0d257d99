import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf

import seqkeras
from seqkeras import export

TEXT = tf.TensorSpec((None,), tf.string, name="text")
IMAGE = tf.TensorSpec((None,), tf.string, name="image")
WIDTH = tf.TensorSpec((), tf.int32, name="width")
PENALTY = tf.TensorSpec((), tf.float32, name="penalty")
STATE = tf.TensorSpec((None, 3), tf.float32, name="state")
TOKEN = tf.TensorSpec((None,), tf.int64, name="token")


def shout(text):
    return {"shouted": tf.strings.upper(text, encoding="utf-8")}


def beam(text, width, penalty):
    scores = tf.repeat(penalty * tf.cast(tf.strings.length(text), tf.float32)[:, None], width, axis=1)
    return {"texts": tf.repeat(text[:, None], width, axis=1), "scores": scores}


def words(text):
    found = tf.strings.split(text)
    return {"words": found.to_tensor(""), "count": tf.cast(found.row_lengths(), tf.int32)}


def step(token, state):
    return {"state": state + tf.cast(token, tf.float32)[:, None]}


SIGNATURES = {
    "beam": (beam, [TEXT, WIDTH, PENALTY]),
    "serving_default": (shout, [TEXT]),
    "words": (words, [TEXT]),
    "same": (lambda text: {"text": text}, [TEXT]),
    "step": (step, [TOKEN, STATE]),
    "symbols": (lambda: {"symbols": tf.constant(["a", "b"])}, []),
    "see": (lambda image: {"size": tf.shape(tf.io.decode_png(image[0]))}, [IMAGE]),
    "name": (lambda text: {"text": text}, [TEXT]),
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved_models")
    export.save(str(folder / "loud/en"), SIGNATURES)
    export.save(str(folder / "plain"), {"only": (shout, [TEXT])})
    return folder


@pytest.fixture(scope="module")
def model(folder):
    return seqkeras.load(folder / "loud/en")


def test_by_path_and_by_name(folder, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(folder))
    by_name = seqkeras.load("loud/en")
    assert by_name.name == "loud/en" and by_name.path == folder / "loud/en"
    assert by_name("a") == "A"
    monkeypatch.chdir(folder / "loud")
    assert seqkeras.load("en").path == pathlib.Path("en")
    assert seqkeras.load(str(folder / "plain"))("b") == "B"


def test_without_the_variable_names_are_those_of_the_checkout(monkeypatch):
    monkeypatch.delenv("SEQKERAS_SAVED_MODELS", raising=False)
    root = pathlib.Path(seqkeras.__file__).parents[1] / "saved_models"
    with pytest.raises(FileNotFoundError, match=f"no SavedModel 'none'.*{re.escape(str(root))} has .*sentiment"):
        seqkeras.load("none")


def test_what_is_no_savedmodel(folder, tmp_path, monkeypatch):
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(folder))
    for name in ("loud", tmp_path, "../loud"):
        with pytest.raises(FileNotFoundError, match="has loud/en, plain"):
            seqkeras.load(name)
    monkeypatch.setenv("SEQKERAS_SAVED_MODELS", str(tmp_path / "missing"))
    with pytest.raises(FileNotFoundError, match="has no SavedModels.*SEQKERAS_SAVED_MODELS"):
        seqkeras.load("plain")
    (tmp_path / "saved_model.pb").write_bytes(b"nonsense")
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))} cannot be read as a SavedModel"):
        seqkeras.load(tmp_path)


def test_without_tensorflow(folder, monkeypatch):
    monkeypatch.setitem(sys.modules, "tensorflow", None)
    with pytest.raises(ImportError, match="pip install tensorflow"):
        seqkeras.load(folder / "plain")


def test_seqkeras_itself_wants_no_tensorflow():
    code = "import sys; sys.modules['tensorflow'] = None; import seqkeras"
    environment = {"KERAS_BACKEND": "numpy", "PYTHONPATH": str(pathlib.Path(seqkeras.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], check=True, env=environment, timeout=300)


def test_one_string_gives_one_answer_and_a_list_a_list(model):
    assert model("grüß") == "GRÜSS" or model("grüß") == "GRÜß"
    assert model(["a", "b"]) == ["A", "B"]
    assert model(("a",)) == model(np.array(["a"])) == model(tf.constant(["a"])) == model(text=["a"]) == ["A"]
    assert model(b"a") == model(np.str_("a")) == model(tf.constant("a")) == "A"
    assert model([]) == []


def test_strings_go_in_and_out_unchanged(model):
    odd = ["", "\x00", "a\x00", "\x00a", "🙂", "e\u0301", "\u202e", "x" * 100_000]
    assert model.same(odd) == odd
    assert model.same([b"\xff", b"a"]) == ["\ufffd", "a"]
    assert model.same("\ud83d!") == "\ufffd" * 3 + "!"  # half of a surrogate pair is no UTF-8


def test_several_outputs_are_a_dict(model):
    found = model.words(["one two", "", "three"])
    assert found["words"] == [["one", "two"], ["", ""], ["three", ""]]
    assert found["count"].tolist() == [2, 0, 1] and found["count"].dtype == np.int32
    assert model.words("one two") == {"words": ["one", "two"], "count": 2}
    assert type(model.words("one two")["count"]) is int


def test_numbers_take_the_signatures_dtype(model):
    for width, penalty in ((2, 1), (np.int64(2), 1.0), (np.array(2, np.uint8), np.float64(1)), (tf.constant(2), 1)):
        found = model.beam(["abc"], width=width, penalty=penalty)
        assert found["texts"] == [["abc", "abc"]]
        assert found["scores"].tolist() == [[3, 3]] and found["scores"].dtype == np.float32
    assert model.beam("abc", width=1, penalty=1e300)["scores"].tolist() == [np.inf]
    single = model.step(token=3, state=[1, 2, 3])
    assert single.tolist() == [4, 5, 6]
    assert model.step(token=[3, 4], state=np.ones((2, 3))).tolist() == [[4, 4, 4], [5, 5, 5]]
    assert model.step(token=[], state=np.ones((0, 3))).shape == (0, 3)


def test_an_only_output_without_a_batch(model):
    assert model.symbols() == ["a", "b"]


@pytest.mark.parametrize(
    "call, said",
    [
        (lambda m: m.beam("a"), r"beam takes text string\[B\], penalty f32\[\], width i32\[\]: penalty f32\[\], wid"),
        (lambda m: m.beam("a", width=1, penalty=1, length=2), "length unknown"),
        (lambda m: m.beam("a", 1, 1), "by name, but for text, which may come first"),
        (lambda m: m.beam("a", text="a", width=1, penalty=1), "by name, but for text"),
        (lambda m: m.step([1], [2]), r"step takes its inputs by name: state f32\[B,3\], token i64\[B\]"),
        (lambda m: m.symbols("a"), "symbols takes its inputs by name"),
        (lambda m: m(3), r"text string\[B\] is wanted. Received: text with a value of type int"),
        (lambda m: m([["a"]]), r"takes text string\[B\]. Received: text of shape \[1, 1\]"),
        (lambda m: m([["a"], "b"]), "rows of different lengths"),
        (lambda m: m(pathlib.Path("a")), "type PosixPath"),
        (lambda m: m.beam("a", width=2.5, penalty=1), r"width i32\[\] is wanted. Received: width of float64"),
        (lambda m: m.beam("a", width=True, penalty=1), "of bool values"),
        (lambda m: m.beam("a", width="2", penalty=1), "Received: width of <U1 values"),
        (lambda m: m.beam("a", width=2**31, penalty=1), "out of its range"),
        (lambda m: m.beam("a", width=[2], penalty=1), r"takes width i32\[\]. Received: width of shape \[1\]"),
        (lambda m: m.step(token=[1], state=[1, 2, 3]), "state is one, token is a batch"),
        (lambda m: m.step(token=1, state=[1, 2]), r"state f32\[B,3\]. Received: state of shape \[1, 2\]"),
        (lambda m: m.see("photo.jpg"), r"bytes of picture files.*'photo.jpg'.*read_bytes"),
    ],
)
def test_says_what_was_wanted_and_what_came(model, call, said):
    with pytest.raises(TypeError, match=said):
        call(model)


def test_what_the_model_refuses_is_said_in_a_line(model):
    with pytest.raises(ValueError, match="loud/en's see cannot answer this: [^\n]*$"):
        model.see(b"no picture")
    with pytest.raises(ValueError, match="step cannot answer this"):
        model.step(token=[1, 2, 3], state=np.ones((2, 3)))


def test_repr_says_what_it_takes_and_gives(model):
    lines = repr(model).replace(model.name, "NAME").splitlines()
    assert lines[:2] == ["SavedModel NAME", "  serving_default: text string[B] -> shouted string[B]"]
    assert set(lines[2:]) == {
        "  beam: text string[B], penalty f32[], width i32[] -> scores f32[B,?], texts string[B,?]",
        "  words: text string[B] -> count i32[B], words string[B,?]",
        "  same: text string[B] -> text string[B]",
        "  step: state f32[B,3], token i64[B] -> state f32[B,3]",
        "  symbols: nothing -> symbols string[2]",
        "  see: image string[B] -> size i32[3]",
        "  name: text string[B] -> text string[B]",
    }
    assert repr(model.words) == "text string[B] -> count i32[B], words string[B,?]"


def test_signatures_are_completed_and_never_hide_an_attribute(model):
    assert {"beam", "words", "step", "serving_default"} <= set(dir(model))
    assert str(model.name).endswith("loud/en") and model.signatures["name"]("a") == "a"


def test_a_model_without_serving_default(folder):
    model = seqkeras.load(folder / "plain")
    assert model("a") == model.only("a") == "A"
    model.signatures["more"] = model.only
    with pytest.raises(TypeError, match="no serving_default; call one of only, more"):
        model("a")
