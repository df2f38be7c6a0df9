"""A guest who signs in keeps the place: it becomes the account's, and of two places the lower number that still counts.

Bookings go along with their place, but for those being paid this moment and those of an event where both together would
pass the limit per buyer: these stay the guest's.
"""

from __future__ import annotations

import structlog
from sqlalchemy import Connection

from onsale.db import handovers, waiting_handovers
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId, EventId
from onsale.errors import OnsaleError, QueueRecovering
from onsale.queue.place_store import Handing
from onsale.web.box_office import BoxOffice

# Either of the two may take a number meanwhile, from another device.
TRIES_MAX = 3

log = structlog.get_logger()


def keep_all(office: BoxOffice, *, guest: BuyerId, account: BuyerId) -> None:
    """Make the guest's places and bookings the account's. Signing in never fails because of it."""
    try:
        _keep_places(office, guest, account)
        with transaction(office.engine) as connection:
            handovers.move_bookings(connection, giver=guest, taker=account)
            waiting_handovers.move_offers(connection, giver=guest, taker=account)
    except OnsaleError as error:
        log.warning("places_not_handed_over", why=type(error).__name__)


def _keep_places(office: BoxOffice, guest: BuyerId, account: BuyerId) -> None:
    with reading(office.engine) as connection:
        events = handovers.events_of(connection, guest)
    for event_id in events:
        try:
            _keep_place(office, event_id, guest, account)
        except QueueRecovering:
            # Of a sale that is long over, or one that is being restored: place and bookings stay the guest's.
            continue


def _keep_place(office: BoxOffice, event_id: EventId, guest: BuyerId, account: BuyerId) -> None:
    for _ in range(TRIES_MAX):
        gave, had = (office.store.place_of(event_id, each) for each in (guest, account))
        if gave is None:
            return
        handing = Handing(guest, account, gave, had)
        # Before the queue does it: should both be lost in between, the record says whose the number is.
        with transaction(office.engine) as connection:
            if not _write_down(connection, event_id, handing):
                return
        if office.places.hand_over(event_id, handing):
            return
    log.warning("place_not_handed_over", event_id=event_id, why="both places kept changing")


def _write_down(connection: Connection, event_id: EventId, handing: Handing) -> bool:
    """Whose the number is from now on, also on the waiting list; False when the guest gave another one away before."""
    written = handovers.record(
        connection,
        event_id,
        giver=handing.giver,
        taker=handing.taker,
        gave=handing.gave.token_number,
        number=handing.kept.token_number,
        given_up=handing.given_up.token_number if handing.given_up else None,
        joined_at_ms=handing.kept.joined_at_ms,
    )
    if written:
        waiting_handovers.move_line(
            connection, event_id, giver=handing.giver, taker=handing.taker, number=handing.kept.number
        )
    return written
