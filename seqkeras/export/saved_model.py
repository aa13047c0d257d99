"""SavedModels that load anywhere: strings in, strings out, with nothing but TensorFlow installed."""

import os
import shutil

import tensorflow as tf
from tensorflow.core.protobuf import saved_model_pb2

# Operations that need more than a CPU build of TensorFlow, by how their names begin, and what puts them in a graph.
_FOREIGN = {
    "Cudnn": "keras.layers' LSTM or GRU on a GPU; use those of seqkeras.layers",
    "PyFunc": "tf.py_function; write it with tf operations",
    "EagerPyFunc": "tf.py_function; write it with tf operations",
}

# Operations of TensorFlow itself, on a CPU too, that tf.raw_ops does not list: what keras.ops.slice_update becomes.
_ALSO_CORE = {"XlaDynamicUpdateSlice"}


def save(path, signatures, **resources):
    """Writes a SavedModel.

    Args:
        path: folder to write; what was there is replaced, once the new one is complete.
        signatures: dict from the name of each signature to a function of tensors that returns a dict of tensors, and
            the list of its `tf.TensorSpec`s, each with the name of its argument.
        resources: what the functions use: models, layers, lookup tables, variables.

    Raises:
        ValueError: if the graph holds an operation that plain TensorFlow on a CPU has not.
    """
    module = tf.Module()
    for name, resource in resources.items():
        setattr(module, name, resource)
    functions = {name: tf.function(f, input_signature=specs) for name, (f, specs) in signatures.items()}
    fresh = f"{path}.fresh"
    shutil.rmtree(fresh, ignore_errors=True)
    tf.saved_model.save(module, fresh, signatures={n: f.get_concrete_function() for n, f in functions.items()})
    foreign = foreign_operations(fresh)
    if foreign:
        shutil.rmtree(fresh)
        operation, reason = next(iter(foreign.items()))
        raise ValueError(f"The SavedModel for {path} would hold {operation}, which comes from {reason}.")
    os.makedirs(path, exist_ok=True)
    for name in os.listdir(fresh):  # beside them may lie a model card and metrics
        target = os.path.join(path, name)
        shutil.rmtree(target) if os.path.isdir(target) else None
        os.replace(os.path.join(fresh, name), target)
    os.rmdir(fresh)


def operations(path):
    """The types of the operations in a SavedModel, functions of its own left out: sorted list of str."""
    proto = saved_model_pb2.SavedModel()
    with open(os.path.join(path, "saved_model.pb"), "rb") as file:
        proto.ParseFromString(file.read())
    graph = proto.meta_graphs[0].graph_def
    own = {f.signature.name for f in graph.library.function}
    nodes = [n for n in graph.node] + [n for f in graph.library.function for n in f.node_def]
    return sorted({n.op for n in nodes} - own)


def foreign_operations(path):
    """Those types of operations in a SavedModel that plain TensorFlow on a CPU has not.

    Returns:
        dict of str, from each to what it comes from; {} for a SavedModel that loads anywhere.
    """
    known = set(tf.raw_ops.__dict__) | _ALSO_CORE
    found = {}
    for operation in operations(path):
        reason = next((why for prefix, why in _FOREIGN.items() if operation.startswith(prefix)), None)
        if reason is None and operation not in known and not operation.startswith("_"):
            reason = "a library beside TensorFlow, such as tensorflow_text"
        if reason:
            found[operation] = reason
    return found
