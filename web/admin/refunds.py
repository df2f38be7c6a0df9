"""The console's page about money given back: rules for buyers, a refund, a cancelled event and how far it has got."""

from __future__ import annotations

from collections.abc import Callable
from uuid import UUID

from flask import Blueprint, Response, flash, make_response, render_template, request

from onsale.db import catalogue
from onsale.db.engine import reading
from onsale.db.ids import BookingId, EventId, TicketId, event_of_booking
from onsale.db.refund_rules import RefundRules
from onsale.db.refunds import NOTE_CHARACTERS_MAX, Elsewhere
from onsale.errors import BadRequest, NotFound, OnsaleError
from onsale.web import auth, refunding
from onsale.web.box_office import box_office
from onsale.web.pages import going

refunds = Blueprint("console_refunds", __name__, url_prefix="/admin/events/<int:event_id>/refunds")

DIGITS_MAX = 12


@refunds.get("")
def show(event_id: int) -> Response:
    """What was given back, what could not be, and the forms."""
    office, member = box_office(), auth.current_staff()
    given = refunding.given(office, EventId(event_id), member)
    with reading(office.engine) as connection:
        event = catalogue.event_by_id(connection, EventId(event_id))
    shown = {"event": event, "given": given, "note_max": NOTE_CHARACTERS_MAX}
    page = render_template("admin/refunds.html", member=member, may_change=member.may_change, **shown)
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


@refunds.post("/rules")
def set_rules(event_id: int) -> Response:
    """Until when buyers may cancel, and what is kept."""
    return _done(event_id, lambda: _set_rules(event_id), "The rules are in force.")


@refunds.post("/refund")
def refund(event_id: int) -> Response:
    """Give a booking's money back, or that of some tickets."""
    return _done(event_id, lambda: _refund(event_id), "The refund is on its way; the tickets are void.")


@refunds.post("/retry")
def retry(event_id: int) -> Response:
    """Ask the provider once more."""
    return _done(event_id, _retry, "The provider is asked once more.")


@refunds.post("/paid-elsewhere")
def say_paid(event_id: int) -> Response:
    """What the provider refuses was paid back in another way."""
    return _done(event_id, _say_paid, "It is written down, and the buyer is told.")


@refunds.post("/cancel-event")
def cancel_event(event_id: int) -> Response:
    """The show does not take place."""
    return _done(event_id, lambda: _cancel_event(event_id), "The event is cancelled. Everyone is being refunded.")


def _done(event_id: int, do: Callable[[], object], words: str) -> Response:
    try:
        do()
    except OnsaleError as error:
        return going.back(error, "console_refunds.show", event_id=event_id)
    flash(words, "good")
    return going.to("console_refunds.show", event_id=event_id)


def _set_rules(event_id: int) -> None:
    hours = request.form.get("cancel_until_hours", "").strip()
    rules = None
    if hours:
        names = ("cancel_until_hours", "fee_minor", "fee_basis_points")
        rules = RefundRules(*(_whole(name, request.form.get(name, "0").strip() or "0") for name in names))
    refunding.set_rules(box_office(), EventId(event_id), auth.current_staff(), rules)


def _refund(event_id: int) -> None:
    booking_id = _uuid("booking")
    if event_of_booking(booking_id) != event_id:
        raise NotFound("There is no such booking at this event.", field="booking")
    words = request.form.get("tickets", "").replace(",", " ").split()
    tickets = [TicketId(_whole("tickets", word)) for word in words] or None
    key = request.form.get("idempotency_key", "")
    if not key:
        raise BadRequest("This form is incomplete. Reload the page and try again.", field="idempotency_key")
    keep_fee = request.form.get("keep_fee") == "yes"
    refunding.refund(
        box_office(), BookingId(booking_id), auth.current_staff(), tickets=tickets, keep_fee=keep_fee, key=key[:255]
    )


def _retry() -> None:
    refunding.try_again(box_office(), _uuid("refund"), auth.current_staff())


def _say_paid() -> None:
    note = " ".join(request.form.get("note", "").split())
    if not note:
        raise BadRequest("Say how it was paid back: the buyer reads it.", field="note")
    if request.form.get("sure") != "yes":
        raise BadRequest("Confirm that the buyer has the money: this cannot be undone.", field="sure")
    way = Elsewhere.PROVIDER if request.form.get("way") == "provider" else Elsewhere.OUTSIDE
    refunding.say_paid(box_office(), _uuid("refund"), auth.current_staff(), way=way, note=note)


def _cancel_event(event_id: int) -> None:
    reason = " ".join(request.form.get("reason", "").split())
    if not reason:
        raise BadRequest("Say why: everybody with a booking reads it.", field="reason")
    if request.form.get("sure") != "yes":
        raise BadRequest("Confirm that the event is to be cancelled: it cannot be undone.", field="sure")
    refunding.cancel_event(box_office(), EventId(event_id), auth.current_staff(), reason=reason)


def _whole(name: str, text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= DIGITS_MAX + 4):
        raise BadRequest("Give a whole number.", field=name)
    return int(text)


def _uuid(name: str) -> UUID:
    try:
        return UUID(request.form.get(name, "").strip())
    except ValueError:
        raise BadRequest(f"This is no {name}'s number.", field=name) from None
