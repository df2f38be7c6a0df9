"""Bookings on pages: book from the seats or hands-free, watch what becomes of it, pay, ask for time, cancel."""

from __future__ import annotations

from dataclasses import replace
from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request

from onsale.db.bookings import Booking
from onsale.db.catalogue import Event
from onsale.db.ids import BookingId, BuyerId, TicketId, event_of_booking
from onsale.db.wishes import Wish
from onsale.errors import BadRequest, NotFound, OnsaleError
from onsale.web import auth, booking, limits, refunding
from onsale.web.box_office import box_office
from onsale.web.pages import (
    booking_views,
    codes,
    cookies,
    going,
    guests,
    paying,
    places,
    price_words,
    shows,
    test_cards,
    tier_choice,
)
from onsale.web.pages.events import wishes_from

bookings = Blueprint("bookings", __name__)

AMOUNT_DIGITS_MAX = 15


@bookings.post("/events/<int:event_id>/bookings")
def book(event_id: int) -> Response:
    """Book the seats picked, or the best available, with the admission this browser holds."""
    office, event = box_office(), shows.event(event_id)
    buyer_id, fresh = guests.buyer_or_guest(office)
    section = request.form.get("section", type=int)
    try:
        _limit(buyer_id)
        accepted = _accepted(_in_person(event, buyer_id))
    except OnsaleError as error:
        response = going.back(error, "choosing.show", event_id=event_id, section=section)
    else:
        response = going.to("bookings.show", booking_id=accepted.id)
    if fresh:
        auth.start_page_session(response, fresh)
    return response


def _in_person(event: Event, buyer_id: BuyerId) -> booking.Request:
    return booking.Request(
        event_id=event.id,
        buyer_id=buyer_id,
        key=_form_key(),
        wishes=(_picked(event),) if "ticket" in request.form else wishes_from(request.form, event),
        admission_token=cookies.admission_token(),
        device=cookies.device(),
        address=request.remote_addr or "",
        codes=codes.kept(event.id),
    )


@bookings.post("/events/<int:event_id>/hands-free")
def handsfree(event_id: int) -> Response:
    """Say once what is wanted and how it is paid; the booking waits in the queue in the buyer's stead."""
    office, event = box_office(), shows.event(event_id)
    buyer_id, fresh = guests.buyer_or_guest(office)
    try:
        _limit(buyer_id)
        accepted = _accepted(_hands_free(event, buyer_id))
    except OnsaleError as error:
        response = going.back(error, "events.show", event_id=event_id)
    else:
        response = going.to("bookings.show", booking_id=accepted.id)
    if fresh:
        auth.start_page_session(response, fresh)
    return response


def _hands_free(event: Event, buyer_id: BuyerId) -> booking.Request:
    card = request.form.get("payment_method", "")
    if card not in {each.method for each in test_cards.cards(box_office().config)}:
        raise BadRequest("Choose a card.", field="payment_method")
    return booking.Request(
        event_id=event.id,
        buyer_id=buyer_id,
        key=_form_key(),
        wishes=wishes_from(request.form, event),
        payment_method=card,
        address=request.remote_addr or "",
        codes=codes.kept(event.id),
        device=cookies.device(),
    )


def _accepted(asked: booking.Request) -> Booking:
    """The booking, under the place that this browser can prove."""
    return places.with_token(lambda token: booking.accept_booking(box_office(), replace(asked, queue_token=token)))


@bookings.get("/bookings")
def mine() -> Response:
    """Everything this visitor booked, newest first."""
    visitor = auth.buyer_if_any()
    lines = booking_views.lines_of(box_office(), visitor.id) if visitor else []
    return _private(render_template("bookings.html", bookings=lines))


@bookings.get("/bookings/<uuid:booking_id>")
def show(booking_id: UUID) -> Response:
    """One booking as it stands; coming back from the bank ends here too."""
    office = box_office()
    if auth.buyer_if_any() is None and event_of_booking(booking_id) is not None:
        # From a letter, on a device where nobody is signed in.
        return going.to("accounts.sign_in", next=request.path)
    mine_id, buyer_id = _mine(booking_id)
    if request.args:
        # The provider adds its own secrets to the address; they stay in no history.
        booking.returned(office, mine_id, buyer_id)
        return going.to("bookings.show", booking_id=booking_id)
    view = booking_views.booking_view(office, mine_id, buyer_id)
    return _private(
        render_template(
            "booking.html",
            view=view,
            booking=view.booking,
            words=view.words,
            event=shows.event(view.booking.event_id),
            methods=test_cards.cards(office.config),
            elements=paying.elements_of(office.config),
        )
    )


@bookings.post("/bookings/<uuid:booking_id>/payment")
def pay(booking_id: UUID) -> Response:
    """Try this card."""
    office = box_office()
    mine_id, buyer_id = _mine(booking_id)
    card = request.form.get("payment_method", "")
    try:
        limits.by_buyer(limits.PAYMENTS_OF_BUYER, buyer_id)
        paying.check(office.config, card)
        booking.pay(office, mine_id, buyer_id, payment_method=card, key=_form_key())
    except OnsaleError as error:
        return going.back(error, "bookings.show", booking_id=booking_id)
    return going.to("bookings.show", booking_id=booking_id)


@bookings.post("/bookings/<uuid:booking_id>/extend")
def extend(booking_id: UUID) -> Response:
    """More time to pay."""
    mine_id, buyer_id = _mine(booking_id)
    try:
        booking.extend(box_office(), mine_id, buyer_id)
    except OnsaleError as error:
        return going.back(error, "bookings.show", booking_id=booking_id)
    return going.to("bookings.show", booking_id=booking_id)


@bookings.post("/bookings/<uuid:booking_id>/cancel")
def cancel(booking_id: UUID) -> Response:
    """Give the tickets back before paying."""
    mine_id, buyer_id = _mine(booking_id)
    try:
        booking.cancel(box_office(), mine_id, buyer_id)
    except OnsaleError as error:
        return going.back(error, "bookings.show", booking_id=booking_id)
    return going.to("bookings.show", booking_id=booking_id)


@bookings.post("/bookings/<uuid:booking_id>/refund")
def give_back(booking_id: UUID) -> Response:
    """Give paid tickets back, for the amount that the form showed."""
    mine_id, buyer_id = _mine(booking_id)
    shown = request.form.get("amount_minor", "")
    try:
        limits.by_buyer(limits.PAYMENTS_OF_BUYER, buyer_id)
        if not (shown.isascii() and shown.isdigit() and len(shown) <= AMOUNT_DIGITS_MAX):
            raise BadRequest("This form is incomplete. Reload the page and try again.", field="amount_minor")
        refunding.cancel_paid(box_office(), mine_id, buyer_id, amount_minor=int(shown), key=_form_key())
    except OnsaleError as error:
        return going.back(error, "bookings.show", booking_id=booking_id)
    return going.to("bookings.show", booking_id=booking_id)


def _limit(buyer_id: BuyerId) -> None:
    limits.by_buyer(limits.BOOKINGS_OF_BUYER, buyer_id)
    limits.by_address(limits.BOOKINGS)


def _mine(booking_id: UUID) -> tuple[BookingId, BuyerId]:
    """The booking asked for and who asks; a stranger learns no more than that there is nothing of theirs."""
    visitor = auth.buyer_if_any()
    if visitor is None or event_of_booking(booking_id) is None:
        raise NotFound
    return BookingId(booking_id), visitor.id


def _picked(event: Event) -> Wish:
    """The seats ticked in the list (or picked in the picture, which ticks them)."""
    texts = request.form.getlist("ticket")
    if not 1 <= len(texts) <= event.tickets_per_buyer:
        raise BadRequest(f"Pick between 1 and {event.tickets_per_buyer} seats.", field="ticket")
    if not all(text.isascii() and text.isdigit() for text in texts):
        raise BadRequest("These are no seats of this house.", field="ticket")
    tickets = tuple(TicketId(int(text)) for text in dict.fromkeys(texts))
    others = tier_choice.asked(request.form, event)
    if len(others) > len(tickets):
        raise BadRequest(f"You picked {len(tickets)} seats, and {len(others)} tickets at other prices.", field="count")
    # By count: the form says of how many seats another price is asked for, the rest are of the first one.
    tiers = (None,) * (len(tickets) - len(others)) + others if any(others) else ()
    section = request.form.get("section", type=int)
    shown = price_words.shown(request.form, event).in_section(section, len(tickets), tiers)
    or_similar = request.form.get("or_similar") == "1"
    return Wish(tickets=tickets, or_similar=or_similar, expected_total_minor=shown, tiers=tiers)


def _form_key() -> str:
    """The key the form was drawn with: pressing twice, or reloading the answer, books once."""
    key = request.form.get("idempotency_key", "")
    if not key:
        raise BadRequest("This form is incomplete. Reload the page and try again.", field="idempotency_key")
    return key[: booking.KEY_CHARACTERS_MAX]


def _private(page: str) -> Response:
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response
