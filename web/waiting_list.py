"""The waiting list as one buyer sees it: be on it, where I stand, leave it or say no to an offer. API and pages call
these; what is offered to whom is the workers' (`workers/waiting_lists.py`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Connection

from onsale.db import bookings, queue_settings, staff, waiting_entries, waiting_lists
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.queue_settings import Phase, QueueSettings
from onsale.db.states import HOLDING, BookingState
from onsale.db.waiting_entries import FRONT_MAX, Counts, Entry, Wanted
from onsale.db.waiting_lists import ListChange, WaitingList
from onsale.errors import (
    AccountNeeded,
    BuyerLimitReached,
    HasTicketsAlready,
    NotAllowed,
    NotFound,
    WaitingListClosed,
)
from onsale.web import booking, joining
from onsale.web.auth import Buyer, StaffMember
from onsale.web.box_office import BoxOffice

# Who is near the front asks so often, which is their sign of life; others need not.
POLL_NEAR_SECONDS = 30
POLL_FAR_SECONDS = 120
POLL_OFFERED_SECONDS = 10
# How an offer's booking ends, as `db/sql/settle_offers.sql` says it; what is not here puts its buyer back in line.
ENDS = {
    BookingState.COMMITTED: "taken",
    BookingState.CONFIRMED: "taken",
    BookingState.REFUNDING: "taken",
    BookingState.REFUNDED: "taken",
    BookingState.EXPIRED: "lapsed",
    BookingState.PAYMENT_FAILED: "lapsed",
    BookingState.CANCELLED: "declined",
}


class ListStanding(StrEnum):
    """Where one person is on the list; `ended` says why in `end_reason`."""

    IN_LINE = "in_line"
    OFFERED = "offered"
    ENDED = "ended"


@dataclass(frozen=True)
class MyEntry:
    """One person's place on the list. `before`: how many who are there stand before them, counted to FRONT_MAX.

    Offered: the booking that holds the tickets, and until when it does.
    """

    entry: Entry
    standing: ListStanding
    before: int
    offer_id: BookingId | None
    offered_until: datetime | None
    poll_seconds: int

    @property
    def before_at_most(self) -> bool:
        """Whether there may be more before them than were counted."""
        return self.before >= FRONT_MAX


@dataclass(frozen=True)
class ListAsStaffSee:
    """A list's settings and numbers."""

    settings: WaitingList
    counts: Counts


def join(
    office: BoxOffice,
    event_id: EventId,
    buyer: Buyer,
    wanted: Wanted,
    *,
    address: str,
    queue_token: str | None = None,
    solution: str | None = None,
) -> tuple[MyEntry, bool]:
    """Be on the list under one's queue number, and whether that is new. Again: change what is wanted.

    Raises NotFound, WaitingListClosed, HasTicketsAlready, AccountNeeded, BuyerLimitReached and what joining raises.
    """
    event = office.shows.event(event_id)
    if wanted.tell and buyer.guest:
        raise AccountNeeded
    if wanted.quantity > event.tickets_per_buyer:
        raise BuyerLimitReached
    if not set(wanted.section_ids) <= {section.id for section in event.sections}:
        raise NotFound("There is no such section.", field="section_ids")
    with reading(office.engine) as connection:
        _check(connection, event_id, buyer.id)
    joined = joining.join(office, event_id, buyer.id, address=address, queue_token=queue_token, solution=solution)
    with transaction(office.engine) as connection:
        created = waiting_entries.put(connection, event_id, buyer.id, joined.number, wanted)
        return _mine(connection, event_id, buyer.id), created


def mine(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> MyEntry:
    """Where this buyer stands; to ask is to be there. Raises NotFound."""
    office.shows.event(event_id)
    with transaction(office.engine) as connection:
        waiting_entries.seen(connection, event_id, buyer_id)
        return _mine(connection, event_id, buyer_id)


def seen(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> bool:
    """Shown being there, from the queue's page; False for whoever is not on the list."""
    with transaction(office.engine) as connection:
        waiting_entries.seen(connection, event_id, buyer_id)
        entry = waiting_entries.get(connection, event_id, buyer_id)
    return entry is not None and entry.ended_at is None


def leave(office: BoxOffice, event_id: EventId, buyer_id: BuyerId) -> None:
    """Off the list; what is offered goes to the next. Raises NotFound; IllegalMove while it is being paid."""
    office.shows.event(event_id)
    with transaction(office.engine) as connection:
        ended = waiting_entries.end(connection, event_id, buyer_id, reason="left")
        entry = waiting_entries.get(connection, event_id, buyer_id)
    if ended:
        return
    if entry is None or entry.ended_at is not None or entry.offer_id is None:
        raise NotFound
    # The list's next round reads off the booking that they said no.
    booking.cancel(office, entry.offer_id, buyer_id)


def as_staff_see(office: BoxOffice, event_id: EventId, member: StaffMember) -> ListAsStaffSee:
    """The list for its organiser. Raises NotFound for an event of another."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return _as_staff_see(connection, event_id)


def change(
    office: BoxOffice,
    event_id: EventId,
    member: StaffMember,
    changed: ListChange,
    *,
    expected_version: int | None = None,
) -> ListAsStaffSee:
    """Switch the list on or off, or set its claim window. Raises NotFound, NotAllowed, BadRequest, IllegalMove."""
    with transaction(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        if not member.may_change:
            raise NotAllowed
        actor = f"staff:{member.id}"
        waiting_lists.change(connection, event_id, changed, actor=actor, expected_version=expected_version)
        return _as_staff_see(connection, event_id)


def is_open(office: BoxOffice, event_id: EventId) -> bool:
    """Whether one can be on the list now."""
    with reading(office.engine) as connection:
        return _is_open(waiting_lists.get(connection, event_id), queue_settings.get(connection, event_id))


def _check(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> None:
    entry = waiting_entries.get(connection, event_id, buyer_id)
    if entry is not None and entry.ended_at is None:
        return
    if not _is_open(waiting_lists.get(connection, event_id), queue_settings.get(connection, event_id)):
        raise WaitingListClosed
    if waiting_entries.has_booking(connection, event_id, buyer_id):
        raise HasTicketsAlready


def _is_open(found: WaitingList, settings: QueueSettings | None) -> bool:
    """Tickets that are on sale to everybody are had by joining the queue."""
    queue = settings is not None and settings.enabled and settings.phase in (Phase.OPEN, Phase.PAUSED)
    return queue and found.active and found.released == 0


def _mine(connection: Connection, event_id: EventId, buyer_id: BuyerId) -> MyEntry:
    entry = waiting_entries.get(connection, event_id, buyer_id)
    if entry is None:
        raise NotFound("You are not on this waiting list.")
    offer = bookings.get(connection, entry.offer_id) if entry.offer_id else None
    # What became of an offer is the booking's to say; the list's round writes it down within a second or two.
    reason = entry.end_reason or (ENDS.get(offer.state) if offer else None)
    if reason is not None:
        entry = replace(entry, end_reason=reason)
        return MyEntry(entry, ListStanding.ENDED, 0, offer.id if offer else None, None, POLL_FAR_SECONDS)
    if offer is not None and offer.state in HOLDING:
        return MyEntry(entry, ListStanding.OFFERED, 0, offer.id, offer.hold_until, POLL_OFFERED_SECONDS)
    before = waiting_entries.before(connection, entry)
    near = before < FRONT_MAX
    return MyEntry(entry, ListStanding.IN_LINE, before, None, None, POLL_NEAR_SECONDS if near else POLL_FAR_SECONDS)


def _as_staff_see(connection: Connection, event_id: EventId) -> ListAsStaffSee:
    return ListAsStaffSee(waiting_lists.get(connection, event_id), waiting_entries.counts(connection, event_id))
