"""A draw that was held, on a small phone: the browser works the number out again, and the page stays a page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import sqlalchemy
from playwright.sync_api import expect

from onsale.db import draws, queue_settings
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from tests.builders import until

SMALL = {"width": 320, "height": 640}
# With these the only entry is drawn after 55 results that nobody has.
SEED, VALUE = bytes(range(32)), "8a1f27" * 10
WALKS = 55


def turned(record: sqlalchemy.Engine, event_id: EventId, **settings: Any) -> None:
    with record.begin() as connection:
        queue_settings.change(connection, event_id, QueueChange(**settings), actor="test")


def test_the_steps_of_a_draw_of_one_fit_a_small_phone(
    browse: Callable[..., Any], record: sqlalchemy.Engine, on_sale: Callable[..., EventId], stack: Any
) -> None:
    event_id = on_sale(phase=Phase.SCHEDULED, opens_at=datetime.now(UTC) + timedelta(hours=1))
    with record.begin() as connection:
        draws.announce(connection, event_id, seed=SEED, beacon_name="a later value", actor="test")
    turned(record, event_id, phase=Phase.PRE_QUEUE)
    page = browse(viewport=SMALL)

    def draw_is_open() -> bool:
        page.goto(f"/events/{event_id}")
        return bool(page.get_by_role("button", name="Join the draw").count())

    until(draw_is_open, "one may join")
    # There is no number yet to book under.
    expect(page.get_by_text("Book for me while I wait")).to_have_count(0)
    page.get_by_role("button", name="Join the draw").click()
    expect(page.get_by_role("heading", name="You are in the draw")).to_be_visible()
    turned(record, event_id, opens_at=datetime.now(UTC) - timedelta(seconds=1))

    def told() -> dict[str, Any]:
        draw: dict[str, Any] = httpx.get(f"{stack.address}/v1/events/{event_id}/queue").json()["draw"]
        return draw

    until(lambda: told()["size"] == 1, "the entries are closed")
    page.goto(f"/events/{event_id}/queue")
    expect(page.get_by_text("1 number will be drawn")).to_be_visible()
    with record.begin() as connection:
        draws.put_beacon(connection, event_id, VALUE, actor="test")
    until(lambda: told()["seed"], "the number is drawn")
    page.goto(f"/events/{event_id}/draw")

    expect(page.get_by_text("Your browser has worked it out: 1. It is right.")).to_be_visible()
    steps = page.locator("#check .steps li")
    expect(steps).to_have_count(9)
    expect(steps.nth(6)).to_have_text(f"And so on, {WALKS - 3} times more.")
    assert page.evaluate("document.documentElement.scrollWidth") == SMALL["width"]
