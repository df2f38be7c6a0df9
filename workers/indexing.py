"""Keeps the index as the record is: reads the change stream, writes the documents it touches, confirms what is done.

A change only says that an event is not what it was; its document is read anew. So changes may come twice, and a crash
between writing and confirming costs a repetition.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, field

from sqlalchemy import Engine

from onsale.db import catalogue, change_stream
from onsale.db.change_source import Changes
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
# What an index that is away has missed is remembered by its ids up to here; beyond, every event is written anew.
MERGED_MAX = 100_000


@dataclass
class Dirty:
    """What is not in the index as it is in the record, and how far the stream was read for it."""

    events: set[int] = field(default_factory=set)
    venues: set[int] = field(default_factory=set)
    artists: set[int] = field(default_factory=set)
    organisers: set[int] = field(default_factory=set)
    everything: bool = False
    xids: set[int] = field(default_factory=set)
    end_lsn: int | None = None

    def merge(self, later: Dirty) -> None:
        """What came after this, and can be seen, is dirty as well; of too much only that it was too much is kept."""
        self.events |= later.events
        self.venues |= later.venues
        self.artists |= later.artists
        self.organisers |= later.organisers
        named = (self.events, self.venues, self.artists, self.organisers)
        self.everything |= later.everything or sum(map(len, named)) > MERGED_MAX
        if self.everything:
            for each in named:
                each.clear()
        self.end_lsn = later.end_lsn or self.end_lsn

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
    "organisers": ("organisers", "id"),
}


def index_changes(stream: Changes, engine: Engine, index: EventIndex, *, wait_seconds: float) -> int:
    """Write what came next, waiting for it at most so long; how many documents were news to an index.

    RecordUnavailable; SearchUnavailable. Nothing is confirmed then, and all of it comes again.
    """
    dirty = gather(stream, wait_seconds=wait_seconds)
    if dirty.end_lsn is None:
        return 0
    wait_until_visible(engine, dirty)
    written = write(engine, index, dirty)
    stream.confirm(dirty.end_lsn)
    return written


def gather(stream: Changes, *, wait_seconds: float, up_to: int | None = None) -> Dirty:
    """Changes up to the end of a transaction, for whoever waits for a place in the log up to there; `end_lsn` is None
    when none came.
    """
    dirty, wait, unfinished, until = Dirty(), wait_seconds, False, math.inf
    while True:
        # The rest of a transaction is waited for, wherever in the log it is.
        told = stream.read(wait_seconds=wait, up_to=None if unfinished else up_to)
        for each in told:
            unfinished = isinstance(each, Change)
            if isinstance(each, Change):
                dirty.add(each)
            else:
                dirty.end_lsn = each.end_lsn
                if each.xid is not None:
                    dirty.xids.add(each.xid)
        until = min(until, time.monotonic() + GATHER_SECONDS_MAX)
        if not unfinished and (not told or time.monotonic() >= until):
            return dirty
        wait = GATHER_SECONDS


def wait_until_visible(engine: Engine, dirty: Dirty) -> None:
    """The stream is ahead of what others see: a document read too early would be the old one, for good."""
    deadline = time.monotonic() + VISIBLE_SECONDS_MAX
    while dirty.xids:
        with reading(engine) as connection:
            if change_stream.are_visible(connection, dirty.xids):
                return
        if time.monotonic() > deadline:
            raise RecordUnavailable(f"commits were not confirmed within {VISIBLE_SECONDS_MAX:.0f} s")
        time.sleep(LOOK_SECONDS)


def events_of(engine: Engine, dirty: Dirty) -> set[int]:
    """The events that are not what they were, by what is visible now; of everything, none in particular."""
    events = set(dirty.events)
    with reading(engine) as connection:
        if dirty.venues or dirty.artists:
            events |= set(events_with(connection, venues=dirty.venues, artists=dirty.artists))
        if dirty.organisers:
            events |= set(catalogue.events_of_organisers(connection, dirty.organisers))
    return events


def write(engine: Engine, index: EventIndex, dirty: Dirty) -> int:
    """Write what is dirty and visible to every index; how many documents were news to one. SearchUnavailable."""
    assert dirty.end_lsn is not None
    # Asked before the documents are read: a rebuild that begins later reads all of this itself.
    names = index.written_to()
    event_ids = events_of(engine, dirty)
    if dirty.everything:
        with reading(engine) as connection:
            event_ids |= set(all_event_ids(connection))
        for name in names:
            event_ids |= set(index.ids(name))
    written, ordered = 0, sorted(event_ids)
    for begin in range(0, len(ordered), BATCH_MAX):
        with reading(engine) as connection:
            found = documents(connection, ordered[begin : begin + BATCH_MAX])
        for name in names:
            written += index.write(name, found, version=dirty.end_lsn)
    return written
