"""What the payment provider tells us by itself: verified by its signature, then reduced to a few plain values."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from stripe import SignatureVerificationError, WebhookSignature

from onsale.errors import BadWebhook

# Stripe's own advice: old enough for a slow network, too old for a replay tomorrow.
AGE_SECONDS_MAX = 300
# Stripe's largest events are a tenth of this.
BODY_BYTES_MAX = 256 * 1024
HEADER_CHARACTERS_MAX = 1024
# What the record can keep.
BIGINT_MAX = 2**63 - 1

# The only events that change anything here; every other one is acknowledged and forgotten.
RESUMES = frozenset(
    {
        "payment_intent.requires_action",
        "payment_intent.processing",
        "payment_intent.amount_capturable_updated",
        "payment_intent.succeeded",
        "payment_intent.payment_failed",
        "payment_intent.canceled",
        "charge.refunded",
    }
)
# A refund says which payment it is of, and a charge which booking.
GIVES_BACK = frozenset({"charge.refunded", "refund.updated", "refund.failed"})
DISPUTES = frozenset({"charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"})
SAVES_A_CARD = frozenset({"setup_intent.succeeded", "setup_intent.setup_failed"})
# What the provider is to be told to send.
WANTED = RESUMES | GIVES_BACK | DISPUTES | SAVES_A_CARD


@dataclass(frozen=True, slots=True)
class Disputed:
    """What a bank wants back, and where that stands, in the provider's words."""

    amount_minor: int
    currency: str
    reason: str
    status: str


@dataclass(frozen=True, slots=True)
class Event:
    """One thing that happened at the provider. Only its ids are believed: what is true now is asked for by id.

    But for a dispute, which moves no money of ours and is written down as told. `given_back_minor` is a hint as well.
    """

    id: str
    type: str
    object_id: str
    # The payment it is about, also when the object is a charge of it.
    intent_id: str | None = None
    # From the metadata that `create_intent` set; None for a payment that is not a booking's.
    booking_id: UUID | None = None
    disputed: Disputed | None = None
    # Of a charge: what was given back of it in all.
    given_back_minor: int | None = None

    @property
    def resumes_booking(self) -> bool:
        """Whether the booking should look at its payment again."""
        return self.type in RESUMES and self.booking_id is not None


def verify(raw_body: bytes, header: str | None, secret: str) -> Event:
    """The event in a webhook, if the provider really sent it within the last five minutes.

    Takes the body as received: one changed byte, even a space, breaks the signature. Raises BadWebhook.
    """
    if len(raw_body) > BODY_BYTES_MAX or not header or len(header) > HEADER_CHARACTERS_MAX:
        raise BadWebhook
    # The SDK compares signatures as ASCII and would raise a TypeError on anything else.
    if not header.isascii():
        raise BadWebhook
    try:
        WebhookSignature.verify_header(raw_body, header, secret, AGE_SECONDS_MAX)
    except (SignatureVerificationError, UnicodeDecodeError):
        raise BadWebhook from None
    try:
        return _event(json.loads(raw_body))
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError) as error:
        raise BadWebhook("The webhook is signed, but it is not an event.") from error


def _event(body: dict[str, Any]) -> Event:
    thing = body["data"]["object"]
    intent_id = thing["id"] if thing.get("object") == "payment_intent" else thing.get("payment_intent")
    return Event(
        id=_word(body["id"]),
        type=_word(body["type"]),
        object_id=_word(thing["id"]),
        intent_id=_word(intent_id) if isinstance(intent_id, str) else None,
        booking_id=booking_of(thing.get("metadata") or {}),
        disputed=_disputed(thing) if body["type"] in DISPUTES else None,
        given_back_minor=_amount(thing["amount_refunded"]) if "amount_refunded" in thing else None,
    )


def _disputed(thing: dict[str, Any]) -> Disputed:
    return Disputed(_amount(thing["amount"]), *(_word(thing[name]) for name in ("currency", "reason", "status")))


def _amount(value: Any) -> int:
    """An amount in minor units, if the record can keep it. Raises ValueError."""
    amount = int(value)
    if not 0 <= amount <= BIGINT_MAX:
        raise ValueError(f"{value!r:.40} is no amount")
    return amount


def _word(value: object) -> str:
    """A provider's word, if the record can keep it: no NUL, and no half of a character. Raises ValueError."""
    word = str(value)
    # UnicodeEncodeError is a ValueError.
    word.encode()
    if "\0" in word:
        raise ValueError("a NUL")
    return word


def booking_of(metadata: dict[str, str]) -> UUID | None:
    """The booking named in a provider object's metadata; None if there is none, or somebody else's text."""
    try:
        return UUID(metadata["booking_id"])
    except (KeyError, ValueError, TypeError, AttributeError):
        return None
