"""A booking as the API and the pages tell it: the row, its tickets, its history and the newest card tried."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sqlalchemy import Connection

from onsale.db import bookings, code_uses, payments, refunds
from onsale.db.bookings import BookedTicket, Booking, Move
from onsale.db.holds import EXTENSIONS_MAX
from onsale.db.payments import Attempt
from onsale.db.refunds import Refund
from onsale.db.states import HOLDING, SOLD, UNDECIDED, BookingState
from onsale.queue import status
from onsale.web import refunding
from onsale.web.api.booking_schemas import (
    BookedTicketDocument,
    BookingDocument,
    MoveDocument,
    PaymentDocument,
    RefundDocument,
    RefundOfferDocument,
    RefusedCardDocument,
    StepDocument,
    UsedCodeDocument,
)
from onsale.web.api.documents import priced
from onsale.web.booking import is_settled
from onsale.web.box_office import box_office
from onsale.web.timeline import timeline

# A lane decides within a tenth of a second; a number may be minutes away.
POLL_SECONDS = {BookingState.WAITING: 5.0, BookingState.QUEUED: 0.5, BookingState.HELD: 5.0}
POLL_SECONDS_ELSE = 1.0


def booking_documents(connection: Connection, found: Sequence[Booking]) -> list[BookingDocument]:
    """The documents of these bookings."""
    return [booking_document(connection, each) for each in found]


def booking_document(connection: Connection, booking: Booking) -> BookingDocument:
    """One booking with all that became of it. What was never decided has no tickets and no card to read."""
    decided = booking.state not in UNDECIDED
    tickets = bookings.tickets_of(connection, booking.id) if decided and booking.tickets_taken else ()
    tried = payments.attempts(connection, booking.id) if booking.hold_version is not None else ()
    holding = booking.state in HOLDING
    moves = [move for move in bookings.history(connection, booking.id) if move.version <= booking.version]
    # Before it is confirmed there is nothing to give back, and nothing is read.
    given = refunds.of_booking(connection, booking.id) if booking.state in refunding.GIVEN_BACK else ()
    return BookingDocument(
        id=booking.id,
        event_id=booking.event_id,
        state=booking.state,
        settled=is_settled(booking),
        version=booking.version,
        number=booking.number,
        return_number=booking.return_number,
        tickets_wanted=booking.tickets_wanted,
        tickets=[_ticket(each, booking) for each in tickets if holding or _is_sold(each, booking)],
        **_bill(booking),
        codes=_codes(connection, booking),
        hold_until=booking.hold_until if holding else None,
        extensions_left=max(0, EXTENSIONS_MAX - booking.hold_extensions) if booking.state is BookingState.HELD else 0,
        hands_free=booking.payment_method is not None,
        cancelling=booking.voiding,
        reason=booking.reason,
        payment=_payment(tried),
        refund_offer=_offer(connection, booking),
        refunds=[refund_document(each) for each in given],
        created_at=booking.created_at,
        queued_at=booking.queued_at,
        decided_at=booking.decided_at,
        ended_at=booking.ended_at,
        history=[MoveDocument(state=move.to_state, at=move.at, reason=move.reason) for move in moves],
        timeline=_steps(booking, moves, given),
        poll_seconds=_poll_seconds(booking),
        url=f"/v1/bookings/{booking.id}",
    )


def _steps(booking: Booking, moves: Sequence[Move], given: Sequence[Refund]) -> list[StepDocument]:
    steps = timeline(booking, moves, owed=refunds.is_owed(given, booking.state))
    return [StepDocument(step=step.name, words=step.words, standing=step.standing, at=step.at) for step in steps]


def _is_sold(ticket: BookedTicket, booking: Booking) -> bool:
    return ticket.released_at is None and booking.state in SOLD


def _bill(booking: Booking) -> dict[str, Any]:
    """What it costs, as far as that is known, and what of it is what."""
    bill = booking.bill
    return {
        "amount_minor": booking.amount_minor,
        "tickets_minor": bill.tickets_minor if bill else None,
        "fees_minor": bill.fees_minor if bill else None,
        "taxes_minor": bill.taxes_minor if bill else None,
        "taxes_included": booking.terms.tax_included,
        "currency": booking.currency,
    }


def _codes(connection: Connection, booking: Booking) -> list[UsedCodeDocument]:
    # Without any nothing is read.
    found = code_uses.of_booking(connection, booking.id) if booking.code_ids else ()
    return [UsedCodeDocument(code=one.code, kind=one.kind, discount_minor=one.discount_minor) for one in found]


def _poll_seconds(booking: Booking) -> float:
    """How often to ask: a booking far from its turn as seldom as the queue's own status is asked for."""
    seconds = POLL_SECONDS.get(booking.state, POLL_SECONDS_ELSE)
    known = box_office().statuses.known(booking.event_id) if booking.state is BookingState.WAITING else None
    if known is None:
        return seconds
    number, is_return = booking.return_number or booking.number, booking.return_number is not None
    ahead = status.people_ahead(number, known.document, is_return=is_return)
    return max(seconds, float(status.poll_seconds(ahead, known.document)))


def _ticket(ticket: BookedTicket, booking: Booking) -> BookedTicketDocument:
    return BookedTicketDocument(
        ticket_id=ticket.ticket_id,
        section=ticket.section_name,
        row=ticket.row_name,
        seat=ticket.seat_name,
        tier=ticket.tier,
        price_minor=ticket.price_minor,
        **priced(booking.terms.of_ticket(ticket.price_minor)),
    )


def refund_document(refund: Refund) -> RefundDocument:
    """A refund; what the provider said when it refused is its organiser's affair."""
    return RefundDocument(**{name: getattr(refund, name) for name in RefundDocument.model_fields})


def _offer(connection: Connection, booking: Booking) -> RefundOfferDocument | None:
    offer = refunding.offer(connection, booking) if booking.state is BookingState.CONFIRMED else None
    if offer is None:
        return None
    return RefundOfferDocument(amount_minor=offer.amount_minor, kept_minor=offer.kept_minor, until=offer.until)


def _payment(tried: Sequence[Attempt]) -> PaymentDocument | None:
    attempt, refused = payments.standing(tried), payments.refused_since(tried)
    if attempt is None:
        return None
    return PaymentDocument(
        attempt=attempt.attempt,
        outcome=attempt.outcome,
        decline_code=attempt.decline_code,
        message=attempt.message,
        next_action_url=attempt.next_action_url,
        refused=_refused(refused) if refused else None,
    )


def _refused(attempt: Attempt) -> RefusedCardDocument:
    return RefusedCardDocument(attempt=attempt.attempt, decline_code=attempt.decline_code, message=attempt.message)
