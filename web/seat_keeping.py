"""Keeps the copy of an event's seats as the record has them: begins it, and finds what a mark that was lost left wrong.

Each web process looks once a second at which events somebody watches; of those, one process at a time compares one with
the record, every few seconds. What differs goes the way of every mark, where the newer row version wins.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence

import structlog
from sqlalchemy import Engine

from onsale.db import runs
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.runs import MarkedRun
from onsale.errors import NotFound, OnsaleError
from onsale.queue.live_seats import LiveSeats
from onsale.queue.seats_seen import Plan, SectionPlan
from onsale.queue.ticket_cache import TicketCache
from onsale.queue.ticket_marks import MARK_BYTES, marks_that_differ
from onsale.web.showing import Shows

LOOK_SECONDS = 1.0
# With LOOK_SECONDS, a comparison and the second in which everybody reads, this stays well under ten seconds (I10).
COMPARE_MS = 5_000

log = structlog.get_logger(__name__)


class SeatKeeper:
    """Compares copies with the record in a thread of its own; `compare` may be called from any."""

    def __init__(self, engine: Engine, shows: Shows, live: LiveSeats, cache: TicketCache) -> None:
        self._engine = engine
        self._shows = shows
        self._live = live
        self._cache = cache
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()
        self._stopped = threading.Event()
        self._here: set[EventId] = set()

    def start(self) -> None:
        """Begin to look; again does nothing."""
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._look_on, name="seat-keeper", daemon=True)
                self._thread.start()

    def stop(self) -> None:
        """End the thread; for tests and the end of the process."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def watch(self, event_id: EventId) -> None:
        """Somebody looks at these seats; said again each second while it is so."""
        self._here.add(event_id)
        self.start()

    def compare(self, event_id: EventId) -> int:
        """Make the copy as the record is, beginning it where there is none; how many tickets were mended.

        Raises NotFound, RecordUnavailable.
        """
        self._shows.event(event_id)
        with reading(self._engine) as connection:
            house = list(runs.marked_runs(connection, event_id))
        copy = self._live.marks(event_id)
        if copy is None:
            return 0
        mended = self._cache.mark(event_id, _differing(house, copy))
        if not self._live.begin(event_id, plan_of(house)) and mended:
            # Also a deadline that was moved, or a mark that was only just under way.
            log.info("seats_mended", event_id=event_id, tickets=mended)
        return mended

    def compare_in_turn(self, event_id: EventId) -> None:
        """The same unless some process has done so within the last seconds."""
        if self._live.is_our_turn(event_id, every_ms=COMPARE_MS):
            self.compare(event_id)

    def look(self) -> None:
        """One look at every event that somebody watches."""
        here, self._here = self._here, set()
        for event_id in self._live.watched(here):
            try:
                self.compare_in_turn(event_id)
            except NotFound:
                # A made-up number, or an event taken back: nobody is told anything of it anyway.
                continue
            except OnsaleError as error:
                log.warning("seats_not_compared", event_id=event_id, why=type(error).__name__)

    def _look_on(self) -> None:
        while not self._stopped.wait(LOOK_SECONDS):
            try:
                self.look()
            except Exception:
                # The edge of this thread: without it a lost mark would stay wrong until the sale is over.
                log.exception("seat_keeper_broken")


def plan_of(house: Sequence[MarkedRun]) -> Plan:
    """Which ticket is which letter, in the order of the seat map."""
    sections: dict[int, tuple[bool, list[tuple[int, int]]]] = {}
    for run in house:
        sections.setdefault(run.section_id, (run.general, []))[1].append((run.first_ordinal, run.count))
    return Plan(tuple(SectionPlan(id_, general, tuple(found)) for id_, (general, found) in sections.items()))


def _differing(house: Sequence[MarkedRun], copy: bytes) -> list[tuple[int, int, int]]:
    found: list[tuple[int, int, int]] = []
    for run in house:
        at = (run.first_ordinal - 1) * MARK_BYTES
        # Beyond its end the copy knows of nothing, as where it has zeros.
        known = copy[at : at + len(run.marks)].ljust(len(run.marks), b"\0")
        found += marks_that_differ(run.first_ordinal, run.marks, known)
    return found
