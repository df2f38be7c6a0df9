"""Disputes: a buyer asks their bank for the money, past us. Recorded and shown; an organiser answers at the bank."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import BookingId, EventId, event_of_booking

LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class Dispute:
    """One of them; `status` and `reason` are the provider's words."""

    id: str
    booking_id: BookingId
    amount_minor: int
    currency: str
    reason: str
    status: str
    opened_at: datetime
    closed_at: datetime | None


def told(
    connection: Connection, dispute_id: str, intent_id: str, *, closed: bool, amount_minor: int, **words: str
) -> bool:
    """Write down what the provider said of it; False: no booking has this payment. `words`: currency, reason, status.

    Webhooks come late and out of order: what is closed stays closed.
    """
    arguments = {"id": dispute_id, "intent_id": intent_id, "closed": closed, "amount_minor": amount_minor, **words}
    return connection.execute(_TOLD, arguments).rowcount == 1


def of_event(connection: Connection, event_id: EventId) -> tuple[Dispute, ...]:
    """The event's disputes, newest first; at most LISTED_MAX."""
    rows = connection.execute(_OF_EVENT, {"event_id": event_id, "limit": LISTED_MAX})
    return tuple(Dispute(*row) for row in rows)


def stands(connection: Connection, booking_id: BookingId) -> bool:
    """Whether a bank took the booking's money, or holds it until a dispute is decided: then none can be given back.

    A `warning_` is only a question, and giving the money back ends it; what is `won` is the organiser's again.
    """
    arguments = {"event_id": event_of_booking(booking_id), "id": booking_id}
    return bool(connection.execute(_STANDS, arguments).scalar_one())


_STANDS = text("""
    SELECT EXISTS (SELECT FROM disputes WHERE event_id = :event_id AND booking_id = :id
                      AND status <> 'won' AND NOT starts_with(status, 'warning_'))
""")
_TOLD = text("""
    INSERT INTO disputes (id, event_id, booking_id, amount_minor, currency, reason, status, closed_at)
    SELECT :id, p.event_id, p.booking_id, :amount_minor, :currency, :reason, :status,
           CASE WHEN :closed THEN clock_timestamp() END
      FROM payments p WHERE p.intent_id = :intent_id
    ON CONFLICT (id) DO UPDATE SET
        amount_minor = CASE WHEN disputes.closed_at IS NULL THEN excluded.amount_minor ELSE disputes.amount_minor END,
        status = CASE WHEN disputes.closed_at IS NULL THEN excluded.status ELSE disputes.status END,
        closed_at = coalesce(disputes.closed_at, excluded.closed_at)
""")
_OF_EVENT = text("""
    SELECT id, booking_id, amount_minor, currency, reason, status, opened_at, closed_at FROM disputes
     WHERE event_id = :event_id ORDER BY opened_at DESC, id LIMIT :limit
""")
