"""The front page: what sells now, what opens soon, what is coming."""

from __future__ import annotations

from flask import Blueprint, render_template

from onsale.web.pages import shows

home = Blueprint("home", __name__)


@home.get("/")
def show() -> str:
    """The front page."""
    front = shows.front()
    return render_template(
        "home.html", selling=front.selling, soon=front.soon, coming=front.coming, phases=front.phases
    )
