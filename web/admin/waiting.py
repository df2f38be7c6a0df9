"""The console's waiting list: how it stands, its switch and its claim window; each change says how to undo it."""

from __future__ import annotations

from flask import Blueprint, Response, flash, request, session

from onsale.db.ids import EventId
from onsale.db.waiting_lists import ListChange
from onsale.errors import BadRequest, OnsaleError
from onsale.web import auth, waiting_list
from onsale.web.box_office import box_office
from onsale.web.pages import going

lists = Blueprint("console_lists", __name__, url_prefix="/admin/events/<int:event_id>/waiting-list")

UNDO_IN_SESSION = "console_list_undo"
MINUTES_MAX = 1_440


@lists.post("")
def change(event_id: int) -> Response:
    """Switch it, or set how long an offer is kept."""
    office, member = box_office(), auth.current_staff()
    try:
        wanted = _asked()
        before = waiting_list.as_staff_see(office, EventId(event_id), member).settings
        after = waiting_list.change(office, EventId(event_id), member, wanted).settings
    except OnsaleError as error:
        return going.back(error, "console.show", event_id=event_id)
    undo = {}
    if before.enabled != after.enabled:
        undo["enabled"] = "yes" if before.enabled else "no"
        flash("The waiting list is on." if after.enabled else "The waiting list is off.", "good")
    if before.claim_seconds != after.claim_seconds:
        undo["claim_minutes"] = str(before.claim_seconds // 60)
        flash(f"An offer is kept for {after.claim_seconds // 60} minutes; it was {before.claim_seconds // 60}.", "good")
    session[UNDO_IN_SESSION] = {"event": event_id, "undo": undo}
    return going.to("console.show", event_id=event_id)


def undo_of(event_id: EventId) -> dict[str, str]:
    """The form fields that undo this session's last change of the list."""
    kept = session.get(UNDO_IN_SESSION)
    undo = kept.get("undo") if isinstance(kept, dict) and kept.get("event") == event_id else None
    return undo if isinstance(undo, dict) else {}


def _asked() -> ListChange:
    enabled, minutes = request.form.get("enabled"), request.form.get("claim_minutes")
    if minutes is not None and not (
        minutes.isascii() and minutes.isdigit() and len(minutes) < 6 and 1 <= int(minutes) <= MINUTES_MAX
    ):
        raise BadRequest(f"Give a whole number of minutes between 1 and {MINUTES_MAX:,}.", field="claim_minutes")
    if enabled is None and minutes is None:
        raise BadRequest("This form changes nothing.")
    return ListChange(None if enabled is None else enabled == "yes", None if minutes is None else int(minutes) * 60)
