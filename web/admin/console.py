"""The console's pages: sign in as staff, the list of events, one event with its dial; every change is a plain form."""

from __future__ import annotations

from dataclasses import dataclass

from flask import Blueprint, Response, flash, make_response, render_template, request, session

from onsale.db import catalogue
from onsale.db.catalogue import Event
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueSettings
from onsale.errors import NotFound, NotSignedIn, OnsaleError, TooManyRequests, WrongCredentials
from onsale.web import auth, dial, limits, waiting_list, waits
from onsale.web.admin import live, rates, steering, stuck, waiting
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.pages import going, shows
from onsale.web.pages.context import next_page

console = Blueprint("console", __name__, url_prefix="/admin")

CHANGE_IN_SESSION = "console_change"
RATE_STEP_LEAST = 10
RATE_MOST_LEAST, RATE_MOST_STEP = 120, 20
EMAIL_CHARACTERS_MAX = 254


@dataclass(frozen=True)
class Step:
    """A quick step of the dial."""

    label: str
    value: int


@console.errorhandler(NotSignedIn)
def ask_to_sign_in(_: NotSignedIn) -> Response:
    """A page of the console without a session leads to the form and back."""
    return going.to("console.sign_in", next=request.path)


@console.get("/sign-in")
def sign_in() -> str:
    """The form."""
    return render_template("admin/sign_in.html", email="", error="", next=next_page(""), member=None)


@console.post("/sign-in")
def sign_in_with() -> Response | tuple[str, int]:
    """Sign in as staff; a buyer's account means nothing here."""
    email = request.form.get("email", "").strip()[:EMAIL_CHARACTERS_MAX]
    try:
        limits.sign_in(email)
        signed_in = auth.sign_in_staff(box_office(), email=email, password=request.form.get("password", ""))
    except (WrongCredentials, TooManyRequests) as error:
        page = render_template("admin/sign_in.html", email=email, error=str(error), next=next_page(""), member=None)
        return page, 422
    response = going.to_address(next_page("/admin"))
    auth.start_page_session(response, signed_in, staff=True)
    return response


@console.post("/sign-out")
def sign_out() -> Response:
    """Leave the console."""
    response = going.to("console.sign_in")
    auth.end_page_session(response, staff=True)
    return response


@console.get("")
def events() -> Response:
    """The organiser's events."""
    member = auth.current_staff()
    with reading(box_office().engine) as connection:
        found = catalogue.of_organiser(connection, member.organiser_id)
    return _private(render_template("admin/events.html", member=member, shows=found, phases=shows.front().phases))


@console.get("/events/<int:event_id>")
def show(event_id: int) -> Response:
    """One event: the dial and the live numbers."""
    office = box_office()
    member, event = mine(event_id)
    sale = dial.sale(office, event.id, member)
    settings, numbers = sale.settings, live.live(sale)
    now = numbers.at if numbers else settings.updated_at
    return _private(
        render_template(
            "admin/event.html",
            member=member,
            event=event,
            settings=settings,
            live=numbers,
            stuck=stuck.groups(office, event.id),
            rate=rates.view(office, event.id, member),
            chart=live.admission_chart(office, event.id, settings, now=now),
            may_change=member.may_change,
            listed=waiting_list.as_staff_see(office, event.id, member),
            list_undo=waiting.undo_of(event.id),
            changed=_last_change(event.id),
            rate_most=_rate_most(settings),
            rate_step=1,
            rate_steps=_steps(settings),
        )
    )


@console.get("/events/<int:event_id>/waits")
def show_waits(event_id: int) -> Response:
    """How the waits that buyers were told came out, now or after the sale."""
    office = box_office()
    member, event = mine(event_id)
    held = waits.of_event(office, event.id, member)
    return _private(render_template("admin/waits.html", member=member, event=event, held=held))


@console.post("/events/<int:event_id>")
def change(event_id: int) -> Response:
    """One change, in force within a second."""
    member, event = mine(event_id)
    try:
        made = steering.change(box_office(), event.id, member, steering.asked(request.form))
    except OnsaleError as error:
        return going.back(error, "console.show", event_id=event_id)
    if not made.undo:
        flash(made.words, "good")
    session[CHANGE_IN_SESSION] = {
        "event": event.id,
        "words": made.words,
        "at": made.at.isoformat(),
        "undo": dict(made.undo),
        "undo_words": made.undo_words,
    }
    return going.to("console.show", event_id=event_id)


def mine(event_id: int) -> tuple[StaffMember, Event]:
    """The event of this member's organiser; somebody else's is not there."""
    member = auth.current_staff()
    event = _event(box_office(), EventId(event_id))
    if event.organiser_id != member.organiser_id:
        raise NotFound
    return member, event


def _event(office: BoxOffice, event_id: EventId) -> Event:
    with reading(office.engine) as connection:
        found = catalogue.event_by_id(connection, event_id)
    if found is None:
        raise NotFound
    return found


def _last_change(event_id: EventId) -> dict[str, object] | None:
    """What this session changed last at this event: shown until the next change, so that it can be undone."""
    kept = session.get(CHANGE_IN_SESSION)
    return kept if isinstance(kept, dict) and kept.get("event") == event_id and kept.get("undo") else None


def _rate_most(settings: QueueSettings) -> int:
    """The end of the dial: twice the rate, rounded up to a hundred, so that the hand is near the middle."""
    return max(RATE_MOST_LEAST, -(-settings.rate_per_minute * 2 // RATE_MOST_STEP) * RATE_MOST_STEP)


def _steps(settings: QueueSettings) -> tuple[Step, ...]:
    rate = settings.rate_per_minute
    tenth = max(1, rate // 10)
    return (
        Step("Half", rate // 2),
        Step("\N{MINUS SIGN}10 %", max(0, rate - tenth)),
        Step("+10 %", rate + tenth),
        Step("Double", max(RATE_STEP_LEAST, rate * 2)),
    )


def _private(page: str) -> Response:
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response
