"""`onsale changes run`: reads the change stream and keeps the index and the caches fresh, for as long as it runs.

Run two, and the second waits until the first has ended. Without any, events are read from the record and searches of an
index show what was; nothing is lost, but the server keeps its log, or the outbox, for us until somebody reads on.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from onsale.db import change_source, change_stream, locks
from onsale.db.change_source import Changes
from onsale.db.engine import reading, transaction
from onsale.errors import ChangesLost, RecordUnavailable, SearchUnavailable, SomebodyElseReads
from onsale.queue.followed import Followed, Mark
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.rebuild import NotTheSame, Rebuilt, rebuild
from onsale.workers.indexing import Dirty, events_of, gather, wait_until_visible, write

# How soon a stop is heard while nothing changes, and how often the caches are vouched for.
WAIT_SECONDS = 0.1
AWAY_SECONDS = 1.0
# By then Elasticsearch shows what it was told: two and a half of its refreshes.
SHOWN_SECONDS = 0.5
REBUILD_AGAIN_SECONDS = 10.0
# To the record, beside the stream's own: two to follow, three for a rebuild beside it.
CONNECTIONS_MAX = 5

log = structlog.get_logger(__name__)


class RebuildUnderWay(Exception):
    """Another process rebuilds the index. Wait for it."""


class Follower:
    """Follows the record for an index, for caches or for both; parts that are away are asked again."""

    def __init__(self, engine: Engine, index: EventIndex | None, followed: Followed | None = None) -> None:
        self._engine = engine
        self._index = None if index is None else Indexing(engine, index)
        self._followed = followed
        # Where there is no index: up to where the caches were told since the last confirmation.
        self._told: int | None = None
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop, and anew where changes were lost. ChangesNotSetUp when it cannot be."""
        while not stop.is_set():
            try:
                self._set_up()
                with change_source.reading(self._engine) as stream:
                    self._say("following")
                    self._begin_anew()
                    while not stop.is_set():
                        self._go_round(stream)
            except SomebodyElseReads:
                self._say("somebody_else_follows")
            except ChangesLost:
                self._say("changes_lost")
            except RecordUnavailable:
                self._say("record_away")
            stop.wait(AWAY_SECONDS)

    def _set_up(self) -> None:
        found = change_source.set_up(self._engine)
        if found.made:
            log.warning("changes_set_up", source=found.source, why=found.why)

    def _begin_anew(self) -> None:
        if self._followed is not None:
            # Whoever followed before may have been cut off from the caches and not from the record.
            self._followed.begin_anew()
        if self._index is not None:
            with reading(self._engine) as connection:
                self._index.begin_anew(change_source.origin(connection))

    def _go_round(self, stream: Changes) -> None:
        """Follow up to where the log ends now, vouch for that, wait a moment for more, and write the index."""
        mark = self._followed.mark() if self._followed else None
        if mark is not None:
            with reading(self._engine) as connection:
                end = change_stream.end_of_log(connection)
            self._tell(gather(stream, wait_seconds=WAIT_SECONDS, up_to=end))
            if stream.position >= end:
                self._vouch(mark, end)
        self._tell(gather(stream, wait_seconds=WAIT_SECONDS))
        # Once a round: few large writes cost an index less than many small ones, and caches do not wait for it.
        self._confirm(stream)

    def _tell(self, dirty: Dirty) -> None:
        """Tell the caches at once, and remember for the index."""
        if dirty.end_lsn is None:
            return
        wait_until_visible(self._engine, dirty)
        if self._followed is not None:
            self._outdate(self._followed, dirty)
        if self._index is not None:
            self._index.add(dirty)
        else:
            self._told = dirty.end_lsn

    def _confirm(self, stream: Changes) -> None:
        """What caches and index have both been told."""
        done, self._told = (self._told, None) if self._index is None else (self._index.write_if_due(), None)
        if done is not None:
            stream.confirm(done)

    def _outdate(self, followed: Followed, dirty: Dirty) -> None:
        assert dirty.end_lsn is not None
        if dirty.everything:
            followed.begin_anew()
        followed.outdate(events_of(self._engine, dirty), dirty.end_lsn)

    def _vouch(self, mark: Mark, position: int) -> None:
        assert self._followed is not None
        if self._index is not None and (shown := self._index.shown()):
            # Once more: who searched since has kept what the index did not show yet. The log has no odd places.
            self._followed.outdate_searches(shown + 1)
        self._followed.vouch(mark, position)

    def _say(self, what: str) -> None:
        if what != self._said:
            log.info(what)
        self._said = what


class Indexing:
    """What the index has still to be told; it may be away without holding up anybody else."""

    def __init__(self, engine: Engine, index: EventIndex, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._engine = engine
        self._index = index
        self._clock = clock
        self._dirty = Dirty()
        self._due = 0.0
        self._away = False
        # What was written and may not be shown yet, and when it is.
        self._written: int | None = None
        self._shown_at = 0.0
        self._origin = ""
        self._rebuilding: threading.Thread | None = None
        self._rebuild_due = 0.0

    def begin_anew(self, origin: str) -> None:
        """The stream sends again what was not confirmed; an index of another log must be made anew."""
        self._dirty, self._written, self._origin = Dirty(), None, origin
        self._due = self._rebuild_due = 0.0

    def add(self, dirty: Dirty) -> None:
        """More to write."""
        if dirty.end_lsn is not None:
            self._dirty.merge(dirty)

    def write_if_due(self) -> int | None:
        """Write what there is, and make the index where it is missing; up to where all is written, if anything was."""
        if self._clock() < self._due:
            return None
        try:
            if self._clock() >= self._rebuild_due:
                self._rebuild_due = self._clock() + REBUILD_AGAIN_SECONDS
                self._rebuild_where_wrong()
            written, self._away = self._write(), False
            return written
        except SearchUnavailable as error:
            if not self._away:
                log.warning("index_away", reason=str(error))
            self._away = True
            self._due = self._clock() + AWAY_SECONDS
            return None

    def shown(self) -> int | None:
        """What searches show by now and did not when this was last asked."""
        if self._written is None or self._clock() < self._shown_at:
            return None
        shown, self._written = self._written, None
        return shown

    def _write(self) -> int | None:
        end = self._dirty.end_lsn
        if end is not None:
            write(self._engine, self._index, self._dirty)
            self._written, self._shown_at = end, self._clock() + SHOWN_SECONDS
            self._dirty = Dirty()
        return end

    def _rebuild_where_wrong(self) -> None:
        """Where there is none yet, its data was lost, or it is of another log; beside the following, which it needs.

        Until one is made that equals the record: a busy moment only costs another try.
        """
        if self._rebuilding is not None and self._rebuilding.is_alive():
            return
        if not self._index.named(ALIAS) or self._index.origin(ALIAS) != self._origin:
            self._rebuilding = threading.Thread(target=self._rebuild, name="first-index", daemon=True)
            self._rebuilding.start()

    def _rebuild(self) -> None:
        try:
            log.info("index_made", **vars(rebuild_alone(self._engine, self._index)))
        except (RebuildUnderWay, NotTheSame, RecordUnavailable, SearchUnavailable) as error:
            log.warning("index_not_made", reason=repr(error))


def rebuild_alone(engine: Engine, index: EventIndex, *, progress: Callable[[int], None] = lambda _: None) -> Rebuilt:
    """`rebuild` under a lock of the record. RebuildUnderWay when another has it."""
    with transaction(engine) as connection:
        if not locks.try_alone(connection, "rebuild"):
            raise RebuildUnderWay
        with reading(engine) as other:
            origin = change_source.origin(other)
        return rebuild(engine, index, position=change_source.followed_up_to, origin=origin, progress=progress)
