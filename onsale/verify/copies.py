"""Do the queue's stock, the caches, the seats shown and the index say what the record says? They are given time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from sqlalchemy import Engine, text

from onsale.db import catalogue, runs, stats
from onsale.db.catalogue import Event, EventStatus
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId, TicketId, ticket_id
from onsale.db.packed import Packed
from onsale.db.stats import Stock
from onsale.errors import QueueRecovering, QueueUnavailable, SearchUnavailable
from onsale.queue.catalogue_cache import CatalogueCache
from onsale.queue.live_seats import LiveSeats
from onsale.queue.state import QueueState
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TICKETS_MAX, TicketCache
from onsale.queue.ticket_marks import letters
from onsale.search.documents import documents
from onsale.search.event_index import ALIAS, EventIndex

LOOK_SECONDS = 0.5


@dataclass(frozen=True)
class Copies:
    """Where the record is copied to."""

    store: QueueStore
    tickets: TicketCache
    # What viewers are shown; None: nobody shows seats here.
    seats: LiveSeats | None = None
    events: CatalogueCache | None = None
    index: EventIndex | None = None


@dataclass
class Compared:
    """What still differs; which copy could not be asked, and why; what was looked at."""

    differences: list[str] = field(default_factory=list)
    unasked: list[str] = field(default_factory=list)
    looked_at: list[str] = field(default_factory=list)


def compare(engine: Engine, event_id: EventId, copies: Copies, *, patience_seconds: float) -> Compared:
    """What a copy says otherwise than the record, all of `patience_seconds` long."""
    compared = Compared()
    _compare_stock(engine, event_id, copies.store, compared, patience_seconds)
    _compare_taken(engine, event_id, copies.tickets, compared, patience_seconds)
    if copies.seats is not None:
        _compare_seats(engine, event_id, copies.seats, compared, patience_seconds)
    if copies.events is not None:
        _compare_event(engine, event_id, copies.events, compared, patience_seconds)
    if copies.index is not None:
        _compare_document(engine, event_id, copies.index, compared, patience_seconds)
    return compared


def _compare_stock(
    engine: Engine, event_id: EventId, store: QueueStore, compared: Compared, patience_seconds: float
) -> None:
    """The queue is told the stock once a second; in a running sale it must be within what the record went through."""
    seen, until = [_stock(engine, event_id)], time.monotonic() + patience_seconds
    while True:
        queue = _snapshot(store, event_id)
        if isinstance(queue, str):
            compared.unasked.append(queue)
            return
        seen.append(_stock(engine, event_id))
        if _between(queue.free, [one.free for one in seen]) and _between(queue.held, [one.held for one in seen]):
            compared.looked_at.append("the queue's stock")
            return
        if time.monotonic() >= until:
            now = seen[-1]
            compared.differences.append(
                f"the queue says {queue.free} free and {queue.held} held, the record {now.free} and {now.held}"
            )
            return
        time.sleep(LOOK_SECONDS)


def _stock(engine: Engine, event_id: EventId) -> Stock:
    with transaction(engine) as connection:
        return stats.stock(connection, event_id)


def _snapshot(store: QueueStore, event_id: EventId) -> QueueState | str:
    """The queue, or why it cannot be asked."""
    try:
        queue = store.snapshot(event_id)
    except QueueUnavailable:
        return "The queue's Redis does not answer."
    except QueueRecovering:
        return "There is no queue in Redis: `onsale admit` makes it."
    if queue.recovering:
        return "The queue is being restored: `onsale admit` does it."
    return queue if queue.free is not None else "The queue was never told the stock: `onsale admit` does it."


def _between(value: int | None, seen: list[int]) -> bool:
    return value is not None and min(seen) <= value <= max(seen)


def _compare_taken(
    engine: Engine, event_id: EventId, cache: TicketCache, compared: Compared, patience_seconds: float
) -> None:
    """Free tickets that the cache calls taken: somebody would be refused who could buy.

    One that it does not know as taken harms nobody: the lane refuses it, and a cache that was emptied is right again
    as tickets move.
    """
    asked, until = 0, time.monotonic() + patience_seconds
    wrong: set[TicketId] | None = None
    while wrong is None or wrong:
        now: set[TicketId] = set()
        for free in _free(engine, event_id, wrong):
            asked += len(free) if wrong is None else 0
            now |= cache.taken(free)
            if cache.away:
                compared.unasked.append("The cache's Redis does not answer.")
                return
        # In a running sale tickets are taken between the two readings; a lie stays.
        wrong = now & wrong if wrong is not None else now
        if time.monotonic() >= until:
            break
        if wrong:
            time.sleep(LOOK_SECONDS)
    compared.looked_at.append(f"the cache, about {asked:,} free tickets")
    compared.differences += [f"the cache says that ticket {one} is taken, the record: free" for one in sorted(wrong)]


def _compare_seats(
    engine: Engine, event_id: EventId, live: LiveSeats, compared: Compared, patience_seconds: float
) -> None:
    """Seats shown otherwise than they are. Who verifies looks at them, so that the web makes them right meanwhile.

    Where nobody has looked at the seats there is no copy to be wrong.
    """
    until = time.monotonic() + patience_seconds
    wrong: dict[int, str] | None = None
    while wrong is None or wrong:
        live.watched([event_id])
        shown = _shown(live, event_id)
        if shown is None:
            return
        now = {
            ordinal: f"ticket {ticket_id(event_id, ordinal)} is {shown.get(ordinal, 'not there')}, the record: {letter}"
            for ordinal, letter in _letters(engine, event_id).items()
            if shown.get(ordinal) != letter
        }
        # In a running sale tickets are taken between the two readings; a lie stays.
        wrong = {ordinal: says for ordinal, says in now.items() if wrong is None or ordinal in wrong}
        if time.monotonic() >= until:
            break
        if wrong:
            time.sleep(LOOK_SECONDS)
    compared.looked_at.append("the seats shown")
    compared.differences += [f"viewers are shown that {says}" for _, says in sorted(wrong.items())]


def _shown(live: LiveSeats, event_id: EventId) -> dict[int, str] | None:
    """Each ticket's letter as viewers see it; None where there is no copy."""
    seen = live.read(event_id, None)
    return (
        None
        if seen is None
        else {
            ordinal: chr(letter)
            for plan, section in zip(seen.plan.sections, seen.sections, strict=True)
            for ordinal, letter in zip(plan.ordinals(), section.letters, strict=True)
        }
    )


def _letters(engine: Engine, event_id: EventId) -> dict[int, str]:
    """Each ticket's letter in the record."""
    with transaction(engine) as connection:
        return {
            run.first_ordinal + step: chr(letter)
            for run in runs.marked_runs(connection, event_id)
            for step, letter in enumerate(letters(run.marks))
        }


def _compare_event(
    engine: Engine, event_id: EventId, cache: CatalogueCache, compared: Compared, patience_seconds: float
) -> None:
    """The copy that every front tells; where there is none, fronts tell what they have read themselves."""
    form = Packed(Event)

    def agrees() -> bool | None:
        text = cache.told(form.named(event_id), event_id)
        with reading(engine) as connection:
            event = catalogue.event_by_id(connection, event_id)
        if text is None:
            return None
        return event is not None and event.status is not EventStatus.DRAFT and form.unpack(text) == event

    agreed = _in_time(agrees, patience_seconds)
    if agreed is not None:
        compared.looked_at.append("the cache's copy of the event")
    if agreed is False:
        compared.differences.append("the cache tells the event otherwise than the record")


def _compare_document(
    engine: Engine, event_id: EventId, index: EventIndex, compared: Compared, patience_seconds: float
) -> None:
    """What searches find of the event."""

    def agrees() -> bool:
        there = index.get(ALIAS, [event_id]).get(event_id)
        with reading(engine) as connection:
            return documents(connection, [event_id])[event_id] == there

    try:
        if not index.named(ALIAS):
            compared.unasked.append("There is no index: `onsale changes run` makes it.")
            return
        agreed = _in_time(agrees, patience_seconds)
    except SearchUnavailable:
        compared.unasked.append("The index does not answer.")
        return
    compared.looked_at.append("the index")
    if agreed is False:
        compared.differences.append("the index has the event otherwise than the record")


def _in_time(agrees: Callable[[], bool | None], patience_seconds: float) -> bool | None:
    """What it says last, once it is not False or the time is up."""
    until = time.monotonic() + patience_seconds
    while (agreed := agrees()) is False and time.monotonic() < until:
        time.sleep(LOOK_SECONDS)
    return agreed


def _free(engine: Engine, event_id: EventId, among: set[TicketId] | None) -> Iterator[list[TicketId]]:
    """The free tickets, a thousand at a time."""
    arguments = {"event_id": event_id, "among": None if among is None else sorted(among)}
    with transaction(engine) as connection:
        rows = connection.execute(_FREE, arguments, execution_options={"stream_results": True})
        for some in rows.scalars().partitions(TICKETS_MAX):
            yield [TicketId(ticket) for ticket in some]


_FREE = text("""
    SELECT id FROM tickets
     WHERE event_id = :event_id AND state = 'free'
       AND (CAST(:among AS bigint[]) IS NULL OR id = ANY (CAST(:among AS bigint[])))
""")
