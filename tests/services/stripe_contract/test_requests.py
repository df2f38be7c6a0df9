"""Requests: who may call, what a wrong one is told, lists, and metadata."""

from __future__ import annotations

import pytest
import stripe

from onsale.sandbox.stripe_simulator.call import API_VERSION
from tests.services.paying import post
from tests.services.stripe_contract.behaviours import behaviour, new_intent

ERRORS, LISTS, METADATA = "api/errors", "api/pagination", "metadata"


@behaviour("A wrong key is answered 401, and the key is not repeated in the answer.", "api/authentication")
def test_a_wrong_key_is_answered_401(client):
    wrong = "sk_test_" + "wrong" * 8
    addresses = {"api": client._requestor.base_addresses["api"]}

    with pytest.raises(stripe.AuthenticationError) as refused:
        stripe.StripeClient(wrong, base_addresses=addresses).v1.payment_intents.list()

    assert refused.value.http_status == 401
    assert wrong not in refused.value.http_body


@behaviour("Every answer has a `Request-Id`, and a refusal as well.", "api/request_ids")
def test_every_answer_has_an_id(api):
    made = new_intent(api)
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.retrieve("pi_nothing")

    assert made.last_response.request_id.startswith("req_")
    assert refused.value.request_id.startswith("req_")


@behaviour("The answer names the API version that the SDK asked for.", "api/versioning")
def test_the_answer_names_the_version(api):
    assert new_intent(api).last_response.headers["Stripe-Version"] == API_VERSION == stripe.api_version


@behaviour(
    "What does not exist is answered 404 `resource_missing`, with the parameter.", "error-codes#resource-missing"
)
def test_what_does_not_exist_is_answered_404(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.retrieve("pi_nothing")

    error = refused.value.error
    assert (refused.value.http_status, error.type, error.code) == (404, "invalid_request_error", "resource_missing")
    assert error.param == "intent"
    assert "pi_nothing" in error.message


@behaviour("A card that does not exist is `resource_missing` at `payment_method`.", "error-codes#resource-missing")
def test_a_card_that_does_not_exist(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.confirm(new_intent(api).id, {"payment_method": "pm_nothing"})

    assert (refused.value.code, refused.value.param) == ("resource_missing", "payment_method")


@behaviour("A missing parameter is named: `parameter_missing`.", "error-codes#parameter-missing")
def test_a_missing_parameter_is_named(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        api.payment_intents.create({"amount": 4500})

    assert (refused.value.code, refused.value.param) == ("parameter_missing", "currency")


@behaviour("An unknown parameter is named: `parameter_unknown`.", "error-codes#parameter-unknown")
def test_an_unknown_parameter_is_named(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_intent(api, colour="red")

    assert (refused.value.code, refused.value.param) == ("parameter_unknown", "colour")


@behaviour("What is no whole number is refused: `parameter_invalid_integer`.", "error-codes#parameter-invalid-integer")
def test_what_is_no_whole_number_is_refused(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_intent(api, amount="ten")

    assert (refused.value.code, refused.value.param) == ("parameter_invalid_integer", "amount")


@behaviour("A refusal says of what type it is, and links its code's page.", ERRORS)
def test_a_refusal_links_its_codes_page(api):
    with pytest.raises(stripe.InvalidRequestError) as refused:
        new_intent(api, amount=1)

    error = refused.value.error
    assert error.type == "invalid_request_error"
    assert "error-codes" in error.doc_url
    assert error.doc_url.endswith("amount-too-small")
    assert error.request_log_url.startswith("https://dashboard.stripe.com/")


@behaviour(
    "Too many requests are answered 429 with the code `rate_limit`.",
    "error-codes#rate-limit",
    alone="Stripe asks not to be loaded",
)
def test_too_many_requests_are_answered_429(bank, api):
    bank.set(fail_next={"kind": "rate_limit"})

    with pytest.raises(stripe.RateLimitError) as refused:
        new_intent(api)

    assert (refused.value.http_status, refused.value.error.code) == (429, "rate_limit")


@behaviour("Lists are newest first, as long as `limit`, and say in `has_more` whether there is more.", LISTS)
def test_lists_are_newest_first(api):
    made = [new_intent(api).id for _ in range(3)]

    first = api.payment_intents.list({"limit": 2})

    assert (first.object, first.url, first.has_more) == ("list", "/v1/payment_intents", True)
    assert len(first.data) == 2
    assert [each.created for each in first.data] == sorted((each.created for each in first.data), reverse=True)
    assert {each.id for each in api.payment_intents.list({"limit": 10}).data} >= set(made)


@behaviour("`starting_after` goes on below that object.", LISTS)
def test_a_list_goes_on_below_an_object(api):
    for _ in range(3):
        new_intent(api)
    whole = [each.id for each in api.payment_intents.list({"limit": 3}).data]

    below = api.payment_intents.list({"limit": 2, "starting_after": whole[0]})

    assert [each.id for each in below.data] == whole[1:]


@behaviour("A list has between 1 and 100 objects.", LISTS)
@pytest.mark.parametrize("limit", [0, 101])
def test_a_list_has_a_longest(api, limit):
    with pytest.raises(stripe.InvalidRequestError):
        api.payment_intents.list({"limit": limit})


@behaviour("Metadata is kept, changed key by key, and a key set empty is gone.", METADATA)
def test_metadata_is_changed_key_by_key(api):
    intent = new_intent(api, metadata={"a": "1", "b": "2"})

    changed = api.payment_intents.update(intent.id, {"metadata": {"a": "", "c": "3"}})

    assert changed.metadata.to_dict() == {"b": "2", "c": "3"}


@behaviour("Metadata may have 50 keys of 40 characters, and values of 500.", METADATA)
def test_metadata_may_be_so_long(api):
    longest = {f"k{number}": "v" for number in range(49)} | {"k" * 40: "v" * 500}

    assert new_intent(api, metadata=longest).metadata.to_dict() == longest


@behaviour("Metadata with more keys, a longer key or a longer value is refused.", METADATA)
@pytest.mark.parametrize("too_much", [{f"k{number}": "v" for number in range(51)}, {"k" * 41: "v"}, {"k": "v" * 501}])
def test_metadata_may_be_no_longer(api, too_much):
    with pytest.raises(stripe.InvalidRequestError):
        new_intent(api, metadata=too_much)


@behaviour("`expand` puts the whole object where its id would be.", "api/expanding_objects")
def test_expand_puts_the_whole_object(api):
    intent = new_intent(api, confirm=True, payment_method="pm_card_visa", return_url="https://shop.example/back")

    assert api.payment_intents.retrieve(intent.id, {"expand": ["latest_charge"]}).latest_charge.object == "charge"


@behaviour(
    "The key may come as the user of basic authentication.",
    "api/authentication",
    alone="the SDK sends it as a bearer token",
)
def test_the_key_may_come_as_a_user(bank, api):
    answer = post(bank, "payment_intents", "amount=100&currency=eur")

    assert answer.status_code == 200
