"""Refunds and disputes."""

from __future__ import annotations

import pytest
import stripe

from tests.services.paying import until
from tests.services.stripe_contract.behaviours import behaviour, captured, key, reserved

REFUNDS, TESTING, DISPUTES = "refunds", "testing#refunds", "testing#disputes"
# Stripe's own "some time later".
LATER_SECONDS = 180


def refund(api, intent, **params):
    return api.refunds.create({"payment_intent": intent.id, **params}, {"idempotency_key": key()})


@behaviour("Without an amount all that was captured is given back.", "api/refunds/create")
def test_without_an_amount_all_is_given_back(api):
    intent = captured(api)

    made = refund(api, intent)

    charge = api.charges.retrieve(intent.latest_charge)
    assert (made.object, made.status, made.amount, made.payment_intent) == ("refund", "succeeded", 4500, intent.id)
    assert (charge.refunded, charge.amount_refunded) == (True, 4500)


@behaviour("Parts may be given back until all is; they are listed by the payment, newest first.", "api/refunds/list")
def test_parts_may_be_given_back(api):
    intent = captured(api)

    parts = [refund(api, intent, amount=amount).id for amount in (1500, 3000)]

    assert [each.id for each in api.refunds.list({"payment_intent": intent.id}).data] == parts[::-1]
    assert api.charges.retrieve(intent.latest_charge).refunded


@behaviour("After a part, the charge is not `refunded` yet.", "api/charges/object")
def test_after_a_part_the_charge_is_not_refunded(api):
    intent = captured(api)

    refund(api, intent, amount=1500)

    charge = api.charges.retrieve(intent.latest_charge)
    assert (charge.refunded, charge.amount_refunded) == (False, 1500)


@behaviour("More than is left is refused.", "api/refunds/create")
def test_more_than_is_left_is_refused(api):
    intent = captured(api)
    refund(api, intent, amount=1500)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(api, intent, amount=3001)

    assert refused.value.http_status == 400


@behaviour("What was given back whole is refused as `charge_already_refunded`.", "error-codes#charge-already-refunded")
def test_what_was_given_back_is_refused(api):
    intent = captured(api)
    refund(api, intent)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(api, intent)

    assert refused.value.code == "charge_already_refunded"


@behaviour("Only what was captured is given back: after a capture of a part, that part.", "api/refunds/create")
def test_only_what_was_captured_is_given_back(api):
    intent = api.payment_intents.capture(reserved(api).id, {"amount_to_capture": 4000})

    assert refund(api, intent).amount == 4000


@behaviour("A refund keeps its metadata and its reason.", "api/refunds/create")
def test_a_refund_keeps_its_metadata(api):
    made = refund(api, captured(api), metadata={"key": "k1"}, reason="requested_by_customer")

    kept = api.refunds.retrieve(made.id)
    assert (kept.metadata.to_dict(), kept.reason) == ({"key": "k1"}, "requested_by_customer")


@behaviour("By the card for it, a refund is pending and succeeds some time later.", TESTING)
def test_a_refund_may_be_pending(api):
    made = refund(api, captured(api, "pm_card_pendingRefund"))

    assert made.status == "pending"
    until(lambda: api.refunds.retrieve(made.id).status == "succeeded", "it succeeded", seconds=LATER_SECONDS)


@behaviour("By the card for it, a refund succeeds and fails some time later, with a reason.", TESTING)
def test_a_refund_may_fail_later(api):
    made = refund(api, captured(api, "pm_card_refundFail"))

    assert made.status == "succeeded"
    failed = until(
        lambda: (now := api.refunds.retrieve(made.id)).status == "failed" and now, "it failed", seconds=LATER_SECONDS
    )
    assert failed.failure_reason


@behaviour("By the card for it, a captured payment is disputed as fraudulent.", DISPUTES)
def test_a_payment_may_be_disputed(api):
    intent = captured(api, "pm_card_createDispute")

    dispute = until(
        lambda: api.disputes.list({"payment_intent": intent.id}).data, "the dispute came", seconds=LATER_SECONDS
    )[0]

    assert (dispute.reason, dispute.amount, dispute.charge) == ("fraudulent", 4500, intent.latest_charge)
    assert api.charges.retrieve(intent.latest_charge).disputed


@behaviour("What was charged back cannot be refunded: `charge_disputed`.", "error-codes#charge-disputed")
def test_what_was_charged_back_cannot_be_refunded(api):
    intent = captured(api, "pm_card_createDispute")
    until(lambda: api.charges.retrieve(intent.latest_charge).disputed, "the dispute came", seconds=LATER_SECONDS)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        refund(api, intent)

    assert refused.value.code == "charge_disputed"


@behaviour("Evidence with the published words wins or loses a dispute.", DISPUTES)
@pytest.mark.parametrize(("evidence", "outcome"), [("winning_evidence", "won"), ("losing_evidence", "lost")])
def test_a_dispute_is_won_or_lost(api, evidence, outcome):
    intent = captured(api, "pm_card_createDispute")
    dispute = until(
        lambda: api.disputes.list({"payment_intent": intent.id}).data, "the dispute came", seconds=LATER_SECONDS
    )[0]

    api.disputes.update(dispute.id, {"evidence": {"uncategorized_text": evidence}})

    until(lambda: api.disputes.retrieve(dispute.id).status == outcome, "it is decided", seconds=LATER_SECONDS)
