"""The demo's three doors: queue as a buyer, hold the dial, read the API. Only in the sandbox."""

from __future__ import annotations

from flask import Blueprint, abort, render_template

from onsale.web.box_office import box_office
from onsale.web.pages import shows, test_cards

demo = Blueprint("demo", __name__)


@demo.get("/demo")
def show() -> str:
    """The three doors."""
    office = box_office()
    if office.config.environment != "sandbox":
        abort(404)
    front = shows.front()
    selling = front.selling[0] if front.selling else None
    example = f"{office.config.public_url}/v1/events/{selling.id if selling else 1}/queue"
    return render_template(
        "demo.html",
        selling=selling,
        soon=front.soon[0] if front.soon else None,
        methods=test_cards.cards(office.config),
        docs_url="/docs",
        api_example=example,
    )
