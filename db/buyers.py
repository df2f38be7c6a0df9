"""Buyers: guests and accounts, and the cards they saved at the payment provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, TextClause, text
from sqlalchemy.exc import IntegrityError

from onsale.db.ids import BuyerId
from onsale.errors import EmailTaken

SETUPS_MAX = 20


@dataclass(frozen=True, slots=True)
class Buyer:
    """Someone who buys. A guest is a buyer without a password."""

    id: BuyerId
    email: str | None
    name: str
    created_at: datetime
    # argon2; never leaves the server.
    password_hash: str | None = field(default=None, repr=False)
    provider_customer_id: str | None = None

    @property
    def is_guest(self) -> bool:
        return self.password_hash is None


@dataclass(frozen=True, slots=True)
class Setup:
    """A card being saved (`payment_method` is None until the provider has it) for bookings that are paid hands-free."""

    buyer_id: BuyerId
    setup_intent_id: str
    payment_method: str | None
    created_at: datetime


def add_guest(connection: Connection, buyer_id: BuyerId, *, name: str = "", email: str | None = None) -> Buyer:
    """A buyer without credentials; the same id again changes nothing.

    A guest's e-mail is where tickets go: it proves nothing and need not be unique.
    """
    arguments = {"id": buyer_id, "name": name, "email": email}
    row = connection.execute(_ADD_GUEST, arguments).one_or_none()
    return _buyer(row if row else connection.execute(_BY_ID, arguments).one())


def add_account(connection: Connection, buyer_id: BuyerId, *, email: str, password_hash: str, name: str = "") -> Buyer:
    """A buyer who can sign in, or a guest of this id turned into one.

    EmailTaken when another account has this e-mail (any case), or this id is an account already.
    """
    arguments = {"id": buyer_id, "name": name, "email": email, "password_hash": password_hash}
    # Not by ON CONFLICT: one statement has only one target, and both the id and the e-mail may be there.
    for statement in (_ADD_ACCOUNT, _GUEST_TO_ACCOUNT):
        try:
            with connection.begin_nested():
                row = connection.execute(statement, arguments).one_or_none()
        except IntegrityError as error:
            raise EmailTaken from error
        if row is not None:
            return _buyer(row)
    raise EmailTaken


def by_id(connection: Connection, buyer_id: BuyerId) -> Buyer | None:
    """The buyer with this id."""
    return _one(connection, _BY_ID, {"id": buyer_id})


def account_by_email(connection: Connection, email: str) -> Buyer | None:
    """The account that signs in with this e-mail (any case); never a guest."""
    return _one(connection, _BY_EMAIL, {"email": email})


def set_password_hash(connection: Connection, buyer_id: BuyerId, password_hash: str) -> None:
    """Store a hash made with newer parameters."""
    connection.execute(_SET_PASSWORD_HASH, {"id": buyer_id, "password_hash": password_hash})


def set_customer(connection: Connection, buyer_id: BuyerId, provider_customer_id: str) -> str:
    """Remember who the buyer is at the payment provider; the first id stays, and is returned."""
    arguments = {"id": buyer_id, "provider_customer_id": provider_customer_id}
    kept: str = connection.execute(_SET_CUSTOMER, arguments).scalar_one()
    return kept


def add_setup(connection: Connection, buyer_id: BuyerId, setup_intent_id: str) -> Setup:
    """A card is being saved; safe to run twice."""
    arguments = {"buyer_id": buyer_id, "setup_intent_id": setup_intent_id}
    connection.execute(_ADD_SETUP, arguments)
    return Setup(*connection.execute(_SETUP, arguments).one())


def is_setup(connection: Connection, setup_intent_id: str) -> bool:
    """Whether a card of some buyer's is being saved, or was, under this id."""
    return bool(connection.execute(_IS_SETUP, {"setup_intent_id": setup_intent_id}).scalar_one())


def finish_setup(connection: Connection, setup_intent_id: str, payment_method: str) -> Setup | None:
    """The provider has the card. None when this setup is not ours."""
    arguments = {"setup_intent_id": setup_intent_id, "payment_method": payment_method}
    row = connection.execute(_FINISH_SETUP, arguments).one_or_none()
    return Setup(*row) if row else None


def setups_of(connection: Connection, buyer_id: BuyerId) -> tuple[Setup, ...]:
    """The buyer's saved cards and those being saved, newest first; at most 20."""
    rows = connection.execute(_SETUPS_OF, {"buyer_id": buyer_id, "limit": SETUPS_MAX})
    return tuple(Setup(*row) for row in rows)


def owns_payment_method(connection: Connection, buyer_id: BuyerId, payment_method: str) -> bool:
    """Whether the buyer saved this card; a hands-free booking may name no other."""
    arguments = {"buyer_id": buyer_id, "payment_method": payment_method}
    return bool(connection.execute(_OWNS_PAYMENT_METHOD, arguments).scalar_one())


def _one(connection: Connection, statement: TextClause, arguments: dict[str, object]) -> Buyer | None:
    row = connection.execute(statement, arguments).one_or_none()
    return _buyer(row) if row else None


def _buyer(row: Row[Any]) -> Buyer:
    return Buyer(
        id=row.id,
        email=row.email,
        name=row.name,
        created_at=row.created_at,
        password_hash=row.password_hash,
        provider_customer_id=row.provider_customer_id,
    )


_ADD_GUEST = text("""
    INSERT INTO buyers (id, name, email) VALUES (:id, :name, :email) ON CONFLICT (id) DO NOTHING RETURNING *
""")
_ADD_ACCOUNT = text("""
    INSERT INTO buyers (id, name, email, password_hash) VALUES (:id, :name, :email, :password_hash)
    ON CONFLICT (id) DO NOTHING RETURNING *
""")
_GUEST_TO_ACCOUNT = text("""
    UPDATE buyers SET email = :email, password_hash = :password_hash,
           name = CASE WHEN :name = '' THEN name ELSE :name END
     WHERE id = :id AND password_hash IS NULL RETURNING *
""")
_BY_ID = text("SELECT * FROM buyers WHERE id = :id")
_BY_EMAIL = text("SELECT * FROM buyers WHERE lower(email) = lower(:email) AND password_hash IS NOT NULL")
_SET_PASSWORD_HASH = text("""
    UPDATE buyers SET password_hash = :password_hash WHERE id = :id AND password_hash IS NOT NULL
""")
_SET_CUSTOMER = text("""
    UPDATE buyers SET provider_customer_id = coalesce(provider_customer_id, :provider_customer_id)
     WHERE id = :id RETURNING provider_customer_id
""")
_ADD_SETUP = text("""
    INSERT INTO setups (buyer_id, setup_intent_id) VALUES (:buyer_id, :setup_intent_id) ON CONFLICT DO NOTHING
""")
_SETUP = text("""
    SELECT buyer_id, setup_intent_id, payment_method, created_at FROM setups
     WHERE buyer_id = :buyer_id AND setup_intent_id = :setup_intent_id
""")
_IS_SETUP = text("SELECT EXISTS (SELECT FROM setups WHERE setup_intent_id = :setup_intent_id)")
_FINISH_SETUP = text("""
    UPDATE setups SET payment_method = :payment_method WHERE setup_intent_id = :setup_intent_id
    RETURNING buyer_id, setup_intent_id, payment_method, created_at
""")
_SETUPS_OF = text("""
    SELECT buyer_id, setup_intent_id, payment_method, created_at FROM setups
     WHERE buyer_id = :buyer_id ORDER BY created_at DESC LIMIT :limit
""")
_OWNS_PAYMENT_METHOD = text("""
    SELECT EXISTS (SELECT FROM setups WHERE buyer_id = :buyer_id AND payment_method = :payment_method)
""")
