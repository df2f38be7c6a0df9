"""One card pays for no more tickets of an event than it may, over bookings and buyers; what comes back frees it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy import text

from onsale.db import card_limits, charges
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, an_event, booking, let_the_hold_run_out, run_sql, seat, until
from tests.services.small_sale import verified

VISA, MASTERCARD = "pm_card_visa", "pm_card_mastercard"
DECLINED, THREE_D_SECURE = "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"


@pytest.fixture
def event_id(paying_shop: Any) -> EventId:
    """An event of which one card pays for two tickets."""
    found = an_event(paying_shop.engine)
    run_sql(paying_shop.engine, "UPDATE events SET tickets_per_card = 2 WHERE id = :id", id=found)
    return found


def held(shop: Any, event_id: EventId, *seats: int) -> BookingId:
    """Somebody holds these seats."""
    tickets = tuple(seat(event_id, number) for number in seats)
    made = a_booking(shop.engine, event_id, Wish(tickets=tickets), number=seats[0])
    work_lane(shop, event_id, last_look=True)
    return made


def pay(shop: Any, booking_id: BookingId, card: str) -> BookingState:
    """A card is tried, as far as it goes."""
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=card)
    resume(shop, booking_id)
    return booking(shop.engine, booking_id).state


def test_a_card_over_its_limit_is_refused_before_the_bank_is_asked_and_another_one_pays(paying_shop, event_id):
    first, second = held(paying_shop, event_id, 1, 2), held(paying_shop, event_id, 3)
    assert pay(paying_shop, first, VISA) is BookingState.CONFIRMED

    refused = pay(paying_shop, second, VISA)

    with transaction(paying_shop.engine) as connection:
        told = charges.newest_attempt(connection, second)
        charge = charges.charge_of(connection, second)
    assert refused is BookingState.HELD
    assert (told.outcome, told.decline_code) == ("declined", "card_limit")
    assert told.message.startswith("One card pays for at most 2 tickets of this show")
    assert paying_shop.provider.retrieve_intent(charge.payment.intent_id).status == "requires_payment_method"
    assert pay(paying_shop, second, MASTERCARD) is BookingState.CONFIRMED
    assert verified(paying_shop, event_id, agree_seconds=0).numbers["sold"] == 3


def test_an_event_without_a_limit_lets_one_card_pay_for_everything_and_asks_for_no_card(paying_shop):
    event_id = an_event(paying_shop.engine)

    for number in range(1, 4):
        assert pay(paying_shop, held(paying_shop, event_id, number), VISA) is BookingState.CONFIRMED

    assert counted(paying_shop, "SELECT count(card_fingerprint) FROM payment_attempts") == 0


def test_two_bookings_with_one_card_at_once_are_never_both_paid(paying_shop, event_id):
    pair = (held(paying_shop, event_id, 1, 2), held(paying_shop, event_id, 3, 4))

    with ThreadPoolExecutor(2) as pool:
        ended = sorted(pool.map(lambda one: pay(paying_shop, one, VISA), pair))

    assert ended == [BookingState.CONFIRMED, BookingState.HELD]


def test_who_counts_a_card_waits_for_who_is_counting_it(paying_shop, event_id):
    first, second = held(paying_shop, event_id, 1, 2), held(paying_shop, event_id, 3)
    with transaction(paying_shop.engine) as connection:
        for one in (first, second):
            charges.new_attempt(connection, one, payment_method=VISA)

    def reserve(booking_id: BookingId) -> bool:
        with transaction(paying_shop.engine) as connection:
            return card_limits.reserve(connection, booking_id, 1, fingerprint="card", tickets_max=2)

    with ThreadPoolExecutor(1) as pool:
        with transaction(paying_shop.engine) as connection:
            assert card_limits.reserve(connection, first, 1, fingerprint="card", tickets_max=2)
            other = pool.submit(reserve, second)
            until(lambda: waits(paying_shop) or other.done(), "the second comes to the same card")
            assert not other.done()
        assert other.result(10) is False


def waits(shop: Any) -> bool:
    return bool(counted(shop, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted"))


def counted(shop: Any, statement: str) -> int:
    with transaction(shop.engine) as connection:
        return int(connection.execute(text(statement)).scalar_one())


def test_the_same_attempt_may_ask_again_and_counts_once(paying_shop, event_id):
    booking_id = held(paying_shop, event_id, 1, 2)
    with transaction(paying_shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=VISA)

        asked = [card_limits.reserve(connection, booking_id, 1, fingerprint="card", tickets_max=2) for _ in range(3)]

    assert asked == [True, True, True]


def test_a_booking_larger_than_the_limit_is_refused_by_itself(paying_shop, event_id):
    assert pay(paying_shop, held(paying_shop, event_id, 1, 2, 3), VISA) is BookingState.HELD


def test_a_card_of_another_event_is_not_counted(paying_shop, event_id):
    other = an_event(paying_shop.engine)
    run_sql(paying_shop.engine, "UPDATE events SET tickets_per_card = 1 WHERE id = :id", id=other)
    assert pay(paying_shop, held(paying_shop, event_id, 1, 2), VISA) is BookingState.CONFIRMED

    assert pay(paying_shop, held(paying_shop, other, 1), VISA) is BookingState.CONFIRMED


def test_a_booking_under_way_with_its_bank_counts_and_one_that_ended_does_not(paying_shop, event_id):
    away, waiting = held(paying_shop, event_id, 1, 2), held(paying_shop, event_id, 3)
    assert pay(paying_shop, away, THREE_D_SECURE) is BookingState.REQUIRES_ACTION
    assert pay(paying_shop, waiting, THREE_D_SECURE) is BookingState.HELD

    let_the_hold_run_out(paying_shop.engine, away)
    sweep(paying_shop)
    resume(paying_shop, away)

    assert booking(paying_shop.engine, away).state is BookingState.EXPIRED
    assert pay(paying_shop, waiting, THREE_D_SECURE) is BookingState.REQUIRES_ACTION


def test_a_card_the_bank_declined_counts_for_nothing(paying_shop, event_id):
    run_sql(paying_shop.engine, "UPDATE events SET tickets_per_card = 1 WHERE id = :id", id=event_id)
    first, second = held(paying_shop, event_id, 1), held(paying_shop, event_id, 2)
    assert pay(paying_shop, first, DECLINED) is BookingState.HELD

    with transaction(paying_shop.engine) as connection:
        charges.new_attempt(connection, second, payment_method=VISA)
        card = paying_shop.provider.card_fingerprint(DECLINED)
        assert card_limits.reserve(connection, second, 1, fingerprint=card, tickets_max=1)


def test_verify_finds_a_card_that_paid_for_too_many(paying_shop, event_id):
    assert pay(paying_shop, held(paying_shop, event_id, 1, 2), VISA) is BookingState.CONFIRMED
    right = limits_hold(paying_shop, event_id)

    run_sql(paying_shop.engine, "UPDATE events SET tickets_per_card = 1 WHERE id = :id", id=event_id)

    assert (right, limits_hold(paying_shop, event_id)) == (True, False)


def limits_hold(shop: Any, event_id: EventId) -> bool | None:
    verdict = verified(shop, event_id, agree_seconds=0)
    return next(finding.ok for finding in verdict.findings if finding.invariant == "I9")
