"""Sale reports and the sale's log, as staff ask for them. Console and API both call these; a worker makes reports."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from uuid import UUID

from onsale.db import reports, sale_chain, sale_log, staff
from onsale.db.chain_lines import Batch
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.reports import Report, ReportState
from onsale.db.sale_log import Line
from onsale.errors import NotAllowed, NotFound
from onsale.report.signing import report_key
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice

LINES_PAGE = 50


@dataclass(frozen=True)
class SaleRecord:
    """What was done to a sale, newest first, by whom; where its chain ends; and its reports.

    `names`: the e-mail of each actor who is staff. `older`: where the next page of lines begins, None on the last.
    """

    lines: tuple[Line, ...]
    older: int | None
    names: dict[str, str]
    head: Batch | None
    reports: tuple[Report, ...]


def sale_record(office: BoxOffice, event_id: EventId, member: StaffMember, *, before: int | None) -> SaleRecord:
    """Read it. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        lines = sale_log.before(connection, event_id, before=before, limit=LINES_PAGE)
        names = {actor: staff.name_of_actor(connection, actor) for actor in {line.actor for line in lines}}
        older = lines[-1].seq if len(lines) == LINES_PAGE and lines[-1].seq > 1 else None
        head, made = sale_chain.head(connection, event_id), reports.of_event(connection, event_id)
    return SaleRecord(lines, older, names, head, made)


def ask(office: BoxOffice, event_id: EventId, member: StaffMember) -> Report:
    """Have a report made; while one is being made, it is that one.

    Raises NotFound for an event of another organiser, NotAllowed for a viewer, ReportKeyMissing.
    """
    report_key(office.config)
    with transaction(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        if not member.may_change:
            raise NotAllowed
        asked = reports.ask(connection, event_id, actor=f"staff:{member.id}")
    office.wakes.wake_reports()
    return asked


def listed(office: BoxOffice, event_id: EventId, member: StaffMember) -> tuple[Report, ...]:
    """The event's reports, newest first. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
        return reports.of_event(connection, event_id)


def ready(office: BoxOffice, event_id: EventId, member: StaffMember, report_id: UUID) -> Report:
    """A report that can be downloaded. Raises NotFound."""
    found = next((each for each in listed(office, event_id, member) if each.id == report_id), None)
    if found is None or found.state is not ReportState.READY:
        raise NotFound("There is no such report, or it is not ready yet.")
    return found


def part(office: BoxOffice, report: Report, number: int) -> bytes:
    """A piece of a report. Raises NotFound behind the last."""
    with reading(office.engine) as connection:
        body = reports.part(connection, report.id, number)
    if body is None:
        raise NotFound("There is no such part.")
    return body


def parts(office: BoxOffice, report: Report) -> Iterator[bytes]:
    """All of a report, a piece in memory at a time."""
    for number in range(report.parts):
        yield part(office, report, number)


def page(office: BoxOffice, report: Report) -> str:
    """The page for people."""
    with reading(office.engine) as connection:
        return reports.page(connection, report.id) or ""
