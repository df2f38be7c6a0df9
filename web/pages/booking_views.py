"""Reading a booking for its page: the booking, its tickets, its history, the last card tried, and the words for it."""

from __future__ import annotations

from dataclasses import dataclass

from onsale.db import bookings, code_uses, holds, payments, refunds
from onsale.db.allocation import Refusal
from onsale.db.bookings import BookedTicket, Booking, Move
from onsale.db.charges import Attempt, AttemptOutcome
from onsale.db.code_uses import UsedCode
from onsale.db.engine import reading
from onsale.db.ids import BookingId, BuyerId
from onsale.db.prices import charge_bounds
from onsale.db.refunds import Refund, RefundReason
from onsale.db.states import BookingState
from onsale.errors import NotFound
from onsale.web import refunding
from onsale.web.box_office import BoxOffice
from onsale.web.pages import booking_words, shows
from onsale.web.pages.booking_words import BookingWords
from onsale.web.pages.shows import Card
from onsale.web.pages.words import money
from onsale.web.refunding import Offer
from onsale.web.timeline import Step, timeline

LISTED_MAX = 50


@dataclass(frozen=True)
class BookingView:
    """All that a booking's page shows; `tickets` are those it still has."""

    booking: Booking
    tickets: tuple[BookedTicket, ...]
    history: tuple[Move, ...]
    attempt: Attempt | None
    words: BookingWords
    # Tried while the bank still asks about the one before, and not taken.
    refused: Attempt | None = None
    refunds: tuple[Refund, ...] = ()
    offer: Offer | None = None
    codes: tuple[UsedCode, ...] = ()

    @property
    def extensions_left(self) -> int:
        """How many more times the deadline may be moved."""
        return max(0, holds.EXTENSIONS_MAX - self.booking.hold_extensions)

    @property
    def timeline(self) -> tuple[Step, ...]:
        """The steps made, and those to come."""
        return timeline(self.booking, self.history, owed=refunds.is_owed(self.refunds, self.booking.state))


@dataclass(frozen=True)
class BookingLine:
    """A booking in a list."""

    booking: Booking
    event: Card
    words: BookingWords


def booking_view(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> BookingView:
    """This buyer's booking. Raises NotFound, also for somebody else's."""
    with reading(office.engine) as connection:
        found = bookings.get(connection, booking_id)
        if found is None or found.buyer_id != buyer_id:
            raise NotFound
        # Each read stands alone: what the lane wrote after the first is shown by the next drawing, whole.
        taken = bookings.tickets_of(connection, booking_id) if found.amount_minor is not None else ()
        tickets = tuple(each for each in taken if each.released_at is None)
        history = tuple(move for move in bookings.history(connection, booking_id) if move.version <= found.version)
        tried = payments.attempts(connection, booking_id)
        given = refunds.of_booking(connection, booking_id) if found.state in refunding.GIVEN_BACK else ()
        offer = refunding.offer(connection, found) if found.state is BookingState.CONFIRMED else None
        codes = code_uses.of_booking(connection, booking_id) if found.code_ids else ()
    attempt, refused = payments.standing(tried), payments.refused_since(tried)
    words = _told(found, attempt, given)
    return BookingView(found, tickets, history, attempt, words, refused, given, offer, codes)


def lines_of(office: BoxOffice, buyer_id: BuyerId) -> list[BookingLine]:
    """This buyer's bookings, newest first."""
    with reading(office.engine) as connection:
        found = bookings.of_buyer(connection, buyer_id, limit=LISTED_MAX)
        given = refunds.of_bookings(connection, [one.id for one in found if one.state in refunding.GIVEN_BACK])
    lines = []
    for booking in found:
        event = shows.event(booking.event_id)
        place = f"{event.venue.name}, {event.venue.city}"
        card = Card(event.id, event.name, event.starts_at, place, event.currency, None, None)
        lines.append(BookingLine(booking, card, _told(booking, None, given.get(booking.id, ()))))
    return lines


def _told(booking: Booking, attempt: Attempt | None, given: tuple[Refund, ...]) -> BookingWords:
    """How the booking stands, and whether its money has arrived."""
    words = _words(booking, attempt)
    return booking_words.owed(words) if refunds.is_owed(given, booking.state) else words


def _words(booking: Booking, attempt: Attempt | None) -> BookingWords:
    if booking.reason == Refusal.PRICE_CHANGED:
        # Of the wish that was asked for first; the others are what would have done instead.
        shown = next((wish.expected_total_minor for wish in booking.wishes if wish.expected_total_minor is not None), 0)
        return booking_words.dearer(money(shown, booking.currency))
    bounds = charge_bounds(booking.currency)
    least, most = (money(amount, booking.currency) for amount in bounds)
    if (unpayable := booking_words.unpayable(booking.reason, least=least, most=most)) is not None:
        return unpayable
    if (refused := booking_words.of_refusal(booking.reason)) is not None:
        return refused
    if booking.state is BookingState.UNAVAILABLE and booking.reason in booking_words.CODE_REFUSED:
        return booking_words.CODE_REFUSED[booking.reason]
    if booking.voiding and booking.reason == payments.CARD_LIMIT:
        return booking_words.CARD_LET_GO
    declined = attempt is not None and attempt.outcome is AttemptOutcome.DECLINED
    charging = booking.payment_method is not None and attempt is None
    return booking_words.words_for(
        booking.state,
        charging=charging,
        declined=declined,
        cancelling=booking.voiding,
        called_off=booking.reason == RefundReason.EVENT_CANCELLED,
        waiting=attempt is not None and attempt.processing_until is not None,
    )
