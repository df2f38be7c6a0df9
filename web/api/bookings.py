"""Booking and paying: ask once, poll the result, pay, cancel."""

from __future__ import annotations

from typing import Annotated

from flask import request
from pydantic import Discriminator, Field, StringConstraints, Tag

from onsale import errors as e
from onsale.db import bookings as record
from onsale.db.bookings import Booking
from onsale.db.code_rules import CODES_PER_BOOKING_MAX
from onsale.db.engine import reading
from onsale.db.ids import BookingId, EventId, TicketId, event_of_ticket
from onsale.db.tiers import NAME_CHARACTERS_MAX
from onsale.db.wishes import TICKETS_PER_WISH_MAX, WISHES_MAX, Wish
from onsale.queue.keys import device_digest
from onsale.web import booking, limits
from onsale.web.api.booking_documents import booking_document, booking_documents
from onsale.web.api.booking_schemas import BookingDocument, BookingsDocument
from onsale.web.api.contract import Answer, Asked, Routes
from onsale.web.api.documents import PRINTABLE, TICKET_ID_MAX, WHOLE, BookingPath, EventPath, GivenMoment, TicketPath
from onsale.web.api.queue import DEVICE, QUEUE_TOKEN, DeviceId, Token
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office

bookings = Routes("bookings", "Bookings")

ADMISSION_TOKEN = "Admission-Token"  # noqa: S105  a header's name
KEY = "Idempotency-Key"
PRICE_MAX = 10_000_000_00
PAGE = 50

Key = Annotated[str, StringConstraints(min_length=1, max_length=booking.KEY_CHARACTERS_MAX, pattern=r"^[\x20-\x7e]+$")]
Method = Annotated[str, StringConstraints(min_length=4, max_length=255, pattern=r"^pm_[A-Za-z0-9_]+$")]
Total = Annotated[int, Field(ge=0, le=PRICE_MAX), WHOLE]
Section = Annotated[int, Field(ge=0, le=(1 << 31) - 1), WHOLE]
TierName = Annotated[str, StringConstraints(min_length=1, max_length=NAME_CHARACTERS_MAX, pattern=PRINTABLE)]
TierNames = Annotated[list[TierName | None], Field(max_length=TICKETS_PER_WISH_MAX)]
Codes = Annotated[
    list[Annotated[str, StringConstraints(min_length=1, max_length=64, pattern=PRINTABLE)]],
    Field(max_length=CODES_PER_BOOKING_MAX),
]


class NamedWish(Asked):
    """These tickets, all of them. `or_similar`: as many nearby when one is gone. `tiers`: the tier of each, in the same
    order; null, or none at all: the first tier of its section.

    `expected_total_minor`: what you were shown that they cost in all. More is never charged for this wish.
    """

    tickets: list[Annotated[int, Field(ge=1, le=TICKET_ID_MAX), WHOLE]] = Field(
        min_length=1, max_length=TICKETS_PER_WISH_MAX
    )
    or_similar: bool = False
    tiers: TierNames | None = None
    expected_total_minor: Total | None = None

    def wish(self) -> Wish:
        return Wish(
            tickets=tuple(TicketId(each) for each in self.tickets),
            or_similar=self.or_similar,
            tiers=tuple(self.tiers or ()),
            expected_total_minor=self.expected_total_minor,
        )


class BestWish(Asked):
    """The best available, side by side unless `together` is false; in a section, up to a price each, which is what is
    charged with all fees and taxes. `tiers`: the tier of each ticket, from left to right; null, or none at all: the
    first tier of the section. Only sections that have them all are taken. `expected_total_minor`: what you were shown
    that they cost in all; more is never charged for this wish.
    """

    quantity: Annotated[int, Field(ge=1, le=TICKETS_PER_WISH_MAX), WHOLE]
    section_id: Section | None = None
    max_price_minor: Annotated[int, Field(ge=0, le=PRICE_MAX), WHOLE] | None = None
    together: bool = True
    tiers: TierNames | None = None
    expected_total_minor: Total | None = None

    def wish(self) -> Wish:
        return Wish(
            quantity=self.quantity,
            section_id=self.section_id,
            max_price_minor=self.max_price_minor,
            together=self.together,
            tiers=tuple(self.tiers or ()),
            expected_total_minor=self.expected_total_minor,
        )


def _kind_of_wish(given: object) -> str:
    return "named" if isinstance(given, dict) and "tickets" in given else "best"


WishBody = Annotated[
    Annotated[NamedWish, Tag("named")] | Annotated[BestWish, Tag("best")], Discriminator(_kind_of_wish)
]


class BookBody(Asked):
    """What to book, in order of preference. With a `payment_method` it is charged as soon as tickets are held.

    `codes`: all of them apply, or nothing is booked. With an `early` one it is decided before the opening.
    """

    wishes: list[WishBody] = Field(min_length=1, max_length=WISHES_MAX)
    payment_method: Method | None = None
    codes: Codes = []


class TicketBody(Asked):
    """How a ticket is paid."""

    payment_method: Method | None = None
    or_similar: bool = False
    tier: TierName | None = Field(None, description="What it is to be sold as; else the first tier of its section.")
    expected_total_minor: Total | None = Field(None, description="What you were shown; more is never charged.")
    codes: Codes = []


class PayBody(Asked):
    """The card to try."""

    payment_method: Method


class BookHeaders(Asked):
    """The key makes a repeated request harmless; the admission token says that it is this buyer's turn."""

    key: Key = Field(alias=KEY, description="Yours; the same key and body give the same booking.")
    admission_token: Token | None = Field(None, alias=ADMISSION_TOKEN, description="From entering; else hands-free.")
    queue_token: Token | None = Field(None, alias=QUEUE_TOKEN, description="From joining; proves the number.")
    device: DeviceId | None = Field(None, alias=DEVICE, description="The device that entered, if it was named.")


class PayHeaders(Asked):
    """The key makes a repeated request harmless."""

    key: Key = Field(alias=KEY, description="Yours; the same key and body are the same attempt.")


class PageAsked(Asked):
    """Which page of the list."""

    before: GivenMoment | None = Field(None, description="The next_before of the page before.")


_REFUSALS = (
    e.NotFound,
    e.BadRequest,
    e.IdempotencyKeyReused,
    e.TicketTaken,
    e.BadAdmissionToken,
    e.BadQueueToken,
    e.AdmissionSpent,
    e.PlaceHandedOver,
    e.PlaceGivenUp,
    e.WorkNeeded,
    e.PlaceRevoked,
    e.OtherDevice,
    e.DeviceNeeded,
    e.BuyerLimitReached,
    e.NoSuchTier,
    e.NotDrawnYet,
    e.TierLimitReached,
    e.NotOpenYet,
    e.QueueClosed,
    e.TooManyRequests,
    e.CodeUnknown,
    e.CodeNotYet,
    e.CodeOver,
    e.CodeUsed,
    e.CodesDoNotStack,
)
_LIKE_JOINING = {202: BookingDocument}


@bookings.post("/v1/events/{event_id}/bookings", answers=_LIKE_JOINING, raises=_REFUSALS)
def book(path: EventPath, headers: BookHeaders, body: BookBody, buyer: Buyer) -> Answer[BookingDocument]:
    """Book: 202 and a URL to poll

    With an admission token it is decided at once, in the order of the numbers. Without one it is hands-free: it takes
    or keeps this buyer's number and is worked off when that is admitted.
    """
    wishes = [each.wish() for each in body.wishes]
    return _book(EventId(path.event_id), wishes, body, headers, buyer, route="bookings")


@bookings.post("/v1/book-{ticket_id}", answers=_LIKE_JOINING, raises=_REFUSALS)
def book_ticket(path: TicketPath, headers: BookHeaders, body: TicketBody, buyer: Buyer) -> Answer[BookingDocument]:
    """Book this ticket: 202 and a URL to poll"""
    ticket = TicketId(path.ticket_id)
    wish = Wish(
        tickets=(ticket,),
        or_similar=body.or_similar,
        tiers=(body.tier,) if body.tier else (),
        expected_total_minor=body.expected_total_minor,
    )
    route = f"book-{ticket}"
    return _book(event_of_ticket(ticket), [wish], body, headers, buyer, route=route)


@bookings.get("/v1/bookings")
def list_bookings(query: PageAsked, buyer: Buyer) -> Answer[BookingsDocument]:
    """My bookings, newest first"""
    with reading(box_office().engine) as connection:
        found = record.of_buyer(connection, buyer.id, limit=PAGE, before=query.before)
        documents = booking_documents(connection, found)
    more = found[-1].created_at if len(found) == PAGE else None
    return Answer(BookingsDocument(bookings=documents, next_before=more), headers=_PRIVATE)


@bookings.get("/v1/bookings/{booking_id}")
def show_booking(path: BookingPath, buyer: Buyer) -> Answer[BookingDocument]:
    """What became of a booking; poll until it is settled"""
    with reading(box_office().engine) as connection:
        found = booking.of_buyer(connection, BookingId(path.booking_id), buyer.id)
        return Answer(booking_document(connection, found), 200, _PRIVATE)


@bookings.delete("/v1/bookings/{booking_id}", raises=(e.IllegalMove,))
def cancel_booking(path: BookingPath, buyer: Buyer) -> Answer[BookingDocument]:
    """Cancel a booking that is not paid; one being charged is cancelled through the provider, poll for it"""
    return _told(booking.cancel(box_office(), BookingId(path.booking_id), buyer.id))


@bookings.post(
    "/v1/bookings/{booking_id}/payment",
    answers=_LIKE_JOINING,
    raises=(e.IllegalMove, e.HoldExpired, e.IdempotencyKeyReused, e.TooManyRequests, e.BadRequest),
)
def pay_booking(path: BookingPath, headers: PayHeaders, body: PayBody, buyer: Buyer) -> Answer[BookingDocument]:
    """Pay what is held, or try another card"""
    limits.by_buyer(limits.PAYMENTS_OF_BUYER, buyer.id)
    paying = booking.pay(
        box_office(), BookingId(path.booking_id), buyer.id, payment_method=body.payment_method, key=headers.key
    )
    return _accepted(paying)


@bookings.post("/v1/bookings/{booking_id}/extension", raises=(e.IllegalMove, e.HoldExpired))
def extend_hold(path: BookingPath, buyer: Buyer) -> Answer[BookingDocument]:
    """More time to pay, a few times"""
    return _told(booking.extend(box_office(), BookingId(path.booking_id), buyer.id))


def _book(
    event_id: EventId,
    wishes: list[Wish],
    body: BookBody | TicketBody,
    headers: BookHeaders,
    buyer: Buyer,
    *,
    route: str,
) -> Answer[BookingDocument]:
    limits.by_buyer(limits.BOOKINGS_OF_BUYER, buyer.id)
    limits.by_address(limits.BOOKINGS)
    accepted = booking.accept_booking(
        box_office(),
        booking.Request(
            event_id=event_id,
            buyer_id=buyer.id,
            key=headers.key,
            wishes=wishes,
            address=request.remote_addr or "",
            payment_method=body.payment_method,
            codes=tuple(body.codes),
            admission_token=headers.admission_token,
            queue_token=headers.queue_token,
            route=route,
            device=device_digest(headers.device),
        ),
    )
    return _accepted(accepted)


_PRIVATE = {"Cache-Control": "no-store"}


def _accepted(found: Booking) -> Answer[BookingDocument]:
    return Answer(_document(found), 202, {**_PRIVATE, "Location": f"/v1/bookings/{found.id}", "Retry-After": "1"})


def _told(found: Booking) -> Answer[BookingDocument]:
    return Answer(_document(found), 200, _PRIVATE)


def _document(found: Booking) -> BookingDocument:
    with reading(box_office().engine) as connection:
        return booking_document(connection, found)
