"""Deep recurrent networks in one call, as torch.nn.RNN, torch.nn.LSTM and torch.nn.GRU have them."""

import keras
import numpy as np
from keras import ops, tree

from seqkeras.layers.bidirectional import Bidirectional
from seqkeras.layers.cell import check_units
from seqkeras.layers.gru import GRU
from seqkeras.layers.lstm import LSTM
from seqkeras.layers.simple_rnn import SimpleRNN

CELLS = {"simple_rnn": SimpleRNN, "lstm": LSTM, "gru": GRU}
# Where our blocks of columns stand among torch's blocks of rows. Ours: i, f, g, o and z, r, n; torch's: r, z, n.
TORCH_BLOCKS = {"simple_rnn": [0], "lstm": [0, 1, 2, 3], "gru": [1, 0, 2]}
# What makes our layers compute what torch's do.
TORCH_OPTIONS = {
    "simple_rnn": {"activation": ["tanh", "relu"]},
    "lstm": {"activation": ["tanh"], "recurrent_activation": ["sigmoid"], "peephole": [False], "coupled": [False]},
    "gru": {"activation": ["tanh"], "recurrent_activation": ["sigmoid"], "reset_after": [True], "reset_gate": [True]},
}


@keras.saving.register_keras_serializable("seqkeras")
class DeepRNN(keras.layers.Layer):
    """Recurrent layers on top of each other, each reading the outputs of the one below.

    With h^l_t the output of layer l at step t, of both directions side by side if bidirectional, and h^0_t = x_t:

        h^l_t = layer_l(h^{l-1}_1, h^{l-1}_2, ...)_t
        h^l_t = h^{l-1}_t + layer_l(h^{l-1}_1, h^{l-1}_2, ...)_t    residual, wherever both have the same size

    and between the layers dropout of the layers' outputs, each step for itself unless `variational`. PyTorch's
    `nn.LSTM(features, 64, num_layers=2, dropout=0.1, bidirectional=True)` is

    >>> DeepRNN("lstm", 64, num_layers=2, dropout=0.1, bidirectional=True)(np.ones((2, 10, 3))).shape
    (2, 128)

    Args:
        cell: "simple_rnn", "lstm" or "gru".
        units: number of units of each layer, in each direction.
        num_layers: number of layers.
        use_bias: whether the layers have biases.
        dropout: share of the outputs of each layer but the last to drop, between 0 and 1.
        bidirectional: whether each layer reads from both ends.
        residual: add what a layer reads to what it says.
        variational: drop the same outputs in all steps of a sequence (Gal and Ghahramani 2016).
        return_sequences: give the output of every step instead of the last one's.
        return_state: give the last states beside the output.
        seed: seed of the dropouts.
        options: other arguments of `SimpleRNN`, `LSTM` or `GRU`, for all layers: activation, recurrent_dropout,
            stateful, kernel_regularizer, gradient, ...
        name, dtype, trainable: as for any layer.

    Call arguments:
        sequences: `(batch, time, features)`.
        initial_state: flat list of tensors `(batch, units)`: the states of the first layer, forward and then backward
            if bidirectional, then those of the next; zeros if None. Layers stack as in torch's h_0 and c_0.
        mask: bool `(batch, time)`; True keeps. If None, the mask that the input carries from an earlier layer.
        training: whether dropout is applied.

    Returns:
        `(batch, size)`, or `(batch, time, size)` if `return_sequences`, with size `units`, twice that if bidirectional;
        a tuple of it and of the last states, in the order of `initial_state`, if `return_state`. The last output is
        that of the last step that the mask keeps; of a backward direction, that of the first. At masked steps a
        sequence repeats the last output, as `RNN` does; it is zero if bidirectional or residual, or
        `zero_output_for_mask`.

    Raises:
        ValueError: if an argument is none of those named, or not of its kind.
    """

    def __init__(
        self,
        cell,
        units,
        num_layers=1,
        use_bias=True,
        dropout=0.0,
        bidirectional=False,
        residual=False,
        variational=False,
        return_sequences=False,
        return_state=False,
        seed=None,
        name=None,
        dtype=None,
        trainable=True,
        **options,
    ):
        if cell not in CELLS:
            raise ValueError(f"`cell` should be one of {', '.join(map(repr, CELLS))}. Received: cell={cell!r}")
        check_units(units)
        check_units(num_layers, "num_layers")
        if not 0 <= dropout < 1:
            raise ValueError(f"`dropout` should be at least 0 and below 1. Received: dropout={dropout}")
        if "go_backwards" in options:
            raise ValueError(
                "A deep recurrent network runs forward, or both ways with bidirectional=True. Received: go_backwards="
                f"{options['go_backwards']}; flip its input to run backward."
            )
        super().__init__(name=name, dtype=dtype, trainable=trainable)
        self.cell = cell
        self.units = units
        self.num_layers = num_layers
        self.use_bias = use_bias
        self.dropout = dropout
        self.variational = variational
        self.bidirectional = bidirectional
        self.residual = residual
        self.return_sequences = return_sequences
        self.return_state = return_state
        self.seed = seed
        self.supports_masking = True
        self._options = tuple(options)
        first = CELLS[cell](
            units, use_bias=use_bias, return_sequences=True, return_state=True, dtype=self.dtype_policy, **options
        )
        self.stateful = first.stateful
        self.recurrent_layers = []
        for depth in range(num_layers):
            config = {**first.get_config(), "name": f"{cell}_{depth}", "seed": None if seed is None else seed + depth}
            layer = type(first).from_config(config)
            if bidirectional:
                layer = Bidirectional(layer, name=layer.name, dtype=self.dtype_policy)
            self.recurrent_layers.append(layer)
        kind = keras.layers.SpatialDropout1D if variational else keras.layers.Dropout
        self.dropout_layers = [
            kind(dropout, seed=None if seed is None else seed + num_layers + depth, dtype=self.dtype_policy)
            for depth in range(num_layers - 1)
        ]
        directions = 2 if bidirectional else 1
        self.output_size = directions * units
        self.state_size = num_layers * directions * list(first.state_size)

    @property
    def path(self):
        """The path that runs: "derived" or "automatic", see `RNN`."""
        return self._directions()[0].path

    def _directions(self):
        """The layers that run one way: those of the first layer, forward and backward, then those of the next."""
        if not self.bidirectional:
            return list(self.recurrent_layers)
        return [d for layer in self.recurrent_layers for d in (layer.forward_layer, layer.backward_layer)]

    # Shapes, masks, weights

    def compute_output_shape(self, sequences_shape, initial_state_shape=None):
        batch, length = sequences_shape[0], sequences_shape[1]
        output = (batch, length, self.output_size) if self.return_sequences else (batch, self.output_size)
        return (output, *((batch, size) for size in self.state_size)) if self.return_state else output

    def compute_mask(self, _, mask):
        output = tree.flatten(mask)[0] if self.return_sequences else None
        return [output, *([None] * len(self.state_size))] if self.return_state else output

    def build(self, sequences_shape, initial_state_shape=None):
        for layer in self.recurrent_layers:
            layer.build(sequences_shape)
            sequences_shape = (*sequences_shape[:-1], self.output_size)
        self.built = True

    def set_torch_weights(self, state_dict):
        """Takes the weights of a torch.nn.RNN, torch.nn.LSTM or torch.nn.GRU; then the outputs are equal to its.

        Args:
            state_dict: of the torch module, with arrays (or tensors of a CPU) as its values: `weight_ih_l0`,
                `weight_hh_l0`, `bias_ih_l0`, `bias_hh_l0`, the same of the other layers, and of each direction that
                runs backward with `_reverse` behind. A layer that is not built yet is built to fit.

        Raises:
            ValueError: if names or shapes are not those that this network needs, or if one of its options makes it
                compute something else than torch does. No weight has changed then.
        """
        config = self._directions()[0].get_config()
        for option, values in TORCH_OPTIONS[self.cell].items():
            if config[option] not in values:
                raise ValueError(
                    f"torch.nn's module has {option}={' or '.join(map(repr, values))}. "
                    f"Received weights for a network of {option}={config[option]!r}."
                )
        arrays = {name: np.asarray(value) for name, value in state_dict.items()}
        suffixes = [
            f"_l{depth}{way}"
            for depth in range(self.num_layers)
            for way in (("", "_reverse") if self.bidirectional else ("",))
        ]
        kinds = ("weight_ih", "weight_hh", "bias_ih", "bias_hh") if self.use_bias else ("weight_ih", "weight_hh")
        wanted = [kind + suffix for suffix in suffixes for kind in kinds]
        if missing := [name for name in wanted if name not in arrays]:
            raise ValueError(f"The state_dict lacks {', '.join(missing)}. Received: {', '.join(arrays)}")
        if surplus := [name for name in arrays if name not in wanted]:
            raise ValueError(f"The state_dict holds what this network has no place for: {', '.join(surplus)}")

        blocks = TORCH_BLOCKS[self.cell]
        rows = len(blocks) * self.units
        features = self._directions()[0].cell.kernel.shape[0] if self.built else arrays["weight_ih_l0"].shape[-1]
        for suffix in suffixes:
            columns = features if suffix in ("_l0", "_l0_reverse") else self.output_size
            shapes = {"weight_ih": (rows, columns), "weight_hh": (rows, self.units)}
            for kind in kinds:
                shape = shapes.get(kind, (rows,))
                if arrays[kind + suffix].shape != shape:
                    raise ValueError(
                        f"`{kind + suffix}` should have the shape {shape}. Received: {arrays[kind + suffix].shape}"
                    )
        if not self.built:
            self.build((None, None, features))

        def ours(array):
            """The blocks in our order, as columns."""
            parts = np.split(array, len(blocks))
            return np.concatenate([parts[block] for block in blocks]).T

        for direction, suffix in zip(self._directions(), suffixes):
            input_kernel, recurrent_kernel, *biases = (ours(arrays[kind + suffix]) for kind in kinds)
            if biases:
                biases = [np.stack(biases) if self.cell == "gru" else biases[0] + biases[1]]
            direction.set_weights([input_kernel, recurrent_kernel, *biases])

    # States

    def get_initial_state(self, batch_size):
        """The states a sequence begins with: a flat list of zeros `(batch_size, units)`."""
        return [state for direction in self._directions() for state in direction.get_initial_state(batch_size)]

    @property
    def states(self):
        """The states a stateful network begins the next batch with, a flat list of variables; None before it runs."""
        states = [direction.states for direction in self._directions()]
        return None if None in states else [state for each in states for state in each]

    def reset_state(self, rows=None):
        """Sets the states of a stateful network to zero: all, or in the rows where `rows`, bool `(batch,)`, is True."""
        for direction in self._directions():
            direction.reset_state(rows)

    reset_states = reset_state

    def step_function(self):
        """A function that takes one step of a sequence that is not known yet: what a model that writes runs on.

        What depends on the weights alone is computed here, once, and not in each of its calls. There is no dropout.

        Returns:
            A function of inputs `(batch, features)` and states, a flat list of tensors `(batch, units)` as
            `get_initial_state` gives them, to the output `(batch, units)` and the list of states after the step.

        Raises:
            ValueError: if the network is bidirectional, for then a step waits for all that follow.
        """
        if self.bidirectional:
            raise ValueError("A bidirectional network cannot take one step: its outputs wait for the sequence's end.")
        steps = [layer.cell.step_function() for layer in self.recurrent_layers]
        each = len(self.state_size) // self.num_layers

        def step(inputs, states):
            x, after = inputs, []
            for depth, step_layer in enumerate(steps):
                y, new = step_layer(x, states[each * depth : each * (depth + 1)])
                after += new
                x = y + ops.cast(x, y.dtype) if self.residual and x.shape[-1] == y.shape[-1] else y
            return x, after

        return step

    # Through the layers

    def call(self, sequences, initial_state=None, mask=None, training=False, sequences_mask=None):
        # Beside an initial state Keras hands over the mask that the input carries by this name only.
        mask = sequences_mask if mask is None else mask
        mask = ops.cast(tree.flatten(mask)[0], "bool") if mask is not None else None
        each = len(self.state_size) // self.num_layers
        if initial_state is not None and not tree.is_nested(initial_state):
            initial_state = [initial_state]
        if initial_state is not None and len(initial_state) != len(self.state_size):
            raise ValueError(
                f"`initial_state` should be a flat list of {len(self.state_size)} tensors, {each} a layer. "
                f"Received: {len(initial_state)}."
            )
        x, last = sequences, []
        for depth, layer in enumerate(self.recurrent_layers):
            states = None if initial_state is None else list(initial_state[each * depth : each * (depth + 1)])
            y, *after = layer(x, initial_state=states, mask=mask, training=training)
            last += after
            if depth < self.num_layers - 1:
                y = self.dropout_layers[depth](y, training=training)
            if self.residual and x.shape[-1] == y.shape[-1]:
                y = y + ops.cast(x, y.dtype)
                if mask is not None:
                    y = ops.where(mask[..., None], y, ops.zeros_like(y))
            x = y
        output = x if self.return_sequences else self._last(x, mask)
        return (output, *last) if self.return_state else output

    def _last(self, outputs, mask):
        """The outputs where each direction ends: at the last step that the mask keeps, and at the first one."""
        directions = ops.split(outputs, 2, axis=-1) if self.bidirectional else [outputs]
        if mask is None:
            return ops.concatenate([y[:, end] for y, end in zip(directions, (-1, 0))], axis=-1)
        kept = ops.cast(mask, "int32")
        count = ops.cumsum(kept, axis=1)
        ends = (count == count[:, -1:], count == 1)
        ends = [ops.expand_dims(ops.logical_and(mask, end), -1) for end in ends]
        picked = [ops.sum(ops.where(end, y, ops.zeros_like(y)), axis=1) for y, end in zip(directions, ends)]
        return ops.concatenate(picked, axis=-1)

    def get_config(self):
        names = (
            "cell", "units", "num_layers", "use_bias", "dropout", "bidirectional", "residual", "variational",
            "return_sequences", "return_state", "seed",
        )  # fmt: skip
        layer = self._directions()[0].get_config()
        options = {name: layer[name] for name in self._options if name in layer}
        return {**super().get_config(), **{name: getattr(self, name) for name in names}, **options}
