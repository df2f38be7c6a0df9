"""Finishes what a crash left between Onsale and the payment provider, by asking the provider.

It only finds the bookings; `resume` does the asking, under the provider's rate limit like everybody else.
"""

from __future__ import annotations

from dataclasses import dataclass

import structlog

from onsale.db import charges, locks, paid_elsewhere, refunds
from onsale.db import engine as record
from onsale.db.ids import BookingId
from onsale.workers.shop import Shop

# A payment without news for so long has lost its wake-up, its worker or its webhook.
STUCK_SECONDS = 10.0
# An intent of a booking that has ended: its own `resume` cancels it at once, so this is for what was interrupted.
LEFT_OVER_SECONDS = 5.0
# A refund whose wake-up was lost; one that was sent, or is tried again, is due at its own time.
REFUND_SECONDS = 5.0
FOUND_MAX = 200
# Refunds that are looked at again in a round; none while so many payments are to be asked about.
LOOKS_AT_ONCE = 10

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Found:
    """Bookings whose payment `resume` was asked to look at, and those whose refunds `settle` was."""

    forsaken: tuple[BookingId, ...] = ()
    stuck: tuple[BookingId, ...] = ()
    left_over: tuple[BookingId, ...] = ()
    refunds: tuple[BookingId, ...] = ()

    @property
    def all(self) -> tuple[BookingId, ...]:
        """Each whose payment is to be looked at, once."""
        return tuple(dict.fromkeys((*self.forsaken, *self.stuck, *self.left_over)))


def reconcile(
    shop: Shop,
    *,
    stuck_seconds: float = STUCK_SECONDS,
    left_over_seconds: float = LEFT_OVER_SECONDS,
    refund_seconds: float = REFUND_SECONDS,
    looks_at_once: int = LOOKS_AT_ONCE,
) -> Found:
    """Wake `resume` for every payment whose worker is gone or that stands still, and for every intent left over by a
    booking that ended; `settle` for every refund that nobody carries on, or that the provider is to be asked about.
    """
    with record.transaction(shop.engine) as connection:
        if not locks.try_alone(connection, "reconcile"):
            return Found()
        forsaken = charges.forsaken(connection)
        stuck = charges.stuck(connection, older_than_seconds=stuck_seconds, limit=FOUND_MAX)
        to_cancel = charges.to_cancel(connection, older_than_seconds=left_over_seconds, limit=FOUND_MAX)
        to_refund = refunds.due(connection, older_than_seconds=refund_seconds, forsaken=forsaken, limit=FOUND_MAX)
        told_of = paid_elsewhere.told_of(connection, older_than_seconds=refund_seconds, limit=FOUND_MAX)
    # In a transaction of its own: it may wait for payments, whose workers may wait for what `forsaken` has written.
    with record.transaction(shop.engine) as connection:
        of_age = refunds.look_again(connection, at_once=looks_at_once)
    found = Found(forsaken, stuck, tuple(one.booking_id for one in to_cancel), (*to_refund, *told_of, *of_age))
    if found.all or found.refunds:
        counts = {"forsaken": len(forsaken), "stuck": len(stuck), "left_over": len(found.left_over)}
        log.info("reconciling", **counts, refunds=len(found.refunds))
        for booking_id in found.all:
            shop.wakes.wake_resume(booking_id)
        for booking_id in found.refunds:
            shop.wakes.wake_refund(booking_id)
    return found
