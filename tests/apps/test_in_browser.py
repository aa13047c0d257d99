import re
from urllib.parse import urlparse

import pytest

from tests.apps import browser

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def address(stand_ins, tmp_path_factory):
    with browser.suite(tmp_path_factory.mktemp("server") / "log", stand_ins) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture(params=browser.WIDTHS)
def page(chromium, request):
    page = chromium.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(30_000)
    page.asked = []
    page.on("request", lambda asked: page.asked.append(urlparse(asked.url)))
    yield page
    page.close()


def test_a_visitor_types_a_review_and_sees_what_the_model_makes_of_it(page, address, tmp_path):
    page.goto(f"{address}/sentiment")
    page.get_by_role("textbox", name="Text to rate").fill("A wonderful film.\n\nThe end is dull, though. <b>Great</b>")
    page.get_by_role("button", name="Rate this text").click()
    page.get_by_text("Strongest against: dull").wait_for()

    page.locator('[role="graphics-document"][aria-label="Gauge: 87% positive"]').wait_for()
    page.get_by_role("img", name=re.compile(r"^\d\.\d of 5 stars$")).wait_for()  # pictures come after the page
    words = page.locator("span[title]").filter(has_text="wonderful")
    assert words.get_attribute("title") == "wonderful: +1.700"
    assert words.evaluate("word => getComputedStyle(word).backgroundColor") != "rgba(0, 0, 0, 0)"
    assert page.locator("div[dir=auto]").inner_text() == "A wonderful film.\n\nThe end is dull, though. <b>Great</b>"

    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert {asked.hostname for asked in page.asked if asked.scheme.startswith("http")} == {"127.0.0.1"}
    picture = tmp_path / "sentiment.png"
    browser.photograph(page, picture)
    assert picture.stat().st_size > 10_000


def test_the_way_from_home_to_a_result_the_card_and_a_download(page, address):
    page.goto(address)
    page.get_by_text("90% positive").wait_for()
    page.get_by_role("link", name="See why").click()
    page.get_by_text("Strongest for: bad").wait_for()
    assert urlparse(page.url).path == "/sentiment"
    with page.expect_download() as download:
        page.get_by_role("button", name="Words and their shares").click()
    assert download.value.path().read_text(encoding="utf-8-sig").startswith("word,share\nthe,0.0\n")
    page.get_by_role("button", name="Model card").click()
    page.get_by_role("dialog").get_by_text("for tests only").wait_for()


def test_a_csv_comes_back_with_its_ratings(page, address):
    page.goto(f"{address}/sentiment")
    page.get_by_text("CSV file", exact=True).click()
    rows = "".join(f"{index},a {'good' if index % 2 else 'dull'} film\n" for index in range(300))
    page.locator("input[type=file]").set_input_files(
        {"name": "films.csv", "mimeType": "text/csv", "buffer": f"id,review\n{rows}".encode()}
    )
    page.get_by_role("button", name="Rate this file").click()
    page.get_by_text("300 texts rated").wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="The table as CSV").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert len(lines) == 301
    assert lines[:3] == [
        "id,review,positive,stars,verdict",
        "0,a dull film,0.1978,1.79,Negative",
        "1,a good film,0.7311,3.92,Positive",
    ]
