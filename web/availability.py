"""Which seats are free, live: a copy per process, a second old at most, told whole or as the sections that changed.

A document has a `version`; `?since=<version>` is answered with the sections that differ, or with none. A version this
process has forgotten is answered with everything: never wrong, only longer.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import cached_property

import orjson
from sqlalchemy import Engine

from onsale.db import seats
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.seats import SectionAvailability
from onsale.web.copies import Copies
from onsale.web.kept import Kept
from onsale.web.showing import Shows

# A client that polls every few seconds finds its version among these.
VERSIONS_KEPT = 8
EVENTS_KEPT = 200


@dataclass(frozen=True)
class LiveSeats:
    """The availability of one event, with what it was in the versions before."""

    current: seats.Availability
    before: tuple[seats.Availability, ...] = ()

    @cached_property
    def whole(self) -> Kept:
        """Everything, for whoever comes anew."""
        return self._told(self.current.sections, since=None)

    def told(self, *, since: str | None = None, section_id: int | None = None) -> Kept:
        """What someone needs who knows the version `since`, of one section or of all."""
        if since is None and section_id is None:
            return self.whole
        known = next((each for each in (self.current, *self.before) if each.version == since), None)
        unchanged = set(known.sections) if known else set()
        changed = (each for each in self.current.sections if each not in unchanged)
        wanted = tuple(each for each in changed if section_id in (None, each.section_id))
        return self._told(wanted, since=since if known else None)

    def _told(self, sections: tuple[SectionAvailability, ...], *, since: str | None) -> Kept:
        now = self.current
        return Kept(
            orjson.dumps(
                {
                    "event_id": now.event_id,
                    "version": now.version,
                    "since": since,
                    "free": now.free,
                    "held": now.held,
                    "sold": now.sold,
                    "sections": [_section(each) for each in sections],
                }
            )
        )


def _section(section: SectionAvailability) -> dict[str, object]:
    return {
        "id": section.section_id,
        "free": section.free,
        "held": section.held,
        "sold": section.sold,
        "states": section.states,
    }


class Availabilities:
    """The live seats of every event that somebody looks at."""

    def __init__(self, engine: Engine, shows: Shows) -> None:
        self._engine = engine
        self._shows = shows
        self._recent: dict[EventId, deque[seats.Availability]] = {}
        self._copies: Copies[EventId, LiveSeats] = Copies(self._read, name="availability")

    def of(self, event_id: EventId) -> LiveSeats:
        """The live seats of an event. Raises NotFound."""
        return self._copies.get(event_id)

    def stop(self) -> None:
        self._copies.stop()

    def _read(self, event_id: EventId) -> LiveSeats:
        self._shows.event(event_id)
        with reading(self._engine) as connection:
            current = seats.availability(connection, event_id)
        if event_id not in self._recent and len(self._recent) >= EVENTS_KEPT:
            self._recent.pop(next(iter(self._recent)), None)
        recent = self._recent.setdefault(event_id, deque(maxlen=VERSIONS_KEPT))
        if not recent or recent[0].version != current.version:
            recent.appendleft(current)
        return LiveSeats(recent[0], tuple(recent)[1:])
