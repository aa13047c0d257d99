"""The driver: everything about time, and nothing about gates."""

import inspect
import re
from types import SimpleNamespace

import keras
from keras import ops, tree

from seqkeras.layers.cell import RecurrentCell, check_units
from seqkeras.layers.checkpoints import run_checkpointed
from seqkeras.layers.recurrence import run_automatic, run_derived
from seqkeras.layers.scan import scan
from seqkeras.layers.stacked_rnn_cells import StackedRNNCells, output_size

GRADIENTS = ("auto", "derived", "automatic")


@keras.saving.register_keras_serializable("seqkeras")
class RNN(keras.layers.Layer):
    """Runs a cell through a sequence; a drop-in for `keras.layers.RNN`.

    Takes the cells of this package, stacks of them, and any cell written for `keras.layers.RNN`. The cells of this
    package run on a fast path: one product with the kernel for all steps, and the lectures' backpropagation through
    time, derived by hand, instead of automatic differentiation of the loop. `layer.path` says which path runs.

    Any pattern of masks is legal: padding on either side, holes, rows masked throughout. A masked step leaves the
    states as they are and repeats the last output (zeros before the first), or gives zeros if `zero_output_for_mask`.
    What stands in the masked steps of the input, be it NaN, never reaches a result.

    Args:
        cell: a cell, or a list of cells to stack. A cell has `call(inputs, states) -> output, new_states` and
            `state_size`, and may have `output_size` and `get_initial_state(batch_size)`.
        return_sequences: give the output of every step instead of the last one's.
        return_state: give the last states beside the output.
        go_backwards: run from the last step to the first, and give outputs in that order.
        stateful: begin each batch with the states that the one before ended with; `reset_state()` sets them to zero.
        unroll: write the loop out step by step; the number of steps must be static.
        zero_output_for_mask: give zeros at masked steps.
        gradient: "derived", "automatic", or "auto", which is derived wherever the cell and its activations allow it.
        checkpoint_every: number of steps between gradient checkpoints, or None for none. With it, training keeps the
            states at every so many steps alone and computes the steps between again for the gradient: for sequences too
            long for the memory. Values and gradients stay the same; a training step takes 5 to 20 % longer. The
            square root of the length is a good number. For the cells of this package.

    Call arguments:
        sequences: `(batch, time, features)`; a foreign cell may take more axes.
        initial_state: list of the initial states, one tensor `(batch, size)` a state; zeros if None.
        mask: bool `(batch, time)`; True keeps. If None, the mask that the input carries from an earlier layer.
        training: whether dropout is applied.
        constants: list of tensors that every step reads, such as what an `AttentionCell` attends to. The cell gets them
            as the argument `constants` of its `call`, or what its `prepare(constants, constants_mask, training)` makes
            of them, once a sequence; and their shapes as the argument `constants_shape` of its `build`, if it has one.

    Returns:
        `(batch, output_size)`, or `(batch, time, output_size)` if `return_sequences`; a tuple of it and of each last
        state `(batch, size)` if `return_state`. Of a cell with several outputs, all of them before the states.

    Raises:
        ValueError: if the cell is none, if a stateful layer is not told its batch size or meets another one, if
            `unroll` meets an unknown length, if `gradient="derived"` is asked of a cell that has none, or if
            `checkpoint_every` is no positive integer, or is asked of a foreign cell or of an unrolled loop.
    """

    def __init__(
        self,
        cell,
        return_sequences=False,
        return_state=False,
        go_backwards=False,
        stateful=False,
        unroll=False,
        zero_output_for_mask=False,
        gradient="auto",
        checkpoint_every=None,
        **kwargs,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell, dtype=kwargs.get("dtype"))
        for attribute in ("call", "state_size"):
            if attribute not in dir(cell):
                raise ValueError(
                    f"Argument `cell` should have a `{attribute}`: `call(inputs, states)` and `state_size`, an integer "
                    f"or a list of one a state, are what makes a cell. Received: cell={cell}"
                )
        state_size = cell.state_size
        if not isinstance(state_size, (list, tuple, int)):
            raise ValueError(
                "`state_size` of a cell must be an integer, or a list or tuple of integers, one a state. "
                f"Received: state_size={state_size}"
            )
        if gradient not in GRADIENTS:
            raise ValueError(f"`gradient` should be one of {GRADIENTS}. Received: gradient={gradient!r}")
        if checkpoint_every is not None:
            check_units(checkpoint_every, "checkpoint_every")
            if unroll:
                raise ValueError(
                    "A loop that is written out has no checkpoints: use `unroll` or `checkpoint_every`. "
                    f"Received: unroll={unroll}, checkpoint_every={checkpoint_every}"
                )
            foreign = [c for c in getattr(cell, "cells", [cell]) if not has_step(c)]
            if foreign:
                raise ValueError(
                    "`checkpoint_every` is for the cells of seqkeras.layers, whose steps are without side effects and "
                    f"can be run again. Received: checkpoint_every={checkpoint_every} with the cell {foreign[0]}"
                )
        super().__init__(**kwargs)
        self.cell = cell
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.go_backwards = go_backwards
        self.stateful = stateful
        self.unroll = unroll
        self.zero_output_for_mask = zero_output_for_mask
        self.gradient = gradient
        self.checkpoint_every = checkpoint_every
        self.single_state = isinstance(state_size, int)
        self.state_size = [state_size] if self.single_state else list(state_size)
        self.supports_masking = True
        # In a namespace, where Keras does not count the states of a stateful layer among its weights.
        self._stateful = SimpleNamespace(states=None)
        self._expected_batch_size = None
        if gradient == "derived" and self.path != "derived":
            names = ("activation", "recurrent_activation")
            given = [getattr(c, name) for c in getattr(cell, "cells", [cell]) for name in names if hasattr(c, name)]
            raise ValueError(
                f"gradient='derived' was asked for, but no gradient is derived for {cell} with the activations "
                f"{', '.join(getattr(activation, '__name__', str(activation)) for activation in given)}. "
                "Use gradient='auto', or a cell of seqkeras.layers with tanh, sigmoid, relu, linear or hard_sigmoid."
            )

    @property
    def path(self):
        """The path that runs: "derived" (backpropagation through time by hand) or "automatic" (differentiated)."""
        cells = self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]
        derived = all(has_step(c) and _has_derived_gradient(c) for c in cells)
        return "derived" if derived and self.gradient != "automatic" else "automatic"

    # Shapes, masks, weights

    def compute_output_shape(self, sequences_shape, initial_state_shape=None, constants_shape=None):
        leading = tuple(sequences_shape[: 2 if self.return_sequences else 1])
        outputs = [(*leading, size) for size in self._output_sizes]
        if not self.return_state:
            return tuple(outputs) if len(outputs) > 1 else outputs[0]
        return *outputs, *tree.map_structure(lambda size: (sequences_shape[0], size), self.state_size)

    @property
    def _output_sizes(self):
        size = output_size(self.cell)
        return list(size) if isinstance(size, (list, tuple)) else [size]

    def compute_mask(self, _, mask):
        mask = tree.flatten(mask)[0]
        outputs = [mask if self.return_sequences else None] * len(self._output_sizes)
        if self.return_state:
            return [*outputs, *([None] * len(self.state_size))]
        return outputs if len(outputs) > 1 else outputs[0]

    def build(self, sequences_shape, initial_state_shape=None, constants_shape=None):
        if isinstance(self.cell, keras.layers.Layer) and not self.cell.built:
            takes = "constants_shape" in inspect.signature(self.cell.build).parameters
            given = {"constants_shape": constants_shape} if takes else {}
            self.cell.build((sequences_shape[0], *sequences_shape[2:]), **given)
            self.cell.built = True
        if self.stateful and self.states is None:
            if sequences_shape[0] is None:
                raise ValueError(
                    "A stateful RNN keeps one state for each row of the batch, so the batch size must be static. "
                    f"Received: sequences shape {sequences_shape}. Give the input a `batch_size` or a `batch_shape`."
                )
            self._expected_batch_size = sequences_shape[0]
            self._stateful.states = tree.map_structure(
                lambda value: keras.Variable(value, trainable=False, dtype=self.variable_dtype, name="rnn_state"),
                self.get_initial_state(sequences_shape[0]),
            )
        self.built = True

    # States

    @property
    def states(self):
        """The states a stateful layer begins the next batch with, a list of variables; None before it is built."""
        return self._stateful.states

    @property
    def variables(self):
        """All variables, the states of a stateful layer among them, which are no weights."""
        return super().variables + tree.flatten(self.states or [])

    def get_initial_state(self, batch_size):
        """The states a sequence begins with: a list of tensors `(batch_size, size)`, zeros unless the cell differs."""
        if getattr(self.cell, "get_initial_state", None):
            states = self.cell.get_initial_state(batch_size=batch_size)
        else:
            states = tree.map_structure(
                lambda size: ops.zeros((batch_size, size), dtype=self.cell.compute_dtype), self.state_size
            )
        return list(states) if tree.is_nested(states) else [states]

    def reset_state(self, rows=None):
        """Sets the states of a stateful layer to zero: all, or in the rows where `rows`, bool `(batch,)`, is True."""
        for variable in tree.flatten(self.states) if self.states is not None else []:
            value = ops.zeros(variable.shape, variable.dtype)
            if rows is not None:
                reset = ops.reshape(ops.cast(rows, "bool"), (-1, *[1] * (len(variable.shape) - 1)))
                value = ops.where(reset, value, variable.value)
            variable.assign(value)

    reset_states = reset_state

    # Through time

    def call(
        self,
        sequences,
        initial_state=None,
        mask=None,
        training=False,
        constants=None,
        sequences_mask=None,
        constants_mask=None,
    ):
        if self.unroll and sequences.shape[1] is None:
            raise ValueError(
                "Cannot unroll an RNN over an unknown number of time steps. Give the input a fixed one, as in "
                f"`keras.Input(shape=(10, features))`. Received: sequences of shape {sequences.shape}"
            )
        if self.stateful and sequences.shape[0] not in (None, self._expected_batch_size):
            raise ValueError(
                "A stateful RNN must meet the batch size it was built with. "
                f"Expected batch size: {self._expected_batch_size}. Received batch size: {sequences.shape[0]}."
            )
        # Beside an initial state Keras hands over the mask that the input carries by this name only.
        mask = sequences_mask if mask is None else mask
        mask = tree.flatten(mask)[0] if mask is not None else None
        if initial_state is None:
            initial_state = self.states if self.stateful else self.get_initial_state(ops.shape(sequences)[0])
        elif not tree.is_nested(initial_state):
            initial_state = [initial_state]
        dtype = getattr(self.cell, "compute_dtype", self.compute_dtype)
        states = tree.map_structure(lambda s: ops.cast(ops.convert_to_tensor(s), dtype), list(initial_state))

        x = ops.cast(time_major(sequences), dtype)
        if mask is not None:
            mask = ops.expand_dims(ops.cast(ops.transpose(mask), "bool"), -1)
            x = ops.where(_like(mask, x), x, ops.zeros_like(x))
        if constants is not None:
            output, states = self._run_cell_call(
                x, states, mask, training, self._prepared(constants, constants_mask, training)
            )
        else:
            output, states = self._run(x, states, mask, training)

        outputs = [ops.cast(o, self.compute_dtype) for o in tree.flatten(output)]
        states = tree.map_structure(lambda s: ops.cast(s, self.compute_dtype), list(states))
        if self.stateful:
            for variable, value in zip(tree.flatten(self.states), tree.flatten(states)):
                variable.assign(value)
        if self.return_sequences:
            outputs = [time_major(ops.flip(o, axis=0) if self.go_backwards else o) for o in outputs]
        if self.return_state:
            return *outputs, *states
        return tuple(outputs) if len(outputs) > 1 else outputs[0]

    def _prepared(self, constants, constants_mask, training):
        """The argument `constants` of the cell's call."""
        if isinstance(self.cell, (RecurrentCell, StackedRNNCells)):
            raise ValueError(
                f"`constants` are for cells whose `call` takes them, as that of AttentionCell does. {self.cell} does "
                "not."
            )
        constants = list(constants) if tree.is_nested(constants) else [constants]
        if not hasattr(self.cell, "prepare"):
            return constants
        constants_mask = None if constants_mask is None else tree.flatten(constants_mask)
        return self.cell.prepare(constants, constants_mask, training)

    def _run(self, x, states, mask, training):
        """Time-major inputs `(time, batch, ...)` and states -> output (time-major, in the inputs' order) and states."""
        cells = self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]
        if not all(has_step(cell) for cell in cells):
            return self._run_cell_call(x, states, mask, training)
        if not isinstance(self.cell, StackedRNNCells):
            return self._run_recurrence(self.cell, x, states, mask, training, self.return_sequences)
        # No step of a stack reads what a later cell says: so one cell after the other, each over the whole sequence.
        last = []
        for cell, state in zip(cells, states):
            top = cell is cells[-1]
            x, state_after = self._run_recurrence(
                cell,
                x,
                list(state) if tree.is_nested(state) else [state],
                mask,
                training,
                self.return_sequences or not top,
            )
            last.append(list(state_after) if tree.is_nested(state) else state_after[0])
        return x, last

    def _run_recurrence(self, cell, x, states, mask, training, sequences):
        """A cell of this package over the whole sequence."""
        x, *states = (ops.cast(tensor, cell.compute_dtype) for tensor in (x, *states))
        drop, keep = cell.dropout_masks(ops.shape(x)[1], training)
        run = run_derived if self.path == "derived" else run_automatic
        how = {"sequences": sequences, "reverse": self.go_backwards}
        if self.checkpoint_every is not None:
            history, states = run_checkpointed(
                run, cell, x, tuple(states), mask, drop, keep, every=self.checkpoint_every, **how
            )
        else:
            inputs = x if drop is None else x * drop
            how |= {"training": bool(training), "unroll": self.unroll}
            history, states = run(cell, inputs, tuple(states), cell.step_weights(), mask, keep, **how)
        output = cell.read(history if sequences else states[: cell.states_read])
        if mask is not None:
            if self.zero_output_for_mask:
                seen = mask if sequences else mask[0 if self.go_backwards else -1]
            elif sequences:
                seen = _seen(mask, self.go_backwards)
            else:
                seen = ops.any(mask, axis=0)
            output = ops.where(seen, output, ops.zeros_like(output))
        return output, states

    def _run_cell_call(self, x, states, mask, training, constants=None):
        """Any cell, by its `call` alone, step by step."""
        arguments = {"training": training} if getattr(self.cell, "_call_has_training_arg", False) else {}
        if constants is not None:
            arguments["constants"] = constants
        call = self.cell if callable(self.cell) else self.cell.call

        def forward(x, states):
            output, new = call(x, states, **arguments)
            new = new if tree.is_nested(new) else [new]
            return output, tree.pack_sequence_as(states, tree.flatten(new))

        def step(carry, xs):
            states, last = carry
            output, new = forward(xs[0], states)
            if mask is not None:
                new = tree.map_structure(lambda n, s: ops.where(_like(xs[1], n), n, s), new, states)
                blank = tree.map_structure(ops.zeros_like, output) if self.zero_output_for_mask else last
                output = tree.map_structure(lambda o, b: ops.where(_like(xs[1], o), o, b), output, blank)
            return (new, output), tuple(tree.flatten(output)) if self.return_sequences else ()

        # Before the first step the last output is zeros; only a step can tell its shape.
        blank = tree.map_structure(ops.zeros_like, forward(x[0], states)[0])
        xs = (x,) if mask is None else (x, mask)
        (states, last), emitted = scan(step, (states, blank), xs, self.go_backwards, self.unroll)
        # A cell of keras.layers keeps the dropout masks that its first step drew until it is told that a sequence ends.
        for part in self.cell._flatten_layers() if isinstance(self.cell, keras.layers.Layer) else []:
            if hasattr(part, "reset_dropout_mask"):
                part.reset_dropout_mask()
                part.reset_recurrent_dropout_mask()
        return emitted if self.return_sequences else last, states

    # Configuration

    def get_config(self):
        config = {
            "return_sequences": self.return_sequences,
            "return_state": self.return_state,
            "go_backwards": self.go_backwards,
            "stateful": self.stateful,
            "unroll": self.unroll,
            "zero_output_for_mask": self.zero_output_for_mask,
            "gradient": self.gradient,
            "checkpoint_every": self.checkpoint_every,
            "cell": keras.saving.serialize_keras_object(self.cell),
        }
        return {**super().get_config(), **config}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        cell = keras.saving.deserialize_keras_object(config.pop("cell"), custom_objects=custom_objects)
        return cls(cell, **config)


class CellLayer(RNN):
    """A layer made of one cell: `LSTM` of `LSTMCell`. It takes the cell's arguments beside the driver's.

    A subclass names its `cell_class`; the cell's arguments become properties of the layer.
    """

    cell_class = None

    def __init__(self, use_cudnn="auto", **arguments):
        if use_cudnn not in ("auto", True, False):
            raise ValueError(f"`use_cudnn` should be one of 'auto', True, False. Received: use_cudnn={use_cudnn!r}")
        # Keras's switch is taken so that its layers can be replaced; there is no cuDNN in here to switch.
        self.use_cudnn = use_cudnn
        cell_arguments = {k: arguments.pop(k) for k in (*self.cell_class.arguments, "implementation") if k in arguments}
        cell = self.cell_class(
            **cell_arguments,
            dtype=arguments.get("dtype"),
            trainable=arguments.get("trainable", True),
            name=re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.cell_class.__name__).lower(),
        )
        super().__init__(cell, **arguments)
        self.input_spec = [keras.layers.InputSpec(ndim=3)]

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        for name in cls.cell_class.arguments:
            setattr(cls, name, property(lambda self, name=name: getattr(self.cell, name)))

    def get_config(self):
        config = super().get_config()
        cell = self.cell.get_config()
        del config["cell"]
        config["activity_regularizer"] = keras.regularizers.serialize(self.activity_regularizer)
        return {**config, **{name: cell[name] for name in self.cell_class.arguments}}

    @classmethod
    def from_config(cls, config):
        return cls(**config)


def arguments(local_variables):
    """The arguments of a constructor, from its `locals()`: with them it need not repeat their twenty names."""
    values = dict(local_variables)
    rest = values.pop("kwargs", {})
    return {**{k: v for k, v in values.items() if k not in ("self", "__class__")}, **rest}


def time_major(x):
    """Swaps the first two axes: `(batch, time, ...)` <-> `(time, batch, ...)`."""
    return ops.transpose(x, (1, 0, *range(2, len(x.shape))))


def has_step(cell):
    """Whether `project`, `step` and `read` say all that the cell does: not if a subclass has a `call` of its own."""
    return isinstance(cell, RecurrentCell) and type(cell).call is RecurrentCell.call


def _has_derived_gradient(cell):
    """Whether the derived gradient is that of the cell's step: not if a subclass has changed the step alone."""

    def place(method):
        return next(i for i, kind in enumerate(type(cell).__mro__) if method in vars(kind))

    return cell.has_derived_gradient and place("step_gradient") <= place("step")


def _like(mask, x):
    """Gives the mask `(..., 1)` as many axes as x has."""
    return ops.reshape(mask, (*ops.shape(mask)[:-1], *([1] * (len(x.shape) - len(mask.shape) + 1))))


def _seen(mask, reverse):
    """Whether any step up to each step (in the direction of the run) is kept: bool `(time, batch, 1)`."""
    steps = ops.cast(mask, "int32")
    count = ops.flip(ops.cumsum(ops.flip(steps, axis=0), axis=0), axis=0) if reverse else ops.cumsum(steps, axis=0)
    return count > 0
