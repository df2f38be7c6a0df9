"""Charges, which a PaymentIntent makes: money asked for at the bank, reserved, taken, or let go."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.cards import Decline
from onsale.sandbox.stripe_simulator.errors import Thing
from onsale.sandbox.stripe_simulator.methods import BILLING


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
        "receipt_email": intent["receipt_email"],
        "receipt_url": None,
        "refunded": False,
        "statement_descriptor_suffix": intent["statement_descriptor_suffix"],
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


def capture_charge(call: Call, charge_id: str, amount: int) -> Thing:
    """Take the reserved money; what is not taken is released."""
    charge = call.find("ch", charge_id)
    charge["captured"] = True
    charge["amount_captured"] = amount
    return call.tx.put(charge)


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
