"""Guests, accounts and sessions: where a JWT comes from."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints

from onsale.errors import EmailTaken, TooManyRequests, WrongCredentials
from onsale.web import auth, limits
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import PRINTABLE
from onsale.web.auth import SignedIn
from onsale.web.box_office import box_office

accounts = Routes("accounts", "Accounts")

# Whether a mailbox exists is found out by writing to it; this only catches what cannot be one.
Email = Annotated[
    str, StringConstraints(max_length=254, pattern=r"^[^@\s\x00-\x1f\x7f]+@[^@\s\x00-\x1f\x7f]+\.[^@\s\x00-\x1f\x7f]+$")
]
PASSWORD_MIN, PASSWORD_MAX = 10, 200


class AccountBody(Asked):
    """A new account. A guest who sends their JWT along becomes the account."""

    email: Email
    password: SecretStr = Field(min_length=PASSWORD_MIN, max_length=PASSWORD_MAX)
    name: Annotated[str, StringConstraints(max_length=200, pattern=PRINTABLE)] = ""


class CredentialsBody(Asked):
    """E-mail and password."""

    email: Email
    password: SecretStr = Field(min_length=1, max_length=PASSWORD_MAX)


class GuestBody(Asked):
    """Nothing is asked of a guest."""


class SessionDocument(Told):
    """A JWT, sent as `Authorization: Bearer` on every call but the cacheable reads."""

    token: str
    token_type: str = "Bearer"  # noqa: S105  the scheme's name
    expires_in_seconds: int
    buyer_id: UUID


@accounts.post("/v1/guests", answers={201: SessionDocument}, raises=(TooManyRequests,))
def create_guest(body: GuestBody) -> Answer[SessionDocument]:
    """A JWT without an account"""
    limits.by_address(limits.GUESTS)
    return _told(auth.guest(box_office()))


@accounts.post("/v1/accounts", answers={201: SessionDocument}, raises=(EmailTaken, TooManyRequests))
def create_account(body: AccountBody) -> Answer[SessionDocument]:
    """A JWT with an account"""
    limits.by_address(limits.SIGN_UPS)
    return _told(
        auth.sign_up(
            box_office(),
            email=body.email,
            password=body.password.get_secret_value(),
            name=body.name,
            guest=auth.buyer_if_any(),
        )
    )


@accounts.post("/v1/sessions", answers={201: SessionDocument}, raises=(WrongCredentials, TooManyRequests))
def create_session(body: CredentialsBody) -> Answer[SessionDocument]:
    """Sign in; a guest who sends their JWT along keeps place and bookings"""
    limits.sign_in(body.email)
    return _told(
        auth.sign_in(
            box_office(),
            email=body.email,
            password=body.password.get_secret_value(),
            guest=auth.buyer_if_any(),
        )
    )


def _told(signed_in: SignedIn) -> Answer[SessionDocument]:
    document = SessionDocument(
        token=signed_in.token, expires_in_seconds=signed_in.expires_in_seconds, buyer_id=signed_in.subject
    )
    return Answer(document, 201, {"Cache-Control": "no-store"})
