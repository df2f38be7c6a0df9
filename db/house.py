"""An event's free tickets in memory, by section and row, so that the best seats are found without reading the house.

Kept by a worker between batches. It is only a guess that is nearly always right: every hold is checked by the record.
A row's free seats are the bits of one whole number, so a free block of any size is found with a handful of shifts.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

from onsale.db.code_book import NO_CODES, CodeBook
from onsale.db.ids import TicketId
from onsale.db.price_terms import NO_TERMS, PriceTerms
from onsale.db.prices import ANY_AMOUNT, ChargeBounds
from onsale.db.tiers import Tiers

GENERAL_ROW = 0


# A NamedTuple, as `Taken` is: a lane makes a thousand a batch, and a frozen dataclass takes four times as long to make.
class Place(NamedTuple):
    """A ticket's place; row and seat are 0 for general admission."""

    ticket_id: TicketId
    row_number: int
    seat_number: int


class Placed(Protocol):
    """Whatever knows its place: a Place, or a ticket given to somebody."""

    @property
    def ticket_id(self) -> TicketId: ...
    @property
    def row_number(self) -> int: ...
    @property
    def seat_number(self) -> int: ...


@dataclass(frozen=True, slots=True)
class Run:
    """Seats of one row whose numbers and ticket ids both count up by one; `free` has seat `first_seat + n` in bit n.

    General admission is runs of row 0 whose seats are counted from 1 by the reader of the record, in ticket order.
    """

    row_number: int
    first_seat: int
    first_ticket: TicketId
    count: int
    free: int


class Row:
    """One row: which of its seats are free, and which block of them is best."""

    __slots__ = ("first_seat", "free", "number", "runs", "width")

    def __init__(self, number: int, runs: Sequence[Run]) -> None:
        self.number = number
        self.runs = sorted(runs, key=lambda run: run.first_seat)
        self.first_seat = self.runs[0].first_seat
        self.width = self.runs[-1].first_seat + self.runs[-1].count - self.first_seat
        self.free = 0
        for run in self.runs:
            self.free |= run.free << (run.first_seat - self.first_seat)

    def places(self, start: int, quantity: int) -> tuple[Place, ...]:
        """This many neighbours from there on."""
        number, seat = self.number, self.first_seat + start
        if len(self.runs) == 1:
            ticket = self.runs[0].first_ticket + start
            return tuple([Place(TicketId(ticket + n), number, seat + n) for n in range(quantity)])
        return tuple([Place(self.ticket_at(start + n), number, seat + n) for n in range(quantity)])

    def ticket_at(self, position: int) -> TicketId:
        seat = self.first_seat + position
        run = self.runs[0]
        for later in self.runs[1:]:
            if later.first_seat <= seat:
                run = later
        return TicketId(run.first_ticket + seat - run.first_seat)

    def position_of(self, ticket: TicketId) -> int:
        """Where a ticket of this row is; for general admission, which knows no seats."""
        for run in self.runs:
            if run.first_ticket <= ticket < run.first_ticket + run.count:
                return run.first_seat + ticket - run.first_ticket - self.first_seat
        return -1

    def best_start(self, quantity: int) -> int:
        """Where the best block of free neighbours begins; -1 when no block is that long."""
        free = self.free
        starts, length = free, 1
        while length < quantity and starts:
            step = min(length, quantity - length)
            starts &= starts >> step
            length += step
        if not starts:
            return -1
        # A block beginning at bit i leaves one seat alone at its left if i - 1 is free and i - 2 is not; likewise
        # right.
        left = (free << 1) & ~(free << 2)
        right = (free >> quantity) & ~(free >> (quantity + 1))
        for choice in (starts & ~left & ~right, starts & ~(left & right)):
            if choice:
                return self._most_central(choice, quantity)
        return self._most_central(starts, quantity)

    def _most_central(self, starts: int, quantity: int) -> int:
        middle = max(0, (self.width - quantity) // 2)
        below = starts & ((1 << (middle + 1)) - 1)
        above = starts >> (middle + 1)
        lower = below.bit_length() - 1
        if not above:
            return lower
        upper = middle + (above & -above).bit_length()
        if lower < 0:
            return upper
        off_centre = 2 * middle if (self.width - quantity) % 2 == 0 else 2 * middle + 1
        return lower if off_centre - 2 * lower <= 2 * upper - off_centre else upper


@dataclass
class SectionIndex:
    """The free tickets of one section, as of `changes` of the section's change counter in the record."""

    id: int
    price_minor: int
    changes: int
    rows: list[Row]
    general: bool = False
    tiers: Tiers = ()
    # No free block is longer; found out by looking, reset when seats come back.
    _longest: int = field(init=False, default=0)
    # Where the front row with a block of this many is, at the earliest.
    _front: dict[int, int] = field(init=False, default_factory=dict)
    _by_number: dict[int, Row] = field(init=False, default_factory=dict)

    def __post_init__(self) -> None:
        self.rows.sort(key=lambda row: row.number)
        self._by_number = {row.number: row for row in self.rows}
        self._come_back()

    @classmethod
    def of_runs(
        cls,
        section_id: int,
        runs: Iterable[Run],
        *,
        price_minor: int,
        changes: int,
        general: bool = False,
        tiers: Tiers = (),
    ) -> SectionIndex:
        """A section from its rows' runs, in any order."""
        by_row: dict[int, list[Run]] = {}
        for run in runs:
            by_row.setdefault(run.row_number, []).append(run)
        rows = [Row(number, of_row) for number, of_row in by_row.items()]
        return cls(section_id, price_minor, changes, rows, general, tiers)

    @property
    def free(self) -> int:
        """How many are free."""
        return sum(row.free.bit_count() for row in self.rows)

    def best_block(self, quantity: int) -> tuple[Place, ...]:
        """The best free neighbours; empty when no row has that many side by side. Takes nothing."""
        if self.general:
            return self._units(quantity)
        if quantity > self._longest:
            return ()
        for index in range(self._front.get(quantity, 0), len(self.rows)):
            row = self.rows[index]
            start = row.best_start(quantity)
            if start >= 0:
                self._front[quantity] = index
                return row.places(start, quantity)
        self._longest = quantity - 1
        return ()

    def any_of(self, quantity: int) -> tuple[Place, ...]:
        """`quantity` free tickets in large blocks, front first; empty when not so many are free. Takes nothing."""
        if self.general:
            return self._units(quantity)
        if self.free < quantity:
            return ()
        places: list[Place] = []
        size = quantity
        while len(places) < quantity:
            size = min(size, quantity - len(places))
            block = self.best_block(size)
            if block:
                self.take(block)
                places.extend(block)
            else:
                size -= 1
        self.put_back(places)
        return tuple(places)

    def take(self, places: Iterable[Placed]) -> None:
        """These are no longer free. Places unknown here (added since) are left alone: the record knows them."""
        for place in places:
            if row := self._by_number.get(place.row_number):
                row.free &= ~self._bit(row, place)

    def put_back(self, places: Iterable[Placed]) -> None:
        """These are free again."""
        for place in places:
            if row := self._by_number.get(place.row_number):
                row.free |= self._bit(row, place)
        self._come_back()

    def _units(self, quantity: int) -> tuple[Place, ...]:
        places: list[Place] = []
        for row in self.rows:
            free = row.free
            while free and len(places) < quantity:
                lowest = free & -free
                free ^= lowest
                places.append(Place(row.ticket_at(lowest.bit_length() - 1), 0, 0))
        return tuple(places) if len(places) == quantity else ()

    def _bit(self, row: Row, place: Placed) -> int:
        position = row.position_of(place.ticket_id) if self.general else place.seat_number - row.first_seat
        return 1 << position if 0 <= position < row.width else 0

    def _come_back(self) -> None:
        self._longest = max((row.width for row in self.rows), default=0)
        self._front.clear()


@dataclass
class House:
    """What a worker knows of an event's sections, by id, in the organiser's order; maybe not all of them.

    Not thread safe; whoever has the event's lane has the house. Tell it `wrote` before the commit and `forget_all` when
    that fails, so that the next holder of the lane never sees it older than the record.
    """

    sections: dict[int, SectionIndex] = field(default_factory=dict)
    # What is added to the prices, as of the batch that is being decided.
    terms: PriceTerms = NO_TERMS
    codes: CodeBook = NO_CODES
    # What a booking may come to, so that it can be paid.
    bounds: ChargeBounds = ANY_AMOUNT

    def missing(self, wanted: Iterable[int], changes: Mapping[int, int]) -> tuple[int, ...]:
        """Which of the wanted sections must be read: unknown here, or older than the record's change counters."""
        return tuple(
            section_id
            for section_id in wanted
            if section_id in changes
            and (section_id not in self.sections or self.sections[section_id].changes < changes[section_id])
        )

    def put(self, sections: Iterable[SectionIndex]) -> None:
        """Replace these sections by what was just read."""
        self.sections.update({section.id: section for section in sections})
        self.sections = dict(sorted(self.sections.items()))

    def wrote(self, changes: Mapping[int, int]) -> None:
        """Our own batch moved these counters: what is here is as new as the record, unless somebody else moved them
        too.
        """
        for section_id, changed in changes.items():
            section = self.sections.get(section_id)
            if section is not None and section.changes == changed - 1:
                section.changes = changed

    def forget(self, section_ids: Iterable[int]) -> None:
        """These were found wrong (AllocationStale); read them again before their next use."""
        for section_id in section_ids:
            self.sections.pop(section_id, None)

    def forget_all(self) -> None:
        """A batch was taken out of here and then not committed."""
        self.sections.clear()
