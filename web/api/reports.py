"""Signed sale reports over the API: have one made, see how far it is, fetch it part by part."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field

from onsale.db.ids import EventId
from onsale.db.reports import Report, ReportState
from onsale.errors import NotAllowed, ReportKeyMissing
from onsale.web import sale_reports
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PLAIN, WHOLE, EventNumber, EventPath, Moment
from onsale.web.auth import StaffMember
from onsale.web.box_office import box_office

reports = Routes("reports", "Sale reports")

PARTS_MAX = 1_000_000
_PRIVATE = {"Cache-Control": "no-store"}


class ReportPath(Asked):
    """Names a report of an event."""

    event_id: Annotated[EventNumber, PLAIN]
    report_id: UUID


class PartAsked(Asked):
    """Which part, from 0 on."""

    part: Annotated[int, Field(ge=0, le=PARTS_MAX), WHOLE] = 0


class ReportDocument(Told):
    """A report: `asked`, `making` (with how many lines are written), `ready`, or `failed` and `why`.

    Joined in order, the texts of its `parts` are the file to be checked, byte for byte. `broken`: the invariants that
    did not hold, separated by commas; empty when all did.
    """

    id: UUID
    event_id: int
    state: ReportState
    asked_at: Moment
    lines_done: int
    lines_all: int
    parts: int
    head: str | None
    broken: str | None
    why: str | None
    ended_at: Moment | None


class ReportsDocument(Told):
    """The event's reports, newest first."""

    reports: list[ReportDocument]


class PartDocument(Told):
    """A piece of a report: whole lines."""

    part: int
    text: str


@reports.post(
    "/v1/admin/events/{event_id}/reports", answers={202: ReportDocument}, raises=(NotAllowed, ReportKeyMissing)
)
def ask_for_report(path: EventPath, staff: StaffMember) -> Answer[ReportDocument]:
    """Have a signed report made; while one is being made, it is that one"""
    return Answer(_document(sale_reports.ask(box_office(), EventId(path.event_id), staff)), 202, _PRIVATE)


@reports.get("/v1/admin/events/{event_id}/reports")
def list_reports(path: EventPath, staff: StaffMember) -> Answer[ReportsDocument]:
    """The reports of an event, and how far each is"""
    found = sale_reports.listed(box_office(), EventId(path.event_id), staff)
    return Answer(ReportsDocument(reports=[_document(each) for each in found]), headers=_PRIVATE)


@reports.get("/v1/admin/events/{event_id}/reports/{report_id}")
def show_report_part(path: ReportPath, query: PartAsked, staff: StaffMember) -> Answer[PartDocument]:
    """A part of a report that is ready"""
    office = box_office()
    found = sale_reports.ready(office, EventId(path.event_id), staff, path.report_id)
    text = sale_reports.part(office, found, query.part).decode()
    return Answer(PartDocument(part=query.part, text=text), headers=_PRIVATE)


def _document(report: Report) -> ReportDocument:
    return ReportDocument(**{name: getattr(report, name) for name in ReportDocument.model_fields})
