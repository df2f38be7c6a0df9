"""A real browser on the whole house, and sales of a test's own for it to walk through."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy
from playwright.sync_api import Browser, BrowserContext, ConsoleMessage, Page, sync_playwright

from onsale.db import catalogue, queue_settings
from onsale.db.catalogue import NewEvent, NewSection
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.sandbox.passwords import ADMIN, passwords
from onsale.sandbox.seed import ORGANISER
from tests.builders import until

CHROMIUM = Path(os.environ.get("CHROMIUM", "/usr/bin/chromium"))
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
PHONE = {"width": 390, "height": 844}
PATIENCE_MS = 20_000
WORSE_THAN_TALK = ("error", "warning")
STALLS = NewSection(
    id=1, name="Stalls", price_minor=4500, rows=6, seats_per_row=10, map_x=250, map_y=90, map_w=500, map_h=260
)
GALLERY = NewSection(
    id=2, name="Gallery", price_minor=2500, rows=3, seats_per_row=10, map_x=190, map_y=400, map_w=620, map_h=120
)
_slugs = count(1)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever takes a page needs Chromium."""
    for item in items:
        if {"browse", "browse_and_keep"} & set(getattr(item, "fixturenames", ())):
            item.add_marker(pytest.mark.browser)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Browser]:
    """The browser of this test process."""
    if not CHROMIUM.exists():
        if os.environ.get("CI"):
            pytest.fail(f"In CI there must be a browser at {CHROMIUM} (or where $CHROMIUM says)")
        pytest.skip(f"no browser at {CHROMIUM}; set CHROMIUM to where yours is")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def keeping_chromium(chromium: Browser) -> Iterator[Browser]:
    """A browser that shows a page again as it was left, as people's browsers do; Playwright switches that off."""
    browser = chromium.browser_type.launch(
        executable_path=CHROMIUM, args=ARGUMENTS, ignore_default_args=["--disable-back-forward-cache"]
    )
    yield browser
    browser.close()


@pytest.fixture
def browse(stack: Any, chromium: Browser) -> Iterator[Callable[..., Page]]:
    """Opens a page of a new visitor; at the end no page may have complained (errors, policy violations)."""
    yield from _visits(stack.address, chromium)


@pytest.fixture
def browse_and_keep(stack: Any, keeping_chromium: Browser) -> Iterator[Callable[..., Page]]:
    """The same, in a browser that shows a page again as it was left."""
    yield from _visits(stack.address, keeping_chromium)


def _visits(address: str, browser: Browser) -> Iterator[Callable[..., Page]]:
    complaints: list[str] = []
    contexts: list[BrowserContext] = []

    def open_page(**options: Any) -> Page:
        context = browser.new_context(base_url=address, viewport=options.pop("viewport", PHONE), **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = context.new_page()
        page.on("console", lambda said: complaints.append(complaint(said)) if said.type in WORSE_THAN_TALK else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert complaints == []


def complaint(said: ConsoleMessage) -> str:
    return f"{said.text} ({said.location['url']})"


@pytest.fixture
def admin_password(stack: Any) -> str:
    return passwords(Path(stack.folder) / "passwords").by_email[ADMIN]


@pytest.fixture
def record(stack: Any) -> Iterator[sqlalchemy.Engine]:
    """The record of the running house."""
    engine = sqlalchemy.create_engine(stack.settings["ONSALE_DATABASE_URL"])
    yield engine
    engine.dispose()


@pytest.fixture
def on_sale(record: sqlalchemy.Engine, stack: Any) -> Callable[..., EventId]:
    """Puts a show of two sections on sale, its queue set as told."""

    def put(name: str = "The Paper Lanterns", **settings: Any) -> EventId:
        now = datetime.now(UTC)
        wanted = {
            "phase": Phase.OPEN,
            "opens_at": now - timedelta(seconds=1),
            "rate_per_minute": 600,
            "max_active": 100,
        }
        with record.begin() as connection:
            event_id = catalogue.add_event(
                connection,
                NewEvent(
                    organiser_id=catalogue.add_organiser(connection, ORGANISER),
                    venue_id=1,
                    name=name,
                    slug=f"journey-{os.getpid()}-{next(_slugs)}",
                    description="Two hours of songs from the new record.",
                    starts_at=now + timedelta(days=40),
                    on_sale_at=now,
                    currency="eur",
                    tickets_per_buyer=6,
                    artists=("The Paper Lanterns", "Ada Quist"),
                ),
            )
            catalogue.add_sections(connection, event_id, [STALLS, GALLERY])
            queue_settings.change(connection, event_id, QueueChange(**{**wanted, **settings}), actor="test")
        until(lambda: httpx.get(f"{stack.address}/v1/events/{event_id}/queue").is_success, "its queue is there")
        return event_id

    return put


@pytest.fixture
def stand_in_line(stack: Any) -> Callable[..., None]:
    """Lets so many guests join an event's queue over the API; nobody is passed over in the first two minutes."""

    def stand(event_id: EventId, people: int) -> None:
        with httpx.Client(base_url=stack.address, timeout=30) as http:
            for _ in range(people):
                token = http.post("/v1/guests", json={}).raise_for_status().json()["token"]
                headers = {"Authorization": f"Bearer {token}"}
                until(
                    lambda headers=headers: http.post(f"/v1/events/{event_id}/queue", headers=headers).is_success,
                    "a guest joins",
                )

    return stand
