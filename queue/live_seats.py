"""Reads and keeps the live seats of an event on the cache's Redis: epoch, number, letters, and who is looking.

A worker's mark (`ticket_cache.py`) moves an epoch on; what is here begins one from the record, tells what changed
since, and shares among processes which events are looked at and whose turn it is to compare them with the record.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from redis import Redis

from onsale.db.ids import EventId
from onsale.queue import lua
from onsale.queue.kept_connections import KeptConnections, KeptScript
from onsale.queue.keys import SEATS_WATCHED, EventKeys
from onsale.queue.outage import Outage
from onsale.queue.seats_seen import Plan, SeatsSeen, Write
from onsale.queue.ticket_cache import KEEP_MS
from onsale.queue.ticket_marks import MARK_BYTES

# Whose seats nobody looked at for so long are no longer compared with the record.
WATCHED_MS = 15_000
WATCHED_MAX = 1_000


class LiveSeats:
    """Live seats of all events. A Redis that does not answer knows nothing."""

    def __init__(self, client: Redis, outage: Outage | None = None) -> None:
        """`outage`: of all in this process who ask the same server with the same patience."""
        self._client = client
        kept = KeptConnections(client.connection_pool)
        self._read = KeptScript(client, lua.load("read_seats"), kept)
        self._begin = KeptScript(client, lua.load("begin_seats"), kept)
        self._watch = KeptScript(client, lua.load("watch_seats"), kept)
        self._outage = outage or Outage("live seats")

    @property
    def away(self) -> bool:
        """It did not answer when it was last asked."""
        return self._outage.away

    def read(self, event_id: EventId, before: SeatsSeen | None) -> SeatsSeen | None:
        """The seats now, from those before where that is possible; None when no epoch has begun, or Redis is away."""
        known = (before.epoch, before.seq) if before else ("", 0)
        answer = self._call(self._read, EventKeys(event_id).live_seats(), known)
        return understood(event_id, before, answer) if answer else None

    def marks(self, event_id: EventId) -> bytes | None:
        """Each ticket's eleven bytes, from ordinal 1; None when Redis is away."""
        found = self._outage.attempt(lambda: self._client.get(EventKeys(event_id).seats) or b"")
        return found if isinstance(found, bytes) else None

    def begin(self, event_id: EventId, plan: Plan) -> bool:
        """Begin an epoch, unless one has begun with this plan; whether it is new. Every ticket is marked before."""
        arguments: list[str | bytes | int] = [KEEP_MS, plan.json(), plan.last_ordinal * MARK_BYTES]
        answer = self._call(self._begin, EventKeys(event_id).live_seats(), arguments)
        return bool(answer and answer[1])

    def watched(self, looking: Iterable[EventId] = ()) -> list[EventId]:
        """Say that somebody here looks at these; the events that somebody anywhere looks at, at most 1,000."""
        answer = self._call(self._watch, [SEATS_WATCHED], [WATCHED_MS, WATCHED_MAX, *looking])
        return [EventId(int(event_id)) for event_id in answer or ()]

    def is_our_turn(self, event_id: EventId, *, every_ms: int) -> bool:
        """Whether nobody has compared these seats with the record for so long; who asks first does it."""
        key = EventKeys(event_id).seats_turn
        return bool(self._outage.attempt(lambda: self._client.set(key, b"", nx=True, px=every_ms)))

    def _call(self, script: KeptScript, keys: Sequence[str], arguments: Sequence[str | bytes | int]) -> Any:
        return self._outage.attempt(lambda: script(keys, arguments))


def understood(event_id: EventId, before: SeatsSeen | None, answer: Sequence[Any]) -> SeatsSeen | None:
    """What `read_seats` has answered to someone who knew `before`; None for UNKNOWN."""
    if answer[0] == b"CHANGES" and before is not None:
        return before.after(int(answer[2]), _writes(answer[3:]))
    if answer[0] != b"WHOLE":
        return None
    _, epoch, seq, plan, marks, *flat = answer
    version = (epoch.decode(), int(seq))
    return SeatsSeen.whole(event_id, version, Plan.from_json(plan), marks, writes=_writes(flat))


def _writes(flat: Sequence[bytes]) -> tuple[Write, ...]:
    return tuple((int(flat[at]), flat[at + 1]) for at in range(0, len(flat), 2))
