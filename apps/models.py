"""The SavedModels as the screens use them: found by name, loaded once, called by one visitor at a time."""

import contextlib
import gc
import json
import logging
import os
import re
import sys
import threading
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import streamlit as st

logger = logging.getLogger(__name__)


class ModelError(Exception):
    """A model is missing, unreadable or failed. The message is a sentence for visitors, with no path in it."""


def tensorflow():
    """TensorFlow, imported when it is first needed, for that takes seconds and a page should be drawn before."""
    with _kept():
        import tensorflow as tf

    # TensorFlow brings Keras, and Streamlit ends each run of a page by clearing Keras's session, with which go the
    # functions that TensorFlow has optimised: every click would optimise its model's graph again, for seconds. No page
    # keeps anything in the session.
    if keras := sys.modules.get("keras"):
        keras.backend.clear_session = lambda: None
    return tf


@contextlib.contextmanager
def _kept():
    """What comes into being here stays to the server's end, and the garbage collector leaves it alone from now on.

    To go through the hundreds of thousands of objects of TensorFlow and five models takes it half a second, in which
    every visitor waits.
    """
    gc.disable()
    try:
        yield
        gc.freeze()
    finally:
        gc.enable()


class _FairLock:
    """A lock that callers get in the order in which they came.

    A text is written in hundreds of calls, one right after the other; `threading.Lock` would give it to the same caller
    again and again, and others would wait for the end of the text.
    """

    def __init__(self):
        self._guard, self._waiting = threading.Lock(), deque()

    def __enter__(self):
        mine = threading.Lock()
        mine.acquire()
        with self._guard:
            self._waiting.append(mine)
            if self._waiting[0] is mine:
                return
        mine.acquire()  # until the one before lets go

    def __exit__(self, *error):
        with self._guard:
            self._waiting.popleft()
            if self._waiting:
                self._waiting[0].release()


class Model:
    """A SavedModel behind a lock, with the papers that lie beside it.

    Attributes:
        name: the application's word, such as "sentiment", and where it has several models which, "translation/en-de".
        card: text of `model_card.md`, "" where there is none.
        config: contents of `config.json`, {} where there is none.
        metrics: contents of `metrics.json`, {} where there is none.
    """

    def __init__(self, name: str, folder: Path):
        tf = tensorflow()
        self.name = name
        self.card = _text(folder / "model_card.md")
        self.config = _mapping(folder / "config.json")
        self.metrics = _mapping(folder / "metrics.json")
        self._constant = tf.constant
        with _kept():
            self._model = tf.saved_model.load(str(folder))
        self._lock = _FairLock()

    @property
    def max_words(self) -> int | None:
        """How many words of a text the model reads, from `config.json` or else the model card; None if neither says."""
        if "max_words" in self.config:
            return int(self.config["max_words"])
        stated = re.search(r"max_words\D{0,10}(\d[\d,]*)", self.card)
        return int(stated[1].replace(",", "")) if stated else None

    def call(self, signature: str, **inputs) -> dict[str, np.ndarray]:
        """Calls a signature.

        Args:
            signature: its name, such as "serving_default".
            **inputs: lists or arrays, under the names the signature gives them. Strings are str or UTF-8 bytes.

        Returns:
            The outputs by name; strings are arrays of bytes.

        Raises:
            ModelError: if the model has no such signature, fails, or gives a number that is not finite. In `scores`,
                which are logarithms, -inf is one: that of what is not there.
        """
        try:
            with self._lock:
                outputs = self._model.signatures[signature](
                    **{name: self._constant(value) for name, value in inputs.items()}
                )
                outputs = {name: value.numpy() for name, value in outputs.items()}
        except Exception as error:
            logger.exception("The signature %s of the model %s failed", signature, self.name)
            raise ModelError(
                f"The {self.name} model could not answer this. What you gave is still in place; something "
                "shorter or simpler may work. The server's log says what went wrong."
            ) from error
        for output, value in outputs.items():
            if value.dtype.kind != "f":
                continue
            if not (np.isfinite(value) | (np.isneginf(value) & (output == "scores"))).all():
                logger.error("The signature %s of the model %s gave a number that is not finite", signature, self.name)
                raise ModelError(f"The {self.name} model gave no usable number for this.")
        return outputs

    def call_in_batches(
        self,
        signature: str,
        text: Sequence[str],
        *,
        batch_size: int = 32,
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> dict[str, np.ndarray]:
        """Calls a signature that takes `text` and gives one value a text, some texts at a time.

        Texts of like length share a batch, so that little is spent on padding; the outputs are in the order given.

        Args:
            signature: its name.
            text: any number of texts, at least one.
            batch_size: texts a call. Other visitors' calls come in between.
            progress: called with (texts done, texts in all) after each batch.

        Returns:
            The outputs by name, each with one row a text.

        Raises:
            ModelError: as `call`.
        """
        order = sorted(range(len(text)), key=lambda index: len(text[index]))
        batches = []
        for start in range(0, len(order), batch_size):
            batches.append(self.call(signature, text=[text[index] for index in order[start : start + batch_size]]))
            progress(min(start + batch_size, len(order)), len(order))
        back = np.argsort(order)
        return {name: np.concatenate([batch[name] for batch in batches])[back] for name in batches[0]}


def command(name: str) -> str:
    """What trains a model and puts it in its place."""
    word, _, variant = name.partition("/")
    option = "--corpus" if word == "language" else "--pair"
    return f"make train APP={word}" + (f' ARGS="{option} {variant}"' if variant else "")


def is_there(name: str) -> bool:
    """Whether there is a model of that name to load."""
    return _graph(name).is_file()


def variants(word: str) -> list[str]:
    """What of an application's models is there to load, such as its pairs of languages, by name."""
    return sorted(graph.parent.name for graph in _graph(word).parent.glob("*/saved_model.pb"))


def newest(word: str) -> int:
    """When the newest of an application's models was written, in nanoseconds; 0 where there is none."""
    names = [word, *(f"{word}/{variant}" for variant in variants(word))]
    return max((_graph(name).stat().st_mtime_ns for name in names if is_there(name)), default=0)


def config(name: str) -> dict:
    """Contents of a model's `config.json`, without loading the model; {} where there is none, or none to be read."""
    try:
        return _mapping(_graph(name).with_name("config.json"))
    except ValueError:
        return {}


def load(name: str) -> Model:
    """A model by its name, loaded at the first call and shared by all visitors; anew after a new export.

    Models lie in the folder `saved_models` of the repository, or the one SEQKERAS_SAVED_MODELS names.

    Raises:
        ModelError: if it is not there or cannot be read; the message says which command makes it.
    """
    graph = _graph(name)
    if not graph.is_file():
        raise ModelError(
            f"The {name} model is not in `saved_models/{name}` yet. This command, run in the project's folder, "
            f"trains it and puts it there: `{command(name)}`"
        )
    try:
        return _load(name, str(graph.parent), graph.stat().st_mtime_ns)
    except Exception as error:
        logger.exception("The model %s could not be loaded", name)
        raise ModelError(
            f"The {name} model in `saved_models/{name}` cannot be read. If it is being written just now, try again "
            f"in a moment; if not, `{command(name)}` makes it anew."
        ) from error


def _graph(name: str) -> Path:
    root = os.environ.get("SEQKERAS_SAVED_MODELS") or Path(__file__).parent.parent / "saved_models"
    return Path(root) / name / "saved_model.pb"


# More than there are models; the old ones of new exports have to go some day.
@st.cache_resource(max_entries=16, show_spinner=False)
def _load(name: str, folder: str, saved_at: int) -> Model:
    return Model(name, Path(folder))


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


def _mapping(path: Path) -> dict:
    return json.loads(_text(path) or "{}")
