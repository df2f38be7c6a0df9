"""What the console shows of bookings that are stuck: how many of each kind, the longest of them, and what to do."""

from __future__ import annotations

from dataclasses import dataclass

from onsale.db import stuck
from onsale.db.engine import reading
from onsale.db.ids import BookingId, EventId
from onsale.db.stuck import RULES, Kind, Stuck
from onsale.web.box_office import BoxOffice

SHOWN_EACH = 5


@dataclass(frozen=True)
class Group:
    """The stuck bookings of one kind; `more` of them are not shown."""

    kind: Kind
    count: int
    bookings: tuple[Stuck, ...]

    @property
    def says(self) -> str:
        return RULES[self.kind].says

    @property
    def do(self) -> str:
        return RULES[self.kind].do

    @property
    def more(self) -> int:
        return self.count - len(self.bookings)


def groups(office: BoxOffice, event_id: EventId) -> tuple[Group, ...]:
    """What is stuck in an event; empty when nothing is."""
    with reading(office.engine) as connection:
        found = stuck.find(connection, event_id=event_id, each=SHOWN_EACH)
    return tuple(
        Group(kind, count, tuple(one for one in found.listed if one.kind is kind))
        for kind, count in found.counts.items()
        if count
    )


def of_booking(office: BoxOffice, event_id: EventId, booking_id: BookingId) -> tuple[Stuck, ...]:
    """In which ways this booking is stuck, as far as it is among the longest."""
    with reading(office.engine) as connection:
        found = stuck.find(connection, event_id=event_id, each=stuck.LISTED_EACH_MAX)
    return tuple(one for one in found.listed if one.booking_id == booking_id)
