import re
from urllib.parse import urlparse

import pytest

from apps import sample_pictures
from tests.apps import browser

WIDE, NARROW = browser.WIDTHS

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="Chromium is not installed")


@pytest.fixture(scope="module")
def address(stand_ins, tmp_path_factory):
    with browser.suite(tmp_path_factory.mktemp("server") / "log", stand_ins) as address:
        yield address


@pytest.fixture(scope="module")
def chromium():
    with browser.chromium() as chromium:
        yield chromium


@pytest.fixture
def page(chromium, request):
    page = chromium.new_page(viewport={"width": request.param, "height": 900})
    page.set_default_timeout(30_000)
    page.asked = []
    page.on("request", lambda asked: page.asked.append(urlparse(asked.url)))
    yield page
    page.close()


def at_width(width):
    """What a visitor does is done in a window of one width; what comes of it is looked at in windows of both."""
    return pytest.mark.parametrize("page", [width], indirect=True)


def in_both_widths(page):
    """Changes the window's width; gives it."""
    for width in browser.WIDTHS:
        page.set_viewport_size({"width": width, "height": 900})
        page.wait_for_function(f"innerWidth == {width}")
        yield width


def looks_right(page, folder):
    """Nothing is wider than the window, all can be photographed, and nothing was asked of another host."""
    for width in in_both_widths(page):
        picture = folder / f"{width}.png"
        browser.photograph(page, picture)
        assert picture.stat().st_size > 10_000
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert {asked.hostname for asked in page.asked if asked.scheme.startswith("http")} == {"127.0.0.1"}


@at_width(NARROW)
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

    looks_right(page, tmp_path)


@at_width(WIDE)
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


@at_width(NARROW)
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


@at_width(WIDE)
def test_a_visitor_has_a_tune_written_reads_hears_and_keeps_it(page, address, tmp_path):
    page.goto(address)
    page.get_by_role("link", name="Hear it").click()
    page.get_by_text("symbols written in").wait_for()
    assert urlparse(page.url).path == "/music"

    # The sheet that suits the width of the window, and it alone, has ink: the colour of the page's text.
    sheets = page.get_by_role("img", name="Sheet music of Tune in A dorian, 16 bars")
    masks = set()
    for width in in_both_widths(page):
        sheets.filter(visible=True).wait_for()
        assert sheets.filter(visible=True).count() == 1
        box = sheets.filter(visible=True).bounding_box()
        assert box["width"] <= width and box["height"] > 100
        colour, text, mask = sheets.filter(visible=True).evaluate(
            "sheet => [getComputedStyle(sheet).backgroundColor, getComputedStyle(sheet).color,"
            " getComputedStyle(sheet).maskImage]"
        )
        assert colour == text and mask.startswith('url("data:image/svg+xml')
        masks.add(mask)
    assert len(masks) == 2
    page.locator('[role="graphics-document"][aria-label^="Piano roll of Tune in A dorian"]').wait_for()
    audio = page.locator("audio")
    audio.evaluate("audio => new Promise(done => audio.readyState ? done() : audio.onloadedmetadata = done)")
    seconds = 16 * 3 * 60 / 160  # bars, quarter notes in a bar, quarter notes a minute
    assert audio.evaluate("audio => audio.duration") == pytest.approx(seconds, abs=0.5)

    with page.expect_download() as download:
        page.get_by_role("button", name="ABC", exact=True).click()
    assert download.value.suggested_filename == "tune_in_a_dorian_1.abc"
    assert download.value.path().read_text().startswith("X:1\nT:Tune in A dorian\nM:6/8\nL:1/8\nK:Ador\n")
    with page.expect_download() as download:
        page.get_by_role("button", name="MIDI").click()
    assert download.value.path().read_bytes().startswith(b"MThd")

    page.get_by_role("button", name="Keep this tune").click()
    page.get_by_text("Tune in A dorian, seed 1").wait_for()
    page.get_by_role("button", name="Write", exact=True).click()
    page.get_by_text("symbols written in").wait_for()
    page.get_by_text("Tune in A dorian, seed 1").click()
    page.locator("audio").nth(1).wait_for()

    looks_right(page, tmp_path)


@at_width(NARROW)
def test_a_visitor_has_pictures_captioned_and_sees_where_the_model_looked(page, address, tmp_path):
    page.goto(address)
    page.get_by_role("img", name="A brown dog running over grass, drawn").wait_for()
    page.get_by_role("link", name="give it a picture").click()
    page.get_by_text("One picture captioned").wait_for()
    assert urlparse(page.url).path == "/captioning"
    page.get_by_role("img", name="dog.jpg, as the model saw it").wait_for()

    # The word most closely looked at is large at first, another when it is pointed at, or reached by keyboard.
    stage, label = page.locator(".looked .stage"), page.locator(".looked .label")
    label.filter(has_text="white").filter(visible=True).wait_for()
    shade = "stage => getComputedStyle(stage).backgroundImage"
    white = stage.evaluate(shade)
    assert white.startswith('url("data:image/png;base64') and "data:image/jpeg;base64" in white
    page.get_by_role("img", name="green: looked at the lower part").hover()
    label.filter(has_text="green").filter(visible=True).wait_for()
    assert stage.evaluate(shade) != white and label.filter(visible=True).count() == 1
    page.mouse.move(1, 1)
    page.get_by_role("img", name=re.compile("^green: ")).focus()
    page.keyboard.press("Tab")
    label.filter(has_text="picture").filter(visible=True).wait_for()
    for width in in_both_widths(page):
        box = stage.bounding_box()
        assert box["width"] <= width
        assert box["width"] / box["height"] == pytest.approx(4 / 3, abs=0.02)

    drawn = [
        {"name": f"{name} <b>.jpg", "mimeType": "image/jpeg", "buffer": sample_pictures.draw(name)}
        for name in ("snow", "beach")
    ]
    bad = {"name": "text.jpg", "mimeType": "image/jpeg", "buffer": b"hello"}
    page.locator("input[type=file]").set_input_files([*drawn, bad])
    page.get_by_text("2 pictures captioned in").wait_for()
    page.get_by_text("text.jpg: This is no picture that can be read here").wait_for()
    page.get_by_role("img", name="snow <b>.jpg, as the model saw it").wait_for()
    page.get_by_role("combobox").click()
    page.get_by_role("option", name="2. beach <b>.jpg").click()
    page.get_by_role("img", name="beach <b>.jpg, as the model saw it").wait_for()
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="The table as CSV").click()
    lines = download.value.path().read_text(encoding="utf-8-sig").splitlines()
    assert lines[0] == "file,caption,score,remark" and len(lines) == 4
    assert lines[1].startswith("snow <b>.jpg,A white picture with a little ") and lines[1].endswith(",-0.5000,")

    looks_right(page, tmp_path)


@at_width(WIDE)
def test_a_visitor_has_a_text_written_on_compares_two_sentences_and_takes_suggestions(page, address, tmp_path):
    page.goto(address)
    page.get_by_role("link", name="Have it write on").click()
    page.get_by_text("400 characters written in").wait_for(timeout=90_000)
    assert urlparse(page.url).path == "/language"
    written = page.locator("div[dir=ltr]")
    assert written.inner_text().startswith("My lord, the king")
    symbol = written.locator("span[title]").first
    assert re.fullmatch(r"(?s).+: .*\(next: .*\)", symbol.get_attribute("title"))
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="The text", exact=True).click()
    assert download.value.suggested_filename == "shakespeare_1.txt"
    assert download.value.path().read_text().startswith("My lord, the king")

    page.get_by_text("Wall Street Journal", exact=True).click()
    page.get_by_text("Compare two").click()
    page.get_by_role("button", name="Compare", exact=True).click()
    page.get_by_text("times likelier").wait_for()
    page.locator('[role="graphics-document"][aria-label^="Bits of surprise of 8 words"]').wait_for()

    # Suggestions come while one types, without a key or a click that ends it.
    page.get_by_text("Suggest the next").click()
    box = page.get_by_role("textbox", name="Your text")
    box.press_sequentially("the stock ma")
    market = page.get_by_role("button", name=re.compile("^market "))
    market.wait_for()
    # Nobody clicks in the very moment in which it appears.
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    page.wait_for_timeout(300)
    market.click()
    page.get_by_role("button", name=re.compile("^fell ")).wait_for()
    assert box.input_value() == "the stock market"

    looks_right(page, tmp_path)


@at_width(NARROW)
def test_a_visitor_looks_inside_and_has_a_cell_trained(page, address, tmp_path):
    page.goto(f"{address}/inside")
    page.get_by_text("tracks it best").wait_for(timeout=60_000)
    page.locator('[role="graphics-document"][aria-label^="Correlations of 6 units"]').wait_for()
    symbols = page.locator("div[dir=ltr] span[title]")
    assert symbols.first.get_attribute("title") == "G: +0.01"
    looks_right(page, tmp_path)

    # A real training, which is drawn while it goes on, and ends when the visitor wants.
    page.get_by_text("Memory", exact=True).click()
    page.get_by_role("button", name="Train").click()
    page.get_by_text(re.compile(r"Step [1-9]\d+ of 3,000 at most")).wait_for(timeout=120_000)
    page.locator('[role="graphics-document"][aria-label^="Loss of LSTM on adding"]').wait_for()
    page.get_by_role("button", name="Stop training").click()
    page.get_by_text("It was stopped after").wait_for()
    page.locator('[data-testid="stApp"][data-test-script-state="notRunning"]').wait_for()
    with page.expect_download() as download:
        page.get_by_role("button", name="The curve as CSV").click()
    assert download.value.suggested_filename == "adding_lstm_30.csv"
    assert download.value.path().read_text(encoding="utf-8-sig").startswith("run,step,loss,measure,gradient_norm")

    looks_right(page, tmp_path)
