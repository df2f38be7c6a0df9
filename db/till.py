"""What tickets come to while a lane decides a batch, and whether a wish may have them at that: pure.

A total must be within what the wish allows (`max_price_minor`, `expected_total_minor`) and within what the payment
provider takes at once in the event's currency: below or above that a booking could be held, and never be paid.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from onsale.db import code_rules
from onsale.db.code_rules import Code, Line, Reduced
from onsale.db.house import House, SectionIndex
from onsale.db.prices import ANY_AMOUNT
from onsale.db.tiers import sold_as
from onsale.db.wishes import Wish


class Till:
    """Adds up tickets with the terms, the codes and the bounds of one batch."""

    def __init__(self, house: House) -> None:
        self._terms = house.terms
        self._unit_minor = house.codes.unit_minor
        self._bounds = house.bounds
        # A crowd asks for few different things, and the answer is the same for all of a batch.
        self._alike: dict[tuple[int, int], bool] = {}
        # Whether some total was not one to be paid, since this was last put down.
        self.turned_away = False

    def sells(self, wish: Wish, lines: Sequence[Line], codes: Sequence[Code]) -> bool:
        """Whether the wish may have these tickets at what they come to."""
        total = self.total_minor(lines, codes)
        shown, most = wish.expected_total_minor, wish.max_price_minor
        if shown is not None and total > shown:
            return False
        return (most is None or total <= most * len(lines)) and self._take(self._bounds.take(total))

    def sells_alike(self, price_minor: int, size: int) -> bool:
        """The same for so many tickets of one price, without codes, where the wish sets no limit."""
        if (price_minor, size) not in self._alike:
            total = self._terms.of_booking((price_minor,) * size).total_minor
            self._alike[price_minor, size] = self._bounds.take(total)
        return self._take(self._alike[price_minor, size])

    def total_minor(self, lines: Sequence[Line], codes: Sequence[Code]) -> int:
        """What these tickets cost together with these codes, fees and tax."""
        prices = self.reduced(lines, codes).prices_minor if codes else [line.price_minor for line in lines]
        return self._terms.of_booking(prices).total_minor

    def reduced(self, lines: Sequence[Line], codes: Sequence[Code]) -> Reduced:
        """What is left of each ticket's price with these codes, before fees and tax."""
        return code_rules.reduce(lines, codes, unit_minor=self._unit_minor)

    @contextmanager
    def of_any_amount(self) -> Iterator[None]:
        """As if the provider took any amount: for finding out why a wish was not met."""
        bounds, alike = self._bounds, self._alike
        self._bounds, self._alike = ANY_AMOUNT, {}
        try:
            yield
        finally:
            self._bounds, self._alike = bounds, alike

    def _take(self, takes: bool) -> bool:
        self.turned_away |= not takes
        return takes


def lines_in(section: SectionIndex, wish: Wish) -> list[Line]:
    """What each ticket of the wish costs in this section, before codes; empty when they are not sold so."""
    if not (section.tiers or wish.tiers):
        return [Line(section.id, section.price_minor)] * wish.size
    return [
        Line(section.id, each.price_minor)
        for each in sold_as(wish.tiers, [(section.price_minor, section.tiers)] * wish.size)
    ]
