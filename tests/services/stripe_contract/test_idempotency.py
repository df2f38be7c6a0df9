"""Idempotency: every call may be sent again."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import stripe

from tests.services.paying import post
from tests.services.stripe_contract.behaviours import behaviour, captured, confirmed, key, new_intent

PAGE = "api/idempotent_requests"


@behaviour("The same key with the same parameters gives the first answer again, and makes nothing new.", PAGE)
def test_the_same_key_gives_the_first_answer_again(api):
    same = key()

    first, again = (new_intent(api, with_key=same) for _ in range(2))

    assert again.to_dict() == first.to_dict()


@behaviour("A repeated answer says so in `Idempotent-Replayed: true`; the first one does not.", "error-low-level")
def test_a_repeated_answer_says_so(api):
    same = key()

    first, again = (new_intent(api, with_key=same).last_response.headers for _ in range(2))

    assert again["Idempotent-Replayed"] == "true"
    assert "Idempotent-Replayed" not in first


@behaviour("The same key with other parameters is refused: 400, `idempotency_error`.", PAGE)
def test_the_same_key_with_other_parameters_is_refused(api):
    same = key()
    new_intent(api, with_key=same)

    with pytest.raises(stripe.IdempotencyError) as refused:
        new_intent(api, with_key=same, amount=9900)

    assert (refused.value.http_status, refused.value.error.type) == (400, "idempotency_error")


@behaviour("Two requests at once under one key never make two objects: one is told to wait (409) or repeated.", PAGE)
def test_one_key_at_once_makes_one_object(api):
    same = key()

    def attempt(_: int) -> Any:
        try:
            return new_intent(api, with_key=same).id
        except (stripe.APIError, stripe.RateLimitError):
            # Told to wait: 409, or 429 while the object is locked.
            return None

    with ThreadPoolExecutor(4) as threads:
        made = set(threads.map(attempt, range(4))) - {None}

    assert len(made) == 1


@behaviour(
    "A key in use answers 409 with the code `idempotency_key_in_use`, and the first call goes on.",
    "error-codes#idempotency-key-in-use",
    alone="Stripe is too quick to be caught at it",
)
def test_a_key_in_use_answers_409(bank, api):
    bank.set(delay_ms=400)

    with ThreadPoolExecutor(2) as threads:
        answers = list(threads.map(lambda _: post(bank, "payment_intents", "amount=100&currency=eur", key="k"), (1, 2)))

    refused, made = sorted(answers, key=lambda answer: -answer.status_code)
    assert (refused.status_code, made.status_code) == (409, 200)
    assert refused.json()["error"]["code"] == "idempotency_key_in_use"


@behaviour("A request whose parameters are wrong does not use up its key.", PAGE)
def test_a_wrong_request_does_not_use_up_its_key(api):
    same = key()
    with pytest.raises(stripe.InvalidRequestError):
        new_intent(api, with_key=same, amount="nothing")

    assert new_intent(api, with_key=same).amount == 4500


@behaviour("A decline is kept under its key: asked again, it is declined again and the bank is not asked.", PAGE)
def test_a_decline_is_kept_under_its_key(api):
    intent, same = new_intent(api), key()

    declines = []
    for _ in range(2):
        with pytest.raises(stripe.CardError) as declined:
            api.payment_intents.confirm(
                intent.id, {"payment_method": "pm_card_chargeDeclined"}, {"idempotency_key": same}
            )
        declines.append(declined.value.error.charge)

    assert declines[0] == declines[1]
    assert len(api.charges.list({"payment_intent": intent.id}).data) == 1


@behaviour(
    "A 500 is kept under its key as well, and its repetition says that it is one.",
    PAGE,
    alone="nobody can make Stripe fail",
)
def test_a_failure_is_kept_under_its_key(bank, api):
    bank.set(fail_next={"kind": "server_error"})

    first, again = (post(bank, "payment_intents", "amount=100&currency=eur", key="k") for _ in range(2))

    assert (first.status_code, again.status_code) == (500, 500)
    assert again.headers["Idempotent-Replayed"] == "true"


@behaviour(
    "A 429 comes before the key is looked at: the same call under it may be made afterwards.",
    "error-low-level",
    alone="Stripe asks not to be loaded",
)
def test_a_rate_limit_comes_before_the_key(bank, api):
    same = key()
    bank.set(fail_next={"kind": "rate_limit"})
    with pytest.raises(stripe.RateLimitError):
        new_intent(api, with_key=same)

    assert new_intent(api, with_key=same).amount == 4500


@behaviour("A key may have 255 characters.", PAGE)
def test_a_key_may_have_255_characters(api):
    longest = key().ljust(255, "x")

    assert new_intent(api, with_key=longest).id == new_intent(api, with_key=longest).id


@behaviour("A GET needs no key, and takes none into account.", PAGE)
def test_a_get_takes_no_key_into_account(api):
    intent, same = new_intent(api), key()
    before = api.payment_intents.retrieve(intent.id, {}, {"idempotency_key": same})

    confirmed(api, intent)

    now = api.payment_intents.retrieve(intent.id, {}, {"idempotency_key": same})
    assert (before.status, now.status) == ("requires_payment_method", "requires_capture")


@behaviour("The same capture under the same key takes the money once and answers the same.", PAGE)
def test_a_repeated_capture_answers_the_same(api):
    intent, same = confirmed(api, new_intent(api)), key()

    first, again = (api.payment_intents.capture(intent.id, {}, {"idempotency_key": same}) for _ in range(2))

    assert (first.status, again.amount_received) == ("succeeded", 4500)


@behaviour("The same refund under the same key gives back once.", PAGE)
def test_a_repeated_refund_gives_back_once(api):
    intent, same = captured(api), key()
    params = {"payment_intent": intent.id, "amount": 1000}

    first, again = (api.refunds.create(params, {"idempotency_key": same}) for _ in range(2))

    assert first.id == again.id
    assert api.charges.retrieve(intent.latest_charge).amount_refunded == 1000
