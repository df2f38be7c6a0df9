"""Codes that count more in a draw: what is published of them, and who joined with one.

The use is written before the queue gives numbers, under the code's lock, so that a code is never used too often; the
first number is written once the queue has said it (`onsale admit` does it too, from the journal).
"""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import Connection, text

from onsale.db import draws, sale_log
from onsale.db.ids import BuyerId, EventId
from onsale.errors import CodeOver, CodeUnfit, CodeUsed, IllegalMove, WeightNotCounted

WEIGHT_MIN, WEIGHT_MAX = 2, 100


def publish(connection: Connection, event_id: EventId, *, weight: int, people: int, actor: str) -> None:
    """So many more people may have an entry that counts so much; only before the pre-queue opens, and for a draw.

    Raises CodeUnfit naming the field.
    """
    if not WEIGHT_MIN <= weight <= WEIGHT_MAX:
        raise CodeUnfit(f"Such a code counts {WEIGHT_MIN} to {WEIGHT_MAX} times.", field="weight")
    if draws.get(connection, event_id) is None:
        raise CodeUnfit("Only a draw has weights, and this queue is first come, first served.", field="kind")
    try:
        draws.lock_before_anybody_joins(connection, event_id)
    except IllegalMove as error:
        raise CodeUnfit(
            "The pre-queue has opened: what counts in the draw stays as published.", field="kind"
        ) from error
    now = connection.execute(_PUBLISH, {"event_id": event_id, "weight": weight, "people": people}).scalar_one()
    draws.new_version(connection, event_id, actor=actor)
    body = {"weight": weight, "people_max": now}
    sale_log.append(connection, event_id, actor=actor, kind="draw_weights_published", body=body)


def take(connection: Connection, event_id: EventId, buyer_id: BuyerId, code: str) -> int:
    """Use this code (normalised) for this buyer; how much the entry counts. Again, the same: a buyer has one.

    Raises WeightNotCounted (it is none of a draw's), CodeOver, CodeUsed.
    """
    asked = {"event_id": event_id, "buyer_id": buyer_id, "code": code}
    row = connection.execute(_LOCK_CODE, asked).one_or_none()
    if row is None:
        raise WeightNotCounted
    known = connection.execute(_KNOWN, asked).scalar_one_or_none()
    if known is not None:
        return int(known)
    if row.off:
        raise CodeOver
    if not connection.execute(_TAKE, {**asked, "id": row.id}).rowcount:
        raise CodeUsed
    return int(row.weight)


def give_back(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> None:
    """The queue gave this buyer no numbers for it."""
    connection.execute(_GIVE_BACK, {"event_id": event_id, "buyer_id": buyer_id})


def given(connection: Connection, event_id: EventId, rows: Sequence[tuple[BuyerId, int]]) -> None:
    """(buyer, first number) that the queue gave; twice is harmless."""
    if rows:
        buyers, numbers = [str(buyer_id) for buyer_id, _ in rows], [number for _, number in rows]
        connection.execute(_GIVEN, {"event_id": event_id, "buyers": buyers, "numbers": numbers})


def rows(connection: Connection, event_id: EventId) -> dict[int, int]:
    """Weights by first number, of everybody whose entry counts more than once."""
    return {row.first_number: row.weight for row in connection.execute(_ROWS, {"event_id": event_id})}


_PUBLISH = text("""
    INSERT INTO draw_weights (event_id, weight, people_max) VALUES (:event_id, :weight, :people)
    ON CONFLICT (event_id, weight) DO UPDATE SET people_max = draw_weights.people_max + excluded.people_max
    RETURNING people_max
""")
_LOCK_CODE = text("""
    SELECT id, weight, off FROM codes
     WHERE event_id = :event_id AND code = :code AND kind = 'priority' FOR NO KEY UPDATE
""")
_KNOWN = text("SELECT weight FROM draw_lots WHERE event_id = :event_id AND buyer_id = :buyer_id")
# Nobody else counts or takes while the code's row is locked.
_TAKE = text("""
    INSERT INTO draw_lots (event_id, buyer_id, code_id, weight)
    SELECT c.event_id, CAST(:buyer_id AS uuid), c.id, c.weight FROM codes c
     WHERE c.event_id = :event_id AND c.id = :id
       AND (SELECT count(*) FROM draw_lots l WHERE l.event_id = c.event_id AND l.code_id = c.id) < c.uses_max
    ON CONFLICT DO NOTHING
""")
_GIVE_BACK = text("""
    DELETE FROM draw_lots WHERE event_id = :event_id AND buyer_id = :buyer_id AND first_number IS NULL
""")
_GIVEN = text("""
    UPDATE draw_lots l SET first_number = given.number
      FROM unnest(CAST(:buyers AS uuid[]), CAST(:numbers AS bigint[])) AS given (buyer_id, number)
     WHERE l.event_id = :event_id AND l.buyer_id = given.buyer_id AND l.first_number IS DISTINCT FROM given.number
       -- A guest's place that became an account's stays under the name it was taken by.
       AND NOT EXISTS (SELECT FROM draw_lots o WHERE o.event_id = l.event_id AND o.first_number = given.number)
""")
_ROWS = text("SELECT first_number, weight FROM draw_lots WHERE event_id = :event_id AND first_number IS NOT NULL")
