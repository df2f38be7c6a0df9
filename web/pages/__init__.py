"""The buyers' pages: one blueprint per noun, plain forms first, scripts on top.

`register(app)` mounts all of them, with the words they use. `mishaps.page` draws what goes wrong.
"""

from __future__ import annotations

from flask import Flask

from onsale.web.admin.bookings import staff_bookings
from onsale.web.admin.console import console
from onsale.web.pages import context, shows, words
from onsale.web.pages.accounts import accounts
from onsale.web.pages.bookings import bookings
from onsale.web.pages.choosing import choosing
from onsale.web.pages.demo import demo
from onsale.web.pages.events import events
from onsale.web.pages.home import home
from onsale.web.pages.searching import search
from onsale.web.pages.waiting import waiting

BLUEPRINTS = (home, search, events, waiting, choosing, bookings, accounts, demo, console, staff_bookings)


def register(app: Flask) -> None:
    """Mount the pages and the console on the app."""
    words.register(app)
    context.register(app)
    shows.register(app)
    for blueprint in BLUEPRINTS:
        app.register_blueprint(blueprint)
