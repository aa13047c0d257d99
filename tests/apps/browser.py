"""The suite in a real browser: a server of its own and headless Chromium.

`python -m tests.apps.browser FOLDER` saves a picture of every page, wide and narrow, light and dark, with the models
that SEQKERAS_SAVED_MODELS names or else those of the repository; `make screenshots` those that README shows.
"""

import argparse
import contextlib
import itertools
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from playwright.sync_api import Browser, Page, sync_playwright

from apps.applications import INSIDE, offered

ROOT = Path(__file__).parents[2]
CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
WIDTHS = (1280, 390)
SCHEMES = ("light", "dark")
# Of each page the link on its card, and what it shows when the result is there.
RESULTS = {
    "sentiment": ("See why", "Strongest for"),
    "music": ("Hear it", "this tune again"),
    "translation": ("See where it looked, or try your own", "The same as a map"),
    "captioning": ("give it a picture", "Point at a word"),
    "language": ("Have it write on", "top-k and top-p"),
    "inside": ("Look inside", "for its number"),
}


@contextlib.contextmanager
def suite(log: Path, saved_models: Path | None = None) -> Iterator[str]:
    """Starts the suite on a free port of 127.0.0.1 and ends it on leaving; gives its address.

    Args:
        log: the file the server writes to.
        saved_models: folder of the models; None for the usual one.

    Raises:
        RuntimeError: if it does not answer within a minute.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "streamlit", "run", "apps/streamlit_app.py", "--server.headless=true"]
    command += ["--server.address=127.0.0.1", f"--server.port={port}"]
    # As `make app` has it.
    environment = os.environ | {"MALLOC_ARENA_MAX": "2"}
    environment |= {"SEQKERAS_SAVED_MODELS": str(saved_models)} if saved_models else {}
    with log.open("w") as output:
        server = subprocess.Popen(command, cwd=ROOT, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        address = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + 60
        while not _answers(f"{address}/_stcore/health"):
            if server.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"The suite did not start. It wrote:\n{log.read_text()}")
            time.sleep(0.2)
        yield address
    finally:
        server.terminate()
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as response:
            return response.status == 200
    except (urllib.error.URLError, OSError):
        return False


@contextlib.contextmanager
def chromium() -> Iterator[Browser]:
    """Headless Chromium as the system has it."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
        )
        yield browser
        browser.close()


def photograph(page: Page, path: Path) -> None:
    """Saves a picture of a whole page, however long; Streamlit scrolls inside the window, so the window grows first."""
    size = page.viewport_size
    height = page.evaluate("Math.max(...[...document.querySelectorAll('*')].map(part => part.scrollHeight))")
    page.set_viewport_size({"width": size["width"], "height": min(max(height, size["height"]), 6_000)})
    page.wait_for_timeout(800)
    # What stands for a part whose code is still on its way to the browser.
    page.wait_for_function("!document.querySelector('[data-testid=stSkeleton]')")
    page.screenshot(path=path)
    page.set_viewport_size(size)


def photograph_all(folder: Path, widths: Sequence[int] = WIDTHS, schemes: Sequence[str] = SCHEMES) -> None:
    """Saves `<word>_<width>_<scheme>.png` of every page, each with a result, and of the home page; `<word>.png` where
    there is only one width and scheme."""
    folder.mkdir(parents=True, exist_ok=True)
    one = len(widths) * len(schemes) == 1
    with tempfile.TemporaryDirectory() as logs, suite(Path(logs) / "log") as address, chromium() as browser:
        for scheme, width in itertools.product(schemes, widths):
            ending = ".png" if one else f"_{width}_{scheme}.png"
            page = browser.new_page(viewport={"width": width, "height": 900}, color_scheme=scheme)
            page.goto(address)
            page.get_by_text("of 5 stars").wait_for(timeout=60_000)
            page.get_by_text("Asking the model").first.wait_for(state="hidden", timeout=60_000)
            photograph(page, folder / f"home{ending}")
            # An application without a model has no card.
            for word in (*(application.word for application in offered()), INSIDE.word):
                link, shown = RESULTS[word]
                page.goto(address)
                page.get_by_text("of 5 stars").wait_for(timeout=60_000)
                page.get_by_role("link", name=link).click()
                page.get_by_text(shown).first.wait_for(timeout=120_000)
                photograph(page, folder / f"{word}{ending}")
            page.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--widths", type=int, nargs="+", default=WIDTHS)
    parser.add_argument("--schemes", nargs="+", default=SCHEMES, choices=SCHEMES)
    arguments = parser.parse_args()
    photograph_all(arguments.folder, arguments.widths, arguments.schemes)
