"""A letter is written with the move it tells of, once, and only to whom it can reach."""

from __future__ import annotations

from itertools import product

import pytest
from sqlalchemy import text

from onsale.db import charges, letters
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.letters import (
    AWAY_SECONDS,
    BACK_OFF_SECONDS_MAX,
    LEASE_SECONDS,
    LEGAL_MOVES,
    TRIES_MAX,
    LetterKind,
    LetterState,
)
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import IllegalMove, NotFound
from onsale.workers import payments
from onsale.workers.lanes import work_lane
from onsale.workers.letters import drawn
from tests.builders import an_event, booking, run_sql
from tests.services.post_office import (
    ADA,
    DECLINED,
    THREE_D_SECURE,
    a_reader,
    confirmed_free,
    hands_free,
    letters_of,
    make_due,
    the_letter,
)
from tests.services.selling_codes import FIVE_OFF, UNLOCK, a_booking_with, a_code

S = LetterState


def test_a_confirmed_booking_has_one_letter_with_its_tickets(paying_shop):
    booking_id = hands_free(paying_shop)

    letter = the_letter(paying_shop.engine, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.CONFIRMED
    assert (letter.kind, letter.state, letter.address) == (LetterKind.TICKETS, S.WAITING, ADA)


def test_the_letter_names_the_code_that_was_used_and_what_it_took_off(shop):
    event_id = an_event(shop.engine, sections=[NewSection(1, "Floor", 500, standing=1)])
    given = [a_code(shop.engine, event_id, FIVE_OFF, "FIVE"), a_code(shop.engine, event_id, UNLOCK, "FRIENDS")]
    buyer = a_reader(shop.engine)
    booking_id = a_booking_with(shop.engine, event_id, Wish(quantity=1), given, number=1, buyer_id=buyer)
    work_lane(shop, event_id, last_look=True)
    payments.resume(shop, booking_id)

    with reading(shop.engine) as connection:
        (letter,) = letters.of_booking(connection, booking_id)
        text_of = drawn(connection, letter, public_url="https://x.example").text

    assert [line.strip() for line in text_of.splitlines() if "ode" in line] == [
        "Code FIVE took 5.00 EUR off these prices."
    ]


def test_a_booking_that_costs_nothing_has_its_letter_too(shop):
    (booking_id,) = confirmed_free(shop)

    assert the_letter(shop.engine, booking_id).kind is LetterKind.TICKETS


def test_the_letter_is_in_the_transaction_of_the_move(shop):
    (booking_id,) = confirmed_free(shop)
    run_sql(shop.engine, "DELETE FROM letters")
    # As it stood before its last move, behind the triggers' back.
    with shop.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("UPDATE bookings SET state = 'committed'"))

    with shop.engine.connect() as connection:
        assert charges.confirm_without_charge(connection, booking_id)
        inside = len(letters.of_booking(connection, booking_id))
        connection.rollback()

    assert (inside, letters_of(shop.engine, booking_id)) == (1, [])


def test_a_step_that_runs_twice_writes_one_letter(paying_shop):
    booking_id = hands_free(paying_shop)
    first = the_letter(paying_shop.engine, booking_id)

    # The same statement over the same row once more, as after a crash between two commits.
    with paying_shop.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM captures"))
        connection.execute(text("UPDATE bookings SET state = 'committed'"))
    with transaction(paying_shop.engine) as connection:
        again = charges.captured(connection, booking_id, amount_minor=4500)
    payments.resume(paying_shop, booking_id)

    assert again
    assert the_letter(paying_shop.engine, booking_id) == first


def test_without_the_unique_key_there_would_be_two(paying_shop):
    booking_id = hands_free(paying_shop)
    run_sql(paying_shop.engine, "ALTER TABLE letters DROP CONSTRAINT uq_letters_booking_kind")
    with paying_shop.engine.begin() as connection:
        connection.execute(text("SET LOCAL session_replication_role = replica"))
        connection.execute(text("DELETE FROM captures"))
        connection.execute(text("UPDATE bookings SET state = 'committed'"))

    with transaction(paying_shop.engine) as connection:
        charges.captured(connection, booking_id, amount_minor=4500)

    assert len(letters_of(paying_shop.engine, booking_id)) == 2


def test_a_buyer_without_an_address_gets_no_letter(paying_shop):
    assert letters_of(paying_shop.engine, hands_free(paying_shop, email=None)) == []
    assert letters_of(paying_shop.engine, hands_free(paying_shop, THREE_D_SECURE, email=None)) == []


@pytest.mark.parametrize(
    ("card", "state"), [(THREE_D_SECURE, BookingState.REQUIRES_ACTION), (DECLINED, BookingState.HELD)]
)
def test_a_buyer_who_is_away_is_told_that_a_hands_free_booking_needs_them(paying_shop, card, state):
    booking_id = hands_free(paying_shop, card)

    assert booking(paying_shop.engine, booking_id).state is state
    assert the_letter(paying_shop.engine, booking_id).kind is LetterKind.NEEDS_BUYER


def test_a_buyer_who_is_there_and_tries_another_card_is_not_written_to(paying_shop):
    booking_id = hands_free(paying_shop, DECLINED)
    run_sql(paying_shop.engine, "DELETE FROM letters")
    with transaction(paying_shop.engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=THREE_D_SECURE, return_url="https://x.example/")

    payments.resume(paying_shop, booking_id)

    assert booking(paying_shop.engine, booking_id).state is BookingState.REQUIRES_ACTION
    assert letters_of(paying_shop.engine, booking_id) == []


# How a letter moves.


@pytest.fixture
def letter(shop):
    (booking_id,) = confirmed_free(shop)
    return the_letter(shop.engine, booking_id)


def test_only_the_legal_moves_can_be_made(engine, letter):
    made = set()
    for before, after in product(S, S):
        run_sql(engine, "UPDATE letters SET state = :state", state=before.value)
        with transaction(engine) as connection:
            if letters.end(connection, letter, after):
                made.add((before, after))

    assert made == {(before, after) for before in S for after in LEGAL_MOVES[before]}


def test_a_letter_that_was_taken_is_nobody_elses_until_the_lease_is_over(engine, letter):
    with transaction(engine) as connection:
        taken, then = letters.claim(connection), letters.claim(connection)
    run_sql(engine, "UPDATE letters SET due_at = due_at - :lease * interval '1 second'", lease=LEASE_SECONDS)
    with transaction(engine) as connection:
        again = letters.claim(connection)

    assert (taken.id, then, again.id) == (letter.id, None, letter.id)
    assert (taken.tries, again.tries) == (1, 2)


def test_who_lost_a_letter_can_neither_send_nor_end_it(engine, letter):
    with transaction(engine) as connection:
        slow = letters.claim(connection)
    make_due(engine)
    with transaction(engine) as connection:
        letters.claim(connection)

    with transaction(engine) as connection:
        assert not letters.begin_sending(connection, slow)
        assert not letters.end(connection, slow, S.FAILED)


def test_two_workers_at_once_take_different_letters(shop):
    confirmed_free(shop, 2)

    with shop.engine.begin() as one, shop.engine.begin() as other:
        assert letters.claim(one).id != letters.claim(other).id
        assert letters.claim(other) is None


def test_what_is_urgent_goes_first_however_many_wait(paying_shop):
    confirmed_free(paying_shop, 3)
    urgent = hands_free(paying_shop, THREE_D_SECURE)

    with transaction(paying_shop.engine) as connection:
        assert letters.claim(connection).booking_id == urgent


@pytest.mark.parametrize(("tries", "seconds"), [(1, 10), (2, 20), (5, 160), (9, 2560), (10, BACK_OFF_SECONDS_MAX)])
def test_each_try_waits_twice_as_long_up_to_an_hour(engine, letter, tries, seconds):
    run_sql(engine, "UPDATE letters SET tries = :tries - 1", tries=tries)
    with transaction(engine) as connection:
        state = letters.put_off(connection, letters.claim(connection), why="450 later")

    assert state is S.WAITING
    assert seconds - 5 < due_in(engine) <= seconds


def test_the_last_try_ends_it(engine, letter):
    run_sql(engine, "UPDATE letters SET tries = :tries", tries=TRIES_MAX - 1)

    with transaction(engine) as connection:
        state = letters.put_off(connection, letters.claim(connection), why="450 later")

    assert (state, the_letter(engine, letter.booking_id).state) == (S.FAILED, S.FAILED)


def test_a_server_that_is_away_costs_a_letter_no_try(engine, letter):
    with transaction(engine) as connection:
        letters.not_tried(connection, letters.claim(connection), why="away")

    assert the_letter(engine, letter.booking_id).tries == 0
    assert AWAY_SECONDS - 5 < due_in(engine) <= AWAY_SECONDS


@pytest.mark.parametrize(
    ("change", "state"),
    [
        ("state = 'sending'", S.UNCLEAR),
        (f"tries = {TRIES_MAX}", S.FAILED),
        (f"since = clock_timestamp() - {letters.WAIT_SECONDS_MAX + 1} * interval '1 second'", S.FAILED),
        (f"since = clock_timestamp() - {letters.WAIT_SECONDS_MAX - 60} * interval '1 second'", S.WAITING),
        (f"tries = {TRIES_MAX - 1}", S.WAITING),
    ],
)
def test_what_a_dead_worker_left_and_what_is_too_old_is_given_up(engine, letter, change, state):
    run_sql(engine, f"UPDATE letters SET {change}")
    with transaction(engine) as connection:
        letters.give_up(connection)

    assert the_letter(engine, letter.booking_id).state is state


def test_a_letter_that_is_being_sent_is_not_given_up(engine, letter):
    with transaction(engine) as connection:
        letters.begin_sending(connection, letters.claim(connection))

    with transaction(engine) as connection:
        assert letters.give_up(connection) == ()


@pytest.mark.parametrize("state", [S.FAILED, S.UNCLEAR])
def test_an_operator_may_have_it_sent_once_more_with_all_tries(engine, letter, state):
    run_sql(engine, "UPDATE letters SET state = :state, tries = 40", state=state.value)

    with transaction(engine) as connection:
        again = letters.retry(connection, letter.id)

    assert (again.state, again.tries, again.version) == (S.WAITING, 0, letter.version + 1)


@pytest.mark.parametrize("state", [S.WAITING, S.SENDING, S.SENT, S.DROPPED])
def test_what_was_sent_or_is_on_its_way_is_not_sent_again(engine, letter, state):
    run_sql(engine, "UPDATE letters SET state = :state", state=state.value)

    with transaction(engine) as connection, pytest.raises(IllegalMove):
        letters.retry(connection, letter.id)


def test_there_is_no_sending_again_of_nothing(engine, letter):
    with transaction(engine) as connection, pytest.raises(NotFound):
        letters.retry(connection, letter.booking_id)


def test_the_numbers_say_how_long_the_oldest_has_been_waiting(shop):
    confirmed_free(shop, 3)
    run_sql(shop.engine, "UPDATE letters SET state = 'unclear' WHERE id IN (SELECT id FROM letters LIMIT 1)")
    run_sql(shop.engine, "UPDATE letters SET since = since - interval '100 s'")

    with transaction(shop.engine) as connection:
        numbers = letters.numbers(connection)

    assert numbers.by_state == {S.WAITING: 2, S.UNCLEAR: 1}
    assert 100 <= numbers.late_seconds < 130


def due_in(engine) -> float:
    with engine.connect() as connection:
        return float(
            connection.execute(text("SELECT extract(epoch FROM due_at - clock_timestamp()) FROM letters")).scalar()
        )
