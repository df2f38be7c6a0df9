"""A booking's receipt as a page, to be read or printed."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, make_response, render_template, request

from onsale.db.ids import BookingId, event_of_booking
from onsale.errors import NotFound
from onsale.web import auth
from onsale.web.box_office import box_office
from onsale.web.pages import going, shows
from onsale.web.receipts import receipt

receipts = Blueprint("receipts", __name__)


@receipts.get("/bookings/<uuid:booking_id>/receipt")
def show(booking_id: UUID) -> Response:
    """The receipt of a booking of this visitor's."""
    if event_of_booking(booking_id) is None:
        raise NotFound
    visitor = auth.buyer_if_any()
    if visitor is None:
        return going.to("accounts.sign_in", next=request.path)
    found = receipt(box_office(), BookingId(booking_id), visitor.id)
    event = shows.event(found.booking.event_id)
    response = make_response(render_template("receipt.html", receipt=found, booking=found.booking, event=event))
    response.headers["Cache-Control"] = "no-store"
    return response
