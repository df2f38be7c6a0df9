"""Restores an event's queue in an empty Redis, or one that came back from the past, out of the record.

No number is given twice, and nobody is behind where they were (DESIGN.md 6). The same makes a new event's queue.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TypeVar
from uuid import UUID

import structlog
from sqlalchemy import Connection

from onsale.db import (
    draw_lots,
    handovers,
    journal,
    locks,
    number_blocks,
    queue_settings,
    rate_control,
    restoring,
    return_journal,
    revocations,
    sale_log,
)
from onsale.db import engine as record
from onsale.db.ids import BuyerId, EventId
from onsale.db.queue_settings import Phase, QueueSettings
from onsale.db.rate_control import RateControl, version_in_force
from onsale.db.restoring import Marks, UsedPlace
from onsale.db.return_journal import Recovered, Return
from onsale.queue import recovery as rules
from onsale.queue.gaps import Gaps, in_order
from onsale.queue.journaled import RESTORE_MAX
from onsale.queue.keys import PlaceId, number_place, return_place
from onsale.queue.recovery import LiveBooking, Mark
from onsale.queue.state import Restored
from onsale.queue.store import FOLLOW_MAX
from onsale.workers import given_up, vacating
from onsale.workers.rounds import rules_of
from onsale.workers.shop import Shop

# A queue of ten million numbers; beyond it, who is missing proves the number by token.
PAGES_MAX = 1_000
# Undecided bookings keep their slots so long; the lane decides them within seconds.
UNDECIDED_MS = 60_000

log = structlog.get_logger(__name__)

T = TypeVar("T")


@dataclass(frozen=True)
class Known:
    """All that the record knows of the queue."""

    settings: QueueSettings
    control: RateControl
    marks: Marks
    state: Restored
    live: tuple[LiveBooking, ...]
    # The return number of each number that has one, as far as bookings tell.
    returns: Mapping[int, int]
    # What earlier recoveries went on behind: nobody is known to own these.
    gaps: Gaps
    # The same as it was when each of them did, whoever was heard since: what people count must never grow.
    skipped: Gaps
    # From here on whoever was called may still come in.
    first: int
    return_first: int


def recover(shop: Shop, event_id: EventId) -> bool:
    """Restore the event's queue; False when someone else is at it, or it is whole already. Safe to run twice."""
    with record.transaction(shop.engine) as alone:
        if not locks.try_alone(alone, f"recover-{event_id}"):
            return False
        # Committed before the queue is opened: nothing is given out again without a line that says so.
        with record.transaction(shop.engine) as connection:
            known = _restore_and_say(shop, connection, event_id)
        if known is None:
            return False
        whole = shop.store.finish_recovery(event_id)
    # The very first time there is nothing to recover: the same steps make a new event's queue.
    log.log(
        logging.WARNING if known.state.issued else logging.INFO,
        "queue_recovered" if known.state.issued else "queue_made",
        event_id=event_id,
        whole=whole,
        issued=known.state.issued,
        serving=known.state.serving,
        bookings=len(known.live),
    )
    return whole


def _restore_and_say(shop: Shop, connection: Connection, event_id: EventId) -> Known | None:
    """What was restored, and is not open yet; None: there is nothing to restore."""
    known = _read(connection, event_id)
    if known is None:
        return None
    found = shop.store.begin_recovery(
        event_id,
        known.state,
        rules_of(known.settings, known.control),
        version=version_in_force(known.settings.version, known.control),
    )
    if found is None:
        return None
    joins = _restore(shop, connection, event_id, known)
    if known.state.issued:
        _write_down(connection, event_id, known, found=found, joins=joins)
    return known


def _read(connection: Connection, event_id: EventId) -> Known | None:
    settings = queue_settings.get(connection, event_id)
    if settings is None:
        return None
    marks = restoring.marks(connection, event_id)
    mark = _since_the_draw(_mark(connection, event_id), settings)
    state = rules.restored(
        mark,
        last_reserved=number_blocks.last_reserved(connection, event_id),
        journal_last=marks.journal_last,
        return_last=marks.return_last,
        rate_per_minute=0 if _not_opened(settings, marks.now_ms) else settings.rate_per_minute,
        alive_ms=marks.now_ms,
        seq=marks.seq,
        admitted_total=marks.admitted_total,
    )
    if settings.draw is not None and settings.draw.size is not None and settings.draw.key is not None:
        # Numbers without a known owner were drawn among the others; only latecomers' are still in a row.
        state = replace(state, unknown_first=max(state.unknown_first, settings.draw.size + 1))
    used = tuple(_used_places(connection, event_id))
    live = tuple(LiveBooking(_place(one), one.state, _until_ms(one)) for one in used)
    returns: dict[int, int] = {}
    for one in used:
        if one.return_number:
            returns[one.number] = max(returns.get(one.number, 0), one.return_number)
    control = rate_control.get(connection, event_id)
    before = return_journal.recovered_before(connection, event_id)
    first = _first_again(marks.first_lately, before.first_lately, serving=mark.serving if mark else state.serving)
    return_first = _first_again(
        marks.return_first_lately,
        before.return_first_lately,
        serving=mark.return_serving if mark else state.return_serving,
    )
    gaps = _gaps(connection, before, settings, state, first=first, return_first=return_first)
    skipped = _skipped(connection, event_id)
    return Known(settings, control, marks, state, live, returns, gaps, skipped, first, return_first)


def _skipped(connection: Connection, event_id: EventId) -> Gaps:
    before = return_journal.skipped(connection, event_id)
    return Gaps(in_order(one.numbers for one in before), in_order(one.returns for one in before))


def _first_again(*lately: int, serving: int) -> int:
    """The lowest number that may still come in: `lately` let in by the queue or by a recovery (0: nobody).

    Whoever stands between the checkpoint and where the queue goes on is called now, however long ago the last one was.
    """
    return min([serving + 1, *(first for first in lately if first)])


def _gaps(
    connection: Connection,
    before: Recovered,
    settings: QueueSettings,
    state: Restored,
    *,
    first: int,
    return_first: int,
) -> Gaps:
    """Numbers that an earlier recovery skipped look like anybody's: let in, each would keep a ticket from who waits."""
    event_id = settings.event_id
    if settings.draw is not None:
        # Who is drawn among the others is in no gap, and before that everybody is.
        drawn = settings.draw.key is not None
        first = max(first, (settings.draw.size or 0) + 1) if drawn else before.issued + 1
    return Gaps(
        return_journal.number_gaps(connection, event_id, first, min(before.issued, state.issued)),
        return_journal.return_gaps(connection, event_id, return_first, min(before.return_issued, state.return_issued)),
    )


def _write_down(connection: Connection, event_id: EventId, known: Known, *, found: str, joins: int) -> None:
    """For whoever reads the sale's log: what was found instead of the queue, and what came out of the record."""
    body = {
        "found": found,
        "issued": known.state.issued,
        "serving": known.state.serving,
        "unknown_first": known.state.unknown_first,
        "return_issued": known.state.return_issued,
        "return_unknown_first": known.state.return_unknown_first,
        "return_serving": known.state.return_serving,
        "first": known.first,
        "return_first": known.return_first,
        "places": joins,
        "bookings": len(known.live),
    }
    sale_log.append(connection, event_id, actor="recovery", kind="queue_recovered", body=body)


def _restore(shop: Shop, connection: Connection, event_id: EventId, known: Known) -> int:
    """Buyers' numbers, then bookings and their slots, then who was let in a moment ago; how many numbers."""
    store, numbers = shop.store, 0
    handed_over = handovers.of_event(connection, event_id)
    for some in _chunks(handed_over, RESTORE_MAX):
        shop.places.forget_handed_over(event_id, [(one.giver, one.taker, one.numbers) for one in some])
    for joins in _journal(connection, event_id):
        store.restore_joins(event_id, joins)
        numbers += len(joins)
    nobodys = {one.given_up for one in handed_over}
    kept = tuple((one.taker, one.number, one.joined_at_ms) for one in handed_over if one.number not in nobodys)
    for taken in _chunks(kept, RESTORE_MAX):
        shop.places.restore_handed_over(event_id, taken)
    given_up.tell_queue(shop, connection, event_id)
    shop.places.restore_lots(event_id, tuple(draw_lots.rows(connection, event_id).items()))
    # `onsale admit` tells the queue within a second; until then whoever asks for such a place asks the record.
    revocations.tell_again(connection, event_id)
    left = _restore_returns(shop, connection, event_id, known)
    store.restore_nobodys(event_id, known.gaps)
    store.restore_gaps(event_id, known.skipped)
    slots = dict(rules.slots_of(known.live, undecided_until_ms=known.marks.now_ms + UNDECIDED_MS))
    for moves in _chunks(tuple(slots.items()), FOLLOW_MAX):
        store.follow(event_id, dict(moves))
    for places in _chunks(rules.hands_free_of(known.live), RESTORE_MAX):
        store.restore_hands_free(event_id, places)
    # After the bookings: whoever has one has its number, also when nobody wrote down that they had joined.
    vacant = vacating.vacate(shop, connection, known.settings.draw) if known.settings.draw else []
    deadline_ms = known.marks.now_ms + known.settings.enter_seconds * 1000
    kept_out = left.union(map(number_place, vacant))
    for places in _chunks(_admitted_again(known, kept_out, len(slots)), RESTORE_MAX):
        store.restore_admitted(event_id, places, deadline_ms=deadline_ms)
    return numbers


def _restore_returns(shop: Shop, connection: Connection, event_id: EventId, known: Known) -> set[PlaceId]:
    """Whose number took which return number; returns the places that were left for a later one."""
    back, left = dict(known.returns), {number_place(number) for number in known.returns}
    for returns in _chunks(tuple(back.items()), RESTORE_MAX):
        shop.store.restore_returns(event_id, returns)
    for journaled in _returns(connection, event_id):
        counted = []
        for one in journaled:
            before = back.get(one.number, 0)
            left.add(return_place(min(before, one.return_number)) if before else number_place(one.number))
            # A booking's may be newer than the journal's.
            if one.return_number > before:
                back[one.number] = one.return_number
                counted.append((one.number, one.return_number))
        shop.store.restore_returns(event_id, counted)
    return left - {return_place(number) for number in back.values()}


def _admitted_again(known: Known, kept_out: set[PlaceId], slots_used: int) -> tuple[PlaceId, ...]:
    """Who was let in within the time to enter may come in again, where there is room; not those `kept_out`."""
    unlimited = known.settings.max_active == 0
    return rules.admitted_again(
        known.state,
        first=known.first,
        return_first=known.return_first,
        taken=kept_out.union(one.admission_id for one in known.live),
        gaps=known.gaps,
        slots_left=RESTORE_MAX if unlimited else max(0, known.settings.max_active - slots_used),
    )


def _mark(connection: Connection, event_id: EventId) -> Mark | None:
    last = journal.last_checkpoint(connection, event_id)
    if last is None:
        return None
    return Mark(last.serving, last.return_serving, last.issued, last.return_issued, int(last.at.timestamp() * 1000))


def _not_opened(settings: QueueSettings, now_ms: int) -> bool:
    """Whether the lost queue can have let nobody in: then nobody's turn has come and gone meanwhile."""
    if settings.phase not in (Phase.SCHEDULED, Phase.PRE_QUEUE):
        return False
    return _is_pending(settings) or settings.opens_at.timestamp() * 1000 > now_ms


def _is_pending(settings: QueueSettings) -> bool:
    return settings.draw is not None and settings.draw.key is None


def _since_the_draw(mark: Mark | None, settings: QueueSettings) -> Mark | None:
    """A checkpoint of before the draw, as of the draw: nobody was let in between the two."""
    held_at = settings.draw.held_at if settings.draw else None
    if mark is None or held_at is None:
        return mark
    return replace(mark, at_ms=max(mark.at_ms, int(held_at.timestamp() * 1000)))


def _journal(connection: Connection, event_id: EventId) -> Iterator[list[tuple[int, BuyerId, int]]]:
    number = 0
    for _ in range(PAGES_MAX):
        joins = journal.joins_after(connection, event_id, number, limit=RESTORE_MAX)
        if joins:
            number = joins[-1].number
            yield [(one.number, one.buyer_id, int(one.joined_at.timestamp() * 1000)) for one in joins]
        if len(joins) < RESTORE_MAX:
            return


def _returns(connection: Connection, event_id: EventId) -> Iterator[tuple[Return, ...]]:
    return_number = 0
    for _ in range(PAGES_MAX):
        page = return_journal.returns_after(connection, event_id, return_number, limit=RESTORE_MAX)
        yield page
        if len(page) < RESTORE_MAX:
            return
        return_number = page[-1].return_number


def _used_places(connection: Connection, event_id: EventId) -> Iterator[UsedPlace]:
    after: UUID | None = None
    for _ in range(PAGES_MAX):
        page = restoring.used_places(connection, event_id, after=after)
        yield from page
        if len(page) < restoring.PAGE_MAX:
            return
        after = page[-1].booking_id


def _chunks(items: tuple[T, ...], size: int) -> Iterator[tuple[T, ...]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]


def _place(used: UsedPlace) -> PlaceId:
    return return_place(used.return_number) if used.return_number else number_place(used.number)


def _until_ms(used: UsedPlace) -> int | None:
    return None if used.hold_until is None else int(used.hold_until.timestamp() * 1000)
