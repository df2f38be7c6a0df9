"""How the open sales are doing, read from the record and the queue: does each queue move, is anything overdue."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from redis import Redis
from sqlalchemy import Connection, text

from onsale.db import queue_settings, refunds, stats
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase
from onsale.db.refunds import NONE_FAILING, Failing
from onsale.queue.keys import EventKeys

EVENTS_MAX = 200
# The sweep comes by every second; for somebody who is paying it asks the provider first, and gives up after a minute.
SWEPT_SECONDS_MAX = 15
PAYING_SECONDS_MAX = 120


@dataclass(frozen=True, slots=True)
class Pulse:
    """When an open event's queue was last advanced (None: Redis has none), and how old its oldest unwritten line is."""

    event_id: EventId
    still_seconds: float | None
    unwritten_seconds: float


@dataclass(frozen=True, slots=True)
class Numbers:
    """What should be nothing: holds past their deadline, the age of the oldest booking nobody decided, and refunds that
    the bank refuses.
    """

    overdue: int
    overdue_seconds: float
    undecided_seconds: float | None
    refunds: Failing = NONE_FAILING


def open_events(connection: Connection) -> list[EventId]:
    """The first of the events whose queue is open."""
    running = queue_settings.running(connection, limit=EVENTS_MAX)
    return [one.event_id for one in running if one.phase is Phase.OPEN]


def read_pulses(connection: Connection, client: Redis) -> list[Pulse]:
    """The pulse of every open event. Raises RedisError."""
    events = open_events(connection)
    seconds, microseconds = client.time()
    now_us = seconds * 1_000_000 + microseconds
    # One at a time: on a Cluster each event has its own server.
    return [_pulse(client, event_id, now_us=now_us) for event_id in events]


def read_numbers(connection: Connection) -> Numbers:
    """How much is overdue."""
    row = connection.execute(_OVERDUE, {"swept": SWEPT_SECONDS_MAX, "paying": PAYING_SECONDS_MAX}).one()
    oldest = stats.oldest_undecided_seconds(connection)
    return Numbers(row.overdue, row.seconds or 0.0, oldest, refunds.failing(connection))


def _pulse(client: Redis, event_id: EventId, *, now_us: int) -> Pulse:
    keys = EventKeys(event_id)
    values: list[Any] = client.hmget(keys.queue, ["state", "credits_at_us"])
    state, advanced_at_us = values
    lives = state == b"live" and advanced_at_us is not None
    streams: list[Any] = [client.xrange(stream, count=1) for stream in (keys.joins, keys.admissions)]
    # An entry's id begins with the millisecond it was written in.
    waiting_ms = [int(entry_id.partition(b"-")[0]) for stream in streams for entry_id, _ in stream]
    return Pulse(
        event_id,
        still_seconds=max(0.0, (now_us - int(advanced_at_us)) / 1_000_000) if lives else None,
        unwritten_seconds=max([0.0, *(now_us / 1_000_000 - at_ms / 1_000 for at_ms in waiting_ms)]),
    )


_OVERDUE = text("""
    SELECT count(*) AS overdue, extract(epoch FROM clock_timestamp() - min(hold_until))::float AS seconds
      FROM bookings
     WHERE (state = 'held' AND NOT voiding AND hold_until < clock_timestamp() - :swept * interval '1 second')
        OR ((state IN ('authorising', 'requires_action', 'authorised') OR (state = 'held' AND voiding))
            AND hold_until < clock_timestamp() - :paying * interval '1 second')
""")
