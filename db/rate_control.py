"""What keeps an event's rate below the one that was set: `auto`, which follows checkout, and a ramp.

Staff switch both; `onsale admit` decides every few seconds, one process at a time by a lock that no kill leaves
behind. Every change of the rate in force is one version and one line in `rate_steps`, which `onsale verify` reads.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from sqlalchemy import Connection, Row, text

from onsale.db import sale_log
from onsale.db.ids import EventId


@dataclass(frozen=True, slots=True)
class RateControl:
    """How it stands; `per_minute` is the rate in force by it, None where the one that was set is.

    `ramp` is as its maker wrote it; it begins at `ramp_from`, None: at the opening. `because`, `share_ppm`,
    `strain`, `usual_paying` and `looks` are the rule's own.
    """

    event_id: EventId
    auto: bool = False
    ramp: Mapping[str, Any] | None = None
    ramp_from: datetime | None = None
    share_ppm: int = 1_000_000
    strain: float = 0.0
    usual_paying: float = 0.0
    looks: int = 0
    per_minute: int | None = None
    because: str = ""
    version: int = 0
    # When the share was last another.
    changed_at: datetime | None = None
    decided_at: datetime | None = None

    @property
    def on(self) -> bool:
        """Whether there is anything to decide."""
        return self.auto or self.ramp is not None


@dataclass(frozen=True, slots=True)
class RateStep:
    """From `at` on no more than `per_minute`; None: as was set, which was `ceiling_per_minute` then."""

    version: int
    at: datetime
    per_minute: int | None
    ceiling_per_minute: int
    because: str


def rate_in_force(rate_set: int, control: RateControl | None) -> int:
    """The rate set, or the lower one that was decided."""
    return rate_set if control is None or control.per_minute is None else min(rate_set, control.per_minute)


def version_in_force(settings_version: int, control: RateControl | None) -> int:
    """One number for both: each only grows, so a queue that goes by the larger sum goes by the newest of both."""
    return settings_version + (control.version if control else 0)


def get(connection: Connection, event_id: EventId) -> RateControl:
    """How it stands; everything off where nobody ever switched it on."""
    row = connection.execute(_GET, {"event_id": event_id}).one_or_none()
    return _control(row) if row else RateControl(event_id)


def of_events(connection: Connection, event_ids: Sequence[EventId]) -> Mapping[EventId, RateControl]:
    """Those that anybody ever switched on."""
    rows = connection.execute(_OF_EVENTS, {"event_ids": list(event_ids)})
    return {EventId(row.event_id): _control(row) for row in rows}


def hold(connection: Connection, event_id: EventId) -> RateControl:
    """The same, locked until the caller commits; made if need be."""
    connection.execute(_MAKE, {"event_id": event_id})
    return _control(connection.execute(_HOLD, {"event_id": event_id}).one())


def take_turn(
    connection: Connection, event_id: EventId, *, every_seconds: float
) -> tuple[RateControl, datetime] | None:
    """Lock it for a decision, with the record's time; None when somebody is at it or was a moment ago."""
    asked = {"event_id": event_id, "every_seconds": every_seconds}
    row = connection.execute(_TAKE_TURN, asked).one_or_none()
    return (_control(row), row.now) if row else None


def put(connection: Connection, before: RateControl, after: RateControl, *, ceiling: int) -> RateControl:
    """Write what was decided; a version and a line only where the rate in force or its reason is another.

    The caller holds the row's lock.
    """
    changed = (before.per_minute, before.because) != (after.per_minute, after.because)
    version = before.version + (1 if changed else 0)
    row = connection.execute(_PUT, {**_values(after), "version": version}).one()
    if changed:
        connection.execute(_STEP, {"event_id": after.event_id, "version": version, "ceiling": ceiling})
    return _control(row)


def say(connection: Connection, before: RateControl, after: RateControl, *, actor: str, ceiling: int) -> None:
    """A line in the sale log where auto began to hold back, stopped, or let go: not one for each step in between."""
    was, now = _standing(before), _standing(after)
    if after.auto and was != now:
        body = {"from": was, "to": now, "because": after.because, "per_minute": after.per_minute, "ceiling": ceiling}
        sale_log.append(connection, after.event_id, actor=actor, kind="rate_followed", body=body)


def steps(connection: Connection, event_id: EventId, *, since: datetime, limit: int) -> tuple[RateStep, ...]:
    """The newest steps in order, with the one that was in force at `since`."""
    rows = connection.execute(_STEPS, {"event_id": event_id, "since": since, "limit": limit})
    return tuple(RateStep(*row) for row in reversed(rows.all()))


def _standing(control: RateControl) -> str:
    if control.per_minute == 0:
        return "stopped"
    return "holding back" if control.share_ppm < 1_000_000 else "at the rate set"


def _control(row: Row[Any]) -> RateControl:
    names = RateControl.__dataclass_fields__
    return RateControl(**{name: value for name, value in row._mapping.items() if name in names})


def _values(control: RateControl) -> dict[str, object]:
    values: dict[str, object] = {name: getattr(control, name) for name in RateControl.__dataclass_fields__}
    values["ramp"] = None if control.ramp is None else orjson.dumps(control.ramp).decode()
    return values


_GET = text("SELECT * FROM rate_control WHERE event_id = :event_id")
_OF_EVENTS = text("SELECT * FROM rate_control WHERE event_id = ANY (CAST(:event_ids AS bigint[]))")
_MAKE = text("INSERT INTO rate_control (event_id) VALUES (:event_id) ON CONFLICT DO NOTHING")
_HOLD = text("SELECT * FROM rate_control WHERE event_id = :event_id FOR UPDATE")
_TAKE_TURN = text("""
    SELECT *, clock_timestamp() AS now FROM rate_control
     WHERE event_id = :event_id AND (auto OR ramp IS NOT NULL)
       AND decided_at <= clock_timestamp() - :every_seconds * interval '1 second'
       FOR UPDATE SKIP LOCKED
""")
_PUT = text("""
    UPDATE rate_control
       SET auto = :auto, ramp = CAST(:ramp AS jsonb), ramp_from = :ramp_from, share_ppm = :share_ppm,
           strain = :strain, usual_paying = :usual_paying, looks = :looks, per_minute = :per_minute, because = :because,
           version = :version, decided_at = clock_timestamp(),
           changed_at = CASE WHEN share_ppm = :share_ppm THEN changed_at ELSE clock_timestamp() END
     WHERE event_id = :event_id
    RETURNING *
""")
_STEP = text("""
    INSERT INTO rate_steps (event_id, version, at, per_minute, ceiling_per_minute, because)
    SELECT event_id, version, decided_at, per_minute, :ceiling, because FROM rate_control
     WHERE event_id = :event_id AND version = :version
""")
_STEPS = text("""
    SELECT version, at, per_minute, ceiling_per_minute, because FROM rate_steps
     WHERE event_id = :event_id
       AND version >= coalesce((SELECT max(version) FROM rate_steps WHERE event_id = :event_id AND at <= :since), 0)
     ORDER BY version DESC LIMIT :limit
""")
