"""Setting prices: an event's fees and tax, and what its sections cost. What is decided already keeps its bill."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import orjson
from sqlalchemy import Connection, text

from onsale.db.ids import EventId
from onsale.db.price_terms import PriceTerms, check_amount, checked
from onsale.errors import BadRequest, NotFound


def set_terms(connection: Connection, event_id: EventId, terms: PriceTerms) -> None:
    """Change an event's fees and tax. BadRequest names what does not fit; NotFound."""
    arguments = {"event_id": event_id, "price_terms": terms_text(terms, _currency(connection, event_id))}
    connection.execute(_SET_TERMS, arguments)


def set_prices(connection: Connection, event_id: EventId, prices_minor: Mapping[int, int]) -> None:
    """Change what tickets of these sections cost; a trigger writes down what they did, and tells the lane.

    BadRequest for a price that the currency does not have, and a section that the event does not have. NotFound.
    """
    check_prices(connection, event_id, list(prices_minor.values()))
    arguments = {"event_id": event_id, "ids": list(prices_minor), "prices": list(prices_minor.values())}
    if connection.execute(_SET_PRICES, arguments).rowcount < len(prices_minor):
        raise BadRequest("There is no such section.", field="sections")


def check_prices(connection: Connection, event_id: EventId, prices_minor: Sequence[int]) -> None:
    """BadRequest for a price that the event's currency does not have. NotFound."""
    currency = _currency(connection, event_id)
    for price in prices_minor:
        check_amount(price, currency, field="price_minor")


def terms_text(terms: PriceTerms, currency: str) -> str:
    """The terms as they are stored for an event in this currency. BadRequest names what does not fit."""
    return orjson.dumps(checked(terms, currency).as_json()).decode()


def _currency(connection: Connection, event_id: EventId) -> str:
    found: str | None = connection.execute(_CURRENCY, {"event_id": event_id}).scalar()
    if found is None:
        raise NotFound
    return found


_CURRENCY = text("SELECT currency FROM events WHERE id = :event_id")
_SET_TERMS = text("UPDATE events SET price_terms = CAST(:price_terms AS jsonb) WHERE id = :event_id")
_SET_PRICES = text("""
    UPDATE sections s SET price_minor = wanted.price
      FROM unnest(CAST(:ids AS integer[]), CAST(:prices AS bigint[])) AS wanted (id, price)
     WHERE s.event_id = :event_id AND s.id = wanted.id
""")
