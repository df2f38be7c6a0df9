"""Payments in the record: one intent, cards one after the other, sold once, captured once, and nothing forgotten."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from sqlalchemy import Engine, text

from onsale.db import bookings, charges, holds, house_reading, lane, sql
from onsale.db.allocation import allocate
from onsale.db.catalogue import NewSection
from onsale.db.charges import ATTEMPTS_MAX, AttemptOutcome, Commit, Received
from onsale.db.engine import make_engine, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, EventId, event_of_booking
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import HoldExpired, IllegalMove, NotFound
from tests.builders import a_booking, a_buyer, an_event, booking, let_the_hold_run_out, run_sql, seat, ticket_states

S = BookingState
VISA, MASTERCARD = "pm_card_visa", "pm_card_mastercard"
PRICE = 9000
TWINS = 8


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine)


def hold(engine: Engine, event_id: EventId, *, payment_method: str | None = None, number: int = 1) -> BookingId:
    """A booking that holds two seats."""
    found = a_booking(engine, event_id, Wish(quantity=2), number=number, payment_method=payment_method)
    with transaction(engine) as connection:
        batch = lane.read_batch(connection, event_id)
        house = House()
        named = house_reading.prepare_house(connection, event_id, house, batch)
        lane.write_batch(connection, event_id, allocate(batch.requests, house, named), snapshot=batch.snapshot)
    return found


@pytest.fixture
def held(engine: Engine, event_id: EventId) -> BookingId:
    return hold(engine, event_id)


def attempt(engine: Engine, booking_id: BookingId, card: str = VISA) -> charges.Attempt:
    with transaction(engine) as connection:
        return charges.new_attempt(connection, booking_id, payment_method=card, return_url="https://x/back")


def intent(engine: Engine, booking_id: BookingId, intent_id: str = "pi_1") -> charges.Payment | None:
    with transaction(engine) as connection:
        return charges.intent_created(
            connection,
            booking_id,
            intent_id=intent_id,
            client_secret="pi_1_secret",
            status="requires_confirmation",
            amount_minor=PRICE,
            currency="eur",
        )


@pytest.fixture
def authorised(engine: Engine, held: BookingId) -> BookingId:
    attempt(engine, held)
    intent(engine, held)
    with transaction(engine) as connection:
        assert charges.authorised(connection, held, 1) is not None
    return held


def commit(engine: Engine, booking_id: BookingId, *, twin_guard: bool = True) -> Commit:
    with transaction(engine) as connection:
        return charges.commit(connection, booking_id, twin_guard=twin_guard)


# Cards.


def test_a_card_is_stored_before_anybody_is_asked(engine, held):
    made = attempt(engine, held)

    with transaction(engine) as connection:
        charge = charges.charge_of(connection, held)
    assert charge is not None
    assert charge.attempt == made
    assert (made.attempt, made.payment_method, made.return_url) == (1, VISA, "https://x/back")
    assert made.key == f"{held}-1"
    assert (charge.booking.state, charge.payment) == (S.AUTHORISING, None)


def test_paying_makes_the_hold_last_at_least_the_time_to_pay(engine, event_id, held):
    run_sql(engine, "UPDATE bookings SET hold_until = now() + interval '3 s'")

    attempt(engine, held)

    with engine.connect() as connection:
        left = connection.execute(text("SELECT min(held_until) - now() > '9 min' FROM tickets WHERE state = 'held'"))
        assert left.scalar() is True
    assert booking(engine, held).hold_until > booking(engine, held).created_at


def test_the_same_card_again_is_the_attempt_under_way(engine, held):
    assert attempt(engine, held) == attempt(engine, held)


def test_another_card_waits_until_the_first_has_answered(engine, held):
    attempt(engine, held)

    with pytest.raises(IllegalMove):
        attempt(engine, held, MASTERCARD)


def test_a_declined_card_keeps_the_hold_and_its_deadline_and_another_may_be_tried(engine, held):
    attempt(engine, held)
    before = booking(engine, held)

    with transaction(engine) as connection:
        after = charges.declined(connection, held, 1, decline_code="insufficient_funds", message="Not enough money.")
        told = charges.newest_attempt(connection, held)

    assert after is not None
    assert told is not None
    assert (after.state, after.hold_until) == (S.HELD, before.hold_until)
    assert (told.outcome, told.decline_code) == (AttemptOutcome.DECLINED, "insufficient_funds")
    assert attempt(engine, held, MASTERCARD).attempt == 2


def test_a_late_word_about_an_earlier_card_changes_nothing(engine, held):
    attempt(engine, held)
    with transaction(engine) as connection:
        charges.declined(connection, held, 1, decline_code="x", message="")
    attempt(engine, held, MASTERCARD)

    with transaction(engine) as connection:
        assert charges.declined(connection, held, 1, decline_code="x", message="") is None
        assert charges.requires_action(connection, held, 1, next_action_url="https://bank") is None
    assert booking(engine, held).state is S.AUTHORISING


def test_a_card_whose_bank_asks_may_be_given_up_for_another(engine, held):
    attempt(engine, held)
    with transaction(engine) as connection:
        asked = charges.requires_action(connection, held, 1, next_action_url="https://bank")
    assert asked is not None
    assert asked.state is S.REQUIRES_ACTION
    assert attempt(engine, held).next_action_url == "https://bank"

    second = attempt(engine, held, MASTERCARD)

    # Only the bank's word on the second one ends what is asked about the first.
    assert (second.attempt, booking(engine, held).state) == (2, S.AUTHORISING)
    assert outcomes(engine) == ["requires_action", "pending"]
    with transaction(engine) as connection:
        charges.requires_action(connection, held, 2, next_action_url="https://other.bank")
    assert outcomes(engine) == ["abandoned", "requires_action"]


def test_a_card_refused_before_its_bank_was_asked_leaves_the_question_about_the_first_one(engine, held):
    attempt(engine, held)
    with transaction(engine) as connection:
        charges.requires_action(connection, held, 1, next_action_url="https://bank")
    attempt(engine, held, MASTERCARD)

    with transaction(engine) as connection:
        after = charges.declined(connection, held, 2, decline_code="x", message="", heard=False)
        counts = charges.newest_attempt(connection, held)

    assert after is not None
    assert counts is not None
    assert (after.state, counts.attempt, counts.next_action_url) == (S.REQUIRES_ACTION, 1, "https://bank")
    assert outcomes(engine) == ["requires_action", "declined"]
    assert attempt(engine, held, "pm_third").attempt == 3


def outcomes(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        found = connection.execute(text("SELECT outcome FROM payment_attempts ORDER BY attempt"))
        return list(found.scalars())


def test_so_many_cards_may_be_tried_and_not_one_more(engine, held):
    for number in range(1, ATTEMPTS_MAX + 1):
        assert attempt(engine, held, f"pm_{number}").attempt == number
        with transaction(engine) as connection:
            charges.declined(connection, held, number, decline_code="x", message="")

    with pytest.raises(IllegalMove):
        attempt(engine, held, "pm_one_more")


def test_a_late_payer_is_told_and_not_charged(engine, event_id, held):
    let_the_hold_run_out(engine, held)
    with pytest.raises(HoldExpired):
        attempt(engine, held)
    with transaction(engine) as connection:
        holds.expire(connection)

    with pytest.raises(HoldExpired):
        attempt(engine, held)

    assert set(ticket_states(engine, event_id).values()) == {"free"}


def test_only_the_buyer_pays_and_only_for_what_there_is(engine, event_id, held):
    with transaction(engine) as connection:
        with pytest.raises(NotFound):
            charges.new_attempt(connection, held, payment_method=VISA, buyer_id=a_buyer(engine))
        queued = a_booking(engine, event_id, Wish(quantity=1), number=9)
        with pytest.raises(IllegalMove):
            charges.new_attempt(connection, queued, payment_method=VISA)


# The intent, the lease, the webhooks.


def test_a_sale_is_found_by_its_booking_on_tables_nobody_has_analysed(engine, authorised):
    """Else each sale of a first crowd would read all that were made before it."""
    arguments = {"event_id": event_of_booking(authorised), "id": authorised}
    with engine.connect() as connection:
        rows = connection.execute(text(f"EXPLAIN {sql.load('commit_booking')}"), arguments).scalars()
        plan = "\n".join(rows)

    assert "pk_booking_tickets" in plan
    assert "sale_index" not in plan


def test_a_booking_has_one_intent_and_the_first_stays(engine, held):
    first = intent(engine, held)

    assert first is not None
    assert intent(engine, held, "pi_2") is None
    with transaction(engine) as connection:
        charge = charges.charge_of(connection, held)
    assert charge is not None
    assert charge.payment == first
    with transaction(engine) as connection:
        assert bookings.of_intent(connection, "pi_1") == held
        assert bookings.of_intent(connection, "pi_2") is None


def test_what_was_captured_never_shrinks(engine, held):
    intent(engine, held)

    with transaction(engine) as connection:
        charges.intent_seen(connection, held, intent_id="pi_1", status="succeeded", captured_minor=PRICE)
        charges.intent_seen(connection, held, intent_id="pi_1", status="requires_capture", void_reason="deadline")
        charges.intent_seen(connection, held, intent_id="pi_1", status="requires_capture", void_reason="another")
        found = charges.charge_of(connection, held).payment

    assert found is not None
    assert (found.captured_minor, found.void_reason) == (PRICE, "deadline")


def test_one_has_the_lease_until_it_is_given_back_or_runs_out(engine, held):
    with transaction(engine) as connection:
        assert charges.claim(connection, held)
        assert not charges.claim(connection, held)
        charges.unclaim(connection, held)
        assert charges.claim(connection, held, lease_seconds=0)
        assert charges.claim(connection, held)


def test_a_webhook_is_new_once(engine):
    with transaction(engine) as connection:
        first = charges.webhook_received(connection, "evt_1", "payment_intent.succeeded")
        again = charges.webhook_received(connection, "evt_1", "payment_intent.succeeded")

    assert (first, again) == (Received(True, None, False), Received(False, None, False))


def test_a_webhook_is_told_how_far_its_booking_is_and_whether_somebody_works_on_it(engine, held):
    def received() -> Received:
        with transaction(engine) as connection:
            return charges.webhook_received(connection, "evt_1", "payment_intent.succeeded", booking_id=held)

    before = received()
    with transaction(engine) as connection:
        charges.claim(connection, held)
    during = received()
    with transaction(engine) as connection:
        charges.unclaim(connection, held)
    after = received()

    assert before == Received(True, BookingState.HELD, False)
    assert during == Received(False, BookingState.HELD, True)
    assert after == Received(False, BookingState.HELD, False)


# Commit and capture.


def test_commit_sells_exactly_what_was_held(engine, event_id, authorised):
    assert commit(engine, authorised) is Commit.DONE

    assert booking(engine, authorised).state is S.COMMITTED
    assert sorted(ticket_states(engine, event_id).values()) == ["free"] * 8 + ["sold"] * 2


def test_a_twin_finds_it_done_and_does_not_say_gone(engine, authorised):
    assert commit(engine, authorised) is Commit.DONE
    assert commit(engine, authorised) is Commit.ALREADY

    with transaction(engine) as connection:
        assert charges.captured(connection, authorised, amount_minor=PRICE)
    assert commit(engine, authorised) is Commit.ALREADY


def test_without_its_guard_a_twin_would_say_gone_and_the_payment_be_cancelled(engine, authorised):
    commit(engine, authorised)

    assert commit(engine, authorised, twin_guard=False) is Commit.GONE


def test_of_many_twins_at_the_same_moment_one_does_it(record_url, event_id, authorised):
    engine = make_engine(record_url, pool_size=TWINS)
    together = Barrier(TWINS)

    def twin(_: int) -> Commit:
        with transaction(engine) as connection:
            connection.execute(text("SELECT 1"))
            together.wait(timeout=20)
            return charges.commit(connection, authorised)

    try:
        with ThreadPoolExecutor(TWINS) as pool:
            found = list(pool.map(twin, range(TWINS)))
    finally:
        engine.dispose()

    assert sorted(found) == [Commit.ALREADY] * (TWINS - 1) + [Commit.DONE]


def test_a_hold_whose_ticket_is_gone_sells_nothing(engine, event_id, authorised):
    run_sql(
        engine,
        "UPDATE tickets SET version = version + 1 WHERE id = (SELECT min(id) FROM tickets WHERE state = 'held')",
    )

    assert commit(engine, authorised) is Commit.GONE

    assert booking(engine, authorised).state is S.AUTHORISED
    assert "sold" not in ticket_states(engine, event_id).values()


def test_a_hold_that_has_ended_sells_nothing(engine, event_id, authorised):
    with transaction(engine) as connection:
        holds.begin_voiding(connection, authorised, reason="deadline")
        holds.end_voided(connection, authorised, state=S.EXPIRED)

    assert commit(engine, authorised) is Commit.GONE
    assert set(ticket_states(engine, event_id).values()) == {"free"}


def test_a_commit_waits_for_a_voiding_and_then_gives_way(record_url, engine, authorised):
    other = make_engine(record_url)
    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            holds.begin_voiding(connection, authorised, reason="deadline")
            result = pool.submit(commit, other, authorised)
        assert result.result(timeout=20) is Commit.GONE
    other.dispose()


def test_what_was_not_authorised_is_not_committed(engine, held):
    with pytest.raises(IllegalMove):
        commit(engine, held)


def test_a_booking_that_costs_nothing_needs_no_card(engine):
    event_id = an_event(engine, sections=(NewSection(1, "Free", 0, rows=1, seats_per_row=4),))
    found = hold(engine, event_id)
    with transaction(engine) as connection:
        # Its wake-up may be lost: nobody else would look at it before it expires.
        assert charges.unpaid_with_card(connection, older_than_seconds=0) == (found,)

    assert commit(engine, found) is Commit.DONE
    with transaction(engine) as connection:
        assert charges.unpaid_with_card(connection, older_than_seconds=0) == ()
        assert charges.confirm_without_charge(connection, found)
        assert not charges.confirm_without_charge(connection, found)
    assert booking(engine, found).state is S.CONFIRMED


def test_the_money_is_taken_once(engine, authorised):
    commit(engine, authorised)

    with transaction(engine) as connection:
        assert charges.captured(connection, authorised, amount_minor=PRICE)
        assert not charges.captured(connection, authorised, amount_minor=PRICE)
        found = charges.charge_of(connection, authorised).payment

    confirmed = booking(engine, authorised)
    assert confirmed.state is S.CONFIRMED
    assert confirmed.ended_at is not None
    assert found is not None
    assert (found.status, found.captured_minor) == ("succeeded", PRICE)


def test_nothing_is_captured_before_the_tickets_are_sold(engine, authorised):
    with transaction(engine) as connection:
        assert not charges.captured(connection, authorised, amount_minor=PRICE)

    assert booking(engine, authorised).state is S.AUTHORISED


# What a crash left.


def test_a_saved_card_that_was_never_tried_is_found(engine, event_id, held):
    saved = hold(engine, event_id, payment_method=VISA, number=2)

    with transaction(engine) as connection:
        assert charges.unpaid_with_card(connection, older_than_seconds=0) == (saved,)
        assert charges.unpaid_with_card(connection, older_than_seconds=60) == ()
        charges.new_attempt(connection, saved, payment_method=VISA)
        assert charges.unpaid_with_card(connection, older_than_seconds=0) == ()


def test_a_payment_without_news_is_found_unless_somebody_is_at_it(engine, held):
    with transaction(engine) as connection:
        assert charges.stuck(connection, older_than_seconds=0) == ()
    attempt(engine, held)

    with transaction(engine) as connection:
        assert charges.stuck(connection, older_than_seconds=0) == (held,)
        assert charges.stuck(connection, older_than_seconds=60) == ()
        charges.claim(connection, held)
        assert charges.stuck(connection, older_than_seconds=0) == ()
        charges.unclaim(connection, held)
        assert charges.stuck(connection, older_than_seconds=60) == ()
        assert charges.stuck(connection, older_than_seconds=0) == (held,)


def test_a_booking_sold_and_not_yet_charged_is_found(engine, authorised):
    commit(engine, authorised)

    with transaction(engine) as connection:
        assert charges.stuck(connection, older_than_seconds=0) == (authorised,)


def test_an_intent_whose_booking_ended_is_to_be_cancelled_until_it_is(engine, held):
    attempt(engine, held)
    intent(engine, held)
    with transaction(engine) as connection:
        assert charges.to_cancel(connection) == ()
        holds.begin_voiding(connection, held, reason="deadline")
        holds.end_voided(connection, held, state=S.EXPIRED)
        (left,) = charges.to_cancel(connection)
        assert (left.booking_id, left.intent_id, left.captured_minor) == (held, "pi_1", 0)
        assert charges.to_cancel(connection, older_than_seconds=60) == ()

        charges.intent_seen(connection, held, intent_id="pi_1", status="canceled")
        assert charges.to_cancel(connection) == ()


def test_money_taken_for_a_booking_that_ended_is_found_until_it_is_refunded(engine, held):
    attempt(engine, held)
    intent(engine, held)
    with transaction(engine) as connection:
        holds.begin_voiding(connection, held, reason="deadline")
        holds.end_voided(connection, held, state=S.EXPIRED)
        charges.intent_seen(connection, held, intent_id="pi_1", status="succeeded", captured_minor=PRICE)
        assert [one.captured_minor for one in charges.to_cancel(connection)] == [PRICE]

        charges.intent_seen(connection, held, intent_id="pi_1", status="refunded", captured_minor=PRICE)
        assert charges.to_cancel(connection) == ()


def test_a_hold_pays_for_its_own_seats_only(engine, event_id, authorised):
    other = hold(engine, event_id, number=2)
    commit(engine, authorised)

    with transaction(engine) as connection:
        sold = {one.ticket_id for one in bookings.tickets_of(connection, authorised)}
        kept = {one.ticket_id for one in bookings.tickets_of(connection, other)}
    found = ticket_states(engine, event_id)
    assert {found[one] for one in sold} == {"sold"}
    assert {found[one] for one in kept} == {"held"}
    assert found[seat(event_id, 1)] == "free"
