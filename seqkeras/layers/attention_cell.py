"""A cell that attends: any cell, an attention, and input feeding between them, as one step of an ordinary RNN."""

import keras
from keras import activations, initializers, ops, regularizers, tree

from seqkeras.layers.attention import kept
from seqkeras.layers.cell import affine, check_units
from seqkeras.layers.rnn import has_step
from seqkeras.layers.stacked_rnn_cells import StackedRNNCells, output_size


@keras.saving.register_keras_serializable("seqkeras")
class AttentionCell(keras.layers.Layer):
    """Wraps a cell with an attention, so that a decoder is an ordinary `RNN` over it.

    With m_1 .. m_S the memory (an encoder's outputs), h_t the wrapped cell's output and [;] concatenation:

        h_t = cell([x_t; a_{t-1}], h_{t-1})     `attend="after"`: input feeding (Luong, Pham and Manning 2015, 3.1, 3.3)
        c_t = attention(h_t, m)
        a_t = tanh(W_c [c_t; h_t])              the attentional vector, which is the output

        c_t = attention(h_{t-1}, m)             `attend="before"` (Bahdanau, Cho and Bengio 2015, appendix A.1.2)
        h_t = cell([x_t; c_t], h_{t-1})
        a_t = tanh(W_c [c_t; h_t])

    The memory is an argument of the call, the `constants` of `RNN`; its keys are projected once a sequence, and its
    gradients flow. Its mask is the one that it carries, or a second constant:

        decoder = RNN(AttentionCell(LSTMCell(64), LuongAttention("general")), return_sequences=True)
        outputs = decoder(targets, constants=[encoded])                # or [encoded, encoded_mask]
        outputs = decoder(targets, initial_state=[h, c, ops.zeros_like(h)], constants=[encoded])

    One step at a time, for beam search, it is a cell like others; every tensor of a memory has the batch as its first
    axis, so that `keras.tree.map_structure` repeats or reorders it for beams:

        memory = cell.prepare([encoded, encoded_mask])
        states = cell.get_initial_state(batch_size)
        (output, weights), states = cell.call(x, states, memory, return_attention=True)

    Args:
        cell: a cell, or a list of cells to stack; the attention reads the uppermost.
        attention: a layer such as `LuongAttention` or `BahdanauAttention`.
        units: size of the attentional vector a_t; None for that of the cell's output.
        attend: "after" or "before" the cell.
        activation: activation of the attentional vector.
        kernel_initializer, kernel_regularizer: of W_c.
        return_attention: give the weights of the attention as a second output; `RNN` then returns
            `(batch, time, units)` and `(batch, time, source_time)` if it returns sequences.

    Call arguments:
        inputs: `(batch, features)`.
        states: list of the cell's states, flat and those of the lowest cell first, and then, with `attend="after"`, the
            attentional vector a_{t-1} `(batch, units)`.
        constants: what `prepare` gave.
        training: whether dropout is applied. Its masks are drawn by `prepare`, once a sequence (Gal and Ghahramani
            2016), and a wrapped cell that is not of this package draws its own.
        return_attention: whether to give the weights, if not as the constructor was told.

    Returns:
        The output `(batch, units)`, or a tuple of it and the weights `(batch, source_time)`; and the list of the new
        states.

    Raises:
        ValueError: if an argument is none of those above, or there is no memory.
    """

    def __init__(
        self,
        cell,
        attention,
        units=None,
        attend="after",
        activation="tanh",
        kernel_initializer="glorot_uniform",
        kernel_regularizer=None,
        return_attention=False,
        **kwargs,
    ):
        if isinstance(cell, (list, tuple)):
            cell = StackedRNNCells(cell, dtype=kwargs.get("dtype"))
        for attribute in ("call", "state_size"):
            if attribute not in dir(cell):
                raise ValueError(f"`cell` of AttentionCell should have a `{attribute}`. Received: cell={cell}")
        if not hasattr(attention, "attend"):
            raise ValueError(
                "`attention` of AttentionCell should be a layer such as LuongAttention or BahdanauAttention. "
                f"Received: attention={attention}"
            )
        if attend not in ("after", "before"):
            raise ValueError(f"`attend` should be 'after' or 'before' the cell. Received: attend={attend!r}")
        if units is not None:
            check_units(units)
        super().__init__(**kwargs)
        self.cell = cell
        self.attention = attention
        self.units = units
        self.attend = attend
        self.activation = activations.get(activation)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.kernel_regularizer = regularizers.get(kernel_regularizer)
        self.return_attention = return_attention

    @property
    def _cells(self):
        return self.cell.cells if isinstance(self.cell, StackedRNNCells) else [self.cell]

    @property
    def _vector_size(self):
        return self.units or output_size(self.cell)

    @property
    def state_size(self):
        sizes = tree.flatten(self.cell.state_size)
        return [*sizes, self._vector_size] if self.attend == "after" else sizes

    @property
    def output_size(self):
        # The weights are as many as the memory has steps, which no cell knows before it meets one.
        return (self._vector_size, None) if self.return_attention else self._vector_size

    def build(self, inputs_shape, constants_shape=None):
        if constants_shape is None:
            raise ValueError(_NO_MEMORY)
        memory_shape = constants_shape[0]
        batch, size = inputs_shape[0], output_size(self.cell)
        fed = self._vector_size if self.attend == "after" else memory_shape[-1]
        if not self.cell.built:
            self.cell.build((batch, inputs_shape[-1] + fed))
            self.cell.built = True
        if not self.attention.built:
            self.attention.build((batch, size), tuple(memory_shape))
            self.attention.built = True
        self.kernel = self.add_weight(
            name="kernel",
            shape=(memory_shape[-1] + size, self._vector_size),
            initializer=self.kernel_initializer,
            regularizer=self.kernel_regularizer,
        )
        self.built = True

    def get_initial_state(self, batch_size=None):
        """The states a sequence begins with: those of the cell, and zeros for the attentional vector."""
        states = tree.flatten(StackedRNNCells(self._cells, dtype=self.dtype_policy).get_initial_state(batch_size))
        if self.attend == "after":
            states.append(ops.zeros((batch_size, self._vector_size), dtype=self.compute_dtype))
        return states

    def prepare(self, constants, constants_mask=None, training=False):
        """What all steps of a sequence share: the memory, its keys, and dropout masks.

        Args:
            constants: list with the memory's values `(batch, source_time, features)`, and maybe their mask, bool
                `(batch, source_time)`, True keeps.
            constants_mask: list with the mask that the values carry, or None, if there is none in `constants`.
            training: whether to draw dropout masks.

        Returns:
            A dictionary of tensors, each with the batch as its first axis.
        """
        values, *given = constants
        mask = given[0] if given else constants_mask[0] if constants_mask else None
        values = ops.cast(values, self.attention.compute_dtype)
        memory = {}
        if mask is not None:
            memory["mask"] = ops.cast(mask, "bool")
            values = kept(values, mask)
        memory |= {"values": values, "keys": self.attention.project_keys(values)}
        if training:
            batch_size, length = ops.shape(values)[:2]
            memory["keep"] = self.attention.dropout_mask((batch_size, 1, length), training)
            memory["dropout"] = [c.dropout_masks(batch_size, training) for c in self._cells if has_step(c)]
        return memory

    def call(self, inputs, states, constants=None, training=False, return_attention=None):
        if constants is None:
            raise ValueError(_NO_MEMORY)
        *states, fed = states if self.attend == "after" else (*states, None)
        if self.attend == "before":
            fed, weights = self._attend(self._output(states), constants)
        output, states = self._step(ops.concatenate([inputs, fed], axis=-1), states, constants, training)
        if self.attend == "after":
            context, weights = self._attend(output, constants)
        else:
            context = fed
        kernel = ops.convert_to_tensor(self.kernel, dtype=self.compute_dtype)
        vector = self.activation(affine(ops.concatenate([context, output], axis=-1), kernel))
        states = [*states, vector] if self.attend == "after" else states
        return_attention = self.return_attention if return_attention is None else return_attention
        return ((vector, weights) if return_attention else vector), states

    def _attend(self, query, memory):
        query = ops.expand_dims(ops.cast(query, self.attention.compute_dtype), 1)
        context, weights = self.attention.attend(
            query, memory["values"], memory["keys"], memory.get("mask"), memory.get("keep")
        )
        return tuple(ops.cast(ops.squeeze(x, 1), self.compute_dtype) for x in (context, weights))

    def _per_cell(self, states):
        """The flat list of states as one list a cell."""
        states = iter(states)
        return [[next(states) for _ in tree.flatten(cell.state_size)] for cell in self._cells]

    def _output(self, states):
        """The output of the step that left these states."""
        cell, states = self._cells[-1], self._per_cell(states)[-1]
        output = cell.read(tuple(states[: cell.states_read])) if has_step(cell) else states[0]
        return ops.cast(output, self.compute_dtype)

    def _step(self, x, states, memory, training):
        """One step of the cell or stack, with the dropout masks of `prepare`."""
        masks, new_states = iter(memory.get("dropout", ())), []
        for cell, state in zip(self._cells, self._per_cell(states)):
            x, *state = (ops.cast(tensor, cell.compute_dtype) for tensor in (x, *state))
            if has_step(cell):
                drop, keep = next(masks, (None, None))
                projected = cell.project(x if drop is None else x * drop)
                new, _ = cell.step(projected, tuple(state), cell.step_weights(), keep)
                x = cell.read(tuple(new[: cell.states_read]))
            else:
                arguments = {"training": training} if getattr(cell, "_call_has_training_arg", False) else {}
                x, new = cell(x, state, **arguments)
            new_states += tree.flatten(new)
        return ops.cast(x, self.compute_dtype), [ops.cast(state, self.compute_dtype) for state in new_states]

    def get_config(self):
        return {
            **super().get_config(),
            "cell": keras.saving.serialize_keras_object(self.cell),
            "attention": keras.saving.serialize_keras_object(self.attention),
            "units": self.units,
            "attend": self.attend,
            "activation": activations.serialize(self.activation),
            "kernel_initializer": initializers.serialize(self.kernel_initializer),
            "kernel_regularizer": regularizers.serialize(self.kernel_regularizer),
            "return_attention": self.return_attention,
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("cell", "attention"):
            config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)


_NO_MEMORY = (
    "AttentionCell needs a memory to attend to: give its layer `constants=[values]`, values of shape "
    "(batch, source_time, features), as in RNN(AttentionCell(...))(inputs, constants=[values])."
)
