"""An event's draw: announced before anybody joins, its entries closed at the opening, held once the beacon is known.

A row makes the event's queue a draw. Each act is a line in the sale log and a new version of the queue's settings, so
that whoever runs the queue learns of it. What is drawn is stored nowhere: it follows from the key.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from typing import Any
from uuid import UUID

from sqlalchemy import Connection, Row, text

from onsale.db import sale_log
from onsale.db.ids import BuyerId, EventId
from onsale.errors import BadRequest, IllegalMove, NotFound

BEACON_CHARACTERS_MAX = 200
PAGE_MAX = 10_000


@dataclass(frozen=True, slots=True)
class Draw:
    """What is on record of a draw; `size` is how many numbers are drawn, None while its entries are open."""

    event_id: EventId
    seed: bytes
    seed_hash: str
    beacon_name: str
    announced_at: datetime
    size: int | None
    closed_at: datetime | None
    beacon_value: str | None
    without_beacon: bool
    key: bytes | None
    held_at: datetime | None
    # (how much an entry may count, of how many people at most): made before the pre-queue opens (`draw_lots`).
    weights: tuple[tuple[int, int], ...] = ()

    @property
    def beacon(self) -> str | None:
        """The value that goes into the key; empty without a beacon, None while it has to be waited for."""
        if self.without_beacon or not self.beacon_name:
            return ""
        return self.beacon_value

    @property
    def is_ready(self) -> bool:
        """Whether it can be held now, and was not."""
        return self.size is not None and self.beacon is not None and self.key is None

    def public(self) -> dict[str, Any]:
        """What everybody may know (`queue.draw.DrawState`): the seed only when nothing can follow from it any more."""
        held = self.key is not None
        return {
            "seed_hash": self.seed_hash,
            "beacon_name": self.beacon_name,
            "size": self.size,
            "closed_at": self.closed_at.astimezone(UTC).isoformat(timespec="seconds") if self.closed_at else None,
            "without_beacon": self.without_beacon,
            "seed": self.seed.hex() if held else "",
            "beacon_value": (self.beacon or "") if held else "",
            "key": self.key.hex() if self.key else "",
            "weights": self.weights,
            "beacon_known": self.beacon_value is not None and not held,
        }


def get(connection: Connection, event_id: EventId) -> Draw | None:
    """The event's draw; None where it is first come, first served."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return _draw(row) if row else None


def of_events(connection: Connection, event_ids: Sequence[EventId]) -> dict[EventId, Draw]:
    """The draws of those of these events that have one."""
    rows = connection.execute(_OF_EVENTS, {"event_ids": list(event_ids)})
    return {row.event_id: _draw(row) for row in rows}


def announce(connection: Connection, event_id: EventId, *, seed: bytes, beacon_name: str, actor: str) -> Draw:
    """Make the queue a draw, or name another beacon (the seed then stays). Raises NotFound, BadRequest, IllegalMove.

    Only before the pre-queue opens: who joins must know by which rule.
    """
    _check_beacon("beacon_name", beacon_name)
    lock_before_anybody_joins(connection, event_id)
    hashed = sha256(seed).hexdigest()
    arguments = {"event_id": event_id, "seed": seed, "seed_hash": hashed, "beacon_name": beacon_name}
    connection.execute(_ANNOUNCE, arguments)
    draw = _locked(connection, event_id)
    body = {"seed_hash": draw.seed_hash, "beacon_name": beacon_name}
    _note(connection, event_id, actor=actor, kind="draw_announced", body=body)
    return draw


def withdraw(connection: Connection, event_id: EventId, *, actor: str) -> None:
    """First come, first served again; harmless twice. Raises NotFound, IllegalMove once the pre-queue has opened."""
    lock_before_anybody_joins(connection, event_id)
    gone = connection.execute(_WITHDRAW, {"event_id": event_id}).one_or_none()
    if gone is not None:
        body = {"seed_hash": gone.seed_hash, "seed": bytes(gone.seed).hex()}
        _note(connection, event_id, actor=actor, kind="draw_withdrawn", body=body)


def closing_due(connection: Connection, event_id: EventId) -> bool:
    """Whether the entries are to be closed now, by the database's clock. Locks the draw: one closes it at a time."""
    return connection.execute(_CLOSING_DUE, {"event_id": event_id}).one_or_none() is not None


def close_entries(connection: Connection, event_id: EventId, *, size: int) -> None:
    """So many numbers are drawn; the first word counts."""
    if connection.execute(_CLOSE, {"event_id": event_id, "size": size}).rowcount:
        _note(connection, event_id, actor="clock", kind="draw_entries_closed", body={"size": size})


def put_beacon(connection: Connection, event_id: EventId, value: str, *, actor: str) -> Draw:
    """The beacon's value; the same again is harmless.

    Raises NotFound, BadRequest, IllegalMove (entries still open, no beacon was named, or another value was given).
    """
    _check_beacon("beacon_value", value)
    draw = _closed(connection, event_id)
    if not draw.beacon_name:
        raise IllegalMove("No beacon was named before the pre-queue opened, so none may count now.")
    if draw.beacon_value == value and not draw.without_beacon:
        return draw
    if draw.beacon is not None:
        raise IllegalMove("The draw has its beacon, or goes without. That cannot be changed.")
    connection.execute(_PUT_BEACON, {"event_id": event_id, "value": value})
    body = {"beacon_name": draw.beacon_name, "beacon_value": value}
    _note(connection, event_id, actor=actor, kind="draw_beacon", body=body)
    return _locked(connection, event_id)


def go_without_beacon(connection: Connection, event_id: EventId, *, actor: str) -> Draw:
    """Draw without the beacon that was named, and say so to everybody; again, harmless.

    Raises NotFound, IllegalMove (entries still open, or its value is there).
    """
    draw = _closed(connection, event_id)
    if draw.beacon == "":
        return draw
    if draw.beacon is not None:
        raise IllegalMove("The beacon's value is there: it counts.")
    connection.execute(_WITHOUT_BEACON, {"event_id": event_id})
    body = {"beacon_name": draw.beacon_name}
    _note(connection, event_id, actor=actor, kind="draw_without_beacon", body=body)
    return _locked(connection, event_id)


def hold_back(connection: Connection, event_id: EventId) -> Draw | None:
    """The event's draw, which nobody else holds until this transaction ends."""
    row = connection.execute(_GET_FOR_UPDATE, {"event_id": event_id}).one_or_none()
    return _draw(row) if row else None


def hold(connection: Connection, event_id: EventId, *, key: bytes, size: int, beacon: str) -> bool:
    """The numbers are drawn and the queue opens; True when this call did it. `key` was made of `size` and `beacon`.

    A draw that is not ready, or not with these, is left alone.
    """
    draw = _locked(connection, event_id)
    if draw.key is not None or draw.size != size or draw.beacon != beacon:
        return False
    connection.execute(_HOLD, {"event_id": event_id, "key": key})
    body = {"size": size, "seed": draw.seed.hex(), "seed_hash": draw.seed_hash, "beacon_value": beacon}
    sale_log.append(connection, event_id, actor="clock", kind="draw_held", body=body)
    opened = connection.execute(_OPEN, {"event_id": event_id}).one_or_none()
    if opened is not None:
        body = {"version": opened.version, "phase": {"from": opened.opened_from, "to": "open"}}
        sale_log.append(connection, event_id, actor="clock", kind="queue_opened", body=body)
    else:
        connection.execute(_NEW_VERSION, {"event_id": event_id, "actor": "clock"})
    return True


def entrants(connection: Connection, event_id: EventId, *, size: int) -> Iterator[tuple[int, UUID]]:
    """(pre-queue number, buyer) of everybody on record who was in a draw of this size, in order.

    The buyer is who had the number when the entries were closed: whoever a guest's place became later is not named.
    """
    after = 0
    for _ in range(size // PAGE_MAX + 1):
        asked = {"event_id": event_id, "after": after, "size": size, "limit": PAGE_MAX}
        page = connection.execute(_ENTRANTS, asked).all()
        yield from ((row.number, row.buyer_id) for row in page)
        if len(page) < PAGE_MAX:
            return
        after = page[-1].number


def entrant(connection: Connection, event_id: EventId, number: int) -> BuyerId | None:
    """Who is named at this pre-queue number in a list of the draw, as in `entrants`; None for nobody on record."""
    asked = {"event_id": event_id, "after": number - 1, "size": number, "limit": 1}
    row = connection.execute(_ENTRANTS, asked).one_or_none()
    return BuyerId(row.buyer_id) if row else None


def _draw(row: Row[Any]) -> Draw:
    # The driver gives bytes as views of its own memory.
    own = {"seed": bytes(row.seed), "key": None if row.key is None else bytes(row.key)}
    weights = tuple((weight, people) for weight, people in row.weights)
    return Draw(**{**row._mapping, **own, "weights": weights})


def _closed(connection: Connection, event_id: EventId) -> Draw:
    draw = _locked(connection, event_id)
    if draw.size is None:
        raise IllegalMove("Entries are still open. A value that is known before they close could be played with.")
    return draw


def _locked(connection: Connection, event_id: EventId) -> Draw:
    row = connection.execute(_GET_FOR_UPDATE, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound("This event's queue is no draw.")
    return _draw(row)


def lock_before_anybody_joins(connection: Connection, event_id: EventId) -> None:
    """Nobody opens the pre-queue until this transaction has ended. Raises NotFound, IllegalMove when it has opened."""
    row = connection.execute(_BEFORE, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    if row.phase != "scheduled" or row.is_due or row.joined:
        raise IllegalMove("The pre-queue has opened, or the sale has: its rules stay as they were announced.")


def _check_beacon(name: str, value: str) -> None:
    # One way to write it down as bytes, whoever works the key out again.
    plain = value.isascii() and value.isprintable() and value == value.strip()
    if len(value) > BEACON_CHARACTERS_MAX or not plain:
        raise BadRequest(f"{name} has at most {BEACON_CHARACTERS_MAX} letters, digits and signs (ASCII).", field=name)
    if name == "beacon_value" and not value:
        raise BadRequest("Give the value that was published.", field=name)


def new_version(connection: Connection, event_id: EventId, *, actor: str) -> None:
    """What is public of the draw has changed: whoever runs the queue learns of it."""
    connection.execute(_NEW_VERSION, {"event_id": event_id, "actor": actor})


def _note(connection: Connection, event_id: EventId, *, actor: str, kind: str, body: Mapping[str, object]) -> None:
    new_version(connection, event_id, actor=actor)
    sale_log.append(connection, event_id, actor=actor, kind=kind, body=body)


_DRAWS = """
    SELECT *, (SELECT coalesce(json_agg(json_build_array(w.weight, w.people_max) ORDER BY w.weight), '[]')
                 FROM draw_weights w WHERE w.event_id = draws.event_id) AS weights
      FROM draws WHERE """
_GET = text(f"{_DRAWS} event_id = :event_id")
_GET_FOR_UPDATE = text(f"{_DRAWS} event_id = :event_id FOR UPDATE")
_OF_EVENTS = text(f"{_DRAWS} event_id = ANY (CAST(:event_ids AS bigint[]))")
_BEFORE = text("""
    SELECT phase, opens_at <= clock_timestamp() AS is_due,
           EXISTS (SELECT FROM join_journal WHERE event_id = :event_id) AS joined
      FROM queue_settings WHERE event_id = :event_id FOR UPDATE
""")
_ANNOUNCE = text("""
    INSERT INTO draws (event_id, seed, seed_hash, beacon_name) VALUES (:event_id, :seed, :seed_hash, :beacon_name)
    ON CONFLICT (event_id) DO UPDATE SET beacon_name = excluded.beacon_name
""")
_WITHDRAW = text("DELETE FROM draws WHERE event_id = :event_id RETURNING seed, seed_hash")
_CLOSING_DUE = text("""
    SELECT d.event_id FROM draws d JOIN queue_settings s ON s.event_id = d.event_id
     WHERE d.event_id = :event_id AND d.size IS NULL
       AND s.phase IN ('scheduled', 'pre_queue') AND s.opens_at <= clock_timestamp()
       FOR UPDATE OF d
""")
_CLOSE = text("""
    UPDATE draws SET size = :size, closed_at = clock_timestamp() WHERE event_id = :event_id AND size IS NULL
""")
_PUT_BEACON = text("UPDATE draws SET beacon_value = :value WHERE event_id = :event_id")
_WITHOUT_BEACON = text("UPDATE draws SET without_beacon = true WHERE event_id = :event_id")
_HOLD = text("UPDATE draws SET key = :key, held_at = clock_timestamp() WHERE event_id = :event_id")
_OPEN = text("""
    WITH before AS (
        SELECT event_id, phase FROM queue_settings
         WHERE event_id = :event_id AND phase IN ('scheduled', 'pre_queue') FOR UPDATE
    )
    UPDATE queue_settings s
       SET phase = 'open', version = version + 1, updated_at = clock_timestamp(), updated_by = 'clock'
      FROM before WHERE s.event_id = before.event_id
    RETURNING s.version, before.phase AS opened_from
""")
_NEW_VERSION = text("""
    UPDATE queue_settings SET version = version + 1, updated_at = clock_timestamp(), updated_by = :actor
     WHERE event_id = :event_id
""")
# As `numbers_held`, at the moment the entries were closed: the list stays as it is whoever signs in later, and nobody
# who gave a place away and joined anew before is in it twice.
_ENTRANTS = text("""
    SELECT j.number, coalesce(h.to_buyer, j.buyer_id) AS buyer_id
      FROM join_journal j
      JOIN draws d ON d.event_id = j.event_id
      LEFT JOIN place_handovers h ON h.event_id = j.event_id AND h.from_buyer = j.buyer_id AND h.number = j.number
                                 AND h.made_at <= d.closed_at
     WHERE j.event_id = :event_id AND j.number > :after AND j.number <= :size
       AND NOT EXISTS (SELECT FROM place_handovers g
                        WHERE g.event_id = j.event_id AND g.given_up = j.number AND g.made_at <= d.closed_at)
     ORDER BY j.number LIMIT :limit
""")
