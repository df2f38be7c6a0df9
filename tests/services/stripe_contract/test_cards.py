"""Cards: which are accepted, which are declined and why, and which ask for their holder."""

from __future__ import annotations

import httpx
import pytest
import stripe

from tests.services.stripe_contract.behaviours import behaviour, confirmed, key, new_intent, reserved

TESTING = "testing"
DECLINES = {
    "pm_card_visa_chargeDeclined": ("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": ("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": ("card_declined", "lost_card"),
    "pm_card_visa_chargeDeclinedStolenCard": ("card_declined", "stolen_card"),
    "pm_card_chargeDeclinedExpiredCard": ("expired_card", None),
    "pm_card_chargeDeclinedIncorrectCvc": ("incorrect_cvc", None),
    "pm_card_chargeDeclinedProcessingError": ("processing_error", None),
    "pm_card_visa_chargeDeclinedVelocityLimitExceeded": ("card_declined", "card_velocity_exceeded"),
}
PERSON = "a person has to press a button on Stripe's page"


def customer(api) -> str:
    return str(api.customers.create({"metadata": {"buyer_id": "contract"}}, {"idempotency_key": key()}).id)


def saved(api, customer_id: str, card: str, **changed):
    """A card being saved, as Onsale does it."""
    params = {
        "customer": customer_id,
        "allowed_payment_method_types": ["card"],
        "usage": "off_session",
        "payment_method": card,
        "confirm": True,
        "return_url": "https://shop.example/back",
        **changed,
    }
    return api.setup_intents.create(params, {"idempotency_key": key()})


@behaviour("The published cards that succeed are accepted.", f"{TESTING}#cards")
@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_mastercard", "pm_card_amex", "pm_card_discover"])
def test_a_good_card_is_accepted(api, card):
    assert reserved(api, card).status == "requires_capture"


@behaviour(
    "A declined card answers 402 `card_error` with the published codes and a sentence for the buyer.",
    f"{TESTING}#declined-payments",
)
@pytest.mark.parametrize(("card", "codes"), DECLINES.items())
def test_a_declined_card_says_why(api, card, codes):
    with pytest.raises(stripe.CardError) as declined:
        reserved(api, card)

    error = declined.value.error
    assert (declined.value.http_status, error.type, error.code) == (402, "card_error", codes[0])
    assert codes[1] is None or error.decline_code == codes[1]
    assert error.message


@behaviour("A decline comes with the intent, open again, and `last_payment_error` keeps why.", "api/errors")
def test_a_decline_comes_with_the_intent(api):
    intent = new_intent(api)
    with pytest.raises(stripe.CardError) as declined:
        confirmed(api, intent, "pm_card_visa_chargeDeclinedLostCard")

    came, now = declined.value.json_body["error"]["payment_intent"], api.payment_intents.retrieve(intent.id)

    assert (came["id"], came["status"]) == (intent.id, "requires_payment_method")
    assert (now.status, now.last_payment_error.decline_code) == ("requires_payment_method", "lost_card")


@behaviour("After a decline another card may be tried on the same intent.", "payments/paymentintents/lifecycle")
def test_another_card_may_be_tried(api):
    intent = new_intent(api)
    with pytest.raises(stripe.CardError):
        confirmed(api, intent, "pm_card_visa_chargeDeclined")

    assert confirmed(api, intent).status == "requires_capture"


@behaviour("A declined attempt leaves a failed charge with its code.", "declines")
def test_a_declined_attempt_leaves_a_failed_charge(api):
    intent = new_intent(api)
    with pytest.raises(stripe.CardError) as declined:
        confirmed(api, intent, "pm_card_visa_chargeDeclined")

    charge = api.charges.retrieve(declined.value.error.charge)
    assert (charge.status, charge.paid, charge.failure_code) == ("failed", False, "card_declined")


@behaviour(
    "A card that wants its holder answers `requires_action` with an address to send the buyer to, and back.",
    "payments/3d-secure/authentication-flow",
)
@pytest.mark.parametrize("card", ["pm_card_threeDSecure2Required", "pm_card_authenticationRequired"])
def test_a_card_may_want_its_holder(api, card):
    intent = reserved(api, card)

    assert (intent.status, intent.next_action.type) == ("requires_action", "redirect_to_url")
    assert intent.next_action.redirect_to_url.url.startswith("http")
    assert intent.next_action.redirect_to_url.return_url == "https://shop.example/back"


@behaviour("While the holder is asked, the intent can be cancelled.", "api/payment_intents/cancel")
def test_a_waiting_intent_can_be_cancelled(api):
    intent = reserved(api, "pm_card_threeDSecure2Required")

    assert api.payment_intents.cancel(intent.id).status == "canceled"


@behaviour("While the holder is asked, another card may be tried.", "payments/paymentintents/lifecycle")
def test_another_card_may_be_tried_while_the_holder_is_asked(api):
    assert confirmed(api, reserved(api, "pm_card_threeDSecure2Required")).status == "requires_capture"


@behaviour(
    "After the holder agreed the money is reserved, and the way back names the intent, its secret and the outcome.",
    "payments/3d-secure/authentication-flow",
    alone=PERSON,
)
def test_the_way_back_names_the_intent_and_the_outcome(api):
    intent = reserved(api, "pm_card_threeDSecure2Required")

    answer = httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "complete"})

    back = httpx.URL(answer.headers["Location"])
    assert dict(back.params) == {
        "payment_intent": intent.id,
        "payment_intent_client_secret": intent.client_secret,
        "redirect_status": "succeeded",
    }
    assert api.payment_intents.retrieve(intent.id).status == "requires_capture"


@behaviour(
    "After the holder failed, the intent is open again with `payment_intent_authentication_failure`.",
    "error-codes#payment-intent-authentication-failure",
    alone=PERSON,
)
def test_a_holder_may_fail(api):
    intent = reserved(api, "pm_card_threeDSecure2Required")

    answer = httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "fail"})

    now = api.payment_intents.retrieve(intent.id)
    assert "redirect_status=failed" in answer.headers["Location"]
    assert (now.status, now.last_payment_error.code) == (
        "requires_payment_method",
        "payment_intent_authentication_failure",
    )


@behaviour("Off session, a card that wants its holder is declined as `authentication_required`.", "declines/codes")
def test_off_session_a_wanted_holder_is_a_decline(api):
    with pytest.raises(stripe.CardError) as declined:
        api.payment_intents.confirm(
            new_intent(api).id, {"payment_method": "pm_card_authenticationRequired", "off_session": True}
        )

    assert declined.value.error.code == "authentication_required"


@behaviour("`return_url` and `off_session` go with `confirm` alone.", "api/payment_intents/create")
@pytest.mark.parametrize("alone", [{"return_url": "https://shop.example/back"}, {"off_session": True}])
def test_some_parameters_go_with_confirm_alone(api, alone):
    with pytest.raises(stripe.InvalidRequestError):
        new_intent(api, **alone)


@behaviour("A card saved by a SetupIntent pays again and again for its customer.", "payments/save-and-reuse")
def test_a_saved_card_pays_again_and_again(api):
    owner = customer(api)
    setup = saved(api, owner, "pm_card_visa")

    payments = [confirmed(api, new_intent(api, customer=owner), setup.payment_method) for _ in range(2)]

    assert setup.status == "succeeded"
    assert [payment.status for payment in payments] == ["requires_capture"] * 2
    assert api.payment_methods.retrieve(setup.payment_method).customer == owner


@behaviour("A saved card pays for nobody else.", "api/payment_methods/attach")
def test_a_saved_card_pays_for_nobody_else(api):
    setup = saved(api, customer(api), "pm_card_visa")

    with pytest.raises(stripe.InvalidRequestError):
        confirmed(api, new_intent(api, customer=customer(api)), setup.payment_method)


@behaviour(
    "A card's `fingerprint` is the same for the same number over customers, and another for another.",
    "api/payment_methods/object",
)
def test_a_fingerprint_is_of_the_number(api):
    cards = ["pm_card_visa", "pm_card_visa", "pm_card_mastercard"]

    mine, yours, other = (
        api.payment_methods.retrieve(saved(api, customer(api), card).payment_method).card.fingerprint for card in cards
    )

    assert mine
    assert mine == yours != other


@behaviour(
    "A card that is declined cannot be saved; the SetupIntent comes with the refusal.", "api/setup_intents/confirm"
)
def test_a_declined_card_cannot_be_saved(api):
    with pytest.raises(stripe.CardError) as declined:
        saved(api, customer(api), "pm_card_chargeDeclined")

    setup = declined.value.json_body["error"]["setup_intent"]
    assert (setup["status"], setup["last_setup_error"]["code"]) == ("requires_payment_method", "card_declined")


@behaviour("A card can be saved and declined when it is charged.", f"{TESTING}#declined-payments")
def test_a_card_can_be_saved_and_declined_later(api):
    owner = customer(api)
    setup = saved(api, owner, "pm_card_chargeCustomerFail")

    with pytest.raises(stripe.CardError):
        confirmed(api, new_intent(api, customer=owner), setup.payment_method)

    assert setup.status == "succeeded"


@behaviour("A card may want its holder when it is saved.", f"{TESTING}#regulatory-cards")
def test_a_card_may_want_its_holder_when_it_is_saved(api):
    setup = saved(api, customer(api), "pm_card_authenticationRequiredOnSetup")

    assert (setup.status, setup.next_action.type) == ("requires_action", "redirect_to_url")
