"""Setting prices: an event's fees and tax, and what its sections cost. What is decided already keeps its bill.

`change` is for an event that may be on sale: what was changed is a line of its sale log, and `verify` reads it there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import orjson
from sqlalchemy import Connection, text

from onsale.db import sale_log
from onsale.db.ids import EventId
from onsale.db.price_terms import PriceTerms, check_amount, checked, terms_from_json
from onsale.errors import NotFound


def change(
    connection: Connection, event_id: EventId, *, terms: Mapping[str, Any], prices_minor: Mapping[int, int], actor: str
) -> None:
    """Change some of the terms, by name, and the prices of some sections, for bookings that are not decided yet.

    A trigger writes down what a section cost, and tells the lane. BadRequest names what does not fit. NotFound: no such
    event, or it has no such section.
    """
    row = connection.execute(_PRICED, {"event_id": event_id}).one_or_none()
    if row is None:
        raise NotFound
    before = terms_from_json(row.price_terms)
    after = checked(replace(before, **terms), row.currency)
    if after.as_json() != before.as_json():
        _set_terms(connection, event_id, before=before, after=after, actor=actor)
    if prices_minor:
        _set_prices(connection, event_id, prices_minor, actor=actor)


def check_prices(connection: Connection, event_id: EventId, prices_minor: Sequence[int]) -> None:
    """BadRequest for a price that the event's currency does not have. NotFound."""
    currency = _currency(connection, event_id)
    for price in prices_minor:
        check_amount(price, currency, field="price_minor")


def terms_text(terms: PriceTerms, currency: str) -> str:
    """The terms as they are stored for an event in this currency. BadRequest names what does not fit."""
    return orjson.dumps(checked(terms, currency).as_json()).decode()


def _set_terms(connection: Connection, event_id: EventId, *, before: PriceTerms, after: PriceTerms, actor: str) -> None:
    stored = orjson.dumps(after.as_json()).decode()
    connection.execute(_SET_TERMS, {"event_id": event_id, "price_terms": stored})
    body = {"from": before.as_json(), "to": after.as_json()}
    sale_log.append(connection, event_id, actor=actor, kind="price_terms_changed", body=body)


def _set_prices(connection: Connection, event_id: EventId, prices_minor: Mapping[int, int], *, actor: str) -> None:
    check_prices(connection, event_id, list(prices_minor.values()))
    arguments = {"event_id": event_id, "ids": list(prices_minor), "prices": list(prices_minor.values())}
    if connection.execute(_SET_PRICES, arguments).rowcount < len(prices_minor):
        raise NotFound("There is no such section.", field="sections")
    body = {"sections": {str(section_id): price for section_id, price in prices_minor.items()}}
    sale_log.append(connection, event_id, actor=actor, kind="prices_changed", body=body)


def _currency(connection: Connection, event_id: EventId) -> str:
    found: str | None = connection.execute(_CURRENCY, {"event_id": event_id}).scalar()
    if found is None:
        raise NotFound
    return found


_PRICED = text("SELECT currency, price_terms FROM events WHERE id = :event_id FOR NO KEY UPDATE")
_CURRENCY = text("SELECT currency FROM events WHERE id = :event_id")
_SET_TERMS = text("UPDATE events SET price_terms = CAST(:price_terms AS jsonb) WHERE id = :event_id")
_SET_PRICES = text("""
    UPDATE sections s SET price_minor = wanted.price
      FROM unnest(CAST(:ids AS integer[]), CAST(:prices AS bigint[])) AS wanted (id, price)
     WHERE s.event_id = :event_id AND s.id = wanted.id
""")
