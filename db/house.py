"""An event's free tickets in memory, by section and row, so that the best seats are found without reading the house.

Kept by a worker between batches. It is only a guess that is nearly always right: every hold is checked by the record. A row's free
seats are the bits of one whole number, so a free block of any size is found with a handful of shifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onsale.db.ids import TicketId


@dataclass(frozen=True, slots=True)
class Place:
    """A ticket's place; row and seat are 0 for general admission."""

    ticket_id: TicketId
    row_number: int
    seat_number: int


class SectionIndex:
    """The free tickets of one section."""

    id: int
    price_minor: int
    # The section's change counter in the record when this was read; another one there means: read again.
    changes: int

    def free(self) -> int:
        """How many are free."""
        raise NotImplementedError

    def best_block(self, quantity: int) -> tuple[Place, ...]:
        """The best free neighbours; empty when no row has that many side by side. Takes nothing."""
        raise NotImplementedError

    def any_of(self, quantity: int) -> tuple[Place, ...]:
        """The best `quantity` in as few blocks as the rows allow, front first; empty when not so many are free. Takes nothing."""
        raise NotImplementedError

    def take(self, places: Iterable[Place]) -> None:
        """These are no longer free; those that were not are ignored."""
        raise NotImplementedError

    def put_back(self, places: Iterable[Place]) -> None:
        """These are free again."""
        raise NotImplementedError


@dataclass
class House:
    """What a worker knows of an event's sections: `sections` by id, in the organiser's order; maybe not all of them."""

    sections: dict[int, SectionIndex]

    def missing(self, wanted: Iterable[int], changes: Mapping[int, int]) -> tuple[int, ...]:
        """Which of the wanted sections must be read: unknown here, or changed in the record since (`changes` by section)."""
        raise NotImplementedError

    def put(self, sections: Iterable[SectionIndex]) -> None:
        """Replace these sections by what was just read."""
        raise NotImplementedError

    def wrote(self, changes: Mapping[int, int]) -> None:
        """Our own batch is committed and moved these counters: what is here is as new as the record."""
        raise NotImplementedError

    def forget(self, section_ids: Iterable[int]) -> None:
        """These were found wrong (AllocationStale); read them again before their next use."""
        raise NotImplementedError
