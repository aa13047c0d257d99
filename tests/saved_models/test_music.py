"""The shipped model as a TensorFlow engineer meets it: a folder, and a process that knows nothing of seqkeras."""

import json
import pathlib

import pytest

from seqkeras.media import abc
from tests.saved_models import bare

FOLDER = pathlib.Path(__file__).parents[2] / "saved_models" / "music"

CODE = """
model = tf.saved_model.load(sys.argv[1])
write, start, step = (model.signatures[name] for name in ("serving_default", "start", "step"))

def music(prompts, length=600, temperature=0.8, seed=1):
    prompts = tf.constant([p.encode("utf-8", "surrogateescape") for p in prompts], tf.string)
    written = write(prompt=prompts, length=tf.constant(length), temperature=tf.constant(temperature, tf.float32),
                    seed=tf.constant(seed))["music"]
    return [text.decode("utf-8") for text in written.numpy()]

given = json.load(sys.stdin)
results = {name: music(**arguments) for name, arguments in given.items()}
symbols = [s.decode() for s in model.signatures["symbols"]()["symbols"].numpy()]
now = start(prompt=tf.constant(["M:6/8\\nK:Dmaj\\n", ""]))
streamed = now["music"].numpy()[0].decode()
for _ in range(2000):
    ids = tf.argmax(now["logits"], axis=1, output_type=tf.int32)
    if ids[0] == 2:
        break
    streamed += symbols[ids[0]] if len(symbols[ids[0]]) == 1 else ""  # further lines of the header stand before it
    now = step(token=ids, state=now["state"])
results["streamed"] = [streamed]
print(json.dumps(results))
"""

ODD = ["", "\x00\x01", "\udcff\udcfe", "no abc at all", "K:", "M:\nK:\n|||", "漢字" * 1000, "abc " * 20_000, "%", "[1"]
GIVEN = {
    "free": dict(prompts=[""] * 4),
    "again": dict(prompts=[""] * 4),
    "other": dict(prompts=[""] * 4, seed=2),
    "asked": dict(prompts=["M:6/8\nK:Dmaj\nN:16\n", "K:A minor\nM:4/4", "R:waltz\nM:3/4\nK:F\nT:Mine\n"]),
    "continued": dict(prompts=["X:7\nM:6/8\nL:1/8\nK:G\n|:GAB c2d|"]),
    "odd": dict(prompts=ODD, length=30),
    "none": dict(prompts=[]),
    "length zero": dict(prompts=["M:6/8\nK:D\n"], length=0),
    "length below zero": dict(prompts=["M:6/8\nK:D\n"], length=-1),
    "length too large": dict(prompts=[""], length=1_000_000),
    "hot": dict(prompts=[""], temperature=1e30, length=50),
    "cold": dict(prompts=["M:6/8\nK:Dmaj\n"], temperature=0.0, length=2000),
    "below zero": dict(prompts=["M:6/8\nK:Dmaj\n"], temperature=-1.0, length=2000),
}


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    return bare.run(CODE, FOLDER, GIVEN, tmp_path_factory.mktemp("elsewhere"))


def test_writes_tunes_that_end_and_that_other_programs_read(results):
    for text in results["free"]:
        check = abc.check(text)
        assert check.parses and check.renders and check.ends
        assert len(check.bars) >= 8


def test_a_seed_gives_the_same_tunes_again(results):
    assert results["free"] == results["again"]
    assert results["free"] != results["other"]
    assert len(set(results["free"])) == 4


def test_keeps_to_metre_and_key(results):
    for text, lines in zip(results["asked"], (["M:6/8", "K:Dmaj"], ["M:4/4", "K:Amin"], ["M:3/4", "K:Fmaj", "T:Mine"])):
        assert set(lines) <= set(text.split("\n"))
        assert abc.fits_key(text) > 0.9


def test_goes_on_with_a_tune(results):
    assert results["continued"][0].startswith("X:1\nM:6/8\nL:1/8\nK:Gmaj\n|:GAB c2d|")
    assert len(results["continued"][0]) > 60


def test_odd_prompts_still_give_a_file_each(results):
    assert len(results["odd"]) == len(ODD)
    assert all(text.startswith("X:1\n") for text in results["odd"])
    assert results["none"] == []


def test_lengths_and_temperatures_are_clamped(results):
    assert results["length zero"] == results["length below zero"] == ["X:1\nM:6/8\nL:1/8\nK:Dmaj\n"]
    assert len(results["length too large"][0]) < 2_100
    assert results["hot"][0].startswith("X:1")
    assert results["cold"] == results["below zero"]


def test_streaming_writes_what_the_coldest_temperature_writes(results):
    body = results["cold"][0].partition("\nK:Dmaj\n")[2]
    assert len(body) > 50 and results["streamed"][0].partition("\nK:Dmaj\n")[2] == body


def test_the_graph_needs_nothing_but_core_operations():
    from seqkeras.export import operations

    found = operations(FOLDER)
    assert not [name for name in found if name.startswith(("Cudnn", "PyFunc", "EagerPyFunc"))]


def test_card_figures_and_configuration_lie_beside_it():
    card = (FOLDER / "model_card.md").read_text(encoding="utf-8")
    metrics = json.loads((FOLDER / "metrics.json").read_text(encoding="utf-8"))
    assert f"{metrics['bits_per_character']['test']:.3f}" in card
    assert "{" not in card.replace("{1}", "")
    assert json.loads((FOLDER / "config.json").read_text(encoding="utf-8"))["seed"] is not None
    assert sum(file.stat().st_size for file in FOLDER.rglob("*") if file.is_file()) < 25e6
