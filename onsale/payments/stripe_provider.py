"""Stripe, through its official SDK, as the payment provider that Onsale asks for in `provider.py`."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any
from uuid import UUID

import stripe
import structlog

from onsale.errors import OnsaleError, PaymentRefused, ProviderUnavailable
from onsale.payments.circuit import Breaker
from onsale.payments.methods import method_params
from onsale.payments.provider import (
    API_VERSION,
    CALL_SECONDS_MAX,
    Intent,
    Refund,
    RefundStatus,
    SetupIntent,
)
from onsale.payments.stripe_values import Raw, intent_value, refund_value, setup_value
from onsale.payments.transport import CONNECTIONS_MAX, PooledTransport
from onsale.payments.wording import DESCRIPTION_CHARACTERS_MAX, Wording

# How soon to ask again, unless Stripe says it itself.
RETRY_SECONDS = 2
# The same key is still being worked on: soon done.
RETRY_IN_FLIGHT_SECONDS = 1
# A wrong key is mended by an operator, not by asking again.
RETRY_UNAUTHORISED_SECONDS = 60
# Stripe has stored failure upon failure for one call.
RETRY_FAILING_SECONDS = 30
RETRY_SECONDS_MAX = 300
# How many fresh keys one call may use when Stripe replays a stored 5xx under the old one.
KEYS_MAX = 3
# The bank's answer to a card charged while its owner is away, and does not like it.
WANTS_ITS_OWNER = "authentication_required"
# Refunds of one payment looked through; Stripe's longest page.
REFUNDS_MAX = 100

log = structlog.get_logger(__name__)


class StripeProvider:
    """Charges cards by Stripe. Thread safe: one per process, its connections shared by all threads."""

    def __init__(
        self,
        *,
        secret_key: str,
        api_base: str,
        seconds_max: float = CALL_SECONDS_MAX,
        connections_max: int = CONNECTIONS_MAX,
        breaker: Breaker | None = None,
        methods: Sequence[str] = ("card",),
    ) -> None:
        self._methods = tuple(methods)
        self._transport = PooledTransport(
            seconds_max=seconds_max, connections_max=connections_max, breaker=breaker or Breaker()
        )
        self._api = stripe.StripeClient(
            secret_key,
            base_addresses={"api": api_base.rstrip("/")},
            stripe_version=API_VERSION,
            # The worker repeats: it knows the booking's deadline, and can ask what became of the first try.
            max_network_retries=0,
            http_client=self._transport,
        ).v1

    def close(self) -> None:
        """Close the idle connections."""
        self._transport.close()

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
        """The booking's payment, unconfirmed; the same call gives the same intent."""
        params: stripe.params.PaymentIntentCreateParams = {
            "amount": amount_minor,
            "currency": currency,
            "description": wording.description[:DESCRIPTION_CHARACTERS_MAX],
            "metadata": {**wording.metadata, "booking_id": str(booking_id)},
            **method_params(self._methods),  # type: ignore[typeddict-item]  # chosen by name, which a TypedDict cannot say
        }
        if wording.statement_suffix is not None:
            params["statement_descriptor_suffix"] = wording.statement_suffix
        if wording.receipt_email is not None:
            params["receipt_email"] = wording.receipt_email
        if customer_id is not None:
            params["customer"] = customer_id

        def create(key: str) -> stripe.PaymentIntent:
            return self._api.payment_intents.create(params, {"idempotency_key": key})

        first = str(booking_id) if instead_of is None else f"{booking_id}-after-{instead_of}"
        try:
            return self._intent(create, first)
        except OtherParameters:
            # It was asked for before, in other words, and the answer was lost. The intent made then is known to nobody
            # and never confirmed. A key of these words: whoever repeats them gets the same one.
            log.warning("payment_intent_made_anew", booking_id=str(booking_id))
            return self._intent(create, f"{first}:{_digest(params)}")

    def confirm_intent(
        self, intent_id: str, *, payment_method: str, key: str, return_url: str, buyer_away: bool = False
    ) -> Intent:
        """Authorise with this card; a decline is a value."""
        params: stripe.params.PaymentIntentConfirmParams = {"payment_method": payment_method, "return_url": return_url}
        if buyer_away:
            alone = self._confirm(intent_id, {**params, "off_session": True}, f"{key}-away")
            if alone.decline_code != WANTS_ITS_OWNER:
                return alone
        return self._confirm(intent_id, params, key)

    def _confirm(self, intent_id: str, params: stripe.params.PaymentIntentConfirmParams, key: str) -> Intent:
        try:
            return self._intent(
                lambda key: self._api.payment_intents.confirm(intent_id, params, {"idempotency_key": key}), key
            )
        except UnusableCard as unusable:
            now = self.retrieve_intent(intent_id)
            return replace(now, decline_code=unusable.code, message=str(unusable), unusable=True)

    def retrieve_intent(self, intent_id: str) -> Intent:
        """The payment as Stripe has it now."""
        return self._intent(lambda _: self._api.payment_intents.retrieve(intent_id))

    def capture_intent(self, intent_id: str, *, key: str) -> Intent:
        """Take the reserved money; what was taken or released before is answered as it is."""
        return self._intent(lambda key: self._api.payment_intents.capture(intent_id, {}, {"idempotency_key": key}), key)

    def cancel_intent(self, intent_id: str, *, key: str) -> Intent:
        """Let the reserved money go; an intent that was captured first is answered as it is."""
        params: stripe.params.PaymentIntentCancelParams = {"cancellation_reason": "abandoned"}
        return self._intent(
            lambda key: self._api.payment_intents.cancel(intent_id, params, {"idempotency_key": key}), key
        )

    def refund_intent(self, intent_id: str, *, amount_minor: int, key: str) -> Refund:
        """Give back part or all of a captured payment."""
        params: stripe.params.RefundCreateParams = {
            "payment_intent": intent_id,
            "amount": amount_minor,
            "metadata": {"key": key},
        }
        for fresh in _keys(key):
            try:
                return refund_value(self._api.refunds.create(params, {"idempotency_key": fresh}).to_dict())
            except stripe.StripeError as error:
                if not _replayed_failure(error):
                    raise translated(error) from None
            # Two refunds of a part are both legal: a fresh key only once it is known that this one was not made.
            if made := self.find_refund(intent_id, key=key):
                return made
        raise ProviderUnavailable(retry_after_seconds=RETRY_FAILING_SECONDS)

    def card_fingerprint(self, payment_method: str) -> str | None:
        """What Stripe calls the card's fingerprint: the same for the same number, over customers."""
        try:
            found = self._api.payment_methods.retrieve(payment_method).to_dict()
        except stripe.InvalidRequestError:
            # No such card: its confirmation says so in the words for a buyer.
            return None
        except stripe.StripeError as error:
            raise translated(error) from None
        return (found.get("card") or {}).get("fingerprint")

    def find_refund(self, intent_id: str, *, key: str) -> Refund | None:
        """The refund that was asked for under this key, if Stripe made it."""
        made = self._refunds(intent_id)
        return next((refund_value(raw) for raw in made if (raw.get("metadata") or {}).get("key") == key), None)

    def refunded(self, intent_id: str) -> int:
        """What has been given back of this payment, by whomever."""
        made = (refund_value(raw) for raw in self._refunds(intent_id))
        return sum(refund.amount_minor for refund in made if refund.status is RefundStatus.SUCCEEDED)

    def _refunds(self, intent_id: str) -> list[Raw]:
        try:
            found = self._api.refunds.list({"payment_intent": intent_id, "limit": REFUNDS_MAX}).data
        except stripe.StripeError as error:
            raise translated(error) from None
        return [refund.to_dict() for refund in found]

    def create_customer(self, *, buyer_id: UUID, email: str | None = None) -> str:
        """The id under which this buyer's cards are saved."""
        params: stripe.params.CustomerCreateParams = {"metadata": {"buyer_id": str(buyer_id)}}
        if email is not None:
            params["email"] = email
        try:
            return str(self._api.customers.create(params, {"idempotency_key": f"customer-{buyer_id}"}).id)
        except stripe.StripeError as error:
            raise translated(error) from None

    def create_setup_intent(
        self, *, customer_id: str, key: str, payment_method: str | None = None, return_url: str | None = None
    ) -> SetupIntent:
        """Save a card for later; with `payment_method` it is confirmed in the same call."""
        params: stripe.params.SetupIntentCreateParams = {
            "customer": customer_id,
            "allowed_payment_method_types": ["card"],
            "usage": "off_session",
        }
        if payment_method is not None:
            params["payment_method"] = payment_method
            params["confirm"] = True
            if return_url is not None:
                params["return_url"] = return_url
        try:
            return setup_value(self._api.setup_intents.create(params, {"idempotency_key": key}).to_dict())
        except stripe.CardError as error:
            return setup_value(_object_in(error, "setup_intent"))
        except stripe.StripeError as error:
            raise translated(error) from None

    def retrieve_setup_intent(self, setup_intent_id: str) -> SetupIntent:
        """The saving of a card as Stripe has it now."""
        try:
            return setup_value(self._api.setup_intents.retrieve(setup_intent_id).to_dict())
        except stripe.StripeError as error:
            raise translated(error) from None

    def _intent(self, call: Callable[[str], stripe.PaymentIntent], key: str = "") -> Intent:
        """Call, renewing the key while Stripe replays a stored failure of its own.

        Safe only because an intent's state refuses a second confirmation, capture or cancellation, and because a second
        unconfirmed intent charges nobody.
        """
        for fresh in _keys(key):
            try:
                return intent_value(call(fresh).to_dict())
            except stripe.StripeError as error:
                if not _replayed_failure(error):
                    return intent_in(error)
        # As many failures as keys: it is Stripe that is unwell, and not this one answer.
        raise ProviderUnavailable(retry_after_seconds=RETRY_FAILING_SECONDS)


class OtherParameters(PaymentRefused):
    """The provider was asked this before in other words. Nothing was done now; tell the organiser."""


class UnusableCard(PaymentRefused):
    """This card cannot be used. Try another one.

    The buyer's mistake and not ours: an id that is no card's, somebody else's card, or one that was used up.
    """

    def __init__(self, detail: str, *, code: str) -> None:
        super().__init__(detail)
        self.code = code


def intent_in(error: stripe.StripeError) -> Intent:
    """The intent that came with an error (a decline, or a call in the wrong state); raises what the rest means."""
    wrong_state = _code(error) == "payment_intent_unexpected_state"
    if isinstance(error, stripe.CardError) or wrong_state:
        return intent_value(_object_in(error, "payment_intent"))
    raise translated(error) from None


def translated(error: stripe.StripeError) -> OnsaleError:
    """Stripe's error as ours; the log names the request, never a key or a card."""
    known = {
        "kind": type(error).__name__,
        "status": error.http_status,
        "code": _code(error),
        "request": error.request_id,
    }
    match error:
        case stripe.AuthenticationError() | stripe.PermissionError():
            log.error("payment_key_refused", **known)
            return ProviderUnavailable(retry_after_seconds=RETRY_UNAUTHORISED_SECONDS)
        case stripe.RateLimitError() | stripe.APIConnectionError() | stripe.APIError():
            in_flight = error.http_status == 409
            wait = RETRY_IN_FLIGHT_SECONDS if in_flight else _retry_after(error)
            log.warning("payment_provider_unavailable", retry_after_seconds=wait, **known)
            return ProviderUnavailable(retry_after_seconds=wait)
        case stripe.IdempotencyError():
            log.warning("payment_key_reused", **known)
            return OtherParameters(error.user_message or "")
        case stripe.InvalidRequestError() if _about_the_card(error):
            return UnusableCard(error.user_message or "", code=_code(error) or "card_unusable")
        case _:
            log.error("payment_request_refused", **known)
            return PaymentRefused(error.user_message or "")


def _digest(params: Mapping[str, Any]) -> str:
    """The same for the same parameters."""
    return hashlib.blake2b(json.dumps(params, sort_keys=True).encode(), digest_size=8).hexdigest()


def _keys(key: str) -> Iterator[str]:
    yield key
    yield from (f"{key}:{count}" for count in range(2, KEYS_MAX + 1))


def _error_in(error: stripe.StripeError) -> Raw:
    body = error.json_body
    inner = body.get("error") if isinstance(body, Mapping) else None
    return inner if isinstance(inner, Mapping) else {}


def _object_in(error: stripe.StripeError, name: str) -> Raw:
    found = _error_in(error).get(name)
    if not isinstance(found, Mapping):
        raise translated(error) from None
    return found


def _code(error: stripe.StripeError) -> str | None:
    code = _error_in(error).get("code")
    return str(code) if code else None


def _about_the_card(error: stripe.InvalidRequestError) -> bool:
    if error.param is None and _code(error) is None:
        # A card that was used up comes without either; only the sentence says so.
        return "PaymentMethod" in (error.user_message or "")
    return (error.param or "").startswith("payment_method") or (_code(error) or "").startswith("payment_method_")


def _replayed_failure(error: stripe.StripeError) -> bool:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    return (error.http_status or 0) >= 500 and headers.get("idempotent-replayed") == "true"


def _retry_after(error: stripe.StripeError) -> int:
    headers = {name.lower(): value for name, value in (error.headers or {}).items()}
    said = headers.get("retry-after", "")
    return min(int(said), RETRY_SECONDS_MAX) if said.isdecimal() else RETRY_SECONDS
