"""Takes the README's picture, docs/queue-and-dial.png: the queue page beside the dial, from a running `onsale run`.

.venv/bin/python tests/journeys/picture.py http://127.0.0.1:8000 .onsale/passwords
"""

from __future__ import annotations

import base64
import os
import re
import sys
from pathlib import Path

from playwright.sync_api import Browser, Page, expect, sync_playwright

from onsale.sandbox.passwords import ADMIN, passwords

CHROMIUM = os.environ.get("CHROMIUM", "/usr/bin/chromium")
TARGET = Path(__file__).resolve().parents[2] / "docs" / "queue-and-dial.png"
BYTES_MAX = 300_000
PHONE, DESK = {"width": 390, "height": 860}, {"width": 1040, "height": 860}
# Both halves on one sheet; written here, so that nothing needs an image library.
SHEET = """<body style="margin:0;padding:28px;display:flex;gap:28px;background:#d9e3df;width:max-content">
<style>img{display:block;border-radius:18px;box-shadow:0 8px 30px rgb(0 0 0/18%)}</style>
<img src="data:image/png;base64,QUEUE" height="640"><img src="data:image/png;base64,DIAL" height="640"></body>"""


def queue_page(browser: Browser, address: str) -> tuple[Page, int]:
    """A buyer's page in the queue of the sale that runs now."""
    page = browser.new_context(base_url=address, viewport=PHONE, device_scale_factor=1.5).new_page()
    page.goto("/demo")
    page.locator(".doors li").first.get_by_role("link").first.click()
    event_id = int(re.findall(r"/events/(\d+)", page.url)[0])
    page.get_by_role("button", name="Join the queue").click()
    expect(page.get_by_text("ahead of you")).to_be_visible()
    return page, event_id


def console_page(browser: Browser, address: str, event_id: int, password: str) -> Page:
    """The dial of the same sale, just turned."""
    page = browser.new_context(base_url=address, viewport=DESK, device_scale_factor=1.5).new_page()
    page.goto(f"/admin/events/{event_id}")
    page.get_by_label("E-mail").fill(ADMIN)
    page.get_by_label("Password").fill(password)
    page.get_by_role("button", name="Sign in").click()
    page.get_by_role("button", name="+10 %").click()
    expect(page.get_by_text("In effect since")).to_be_visible()
    return page


def main(address: str, password_file: str) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])
        queue, event_id = queue_page(browser, address)
        dial = console_page(browser, address, event_id, passwords(Path(password_file)).by_email[ADMIN])
        # The next round of both pages shows the rate that was just set.
        queue.wait_for_timeout(4_000)
        sheet = browser.new_page(viewport={"width": 1200, "height": 700})
        shots = {name: page.screenshot() for name, page in (("QUEUE", queue), ("DIAL", dial))}
        html = SHEET
        for name, shot in shots.items():
            html = html.replace(name, _base64(shot))
        sheet.set_content(html)
        sheet.locator("body").screenshot(path=TARGET)
        browser.close()
    size = TARGET.stat().st_size
    sys.exit(f"{TARGET}: {size:,} bytes, more than {BYTES_MAX:,}" if size > BYTES_MAX else 0)


def _base64(raw: bytes) -> str:
    return base64.b64encode(raw).decode()


if __name__ == "__main__":
    main(*sys.argv[1:3])
