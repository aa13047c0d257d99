import dataclasses
import json

import pytest

from training.config import changes, option, parse, write


@dataclasses.dataclass(frozen=True)
class Config:
    learning_rate: float = option(0.001, "50 % more made it diverge", at_least=0)
    batch_size: int = option(32, "fits the memory", at_least=1)
    pooling: str = option("max", "finds the telling phrase", choices=("max", "mean"))
    reverse: bool = option(False, "order matters")
    boundaries: tuple[int, ...] = option((100, 200), "few lengths, few compilations")
    manual_dir: str | None = option(None, "the network otherwise", may_change=True)
    epochs: int = option(3, "enough", may_change=True)


def test_defaults_without_options():
    assert parse(Config, []) == Config()


def test_every_kind_of_value():
    words = "--learning_rate 1e-4 --batch_size 8 --pooling mean --reverse --boundaries 5,7,9 --manual_dir /data"
    assert parse(Config, words.split()) == Config(1e-4, 8, "mean", True, (5, 7, 9), "/data")
    assert parse(Config, ["--reverse", "false", "--manual_dir=none"]) == Config()


def test_help_lists_every_option_with_default_and_reason(capsys):
    with pytest.raises(SystemExit) as end:
        parse(Config, ["--help"], description="Trains.")
    assert end.value.code == 0
    text = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(Config):
        assert f"--{field.name} " in text and field.metadata["reason"] in text
    assert "0.001 by default" in text and "none by default" in text and "100,200 by default" in text


@pytest.mark.parametrize(
    "words, sentence",
    [
        ("--learning-rate 1", "no option --learning-rate; did you mean --learning_rate?"),
        ("--batchsize=8", "no option --batchsize; did you mean --batch_size?"),
        ("--batch 8", "no option --batch; did you mean --batch_size?"),
        ("--xyzzy 1", "no option --xyzzy (--help"),
        ("batch_size 8", "'batch_size' belongs to no option"),
        ("--batch_size many", "--batch_size: wanted a whole number, received 'many'"),
        ("--batch_size 2.5", "--batch_size: wanted a whole number, received '2.5'"),
        ("--batch_size 0", "--batch_size: wanted at least 1, received '0'"),
        ("--learning_rate nan", "--learning_rate: wanted a number, received 'nan'"),
        ("--pooling min", "--pooling: wanted one of max, mean, received 'min'"),
        ("--reverse perhaps", "--reverse: wanted true or false, received 'perhaps'"),
        ("--boundaries 1,x", "--boundaries: wanted a whole number, received 'x'"),
    ],
)
def test_a_wrong_option_gets_one_sentence(words, sentence, capsys):
    with pytest.raises(SystemExit) as end:
        parse(Config, words.split())
    assert end.value.code == 2
    error = capsys.readouterr().err
    assert sentence in error and error.count("\n") == 1


def test_a_field_of_another_type_is_refused():
    wrong = dataclasses.make_dataclass("Wrong", [("sizes", dict, option(None, "none"))])
    with pytest.raises(TypeError, match="Received: <class 'dict'>"):
        parse(wrong, [])


def test_changes_tells_harmless_from_spoiling(tmp_path):
    path = tmp_path / "config.json"
    write(Config(), path)
    assert json.loads(path.read_text())["boundaries"] == [100, 200]
    assert changes(Config(), path) == ([], [])
    spoiling, harmless = changes(Config(batch_size=64, boundaries=(50,), epochs=5), path)
    assert spoiling == ["batch_size from 32 to 64", "boundaries from 100,200 to 50"]
    assert harmless == ["epochs from 3 to 5"]


def test_a_field_the_file_does_not_know_had_its_default(tmp_path):
    path = tmp_path / "config.json"
    path.write_text("{}")
    assert changes(Config(), path) == ([], [])
    assert changes(Config(reverse=True), path)[0] == ["reverse from False to True"]
