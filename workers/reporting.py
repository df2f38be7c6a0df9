"""Makes the sale reports that staff asked for, part by part, so that they see how far it is."""

from __future__ import annotations

from collections.abc import Iterator

import structlog
from sqlalchemy import text

from onsale.db import catalogue, clock, reports
from onsale.db import engine as record
from onsale.db.reports import Report
from onsale.errors import NothingToReport, ReportKeyMissing
from onsale.report import files, page
from onsale.report.auditing import audited
from onsale.report.signing import report_key
from onsale.report.writing import About, report
from onsale.workers import chaining
from onsale.workers.shop import Shop

PART_BYTES = 512 * 1024
REPORTS_MAX = 10

log = structlog.get_logger(__name__)


def wake(shop: Shop) -> None:
    """Wake whoever makes reports when one is due: just asked for, or left by a maker that died."""
    with record.reading(shop.engine) as connection:
        due = reports.any_due(connection)
    if due:
        shop.wakes.wake_reports()


def make(shop: Shop, *, part_bytes: int = PART_BYTES) -> int:
    """Make what is due, one after the other; returns how many became ready.

    Killed in the middle, one is begun anew when its lease has run out.
    """
    ready = 0
    for _ in range(REPORTS_MAX):
        with record.transaction(shop.engine) as connection:
            claimed = reports.claim(connection)
        if claimed is None:
            break
        ready += _make(shop, claimed, part_bytes)
    return ready


def _make(shop: Shop, claimed: Report, part_bytes: int) -> bool:
    try:
        key = report_key(shop.config)
        chaining.catch_up(shop.engine)
        with record.reading(shop.engine) as connection:
            event = catalogue.event_by_id(connection, claimed.event_id)
            at = clock.now(connection)
        assert event is not None
        made = _write(shop, claimed, About(event, audited(shop.config, shop.engine, event.id), at, key), part_bytes)
    except (ReportKeyMissing, NothingToReport) as error:
        with record.transaction(shop.engine) as connection:
            reports.fail(connection, claimed, why=str(error))
        return False
    log.info("sale_report_made", event_id=claimed.event_id, report=str(claimed.id), ready=made)
    return made


def _write(shop: Shop, claimed: Report, about: About, part_bytes: int) -> bool:
    """Write it; False when somebody else took over, who then writes it."""
    progress = [0, 0]

    def told(done: int, of: int) -> None:
        progress[:] = [done, of]

    with record.transaction(shop.engine) as snapshot:
        snapshot.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"))
        written, lines = report(snapshot, about, told=told)
        for number, body in enumerate(_parts(lines, part_bytes)):
            with record.transaction(shop.engine) as connection:
                if not reports.put_part(connection, claimed, number, body, done=progress[0], of=progress[1]):
                    return False
    drawn = page.page(written, about, file=files.name_of(about.event.id))
    broken = ", ".join(one.invariant for one in about.verdict.findings if one.ok is False)
    with record.transaction(shop.engine) as connection:
        return reports.finish(connection, claimed, head=str(written.totals["head"]), broken=broken, page=drawn)


def _parts(lines: Iterator[bytes], part_bytes: int) -> Iterator[bytes]:
    """Whole lines, about so many bytes at a time."""
    body = bytearray()
    for line in lines:
        body += line
        if len(body) >= part_bytes:
            yield bytes(body)
            body.clear()
    if body:
        yield bytes(body)
