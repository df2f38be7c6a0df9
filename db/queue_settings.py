"""What the organiser set for an event's queue: rate, slots, phase, selling. Every change is a new version and a line
in the sale log.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from sqlalchemy import Connection, Row, text

from onsale.db import draws, sale_log
from onsale.db.draws import Draw
from onsale.db.ids import EventId
from onsale.errors import BadRequest, IllegalMove, NotFound

RATE_PER_MINUTE_MAX = 600_000
MAX_ACTIVE_MAX = 1_000_000
SECONDS_MAX = 86_400
LIMIT_MAX = 1_000_000
TEXT_CHARACTERS_MAX = 500

# Whole numbers and where they may be; a change outside is refused with the name of the field.
_RANGES = {
    "rate_per_minute": (0, RATE_PER_MINUTE_MAX),
    "max_active": (0, MAX_ACTIVE_MAX),
    "enter_seconds": (1, SECONDS_MAX),
    "choose_seconds": (1, SECONDS_MAX),
    "pay_seconds": (1, SECONDS_MAX),
    "address_limit": (0, LIMIT_MAX),
    "handsfree_per_minute": (0, LIMIT_MAX),
}


class Phase(StrEnum):
    """Where the queue is; `all_held` and `sold_out` are read off the stock and never set."""

    SCHEDULED = "scheduled"
    PRE_QUEUE = "pre_queue"
    OPEN = "open"
    PAUSED = "paused"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class QueueSettings:
    """The settings in force; seconds are what a buyer gets to enter, to choose, and to pay."""

    event_id: EventId
    enabled: bool
    phase: Phase
    opens_at: datetime
    rate_per_minute: int
    max_active: int
    selling: bool
    reason: str
    notice: str
    enter_seconds: int
    choose_seconds: int
    pay_seconds: int
    # Places one network address may take; 0 is no limit.
    address_limit: int
    handsfree_per_minute: int
    version: int
    updated_at: datetime
    updated_by: str
    # None: first come, first served.
    draw: Draw | None = None


@dataclass(frozen=True, slots=True)
class QueueChange:
    """What to change; None leaves a setting as it is."""

    enabled: bool | None = None
    phase: Phase | None = None
    opens_at: datetime | None = None
    rate_per_minute: int | None = None
    max_active: int | None = None
    selling: bool | None = None
    reason: str | None = None
    notice: str | None = None
    enter_seconds: int | None = None
    choose_seconds: int | None = None
    pay_seconds: int | None = None
    address_limit: int | None = None
    handsfree_per_minute: int | None = None


def get(connection: Connection, event_id: EventId) -> QueueSettings | None:
    """The event's settings; None when there is no such event. Every event has them from its first moment."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return _settings(row, draws.get(connection, event_id)) if row else None


def change(
    connection: Connection, event_id: EventId, changed: QueueChange, *, actor: str, expected_version: int | None = None
) -> QueueSettings:
    """Change settings, one version up, and say so in the sale log; a change that changes nothing does neither.

    NotFound; BadRequest names the field that is out of range; IllegalMove when `expected_version` is given and no
    longer the newest.
    """
    row = connection.execute(_GET_FOR_UPDATE, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    before = _settings(row, draws.get(connection, event_id))
    if expected_version not in (None, before.version):
        raise IllegalMove("Somebody else has changed the settings. Read them again.")
    wanted = {name: value for name, value in asdict(changed).items() if value is not None}
    fresh = {name: value for name, value in wanted.items() if value != getattr(before, name)}
    _check(fresh)
    _check_draw(before.draw, fresh)
    if not fresh:
        return before
    after = {name: getattr(before, name) for name in asdict(changed)} | fresh
    after_row = connection.execute(_CHANGE, {**after, "event_id": event_id, "actor": actor}).one()
    body = {name: {"from": _plain(getattr(before, name)), "to": _plain(value)} for name, value in fresh.items()}
    sale_log.append(connection, event_id, actor=actor, kind="queue_changed", body=body)
    return _settings(after_row, before.draw)


def running(connection: Connection, *, limit: int = 500) -> tuple[QueueSettings, ...]:
    """The settings of every published event that is still to come: what `onsale admit` looks after.

    Those whose queue is switched off too (their bookings take numbers), and closed ones, also of a cancelled event
    (their queue must be told).
    """
    found = connection.execute(_RUNNING, {"limit": limit}).all()
    drawn = draws.of_events(connection, [row.event_id for row in found])
    return tuple(_settings(row, drawn.get(row.event_id)) for row in found)


def open_due(connection: Connection, event_id: EventId) -> bool:
    """scheduled or pre_queue -> open once opens_at has come by the database's clock; True when this call did it.

    A draw opens when it was held (`draws.hold`).
    """
    opened = connection.execute(_OPEN_DUE, {"event_id": event_id}).one_or_none()
    if opened is None:
        return False
    body = {"version": opened.version, "phase": {"from": opened.opened_from, "to": Phase.OPEN.value}}
    sale_log.append(connection, event_id, actor="clock", kind="queue_opened", body=body)
    return True


def _check(fresh: dict[str, Any]) -> None:
    for name, value in fresh.items():
        if name in _RANGES:
            lowest, highest = _RANGES[name]
            if not lowest <= value <= highest:
                raise BadRequest(f"{name} is a whole number from {lowest} to {highest}.", field=name)
        if isinstance(value, str) and len(value) > TEXT_CHARACTERS_MAX:
            raise BadRequest(f"{name} has at most {TEXT_CHARACTERS_MAX} characters.", field=name)


def _check_draw(draw: Draw | None, fresh: dict[str, Any]) -> None:
    """Until the numbers are drawn nobody may be let in by another way."""
    if draw is None or draw.key is not None:
        return
    if fresh.get("phase") is Phase.OPEN:
        raise IllegalMove("Its numbers are to be drawn: set opens_at, and the queue opens when they are.")
    if fresh.get("enabled") is False:
        raise IllegalMove("A queue whose numbers are to be drawn cannot be switched off. Withdraw the draw first.")


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, datetime) else value


def _settings(row: Row[Any], draw: Draw | None) -> QueueSettings:
    return QueueSettings(**{**row._mapping, "phase": Phase(row.phase), "draw": draw})


_GET = text("SELECT * FROM queue_settings WHERE event_id = :event_id")
_GET_FOR_UPDATE = text("SELECT * FROM queue_settings WHERE event_id = :event_id FOR UPDATE")
_CHANGE = text("""
    UPDATE queue_settings
       SET enabled = :enabled, phase = :phase, opens_at = :opens_at, rate_per_minute = :rate_per_minute,
           max_active = :max_active, selling = :selling, reason = :reason, notice = :notice,
           enter_seconds = :enter_seconds, choose_seconds = :choose_seconds, pay_seconds = :pay_seconds,
           address_limit = :address_limit, handsfree_per_minute = :handsfree_per_minute,
           version = version + 1, updated_at = clock_timestamp(), updated_by = :actor
     WHERE event_id = :event_id
    RETURNING *
""")
_RUNNING = text("""
    SELECT s.* FROM queue_settings s JOIN events e ON e.id = s.event_id
     WHERE e.status <> 'draft' AND e.starts_at > clock_timestamp() - interval '1 day'
     ORDER BY s.event_id LIMIT :limit
""")
_OPEN_DUE = text("""
    WITH before AS (
        SELECT event_id, phase FROM queue_settings
         WHERE event_id = :event_id AND phase IN ('scheduled', 'pre_queue') AND opens_at <= clock_timestamp()
           AND NOT EXISTS (SELECT FROM draws WHERE event_id = :event_id AND key IS NULL)
           FOR UPDATE
    )
    UPDATE queue_settings s
       SET phase = 'open', version = version + 1, updated_at = clock_timestamp(), updated_by = 'clock'
      FROM before WHERE s.event_id = before.event_id
    RETURNING s.version, before.phase AS opened_from
""")
