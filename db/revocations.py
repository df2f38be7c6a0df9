"""Places that staff took out of the queue: one number, or all that were taken from a block of addresses.

The record says which; `onsale admit` tells the queue what is `pending` within a second. Bookings are never
touched: who holds or has bought tickets keeps them until staff cancel or refund the booking by name.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import Connection, text

from onsale.db import sale_log
from onsale.db.ids import EventId
from onsale.errors import NotFound

LISTED_MAX = 100
# Blocks that newcomers are compared with at every join.
BLOCKS_MAX = 200
PENDING_MAX = 5_000
FORGOTTEN_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class Which:
    """What a revocation takes: a number, or a block of addresses (`203.0.113.0/24`)."""

    number: int | None = None
    network: str | None = None


@dataclass(frozen=True, slots=True)
class Count:
    """How many places a revocation takes: those with a booking that goes on, and those already revoked by another."""

    places: int
    with_bookings: int
    revoked_before: int


@dataclass(frozen=True, slots=True)
class Revocation:
    """One that was made; `places` it took."""

    id: UUID
    number: int | None
    network: str | None
    reason: str
    made_at: datetime
    made_by: str
    undone_at: datetime | None
    places: int


def count(connection: Connection, event_id: EventId, which: Which) -> Count:
    """What revoking this would take, without doing it."""
    return Count(*connection.execute(_COUNT, _arguments(event_id, which)).one())


def make(
    connection: Connection, event_id: EventId, which: Which, *, revocation_id: UUID, reason: str, actor: str
) -> Revocation:
    """Take the places, with a line in the sale log; the same id again changes nothing."""
    arguments = {**_arguments(event_id, which), "id": revocation_id, "reason": reason, "actor": actor}
    if connection.execute(_MAKE, arguments).rowcount:
        places = connection.execute(_TAKE, arguments).rowcount
        body = {"number": which.number, "network": which.network, "reason": reason, "places": places}
        sale_log.append(connection, event_id, actor=actor, kind="places_revoked", body={**body, "id": revocation_id})
    return _one(connection, event_id, revocation_id)


def undo(connection: Connection, event_id: EventId, revocation_id: UUID, *, actor: str) -> Revocation:
    """Give the places back that no other revocation has, with a line in the sale log; harmless twice. NotFound."""
    arguments = {"event_id": event_id, "id": revocation_id, "actor": actor}
    if connection.execute(_UNDO, arguments).rowcount:
        places = connection.execute(_GIVE_BACK, arguments).rowcount
        body = {"id": revocation_id, "places": places}
        sale_log.append(connection, event_id, actor=actor, kind="revocation_undone", body=body)
    return _one(connection, event_id, revocation_id)


def listed(connection: Connection, event_id: EventId) -> tuple[Revocation, ...]:
    """The newest hundred, newest first."""
    rows = connection.execute(_LISTED, {"event_id": event_id, "id": None, "limit": LISTED_MAX})
    return tuple(Revocation(*row) for row in rows)


def blocks(connection: Connection, event_id: EventId) -> tuple[tuple[str, ...], bool]:
    """The blocks of addresses that are closed now, and whether anything at all is revoked."""
    row = connection.execute(_BLOCKS, {"event_id": event_id, "limit": BLOCKS_MAX}).one()
    return tuple(row.networks), bool(row.anything)


def is_revoked(connection: Connection, event_id: EventId, number: int) -> bool:
    """Whether this place is revoked now."""
    return bool(connection.execute(_IS_REVOKED, {"event_id": event_id, "number": number}).scalar_one())


def record_addresses(connection: Connection, event_id: EventId, taken: Sequence[tuple[int, str]]) -> None:
    """(number, address) of places taken; those of a closed block that came in just before it was, too."""
    if not taken:
        return
    numbers, addresses = [number for number, _ in taken], [address for _, address in taken]
    arguments = {"event_id": event_id, "numbers": numbers, "addresses": addresses}
    connection.execute(_RECORD_ADDRESSES, arguments)
    connection.execute(_TAKE_LATE, arguments)


def pending(connection: Connection, event_id: EventId) -> tuple[tuple[int, bool], ...]:
    """(number, is it revoked) of places of which the queue has not been told, lowest first."""
    rows = connection.execute(_PENDING, {"event_id": event_id, "limit": PENDING_MAX})
    return tuple((row.number, row.revoked) for row in rows)


def told(connection: Connection, event_id: EventId, places: Sequence[tuple[int, bool]]) -> None:
    """The queue knows these; one that changed meanwhile stays pending."""
    arguments = {
        "event_id": event_id,
        "numbers": [number for number, _ in places],
        "revoked": [revoked for _, revoked in places],
    }
    connection.execute(_TOLD, arguments)


def events_pending(connection: Connection) -> tuple[EventId, ...]:
    """The events whose queues have not been told everything."""
    return tuple(EventId(one) for one in connection.execute(_EVENTS_PENDING).scalars())


def tell_again(connection: Connection, event_id: EventId) -> int:
    """The queue forgot: everything that is revoked is to be told once more; how many."""
    return connection.execute(_TELL_AGAIN, {"event_id": event_id}).rowcount


def forget_addresses(connection: Connection, *, days: int) -> int:
    """Addresses of shows that began so many days ago are forgotten, at most ten thousand at once; how many were."""
    return connection.execute(_FORGET, {"days": days, "limit": FORGOTTEN_AT_ONCE}).rowcount


def _arguments(event_id: EventId, which: Which) -> dict[str, object]:
    return {"event_id": event_id, "number": which.number, "network": which.network}


def _one(connection: Connection, event_id: EventId, revocation_id: UUID) -> Revocation:
    row = connection.execute(_LISTED, {"event_id": event_id, "id": revocation_id, "limit": 1}).one_or_none()
    if row is None:
        raise NotFound
    return Revocation(*row)


# A range, and not `<<=`: so the index on (event, address) serves it.
_COUNT = text("""
    WITH which AS (
        SELECT CAST(:number AS bigint) AS number WHERE CAST(:number AS bigint) IS NOT NULL
         UNION ALL
        SELECT number FROM join_addresses
         WHERE event_id = :event_id AND CAST(:network AS cidr) IS NOT NULL
           AND address >= CAST(host(network(CAST(:network AS cidr))) AS inet)
           AND address <= CAST(host(broadcast(CAST(:network AS cidr))) AS inet)
    ), found AS (
        SELECT number,
               EXISTS (SELECT FROM revoked_now r WHERE r.event_id = :event_id AND r.number = which.number) AS gone,
               EXISTS (SELECT FROM bookings b WHERE b.event_id = :event_id AND b.number = which.number AND b.state IN
                   ('waiting', 'queued', 'held', 'authorising', 'requires_action', 'authorised', 'committed',
                    'confirmed', 'refunding')) AS booked
          FROM which
    )
    SELECT count(*) FILTER (WHERE NOT gone), count(*) FILTER (WHERE NOT gone AND booked), count(*) FILTER (WHERE gone)
      FROM found
""")
_MAKE = text("""
    INSERT INTO revocations (id, event_id, number, network, reason, made_by)
    VALUES (:id, :event_id, :number, CAST(:network AS cidr), :reason, :actor) ON CONFLICT DO NOTHING
""")
_TAKE = text("""
    INSERT INTO revoked_places (event_id, number, revocation_id)
    SELECT CAST(:event_id AS bigint), which.number, CAST(:id AS uuid) FROM (
        SELECT CAST(:number AS bigint) AS number WHERE CAST(:number AS bigint) IS NOT NULL
         UNION ALL
        SELECT number FROM join_addresses
         WHERE event_id = :event_id AND CAST(:network AS cidr) IS NOT NULL
           AND address >= CAST(host(network(CAST(:network AS cidr))) AS inet)
           AND address <= CAST(host(broadcast(CAST(:network AS cidr))) AS inet)
    ) AS which
    ON CONFLICT DO NOTHING
""")
_UNDO = text("""
    UPDATE revocations SET undone_at = clock_timestamp(), undone_by = :actor
     WHERE event_id = :event_id AND id = :id AND undone_at IS NULL
""")
_GIVE_BACK = text("UPDATE revoked_places SET pending = true WHERE event_id = :event_id AND revocation_id = :id")
_LISTED = text("""
    SELECT r.id, r.number, CAST(r.network AS text), r.reason, r.made_at, r.made_by, r.undone_at,
           (SELECT count(*) FROM revoked_places p WHERE p.event_id = r.event_id AND p.revocation_id = r.id)
      FROM revocations r
     WHERE r.event_id = :event_id AND (CAST(:id AS uuid) IS NULL OR r.id = :id) ORDER BY r.made_at DESC LIMIT :limit
""")
_BLOCKS = text("""
    SELECT coalesce(array_agg(CAST(network AS text)) FILTER (WHERE network IS NOT NULL), '{}') AS networks,
           count(*) > 0 AS anything
      FROM (SELECT network FROM revocations WHERE event_id = :event_id AND undone_at IS NULL
             ORDER BY network NULLS LAST LIMIT :limit) AS closed
""")
# A further number of somebody's weight in a draw goes with the first.
_IS_REVOKED = text("""
    SELECT EXISTS (
        SELECT FROM revoked_now WHERE event_id = :event_id AND number IN (
            CAST(:number AS bigint),
            (SELECT first_number FROM draw_lots
              WHERE event_id = :event_id AND first_number <= CAST(:number AS bigint)
                AND first_number > CAST(:number AS bigint) - 100 AND first_number + weight > CAST(:number AS bigint))))
""")
_RECORD_ADDRESSES = text("""
    INSERT INTO join_addresses (event_id, number, address)
    SELECT :event_id, * FROM unnest(CAST(:numbers AS bigint[]), CAST(:addresses AS inet[])) ON CONFLICT DO NOTHING
""")
_TAKE_LATE = text("""
    INSERT INTO revoked_places (event_id, number, revocation_id)
    SELECT r.event_id, late.number, r.id
      FROM revocations r
      JOIN unnest(CAST(:numbers AS bigint[]), CAST(:addresses AS inet[])) AS late (number, address)
        ON late.address <<= r.network
     WHERE r.event_id = :event_id AND r.undone_at IS NULL
    ON CONFLICT DO NOTHING
""")
# Whose place was used up by a booking meanwhile is not given a second turn.
_PENDING = text("""
    SELECT number,
           EXISTS (SELECT FROM revoked_now r WHERE r.event_id = :event_id AND r.number = pending.number)
           OR EXISTS (SELECT FROM bookings b WHERE b.event_id = :event_id AND b.number = pending.number
                         AND b.state IN ('committed', 'confirmed', 'refunding', 'refunded')) AS revoked
      FROM (SELECT DISTINCT number FROM revoked_places WHERE event_id = :event_id AND pending
             ORDER BY number LIMIT :limit) AS pending
     ORDER BY number
""")
# What changed between the two stays pending.
_TOLD = text("""
    UPDATE revoked_places p SET pending = false
      FROM unnest(CAST(:numbers AS bigint[]), CAST(:revoked AS boolean[])) AS known (number, revoked)
     WHERE p.event_id = :event_id AND p.number = known.number AND p.pending
       AND (known.revoked = EXISTS (SELECT FROM revoked_now r
                                     WHERE r.event_id = :event_id AND r.number = known.number)
            OR known.revoked AND EXISTS (SELECT FROM bookings b
                                          WHERE b.event_id = :event_id AND b.number = known.number AND b.state IN
                                                ('committed', 'confirmed', 'refunding', 'refunded')))
""")
_EVENTS_PENDING = text("SELECT DISTINCT event_id FROM revoked_places WHERE pending")
_TELL_AGAIN = text("""
    UPDATE revoked_places p SET pending = true FROM revocations r
     WHERE p.event_id = :event_id AND r.id = p.revocation_id AND r.undone_at IS NULL AND NOT p.pending
""")
_FORGET = text("""
    DELETE FROM join_addresses j USING (
        SELECT a.event_id, a.number FROM join_addresses a JOIN events e ON e.id = a.event_id
         WHERE e.starts_at < clock_timestamp() - CAST(:days AS integer) * interval '1 day' LIMIT :limit) AS old
     WHERE j.event_id = old.event_id AND j.number = old.number
""")
