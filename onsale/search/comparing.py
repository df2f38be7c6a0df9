"""Whether the index says what the record says: every event, every field, both ways."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain, islice

from sqlalchemy import Engine

from onsale.search import sql
from onsale.search.documents import BATCH_MAX, Document, documents, event_ids_after
from onsale.search.event_index import EventIndex

# Beyond this many the list says nothing new; no more than one batch, so that all are looked at again at once.
DIFFERENCES_MAX = BATCH_MAX
# What has just changed is on its way; promise I10 gives it ten seconds.
AGREE_SECONDS = 10.0
LOOK_AGAIN_SECONDS = 0.25


class Which(StrEnum):
    """How an event differs."""

    MISSING = "missing"
    LEFT_OVER = "left over"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Difference:
    """An event that the index does not have as the record does; `fields` are those that say something else."""

    event_id: int
    which: Which
    fields: tuple[str, ...] = ()


def differences(
    engine: Engine, index: EventIndex, name: str, *, agree_seconds: float = AGREE_SECONDS
) -> list[Difference]:
    """What differs, and still does after `agree_seconds`; at most DIFFERENCES_MAX. Empty: they are equal."""
    index.refresh(name)
    every = chain(_of_the_record(engine, index, name), _left_over(engine, index, name))
    # A draft that the index has comes from both sides.
    found = list({each.event_id: each for each in islice(every, DIFFERENCES_MAX)}.values())
    deadline = time.monotonic() + agree_seconds
    while found and time.monotonic() < deadline:
        time.sleep(LOOK_AGAIN_SECONDS)
        found = _compared(engine, index, name, [each.event_id for each in found])
    return found


def _of_the_record(engine: Engine, index: EventIndex, name: str) -> Iterator[Difference]:
    last = 0
    while True:
        with sql.asking(engine) as connection:
            ids = event_ids_after(connection, last)
        if not ids:
            return
        yield from _compared(engine, index, name, ids)
        last = ids[-1]


def _left_over(engine: Engine, index: EventIndex, name: str) -> Iterator[Difference]:
    """What only the index has."""
    ids = sorted(index.ids(name))
    for begin in range(0, len(ids), BATCH_MAX):
        with sql.asking(engine) as connection:
            known = documents(connection, ids[begin : begin + BATCH_MAX])
        yield from (Difference(event_id, Which.LEFT_OVER) for event_id, document in known.items() if document is None)


def _compared(engine: Engine, index: EventIndex, name: str, ids: list[int]) -> list[Difference]:
    with sql.asking(engine) as connection:
        wanted = documents(connection, ids)
    there = index.get(name, ids)
    return [difference for event_id in ids if (difference := _between(event_id, wanted[event_id], there.get(event_id)))]


def _between(event_id: int, wanted: Document | None, there: Document | None) -> Difference | None:
    if wanted == there:
        return None
    if there is None:
        return Difference(event_id, Which.MISSING)
    if wanted is None:
        return Difference(event_id, Which.LEFT_OVER)
    other = sorted(name for name in wanted.keys() | there.keys() if wanted.get(name) != there.get(name))
    return Difference(event_id, Which.OTHER, tuple(other))
