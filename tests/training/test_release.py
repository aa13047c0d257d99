import dataclasses
import json

import pytest

from training import Stop, release


@dataclasses.dataclass(frozen=True)
class Config:
    units: int = 3
    manual_dir: str = "anywhere"
    export: str = "anywhere else"
    baseline: str | None = None


def test_figures_of_other_models_stay_with_the_run_and_reach_the_metrics(tmp_path, capsys):
    figures = {"counts": {"bits": 2.5}}
    run, model = tmp_path / "run", tmp_path / "model"
    assert release.read_baselines(run) == {}
    assert release.write_baselines(run, model, figures) == {}
    assert json.loads(capsys.readouterr().out) == figures
    model.mkdir()
    release.write_metrics(model, {"accuracy": 90})
    expected = {"accuracy": 90, "baselines": figures}
    assert release.write_baselines(run, model, figures) == release.read_metrics(model) == expected
    # A model exported anew takes them from the run.
    release.write_metrics(model, {"accuracy": 91} | release.read_baselines(run))
    assert release.read_metrics(model)["baselines"] == figures


def test_a_run_is_kept_without_what_is_of_one_machine(tmp_path):
    (tmp_path / "metrics.jsonl").write_text('{"epoch": 1}\n')
    (tmp_path / "model").mkdir()
    release.write_run(Config(), tmp_path, tmp_path / "model")
    assert json.loads((tmp_path / "model" / "config.json").read_text()) == {"units": 3}
    assert (tmp_path / "model" / "training.jsonl").read_text() == '{"epoch": 1}\n'


def test_variants_are_written_beside_a_saved_model_and_nowhere_else(tmp_path):
    config = Config(export=str(tmp_path), baseline="without attention")
    with pytest.raises(Stop, match="no SavedModel in .*Train it first"):
        release.write_variant(config, {"bleu": 1}, {})
    assert not list(tmp_path.iterdir())
    release.write_metrics(tmp_path, {"test": {"bleu": 2}, "baselines": {"counts": {"bleu": 0}}})
    release.write_variant(config, {"bleu": 1}, {"epochs": 3})
    assert release.read_metrics(tmp_path) == {
        "test": {"bleu": 2},
        "baselines": {"counts": {"bleu": 0}, "without attention": {"bleu": 1}},
        "variants": {"without attention": {"epochs": 3}},
    }


def test_a_table_has_a_head():
    assert release.table([["", "a"], ["x", "1"]]) == "|  | a |\n| --- | --- |\n| x | 1 |"
