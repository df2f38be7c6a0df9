"""Setting prices: an event's fees and tax, what its sections cost, and their tiers. What is decided keeps its bill.

`change` is for an event that may be on sale: what was changed is a line of its sale log, and `verify` reads it there.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, text

from onsale.db import sale_log, tiers
from onsale.db.ids import EventId
from onsale.db.price_terms import PriceTerms, check_amount, checked, terms_from_json
from onsale.db.prices import charge_bounds, written
from onsale.db.tiers import Tier, Tiers
from onsale.errors import IllegalMove, NotFound, PriceUnpayable

# As many as a page's form can say that it showed.
TIERS_OF_EVENT_MAX = 2_000


def change(
    connection: Connection,
    event_id: EventId,
    *,
    terms: Mapping[str, Any],
    prices_minor: Mapping[int, int],
    tiers_of: Mapping[int, Sequence[Tier]] | None = None,
    actor: str,
) -> None:
    """Change some of the terms, by name, and prices or tiers of some sections, for bookings that are not decided yet.

    A trigger writes down what a section cost, and tells the lane. BadRequest names what does not fit. NotFound: no such
    event, or it has no such section. IllegalMove: too many tiers. PriceUnpayable.
    """
    row = connection.execute(_PRICED, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    before = terms_from_json(row.price_terms)
    after = checked(replace(before, **terms), row.currency)
    if after.as_json() != before.as_json():
        _set_terms(connection, event_id, before=before, after=after, actor=actor)
    for section_id, wanted in (tiers_of or {}).items():
        _set_tiers(connection, event_id, section_id, tiers.checked(wanted, row.currency), actor=actor)
    if prices_minor:
        _set_prices(connection, event_id, prices_minor, currency=row.currency, actor=actor)
    asked = [*prices_minor.values(), *(tier.price_minor for each in (tiers_of or {}).values() for tier in each)]
    if after.as_json() != before.as_json():
        asked += connection.execute(_ALL_PRICES, {"event_id": event_id}).scalars()
    _check_payable(asked, after, row.currency)


def change_tier(document: Sequence[Mapping[str, Any]], name: str, price_minor: int) -> list[dict[str, Any]] | None:
    """The section's tiers as stored, with another price for this one; None: it is not among them."""
    if not any(one["name"] == name for one in document):
        return None
    return [{**one, "price_minor": price_minor} if one["name"] == name else dict(one) for one in document]


def check_prices(connection: Connection, event_id: EventId, prices_minor: Sequence[int]) -> None:
    """BadRequest for a price that the event's currency does not have, PriceUnpayable for one that nobody could pay with
    the event's fees and tax. NotFound.
    """
    row = connection.execute(_PRICES_OF, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    for price in prices_minor:
        check_amount(price, row.currency, field="price_minor")
    _check_payable(prices_minor, terms_from_json(row.price_terms), row.currency)


def _check_payable(prices_minor: Iterable[int], terms: PriceTerms, currency: str) -> None:
    """PriceUnpayable for a price at which one ticket alone cannot be paid: the lane would refuse it (`till.py`)."""
    bounds = charge_bounds(currency)
    for price in set(prices_minor):
        total = terms.alone(price).total_minor
        if not bounds.take(total):
            least, most = (written(amount, currency) for amount in bounds)
            told = f"A ticket at {written(price, currency)} comes to {written(total, currency)}"
            raise PriceUnpayable(f"{told}: one payment is {least} to {most}, or nothing at all.", field="price_minor")


def terms_text(terms: PriceTerms, currency: str) -> str:
    """The terms as they are stored for an event in this currency. BadRequest names what does not fit."""
    return orjson.dumps(checked(terms, currency).as_json()).decode()


def _set_terms(connection: Connection, event_id: EventId, *, before: PriceTerms, after: PriceTerms, actor: str) -> None:
    stored = orjson.dumps(after.as_json()).decode()
    connection.execute(_SET_TERMS, {"event_id": event_id, "price_terms": stored})
    body = {"from": before.as_json(), "to": after.as_json()}
    sale_log.append(connection, event_id, actor=actor, kind="price_terms_changed", body=body)


def _set_tiers(connection: Connection, event_id: EventId, section_id: int, fit: Tiers, *, actor: str) -> None:
    """The first of them is the section's price from now on; without any it stays at the price it has."""
    section = {"event_id": event_id, "id": section_id}
    before = connection.execute(_TIERS, section).one_or_none()
    if before is None:
        raise NotFound("There is no such section.", field="sections")
    after = tiers.as_json(fit)
    if after == before.tiers:
        return
    if fit and before.others + len(fit) > TIERS_OF_EVENT_MAX:
        raise IllegalMove(f"The sections of an event have at most {TIERS_OF_EVENT_MAX:,} tiers together.")
    price = fit[0].price_minor if fit else before.price_minor
    connection.execute(_SET_TIERS, {**section, "tiers": orjson.dumps(after).decode(), "price_minor": price})
    body = {"section": section_id, "from": before.tiers, "to": after}
    sale_log.append(connection, event_id, actor=actor, kind="tiers_changed", body=body)


def _set_prices(
    connection: Connection, event_id: EventId, prices_minor: Mapping[int, int], *, currency: str, actor: str
) -> None:
    for price in prices_minor.values():
        check_amount(price, currency, field="price_minor")
    arguments = {"event_id": event_id, "ids": list(prices_minor), "prices": list(prices_minor.values())}
    if connection.execute(_SET_PRICES, arguments).rowcount < len(prices_minor):
        raise NotFound("There is no such section.", field="sections")
    body = {"sections": {str(section_id): price for section_id, price in prices_minor.items()}}
    sale_log.append(connection, event_id, actor=actor, kind="prices_changed", body=body)


_PRICED = text("SELECT currency, price_terms FROM events WHERE id = :event_id FOR NO KEY UPDATE")
_PRICES_OF = text("SELECT currency, price_terms FROM events WHERE id = :event_id")
_ALL_PRICES = text("""
    SELECT price_minor FROM sections WHERE event_id = :event_id
    UNION
    SELECT CAST(tier ->> 'price_minor' AS bigint) FROM sections, jsonb_array_elements(tiers) AS tier
     WHERE event_id = :event_id
""")
_SET_TERMS = text("UPDATE events SET price_terms = CAST(:price_terms AS jsonb) WHERE id = :event_id")
_SET_PRICES = text("""
    UPDATE sections s
       SET price_minor = wanted.price,
           -- The price of a section with tiers is its first one's.
           tiers = CASE WHEN tiers = '[]' THEN tiers
                        ELSE jsonb_set(tiers, '{0,price_minor}', to_jsonb(wanted.price)) END
      FROM unnest(CAST(:ids AS integer[]), CAST(:prices AS bigint[])) AS wanted (id, price)
     WHERE s.event_id = :event_id AND s.id = wanted.id
""")
_TIERS = text("""
    SELECT price_minor, tiers,
           (SELECT coalesce(sum(jsonb_array_length(o.tiers)), 0) FROM sections o
             WHERE o.event_id = :event_id AND o.id <> :id) AS others
      FROM sections WHERE event_id = :event_id AND id = :id FOR NO KEY UPDATE
""")
_SET_TIERS = text("""
    UPDATE sections SET tiers = CAST(:tiers AS jsonb), price_minor = :price_minor
     WHERE event_id = :event_id AND id = :id
""")
