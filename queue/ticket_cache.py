"""A copy in Redis of which tickets are held or sold: asked before a booking is written, and shown to whoever looks on.

It may refuse a named seat politely; it never decides anything. Wiped or wrong, the outcome is right all the same. What
is written here is numbered and published for those who watch the seats (`live_seats.py` reads it).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from redis import Redis

from onsale.db.ids import EventId, TicketId, event_of_ticket
from onsale.queue import lua
from onsale.queue.kept_connections import KeptConnections, KeptScript
from onsale.queue.keys import EventKeys
from onsale.queue.outage import Outage
from onsale.queue.ticket_marks import SOLD_UNTIL_MS, ordinal_of

TICKETS_MAX = 1_000
# An event's copy is forgotten so long after its last change; sold tickets have no deadline of their own.
KEEP_MS = 30 * 24 * 3_600 * 1_000
# So many writes can be asked for again; whoever has missed more is told everything.
LOG_MAX = 1_000


@dataclass(frozen=True, slots=True)
class TakenTicket:
    """A ticket out of sale. `version` is the row's; an older one never overwrites a newer. `until_ms` None: sold."""

    ticket_id: TicketId
    version: int
    until_ms: int | None


class TicketCache:
    """Held and sold tickets of all events, on the cache's Redis. A Redis that does not answer counts as empty."""

    def __init__(self, client: Redis, outage: Outage | None = None) -> None:
        """`outage`: of all in this process who ask the same server with the same patience."""
        kept = KeptConnections(client.connection_pool)
        self._mark = KeptScript(client, lua.load("mark_tickets"), kept)
        self._taken = KeptScript(client, lua.load("taken_tickets"), kept)
        self._outage = outage or Outage("ticket cache")

    @property
    def away(self) -> bool:
        """It did not answer when it was last asked: what it says of tickets means nothing."""
        return self._outage.away

    def taken(self, ticket_ids: Sequence[TicketId]) -> frozenset[TicketId]:
        """Those of these tickets known to be held or sold now; one round trip an event, at most 1,000 tickets."""
        by_event: dict[EventId, dict[int, TicketId]] = defaultdict(dict)
        for ticket in ticket_ids[:TICKETS_MAX]:
            by_event[event_of_ticket(ticket)][ordinal_of(ticket)] = ticket
        found: set[TicketId] = set()
        for event_id, tickets in by_event.items():
            answer = self._call(self._taken, [EventKeys(event_id).seats], list(tickets)) or []
            found.update(tickets[int(ordinal)] for ordinal in answer)
        return frozenset(found)

    def put(self, event_id: EventId, tickets: Iterable[TakenTicket]) -> None:
        """Tickets were held (until their deadline) or sold; one call for many."""
        self.mark(
            event_id,
            [
                (ordinal_of(one.ticket_id), one.version, SOLD_UNTIL_MS if one.until_ms is None else one.until_ms)
                for one in tickets
            ],
        )

    def clear(self, event_id: EventId, versions: Mapping[TicketId, int]) -> None:
        """Tickets are free again, at these row versions; one call for many."""
        self.mark(event_id, [(ordinal_of(ticket), version, 0) for ticket, version in versions.items()])

    def mark(self, event_id: EventId, marks: Sequence[tuple[int, int, int]]) -> int:
        """Write (ordinal, row version, until_ms) where nothing newer is known: 0 ms is free. How many were written."""
        keys, written = EventKeys(event_id).live_seats(), 0
        for first in range(0, len(marks), TICKETS_MAX):
            flat = [value for mark in marks[first : first + TICKETS_MAX] for value in mark]
            written += self._call(self._mark, keys, [KEEP_MS, LOG_MAX, *flat]) or 0
        return written

    def _call(self, script: KeptScript, keys: Sequence[str], arguments: Sequence[int]) -> Any:
        return self._outage.attempt(lambda: script(keys, arguments))
