"""Bookings past the time that their state may take: something of the house does not work, and somebody should look.

The limits are those of `onsale verify`: what verify would call lost is an alarm while it can still be helped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection, text

from onsale.db import sale_log, sql
from onsale.db.ids import BookingId, EventId
from onsale.db.states import BookingState

# A booking that nothing is wrong with may be undecided for so long (a worker was killed, its wake-up is sent again),
DECIDE_SECONDS = 60
# a payment may be over its hold's time (the provider is asked for a minute first),
PAY_SECONDS = 90
# and a capture or a cancellation may take so long (the reconciler).
SETTLE_SECONDS = 120
# A refund that is pending waits for a bank, not for us.
REFUND_SECONDS = 24 * 3600

LISTED_EACH = 20
LISTED_EACH_MAX = 500
LOGGED_AS = "booking_stuck"


class Kind(StrEnum):
    """What is stuck."""

    UNDECIDED = "undecided"
    TURN_MISSED = "turn_missed"
    OVERDUE = "overdue"
    UNCAPTURED = "uncaptured"
    UNRELEASED = "unreleased"
    REFUND_OPEN = "refund_open"


@dataclass(frozen=True, slots=True)
class Rule:
    """How long it may take, what has then happened in a few words, and what to do."""

    seconds: int
    says: str
    do: str


RULES = {
    Kind.UNDECIDED: Rule(
        DECIDE_SECONDS,
        "in line and not decided",
        "See that a worker of lanes runs: onsale doctor --only workers.",
    ),
    Kind.TURN_MISSED: Rule(
        DECIDE_SECONDS,
        "let in and still waiting",
        "See that workers of sweeps and lanes run: onsale doctor --only workers.",
    ),
    Kind.OVERDUE: Rule(
        PAY_SECONDS,
        "past the time to pay and not ended",
        "See that workers of sweeps and payments run: onsale doctor --only workers.",
    ),
    Kind.UNCAPTURED: Rule(
        SETTLE_SECONDS,
        "sold and not paid",
        "Look the payment up at Stripe. Cancelled there: the buyer has tickets and paid nothing. Else see that a "
        "worker of payments runs and reaches Stripe.",
    ),
    Kind.UNRELEASED: Rule(
        SETTLE_SECONDS,
        "ended without tickets, and the payment is still open",
        "Look the payment up at Stripe. Open there: see that workers of sweeps and payments run and reach Stripe; "
        "then it is cancelled or refunded by itself.",
    ),
    Kind.REFUND_OPEN: Rule(
        REFUND_SECONDS,
        "being refunded for a day",
        "Look the refund up at Stripe: pending there, the bank takes its time; failed, pay it back in another way.",
    ),
}


@dataclass(frozen=True, slots=True)
class Stuck:
    """A booking that is stuck, since when, and for how long at this reading."""

    kind: Kind
    event_id: EventId
    booking_id: BookingId
    state: BookingState
    since: datetime
    seconds: float


@dataclass(frozen=True, slots=True)
class Found:
    """How many there are of each kind (all of them, also 0), and the longest stuck of each."""

    counts: Mapping[Kind, int]
    listed: tuple[Stuck, ...]

    @property
    def total(self) -> int:
        """How many in all."""
        return sum(self.counts.values())


def find(connection: Connection, *, event_id: EventId | None = None, each: int = LISTED_EACH) -> Found:
    """What is stuck, in one event or in all; at most `each` of a kind are listed, the longest stuck first."""
    arguments = {
        "event_id": event_id,
        "each": min(each, LISTED_EACH_MAX),
        "decide_seconds": DECIDE_SECONDS,
        "pay_seconds": PAY_SECONDS,
        "settle_seconds": SETTLE_SECONDS,
        "refund_seconds": REFUND_SECONDS,
    }
    rows = connection.execute(sql.load("stuck_bookings"), arguments).all()
    counts = dict.fromkeys(Kind, 0) | {Kind(row.kind): row.many for row in rows}
    listed = (
        Stuck(Kind(row.kind), EventId(row.event_id), row.id, BookingState(row.state), row.since, row.seconds)
        for row in rows
    )
    return Found(counts, tuple(listed))


def note(connection: Connection, found: Sequence[Stuck]) -> tuple[Stuck, ...]:
    """Write each into its event's sale log, once per booking and kind; returns those that were not there yet."""
    fresh = []
    for one in found:
        body = {"booking_id": str(one.booking_id), "kind": one.kind.value}
        if connection.execute(_NOTED, {"event_id": one.event_id, "logged_as": LOGGED_AS, **body}).scalar_one():
            continue
        line = {**body, "state": one.state.value, "since": one.since.isoformat()}
        sale_log.append(connection, one.event_id, actor="alarm", kind=LOGGED_AS, body=line)
        fresh.append(one)
    return tuple(fresh)


_NOTED = text("""
    SELECT EXISTS (SELECT FROM sale_log
                    WHERE event_id = :event_id AND kind = :logged_as
                      AND body ->> 'booking_id' = :booking_id AND body ->> 'kind' = :kind)
""")
