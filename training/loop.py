"""The one fit loop of every application.

    workdir = loop.start(config.workdir, config, seed=config.seed)
    with loop.strategy().scope():
        model = ...
        model.compile(optimizer=loop.clipped(keras.optimizers.Adam(1e-3), 1.0), loss=..., metrics=[...])
    rows = loop.fit(model, train, validation, workdir=workdir, epochs=10, monitor="val_accuracy", mode="max")

`fit` can be killed at any moment: the same command goes on after the last finished epoch and ends as if unharmed.
What it leaves in the workdir:

    config.json         the configuration that made the run
    metrics.jsonl       one object an epoch
    tensorboard/        the same numbers for TensorBoard
    checkpoint.weights.h5   weights, optimizer and random generators after the last finished epoch
    best.weights.h5     the weights of the best epoch, which the model has when `fit` returns

It runs the epochs itself and leaves each step to Keras (`train_step`, `test_step`). `Model.fit` with callbacks came
close, but takes one Dataset for all epochs, so a resumed epoch would see other batches; its BackupAndRestore writes
weights and epoch to two files, between which a kill can fall, and leaves out the random generators; it ends by
replacing the weights by their moving average, where resuming needs both; and it fails with several workers.

With several workers (see `training.workers`) the first one writes, and what a pipeline does besides is

    with loop.in_turn():
        ...  # write files that all then read
    model.build((loop.rows_each(config.batch_size), ...))  # of a stateful model
    ...
    rows = loop.fit(...)
    loop.end_others()  # before measuring and exporting
"""

import contextlib
import dataclasses
import errno
import json
import math
import os
import re
import shutil
import sys
import time
import warnings
import zlib
from pathlib import Path

import h5py
import keras
import tensorflow as tf

from training import Stop
from training import config as configuration
from training.workers import Replicas, end_others, everyones, in_turn, rows_each, strategy, together, worker

__all__ = ["adam", "clipped", "end_others", "exporting", "fit", "in_turn", "rows_each", "start", "strategy"]
CONFIG, METRICS, TENSORBOARD = "config.json", "metrics.jsonl", "tensorboard"
CHECKPOINT, BEST = "checkpoint.weights.h5", "best.weights.h5"


def start(workdir, config, *, seed):
    """Opens the directory of a run, keeps its configuration there and sets all seeds: a training script's first line.

    With several workers it waits for them.

    Args:
        workdir: The run's directory, made if need be. One that has finished epochs is gone on with.
        config: The dataclass of configuration (see `training.config`).
        seed: For Python, NumPy, TensorFlow and Keras.

    Returns:
        The directory as a `Path`.

    Raises:
        Stop: The directory, or that of `config.export`, cannot be written to, or holds epochs of a run with another
            configuration. Fields marked `may_change` may differ. Or the workers have different configurations.
    """
    strategy()
    if len(set(everyones(zlib.crc32(_common(config))))) > 1:
        raise Stop("The workers were started with different options. Start the same command on all of them.")
    workdir = Path(workdir).expanduser()
    if hasattr(config, "export") and worker()[0] == 0:
        with exporting(config.export):  # before hours of work
            _check_writable(Path(config.export))
    with _writing(workdir):
        workdir.mkdir(parents=True, exist_ok=True)
        if (workdir / CHECKPOINT).exists() and (workdir / CONFIG).exists():
            spoiling, harmless = configuration.changes(config, workdir / CONFIG)
            if spoiling:
                raise Stop(
                    f"The run in {workdir} was started with another configuration; going on would change "
                    f"{'; '.join(spoiling)}. Give the old values again, or another --workdir for a new run."
                )
            if harmless:
                print(f"Going on with a changed configuration: {'; '.join(harmless)}")
        if worker()[0] == 0:
            with _replacing(workdir / CONFIG) as temporary:
                configuration.write(config, temporary)
    keras.utils.set_random_seed(seed)
    return workdir


def _check_writable(folder):
    nearest = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not (nearest.is_dir() and os.access(nearest, os.W_OK)):
        raise OSError(errno.EACCES, f"{nearest} is no folder that can be written to")


def _common(config):
    """What of a configuration all workers have to have alike: all but paths and the like."""
    fields = {field.name: (getattr(config, field.name), field.metadata) for field in dataclasses.fields(config)}
    alike = {
        name: value
        for name, (value, about) in fields.items()
        if not (about.get("may_change") and isinstance(value, str | None))
    }
    return json.dumps(alike).encode()


def clipped(optimizer, threshold):
    """The same optimizer, with its gradient clipped by global norm as the lectures have it, and the norm measured.

    g <- g * threshold / ||g||  if ||g|| > threshold, with ||g|| over all gradients together, summed over the replicas
    first (Pascanu et al., 2013). Keras's own `global_clipnorm` does not tell the norm, and clips each replica's share
    by itself. Works with jit_compile, as inner optimizer of a LossScaleOptimizer, and with use_ema.

    Args:
        optimizer: A Keras optimizer that has not been used yet and does not clip or accumulate gradients itself.
            `exclude_from_weight_decay` is to be called on the result.
        threshold: The largest norm let through, or None to measure only.

    Returns:
        An optimizer of a subclass of the given one's class; `fit` logs what it measures.
    """
    if threshold is not None and not threshold > 0:
        raise ValueError(f"threshold is a positive number, or None not to clip. Received: {threshold}")
    if optimizer.clipnorm or optimizer.clipvalue or optimizer.global_clipnorm or optimizer.gradient_accumulation_steps:
        raise ValueError(
            "clipped() wants an optimizer without clipnorm, clipvalue, global_clipnorm and gradient_accumulation_steps."
        )
    kind = type(optimizer)
    result = type(f"Clipped{kind.__name__}", (_Clipped, kind), {}).from_config(optimizer.get_config())
    result.threshold = threshold
    return result


def adam(learning_rate, *, steps, epochs, clip, moving_average, end=0.3, weight_decay=None):
    """An Adam whose rate rises for one epoch and falls by a cosine, clipped and averaged.

    Args:
        learning_rate: at its height, after the first epoch; it begins with a tenth.
        steps: batches of an epoch.
        epochs: after which the rate has fallen.
        clip: the `threshold` of `clipped`.
        moving_average: share that the average of the weights keeps of itself at each step.
        end: share of `learning_rate` that is left after the last epoch.
        weight_decay: share of the rate by which kernels and embeddings shrink at each step (Loshchilov and Hutter
            2019), None for none. What is called bias or gain does not.

    Returns:
        An optimizer as `clipped` gives it.
    """
    rate = keras.optimizers.schedules.CosineDecay(
        0.1 * learning_rate,
        max(1, steps * (epochs - 1)),
        alpha=end,  # of the height, not of the rate that it begins with
        warmup_target=learning_rate,
        warmup_steps=steps,
    )
    optimizer = keras.optimizers.Adam(rate, weight_decay=weight_decay, use_ema=True, ema_momentum=moving_average)
    optimizer = clipped(optimizer, clip)
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_names=["bias", "gain"])
    return optimizer


class _Clipped:
    """What `clipped` puts before an optimizer class. Its counters are optimizer variables, so XLA can update them."""

    def build(self, variables):
        super().build(variables)
        self.counters = [
            # All replicas know the norm of the joint gradient, so any one's counters will do.
            self.add_variable((), name=name, dtype="float32", aggregation="only_first_replica")
            for name in ("steps", "clipped_steps", "gradient_norm_sum", "gradient_norm_max")
        ]

    def apply(self, grads, trainable_variables=None):
        if not self.built:
            self.build(list(trainable_variables))
        # An embedding's gradient comes as rows with indices, where a word that occurs twice has two rows; only their
        # sum is the gradient whose norm is meant.
        present = [tf.convert_to_tensor(g) for g in grads if g is not None]
        if tf.distribute.get_strategy().num_replicas_in_sync > 1:
            present = tf.distribute.get_replica_context().all_reduce(tf.distribute.ReduceOp.SUM, present)
        norm = tf.linalg.global_norm([tf.cast(g, tf.float32) for g in present])
        threshold = math.inf if self.threshold is None else self.threshold
        scale = tf.where(norm > threshold, threshold / norm, 1.0)
        steps, clipped_steps, norm_sum, norm_max = self.counters
        steps.assign_add(1.0)
        clipped_steps.assign_add(tf.cast(norm > threshold, tf.float32))
        norm_sum.assign_add(norm)
        norm_max.assign(tf.maximum(norm_max, norm))
        joint = iter([g * tf.cast(scale, g.dtype) for g in present])
        super().apply([None if g is None else next(joint) for g in grads], trainable_variables)

    def _all_reduce_sum_gradients(self, grads_and_vars):
        """Keras's sum over the replicas, which `apply` has done."""
        return grads_and_vars

    def take_gradient_norms(self):
        """Returns what was measured since the last call: the mean and largest norm, and the share of clipped steps."""
        steps, clipped_steps, norm_sum, norm_max = (float(counter.numpy()) for counter in self.counters)
        for counter in self.counters:
            counter.assign(0.0)
        # Loss scaling skips steps, at worst all of an epoch's.
        steps = max(steps, 1.0)
        return {
            "gradient_norm_mean": norm_sum / steps,
            "gradient_norm_max": norm_max,
            "clipped_share": clipped_steps / steps,
        }


@together()
def fit(
    model, train, validation, *, workdir, epochs, monitor="val_loss", mode="min", patience=None, seed=0, xla="auto"
):
    """Trains a model, or goes on training it, and leaves it with its best weights.

    Args:
        model: A compiled and built `keras.Model`, best with an optimizer from `clipped`. If its optimizer has use_ema,
            validation and the best weights are those of the moving average.
        train: A `tf.data.Dataset` of batches, or a function from the epoch, counted from 0, to one. With a function
            whose batches depend on nothing but seed and epoch, a killed run ends exactly as it would have ended.
        validation: A `tf.data.Dataset` of batches.
        workdir: The run's directory, as `start` returned it.
        epochs: How many epochs in all, with those of earlier calls.
        monitor: The metric that says which epoch is best, as it is called in metrics.jsonl.
        mode: "min" or "max", whether less or more of it is better.
        patience: Stop after so many epochs without a better one; None to run them all.
        seed: Python's, NumPy's and TensorFlow's generators are seeded with seed + epoch before each epoch.
        xla: "on", "off", or "auto": on where there is a GPU and the model supports it. Replaces `jit_compile`.

    Returns:
        The rows of metrics.jsonl, one dictionary an epoch: epoch (counted from 1), seconds, steps, the metrics of
        training and, beginning with val_, of validation, learning_rate, gradient_norm_mean, gradient_norm_max (both
        before clipping), clipped_share (0 to 1).

    Raises:
        Stop: The loss is no longer a number, the workdir cannot be written to, XLA was forced and cannot be, the
            checkpoint belongs to another model, or another worker has ended; one sentence each.
        ValueError: A wrong argument.
    """
    if mode not in ("min", "max"):
        raise ValueError(f"mode is 'min' or 'max'. Received: {mode!r}")
    if not model.built:
        raise ValueError("fit wants a built model: call model.build(...) or call it on a batch first.")
    if tf.distribute.has_strategy():
        raise ValueError("fit wants to be called outside of the scope of a strategy: saving makes variables.")
    workdir = Path(workdir)
    _set_xla(model, xla)
    replicas = Replicas(model, validation)
    _check_monitor(replicas, validation, monitor)

    rows = _resume(model, workdir)
    replicas.align(model.weights + _seeds(model))
    replicas.spread(_seeds(model))
    writes = worker()[0] == 0
    if writes:
        with _writing(workdir):
            # The events are written anew from the rows, so that a kill leaves neither gaps nor doubles in TensorBoard.
            shutil.rmtree(workdir / TENSORBOARD, ignore_errors=True)
            events = tf.summary.create_file_writer(str(workdir / TENSORBOARD))
            _summarise(events, rows)
    sign = 1 if mode == "min" else -1
    for epoch in range(len(rows), epochs):
        best = min(rows, key=lambda row: sign * row[monitor], default=None)
        if patience is not None and best and len(rows) - best["epoch"] >= patience:
            print(f"Stopped early: no better {monitor} for {patience} epochs after epoch {best['epoch']}.")
            break
        # Whatever draws from these generators has to draw the same after a kill; the SeedGenerators of the layers are
        # in the checkpoint.
        keras.utils.set_random_seed(seed + epoch)
        row = _epoch(replicas, train(epoch) if callable(train) else train, validation, epoch, epochs, workdir, rows)
        if not math.isfinite(row[monitor]):
            raise Stop(_not_a_number(monitor, f"at the end of epoch {epoch + 1}", model, workdir, rows))
        better = best is None or sign * row[monitor] < sign * best[monitor]
        rows.append(row)
        if writes:
            # The checkpoint is last: a kill before it repeats the epoch, and repeating overwrites what stands here.
            with _writing(workdir):
                if better:
                    with _averaged(model):
                        _save(model, workdir / BEST)
                _write_rows(workdir, rows)
                _save(model, workdir / CHECKPOINT, epoch=epoch + 1)
                _summarise(events, [row])
        print(_line(row, epochs) + (f"  (best {monitor} so far)" if better else ""), flush=True)
    if rows:
        if writes:
            model.load_weights(workdir / BEST)
        replicas.align(model.weights)
        best = min(rows, key=lambda row: sign * row[monitor])
        print(f"Best epoch: {best['epoch']} with {monitor} {best[monitor]:.4f}; its weights are in {workdir / BEST}")
    return rows


def _epoch(replicas, dataset, validation, epoch, epochs, workdir, rows):
    """Trains for one epoch and validates; returns the row of metrics."""
    began = time.perf_counter()
    model = replicas.model
    model.reset_metrics()
    earlier_steps = rows[-1]["steps"] if rows else None
    losses, shown, step = [], began, 0
    for step, batch in enumerate(replicas.batches(dataset), start=1):
        with _compiling(model):
            loss = replicas.train(batch)
        losses.append(loss)
        # Reading a loss waits for the GPU, so they are read a hundred at a time. Each is the epoch's mean so far, and
        # NaN once a step was.
        if len(losses) == 100:
            _check(losses, step, epoch, model, workdir, rows)
            losses.clear()
        if sys.stdout.isatty() and time.perf_counter() - shown > 0.5:
            shown = time.perf_counter()
            _show_progress(float(loss), epoch, epochs, step, earlier_steps, shown - began)
    if step == 0:
        raise ValueError("The training data has no batches.")
    _check(losses, step, epoch, model, workdir, rows)
    metrics = replicas.results()
    with _averaged(model):
        results = replicas.evaluate(validation)
    metrics |= {f"val_{name}": value for name, value in results.items()}
    if sys.stdout.isatty():
        print("\r\033[K", end="")
    optimizer = _inner(model.optimizer)
    return {
        "epoch": epoch + 1,
        "seconds": round(time.perf_counter() - began, 3),
        "steps": step,
        **metrics,
        "learning_rate": float(f"{_number(optimizer.learning_rate):.6g}"),
        **(optimizer.take_gradient_norms() if isinstance(optimizer, _Clipped) else {}),
    }


def _check(losses, step, epoch, model, workdir, rows):
    for place, loss in enumerate(losses, start=step - len(losses) + 1):
        if not math.isfinite(_number(loss)):
            raise Stop(_not_a_number("loss", f"in epoch {epoch + 1} at step {place}", model, workdir, rows))


def _not_a_number(name, where, model, workdir, rows):
    optimizer = _inner(model.optimizer)
    threshold = getattr(optimizer, "threshold", None)
    clip = f"a clipping threshold under {threshold}" if threshold else "gradient clipping"
    kept = f"The weights after epoch {len(rows)} are kept in {workdir / CHECKPOINT}. " if rows else ""
    return (
        f"The {name} became NaN or infinite {where}. {kept}Try a learning rate under "
        f"{_number(optimizer.learning_rate):.3g} or {clip}, in another --workdir."
    )


def _set_xla(model, choice):
    if choice not in ("auto", "on", "off"):
        raise ValueError(f"xla is 'auto', 'on' or 'off'. Received: {choice!r}")
    obstacle = _xla_obstacle(model)
    if choice == "on" and obstacle:
        raise Stop(f"--xla on cannot be: {obstacle}. Run with --xla auto or off.")
    if choice == "auto" and not obstacle and not tf.config.list_physical_devices("GPU"):
        obstacle = "there is no GPU"
    model.jit_compile = choice != "off" and not obstacle
    model.train_function = model.test_function = None  # Keras makes them anew, with or without XLA.
    reason = f"auto: {obstacle or 'there is a GPU'}" if choice == "auto" else "as asked"
    print(f"XLA is {'on' if model.jit_compile else 'off'} ({reason}).")


def _xla_obstacle(model):
    """What keeps XLA from compiling this model, or None."""
    for layer in model._flatten_layers():
        if not layer.supports_jit:
            return f"the layer {layer.name} does not support XLA"
    if model.run_eagerly:
        return "the model was compiled with run_eagerly=True"
    if model.distribute_strategy.num_replicas_in_sync > 1:
        return "the model is on several devices, and XLA compiles for one"
    model.jit_compile = True
    return None if model.jit_compile else "Keras refuses it here, as it does when operations are to be deterministic"


@contextlib.contextmanager
def _compiling(model):
    """Around a model's first steps: an operation that XLA does not know shows only now."""
    try:
        yield
    except (tf.errors.InvalidArgumentError, tf.errors.UnimplementedError) as error:
        if model.jit_compile and "XLA" in str(error):
            first_line = str(error).splitlines()[0]
            raise Stop(f"XLA cannot compile this model ({first_line}). Run with --xla off.") from None
        raise


def _check_monitor(replicas, validation, monitor):
    """Says a misspelt metric before the first epoch and not after it; only evaluating makes Keras build its metrics."""
    with _compiling(replicas.model):
        names = list(replicas.evaluate(validation.take(1)))
    names += [f"val_{name}" for name in names]
    if monitor not in names:
        raise ValueError(f"monitor is one of {', '.join(names)}. Received: {monitor!r}")


def _resume(model, workdir):
    """Gives the model the state of the last finished epoch, if there is one; returns the rows up to there."""
    path = workdir / CHECKPOINT
    try:
        epoch = _finished(path)
        if len(set(everyones(epoch))) > 1:
            raise Stop(f"The workers see different files in {workdir}. It has to be on a disk that all of them share.")
        if not epoch:
            return []
        with h5py.File(path, "r") as file:
            for number, variable in enumerate(_generators(model)):
                variable.assign(file[f"generators/{number}"][()])
        with warnings.catch_warnings():
            # Keras only warns when the state of the optimizer does not fit, and would go on with a fresh one.
            warnings.simplefilter("error")
            model.load_weights(path)
        rows = [json.loads(line) for line in (workdir / METRICS).read_text(encoding="utf-8").splitlines()[:epoch]]
        if len(rows) < epoch or not (workdir / BEST).exists():
            raise ValueError(f"{METRICS} or {BEST} is not complete")
    except (OSError, KeyError, ValueError, UserWarning) as error:
        raise Stop(
            f"The run in {workdir} cannot be gone on with: its files are damaged or of another model "
            f"({str(error).splitlines()[0]}). Give another --workdir, or delete this one."
        ) from None
    print(f"Going on after epoch {epoch}, from {path}")
    return rows


def _finished(path):
    """The epochs behind a checkpoint, 0 if there is none."""
    if not path.exists():
        return 0
    with h5py.File(path, "r") as file:
        return int(file.attrs["epoch"])


def _inner(optimizer):
    """The optimizer inside a LossScaleOptimizer, or itself."""
    return getattr(optimizer, "inner_optimizer", optimizer)


@contextlib.contextmanager
def _averaged(model):
    """Within it, the model has the moving averages of its weights, if its optimizer keeps them."""
    if not _inner(model.optimizer).use_ema:
        yield
        return
    swap = keras.callbacks.SwapEMAWeights()
    swap.set_model(model)
    swap.on_test_begin()
    try:
        yield
    finally:
        swap.on_test_end()


def _save(model, path, **attributes):
    with _replacing(path) as temporary:
        _find_room(temporary, model)
        model.save_weights(temporary)
        with h5py.File(temporary, "r+") as file:
            file.attrs.update(attributes)
            # Keras saves no state of its random generators, and a resumed run would draw its first dropout masks again.
            for number, variable in enumerate(_generators(model)):
                file[f"generators/{number}"] = variable.numpy()


def _find_room(path, model):
    """Raises an OSError where the disk has no room for a checkpoint; HDF5, finding none, would take Python with it."""
    variables = [*model.variables, *model.optimizer.variables, *_inner(model.optimizer).variables]
    variables = {id(variable): variable for variable in variables}.values()
    numbers = sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)
    # HDF5 adds some kilobytes to each.
    path.write_bytes(bytes(numbers + 8_000 * len(variables) + 100_000))


def _generators(model):
    """The state variables of the SeedGenerators in the model's layers: what is neither weight nor metric."""
    others = {id(variable) for variable in model.weights + model.metrics_variables}
    return [variable for variable in model.variables if id(variable) not in others]


def _seeds(model):
    return [variable for variable in _generators(model) if variable.name == "seed_generator_state"]


def _write_rows(workdir, rows):
    with _replacing(workdir / METRICS) as temporary:
        temporary.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def _summarise(events, rows):
    with events.as_default():
        for row in rows:
            for name, value in row.items():
                if name != "epoch":
                    tf.summary.scalar(name, value, step=row["epoch"])
    events.flush()


@contextlib.contextmanager
def _replacing(path):
    """Gives a temporary path to write to, which replaces `path` in one go when it is safely on disk."""
    temporary = path.with_name(f"new.{path.name}")
    try:
        yield temporary
        with open(temporary, "rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


@contextlib.contextmanager
def _writing(
    folder, option="--workdir", kept="epochs finished before are kept, and the same command goes on after them"
):
    try:
        yield
    except (OSError, tf.errors.OpError) as error:
        # HDF5 hides the number of the error in several lines of its own, and TensorFlow the reason behind a path.
        number = re.search(r"errno = (\d+)", str(error))
        reason = os.strerror(int(number[1])) if number else getattr(error, "strerror", None)
        reason = reason or re.sub(r".*; | \[Op:\w+\]$", "", str(error).splitlines()[0])
        raise Stop(f"Cannot write to {folder} ({reason}). Make room there or give another {option}; {kept}.") from None


def exporting(folder):
    """Within it, a `folder` for the SavedModel that cannot be written to ends the run with one sentence."""
    return _writing(folder, "--export", "what was trained is kept, and the same command goes on from there")


def _number(value):
    return float(keras.ops.convert_to_numpy(value))


def _show_progress(loss, epoch, epochs, step, steps, seconds):
    of = f"/{steps}" if steps else ""
    text = f"epoch {epoch + 1}/{epochs}  step {step}{of}  {step / seconds:.1f} steps/s  loss {loss:.4f}"
    print(f"\r\033[K{text}", end="", flush=True)


def _line(row, epochs):
    hidden = ("epoch", "seconds", "steps", "gradient_norm_mean", "gradient_norm_max", "clipped_share", "learning_rate")
    parts = [f"epoch {row['epoch']}/{epochs}", f"{row['seconds']:.0f} s"]
    parts += [f"{name} {value:.4f}" for name, value in row.items() if name not in hidden]
    parts.append(f"learning_rate {row['learning_rate']:.2g}")
    if "gradient_norm_mean" in row:
        parts.append(
            f"gradient norm {row['gradient_norm_mean']:.2f} (at most {row['gradient_norm_max']:.2f}, "
            f"{row['clipped_share']:.0%} of steps clipped)"
        )
    return "  ".join(parts)
