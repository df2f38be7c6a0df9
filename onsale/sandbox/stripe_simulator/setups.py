"""SetupIntents: saving a card under a customer, so that it can be charged while its owner is away."""

from __future__ import annotations

import secrets

from onsale.sandbox.stripe_simulator import authentication, methods
from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.cards import Authentication, Decline
from onsale.sandbox.stripe_simulator.errors import Thing, invalid, no_such, unexpected_state
from onsale.sandbox.stripe_simulator.intents import customer_named, refuse_method_types

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
REASONS = ("abandoned", "requested_by_customer", "duplicate")
CONFIRMS = ("payment_method", "payment_method_data", "payment_method_options", "return_url", "use_stripe_sdk",
            "mandate_data", "expand")  # fmt: skip
CREATES = ("customer", "usage", "description", "metadata", "confirm", "automatic_payment_methods",
           "allowed_payment_method_types", "excluded_payment_method_types", "payment_method_types")  # fmt: skip
AUTHENTICATION_FAILED: Thing = {
    "code": "setup_intent_authentication_failure",
    "doc_url": "https://docs.stripe.com/error-codes#setup-intent-authentication-failure",
    "message": "The latest attempt to set up the payment method has failed because authentication failed.",
    "type": "invalid_request_error",
}


def create(call: Call) -> Thing:
    """POST /v1/setup_intents"""
    params = call.params
    params.only(*CREATES, *CONFIRMS)
    refuse_method_types(call)
    identifier = call.tx.new_id("seti")
    intent: Thing = {
        "id": identifier,
        "object": "setup_intent",
        "automatic_payment_methods": None,
        "cancellation_reason": None,
        "client_secret": f"{identifier}_secret_{secrets.token_hex(12)}",
        "created": call.tx.now,
        "customer": customer_named(call),
        "description": params.text("description"),
        "last_setup_error": None,
        "livemode": False,
        "metadata": params.metadata(),
        "next_action": None,
        "payment_method": None,
        "payment_method_types": ["card"],
        "status": "requires_payment_method",
        "usage": params.choice("usage", "off_session", "on_session") or "off_session",
    }
    method = methods.given(call, intent["customer"])
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    call.tx.add(intent, parents=(intent["customer"],))
    return _confirmed(call, intent, method) if params.boolean("confirm") else intent


def retrieve(call: Call, intent_id: str) -> Thing:
    """GET /v1/setup_intents/{id}"""
    return _find(call, intent_id)


def list_all(call: Call) -> Thing:
    """GET /v1/setup_intents"""
    return page(call, "seti", "/v1/setup_intents", parent=call.params.text("customer"))


def confirm(call: Call, intent_id: str) -> Thing:
    """POST /v1/setup_intents/{id}/confirm"""
    call.params.only(*CONFIRMS)
    intent = _find(call, intent_id)
    if intent["status"] not in OPEN:
        raise unexpected_state(
            f"You cannot confirm this SetupIntent because it has a status of {intent['status']}.", intent
        )
    method = methods.given(call, intent["customer"])
    if method is None and intent["payment_method"] is not None:
        method = call.find("pm", intent["payment_method"])
    return _confirmed(call, intent, method)


def _confirmed(call: Call, intent: Thing, method: Thing | None) -> Thing:
    if method is None:
        raise invalid("You cannot confirm this SetupIntent because it's missing a payment method.")
    card = methods.card_of(call, method)
    asks = card.authentication in (Authentication.ALWAYS, Authentication.UNLESS_SET_UP)
    if asks and not methods.was_set_up(call, method):
        intent |= {"payment_method": method["id"], "status": "requires_action", "last_setup_error": None}
        intent["next_action"] = authentication.begin(call, intent, method)
        call.tx.put(intent)
        call.tell("setup_intent.requires_action", intent, about=intent["id"])
        return intent
    return settle(call, intent, method)


def settle(call: Call, intent: Thing, method: Thing) -> Thing:
    """The bank's decision: the card is saved, or refused (which raises 402)."""
    card = methods.card_of(call, method)
    if card.decline is not None and not card.saves:
        fail(call, intent, methods.error_of(card.decline, payment_method=method))
        raise _declined(card.decline, intent, method)
    if intent["customer"] is not None:
        methods.attach(call, method, intent["customer"])
    methods.mark(call, method, methods.SET_UP)
    intent |= {"payment_method": method["id"], "status": "succeeded", "next_action": None, "last_setup_error": None}
    call.tx.put(intent)
    call.tell("setup_intent.succeeded", intent, about=intent["id"])
    return intent


def _declined(decline: Decline, intent: Thing, method: Thing) -> Exception:
    return methods.declined(decline, payment_method=method, setup_intent=intent)


def fail(call: Call, intent: Thing, error: Thing) -> Thing:
    """Back to the start: another card may be tried."""
    intent |= {"payment_method": None, "next_action": None, "status": "requires_payment_method"}
    intent["last_setup_error"] = error
    call.tx.put(intent)
    call.tell("setup_intent.setup_failed", intent, about=intent["id"])
    return intent


def cancel(call: Call, intent_id: str) -> Thing:
    """POST /v1/setup_intents/{id}/cancel"""
    call.params.only("cancellation_reason", "expand")
    reason = call.params.choice("cancellation_reason", *REASONS)
    intent = _find(call, intent_id)
    if intent["status"] not in OPEN:
        raise unexpected_state(
            f"You cannot cancel this SetupIntent because it has a status of {intent['status']}. Only a SetupIntent "
            f"with one of the following statuses may be canceled: {', '.join(OPEN)}.",
            intent,
        )
    intent |= {"status": "canceled", "cancellation_reason": reason, "next_action": None}
    return call.tx.put(intent)


def _find(call: Call, intent_id: str) -> Thing:
    found = call.tx.get(intent_id) if intent_id.startswith("seti_") else None
    if found is None:
        raise no_such("setupintent", intent_id[:100], param="intent")
    return found
