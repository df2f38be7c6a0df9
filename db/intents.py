"""A booking's one payment intent in the record: stored, what was last said of it, and the one that stands in for it.

An intent is only ever replaced when a card over its limit had reserved money by it: what is cancelled cannot pay again.
"""

from __future__ import annotations

from sqlalchemy import Connection, text

from onsale.db.ids import BookingId, event_of_booking
from onsale.db.payments import Payment

# The words for an intent that neither holds nor owes money any more; the second one is our own.
SETTLED = frozenset({"canceled", "refunded"})


def intent_created(
    connection: Connection,
    booking_id: BookingId,
    *,
    intent_id: str,
    client_secret: str,
    status: str,
    amount_minor: int,
    currency: str,
    instead_of: str | None = None,
) -> Payment | None:
    """Store the booking's intent; None: the first one stays (the same booking gets the same one anyway).

    `instead_of`: the intent that was let go, and that the booking must still have.
    """
    arguments = {
        **_of(booking_id),
        "intent_id": intent_id,
        "client_secret": client_secret,
        "status": status,
        "amount_minor": amount_minor,
        "currency": currency,
        "instead_of": instead_of,
    }
    row = connection.execute(_CREATED if instead_of is None else _REPLACED, arguments).one_or_none()
    return Payment(*row) if row else None


def intent_seen(
    connection: Connection,
    booking_id: BookingId,
    *,
    intent_id: str,
    status: str,
    captured_minor: int = 0,
    void_reason: str | None = None,
) -> bool:
    """Remember what the provider said last about the intent. `canceled` and `refunded` settle it.

    False: it is not the booking's (any more), or it is settled and this was said before: then it means nothing.
    """
    arguments = {
        **_of(booking_id),
        "intent_id": intent_id,
        "status": status,
        "captured_minor": captured_minor,
        "void_reason": void_reason,
        "settled": status in SETTLED,
    }
    return connection.execute(_SEEN, arguments).rowcount == 1


def _of(booking_id: BookingId) -> dict[str, object]:
    return {"event_id": event_of_booking(booking_id), "id": booking_id}


_CREATED = text("""
    INSERT INTO payments (event_id, booking_id, intent_id, client_secret, status, amount_minor, currency)
    VALUES (:event_id, :id, :intent_id, :client_secret, :status, :amount_minor, :currency)
    -- Without a target: twins store the same intent, and the index on intent_id may be the one that notices first.
    ON CONFLICT DO NOTHING
    RETURNING event_id, booking_id, intent_id, client_secret, status, amount_minor, currency, captured_minor,
              void_reason, created_at, updated_at
""")
_REPLACED = text("""
    UPDATE payments
       SET intent_id = :intent_id, client_secret = :client_secret, status = :status, amount_minor = :amount_minor,
           currency = :currency, void_reason = NULL, settled = false, updated_at = clock_timestamp()
     WHERE event_id = :event_id AND booking_id = :id AND intent_id = :instead_of AND settled AND captured_minor = 0
    RETURNING event_id, booking_id, intent_id, client_secret, status, amount_minor, currency, captured_minor,
              void_reason, created_at, updated_at
""")
_SEEN = text("""
    UPDATE payments
       SET status = :status, captured_minor = greatest(captured_minor, :captured_minor),
           void_reason = coalesce(void_reason, :void_reason), settled = settled OR :settled,
           updated_at = clock_timestamp()
     WHERE event_id = :event_id AND booking_id = :id AND intent_id = :intent_id AND (:settled OR NOT settled)
""")
