"""Who is asking: signs and checks JWTs, signs people up and in, and knows the buyer or staff member of a request.

The API takes `Authorization: Bearer` and nothing else, so it needs no CSRF token; pages take the session cookie and
nothing else. `current_buyer()` looks where the request's kind keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from uuid import UUID

from flask import Response

from onsale.db.ids import BuyerId

if TYPE_CHECKING:
    from onsale.web.box_office import BoxOffice


@dataclass(frozen=True)
class Buyer:
    """The buyer of this request. A guest is a buyer without credentials (`email` is None)."""

    id: BuyerId
    guest: bool


@dataclass(frozen=True)
class StaffMember:
    """The member of an organiser's staff of this request; `role` is owner, admin or viewer, read from the record."""

    id: UUID
    organiser_id: int
    email: str
    role: str

    @property
    def may_change(self) -> bool:
        return self.role in ("owner", "admin")


@dataclass(frozen=True)
class SignedIn:
    """A fresh session: the JWT, whose it is and how long it lasts."""

    token: str
    subject: UUID
    expires_in_seconds: int


def guest(office: BoxOffice) -> SignedIn:
    """A new buyer without credentials."""
    raise NotImplementedError


def sign_up(office: BoxOffice, *, email: str, password: str, name: str, guest: Buyer | None = None) -> SignedIn:
    """A new account; a guest becomes it and keeps their bookings and places. Raises EmailTaken."""
    raise NotImplementedError


def sign_in(office: BoxOffice, *, email: str, password: str) -> SignedIn:
    """A session of an account. Raises WrongCredentials, after the same time for unknown e-mails."""
    raise NotImplementedError


def sign_in_staff(office: BoxOffice, *, email: str, password: str) -> SignedIn:
    """A session of a member of staff. Raises WrongCredentials."""
    raise NotImplementedError


def current_buyer() -> Buyer:
    """The buyer of this request: the Bearer header below /v1, else the page's cookie. Raises NotSignedIn."""
    raise NotImplementedError


def buyer_if_any() -> Buyer | None:
    """The buyer of this request; None without a session, or with one that has run out."""
    raise NotImplementedError


def current_staff() -> StaffMember:
    """The member of staff of this request, as the record has them now. Raises NotSignedIn."""
    raise NotImplementedError


def staff_if_any() -> StaffMember | None:
    """The member of staff of this page; None without a session."""
    raise NotImplementedError


def start_page_session(response: Response, signed_in: SignedIn, *, staff: bool = False) -> None:
    """Set the page's cookie: HttpOnly, SameSite=Lax, Secure on https. Staff and buyers have a cookie each."""
    raise NotImplementedError


def end_page_session(response: Response, *, staff: bool = False) -> None:
    """Delete the page's cookie."""
    raise NotImplementedError
