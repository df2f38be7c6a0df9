"""The console's page about what was done to a sale: every act with who did it, the chain, and signed reports."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, flash, make_response, render_template, request, stream_with_context

from onsale.db.ids import EventId
from onsale.errors import NotSignedIn, OnsaleError
from onsale.report import files, page
from onsale.web import sale_reports
from onsale.web.admin import console
from onsale.web.box_office import box_office
from onsale.web.pages import going

DIGITS_MAX = 15

sale_log = Blueprint("console_log", __name__, url_prefix="/admin/events/<int:event_id>/log")
sale_log.register_error_handler(NotSignedIn, console.ask_to_sign_in)


@sale_log.get("")
def show(event_id: int) -> Response:
    """What was done, newest first, and the reports."""
    member, event = console.mine(event_id)
    text = request.args.get("before", "")
    # What is no number of a line shows the newest.
    before = int(text) if text.isascii() and text.isdecimal() and len(text) <= DIGITS_MAX else None
    record = sale_reports.sale_record(box_office(), event.id, member, before=before)
    making = any(each.state in ("asked", "making") for each in record.reports)
    response = make_response(
        render_template(
            "admin/sale_log.html",
            member=member,
            event=event,
            record=record,
            making=making,
            may_change=member.may_change,
            kinds=page.KINDS,
            set_to=page.set_to,
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response


@sale_log.post("/reports")
def ask(event_id: int) -> Response:
    """Have a report made."""
    member, event = console.mine(event_id)
    try:
        sale_reports.ask(box_office(), event.id, member)
    except OnsaleError as error:
        return going.back(error, "console_log.show", event_id=event_id)
    flash("The report is being made.", "good")
    return going.to("console_log.show", event_id=event_id)


@sale_log.get("/reports/<uuid:report_id>.jsonl")
def download(event_id: int, report_id: UUID) -> Response:
    """The signed log, as it is made of its parts."""
    office, (member, _) = box_office(), console.mine(event_id)
    found = sale_reports.ready(office, EventId(event_id), member, report_id)
    response = Response(stream_with_context(sale_reports.parts(office, found)), mimetype="application/jsonl")
    response.headers["Content-Disposition"] = f'attachment; filename="{files.name_of(event_id)}"'
    response.headers["Cache-Control"] = "no-store"
    return response


@sale_log.get("/reports/<uuid:report_id>.html")
def download_page(event_id: int, report_id: UUID) -> Response:
    """The page for people, to be kept: its own policy, which lets it wear its style, is inside."""
    office, (member, _) = box_office(), console.mine(event_id)
    found = sale_reports.ready(office, EventId(event_id), member, report_id)
    response = Response(sale_reports.page(office, found), mimetype="text/html")
    name = files.name_of(event_id).replace(".jsonl", ".html")
    response.headers["Content-Disposition"] = f'attachment; filename="{name}"'
    response.headers["Cache-Control"] = "no-store"
    return response
