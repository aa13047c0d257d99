"""A SavedModel in two lines: found by name or path, called with Python's strings and numbers, which it answers in.

>>> import seqkeras
>>> translate = seqkeras.load("translation/en-es")
>>> translate("Where is the station?")
'¿Dónde está la estación?'
>>> translate.beam(["Where is the station?"], width=3, length_penalty=1.0)
{'scores': array([[...]], dtype=float32), 'translations': [['¿Dónde está la estación?', ...]]}
>>> translate
SavedModel translation/en-es
  serving_default: text string[B] -> translation string[B]
  beam: text string[B], length_penalty f32[], width i32[] -> scores f32[B,?], translations string[B,?]
  ...
"""

import os
import pathlib

import numpy as np

VARIABLE = "SEQKERAS_SAVED_MODELS"
DEFAULT = "serving_default"
_SHORT = {"float16": "f16", "float32": "f32", "float64": "f64", "int32": "i32", "int64": "i64"}


def load(name):
    """Loads a SavedModel of this project or any other that has signatures.

    Args:
        name: path of a SavedModel; or the name of one in the folder that the environment variable
            SEQKERAS_SAVED_MODELS names, else in `saved_models` of the checkout this file is in: "sentiment",
            "translation/en-es".

    Returns:
        A `SavedModel`.

    Raises:
        FileNotFoundError: if there is none; the message says which there are.
        ValueError: if it cannot be read.
        ImportError: if TensorFlow is not installed.
    """
    try:
        # Here, because layers run without it: `import seqkeras` loads Keras's own backend alone.
        import tensorflow as tf
    except ImportError as error:
        raise ImportError("A SavedModel runs on TensorFlow, which is not installed: pip install tensorflow") from error
    name, path = _find(name)
    try:
        model = tf.saved_model.load(str(path))
    except Exception as error:  # of many kinds, as many as there are ways for a file to be damaged
        raise ValueError(f"{path} cannot be read as a SavedModel: {_reason(error)}") from error
    return SavedModel(name, path, model)


class SavedModel:
    """A SavedModel whose signatures are called as methods; `load` makes it.

    Calling it calls `serving_default`, or its only signature. Every other signature is a method of its name; one whose
    name is no name in Python, or that of an attribute below, is in `signatures`.

    Inputs go by their names, as numbers, strings (str or bytes), arrays or lists of these. The one input that is a
    batch of strings, or the only input, may come first without its name. Numbers become the signature's dtype.

    What comes back is the output, or a dict by names where there are several. Strings are str in lists (bytes that are
    no UTF-8 become U+FFFD), numbers NumPy arrays. Where rows have fewer words than the longest, "" stands behind the
    last, as the model gives it.

    A single string where the signature wants a batch is a batch of one, and so is a row of numbers: its answer comes
    without the batch dimension, a number as Python's. With several batched inputs either all are single or none.

    Args:
        name: for repr and messages.
        path: of its folder.
        model: what `tf.saved_model.load` gave.

    Attributes:
        name, path: as given.
        signatures: dict of `Signature` by name.
    """

    def __init__(self, name, path, model):
        self.name, self.path = name, path
        self._model = model  # signatures do not keep their model alive
        names = sorted(model.signatures, key=lambda key: key != DEFAULT)
        self.signatures = {key: Signature(f"{name}'s {key}", model.signatures[key]) for key in names}
        for key, signature in self.signatures.items():
            if key.isidentifier() and not hasattr(self, key):
                setattr(self, key, signature)

    def __call__(self, /, *args, **inputs):
        only = next(iter(self.signatures)) if len(self.signatures) == 1 else DEFAULT
        if only not in self.signatures:
            raise TypeError(f"{self.name} has no {DEFAULT}; call one of {', '.join(self.signatures) or 'none'}.")
        return self.signatures[only](*args, **inputs)

    def __repr__(self):
        lines = (f"\n  {key}: {signature!r}" for key, signature in self.signatures.items())
        return f"SavedModel {self.name}{''.join(lines)}"


class Signature:
    """A signature as a function of Python's values, see `SavedModel`.

    Args:
        name: for messages.
        function: the `tf.ConcreteFunction` of a loaded SavedModel.

    Attributes:
        inputs, outputs: dicts of `tf.TensorSpec` by name.
        first: the input that may come without its name, None if there is none such.

    Raises (when called):
        TypeError: if an input is missing, unknown, of another dtype or another number of dimensions.
        ValueError: if the model cannot answer it, such as bytes that are no picture; the message is TensorFlow's.
    """

    def __init__(self, name, function):
        self.name, self._function = name, function
        specs = function.structured_input_signature[1]
        strings = [key for key, spec in specs.items() if spec.dtype.name == "string" and spec.shape.rank != 0]
        self.first = strings[0] if len(strings) == 1 else next(iter(specs)) if len(specs) == 1 else None
        self.inputs = dict(sorted(specs.items(), key=lambda item: (item[0] != self.first, item[0])))
        self.outputs = dict(sorted(function.structured_outputs.items()))

    def __repr__(self):
        return f"{_specs(self.inputs) or 'nothing'} -> {_specs(self.outputs)}"

    def __call__(self, /, *args, **inputs):
        import tensorflow as tf

        inputs = self._named(args, inputs)
        arrays, single = self._arrays(inputs)
        try:
            outputs = self._function(
                **{key: tf.constant(array, self.inputs[key].dtype) for key, array in arrays.items()}
            )
        except tf.errors.InvalidArgumentError as error:
            raise ValueError(f"{self.name} cannot answer this: {_reason(error)}") from error
        outputs = {key: outputs[key].numpy() for key in self.outputs}
        if single:
            batched = (key for key, spec in self.outputs.items() if _is_batched(spec))
            outputs |= {key: outputs[key][0] for key in batched}
        outputs = {key: _python(value) for key, value in outputs.items()}
        return outputs if len(outputs) != 1 else next(iter(outputs.values()))

    def _named(self, args, inputs):
        """All inputs by name."""
        if len(args) > 1 or args and (self.first is None or self.first in inputs):
            raise TypeError(f"{self.name} takes its inputs by name{self._but_first()}: {_specs(self.inputs)}.")
        if args:
            inputs = {self.first: args[0], **inputs}
        missing = {key: spec for key, spec in self.inputs.items() if key not in inputs}
        unknown = [key for key in inputs if key not in self.inputs]
        if missing or unknown:
            wrong = [f"{_specs(missing)} missing"] * bool(missing) + [f"{', '.join(unknown)} unknown"] * bool(unknown)
            raise TypeError(f"{self.name} takes {_specs(self.inputs) or 'nothing'}: {'; '.join(wrong)}.")
        return inputs

    def _but_first(self):
        return f", but for {self.first}, which may come first" if self.first else ""

    def _arrays(self, inputs):
        """Inputs as arrays with all their dimensions, and whether they were single rows."""
        arrays = {key: _array(key, value, self.inputs[key]) for key, value in inputs.items()}
        batched = [key for key, spec in self.inputs.items() if _is_batched(spec)]
        single = {key: arrays[key].ndim == self.inputs[key].shape.rank - 1 for key in batched}
        if len(set(single.values())) > 1:
            given = ", ".join(f"{key} is {'one' if single[key] else 'a batch'}" for key in batched)
            raise TypeError(f"{self.name} takes batches or single values, not both: {given}.")
        arrays |= {key: arrays[key][None] for key in batched if single[key]}
        for key, array in arrays.items():
            if not self.inputs[key].shape.is_compatible_with(array.shape):
                wanted = _spec(key, self.inputs[key])
                raise TypeError(f"{self.name} takes {wanted}. Received: {key} of shape {list(array.shape)}.")
        return arrays, any(single.values())


def _find(name):
    """Name and path of a SavedModel, see `load`."""
    name = os.fspath(name)
    path = pathlib.Path(name).expanduser()
    if _is_saved_model(path):
        return name, path
    root = pathlib.Path(os.environ.get(VARIABLE) or pathlib.Path(__file__).parent.parent / "saved_models")
    if _is_saved_model(root / name):
        return name, root / name
    there = sorted(str(graph.parent.relative_to(root).as_posix()) for graph in root.rglob("saved_model.pb"))
    raise FileNotFoundError(
        f"There is no SavedModel {name!r}: no folder of that path has a saved_model.pb in it, and {root} has "
        f"{', '.join(there) or 'no SavedModels'}. The environment variable {VARIABLE} names another folder."
    )


def _is_saved_model(path):
    return (path / "saved_model.pb").is_file()


def _is_batched(spec):
    return bool(spec.shape.rank) and spec.shape[0] is None


def _specs(specs):
    return ", ".join(_spec(key, spec) for key, spec in specs.items())


def _spec(key, spec):
    """ "text string[B]", as the model cards have it; B is the batch, ? any other number."""
    dtype = _SHORT.get(spec.dtype.name, spec.dtype.name)
    if spec.shape.rank is None:
        return f"{key} {dtype}[...]"
    sizes = ["?" if size is None else size for size in spec.shape]
    if _is_batched(spec):
        sizes[0] = "B"
    return f"{key} {dtype}[{','.join(map(str, sizes))}]"


def _array(key, value, spec):
    """A value as an array of bytes or of the signature's dtype."""
    wanted = _spec(key, spec)
    if spec.dtype.name == "string":
        return _strings(key, value, wanted)
    array = np.asarray(value)
    dtype = spec.dtype.as_numpy_dtype
    kinds = {"f": "fiu", "i": "iu", "u": "iu", "b": "b"}.get(np.dtype(dtype).kind, "fiuc")
    empty = array.size == 0 and array.dtype.kind == "f"  # an empty list is one of floats to NumPy
    if array.dtype.kind not in kinds and not empty:
        raise TypeError(f"{wanted} is wanted. Received: {key} of {array.dtype} values, such as {value!r:.60}.")
    with np.errstate(over="ignore"):  # a number too large for a float is infinite
        cast = array.astype(dtype)
    if np.dtype(dtype).kind in "iu" and (cast != array).any():
        raise TypeError(f"{wanted} is wanted. Received: {key} with a number that is out of its range, {value!r:.60}.")
    return cast


def _strings(key, value, wanted):
    """Strings as an array of bytes objects; NumPy's own arrays of bytes drop NULs at their ends."""
    if hasattr(value, "__array__"):  # NumPy's arrays, TensorFlow's tensors, columns of pandas
        value = np.asarray(value, object).tolist()
    if isinstance(value, list | tuple):
        rows = [_strings(key, row, wanted) for row in value]
        array = np.empty((len(rows), *(rows[0].shape if rows else ())), object)
        if any(row.shape != array.shape[1:] for row in rows):
            raise TypeError(f"{wanted} is wanted. Received: {key} with rows of different lengths.")
        for place, row in enumerate(rows):
            array[place] = row[()]
        return array
    if isinstance(value, str) and key.startswith("image"):
        raise TypeError(
            f"{wanted} is the bytes of picture files, not their names. Received: {value[:60]!r}. Read the file: "
            "pathlib.Path(name).read_bytes()"
        )
    if not isinstance(value, str | bytes):
        raise TypeError(f"{wanted} is wanted. Received: {key} with a value of type {type(value).__name__}.")
    array = np.empty((), object)
    # Halves of surrogate pairs, which Python's strings may hold, are no UTF-8; models read such bytes as unknown.
    array[()] = value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value
    return array


def _python(value):
    """An output: strings as str in lists, numbers as an array, a single one as Python's."""
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, np.ndarray) and value.dtype == object:
        return [_python(row) for row in value]
    return value.item() if value.ndim == 0 else value


def _reason(error):
    """What a long message of TensorFlow's says, without where in the graph it was said."""
    lines = str(error).partition("\n\t [[")[0].strip().splitlines() or [type(error).__name__]
    return lines[-1] if lines[0] == "Graph execution error:" else lines[0]
