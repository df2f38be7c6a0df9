"""One booking as staff of its event see it: what happened, what the bank said, and what to do when it is stuck."""

from __future__ import annotations

from uuid import UUID

from flask import Blueprint, Response, make_response, render_template

from onsale.db import bookings, charges, refunds
from onsale.db.engine import reading
from onsale.db.ids import BookingId, event_of_booking
from onsale.db.stuck import RULES
from onsale.errors import NotFound, NotSignedIn
from onsale.web.admin import console, stuck
from onsale.web.box_office import box_office
from onsale.web.pages import booking_words
from onsale.web.refunding import GIVEN_BACK
from onsale.web.timeline import timeline

staff_bookings = Blueprint("staff_bookings", __name__, url_prefix="/admin")
staff_bookings.register_error_handler(NotSignedIn, console.ask_to_sign_in)


@staff_bookings.get("/events/<int:event_id>/bookings/<uuid:booking_id>")
def show(event_id: int, booking_id: UUID) -> Response:
    """One booking of an event of this member's organiser."""
    office = box_office()
    member, event = console.mine(event_id)
    if event_of_booking(booking_id) != event.id:
        raise NotFound
    with reading(office.engine) as connection:
        charge = charges.charge_of(connection, BookingId(booking_id))
        if charge is None:
            raise NotFound
        booking = charge.booking
        moves = [move for move in bookings.history(connection, booking.id) if move.version <= booking.version]
        tickets = bookings.tickets_of(connection, booking.id) if booking.tickets_taken else ()
        given = refunds.of_booking(connection, booking.id) if booking.state in GIVEN_BACK else ()
    response = make_response(
        render_template(
            "admin/booking.html",
            member=member,
            event=event,
            booking=booking,
            words=booking_words.WORDS[booking.state],
            tickets=tickets,
            payment=charge.payment,
            attempt=charge.attempt,
            steps=timeline(booking, moves, owed=refunds.is_owed(given, booking.state)),
            stuck=[(one, RULES[one.kind]) for one in stuck.of_booking(office, event.id, booking.id)],
        )
    )
    response.headers["Cache-Control"] = "no-store"
    return response
