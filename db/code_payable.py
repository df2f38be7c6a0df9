"""What an event's codes would leave to pay: a code that only ever leaves less than a bank takes is not made.

Prices may change after a code is made; then the lane refuses what cannot be paid (`till.py`).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from sqlalchemy import Connection, text

from onsale.db import code_rules
from onsale.db.catalogue import Event
from onsale.db.code_rules import Code, Line
from onsale.db.ids import EventId
from onsale.db.price_terms import PriceTerms, terms_from_json
from onsale.db.prices import ChargeBounds, charge_bounds, charge_unit_minor, written
from onsale.errors import NotFound


class OnSale(NamedTuple):
    """What an event asks for its tickets: each price there is, by section, and how many one buyer may have."""

    prices: Sequence[Line]
    terms: PriceTerms
    bounds: ChargeBounds
    unit_minor: int
    tickets_max: int


class Left(NamedTuple):
    """Of a ticket of this price, booked alone with a code, so much is left to pay, and no bank takes it."""

    line: Line
    total_minor: int


def on_sale(connection: Connection, event_id: EventId) -> OnSale:
    """Read it. NotFound."""
    row = connection.execute(_EVENT, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    lines = [Line(*each) for each in connection.execute(_PRICES, {"event_id": event_id})]
    terms = terms_from_json(row.price_terms)
    unit = charge_unit_minor(row.currency)
    return OnSale(lines, terms, charge_bounds(row.currency), unit, row.tickets_per_buyer)


def unpayable_alone(code: Code, sale: OnSale) -> tuple[Left, ...]:
    """The prices of which one ticket with this code could not be paid, cheapest first."""
    totals = ((line, _total(code, [line], sale)) for line in _covered(code, sale))
    left = (Left(line, total) for line, total in totals if not sale.bounds.take(total))
    return tuple(sorted(left, key=lambda each: each.line.price_minor))


def warning(connection: Connection, event: Event, code: Code) -> str:
    """What its staff should know of such a code, in a sentence; empty: nothing."""
    left = unpayable_alone(code, on_sale(connection, event.id))
    if not left:
        return ""
    line, total = left[0]
    name = next((section.name for section in event.sections if section.id == line.section_id), "")
    price, rest, least = (
        written(each, event.currency) for each in (line.price_minor, total, charge_bounds(event.currency).least_minor)
    )
    more = f" (and of {len(left) - 1} more)" if len(left) > 1 else ""
    told = f"Of one ticket of {name} at {price}{more} it leaves {rest} to pay, and a bank takes {least} or more"
    return f"{told}: such a booking is refused, and its buyer told to take more tickets or to leave the code out."


def never_payable(code: Code, sale: OnSale) -> bool:
    """Whether no number of tickets of any one price that it is for could be paid with this code."""
    covered = _covered(code, sale)
    return bool(covered) and not any(
        sale.bounds.take(_total(code, [line] * many, sale))
        for line in covered
        for many in range(1, sale.tickets_max + 1)
    )


def _covered(code: Code, sale: OnSale) -> list[Line]:
    return [line for line in sale.prices if code.takes_off and code.covers(line.section_id)]


def _total(code: Code, lines: Sequence[Line], sale: OnSale) -> int:
    reduced = code_rules.reduce(lines, [code], unit_minor=sale.unit_minor)
    return sale.terms.of_booking(reduced.prices_minor).total_minor


_EVENT = text("SELECT currency, price_terms, tickets_per_buyer FROM events WHERE id = :event_id")
_PRICES = text("""
    SELECT id, price_minor FROM sections WHERE event_id = :event_id AND tiers = '[]'
    UNION
    SELECT id, CAST(tier ->> 'price_minor' AS bigint) FROM sections, jsonb_array_elements(tiers) AS tier
     WHERE event_id = :event_id
""")
