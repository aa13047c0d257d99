"""Training on several devices and several machines: who takes part, which rows of a batch are whose, who goes on after.

A process a machine, a worker, is told of the others by the environment variable TF_CONFIG, and has one replica of the
model on each of its GPUs, or one on its CPU. Each worker reads all batches and takes its replicas' rows of them, so the
joint batch is the one that a single process would train on, whatever its length and its number of rows.
docs/several_machines.md says how to start, and what is not the same. `training.loop` has what a pipeline needs of this.
"""

import contextlib
import functools
import json
import os
import sys

import keras
import tensorflow as tf

from training import Stop

MEANS, WEIGHTED_MEAN = ("sum_over_batch_size", "mean"), "mean_with_sample_weight"
# What a collective operation ends with when another process is gone.
GONE = (
    tf.errors.UnavailableError,
    tf.errors.AbortedError,
    tf.errors.CancelledError,
    tf.errors.DeadlineExceededError,
    tf.errors.FailedPreconditionError,
    tf.errors.InternalError,
)


@functools.cache
def strategy():
    """The `tf.distribute.Strategy` to make the model under, the same one at each call.

    With a TF_CONFIG of several workers it is theirs, and waits until all are there; else all visible GPUs of this
    machine, if there are several. TensorFlow wants it made before any other operation: `loop.start` does.

    Raises:
        Stop: TF_CONFIG is not as TensorFlow has it, or the workers do not find each other.
    """
    number, count = worker()
    if count > 1:
        print(f"Worker {number + 1} of {count}, waiting for the others", flush=True)
        try:
            return tf.distribute.MultiWorkerMirroredStrategy()
        except (tf.errors.OpError, RuntimeError) as error:
            raise Stop(
                f"The {count} workers of TF_CONFIG did not come together ({str(error).splitlines()[0]}). Start the "
                "same command on all of them within an hour, each with its own task, and see that the ports are free "
                "and open."
            ) from None
    if len(tf.config.list_physical_devices("GPU")) > 1:
        return tf.distribute.MirroredStrategy()
    return tf.distribute.get_strategy()


def worker():
    """The number of this process among the workers of TF_CONFIG, the first one's being 0, and how many there are."""
    try:
        if not isinstance(json.loads(os.environ.get("TF_CONFIG") or "{}"), dict):
            raise ValueError("TensorFlow takes anything without a cluster for none")
        resolver = tf.distribute.cluster_resolver.TFConfigClusterResolver()
        jobs = resolver.cluster_spec().as_dict()
        if sum(map(len, jobs.values())) < 2:
            return 0, 1
        tasks = [(job, place) for job in ("chief", "worker") for place in range(len(jobs.get(job, ())))]
        return tasks.index((resolver.task_type, resolver.task_id)), len(tasks)
    except (ValueError, KeyError, TypeError, AttributeError):
        raise Stop(
            'TF_CONFIG cannot be read. Wanted something like {"cluster": {"worker": ["10.0.0.1:2222", "10.0.0.2:2222"]}'
            ', "task": {"type": "worker", "index": 0}}, the index being 1 on the second machine.'
        ) from None


def rows_each(batch_size):
    """How many rows of a batch each replica reads: what a stateful model has to be built for."""
    return -(-batch_size // strategy().num_replicas_in_sync)


@contextlib.contextmanager
def together():
    """Within it, the loss of another worker, which TensorFlow notices in seconds, ends this one with one sentence."""
    try:
        yield
    except GONE:
        if worker()[1] == 1:
            raise
        raise Stop(
            "Another worker has ended or cannot be reached. See what it said last; then start the same command on all "
            "workers again: training goes on after the last finished epoch."
        ) from None


def everyones(number):
    """Waits until every worker has come here; returns what each gave, a list of ints, once for each of its replicas."""
    # Before `strategy` was called each is alone, as with --evaluate.
    if worker()[1] == 1 or not strategy.cache_info().currsize:
        return [number]
    count = strategy().num_replicas_in_sync

    def mine(context):
        return number * tf.one_hot(context.replica_id_in_sync_group, count, dtype=tf.int64)

    with together():
        given = strategy().experimental_distribute_values_from_function(mine)
        return strategy().reduce(tf.distribute.ReduceOp.SUM, given, axis=None).numpy().tolist()


@contextlib.contextmanager
def in_turn():
    """Within it the first worker is alone; the others follow when it is through and find the files that it wrote."""
    number, _ = worker()
    if number == 0:
        yield
    everyones(number)
    if number > 0:
        yield


def end_others():
    """Ends all workers but the first one, which measures and writes what was trained."""
    number, count = worker()
    if count == 1:
        return
    # Nobody leaves while another still needs it. Whoever finds that one has left already needs nobody.
    with contextlib.suppress(Stop):
        everyones(number)
    if number > 0:
        print("The training is over. The first worker goes on alone, measures and exports; this one ends.", flush=True)
        sys.exit()
    print("The training is over, and the other workers end. TensorFlow may call them crashed.", flush=True)


class Replicas:
    """Takes a model's steps on all its replicas, each on its own rows of every batch.

    Losses are those of the whole batch, as are gradients summed over the replicas.

    Args:
        model: a compiled and built `keras.Model`.
        dataset: of its batches, to build losses and metrics by.

    Raises:
        Stop: its optimizer scales the loss.
        ValueError: a loss is reduced to something else than a mean.
    """

    def __init__(self, model, dataset):
        self.model, self.strategy = model, model.distribute_strategy
        self.count = self.strategy.num_replicas_in_sync
        number, workers = worker()
        here = self.count // workers
        self.mine = range(number * here, (number + 1) * here)  # the replicas of this worker
        if not model.optimizer.built:
            # Else the first step would make its variables, and be traced twice for that.
            with self.strategy.scope():
                model.optimizer.build(model.trainable_variables)
        if self.count > 1:
            self._prepare(dataset)
        self._train, self._test = self._function(model.train_step), self._function(model.test_step)

    def _prepare(self, dataset):
        if isinstance(self.model.optimizer, keras.optimizers.LossScaleOptimizer):
            raise Stop("Loss scaling (mixed_float16) does not work on several devices. Train in mixed_bfloat16.")
        part, *_ = next(iter(dataset.take(1).map(self._parts)))
        with self.strategy.scope():
            self.model._symbolic_build(data_batch=part)
        losses = self.model._compile_loss._flat_losses
        losses[:] = [entry._replace(loss=JointLoss.of(entry.loss)) for entry in losses]

    def batches(self, dataset):
        """An iterator of the batches of a dataset, as `train` takes them."""
        if self.count == 1:
            yield from dataset
            return
        for parts in dataset.map(self._parts, num_parallel_calls=2).prefetch(2):
            yield self.strategy.experimental_distribute_values_from_function(
                lambda context, parts=parts: parts[context.replica_id_in_sync_group - self.mine[0]]
            )

    def _parts(self, *batch):
        return cut(batch, self.count, self.mine)

    def _function(self, step):
        run = functools.partial(self._run, step)
        if self.model.run_eagerly:
            return run
        return tf.function(run, reduce_retracing=True, jit_compile=self.model.jit_compile, autograph=False)

    def _run(self, step, batch):
        results = self.strategy.run(step, args=(batch,))
        return tf.reduce_mean(tf.stack(self.strategy.experimental_local_results(results["loss"])))

    def train(self, batch):
        """One step of training -> the loss since `reset_metrics`, float32 (), of this worker's replicas."""
        return self._train(batch)

    def evaluate(self, dataset):
        """The loss and all metrics over a dataset, on all replicas: dict of floats."""
        self.model.reset_metrics()
        for batch in self.batches(dataset):
            self._test(batch)
        return self.results()

    def results(self):
        """The loss and all metrics since `reset_metrics`, of all replicas: dict of floats."""
        return {name: float(value) for name, value in self.model.get_metrics_result().items()}

    def spread(self, generators):
        """Lets each replica draw numbers of its own, which else would be the same in all.

        Args:
            generators: variables of `keras.random.SeedGenerator`s, alike in all replicas.
        """
        for variable in generators if self.count > 1 else ():
            for replica, copy in zip(self.mine, self.strategy.experimental_local_results(variable.value)):
                copy.assign(copy + [replica, 0])

    def align(self, variables):
        """Gives all replicas the first one's values of the variables: each machine may have set others."""
        if self.count == 1:
            return

        @tf.function(autograph=False)
        def send():
            def receive():
                context = tf.distribute.get_replica_context()
                for variable in variables:
                    mine = tf.where(tf.equal(context.replica_id_in_sync_group, 0), variable.value, 0)
                    variable.value.assign(context.all_reduce(tf.distribute.ReduceOp.SUM, mine))

            self.strategy.run(receive)

        send()


def cut(batch, count, chosen):
    """Cuts a batch for replicas.

    Args:
        batch: any structure of tensors `(rows, ...)`.
        count: number of replicas.
        chosen: numbers of replicas.

    Returns:
        Tuple of such structures, consecutive rows for each of the chosen replicas, one more for some than for others. A
        batch of fewer rows than replicas is repeated until there is one for each, which changes no mean.
    """
    first = keras.tree.flatten(batch)[0]
    rows = first.shape[0] or tf.shape(first)[0]
    most = rows * -(-count // rows)
    places = [tf.range(most * replica // count, most * (replica + 1) // count) % rows for replica in chosen]
    return tuple(keras.tree.map_structure(lambda t, place=place: tf.gather(t, place), batch) for place in places)


class JointLoss(keras.losses.Loss):
    """A loss that is the mean over the rows, or the weights, of all replicas and not the mean of their means.

    Its value is that of the whole batch over the number of replicas, as Keras has it in each of them; its gradient is
    this replica's part.
    """

    def __init__(self, loss):
        super().__init__(name=loss.name, dtype=loss.dtype)
        self.loss = loss

    @classmethod
    def of(cls, loss):
        if isinstance(loss, cls):
            return loss
        if loss.reduction not in (*MEANS, WEIGHTED_MEAN):
            raise ValueError(
                f"On several devices losses are reduced to a mean: {', '.join(MEANS)} or {WEIGHTED_MEAN}. Received: "
                f"{loss.name} with reduction={loss.reduction!r}"
            )
        return cls(loss)

    def __call__(self, y_true, y_pred, sample_weight=None):
        context = tf.distribute.get_replica_context()
        replicas = context.num_replicas_in_sync if context else 1
        value = self.loss(y_true, y_pred, sample_weight)
        if replicas == 1:
            return value
        divisor = tf.cast(self._divisor(y_pred, sample_weight), value.dtype)
        part = value * replicas * divisor
        whole, divisor = context.all_reduce(tf.distribute.ReduceOp.SUM, [tf.stop_gradient(part), divisor])
        own = tf.math.divide_no_nan(part, divisor)
        return own + tf.stop_gradient(tf.math.divide_no_nan(whole, divisor) / replicas - own)

    def _divisor(self, y_pred, weights):
        """What Keras has divided by: the rows, or what a mask and the weights leave."""
        mask = getattr(y_pred, "_keras_mask", None)
        given = [] if mask is None else [tf.cast(mask, tf.float32)]
        if weights is not None and self.loss.reduction == WEIGHTED_MEAN:
            given.append(tf.cast(weights, tf.float32))
        return tf.reduce_sum(functools.reduce(tf.multiply, given)) if given else tf.shape(y_pred)[0]
