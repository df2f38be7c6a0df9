"""A place on another device: a QR code and a code to type on the old one, a form on the new one; no script needed."""

from __future__ import annotations

import segno
from flask import Blueprint, Response, flash, make_response, render_template, request
from markupsafe import Markup

from onsale.db.ids import EventId
from onsale.errors import OnsaleError
from onsale.web import auth, limits, moving
from onsale.web.box_office import box_office
from onsale.web.pages import cookies, going, places, shows

moves = Blueprint("moves", __name__)

CODE_CHARACTERS_MAX = 40
PASSWORD_CHARACTERS_MAX = 200


@moves.post("/events/<int:event_id>/queue/move")
def offer(event_id: int) -> Response:
    """Show a code that takes the place to another device."""
    office, buyer, event = box_office(), auth.current_buyer(), shows.event(event_id)
    device = cookies.device_or_new()
    try:
        limits.by_buyer(limits.MOVES_OF_BUYER, buyer.id)
        offered = places.with_token(
            lambda token: moving.offer(office, event.id, buyer, device=cookies.digest(device), queue_token=token)
        )
    except OnsaleError as error:
        return going.back(error, "waiting.show", event_id=event_id)
    page = render_template("move_offer.html", event=event, offered=offered, picture=_picture(offered.link))
    response = _private(page)
    cookies.keep_device(response, device)
    return response


@moves.get(moving.PATH)
def show() -> Response:
    """Where the code goes; a script reads it out of the link. Looking changes nothing."""
    return _private(render_template("move_take.html", visitor=auth.buyer_if_any()))


@moves.post(moving.PATH)
def take() -> Response:
    """Take the place to this device."""
    device = cookies.device_or_new()
    try:
        limits.by_address(limits.MOVES)
        moved = moving.take(
            box_office(), request.form.get("code", "")[:CODE_CHARACTERS_MAX], device=cookies.digest(device)
        )
    except OnsaleError as error:
        return going.back(error, "moves.show")
    flash("Your place is on this device now. The other one still shows it.", "good")
    response = going.to("waiting.show", event_id=moved.event_id)
    auth.start_page_session(response, moved.session)
    cookies.keep_queue_token(response, moved.event_id, moved.queue_token)
    cookies.keep_device(response, device)
    return response


@moves.post("/events/<int:event_id>/queue/take-back")
def take_back(event_id: int) -> Response:
    """The place is this device's again, if it had it before it moved, or with the account's password."""
    office, buyer = box_office(), auth.current_buyer()
    device = cookies.device_or_new()
    try:
        limits.by_buyer(limits.MOVES_OF_BUYER, buyer.id)
        password = request.form.get("password", "")[:PASSWORD_CHARACTERS_MAX] or None
        moving.take_back(office, EventId(event_id), buyer, device=cookies.digest(device), password=password)
    except OnsaleError as error:
        return going.back(error, "waiting.show", event_id=event_id)
    flash("Your place is on this device again.", "good")
    response = going.to("waiting.show", event_id=event_id)
    cookies.keep_device(response, device)
    return response


def _picture(link: str) -> Markup:
    """The link as a QR code: black on white, also on a dark page, or cameras do not read it."""
    code = segno.make(link, error="m", micro=False)
    drawn = code.svg_inline(border=4, dark="#000", light="#fff", omitsize=True, svgclass=None, lineclass=None)
    # Drawn here from an address of our own: nothing of it is anybody else's.
    return Markup(drawn)  # noqa: S704


def _private(page: str) -> Response:
    response = make_response(page)
    response.headers["Cache-Control"] = "no-store"
    return response
