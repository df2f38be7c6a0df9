"""A guest who signs in keeps the place: it becomes the account's, and of two places the lower number that still counts.

Bookings go along with their place, but for those being paid this moment and those of an event where both together would
pass the limit per buyer: these stay the guest's.
"""

from __future__ import annotations

import structlog

from onsale.db import handovers
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId
from onsale.errors import OnsaleError, QueueRecovering
from onsale.web.box_office import BoxOffice

log = structlog.get_logger()


def keep_all(office: BoxOffice, *, guest: BuyerId, account: BuyerId) -> None:
    """Make the guest's places and bookings the account's. Signing in never fails because of it."""
    try:
        _keep_places(office, guest, account)
        with transaction(office.engine) as connection:
            handovers.move_bookings(connection, giver=guest, taker=account)
    except OnsaleError as error:
        log.warning("places_not_handed_over", why=type(error).__name__)


def _keep_places(office: BoxOffice, guest: BuyerId, account: BuyerId) -> None:
    with reading(office.engine) as connection:
        events = handovers.events_of(connection, guest)
    for event_id in events:
        try:
            handed = office.places.hand_over(event_id, giver=guest, taker=account)
        except QueueRecovering:
            # Of a sale that is long over, or one that is being restored: place and bookings stay the guest's.
            continue
        if handed is None:
            continue
        with transaction(office.engine) as connection:
            handovers.record(
                connection,
                event_id,
                giver=guest,
                taker=account,
                number=handed.number,
                given_up=handed.given_up,
                joined_at_ms=handed.joined_at_ms,
            )
