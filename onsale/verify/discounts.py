"""Did codes take off what they promise, and no more? Pure: bookings with codes go in, what is wrong comes out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from onsale.db.code_rules import Code, CodeKind, Line, go_together, reduce
from onsale.db.prices import charge_unit_minor


@dataclass(frozen=True, slots=True)
class Cheaper:
    """A booking whose hold used codes: each ticket's section, full price and discount, in the order of the house; and
    each code's id, kind, amount, basis points, sections, whether it stacks, and what the record says it took off.
    """

    booking_id: str
    currency: str
    tickets: Sequence[Sequence[int]] | None
    codes: Sequence[Sequence[Any]]


def wrong(cheaper: Iterable[Cheaper]) -> Iterator[str]:
    """Bookings whose discount is not what their codes give for their tickets."""
    for one in cheaper:
        codes = [_code(*fields) for *fields, _ in one.codes]
        if not go_together(codes):
            yield f"booking {one.booking_id} used codes that cannot be used together"
        tickets = one.tickets or ()
        lines = [Line(section_id, full) for section_id, full, _ in tickets]
        reduced = reduce(lines, codes, unit_minor=charge_unit_minor(one.currency))
        off = [line.price_minor - price for line, price in zip(lines, reduced.prices_minor, strict=True)]
        said = [discount for _, _, discount in tickets]
        if off != said:
            yield f"booking {one.booking_id} had {said} taken off its tickets, its codes give {off}"
        taken = {code_id: discount for code_id, *_, discount in one.codes}
        given = {code.id: reduced.taken_off.get(code.id, 0) for code in codes}
        if taken != given:
            yield f"booking {one.booking_id} says its codes took off {taken}, they give {given}"


def _code(
    code_id: int, kind: str, amount_minor: int, percent_bp: int, section_ids: list[int] | None, stackable: bool
) -> Code:
    sections = None if section_ids is None else frozenset(section_ids)
    return Code(code_id, CodeKind(kind), amount_minor, percent_bp, sections, stackable)
