"""What is written is so: the README's examples run as they stand, and each card's table is its model's signatures.

One process that knows TensorFlow alone does it all, so that each model is loaded once.
"""

import base64
import pathlib
import re

import pytest

import seqkeras
from seqkeras import export
from tests.saved_models import bare
from tests.saved_models.test_captioning import FORMS

ROOT = pathlib.Path(__file__).parents[2]
MODELS = sorted(
    graph.parent.relative_to(ROOT / "saved_models").as_posix() for graph in ROOT.glob("saved_models/**/saved_model.pb")
)
# Models of one application are made by the same lines: calling one of each will do.
CALLED = list({name.partition("/")[0]: name for name in reversed(MODELS)}.values())

README = (ROOT / "README.md").read_text(encoding="utf-8")
SECTION = README.partition("\n## A SavedModel in plain TensorFlow\n")[2].partition("\n## ")[0]
BLOCKS = re.findall(r"```python\n(.*?)```", SECTION, re.DOTALL)
PLAIN = [block for block in BLOCKS if "seqkeras" not in block]

GIVEN = {
    "text": ["A man is good.", "So is his dog, very!"],
    "prompt": ["M:6/8\nK:D", "M:4/4\nK:G"],
    "image": [base64.b64encode(file).decode() for file in FORMS[:2]],
    "token": [3, 4],
    "length": 30,
    "temperature": 0.8,
    "seed": 1,
    "width": 2,
    "length_penalty": 1.0,
    "k": 3,
}

CODE = """
import base64, contextlib, functools, io
from tensorflow.core.protobuf import saved_model_pb2
tf.saved_model.load = functools.cache(tf.saved_model.load)
# Each signature is called once or twice: optimising its graph first would take most of the time.
tf.config.optimizer.set_experimental_options({"disable_meta_optimizer": True})
given = json.load(sys.stdin)
given["given"]["image"] = [base64.b64decode(file) for file in given["given"]["image"]]
results = {"printed": {}, "signatures": {}, "answers": {}}

names = {}
for block in given["blocks"]:
    with contextlib.redirect_stdout(io.StringIO()) as printed:
        exec(block, names)
    results["printed"][block] = printed.getvalue()

def spec(info):
    return [tf.as_dtype(info.dtype).name, [None if d.size < 0 else d.size for d in info.tensor_shape.dim]]

for name in given["models"]:
    proto = saved_model_pb2.SavedModel()
    with open(f"saved_models/{name}/saved_model.pb", "rb") as file:
        proto.ParseFromString(file.read())
    results["signatures"][name] = {
        key: [{k: spec(info) for k, info in tensors.items()} for tensors in (definition.inputs, definition.outputs)]
        for key, definition in proto.meta_graphs[0].signature_def.items() if key != "__saved_model_init_op"}

for name in given["called"]:
    model, results["answers"][name] = tf.saved_model.load(f"saved_models/{name}"), {}
    for key, signature in model.signatures.items():
        specs = signature.structured_input_signature[1]
        inputs = {k: tf.zeros([2, *s.shape[1:]]) if k == "state" else tf.constant(given["given"][k], s.dtype)
                  for k, s in specs.items()}
        found = signature(**inputs)
        results["answers"][name][key] = {k: [v.dtype.name, v.shape.as_list()] for k, v in found.items()}
        for value in found.values():
            assert value.dtype == tf.string or tf.reduce_all(tf.math.is_finite(tf.cast(value, tf.float32))), key
print(json.dumps(results))
"""

TENSOR = re.compile(r"(\w+) (string|f32|i32)\[([^\]]*)\]")
DTYPES = {"string": "string", "f32": "float32", "i32": "int32"}


def table(name):
    """From each signature in a card's table to its inputs and its outputs, dicts of (dtype, sizes as written)."""
    card = (ROOT / "saved_models" / name / "model_card.md").read_text(encoding="utf-8")
    found, known = {}, {}
    for key, *cells in re.findall(r"^\| `(\w+)` \| (.*?) ?\| (.*) \|$", card, re.MULTILINE):
        found[key] = []
        for cell in cells:
            typed = {n: (DTYPES[dtype], [s for s in sizes.split(",") if s]) for n, dtype, sizes in TENSOR.findall(cell)}
            # An output that a row above has may stand without its type.
            untyped = {n: known[n] for n in map(str.strip, re.split("[,;]", cell)) if n in known}
            known |= typed
            found[key].append(typed | untyped)
    return found


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "saved_models").symlink_to(ROOT / "saved_models")
    (elsewhere / "photo.jpg").write_bytes(FORMS[3])
    given = {"given": GIVEN, "models": MODELS, "called": CALLED, "blocks": [block for block in PLAIN if there(block)]}
    return bare.run(CODE, elsewhere, given, elsewhere)


def there(block):
    return all((ROOT / path).exists() for path in re.findall(r'"(saved_models/[^"]+)"', block))


def check(tensors, written, bound):
    """That tensors, dict of [dtype, shape], are those written in a card; `bound` has the sizes that are known."""
    assert set(tensors) == set(written)
    for name, (dtype, sizes) in written.items():
        assert tensors[name][0] == dtype and len(tensors[name][1]) == len(sizes), name
        for size, number in zip(sizes, tensors[name][1]):
            if number is not None:
                expected = int(size) if size.isdigit() else bound.setdefault(size, number)
                assert number == expected, f"{name}[{','.join(sizes)}] has shape {tensors[name][1]}"


@pytest.mark.parametrize("name", MODELS)
def test_a_cards_table_is_its_models_signatures(results, name):
    written, found = table(name), results["signatures"][name]
    assert set(written) == set(found)
    bound = {}  # a size has one meaning in all of a card
    for key, rows in written.items():
        for tensors, row in zip(found[key], rows):
            check(tensors, row, bound)
            assert all(tensors[n][1][:1] == [None] for n, (_, sizes) in row.items() if sizes[:1] == ["B"])


@pytest.mark.parametrize("name", MODELS)
def test_every_operation_is_of_core_tensorflow(name):
    assert export.foreign_operations(ROOT / "saved_models" / name) == {}


@pytest.mark.parametrize("name", CALLED)
def test_every_signature_gives_what_its_card_says(results, name):
    for key, (inputs, outputs) in table(name).items():
        bound = {n: value for n, value in GIVEN.items() if n in inputs and not isinstance(value, list)}
        check(results["answers"][name][key], outputs, {"B": 2, **bound})


def test_the_readmes_examples_are_short_and_cover_every_application():
    for block in BLOCKS:
        assert len([line for line in block.splitlines() if line.strip()]) < 10, block
    used = set(re.findall(r'"saved_models/(\w+)', SECTION))
    assert {name.partition("/")[0] for name in MODELS} <= used


EXPECTED = {
    "sentiment": r"\[0\.72\d* 0\.00\d*\]\n\[.*\](\n[+-]\d\.\d\d  \S+)+",
    "music": r"X:1\n(R:\w+\n)?M:6/8\nL:1/8\nK:Ador(\n.+)+",
    "translation": r"(-\d+\.\d\d  \S.*\n?){3}",
    "captioning": r"[A-Z].*\.",
    "language": r"(?s)\S.{100,}",
}


@pytest.mark.parametrize("block", PLAIN, ids=lambda block: re.search(r'"saved_models/(\w+)', block)[1])
def test_the_readmes_examples_run_as_they_stand(results, block):
    if not there(block):
        pytest.skip("its model is not there yet")
    word = re.search(r'"saved_models/(\w+)', block)[1]
    assert re.fullmatch(EXPECTED[word], results["printed"][block].strip())


def test_the_readmes_two_lines(capsys):
    (block,) = set(BLOCKS) - set(PLAIN)
    exec(block, {})
    printed = capsys.readouterr().out.strip()
    assert printed == re.search("# (.*)", block)[1]
    assert seqkeras.load.__module__ == "seqkeras.loading"
