"""What every template may use: who is looking, the moment, whether this is a sandbox, a fresh key for a form."""

from __future__ import annotations

from datetime import UTC, datetime
from urllib.parse import urlsplit
from uuid import uuid4

from flask import Flask, request

from onsale.web import auth
from onsale.web.box_office import box_office


def register(app: Flask) -> None:
    """Makes these names known to every template."""

    @app.context_processor
    def names() -> dict[str, object]:
        return {
            # Only for showing: a browser compares its own clock with it. Deadlines are the record's and the queue's.
            "now": datetime.now(UTC),
            "sandbox": box_office().config.environment == "sandbox",
            "new_key": lambda: str(uuid4()),
            "guard_of": lambda event_id: box_office().guards.of(event_id).settings,
        }

    # A function, so that pages that never ask (errors, the console) do not look the visitor up.
    app.jinja_env.globals["visitor_now"] = auth.buyer_if_any


def next_page(default: str) -> str:
    """Where a form asked to go afterwards: a path of this site, never another site."""
    wanted = request.values.get("next", "")
    parts = urlsplit(wanted)
    inside = wanted.startswith("/") and not wanted.startswith(("//", "/\\")) and not parts.netloc and not parts.scheme
    return wanted if inside and wanted.isprintable() else default
