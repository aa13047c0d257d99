"""What lies beside every SavedModel: metrics.json, config.json, training.jsonl and what they were made on."""

import dataclasses
import json
import os
import platform
import shutil
from pathlib import Path

import tensorflow as tf

from training import Stop

METRICS, CONFIG, TRAINING, BASELINES = "metrics.json", "config.json", "training.jsonl", "baselines.json"
# Options of a call, which say nothing about the model.
OF_THE_CALL = (
    "manual_dir", "data_dir", "folder", "captions_file", "source_file", "target_file", "workdir", "export", "baseline",
    "evaluate",
)  # fmt: skip


def machine():
    """What this runs on, in words."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return f"{os.cpu_count()} CPU cores ({platform.machine()}) and {gpus or 'no'} GPU{'s' if gpus > 1 else ''}"


def write_run(config, workdir, path):
    """Writes what rebuilds a run, and the course that its training took, beside the SavedModel in the folder `path`."""
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in OF_THE_CALL}
    (Path(path) / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    shutil.copy(Path(workdir) / "metrics.jsonl", Path(path) / TRAINING)


def read_config(path):
    """The settings beside the SavedModel in the folder `path`; {} where there are none."""
    return _read(Path(path) / CONFIG)


def read_metrics(path):
    """The figures beside the SavedModel in the folder `path`; {} where there are none."""
    return _read(Path(path) / METRICS)


def write_metrics(path, figures):
    """Writes figures, a dict that JSON can hold, beside the SavedModel in the folder `path`."""
    (Path(path) / METRICS).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def write_baselines(workdir, path, figures):
    """Keeps the figures of other models for the same data in the run's folder `workdir`, and prints them.

    Returns:
        The figures beside the SavedModel in the folder `path`, with these written there as "baselines"; {} where there
        is no SavedModel yet.
    """
    Path(workdir).mkdir(parents=True, exist_ok=True)
    text = json.dumps(figures, indent=2) + "\n"
    (Path(workdir) / BASELINES).write_text(text, encoding="utf-8")
    print(text, end="")
    if metrics := read_metrics(path):
        metrics |= {"baselines": figures}
        write_metrics(path, metrics)
    return metrics


def read_baselines(workdir):
    """What `write_baselines` kept in a run's folder, as a dict with "baselines"; {} where there is nothing."""
    figures = _read(Path(workdir) / BASELINES)
    return {"baselines": figures} if figures else {}


def shipped(path):
    """As `read_metrics`, for what is to be written beside a SavedModel; Stop where there is none."""
    metrics = read_metrics(path)
    if not metrics:
        raise Stop(f"There is no SavedModel in {path} to write the figures beside. Train it first.")
    return metrics


def write_variant(config, figures, run):
    """Writes the figures of a variant beside the SavedModel in the folder `config.export`.

    Args:
        config: `export`; and `baseline`, the variant's name.
        figures: dict, as they stand in the card's table beside those of the SavedModel.
        run: dict of all else there is to say of the variant.

    Raises:
        Stop: there is no SavedModel.
    """
    metrics = shipped(config.export)
    metrics["baselines"] = metrics.get("baselines", {}) | {config.baseline: figures}
    metrics["variants"] = metrics.get("variants", {}) | {config.baseline: run}
    write_metrics(config.export, metrics)
    print(f"{config.baseline}: {figures}")
    print(f"Written to {config.export}/{METRICS}; the card follows with the next --evaluate.")


def table(rows):
    """Rows, lists of str of which the first is the head, as a table of Markdown."""
    head, *body = rows
    return "\n".join(f"| {' | '.join(row)} |" for row in (head, ["---"] * len(head), *body))


def _read(file):
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
