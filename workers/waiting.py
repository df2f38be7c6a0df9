"""What those who wait are told, kept once a second: the outlook beside the queue, now and then a line in the record."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import Connection

from onsale.db import engine as record
from onsale.db import sections_gone, stats, waits
from onsale.db.ids import EventId
from onsale.db.stats import Stock
from onsale.queue import outlook, status
from onsale.queue.state import Phase, QueueState, SoFar
from onsale.workers.rounds import Watched
from onsale.workers.shop import Shop

# A line each 15 s for the first hours of a sale; each time it has lasted twice as long, half as often.
SLOT_MS = 15_000
DENSE_HOURS = 3
TOLD_IN = (Phase.PRE_QUEUE, Phase.OPEN)


def look_ahead(shop: Shop, one: Watched, queue: QueueState) -> None:
    """Make and keep the outlook of an event's queue; write down what is told when it is time."""
    phase = status.derived_phase(queue)
    looked = outlook.following(outlook.kept_outlook(queue.outlook), queue, phase)
    shop.store.keep_outlook(one.settings.event_id, looked)
    slot = due_slot(queue)
    if phase not in TOLD_IN or not queue.waiting or slot == one.told_slot:
        return
    told = waits.WaitTold(outlook.moment(queue.now_ms), queue.serving, queue.issued, outlook.document(looked))
    with record.transaction(shop.engine) as connection:
        waits.note(connection, one.settings.event_id, told, slot=slot)
    one.told_slot = slot


def due_slot(queue: QueueState) -> int:
    """The slot of time that now belongs to; slots get longer with the sale, so that months of it stay a few
    thousand."""
    hours = (queue.now_ms - queue.rules.opens_at.timestamp() * 1000) / 3_600_000
    step = 1 << max(0, int(hours / DENSE_HOURS).bit_length() - 1)
    return queue.now_ms // SLOT_MS // step * step


def so_far(connection: Connection, event_id: EventId) -> SoFar:
    """What the record knows of the sale: who bought, and which sections are said to be sold out."""
    buyers, tickets = stats.buyers_so_far(connection, event_id)
    return SoFar(buyers, tickets, _dated(sections_gone.known(connection, event_id)))


def with_sections(shop: Shop, event_id: EventId, known: SoFar, stock: Stock) -> SoFar:
    """The same, after noting which sections have just sold out or have tickets again."""
    empty = {one.section_id for one in stock.sections if one.sold and not one.free and not one.held}
    said = {section_id for section_id, _ in known.sold_out}
    if empty == said:
        return known
    with record.transaction(shop.engine) as connection:
        sections_gone.note(connection, event_id, gone=empty - said, back=said - empty)
        return SoFar(known.buyers, known.tickets, _dated(sections_gone.known(connection, event_id)))


def _dated(known: Mapping[int, datetime]) -> tuple[tuple[int, int], ...]:
    return tuple((section_id, round(at.timestamp() * 1000)) for section_id, at in known.items())
