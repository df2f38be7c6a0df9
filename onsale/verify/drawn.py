"""Was the draw held as it was announced, and is each booking its drawn number's own buyer's?

The drawn number is worked out by the verifier's own copy of the rule, from what is on record.
"""

from __future__ import annotations

from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import Connection

from onsale.db import draw_lots, draws
from onsale.db.draws import Draw
from onsale.db.ids import EventId
from onsale.queue import draw as rule
from onsale.verify import sql

OWNERS_AT_ONCE = 1_000


def wrong(connection: Connection, event_id: EventId, *, journal_seconds: int) -> Iterator[str]:
    """What does not fit; nothing for an event that is first come, first served, or not drawn yet."""
    draw = draws.get(connection, event_id)
    if draw is None or draw.key is None or not draw.size:
        return
    if rule.draw_key(draw.seed, draw.beacon or "", draw.size) != draw.key:
        yield "the draw's key does not follow from its seed, beacon and size"
    yield from _against_the_log(connection, draw)
    yield from _weights(connection, event_id)
    drawn, weights = rule.permutation(draw.key, draw.size), draw_lots.rows(connection, event_id)
    first_of = {number: first for first, weight in weights.items() for number in range(first, first + weight)}
    asked = {"event_id": event_id, "size": draw.size, "journal_seconds": journal_seconds}
    rows = connection.execute(sql.load("i5_drawn_bookings"), asked).all()
    for first in range(0, len(rows), OWNERS_AT_ONCE):
        joins = [(drawn.joined(row.number), row) for row in rows[first : first + OWNERS_AT_ONCE]]
        some = [(first_of.get(joined, joined), row) for joined, row in joins]
        numbers = [joined for joined, _ in some]
        found = connection.execute(sql.load("i5_owners"), {"event_id": event_id, "numbers": numbers})
        owners: dict[int, list[UUID]] = {}
        for one in found:
            owners.setdefault(one.number, []).append(one.buyer_id)
        for joined, row in some:
            # A damaged record may say more than were drawn.
            weight = min(weights.get(joined, 1), draw.size + 1 - joined)
            best = rule.best_of(drawn, joined, weight).drawn
            if best != row.number:
                yield f"booking {row.id} was made under drawn number {row.number}, and its buyer's best is {best}"
            known = owners.get(joined, [])
            said = f"booking {row.id} was made under drawn number {row.number}, which pre-queue number {joined} got,"
            if not known and row.must_be_known:
                yield f"{said} and nobody is on record as having joined under that"
            elif known and row.buyer_id not in known:
                yield f"{said} and that was given to {known[0]}, not to buyer {row.buyer_id}"


def _weights(connection: Connection, event_id: EventId) -> Iterator[str]:
    """Nobody counts more than was published before anybody joined, nor do more people."""
    for row in connection.execute(sql.load("i5_draw_weights"), {"event_id": event_id}):
        if row.published != row.logged:
            yield f"{row.published} people may count {row.weight} times, and the sale log says {row.logged}"
        if row.people > row.logged:
            yield f"{row.people} people count {row.weight} times, and {row.logged} at most may"


def _against_the_log(connection: Connection, draw: Draw) -> Iterator[str]:
    """The log is append-only: what was announced there first is what had to be drawn with."""
    announced = {
        "seed_hash": draw.seed_hash,
        "seed": draw.seed.hex(),
        "beacon_name": draw.beacon_name,
        "beacon_value": draw.beacon,
        "size": draw.size,
    }
    for kind, body in connection.execute(sql.load("i5_draw_logged"), {"event_id": draw.event_id}):
        for name, value in announced.items():
            if name in body and body[name] != value:
                yield f"the sale log's line {kind} says {name} {body[name]}, and the draw has {value}"
