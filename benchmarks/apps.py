"""How fast the suite feels: in headless Chromium, from a click to what it brings.

    python -m benchmarks.apps [--runs 3] [--visitors 20] [--seconds 120] [--cold] [--pages sentiment,music]

First one visitor of a server just started. In seconds: from the start of the server to the home page's title and to
the last of its answers; on each page from opening it to where it takes input; from a click on its first example to the
first sight of a result (of what is written before one's eyes, its first symbols) and to all of it; and the same for a
click on its second example. Each page is visited twice: after the home page, which has then loaded the model of each
application, and on a server of its own where nothing has been loaded.

Then many visitors at once, after one who opened the home page: all come within half a minute, go from page to page by
the links at its top, click on two examples, look at what came for some seconds each, and go on. Medians and 95th
percentiles of the seconds from click to first sight, how many clicks met an error, and the memory of the server, which
should be level after the first minute. The browser runs on the same machine, and twenty tabs take more of it than the
server does; so they yield to it, as processes of a lower priority.
"""

import argparse
import asyncio
import collections
import os
import random
import re
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from playwright.async_api import async_playwright

from apps.applications import APPLICATIONS, offered
from benchmarks import common
from tests.apps import browser

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking"]
EXAMPLES = '[class*="st-key-{word}_example_"] button'
PATIENCE = 60_000  # milliseconds
ARRIVING = 30  # seconds within which all visitors come
TITLES = {application.word: application.title for application in APPLICATIONS}
# Called in the page with a button: clicks it and gives the seconds to the first sight of a result and to its end. What
# is written before one's eyes ends with a cursor, and is in sight when it has changed once, for at first the cursor
# stands behind what was given. A translation is there before its attention. All else is there when the page's script
# has come to rest for a second, which does not count: between two runs it rests for some tenths. A run may be over
# before the page has said that it runs; then its text has changed. (innerText would lay out the page at every look.)
CLICK = """(button) => new Promise((done) => {
    const app = document.querySelector('[data-testid="stApp"]');
    const began = performance.now(), before = app.textContent;
    const result = document.querySelector('[class*="st-key-translation_copy"]');
    let sight = null, given = null, ran = false, rested = null;
    button.click();
    const look = () => {
        const now = performance.now(), running = app.dataset.testScriptState === "running", text = app.textContent;
        ran ||= running || text !== before;
        const written = ran && text.includes("▍") ? text.split("▍")[0] : null;
        if (written !== null) {
            given ??= written;
            if (written !== given) sight ??= now - began;
        }
        if (!result && document.querySelector('[class*="st-key-translation_copy"]')) sight ??= now - began;
        if (running || !ran || written !== null) rested = null;
        else if (rested === null) rested = now;
        else if (now - rested > 1000) return done([(sight ?? rested - began) / 1000, (rested - began) / 1000]);
        if (now - began > 60000) return done(null);
        setTimeout(look, 20);
    };
    look();
})"""
# Called in the page: whether it has an alert that is an error.
ERRORS = """() => [...document.querySelectorAll('[data-testid="stAlertContentError"], [data-testid="stException"]')]
    .map((part) => part.innerText)"""


async def opened(page, address, word):
    """Opens an application's page; gives the seconds until its script rests and its first example can be clicked."""
    began = time.perf_counter()
    await page.goto(f"{address}/{word}")
    await examples(page, word).first.wait_for(timeout=PATIENCE)
    return time.perf_counter() - began


def examples(page, word):
    """The buttons of a page that bring a result with one click: on every page their keys begin alike."""
    return page.locator(EXAMPLES.format(word=word))


async def click(page, word, number):
    """Clicks on an example; seconds to the first sight and to all of the result, None where none came; and errors."""
    buttons = examples(page, word)
    button = buttons.nth(number % max(1, await buttons.count()))
    seconds = await button.evaluate(CLICK)
    return seconds, await page.evaluate(ERRORS)


async def one_by_one(words, folder):
    """What the first visitor of a server meets, after the home page and without: a dict from name to seconds."""
    found = {}
    async with async_playwright() as playwright:
        chromium = await playwright.chromium.launch(executable_path=browser.CHROMIUM, args=ARGUMENTS)
        began = time.perf_counter()
        with browser.suite(folder / "home.log") as address:
            page = await chromium.new_page()
            await page.goto(address)
            await page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
            found["home, title"] = time.perf_counter() - began
            await answered(page)
            found["home, all answers"] = time.perf_counter() - began
            for word in words:
                found |= await visit(chromium, address, word, f"{word} after home")
        for word in words:
            with browser.suite(folder / f"{word}.log") as address:
                found |= await visit(chromium, address, word, f"{word} alone")
        await chromium.close()
    return found


async def answered(page):
    """Waits until the home page has all its answers."""
    await page.wait_for_function(
        "() => !document.body.innerText.includes('Asking the model')"
        " && document.querySelector('[data-testid=stApp]').dataset.testScriptState === 'notRunning'",
        timeout=PATIENCE,
    )


async def visit(chromium, address, word, name):
    """What a visit to one page takes: a dict of seconds, whose names begin with `name`."""
    page = await chromium.new_page()
    found = {f"{name}, opened": await opened(page, address, word)}
    for number, which in enumerate(("first", "second")):
        seconds, errors = await click(page, word, number)
        if seconds is None or errors:
            raise SystemExit(f"The page /{word} gave no result: {errors or 'nothing in a minute'}")
        found[f"{name}, {which} click, first sight"], found[f"{name}, {which} click, all"] = seconds
    await page.close()
    return found


async def visitor(number, context, address, words, end, clicks):
    """One who goes from page to page until `end`; appends (word, seconds to first sight or None, error) a click."""
    choose = random.Random(number)
    page = await context.new_page()
    await asyncio.sleep(choose.uniform(0, ARRIVING))
    place, shown = number, collections.Counter()
    try:
        await page.goto(address, timeout=PATIENCE)
    except Exception as error:  # what does not answer is what is counted here
        clicks.append(("home", None, str(error).splitlines()[0]))
    while time.monotonic() < end:
        word = words[place % len(words)]
        place += 1
        try:
            await page.get_by_role("link", name=TITLES[word], exact=True).first.click(timeout=PATIENCE)
            await examples(page, word).first.wait_for(timeout=PATIENCE)
            for _ in range(2):
                shown[word] += 1  # never the one that is there already
                seconds, errors = await click(page, word, number + shown[word])
                clicks.append((word, seconds and seconds[0], "; ".join(errors) or None if seconds else "no result"))
                await asyncio.sleep(choose.uniform(3, 8))
        except Exception as error:
            clicks.append((word, None, str(error).splitlines()[0]))


async def many(visitors, seconds, words, folder, cold):
    """Many visitors at once, on a server whose home page has been opened or which is `cold`.

    Returns the clicks, as of `visitor`, and the server's memory as (seconds, MiB).
    """
    clicks, memory = [], []
    with browser.suite(folder / "many.log") as address:
        server = server_of(address)
        os.nice(10)  # twenty browsers on the server's machine, which at home would be elsewhere
        async with async_playwright() as playwright:
            chromium = await playwright.chromium.launch(executable_path=browser.CHROMIUM, args=ARGUMENTS)
            # One profile, so that the pages' code is compiled once, as it is in a visitor's own browser.
            context = await chromium.new_context(reduced_motion="reduce")
            if not cold:
                page = await context.new_page()
                await page.goto(address)
                await page.get_by_role("heading", level=1).wait_for(timeout=PATIENCE)
                await answered(page)
                await page.close()
            began = time.monotonic()

            async def watch():
                while True:
                    memory.append((time.monotonic() - began, mebibytes(server)))
                    await asyncio.sleep(5)

            watching = asyncio.create_task(watch())
            await asyncio.gather(
                *(visitor(number, context, address, words, began + seconds, clicks) for number in range(visitors))
            )
            watching.cancel()
            await chromium.close()
    return clicks, memory


def server_of(address):
    """The process that serves an address, by its port."""
    port = address.rpartition(":")[2]
    listed = subprocess.run(["ps", "-eo", "pid,args"], capture_output=True, text=True, check=True).stdout
    return int(next(line.split()[0] for line in listed.splitlines() if f"--server.port={port}" in line))


def mebibytes(process):
    told = subprocess.run(["ps", "-o", "rss=", "-p", str(process)], capture_output=True, text=True, check=True)
    return int(told.stdout) / 1024


def percentile(values, share):
    return statistics.quantiles(values, n=100, method="inclusive")[share - 1] if len(values) > 1 else values[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3, help="of one visitor, each on new servers")
    parser.add_argument("--visitors", type=int, default=20, help="at once; 0 for none")
    parser.add_argument("--seconds", type=float, default=120, help="that they stay")
    parser.add_argument("--cold", action="store_true", help="they find a server that has loaded nothing")
    parser.add_argument("--pages", help="joined by commas; all that have a model if not given")
    arguments = parser.parse_args()
    if browser.CHROMIUM is None:
        parser.error("Chromium is not installed")
    known = [application.word for application in offered()]
    words = arguments.pages.split(",") if arguments.pages else known
    if unknown := set(words) - set(known):
        parser.error(f"unknown: {', '.join(sorted(unknown))}; there are {', '.join(known)}")

    results = {"cores": os.cpu_count()}
    with tempfile.TemporaryDirectory() as folder:
        visits = [asyncio.run(one_by_one(words, Path(folder))) for _ in range(arguments.runs)]
        if visits:
            results["one_visitor"] = {name: [run[name] for run in visits] for name in visits[0]}
            print("| one visitor, seconds | median | slowest |\n| --- | --- | --- |")
            for name, values in results["one_visitor"].items():
                print(f"| {name} | {statistics.median(values):.2f} | {max(values):.2f} |", flush=True)
        if arguments.visitors:
            clicks, memory = asyncio.run(
                many(arguments.visitors, arguments.seconds, words, Path(folder), arguments.cold)
            )
            results |= {"clicks": clicks, "memory": memory}
            print(f"\n| {arguments.visitors} visitors, {arguments.seconds:g} s | clicks | median | 95 % | errors |")
            print("| --- | --- | --- | --- | --- |")
            for word in [*words, "all"]:
                of_word = [click for click in clicks if word in (click[0], "all")]
                times = [seconds for _, seconds, error in of_word if not error]
                errors = sum(error is not None for *_, error in of_word)
                if times:
                    figures = f"{statistics.median(times):.2f} | {percentile(times, 95):.2f}"
                    print(f"| {word} | {len(of_word)} | {figures} | {errors} |")
            for error in sorted({re.sub(r"\s+", " ", error)[:200] for *_, error in clicks if error}):
                print(f"  {error}")
            told = [f"{mib:,.0f} MiB at {seconds:.0f} s" for seconds, mib in memory[:: max(1, len(memory) // 6)]]
            print(f"\nMemory of the server: {', '.join(told)}, {memory[-1][1]:,.0f} at the end.")
    common.write("apps", results)


if __name__ == "__main__":
    main()
