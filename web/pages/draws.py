"""The page on which everybody checks a draw, and their own number in it. Works without a script."""

from __future__ import annotations

from flask import Blueprint, Response, make_response, render_template

from onsale.errors import NotFound
from onsale.queue.draw import draw_key, half_bits
from onsale.web import auth, drawing
from onsale.web.box_office import box_office
from onsale.web.pages import places, sales, shows

draws = Blueprint("draws", __name__)


@draws.get("/events/<int:event_id>/draw")
def show(event_id: int) -> Response:
    """What went into the draw, how it came out, and how to work it out again."""
    office = box_office()
    event = shows.event(event_id)
    sale = sales.sale(office, event.id)
    if sale.draw is None:
        raise NotFound("There is no draw for this show.")
    state = sale.draw.state
    place = places.place_if_known(office, event.id)
    visitor = auth.buyer_if_any()
    seed = bytes.fromhex(state.seed)
    mine = None if place is None or visitor is None else place.pre_queue_number
    entrant = ""
    if state.held and mine is not None:
        entrant = drawing.name_in_list(office, event.id, seed=seed, pre_queue_number=mine)
    response = make_response(
        render_template(
            "draw.html",
            event=event,
            sale=sale,
            draw=sale.draw,
            place=None if mine is None else place,
            key=draw_key(seed, state.beacon_value, state.size or 0).hex() if state.held else "",
            half_bits=half_bits(max(1, state.size or 1)),
            entrant=entrant,
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response
