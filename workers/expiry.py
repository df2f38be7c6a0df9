"""The sweeper: tickets whose deadline has passed go on sale again, also when someone is in the middle of paying."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import structlog

from onsale.db import engine as record
from onsale.db import holds, locks
from onsale.db.holds import Overdue, Released
from onsale.workers import follow_up
from onsale.workers.payment_steps import PROVIDER_AWAY_SECONDS, end_of
from onsale.workers.shop import Shop

SWEEP_MAX = 500
ROUNDS_MAX = 20
OVERDUE_MAX = 200
REASON = "expired"

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Swept:
    """Holds that ended, payments past their deadline that `resume` was asked to look at, bookings of closed queues."""

    expired: int = 0
    asked: int = 0
    closed: int = 0


def sweep(shop: Shop) -> Swept:
    """One sweep; a second copy at the same time does nothing. What is beyond the limits is the next sweep's."""
    expired, closed = _end_all(shop, holds.expire), _end_all(shop, holds.cancel_waiting_of_closed)
    asked = _sweep_paying(shop)
    if expired or asked or closed:
        log.info("swept", expired=expired, asked=asked, closed=closed)
    return Swept(expired, asked, closed)


def _end_all(shop: Shop, end: Callable[..., tuple[Released, ...]]) -> int:
    """End what is due, round by round; a copy that is not alone ends nothing."""
    ended = 0
    for _ in range(ROUNDS_MAX):
        with record.transaction(shop.engine) as connection:
            released = end(connection, limit=SWEEP_MAX) if locks.try_alone(connection, "sweep") else ()
        follow_up.released(shop, released)
        ended += len(released)
        if len(released) < SWEEP_MAX:
            break
    return ended


def _sweep_paying(shop: Shop) -> int:
    """A payment under way is asked about first, by `resume`; after a minute without an answer the tickets go anyway."""
    with record.reading(shop.engine) as connection:
        overdue = holds.paying_past_deadline(connection, limit=OVERDUE_MAX)
    given_up = [one for one in overdue if one.overdue_seconds > PROVIDER_AWAY_SECONDS]
    follow_up.released(shop, _give_up(shop, given_up))
    asking = [one.booking_id for one in overdue if one.overdue_seconds <= PROVIDER_AWAY_SECONDS]
    for booking_id in asking:
        shop.wakes.wake_resume(booking_id)
    return len(asking)


def _give_up(shop: Shop, overdue: Iterable[Overdue]) -> list[Released]:
    """Free tickets without the provider's word: the hold's version refuses a late commit, the reconciler cancels."""
    released = []
    for one in overdue:
        with record.transaction(shop.engine) as connection:
            marked = holds.begin_voiding(connection, one.booking_id, reason=REASON)
            ended = marked and holds.end_voided(connection, one.booking_id, state=end_of(marked.reason))
        if ended:
            log.warning("hold_ended_without_the_provider", booking_id=str(one.booking_id))
            released.append(ended)
    return released
