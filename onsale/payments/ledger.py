"""The provider's own books: every payment and refund since a moment, as it has them, whatever our record says.

For audits. It pages through lists, a hundred at a time, and holds one page in memory.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol
from uuid import UUID

import stripe

from onsale.errors import ProviderUnavailable
from onsale.payments.provider import API_VERSION, CALL_SECONDS_MAX
from onsale.payments.transport import PooledTransport

PAGE = 100


@dataclass(frozen=True, slots=True)
class Entry:
    """A payment at the provider: what was taken, before refunds, and what is reserved on the card and not yet taken."""

    intent_id: str
    booking_id: UUID | None
    captured_minor: int
    reserved_minor: int
    currency: str


class Ledger(Protocol):
    """What an audit reads. All raise ProviderUnavailable."""

    def payments(self, since: datetime) -> Iterator[Entry]:
        """Every payment begun since then, newest first."""
        ...

    def refunds(self, since: datetime) -> Iterator[tuple[str, int]]:
        """What was given back since then: the payment, and the amount in minor units. Failed refunds are left out."""
        ...

    def payment(self, intent_id: str) -> Entry | None:
        """One payment as it is now; None when the provider has none of this id."""
        ...

    def refunded(self, intent_id: str) -> int:
        """What was given back of one payment until now, in minor units."""
        ...


class StripeLedger:
    """Stripe's books, through its own SDK."""

    def __init__(self, *, secret_key: str, api_base: str) -> None:
        self._transport = PooledTransport(seconds_max=CALL_SECONDS_MAX, connections_max=1)
        self._api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")},
            stripe_version=API_VERSION,
            max_network_retries=2,
            http_client=self._transport,
        ).v1

    def close(self) -> None:
        """Close the connection."""
        self._transport.close()

    def payments(self, since: datetime) -> Iterator[Entry]:
        """Every payment begun since then, newest first."""
        with _translated():
            found = self._api.payment_intents.list({"limit": PAGE, "created": {"gte": int(since.timestamp())}})
            for intent in found.auto_paging_iter():
                yield _entry(intent)

    def refunds(self, since: datetime) -> Iterator[tuple[str, int]]:
        """What was given back since then."""
        with _translated():
            found = self._api.refunds.list({"limit": PAGE, "created": {"gte": int(since.timestamp())}})
            for refund in found.auto_paging_iter():
                if _is_given_back(refund) and isinstance(refund.payment_intent, str):
                    yield refund.payment_intent, refund.amount

    def payment(self, intent_id: str) -> Entry | None:
        """One payment as it is now."""
        with _translated():
            try:
                return _entry(self._api.payment_intents.retrieve(intent_id))
            except stripe.InvalidRequestError as error:
                if error.code == "resource_missing":
                    return None
                raise

    def refunded(self, intent_id: str) -> int:
        """What was given back of one payment until now."""
        with _translated():
            found = self._api.refunds.list({"limit": PAGE, "payment_intent": intent_id})
            return sum(refund.amount for refund in found.auto_paging_iter() if _is_given_back(refund))


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except stripe.StripeError as error:
        raise ProviderUnavailable(f"The payment provider's books cannot be read: {type(error).__name__}.") from error


def _entry(intent: stripe.PaymentIntent) -> Entry:
    booking = intent.metadata.to_dict().get("booking_id") if intent.metadata else None
    return Entry(intent.id, _uuid(booking), intent.amount_received, intent.amount_capturable, intent.currency)


def _is_given_back(refund: stripe.Refund) -> bool:
    return refund.status not in ("failed", "canceled")


def _uuid(text: str | None) -> UUID | None:
    """A booking's id; None for what is no UUID, because anybody with the key may write metadata."""
    try:
        return UUID(text) if text else None
    except ValueError:
        return None
