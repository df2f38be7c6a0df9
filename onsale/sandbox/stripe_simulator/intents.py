"""PaymentIntents: from an amount to money, through the states that Stripe documents."""

from __future__ import annotations

import secrets

from onsale.sandbox.stripe_simulator import authentication, charges, disputes, methods, transfers
from onsale.sandbox.stripe_simulator.call import DYNAMIC_METHODS_VERSION, Call, page
from onsale.sandbox.stripe_simulator.cards import WANTS_AUTHENTICATION, Decline
from onsale.sandbox.stripe_simulator.currencies import check_amount, check_currency
from onsale.sandbox.stripe_simulator.errors import Thing, invalid, missing, no_such, unexpected_state

OPEN = ("requires_payment_method", "requires_confirmation", "requires_action")
CANCELABLE = ("requires_payment_method", "requires_capture", "requires_confirmation", "requires_action")
REASONS = ("duplicate", "fraudulent", "requested_by_customer", "abandoned")
CREATE_ONLY = (
    "allowed_payment_method_types", "automatic_payment_methods", "capture_method", "confirm", "confirmation_method",
    "currency", "excluded_payment_method_types", "payment_method_types", "statement_descriptor",
    "statement_descriptor_suffix", "transfer_group",
)  # fmt: skip
UPDATES = ("amount", "customer", "description", "metadata", "receipt_email", "setup_future_usage")
CONFIRMS = (
    "payment_method", "payment_method_data", "payment_method_options", "return_url", "off_session",
    "error_on_requires_action", "use_stripe_sdk", "mandate_data", "expand",
)  # fmt: skip
WITH_CONFIRM = ("return_url", "off_session", "error_on_requires_action")
AUTHENTICATION_FAILED: Thing = {
    "code": "payment_intent_authentication_failure",
    "doc_url": "https://docs.stripe.com/error-codes#payment-intent-authentication-failure",
    "message": "The provided PaymentMethod has failed authentication. You can provide payment_method_data or a new "
    "PaymentMethod to attempt to fulfill this PaymentIntent again.",
    "type": "invalid_request_error",
}


def create(call: Call) -> Thing:
    """POST /v1/payment_intents"""
    params = call.params
    params.only(*CREATE_ONLY, *UPDATES, *CONFIRMS)
    _refuse_what_does_not_go_together(call)
    amount = params.integer("amount", lowest=1)
    if amount is None:
        raise missing("amount")
    currency = check_currency(params.needed("currency"))
    check_amount(amount, currency)
    intent = _new(call, amount, currency)
    method = methods.given(call, intent["customer"])
    if method is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation"}
    call.tx.add(intent, parents=(intent["customer"],))
    call.tell("payment_intent.created", intent, about=intent["id"])
    return _confirmed(call, intent, method) if params.boolean("confirm") else intent


def _refuse_what_does_not_go_together(call: Call) -> None:
    refuse_method_types(call)
    if "statement_descriptor" in call.params:
        raise invalid(
            "The statement_descriptor parameter is not supported for the card payment method type. You can use "
            "statement_descriptor_suffix to customize the statement descriptor on card charges.",
            param="statement_descriptor",
        )
    for name in WITH_CONFIRM:
        if name in call.params and not call.params.boolean("confirm"):
            raise invalid(f"You can only provide `{name}` when `confirm` is `true`.", param=name)


def refuse_method_types(call: Call) -> None:
    """Since 2026-09-30 Stripe chooses the types itself, and an integration that still names them must find out here."""
    if "payment_method_types" in call.params and call.version >= DYNAMIC_METHODS_VERSION:
        raise invalid(
            "The `payment_method_types` parameter is no longer supported. Use `allowed_payment_method_types`.",
            code="payment_method_types_no_longer_supported",
            param="payment_method_types",
        )


def _new(call: Call, amount: int, currency: str) -> Thing:
    params = call.params
    identifier = call.tx.new_id("pi")
    return {
        "id": identifier,
        "object": "payment_intent",
        "amount": amount,
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": params.choice("capture_method", "automatic", "automatic_async", "manual") or "automatic",
        "client_secret": f"{identifier}_secret_{secrets.token_hex(12)}",
        "confirmation_method": params.choice("confirmation_method", "automatic", "manual") or "automatic",
        "created": call.tx.now,
        "currency": currency,
        "customer": customer_named(call),
        "description": params.text("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": params.metadata(),
        "next_action": None,
        "payment_method": None,
        "payment_method_options": transfers.options(params),
        "payment_method_types": transfers.types(params),
        "processing": None,
        "receipt_email": params.email("receipt_email"),
        "setup_future_usage": params.choice("setup_future_usage", "off_session", "on_session"),
        "shipping": None,
        "statement_descriptor": None,
        "statement_descriptor_suffix": params.descriptor("statement_descriptor_suffix"),
        "status": "requires_payment_method",
    }


def customer_named(call: Call) -> str | None:
    """The customer of the call, who must exist."""
    named = call.params.text("customer")
    return None if named is None else str(call.find("cus", named, param="customer")["id"])


def retrieve(call: Call, intent_id: str) -> Thing:
    """GET /v1/payment_intents/{id}"""
    return _find(call, intent_id)


def list_all(call: Call) -> Thing:
    """GET /v1/payment_intents"""
    call.params.only("limit", "starting_after", "ending_before", "created", "customer", "expand")
    return page(call, "pi", "/v1/payment_intents", parent=call.params.text("customer"))


def update(call: Call, intent_id: str) -> Thing:
    """POST /v1/payment_intents/{id}"""
    params = call.params
    params.only(*UPDATES, "payment_method", "payment_method_data", "expand")
    intent = _find(call, intent_id)
    if intent["status"] not in OPEN and any(name not in ("metadata", "description", "expand") for name in params):
        raise unexpected_state(
            f"This PaymentIntent could not be updated because it has a status of {intent['status']}.", intent
        )
    amount = params.integer("amount", lowest=1)
    if amount is not None:
        check_amount(amount, intent["currency"])
        intent["amount"] = amount
    for name in ("description", "setup_future_usage"):
        if name in params:
            intent[name] = params.text(name)
    if "receipt_email" in params:
        intent["receipt_email"] = params.email("receipt_email")
    if "customer" in params:
        intent["customer"] = customer_named(call)
    intent["metadata"] = params.metadata(intent["metadata"])
    if (method := methods.given(call, intent["customer"])) is not None:
        intent |= {"payment_method": method["id"], "status": "requires_confirmation", "next_action": None}
    return call.tx.put(intent)


def confirm(call: Call, intent_id: str) -> Thing:
    """POST /v1/payment_intents/{id}/confirm"""
    call.params.only(*CONFIRMS, "receipt_email", "setup_future_usage", "capture_method")
    intent = _find(call, intent_id)
    if intent["status"] not in OPEN:
        raise unexpected_state(f"You cannot confirm this PaymentIntent because {_why_not(intent)}.", intent)
    method = methods.given(call, intent["customer"])
    if method is None and intent["payment_method"] is not None:
        method = methods.allowed(call, call.find("pm", intent["payment_method"]), intent["customer"])
    return _confirmed(call, intent, method)


def _why_not(intent: Thing) -> str:
    if intent["status"] == "succeeded":
        return "it has already succeeded after being previously confirmed"
    return f"it has a status of {intent['status']}"


def _confirmed(call: Call, intent: Thing, method: Thing | None) -> Thing:
    if method is None:
        raise unexpected_state(
            "You cannot confirm this PaymentIntent because it's missing a payment method. You can either update the "
            "PaymentIntent with a payment method and then confirm it again, or confirm it again directly with a "
            "payment method or ConfirmationToken.",
            intent,
        )
    transfers.refuse_unfit(intent, method)
    if method["type"] in transfers.TYPES:
        return _ask(call, intent, method)
    off_session = call.params.text("off_session") not in (None, "false")
    card = methods.card_of(call, method)
    set_up = methods.was_set_up(call, method)
    if authentication.wanted(card, off_session=off_session, set_up=set_up):
        if off_session or call.params.boolean("error_on_requires_action"):
            return refuse(call, intent, method, WANTS_AUTHENTICATION)
        return _ask(call, intent, method)
    return settle(call, intent, method)


def _ask(call: Call, intent: Thing, method: Thing) -> Thing:
    """The buyer must go to the bank's page."""
    intent |= {"payment_method": method["id"], "status": "requires_action", "last_payment_error": None}
    intent["next_action"] = authentication.begin(call, intent, method)
    call.tx.put(intent)
    call.tell("payment_intent.requires_action", intent, about=intent["id"])
    return intent


def settle(call: Call, intent: Thing, method: Thing) -> Thing:
    """The bank's decision: the money is reserved or taken, or the card declined (which raises 402)."""
    if method["type"] in transfers.TYPES:
        if intent["status"] != "processing":
            return transfers.begin_processing(call, intent, method)
    elif (decline := methods.card_of(call, method).decline) is not None:
        return refuse(call, intent, method, decline)
    capture = transfers.is_taken_at_once(intent, method)
    charge = charges.charge_card(call, intent, method, capture=capture)
    intent |= {"payment_method": method["id"], "latest_charge": charge["id"], "next_action": None}
    intent |= {"last_payment_error": None, "status": "succeeded" if capture else "requires_capture"}
    intent["amount_received" if capture else "amount_capturable"] = intent["amount"]
    call.tx.put(intent)
    methods.mark(call, method, methods.USED)
    if intent["setup_future_usage"] and intent["customer"]:
        methods.attach(call, method, intent["customer"])
    if capture:
        disputes.expect(call, charge)
    event = "payment_intent.succeeded" if capture else "payment_intent.amount_capturable_updated"
    call.tell(event, intent, about=intent["id"])
    return intent


def refuse(call: Call, intent: Thing, method: Thing, decline: Decline) -> Thing:
    """The bank said no: recorded, told, and raised as 402."""
    charge = charges.charge_card(call, intent, method, capture=False, decline=decline)
    fail(call, intent, methods.error_of(decline, charge=charge["id"], payment_method=method), charge["id"])
    raise methods.declined(decline, charge=charge["id"], payment_method=method, payment_intent=intent)


def fail_transfer(call: Call, intent: Thing) -> Thing:
    """The bank sent no money after all."""
    method = call.find("pm", intent["payment_method"])
    return fail(call, intent, methods.error_of(transfers.FAILED, payment_method=method))


def fail(call: Call, intent: Thing, error: Thing, charge_id: str | None = None) -> Thing:
    """Back to the start: another card may be tried on the same intent."""
    intent |= {"payment_method": None, "next_action": None, "status": "requires_payment_method"}
    intent |= {"last_payment_error": error, "latest_charge": charge_id or intent["latest_charge"]}
    call.tx.put(intent)
    call.tell("payment_intent.payment_failed", intent, about=intent["id"])
    return intent


def capture(call: Call, intent_id: str) -> Thing:
    """POST /v1/payment_intents/{id}/capture"""
    call.params.only("amount_to_capture", "final_capture", "metadata", "statement_descriptor", "expand")
    intent = _find(call, intent_id)
    if intent["status"] == "succeeded":
        raise unexpected_state("This PaymentIntent could not be captured because it has already been captured.", intent)
    if intent["status"] != "requires_capture":
        raise unexpected_state(
            f"This PaymentIntent could not be captured because it has a status of {intent['status']}. Only a "
            "PaymentIntent with one of the following statuses may be captured: requires_capture.",
            intent,
        )
    amount = call.params.integer("amount_to_capture", lowest=1)
    amount = intent["amount_capturable"] if amount is None else amount
    if amount > intent["amount_capturable"]:
        raise invalid(
            "The amount to capture is greater than the capturable amount.", code="amount_too_large",
            param="amount_to_capture",
        )  # fmt: skip
    disputes.expect(call, charges.capture_charge(call, intent["latest_charge"], amount))
    intent |= {"amount_capturable": 0, "amount_received": amount, "status": "succeeded"}
    intent["metadata"] = call.params.metadata(intent["metadata"])
    call.tx.put(intent)
    call.tell("payment_intent.succeeded", intent, about=intent["id"])
    return intent


def cancel(call: Call, intent_id: str) -> Thing:
    """POST /v1/payment_intents/{id}/cancel"""
    call.params.only("cancellation_reason", "expand")
    reason = call.params.choice("cancellation_reason", *REASONS)
    intent = _find(call, intent_id)
    if intent["status"] not in CANCELABLE:
        raise unexpected_state(
            f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
            f"PaymentIntent with one of the following statuses may be canceled: {', '.join(CANCELABLE)}.",
            intent,
        )
    if intent["status"] == "requires_capture":
        charges.release_charge(call, intent["latest_charge"])
    intent |= {"status": "canceled", "cancellation_reason": reason, "canceled_at": call.tx.now}
    intent |= {"amount_capturable": 0, "next_action": None}
    call.tx.put(intent)
    call.tell("payment_intent.canceled", intent, about=intent["id"])
    return intent


def _find(call: Call, intent_id: str) -> Thing:
    found = call.tx.get(intent_id) if intent_id.startswith("pi_") else None
    if found is None:
        raise no_such("payment_intent", intent_id[:100], param="intent")
    return found
