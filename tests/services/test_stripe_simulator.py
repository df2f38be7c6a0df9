"""The Stripe simulator behaves as Stripe documents, asked through the official SDK over HTTP."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest
import stripe

from tests.services.paying import create, paid, post, reserved, waiting_for_the_cardholder, with_card

PARALLEL = 50


# Idempotency.


def test_fifty_parallel_creates_with_one_key_make_one_intent(stripe_api):
    def attempt(_: int) -> str:
        try:
            return str(create(stripe_api, key="same").id)
        except stripe.APIError as refused:
            # Told to wait, because the first is still being worked on.
            return str(refused.error.code)

    with ThreadPoolExecutor(PARALLEL) as threads:
        answers = set(threads.map(attempt, range(PARALLEL)))

    assert len(answers - {"idempotency_key_in_use"}) == 1
    assert len(stripe_api.payment_intents.list({"limit": 100}).data) == 1
    assert create(stripe_api, key="same").id in answers


def test_a_repeated_call_gets_the_first_answer_byte_by_byte(bank):
    first = post(bank, "payment_intents", "amount=100&currency=eur", key="k")
    again = post(bank, "payment_intents", "currency=eur&amount=100", key="k")

    assert again.content == first.content
    assert again.headers["Idempotent-Replayed"] == "true"
    assert again.headers["Original-Request"] == first.headers["Request-Id"]
    assert "Idempotent-Replayed" not in first.headers


def test_a_key_with_other_parameters_is_refused(stripe_api):
    create(stripe_api, key="k")

    with pytest.raises(stripe.IdempotencyError) as refused:
        create(stripe_api, key="k", amount=9900)

    assert refused.value.http_status == 400


def test_a_key_for_another_endpoint_is_refused(stripe_api):
    intent = create(stripe_api, key="k")

    with pytest.raises(stripe.IdempotencyError):
        stripe_api.payment_intents.cancel(intent.id, {}, {"idempotency_key": "k"})


def test_a_key_in_flight_is_refused_and_the_first_call_goes_on(bank, stripe_api):
    bank.set(delay_ms=400)

    with ThreadPoolExecutor(2) as threads:
        statuses = sorted(
            one.status_code
            for one in threads.map(
                lambda _: post(bank, "payment_intents", "amount=100&currency=eur", key="k"), range(2)
            )
        )

    assert statuses == [200, 409]


def test_a_decline_is_replayed_under_its_key(bank, stripe_api):
    intent = create(stripe_api)
    body = "payment_method=pm_card_chargeDeclined"

    first = post(bank, f"payment_intents/{intent.id}/confirm", body, key="k")
    again = post(bank, f"payment_intents/{intent.id}/confirm", body, key="k")

    assert (first.status_code, again.status_code, again.content) == (402, 402, first.content)
    assert len(stripe_api.charges.list({"payment_intent": intent.id}).data) == 1


def test_a_server_error_is_replayed_under_its_key(bank, stripe_api):
    bank.set(fail_next={"kind": "server_error"})

    statuses = [post(bank, "payment_intents", "amount=100&currency=eur", key="k").status_code for _ in range(2)]

    assert statuses == [500, 500]
    assert stripe_api.payment_intents.list().data == []


def test_a_request_refused_as_invalid_does_not_use_up_its_key(stripe_api):
    with pytest.raises(stripe.InvalidRequestError):
        create(stripe_api, key="k", amount=0)

    assert create(stripe_api, key="k").amount == 4500


def test_a_rate_limit_does_not_use_up_its_key(bank, stripe_api):
    bank.set(fail_next={"kind": "rate_limit"})

    with pytest.raises(stripe.RateLimitError):
        create(stripe_api, key="k")

    assert create(stripe_api, key="k").status == "requires_payment_method"


# Cards.

DECLINES = {
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", "processing_error"),
    "pm_card_chargeDeclinedVelocityLimitExceeded": ("card_declined", "card_velocity_exceeded"),
    "pm_card_chargeCustomerFail": ("card_declined", "generic_decline"),
    "4000000000000002": ("card_declined", "generic_decline"),
    "4000000000009995": ("card_declined", "insufficient_funds"),
    "4000000000009987": ("card_declined", "lost_card"),
    "4000000000009979": ("card_declined", "stolen_card"),
    "4000000000000069": ("expired_card", "expired_card"),
    "4000000000000127": ("incorrect_cvc", "incorrect_cvc"),
    "4000000000000119": ("processing_error", "processing_error"),
    "4000000000006975": ("card_declined", "card_velocity_exceeded"),
    "4000000000000341": ("card_declined", "generic_decline"),
    # Not published cards: a wrong last digit, and somebody's own card.
    "4242424242424241": ("incorrect_number", "incorrect_number"),
    "4111111111111111": ("card_declined", "test_mode_live_card"),
}


@pytest.mark.parametrize(("card", "codes"), DECLINES.items())
def test_a_declined_card_says_why_and_leaves_the_intent_open(stripe_api, card, codes):
    intent = create(stripe_api)

    with pytest.raises(stripe.CardError) as declined:
        stripe_api.payment_intents.confirm(intent.id, with_card(card))

    assert (declined.value.error.code, declined.value.error.decline_code) == codes
    assert declined.value.http_status == 402
    assert declined.value.user_message
    assert stripe_api.payment_intents.retrieve(intent.id).status == "requires_payment_method"


def test_a_decline_is_kept_on_the_intent_and_another_card_may_be_tried(stripe_api):
    intent = create(stripe_api)
    with pytest.raises(stripe.CardError) as declined:
        stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa_chargeDeclinedLostCard"})

    refused = stripe_api.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]})
    accepted = stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"})

    assert refused.last_payment_error.decline_code == "lost_card"
    assert (refused.latest_charge.status, refused.latest_charge.paid) == ("failed", False)
    assert declined.value.json_body["error"]["payment_intent"]["id"] == intent.id
    assert (accepted.status, accepted.last_payment_error) == ("requires_capture", None)


@pytest.mark.parametrize(
    "card",
    ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "4242424242424242", "5555555555554444", "378282246310005"],
)
def test_a_good_card_is_reserved_and_then_charged(stripe_api, card):
    intent = stripe_api.payment_intents.confirm(create(stripe_api).id, with_card(card))
    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 4500, 0)

    taken = stripe_api.payment_intents.capture(intent.id, {"expand": ["latest_charge", "payment_method"]})

    assert (taken.status, taken.amount_capturable, taken.amount_received) == ("succeeded", 0, 4500)
    assert (taken.latest_charge.captured, taken.latest_charge.amount_captured) == (True, 4500)
    assert taken.payment_method.card.last4


def test_automatic_capture_takes_the_money_at_once(stripe_api):
    intent = reserved(stripe_api, capture_method="automatic")

    assert (intent.status, intent.amount_received) == ("succeeded", 4500)


def test_a_card_not_saved_under_a_customer_is_used_once(stripe_api):
    method = stripe_api.payment_methods.create({"type": "card", "card": {"token": "tok_visa"}})
    reserved(stripe_api, payment_method=method.id)

    with pytest.raises(stripe.InvalidRequestError, match="previously used"):
        stripe_api.payment_intents.confirm(create(stripe_api).id, {"payment_method": method.id})


def test_an_expired_date_is_refused(stripe_api):
    card = {"number": "4242424242424242", "exp_month": 1, "exp_year": 2020, "cvc": "123"}

    with pytest.raises(stripe.CardError) as declined:
        stripe_api.payment_methods.create({"type": "card", "card": card})

    assert declined.value.code == "invalid_expiry_year"


# The states of a payment.


def test_a_payment_is_captured_once(stripe_api):
    intent = paid(stripe_api)

    with pytest.raises(stripe.InvalidRequestError, match="already been captured") as refused:
        stripe_api.payment_intents.capture(intent.id)

    assert refused.value.code == "payment_intent_unexpected_state"
    assert refused.value.json_body["error"]["payment_intent"]["status"] == "succeeded"
    assert stripe_api.payment_intents.retrieve(intent.id).amount_received == 4500


def test_parallel_captures_take_the_money_once(stripe_api):
    intent = reserved(stripe_api)

    def attempt(number: int) -> bool:
        try:
            stripe_api.payment_intents.capture(intent.id, {}, {"idempotency_key": f"capture-{number}"})
        except stripe.InvalidRequestError:
            return False
        return True

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(attempt, range(10))) == 1


def test_part_of_the_money_may_be_captured_and_never_more_than_was_reserved(stripe_api):
    intent = reserved(stripe_api)

    with pytest.raises(stripe.InvalidRequestError, match="greater"):
        stripe_api.payment_intents.capture(intent.id, {"amount_to_capture": 4501})
    taken = stripe_api.payment_intents.capture(intent.id, {"amount_to_capture": 4000})

    assert (taken.amount_received, taken.amount_capturable, taken.status) == (4000, 0, "succeeded")


@pytest.mark.parametrize("made", [create, reserved])
def test_an_uncaptured_payment_can_be_canceled_and_is_then_over(stripe_api, made):
    intent = stripe_api.payment_intents.cancel(made(stripe_api).id, {"cancellation_reason": "abandoned"})

    assert (intent.status, intent.cancellation_reason, intent.amount_capturable) == ("canceled", "abandoned", 0)
    assert intent.canceled_at
    for call in (
        lambda: stripe_api.payment_intents.capture(intent.id),
        lambda: stripe_api.payment_intents.cancel(intent.id),
        lambda: stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            call()
        assert refused.value.code == "payment_intent_unexpected_state"


def test_a_captured_payment_cannot_be_canceled(stripe_api):
    intent = paid(stripe_api)

    with pytest.raises(stripe.InvalidRequestError, match="status of succeeded") as refused:
        stripe_api.payment_intents.cancel(intent.id)

    assert refused.value.code == "payment_intent_unexpected_state"


def test_an_intent_without_a_card_cannot_be_confirmed_or_captured(stripe_api):
    intent = create(stripe_api)

    for call in (stripe_api.payment_intents.confirm, stripe_api.payment_intents.capture):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            call(intent.id)
        assert refused.value.code == "payment_intent_unexpected_state"


def test_an_open_intent_can_be_changed_and_a_paid_one_only_described(stripe_api):
    intent = create(stripe_api, metadata={"a": "1", "b": "2"})
    intent = stripe_api.payment_intents.update(intent.id, {"amount": 5000, "metadata": {"a": ""}})
    assert (intent.amount, intent.metadata.to_dict()) == (5000, {"b": "2"})

    done = paid(stripe_api)
    stripe_api.payment_intents.update(done.id, {"metadata": {"seen": "yes"}})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_api.payment_intents.update(done.id, {"amount": 1})
    assert refused.value.code == "payment_intent_unexpected_state"


# 3-D Secure.


@pytest.mark.parametrize(
    "card",
    [
        "pm_card_threeDSecure2Required",
        "pm_card_threeDSecureRequired",
        "pm_card_authenticationRequired",
        "4000000000003220",
        "4000002500003155",
    ],
)
def test_a_cardholder_who_completes_3d_secure_has_paid(stripe_api, card):
    intent = stripe_api.payment_intents.confirm(
        create(stripe_api).id, {**with_card(card), "return_url": "https://shop.example/back"}
    )
    assert (intent.status, intent.next_action.type) == ("requires_action", "redirect_to_url")

    page = httpx.get(intent.next_action.redirect_to_url.url)
    answer = httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "complete"})

    assert "45.00 EUR" in page.text
    assert answer.status_code == 303
    assert answer.headers["Location"].startswith(f"https://shop.example/back?payment_intent={intent.id}&")
    assert "redirect_status=succeeded" in answer.headers["Location"]
    assert stripe_api.payment_intents.retrieve(intent.id).status == "requires_capture"


def test_a_cardholder_who_fails_3d_secure_may_try_another_card(stripe_api):
    intent = waiting_for_the_cardholder(stripe_api)

    answer = httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "fail"})

    assert "booking=7" in answer.headers["Location"]
    assert "redirect_status=failed" in answer.headers["Location"]
    failed = stripe_api.payment_intents.retrieve(intent.id)
    assert failed.last_payment_error.code == "payment_intent_authentication_failure"
    assert (failed.status, failed.next_action, failed.payment_method) == ("requires_payment_method", None, None)
    assert (
        stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "requires_capture"
    )


def test_3d_secure_is_decided_once(stripe_api):
    intent = waiting_for_the_cardholder(stripe_api)
    address = intent.next_action.redirect_to_url.url
    httpx.post(address, data={"outcome": "complete"})

    again = httpx.post(address, data={"outcome": "fail"})

    assert "This is done" in again.text
    assert stripe_api.payment_intents.retrieve(intent.id).status == "requires_capture"


def test_a_canceled_payment_cannot_be_authenticated_any_more(stripe_api):
    intent = waiting_for_the_cardholder(stripe_api)
    stripe_api.payment_intents.cancel(intent.id)

    answer = httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "complete"})

    assert "has ended" in answer.text
    assert stripe_api.payment_intents.retrieve(intent.id).status == "canceled"


def test_the_page_of_an_earlier_card_decides_nothing(stripe_api):
    intent = waiting_for_the_cardholder(stripe_api)
    later = stripe_api.payment_intents.confirm(intent.id, {"payment_method": "pm_card_threeDSecureRequired"})

    httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "complete"})

    assert later.status == "requires_action"
    assert stripe_api.payment_intents.retrieve(intent.id).status == "requires_action"


def test_a_card_can_be_declined_after_3d_secure(stripe_api):
    intent = waiting_for_the_cardholder(stripe_api, "pm_card_threeDSecureRequiredChargeDeclined")

    answer = httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "complete"})

    assert "redirect_status=failed" in answer.headers["Location"]
    assert stripe_api.payment_intents.retrieve(intent.id).last_payment_error.decline_code == "generic_decline"


def test_a_guessed_3d_secure_page_does_not_exist(bank):
    assert httpx.get(f"{bank.url}/_simulator/authenticate/payatt_{'0' * 48}").status_code == 404


# Refunds.


def test_refunds_in_parts_never_give_back_more_than_was_paid(stripe_api):
    intent = paid(stripe_api)
    stripe_api.refunds.create({"payment_intent": intent.id, "amount": 1500, "reason": "requested_by_customer"})

    with pytest.raises(stripe.InvalidRequestError, match="greater than"):
        stripe_api.refunds.create({"payment_intent": intent.id, "amount": 3001})
    rest = stripe_api.refunds.create({"charge": intent.latest_charge})

    charge = stripe_api.charges.retrieve(intent.latest_charge)
    assert (rest.amount, rest.status) == (3000, "succeeded")
    assert (charge.amount_refunded, charge.refunded) == (4500, True)
    assert [refund.amount for refund in stripe_api.refunds.list({"payment_intent": intent.id}).data] == [3000, 1500]
    assert stripe_api.refunds.retrieve(rest.id).amount == 3000


def test_a_refunded_payment_is_not_refunded_again(stripe_api):
    intent = paid(stripe_api)
    stripe_api.refunds.create({"payment_intent": intent.id})

    with pytest.raises(stripe.InvalidRequestError) as refused:
        stripe_api.refunds.create({"payment_intent": intent.id})

    assert refused.value.code == "charge_already_refunded"


def test_parallel_refunds_stay_within_what_was_paid(stripe_api):
    intent = paid(stripe_api)

    def attempt(_: int) -> int:
        try:
            return int(stripe_api.refunds.create({"payment_intent": intent.id, "amount": 1000}).amount)
        except stripe.InvalidRequestError:
            return 0

    with ThreadPoolExecutor(10) as threads:
        assert sum(threads.map(attempt, range(10))) == 4000


def test_money_that_was_not_taken_cannot_be_refunded(stripe_api):
    with pytest.raises(stripe.InvalidRequestError, match="does not have a successful charge"):
        stripe_api.refunds.create({"payment_intent": reserved(stripe_api).id})


# Saved cards.


def save(api: Any, customer: str, card: str) -> Any:
    return api.setup_intents.create({"customer": customer, "payment_method": card, "confirm": True})


def test_a_saved_card_pays_again_and_again_for_its_customer(stripe_api):
    customer = stripe_api.customers.create({"email": "a@b.example", "metadata": {"buyer_id": "7"}})
    setup = save(stripe_api, customer.id, "pm_card_visa")

    payments = [reserved(stripe_api, customer=customer.id, payment_method=setup.payment_method) for _ in range(2)]

    assert setup.status == "succeeded"
    assert [payment.status for payment in payments] == ["requires_capture"] * 2
    assert stripe_api.payment_methods.retrieve(setup.payment_method).customer == customer.id
    assert stripe_api.customers.retrieve(customer.id).email == "a@b.example"


def test_a_saved_card_pays_for_nobody_else(stripe_api):
    mine, yours = (stripe_api.customers.create({}).id for _ in range(2))
    setup = save(stripe_api, mine, "pm_card_visa")

    for params in ({"customer": yours}, {}):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            reserved(stripe_api, payment_method=setup.payment_method, **params)
        assert refused.value.param == "payment_method"


def test_a_card_that_is_declined_cannot_be_saved(stripe_api):
    customer = stripe_api.customers.create({}).id

    with pytest.raises(stripe.CardError) as declined:
        save(stripe_api, customer, "pm_card_chargeDeclined")

    setup = stripe_api.setup_intents.retrieve(declined.value.json_body["error"]["setup_intent"]["id"])
    assert (setup.status, setup.last_setup_error.decline_code) == ("requires_payment_method", "generic_decline")


def test_a_card_can_be_saved_and_fail_later(stripe_api):
    customer = stripe_api.customers.create({}).id
    setup = save(stripe_api, customer, "pm_card_chargeCustomerFail")

    with pytest.raises(stripe.CardError):
        reserved(stripe_api, customer=customer, payment_method=setup.payment_method)

    assert setup.status == "succeeded"


def test_a_card_saved_with_3d_secure_pays_while_its_owner_is_away(stripe_api):
    customer = stripe_api.customers.create({}).id
    setup = save(stripe_api, customer, "pm_card_authenticationRequiredOnSetup")
    assert setup.status == "requires_action"
    httpx.post(setup.next_action.redirect_to_url.url, data={"outcome": "complete"})

    done = stripe_api.setup_intents.retrieve(setup.id)
    payment = reserved(stripe_api, customer=customer, payment_method=done.payment_method, off_session=True)

    assert (done.status, payment.status) == ("succeeded", "requires_capture")


def test_a_card_that_always_wants_its_owner_is_declined_without_them(stripe_api):
    with pytest.raises(stripe.CardError) as declined:
        reserved(stripe_api, payment_method="pm_card_authenticationRequired", off_session=True)

    assert declined.value.code == "authentication_required"


def test_a_setup_can_be_canceled(stripe_api):
    setup = stripe_api.setup_intents.create({})

    assert stripe_api.setup_intents.cancel(setup.id).status == "canceled"


# Requests that are wrong.


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"amount": "ten"}, "parameter_invalid_integer", "amount"),
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": 49}, "amount_too_small", "amount"),
        ({"amount": 100_000_000}, "amount_too_large", "amount"),
        ({"currency": ""}, "parameter_invalid_empty", "currency"),
        ({"currency": "euro"}, None, "currency"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"capture_method": "later"}, None, "capture_method"),
        ({"customer": "cus_nobody"}, "resource_missing", "customer"),
        ({"payment_method": "pm_nothing"}, "resource_missing", "payment_method"),
        ({"payment_method_types": ["card"]}, "payment_method_types_no_longer_supported", "payment_method_types"),
        ({"expand": ["nothing"]}, None, "expand"),
    ],
)
def test_a_wrong_parameter_is_named(stripe_api, params, code, param):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        create(stripe_api, **params)

    assert (refused.value.http_status in (400, 404), refused.value.code, refused.value.param) == (True, code, param)
    assert stripe_api.payment_intents.list().data == []


def test_an_older_api_version_may_still_name_its_payment_method_types(bank):
    body = "amount=100&currency=eur&payment_method_types[]=card"

    answer = post(bank, "payment_intents", body, **{"Stripe-Version": "2025-03-31.basil"})

    assert (answer.status_code, answer.headers["Stripe-Version"]) == (200, "2025-03-31.basil")


def test_what_does_not_exist_is_not_found(stripe_api):
    for call in (
        lambda: stripe_api.payment_intents.retrieve("pi_nothing"),
        lambda: stripe_api.setup_intents.retrieve("seti_nothing"),
        lambda: stripe_api.charges.retrieve("ch_nothing"),
        lambda: stripe_api.refunds.retrieve("re_nothing"),
        lambda: stripe_api.customers.retrieve("cus_nothing"),
        lambda: stripe_api.events.retrieve("evt_nothing"),
        # Right id, wrong kind.
        lambda: stripe_api.charges.retrieve(create(stripe_api).id),
    ):
        with pytest.raises(stripe.InvalidRequestError) as refused:
            call()
        assert (refused.value.http_status, refused.value.code) == (404, "resource_missing")


def test_only_the_secret_key_opens_the_api(bank):
    address = f"{bank.url}/v1/payment_intents"

    for auth in ({}, {"Authorization": "Bearer sk_test_wrong"}, {"Authorization": "Basic !!!"}, {"Authorization": "x"}):
        answer = httpx.get(address, headers=auth)
        assert answer.status_code == 401
        assert answer.json()["error"]["type"] == "invalid_request_error"
        assert bank.secret_key not in answer.text
    assert httpx.get(address, auth=(bank.secret_key, "")).status_code == 200


@pytest.mark.parametrize(
    "body",
    ["a[b][c][d][e][f][g][h]=1", "amount=1&amount[x]=2", "&".join(f"metadata[k{n}]=v" for n in range(600)), "%ff%fe=1"],
)
def test_a_strange_body_is_refused_and_not_an_error(bank, body):
    answer = post(bank, "payment_intents", body)

    assert answer.status_code == 400
    assert answer.json()["error"]["message"]


def test_a_huge_body_and_an_unknown_route_are_refused(bank):
    assert post(bank, "payment_intents", "description=" + "x" * 300_000).status_code == 413
    assert post(bank, "subscriptions", "").status_code == 404


def test_lists_are_paged_newest_first(stripe_api):
    made = [create(stripe_api).id for _ in range(5)]

    pages = list(stripe_api.payment_intents.list({"limit": 2}).auto_paging_iter())
    first = stripe_api.payment_intents.list({"limit": 2})

    assert [intent.id for intent in pages] == made[::-1]
    assert (len(first.data), first.has_more) == (2, True)
    assert stripe_api.payment_intents.list({"created": {"lt": 1_000_000_000}}).data == []
    assert len(stripe_api.payment_intents.list({"created": {"gte": 1_000_000_000}}).data) == 5
