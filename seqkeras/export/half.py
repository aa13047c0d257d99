"""Weights at half their size: stored in float16, computed with in float32."""

import contextlib

import keras


@keras.saving.register_keras_serializable("seqkeras")
class StoredInHalf(keras.DTypePolicy):
    """A dtype policy of variables in float16 whose layers compute in float32."""

    def __init__(self):
        super().__init__("float32")
        self._name = "stored_in_half"
        self._variable_dtype = "float16"

    def get_config(self):
        return {}


@contextlib.contextmanager
def stored_in_half():
    """Within it, layers without a dtype of their own keep their weights in float16: for a SavedModel half as large.

    The weights are rounded when they are set, to 11 bits of mantissa, and cast where they are used. Weights larger than
    65,504 become infinite.
    """
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(StoredInHalf())
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
