"""The console's page about the draw of an event: announce it, open the pre-queue, give the beacon's value."""

from __future__ import annotations

from collections.abc import Callable

from flask import Blueprint, Response, flash, make_response, render_template, request

from onsale.db import catalogue, queue_settings
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.errors import NotFound, OnsaleError
from onsale.web import auth, dial, drawing
from onsale.web.box_office import box_office
from onsale.web.pages import draw_words, going

console_draw = Blueprint("console_draw", __name__, url_prefix="/admin/events/<int:event_id>/draw")


@console_draw.get("")
def show(event_id: int) -> Response:
    """How the draw stands, and the next thing to do about it."""
    office, member = box_office(), auth.current_staff()
    found = drawing.draw_if_any(office, EventId(event_id), member)
    with reading(office.engine) as connection:
        event = catalogue.event_by_id(connection, EventId(event_id))
        settings = queue_settings.get(connection, EventId(event_id))
    if event is None or settings is None:
        raise NotFound
    page = render_template(
        "admin/draw.html",
        member=member,
        event=event,
        settings=settings,
        draw=found,
        influence=draw_words.influence_of(found.beacon_name, without_beacon=found.without_beacon) if found else "",
        may_change=member.may_change,
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@console_draw.post("/announce")
def announce(event_id: int) -> Response:
    """Draw the numbers; or name another beacon."""
    name = request.form.get("beacon_name", "").strip()
    return _done(
        event_id,
        lambda: drawing.announce(box_office(), EventId(event_id), auth.current_staff(), beacon_name=name),
        "The draw is announced. The hash of its seed is public from now on.",
    )


@console_draw.post("/withdraw")
def withdraw(event_id: int) -> Response:
    """First come, first served again."""
    return _done(
        event_id,
        lambda: drawing.withdraw(box_office(), EventId(event_id), auth.current_staff()),
        "It is first come, first served again.",
    )


@console_draw.post("/pre-queue")
def open_pre_queue(event_id: int) -> Response:
    """Let people join the draw."""
    change = QueueChange(phase=Phase.PRE_QUEUE)
    return _done(
        event_id,
        lambda: dial.change(box_office(), EventId(event_id), auth.current_staff(), change),
        "The pre-queue is open.",
    )


@console_draw.post("/beacon")
def put_beacon(event_id: int) -> Response:
    """What was published."""
    value = request.form.get("beacon_value", "").strip()
    return _done(
        event_id,
        lambda: drawing.put_beacon(box_office(), EventId(event_id), auth.current_staff(), value),
        "The value is on record. The numbers are drawn within a second.",
    )


@console_draw.post("/without-beacon")
def go_without_beacon(event_id: int) -> Response:
    """Do not wait for it."""
    return _done(
        event_id,
        lambda: drawing.go_without_beacon(box_office(), EventId(event_id), auth.current_staff()),
        "The numbers are drawn without the beacon, and every buyer is told so.",
    )


def _done(event_id: int, do: Callable[[], object], words: str) -> Response:
    try:
        do()
    except OnsaleError as error:
        return going.back(error, "console_draw.show", event_id=event_id)
    flash(words, "good")
    return going.to("console_draw.show", event_id=event_id)
