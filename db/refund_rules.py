"""How much goes back for which tickets, and until when a buyer may ask for it: pure, in whole minor units.

The organiser's fee is reckoned ticket by ticket: a fixed sum and a share of what the ticket cost, its fee and tax
included, rounded down (in the buyer's favour) to what the currency can be charged in, and never more than the ticket.
So cancelling one by one costs what cancelling all at once does. Whoever gives back the last ticket gets all that is
left of what was paid, a fee for the booking too: nothing stays behind that no ticket stands for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

BASIS_POINTS = 10_000
# A year: nobody sells earlier than that by accident.
CANCEL_UNTIL_HOURS_MAX = 24 * 366


@dataclass(frozen=True, slots=True)
class RefundRules:
    """Buyers may cancel until so many hours before the show; kept of each ticket: `fee_minor` and a share of it."""

    cancel_until_hours: int
    fee_minor: int = 0
    fee_basis_points: int = 0


@dataclass(frozen=True, slots=True)
class Reckoned:
    """What goes back, and what the organiser keeps of the tickets' price."""

    amount_minor: int
    kept_minor: int


def cancel_until(rules: RefundRules | None, starts_at: datetime) -> datetime | None:
    """Until when a buyer may cancel what is paid; None: not at all."""
    return starts_at - timedelta(hours=rules.cancel_until_hours) if rules else None


def may_cancel(rules: RefundRules | None, *, starts_at: datetime, now: datetime) -> bool:
    """Whether a buyer may cancel now."""
    until = cancel_until(rules, starts_at)
    return until is not None and now < until


def fee_of(price_minor: int, rules: RefundRules, *, unit_minor: int = 1) -> int:
    """What is kept of a ticket that cost this."""
    exact = rules.fee_minor + price_minor * rules.fee_basis_points // BASIS_POINTS
    return min(price_minor, exact // unit_minor * unit_minor)


def reckon(
    prices_minor: Sequence[int], *, left_minor: int, last: bool, rules: RefundRules | None, unit_minor: int = 1
) -> Reckoned:
    """What goes back for tickets that cost this, of which `left_minor` of the payment is left.

    `last`: the booking keeps no ticket after this. `rules` None: nothing is kept (the organiser gives it back).
    `unit_minor`: what every amount that is charged is a multiple of.
    """
    worth = left_minor if last else min(left_minor, sum(prices_minor))
    kept = min(worth, sum(fee_of(price, rules, unit_minor=unit_minor) for price in prices_minor)) if rules else 0
    return Reckoned(worth - kept, kept)
