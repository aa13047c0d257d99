import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import textwrap
import time

import keras
import numpy as np
import pytest
import tensorflow as tf

from training import Stop, config, loop

TOKENS = np.random.default_rng(0).integers(0, 20, (64, 6))
LABELS = (TOKENS.sum(1) > 57).astype("float32")


def train(epoch):
    return tf.data.Dataset.from_tensor_slices((TOKENS, LABELS)).shuffle(64, seed=epoch).batch(8)


VALIDATION = tf.data.Dataset.from_tensor_slices((TOKENS, LABELS)).batch(16)


def make_model(optimizer=None, layers=()):
    keras.utils.set_random_seed(0)
    model = keras.Sequential(
        [
            keras.Input((6,), dtype="int32"),
            keras.layers.Embedding(20, 4),
            keras.layers.Flatten(),
            *layers,
            keras.layers.Dense(1, activation="sigmoid", dtype="float32"),
        ]
    )
    optimizer = optimizer or loop.clipped(keras.optimizers.Adam(0.01), 0.2)
    model.compile(optimizer=optimizer, loss="binary_crossentropy", metrics=["accuracy"])
    return model


def read_rows(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").read_text().splitlines()]


def assert_same_rows(rows, others, tolerance=1e-6):
    assert len(rows) == len(others)
    for row, other in zip(rows, others):
        assert row.keys() == other.keys()
        for name in row.keys() - {"seconds"}:
            np.testing.assert_allclose(row[name], other[name], rtol=tolerance, atol=tolerance, err_msg=name)


# What a run leaves


def test_rows_files_and_output(tmp_path, capsys):
    model = make_model()
    rows = loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=3)
    assert [row["epoch"] for row in rows] == [1, 2, 3] and all(row["steps"] == 8 for row in rows)
    assert list(rows[0]) == [
        *("epoch", "seconds", "steps", "loss", "accuracy", "val_loss", "val_accuracy"),
        *("learning_rate", "gradient_norm_mean", "gradient_norm_max", "clipped_share"),
    ]
    assert rows == read_rows(tmp_path)
    assert rows[0]["learning_rate"] == 0.01
    out = capsys.readouterr().out
    assert "XLA is off" in out or "XLA is on" in out
    assert sum(line.startswith("epoch ") for line in out.splitlines()) == 3
    (events,) = (tmp_path / "tensorboard").iterdir()
    points = [
        (event.step, value.tag)
        for event in tf.compat.v1.train.summary_iterator(str(events))
        for value in event.summary.value
    ]
    assert [step for step, tag in points if tag == "val_loss"] == [1, 2, 3]


def test_the_model_ends_with_its_best_weights(tmp_path):
    def worse_from_the_third_epoch(epoch):
        return train(epoch).map(lambda tokens, labels: (tokens, labels if epoch < 2 else 1 - labels))

    model = make_model()
    rows = loop.fit(model, worse_from_the_third_epoch, VALIDATION, workdir=tmp_path, epochs=5)
    best = min(row["val_loss"] for row in rows)
    assert best < rows[-1]["val_loss"]
    assert model.evaluate(VALIDATION, verbose=0, return_dict=True)["loss"] == pytest.approx(best, abs=1e-6)
    fresh = make_model()
    fresh.load_weights(tmp_path / "best.weights.h5")
    np.testing.assert_array_equal(fresh.get_weights()[0], model.get_weights()[0])


def test_mode_max(tmp_path):
    rows = loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=4, monitor="val_accuracy", mode="max")
    model = make_model()
    model.load_weights(tmp_path / "best.weights.h5")
    accuracy = model.evaluate(VALIDATION, verbose=0, return_dict=True)["accuracy"]
    assert accuracy == pytest.approx(max(row["val_accuracy"] for row in rows))


def test_patience_stops_early_also_when_started_again(tmp_path):
    model = make_model(loop.clipped(keras.optimizers.SGD(0.0), None))  # Nothing is ever learnt.
    rows = loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=9, patience=2)
    assert len(rows) == 3
    model = make_model(loop.clipped(keras.optimizers.SGD(0.0), None))
    assert loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=9, patience=2) == rows


# Going on after a kill

SCRIPT = textwrap.dedent(
    """
    import sys, time
    from pathlib import Path
    import keras, numpy as np, tensorflow as tf
    from training import loop

    workdir, seconds = Path(sys.argv[1]), float(sys.argv[2])
    keras.config.set_dtype_policy("mixed_float16")
    keras.utils.set_random_seed(0)
    tokens = np.random.default_rng(0).integers(0, 20, (64, 6))
    labels = (tokens.sum(1) > 57).astype("float32")

    def train(epoch):
        def slowly():
            for i in np.random.permutation(64):  # NumPy's generator has to be in the state of the epoch, too.
                time.sleep(seconds)
                yield tokens[i], labels[i]
        spec = (tf.TensorSpec((6,), tf.int64), tf.TensorSpec((), tf.float32))
        return tf.data.Dataset.from_generator(slowly, output_signature=spec).batch(8)

    model = keras.Sequential([
        keras.Input((6,)), keras.layers.Embedding(20, 4), keras.layers.Dropout(0.5), keras.layers.Flatten(),
        keras.layers.Dense(1, activation="sigmoid", dtype="float32"),
    ])
    optimizer = keras.optimizers.Adam(0.02, use_ema=True, ema_momentum=0.8)
    model.compile(optimizer=loop.clipped(optimizer, 0.2), loss="binary_crossentropy", metrics=["accuracy"])
    validation = tf.data.Dataset.from_tensor_slices((tokens, labels)).batch(64)
    loop.fit(model, train, validation, workdir=workdir, epochs=5, xla="off")
    np.save(workdir / "weights.npy", np.concatenate([w.ravel() for w in model.get_weights()]))
    """
)


def run(folder, *arguments):
    folder.mkdir(exist_ok=True)
    script = folder.parent / "script.py"
    script.write_text(SCRIPT)
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    return subprocess.Popen(
        [sys.executable, str(script), str(folder), *arguments],
        env={**os.environ, "PYTHONPATH": root},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )


def test_killed_and_started_again_ends_as_if_never_killed(tmp_path):
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    assert run(whole, "0").wait(120) == 0

    process = run(killed, "0.004")
    deadline = time.monotonic() + 120
    while not ((killed / "checkpoint.weights.h5").exists() and len(read_rows(killed)) >= 2):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.02)
    time.sleep(0.1)  # Into the running epoch.
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert len(read_rows(killed)) < 5
    assert run(killed, "0").wait(120) == 0

    assert [row["epoch"] for row in read_rows(killed)] == [1, 2, 3, 4, 5]
    # Equal but for the rounding of sums that threads add in another order.
    assert_same_rows(read_rows(whole), read_rows(killed), tolerance=1e-3)
    np.testing.assert_allclose(np.load(whole / "weights.npy"), np.load(killed / "weights.npy"), atol=1e-3)


def test_a_kill_between_rows_and_checkpoint_leaves_no_double_row(tmp_path):
    rows = loop.fit(make_model(), train, VALIDATION, workdir=tmp_path / "whole", epochs=3)
    loop.fit(make_model(), train, VALIDATION, workdir=tmp_path / "cut", epochs=2)
    with open(tmp_path / "cut" / "metrics.jsonl", "a") as file:
        file.write(json.dumps({**rows[2], "loss": 99.0}) + "\n")
    assert_same_rows(rows, loop.fit(make_model(), train, VALIDATION, workdir=tmp_path / "cut", epochs=3))
    assert_same_rows(rows, read_rows(tmp_path / "cut"))


def test_a_checkpoint_of_another_model_gets_one_sentence(tmp_path):
    loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1)
    with pytest.raises(Stop, match="cannot be gone on with.*another --workdir"):
        loop.fit(make_model(layers=[keras.layers.Dense(3)]), train, VALIDATION, workdir=tmp_path, epochs=2)


def test_a_damaged_checkpoint_gets_one_sentence(tmp_path):
    loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1)
    path = tmp_path / "checkpoint.weights.h5"
    path.write_bytes(path.read_bytes()[:1000])
    with pytest.raises(Stop, match="cannot be gone on with.*another --workdir"):
        loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=2)


def test_a_checkpoint_of_another_optimizer_gets_one_sentence(tmp_path):
    loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1)
    with pytest.raises(Stop, match="cannot be gone on with.*optimizer.*another --workdir"):
        loop.fit(make_model(keras.optimizers.SGD()), train, VALIDATION, workdir=tmp_path, epochs=2)


# Clipping


@pytest.mark.parametrize("jit_compile", [False, True])
@pytest.mark.parametrize("threshold", [0.05, 1000.0, None])
def test_clipping_is_the_lectures_formula(threshold, jit_compile):
    table, dense = np.ones((5, 3), "float32"), np.full((3, 1), 0.5, "float32")
    indices, target = np.array([[1, 1, 4]]), 2.0
    embedding = keras.layers.Embedding(5, 3)
    model = keras.Sequential(
        [keras.Input((3,)), embedding, keras.layers.GlobalAveragePooling1D(), keras.layers.Dense(1)]
    )
    model.set_weights([table, dense, np.zeros(1, "float32")])
    model.compile(loop.clipped(keras.optimizers.SGD(0.1), threshold), loss="mse", jit_compile=jit_compile)
    model.train_on_batch(indices, np.array([[target]]))

    # By hand: y = mean_t(E[w_t]) . v + b, loss = (y - target)^2; word 1 occurs twice and its rows add up.
    error = 2 * (table[0] @ dense[:, 0] - target)
    embedding_gradient = np.zeros((5, 3))
    np.add.at(embedding_gradient, indices[0], error * dense[:, 0] / 3)
    gradients = [embedding_gradient, error * np.ones((3, 1)), np.full(1, error)]
    norm = np.sqrt(sum((gradient**2).sum() for gradient in gradients))
    scale = threshold / norm if threshold is not None and norm > threshold else 1.0
    for before, gradient, after in zip([table, dense, np.zeros(1)], gradients, model.get_weights()):
        np.testing.assert_allclose(after, before - 0.1 * scale * gradient, atol=1e-6)
    measured = model.optimizer.take_gradient_norms()
    assert measured["gradient_norm_mean"] == pytest.approx(norm, rel=1e-5)
    assert measured["gradient_norm_max"] == pytest.approx(norm, rel=1e-5)
    assert measured["clipped_share"] == (threshold == 0.05)
    assert model.optimizer.take_gradient_norms()["gradient_norm_max"] == 0.0


def test_the_norms_of_an_epoch(tmp_path):
    """With a learning rate of zero each batch's gradient can be had again."""
    model = make_model(loop.clipped(keras.optimizers.SGD(0.0), 0.08))
    (row,) = loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=1)
    norms = []
    for tokens, labels in train(0):
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean(keras.losses.binary_crossentropy(labels[:, None], model(tokens)))
        gradients = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, model.trainable_weights)]
        norms.append(np.sqrt(sum((gradient**2).sum() for gradient in gradients)))
    assert row["gradient_norm_mean"] == pytest.approx(np.mean(norms), rel=1e-4)
    assert row["gradient_norm_max"] == pytest.approx(max(norms), rel=1e-4)
    assert row["clipped_share"] == pytest.approx(np.mean(np.array(norms) > 0.08))


@pytest.mark.parametrize("xla", ["off", "on"])
def test_clipping_inside_loss_scaling(tmp_path, xla):
    optimizer = keras.optimizers.LossScaleOptimizer(
        loop.clipped(keras.optimizers.Adam(0.01), 0.2), initial_scale=1024.0
    )
    rows = loop.fit(make_model(optimizer), train, VALIDATION, workdir=tmp_path / "a", epochs=2, xla=xla)
    assert_same_rows(rows, loop.fit(make_model(), train, VALIDATION, workdir=tmp_path / "b", epochs=2, xla=xla), 1e-4)


def test_clipped_keeps_the_optimizer():
    schedule = keras.optimizers.schedules.ExponentialDecay(0.1, 10, 0.5)
    optimizer = loop.clipped(keras.optimizers.AdamW(schedule, weight_decay=0.02, use_ema=True), 1.0)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.weight_decay == 0.02 and optimizer.use_ema
    assert float(optimizer.learning_rate) == pytest.approx(0.1)


def test_clipped_refuses_what_it_would_not_do():
    with pytest.raises(ValueError, match="Received: -1"):
        loop.clipped(keras.optimizers.SGD(), -1)
    with pytest.raises(ValueError, match="without clipnorm"):
        loop.clipped(keras.optimizers.SGD(global_clipnorm=1.0), 1.0)


# Averaged weights, several devices, XLA


def test_validation_and_best_weights_are_the_moving_average(tmp_path):
    model = make_model(loop.clipped(keras.optimizers.SGD(1.0, use_ema=True, ema_momentum=0.9), None))
    weights, averages = [w.numpy() for w in model.trainable_weights], None
    rows = loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=1)

    twin = make_model(keras.optimizers.SGD(1.0))
    keras.utils.set_random_seed(0)
    for batch in train(0):
        twin.train_on_batch(*batch)
        weights = twin.get_weights()
        averages = [0.9 * a + 0.1 * w for a, w in zip(averages, weights)] if averages else weights
    for ours, average in zip(model.get_weights(), averages):
        np.testing.assert_allclose(ours, average, atol=1e-5)
    twin.set_weights(averages)
    assert rows[0]["val_loss"] == pytest.approx(twin.evaluate(VALIDATION, verbose=0)[0], abs=1e-5)


def test_two_replicas_train_like_one(tmp_path):
    """In a process of its own, because virtual devices have to be there before TensorFlow starts."""
    code = textwrap.dedent(
        """
        import sys
        import numpy as np, keras, tensorflow as tf
        from training import Stop, loop
        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * 2)
        tokens = np.random.default_rng(0).integers(0, 20, (64, 6))
        labels = (tokens.sum(1) > 57).astype("float32")
        data = tf.data.Dataset.from_tensor_slices((tokens, labels)).batch(8)
        results = []
        for name, strategy in (("one", tf.distribute.get_strategy()),
                               ("two", tf.distribute.MirroredStrategy(["CPU:0", "CPU:1"]))):
            keras.utils.set_random_seed(0)
            with strategy.scope():
                model = keras.Sequential([keras.Input((6,)), keras.layers.Embedding(20, 4), keras.layers.Flatten(),
                                          keras.layers.Dense(1, activation="sigmoid")])
                optimizer = loop.clipped(keras.optimizers.SGD(0.5, momentum=0.9), 0.1)
                model.compile(optimizer=optimizer, loss="binary_crossentropy")
            rows = loop.fit(model, data, data, workdir=f"{sys.argv[1]}/{name}", epochs=2, xla="off")
            assert 0 < rows[0]["clipped_share"]
            try:
                loop.fit(model, data, data, workdir=f"{sys.argv[1]}/{name}", epochs=2, xla="on")
                assert name == "one"
            except Stop as stop:
                assert name == "two" and "several devices" in str(stop)
            results.append((rows[1]["gradient_norm_mean"], rows[1]["clipped_share"], model.get_weights()))
        (norm, share, weights), (norm2, share2, weights2) = results
        np.testing.assert_allclose([norm, share], [norm2, share2], rtol=1e-5)
        for ours, theirs in zip(weights, weights2):
            np.testing.assert_allclose(ours, theirs, atol=1e-5)
        """
    )
    root = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    done = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": root},
        capture_output=True,
        text=True,
        timeout=180,
    )
    assert done.returncode == 0, done.stderr[-3000:]


class NoXLA(keras.layers.Dense):
    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self.supports_jit = False


def test_forced_xla_that_cannot_be_is_an_error(tmp_path, capsys):
    model = make_model(layers=[NoXLA(3, name="stubborn")])
    with pytest.raises(Stop, match="--xla on cannot be: the layer stubborn does not support XLA"):
        loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=1, xla="on")
    loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=1, xla="auto")
    assert "XLA is off (auto: " in capsys.readouterr().out


class Unknown(keras.layers.Layer):
    """Claims to support XLA, with an operation that XLA does not have."""

    def call(self, inputs):
        return inputs + tf.strings.to_number(tf.strings.as_string(inputs))

    def compute_output_shape(self, input_shape):
        return input_shape


def test_an_operation_that_xla_does_not_know_gets_one_sentence(tmp_path):
    with pytest.raises(Stop, match="XLA cannot compile this model .*Run with --xla off"):
        model = make_model(layers=[Unknown()])
        loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=1, xla="on")


def test_xla_on_is_on(tmp_path, capsys):
    model = make_model()
    on = loop.fit(model, train, VALIDATION, workdir=tmp_path / "on", epochs=1, xla="on")
    assert model.jit_compile is True and "XLA is on (as asked)" in capsys.readouterr().out
    off = loop.fit(make_model(), train, VALIDATION, workdir=tmp_path / "off", epochs=1, xla="off")
    assert_same_rows(on, off, tolerance=1e-4)


# What goes wrong


def test_nan_names_epoch_and_step_and_keeps_the_last_good_epoch(tmp_path):
    def poisoned(epoch):
        if epoch < 1:
            return train(epoch)
        weights = tf.data.Dataset.range(8).map(lambda i: tf.fill([8], tf.where(i == 4, np.nan, 1.0)))
        return tf.data.Dataset.zip(train(epoch), weights).map(lambda batch, weight: (*batch, weight))

    with pytest.raises(Stop) as stop:
        loop.fit(make_model(), poisoned, VALIDATION, workdir=tmp_path, epochs=3)
    assert "loss became NaN or infinite in epoch 2 at step 5. The weights after epoch 1 are kept in" in str(stop.value)
    assert "Try a learning rate under 0.01 or a clipping threshold under 0.2" in str(stop.value)
    assert len(read_rows(tmp_path)) == 1
    model = make_model()
    assert len(loop.fit(model, train, VALIDATION, workdir=tmp_path, epochs=2)) == 2
    assert np.isfinite(model.get_weights()[0]).all()


def test_a_full_disk_gets_one_sentence_and_keeps_what_was_there(tmp_path, monkeypatch):
    loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1)
    before = sorted(path.name for path in tmp_path.iterdir())

    def fsync(_):
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(Stop, match=r"Cannot write to .* \(No space left on device\)\. Make room"):
            loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=2)
    assert sorted(path.name for path in tmp_path.iterdir()) == before
    assert len(loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=2)) == 2


def test_a_disk_too_small_for_the_first_weights_gets_one_sentence(tmp_path):
    model, before = make_model(), resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
        with pytest.raises(Stop, match=r"Cannot write to .* \(File too large\)\. Make room there or give another --w"):
            loop.fit(model, train, train(0), workdir=tmp_path, epochs=1)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.glob("*.h5"))


def test_wrong_arguments_are_refused_before_any_training(tmp_path):
    with pytest.raises(ValueError, match="monitor is one of .*accuracy, .*val_loss.*Received: 'val_acuracy'"):
        loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1, monitor="val_acuracy")
    with pytest.raises(ValueError, match="mode is 'min' or 'max'"):
        loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1, mode="best")
    with pytest.raises(ValueError, match="xla is 'auto', 'on' or 'off'"):
        loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1, xla="maybe")
    with pytest.raises(ValueError, match="no batches"):
        loop.fit(make_model(), train(0).take(0), VALIDATION, workdir=tmp_path, epochs=1)


# The directory of a run


@dataclasses.dataclass(frozen=True)
class Config:
    units: int = config.option(4, "enough")
    epochs: int = config.option(1, "enough", may_change=True)


def test_start_keeps_the_configuration_and_sets_the_seeds(tmp_path):
    workdir = loop.start(tmp_path / "a" / "run", Config(), seed=3)
    assert json.loads((workdir / "config.json").read_text()) == {"units": 4, "epochs": 1}
    first = np.random.rand(), float(keras.random.normal(())), float(tf.random.normal(()))
    loop.start(workdir, Config(), seed=3)
    assert first == (np.random.rand(), float(keras.random.normal(())), float(tf.random.normal(())))


def test_a_run_with_epochs_refuses_another_configuration(tmp_path, capsys):
    loop.start(tmp_path, Config(), seed=0)
    loop.start(tmp_path, Config(units=5), seed=0)  # Nothing is done yet that it could spoil.
    loop.fit(make_model(), train, VALIDATION, workdir=tmp_path, epochs=1)
    with pytest.raises(Stop, match="would change units from 5 to 6. Give the old values again, or another --workdir"):
        loop.start(tmp_path, Config(units=6), seed=0)
    assert json.loads((tmp_path / "config.json").read_text())["units"] == 5
    loop.start(tmp_path, Config(units=5, epochs=2), seed=0)
    assert "Going on with a changed configuration: epochs from 1 to 2" in capsys.readouterr().out


def test_a_workdir_that_cannot_be_written_to_gets_one_sentence(tmp_path):
    (tmp_path / "file").write_text("in the way")
    for workdir in (tmp_path / "file", tmp_path / "file" / "run"):
        with pytest.raises(Stop, match=r"Cannot write to .*file.* \(.*\)\. Make room there or give another --workdir"):
            loop.start(workdir, Config(), seed=0)


@dataclasses.dataclass(frozen=True)
class Exporting:
    export: str


def test_an_export_that_cannot_be_written_to_gets_one_sentence_before_and_after_the_training(tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(
        Stop, match=r"Cannot write to .*model \(.*file is no folder .*\)\. Make room there or give another --exp"
    ):
        loop.start(tmp_path / "run", Exporting(str(tmp_path / "file" / "model")), seed=0)
    assert loop.start(tmp_path / "run", Exporting(str(tmp_path / "a" / "model")), seed=0).exists()
    with pytest.raises(Stop, match=r"\(Not a directory\).*--export; what was trained is kept"):
        with loop.exporting(tmp_path / "file" / "model"):
            os.makedirs(tmp_path / "file" / "model")
    with pytest.raises(Stop, match=r"\(Not a directory\).*--export; what was trained is kept"):
        with loop.exporting(tmp_path / "file" / "model"):
            tf.io.write_file(str(tmp_path / "file" / "model"), "")


def test_adam_rises_for_an_epoch_and_falls_to_three_tenths():
    optimizer = loop.adam(0.1, steps=10, epochs=5, clip=1.0, moving_average=0.9)
    rates = [float(optimizer._learning_rate(step)) for step in range(60)]
    assert rates[0] == pytest.approx(0.01) and rates[10] == max(rates) == pytest.approx(0.1)
    assert rates[50] == min(rates[10:]) == pytest.approx(0.03) == rates[59]
    assert optimizer.use_ema and optimizer.ema_momentum == 0.9 and optimizer.threshold == 1.0
    assert not optimizer.weight_decay
    lower = loop.adam(0.1, steps=10, epochs=5, clip=1.0, moving_average=0.9, end=0.05)
    assert float(lower._learning_rate(50)) == pytest.approx(0.005)


def test_adam_shrinks_kernels_and_not_what_is_called_bias_or_gain():
    optimizer = loop.adam(0.1, steps=1, epochs=3, clip=None, moving_average=0.9, weight_decay=0.5)
    weights = [keras.Variable([1.0, 2.0], name=name) for name in ("kernel", "bias", "gain")]
    optimizer.apply([tf.zeros(2)] * 3, weights)
    # The first rate is a tenth of the height.
    np.testing.assert_allclose(weights[0], [1 - 0.01 * 0.5, 2 * (1 - 0.01 * 0.5)], rtol=1e-5)
    for weight in weights[1:]:
        np.testing.assert_array_equal(weight, [1.0, 2.0])
