"""Another card while the bank still asks about the first one: both count, one pays, and everybody is told which."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from onsale.config import Config
from onsale.db import bookings, card_limits, charges, holds, payments
from onsale.db.engine import reading, transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.web.why import sentences, story_of
from onsale.workers.lanes import work_lane
from onsale.workers.noting import note
from onsale.workers.payment_steps import Seen, Step
from onsale.workers.payments import STEPS, resume
from tests.builders import a_booking, an_event, booking, run_sql, seat, ticket_states, until
from tests.services.buyers_page import Buyer, answers_the_bank
from tests.services.serving import serving
from tests.services.small_sale import verified

VISA, MASTERCARD, NO_CARD = "pm_card_visa", "pm_card_mastercard", "pm_nosuchcard"
DECLINED, THREE_D_SECURE = "pm_card_chargeDeclined", "pm_card_threeDSecure2Required"
MOST = 2


@pytest.fixture
def event_id(paying_shop: Any) -> EventId:
    """An event of which one card pays for two tickets."""
    found = an_event(paying_shop.engine)
    limit(paying_shop, found, MOST)
    return found


@pytest.fixture
def web(paying_shop, settings, simulator):
    with serving(Config.from_env({**settings, "ONSALE_STRIPE_API_BASE": simulator})) as served:
        yield served


def limit(shop: Any, event_id: EventId, most: int) -> None:
    run_sql(shop.engine, "UPDATE events SET tickets_per_card = :most WHERE id = :id", id=event_id, most=most)


def held(shop: Any, event_id: EventId, *seats: int, **more: Any) -> BookingId:
    """Somebody holds these seats."""
    tickets = tuple(seat(event_id, number) for number in seats)
    made = a_booking(shop.engine, event_id, Wish(tickets=tickets), number=seats[0], **more)
    work_lane(shop, event_id, last_look=True)
    return made


def give(shop: Any, booking_id: BookingId, card: str) -> None:
    """A card is given, and no worker has looked yet."""
    with transaction(shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=card, return_url="https://shop.example/back")


def pay(shop: Any, booking_id: BookingId, card: str) -> BookingState:
    """A card is tried, as far as it goes."""
    give(shop, booking_id, card)
    resume(shop, booking_id)
    return booking(shop.engine, booking_id).state


def says_yes(shop: Any, booking_id: BookingId) -> None:
    """The buyer on the bank's page that is open for the card that counts."""
    answers_the_bank(now(shop, booking_id).next_action_url or "", yes=True)


def now(shop: Any, booking_id: BookingId) -> charges.Attempt:
    with reading(shop.engine) as connection:
        found = charges.newest_attempt(connection, booking_id)
    assert found is not None
    return found


def charge_of(shop: Any, booking_id: BookingId) -> charges.Charge:
    with reading(shop.engine) as connection:
        found = charges.charge_of(connection, booking_id)
    assert found is not None
    return found


def outcomes(shop: Any, booking_id: BookingId) -> list[tuple[str, str]]:
    with reading(shop.engine) as connection:
        return [(one.payment_method, one.outcome) for one in payments.attempts(connection, booking_id)]


def payment(shop: Any, booking_id: BookingId) -> charges.Payment:
    found = charge_of(shop, booking_id).payment
    assert found is not None
    return found


def wrong(shop: Any, event_id: EventId) -> dict[str, tuple[str, ...]]:
    """What verify finds of limits and money."""
    found = verified(shop, event_id, agree_seconds=5.0).findings
    return {one.invariant: tuple(one.examples) for one in found if one.invariant in ("I2", "I9") and not one.ok}


def told(shop: Any, booking_id: BookingId) -> list[str]:
    """What `onsale why` says."""
    with reading(shop.engine) as connection:
        found = bookings.get(connection, booking_id)
        assert found is not None
        return [one.words for one in sentences(story_of(connection, found))]


@pytest.mark.parametrize("second", [NO_CARD, VISA], ids=["no card at all", "one over its own limit"])
def test_a_card_whose_bank_still_asks_counts_whatever_became_of_the_next_one(paying_shop, event_id, second):
    assert pay(paying_shop, held(paying_shop, event_id, 1, 2), VISA) is BookingState.CONFIRMED
    first, other = held(paying_shop, event_id, 3, 4), held(paying_shop, event_id, 5)
    assert pay(paying_shop, first, THREE_D_SECURE) is BookingState.REQUIRES_ACTION

    refused = pay(paying_shop, first, second)
    elsewhere = pay(paying_shop, other, THREE_D_SECURE)
    says_yes(paying_shop, first)
    resume(paying_shop, first)

    assert (refused, elsewhere) == (BookingState.REQUIRES_ACTION, BookingState.HELD)
    assert booking(paying_shop.engine, first).state is BookingState.CONFIRMED
    assert outcomes(paying_shop, first) == [(THREE_D_SECURE, "authorised"), (second, "declined")]
    assert wrong(paying_shop, event_id) == {}
    assert "Card 1: taken." in told(paying_shop, first)


def test_the_buyer_is_told_that_another_card_was_not_taken_and_that_the_bank_still_asks(paying_shop, event_id, web):
    assert pay(paying_shop, held(paying_shop, event_id, 1, 2), VISA) is BookingState.CONFIRMED
    person = web.guest()
    mine = held(paying_shop, event_id, 3, 4, buyer_id=person.id)
    buyer = Buyer(web, person, mine)
    buyer.pays(THREE_D_SECURE)
    resume(paying_shop, mine)
    link = buyer.page().bank_link

    person.post(f"/v1/bookings/{mine}/payment", {"payment_method": VISA}, key="another").raise_for_status()
    resume(paying_shop, mine)
    page, api = buyer.page(), buyer.api()
    back = answers_the_bank(link, yes=True)
    buyer.comes_back(back.headers["Location"])
    resume(paying_shop, mine)

    assert (page.title, page.bank_link) == ("Your bank wants you to confirm", link)
    assert page.alert.startswith("Another card was not taken. One card pays for at most 2 tickets of this show")
    assert page.alert.endswith("You were not charged. Your bank still asks about the card before it.")
    assert (api["state"], api["payment"]["attempt"], api["payment"]["next_action_url"]) == ("requires_action", 1, link)
    assert (api["payment"]["refused"]["attempt"], api["payment"]["refused"]["decline_code"]) == (2, "card_limit")
    assert buyer.page().title == "Enjoy the show"
    assert buyer.api()["payment"]["refused"] is None


def test_a_yes_that_comes_before_the_next_card_is_sent_is_the_first_cards(paying_shop, event_id):
    mine, other = held(paying_shop, event_id, 1, 2), held(paying_shop, event_id, 3)
    assert pay(paying_shop, mine, THREE_D_SECURE) is BookingState.REQUIRES_ACTION
    link = now(paying_shop, mine).next_action_url or ""
    give(paying_shop, mine, VISA)

    answers_the_bank(link, yes=True)
    resume(paying_shop, mine)

    assert booking(paying_shop.engine, mine).state is BookingState.CONFIRMED
    assert outcomes(paying_shop, mine) == [(THREE_D_SECURE, "authorised"), (VISA, "abandoned")]
    assert now(paying_shop, mine).payment_method == THREE_D_SECURE
    cards = [one for one in told(paying_shop, mine) if one.startswith("Card ")]
    assert cards == ["Card 1: taken.", "Card 2: given up and not charged: another one was asked, or answered first."]
    # The second one paid for nothing, and may.
    assert pay(paying_shop, other, THREE_D_SECURE) is BookingState.HELD
    assert pay(paying_shop, other, VISA) is BookingState.CONFIRMED
    assert wrong(paying_shop, event_id) == {}


def test_the_next_card_that_was_sent_ends_the_first_ones_question_and_its_count(paying_shop, event_id):
    mine, other = held(paying_shop, event_id, 1, 2), held(paying_shop, event_id, 3, 4)
    assert pay(paying_shop, mine, THREE_D_SECURE) is BookingState.REQUIRES_ACTION
    link = now(paying_shop, mine).next_action_url or ""

    assert pay(paying_shop, mine, DECLINED) is BookingState.HELD
    answers_the_bank(link, yes=True)
    resume(paying_shop, mine)

    assert outcomes(paying_shop, mine) == [(THREE_D_SECURE, "abandoned"), (DECLINED, "declined")]
    assert payment(paying_shop, mine).status == "requires_payment_method"
    assert (
        paying_shop.provider.retrieve_intent(payment(paying_shop, mine).intent_id).status == "requires_payment_method"
    )
    assert pay(paying_shop, other, THREE_D_SECURE) is BookingState.REQUIRES_ACTION


def over_its_limit(shop: Any, event_id: EventId) -> BookingId:
    """The bank reserved two tickets' money, when one card may no longer pay for two; no worker has looked yet."""
    mine = held(shop, event_id, 1, 2)
    assert pay(shop, mine, THREE_D_SECURE) is BookingState.REQUIRES_ACTION
    limit(shop, event_id, 1)
    says_yes(shop, mine)
    return mine


def test_money_reserved_by_a_card_over_its_limit_is_let_go_and_another_card_pays_by_another_intent(
    paying_shop, event_id
):
    mine = over_its_limit(paying_shop, event_id)
    first = payment(paying_shop, mine).intent_id

    resume(paying_shop, mine)

    refused, after = now(paying_shop, mine), booking(paying_shop.engine, mine)
    assert (after.state, after.voiding, after.reason) == (BookingState.HELD, False, None)
    assert (refused.outcome, refused.decline_code) == ("declined", "card_limit")
    assert refused.message is not None
    assert refused.message.endswith("you were not charged. Use another card.")
    assert paying_shop.provider.retrieve_intent(first).status == "canceled"
    assert set(ticket_states(paying_shop.engine, event_id).values()) >= {"held"}
    limit(paying_shop, event_id, MOST)
    assert pay(paying_shop, mine, MASTERCARD) is BookingState.CONFIRMED
    assert payment(paying_shop, mine).intent_id != first
    assert wrong(paying_shop, event_id) == {}


def test_the_page_says_that_the_card_cannot_pay_and_not_that_a_bank_declined_it(paying_shop, event_id, web):
    limit(paying_shop, event_id, 1)
    person = web.guest()
    mine = held(paying_shop, event_id, 1, 2, buyer_id=person.id)
    buyer = Buyer(web, person, mine)
    buyer.pays(VISA)
    resume(paying_shop, mine)
    refused = buyer.page()
    with transaction(paying_shop.engine) as connection:
        charges.new_attempt(connection, mine, payment_method=MASTERCARD)
        assert card_limits.let_go(connection, mine)

    letting_go = buyer.page()

    assert refused.alert.startswith("This card cannot pay. One card pays for at most 1 tickets of this show")
    assert refused.cards_offered
    assert letting_go.title == "This card may not pay for these tickets"
    assert "Payment released, tickets back on sale" not in [words for _, words in letting_go.timeline]


@pytest.mark.parametrize("lost", ["the mark", "the cancellation"])
def test_letting_a_card_go_is_carried_on_from_wherever_it_was_left(paying_shop, event_id, lost):
    mine = over_its_limit(paying_shop, event_id)
    STEPS[Step.AUTHORISE](paying_shop, charge_of(paying_shop, mine))
    assert booking(paying_shop.engine, mine).voiding
    if lost == "the cancellation":
        intent_id = payment(paying_shop, mine).intent_id
        paying_shop.provider.cancel_intent(intent_id, key=f"{mine}-limit-{intent_id}")

    resume(paying_shop, mine)

    assert booking(paying_shop.engine, mine).state is BookingState.HELD
    assert now(paying_shop, mine).decline_code == "card_limit"


def test_twins_without_a_lease_let_one_card_go_once_and_end_no_booking(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)

    three_at_once(paying_shop, mine, BookingState.HELD)

    assert outcomes(paying_shop, mine) == [(THREE_D_SECURE, "declined")]
    limit(paying_shop, event_id, MOST)
    give(paying_shop, mine, MASTERCARD)
    three_at_once(paying_shop, mine, BookingState.CONFIRMED)
    assert wrong(paying_shop, event_id) == {}


def three_at_once(shop: Any, booking_id: BookingId, end: BookingState) -> None:
    """Callers who do not know of each other, and come again as long as it has not ended: the bank sends twins away."""

    def ended() -> bool:
        with ThreadPoolExecutor(3) as pool:
            list(pool.map(lambda _: resume(shop, booking_id, lease_seconds=0), range(3)))
        return booking(shop.engine, booking_id).state is end

    until(ended, f"the booking is {end}")


def test_what_is_said_of_an_intent_that_was_replaced_means_nothing(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)
    stale = charge_of(paying_shop, mine)
    resume(paying_shop, mine)
    limit(paying_shop, event_id, MOST)
    assert pay(paying_shop, mine, THREE_D_SECURE) is BookingState.REQUIRES_ACTION

    # A twin that slept since before the first intent was cancelled.
    STEPS[Step.AUTHORISE](paying_shop, stale)

    after = booking(paying_shop.engine, mine)
    assert (after.state, after.voiding) == (BookingState.REQUIRES_ACTION, False)
    assert payment(paying_shop, mine).status == "requires_action"
    says_yes(paying_shop, mine)
    resume(paying_shop, mine)
    assert booking(paying_shop.engine, mine).state is BookingState.CONFIRMED


@pytest.mark.parametrize("far", ["cancelled at the bank", "reopened"])
def test_a_twin_that_finds_the_intent_cancelled_for_its_cards_sake_ends_no_booking(paying_shop, event_id, far):
    mine = over_its_limit(paying_shop, event_id)
    stale = charge_of(paying_shop, mine)
    if far == "reopened":
        resume(paying_shop, mine)
    else:
        STEPS[Step.AUTHORISE](paying_shop, stale)
        paying_shop.provider.cancel_intent(payment(paying_shop, mine).intent_id, key="the twin is not back yet")

    STEPS[Step.AUTHORISE](paying_shop, stale)
    resume(paying_shop, mine)

    after = booking(paying_shop.engine, mine)
    assert (after.state, after.voiding, after.reason) == (BookingState.HELD, False, None)
    limit(paying_shop, event_id, MOST)
    assert pay(paying_shop, mine, MASTERCARD) is BookingState.CONFIRMED


def test_a_word_from_before_an_intent_was_cancelled_brings_it_back_to_no_life(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)
    stale = charge_of(paying_shop, mine)
    reserved = paying_shop.provider.retrieve_intent(payment(paying_shop, mine).intent_id)
    resume(paying_shop, mine)
    give(paying_shop, mine, MASTERCARD)

    noted = note(paying_shop, stale, reserved, Seen.AUTHORISED)

    after = booking(paying_shop.engine, mine)
    assert (noted.ours, after.state, after.voiding) == (False, BookingState.AUTHORISING, False)
    assert payment(paying_shop, mine).let_go


def test_letting_the_first_card_go_once_more_takes_no_mark_off_the_second(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)
    first = payment(paying_shop, mine).intent_id
    resume(paying_shop, mine)
    limit(paying_shop, event_id, MOST)
    pay(paying_shop, mine, THREE_D_SECURE)
    limit(paying_shop, event_id, 1)
    says_yes(paying_shop, mine)
    STEPS[Step.AUTHORISE](paying_shop, charge_of(paying_shop, mine))
    with transaction(paying_shop.engine) as connection:
        assert not card_limits.reopen(connection, mine, 1, intent_id=first, message="")

    assert booking(paying_shop.engine, mine).voiding
    resume(paying_shop, mine)
    assert booking(paying_shop.engine, mine).state is BookingState.HELD
    assert [one for _, one in outcomes(paying_shop, mine)] == ["declined", "declined"]


def test_a_buyer_who_cancels_while_the_card_is_let_go_is_heard(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)
    intent_id = payment(paying_shop, mine).intent_id
    with transaction(paying_shop.engine) as connection:
        assert card_limits.let_go(connection, mine)
        holds.begin_voiding(connection, mine, reason="cancelled")

        assert not card_limits.reopen(connection, mine, 1, intent_id=intent_id, message="")
    resume(paying_shop, mine)

    assert booking(paying_shop.engine, mine).state is BookingState.CANCELLED
    assert set(ticket_states(paying_shop.engine, event_id).values()) == {"free"}


def test_a_twins_late_yes_moves_nothing_that_is_being_let_go(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)
    with transaction(paying_shop.engine) as connection:
        assert card_limits.let_go(connection, mine)

        assert charges.authorised(connection, mine, 1) is None


def test_what_a_twin_authorised_first_is_not_let_go(paying_shop, event_id):
    mine = over_its_limit(paying_shop, event_id)
    with transaction(paying_shop.engine) as connection:
        assert charges.authorised(connection, mine, 1) is not None

        assert not card_limits.let_go(connection, mine)


def test_verify_counts_the_card_that_paid_and_not_the_one_tried_last(paying_shop, event_id):
    mine = held(paying_shop, event_id, 1, 2)
    assert pay(paying_shop, mine, THREE_D_SECURE) is BookingState.REQUIRES_ACTION
    assert pay(paying_shop, mine, NO_CARD) is BookingState.REQUIRES_ACTION
    says_yes(paying_shop, mine)
    resume(paying_shop, mine)
    right = wrong(paying_shop, event_id)

    limit(paying_shop, event_id, 1)

    assert right == {}
    assert wrong(paying_shop, event_id) == {"I9": ("a card paid for 2 tickets, of at most 1",)}
