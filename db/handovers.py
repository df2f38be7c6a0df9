"""A guest signs in: whose place became whose, and the bookings that went along."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, text

from onsale.db.ids import BuyerId, EventId

# A guest queues at a handful of events; more than this is nobody we need to be kind to.
EVENTS_MAX = 20


@dataclass(frozen=True, slots=True)
class Handover:
    """The taker has this number now; the given-up one is nobody's."""

    giver: BuyerId
    taker: BuyerId
    number: int
    given_up: int | None
    joined_at_ms: int

    @property
    def numbers(self) -> tuple[int, ...]:
        """What no token proves any more, also not the taker's: the record says whose it is."""
        return (self.number,) if self.given_up is None else (self.number, self.given_up)


def events_of(connection: Connection, buyer_id: BuyerId) -> tuple[EventId, ...]:
    """Events at which this guest has a place or a booking, as far as the journal knows (it is a second behind).

    None of somebody who has an account by now: what they have as a guest is that account's.
    """
    rows = connection.execute(_EVENTS_OF, {"buyer_id": buyer_id, "limit": EVENTS_MAX})
    return tuple(EventId(one) for one in rows.scalars())


def record(
    connection: Connection,
    event_id: EventId,
    *,
    giver: BuyerId,
    taker: BuyerId,
    gave: int,
    number: int,
    given_up: int | None,
    joined_at_ms: int,
) -> bool:
    """Write down that the taker has this number now, before the queue is told: recovery goes by it.

    `gave`: the giver's own, which is the number or the one given up. False, and nothing is written, when the giver
    gave another number away at this event before.
    """
    arguments = {
        "event_id": event_id,
        "giver": giver,
        "taker": taker,
        "gave": gave,
        "number": number,
        "given_up": given_up,
        "joined_at": datetime.fromtimestamp(joined_at_ms / 1000, UTC),
    }
    return connection.execute(_RECORD, arguments).rowcount == 1


def gave(connection: Connection, event_id: EventId, buyer_id: BuyerId, number: int) -> bool:
    """Whether this buyer gave this number away."""
    arguments = {"event_id": event_id, "buyer_id": buyer_id, "number": number}
    return bool(connection.execute(_GAVE, arguments).scalar_one())


def given_up(connection: Connection, event_id: EventId, *, limit: int) -> tuple[int, ...]:
    """The numbers that are nobody's any more, as people joined with them."""
    return tuple(connection.execute(_GIVEN_UP, {"event_id": event_id, "limit": limit}).scalars())


def of_event(connection: Connection, event_id: EventId) -> tuple[Handover, ...]:
    """All of an event, oldest first: for recovery."""
    rows = connection.execute(_OF_EVENT, {"event_id": event_id})
    return tuple(
        Handover(
            BuyerId(row.from_buyer),
            BuyerId(row.to_buyer),
            row.number,
            row.given_up,
            int(row.joined_at.timestamp() * 1000),
        )
        for row in rows
    )


def givers(connection: Connection, event_id: EventId, takers: Sequence[BuyerId]) -> dict[BuyerId, set[BuyerId]]:
    """Of each of these buyers, whose place at this event became theirs; who took none is not in it."""
    found: dict[BuyerId, set[BuyerId]] = {}
    for row in connection.execute(_GIVERS, {"event_id": event_id, "takers": list(takers)}):
        found.setdefault(BuyerId(row.to_buyer), set()).add(BuyerId(row.from_buyer))
    return found


def move_bookings(connection: Connection, *, giver: BuyerId, taker: BuyerId) -> int:
    """Give the taker the giver's bookings; how many.

    Only with their place; not those being paid this moment (the provider knows them under the giver), and none of an
    event where both together would pass the limit of tickets per buyer.
    """
    return connection.execute(_MOVE_BOOKINGS, {"giver": giver, "taker": taker}).rowcount


_EVENTS_OF = text("""
    SELECT event_id FROM (
        SELECT j.event_id FROM queue_settings q
          JOIN events e ON e.id = q.event_id AND e.status = 'published' AND e.starts_at > clock_timestamp()
          JOIN join_journal j ON j.event_id = q.event_id AND j.buyer_id = :buyer_id
         UNION
        SELECT event_id FROM bookings WHERE buyer_id = :buyer_id
    ) AS been WHERE EXISTS (SELECT FROM buyers WHERE id = :buyer_id AND password_hash IS NULL)
     LIMIT :limit
""")
_RECORD = text("""
    INSERT INTO place_handovers (event_id, from_buyer, to_buyer, number, given_up, joined_at)
    VALUES (:event_id, :giver, :taker, :number, :given_up, :joined_at)
    ON CONFLICT (event_id, from_buyer) DO UPDATE SET
        to_buyer = excluded.to_buyer, number = excluded.number, given_up = excluded.given_up,
        joined_at = excluded.joined_at, made_at = clock_timestamp()
     WHERE :gave IN (place_handovers.number, place_handovers.given_up)
""")
_GAVE = text("""
    SELECT EXISTS (SELECT FROM place_handovers
                    WHERE event_id = :event_id AND from_buyer = :buyer_id AND :number IN (number, given_up))
""")
_GIVEN_UP = text("""
    SELECT given_up FROM place_handovers WHERE event_id = :event_id AND given_up IS NOT NULL
     ORDER BY given_up LIMIT :limit
""")
_OF_EVENT = text("""
    SELECT from_buyer, to_buyer, number, given_up, joined_at FROM place_handovers WHERE event_id = :event_id
     ORDER BY made_at, from_buyer
""")
_GIVERS = text("""
    SELECT from_buyer, to_buyer FROM place_handovers
     WHERE event_id = :event_id AND to_buyer = ANY (CAST(:takers AS uuid[]))
""")
_MOVE_BOOKINGS = text("""
    WITH tickets AS (
        SELECT event_id, sum(CASE WHEN hold_version IS NULL THEN tickets_wanted ELSE tickets_taken END) AS both
          FROM bookings WHERE buyer_id IN (:giver, :taker) AND state IN
               ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised', 'committed', 'confirmed',
                'refunding') GROUP BY event_id
    )
    UPDATE bookings b SET buyer_id = :taker
     WHERE b.buyer_id = :giver AND b.state NOT IN ('authorising', 'requires_action', 'authorised', 'committed')
       AND EXISTS (SELECT FROM place_handovers h
                    WHERE h.event_id = b.event_id AND h.from_buyer = :giver AND h.to_buyer = :taker)
       AND NOT EXISTS (SELECT FROM tickets t JOIN events e ON e.id = t.event_id
                        WHERE t.event_id = b.event_id AND t.both > e.tickets_per_buyer)
       AND NOT EXISTS (SELECT FROM bookings mine WHERE mine.event_id = b.event_id AND mine.buyer_id = :taker
                          AND mine.idempotency_key = b.idempotency_key)
""")
