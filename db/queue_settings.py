"""What the organiser set for an event's queue: rate, slots, phase, selling. Every change is a new version and a line in the sale log."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from onsale.db.ids import EventId

RATE_PER_MINUTE_MAX = 600_000
MAX_ACTIVE_MAX = 1_000_000


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
    """The event's settings; None when there is no such event. Every event has them from its first moment (phase scheduled)."""
    raise NotImplementedError


def change(
    connection: Connection, event_id: EventId, changed: QueueChange, *, actor: str, expected_version: int | None = None
) -> QueueSettings:
    """Change settings, one version up, and say so in the sale log. NotFound; BadRequest names the field that is out of range;
    IllegalMove when `expected_version` is given and no longer the newest."""
    raise NotImplementedError


def running(connection: Connection, *, limit: int = 500) -> tuple[QueueSettings, ...]:
    """The settings of every published event with a queue that is not closed: what `onsale admit` looks after."""
    raise NotImplementedError


def open_due(connection: Connection, event_id: EventId) -> bool:
    """scheduled or pre_queue -> open once opens_at has come by the database's clock; True when this call did it."""
    raise NotImplementedError
