"""A new index beside the old one: filled from the record, compared with it, and put in its place.

The change stream is written to both meanwhile, so nothing that changes while it fills is missing. A rebuild that was
interrupted goes on where it stood.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from sqlalchemy import Connection, Engine

from onsale.search import sql
from onsale.search.comparing import AGREE_SECONDS, Difference, differences
from onsale.search.documents import documents, event_ids_after
from onsale.search.event_index import ALIAS, NEXT, EventIndex

# Events between two notes of how far it is.
NOTED_EVERY = 10_000


class NotTheSame(Exception):
    """The new index does not say what the record says, and was not put in place. Is the change stream read?"""

    def __init__(self, found: list[Difference]) -> None:
        super().__init__(f"{len(found)} events differ, the first is {found[0].event_id}")


@dataclass(frozen=True)
class Rebuilt:
    """The index that searches read now, how many events it holds, and whether an interrupted rebuild was finished."""

    name: str
    events: int
    resumed: bool


def rebuild(
    engine: Engine,
    index: EventIndex,
    *,
    position: Callable[[Connection], int],
    origin: str = "",
    progress: Callable[[int], None] = lambda _: None,
    note_every: int = NOTED_EVERY,
    agree_seconds: float = AGREE_SECONDS,
) -> Rebuilt:
    """Fill a new index, compare it with the record and swap; `progress` is told how many events were read so far.

    `position` is a place in the record's log; whatever is read later shows every change before it. Documents get it as
    their version: one that the change stream wrote for a later change stays.
    `origin` names that log; what a rebuild from another log has left is thrown away.
    NotTheSame leaves the old index in use: what differs still did after `agree_seconds`. One rebuild at a time; who
    runs it sees to that.
    """
    resumed = index.named(NEXT)
    for other in [each for each in resumed if index.origin(each) != origin]:
        index.delete(other)
        resumed.remove(other)
    name = resumed[0] if resumed else f"{ALIAS}-{datetime.now(UTC):%Y%m%d-%H%M%S-%f}"
    if not resumed:
        index.create(name, alias=NEXT, origin=origin, filling=True)
    _fill(engine, index, name, position=position, progress=progress, note_every=note_every)
    index.settle(name)
    if found := differences(engine, index, name, agree_seconds=agree_seconds):
        raise NotTheSame(found)
    for old in index.swap(name):
        index.delete(old)
    return Rebuilt(name, index.count(name), bool(resumed))


def _fill(
    engine: Engine,
    index: EventIndex,
    name: str,
    *,
    position: Callable[[Connection], int],
    progress: Callable[[int], None],
    note_every: int,
) -> None:
    last = index.filled_up_to(name)
    count = noted = 0
    while True:
        with sql.asking(engine) as connection:
            # First the position, then what is read: whatever that shows is at least as new.
            version = position(connection)
            ids = event_ids_after(connection, last)
            found = documents(connection, ids)
        if not ids:
            return
        index.write(name, found, version=version)
        last, count = ids[-1], count + len(ids)
        if count - noted >= note_every:
            index.note_filled_up_to(name, last)
            noted = count
        progress(count)
