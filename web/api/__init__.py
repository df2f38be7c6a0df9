"""The API, version 1: one module per noun, each a table of operations that routes and OpenAPI are both made from."""

from __future__ import annotations

from functools import cache

from flask import Blueprint, Flask, current_app

from onsale.config import Config
from onsale.web.api import openapi as description
from onsale.web.api.accounts import accounts
from onsale.web.api.admin import admin
from onsale.web.api.bookings import bookings
from onsale.web.api.cards import saved_cards
from onsale.web.api.codes import codes
from onsale.web.api.contract import Operation
from onsale.web.api.devices import devices
from onsale.web.api.draws import draws
from onsale.web.api.events import events
from onsale.web.api.guarding import guarding
from onsale.web.api.prices import prices
from onsale.web.api.queue import waiting_room
from onsale.web.api.rate_control import rates
from onsale.web.api.receipts import receipts
from onsale.web.api.refunds import refunds
from onsale.web.api.reports import reports
from onsale.web.api.scheduled_prices import scheduled_prices
from onsale.web.api.search import search
from onsale.web.api.seats import house
from onsale.web.api.ticket_limits import ticket_limits
from onsale.web.api.waiting_list import lists
from onsale.web.api.webhooks import provider

NOUNS = (
    accounts,
    events,
    search,
    house,
    waiting_room,
    devices,
    lists,
    bookings,
    saved_cards,
    receipts,
    refunds,
    provider,
    admin,
    guarding,
    prices,
    codes,
    draws,
    rates,
    reports,
    scheduled_prices,
    ticket_limits,
)
DOCUMENT = "onsale-openapi"


def operations() -> list[Operation]:
    """Everything the API promises, in the order of the document."""
    return [operation for noun in NOUNS for operation in noun.operations]


def register(app: Flask, config: Config) -> list[Blueprint]:
    """Mount the API; returns its blueprints."""
    app.extensions[DOCUMENT] = _document(config.public_url)
    for noun in NOUNS:
        app.register_blueprint(noun.blueprint)
    return [noun.blueprint for noun in NOUNS]


@cache
def _document(server: str) -> bytes:
    """Written once a process for each address: most of what making an app costs."""
    return description.document(operations(), server=server)


def openapi() -> bytes:
    """The OpenAPI document of the app that serves this request."""
    document: bytes = current_app.extensions[DOCUMENT]
    return document
