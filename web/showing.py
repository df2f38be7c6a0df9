"""Shows as everybody sees them: events, tickets, seat maps and what a search finds. API and pages both read them here.

Events and seat maps are copies of this process, a few seconds old at most; a ticket is read from the record each time.
"""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Engine

from onsale.db import catalogue, seats
from onsale.db.catalogue import Event, EventStatus, Ticket
from onsale.db.engine import reading
from onsale.db.ids import EventId, TicketId
from onsale.db.seats import SeatMap
from onsale.errors import NotFound
from onsale.search import Search, SearchPage, SearchQuery, Suggestion
from onsale.web.copies import Copies

# An organiser's change of a name or a date is seen everywhere after this long.
EVENT_SECONDS = 5.0
SEAT_MAP_SECONDS = 30.0
# Made-up versions must not have it read more often than this.
SEAT_MAP_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Shows:
    """What is on sale, with a copy of each event and each house in this process."""

    engine: Engine
    finder: Search
    events: Copies[EventId, Event]
    seat_maps: Copies[EventId, SeatMap]

    def event(self, event_id: EventId) -> Event:
        """A published or cancelled event. Raises NotFound, for a draft too."""
        return self.events.get(event_id)

    def seat_map(self, event_id: EventId) -> SeatMap:
        """The house of an event. Raises NotFound."""
        self.event(event_id)
        return self.seat_maps.get(event_id)

    def seat_map_of_version(self, event_id: EventId, version: str) -> SeatMap:
        """The house of an event, if this is its version. Raises NotFound.

        Another process may know of a change before this one does; then it is read anew.
        """
        found = self.seat_map(event_id)
        if found.version != version and self.seat_maps.is_old(event_id, seconds=SEAT_MAP_AGAIN_SECONDS):
            self.seat_maps.forget(event_id)
            found = self.seat_map(event_id)
        if found.version != version:
            raise NotFound
        return found

    def ticket(self, ticket_id: TicketId) -> Ticket:
        """A ticket as it stands in the record. Raises NotFound."""
        with reading(self.engine) as connection:
            ticket = catalogue.ticket_by_id(connection, ticket_id)
        if ticket is None:
            raise NotFound
        return ticket

    def matching(self, name_or_id: str) -> tuple[EventId, ...]:
        """The ids of the events with this id, or whose name contains this."""
        with reading(self.engine) as connection:
            return catalogue.matching_events(connection, name_or_id)

    def search(self, query: SearchQuery) -> SearchPage:
        """The page of events asked for. Raises BadRequest."""
        return self.finder.search(query)

    def suggest(self, text: str) -> tuple[Suggestion, ...]:
        """What the text may be the beginning of. Raises BadRequest."""
        return self.finder.suggest(text)

    def stop(self) -> None:
        """End the threads that keep the copies fresh."""
        self.events.stop()
        self.seat_maps.stop()


def open_shows(engine: Engine, finder: Search) -> Shows:
    """Shows over this record; reads nothing yet."""

    def read_event(event_id: EventId) -> Event:
        with reading(engine) as connection:
            event = catalogue.event_by_id(connection, event_id)
        if event is None or event.status is EventStatus.DRAFT:
            raise NotFound
        return event

    def read_seat_map(event_id: EventId) -> SeatMap:
        with reading(engine) as connection:
            found = seats.seat_map(connection, event_id)
        if found is None:
            raise NotFound
        return found

    return Shows(
        engine,
        finder,
        events=Copies(read_event, name="events", every_seconds=EVENT_SECONDS, stale_seconds=600),
        seat_maps=Copies(read_seat_map, name="seat-maps", every_seconds=SEAT_MAP_SECONDS, stale_seconds=600),
    )
