"""What a buyer asks for: tickets by name or the best available, and the form this has in the record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from onsale.db.ids import EventId, TicketId, event_of_ticket
from onsale.errors import BadRequest

WISHES_MAX = 5
TICKETS_PER_WISH_MAX = 50
_NAMES = {
    "tickets",
    "quantity",
    "section_id",
    "max_price_minor",
    "together",
    "or_similar",
    "expected_total_minor",
    "tiers",
}

JsonWish = dict[str, object]


@dataclass(frozen=True, slots=True)
class Wish:
    """Named `tickets`, or the best available `quantity` in a section or anywhere; `db/allocation.py` has the rules.

    `expected_total_minor`: what the buyer was shown that all of it costs. `tiers`: of each ticket in turn, None: the
    first of its section; empty: all are of the first.
    """

    tickets: tuple[TicketId, ...] = ()
    quantity: int = 0
    section_id: int | None = None
    max_price_minor: int | None = None
    together: bool = True
    or_similar: bool = False
    expected_total_minor: int | None = None
    tiers: tuple[str | None, ...] = ()

    @property
    def size(self) -> int:
        """How many tickets it asks for."""
        return len(self.tickets) or self.quantity

    def as_json(self) -> JsonWish:
        """The form kept in the record, without what is left at its default; `wish_from_json` reads it back."""
        document: JsonWish = {"tickets": list(self.tickets)} if self.tickets else {"quantity": self.quantity}
        if self.section_id is not None:
            document["section_id"] = self.section_id
        if self.max_price_minor is not None:
            document["max_price_minor"] = self.max_price_minor
        if not self.together:
            document["together"] = False
        if self.or_similar:
            document["or_similar"] = True
        if self.expected_total_minor is not None:
            document["expected_total_minor"] = self.expected_total_minor
        if any(self.tiers):
            document["tiers"] = list(self.tiers)
        return document


def wish_from_json(document: Mapping[str, object]) -> Wish:
    """A wish from the form `Wish.as_json` writes; BadRequest for unknown names and wrong types. See also `check`."""
    unknown = set(document) - _NAMES
    if unknown:
        raise BadRequest(f"A wish has no {sorted(unknown)[0]!r}.", field="wishes")
    tickets = document.get("tickets") or ()
    if not isinstance(tickets, Sequence) or isinstance(tickets, str):
        raise BadRequest("Tickets are a list of ids.", field="tickets")
    return Wish(
        tickets=tuple(TicketId(_whole(ticket, "tickets")) for ticket in tickets),
        quantity=_whole(document.get("quantity") or 0, "quantity"),
        section_id=_whole_or_none(document.get("section_id"), "section_id"),
        max_price_minor=_whole_or_none(document.get("max_price_minor"), "max_price_minor"),
        together=_truth(document.get("together", True), "together"),
        or_similar=_truth(document.get("or_similar", False), "or_similar"),
        expected_total_minor=_whole_or_none(document.get("expected_total_minor"), "expected_total_minor"),
        tiers=_names(document.get("tiers") or ()),
    )


def check(wishes: Sequence[Wish], event_id: EventId, *, tickets_max: int) -> None:
    """BadRequest, naming the field, when a list of wishes makes no sense for this event.

    `tickets_max`: the event's limit per buyer.
    """
    if not 1 <= len(wishes) <= WISHES_MAX:
        raise BadRequest(f"A booking has 1 to {WISHES_MAX} wishes.", field="wishes")
    for number, wish in enumerate(wishes):
        _check(wish, event_id, tickets_max=tickets_max, field=f"wishes.{number}")


def _check(wish: Wish, event_id: EventId, *, tickets_max: int, field: str) -> None:
    if bool(wish.tickets) == bool(wish.quantity):
        raise BadRequest("A wish names tickets, or a quantity.", field=field)
    if not 1 <= wish.size <= min(tickets_max, TICKETS_PER_WISH_MAX):
        too_many = "tickets" if wish.tickets else "quantity"
        raise BadRequest(f"A wish asks for 1 to {tickets_max} tickets.", field=f"{field}.{too_many}")
    if len(set(wish.tickets)) < len(wish.tickets):
        raise BadRequest("A ticket is named twice.", field=f"{field}.tickets")
    if any(event_of_ticket(ticket) != event_id for ticket in wish.tickets):
        raise BadRequest("A ticket is of another event.", field=f"{field}.tickets")
    if wish.tickets and (wish.section_id is not None or wish.max_price_minor is not None):
        raise BadRequest("A section or a highest price goes with a quantity.", field=field)
    if wish.or_similar and not wish.tickets:
        raise BadRequest("or_similar goes with named tickets.", field=f"{field}.or_similar")
    if wish.tiers and len(wish.tiers) != wish.size:
        raise BadRequest("Tiers are one for each ticket, or left out.", field=f"{field}.tiers")


def _whole(value: object, field: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise BadRequest("A whole number of 0 or more is needed.", field=field)
    return value


def _whole_or_none(value: object, field: str) -> int | None:
    return None if value is None else _whole(value, field)


def _names(value: object) -> tuple[str | None, ...]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise BadRequest("Tiers are a list of names.", field="tiers")
    if not all(name is None or isinstance(name, str) for name in value):
        raise BadRequest("A tier is named, or null for the first one.", field="tiers")
    return tuple(value)


def _truth(value: object, field: str) -> bool:
    if not isinstance(value, bool):
        raise BadRequest("true or false is needed.", field=field)
    return value


def tickets_named(wishes: Iterable[Wish]) -> frozenset[TicketId]:
    """Every ticket id that some wish names."""
    return frozenset(ticket for wish in wishes for ticket in wish.tickets)


def sections_needed(wishes: Iterable[Wish]) -> frozenset[int] | None:
    """The sections whose free seats these wishes may ask for: those to have in the house; None means all of them."""
    needed: set[int] = set()
    for wish in wishes:
        if wish.section_id is not None:
            needed.add(wish.section_id)
        elif not wish.tickets or wish.or_similar:
            return None
    return frozenset(needed)
