"""`onsale changes run`: reads the change stream and keeps the index fresh, for as long as it runs.

Run two, and the second waits for the slot that the first has. Without any, searches show what was; nothing is lost, but
the server keeps its log for us until somebody reads on.
"""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog
from sqlalchemy import Engine

from onsale.db import change_stream, locks
from onsale.db.engine import transaction
from onsale.errors import RecordUnavailable, SearchUnavailable, SomebodyElseReads
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.rebuild import NotTheSame, Rebuilt, rebuild
from onsale.workers.indexing import index_changes

# How soon a stop is heard while nothing changes.
WAIT_SECONDS = 0.5
AWAY_SECONDS = 1.0

log = structlog.get_logger(__name__)


class RebuildUnderWay(Exception):
    """Another process rebuilds the index. Wait for it."""


class Follower:
    """Follows the record; parts that are away are asked again."""

    def __init__(self, engine: Engine, index: EventIndex) -> None:
        self._engine = engine
        self._index = index
        self._said = ""

    def run(self, stop: threading.Event) -> None:
        """Follow until told to stop. ChangesNotSetUp when there is nothing to follow."""
        while not stop.is_set():
            try:
                with change_stream.reading(self._engine) as stream:
                    self._say("following")
                    self._make_the_first_index(stop)
                    while not stop.is_set():
                        index_changes(stream, self._engine, self._index, wait_seconds=WAIT_SECONDS)
            except SomebodyElseReads:
                self._say("waiting_for_the_slot")
            except RecordUnavailable:
                self._say("record_away")
            except SearchUnavailable:
                self._say("index_away")
            stop.wait(AWAY_SECONDS)

    def _make_the_first_index(self, stop: threading.Event) -> None:
        """Where there is none yet, or its data was lost; beside the following, which it needs."""
        if not self._index.named(ALIAS) and not stop.is_set():
            threading.Thread(target=self._rebuild, name="first-index", daemon=True).start()

    def _rebuild(self) -> None:
        try:
            log.info("index_made", **vars(rebuild_alone(self._engine, self._index)))
        except (RebuildUnderWay, NotTheSame, RecordUnavailable, SearchUnavailable) as error:
            log.warning("index_not_made", reason=repr(error))

    def _say(self, what: str) -> None:
        if what != self._said:
            log.info(what)
        self._said = what


def rebuild_alone(engine: Engine, index: EventIndex, *, progress: Callable[[int], None] = lambda _: None) -> Rebuilt:
    """`rebuild` under a lock of the record. RebuildUnderWay when another has it."""
    with transaction(engine) as connection:
        if not locks.try_alone(connection, "rebuild"):
            raise RebuildUnderWay
        return rebuild(engine, index, position=change_stream.followed_up_to, progress=progress)
