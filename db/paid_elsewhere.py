"""Money that went back without us: what the provider told of it, what of it covers a refund of ours, and its end.

An organiser refunds in the provider's dashboard, a bank takes the money in a dispute, somebody pays in cash. The refund
on record ends by that, once, or nobody could ever end it. See docs/decisions/0098.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db import refunds, sale_log
from onsale.db.ids import BookingId, EventId, event_of_booking
from onsale.db.refunds import Elsewhere, Paid, Refund

ENDED_AS = "refund_paid_elsewhere"
# Who ends a refund when nobody of the staff does.
BY_ITSELF = "payments"
LISTED_MAX = 200


@dataclass(frozen=True, slots=True)
class MoreGiven:
    """A booking of which the provider gave back more than refunds of ours account for, and how it stands."""

    booking_id: BookingId
    amount_minor: int
    currency: str
    state: str


def told(connection: Connection, intent_id: str, *, given_back_minor: int | None, sent_back: bool = False) -> bool:
    """The provider told of a refund of this payment; whether it is to be asked what there is in all.

    `given_back_minor`: what it says was given back in all; None where it did not say, and something was, or is owed.
    `sent_back`: a refund has failed, be it one that a worker is just about to believe in.
    """
    arguments = {"intent_id": intent_id, "given_back_minor": given_back_minor, "sent_back": sent_back}
    return connection.execute(_TOLD, arguments).rowcount == 1


def told_of(connection: Connection, *, older_than_seconds: float, limit: int) -> tuple[BookingId, ...]:
    """Bookings whose provider is still to be asked, the oldest first."""
    return tuple(connection.execute(_TOLD_OF, {"seconds": older_than_seconds, "limit": limit}).scalars())


def told_at(connection: Connection, booking_id: BookingId) -> datetime | None:
    """When the provider told of a refund that is still to be asked about."""
    return connection.execute(_TOLD_AT, _of(booking_id)).scalar_one_or_none()


def heard(connection: Connection, booking_id: BookingId, *, refunded_minor: int, at: datetime) -> None:
    """What the provider answered; what it told of after `at` is asked about again."""
    connection.execute(_HEARD, {**_of(booking_id), "refunded_minor": refunded_minor, "told_at": at})


def covers(connection: Connection, refund: Refund, *, refunded_minor: int = 0) -> Paid | None:
    """What has given this refund back already; None: nothing has. `refunded_minor`: by the provider, in all.

    What other refunds of the booking account for is not counted again.
    """
    row = connection.execute(_LEFT, {**_of(refund.booking_id), "refund_id": refund.id}).one()
    if refunded_minor - row.refunded_minor >= refund.amount_minor:
        return Paid(Elsewhere.PROVIDER, BY_ITSELF, "refunded at the payment provider")
    if row.lost_minor - row.disputed_minor >= refund.amount_minor:
        return Paid(Elsewhere.DISPUTE, BY_ITSELF, "your bank took it back for you")
    return None


def end(connection: Connection, refund: Refund, paid: Paid) -> bool:
    """The refund ends as one that succeeded, with a line in the log. False: it is not as it was read any more."""
    if not refunds.paid_elsewhere(connection, refund, paid):
        return False
    body = {
        "refund": refund.id,
        "booking": refund.booking_id,
        "amount_minor": refund.amount_minor,
        "currency": refund.currency,
        "way": paid.way.value,
    }
    sale_log.append(connection, refund.event_id, actor=paid.by, kind=ENDED_AS, body=body)
    return True


def end_lost(connection: Connection, booking_id: BookingId) -> bool:
    """End the booking's failed refunds that a lost dispute covers; whether there were any."""
    failed = (one for one in refunds.of_booking(connection, booking_id) if one.state is refunds.RefundState.FAILED)
    ended = [end(connection, one, paid) for one in failed if (paid := covers(connection, one))]
    return any(ended)


def more_given(connection: Connection, event_id: EventId) -> tuple[MoreGiven, ...]:
    """The event's bookings of which more was given back at the provider than the record knows; at most LISTED_MAX."""
    rows = connection.execute(_MORE_GIVEN, {"event_id": event_id, "limit": LISTED_MAX})
    return tuple(MoreGiven(*row) for row in rows)


def _of(booking_id: BookingId) -> dict[str, object]:
    return {"event_id": event_of_booking(booking_id), "id": booking_id}


# Ours at the provider is what was sent, too: it may have that, and is asked before it is sent again.
_TOLD = text("""
    UPDATE payments p SET refunds_told_at = clock_timestamp()
     WHERE p.intent_id = :intent_id
       AND CASE WHEN :sent_back THEN true
                WHEN CAST(:given_back_minor AS bigint) IS NULL THEN
                     p.refunded_minor > 0 OR EXISTS (SELECT FROM refunds r WHERE r.event_id = p.event_id
                                                        AND r.booking_id = p.booking_id AND r.state = 'failed')
                ELSE :given_back_minor > (
                     SELECT coalesce(sum(r.amount_minor), 0) FROM refunds r
                      WHERE r.event_id = p.event_id AND r.booking_id = p.booking_id AND r.state IN ('sent', 'succeeded')
                        AND coalesce(r.paid_elsewhere, 'provider') = 'provider') END
""")
_TOLD_OF = text("""
    SELECT booking_id FROM payments
     WHERE refunds_told_at <= clock_timestamp() - :seconds * interval '1 second' ORDER BY refunds_told_at LIMIT :limit
""")
_TOLD_AT = text("SELECT refunds_told_at FROM payments WHERE event_id = :event_id AND booking_id = :id")
_HEARD = text("""
    UPDATE payments
       SET refunded_minor = :refunded_minor,
           refunds_told_at = CASE WHEN refunds_told_at > :told_at THEN refunds_told_at END
     WHERE event_id = :event_id AND booking_id = :id
""")
_LEFT = text("""
    SELECT coalesce(sum(amount_minor) FILTER (WHERE state IN ('sent', 'succeeded')
                                                AND coalesce(paid_elsewhere, 'provider') = 'provider'), 0)::bigint
               AS refunded_minor,
           coalesce(sum(amount_minor) FILTER (WHERE paid_elsewhere = 'dispute'), 0)::bigint AS disputed_minor,
           (SELECT coalesce(sum(d.amount_minor), 0)::bigint
              FROM disputes d JOIN bookings b ON b.event_id = d.event_id AND b.id = d.booking_id
             WHERE d.event_id = :event_id AND d.booking_id = :id AND d.status = 'lost' AND d.currency = b.currency)
               AS lost_minor
      FROM refunds WHERE event_id = :event_id AND booking_id = :id AND id <> :refund_id
""")
_MORE_GIVEN = text("""
    SELECT p.booking_id, p.refunded_minor - ours.minor AS amount_minor, p.currency, b.state
      FROM payments p
      JOIN bookings b ON b.event_id = p.event_id AND b.id = p.booking_id
     CROSS JOIN LATERAL (
           SELECT coalesce(sum(r.amount_minor), 0)::bigint AS minor FROM refunds r
            WHERE r.event_id = p.event_id AND r.booking_id = p.booking_id AND r.state IN ('sent', 'succeeded')
              AND coalesce(r.paid_elsewhere, 'provider') = 'provider') ours
     WHERE p.event_id = :event_id AND p.refunded_minor > ours.minor
       AND b.state IN ('committed', 'confirmed', 'refunding', 'refunded')
     ORDER BY p.booking_id LIMIT :limit
""")
