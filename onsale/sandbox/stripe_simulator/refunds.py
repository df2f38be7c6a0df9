"""Refunds, which give charges back: never more than was taken, and by card at once, later, or not after all."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator import methods
from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.cards import Aftermath
from onsale.sandbox.stripe_simulator.currencies import written
from onsale.sandbox.stripe_simulator.errors import ExecutedError, Thing, invalid, missing

REASONS = ("duplicate", "fraudulent", "requested_by_customer")
# What becomes of a refund some time after it was answered.
SUCCEEDS_LATER, FAILS_LATER = "refund_succeeds", "refund_fails"


def create(call: Call) -> Thing:
    """POST /v1/refunds"""
    params = call.params
    params.only("payment_intent", "charge", "amount", "reason", "metadata", "expand")
    reason = params.choice("reason", *REASONS)
    charge = _charge_to_refund(call)
    left = charge["amount_captured"] - charge["amount_refunded"]
    amount = params.integer("amount", lowest=1)
    amount = left if amount is None else amount
    _check_refund(charge, amount, left)
    aftermath = methods.aftermath_of(call, charge["payment_method"])
    pends = aftermath is Aftermath.REFUND_PENDS
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
        "status": "pending" if pends else "succeeded",
    }
    if pends:
        refund["pending_reason"] = "processing"
    call.tx.add(refund, parents=(charge["id"], charge["payment_intent"]))
    charge["amount_refunded"] += amount
    charge["refunded"] = charge["amount_refunded"] == charge["amount_captured"]
    call.tx.put(charge)
    call.tell("refund.created", refund, about=refund["payment_intent"])
    call.tell("charge.refunded", charge, about=charge["payment_intent"])
    if pends:
        call.later(SUCCEEDS_LATER, refund["id"])
    elif aftermath is Aftermath.REFUND_FAILS:
        call.later(FAILS_LATER, refund["id"])
    return refund


def succeed(call: Call, refund_id: str) -> None:
    """The bank has it: a pending refund has succeeded."""
    refund = call.find("re", refund_id)
    before = {"status": refund["status"], "pending_reason": refund.pop("pending_reason", None)}
    refund["status"] = "succeeded"
    call.tx.put(refund)
    _updated(call, refund, before)


def fail(call: Call, refund_id: str) -> None:
    """The bank sends the money back, of a refund that had succeeded: the account has it again."""
    refund = call.find("re", refund_id)
    before = {"status": refund["status"], "failure_balance_transaction": None, "failure_reason": None}
    refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
    refund["failure_balance_transaction"] = call.tx.new_id("txn")
    call.tx.put(refund)
    charge = call.find("ch", refund["charge"])
    charge["amount_refunded"] -= refund["amount"]
    charge["refunded"] = False
    call.tx.put(charge)
    _updated(call, refund, before)
    call.tell("refund.failed", refund, about=refund["payment_intent"])


def _updated(call: Call, refund: Thing, before: Thing) -> None:
    for kind in ("refund.updated", "charge.refund.updated"):
        call.tell(kind, refund, about=refund["payment_intent"], before=before)


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
    if charge["disputed"]:
        raise ExecutedError(
            400,
            f"Charge {charge['id']} has been charged back; cannot issue a refund.",
            code="charge_disputed",
            charge=charge["id"],
        )
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


def retrieve(call: Call, refund_id: str) -> Thing:
    """GET /v1/refunds/{id}"""
    return call.find("re", refund_id)


def list_all(call: Call) -> Thing:
    """GET /v1/refunds"""
    parent = call.params.text("charge") or call.params.text("payment_intent")
    return page(call, "re", "/v1/refunds", parent=parent)
