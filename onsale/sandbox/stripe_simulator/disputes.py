"""Disputes: a cardholder questions a payment at their bank; the money is withdrawn until somebody has won."""

from __future__ import annotations

from onsale.sandbox.stripe_simulator import methods
from onsale.sandbox.stripe_simulator.call import Call, page
from onsale.sandbox.stripe_simulator.cards import Aftermath
from onsale.sandbox.stripe_simulator.errors import Thing, invalid

OPENS_LATER = "dispute_opens"
REASONS = (Aftermath.DISPUTED_AS_FRAUDULENT, Aftermath.DISPUTED_AS_NOT_RECEIVED)
DAYS_TO_ANSWER = 9
DAY_SECONDS = 24 * 3600
# The evidence that decides a dispute in test mode.
WINNING, LOSING = "winning_evidence", "losing_evidence"
OPEN = ("needs_response", "under_review")


def expect(call: Call, charge: Thing) -> None:
    """The money was taken; with some cards that is not the end of it."""
    if _reason(call, charge) is not None:
        call.later(OPENS_LATER, charge["id"])


def _reason(call: Call, charge: Thing) -> Aftermath | None:
    aftermath = methods.aftermath_of(call, charge["payment_method"])
    return aftermath if aftermath in REASONS else None


def open_dispute(call: Call, charge_id: str) -> None:
    """The bank takes the money back, all of it, unless it has been refunded meanwhile."""
    charge = call.find("ch", charge_id)
    reason = _reason(call, charge)
    if reason is None or charge["disputed"] or charge["refunded"]:
        return
    dispute: Thing = {
        "id": call.tx.new_id("du"),
        "object": "dispute",
        "amount": charge["amount_captured"],
        "balance_transactions": [],
        "charge": charge["id"],
        "created": call.tx.now,
        "currency": charge["currency"],
        "evidence": {"uncategorized_text": None},
        "evidence_details": {
            "due_by": call.tx.now + DAYS_TO_ANSWER * DAY_SECONDS,
            "has_evidence": False,
            "past_due": False,
            "submission_count": 0,
        },
        "is_charge_refundable": False,
        "livemode": False,
        "metadata": {},
        "payment_intent": charge["payment_intent"],
        "reason": reason.value,
        "status": "needs_response",
    }
    call.tx.add(dispute, parents=(charge["id"], charge["payment_intent"]))
    charge["disputed"] = True
    call.tx.put(charge)
    call.tell("charge.dispute.created", dispute, about=dispute["payment_intent"])
    call.tell("charge.dispute.funds_withdrawn", dispute, about=dispute["payment_intent"])


def retrieve(call: Call, dispute_id: str) -> Thing:
    """GET /v1/disputes/{id}"""
    return call.find("du", dispute_id, param="dispute")


def list_all(call: Call) -> Thing:
    """GET /v1/disputes"""
    call.params.only("limit", "starting_after", "ending_before", "created", "charge", "payment_intent", "expand")
    parent = call.params.text("charge") or call.params.text("payment_intent")
    return page(call, "du", "/v1/disputes", parent=parent)


def update(call: Call, dispute_id: str) -> Thing:
    """POST /v1/disputes/{id}: the shop answers; two words of the published ones decide at once, others never."""
    params = call.params
    params.only("evidence", "metadata", "submit", "expand")
    dispute = _open(call, dispute_id)
    evidence = params.under("evidence")
    evidence.only("uncategorized_text")
    said = evidence.text("uncategorized_text")
    dispute["metadata"] = params.metadata(dispute["metadata"])
    if said is not None:
        dispute["evidence"]["uncategorized_text"] = said
        dispute["evidence_details"]["has_evidence"] = True
    if said is not None and ("submit" not in params or params.boolean("submit")):
        dispute["evidence_details"]["submission_count"] += 1
        dispute["status"] = {WINNING: "won", LOSING: "lost"}.get(said, "under_review")
    call.tx.put(dispute)
    call.tell("charge.dispute.updated", dispute, about=dispute["payment_intent"])
    return _ended(call, dispute)


def close(call: Call, dispute_id: str) -> Thing:
    """POST /v1/disputes/{id}/close: the shop gives in."""
    call.params.only("expand")
    dispute = _open(call, dispute_id)
    dispute["status"] = "lost"
    return _ended(call, call.tx.put(dispute))


def _open(call: Call, dispute_id: str) -> Thing:
    dispute = call.find("du", dispute_id, param="dispute")
    if dispute["status"] not in OPEN:
        raise invalid("This dispute is already closed.")
    return dispute


def _ended(call: Call, dispute: Thing) -> Thing:
    if dispute["status"] in OPEN:
        return dispute
    call.tell("charge.dispute.closed", dispute, about=dispute["payment_intent"])
    if dispute["status"] == "won":
        call.tell("charge.dispute.funds_reinstated", dispute, about=dispute["payment_intent"])
    return dispute
