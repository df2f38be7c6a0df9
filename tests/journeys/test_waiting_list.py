"""A ticket that comes back after sold out, on the whole house: workers, beat, bank and a browser."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy
from playwright.sync_api import expect

from onsale.db import catalogue, queue_settings
from onsale.db.catalogue import NewEvent, NewSection
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.sandbox.passwords import ADMIN
from onsale.sandbox.seed import ORGANISER
from tests.builders import until

# A page near the front of the list asks every half a minute.
IN_TIME = 60_000
_slugs = count(1)


@pytest.fixture
def http(stack: Any) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.address, timeout=30) as client:
        yield client


@pytest.fixture
def two_tickets(record: sqlalchemy.Engine, http: httpx.Client) -> EventId:
    """A show that has two tickets."""
    now = datetime.now(UTC)
    with record.begin() as connection:
        event_id = catalogue.add_event(
            connection,
            NewEvent(
                organiser_id=catalogue.add_organiser(connection, ORGANISER),
                venue_id=1,
                name="The Last Two Tickets",
                slug=f"last-two-{next(_slugs)}",
                description="A very small room.",
                starts_at=now + timedelta(days=30),
                on_sale_at=now,
                currency="eur",
                tickets_per_buyer=2,
                artists=("The Paper Lanterns",),
            ),
        )
        catalogue.add_sections(connection, event_id, [NewSection(1, "Floor", 2500, standing=2)])
        opened = QueueChange(phase=Phase.OPEN, opens_at=now - timedelta(seconds=1), rate_per_minute=600, max_active=100)
        queue_settings.change(connection, event_id, opened, actor="test")
    until(lambda: http.get(f"/v1/events/{event_id}/queue").is_success, "its queue is there")
    return event_id


def guest(http: httpx.Client) -> dict[str, str]:
    token = http.post("/v1/guests", json={}).raise_for_status().json()["token"]
    return {"Authorization": f"Bearer {token}"}


def bought(http: httpx.Client, event_id: EventId) -> str:
    """Somebody buys both tickets; the booking's id."""
    headers = guest(http)
    body = {"wishes": [{"quantity": 2}], "payment_method": "pm_card_visa"}
    asked = until(
        lambda: (
            (
                answer := http.post(
                    f"/v1/events/{event_id}/bookings", json=body, headers=headers | {"Idempotency-Key": str(uuid4())}
                )
            ).is_success
            and answer
        ),
        "the booking is taken",
    )
    url = str(asked.headers["Location"])
    until(lambda: http.get(url, headers=headers).json()["state"] == "confirmed", "it is paid", seconds=60)
    return url.rpartition("/")[2]


def test_a_ticket_comes_back_is_offered_on_the_page_and_bought(
    browse: Callable[..., Any], http: httpx.Client, two_tickets: EventId, admin_password: str
) -> None:
    booking_id = bought(http, two_tickets)
    until(lambda: http.get(f"/v1/events/{two_tickets}/queue").json()["waiting_list"], "the list begins", seconds=60)
    page = browse()
    page.goto(f"/events/{two_tickets}")
    page.get_by_role("button", name="Put me on the waiting list").click()
    expect(page.get_by_text("You are next")).to_be_visible()

    member = http.post("/v1/admin/sessions", json={"email": ADMIN, "password": admin_password}).json()
    refunded = http.post(
        f"/v1/admin/bookings/{booking_id}/refund",
        json={},
        headers={"Authorization": f"Bearer {member['token']}", "Idempotency-Key": str(uuid4())},
    )
    assert refunded.is_success, refunded.text

    expect(page.get_by_role("heading", name="A ticket came back")).to_be_visible(timeout=IN_TIME)
    page.get_by_role("link", name="See it and pay").click()
    page.get_by_role("radio", name=re.compile("ending 4242")).check()
    page.get_by_role("button", name=re.compile("^Pay ")).click()
    expect(page.get_by_role("heading", name="Enjoy the show")).to_be_visible(timeout=IN_TIME)
