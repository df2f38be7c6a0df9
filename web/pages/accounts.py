"""Signing in, making an account, signing out; a guest who makes one keeps everything."""

from __future__ import annotations

from flask import Blueprint, Response, flash, render_template, request, url_for

from onsale.errors import BadRequest, EmailTaken, OnsaleError, TooManyRequests, WrongCredentials
from onsale.web import auth, limits
from onsale.web.box_office import box_office
from onsale.web.pages import going
from onsale.web.pages.context import next_page

accounts = Blueprint("accounts", __name__)

PASSWORD_CHARACTERS = range(10, 201)
EMAIL_CHARACTERS_MAX = 254
NAME_CHARACTERS_MAX = 100
REFUSALS = (WrongCredentials, EmailTaken, BadRequest, TooManyRequests)


@accounts.get("/sign-in")
def sign_in() -> str:
    """The form."""
    return _sign_in_form("", "")


@accounts.post("/sign-in")
def sign_in_with() -> Response | tuple[str, int]:
    """Sign in and go on to where the visitor wanted to go."""
    email = request.form.get("email", "").strip()[:EMAIL_CHARACTERS_MAX]
    try:
        limits.sign_in(email)
        password, guest = request.form.get("password", ""), auth.buyer_if_any()
        signed_in = auth.sign_in(box_office(), email=email, password=password, guest=guest)
    except REFUSALS as error:
        return _sign_in_form(email, str(error)), _status(error)
    return _welcome(signed_in, "You are signed in.")


@accounts.get("/sign-up")
def sign_up() -> str:
    """The form."""
    return _sign_up_form("", "", "")


@accounts.post("/sign-up")
def sign_up_with() -> Response | tuple[str, int]:
    """Make an account; a guest becomes it."""
    email = request.form.get("email", "").strip()[:EMAIL_CHARACTERS_MAX]
    name = request.form.get("name", "").strip()[:NAME_CHARACTERS_MAX]
    password = request.form.get("password", "")
    if "@" not in email:
        return _sign_up_form(email, name, "Write an e-mail address, such as you@example.org."), 422
    if len(password) not in PASSWORD_CHARACTERS:
        return _sign_up_form(email, name, f"Choose a password of {PASSWORD_CHARACTERS[0]} characters or more."), 422
    visitor = auth.buyer_if_any()
    guest = visitor if visitor and visitor.guest else None
    try:
        limits.by_address(limits.SIGN_UPS)
        signed_in = auth.sign_up(box_office(), email=email, password=password, name=name, guest=guest)
    except REFUSALS as error:
        return _sign_up_form(email, name, str(error)), _status(error)
    return _welcome(signed_in, "Your account is made. Everything on this device is in it.")


@accounts.post("/sign-out")
def sign_out() -> Response:
    """Forget who was here; what they booked stays theirs."""
    flash("You are signed out.", "good")
    response = going.to("home.show")
    auth.end_page_session(response)
    return response


def _welcome(signed_in: auth.SignedIn, words: str) -> Response:
    flash(words, "good")
    response = going.to_address(next_page(url_for("bookings.mine")))
    auth.start_page_session(response, signed_in)
    return response


def _sign_in_form(email: str, error: str) -> str:
    return render_template("sign_in.html", email=email, error=error, next=next_page(""))


def _sign_up_form(email: str, name: str, error: str) -> str:
    return render_template("sign_up.html", email=email, name=name, error=error, next=next_page(""))


def _status(error: OnsaleError) -> int:
    return 429 if isinstance(error, TooManyRequests) else 422
