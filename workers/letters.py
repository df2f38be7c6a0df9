"""What a letter says: read from the record when it is sent, so that it tells what is so, or is not sent at all."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from email.message import EmailMessage

from sqlalchemy import Connection

from onsale.config import Config
from onsale.db import bookings, cancellations, catalogue, clock, code_uses, refunds
from onsale.db.bookings import BookedTicket, Booking
from onsale.db.catalogue import Event
from onsale.db.letters import ASKED_FOR, Letter, LetterKind
from onsale.db.price_terms import WHOLE_BP
from onsale.db.prices import written
from onsale.db.refunds import Refund, RefundReason, RefundState
from onsale.db.states import BookingState
from onsale.mail import drawing
from onsale.mail.drawing import Contents, Drawn, PriceLine, TicketLine
from onsale.mail.message import Envelope, address_of, message, sender_of
from onsale.workers import event_letters
from onsale.workers.event_letters import NotNeeded, show_of, until_words

S = BookingState
GIVEN_BACK = frozenset({LetterKind.REFUNDED, LetterKind.EVENT_CANCELLED})


class NoAddress(Exception):
    """The buyer's address is none that mail can be sent to."""


def drawn(connection: Connection, letter: Letter, *, public_url: str) -> Drawn:
    """The letter in words. NotNeeded when it would come too late or be wrong."""
    if letter.booking_id is None:
        return event_letters.drawn(connection, letter, public_url=public_url)
    booking = bookings.get(connection, letter.booking_id)
    event = catalogue.event_by_id(connection, letter.event_id)
    if booking is None or event is None:
        raise NotNeeded("There is no such booking.")
    _check(letter, booking, now=clock.now(connection))
    told = bookings.tickets_of(connection, booking.id)
    if letter.kind in GIVEN_BACK:
        contents = _given_back(connection, letter, booking, told, event=event, public_url=public_url)
    else:
        taken = [each for each in told if each.released_at is None]
        contents = _contents(booking, event, taken, total_minor=booking.amount_minor or 0, public_url=public_url)
        declined = letter.kind is LetterKind.NEEDS_BUYER and booking.state is S.HELD
        fee = booking.booking_fee.total_minor
        contents = replace(
            contents,
            booking_fee=written(fee, booking.currency) if fee else "",
            codes=_codes(connection, booking),
            within=_within(booking),
            free=not booking.amount_minor,
            until=until_words(booking.hold_until) if booking.hold_until else "",
            declined=declined,
        )
    return drawing.draw(letter.kind.value, contents)


def addressed(config: Config, letter: Letter) -> Envelope:
    """From whom to whom. NoAddress."""
    sender = sender_of(config.mail_from)
    try:
        return Envelope(letter.id, sender, address_of(letter.address))
    except ValueError as error:
        raise NoAddress("The buyer's address is none that mail can be sent to.") from error


def composed(connection: Connection, letter: Letter, *, config: Config) -> tuple[Envelope, EmailMessage]:
    """The letter, ready to be handed over. NotNeeded, NoAddress."""
    envelope = addressed(config, letter)
    words = drawn(connection, letter, public_url=config.public_url)
    stop = event_letters.stop_url(letter, config.public_url) if letter.kind in ASKED_FOR else ""
    return envelope, message(envelope, words, written_at=letter.created_at, stop_url=stop)


def _contents(
    booking: Booking, event: Event, tickets: Sequence[BookedTicket], *, total_minor: int, public_url: str
) -> Contents:
    return Contents(
        show=show_of(event),
        tickets=tuple(TicketLine(_place(each), _added(booking, each)) for each in tickets),
        total=written(total_minor, booking.currency),
        link=f"{public_url}/bookings/{booking.id}",
        reference=str(booking.id),
    )


def _given_back(
    connection: Connection,
    letter: Letter,
    booking: Booking,
    tickets: Sequence[BookedTicket],
    *,
    event: Event,
    public_url: str,
) -> Contents:
    """All that came back until now; of a cancelled event, what comes back for it."""
    cancelled = letter.kind is LetterKind.EVENT_CANCELLED
    told = {
        refund.id: refund
        for refund in refunds.of_booking(connection, booking.id)
        if (refund.reason is RefundReason.EVENT_CANCELLED if cancelled else refund.state is RefundState.SUCCEEDED)
    }
    if not told:
        raise NotNeeded("Nothing was given back.")
    voided = refunds.voided(connection, booking.id)
    gone = [each for each in tickets if voided.get(each.ticket_id) in told]
    total, kept = sum(one.amount_minor for one in told.values()), sum(one.kept_minor for one in told.values())
    why = cancellations.get(connection, booking.event_id) if cancelled else None
    lines = sum(booking.terms.of_ticket(each.price_minor).total_minor for each in gone)
    fee = booking.booking_fee.total_minor
    # It goes back with the last ticket of the booking.
    came_back = total + kept > lines
    return replace(
        _contents(booking, event, gone, total_minor=total, public_url=public_url),
        booking_fee=written(fee, booking.currency) if fee and came_back else "",
        fee_kept=written(fee, booking.currency) if fee and not came_back else "",
        free=not total,
        to_card=any(one.amount_minor and not one.paid_elsewhere for one in told.values()),
        elsewhere=_elsewhere(told.values()),
        kept=written(kept, booking.currency) if kept else "",
        reason=why.reason if why else "",
    )


def _elsewhere(given: Iterable[Refund]) -> tuple[PriceLine, ...]:
    """What did not go back to the card, and how it did."""
    return tuple(
        PriceLine(one.paid_note or "", written(one.amount_minor, one.currency)) for one in given if one.paid_elsewhere
    )


def _check(letter: Letter, booking: Booking, *, now: datetime) -> None:
    if letter.kind in GIVEN_BACK:
        return
    if letter.kind is LetterKind.TICKETS:
        if booking.state is not S.CONFIRMED:
            raise NotNeeded(f"The booking is {booking.state} now.")
        return
    if booking.state not in (S.REQUIRES_ACTION, S.HELD) or booking.voiding:
        raise NotNeeded(f"The booking is {'ending' if booking.voiding else booking.state} now.")
    if booking.hold_until is None or booking.hold_until <= now:
        raise NotNeeded("The time to pay was over.")


def _place(ticket: BookedTicket) -> str:
    place = f"row {ticket.row_name}, seat {ticket.seat_name}" if ticket.row_name and ticket.seat_name else "standing"
    return ", ".join(part for part in (ticket.section_name, place, ticket.tier) if part)


def _added(booking: Booking, ticket: BookedTicket) -> str:
    """What a ticket adds to the booking, with its fee and tax."""
    return written(booking.terms.of_ticket(ticket.price_minor).total_minor, booking.currency)


def _codes(connection: Connection, booking: Booking) -> tuple[PriceLine, ...]:
    """What each code took off, as the booking's page tells it."""
    used = code_uses.of_booking(connection, booking.id) if booking.code_ids else ()
    return tuple(
        PriceLine(one.code, written(one.discount_minor, booking.currency)) for one in used if one.discount_minor
    )


def _within(booking: Booking) -> tuple[PriceLine, ...]:
    """What of the total is no ticket."""
    bill = booking.bill
    if bill is None:
        return ()
    tax = f"of which tax, {booking.terms.tax_bp / WHOLE_BP:.2%}"
    parts = (("of which fees", bill.fees_minor), (tax, bill.taxes_minor))
    return tuple(PriceLine(word, written(minor, booking.currency)) for word, minor in parts if minor)
