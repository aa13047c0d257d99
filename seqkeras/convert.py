"""From a model of keras.layers to the same model of seqkeras.layers."""

import contextlib
import inspect
import tempfile
import warnings
from pathlib import Path

import keras
from keras import tree

from seqkeras import layers

# What stands in keras.layers under the same name with the same arguments and weights.
NAMES = (
    "SimpleRNN", "SimpleRNNCell", "LSTM", "LSTMCell", "GRU", "GRUCell", "RNN", "StackedRNNCells", "Bidirectional",
)  # fmt: skip
_THEIRS = tuple(getattr(keras.layers, name) for name in NAMES)


def convert(model):
    """A copy of a Keras model with its recurrent layers replaced by those of seqkeras.layers.

        model = seqkeras.convert(keras.saving.load_model("model.keras"))

    The copy has the same names, weights and outputs. XLA compiles it on a GPU, too, and `export` writes no cuDNN
    operations. The given model stays as it is; the copy shares nothing with it but `Lambda` layers, which have no
    weights.

    Replaced are SimpleRNN, LSTM, GRU, RNN over any cells, StackedRNNCells and Bidirectional, wherever they stand: in
    nested models, shared by several calls, or inside other layers whose configuration tells of them, such as
    TimeDistributed. States of stateful layers come along.

    A compiled model is compiled again from `get_compile_config()`, with the state of its optimizer; only whether to use
    XLA is chosen anew (`jit_compile="auto"`, unless it was True), since Keras's own layers may have decided against it.
    Nested models are not compiled.

    Args:
        model: a Sequential or functional `keras.Model`, built.

    Returns:
        The new model.

    Raises:
        ValueError: if the model is a subclassed one or is not built, or if one of its layers cannot be copied because
            its configuration does not tell how to make it.

    Warns:
        UserWarning: naming each recurrent layer that stays Keras's own, and why (ConvLSTM, subclasses of recurrent
            layers, layers inside custom layers), since the copy is right all the same; if the copy of a subclass is no
            longer of that class; and if it could not be compiled.
    """
    if not isinstance(model, keras.Model):
        raise ValueError(f"convert wants a keras.Model. Received: {model} of type {type(model).__name__}")
    if not _is_graph(model):
        raise ValueError(
            f"convert wants a Sequential or functional model, whose layers it can see. The model {model.name!r} is of "
            f"the subclass {type(model).__name__}, whose `call` only Python knows. Use seqkeras.layers in place of "
            "keras.layers in that class; `load_weights` then reads the weights that this model's `save_weights` writes."
        )
    if not model.built:
        raise ValueError(
            f"convert wants a built model, so that there are weights to keep. Call the model {model.name!r} on a batch "
            "or its `build` first."
        )
    copier = _Copier(model)
    copy = copier.copy(model)
    for layer, layer_copy in copier.copies.values():
        # Behind a function whose shapes Keras cannot tell, copying has called no layer.
        if getattr(layer, "built", False) and not layer_copy.built:
            layer_copy.build_from_config(layer.get_build_config())
    with tempfile.TemporaryDirectory() as folder:
        # Keras's own way of keeping weights, which also finalizes layers that were adapted.
        path = Path(folder) / "model.weights.h5"
        model.save_weights(path)
        copy.load_weights(path)
    if model.compiled:
        _compile_again(model, copy)
    _copy_states(model, copy)
    _name_what_stayed(copy)
    return copy


class _Copier:
    """Copies layers, each once, however often it is shared."""

    def __init__(self, model):
        self.copies = {}
        self.custom_objects = {type(layer).__name__: type(layer) for layer in model._flatten_layers()}

    def copy(self, layer):
        # Beside its copy the layer itself is kept, so that its id stays its own.
        if id(layer) not in self.copies:
            self.copies[id(layer)] = layer, self._copy(layer)
        return self.copies[id(layer)][1]

    def _copy(self, layer):
        # An operation of keras.ops has no state; a Lambda's function may mean nothing outside its own module.
        if not isinstance(layer, keras.layers.Layer) or isinstance(layer, keras.layers.Lambda):
            return layer
        return self._copy_model(layer) if _is_graph(layer) else self._copy_layer(layer)

    def _copy_model(self, model):
        inputs = None if isinstance(model, keras.Sequential) else _inputs(model)
        with _uncompiled(model):
            copy = keras.models.clone_model(model, input_tensors=inputs, clone_function=self.copy)
        if not model.trainable:
            copy.trainable = False
        if type(copy) is not type(model):
            _warn(
                f"The copy of the model {model.name!r} is a plain functional keras.Model: what the class "
                f"{type(model).__name__} adds to one, such as a `train_step`, is not in it."
            )
        return copy

    def _copy_layer(self, layer):
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # about lambdas, which are put back below
                config = _ours(keras.saving.serialize_keras_object(layer))
            for name in config["config"]:
                value = getattr(layer, name, None)
                # A function of a user's own need not be found again by its name: hand over the function itself.
                if inspect.isfunction(value) and not value.__module__.startswith("keras."):
                    config["config"][name] = value
            copy = keras.saving.deserialize_keras_object(config, custom_objects=self.custom_objects, safe_mode=False)
        except Exception as error:  # whatever a user's constructor may raise
            raise ValueError(
                f"The layer {layer.name!r} of class {type(layer).__name__} cannot be copied from its `get_config()`: "
                f"{error} Give the class a `get_config` that lists all arguments of its constructor."
            ) from error
        if hasattr(layer, "save_assets"):  # the vocabulary of a layer that was adapted
            with tempfile.TemporaryDirectory() as folder:
                layer.save_assets(folder)
                copy.load_assets(folder)
        return copy


def _is_graph(model):
    """Whether it is a Sequential or functional model that is called as such."""
    graph = isinstance(model, (keras.Sequential, keras.Function)) and isinstance(model, keras.Model)
    return graph and type(model).call.__module__.startswith("keras.")


def _inputs(model):
    """New inputs like those of a functional model. Left to itself, `clone_model` gives them other names."""
    found = {id(layer.output): layer for layer in model.layers if isinstance(layer, keras.layers.InputLayer)}

    def new(tensor):
        layer = found[id(tensor)]
        return keras.Input(
            batch_shape=layer.batch_shape,
            dtype=layer.dtype,
            name=layer.name,
            sparse=layer.sparse,
            ragged=layer.ragged,
            optional=layer.optional,
        )

    return tree.map_structure(new, model.input)


def _ours(config):
    """The configuration of a layer with the recurrent layers in it, at any depth, replaced."""
    if isinstance(config, (list, tuple)):
        return type(config)(_ours(value) for value in config)
    if not isinstance(config, dict):
        return config
    # A layer is built when it is called; one without a `build` of its own would only be marked as built.
    config = {key: _ours(value) for key, value in config.items() if key != "build_config"}
    if config.get("module") == "keras.layers" and config.get("class_name") in NAMES:
        ours = getattr(layers, config["class_name"])
        config |= {"module": ours.__module__, "registered_name": keras.saving.get_registered_name(ours)}
    return config


@contextlib.contextmanager
def _uncompiled(model):
    """Within it, `clone_model` does not compile its copy: a loss that cannot be found again would end it."""
    compiled, model.compiled = model.compiled, False
    try:
        yield
    finally:
        model.compiled = compiled


def _compile_again(model, copy):
    used = [model.optimizer, *tree.flatten(model.loss)]
    used = [thing if inspect.isfunction(thing) or inspect.isclass(thing) else type(thing) for thing in used]
    try:
        config = model.get_compile_config()
        config["jit_compile"] = True if config.get("jit_compile") is True else "auto"
        with keras.saving.custom_object_scope({thing.__name__: thing for thing in used}):
            copy.compile_from_config(config)
    except Exception as error:  # whatever a user's loss or metric may raise
        _warn(
            f"The copy of the model {model.name!r} is not compiled, because the original's compilation cannot be "
            f"repeated from `get_compile_config()`: {error} Call `compile` on it."
        )
        return
    if model.optimizer is not None and model.optimizer.built:
        for variable, value in zip(copy.optimizer.variables, model.optimizer.variables):
            variable.assign(value)


def _copy_states(model, copy):
    """Gives stateful layers the states of their originals."""
    for theirs, ours in zip(_recurrent(model), _recurrent(copy)):
        values = tree.flatten(getattr(theirs, "states", None) or [])
        for variable, value in zip(tree.flatten(getattr(ours, "states", None) or []), values):
            variable.assign(value)


def _recurrent(model):
    kinds = (layers.RNN, _THEIRS[NAMES.index("RNN")])
    return [layer for layer in model._flatten_layers() if isinstance(layer, kinds)]


def _name_what_stayed(copy):
    stayed, inside = [], set()
    for layer in copy._flatten_layers():
        if not isinstance(layer, _THEIRS) or id(layer) in inside:
            continue
        inside.update(id(part) for part in layer._flatten_layers())
        kind = type(layer).__name__
        if type(layer) in _THEIRS:
            reason = "it stands in a layer whose configuration does not tell of it"
        elif type(layer).__module__.startswith("keras."):
            reason = "seqkeras.layers has none like it"
        else:
            reason = f"{kind} is a class of its own, derived from Keras's"
        stayed.append(f"{layer.path or layer.name} ({kind}: {reason})")
    if stayed:
        _warn(
            "These recurrent layers stay Keras's own, and with an LSTM or GRU among them XLA is off on a GPU and an "
            f"exported model may hold cuDNN operations: {'; '.join(stayed)}."
        )


def _warn(message):
    warnings.warn(message, UserWarning, stacklevel=4)
