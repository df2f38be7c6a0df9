"""Puts a rehearsal's event on sale, and mints the JWTs of its buyers, on the record of the stack that is rehearsed."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from sqlalchemy import Connection, text

from onsale.config import Config
from onsale.db import catalogue, queue_settings, rate_control, sale_log
from onsale.db.catalogue import NewEvent, NewSection, Venue
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.sandbox.on_sale import ADDRESS_LIMIT
from onsale.web import tokens

ACTOR = "rehearsal"
ORGANISER = "Rehearsals"
VENUE = Venue(9_000, "Rehearsal Hall", "Vienna", "AT", "Vienna", 48.2, 16.4, 1_000_000)
TICKETS_PER_BUYER = 6
PLAYS_IN = timedelta(days=30)
TOKENS_MAX = 1_000_000


def put_on_sale(
    connection: Connection,
    sections: Sequence[NewSection],
    *,
    change: QueueChange,
    now: datetime,
    tickets_per_buyer: int = TICKETS_PER_BUYER,
) -> EventId:
    """A published event of these sections whose queue is open at once, set as `change` says."""
    catalogue.put_venue(connection, VENUE)
    event_id = catalogue.add_event(
        connection,
        NewEvent(
            organiser_id=catalogue.add_organiser(connection, ORGANISER),
            venue_id=VENUE.id,
            name="A Rehearsal",
            slug=f"rehearsal-{secrets.token_hex(4)}",
            description="Nobody plays; everybody comes.",
            starts_at=now + PLAYS_IN,
            on_sale_at=now,
            currency="eur",
            tickets_per_buyer=tickets_per_buyer,
            artists=("The Understudies",),
        ),
    )
    catalogue.add_sections(connection, event_id, sections)
    queue_settings.change(connection, event_id, change, actor=ACTOR)
    return event_id


def queue_change(*, rate_per_minute: int, max_active: int, seconds: tuple[int, int, int], now: datetime) -> QueueChange:
    """An open queue; `seconds` are those to enter, to choose and to pay."""
    enter, choose, pay = seconds
    return QueueChange(
        enabled=True,
        phase=Phase.OPEN,
        opens_at=now,
        rate_per_minute=rate_per_minute,
        max_active=max_active,
        enter_seconds=enter,
        choose_seconds=choose,
        pay_seconds=pay,
        # The whole crowd comes from one address.
        address_limit=ADDRESS_LIMIT * 10,
    )


def follow_checkout(connection: Connection, event_id: EventId, *, ceiling: int) -> None:
    """Switch auto on, as staff do."""
    before = rate_control.hold(connection, event_id)
    rate_control.put(connection, before, replace(before, auto=True), ceiling=ceiling)
    body = {"auto": {"from": False, "to": True}}
    sale_log.append(connection, event_id, actor=ACTOR, kind="rate_control_changed", body=body)


def mint(connection: Connection, config: Config, how_many: int, *, now: datetime) -> list[str]:
    """JWTs of new guests, whom the record knows when the caller commits."""
    if not 0 < how_many <= TOKENS_MAX:
        raise ValueError(f"from 1 to {TOKENS_MAX} tokens at once")
    guests = [uuid.uuid4() for _ in range(how_many)]
    connection.execute(_ADD_GUESTS, {"ids": guests})
    return [tokens.sign(config, guest, audience=tokens.BUYERS, guest=True, now=now) for guest in guests]


_ADD_GUESTS = text("INSERT INTO buyers (id, name) SELECT id, '' FROM unnest(CAST(:ids AS uuid[])) AS new (id)")
