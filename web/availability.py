"""Which seats are free, live: a copy per process, a second old at most, told whole or as what changed.

A document has a version, `epoch.seq`; `?since=<version>` is answered with what was written after it. A version that is
forgotten or of another epoch is answered with everything: never wrong, only longer. While Redis is away the copy comes
from the record, under an epoch that only this process knows.
"""

from __future__ import annotations

import secrets

from sqlalchemy import Engine

from onsale.db import runs
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.queue.live_seats import LiveSeats
from onsale.queue.seats_seen import SeatsSeen
from onsale.queue.ticket_marks import MARK_BYTES
from onsale.web.copies import Copies
from onsale.web.kept import Kept
from onsale.web.seat_keeping import SeatKeeper, plan_of
from onsale.web.showing import Shows

EVENTS_KEPT = 200
# As often as our own pages ask the web.
RETRY_SECONDS = 2
WAIT_SECONDS_MAX = 25
# Redis' own epochs are hexadecimal.
OWN_EPOCH = "r"


def told(seen: SeatsSeen, *, since: str | None = None, section_id: int | None = None, wait_seconds: int = 0) -> Kept:
    """What someone needs who knows the version `since`, of one section or of all.

    At once, also for who would wait: a thread of the web is for short answers only (`onsale seats` is for waiting).
    """
    again = RETRY_SECONDS if wait_seconds else None
    return Kept(seen.told(since, section_id), etag=seen.tag(since), retry_after_seconds=again)


class Availabilities:
    """The live seats of every event that somebody looks at."""

    def __init__(self, engine: Engine, shows: Shows, live: LiveSeats, keeper: SeatKeeper) -> None:
        self._engine = engine
        self._shows = shows
        self._live = live
        self._keeper = keeper
        self._recent: dict[EventId, SeatsSeen] = {}
        self._copies: Copies[EventId, SeatsSeen] = Copies(self._read, name="availability")

    def of(self, event_id: EventId) -> SeatsSeen:
        """The live seats of an event. Raises NotFound."""
        return self._copies.get(event_id)

    def stop(self) -> None:
        self._copies.stop()

    def _read(self, event_id: EventId) -> SeatsSeen:
        # Each time: an event that was taken back is no longer there.
        self._shows.event(event_id)
        self._keeper.watch(event_id)
        before = self._recent.get(event_id)
        seen = self._live.read(event_id, before)
        if seen is None and not self._live.away:
            self._keeper.compare_in_turn(event_id)
            seen = self._live.read(event_id, before)
        if seen is None:
            seen = self._from_record(event_id, before)
        if event_id not in self._recent and len(self._recent) >= EVENTS_KEPT:
            self._recent.pop(next(iter(self._recent)), None)
        self._recent[event_id] = seen
        return seen

    def _from_record(self, event_id: EventId, before: SeatsSeen | None) -> SeatsSeen:
        """Redis is away, or another process is just beginning the copy."""
        with reading(self._engine) as connection:
            house = list(runs.marked_runs(connection, event_id))
        plan = plan_of(house)
        marks = bytearray(plan.last_ordinal * MARK_BYTES)
        for run in house:
            at = (run.first_ordinal - 1) * MARK_BYTES
            marks[at : at + len(run.marks)] = run.marks
        now = SeatsSeen.whole(event_id, (OWN_EPOCH + secrets.token_hex(8), 0), plan, bytes(marks))
        if before is None or not before.epoch.startswith(OWN_EPOCH) or before.plan != plan:
            return now
        return before.becoming(now)
