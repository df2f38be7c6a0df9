"""Prices on pages: what is in them, in words, and what a page showed, which a form sends back."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Flask

from onsale.db.catalogue import Event
from onsale.db.price_terms import WHOLE_BP, PriceTerms
from onsale.db.prices import decimals
from onsale.errors import BadRequest
from onsale.web.pages.words import money

# `200 1:5500 2:4000`: the fee of a booking, then what each ticket adds, by section.
_SHOWN = re.compile(r"(\d{1,10})((?: \d{1,10}:\d{1,10})*)", re.ASCII)
# Enough for a thousand sections.
SHOWN_CHARACTERS_MAX = 25_000


@dataclass(frozen=True)
class Shown:
    """The prices that a page showed; without any, a wish is bound to none."""

    once_minor: int
    each_minor: Mapping[int, int]

    def in_section(self, section_id: int | None, quantity: int) -> int | None:
        """What so many tickets of this section were shown to cost in all."""
        each = self.each_minor.get(section_id) if section_id is not None else None
        return None if each is None else _together(each, self.once_minor, quantity)

    def anywhere(self, quantity: int) -> int | None:
        """The most that they were shown to cost, whatever section they are in."""
        each = max(self.each_minor.values(), default=None)
        return None if each is None else _together(each, self.once_minor, quantity)


def shown_prices(event: Event) -> str:
    """What this event's pages show, for a form to send back."""
    sections = (f" {section.id}:{section.each_minor}" for section in event.sections)
    return f"{event.terms.booking_fee().total_minor}{''.join(sections)}"


def shown(form: Mapping[str, str], event: Event) -> Shown:
    """What the page of this form showed. BadRequest for what no page of ours writes."""
    text = form.get("shown", "")
    if not text:
        return Shown(0, {})
    found = _SHOWN.fullmatch(text) if len(text) <= SHOWN_CHARACTERS_MAX else None
    if found is None:
        raise BadRequest("This form is incomplete. Reload the page and try again.", field="shown")
    pairs = (pair.split(":") for pair in found[2].split())
    known = {section.id for section in event.sections}
    return Shown(int(found[1]), {int(section): int(each) for section, each in pairs if int(section) in known})


def price_words(event: Event) -> str:
    """What the prices of an event are made of, in a sentence or two; empty where a ticket costs its price."""
    terms = event.terms
    if terms.plain:
        return ""
    has_fee = bool(terms.ticket_fee_minor or terms.ticket_fee_bp or terms.booking_fee_minor)
    parts = [_fee_words(terms, event.currency)] if has_fee else []
    if terms.tax_bp:
        parts.append(f"{rate(terms.tax_bp)} tax")
    words = f"Prices are what you pay: {' and '.join(parts)} included."
    if terms.booking_fee_minor:
        once = money(terms.booking_fee().total_minor, event.currency)
        words += f" The booking fee of {once} is in the price of the first ticket only."
    return words


def rate(basis_points: int) -> str:
    """`19 %`, `8.25 %`."""
    whole, rest = divmod(basis_points, WHOLE_BP // 100)
    return f"{whole}.{rest:02d}".rstrip("0").rstrip(".") + " %" if rest else f"{whole} %"


def price_pattern(currency: str) -> str:
    """What an amount in this currency looks like when it is typed."""
    digits = decimals(currency)
    return f"[0-9]+([.][0-9]{{1,{digits}}})?" if digits else "[0-9]+"


def register(app: Flask) -> None:
    """Makes them available to every template."""
    for word in (shown_prices, price_words, rate, price_pattern, decimals):
        app.jinja_env.filters[word.__name__] = word


def _together(each_minor: int, once_minor: int, quantity: int) -> int:
    # Free tickets were shown to cost nothing at all.
    return each_minor * quantity + once_minor if each_minor else 0


def _fee_words(terms: PriceTerms, currency: str) -> str:
    shares = [rate(terms.ticket_fee_bp)] if terms.ticket_fee_bp else []
    if terms.ticket_fee_minor:
        shares.append(money(terms.ticket_fee_minor, currency))
    ticket = f"fees of {' and '.join(shares)} a ticket" if shares else ""
    return ticket or "the booking fee"
