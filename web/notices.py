"""What the organiser has said, alike for everybody: a copy per process, which a crowd shares."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import orjson
from sqlalchemy import Engine

from onsale.db import notices
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.notices import Notice
from onsale.errors import OnsaleError
from onsale.web.copies import Copies
from onsale.web.kept import Kept
from onsale.web.showing import Shows

# A crowd asks at once when the status says that there is a new one; the copy behind a cache may be this old.
CACHED = "public, max-age=2, stale-if-error=30"


@dataclass(frozen=True)
class Said:
    """The last notices, and the bytes everybody gets."""

    notices: Sequence[Notice]
    kept: Kept


class Notices:
    """The last notices of each event."""

    def __init__(self, engine: Engine, shows: Shows) -> None:
        self._engine = engine
        self._shows = shows
        self._copies: Copies[EventId, Said] = Copies(self._read, name="notices")

    def of(self, event_id: EventId) -> Said:
        """What was said at this event. Raises NotFound; RecordUnavailable when there is no copy either."""
        return self._copies.get(event_id)

    def known(self, event_id: EventId) -> Sequence[Notice]:
        """The same for a page that has something to say without it."""
        try:
            return self.of(event_id).notices
        except OnsaleError:
            return ()

    def forget(self, event_id: EventId) -> None:
        """The organiser has just said something."""
        self._copies.forget(event_id)

    def stop(self) -> None:
        self._copies.stop()

    def _read(self, event_id: EventId) -> Said:
        self._shows.event(event_id)
        with reading(self._engine) as connection:
            found = notices.said(connection, event_id)
        told = [{"at": one.at.isoformat(), "words": one.words, "current": one.current} for one in found]
        return Said(found, Kept(orjson.dumps({"event_id": event_id, "notices": told}), CACHED))
