"""The page of the waiting list, and letters that are asked for or stopped. All plain forms; works without a script."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, flash, make_response, render_template, request

from onsale.db.catalogue import Event
from onsale.db.letters import LetterKind
from onsale.db.reminders import Reminder
from onsale.db.waiting_entries import Wanted
from onsale.errors import BadRequest, NotFound, OnsaleError
from onsale.web import auth, limits, reminding, waiting_list
from onsale.web.auth import Buyer
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.pages import cookies, going, guests, places, sales, shows, words
from onsale.web.waiting_list import ListStanding, MyEntry

lists = Blueprint("lists", __name__)

INSIDE = ("admitted", "entered", "holding")
WHICH = {
    LetterKind.SALE_OPENS: "that the sale of this show opens",
    LetterKind.TURN_NEAR: "that your turn at this show is near",
    LetterKind.TICKET_BACK: "that a ticket for this show came back",
}


@lists.get("/events/<int:event_id>/waiting-list")
def show(event_id: int) -> Response:
    """Where I stand on the list; asking counts as being there."""
    office, event = box_office(), shows.event(event_id)
    if auth.buyer_if_any() is None:
        # From a letter, on a device where nobody is signed in.
        return going.to("accounts.sign_in", next=request.path)
    mine = _mine(office, event)
    place = places.place_if_known(office, event.id)
    offered = mine is not None and mine.standing is ListStanding.OFFERED
    # What nobody on the list wants is had through the queue, also by who is on it; an offer comes first.
    if not offered and place is not None and place.standing.value in INSIDE:
        return going.to("waiting.show", event_id=event_id)
    sale = sales.sale_if_known(office, event.id)
    page = render_template(
        "waiting_list.html", event=event, sale=sale, mine=mine, open=waiting_list.is_open(office, event.id)
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@lists.post("/events/<int:event_id>/waiting-list")
def join(event_id: int) -> Response:
    """Be on the list; whoever is nobody yet becomes a guest without being asked anything."""
    office, event = box_office(), shows.event(event_id)
    buyer_id, fresh = guests.buyer_or_guest(office)
    buyer = Buyer(buyer_id, guest=True) if fresh else auth.current_buyer()
    try:
        limits.by_buyer(limits.BOOKINGS_OF_BUYER, buyer_id)
        wanted = _wanted(event, buyer)
        places.with_token(
            lambda token: waiting_list.join(
                office,
                event.id,
                buyer,
                wanted,
                address=request.remote_addr or "",
                queue_token=token,
                solution=request.form.get("work"),
            )
        )
    except OnsaleError as error:
        response = going.back(error, "events.show", event_id=event_id)
    else:
        response = going.to("lists.show", event_id=event_id)
        if (place := _place_after(office, event, fresh=fresh is not None)) is not None:
            cookies.keep_queue_token(response, event.id, place)
    if fresh:
        auth.start_page_session(response, fresh)
    return response


@lists.post("/events/<int:event_id>/waiting-list/leave")
def leave(event_id: int) -> Response:
    """I want none, or not what is offered to me."""
    office, event = box_office(), shows.event(event_id)
    try:
        waiting_list.leave(office, event.id, auth.current_buyer().id)
    except OnsaleError as error:
        return going.back(error, "lists.show", event_id=event_id)
    flash("You have left the waiting list. What was offered to you goes to the next.", "good")
    return going.to("events.show", event_id=event_id)


@lists.post("/events/<int:event_id>/reminders")
def remind(event_id: int) -> Response:
    """Write to me, or do not, when the sale opens or my turn is near."""
    office, event, buyer = box_office(), shows.event(event_id), auth.current_buyer()
    kind = _kind(request.form.get("kind", ""))
    back = "waiting.show" if kind is Reminder.TURN_NEAR else "events.show"
    try:
        if request.form.get("off") == "1":
            reminding.forget(office, event.id, buyer.id, kind)
        else:
            limits.by_buyer(limits.BOOKINGS_OF_BUYER, buyer.id)
            places.with_token(lambda token: reminding.ask(office, event.id, buyer, kind, queue_token=token))
    except OnsaleError as error:
        return going.back(error, back, event_id=event_id)
    flash("We do not write to you." if request.form.get("off") == "1" else "We write to you in time, once.", "good")
    return going.to(back, event_id=event_id)


@lists.get("/letters/<uuid:letter_id>/stop")
def ask_to_stop(letter_id: UUID) -> str:
    """What a letter's link stops; a program that looks at links in advance changes nothing by it."""
    stopped = reminding.what_stops(box_office(), letter_id)
    return render_template(
        "stop_letters.html", letter_id=letter_id, which=WHICH[stopped.kind], event=shows.event(stopped.event_id)
    )


@lists.post("/letters/<uuid:letter_id>/stop")
def stop(letter_id: UUID) -> Response:
    """No more of them."""
    stopped = reminding.stop(box_office(), letter_id)
    flash("We write to you no more about this.", "good")
    return going.to("events.show", event_id=stopped.event_id)


def reminders_of(office: BoxOffice, event: Event) -> frozenset[Reminder]:
    """What the visitor is still to be reminded of; nothing for guests, and while the record is away."""
    visitor = auth.buyer_if_any()
    if visitor is None or visitor.guest:
        return frozenset()
    try:
        return reminding.asked(office, event.id, visitor.id)
    except OnsaleError:
        return frozenset()


def _mine(office: BoxOffice, event: Event) -> MyEntry | None:
    try:
        return waiting_list.mine(office, event.id, auth.current_buyer().id)
    except NotFound:
        return None


def _place_after(office: BoxOffice, event: Event, *, fresh: bool) -> str | None:
    """The token of the number that the list goes by; a fresh guest's browser has no session to ask with yet."""
    place = None if fresh else places.place_if_known(office, event.id)
    return place.queue_token if place else None


def _wanted(event: Event, buyer: Buyer) -> Wanted:
    """What the form asks for. BadRequest says what does not fit."""
    form = request.form
    quantity = form.get("quantity", "1")
    if not (quantity.isascii() and quantity.isdigit() and 1 <= int(quantity) <= event.tickets_per_buyer):
        raise BadRequest(f"Choose between 1 and {event.tickets_per_buyer} tickets.", field="quantity")
    section = form.get("section", "")
    try:
        most = words.minor_from(form.get("max_price", ""), event.currency)
    except ValueError as error:
        raise BadRequest(f"The highest price per ticket: {error}.", field="max_price") from None
    if section and not (section.isascii() and section.isdigit() and len(section) < 10):
        raise BadRequest("Choose a section of this house.", field="section")
    sections = (int(section),) if section else ()
    return Wanted(int(quantity), sections, most, tell=form.get("tell") == "1" and not buyer.guest)


def _kind(text: str) -> Reminder:
    if text not in set(Reminder):
        raise BadRequest("This form is incomplete. Reload the page and try again.", field="kind")
    return Reminder(text)
