"""The waiting list after sold out, and letters that a buyer asks for; for buyers and for staff."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from flask import request
from pydantic import BeforeValidator, Field

from onsale import errors as e
from onsale.db.ids import EventId
from onsale.db.reminders import Reminder
from onsale.db.waiting_entries import SECTIONS_MAX, Wanted
from onsale.db.waiting_lists import CLAIM_SECONDS_LEAST, CLAIM_SECONDS_MAX, ListChange
from onsale.db.wishes import TICKETS_PER_WISH_MAX
from onsale.web import limits, reminding, waiting_list
from onsale.web.api.bookings import PRICE_MAX
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import WHOLE, EventPath, Moment
from onsale.web.api.queue import PLACE_REFUSALS, JoinHeaders, QueueHeaders
from onsale.web.auth import Buyer, StaffMember
from onsale.web.box_office import box_office
from onsale.web.waiting_list import ListAsStaffSee, ListStanding, MyEntry

lists = Routes("waiting_list", "The waiting list")

_PRIVATE = {"Cache-Control": "no-store"}
SECTION_MAX = (1 << 31) - 1
ReminderWord = Annotated[Reminder, BeforeValidator(lambda word: Reminder(word) if isinstance(word, str) else word)]


class WantedBody(Asked):
    """What to wait for: how many tickets, in which sections (none: any), up to which price each, all fees and taxes in.

    `tell`: write to the account's address when a ticket comes back.
    """

    quantity: Annotated[int, Field(ge=1, le=TICKETS_PER_WISH_MAX), WHOLE] = 1
    section_ids: list[Annotated[int, Field(ge=1, le=SECTION_MAX), WHOLE]] = Field([], max_length=SECTIONS_MAX)
    max_price_minor: Annotated[int, Field(ge=0, le=PRICE_MAX), WHOLE] | None = None
    tell: bool = False

    def wanted(self) -> Wanted:
        return Wanted(self.quantity, tuple(dict.fromkeys(self.section_ids)), self.max_price_minor, self.tell)


class EntryDocument(Told):
    """Where I stand on the list; ask every `poll_seconds`, which shows that I am there.

    `before` counts those who are there and come first, up to a thousand. Offered: pay `booking_id` until
    `offered_until`, or leave the list, and it goes to the next.
    """

    event_id: int
    number: int
    standing: ListStanding
    before: int
    quantity: int
    section_ids: list[int]
    max_price_minor: int | None
    tell: bool
    joined_at: Moment
    booking_id: UUID | None
    offered_until: Moment | None
    end_reason: str | None
    poll_seconds: int


class ListBody(Asked):
    """What to change; what is left out stays. `version`: refuse if somebody else has changed it since."""

    enabled: bool | None = None
    claim_seconds: Annotated[int, Field(ge=CLAIM_SECONDS_LEAST, le=CLAIM_SECONDS_MAX), WHOLE] | None = None
    version: Annotated[int, Field(ge=0, le=(1 << 31) - 1), WHOLE] | None = None


class ListDocument(Told):
    """A waiting list as its organiser sees it; `began_at` null: never sold out; `released`: tickets left to all."""

    event_id: int
    enabled: bool
    claim_seconds: int
    began_at: Moment | None
    released: int
    in_line: int
    present: int
    asleep: int
    offered: int
    taken: int
    lapsed: int
    declined: int
    version: int


class ReminderBody(Asked):
    """Which letter: some minutes before the sale opens, or before my turn."""

    kind: ReminderWord


class ReminderPath(EventPath):
    """Names a reminder of an event."""

    # Not the enum: the description of a path has no place for its definition.
    kind: Literal["sale_opens", "turn_near"]


class RemindersDocument(Told):
    """The letters I am still to get about this event."""

    event_id: int
    kinds: list[Reminder]


class LetterPath(Asked):
    """Names a letter."""

    letter_id: UUID


@lists.post(
    "/v1/events/{event_id}/waiting-list/me",
    answers={200: EntryDocument, 201: EntryDocument},
    raises=(
        e.WaitingListClosed,
        e.HasTicketsAlready,
        e.AccountNeeded,
        e.BuyerLimitReached,
        e.NotOpenYet,
        e.QueueClosed,
        e.AddressLimitReached,
        e.BadQueueToken,
        e.PlaceHandedOver,
        e.WorkNeeded,
        e.PlaceRevoked,
        e.TooManyRequests,
    ),
)
def join_waiting_list(path: EventPath, headers: JoinHeaders, body: WantedBody, buyer: Buyer) -> Answer[EntryDocument]:
    """Be on the waiting list under my queue number; again, change what I wait for"""
    limits.by_buyer(limits.BOOKINGS_OF_BUYER, buyer.id)
    mine, created = waiting_list.join(
        box_office(),
        EventId(path.event_id),
        buyer,
        body.wanted(),
        address=request.remote_addr or "",
        queue_token=headers.queue_token,
        solution=headers.join_work,
    )
    return Answer(_entry(mine), 201 if created else 200, _PRIVATE)


@lists.get("/v1/events/{event_id}/waiting-list/me")
def show_waiting_list_place(path: EventPath, buyer: Buyer) -> Answer[EntryDocument]:
    """Where I stand on the waiting list; asking shows that I am there"""
    return Answer(_entry(waiting_list.mine(box_office(), EventId(path.event_id), buyer.id)), headers=_PRIVATE)


@lists.delete("/v1/events/{event_id}/waiting-list/me", answers={204: None}, raises=(e.IllegalMove,))
def leave_waiting_list(path: EventPath, buyer: Buyer) -> Answer[Told]:
    """Leave the waiting list; what is offered to me goes to the next"""
    waiting_list.leave(box_office(), EventId(path.event_id), buyer.id)
    return Answer(None, 204)


@lists.get("/v1/events/{event_id}/reminders")
def show_reminders(path: EventPath, buyer: Buyer) -> Answer[RemindersDocument]:
    """Which letters I am still to get"""
    event_id = EventId(path.event_id)
    return _reminders(event_id, reminding.asked(box_office(), event_id, buyer.id))


@lists.post(
    "/v1/events/{event_id}/reminders",
    raises=(e.AccountNeeded, e.ReminderTooLate, e.TooManyReminders, *PLACE_REFUSALS, e.TooManyRequests),
)
def ask_for_reminder(
    path: EventPath, headers: QueueHeaders, body: ReminderBody, buyer: Buyer
) -> Answer[RemindersDocument]:
    """Write to me some minutes before the sale opens, or before my turn; once"""
    limits.by_buyer(limits.BOOKINGS_OF_BUYER, buyer.id)
    event_id = EventId(path.event_id)
    kinds = reminding.ask(box_office(), event_id, buyer, body.kind, queue_token=headers.queue_token)
    return _reminders(event_id, kinds)


@lists.delete("/v1/events/{event_id}/reminders/{kind}", answers={204: None})
def forget_reminder(path: ReminderPath, buyer: Buyer) -> Answer[Told]:
    """Do not write to me"""
    reminding.forget(box_office(), EventId(path.event_id), buyer.id, Reminder(path.kind))
    return Answer(None, 204)


@lists.post("/v1/letters/{letter_id}/stop", answers={204: None})
def stop_letters(path: LetterPath) -> Answer[Told]:
    """No more letters like this one (RFC 8058: a mail program's one click)"""
    reminding.stop(box_office(), path.letter_id)
    return Answer(None, 204)


@lists.get("/v1/admin/events/{event_id}/waiting-list")
def show_waiting_list(path: EventPath, staff: StaffMember) -> Answer[ListDocument]:
    """How a waiting list stands"""
    return _list(waiting_list.as_staff_see(box_office(), EventId(path.event_id), staff))


@lists.patch("/v1/admin/events/{event_id}/waiting-list", raises=(e.NotAllowed, e.IllegalMove, e.BadRequest))
def change_waiting_list(path: EventPath, body: ListBody, staff: StaffMember) -> Answer[ListDocument]:
    """Switch a waiting list on or off, or set how long an offer is kept"""
    changed = ListChange(body.enabled, body.claim_seconds)
    event_id, version = EventId(path.event_id), body.version
    return _list(waiting_list.change(box_office(), event_id, staff, changed, expected_version=version))


def _entry(mine: MyEntry) -> EntryDocument:
    entry = mine.entry
    return EntryDocument(
        event_id=entry.event_id,
        number=entry.number,
        standing=mine.standing,
        before=mine.before,
        quantity=entry.wanted.quantity,
        section_ids=list(entry.wanted.section_ids),
        max_price_minor=entry.wanted.max_price_minor,
        tell=entry.wanted.tell,
        joined_at=entry.joined_at,
        booking_id=mine.offer_id,
        offered_until=mine.offered_until,
        end_reason=entry.end_reason,
        poll_seconds=mine.poll_seconds,
    )


def _list(found: ListAsStaffSee) -> Answer[ListDocument]:
    settings, counts = found.settings, found.counts
    document = ListDocument(
        event_id=settings.event_id,
        enabled=settings.enabled,
        claim_seconds=settings.claim_seconds,
        began_at=settings.began_at,
        released=settings.released,
        in_line=counts.in_line,
        present=counts.present,
        asleep=counts.asleep,
        offered=counts.offered,
        taken=counts.taken,
        lapsed=counts.lapsed,
        declined=counts.declined,
        version=settings.version,
    )
    return Answer(document, headers=_PRIVATE)


def _reminders(event_id: EventId, kinds: frozenset[Reminder]) -> Answer[RemindersDocument]:
    return Answer(RemindersDocument(event_id=event_id, kinds=sorted(kinds)), headers=_PRIVATE)
