"""What codes give: which may go together, and what they take off the tickets of a booking; pure, in whole minor units.

Order, on the prices that the lane has read, before fees and tax:
1. Every `percent` code takes its share of a ticket's full price, rounded half up on that ticket (decision 0066); two
   codes of 10 % and 20 % take 30 %, whichever was typed first.
2. Every `amount` code takes its sum once off what is left of the booking, each ticket bearing its part of it by its
   price; what does not divide goes to the first tickets, a unit each. So a ticket that is given back is worth its part.
No price falls below nothing: what a code cannot take is lost.

Together: of the codes that take something off, at most one that is not `stackable`. `unlock` and `early` go with all.
A `priority` code is for the draw: bookings do not have it.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from onsale.db.price_terms import WHOLE_BP, share

CODES_PER_BOOKING_MAX = 5
CODE_CHARACTERS_MIN, CODE_CHARACTERS_MAX = 3, 32
# What people put into a code when they write it down, and into a field when they type it.
_BETWEEN = re.compile(r"[\s\-\u2010-\u2015_.]+")
_CODE = re.compile(rf"[A-Z0-9]{{{CODE_CHARACTERS_MIN},{CODE_CHARACTERS_MAX}}}", re.ASCII)


class CodeKind(StrEnum):
    """What a code does."""

    AMOUNT = "amount"
    PERCENT = "percent"
    UNLOCK = "unlock"
    EARLY = "early"
    PRIORITY = "priority"


class CodeRefusal(StrEnum):
    """Why a booking got nothing for the sake of a code, for the buyer's page."""

    USED = "code_used"
    OFF = "code_over"
    NOT_FOR_TICKETS = "code_not_for_tickets"
    NEEDED = "code_needed"


@dataclass(frozen=True, slots=True)
class Code:
    """A code as the lane needs it. `section_ids` None: all; limits None: none."""

    id: int
    kind: CodeKind
    amount_minor: int = 0
    percent_bp: int = 0
    section_ids: frozenset[int] | None = None
    stackable: bool = False
    uses_max: int | None = None
    uses_per_buyer: int | None = None
    off: bool = False

    @property
    def takes_off(self) -> bool:
        """Whether it makes tickets cheaper."""
        return self.kind in (CodeKind.AMOUNT, CodeKind.PERCENT)

    def covers(self, section_id: int) -> bool:
        """Whether it is for tickets of this section."""
        return self.section_ids is None or section_id in self.section_ids


class Line(NamedTuple):
    """A ticket before any code: where it is, and what it costs there."""

    section_id: int
    price_minor: int


class Reduced(NamedTuple):
    """What is left of each ticket's price, in the order given, and what each code took off, by its id."""

    prices_minor: tuple[int, ...]
    taken_off: dict[int, int]


def normalised(text: str) -> str | None:
    """The code that somebody typed: without case, spaces and dashes; None: no code looks like that."""
    if len(text) > 2 * CODE_CHARACTERS_MAX:
        return None
    plain = _BETWEEN.sub("", text).upper()
    return plain if _CODE.fullmatch(plain) else None


def go_together(codes: Collection[Code]) -> bool:
    """Whether one booking may have all of these."""
    return sum(code.takes_off and not code.stackable for code in codes) <= 1


def reduce(lines: Sequence[Line], codes: Collection[Code], *, unit_minor: int) -> Reduced:
    """What these tickets cost with these codes; the order of the codes means nothing."""
    left = [line.price_minor for line in lines]
    taken_off: dict[int, int] = {}
    for code in sorted(codes, key=lambda one: one.id):
        if code.kind is CodeKind.PERCENT:
            parts = [share(line.price_minor, code.percent_bp, WHOLE_BP, unit_minor) for line in lines]
            taken_off[code.id] = _take(left, lines, code, parts)
    for code in sorted(codes, key=lambda one: one.id):
        if code.kind is CodeKind.AMOUNT:
            bearing = [price if code.covers(line.section_id) else 0 for price, line in zip(left, lines, strict=True)]
            taken_off[code.id] = _take(left, lines, code, divided(code.amount_minor, bearing, unit_minor=unit_minor))
    return Reduced(tuple(left), taken_off)


def divided(amount_minor: int, prices_minor: Sequence[int], *, unit_minor: int) -> list[int]:
    """An amount in parts by the prices that bear it, in whole units, none above its price; at most all of them."""
    whole = sum(prices_minor)
    amount = min(amount_minor, whole)
    if not amount:
        return [0] * len(prices_minor)
    parts = [amount * price // whole // unit_minor * unit_minor for price in prices_minor]
    rest = amount - sum(parts)
    for index, price in enumerate(prices_minor):
        more = min(unit_minor, rest, price - parts[index])
        parts[index] += more
        rest -= more
    return parts


def _take(left: list[int], lines: Sequence[Line], code: Code, parts: Sequence[int]) -> int:
    """Take these parts off what is left, where the code covers the ticket; how much that was."""
    taken = 0
    for index, (line, part) in enumerate(zip(lines, parts, strict=True)):
        off = min(part, left[index]) if code.covers(line.section_id) else 0
        left[index] -= off
        taken += off
    return taken
