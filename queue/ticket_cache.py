"""A copy in Redis of which tickets are held or sold, asked before a booking is written, so that no seat query is needed.

It may refuse a named seat politely; it never decides anything. Wiped or wrong, the record still gives the right outcome.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from redis import Redis

from onsale.db.ids import EventId, TicketId


@dataclass(frozen=True, slots=True)
class TakenTicket:
    """A ticket out of sale. `version` is the row's; an older one never overwrites a newer. `until_ms` None: sold."""

    ticket_id: TicketId
    version: int
    until_ms: int | None


class TicketCache:
    """Held and sold tickets of all events, on the cache's Redis. A Redis that does not answer counts as empty."""

    def __init__(self, client: Redis) -> None:
        raise NotImplementedError

    def taken(self, ticket_ids: Sequence[TicketId]) -> frozenset[TicketId]:
        """Those of these tickets that are known to be held or sold now; one round trip."""
        raise NotImplementedError

    def put(self, event_id: EventId, tickets: Iterable[TakenTicket]) -> None:
        """Tickets were held (until their deadline) or sold; one call for many."""
        raise NotImplementedError

    def clear(self, event_id: EventId, versions: Mapping[TicketId, int]) -> None:
        """Tickets are free again, at these row versions; one call for many."""
        raise NotImplementedError
