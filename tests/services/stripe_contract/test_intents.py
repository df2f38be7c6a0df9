"""A payment, from its amount to the money."""

from __future__ import annotations

import pytest
import stripe

from tests.services.paying import until
from tests.services.stripe_contract.behaviours import behaviour, captured, confirmed, new_intent, reserved

INTENTS = "api/payment_intents"
CAPTURE_LATER = "payments/place-a-hold-on-a-payment-method"
STATES = "payments/paymentintents/lifecycle"


def in_another_state(call) -> stripe.StripeError:
    with pytest.raises(stripe.InvalidRequestError) as refused:
        call()
    assert (refused.value.http_status, refused.value.code) == (400, "payment_intent_unexpected_state")
    return refused.value


@behaviour("A new intent without a card waits in `requires_payment_method`, with nothing received.", STATES)
def test_a_new_intent_waits_for_a_card(api):
    intent = new_intent(api)

    assert (intent.object, intent.status) == ("payment_intent", "requires_payment_method")
    assert (intent.amount_capturable, intent.amount_received, intent.latest_charge) == (0, 0, None)
    assert (intent.capture_method, intent.livemode) == ("manual", False)
    assert intent.client_secret.startswith(f"{intent.id}_secret_")


@behaviour("Only the types named in `allowed_payment_method_types` are offered.", f"{INTENTS}/create")
def test_only_cards_are_offered(api):
    assert new_intent(api).payment_method_types == ["card"]


@behaviour(
    "With manual capture, confirming reserves: `requires_capture`, all of it in `amount_capturable`.", CAPTURE_LATER
)
def test_confirming_reserves(api):
    intent = reserved(api)

    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("requires_capture", 4500, 0)
    charge = api.charges.retrieve(intent.latest_charge)
    assert (charge.status, charge.paid, charge.captured, charge.amount_captured) == ("succeeded", True, False, 0)


@behaviour("Capturing takes it: `succeeded`, all of it in `amount_received`.", CAPTURE_LATER)
def test_capturing_takes_the_money(api):
    intent = captured(api)

    assert (intent.status, intent.amount_capturable, intent.amount_received) == ("succeeded", 0, 4500)
    charge = api.charges.retrieve(intent.latest_charge)
    assert (charge.captured, charge.amount_captured) == (True, 4500)


@behaviour("With automatic capture, confirming takes the money at once.", STATES)
def test_automatic_capture_takes_the_money_at_once(api):
    intent = confirmed(api, new_intent(api, capture_method="automatic"))

    assert (intent.status, intent.amount_received) == ("succeeded", 4500)


@behaviour("Creating with `confirm` is creating and confirming in one call.", f"{INTENTS}/create")
def test_created_and_confirmed_in_one_call(api):
    intent = new_intent(api, confirm=True, payment_method="pm_card_visa", return_url="https://shop.example/back")

    assert intent.status == "requires_capture"


@behaviour("Part may be captured; the rest is let go, and can no longer be captured.", f"{INTENTS}/capture")
def test_part_may_be_captured(api):
    intent = api.payment_intents.capture(reserved(api).id, {"amount_to_capture": 4000})

    assert (intent.status, intent.amount_received, intent.amount_capturable) == ("succeeded", 4000, 0)


@behaviour("More than was reserved cannot be captured.", f"{INTENTS}/capture")
def test_more_than_was_reserved_cannot_be_captured(api):
    intent = reserved(api)

    with pytest.raises(stripe.InvalidRequestError):
        api.payment_intents.capture(intent.id, {"amount_to_capture": 4501})

    assert api.payment_intents.retrieve(intent.id).status == "requires_capture"


@behaviour(
    "A second capture is refused as `payment_intent_unexpected_state`, and the intent comes with the refusal.",
    "error-codes#payment-intent-unexpected-state",
)
def test_a_second_capture_is_refused_with_the_intent(api):
    intent = captured(api)

    refused = in_another_state(lambda: api.payment_intents.capture(intent.id))

    assert refused.json_body["error"]["payment_intent"]["status"] == "succeeded"


@behaviour("What was not confirmed cannot be captured.", f"{INTENTS}/capture")
def test_what_was_not_confirmed_cannot_be_captured(api):
    in_another_state(lambda: api.payment_intents.capture(new_intent(api).id))


@behaviour("An open or reserved intent can be cancelled, with a reason; its money is let go.", f"{INTENTS}/cancel")
@pytest.mark.parametrize("make", [new_intent, reserved])
def test_an_intent_can_be_cancelled(api, make):
    intent = api.payment_intents.cancel(make(api).id, {"cancellation_reason": "abandoned"})

    assert (intent.status, intent.cancellation_reason, intent.amount_capturable) == ("canceled", "abandoned", 0)
    assert intent.canceled_at


@behaviour("A captured intent cannot be cancelled.", f"{INTENTS}/cancel")
def test_a_captured_intent_cannot_be_cancelled(api):
    intent = captured(api)

    in_another_state(lambda: api.payment_intents.cancel(intent.id))


@behaviour("After cancelling, every operation on the intent fails.", f"{INTENTS}/cancel")
def test_after_cancelling_everything_fails(api):
    intent = api.payment_intents.cancel(new_intent(api).id)

    in_another_state(lambda: api.payment_intents.capture(intent.id))
    in_another_state(lambda: confirmed(api, intent))
    in_another_state(lambda: api.payment_intents.cancel(intent.id))


@behaviour("An intent without a card cannot be confirmed.", f"{INTENTS}/confirm")
def test_an_intent_without_a_card_cannot_be_confirmed(api):
    intent = new_intent(api)

    with pytest.raises(stripe.InvalidRequestError):
        api.payment_intents.confirm(intent.id, {"return_url": "https://shop.example/back"})


@behaviour("An amount below the currency's least is refused as `amount_too_small`.", "error-codes#amount-too-small")
@pytest.mark.parametrize(("amount", "currency"), [(49, "usd"), (49, "eur"), (29, "gbp"), (49, "jpy")])
def test_an_amount_may_be_too_small(api, amount, currency):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_intent(api, amount=amount, currency=currency)

    assert (refused.value.code, refused.value.param) == ("amount_too_small", "amount")


@behaviour("An amount may have eight digits; one more is `amount_too_large`.", "error-codes#amount-too-large")
def test_an_amount_may_be_too_large(api):
    assert new_intent(api, amount=99_999_999, currency="usd").amount == 99_999_999

    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_intent(api, amount=100_000_000, currency="usd")

    assert refused.value.code == "amount_too_large"


@behaviour("A currency without minor units is counted in whole units.", "currencies#zero-decimal")
def test_a_currency_without_minor_units_is_counted_whole(api):
    assert (new_intent(api, amount=500, currency="jpy")).amount == 500


@behaviour("In a currency with three decimals the last digit must be 0.", "currencies#three-decimal")
def test_in_three_decimals_the_last_digit_is_0(api):
    assert new_intent(api, amount=5_120, currency="kwd").amount == 5_120

    with pytest.raises(stripe.InvalidRequestError):
        new_intent(api, amount=5_124, currency="kwd")


@behaviour(
    "Each step of a payment has its event: created, capturable, succeeded, with the intent as it then was.",
    "api/events/types",
)
def test_a_payments_events(api):
    intent = captured(api)
    wanted = {
        "payment_intent.created": "requires_payment_method",
        "payment_intent.amount_capturable_updated": "requires_capture",
        "payment_intent.succeeded": "succeeded",
    }

    def seen() -> dict[str, str]:
        listed = [each for kind in wanted for each in api.events.list({"type": kind, "limit": 20}).data]
        return {each.type: each.data.object.status for each in listed if each.data.object.id == intent.id}

    until(lambda: len(seen()) == len(wanted), "all three events are listed")
    assert seen() == wanted


@behaviour("A receipt's address and a description are kept on the intent and on its charge.", "receipts")
def test_a_receipts_address_is_kept(api):
    intent = reserved(api, receipt_email="buyer@example.com", description="Two tickets")

    charge = api.charges.retrieve(intent.latest_charge)
    assert (intent.receipt_email, intent.description) == ("buyer@example.com", "Two tickets")
    assert (charge.receipt_email, charge.description) == ("buyer@example.com", "Two tickets")


@behaviour("A receipt's address that is none is refused as `email_invalid`.", "error-codes#email-invalid")
def test_a_receipts_address_must_be_one(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_intent(api, receipt_email="nobody")

    assert (refused.value.code, refused.value.param) == ("email_invalid", "receipt_email")


@behaviour("What a statement says of a card payment is its suffix.", "get-started/account/statement-descriptors")
def test_a_statements_suffix_is_kept(api):
    assert new_intent(api, statement_descriptor_suffix="ONSALE 17").statement_descriptor_suffix == "ONSALE 17"


@behaviour(
    "A statement's suffix has at most 22 characters, and none of < > \\ ' \" *",
    "get-started/account/statement-descriptors",
)
@pytest.mark.parametrize("suffix", ["A" * 23, "A<B", "A>B", "A\\B", "A'B", 'A"B', "A*B"])
def test_a_statements_suffix_must_fit(api, suffix):
    with pytest.raises(stripe.InvalidRequestError):
        new_intent(api, statement_descriptor_suffix=suffix)
