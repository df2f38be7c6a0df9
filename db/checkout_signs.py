"""How an event's checkout is doing, measured on the record in one bounded statement."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection

from onsale.db import sql, stuck
from onsale.db.ids import EventId
from onsale.errors import NotFound

# So many of each kind are looked at: beyond it the answer is the same, and reading stays a matter of milliseconds.
ROWS_MAX = 500
LATELY_SECONDS = 30


@dataclass(frozen=True, slots=True)
class CheckoutSigns:
    """What waits, what pays, what was refused lately; counted up to ROWS_MAX each.

    `backlog_seconds` is 0 while selling is stopped: then bookings wait because somebody said so. Payments under way are
    carried by a worker now, or wait for one; the seconds are their mean ages.
    """

    backlog: int
    backlog_seconds: float
    carried: int
    carried_seconds: float
    uncarried: int
    uncarried_seconds: float
    declined: int


def read(connection: Connection, event_id: EventId) -> CheckoutSigns:
    """The signs now. Raises NotFound."""
    asked = {"event_id": event_id, "rows_max": ROWS_MAX, "lately_seconds": LATELY_SECONDS}
    asked["stuck_seconds"] = stuck.SETTLE_SECONDS
    row = connection.execute(sql.load("checkout_signs"), asked).one_or_none()
    if row is None:
        raise NotFound
    return CheckoutSigns(*row)
