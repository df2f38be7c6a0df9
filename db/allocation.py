"""Which tickets a booking gets: a pure decision over wishes and what is free, in the order of the queue.

Rules:
- Named tickets: all of them or none.
- Best available: `quantity` neighbours in one row; the front row with room wins, in it a block that leaves no single seat alone, then the
  most central. `together=False` may split over rows when no row has room. General admission: any units.
- Without a section: the organiser's order (section id), within `max_price_minor`.
- `or_similar`, for named tickets: as many neighbours in the same section, else in another section of the same price.
- A booking's wishes are tried in order; the first that can be met is.
- Nothing met: `sold_out` when the record had nothing free and nothing held in the whole event, else `unavailable`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from onsale.db.house import House
from onsale.db.ids import BookingId, BuyerId, TicketId

WISHES_MAX = 5
TICKETS_PER_WISH_MAX = 50

JsonWish = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wish:
    """Named `tickets`, or the best available `quantity`; limits as in the module's rules."""

    tickets: tuple[TicketId, ...] = ()
    quantity: int = 0
    section_id: int | None = None
    max_price_minor: int | None = None
    together: bool = True
    or_similar: bool = False

    @property
    def size(self) -> int:
        """How many tickets it asks for."""
        return len(self.tickets) or self.quantity

    def as_json(self) -> JsonWish:
        """The form kept in the record; `wish_from_json` reads it back."""
        raise NotImplementedError


def wish_from_json(document: Mapping[str, object]) -> Wish:
    """A wish from the form `Wish.as_json` writes; BadRequest when it asks for nothing, too much, or both ways at once."""
    raise NotImplementedError


class Outcome(StrEnum):
    """What a lane decides; each is the booking state it leads to."""

    HELD = "held"
    UNAVAILABLE = "unavailable"
    SOLD_OUT = "sold_out"


@dataclass(frozen=True, slots=True)
class Request:
    """A queued booking as the allocator sees it: `buyer_taken` of the `buyer_limit` tickets are the buyer's already."""

    booking_id: BookingId
    version: int
    buyer_id: BuyerId
    wishes: tuple[Wish, ...]
    buyer_taken: int
    buyer_limit: int


@dataclass(frozen=True, slots=True)
class NamedTicket:
    """A ticket some wish names, as the record had it. Row and seat are 0 for general admission."""

    id: TicketId
    section_id: int
    row_number: int
    seat_number: int
    price_minor: int
    free: bool


@dataclass(frozen=True, slots=True)
class Taken:
    """One ticket given to a booking, at this price."""

    ticket_id: TicketId
    section_id: int
    row_number: int
    seat_number: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class Decision:
    """What becomes of one booking; `wish` is the index of the wish that was met, `reason` a word for the buyer's page."""

    booking_id: BookingId
    version: int
    outcome: Outcome
    tickets: tuple[Taken, ...] = ()
    wish: int | None = None
    reason: str | None = None

    @property
    def amount_minor(self) -> int:
        return sum(ticket.price_minor for ticket in self.tickets)


def sections_needed(requests: Sequence[Request], named: Mapping[TicketId, NamedTicket]) -> frozenset[int] | None:
    """The sections whose free seats these requests may ask for: those to have in the house; None means all of them."""
    raise NotImplementedError


def tickets_named(requests: Sequence[Request]) -> frozenset[TicketId]:
    """Every ticket id that some wish names."""
    raise NotImplementedError


def allocate(
    requests: Sequence[Request], house: House, named: Mapping[TicketId, NamedTicket], *, anything_left: bool
) -> tuple[Decision, ...]:
    """Decide every request, in the order given; one decision each.

    Takes what it gives out of `house`: when the decisions cannot be written, `put_back(house, decisions)`.
    `anything_left`: whether the record had a free or a held ticket in the event when the batch was read.
    """
    raise NotImplementedError


def put_back(house: House, decisions: Sequence[Decision]) -> None:
    """Undo what `allocate` took out of the house."""
    raise NotImplementedError
