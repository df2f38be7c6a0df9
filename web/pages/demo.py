"""The demo's three doors: queue as a buyer, hold the dial, read the API. Only in the sandbox."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from onsale.web.box_office import box_office
from onsale.web.pages import shows, test_cards

demo = Blueprint("demo", __name__)

# The addresses the sample catalogue gives its two running shows (onsale/sandbox/seed.py).
SELLING_NOW, OPENS_SOON = "selling-now", "opens-soon"


@demo.get("/demo")
def show() -> str:
    """The three doors."""
    office = box_office()
    if office.config.environment != "sandbox":
        abort(404)
    selling, soon = (shows.featured_by_slug(slug) for slug in (SELLING_NOW, OPENS_SOON))
    example = f"{office.config.public_url}/v1/events/{selling.id if selling else 1}/queue"
    return render_template(
        "demo.html",
        selling=selling,
        soon=soon,
        methods=test_cards.cards(office.config),
        docs_url="/docs",
        api_example=example,
    )
