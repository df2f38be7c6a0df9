"""What the provider is told about a payment, and what happens when it is told something else at a repeat."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from onsale.db import buyers, charges
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.stripe_provider import StripeProvider
from onsale.payments.wording import Wording
from onsale.workers.lanes import work_lane
from onsale.workers.payment_steps import Step
from onsale.workers.payments import STEPS, resume
from tests.builders import a_booking, a_buyer, an_event, booking, seat
from tests.services.bank_gate import Doorway, gate_to

VISA = "pm_card_visa"


@pytest.fixture
def gate(paying_shop: Any) -> Iterator[Doorway]:
    with gate_to(paying_shop.config.stripe_api_base) as opened:
        yield opened


@pytest.fixture
def shop(paying_shop: Any, gate: Doorway) -> Iterator[Any]:
    """The shop, with every call to its provider kept."""
    provider = StripeProvider(secret_key=paying_shop.config.stripe_secret_key, api_base=gate.url)
    yield replace(paying_shop, provider=provider)
    provider.close()


def with_a_card(shop: Any, *, email: str | None = None, number: int = 7) -> BookingId:
    """A booking of seat 1 whose buyer has given a card."""
    event_id = an_event(shop.engine)
    buyer_id = a_buyer(shop.engine)
    rename(shop, "Größe & Öl: live")
    with transaction(shop.engine) as connection:
        connection.execute(text("UPDATE buyers SET email = :email WHERE id = :id"), {"email": email, "id": buyer_id})
        assert buyers.by_id(connection, buyer_id)
    booking_id = a_booking(shop.engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=number, buyer_id=buyer_id)
    work_lane(shop, event_id, last_look=True)
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=VISA, return_url="https://shop.example/back")
    return booking_id


def rename(shop: Any, name: str) -> None:
    with transaction(shop.engine) as connection:
        connection.execute(text("UPDATE events SET name = :name"), {"name": name})


def charge(shop: Any, booking_id: BookingId) -> charges.Charge:
    with transaction(shop.engine) as connection:
        found = charges.charge_of(connection, booking_id)
    assert found is not None
    return found


@pytest.mark.parametrize("receipts", [False, True])
def test_the_provider_is_told_what_is_paid_for_and_the_address_only_where_it_is_to_write(shop, gate, receipts):
    shop = replace(shop, config=replace(shop.config, payment_receipts=receipts))
    booking_id = with_a_card(shop, email="buyer@onsale.example")

    resume(shop, booking_id)

    (asked,) = gate.of("/payment_intents")
    now = booking(shop.engine, booking_id)
    assert now.state is BookingState.CONFIRMED
    assert asked.params == {
        "amount": "4500",
        "currency": "eur",
        "capture_method": "manual",
        "description": "Größe & Öl: live",
        "statement_descriptor_suffix": "GROSSE + O",
        "metadata[booking_id]": str(booking_id),
        "metadata[event_id]": str(now.event_id),
        "metadata[queue_number]": "7",
        "allowed_payment_method_types[0]": "card",
        **({"receipt_email": "buyer@onsale.example"} if receipts else {}),
    }
    assert asked.headers["Idempotency-Key"] == str(booking_id)


def test_a_guest_without_an_address_gets_no_receipt(shop, gate):
    shop = replace(shop, config=replace(shop.config, payment_receipts=True))

    resume(shop, with_a_card(shop))

    assert "receipt_email" not in gate.of("/payment_intents")[0].params


def test_an_event_renamed_after_the_answer_was_lost_is_paid_all_the_same_and_once(shop, gate):
    booking_id = with_a_card(shop)
    # As by a worker that was killed before it could write down the intent.
    shop.provider.create_intent(
        booking_id=booking_id, amount_minor=4500, currency="eur", wording=Wording("Its old name")
    )
    rename(shop, "Another name")

    resume(shop, booking_id)

    assert booking(shop.engine, booking_id).state is BookingState.CONFIRMED
    # Asked for under the booking's key, and again under one of the new words.
    assert len(gate.of("/payment_intents")) == 3
    assert len({one.path for one in gate.asked if one.path.endswith("/confirm")}) == 1
    assert len(gate.of("/capture")) == 1


def test_a_twin_that_asked_in_other_words_confirms_the_payment_that_was_stored_first(shop, gate):
    booking_id = with_a_card(shop)
    old = charge(shop, booking_id)
    rename(shop, "Another name")
    resume(shop, booking_id)

    # It read the booking before the other one began, and speaks of the event by its old name.
    STEPS[Step.AUTHORISE](shop, old)

    assert len(gate.of("/payment_intents")) == 3
    assert len({one.path for one in gate.asked if one.path.endswith("/confirm")}) == 1
    now = charge(shop, booking_id)
    assert now.booking.state is BookingState.CONFIRMED
    assert now.attempt is not None
    assert now.attempt.outcome is charges.AttemptOutcome.AUTHORISED
