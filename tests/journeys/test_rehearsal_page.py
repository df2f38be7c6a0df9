"""The page of a rehearsal in a real browser, from a file: it draws everything and asks nobody for anything."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Page

from onsale.sandbox.rehearsal.page import page
from onsale.sandbox.rehearsal.recovering import Recovered
from onsale.sandbox.rehearsal.rehearsal import Rehearsed
from tests.journeys.conftest import PATIENCE_MS, PHONE, complaint
from tests.rehearsal_by_hand import rehearsed

pytestmark = pytest.mark.browser

DESKTOP = {"width": 1280, "height": 900}
CHARTS = 5 + 6
SECONDS_SEEN = 31
NOT_KNOWN = "\u2013"
# Of a chart's pixels, so many at least are neither its ground nor another shade of nothing.
INKED_MIN = 300
INKED = """canvas => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    let inked = 0;
    for (let at = 3; at < data.length; at += 4) inked += data[at] > 0;
    return inked;
}"""
FIRST_LINE = "canvas => Chart.getChart(canvas).data.datasets[0].borderColor"


@pytest.fixture
def open_file(chromium: Browser, tmp_path: Path) -> Iterator[Callable[..., Page]]:
    """Opens a rehearsal's page from a file; in the end it may have complained of nothing and asked for nothing else."""
    asked: list[str] = []
    complaints: list[str] = []
    contexts: list[BrowserContext] = []
    file = tmp_path / "evening.html"

    def open_it(found: Rehearsed, **options: object) -> Page:
        file.write_text(page(found, rehearsed_at=datetime(2026, 3, 1, tzinfo=UTC), command="onsale rehearse"), "utf-8")
        context = chromium.new_context(**options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        opened = context.new_page()
        opened.on("console", lambda said: complaints.append(complaint(said)))
        opened.on("pageerror", lambda error: complaints.append(str(error)))
        opened.on("request", lambda request: asked.append(request.url))
        opened.goto(file.as_uri())
        return opened

    yield open_it
    for context in contexts:
        context.close()
    assert complaints == []
    assert set(asked) == {file.as_uri()}


@pytest.mark.parametrize("viewport", [PHONE, DESKTOP], ids=["phone", "desktop"])
@pytest.mark.parametrize("color_scheme", ["light", "dark"])
def test_every_chart_is_drawn_on_any_screen(
    open_file: Callable[..., Page], viewport: dict[str, int], color_scheme: str
) -> None:
    opened = open_file(rehearsed(), viewport=viewport, color_scheme=color_scheme)

    canvases = opened.locator("canvas")
    inked = [canvases.nth(n).evaluate(INKED) for n in range(canvases.count())]
    assert len(inked) == CHARTS
    assert min(inked) > INKED_MIN
    # Nothing sticks out.
    assert opened.evaluate("document.documentElement.scrollWidth") == viewport["width"]


def test_no_column_is_cut_off_on_a_phone_and_no_name_broken(open_file: Callable[..., Page]) -> None:
    kill = Recovered("payments", 1_000, 100.4, 28.4, decided_again_seconds=6.7, paid_again_seconds=16.4)

    opened = open_file(rehearsed(kills=[kill]), viewport=PHONE)

    tables = opened.locator(".card.scroll").all()
    assert len(tables) == 2
    assert [each.evaluate("each => each.scrollWidth - each.clientWidth") for each in tables] == [0, 0]
    name = opened.locator(".killed tbody th")
    # A box for each line of the text.
    lines = """each => {
        const text = document.createRange();
        text.selectNodeContents(each);
        return text.getClientRects().length;
    }"""
    assert name.evaluate(lines) == 1


def test_a_kill_is_a_line_in_every_chart_over_time(open_file: Callable[..., Page]) -> None:
    # The dashed line is the only thing of this colour, on the canvas, at the moment of the kill.
    red = """canvas => {
        const chart = Chart.getChart(canvas);
        if (chart.config.type !== "line") return null;
        const ratio = chart.currentDevicePixelRatio;
        const { top, height } = chart.chartArea;
        const x = Math.round((chart.scales.x.getPixelForValue(7.5) - 2) * ratio);
        const { data } = canvas.getContext("2d").getImageData(x, top * ratio, 5 * ratio, height * ratio);
        let found = 0;
        for (let at = 0; at < data.length; at += 4) found += data[at] > 140 && data[at + 1] < 90 && data[at + 3] > 100;
        return found;
    }"""
    opened = open_file(rehearsed(), viewport=DESKTOP, color_scheme="light")

    found = [each.evaluate(red) for each in opened.locator("canvas").all()]

    over_time = [count for count in found if count is not None]
    assert len(over_time) == CHARTS - 1
    assert min(over_time) > 20


def test_the_numbers_of_a_chart_are_a_table_for_who_asks(open_file: Callable[..., Page]) -> None:
    opened = open_file(rehearsed(), viewport=PHONE)

    opened.locator("#tickets summary").click()

    rows = opened.locator("#tickets tbody tr")
    opened.locator("#tickets table").wait_for()
    assert rows.count() == SECONDS_SEEN
    assert rows.nth(10).locator("th, td").all_inner_texts() == ["10", "10", "3", "7"]
    assert rows.nth(8).locator("th, td").all_inner_texts() == ["8", NOT_KNOWN, NOT_KNOWN, "5"]
    picture = opened.locator('[data-chart="tickets"]').get_attribute("aria-label")
    assert picture is not None
    assert "20 were free at the opening and 0 at the end" in picture


def test_charts_change_with_the_screen_and_are_ink_on_paper(open_file: Callable[..., Page]) -> None:
    opened = open_file(rehearsed(), viewport=DESKTOP, color_scheme="light")
    queue = opened.locator('[data-chart="queue"]')
    light = queue.evaluate(FIRST_LINE)

    opened.emulate_media(color_scheme="dark")
    opened.wait_for_function(
        "light => Chart.getChart(document.querySelector('[data-chart=queue]')).data.datasets[0].borderColor !== light",
        arg=light,
    )

    opened.evaluate("dispatchEvent(new Event('beforeprint'))")
    assert queue.evaluate(FIRST_LINE) == light
    opened.evaluate("dispatchEvent(new Event('afterprint'))")
    assert queue.evaluate(FIRST_LINE) != light


def test_a_rehearsal_cannot_make_its_page_run_anything(open_file: Callable[..., Page]) -> None:
    evil = "</script><script>document.title = 'taken'</script><img src=x onerror=\"document.title = 'taken'\">"

    opened = open_file(rehearsed(outcomes={evil: 24}, broken_promises=[evil], broken_promises_count=1))

    assert opened.title() != "taken"
    assert opened.locator("img").count() == 0
    assert evil in opened.locator(".broken li").inner_text()
    assert opened.locator('[data-chart="outcomes"]').evaluate(INKED) > INKED_MIN


def test_without_scripts_the_verdict_the_figures_and_what_charts_say_are_there(open_file: Callable[..., Page]) -> None:
    opened = open_file(rehearsed(), java_script_enabled=False)

    assert "Nothing lost" in opened.locator(".verdict").inner_text()
    assert opened.locator(".tile").count() == 14
    assert "4 at the end" in opened.locator("#queue .says").inner_text()
    assert opened.locator("noscript").inner_text().startswith("Charts are drawn by a script")
