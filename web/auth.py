"""Who is asking: signs people up and in, and knows the buyer or the member of staff of a request.

The API takes `Authorization: Bearer` and nothing else, so it needs no CSRF token; pages take the session cookie and
nothing else. `current_buyer()` and `current_staff()` look where the request's kind keeps it.
"""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

from flask import Response, g, request

from onsale.config import Config
from onsale.db import buyers, staff
from onsale.db.engine import reading, transaction
from onsale.db.ids import BuyerId
from onsale.db.staff import Role
from onsale.errors import NotSignedIn, WrongCredentials
from onsale.web import handing_over, passwords, tokens
from onsale.web.box_office import BoxOffice, box_office
from onsale.web.edge import API_PREFIX

SCHEME = "bearer "


@dataclass(frozen=True)
class Buyer:
    """The buyer of this request. A guest is a buyer without credentials."""

    id: BuyerId
    guest: bool


@dataclass(frozen=True)
class StaffMember:
    """The member of an organiser's staff of this request, as the record has them now."""

    id: UUID
    organiser_id: int
    email: str
    role: Role

    @property
    def may_change(self) -> bool:
        """Whether they may change a sale; a viewer only looks."""
        return self.role is not Role.VIEWER


@dataclass(frozen=True)
class SignedIn:
    """A fresh session: the JWT, whose it is and how long it lasts."""

    token: str
    subject: UUID
    expires_in_seconds: int


def guest(office: BoxOffice) -> SignedIn:
    """A new buyer without credentials."""
    buyer_id = BuyerId(uuid4())
    with transaction(office.engine) as connection:
        buyers.add_guest(connection, buyer_id)
    return _session(office.config, buyer_id, tokens.BUYERS, guest=True)


def sign_up(office: BoxOffice, *, email: str, password: str, name: str = "", guest: Buyer | None = None) -> SignedIn:
    """A new account; a guest becomes it and keeps their bookings and places. Raises EmailTaken."""
    buyer_id = guest.id if guest and guest.guest else BuyerId(uuid4())
    password_hash = passwords.hashed(password)
    with transaction(office.engine) as connection:
        buyers.add_account(connection, buyer_id, email=email, password_hash=password_hash, name=name)
    return _session(office.config, buyer_id, tokens.BUYERS)


def sign_in(office: BoxOffice, *, email: str, password: str, guest: Buyer | None = None) -> SignedIn:
    """A session of an account, which gets a guest's places and bookings.

    Raises WrongCredentials, after the same time for unknown e-mails.
    """
    with reading(office.engine) as connection:
        account = buyers.account_by_email(connection, email)
    known = account.password_hash if account else None
    if not passwords.matches(known, password) or account is None or known is None:
        raise WrongCredentials
    if passwords.is_outdated(known):
        with transaction(office.engine) as connection:
            buyers.set_password_hash(connection, account.id, passwords.hashed(password))
    if guest and guest.guest and guest.id != account.id:
        handing_over.keep_all(office, guest=guest.id, account=account.id)
    return _session(office.config, account.id, tokens.BUYERS)


def check_password(office: BoxOffice, buyer: Buyer, password: str) -> None:
    """Raises WrongCredentials unless it is this account's password; a guest has none."""
    with reading(office.engine) as connection:
        account = buyers.by_id(connection, buyer.id)
    if not passwords.matches(account.password_hash if account else None, password):
        raise WrongCredentials


def sign_in_staff(office: BoxOffice, *, email: str, password: str) -> SignedIn:
    """A session of a member of staff. Raises WrongCredentials."""
    with reading(office.engine) as connection:
        member = staff.by_email(connection, email)
    if not passwords.matches(member.password_hash if member else None, password) or member is None:
        raise WrongCredentials
    return _session(office.config, member.id, tokens.STAFF)


def session_of(office: BoxOffice, buyer: Buyer) -> SignedIn:
    """Another session of this buyer, for a device their place moved to."""
    return _session(office.config, buyer.id, tokens.BUYERS, guest=buyer.guest)


def current_buyer() -> Buyer:
    """The buyer of this request: the Bearer header below /v1/, else the page's cookie. Raises NotSignedIn."""
    if "buyer" not in g:
        g.buyer = buyer_of(box_office().config, _token(staff=False))
    buyer: Buyer = g.buyer
    return buyer


def buyer_if_any() -> Buyer | None:
    """The buyer of this request; None without a session, or with one that has run out."""
    try:
        return current_buyer()
    except NotSignedIn:
        return None


def buyer_of(config: Config, token: str | None) -> Buyer:
    """The buyer a token belongs to. Raises NotSignedIn."""
    if not token:
        raise NotSignedIn
    claims = tokens.check(config, token, audience=tokens.BUYERS)
    return Buyer(BuyerId(claims.subject), claims.guest)


def current_staff() -> StaffMember:
    """The member of staff of this request, as the record has them now. Raises NotSignedIn."""
    if "staff" not in g:
        g.staff = _staff_of(box_office(), _token(staff=True))
    member: StaffMember = g.staff
    return member


def staff_if_any() -> StaffMember | None:
    """The member of staff of this page; None without a session."""
    try:
        return current_staff()
    except NotSignedIn:
        return None


def start_page_session(response: Response, signed_in: SignedIn, *, staff: bool = False) -> None:
    """Set the page's cookie: HttpOnly, SameSite=Lax, Secure on https. Staff and buyers have a cookie each."""
    config = box_office().config
    response.set_cookie(
        _cookie(config, staff),
        signed_in.token,
        max_age=signed_in.expires_in_seconds,
        httponly=True,
        samesite="Lax",
        secure=_https(config),
        path="/",
    )


def renew_page_session(response: Response) -> Response:
    """A session that an older key signed is signed anew: when that key is dropped, its visitor is still known."""
    token = _token(staff=False) if "buyer" in g and not request.path.startswith(API_PREFIX) else None
    config = box_office().config
    if token and tokens.is_of_older_key(config, token) and not _starts_a_session(response, config):
        start_page_session(response, session_of(box_office(), g.buyer))
    return response


def _starts_a_session(response: Response, config: Config) -> bool:
    """Whether somebody signs in, signs out or becomes somebody else with this answer."""
    return any(each.startswith(f"{_cookie(config, False)}=") for each in response.headers.getlist("Set-Cookie"))


def end_page_session(response: Response, *, staff: bool = False) -> None:
    """Delete the page's cookie."""
    config = box_office().config
    response.delete_cookie(_cookie(config, staff), httponly=True, samesite="Lax", secure=_https(config), path="/")


def bearer(header: str | None) -> str | None:
    """The token in an Authorization header; None for any other scheme."""
    if header is None or header[: len(SCHEME)].lower() != SCHEME:
        return None
    return header[len(SCHEME) :].strip()


def _staff_of(office: BoxOffice, token: str | None) -> StaffMember:
    if not token:
        raise NotSignedIn
    claims = tokens.check(office.config, token, audience=tokens.STAFF)
    with reading(office.engine) as connection:
        member = staff.by_id(connection, claims.subject)
    # Signed and not expired, but dismissed since.
    if member is None:
        raise NotSignedIn
    return StaffMember(member.id, member.organiser_id, member.email, member.role)


def _token(*, staff: bool) -> str | None:
    if request.path.startswith(API_PREFIX):
        return bearer(request.headers.get("Authorization"))
    return request.cookies.get(_cookie(box_office().config, staff))


def _session(config: Config, subject: UUID, audience: str, *, guest: bool = False) -> SignedIn:
    token = tokens.sign(config, subject, audience=audience, guest=guest)
    return SignedIn(token, subject, int(tokens.LIFETIME[audience].total_seconds()))


def _https(config: Config) -> bool:
    return config.public_url.startswith("https://")


def _cookie(config: Config, staff: bool) -> str:
    """`__Host-` makes a browser refuse the cookie from anywhere but this very host over https."""
    return ("__Host-" if _https(config) else "") + ("onsale_staff" if staff else "onsale_buyer")
