"""Keeps the index as the record is: reads the change stream, writes the documents it touches, confirms what is done.

A change only says that an event is not what it was; its document is read anew. So changes may come twice, and a crash
between writing and confirming costs a repetition.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from sqlalchemy import Engine

from onsale.db import change_stream
from onsale.db.change_stream import ChangeStream
from onsale.db.engine import reading
from onsale.db.pgoutput import Change, Kind
from onsale.errors import RecordUnavailable
from onsale.search.documents import BATCH_MAX, all_event_ids, documents, events_with
from onsale.search.event_index import EventIndex

# Changes that follow each other so closely are written together, and a document is read once for all of them; but
# nobody waits longer than this for the first. A transaction is read to its end all the same.
GATHER_SECONDS = 0.02
GATHER_SECONDS_MAX = 0.1
# A synchronous standby that does not confirm: better ask for the stream anew than stand still in silence.
VISIBLE_SECONDS_MAX = 10.0
LOOK_SECONDS = 0.01


@dataclass
class Dirty:
    """What is not in the index as it is in the record, and how far the stream was read for it."""

    events: set[int] = field(default_factory=set)
    venues: set[int] = field(default_factory=set)
    artists: set[int] = field(default_factory=set)
    everything: bool = False
    xids: set[int] = field(default_factory=set)
    end_lsn: int | None = None

    def add(self, change: Change) -> None:
        """An event, or what the documents of several are made of."""
        if change.kind is Kind.TRUNCATE:
            self.everything = True
            return
        which, column = _KEYS[change.table]
        value = change.row[column]
        assert value is not None
        getattr(self, which).add(int(value))


# For each table of the stream: what its row makes dirty, and the column that says which.
_KEYS = {
    "events": ("events", "id"),
    "event_artists": ("events", "event_id"),
    "sections": ("events", "event_id"),
    "venues": ("venues", "id"),
    "artists": ("artists", "id"),
}


def index_changes(stream: ChangeStream, engine: Engine, index: EventIndex, *, wait_seconds: float) -> int:
    """Write what came next, waiting for it at most so long; how many documents were news to an index.

    RecordUnavailable; SearchUnavailable. Nothing is confirmed then, and all of it comes again.
    """
    dirty = gather(stream, wait_seconds=wait_seconds)
    if dirty.end_lsn is None:
        return 0
    _wait_until_visible(engine, dirty)
    # Asked before the documents are read: a rebuild that begins later reads all of this itself.
    names = index.written_to()
    written = _write(engine, index, names, dirty)
    stream.confirm(dirty.end_lsn)
    return written


def gather(stream: ChangeStream, *, wait_seconds: float) -> Dirty:
    """Changes up to the end of a transaction; `end_lsn` is None when none came."""
    dirty, wait, unfinished, until = Dirty(), wait_seconds, False, math.inf
    while True:
        told = stream.read(wait_seconds=wait)
        for each in told:
            unfinished = isinstance(each, Change)
            if isinstance(each, Change):
                dirty.add(each)
            else:
                dirty.end_lsn = each.end_lsn
                dirty.xids.add(each.xid)
        until = min(until, time.monotonic() + GATHER_SECONDS_MAX)
        if not unfinished and (not told or time.monotonic() >= until):
            return dirty
        wait = GATHER_SECONDS


def _wait_until_visible(engine: Engine, dirty: Dirty) -> None:
    """The stream is ahead of what others see: a document read too early would be the old one, for good."""
    deadline = time.monotonic() + VISIBLE_SECONDS_MAX
    while True:
        with reading(engine) as connection:
            if change_stream.are_visible(connection, dirty.xids):
                return
        if time.monotonic() > deadline:
            raise RecordUnavailable(f"commits were not confirmed within {VISIBLE_SECONDS_MAX:.0f} s")
        time.sleep(LOOK_SECONDS)


def _write(engine: Engine, index: EventIndex, names: list[str], dirty: Dirty) -> int:
    assert dirty.end_lsn is not None
    event_ids = sorted(_events(engine, index, names, dirty))
    written = 0
    for begin in range(0, len(event_ids), BATCH_MAX):
        with reading(engine) as connection:
            found = documents(connection, event_ids[begin : begin + BATCH_MAX])
        for name in names:
            written += index.write(name, found, version=dirty.end_lsn)
    return written


def _events(engine: Engine, index: EventIndex, names: list[str], dirty: Dirty) -> set[int]:
    events = set(dirty.events)
    with reading(engine) as connection:
        if dirty.venues or dirty.artists:
            events |= set(events_with(connection, venues=dirty.venues, artists=dirty.artists))
        if dirty.everything:
            events |= set(all_event_ids(connection))
    if dirty.everything:
        for name in names:
            events |= set(index.ids(name))
    return events
