"""Signatures of SavedModels as models of LiteRT (TensorFlow Lite), for telephones and small machines."""

import re

import tensorflow as tf


def to_lite(path, signature="serving_default", select_tf_ops=False):
    """Converts a signature of a SavedModel to LiteRT.

    Its weights become constants. (`tf.lite.TFLiteConverter.from_saved_model` may leave them out: the step of
    saved_models/music then answers with NaN.) LiteRT itself has hardly an operation on strings. TensorFlow's can be put
    in their place; they want the Flex delegate where the model runs, which the Python packages of TensorFlow 2.20 and
    later do not hold (https://github.com/google-ai-edge/LiteRT/issues/6458).

    Args:
        path: folder of the SavedModel.
        signature: name of the signature. In the LiteRT model it is its only one, under the name "serving_default";
            inputs and outputs keep their names.
        select_tf_ops: whether what LiteRT lacks may be an operation of TensorFlow's, for the Flex delegate to run.

    Returns:
        bytes of a .tflite file.

    Raises:
        ValueError: if there is no such signature, or it cannot be converted; the message says what stands against it.
    """
    model = tf.saved_model.load(str(path))
    if signature not in model.signatures:
        raise ValueError(f"{path} has the signatures {', '.join(model.signatures)}. Received: {signature!r}")
    converter = tf.lite.TFLiteConverter.from_concrete_functions([model.signatures[signature]], model)
    if select_tf_ops:
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS, tf.lite.OpsSet.SELECT_TF_OPS]
        converter._experimental_lower_tensor_list_ops = False  # as the converter's own message asks for
    try:
        return converter.convert()
    except Exception as error:  # the converter's own kind of error is not public
        raise ValueError(f"LiteRT cannot have {signature} of {path}: {_obstacle(str(error))}") from error


def _obstacle(message):
    """What of the converter's message, which has some hundred lines, says why."""
    lacking = re.findall(r"^(TF Select|Custom) ops: (.*)$", message, re.MULTILINE)
    if lacking:
        kinds = {"TF Select": "only with select_tf_ops has it", "Custom": "in no form has it"}
        return "; ".join(f"{kinds[kind]} {names}" for kind, names in lacking)
    reasons = re.findall(r"error: (.*)$", message, re.MULTILINE)
    return reasons[0] if reasons else message.strip().splitlines()[0]
