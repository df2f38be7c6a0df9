"""How often the waits that were told held, of one event: what the console, the API and the command show."""

from __future__ import annotations

from sqlalchemy import Engine

from onsale.db import return_journal, staff, waits
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.errors import NotFound
from onsale.queue import calibration
from onsale.queue.calibration import Calibration
from onsale.queue.gaps import in_order
from onsale.web.auth import StaffMember
from onsale.web.box_office import BoxOffice


def how_they_held(engine: Engine, event_id: EventId) -> Calibration:
    """From the record alone: what was told, and when the numbers were called. During a sale or years after it."""
    with reading(engine) as connection:
        lines = waits.lines(connection, event_id)
        gaps = in_order(one.numbers for one in return_journal.skipped(connection, event_id))
        joined_at = waits.joined_at(connection, event_id, calibration.sample(lines, gaps))
        calls = waits.calls(connection, event_id)
    return calibration.calibration(lines, calls, joined_at, gaps=gaps)


def of_event(office: BoxOffice, event_id: EventId, member: StaffMember) -> Calibration:
    """The same for its staff. Raises NotFound for an event of another organiser."""
    with reading(office.engine) as connection:
        if staff.of_event(connection, member.id, event_id) is None:
            raise NotFound
    return how_they_held(office.engine, event_id)
