"""Methods without manual capture (iDEAL and kin): the bank's page first, then `processing`, and the outcome when told.

At Stripe the outcome comes by itself, within seconds or days. Here `POST /_simulator/outcome/{intent}` decides it.
"""

from __future__ import annotations

import hmac
from collections.abc import Callable

from flask import Blueprint, Response, jsonify, request

from onsale.sandbox.stripe_simulator.call import Call
from onsale.sandbox.stripe_simulator.cards import Decline
from onsale.sandbox.stripe_simulator.delivery import Delivery
from onsale.sandbox.stripe_simulator.errors import ApiError, Thing, invalid
from onsale.sandbox.stripe_simulator.forms import Params
from onsale.sandbox.stripe_simulator.store import Store

Settled = Callable[[Call, Thing, Thing], Thing]
Failed = Callable[[Call, Thing], Thing]

TYPES = frozenset({"bancontact", "blik", "eps", "ideal", "p24", "twint"})
FAILED = Decline(
    "payment_intent_payment_attempt_failed", "", "The payment failed. The customer's bank did not send the money."
)


def options(params: Params) -> dict[str, dict[str, str]]:
    """`payment_method_options[...][capture_method]`, which overrules the intent's own for one method."""
    given = params.under("payment_method_options")
    chosen = {name: given.under(name).choice("capture_method", "manual") for name in given}
    return {name: {"capture_method": how} for name, how in chosen.items() if how}


def types(params: Params) -> list[str]:
    """The types that the intent may be paid by."""
    return params.texts("allowed_payment_method_types") or ["card"]


def is_taken_at_once(intent: Thing, method: Thing) -> bool:
    """Whether the money is taken with the confirmation, and not only reserved."""
    own = intent["payment_method_options"].get(method["type"], {}).get("capture_method")
    return bool((own or intent["capture_method"]) != "manual")


def refuse_unfit(intent: Thing, method: Thing) -> None:
    """A type that was not allowed, or that cannot be captured later as the intent wants it."""
    if method["type"] not in intent["payment_method_types"]:
        raise invalid(f"The PaymentMethod provided ({method['type']}) is not allowed for this PaymentIntent.")
    if method["type"] in TYPES and not is_taken_at_once(intent, method):
        raise invalid(f"The payment method type {method['type']} does not support manual capture.")


def begin_processing(call: Call, intent: Thing, method: Thing) -> Thing:
    """The buyer said yes at the bank; whether the money comes is known later."""
    intent |= {"payment_method": method["id"], "status": "processing", "next_action": None, "last_payment_error": None}
    call.tx.put(intent)
    call.tell("payment_intent.processing", intent, about=intent["id"])
    return intent


class Outcomes:
    """Where a test, or somebody curious, says what came of a payment that is `processing`."""

    def __init__(self, store: Store, delivery: Delivery, *, secret_key: str, settled: Settled, failed: Failed) -> None:
        self._store = store
        self._delivery = delivery
        self._secret_key = secret_key
        self._settled = settled
        self._failed = failed

    def blueprint(self) -> Blueprint:
        routes = Blueprint("outcomes", __name__)
        routes.add_url_rule("/_simulator/outcome/<intent_id>", view_func=self.decide, methods=["POST"])
        return routes

    def decide(self, intent_id: str) -> Response:
        """JSON {"outcome": "succeeded"} or "failed", with the secret key."""
        scheme, _, key = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() != "bearer" or not hmac.compare_digest(key.encode(), self._secret_key.encode()):
            raise ApiError(401, "Send the secret key: Authorization: Bearer sk_test_...")
        outcome = (request.get_json(silent=True) or {}).get("outcome")
        if outcome not in ("succeeded", "failed"):
            raise invalid("outcome is succeeded or failed.", param="outcome")
        with self._store.transaction() as tx:
            call = Call(tx=tx, params=Params({}))
            intent = call.find("pi", intent_id)
            if intent["status"] != "processing":
                raise invalid(f"This payment is {intent['status']}.")
            if outcome == "succeeded":
                self._settled(call, intent, call.find("pm", intent["payment_method"]))
            else:
                self._failed(call, intent)
            self._delivery.queue(tx, call.events)
        self._delivery.ring()
        return jsonify(intent)
