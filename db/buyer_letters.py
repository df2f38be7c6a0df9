"""Letters to buyers about an event, not about a booking: only to accounts, only what they asked for, and few a day."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from onsale.db.ids import BuyerId, EventId
from onsale.db.letters import LetterKind

# Whoever signs up with somebody else's address cannot have much sent to it. Letters about bookings do not count.
PER_ADDRESS_A_DAY_MAX = 10


def write(connection: Connection, event_id: EventId, kind: LetterKind, to: Sequence[tuple[BuyerId, str]]) -> int:
    """One letter to each (buyer, occasion); the same occasion again writes none. Returns how many were written.

    None to a guest, whose address proves nothing, nor to an address that has had its letters of the day.
    """
    if not to:
        return 0
    arguments = {
        "event_id": event_id,
        "kind": kind.value,
        "buyers": [str(buyer_id) for buyer_id, _ in to],
        "occasions": [occasion for _, occasion in to],
        "most": PER_ADDRESS_A_DAY_MAX,
    }
    return connection.execute(_WRITE, arguments).rowcount


_WRITE = text("""
    INSERT INTO letters (event_id, buyer_id, kind, occasion, address)
    SELECT :event_id, b.id, :kind, asked.occasion, b.email
      FROM unnest(CAST(:buyers AS uuid[]), CAST(:occasions AS text[])) AS asked (buyer_id, occasion)
      JOIN buyers b ON b.id = asked.buyer_id
     WHERE b.password_hash IS NOT NULL
       AND (SELECT count(*) FROM letters l
             WHERE lower(l.address) = lower(b.email) AND l.booking_id IS NULL
               AND l.created_at > clock_timestamp() - interval '1 day') < :most
    ON CONFLICT DO NOTHING
""")
