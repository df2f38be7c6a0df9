"""Tells the queue which places staff revoked, and which stand again; `onsale admit` does it once a second."""

from __future__ import annotations

from dataclasses import replace

import structlog

from onsale.db import engine as record
from onsale.db import locks, queue_settings, revocations
from onsale.db.ids import EventId
from onsale.errors import OnsaleError
from onsale.queue.draw import draw_of
from onsale.workers.drawn_numbers import drawn_numbers
from onsale.workers.shop import Shop

# Addresses are kept for so long after a show began: as long as somebody may ask who took its places.
ADDRESS_DAYS = 7
# So many times five thousand places at one look; the rest is told a second later.
ROUNDS_MAX = 10

log = structlog.get_logger(__name__)


def tell_queues(shop: Shop) -> None:
    """Tell every queue what it does not know yet; one that does not answer is told the next time."""
    with record.reading(shop.engine) as connection:
        events = revocations.events_pending(connection)
    for event_id in events:
        try:
            tell_queue(shop, event_id)
        except OnsaleError as error:
            log.warning("revocations_not_told", event_id=event_id, why=type(error).__name__)


def tell_queue(shop: Shop, event_id: EventId, *, key: bytes | None = None) -> int | None:
    """Tell one queue; how many places it was told of. One process at a time, so that the last word is the record's.

    `key`: of a draw that is about to be held with it, so that none of these is called first. None: another is at it.
    """
    told = 0
    with record.transaction(shop.engine) as connection:
        if not locks.try_alone(connection, f"revoke-{event_id}"):
            return None
        settings = queue_settings.get(connection, event_id)
        draw = draw_of(settings.draw.public()) if settings and settings.draw else None
        if draw is not None and key is not None:
            draw = replace(draw, key=key.hex())
        if draw is not None and not draw.held:
            # Nobody is called before the draw, and at the door they are refused all the same.
            return 0
        drawn = drawn_numbers(connection, event_id, draw)
        for _ in range(ROUNDS_MAX):
            places = revocations.pending(connection, event_id)
            known = [(drawn(number), revoked) for number, revoked in places]
            shop.places.revoke(event_id, [number for number, revoked in known if number and revoked])
            shop.places.reinstate(event_id, [number for number, revoked in known if number and not revoked])
            revocations.told(connection, event_id, places)
            told += len(places)
            if len(places) < revocations.PENDING_MAX:
                break
    return told


def forget_addresses(shop: Shop) -> None:
    """Forget where places of past shows were taken from."""
    with record.transaction(shop.engine) as connection:
        forgotten = revocations.forget_addresses(connection, days=ADDRESS_DAYS)
    if forgotten:
        log.info("addresses_forgotten", places=forgotten)
