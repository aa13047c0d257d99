import json
import sys
import time

import pytest

from apps import inside, trainings
from seqkeras import understanding

# In the place of the process that trains: reports without TensorFlow.
FAKE = """
import itertools, json, sys, time
runs = json.loads(sys.argv[1])
for place in itertools.count():
    left = [name for name, run in runs.items() if place < run["count"]]
    for name in left:
        time.sleep(runs[name].get("wait", 0))
        if place == runs[name].get("fail"):
            raise RuntimeError("secret")
        loss = 0.5 / (place + 1)
        report = {"run": name, "step": 10 * place, "loss": loss, "measure": loss, "gradient_norm": 1.0}
        solved = place == runs[name]["count"] - 1
        print(json.dumps(report | {"solved": solved, "baseline": 1 / 6}), flush=True)
    if not left:
        break
"""
ENDLESS = {"a": {"count": 1_000_000, "wait": 0.01}}


@pytest.fixture
def fake(monkeypatch):
    monkeypatch.setattr(trainings, "COMMAND", [sys.executable, "-c", FAKE])


def report(step, loss=0.1, norm=1.0, measure=None, solved=False):
    return trainings.Report(step, loss, loss if measure is None else measure, norm, solved, 1 / 6)


def ended(training):
    training._keeper.join(30)
    assert training.ended is not None and training._process.poll() is not None
    return training


def test_a_training_ends_when_all_its_runs_have(fake):
    training = ended(trainings.Training({"a": {"count": 2}, "b": {"count": 4}}))
    assert training.ended == trainings.DONE and not training.running and training.seconds > 0
    assert [report.step for report in training.reports["a"]] == [0, 10]
    assert training.reports["b"][-1] == report(30, 0.125, solved=True)


def test_a_training_ends_when_it_is_told_to_and_when_nobody_looks(fake, monkeypatch):
    training = trainings.Training(ENDLESS)
    while len(training.reports["a"]) < 2:
        training.look()
        time.sleep(0.01)
    assert training.running
    training.stop(wait=30)
    assert ended(training).ended == trainings.STOPPED and not training.running
    assert ended(trainings.Training(ENDLESS, seconds=0.05)).ended == trainings.LATE
    monkeypatch.setattr(trainings, "LEASE", 0.05)
    assert ended(trainings.Training(ENDLESS)).ended == trainings.LEFT


def test_a_training_that_fails_says_so(fake):
    training = ended(trainings.Training({"a": {"count": 9, "fail": 1}}))
    assert training.ended == trainings.FAILED and len(training.reports["a"]) == 1


def test_only_so_many_trainings_go_on_at_a_time(fake, monkeypatch):
    running = [trainings.begin(ENDLESS) for _ in range(trainings.MOST)]
    with pytest.raises(trainings.Unavailable, match="try again in a moment"):
        trainings.begin(ENDLESS)
    for training in running:
        training.stop(wait=30)
    assert ended(trainings.begin({"a": {"count": 1}})).ended == trainings.DONE
    monkeypatch.setattr(trainings, "COMMAND", ["no such program"])
    for _ in range(trainings.MOST + 1):
        with pytest.raises(trainings.Unavailable, match="No training can be started"):
            trainings.begin(ENDLESS)


def test_the_process_reports_what_the_library_does(capsys):
    (arguments,) = inside.memory_runs("adding", "simple_rnn", length=5, units=16, seed=1).values()
    arguments |= {"steps": 20, "jit_compile": False}
    trainings.main({"a": arguments})
    printed = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    expected = [progress._asdict() for progress in understanding.trainer(**arguments)]
    assert printed == [{"run": "a", **progress, "baseline": 1 / 6} for progress in expected] and len(printed) == 3
