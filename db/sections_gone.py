"""Which sections are sold out, and since when: whoever comes later is told too, also after Redis was lost."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Connection, text

from onsale.db.ids import EventId


def known(connection: Connection, event_id: EventId) -> Mapping[int, datetime]:
    """The sections that are said to be sold out, and since when."""
    return {row.section_id: row.at for row in connection.execute(_KNOWN, {"event_id": event_id})}


def note(connection: Connection, event_id: EventId, *, gone: Collection[int], back: Collection[int]) -> None:
    """Say of `gone` that they are sold out from now on, and of `back` that they are not; harmless twice."""
    if gone:
        connection.execute(_GONE, {"event_id": event_id, "sections": sorted(gone)})
    if back:
        connection.execute(_BACK, {"event_id": event_id, "sections": sorted(back)})


_KNOWN = text("SELECT section_id, at FROM sections_gone WHERE event_id = :event_id ORDER BY at")
_GONE = text("""
    INSERT INTO sections_gone (event_id, section_id) SELECT :event_id, unnest(CAST(:sections AS bigint[]))
    ON CONFLICT DO NOTHING
""")
_BACK = text("""
    DELETE FROM sections_gone WHERE event_id = :event_id AND section_id = ANY (CAST(:sections AS bigint[]))
""")
