"""Stripe's objects as our values: what is read of a PaymentIntent, a SetupIntent and a Refund, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onsale.payments.provider import Intent, IntentStatus, Refund, RefundStatus, SetupIntent
from onsale.payments.webhooks import booking_of

# An object as Stripe's JSON has it.
Raw = Mapping[str, Any]


def intent_value(raw: Raw) -> Intent:
    """A PaymentIntent of Stripe's as our value."""
    captured = int(raw.get("amount_received") or 0)
    return Intent(
        id=raw["id"],
        status=IntentStatus(raw["status"]),
        client_secret=raw.get("client_secret") or "",
        amount_minor=int(raw["amount"]),
        currency=raw["currency"],
        capturable_minor=int(raw.get("amount_capturable") or 0),
        captured_minor=captured,
        booking_id=booking_of(raw.get("metadata") or {}),
        payment_method=_id(raw.get("payment_method")),
        next_action_url=_redirect(raw),
        unusable=False,
        **_decline(raw.get("last_payment_error")),
    )


def setup_value(raw: Raw) -> SetupIntent:
    """A SetupIntent of Stripe's as our value."""
    return SetupIntent(
        id=raw["id"],
        status=IntentStatus(raw["status"]),
        client_secret=raw.get("client_secret") or "",
        customer_id=_id(raw.get("customer")),
        payment_method=_id(raw.get("payment_method")),
        next_action_url=_redirect(raw),
        **_decline(raw.get("last_setup_error")),
    )


def refund_value(raw: Raw) -> Refund:
    """A Refund of Stripe's as our value."""
    return Refund(
        id=raw["id"],
        status=RefundStatus(raw["status"]),
        intent_id=_id(raw.get("payment_intent")) or "",
        amount_minor=int(raw["amount"]),
        currency=raw["currency"],
    )


def _decline(error: Raw | None) -> dict[str, str | None]:
    if not error:
        return {"decline_code": None, "message": None}
    return {
        "decline_code": error.get("decline_code") or error.get("code") or "card_declined",
        "message": error.get("message"),
    }


def _redirect(raw: Raw) -> str | None:
    action = raw.get("next_action") or {}
    redirect = action.get("redirect_to_url") or {}
    url = redirect.get("url")
    return str(url) if url else None


def _id(reference: Any) -> str | None:
    """An id, whether Stripe sent the id alone or the whole object."""
    return reference.get("id") if isinstance(reference, Mapping) else reference
