"""Charges, which a PaymentIntent makes, and refunds, which give them back: never more than was taken."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.cards import Decline
from onsale.sandbox.stripe_simulator.currencies import written
from onsale.sandbox.stripe_simulator.errors import ExecutedError, Thing, invalid, missing
from onsale.sandbox.stripe_simulator.methods import BILLING

REASONS = ("duplicate", "fraudulent", "requested_by_customer")


def charge_card(call: Call, intent: Thing, method: Thing, *, capture: bool, decline: Decline | None = None) -> Thing:
    """Ask the bank for the intent's amount; a refusal is recorded as a failed charge."""
    details = method[method["type"]]
    shown = ("brand", "country", "exp_month", "exp_year", "funding", "last4")
    taken = intent["amount"] if capture and decline is None else 0
    charge: Thing = {
        "id": call.tx.new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": taken,
        "amount_refunded": 0,
        "balance_transaction": None,
        "billing_details": BILLING,
        "captured": capture and decline is None,
        "created": call.tx.now,
        "currency": intent["currency"],
        "customer": intent["customer"],
        "description": intent["description"],
        "disputed": False,
        "failure_code": decline.code if decline else None,
        "failure_message": decline.message if decline else None,
        "livemode": False,
        "metadata": intent["metadata"],
        "outcome": _outcome(decline),
        "paid": decline is None,
        "payment_intent": intent["id"],
        "payment_method": method["id"],
        "payment_method_details": {
            method["type"]: {name: details[name] for name in shown if name in details},
            "type": method["type"],
        },
        "receipt_url": None,
        "refunded": False,
        "status": "failed" if decline else "succeeded",
    }
    return call.tx.add(charge, parents=(intent["id"],))


def _outcome(decline: Decline | None) -> Thing:
    if decline is None:
        return {
            "network_status": "approved_by_network", "reason": None, "risk_level": "normal",
            "seller_message": "Payment complete.", "type": "authorized",
        }  # fmt: skip
    return {
        "network_status": "declined_by_network", "reason": decline.decline_code or decline.code,
        "risk_level": "normal", "seller_message": "The bank returned this decline.", "type": "issuer_declined",
    }  # fmt: skip


def capture_charge(call: Call, charge_id: str, amount: int) -> None:
    """Take the reserved money; what is not taken is released."""
    charge = call.find("ch", charge_id)
    charge["captured"] = True
    charge["amount_captured"] = amount
    call.tx.put(charge)


def release_charge(call: Call, charge_id: str) -> None:
    """Let go of money that was reserved and never taken; Stripe shows that as a refund of the charge."""
    charge = call.find("ch", charge_id)
    if charge["status"] == "succeeded" and not charge["captured"]:
        charge["amount_refunded"] = charge["amount"]
        charge["refunded"] = True
        call.tx.put(charge)
        call.tell("charge.refunded", charge, about=charge["payment_intent"])


def retrieve_charge(call: Call, charge_id: str) -> Thing:
    """GET /v1/charges/{id}"""
    return call.find("ch", charge_id)


def list_charges(call: Call) -> Thing:
    """GET /v1/charges"""
    return page(call, "ch", "/v1/charges", parent=call.params.text("payment_intent"))


def create_refund(call: Call) -> Thing:
    """POST /v1/refunds"""
    params = call.params
    params.only("payment_intent", "charge", "amount", "reason", "metadata", "expand")
    reason = params.choice("reason", *REASONS)
    charge = _charge_to_refund(call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = params.integer("amount", lowest=1)
    amount = left if amount is None else amount
    _check_refund(charge, amount, left)
    refund: Thing = {
        "id": call.tx.new_id("re"),
        "object": "refund",
        "amount": amount,
        "balance_transaction": None,
        "charge": charge["id"],
        "created": call.tx.now,
        "currency": charge["currency"],
        "destination_details": {"card": {"reference_status": "pending", "type": "refund"}, "type": "card"},
        "metadata": params.metadata(),
        "payment_intent": charge["payment_intent"],
        "reason": reason,
        "receipt_number": None,
        "status": "succeeded",
    }
    call.tx.add(refund, parents=(charge["id"], charge["payment_intent"]))
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    call.tx.put(charge)
    call.tell("charge.refunded", charge, about=charge["payment_intent"])
    return refund


def _charge_to_refund(call: Call) -> Thing:
    charge_id, intent_id = call.params.text("charge"), call.params.text("payment_intent")
    if charge_id is not None:
        return call.find("ch", charge_id, param="charge")
    if intent_id is None:
        raise missing("payment_intent")
    intent = call.find("pi", intent_id, param="payment_intent")
    if intent["status"] != "succeeded":
        raise invalid(
            f"This PaymentIntent ({intent_id}) does not have a successful charge to refund.", param="payment_intent"
        )
    return call.find("ch", intent["latest_charge"])


def _check_refund(charge: Thing, amount: int, left: int) -> None:
    if charge["refunded"]:
        raise ExecutedError(
            400,
            f"Charge {charge['id']} has already been refunded.",
            code="charge_already_refunded",
            charge=charge["id"],
        )
    if amount > left:
        said = written(amount, charge["currency"])
        kind = "unrefunded amount on charge" if charge["amount_refunded"] else "charge amount"
        message = f"Refund amount ({said}) is greater than {kind} ({written(left, charge['currency'])})"
        raise ExecutedError(400, message, param="amount")


def retrieve_refund(call: Call, refund_id: str) -> Thing:
    """GET /v1/refunds/{id}"""
    return call.find("re", refund_id)


def list_refunds(call: Call) -> Thing:
    """GET /v1/refunds"""
    parent = call.params.text("charge") or call.params.text("payment_intent")
    return page(call, "re", "/v1/refunds", parent=parent)
