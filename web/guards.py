"""What stands against bots at each event: a copy per process, a second old at most, so that a join asks nobody.

While the record is away the last copy counts, and without one nothing is asked: selling goes before keeping bots out.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

from sqlalchemy import Engine

from onsale.db import queue_guards, revocations
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.queue_guards import Guard
from onsale.errors import OnsaleError, PlaceRevoked
from onsale.web.copies import Copies

STALE_SECONDS = 24 * 3600.0


@dataclass(frozen=True)
class Guarded:
    """An event's settings, the blocks of addresses closed to newcomers, and whether any place is revoked."""

    settings: Guard = field(default_factory=Guard)
    blocks: tuple[IPv4Network | IPv6Network, ...] = ()
    anything_revoked: bool = False

    @property
    def asks_newcomers(self) -> bool:
        """Whether a join has to be looked at."""
        return self.settings.work_bits > 0 or bool(self.blocks)

    def is_closed_to(self, address: str) -> bool:
        """Whether newcomers from this address are refused."""
        if not self.blocks:
            return False
        try:
            found = ip_address(address.split("%", 1)[0])
        except ValueError:
            return False
        return any(found in block for block in self.blocks if block.version == found.version)

    def refusal(self) -> PlaceRevoked:
        """What a revoked buyer is told, with whom to write to."""
        contact = self.settings.contact or "the organiser"
        return PlaceRevoked(
            f"The organiser has taken this place out of the queue. If that is a mistake, write to {contact}. "
            "Bookings you have already made are not touched."
        )


class Guards:
    """What stands against bots at each event."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._copies: Copies[EventId, Guarded] = Copies(self._read, name="guards", stale_seconds=STALE_SECONDS)

    def of(self, event_id: EventId) -> Guarded:
        """What stands at this event."""
        try:
            return self._copies.get(event_id)
        except OnsaleError:
            return Guarded()

    def forget(self, event_id: EventId) -> None:
        """Staff have just changed it: read it anew."""
        self._copies.forget(event_id)

    def stop(self) -> None:
        self._copies.stop()

    def _read(self, event_id: EventId) -> Guarded:
        with reading(self._engine) as connection:
            settings = queue_guards.get(connection, event_id)
            blocks, anything = revocations.blocks(connection, event_id)
        return Guarded(settings, tuple(ip_network(one) for one in blocks), anything)
