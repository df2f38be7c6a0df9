"""The queue page and what is done on it: join, show being there, go in, come back, leave. Works without a script."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, flash, jsonify, make_response, render_template, request

from onsale.db.ids import BuyerId, EventId
from onsale.errors import OnsaleError, PlaceHandedOver, PlaceRevoked, WeightNotCounted
from onsale.web import auth, joining, limits, newcomers, tokens, waiting_list, weighing
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.joining import Joined, MyPlace
from onsale.web.pages import (
    codes,
    cookies,
    going,
    guests,
    places,
    queue_words,
    readiness,
    sales,
    shows,
    test_cards,
    words,
)
from onsale.web.pages import waiting_list as waiting_list_pages
from onsale.web.pages.events import WishForm

waiting = Blueprint("waiting", __name__)

# The way to the door, in the picture's units (queue_way.html).
WAY_START, WAY_END = 14, 360
REFRESH_SECONDS_MIN = 5
WAITING = ("ahead", "in_draw")


@dataclass(frozen=True)
class PlaceView:
    """One person's place as the page draws it."""

    standing: str
    title: str
    number: int | None = None
    return_number: int | None = None
    ahead: int = 0
    ahead_at_first: int = 0
    wait_words: str = ""
    told: str = ""
    odds: str = ""
    odds_words: str = ""
    refresh_seconds: int = 0
    deadline: datetime | None = None
    hands_free: bool = False
    drawn_number: int | None = None
    weight: int = 1
    # When the turn went to another device; None while it is this one's, or nobody's yet.
    moved_at: datetime | None = None
    elsewhere: bool = False
    # Whether this device had the place, and may have it again at a press.
    had_here: bool = False
    revoked: str = ""

    @property
    def turn_elsewhere(self) -> bool:
        """Whether there is something to do now, and not here."""
        return self.elsewhere and self.standing in ("admitted", "entered")

    @property
    def way_x(self) -> float:
        """Where on the way to the door this person is."""
        gone = 1 - self.ahead / self.ahead_at_first if self.ahead_at_first else 1.0
        return round(WAY_START + (WAY_END - WAY_START) * max(0.0, gone), 1)


@waiting.get("/events/<int:event_id>/queue")
def show(event_id: int) -> Response:
    """Where I stand; asking without a script counts as being there."""
    office = box_office()
    event = shows.event(event_id)
    event = codes.offered(event, codes.kept_codes(office, event))
    sale = sales.sale_if_known(office, event.id)
    try:
        place = _place(office, event.id)
        view = _view(place, sale)
    except PlaceRevoked as error:
        place, view = None, PlaceView("revoked", "Taken out of the queue", revoked=str(error))
    except PlaceHandedOver:
        place, view = None, PlaceView("handed_over", TITLES["handed_over"])
    if sale and sale.waiting_list and place is not None and _is_listed(office, event.id, place):
        return going.to("lists.show", event_id=event_id)
    response = make_response(
        render_template(
            "queue.html",
            event=event,
            sale=sale,
            place=view,
            mine=None,
            booked=None,
            methods=test_cards.cards(office.config),
            wish=WishForm(quantity=min(2, event.tickets_per_buyer)),
            ready=readiness.checks(office) if view.standing == "ahead" else (),
            reminded=waiting_list_pages.reminders_of(office, event) if view.standing == "ahead" else (),
            notices=office.notices.known(event.id),
        )
    )
    if place is not None:
        cookies.keep_queue_token(response, event.id, place.queue_token)
        if view.standing == "ahead":
            here = place.return_number or place.number
            cookies.keep_way(response, event.id, cookies.Way(here, view.ahead_at_first, view.ahead))
            if place.told:
                cookies.keep_told(response, event.id, place.place_id, place.told)
    response.headers["Cache-Control"] = "no-store"
    return response


@waiting.post("/events/<int:event_id>/queue")
def join(event_id: int) -> Response:
    """Take a number; whoever is nobody yet becomes a guest without being asked anything."""
    office = box_office()
    event = shows.event(event_id)
    buyer_id, fresh = guests.buyer_or_guest(office)
    code = codes.for_the_draw(codes.kept_codes(office, event))
    try:
        joined = places.with_token(lambda token: _join(office, event.id, buyer_id, code, token=token))
    except PlaceHandedOver:
        # The page says what became of the place, and the way to a new number.
        response = going.to("waiting.show", event_id=event_id)
    except OnsaleError as error:
        response = going.back(error, "events.show", event_id=event_id)
    else:
        response = going.to("waiting.show", event_id=event_id)
        cookies.keep_queue_token(response, event.id, joined.queue_token)
    if fresh:
        auth.start_page_session(response, fresh)
    return response


def _join(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, code: str | None, *, token: str | None) -> Joined:
    """With the code, where they have one that counts in the draw; where it does not, without, and they are told."""
    address, solution = request.remote_addr or "", request.form.get("work")
    if code is not None:
        try:
            return weighing.join(
                office, event_id, buyer_id, code, address=address, queue_token=token, solution=solution
            )
        except WeightNotCounted as error:
            flash(f"{code}: {error}", "bad")
    return joining.join(office, event_id, buyer_id, address=address, queue_token=token, solution=solution)


@waiting.post("/events/<int:event_id>/queue/anew")
def anew(event_id: int) -> Response:
    """Go on without a place that is an account's now: back to where everybody joins."""
    response = going.to("events.show", event_id=event_id)
    cookies.forget_place(response, shows.event(event_id).id)
    return response


@waiting.post("/events/<int:event_id>/queue/challenge")
def challenge(event_id: int) -> Response:
    """What this device computes before it joins; whoever is nobody yet becomes a guest, whom it is for."""
    office = box_office()
    event = shows.event(event_id)
    buyer_id, fresh = guests.buyer_or_guest(office)
    limits.by_buyer(limits.CHALLENGES_OF_BUYER, buyer_id)
    asked = newcomers.challenge(office, event.id, buyer_id)
    response = jsonify(challenge=asked.text, bits=asked.bits, expected_tries=asked.expected_tries)
    if fresh:
        auth.start_page_session(response, fresh)
    response.headers["Cache-Control"] = "no-store"
    return response


@waiting.post("/events/<int:event_id>/queue/heartbeat")
def heartbeat(event_id: int) -> Response:
    """I am here. From a script: no page; from a form: the numbers as they are now."""
    office, buyer_id = box_office(), auth.current_buyer().id
    event = shows.event(event_id)
    places.with_token(lambda token: joining.heartbeat(office, event.id, buyer_id, queue_token=token))
    if request.headers.get("X-CSRFToken"):
        return make_response("", 204)
    return going.to("waiting.show", event_id=event_id)


@waiting.post("/events/<int:event_id>/queue/enter")
def enter(event_id: int) -> Response:
    """Come in."""
    office, buyer_id = box_office(), auth.current_buyer().id
    event = shows.event(event_id)
    device = cookies.device_or_new()
    try:
        entered = places.with_token(
            lambda token: joining.enter(office, event.id, buyer_id, queue_token=token, device=cookies.digest(device))
        )
    except OnsaleError as error:
        return going.back(error, "waiting.show", event_id=event_id)
    response = going.to("choosing.show", event_id=event_id)
    cookies.keep_device(response, device)
    cookies.keep_admission(response, event.id, entered.admission_token, entered.choose_until)
    return response


@waiting.post("/events/<int:event_id>/queue/return")
def come_back(event_id: int) -> Response:
    """I was away and am back."""
    office, buyer_id = box_office(), auth.current_buyer().id
    event = shows.event(event_id)
    try:
        places.with_token(lambda token: joining.come_back(office, event.id, buyer_id, queue_token=token))
    except OnsaleError as error:
        return going.back(error, "waiting.show", event_id=event_id)
    return going.to("waiting.show", event_id=event_id)


@waiting.post("/events/<int:event_id>/queue/leave")
def leave(event_id: int) -> Response:
    """I want none."""
    office, buyer_id = box_office(), auth.current_buyer().id
    event = shows.event(event_id)
    places.with_token(lambda token: joining.leave(office, event.id, buyer_id, queue_token=token))
    flash("You have left the queue.", "good")
    response = going.to("events.show", event_id=event_id)
    cookies.forget_place(response, event.id)
    return response


def _is_listed(office: BoxOffice, event_id: EventId, place: MyPlace) -> bool:
    """Whether this visitor waits for tickets that come back; to look is to be there."""
    inside = place.standing.value in waiting_list_pages.INSIDE
    try:
        return not inside and waiting_list.seen(office, event_id, auth.current_buyer().id)
    except OnsaleError:
        return False


def _place(office: BoxOffice, event_id: EventId) -> MyPlace | None:
    """My place; a page that is asked for shows being there just as a heartbeat does."""
    place = places.place_if_any(office, event_id)
    if place is None:
        return None
    told = cookies.told_band(place.place_id)
    if not place.heartbeat:
        return place.keeping(told, tokens.now_ms())
    buyer_id = auth.current_buyer().id
    return places.with_token(lambda token: joining.heartbeat(office, event_id, buyer_id, queue_token=token, told=told))


TITLES = {
    "in_draw": "You are in the draw",
    "admitted": "It is your turn",
    "entered": "You are in",
    "holding": "Your tickets are held",
    "passed": "Your turn came",
    "done": "Your turn is used",
    "handed_over": "Your place is in your account",
}


def _view(place: MyPlace | None, sale: sales.Sale | None) -> PlaceView:
    if place is None:
        return PlaceView("none", "Queue")
    way = cookies.way(place.return_number or place.number)
    # People ahead never rises, whatever happens to the queue: this browser remembers the least it was shown.
    ahead = min(place.ahead, way.least) if way else place.ahead
    return PlaceView(
        standing=place.standing.value,
        title=TITLES.get(place.standing.value, f"{ahead:,} ahead"),
        number=place.number,
        return_number=place.return_number,
        ahead=ahead,
        ahead_at_first=max(ahead, way.first) if way else ahead,
        wait_words=words.band(place.wait_low_seconds, place.wait_high_seconds),
        told=place.told.text if place.told else "",
        odds=place.odds or "",
        odds_words=queue_words.odds_words(place.odds, sale.held if sale else None),
        refresh_seconds=max(REFRESH_SECONDS_MIN, place.poll_seconds) if place.standing.value in WAITING else 0,
        deadline=place.deadline,
        hands_free=place.hands_free,
        drawn_number=place.drawn_number,
        weight=place.weight,
        elsewhere=_is_elsewhere(place),
        had_here=place.turn is not None and cookies.device() in place.turn.had,
        moved_at=joining.moment(place.turn.since_ms) if place.turn and place.turn.since_ms else None,
    )


def _is_elsewhere(place: MyPlace) -> bool:
    """Whether the turn is another device's."""
    return place.turn is not None and place.turn.device != cookies.device()
