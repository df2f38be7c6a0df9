"""What Onsale asks of a payment provider: a small interface, and the values it answers with.

Every call is safe to repeat. A declined card, and an intent that is in another state than the call wants, are values
and not errors: the answer is the intent as it now is, and the caller decides by its status.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol
from uuid import UUID

from onsale.payments.wording import Wording

# What Stripe's words mean to us. Pinned: the SDK's own would change with an upgrade of it, the account's with a click.
API_VERSION = "2026-10-28.endive"
# The longest that one call may take, connecting and reading together. Leases on a payment must be longer than this.
CALL_SECONDS_MAX = 25


class IntentStatus(StrEnum):
    """Where the provider has got to with a payment or with saving a card."""

    REQUIRES_PAYMENT_METHOD = "requires_payment_method"  # new, or the card was declined: another may be tried
    REQUIRES_CONFIRMATION = "requires_confirmation"
    REQUIRES_ACTION = "requires_action"  # the buyer must go to `next_action_url` (3-D Secure)
    PROCESSING = "processing"
    REQUIRES_CAPTURE = "requires_capture"  # authorised: the money is reserved and not yet taken
    SUCCEEDED = "succeeded"  # captured
    CANCELED = "canceled"


@dataclass(frozen=True, slots=True)
class Intent:
    """One payment at the provider, as of the answer; amounts in minor units of `currency`."""

    id: str
    status: IntentStatus
    client_secret: str = field(repr=False)
    amount_minor: int
    currency: str
    # What may still be captured, and what was.
    capturable_minor: int = 0
    captured_minor: int = 0
    booking_id: UUID | None = None
    payment_method: str | None = None
    # Why the last card was refused: Stripe's decline code, and a sentence for the buyer.
    decline_code: str | None = None
    message: str | None = None
    next_action_url: str | None = field(default=None, repr=False)
    # The answer to a card that the provider would not ask about: the intent is what it was before.
    unusable: bool = False

    @property
    def authorised(self) -> bool:
        """The money is reserved, or taken already."""
        return self.status in (IntentStatus.REQUIRES_CAPTURE, IntentStatus.SUCCEEDED)

    @property
    def captured(self) -> bool:
        """The money is taken."""
        return self.status is IntentStatus.SUCCEEDED

    @property
    def canceled(self) -> bool:
        """Nothing was taken, and nothing can be any more."""
        return self.status is IntentStatus.CANCELED

    @property
    def declined(self) -> bool:
        """The last card was refused; another may be tried on this same intent."""
        return self.status is IntentStatus.REQUIRES_PAYMENT_METHOD and self.decline_code is not None


@dataclass(frozen=True, slots=True)
class SetupIntent:
    """A card being saved for later, so that a hands-free booking can be paid without its buyer."""

    id: str
    status: IntentStatus
    client_secret: str = field(repr=False)
    customer_id: str | None = None
    # The saved card once `status` is SUCCEEDED: what a hands-free booking names.
    payment_method: str | None = None
    decline_code: str | None = None
    message: str | None = None
    next_action_url: str | None = field(default=None, repr=False)


class RefundStatus(StrEnum):
    """Where a refund is; card refunds succeed at once."""

    PENDING = "pending"
    REQUIRES_ACTION = "requires_action"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELED = "canceled"


# Nothing has gone back by such a refund, also where it had succeeded before.
REFUSED = frozenset({RefundStatus.FAILED, RefundStatus.CANCELED})


@dataclass(frozen=True, slots=True)
class Refund:
    """Money on its way back to the buyer."""

    id: str
    status: RefundStatus
    intent_id: str
    amount_minor: int
    currency: str


class PaymentProvider(Protocol):
    """Charges cards. Thread safe; one per process.

    Every method raises ProviderUnavailable (timeout, 5xx, rate limit, the same key in flight; `retry_after_seconds`
    says when to try again) and PaymentRefused (the request itself is wrong: an unknown id, a key reused with other
    parameters, more refunded than was paid). After ProviderUnavailable the outcome is unknown: retrieve by id, then
    repeat with the same key.
    """

    def create_intent(
        self,
        *,
        booking_id: UUID,
        amount_minor: int,
        currency: str,
        wording: Wording,
        customer_id: str | None = None,
        instead_of: str | None = None,
    ) -> Intent:
        """The booking's payment, unconfirmed; what can be reserved first will be. The same call gives the same intent.

        One that differs in anything (an event renamed, another version of Onsale) gives another intent: store the first
        and confirm no other. `customer_id` is needed when a card saved by a SetupIntent is to pay. `instead_of`: the
        booking's intent that was cancelled, after which this one is another.
        """
        ...

    def confirm_intent(
        self, intent_id: str, *, payment_method: str, key: str, return_url: str, buyer_away: bool = False
    ) -> Intent:
        """Authorise with this card. A decline is a value: REQUIRES_PAYMENT_METHOD with `decline_code` and `message`.

        `key` names booking and attempt. After 3-D Secure the buyer comes back to `return_url`. `buyer_away`: a bank may
        let a saved card pass without its owner; one that does not is asked again as if they were there, which gives
        REQUIRES_ACTION and an address to write to them.
        """
        ...

    def retrieve_intent(self, intent_id: str) -> Intent:
        """The payment as the provider has it now."""
        ...

    def capture_intent(self, intent_id: str, *, key: str) -> Intent:
        """Take the reserved money. SUCCEEDED also when it was taken before; CANCELED when it cannot be any more."""
        ...

    def cancel_intent(self, intent_id: str, *, key: str) -> Intent:
        """Let the reserved money go. Check the status: SUCCEEDED means the capture came first."""
        ...

    def refund_intent(self, intent_id: str, *, amount_minor: int, key: str) -> Refund:
        """Give back part or all of a captured payment; never more than was captured."""
        ...

    def card_fingerprint(self, payment_method: str) -> str | None:
        """The same word for the same card, whoever uses it; None for what is no card, or unknown."""
        ...

    def find_refund(self, intent_id: str, *, key: str) -> Refund | None:
        """The refund that was asked for under this key as the provider has it now; None: it was not made.

        A key is remembered for a day; this finds what was made under it for ever.
        """
        ...

    def refunded(self, intent_id: str) -> int:
        """What has been given back of this payment, by whomever and in all, in minor units; what is pending has not."""
        ...

    def create_customer(self, *, buyer_id: UUID, email: str | None = None) -> str:
        """The id under which this buyer's cards are saved; the same buyer gives the same id."""
        ...

    def create_setup_intent(
        self, *, customer_id: str, key: str, payment_method: str | None = None, return_url: str | None = None
    ) -> SetupIntent:
        """Save a card for later; with `payment_method` it is confirmed in the same call, and a refusal is a value."""
        ...

    def retrieve_setup_intent(self, setup_intent_id: str) -> SetupIntent:
        """The saving of a card as the provider has it now."""
        ...
