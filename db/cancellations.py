"""An event that does not take place: nothing is sold any more, every booking ends, everyone paid is refunded once.

`begin` is one transaction. All the rest is read from the record by a sweep, so that it goes on wherever a kill left it
(docs/decisions/0065).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db import catalogue, locks, queue_settings, sale_log
from onsale.db.catalogue import EventStatus
from onsale.db.ids import BookingId, EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.errors import NotFound

# A request that read "on sale" the moment before commits within this time.
SETTLED_SECONDS = 60
REASON_CHARACTERS_MAX = 280


@dataclass(frozen=True, slots=True)
class Cancellation:
    """An event that was cancelled: why, by whom, and when all of it was done."""

    event_id: EventId
    reason: str
    asked_by: str
    asked_at: datetime
    done_at: datetime | None


@dataclass(frozen=True, slots=True)
class Progress:
    """How far the refunds have got, in bookings: paid ones in all, given back, refused by the provider for now.

    `let_in`: those left whose tickets were all used at the door. `open`: not paid, and not ended yet.
    """

    total: int
    done: int
    failed: int
    let_in: int
    open: int


def begin(connection: Connection, event_id: EventId, *, reason: str, actor: str) -> Cancellation:
    """Cancel the event and stop its sale; a second time changes nothing. NotFound: there is no such event."""
    if queue_settings.get(connection, event_id) is None:
        raise NotFound
    # Before `asked_at`: who gives money back by the organiser's rules at this moment has written it by then.
    locks.calling_off(connection, event_id)
    arguments = {"event_id": event_id, "reason": reason[:REASON_CHARACTERS_MAX], "actor": actor}
    if connection.execute(_BEGIN, arguments).rowcount:
        closed = QueueChange(phase=Phase.CLOSED, selling=False, reason=reason[:REASON_CHARACTERS_MAX])
        queue_settings.change(connection, event_id, closed, actor=actor)
        catalogue.set_status(connection, event_id, EventStatus.CANCELLED)
        sale_log.append(connection, event_id, actor=actor, kind="event_cancelled", body={"reason": reason})
    return Cancellation(*connection.execute(_GET, {"event_id": event_id}).one())


def get(connection: Connection, event_id: EventId) -> Cancellation | None:
    """The event's cancellation, if it was cancelled."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return Cancellation(*row) if row else None


def stands(connection: Connection, event_id: EventId) -> bool:
    """Whether the event is cancelled; if not, it is not until the caller's transaction ends."""
    locks.not_called_off(connection, event_id)
    return get(connection, event_id) is not None


def under_way(connection: Connection, *, limit: int = 20) -> tuple[EventId, ...]:
    """Cancelled events of which something is left to do, the oldest first."""
    return tuple(connection.execute(_UNDER_WAY, {"limit": limit}).scalars())


def paying(connection: Connection, event_id: EventId, *, limit: int) -> tuple[BookingId, ...]:
    """Bookings that a card is being charged for, or that are being voided."""
    return tuple(connection.execute(_PAYING, {"event_id": event_id, "limit": limit}).scalars())


def to_refund(connection: Connection, event_id: EventId, *, at_once: int) -> tuple[BookingId, ...]:
    """Paid bookings with a ticket nobody was let in with; as many as leave `at_once` refunds to be answered, not more.

    One that the bank calls pending costs nobody a call, and may be so for days.
    """
    return tuple(connection.execute(_TO_REFUND, {"event_id": event_id, "at_once": at_once}).scalars())


def finish(connection: Connection, event_id: EventId, *, settled_seconds: float = SETTLED_SECONDS) -> bool:
    """Say that nothing is left to do; False: something is (a refused refund too), or may come."""
    arguments = {"event_id": event_id, "seconds": settled_seconds}
    return connection.execute(_FINISH, arguments).rowcount == 1


def progress(connection: Connection, event_id: EventId) -> Progress:
    """How far it has got."""
    return Progress(*connection.execute(_PROGRESS, {"event_id": event_id}).one())


_BEGIN = text("""
    INSERT INTO event_cancellations (event_id, reason, asked_by) VALUES (:event_id, :reason, :actor)
    ON CONFLICT DO NOTHING
""")
_GET = text("SELECT event_id, reason, asked_by, asked_at, done_at FROM event_cancellations WHERE event_id = :event_id")
_UNDER_WAY = text("""
    SELECT event_id FROM event_cancellations WHERE done_at IS NULL ORDER BY asked_at LIMIT :limit
""")
_PAYING = text("""
    SELECT id FROM bookings
     WHERE event_id = :event_id AND (state IN ('authorising', 'requires_action', 'authorised')
                                     OR (state = 'held' AND voiding))
     LIMIT :limit
""")
_TO_REFUND = text("""
    SELECT b.id FROM bookings b
     WHERE b.event_id = :event_id AND b.state = 'confirmed'
       AND EXISTS (SELECT FROM booking_tickets bt WHERE bt.event_id = b.event_id AND bt.booking_id = b.id
                      AND coalesce(bt.released_at, 'infinity') = 'infinity' AND bt.checked_in_at IS NULL)
     ORDER BY b.id
     LIMIT greatest(0, :at_once - (SELECT count(*) FROM refunds r
                                    WHERE r.event_id = :event_id AND r.state IN ('requested', 'sent')
                                      AND r.provider_refund_id IS NULL))
""")
_FINISH = text("""
    UPDATE event_cancellations c SET done_at = clock_timestamp()
     WHERE c.event_id = :event_id AND c.done_at IS NULL
       AND c.asked_at <= clock_timestamp() - :seconds * interval '1 second'
       AND NOT EXISTS (SELECT FROM bookings b WHERE b.event_id = c.event_id AND b.state IN
                       ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised', 'committed',
                        'refunding'))
       AND NOT EXISTS (SELECT FROM bookings b
                         JOIN booking_tickets bt ON bt.event_id = b.event_id AND bt.booking_id = b.id
                        WHERE b.event_id = c.event_id AND b.state = 'confirmed'
                          AND bt.released_at IS NULL AND bt.checked_in_at IS NULL)
""")
_PROGRESS = text("""
    WITH refunded AS (
        SELECT booking_id, bool_and(state = 'succeeded') AS done, bool_or(state = 'failed') AS failed
          FROM refunds WHERE event_id = :event_id AND reason = 'event_cancelled' GROUP BY booking_id
    ), paid AS (
        SELECT b.id, EXISTS (SELECT FROM booking_tickets bt WHERE bt.event_id = b.event_id AND bt.booking_id = b.id
                                AND bt.released_at IS NULL AND bt.checked_in_at IS NULL) AS owed
          FROM bookings b
         WHERE b.event_id = :event_id AND b.state IN ('committed', 'confirmed')
           AND b.id NOT IN (SELECT booking_id FROM refunded)
    )
    SELECT (SELECT count(*) FROM refunded) + (SELECT count(*) FROM paid WHERE owed) AS total,
           (SELECT count(*) FROM refunded WHERE done) AS done,
           (SELECT count(*) FROM refunded WHERE failed) AS failed,
           (SELECT count(*) FROM paid WHERE NOT owed) AS let_in,
           (SELECT count(*) FROM bookings WHERE event_id = :event_id AND state IN
                   ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised')) AS open
""")
