"""The page of someone who is in: pick seats in the picture or the list, or take the best available, in time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from flask import Blueprint, Response, make_response, render_template, request, url_for

from onsale.db.catalogue import Event
from onsale.errors import OnsaleError
from onsale.queue.ticket_marks import FREE
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.pages import codes, cookies, going, house, places, sales, shows, words
from onsale.web.pages.events import SectionNow, WishForm, sections_now

choosing = Blueprint("choosing", __name__)


@dataclass(frozen=True)
class Seat:
    """One seat to pick, with its ticket's id."""

    id: int
    seat_name: str
    free: bool


@dataclass(frozen=True)
class Row:
    """The seats of a row, in the order of the house."""

    name: str
    seats: tuple[Seat, ...]


@choosing.get("/events/<int:event_id>/choose")
def show(event_id: int) -> Response:
    """Choose a section, then seats; whoever is not in is sent to the queue."""
    office = box_office()
    event = shows.event(event_id)
    mine = codes.kept_codes(office, event)
    event = codes.offered(event, mine)
    sale = sales.sale_if_known(office, event.id)
    # Where the queue is switched off nobody waits, and nobody is waited for; nor before the opening, with a code.
    free_entry = (sale is not None and not sale.enabled) or codes.may_come_early(mine)
    until = None if free_entry else _choose_until(office, event)
    if until is None and not free_entry:
        return going.to("waiting.show", event_id=event_id)
    sections = sections_now(office, event)
    asked = request.args.get("section", type=int)
    section = next((each for each in sections if each.id == asked), sections[0] if len(sections) == 1 else None)
    seats_url = office.config.seats_url
    response = make_response(
        render_template(
            "choose.html",
            event=event,
            sections=sections,
            section=section,
            rows=_rows(office, event, section) if section and section.kind == "seated" else (),
            house=house.draw(
                sections,
                lambda section_id: url_for("choosing.show", event_id=event_id, section=section_id),
                here=section.id if section else None,
            ),
            choose_until=until,
            pay_words=words.duration(sale.pay_seconds) if sale else "some minutes",
            availability_url=f"/v1/events/{event_id}/seats/availability",
            live_url=f"{seats_url}/v1/events/{event_id}/seats/availability" if seats_url else "",
            wish=WishForm(section=section.id if section else None, quantity=min(2, event.tickets_per_buyer)),
            codes=mine,
            early=codes.may_come_early(mine),
            picked=request.args.getlist("ticket", type=int),
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response


def _choose_until(office: BoxOffice, event: Event) -> datetime | None:
    """Until when the visitor may choose; None for whoever is not in.

    The cookie of an admission is not enough to know: its time may have passed. The queue is asked.
    """
    if cookies.admission_token() is None:
        return None
    try:
        place = places.place_if_any(office, event.id)
    except OnsaleError:
        # Redis may be away while the record sells: the token still counts, and the booking checks it.
        return cookies.choose_until()
    return (place.deadline or cookies.choose_until()) if place and place.standing == "entered" else None


def _rows(office: BoxOffice, event: Event, section: SectionNow) -> tuple[Row, ...]:
    """The seats of a section by row; runs of one row that gaps divide share a line."""
    opened = frozenset(event.code_only) & {each.id for each in event.sections}
    seat_map = office.shows.seat_map(event.id, opened=opened)
    plan = next((each for each in seat_map.sections if each.id == section.id), None)
    if plan is None:
        return ()
    rows: dict[str, list[Seat]] = {}
    states = _states(office, event, section.id)
    at = 0
    for run in plan.runs:
        seats = rows.setdefault(run.row_name, [])
        for step in range(run.count):
            free = at >= len(states) or states[at] == FREE
            seats.append(Seat(run.first_ticket + step, str(run.first_seat + step), free))
            at += 1
    return tuple(Row(name, tuple(seats)) for name, seats in rows.items())


def _states(office: BoxOffice, event: Event, section_id: int) -> str:
    """One letter per seat; empty when nobody knows, and then every seat may be tried."""
    try:
        found = office.availabilities.of(event.id).sections
    except OnsaleError:
        return ""
    return next((each.states for each in found if each.section_id == section_id), "")
