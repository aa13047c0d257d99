"""Trainings of visitors: each in a process of its own, a few at a time, and only as long as somebody looks on.

    python -m apps.trainings '{"mine": {"cell": "lstm", "task": "adding", "length": 10}}'     prints the reports

A process gives back all that it took, where TensorFlow would keep some 20 MB of compiled functions a training; it can
be ended at any moment; and it leaves the server's threads to the other pages.
"""

import json
import logging
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

logger = logging.getLogger(__name__)

SECONDS = 120.0  # of a training, at most
LEASE = 10.0  # seconds after which a training ends that nobody looks at
MOST = 2  # trainings on this server at a time
COMMAND = [sys.executable, "-m", "apps.trainings"]
# The networks are small: a graphics card would not help, and its memory belongs to the pages.
ENVIRONMENT = {"CUDA_VISIBLE_DEVICES": "-1", "KERAS_BACKEND": "tensorflow", "TF_CPP_MIN_LOG_LEVEL": "3"}
# How a training ended.
DONE, STOPPED, LATE, LEFT, FAILED = "done", "stopped", "late", "left", "failed"


class Unavailable(Exception):
    """Something that cannot be had now. The message is a sentence for visitors."""


class Report(NamedTuple):
    """`seqkeras.understanding.Progress`, and the loss of who remembers nothing."""

    step: int
    loss: float
    measure: float
    gradient_norm: float
    solved: bool
    baseline: float


class Training:
    """Runs of `seqkeras.understanding.trainer` that take turns in a process.

    It ends when all of them have, after so many seconds, when it is told to, and LEASE seconds after it was last looked
    at, for then whoever began it has left the page or closed it.

    Args:
        runs: for each name the arguments of `trainer`, which JSON can hold.
        seconds: that it may take, the start of the process included.
        then: called when it has ended.

    Attributes:
        reports: for each name the list of what was reported, `Report`.
        ended: None as long as it goes on; then DONE, STOPPED, LATE, LEFT or FAILED.
        seconds: that it has taken.
    """

    def __init__(self, runs: dict[str, dict], seconds: float = SECONDS, then: Callable[[], None] = lambda: None):
        self.reports = {name: [] for name in runs}
        self.ended: str | None = None
        self.seconds = 0.0
        self._limit, self._then = seconds, then
        self._stopped = threading.Event()
        self._looked = time.monotonic()
        self._process = subprocess.Popen(
            [*COMMAND, json.dumps(runs)],
            cwd=Path(__file__).parent.parent,
            env=os.environ | ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            text=True,
            encoding="utf-8",
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._keeper = threading.Thread(target=self._keep, daemon=True)
        self._reader.start()
        self._keeper.start()

    def look(self) -> None:
        """Says that somebody is still there."""
        self._looked = time.monotonic()

    def stop(self, wait: float = 0.0) -> None:
        """Ends it, which takes a moment; waits for that, so many seconds at the most."""
        self._stopped.set()
        self._keeper.join(wait)

    @property
    def running(self) -> bool:
        return self.ended is None and not self._stopped.is_set()

    def _read(self) -> None:
        with self._process.stdout as lines:
            for line in filter(lambda line: line.startswith("{"), lines):
                report = json.loads(line)
                self.reports[report.pop("run")].append(Report(**report))

    def _keep(self) -> None:
        start, why = time.monotonic(), None
        try:
            while self._process.poll() is None and why is None:
                self._stopped.wait(0.1)
                now = time.monotonic()
                self.seconds = now - start
                if self._stopped.is_set():
                    why = STOPPED
                elif now - self._looked > LEASE:
                    why = LEFT
                elif self.seconds > self._limit:
                    why = LATE
        finally:
            self._process.kill()
            code = self._process.wait()
            self._reader.join()
            if why is None and code:
                logger.error("A training ended with the exit code %d", code)
            self.ended = why or (FAILED if code else DONE)
            self._then()


_places = threading.BoundedSemaphore(MOST)


def begin(runs: dict[str, dict]) -> Training:
    """Begins a training where fewer than MOST go on.

    Raises:
        Unavailable: if so many go on already, or the process cannot be started.
    """
    if not _places.acquire(blocking=False):
        raise Unavailable(
            f"{MOST} trainings are going on already, as many as this server runs at a time. Each ends within "
            f"{SECONDS / 60:g} minutes: try again in a moment."
        )
    try:
        return Training(runs, then=_places.release)
    except OSError as error:
        _places.release()
        logger.exception("A training could not be started")
        raise Unavailable("No training can be started on this server now; its log says why.") from error


def main(runs: dict[str, dict]) -> None:
    """What goes on in the process: prints each report as a line of JSON."""
    from seqkeras.understanding import TASKS, trainer

    active = {name: trainer(**arguments) for name, arguments in runs.items()}
    while active:
        for name, run in list(active.items()):
            progress = next(run, None)
            if progress is None:
                del active[name]
                continue
            baseline = TASKS[runs[name]["task"]].baseline(runs[name]["length"])
            print(json.dumps({"run": name, **progress._asdict(), "baseline": baseline}), flush=True)


if __name__ == "__main__":
    if hasattr(os, "nice"):
        os.nice(10)  # pages go first
    main(json.loads(sys.argv[1]))
