"""The house keeps its two ideas: arrows point down, and one name runs through every room."""

import ast
import pathlib

import pytest

ROOT = pathlib.Path(__file__).parent.parent
# Keras's own recurrent and additive-attention layers, which ours must not stand on.
PEERS = {
    "LSTM", "LSTMCell", "GRU", "GRUCell", "SimpleRNN", "SimpleRNNCell", "RNN", "StackedRNNCells", "Bidirectional",
    "AdditiveAttention", "ConvLSTM1D", "ConvLSTM2D", "ConvLSTM3D",
}  # fmt: skip


def imports(path):
    """The dotted names of all that a file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


@pytest.mark.parametrize(
    "room, forbidden",
    [
        ("seqkeras", ("training", "apps", "benchmarks", "streamlit", "tensorflow_datasets")),
        ("training", ("apps", "streamlit")),
        ("apps", ("training", "keras", "seqkeras.layers", "seqkeras.models", "seqkeras.decoding", "seqkeras.export")),
    ],
)
def test_arrows_point_down(room, forbidden):
    files = list((ROOT / room).rglob("*.py"))
    assert files
    for path in files:
        for name in imports(path):
            assert not any(name == f or name.startswith(f + ".") for f in forbidden), f"{path} imports {name}"


@pytest.mark.parametrize("room", ["seqkeras", "training", "apps"])
def test_no_recurrent_layer_of_keras_inside(room):
    for path in (ROOT / room).rglob("*.py"):
        tree = ast.parse(path.read_text(encoding="utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr in PEERS:
                assert ast.unparse(node.value) not in ("keras.layers", "tf.keras.layers"), (
                    f"{path}: {ast.unparse(node)}"
                )
        for name in imports(path):
            assert not (name.startswith("keras.") and name.rpartition(".")[2] in PEERS), f"{path} imports {name}"


def test_every_application_has_its_rooms():
    words = {path.name for path in (ROOT / "saved_models").iterdir() if path.is_dir()}
    assert words
    for word in words:
        assert (ROOT / "training" / f"{word}.py").exists() or (ROOT / "training" / word / "__main__.py").exists()
        assert (ROOT / "apps" / "screens" / f"{word}.py").exists()
    # One model, or one for each pair of languages, each corpus.
    for graph in (ROOT / "saved_models").rglob("saved_model.pb"):
        assert graph.with_name("model_card.md").exists()
