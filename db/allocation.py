"""Which tickets a booking gets: a pure decision over wishes and what is free, in the order of the queue.

Rules:
- Named tickets: all of them or none.
- Best available: `quantity` neighbours in one row. The front row with room wins, in it a block that leaves no single
  seat alone, then the most central. `together=False` may split when no row has room. General admission: any units.
- Without a section: the organiser's order (section id), within `max_price_minor`.
- `max_price_minor` is what a ticket costs its buyer: the whole bill, fees and tax, never exceeds it for each ticket.
- A wish may say which tier each ticket is of; a section that has not those is none for it (db/tiers.py).
- `expected_total_minor` is what the buyer was shown for a wish: it is met at that or less, never above.
- `or_similar`, for named tickets: as many neighbours in the same section, else in another section of the same price.
- A booking's wishes are tried in order; the first that can be met is.
- Nobody passes the event's limit of tickets per buyer, nor that per network address, where there is one. The lane is
  serial per event, so counting here is enough.
- The codes of a booking apply to whatever wish is met (`db/code_rules.py`), or nothing is given. Prices are compared as
  they are with them.
- A total that the payment provider does not take is no offer: it could be held, and never paid (`db/till.py`).
- Nothing met: UNAVAILABLE. Whether the event is sold out is for the record to say, when the batch is written.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby
from operator import attrgetter
from typing import NamedTuple

from onsale.db.code_rules import Code, CodeRefusal, Line
from onsale.db.house import House, Place, SectionIndex
from onsale.db.ids import BookingId, BuyerId, TicketId
from onsale.db.price_terms import NOTHING, Bill
from onsale.db.tiers import Choice, Tiers, choices, sold_as
from onsale.db.till import Till, lines_in
from onsale.db.wishes import Wish as Wish  # Who decides needs both: imported from here as well.
from onsale.errors import NoSuchTier, TierLimitReached


class Outcome(StrEnum):
    """What a lane decides; each is the booking state it leads to."""

    HELD = "held"
    UNAVAILABLE = "unavailable"
    # Set by the record alone, in place of UNAVAILABLE: nothing is free and nothing held in the whole event.
    SOLD_OUT = "sold_out"


class Refusal(StrEnum):
    """Why nothing was given, for the buyer's page."""

    TAKEN = "taken"
    NONE_FREE = "none_free"
    NO_SUCH_TICKET = "no_such_ticket"
    BUYER_LIMIT = "buyer_limit"
    PRICE_CHANGED = "price_changed"
    NO_SUCH_TIER = "no_such_tier"
    TIER_LIMIT = "tier_limit"
    ADDRESS_LIMIT = "address_limit"
    TOTAL_TOO_SMALL = "total_too_small"
    TOTAL_TOO_LARGE = "total_too_large"


# NamedTuples, as Place is: a lane makes hundreds a batch.
class Request(NamedTuple):
    """A queued booking as the allocator sees it: `buyer_taken` of the `buyer_limit` tickets are the buyer's already.

    `address`: a digest, only where there is a limit; then `address_taken` of the `address_limit` tickets are its.
    """

    booking_id: BookingId
    version: int
    buyer_id: BuyerId
    wishes: tuple[Wish, ...]
    buyer_taken: int
    buyer_limit: int
    address: str | None = None
    address_taken: int = 0
    address_limit: int | None = None
    code_ids: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NamedTicket:
    """A ticket some wish names, as the record had it. Row and seat are 0 for general admission."""

    id: TicketId
    section_id: int
    row_number: int
    seat_number: int
    price_minor: int
    free: bool
    tiers: Tiers = ()


class Taken(NamedTuple):
    """One ticket given to a booking at this price: of its tier where there are any, less what the codes take off."""

    ticket_id: TicketId
    section_id: int
    row_number: int
    seat_number: int
    price_minor: int
    tier: str | None = None


_SECTION = attrgetter("section_id")


class CodeUse(NamedTuple):
    """A code that a hold uses, and what it takes off all of its tickets."""

    code_id: int
    discount_minor: int


class Decision(NamedTuple):
    """What becomes of one booking; `wish` is the index of the wish that was met, `reason` why none was.

    `bill`: what the tickets cost together, with fees and tax. `discounts`: what codes take off each one.
    """

    booking_id: BookingId
    version: int
    outcome: Outcome
    tickets: tuple[Taken, ...] = ()
    wish: int | None = None
    reason: Refusal | CodeRefusal | None = None
    bill: Bill = NOTHING
    codes: tuple[CodeUse, ...] = ()
    discounts: tuple[int, ...] = ()


def allocate(requests: Sequence[Request], house: House, named: Mapping[TicketId, NamedTicket]) -> tuple[Decision, ...]:
    """Decide every request, in the order given; one decision each.

    Takes what it gives out of `house`: when the decisions are not committed, `put_back(house, decisions)`.
    """
    hall = _Hall(house, named)
    given: Counter[BuyerId] = Counter()
    given_to: Counter[str] = Counter()
    decisions = []
    for request in requests:
        before = given[request.buyer_id]
        left = request.buyer_limit - request.buyer_taken - before
        decision = _decide(request, hall, allowance=left, of_address=_left_of_address(request, given_to))
        given[request.buyer_id] = before + len(decision.tickets)
        if request.address is not None:
            given_to[request.address] += len(decision.tickets)
        if decision.codes:
            house.codes.use((use.code_id for use in decision.codes), request.buyer_id)
        decisions.append(decision)
    return tuple(decisions)


def _left_of_address(request: Request, given: Counter[str]) -> int | None:
    """How many tickets its address may still have; None: any."""
    if request.address is None or request.address_limit is None:
        return None
    return request.address_limit - request.address_taken - given[request.address]


def put_back(house: House, decisions: Iterable[Decision]) -> None:
    """Undo what `allocate` took out of the house."""
    for decision in decisions:
        for section_id, tickets in groupby(decision.tickets, _SECTION):
            section = house.sections.get(section_id)
            if section is not None:
                section.put_back(tickets)


def _decide(request: Request, hall: _Hall, *, allowance: int, of_address: int | None) -> Decision:
    reason: Refusal | CodeRefusal = Refusal.NONE_FREE
    if refused := hall.begin(request):
        return Decision(request.booking_id, request.version, Outcome.UNAVAILABLE, reason=refused)
    for index, wish in enumerate(request.wishes):
        if wish.size > allowance:
            reason = Refusal.BUYER_LIMIT
            continue
        if of_address is not None and wish.size > of_address:
            reason = Refusal.ADDRESS_LIMIT
            continue
        tickets = hall.meet(wish)
        if tickets:
            hall.take(tickets)
            return hall.held(request, tickets, index)
        reason = hall.refusal(wish)
    return Decision(request.booking_id, request.version, Outcome.UNAVAILABLE, reason=reason)


class _Hall:
    """The house and the named tickets in the middle of a batch: what earlier bookings of it took is gone."""

    def __init__(self, house: House, named: Mapping[TicketId, NamedTicket]) -> None:
        self._house = house
        self._till = Till(house)
        self._named = named
        self._gone: set[TicketId] = set()
        self._codes: tuple[Code, ...] = ()
        # Mostly there are no codes, and nothing more to ask of a section.
        self._any_codes = bool(house.codes.codes or house.codes.code_only)

    def begin(self, request: Request) -> CodeRefusal | None:
        """The next booking, with its codes; why these get it nothing."""
        shown = self._house.codes.shown(request.code_ids, request.buyer_id) if request.code_ids else ()
        if isinstance(shown, CodeRefusal):
            return shown
        self._codes = shown
        return None

    def held(self, request: Request, tickets: tuple[Taken, ...], wish: int) -> Decision:
        """These tickets, at what they cost with the codes of this booking."""
        if not self._codes:
            bill = self._house.terms.of_booking([ticket.price_minor for ticket in tickets])
            return Decision(request.booking_id, request.version, Outcome.HELD, tickets, wish, bill=bill)
        # In the order of the house: who bears the last unit of an amount is to be told from the record.
        tickets = tuple(sorted(tickets))
        reduced = self._till.reduced(_lines_of(tickets), self._codes)
        pairs = tuple(zip(tickets, reduced.prices_minor, strict=True))
        sections = frozenset(ticket.section_id for ticket in tickets)
        used = self._house.codes.needed(sections, self._codes, reduced.taken_off)
        return Decision(
            request.booking_id,
            request.version,
            Outcome.HELD,
            tuple(ticket._replace(price_minor=price) for ticket, price in pairs),
            wish,
            bill=self._house.terms.of_booking(reduced.prices_minor),
            codes=tuple(CodeUse(code.id, reduced.taken_off.get(code.id, 0)) for code in used),
            discounts=tuple(ticket.price_minor - price for ticket, price in pairs),
        )

    def meet(self, wish: Wish) -> tuple[Taken, ...]:
        """The tickets for this wish; empty when it cannot be met."""
        self._till.turned_away = False
        if not wish.tickets:
            return self._best(wish)
        if all(self._is_free(ticket) for ticket in wish.tickets):
            tickets = self._sold_named(wish)
            return tickets if tickets and self._sold(wish, _lines_of(tickets)) else ()
        return self._similar(wish) if wish.or_similar else ()

    def _sold_named(self, wish: Wish) -> tuple[Taken, ...]:
        """The tickets that the wish names, as it wants them sold; empty when they are not sold so."""
        named = [self._named[ticket] for ticket in wish.tickets]
        sold = sold_as(wish.tiers, [(ticket.price_minor, ticket.tiers) for ticket in named])
        # Nothing, when they are not sold so.
        tickets = tuple(_taken(ticket, each) for ticket, each in zip(named, sold, strict=bool(sold)))
        return tuple(sorted(tickets)) if self._codes else tickets

    def refusal(self, wish: Wish) -> Refusal | CodeRefusal:
        """Why `meet` came back empty."""
        if self._till.turned_away and (unpayable := self._unpayable(wish)):
            return unpayable
        if self._any_codes and (refused := self._refused(wish)):
            return refused
        if self._dearer(wish):
            return Refusal.PRICE_CHANGED
        if (of_tiers := self._refusal_of_tiers(wish)) is not None:
            return of_tiers
        if not wish.tickets:
            return Refusal.NONE_FREE
        return Refusal.TAKEN if all(ticket in self._named for ticket in wish.tickets) else Refusal.NO_SUCH_TICKET

    def _refusal_of_tiers(self, wish: Wish) -> Refusal | None:
        """Why no section that the wish may be met in sells what it asks for; None: one does, or there is none."""
        if wish.tickets:
            known = [self._named[ticket] for ticket in wish.tickets if ticket in self._named]
            if len(known) < len(wish.tickets):
                return None
            places = [[(ticket.price_minor, ticket.tiers) for ticket in known]]
        else:
            sections = self._house.sections.values()
            meant = [one for one in sections if wish.section_id is None or one.id == wish.section_id]
            places = [[(one.price_minor, one.tiers)] * wish.size for one in meant]
        refusals = [_refusal_of(wish, each) for each in places]
        return refusals[0] if refusals and all(refusals) else None

    def take(self, tickets: Sequence[Taken]) -> None:
        """These are given away."""
        self._gone.update([ticket.ticket_id for ticket in tickets])
        for section_id, there in groupby(tickets, _SECTION):
            section = self._house.sections.get(section_id)
            if section is not None:
                section.take(there)

    def _is_free(self, ticket: TicketId) -> bool:
        return ticket not in self._gone and ticket in self._named and self._named[ticket].free

    def _best(self, wish: Wish) -> tuple[Taken, ...]:
        sections = [section for section in self._house.sections.values() if self._fits(section, wish)]
        for section in sections:
            if block := section.best_block(wish.quantity):
                return _all_taken(section, block, wish)
        if not wish.together:
            for section in sections:
                if places := section.any_of(wish.quantity):
                    return _all_taken(section, places, wish)
        return ()

    def _similar(self, wish: Wish) -> tuple[Taken, ...]:
        """As many neighbours where the first named ticket is, else in another section of its price."""
        wanted = next((self._named[ticket] for ticket in wish.tickets if ticket in self._named), None)
        if wanted is None:
            return ()
        same_price = [
            one
            for one in self._house.sections.values()
            if one.price_minor == wanted.price_minor and one.tiers == wanted.tiers
        ]
        for section in sorted(same_price, key=lambda one: one.id != wanted.section_id):
            lines = lines_in(section, wish)
            if not lines or not self._sold(wish, lines):
                continue
            if block := section.best_block(len(wish.tickets)):
                return _all_taken(section, block, wish)
        return ()

    def _fits(self, section: SectionIndex, wish: Wish) -> bool:
        if wish.section_id is not None and section.id != wish.section_id:
            return False
        if self._any_codes and self._allowed([Line(section.id, section.price_minor)]) is not None:
            return False
        limited = wish.max_price_minor is not None or wish.expected_total_minor is not None
        if not (limited or section.tiers or wish.tiers or self._codes):
            return self._till.sells_alike(section.price_minor, wish.size)
        lines = lines_in(section, wish)
        return bool(lines) and self._till.sells(wish, lines, self._codes)

    def _sold(self, wish: Wish, lines: Sequence[Line]) -> bool:
        return self._allowed(lines) is None and self._till.sells(wish, lines, self._codes)

    def _allowed(self, lines: Sequence[Line]) -> CodeRefusal | None:
        """Why tickets there may not be had with the codes of this booking."""
        if not self._any_codes:
            return None
        return self._house.codes.refusal((line.section_id for line in lines), self._codes)

    def _refused(self, wish: Wish) -> CodeRefusal | None:
        """Whether the codes of the booking, or their want, stood in the way of this wish."""
        if wish.section_id is not None:
            return self._allowed([Line(wish.section_id, 0)])
        if wish.tickets:
            known = [self._named[ticket] for ticket in wish.tickets if ticket in self._named]
            return self._allowed([Line(ticket.section_id, 0) for ticket in known]) if known else None
        codes, self._codes = self._codes, tuple(code for code in self._codes if not code.takes_off)
        without, self._codes = bool(codes) and bool(self.meet(wish)), codes
        return CodeRefusal.NOT_FOR_TICKETS if without else None

    def _dearer(self, wish: Wish) -> bool:
        """Whether free tickets were there for the wish, at more than the buyer was shown."""
        if wish.expected_total_minor is None:
            return False
        return bool(self.meet(replace(wish, expected_total_minor=None)))

    def _unpayable(self, wish: Wish) -> Refusal | None:
        """Whether free tickets were there for the wish, for a total that nobody could pay."""
        with self._till.of_any_amount():
            tickets = self.meet(wish)
        if not tickets:
            return None
        total = self._till.total_minor(_lines_of(tickets), self._codes)
        return Refusal.TOTAL_TOO_SMALL if total < self._house.bounds.least_minor else Refusal.TOTAL_TOO_LARGE


def _lines_of(tickets: Iterable[Taken]) -> list[Line]:
    return [Line(ticket.section_id, ticket.price_minor) for ticket in tickets]


def _refusal_of(wish: Wish, places: Sequence[tuple[int, Tiers]]) -> Refusal | None:
    try:
        choices(wish.tiers, places)
    except NoSuchTier:
        return Refusal.NO_SUCH_TIER
    except TierLimitReached:
        return Refusal.TIER_LIMIT
    return None


def _taken(ticket: NamedTicket, sold: Choice) -> Taken:
    return Taken(ticket.id, ticket.section_id, ticket.row_number, ticket.seat_number, sold.price_minor, sold.tier)


def _all_taken(section: SectionIndex, places: Sequence[Place], wish: Wish) -> tuple[Taken, ...]:
    """These places, left to right in the order of the wish's tiers."""
    id_, price = section.id, section.price_minor
    if not (section.tiers or wish.tiers):
        return tuple([Taken(ticket, id_, row, seat, price) for ticket, row, seat in places])
    sold = choices(wish.tiers, [(price, section.tiers)] * len(places))
    return tuple(
        Taken(place.ticket_id, id_, place.row_number, place.seat_number, each.price_minor, each.tier)
        for place, each in zip(places, sold, strict=True)
    )
