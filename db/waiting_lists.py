"""An event's waiting list: whether it is on, when it began, and how many free tickets it leaves to everybody."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, text

from onsale.db import sale_log
from onsale.db.ids import EventId
from onsale.errors import BadRequest, IllegalMove, NotFound

CLAIM_SECONDS = 600
CLAIM_SECONDS_LEAST, CLAIM_SECONDS_MAX = 60, 86_400


@dataclass(frozen=True, slots=True)
class WaitingList:
    """A list as it stands. `began_at` is None until the event was sold out for the first time.

    `released`: of the free tickets so many are for everybody. `asked_to`: up to this number presence is asked for.
    """

    event_id: EventId
    enabled: bool = True
    claim_seconds: int = CLAIM_SECONDS
    began_at: datetime | None = None
    taken_up_to: int = 0
    released: int = 0
    asked_to: int = 0
    changes: int = -1
    free: int = 0
    rounds: int = 0
    version: int = 0

    @property
    def active(self) -> bool:
        """Whether tickets that come back are the list's."""
        return self.enabled and self.began_at is not None


@dataclass(frozen=True, slots=True)
class ListChange:
    """What to change; None leaves a setting as it is."""

    enabled: bool | None = None
    claim_seconds: int | None = None


@dataclass(frozen=True, slots=True)
class Running:
    """A list to look after; `offers`: its queue is open and sells, so that tickets may be offered."""

    event_id: EventId
    offers: bool


def get(connection: Connection, event_id: EventId) -> WaitingList:
    """The event's list; the defaults where nobody has touched it."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return _list(row) if row else WaitingList(event_id)


def lock(connection: Connection, event_id: EventId) -> WaitingList:
    """The same, locked until the transaction ends."""
    row = connection.execute(_LOCK, {"event_id": event_id}).one_or_none()
    return _list(row) if row else WaitingList(event_id)


def begin(connection: Connection, event_id: EventId) -> bool:
    """The last ticket is sold: from now on what comes back is the list's. False when it had begun, or is off.

    Not where the queue is switched off: whoever comes books there, and nothing could be kept back.
    """
    if connection.execute(_BEGIN, {"event_id": event_id}).one_or_none() is None:
        return False
    sale_log.append(connection, event_id, actor="admit", kind="waiting_list_began", body={})
    return True


def change(
    connection: Connection, event_id: EventId, changed: ListChange, *, actor: str, expected_version: int | None = None
) -> WaitingList:
    """Change the settings and say so in the sale log; a change that changes nothing does neither.

    NotFound; BadRequest names the field; IllegalMove when `expected_version` is no longer the newest.
    """
    seconds = changed.claim_seconds
    if seconds is not None and not CLAIM_SECONDS_LEAST <= seconds <= CLAIM_SECONDS_MAX:
        limits = f"from {CLAIM_SECONDS_LEAST} to {CLAIM_SECONDS_MAX}"
        raise BadRequest(f"claim_seconds is a whole number {limits}.", field="claim_seconds")
    if connection.execute(_IS_THERE, {"event_id": event_id}).one_or_none() is None:
        raise NotFound
    connection.execute(_MAKE, {"event_id": event_id})
    before = lock(connection, event_id)
    if expected_version not in (None, before.version):
        raise IllegalMove("Somebody else has changed the settings. Read them again.")
    fresh = {
        name: value for name, value in asdict(changed).items() if value is not None and value != getattr(before, name)
    }
    if not fresh:
        return before
    after = {name: getattr(before, name) for name in asdict(changed)} | fresh
    row = connection.execute(_CHANGE, {**after, "event_id": event_id}).one()
    body = {name: {"from": getattr(before, name), "to": value} for name, value in fresh.items()}
    sale_log.append(connection, event_id, actor=actor, kind="waiting_list_changed", body=body)
    return _list(row)


def running(connection: Connection, *, limit: int = 500) -> tuple[Running, ...]:
    """The lists that have begun, of events that are still to come."""
    return tuple(Running(EventId(row.event_id), row.offers) for row in connection.execute(_RUNNING, {"limit": limit}))


def took_in(connection: Connection, event_id: EventId, up_to: int) -> None:
    """The queue's numbers up to this one are on the list."""
    connection.execute(_TOOK_IN, {"event_id": event_id, "up_to": up_to})


def note_round(connection: Connection, before: WaitingList, *, asked_to: int, changes: int, free: int) -> None:
    """What a round has seen: free tickets that are not offered, and the counter they were counted at."""
    arguments = {"event_id": before.event_id, "asked_to": asked_to, "changes": changes, "free": free}
    connection.execute(_NOTE_ROUND, arguments)


def release(connection: Connection, event_id: EventId, tickets: int) -> None:
    """Leave so many free tickets to everybody."""
    connection.execute(_RELEASE, {"event_id": event_id, "released": tickets})


def next_round(connection: Connection, event_id: EventId) -> int:
    """The number of a round that offers or passes over."""
    number: int = connection.execute(_NEXT_ROUND, {"event_id": event_id}).scalar_one()
    return number


def _list(row: Row[Any]) -> WaitingList:
    return WaitingList(**row._mapping)


_GET = text("SELECT * FROM waiting_lists WHERE event_id = :event_id")
_LOCK = text("SELECT * FROM waiting_lists WHERE event_id = :event_id FOR UPDATE")
_IS_THERE = text("SELECT FROM events WHERE id = :event_id")
_MAKE = text("INSERT INTO waiting_lists (event_id, version) VALUES (:event_id, 0) ON CONFLICT DO NOTHING")
_BEGIN = text("""
    INSERT INTO waiting_lists (event_id, began_at, version)
    SELECT event_id, clock_timestamp(), 0 FROM queue_settings WHERE event_id = :event_id AND enabled
    ON CONFLICT (event_id) DO UPDATE SET began_at = clock_timestamp(), released = 0
     WHERE waiting_lists.enabled AND waiting_lists.began_at IS NULL
    RETURNING event_id
""")
_CHANGE = text("""
    UPDATE waiting_lists SET enabled = :enabled, claim_seconds = :claim_seconds, version = version + 1
     WHERE event_id = :event_id RETURNING *
""")
_RUNNING = text("""
    SELECT w.event_id, w.enabled AND s.enabled AND s.selling AND s.phase = 'open' AS offers
      FROM waiting_lists w
      JOIN queue_settings s ON s.event_id = w.event_id
      JOIN events e ON e.id = w.event_id
     WHERE w.began_at IS NOT NULL AND e.status = 'published' AND e.starts_at > clock_timestamp() - interval '1 day'
     ORDER BY w.event_id LIMIT :limit
""")
_TOOK_IN = text("UPDATE waiting_lists SET taken_up_to = :up_to WHERE event_id = :event_id")
_NOTE_ROUND = text("""
    UPDATE waiting_lists SET asked_to = greatest(asked_to, :asked_to), changes = :changes, free = :free
     WHERE event_id = :event_id
       AND (asked_to < :asked_to OR changes <> :changes OR free <> :free)
""")
_RELEASE = text("""
    UPDATE waiting_lists SET released = :released WHERE event_id = :event_id AND released <> :released
""")
_NEXT_ROUND = text("UPDATE waiting_lists SET rounds = rounds + 1 WHERE event_id = :event_id RETURNING rounds")
