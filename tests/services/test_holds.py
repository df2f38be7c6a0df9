"""Holds: let go at their deadline and never before, by their own version; extended, cancelled and voided."""

from __future__ import annotations

import pytest
from sqlalchemy import Engine

from onsale.db import charges, holds, house_reading, lane
from onsale.db.allocation import allocate
from onsale.db.charges import Commit
from onsale.db.engine import transaction
from onsale.db.holds import EXTENSIONS_MAX
from onsale.db.house import House
from onsale.db.ids import BookingId, BuyerId, EventId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import HoldExpired, IllegalMove, NotFound
from tests.builders import a_booking, a_buyer, an_event, booking, let_the_hold_run_out, run_sql, seat, ticket_states

S = BookingState
CARD = "pm_card_visa"


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine)


@pytest.fixture
def buyer(engine: Engine) -> BuyerId:
    return a_buyer(engine)


def hold(engine: Engine, event_id: EventId, buyer: BuyerId, *, first: int = 1, number: int = 1) -> BookingId:
    """A booking that holds two seats."""
    wish = Wish(tickets=(seat(event_id, first), seat(event_id, first + 1)))
    found = a_booking(engine, event_id, wish, number=number, buyer_id=buyer)
    with transaction(engine) as connection:
        batch = lane.read_batch(connection, event_id)
        house = House()
        named = house_reading.prepare_house(connection, event_id, house, batch)
        lane.write_batch(connection, event_id, allocate(batch.requests, house, named), snapshot=batch.snapshot)
    assert booking(engine, found).state is S.HELD
    return found


@pytest.fixture
def held(engine: Engine, event_id: EventId, buyer: BuyerId) -> BookingId:
    return hold(engine, event_id, buyer)


def pay(engine: Engine, booking_id: BookingId) -> None:
    with transaction(engine) as connection:
        charges.new_attempt(connection, booking_id, payment_method=CARD)


def free(engine: Engine, event_id: EventId) -> int:
    return sum(state == "free" for state in ticket_states(engine, event_id).values())


# Expiry.


def test_an_expired_hold_frees_its_tickets_and_says_which(engine, event_id, buyer, held):
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection:
        (released,) = holds.expire(connection)

    assert (released.booking_id, released.state, released.buyer_id) == (held, S.EXPIRED, buyer)
    # The row's version has moved on twice: taken, freed.
    assert released.tickets == {seat(event_id, 1): 2, seat(event_id, 2): 2}
    assert free(engine, event_id) == 10
    assert booking(engine, held).reason == "deadline"


def test_no_hold_is_let_go_before_its_deadline(engine, event_id, held):
    with transaction(engine) as connection:
        assert holds.expire(connection) == ()

    assert free(engine, event_id) == 8


def test_expiring_twice_frees_once(engine, held):
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection:
        assert len(holds.expire(connection)) == 1
        assert holds.expire(connection) == ()


def test_a_hold_somebody_pays_for_is_not_expired_but_named(engine, event_id, held):
    pay(engine, held)
    let_the_hold_run_out(engine, held, seconds=5)

    with transaction(engine) as connection:
        assert holds.expire(connection) == ()
        (overdue,) = holds.paying_past_deadline(connection)

    assert (overdue.booking_id, overdue.intent_id, overdue.voiding) == (held, None, False)
    assert overdue.overdue_seconds == pytest.approx(5, abs=2)
    assert free(engine, event_id) == 8


def test_a_sweep_takes_the_oldest_first_and_no_more_than_it_may(engine, event_id, buyer):
    found = [hold(engine, event_id, buyer, first=2 * n - 1, number=n) for n in (1, 2, 3)]
    for booking_id, ago in zip(found, (10, 30, 20), strict=True):
        let_the_hold_run_out(engine, booking_id, seconds=ago)

    with transaction(engine) as connection:
        released = holds.expire(connection, limit=2)

    assert {one.booking_id for one in released} == {found[1], found[2]}


def test_a_sweep_may_be_for_one_event(engine, event_id, held):
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection:
        assert holds.expire(connection, event_id=EventId(event_id + 1)) == ()
        assert len(holds.expire(connection, event_id=event_id)) == 1


def test_a_ticket_that_is_another_bookings_by_now_stays_theirs(engine, event_id, buyer, held):
    other = hold(engine, event_id, buyer, first=5, number=2)
    # Wrong code gave a seat away under the hold.
    run_sql(
        engine,
        "UPDATE tickets SET booking_id = :other, version = version + 1 WHERE id = :id",
        other=other,
        id=seat(event_id, 1),
    )
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection:
        (released,) = holds.expire(connection)

    assert set(released.tickets) == {seat(event_id, 2)}
    assert ticket_states(engine, event_id)[seat(event_id, 1)] == "held"


def test_a_sweep_passes_by_a_booking_somebody_is_working_on(engine, held):
    let_the_hold_run_out(engine, held)

    with engine.begin() as other:
        holds.begin_voiding(other, held, reason="cancelled")
        with transaction(engine) as connection:
            assert holds.expire(connection) == ()


# Extending.


def test_the_buyer_may_move_the_deadline(engine, event_id, buyer, held):
    run_sql(engine, "UPDATE bookings SET hold_until = now() + interval '5 s'")

    with transaction(engine) as connection:
        extended = holds.extend(connection, held, buyer_id=buyer)

    moved = booking(engine, held)
    assert moved.hold_until == extended.hold_until
    assert extended.extensions_left == EXTENSIONS_MAX - 1
    with engine.connect() as connection:
        told = connection.exec_driver_sql("SELECT DISTINCT held_until FROM tickets WHERE state = 'held'").scalars()
        assert list(told) == [extended.hold_until]


def test_the_deadline_moves_ten_times_and_not_an_eleventh(engine, buyer, held):
    with transaction(engine) as connection:
        for left in range(EXTENSIONS_MAX - 1, -1, -1):
            assert holds.extend(connection, held, buyer_id=buyer).extensions_left == left

        with pytest.raises(IllegalMove):
            holds.extend(connection, held, buyer_id=buyer)


def test_a_deadline_that_has_passed_is_not_moved(engine, buyer, held):
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection, pytest.raises(HoldExpired):
        holds.extend(connection, held, buyer_id=buyer)


def test_an_extension_never_makes_a_hold_shorter(engine, buyer, held):
    run_sql(engine, "UPDATE bookings SET hold_until = now() + interval '1 day'")
    before = booking(engine, held).hold_until

    with transaction(engine) as connection:
        assert holds.extend(connection, held, buyer_id=buyer).hold_until == before


def test_somebody_elses_booking_is_neither_extended_nor_cancelled(engine, held):
    stranger = a_buyer(engine)

    with transaction(engine) as connection:
        with pytest.raises(NotFound):
            holds.extend(connection, held, buyer_id=stranger)
        with pytest.raises(NotFound):
            holds.cancel(connection, held, buyer_id=stranger)


# Cancelling.


def test_a_cancelled_hold_frees_its_tickets_and_cancelling_again_is_the_same(engine, event_id, buyer, held):
    with transaction(engine) as connection:
        first = holds.cancel(connection, held, buyer_id=buyer)
        second = holds.cancel(connection, held, buyer_id=buyer)

    assert first is not None
    assert second is not None
    assert (len(first.tickets), second.tickets) == (2, {})
    assert first.state is second.state is S.CANCELLED
    assert free(engine, event_id) == 10


@pytest.mark.parametrize("state", [S.WAITING, S.QUEUED])
def test_a_booking_may_be_cancelled_before_it_is_decided(engine, event_id, buyer, state):
    found = a_booking(engine, event_id, Wish(quantity=1), number=1, buyer_id=buyer, state=state)

    with transaction(engine) as connection:
        released = holds.cancel(connection, found, buyer_id=buyer)

    assert released is not None
    assert booking(engine, found).state is S.CANCELLED


def test_a_booking_being_paid_is_not_just_cancelled(engine, event_id, buyer, held):
    pay(engine, held)

    with transaction(engine) as connection:
        assert holds.cancel(connection, held, buyer_id=buyer) is None
    assert free(engine, event_id) == 8


def test_what_has_ended_cannot_be_cancelled(engine, buyer, held):
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection:
        holds.expire(connection)
        with pytest.raises(IllegalMove):
            holds.cancel(connection, held, buyer_id=buyer)


def test_what_has_ended_by_the_bank_cannot_be_cancelled_either(engine, buyer, held):
    pay(engine, held)

    with transaction(engine) as connection:
        holds.begin_voiding(connection, held, reason="expired")
        holds.end_voided(connection, held, state=S.EXPIRED)
        with pytest.raises(IllegalMove):
            holds.cancel(connection, held, buyer_id=buyer)


# Voiding.


def test_a_booking_being_voided_cannot_be_committed_until_the_mark_is_off(engine, held):
    pay(engine, held)
    with transaction(engine) as connection:
        charges.authorised(connection, held, 1)
        marked = holds.begin_voiding(connection, held, reason="deadline")
        again = holds.begin_voiding(connection, held, reason="another")
        assert charges.commit(connection, held) is Commit.GONE

        assert marked is not None
        assert again is not None
        assert (marked.reason, again.reason) == ("deadline", "deadline")
        assert holds.stop_voiding(connection, held)
        assert charges.commit(connection, held) is Commit.DONE


def test_what_is_committed_cannot_be_voided(engine, held):
    pay(engine, held)

    with transaction(engine) as connection:
        charges.authorised(connection, held, 1)
        charges.commit(connection, held)
        assert holds.begin_voiding(connection, held, reason="deadline") is None


def test_a_voided_booking_ends_once_and_frees_its_tickets(engine, event_id, held):
    pay(engine, held)
    with transaction(engine) as connection:
        assert holds.end_voided(connection, held, state=S.EXPIRED) is None
        holds.begin_voiding(connection, held, reason="deadline")
        released = holds.end_voided(connection, held, state=S.EXPIRED)
        assert holds.end_voided(connection, held, state=S.EXPIRED) is None

    assert released is not None
    assert (released.state, len(released.tickets)) == (S.EXPIRED, 2)
    assert (booking(engine, held).state, booking(engine, held).reason) == (S.EXPIRED, "deadline")
    assert free(engine, event_id) == 10


def test_a_hold_left_voiding_by_a_crash_is_found_by_the_next_sweep(engine, held):
    with transaction(engine) as connection:
        holds.begin_voiding(connection, held, reason="cancelled")
    let_the_hold_run_out(engine, held)

    with transaction(engine) as connection:
        assert holds.expire(connection) == ()
        assert [one.voiding for one in holds.paying_past_deadline(connection)] == [True]
