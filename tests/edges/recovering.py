"""What the sweeps find in the record after a kill: nobody remembers what was under way, every wake-up is lost."""

from __future__ import annotations

import time
from collections.abc import Collection
from enum import StrEnum

from sqlalchemy import text

from onsale.db import holds
from onsale.db.engine import reading
from onsale.db.states import ENDED
from onsale.workers.cancellations import sweep_cancelled
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.reconcile import reconcile
from onsale.workers.refunds import settle
from onsale.workers.resend import resend
from tests.edges.acts import World

ROUNDS_MAX = 40
# Of rounds in which nothing moved: then there is nothing left to find.
STILL_MAX = 3
ROUND_SECONDS = 0.02
# A refund that was sent is due when its sender's lease would be over: as if that were now.
REFUND_SECONDS = -3_600.0


class Sweeps(StrEnum):
    """Who looks for what was lost; without one of them some edge is not recovered from."""

    LANES = "lanes that were not woken"
    PAYMENTS = "payments nobody carries on"
    DEADLINES = "holds that ran out"
    REFUNDS = "refunds nobody carries on"
    CANCELLED = "events that were cancelled"


def recover(world: World, *, without: Collection[Sweeps] = ()) -> None:
    """Round by round, until the booking has ended or stands still; with a dead worker's lease on it, it does not."""
    still, before = 0, ""
    for _ in range(ROUNDS_MAX):
        now, leased = _where_it_is(world)
        still = still + 1 if now == before and not leased else 0
        if still == STILL_MAX or (now in {str(state) for state in ENDED} and still):
            return
        before = now
        _round(world, without)
        time.sleep(ROUND_SECONDS)


def _where_it_is(world: World) -> tuple[str, bool]:
    """The booking's state, empty when there is none; whether somebody, or somebody dead, has its lease."""
    with reading(world.shop.engine) as connection:
        found = connection.execute(_STATE, {"id": world.booking_id()}).one_or_none()
    return (found.state, bool(found.leased)) if found else ("", False)


_STATE = text("SELECT state, claimed_until > clock_timestamp() AS leased FROM bookings WHERE id = :id")


def _round(world: World, without: Collection[Sweeps]) -> None:
    shop = world.shop
    if Sweeps.LANES not in without:
        shop.store.advance(world.event_id)
        sent = resend(shop, older_than_seconds=0)
        for event_id in sent.lanes:
            work_lane(shop, event_id, last_look=True)
        for booking_id in sent.payments:
            resume(shop, booking_id)
    if Sweeps.PAYMENTS not in without:
        found = reconcile(shop, stuck_seconds=0, left_over_seconds=0, refund_seconds=REFUND_SECONDS)
        for booking_id in found.all:
            resume(shop, booking_id)
        for booking_id in () if Sweeps.REFUNDS in without else found.refunds:
            settle(shop, booking_id)
    if Sweeps.CANCELLED not in without:
        sweep_cancelled(shop, settled_seconds=0)
    if Sweeps.DEADLINES not in without:
        sweep(shop)
        with reading(shop.engine) as connection:
            overdue = holds.paying_past_deadline(connection, limit=10)
        for one in overdue:
            resume(shop, one.booking_id)
