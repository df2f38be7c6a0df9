"""What comes after a payment in the simulator: late and failed refunds, and disputes, by Stripe's cards for them."""

from __future__ import annotations

import json
from typing import Any

import pytest
import stripe

from tests.services.paying import paid, reserved, until


@pytest.fixture
def soon(bank, stripe_api) -> Any:
    """The SDK on a bank whose "some time later" is now."""
    bank.set(aftermath_ms=0)
    return stripe_api


def disputed(api: Any, card: str = "pm_card_createDispute") -> Any:
    intent = paid(api, payment_method=card)
    return until(lambda: api.disputes.list({"payment_intent": intent.id}).data, "the dispute came")[0]


def happened(api: Any, *kinds: str) -> list[str]:
    """The ids of the objects that these events were about."""
    return [event.data.object.id for kind in kinds for event in api.events.list({"type": kind}).data]


def test_a_pending_refund_succeeds_later(soon):
    intent = paid(soon, payment_method="pm_card_pendingRefund")

    refund = soon.refunds.create({"payment_intent": intent.id})
    until(lambda: soon.refunds.retrieve(refund.id).status == "succeeded", "it succeeded")

    assert (refund.status, refund.pending_reason) == ("pending", "processing")
    assert happened(soon, "refund.created", "refund.updated") == [refund.id] * 2
    assert soon.charges.retrieve(intent.latest_charge).amount_refunded == 4500


def test_a_refund_that_the_bank_sends_back_fails_later_and_its_money_may_be_refunded_again(soon):
    intent = paid(soon, payment_method="pm_card_refundFail")

    refund = soon.refunds.create({"payment_intent": intent.id, "amount": 2000})
    failed = until(lambda: happened(soon, "refund.failed"), "it failed")

    now = soon.refunds.retrieve(refund.id)
    charge = soon.charges.retrieve(intent.latest_charge)
    assert (refund.status, now.status, now.failure_reason) == ("succeeded", "failed", "expired_or_canceled_card")
    assert failed == happened(soon, "refund.updated") == happened(soon, "charge.refund.updated") == [refund.id]
    assert (charge.amount_refunded, charge.refunded) == (0, False)
    told = soon.events.list({"type": "refund.updated"}).data[0]
    assert told.data.previous_attributes.status == "succeeded"


def test_later_is_later(bank, stripe_api):
    bank.set(aftermath_ms=60_000)

    refund = stripe_api.refunds.create({"payment_intent": paid(stripe_api, payment_method="pm_card_refundFail").id})

    assert stripe_api.refunds.retrieve(refund.id).status == "succeeded"


@pytest.mark.parametrize(
    ("card", "reason"),
    [
        ("pm_card_createDispute", "fraudulent"),
        ("pm_card_createDisputeProductNotReceived", "product_not_received"),
    ],
)
def test_a_payment_by_the_card_for_it_is_disputed_once_the_money_is_taken(soon, card, reason):
    only_reserved = reserved(soon, payment_method=card)

    dispute = disputed(soon, card)

    assert (dispute.status, dispute.reason, dispute.amount) == ("needs_response", reason, 4500)
    assert happened(soon, "charge.dispute.created", "charge.dispute.funds_withdrawn") == [dispute.id] * 2
    assert soon.charges.retrieve(dispute.charge).disputed
    assert soon.disputes.list({"payment_intent": only_reserved.id}).data == []


def test_disputed_money_is_not_refunded_a_second_time(soon):
    dispute = disputed(soon)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        soon.refunds.create({"payment_intent": dispute.payment_intent})

    assert refused.value.code == "charge_disputed"


@pytest.mark.parametrize(
    ("evidence", "status", "reinstated"), [("winning_evidence", "won", 1), ("losing_evidence", "lost", 0)]
)
def test_a_dispute_is_decided_by_its_evidence(soon, evidence, status, reinstated):
    dispute = disputed(soon)

    decided = soon.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})

    assert decided.status == status
    assert happened(soon, "charge.dispute.closed") == [dispute.id]
    assert len(happened(soon, "charge.dispute.funds_reinstated")) == reinstated
    with pytest.raises(stripe.InvalidRequestError, match="already closed"):
        soon.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})


def test_evidence_that_decides_nothing_is_under_review_and_a_shop_may_give_in(soon):
    dispute = disputed(soon)

    staged = soon.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "They were there"}, "submit": False})
    sent = soon.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "They were there"}})
    given_in = soon.disputes.close(dispute.id)

    assert (staged.status, staged.evidence_details.submission_count) == ("needs_response", 0)
    assert (sent.status, given_in.status) == ("under_review", "lost")


def test_a_kill_forgets_no_dispute(own_bank, webhook_receiver):
    own_bank.set(aftermath_ms=5_000)
    intent = paid(own_bank.client().v1, payment_method="pm_card_createDispute")

    own_bank.stop(kill=True)
    own_bank.start()
    own_bank.set(webhook_url=webhook_receiver.url, webhook_events=["charge.dispute.created"])

    until(lambda: webhook_receiver.came, "the dispute was told")
    assert json.loads(webhook_receiver.came[0][0])["data"]["object"]["payment_intent"] == intent.id
