"""Giving money back: a buyer cancels what is paid; staff refund, set the rules for buyers, and cancel an event."""

from __future__ import annotations

from typing import Annotated, Literal
from uuid import UUID

from pydantic import Field, StringConstraints

from onsale import errors as e
from onsale.db.cancellations import REASON_CHARACTERS_MAX
from onsale.db.engine import reading
from onsale.db.ids import BookingId, EventId, TicketId
from onsale.db.prices import AMOUNT_MINOR_MAX
from onsale.db.refund_rules import BASIS_POINTS, CANCEL_UNTIL_HOURS_MAX, RefundRules
from onsale.db.refunds import NOTE_CHARACTERS_MAX, Elsewhere, Refund
from onsale.db.wishes import TICKETS_PER_WISH_MAX
from onsale.web import booking, limits, refunding
from onsale.web.api.booking_documents import booking_document, refund_document
from onsale.web.api.booking_schemas import BookingDocument, RefundDocument
from onsale.web.api.bookings import KEY, PRICE_MAX, Key
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PRINTABLE, TICKET_ID_MAX, WHOLE, BookingPath, EventPath, Moment
from onsale.web.auth import Buyer, StaffMember
from onsale.web.box_office import box_office

refunds = Routes("refunds", "Giving money back")

Ticket = Annotated[int, Field(ge=1, le=TICKET_ID_MAX), WHOLE]
_PRIVATE = {"Cache-Control": "no-store"}


class RefundHeaders(Asked):
    """The key makes a repeated request harmless."""

    key: Key = Field(alias=KEY, description="Yours; the same key and body are the same refund.")


class CancelPaidBody(Asked):
    """The `amount_minor` of the booking's `refund_offer`, as its buyer was shown it; another amount is refused."""

    amount_minor: Annotated[int, Field(ge=0, le=PRICE_MAX), WHOLE]


class RefundBody(Asked):
    """Which tickets: those named, or all that nobody was let in with. `keep_fee`: by the rules set for buyers."""

    tickets: list[Ticket] | None = Field(None, min_length=1, max_length=TICKETS_PER_WISH_MAX)
    keep_fee: bool = False


class RefundPath(Asked):
    """Names a refund."""

    refund_id: UUID


class PaidElsewhereBody(Asked):
    """`outside` the payment provider (a bank transfer, cash), or by hand at the `provider`; `note` says how."""

    way: Literal["outside", "provider"]
    note: Annotated[
        str, StringConstraints(min_length=1, max_length=NOTE_CHARACTERS_MAX, pattern=PRINTABLE, strip_whitespace=True)
    ] = Field(description="The buyer reads it.")


class RulesBody(Asked):
    """Buyers may cancel until so many hours before the show (null: not at all); kept of each ticket: a sum, a share."""

    cancel_until_hours: Annotated[int, Field(ge=0, le=CANCEL_UNTIL_HOURS_MAX), WHOLE] | None
    fee_minor: Annotated[int, Field(ge=0, le=AMOUNT_MINOR_MAX), WHOLE] = 0
    fee_basis_points: Annotated[int, Field(ge=0, le=BASIS_POINTS), WHOLE] = 0


class CancelEventBody(Asked):
    """Why; everybody with a booking reads it."""

    reason: Annotated[str, StringConstraints(min_length=1, max_length=REASON_CHARACTERS_MAX, pattern=PRINTABLE)]


class RulesDocument(Told):
    """The rules for buyers who cancel; null: they cannot."""

    cancel_until_hours: int | None
    fee_minor: int
    fee_basis_points: int


class CancellationDocument(Told):
    """A cancelled event, and how far its refunds have got, counted in bookings; `done_at` null: it goes on.

    `let_in` are paid bookings left alone because every ticket of theirs was used at the door.
    """

    event_id: int
    reason: str
    asked_at: Moment
    done_at: Moment | None
    total: int
    done: int
    failed: int
    let_in: int
    open: int


@refunds.post(
    "/v1/bookings/{booking_id}/refund",
    answers={202: BookingDocument},
    raises=(
        e.CancellationClosed,
        e.IllegalMove,
        e.TicketCheckedIn,
        e.PaymentDisputed,
        e.RefundChanged,
        e.IdempotencyKeyReused,
        e.TooManyRequests,
    ),
)
def cancel_paid_booking(
    path: BookingPath, headers: RefundHeaders, body: CancelPaidBody, buyer: Buyer
) -> Answer[BookingDocument]:
    """Cancel a paid booking within the organiser's rules: 202 and a URL to poll

    What goes back is in the booking's `refund_offer`; without one it cannot be cancelled.
    """
    limits.by_buyer(limits.PAYMENTS_OF_BUYER, buyer.id)
    office, booking_id = box_office(), BookingId(path.booking_id)
    refunding.cancel_paid(office, booking_id, buyer.id, amount_minor=body.amount_minor, key=headers.key)
    with reading(office.engine) as connection:
        found = booking.of_buyer(connection, booking_id, buyer.id)
        document = booking_document(connection, found)
    return Answer(document, 202, {**_PRIVATE, "Location": f"/v1/bookings/{booking_id}", "Retry-After": "1"})


@refunds.post(
    "/v1/admin/bookings/{booking_id}/refund",
    answers={202: RefundDocument},
    raises=(
        e.NotAllowed,
        e.BadRequest,
        e.IllegalMove,
        e.TicketCheckedIn,
        e.PaymentDisputed,
        e.IdempotencyKeyReused,
    ),
)
def refund_booking(
    path: BookingPath, headers: RefundHeaders, body: RefundBody, staff: StaffMember
) -> Answer[RefundDocument]:
    """Give money back for a booking, or for some of its tickets"""
    tickets = None if body.tickets is None else [TicketId(each) for each in body.tickets]
    asked = refunding.refund(
        box_office(), BookingId(path.booking_id), staff, tickets=tickets, keep_fee=body.keep_fee, key=headers.key
    )
    return _refund(asked)


@refunds.post(
    "/v1/admin/refunds/{refund_id}/retry", answers={202: RefundDocument}, raises=(e.NotAllowed, e.IllegalMove)
)
def retry_refund(path: RefundPath, staff: StaffMember) -> Answer[RefundDocument]:
    """Ask the provider once more for a refund that it refused"""
    return _refund(refunding.try_again(box_office(), path.refund_id, staff))


@refunds.post(
    "/v1/admin/refunds/{refund_id}/paid-elsewhere",
    answers={200: RefundDocument},
    raises=(e.NotAllowed, e.IllegalMove),
)
def end_refund_paid_elsewhere(path: RefundPath, body: PaidElsewhereBody, staff: StaffMember) -> Answer[RefundDocument]:
    """Say that a refund which the provider refuses was paid back in another way; it cannot be undone"""
    paid = refunding.say_paid(box_office(), path.refund_id, staff, way=Elsewhere(body.way), note=body.note)
    return Answer(refund_document(paid), headers=_PRIVATE)


@refunds.patch("/v1/admin/events/{event_id}/refund-rules", raises=(e.NotAllowed, e.BadRequest))
def set_refund_rules(path: EventPath, body: RulesBody, staff: StaffMember) -> Answer[RulesDocument]:
    """Set until when buyers may cancel what is paid, and what is kept"""
    hours = body.cancel_until_hours
    rules = None if hours is None else RefundRules(hours, body.fee_minor, body.fee_basis_points)
    refunding.set_rules(box_office(), EventId(path.event_id), staff, rules)
    fees = (rules.fee_minor, rules.fee_basis_points) if rules else (0, 0)
    return Answer(
        RulesDocument(cancel_until_hours=hours, fee_minor=fees[0], fee_basis_points=fees[1]), headers=_PRIVATE
    )


@refunds.post("/v1/admin/events/{event_id}/cancel", answers={202: CancellationDocument}, raises=(e.NotAllowed,))
def cancel_event(path: EventPath, body: CancelEventBody, staff: StaffMember) -> Answer[CancellationDocument]:
    """The show does not take place: stop selling, end every booking, refund everyone; poll its progress"""
    refunding.cancel_event(box_office(), EventId(path.event_id), staff, reason=body.reason)
    return Answer(_cancellation(EventId(path.event_id), staff), 202, _PRIVATE)


@refunds.get("/v1/admin/events/{event_id}/cancellation")
def show_cancellation(path: EventPath, staff: StaffMember) -> Answer[CancellationDocument]:
    """How far the refunds of a cancelled event have got"""
    return Answer(_cancellation(EventId(path.event_id), staff), headers=_PRIVATE)


def _refund(asked: Refund) -> Answer[RefundDocument]:
    return Answer(refund_document(asked), 202, _PRIVATE)


def _cancellation(event_id: EventId, staff: StaffMember) -> CancellationDocument:
    given = refunding.given(box_office(), event_id, staff)
    if given.cancellation is None:
        raise e.NotFound
    cancelled, progress = given.cancellation, given.progress
    return CancellationDocument(
        event_id=event_id,
        reason=cancelled.reason,
        asked_at=cancelled.asked_at,
        done_at=cancelled.done_at,
        total=progress.total,
        done=progress.done,
        failed=progress.failed,
        let_in=progress.let_in,
        open=progress.open,
    )
