"""What lies beside every SavedModel: metrics.json, config.json, training.jsonl and what they were made on."""

import dataclasses
import json
import os
import platform
import shutil
from pathlib import Path

import tensorflow as tf

METRICS, CONFIG, TRAINING = "metrics.json", "config.json", "training.jsonl"
# Options of a call, which say nothing about the model.
OF_THE_CALL = ("manual_dir", "data_dir", "workdir", "export", "evaluate")


def machine():
    """What this runs on, in words."""
    gpus = len(tf.config.list_physical_devices("GPU"))
    return f"{os.cpu_count()} CPU cores ({platform.machine()}) and {gpus or 'no'} GPU{'s' if gpus > 1 else ''}"


def write_run(config, workdir, path):
    """Writes what rebuilds a run, and the course that its training took, beside the SavedModel in the folder `path`."""
    settings = {name: value for name, value in dataclasses.asdict(config).items() if name not in OF_THE_CALL}
    (Path(path) / CONFIG).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
    shutil.copy(Path(workdir) / "metrics.jsonl", Path(path) / TRAINING)


def read_metrics(path):
    """The figures beside the SavedModel in the folder `path`; {} where there are none."""
    file = Path(path) / METRICS
    return json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}


def write_metrics(path, figures):
    """Writes figures, a dict that JSON can hold, beside the SavedModel in the folder `path`."""
    (Path(path) / METRICS).write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
