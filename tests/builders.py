"""Small builders for tests on a real record: a venue, an event with sections, buyers, an open queue, bookings."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from onsale.db import bookings, buyers, catalogue, queue_settings
from onsale.db.bookings import Booking, NewBooking
from onsale.db.catalogue import EventStatus, NewEvent, NewSection, Venue
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, BuyerId, EventId, TicketId, booking_id, ticket_id
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import QueueRecovering
from onsale.queue.state import QueueState
from onsale.workers.admissions import Admitter
from onsale.workers.shop import Shop

_numbers = count(1)
PATIENCE_SECONDS = 20.0
VENUE = Venue(1, "Test Hall", "Vienna", "AT", "Vienna", 48.2, 16.4, 1000)
# One row of ten seats at 45.00.
ONE_ROW = (NewSection(1, "Parterre", 4500, rows=1, seats_per_row=10),)


def until(true: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition; fail with `what` when it does not come true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.01)
    pytest.fail(f"not within {seconds} s: {what}")


def seen_in_time(seen: Callable[[], Any], what: str, *, seconds: float) -> None:
    """What has just been done is seen by everybody who asks later than so many seconds from now.

    It counts when somebody asked, not when the answer came: a busy machine may take its time to answer.
    """
    done = time.monotonic()

    def asked() -> bool:
        later = time.monotonic() - done
        found = bool(seen())
        assert found or later <= seconds, f"asked {later:.2f} s later, and not so: {what}"
        return found

    until(asked, what, seconds=seconds + PATIENCE_SECONDS)


def a_show(
    engine: Engine,
    name: str,
    artists: Sequence[str] = ("The Testers",),
    *,
    venue: Venue = VENUE,
    starts_at: datetime | None = None,
    tickets_per_buyer: int = 8,
    status: EventStatus = EventStatus.PUBLISHED,
    genre: str = "",
) -> EventId:
    """What a search may find, in a month unless told otherwise; it has no tickets."""
    now = datetime.now(UTC)
    with transaction(engine) as connection:
        catalogue.put_venue(connection, venue)
        new = NewEvent(
            organiser_id=catalogue.add_organiser(connection, "Test organiser"),
            venue_id=venue.id,
            name=name,
            slug=f"show-{secrets.token_hex(5)}",
            description="",
            starts_at=starts_at or now + timedelta(days=30),
            on_sale_at=now - timedelta(minutes=1),
            currency="eur",
            tickets_per_buyer=tickets_per_buyer,
            artists=tuple(artists),
            status=status,
            genre=genre,
        )
        return catalogue.add_event(connection, new)


def an_event(
    engine: Engine,
    *,
    sections: Sequence[NewSection] = ONE_ROW,
    tickets_per_buyer: int = 8,
    queue: QueueChange | None = None,
) -> EventId:
    """A published event that sells, with an open queue that lets everybody in."""
    number = next(_numbers)
    now = datetime.now(UTC)
    wanted = queue or QueueChange()
    opened = QueueChange(
        enabled=True if wanted.enabled is None else wanted.enabled,
        phase=wanted.phase or Phase.OPEN,
        opens_at=wanted.opens_at or now - timedelta(minutes=1),
        rate_per_minute=wanted.rate_per_minute or 60_000,
        max_active=wanted.max_active or 10_000,
        selling=True if wanted.selling is None else wanted.selling,
        enter_seconds=wanted.enter_seconds,
        choose_seconds=wanted.choose_seconds,
        pay_seconds=wanted.pay_seconds,
    )
    event_id = a_show(engine, f"Show {number}", tickets_per_buyer=tickets_per_buyer)
    with transaction(engine) as connection:
        catalogue.add_sections(connection, event_id, sections)
        queue_settings.change(connection, event_id, opened, actor="test")
    return event_id


def set_queue(engine: Engine, event_id: EventId, **changes: Any) -> None:
    """Turn a dial, as the organiser does."""
    with transaction(engine) as connection:
        queue_settings.change(connection, event_id, QueueChange(**changes), actor="test")


def open_queue(shop: Shop, event_id: EventId) -> QueueState:
    """What `onsale admit` does before the first join: the queue's state, its settings, and numbers to give out."""
    admitter = Admitter(shop)

    def opened() -> QueueState | None:
        admitter.go_round(time.monotonic())
        with suppress(QueueRecovering):
            state = shop.store.snapshot(event_id)
            return state if state.block_end and not state.recovering else None
        return None

    found: QueueState = until(opened, "the queue is open")
    return found


def lane_is_taken(engine: Engine, event_id: EventId) -> bool:
    """Whether somebody works an event's lane. Looks without trying: a worker that came meanwhile would go away."""
    with engine.connect() as connection:
        return bool(connection.execute(_LANE_LOCKS, {"event_id": event_id}).scalar_one())


_LANE_LOCKS = text("""
    SELECT EXISTS (SELECT FROM pg_locks l JOIN pg_database d ON d.oid = l.database AND d.datname = current_database()
                    WHERE l.locktype = 'advisory' AND l.granted AND l.objid = :event_id)""")


def a_buyer(engine: Engine) -> BuyerId:
    """A guest."""
    return some_buyers(engine, 1)[0]


def some_buyers(engine: Engine, how_many: int) -> list[BuyerId]:
    """Guests."""
    ids = [BuyerId(uuid4()) for _ in range(how_many)]
    with transaction(engine) as connection:
        for buyer_id in ids:
            buyers.add_guest(connection, buyer_id)
    return ids


def seat(event_id: EventId, ordinal: int) -> TicketId:
    """The event's n-th ticket, counted from 1."""
    return ticket_id(event_id, ordinal)


def a_booking(
    engine: Engine,
    event_id: EventId,
    wish: Wish,
    *,
    number: int,
    buyer_id: BuyerId | None = None,
    state: BookingState = BookingState.QUEUED,
    payment_method: str | None = None,
) -> BookingId:
    """An accepted booking under this queue number; `state` WAITING makes it hands-free."""
    new = NewBooking(
        id=booking_id(event_id, secrets.token_bytes(12)),
        event_id=event_id,
        buyer_id=buyer_id or a_buyer(engine),
        number=number,
        state=state,
        wishes=(wish,),
        idempotency_key=secrets.token_hex(8),
        request_hash=secrets.token_bytes(32),
        admission_id=str(number),
        payment_method=payment_method,
    )
    with transaction(engine) as connection:
        return bookings.accept(connection, new).booking.id


def booking(engine: Engine, booking_id: BookingId) -> Booking:
    """The booking as it stands."""
    with transaction(engine) as connection:
        found = bookings.get(connection, booking_id)
    assert found is not None
    return found


def states(engine: Engine, ids: Sequence[BookingId]) -> list[BookingState]:
    """The states of these bookings, in this order."""
    return [booking(engine, one).state for one in ids]


def ticket_states(engine: Engine, event_id: EventId) -> dict[TicketId, str]:
    """Every ticket of the event and its state."""
    with engine.connect() as connection:
        rows = connection.execute(text("SELECT id, state FROM tickets WHERE event_id = :id"), {"id": event_id})
        return {TicketId(one): state for one, state in rows}


def run_sql(engine: Engine, statement: str, **values: Any) -> None:
    """What no function offers: damage, or the clock moved on."""
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def let_the_hold_run_out(engine: Engine, booking_id: BookingId, *, seconds: float = 1) -> None:
    """As if the deadline had been so many seconds ago."""
    run_sql(
        engine,
        "UPDATE bookings SET hold_until = clock_timestamp() - :seconds * interval '1 second' WHERE id = :id",
        id=booking_id,
        seconds=seconds,
    )
