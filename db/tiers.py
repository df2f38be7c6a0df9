"""Price tiers of a section, as Adult, Child and Reduced: what each costs, and which tickets of a wish are of which.

A section without any has one price. In one with tiers the first is the default, and the section's own price is its.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import orjson

from onsale.db.price_terms import PriceTerms, check_amount
from onsale.errors import BadRequest, NoSuchTier, TierLimitReached, TiersUnfit

TIERS_MAX = 10
NAME_CHARACTERS_MAX = 60
PER_BOOKING_MAX = 1_000
# Different lists of tiers a process remembers the meaning of.
TIERS_KEPT = 1_000


class Tier(NamedTuple):
    """One of a section's prices, by its name; `most`: how many tickets of it one booking may have, None: any."""

    name: str
    price_minor: int
    most: int | None = None


class ShownTier(NamedTuple):
    """A tier as on sale: a ticket of it costs `total_minor` booked alone, and adds `each_minor` to a booking."""

    name: str
    price_minor: int
    most: int | None
    total_minor: int
    each_minor: int


Tiers = tuple[Tier, ...]


class Choice(NamedTuple):
    """What a ticket is sold as, and for how much."""

    tier: str | None
    price_minor: int


def choices(wanted: Sequence[str | None], places: Sequence[tuple[int, Tiers]]) -> tuple[Choice, ...]:
    """What each of these tickets is sold as: `wanted` in this order (empty: the default), where `places` cost so much.

    Raises NoSuchTier, TierLimitReached.
    """
    if not any(wanted) and not any(tiers for _, tiers in places):
        return tuple(Choice(None, price) for price, _ in places)
    names = wanted or (None,) * len(places)
    chosen = [_choice(name, price, tiers) for name, (price, tiers) in zip(names, places, strict=True)]
    taken = Counter((choice.tier, tiers) for choice, (_, tiers) in zip(chosen, places, strict=True) if tiers)
    for (name, tiers), many in taken.items():
        most = next(tier.most for tier in tiers if tier.name == name)
        if most is not None and many > most:
            raise TierLimitReached(f"A booking has at most {most} {name!r} tickets.", field="tiers")
    return tuple(chosen)


def _choice(name: str | None, price_minor: int, tiers: Tiers) -> Choice:
    if name is None:
        return Choice(tiers[0].name, tiers[0].price_minor) if tiers else Choice(None, price_minor)
    for tier in tiers:
        if tier.name == name:
            return Choice(name, tier.price_minor)
    raise NoSuchTier(f"There are no {name!r} tickets there.", field="tiers")


def shown(tiers: Sequence[Tier], terms: PriceTerms) -> tuple[ShownTier, ...]:
    """The tiers with what they cost in full."""
    return tuple(
        ShownTier(*tier, terms.alone(tier.price_minor).total_minor, terms.of_ticket(tier.price_minor).total_minor)
        for tier in tiers
    )


def tiers_from_json(document: Sequence[Mapping[str, Any]]) -> Tiers:
    """Tiers from the form `as_json` writes."""
    return tuple(Tier(one["name"], one["price_minor"], one.get("most")) for one in document)


@lru_cache(maxsize=TIERS_KEPT)
def tiers_from_text(text: str | None) -> Tiers:
    """The same from JSON text, as the lane reads it; None: there are none."""
    return tiers_from_json(orjson.loads(text)) if text else ()


def as_json(tiers: Sequence[Tier]) -> list[dict[str, Any]]:
    """The form in the record."""
    return [tier._asdict() for tier in tiers]


def checked(tiers: Sequence[Tier], currency: str) -> Tiers:
    """These tiers, fit to be stored. BadRequest and TiersUnfit say what does not fit."""
    if len(tiers) > TIERS_MAX:
        raise BadRequest(f"A section has at most {TIERS_MAX} tiers.", field="tiers")
    fit = tuple(tier._replace(name=_name(tier.name)) for tier in tiers)
    if len({tier.name.casefold() for tier in fit}) < len(fit):
        raise TiersUnfit("Two tiers of a section have one name.", field="tiers")
    for tier in fit:
        check_amount(tier.price_minor, currency, field="price_minor")
        if tier.most is not None and not 1 <= tier.most <= PER_BOOKING_MAX:
            raise BadRequest(f"At most so many of a tier is 1 to {PER_BOOKING_MAX:,}, or left out.", field="most")
    return fit


def _name(text: str) -> str:
    name = " ".join(text.split())
    if not name or len(name) > NAME_CHARACTERS_MAX or not name.isprintable():
        raise TiersUnfit(f"A tier's name is 1 to {NAME_CHARACTERS_MAX} characters.", field="name")
    return name


def sold_as(wanted: Sequence[str | None], places: Sequence[tuple[int, Tiers]]) -> tuple[Choice, ...]:
    """`choices` for whoever goes on to other places: empty when the tickets are not sold so."""
    try:
        return choices(wanted, places)
    except (NoSuchTier, TierLimitReached):
        return ()
