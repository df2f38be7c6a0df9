"""The buyers' pages: one blueprint per noun, plain forms first, scripts on top.

`register(app)` mounts all of them, with the words they use. `mishaps.page` draws what goes wrong.
"""

from __future__ import annotations

from flask import Flask
from werkzeug.routing import IntegerConverter

from onsale.web import auth
from onsale.web.admin.bookings import staff_bookings
from onsale.web.admin.codes import codes as console_codes
from onsale.web.admin.console import console
from onsale.web.admin.draw import console_draw
from onsale.web.admin.guarding import guards as console_guards
from onsale.web.admin.prices import prices as console_prices
from onsale.web.admin.rates import rates as console_rates
from onsale.web.admin.refunds import refunds as console_refunds
from onsale.web.admin.sale_log import sale_log
from onsale.web.admin.waiting import lists as console_lists
from onsale.web.pages import context, price_words, shows, tier_choice, words
from onsale.web.pages.accounts import accounts
from onsale.web.pages.bookings import bookings
from onsale.web.pages.choosing import choosing
from onsale.web.pages.codes import code_pages
from onsale.web.pages.demo import demo
from onsale.web.pages.draws import draws
from onsale.web.pages.events import events
from onsale.web.pages.home import home
from onsale.web.pages.moving import moves
from onsale.web.pages.receipts import receipts
from onsale.web.pages.searching import search
from onsale.web.pages.waiting import waiting
from onsale.web.pages.waiting_list import lists

BLUEPRINTS = (
    home,
    search,
    events,
    waiting,
    draws,
    lists,
    moves,
    choosing,
    code_pages,
    bookings,
    receipts,
    sale_log,
    accounts,
    demo,
    console,
    console_prices,
    console_refunds,
    console_codes,
    console_draw,
    console_guards,
    console_lists,
    console_rates,
    staff_bookings,
)


class NumberInAddress(IntegerConverter):
    """A number as we write it: not `03`, nor in the digits of another script, which Python reads as well."""

    regex = "0|[1-9][0-9]*"


def register(app: Flask) -> None:
    """Mount the pages and the console on the app."""
    app.url_map.converters["int"] = NumberInAddress
    words.register(app)
    price_words.register(app)
    tier_choice.register(app)
    context.register(app)
    shows.register(app)
    app.after_request(auth.renew_page_session)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
