"""A process that knows TensorFlow and nothing else of this project."""

import json
import subprocess
import sys

BEGIN = """
import json, sys
import tensorflow as tf
assert not {"keras_nlp", "keras_hub", "tensorflow_text", "seqkeras"} & set(sys.modules)
"""


def run(code, folder, given, elsewhere):
    """What the Python `code` prints last, read as JSON.

    Args:
        code: reads JSON from standard input; has json, sys, tf, and `folder` as sys.argv[1].
        folder: of a SavedModel, or of several.
        given: what JSON can hold.
        elsewhere: an empty directory to run in.
    """
    done = subprocess.run(
        [sys.executable, "-c", BEGIN + code, str(folder)],
        input=json.dumps(given),
        capture_output=True,
        text=True,
        cwd=elsewhere,
        timeout=500,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])
