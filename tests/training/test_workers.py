import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from tests.training import joint_training
from training import Stop, workers

ROOT = Path(__file__).parents[2]


def launch(folder, what, count=2, timeout=240):
    """Runs joint_training in `count` workers on this machine; returns the exit status and the output of each."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    addresses = [f"127.0.0.1:{each.getsockname()[1]}" for each in sockets]
    for each in sockets:
        each.close()
    processes = []
    for index in range(count):
        task = {"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}}
        processes.append(
            subprocess.Popen(
                [sys.executable, "-m", "tests.training.joint_training", str(folder), what],
                # A proxy, where there is one, knows nothing of this machine's own ports.
                env={
                    **os.environ,
                    "TF_CONFIG": json.dumps(task),
                    "CUDA_VISIBLE_DEVICES": "",
                    "no_grpc_proxy": "127.0.0.1",
                },
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
            )
        )
    try:
        outputs = [process.communicate(timeout=timeout)[0] for process in processes]
    finally:
        for process in processes:
            process.kill()
    return [process.returncode for process in processes], outputs


@pytest.fixture(scope="module")
def killed(tmp_path_factory):
    """A training of two workers of which the second is killed in the second epoch."""
    folder = tmp_path_factory.mktemp("workers")
    return folder, *launch(folder, "killed")


@pytest.fixture(scope="module")
def whole(killed):
    """The same training, started again."""
    folder, *_ = killed
    return folder, *launch(folder, "whole")


def assert_same_run(rows, model, workdir, weights):
    """That a run ended as `rows` and `model` did: weights to 1e-5, and every figure but the time."""
    for ours, theirs in zip(model.get_weights(), np.load(weights).values()):
        np.testing.assert_allclose(theirs, ours, atol=1e-5)
    theirs = [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]
    assert len(rows) == len(theirs)
    for row, other in zip(rows, theirs):
        assert row.keys() == other.keys()
        for name in row.keys() - {"seconds"}:
            np.testing.assert_allclose(other[name], row[name], rtol=1e-4, atol=1e-5, err_msg=name)


def test_two_workers_train_like_one_process_on_the_joint_batch_with_carried_states(killed, tmp_path):
    folder, *_ = killed
    assert_same_run(*joint_training.train_streams(tmp_path), folder / "streams", folder / "streams.npz")


def test_the_other_worker_of_a_killed_one_ends_with_one_sentence(killed):
    _, (first, second), (output, _) = killed
    assert second == -signal.SIGKILL and first == 1, output[-3000:]
    assert "Traceback" not in output
    assert "Another worker has ended or cannot be reached." in output.splitlines()[-1]
    assert "start the same command on all workers again" in output.splitlines()[-1]


def test_a_killed_job_started_again_ends_like_one_process_never_killed(whole, tmp_path):
    folder, codes, outputs = whole
    assert codes == [0, 0], outputs
    assert all("Going on after epoch 1" in output for output in outputs)
    assert "this one ends" in outputs[1] and "this one ends" not in outputs[0]
    assert_same_run(*joint_training.train_marks(tmp_path, joint_training.marks), folder / "marks", folder / "marks.npz")


def test_workers_draw_their_own_dropout(whole):
    folder, *_ = whole
    assert (folder / "seeds0").read_text() != (folder / "seeds1").read_text()


def test_workers_with_different_options_get_one_sentence(killed):
    for output in killed[2]:
        assert "The workers were started with different options. Start the same command on all of them." in output


def test_in_turn_the_first_writes_and_the_others_find(killed):
    assert (killed[0] / "written_once").read_text() == "by worker 0"


# Without other processes


@pytest.mark.parametrize("rows, count", [(8, 4), (7, 3), (4, 4), (2, 4), (3, 8)])
@pytest.mark.parametrize("static", [True, False])
def test_a_cut_batch_is_the_whole_batch(rows, count, static):
    batch = {"ids": tf.reshape(tf.range(2 * rows), (rows, 2))}, tf.range(rows)
    spec = tf.nest.map_structure(lambda t: tf.TensorSpec(t.shape if static else [None, *t.shape[1:]], t.dtype), batch)
    parts = tf.function(lambda *batch: workers.cut(batch, count, range(count)), input_signature=spec)(*batch)
    sizes = [len(targets) for _, targets in parts]
    assert min(sizes) >= 1 and max(sizes) - min(sizes) <= 1
    together = np.concatenate([targets for _, targets in parts])
    times = len(together) // rows
    np.testing.assert_array_equal(together, np.tile(np.arange(rows), times))
    assert times == 1 or rows < count
    for inputs, targets in parts:
        np.testing.assert_array_equal(inputs["ids"][:, 0], 2 * targets)
    chosen = workers.cut(batch, count, range(1, 2))
    np.testing.assert_array_equal(chosen[0][1], parts[1][1])


def config(index, job="worker", **cluster):
    return json.dumps({"cluster": cluster, "task": {"type": job, "index": index}})


@pytest.mark.parametrize(
    "text, number_and_count",
    [
        (None, (0, 1)),
        (config(0, worker=["a:1"]), (0, 1)),
        (config(1, worker=["a:1", "b:1"]), (1, 2)),
        (config(0, "chief", chief=["a:1"], worker=["b:1", "c:1"]), (0, 3)),
        (config(1, chief=["a:1"], worker=["b:1", "c:1"]), (2, 3)),
    ],
)
def test_the_workers_of_tf_config(monkeypatch, text, number_and_count):
    monkeypatch.delenv("TF_CONFIG", raising=False)
    if text:
        monkeypatch.setenv("TF_CONFIG", text)
    assert workers.worker() == number_and_count


@pytest.mark.parametrize(
    "text",
    ["{not json", "[1]", config(2, worker=["a:1", "b:1"]), config(0, "ps", worker=["a:1"], ps=["b:1"])]
    + ['{"cluster": {"worker": ["a:1", "b:1"]}}'],
)
def test_a_wrong_tf_config_gets_one_sentence(monkeypatch, text):
    monkeypatch.setenv("TF_CONFIG", text)
    with pytest.raises(Stop, match=re.escape('TF_CONFIG cannot be read. Wanted something like {"cluster"')):
        workers.worker()


def test_losses_that_are_no_means_are_refused_on_several_devices():
    with pytest.raises(ValueError, match="reduced to a mean.*Received: mean_squared_error with reduction='sum'"):
        workers.JointLoss.of(keras.losses.MeanSquaredError(reduction="sum"))


def test_alone_nobody_is_waited_for(capsys):
    with workers.in_turn():
        pass
    workers.end_others()
    assert workers.everyones(7) == [7] and workers.rows_each(5) == 5
    assert capsys.readouterr().out == ""
