"""Who on a waiting list is offered the tickets that came back. Pure: the line and the stock in, a round out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from onsale.db.ids import BuyerId
from onsale.db.wishes import Wish

OFFERS_MAX = 100


@dataclass(frozen=True, slots=True)
class InLine:
    """Somebody in line. `present`: seen lately; `asked`: long enough that who is not present is away.

    `rested`: False for a while after an offer that the lane could not meet, so that it is not made again at once.
    """

    buyer_id: BuyerId
    number: int
    quantity: int
    section_ids: tuple[int, ...]
    max_price_minor: int | None
    present: bool
    asked: bool
    rested: bool = True


@dataclass(frozen=True, slots=True)
class FreeSection:
    """Free tickets of a section, and what one costs in full."""

    free: int
    price_minor: int


@dataclass(frozen=True, slots=True)
class Offer:
    """Tickets for somebody in line, all in one section."""

    to: InLine
    section_id: int

    @property
    def wishes(self) -> tuple[Wish, ...]:
        """Side by side if it can be: single seats that came back are worth having too."""
        one = Wish(quantity=self.to.quantity, section_id=self.section_id, together=True)
        apart = Wish(quantity=self.to.quantity, section_id=self.section_id, together=False)
        return (one,) if self.to.quantity == 1 else (one, apart)


@dataclass
class Round:
    """What one round comes to, each in number order. `left`: free tickets that nobody here was offered.

    `undecided`: somebody who was asked just now stands before whoever comes next; the rest is for the next round.
    """

    offers: list[Offer] = field(default_factory=list)
    absent: list[InLine] = field(default_factory=list)
    unfit: list[InLine] = field(default_factory=list)
    left: int = 0
    undecided: bool = False


def deal(line: Sequence[InLine], stock: Mapping[int, FreeSection]) -> Round:
    """Offer what is free to who is present, lowest number first; nobody present is passed by a higher number that
    wants no more than they do.

    `stock` is what is free and not offered already, best section first.
    """
    left = {section: each.free for section, each in stock.items()}
    made = Round()
    for one in line:
        if not any(left.values()) or len(made.offers) >= OFFERS_MAX:
            break
        section = _section(one, left, stock) if one.rested else None
        if section is None:
            made.unfit.append(one)
        elif one.present:
            left[section] -= one.quantity
            made.offers.append(Offer(one, section))
        elif one.asked:
            made.absent.append(one)
        else:
            made.undecided = True
            break
    made.left = sum(left.values())
    return made


def without(stock: Mapping[int, FreeSection], promised: Iterable[tuple[int, int]]) -> dict[int, FreeSection]:
    """The stock less what is (section, quantity) promised and not taken out of it yet."""
    left = dict(stock)
    for section, quantity in promised:
        if section in left:
            left[section] = FreeSection(max(0, left[section].free - quantity), left[section].price_minor)
    return left


def _section(one: InLine, left: Mapping[int, int], stock: Mapping[int, FreeSection]) -> int | None:
    """The best section that has enough, is wanted, and is not too dear."""
    for section, free in left.items():
        wanted = not one.section_ids or section in one.section_ids
        dear = one.max_price_minor is not None and stock[section].price_minor > one.max_price_minor
        if wanted and not dear and free >= one.quantity:
            return section
    return None
