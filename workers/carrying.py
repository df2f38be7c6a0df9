"""What carrying a payment or a refund on has in common: a booking's lease, the provider's pace, coming back later."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TypeVar

from onsale.db import charges
from onsale.db import engine as record
from onsale.db.ids import BookingId
from onsale.errors import QueueUnavailable, RecordUnavailable
from onsale.payments.provider import CALL_SECONDS_MAX
from onsale.workers.shop import Shop

# Longer than two calls to the provider, so that a twin comes only after whoever has the lease is surely gone.
LEASE_SECONDS = 2 * CALL_SECONDS_MAX + 10
# A record that switches to its standby is back within seconds; a lease nobody gave back would last a minute.
GIVE_BACK_TRIES_MAX = 20
GIVE_BACK_SECONDS = 0.5
# Someone else is at it: look again once, for what they may not have seen.
TWIN_SECONDS = 1.0
AWAY_SECONDS = 2.0
# A turn further away than this is not waited for by a thread: the wake-up is sent again.
PACE_WAIT_MS_MAX = 1_500
PACE_AGAIN_SECONDS = 1.0

T = TypeVar("T")


class Later(Exception):
    """Stop here and come back."""

    def __init__(self, seconds: float | None) -> None:
        super().__init__(seconds)
        self.seconds = seconds


@contextmanager
def lease(shop: Shop, booking_id: BookingId, lease_seconds: int) -> Iterator[bool]:
    """Whether the booking's lease is ours until the end of the block; with no seconds it is done without."""
    if lease_seconds and not _claimed(shop, booking_id, lease_seconds):
        yield False
        return
    try:
        yield True
    finally:
        if lease_seconds:
            _give_back(shop, booking_id)


def call_provider(shop: Shop, call: Callable[[], T]) -> T:
    """Call the provider at the pace all workers share; without the queue's Redis, at this worker's own risk."""
    try:
        wait_ms = shop.pace.turn(wait_ms_max=PACE_WAIT_MS_MAX)
    except QueueUnavailable:
        wait_ms = 0
    if wait_ms is None:
        raise Later(PACE_AGAIN_SECONDS)
    time.sleep(wait_ms / 1000)
    return call()


def _claimed(shop: Shop, booking_id: BookingId, lease_seconds: int) -> bool:
    try:
        claimant = shop.claimant.number()
        with record.transaction(shop.engine) as connection:
            return charges.claim(connection, booking_id, claimant=claimant, lease_seconds=lease_seconds)
    except RecordUnavailable:
        # Its commit may have been made all the same, and would keep everybody away for a minute.
        _give_back(shop, booking_id)
        return False


def _give_back(shop: Shop, booking_id: BookingId) -> None:
    """Give the lease back, through a failover if there is one; should the record stay away, the lease runs out."""
    for _ in range(GIVE_BACK_TRIES_MAX):
        try:
            with record.transaction(shop.engine) as connection:
                charges.unclaim(connection, booking_id)
            return
        except RecordUnavailable:
            time.sleep(GIVE_BACK_SECONDS)
