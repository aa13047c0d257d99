"""A recurrent layer run from both ends of a sequence (Schuster and Paliwal 1997)."""

import keras
from keras import ops

MERGE_MODES = ("sum", "mul", "ave", "concat", None)
# What both directions must have alike.
COMMON_ATTRIBUTES = ("stateful", "return_sequences", "return_state")


@keras.saving.register_keras_serializable("seqkeras")
class Bidirectional(keras.layers.Layer):
    """Runs one copy of a layer forward and another backward; a drop-in for `keras.layers.Bidirectional`.

        h_t = merge(forward layer over x_1 .. x_t, backward layer over x_T .. x_t)

    >>> Bidirectional(LSTM(4, return_sequences=True))(np.ones((2, 10, 3))).shape
    (2, 10, 8)

    Args:
        layer: a recurrent layer, of this package or another with its interface.
        merge_mode: how the two outputs are joined: "concat", "sum", "mul", "ave", or None for a tuple of both.
        weights: list of initial weights, the forward layer's first.
        backward_layer: the layer that runs backward, if it is not to be like `layer`.

    Call arguments:
        sequences: `(batch, time, features)`.
        initial_state: list of the forward layer's states, then the backward layer's; zeros if None.
        mask: bool `(batch, time)`; True keeps.
        training: whether dropout is applied.

    Returns:
        The merged outputs, in the order of time if the layer returns sequences; if it returns states, a tuple with
        the forward and then the backward layer's states behind them. Masked steps of a sequence are zeros.

    Raises:
        ValueError: if `layer` is no layer, both run the same way, or differ in what they return.
    """

    def __init__(self, layer, merge_mode="concat", weights=None, backward_layer=None, **kwargs):
        for name, value in (("layer", layer), ("backward_layer", backward_layer)):
            if name == "backward_layer" and value is None:
                continue
            if not isinstance(value, keras.layers.Layer):
                raise ValueError(f"`{name}` of Bidirectional should be a keras.layers.Layer. Received: {value}")
            missing = [a for a in ("go_backwards", *COMMON_ATTRIBUTES) if not hasattr(value, a)]
            if missing:
                raise ValueError(
                    f"`{name}` of Bidirectional should be a recurrent layer, with the attributes go_backwards, "
                    f"{', '.join(COMMON_ATTRIBUTES)}. Received: {value}, without {', '.join(missing)}."
                )
        if merge_mode not in MERGE_MODES:
            raise ValueError(f"`merge_mode` should be one of {MERGE_MODES}. Received: merge_mode={merge_mode!r}")
        super().__init__(**kwargs)
        self.forward_layer = _copy(layer, "forward")
        self.backward_layer = backward_layer if backward_layer is not None else _copy(layer, "backward")
        if self.forward_layer.go_backwards == self.backward_layer.go_backwards:
            raise ValueError(
                "The forward and the backward layer should differ in `go_backwards`. "
                f"Received: {self.forward_layer.go_backwards} for both."
            )
        for attribute in COMMON_ATTRIBUTES:
            forward, backward = getattr(self.forward_layer, attribute), getattr(self.backward_layer, attribute)
            if forward != backward:
                raise ValueError(
                    f"The forward and the backward layer should have the same `{attribute}`. "
                    f"Received: {forward} and {backward}."
                )
        for direction in (self.forward_layer, self.backward_layer):
            # A masked step has no output of its own in either direction: repeating a neighbour's would join outputs
            # of different steps.
            if getattr(direction, "zero_output_for_mask", None) is not None:
                direction.zero_output_for_mask = direction.return_sequences
        self.merge_mode = merge_mode
        if weights:
            half = len(weights) // 2
            self._initial_weights = weights[:half], weights[half:]
        else:
            self._initial_weights = None
        self.stateful = layer.stateful
        self.return_sequences = layer.return_sequences
        self.return_state = layer.return_state
        self.supports_masking = True
        self.input_spec = layer.input_spec

    def build(self, sequences_shape, initial_state_shape=None):
        for direction in (self.forward_layer, self.backward_layer):
            if not direction.built:
                direction.build(sequences_shape)
                direction.built = True
        if self._initial_weights is not None:
            self.forward_layer.set_weights(self._initial_weights[0])
            self.backward_layer.set_weights(self._initial_weights[1])
        self.built = True

    def call(self, sequences, initial_state=None, mask=None, training=None, sequences_mask=None):
        # Beside an initial state Keras hands over the mask that the input carries by this name only.
        mask = sequences_mask if mask is None else mask
        states = (None, None)
        if initial_state is not None:
            half = len(initial_state) // 2
            states = initial_state[:half], initial_state[half:]
        results = []
        for direction, state in zip((self.forward_layer, self.backward_layer), states):
            result = direction(sequences, initial_state=state, mask=mask, training=training)
            results.append(result if self.return_state else (result,))
        (forward, *forward_states), (backward, *backward_states) = results
        if self.return_sequences:
            backward = ops.flip(backward, axis=1)
        output = self._merge(ops.cast(forward, self.compute_dtype), ops.cast(backward, self.compute_dtype))
        if not self.return_state:
            return output
        output = output if self.merge_mode is None else (output,)
        return (*output, *forward_states, *backward_states)

    def _merge(self, forward, backward):
        if self.merge_mode == "concat":
            return ops.concatenate([forward, backward], axis=-1)
        if self.merge_mode == "sum":
            return forward + backward
        if self.merge_mode == "ave":
            return (forward + backward) / 2
        if self.merge_mode == "mul":
            return forward * backward
        return forward, backward

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        shapes = [d.compute_output_shape(sequences_shape) for d in (self.forward_layer, self.backward_layer)]
        shapes = shapes if self.return_state else [[shape] for shape in shapes]
        (forward, *forward_states), (backward, *backward_states) = shapes
        if self.merge_mode is None:
            return (forward, backward, *forward_states, *backward_states)
        output = (*forward[:-1], forward[-1] + backward[-1]) if self.merge_mode == "concat" else forward
        return (output, *forward_states, *backward_states) if self.return_state else output

    def compute_mask(self, _, mask):
        mask = keras.tree.flatten(mask)[0]
        output = mask if self.return_sequences else None
        if self.merge_mode is None:
            output = [output, output]
        if not self.return_state:
            return output
        states = [None] * (2 * len(self.forward_layer.state_size))
        return output + states if isinstance(output, list) else [output, *states]

    def reset_state(self):
        """Sets the states of both layers to zero."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    reset_states = reset_state

    @property
    def states(self):
        """The states of stateful layers, the forward layer's first; None until both have run."""
        if self.forward_layer.states is None or self.backward_layer.states is None:
            return None
        return tuple(self.forward_layer.states) + tuple(self.backward_layer.states)

    def get_config(self):
        return {
            **super().get_config(),
            "merge_mode": self.merge_mode,
            "layer": keras.saving.serialize_keras_object(self.forward_layer),
            "backward_layer": keras.saving.serialize_keras_object(self.backward_layer),
        }

    @classmethod
    def from_config(cls, config, custom_objects=None):
        config = dict(config)
        for name in ("layer", "backward_layer"):
            config[name] = keras.saving.deserialize_keras_object(config[name], custom_objects=custom_objects)
        return cls(**config)


def _copy(layer, direction):
    """A copy of the layer with none of its weights, running forward as it is or backward."""
    config = keras.saving.serialize_keras_object(layer)
    config["config"]["name"] = f"{direction}_{layer.name.removeprefix(direction + '_')}"
    if direction == "backward":
        config["config"]["go_backwards"] = not layer.go_backwards
    copy = keras.saving.deserialize_keras_object(config)
    if hasattr(layer, "use_cudnn"):  # of a keras.layers layer, which leaves it out of its configuration
        copy.use_cudnn = layer.use_cudnn
    return copy
