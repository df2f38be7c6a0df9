"""What follows a change of the record: slots in the queue, the copy of taken tickets, wake-ups for payment.

All of it may be lost or done twice. Slots and copies run out by themselves, wake-ups are sent again from the record; so
nothing here raises when Redis is away.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta

import structlog

from onsale.db.allocation import Decision, Outcome
from onsale.db.bookings import Booking
from onsale.db.holds import Released
from onsale.db.ids import EventId, TicketId, event_of_booking
from onsale.db.lane import QueuedBooking, Written
from onsale.errors import QueueRecovering, QueueUnavailable
from onsale.queue.keys import PlaceId, number_place, return_place
from onsale.queue.state import UNDECIDED_MS, QueueState, SlotKind, SlotState
from onsale.queue.store import FOLLOW_MAX
from onsale.queue.ticket_cache import TakenTicket
from onsale.workers.shop import Shop

SPENT = SlotState(SlotKind.DONE)
# A hold that ended without a sale spent the admission: whoever wants to try again takes a return number.
LAPSED = SlotState(SlotKind.LAPSED)

_1970 = datetime(1970, 1, 1, tzinfo=UTC)

log = structlog.get_logger(__name__)


def decided(
    shop: Shop,
    bookings: Sequence[QueuedBooking],
    decisions: Sequence[Decision],
    *,
    written: Written,
    queue: QueueState | None,
) -> None:
    """After a batch: slots follow their holds, the refused choose again, saved cards are charged in number order."""
    by_id = {decision.booking_id: decision for decision in decisions}
    event_id = event_of_booking(bookings[0].id) or EventId(0)
    held = [booking for booking in bookings if by_id[booking.id].outcome is Outcome.HELD]
    if queue is not None:
        slots = {
            place(booking): slot_of(by_id[booking.id], written, queue) for booking in bookings if booking.admission_id
        }
        _follow(shop, event_id, slots)
    until_ms = milliseconds(written.hold_until)
    shop.ticket_cache.put(event_id, [TakenTicket(one, at, until_ms) for one, at in written.versions.items()])
    shop.wakes.wake_authorise([booking.id for booking in held if to_charge(booking, by_id[booking.id])])


def to_charge(booking: QueuedBooking, decision: Decision) -> bool:
    """Whether payment goes on by itself: a saved card, or nothing to pay."""
    return booking.has_payment_method or decision.bill.total_minor == 0


def slot_of(decision: Decision, written: Written, queue: QueueState) -> SlotState:
    """What a decided booking's slot is used for: paying, choosing again, or nothing when nothing is left."""
    if decision.outcome is Outcome.HELD:
        return SlotState(SlotKind.HOLDING, milliseconds(written.hold_until))
    if decision.booking_id in written.sold_out:
        return LAPSED
    return SlotState(SlotKind.CHOOSING, queue.now_ms + queue.rules.choose_seconds * 1000)


def undecided(shop: Shop, admissions: Iterable[tuple[EventId, str]]) -> None:
    """These bookings still wait for their lane (selling is stopped): nobody else may have their slots."""
    by_event: dict[EventId, list[PlaceId]] = defaultdict(list)
    for event_id, admission in admissions:
        by_event[event_id].append(PlaceId(admission))
    for event_id, places in by_event.items():
        with _unless_away(event_id):
            until_ms = shop.store.snapshot(event_id).now_ms + UNDECIDED_MS
            _follow(shop, event_id, dict.fromkeys(places, SlotState(SlotKind.UNDECIDED, until_ms)))


def holding(shop: Shop, booking: Booking) -> None:
    """A hold's deadline moved."""
    if booking.hold_until is not None:
        slot = SlotState(SlotKind.HOLDING, milliseconds(booking.hold_until))
        _follow(shop, booking.event_id, {place(booking): slot})


def sold(shop: Shop, booking: Booking, tickets: Mapping[TicketId, int]) -> None:
    """Tickets are sold, at these row versions: the place in the queue has done its work."""
    _follow(shop, booking.event_id, {place(booking): SPENT})
    shop.ticket_cache.put(booking.event_id, [TakenTicket(one, at, None) for one, at in tickets.items()])


def released(shop: Shop, ended: Iterable[Released]) -> None:
    """Bookings ended without a sale: their tickets are free, their slots go to the next in the queue."""
    by_event: dict[EventId, list[Released]] = defaultdict(list)
    for one in ended:
        by_event[one.event_id].append(one)
    for event_id, gone in by_event.items():
        _follow(shop, event_id, {place(one): LAPSED for one in gone})
        shop.ticket_cache.clear(event_id, {ticket: at for one in gone for ticket, at in one.tickets.items()})


def place(booking: QueuedBooking | Booking | Released) -> PlaceId:
    """The place in the queue that a booking was admitted under."""
    return return_place(booking.return_number) if booking.return_number else number_place(booking.number)


def milliseconds(at: datetime) -> int:
    """A moment as Redis counts it; exactly as the record does when it compares (`db/sql/ticket_marks.sql`)."""
    return (at - _1970) // timedelta(milliseconds=1)


def _follow(shop: Shop, event_id: EventId, slots: Mapping[PlaceId, SlotState]) -> None:
    pairs = list(slots.items())
    with _unless_away(event_id):
        for start in range(0, len(pairs), FOLLOW_MAX):
            shop.store.follow(event_id, dict(pairs[start : start + FOLLOW_MAX]))


def given_back(shop: Shop) -> None:
    """A refund has ended, and its letter waits."""
    shop.wakes.wake_mail()


@contextmanager
def _unless_away(event_id: EventId) -> Iterator[None]:
    try:
        yield
    except (QueueUnavailable, QueueRecovering):
        # The slots are restored from the bookings when the queue comes back.
        log.warning("slots_not_followed", event_id=event_id)
