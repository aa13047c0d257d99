"""A stack of cells that steps as one cell."""

import keras
from keras import ops, tree


@keras.saving.register_keras_serializable("seqkeras")
class StackedRNNCells(keras.layers.Layer):
    """Cells on top of each other, each fed with the output of the one below; a drop-in for the one in keras.layers.

    Args:
        cells: list of cells.

    Call arguments:
        inputs: `(batch, features)`.
        states: list of the states of each cell, as `get_initial_state` gives them.
        training: whether dropout is applied.

    Raises:
        ValueError: if one of `cells` is no cell, or if there are none.
    """

    def __init__(self, cells, **kwargs):
        cells = list(cells)
        if not cells:
            raise ValueError("StackedRNNCells needs at least one cell. Received: cells=[]")
        for cell in cells:
            for attribute in ("call", "state_size"):
                if attribute not in dir(cell):
                    raise ValueError(f"All cells must have a `{attribute}`. Received: {cell}, which has none.")
        super().__init__(**kwargs)
        self.cells = cells

    @property
    def state_size(self):
        return [cell.state_size for cell in self.cells]

    @property
    def output_size(self):
        return output_size(self.cells[-1])

    def build(self, input_shape):
        for cell in self.cells:
            if isinstance(cell, keras.layers.Layer) and not cell.built:
                cell.build(input_shape)
                cell.built = True
            input_shape = (input_shape[0], output_size(cell))
        self.built = True

    def get_initial_state(self, batch_size=None):
        """A list with the initial states of each cell: a tensor, or a list of tensors `(batch_size, size)`."""
        states = []
        for cell in self.cells:
            if getattr(cell, "get_initial_state", None):
                states.append(cell.get_initial_state(batch_size=batch_size))
            else:
                zeros = tree.map_structure(
                    lambda size: ops.zeros((batch_size, size), dtype=self.compute_dtype), cell.state_size
                )
                states.append(zeros)
        return states

    def call(self, inputs, states, training=False):
        new_states = []
        for cell, state in zip(self.cells, states):
            nested = tree.is_nested(state)
            arguments = {"training": training} if getattr(cell, "_call_has_training_arg", False) else {}
            call = cell if callable(cell) else cell.call
            inputs, new = call(inputs, list(state) if nested else [state], **arguments)
            new = list(new) if tree.is_nested(new) else [new]
            new_states.append(new if nested else new[0])
        return inputs, new_states

    def get_config(self):
        return {**super().get_config(), "cells": [keras.saving.serialize_keras_object(cell) for cell in self.cells]}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        cells = [
            keras.saving.deserialize_keras_object(cell, custom_objects=custom_objects) for cell in config.pop("cells")
        ]
        return cls(cells, **config)


def output_size(cell):
    """The size of a cell's output: its `output_size`, or the size of its first state."""
    size = getattr(cell, "output_size", None)
    return tree.flatten(cell.state_size)[0] if size is None else size
