"""The simulator's methods without manual capture: the bank's page, then nobody knows, then the outcome is told."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.services.paying import create, on_its_way


def decide(bank: Any, intent_id: str, outcome: str, *, key: str | None = None) -> int:
    headers = {"Authorization": f"Bearer {key or bank.secret_key}"}
    path = f"{bank.url}/_simulator/outcome/{intent_id}"
    return httpx.post(path, json={"outcome": outcome}, headers=headers).status_code


def test_the_money_comes_when_it_is_told_and_then_it_is_taken(bank, stripe_api):
    intent = on_its_way(stripe_api)

    assert (intent.status, intent.amount_received) == ("processing", 0)
    assert decide(bank, intent.id, "succeeded") == 200
    now = stripe_api.payment_intents.retrieve(intent.id)
    assert (now.status, now.amount_received) == ("succeeded", 4500)
    assert stripe_api.charges.retrieve(now.latest_charge).payment_method_details.type == "ideal"
    assert decide(bank, intent.id, "failed") == 400


def test_money_that_does_not_come_leaves_the_intent_to_another_method(bank, stripe_api):
    intent = on_its_way(stripe_api)

    decide(bank, intent.id, "failed")
    failed = stripe_api.payment_intents.retrieve(intent.id)
    paid = stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert failed.status == "requires_payment_method"
    assert failed.last_payment_error.code == "payment_intent_payment_attempt_failed"
    assert paid.status == "succeeded"


def test_while_nobody_knows_it_can_not_be_cancelled(stripe_api):
    intent = on_its_way(stripe_api)

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_api.payment_intents.cancel(intent.id)

    assert refused.value.code == "payment_intent_unexpected_state"


@pytest.mark.parametrize(
    "changed",
    [{"capture_method": "manual", "allowed_payment_method_types": ["ideal"]}, {"capture_method": "automatic"}],
)
def test_it_fits_no_manual_capture_and_no_intent_for_cards_alone(stripe_api, changed):
    method = stripe_api.payment_methods.create({"type": "ideal"}).id

    with pytest.raises(stripe.InvalidRequestError):
        create(stripe_api, payment_method=method, confirm=True, return_url="https://shop.example/back", **changed)


def test_a_card_beside_it_may_be_reserved_first(stripe_api):
    intent = create(
        stripe_api,
        payment_method="pm_card_visa",
        confirm=True,
        capture_method="automatic",
        allowed_payment_method_types=["card", "ideal"],
        payment_method_options={"card": {"capture_method": "manual"}},
    )

    assert intent.status == "requires_capture"


def test_only_who_has_the_key_decides_and_only_what_there_is_to_decide(bank, stripe_api):
    intent = on_its_way(stripe_api)

    assert decide(bank, intent.id, "succeeded", key="sk_test_of_a_stranger") == 401
    assert decide(bank, intent.id, "perhaps") == 400
    assert decide(bank, "pi_nothing", "succeeded") == 404
    assert stripe_api.payment_intents.retrieve(intent.id).status == "processing"
