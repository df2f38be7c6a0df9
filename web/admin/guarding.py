"""The console's page against bots: what newcomers are asked, and places that are revoked, counted before it is done."""

from __future__ import annotations

from collections.abc import Mapping
from uuid import UUID, uuid4

from flask import Blueprint, Response, flash, make_response, render_template, request, session

from onsale.db.queue_guards import CONTACT_CHARACTERS_MAX, Guard, GuardChange
from onsale.db.revocations import Count, Which
from onsale.errors import BadRequest, NotSignedIn, OnsaleError
from onsale.queue.work import WORK_BITS_MAX, expected_tries
from onsale.web import guarding
from onsale.web.admin import console
from onsale.web.box_office import box_office
from onsale.web.pages import going

guards = Blueprint("console_guards", __name__, url_prefix="/admin/events/<int:event_id>/guard")
guards.register_error_handler(NotSignedIn, console.ask_to_sign_in)

UNDO_IN_SESSION = "guard_before"
REASON_CHARACTERS_MAX = 200
NUMBER_DIGITS_MAX = 10


@guards.get("")
def show(event_id: int) -> Response:
    """The settings, the form that counts, and what was revoked."""
    return _page(event_id)


@guards.post("/settings")
def change(event_id: int) -> Response:
    """What newcomers are asked; in force within a second."""
    member, event = console.mine(event_id)
    try:
        before, now = guarding.change(box_office(), event.id, member, _asked(request.form))
    except OnsaleError as error:
        return going.back(error, "console_guards.show", event_id=event_id)
    if before != now:
        session[UNDO_IN_SESSION] = {"event": event.id, **_as_form(before)}
    flash("In force within a second." if before != now else "Nothing was different.", "good")
    return going.to("console_guards.show", event_id=event_id)


@guards.post("/count")
def count(event_id: int) -> Response:
    """How many places a revocation would take; nothing is done yet."""
    member, event = console.mine(event_id)
    try:
        which, reason = _which(request.form), _reason(request.form)
        counted = guarding.count(box_office(), event.id, member, which)
    except OnsaleError as error:
        return going.back(error, "console_guards.show", event_id=event_id)
    return _page(event_id, which=which, reason=reason, counted=counted)


@guards.post("/revoke")
def revoke(event_id: int) -> Response:
    """Take them out of the queue. The form carries the revocation's id, so that it is made once."""
    member, event = console.mine(event_id)
    try:
        made = guarding.revoke(
            box_office(),
            event.id,
            member,
            _which(request.form),
            revocation_id=_uuid(request.form),
            reason=_reason(request.form),
        )
    except OnsaleError as error:
        return going.back(error, "console_guards.show", event_id=event_id)
    flash(f"Revoked: {made.places:,} {'place' if made.places == 1 else 'places'}.", "good")
    return going.to("console_guards.show", event_id=event_id)


@guards.post("/undo")
def undo(event_id: int) -> Response:
    """Let them stand again."""
    member, event = console.mine(event_id)
    try:
        undone = guarding.undo(box_office(), event.id, member, _uuid(request.form))
    except OnsaleError as error:
        return going.back(error, "console_guards.show", event_id=event_id)
    flash(f"Undone: {undone.places:,} {'place stands' if undone.places == 1 else 'places stand'} again.", "good")
    return going.to("console_guards.show", event_id=event_id)


def _page(event_id: int, *, which: Which | None = None, reason: str = "", counted: Count | None = None) -> Response:
    member, event = console.mine(event_id)
    found = guarding.guarding(box_office(), event.id, member)
    kept = session.get(UNDO_IN_SESSION)
    page = render_template(
        "admin/guard.html",
        member=member,
        event=event,
        may_change=member.may_change,
        settings=found.settings,
        expected_tries=expected_tries,
        bits_max=WORK_BITS_MAX,
        revocations=found.revocations,
        which=which,
        reason=reason,
        counted=counted,
        revocation_id=uuid4(),
        undo=kept if isinstance(kept, dict) and kept.get("event") == event.id else None,
    )
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response


def _asked(form: Mapping[str, str]) -> GuardChange:
    return GuardChange(
        work_bits=_whole("work_bits", form.get("work_bits", ""), most=WORK_BITS_MAX),
        device_required=form.get("device_required") == "yes",
        contact=" ".join(form.get("contact", "").split())[:CONTACT_CHARACTERS_MAX],
    )


def _as_form(settings: Guard) -> dict[str, object]:
    return {
        "work_bits": settings.work_bits,
        "device_required": "yes" if settings.device_required else "no",
        "contact": settings.contact,
    }


def _which(form: Mapping[str, str]) -> Which:
    """A number, or a block of addresses, out of one field."""
    text = form.get("what", "").strip().removeprefix("#")
    if text.isascii() and text.isdigit():
        return guarding.which_of(_whole("what", text, most=(1 << 31) - 1), None)
    return guarding.which_of(None, text)


def _reason(form: Mapping[str, str]) -> str:
    reason = " ".join(form.get("reason", "").split())[:REASON_CHARACTERS_MAX]
    if not reason:
        raise BadRequest("Say why: it is written in the sale log.", field="reason")
    return reason


def _whole(name: str, text: str, *, most: int) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= NUMBER_DIGITS_MAX and int(text) <= most):
        raise BadRequest(f"Give a whole number between 0 and {most:,}.", field=name)
    return int(text)


def _uuid(form: Mapping[str, str]) -> UUID:
    try:
        return UUID(form.get("revocation", ""))
    except ValueError:
        raise BadRequest("This form is incomplete. Reload the page and try again.", field="revocation") from None
