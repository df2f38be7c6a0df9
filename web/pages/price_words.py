"""Prices on pages: what is in them, in words, and what a page showed, which a form sends back."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b

from flask import Flask

from onsale.db.catalogue import Event
from onsale.db.price_terms import WHOLE_BP, PriceTerms
from onsale.db.prices import decimals
from onsale.errors import BadRequest
from onsale.web.pages.words import money

# `200 1:5500 1.8a6b0c1d:2500 2:4000`: the fee of a booking, then what each ticket adds, by section, and by the mark of
# a tier: a name may have spaces, and another place in the list by the time the form comes.
_SHOWN = re.compile(r"(\d{1,10})((?: \d{1,10}(?:\.[0-9a-f]{8})?:\d{1,10})*)", re.ASCII)
# Enough for a thousand sections with two thousand tiers, and less than a form may have.
SHOWN_CHARACTERS_MAX = 60_000


@dataclass(frozen=True)
class Shown:
    """The prices that a page showed; without any, a wish is bound to none."""

    once_minor: int
    # By section, and by section and the mark of a tier.
    each_minor: Mapping[int | tuple[int, str], int]

    def in_section(self, section_id: int | None, quantity: int, tiers: Sequence[str | None] = ()) -> int | None:
        """What so many tickets of this section, of these tiers, were shown to cost in all."""
        if section_id is None:
            return None
        each = [self._each(section_id, tier) for tier in tiers or (None,) * quantity]
        known = [minor for minor in each if minor is not None]
        if len(known) < len(each):
            return None
        # Free tickets were shown to cost nothing at all.
        return sum(known) + (self.once_minor if any(known) else 0)

    def anywhere(self, quantity: int, tiers: Sequence[str | None] = ()) -> int | None:
        """The most that they were shown to cost, whatever section they are in."""
        sections = [key for key in self.each_minor if isinstance(key, int)]
        totals = (self.in_section(section_id, quantity, tiers) for section_id in sections)
        return max((total for total in totals if total is not None), default=None)

    def _each(self, section_id: int, tier: str | None) -> int | None:
        return self.each_minor.get(section_id if tier is None else (section_id, mark(tier)))


def mark(tier: str) -> str:
    """A tier's name in eight characters."""
    return blake2b(tier.encode(), digest_size=4).hexdigest()


def shown_prices(event: Event) -> str:
    """What this event's pages show, for a form to send back."""
    parts = [str(event.terms.booking_fee().total_minor)]
    for section in event.sections:
        parts.append(f"{section.id}:{section.each_minor}")
        parts += (f"{section.id}.{mark(tier.name)}:{tier.each_minor}" for tier in section.tiers)
    return " ".join(parts)


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
    each_minor: dict[int | tuple[int, str], int] = {}
    for named, each in pairs:
        section, _, tier = named.partition(".")
        if int(section) in known:
            each_minor[(int(section), tier) if tier else int(section)] = int(each)
    return Shown(int(found[1]), each_minor)


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


def per_cent(basis_points: int) -> str:
    """A rate as it is typed: `19`, `8.25`."""
    return rate(basis_points).removesuffix(" %")


def typed(minor: int, currency: str) -> str:
    """An amount as it is typed: `80.50`."""
    digits = decimals(currency)
    whole, rest = divmod(minor, 10**digits)
    return f"{whole}.{rest:0{digits}d}" if digits else str(whole)


def price_pattern(currency: str) -> str:
    """What an amount in this currency looks like when it is typed."""
    digits = decimals(currency)
    return f"[0-9]+([.][0-9]{{1,{digits}}})?" if digits else "[0-9]+"


def register(app: Flask) -> None:
    """Makes them available to every template."""
    for word in (shown_prices, price_words, rate, per_cent, typed, price_pattern, decimals):
        app.jinja_env.filters[word.__name__] = word


def _fee_words(terms: PriceTerms, currency: str) -> str:
    shares = [rate(terms.ticket_fee_bp)] if terms.ticket_fee_bp else []
    if terms.ticket_fee_minor:
        shares.append(money(terms.ticket_fee_minor, currency))
    ticket = f"fees of {' and '.join(shares)} a ticket" if shares else ""
    return ticket or "the booking fee"
