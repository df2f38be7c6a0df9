"""Shows as everybody sees them: events, tickets, seat maps and what a search finds. API and pages both read them here.

Events, seat maps and common searches are copies of this process, a second old at most; a ticket is read from the record
each time.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from hashlib import blake2b
from typing import TypeVar

import orjson
from redis import Redis
from sqlalchemy import Engine

from onsale.db import catalogue, seats, tickets
from onsale.db.catalogue import Event, EventListing, EventStatus, Section
from onsale.db.engine import reading
from onsale.db.ids import EventId, TicketId
from onsale.db.packed import Packed
from onsale.db.seats import SeatMap
from onsale.db.standby_reads import Reads
from onsale.db.tickets import Ticket
from onsale.errors import NotFound
from onsale.queue.catalogue_cache import EVENTS, SEARCHES, CatalogueCache, place_of
from onsale.queue.outage import Outage
from onsale.search import Search, SearchPage, SearchQuery, Suggestion
from onsale.web.copies import Copies
from onsale.web.fresh import Fresh

SEAT_MAP_SECONDS = 30.0
# Made-up versions must not have it read more often than this.
SEAT_MAP_AGAIN_SECONDS = 1.0
# Old rather than nothing, while the record does not answer.
EVENT_STALE_SECONDS = 600.0
SEARCH_STALE_SECONDS = 30.0
SEARCHES_KEPT_MAX = 500
# On the front page.
COMING_MAX = 24
LATELY_MAX = 5_000
# Longer ones are not what everybody asks for.
COMMON_CHARACTERS_MAX = 60


K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
Suggestions = tuple[Suggestion, ...]
Listings = tuple[EventListing, ...]
# With the sections that are left out of it.
House = tuple[EventId, tuple[Section, ...], frozenset[int]]


class Lately:
    """The last questions of this process, as many as it remembers."""

    def __init__(self, most: int = LATELY_MAX) -> None:
        self._most = most
        self._asked: OrderedDict[Hashable, None] = OrderedDict()
        self._lock = threading.Lock()

    def has(self, question: Hashable) -> bool:
        """Whether it was asked already; from now on it was."""
        with self._lock:
            had = question in self._asked
            self._asked[question] = None
            self._asked.move_to_end(question)
            if len(self._asked) > self._most:
                self._asked.popitem(last=False)
        return had


@dataclass(frozen=True)
class Shows:
    """What is on sale, with a copy of each event, each house and each common search in this process."""

    engine: Engine
    finder: Search
    events: Fresh[EventId, Event]
    searches: Fresh[SearchQuery, SearchPage]
    suggestions: Fresh[str, Suggestions]
    # What was asked for, so that what is asked only once costs nothing more than the search itself.
    lately: Lately
    # By the ids that are listed; None: what comes next.
    lists: Fresh[tuple[EventId, ...] | None, Listings]
    seat_maps: Copies[House, SeatMap]

    def event(self, event_id: EventId) -> Event:
        """A published or cancelled event. Raises NotFound, for a draft too."""
        return self.events.get(event_id)

    def seat_map(self, event_id: EventId, *, opened: frozenset[int] = frozenset()) -> SeatMap:
        """The house of an event, of the sections that only a code opens with those `opened` alone. Raises NotFound."""
        return self.seat_maps.get(self._house(event_id, opened))

    def seat_map_of_version(self, event_id: EventId, version: str) -> SeatMap:
        """The house of an event, if this is its version. Raises NotFound.

        Another process may know of a change before this one does; then it is read anew.
        """
        house = self._house(event_id, frozenset())
        found = self.seat_maps.get(house)
        if found.version != version and self.seat_maps.is_old(house, seconds=SEAT_MAP_AGAIN_SECONDS):
            self.seat_maps.forget(house)
            found = self.seat_maps.get(house)
        if found.version != version:
            raise NotFound
        return found

    def _house(self, event_id: EventId, opened: frozenset[int]) -> House:
        # A price that changed makes another house, so that no copy with the old one is told.
        event = self.event(event_id)
        return event_id, event.sections, frozenset(event.code_only) - opened

    def ticket(self, ticket_id: TicketId) -> Ticket:
        """A ticket as it stands in the record. Raises NotFound."""
        with reading(self.engine) as connection:
            ticket = tickets.by_id(connection, ticket_id)
        if ticket is None:
            raise NotFound
        return ticket

    def matching(self, name_or_id: str) -> tuple[EventId, ...]:
        """The ids of the events with this id, or whose name contains this."""
        with reading(self.engine) as connection:
            return catalogue.matching_events(connection, name_or_id)

    def listings(self, event_ids: tuple[EventId, ...]) -> Listings:
        """The listings of these events, in this order; those that may not be seen are left out."""
        return self.lists.get(event_ids) if event_ids else ()

    def coming(self) -> Listings:
        """The shows that begin next."""
        return self.lists.get(None)

    def search(self, query: SearchQuery) -> SearchPage:
        """The page of events asked for. Raises BadRequest."""
        return self.searches.get(query) if is_common(query) and self.lately.has(query) else self.finder.search(query)

    def suggest(self, text: str) -> Suggestions:
        """What the text may be the beginning of. Raises BadRequest."""
        is_short = len(text) <= COMMON_CHARACTERS_MAX
        return self.suggestions.get(text) if is_short and self.lately.has(text) else self.finder.suggest(text)

    def stop(self) -> None:
        """End the threads that keep the copies fresh."""
        self.seat_maps.stop()


def is_common(query: SearchQuery) -> bool:
    """Whether others may ask the same: the first page, by few words, and from no place of one's own."""
    words = len(query.artist) + len(query.location) + len(query.text)
    return query.cursor is None and query.near is None and words <= COMMON_CHARACTERS_MAX


def open_shows(engine: Engine, finder: Search, cache_client: Redis, reads: Reads | None = None) -> Shows:
    """Shows over this record; reads nothing yet. What copies are made of comes from a standby where `reads` has one."""
    reads = reads or Reads(engine)
    # One for all: who asks a server that hangs for one copy need not ask it for another.
    outage = Outage("copies of events and searches")

    def read_event(event_id: EventId, position: int | None) -> Event:
        event = reads.read(lambda connection: catalogue.event_by_id(connection, event_id), position=position)
        if event is None or event.status is EventStatus.DRAFT:
            raise NotFound
        return event

    def read_seat_map(house: House) -> SeatMap:
        with reading(engine) as connection:
            found = seats.seat_map(connection, house[0])
        if found is None:
            raise NotFound
        return seats.without(found, house[2])

    def read_list(event_ids: tuple[EventId, ...] | None, position: int | None) -> Listings:
        if event_ids is None:
            return reads.read(lambda connection: catalogue.upcoming(connection, limit=COMING_MAX), position=position)
        return reads.read(lambda connection: catalogue.listings(connection, event_ids), position=position)

    found = CatalogueCache(cache_client, SEARCHES, outage)
    return Shows(
        engine,
        finder,
        events=_fresh_events(read_event, CatalogueCache(cache_client, EVENTS, outage)),
        searches=_fresh_finds(lambda query, _: finder.search(query), Packed(SearchPage), found),
        suggestions=_fresh_finds(lambda typed, _: finder.suggest(typed), Packed(Suggestions), found),
        lately=Lately(),
        lists=_fresh_finds(read_list, Packed(Listings), found),
        seat_maps=Copies(read_seat_map, name="seat-maps", every_seconds=SEAT_MAP_SECONDS, stale_seconds=600),
    )


def _fresh_events(read: Callable[[EventId, int | None], Event], cache: CatalogueCache) -> Fresh[EventId, Event]:
    form = Packed(Event)
    return Fresh(
        read,
        cache,
        form,
        place=lambda event_id: (form.named(event_id), event_id),
        stale_seconds=EVENT_STALE_SECONDS,
    )


def _fresh_finds(read: Callable[[K, int | None], V], form: Packed[V], cache: CatalogueCache) -> Fresh[K, V]:
    """Of what any change of the catalogue may change."""

    def place(key: K) -> tuple[str, int]:
        # Whole, so that a field a search gets one day parts what it tells apart.
        asked = orjson.dumps(key)
        return form.named(blake2b(asked, digest_size=16).hexdigest()), place_of(asked)

    return Fresh(
        read,
        cache,
        form,
        place=place,
        stale_seconds=SEARCH_STALE_SECONDS,
        kept_max=SEARCHES_KEPT_MAX,
    )
