"""Buyers: guests and accounts, and the cards they saved at the payment provider."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Connection

from onsale.db.ids import BuyerId


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
    """A buyer without credentials. A guest's e-mail is where tickets go: it proves nothing and need not be unique."""
    raise NotImplementedError


def add_account(connection: Connection, buyer_id: BuyerId, *, email: str, password_hash: str, name: str = "") -> Buyer:
    """A buyer who can sign in, or a guest of this id turned into one. EmailTaken when an account has this e-mail (any case)."""
    raise NotImplementedError


def by_id(connection: Connection, buyer_id: BuyerId) -> Buyer | None:
    """The buyer with this id."""
    raise NotImplementedError


def account_by_email(connection: Connection, email: str) -> Buyer | None:
    """The account that signs in with this e-mail (any case); never a guest."""
    raise NotImplementedError


def set_password_hash(connection: Connection, buyer_id: BuyerId, password_hash: str) -> None:
    """Store a hash made with newer parameters."""
    raise NotImplementedError


def set_customer(connection: Connection, buyer_id: BuyerId, provider_customer_id: str) -> str:
    """Remember who the buyer is at the payment provider; the first id stays, and is returned."""
    raise NotImplementedError


def add_setup(connection: Connection, buyer_id: BuyerId, setup_intent_id: str) -> Setup:
    """A card is being saved; safe to run twice."""
    raise NotImplementedError


def finish_setup(connection: Connection, setup_intent_id: str, payment_method: str) -> Setup | None:
    """The provider has the card. None when this setup is not ours."""
    raise NotImplementedError


def setups_of(connection: Connection, buyer_id: BuyerId) -> tuple[Setup, ...]:
    """The buyer's saved cards and those being saved, newest first; at most 20."""
    raise NotImplementedError


def owns_payment_method(connection: Connection, buyer_id: BuyerId, payment_method: str) -> bool:
    """Whether the buyer saved this card; a hands-free booking may name no other."""
    raise NotImplementedError
