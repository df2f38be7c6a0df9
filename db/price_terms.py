"""What a buyer pays in full: an event's fees and tax on the prices of its tickets, and how they are rounded.

Order. Each ticket is a line, and the fee of a booking is one more:
1. The ticket's fee: a fixed amount and a share of its price, on top of the price or (`ticket_fee_included`) within it.
2. The tax: a share of the price and, where `fees_taxed`, of the fee; on top, or (`tax_included`) within what it is of.
3. The fee of the booking, always on top of its tickets, with its tax.
A ticket that costs nothing bears no fee and no tax, and a booking of such tickets alone no fee either.

Rounding. Each share is rounded once, on its line, half up, to a whole unit of the currency; nothing else is. So what
is written beside a ticket is what it adds to the bill, and a booking is the sum of its lines to the unit, however it is
split. EU law leaves method and level to the member states (C-484/06 Ahold, C-302/07 Wetherspoon); rounding a line is
what most shops do, and rounding the sum would be a unit nearer to the rate on a long bill, but then two prices that
were shown would not add up to the third. Half up, since it is what a buyer does who checks with a pencil.

Units. Mostly 1. Three-decimal currencies are charged in tens (Stripe: the last digit is 0), so everything in them is
set and rounded in tens: a sum of tens is one, and no bill needs mending at its end. So too ISK and UGX, in hundreds.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from onsale.db.prices import AMOUNT_MINOR_MAX, charge_unit_minor, decimals
from onsale.errors import BadRequest

# A basis point is a hundredth of a per cent.
WHOLE_BP = 10_000
# Different terms and prices a process remembers the meaning of.
TERMS_KEPT = 1_000
LINES_KEPT = 10_000


class Bill(NamedTuple):
    """What is paid, by its parts: tickets and fees make the total, with the taxes where these are on top.

    Where they are not, `taxes_minor` says how much of the total they are.
    """

    tickets_minor: int
    fees_minor: int
    taxes_minor: int
    total_minor: int

    def plus(self, other: Bill) -> Bill:
        """Both together."""
        return Bill(*(mine + yours for mine, yours in zip(self, other, strict=True)))


NOTHING = Bill(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class PriceTerms:
    """An event's fees and tax; the default is that there are none. Rates in basis points, 10,000 the whole."""

    ticket_fee_minor: int = 0
    ticket_fee_bp: int = 0
    ticket_fee_included: bool = False
    booking_fee_minor: int = 0
    tax_bp: int = 0
    tax_included: bool = True
    fees_taxed: bool = True
    # What amounts are whole multiples of; it follows from the currency.
    unit_minor: int = 1

    @property
    def plain(self) -> bool:
        """Whether a ticket costs its price, and there is nothing more to say."""
        return not (self.ticket_fee_minor or self.ticket_fee_bp or self.booking_fee_minor or self.tax_bp)

    def of_ticket(self, price_minor: int) -> Bill:
        """The line of a ticket: what each one adds to a booking."""
        return _ticket_line(self, price_minor)

    def booking_fee(self) -> Bill:
        """The line that a booking has once."""
        return _taxed(self, 0, self.booking_fee_minor)

    def of_booking(self, prices_minor: Iterable[int]) -> Bill:
        """What these tickets cost when they are booked together."""
        prices = tuple(prices_minor)
        if self.plain:
            total = sum(prices)
            return Bill(total, 0, 0, total)
        bill = self.booking_fee() if any(prices) else NOTHING
        for price in prices:
            bill = bill.plus(_ticket_line(self, price))
        return bill

    def alone(self, price_minor: int) -> Bill:
        """What one ticket costs when it is booked alone: the price that is shown. Together they never cost more."""
        return self.of_booking((price_minor,))

    def as_json(self) -> dict[str, Any]:
        """The form in the record; empty where a ticket costs its price."""
        return {} if self.plain else asdict(self)


NO_TERMS = PriceTerms()
_NAMES = frozenset(field.name for field in fields(PriceTerms))


def terms_from_json(document: Mapping[str, Any] | None) -> PriceTerms:
    """Terms from the form `as_json` writes. A name of a later release is left out: rather shown short than not sold."""
    if not document:
        return NO_TERMS
    return PriceTerms(**{name: value for name, value in document.items() if name in _NAMES})


@lru_cache(maxsize=TERMS_KEPT)
def terms_from_text(text: str) -> PriceTerms:
    """The same from JSON text; the lane asks it with each batch."""
    return terms_from_json(orjson.loads(text))


def checked(terms: PriceTerms, currency: str) -> PriceTerms:
    """These terms with the currency's unit. BadRequest names the field that does not fit."""
    unit = charge_unit_minor(currency)
    for name in ("ticket_fee_minor", "booking_fee_minor"):
        check_amount(getattr(terms, name), currency, field=name)
    for name in ("ticket_fee_bp", "tax_bp"):
        if not 0 <= getattr(terms, name) <= WHOLE_BP:
            raise BadRequest(f"A rate is 0 to {WHOLE_BP} basis points, hundredths of a per cent.", field=name)
    return PriceTerms(**{**asdict(terms), "unit_minor": unit})


def check_amount(amount_minor: int, currency: str, *, field: str) -> None:
    """BadRequest, naming the field, for an amount that cannot be charged in this currency."""
    unit = charge_unit_minor(currency)
    if not 0 <= amount_minor <= AMOUNT_MINOR_MAX:
        raise BadRequest(f"An amount is 0 to {AMOUNT_MINOR_MAX} minor units.", field=field)
    if amount_minor % unit:
        words = f"{currency.upper()} has {decimals(currency)} decimals and is charged in steps of {unit} minor units"
        raise BadRequest(f"{words}: {amount_minor} is none of them.", field=field)


@lru_cache(maxsize=LINES_KEPT)
def _ticket_line(terms: PriceTerms, price_minor: int) -> Bill:
    if price_minor == 0:
        return NOTHING
    fee = terms.ticket_fee_minor + share(price_minor, terms.ticket_fee_bp, WHOLE_BP, terms.unit_minor)
    if terms.ticket_fee_included:
        # A fee within a price cannot be more than the price.
        fee = min(fee, price_minor)
        return _taxed(terms, price_minor - fee, fee)
    return _taxed(terms, price_minor, fee)


def _taxed(terms: PriceTerms, ticket_minor: int, fee_minor: int) -> Bill:
    """A line with its tax."""
    of_minor = ticket_minor + (fee_minor if terms.fees_taxed else 0)
    if terms.tax_included:
        tax = share(of_minor, terms.tax_bp, WHOLE_BP + terms.tax_bp, terms.unit_minor)
        return Bill(ticket_minor, fee_minor, tax, ticket_minor + fee_minor)
    tax = share(of_minor, terms.tax_bp, WHOLE_BP, terms.unit_minor)
    return Bill(ticket_minor, fee_minor, tax, ticket_minor + fee_minor + tax)


def share(amount_minor: int, part: int, whole: int, unit_minor: int) -> int:
    """`part` of `whole` of an amount, rounded half up to units; in whole numbers throughout."""
    return (2 * amount_minor * part + whole * unit_minor) // (2 * whole * unit_minor) * unit_minor
