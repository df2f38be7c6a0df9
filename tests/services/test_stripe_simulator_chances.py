"""The simulator's bad days: faults by a seeded draw, in calls and in webhooks, and how many there were."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
import stripe

from tests.services.paying import create, until

CALLS = 40


def drawn(bank: Any) -> dict[str, int]:
    headers = {"Authorization": f"Bearer {bank.secret_key}"}
    found: dict[str, int] = httpx.get(f"{bank.url}/_simulator/faults", headers=headers).raise_for_status().json()
    return found


def failures(api: Any) -> list[bool]:
    """Which of so many calls failed."""
    found = []
    for _ in range(CALLS):
        try:
            create(api)
            found.append(False)
        except stripe.APIError:
            found.append(True)
    return found


def test_a_share_of_the_calls_fails_and_the_same_seed_fails_the_same_ones(bank, stripe_api):
    bank.set(chances={"server_error": 0.3, "seed": 5})
    first = failures(stripe_api)
    counted = drawn(bank)

    bank.set(chances={"server_error": 0.3, "seed": 5})
    again = failures(stripe_api)
    # As large as a rehearsal's may be.
    bank.set(chances={"server_error": 0.3, "seed": 10**12})

    assert 0 < sum(first) < CALLS
    assert counted == {"server_error": sum(first)}
    assert again == first
    assert failures(stripe_api) != first


def test_a_call_that_fails_after_its_work_has_done_it(bank, stripe_api):
    bank.set(chances={"server_error_after": 1.0})

    with pytest.raises(stripe.APIError):
        create(stripe_api)

    assert len(stripe_api.payment_intents.list().data) == 1


def test_webhooks_are_lost_or_come_twice_and_are_counted(bank, stripe_api, webhook_receiver):
    bank.set(webhook_url=webhook_receiver.url, chances={"webhook_lost": 1.0})
    stripe_api.payment_intents.cancel(create(stripe_api).id)
    lost = drawn(bank)

    bank.set(chances={"webhook_doubled": 1.0})
    doubled = create(stripe_api).id
    stripe_api.payment_intents.cancel(doubled)
    until(lambda: len(webhook_receiver.came) == 2, "it came twice")
    bank.set(chances={})
    stripe_api.payment_intents.cancel(create(stripe_api).id)
    until(lambda: len(webhook_receiver.came) == 3, "the next came once")

    first, second, other = (
        stripe.Webhook.construct_event(body, header, bank.webhook_secret) for body, header in webhook_receiver.came
    )
    assert lost == {"webhook_lost": 1}
    assert (first.id, first.data.object.id) == (second.id, doubled)
    assert other.id != first.id


def test_without_chances_nothing_goes_wrong(bank, stripe_api):
    assert failures(stripe_api) == [False] * CALLS
    assert drawn(bank) == {}


def test_how_many_faults_there_were_is_told_to_who_has_the_key(bank):
    assert httpx.get(f"{bank.url}/_simulator/faults").status_code == 401


@pytest.mark.parametrize(
    "chances",
    [
        {"explodes": 0.1},
        {"late": 1.5},
        {"late": -0.1},
        {"late": "often"},
        {"late": True},
        {"late": float("1e400")},
        {"late_ms": 60_001},
        {"seed": 1.5},
        {"late": 0.6, "rate_limit": 0.6},
        ["late"],
        0.5,
    ],
)
def test_chances_that_make_no_sense_are_refused_and_change_nothing(bank, stripe_api, chances):
    bank.set(chances={"server_error": 1.0})
    headers = {"Authorization": f"Bearer {bank.secret_key}", "Content-Type": "application/json"}
    # Infinity is no JSON of httpx's, and still what somebody may send.
    sent = repr({"chances": chances}).replace("'", '"').replace("True", "true").replace("inf", "Infinity")

    answer = httpx.post(f"{bank.url}/_simulator/settings", content=sent, headers=headers)

    assert answer.status_code == 400
    with pytest.raises(stripe.APIError):
        create(stripe_api)
