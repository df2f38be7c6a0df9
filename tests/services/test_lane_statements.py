"""The lane's statements: order, guards, what is read and what is written, without any task."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from sqlalchemy import Engine, text

from onsale.db import allocation, bookings, holds, house_reading, lane, queue_settings, sql
from onsale.db.allocation import Decision, Outcome, Refusal, Taken
from onsale.db.catalogue import NewSection
from onsale.db.engine import make_engine, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, EventId
from onsale.db.lane import AllocationStale, Batch, Written
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from tests.builders import a_booking, a_buyer, an_event, booking, run_sql, seat, states, ticket_states

WAITING = BookingState.WAITING
TWO_SECTIONS = (
    NewSection(1, "Stalls", 5000, rows=2, seats_per_row=6),
    NewSection(2, "Standing", 3000, standing=5),
)


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine, sections=TWO_SECTIONS)


@pytest.fixture
def house() -> House:
    return House()


def read(engine: Engine, event_id: EventId, *, limit: int = 100) -> Batch:
    with transaction(engine) as connection:
        return lane.read_batch(connection, event_id, limit=limit)


def work(engine: Engine, event_id: EventId, house: House) -> tuple[tuple[Decision, ...], Written]:
    """One batch, as the worker does it."""
    with transaction(engine) as connection:
        assert lane.take(connection, event_id).taken
        batch = lane.read_batch(connection, event_id)
        named = house_reading.prepare_house(connection, event_id, house, batch)
        decisions = allocation.allocate(batch.requests, house, named)
        written = lane.write_batch(connection, event_id, decisions, snapshot=batch.snapshot)
        house.wrote(written.changes)
    return decisions, written


# Order.


def test_only_one_has_the_lane_until_the_transaction_ends(engine, event_id):
    with engine.begin() as one, engine.begin() as other:
        assert lane.take(one, event_id).taken
        assert not lane.take(other, event_id).taken
        assert lane.take(other, EventId(event_id + 1)).taken
        one.commit()
    with engine.begin() as other:
        assert lane.take(other, event_id).taken


def test_a_batch_is_in_the_order_of_the_numbers_not_of_arrival(engine, event_id):
    late = [a_booking(engine, event_id, Wish(quantity=1), number=number) for number in (30, 10, 20)]

    batch = read(engine, event_id)

    assert [one.number for one in batch.bookings] == [10, 20, 30]
    assert {one.id for one in batch.bookings} == set(late)
    assert [one.number for one in read(engine, event_id, limit=2).bookings] == [10, 20]


def test_a_batch_says_what_the_allocator_and_the_followers_need(engine, event_id):
    buyer = a_buyer(engine)
    a_booking(engine, event_id, Wish(quantity=2), number=1, buyer_id=buyer)
    work(engine, event_id, House())
    wish = Wish(tickets=(seat(event_id, 3),), or_similar=True)
    found = a_booking(engine, event_id, wish, number=2, buyer_id=buyer, payment_method="pm_card")

    (one,) = read(engine, event_id).bookings

    assert (one.id, one.number, one.admission_id, one.has_payment_method) == (found, 2, "2", True)
    assert (one.request.wishes, one.request.buyer_taken, one.request.buyer_limit) == ((wish,), 2, 8)


def test_hands_free_bookings_are_queued_when_their_turn_has_come(engine, event_id):
    ids = [
        a_booking(engine, event_id, Wish(quantity=1), number=number, state=WAITING, payment_method="pm")
        for number in (1, 2, 3)
    ]
    run_sql(engine, "UPDATE bookings SET return_number = 1 WHERE id = :id", id=ids[0])

    with transaction(engine) as connection:
        assert lane.queue_admitted(connection, event_id, serving=2, return_serving=0) == 1
        assert lane.queue_admitted(connection, event_id, serving=2, return_serving=0) == 0
    assert states(engine, ids) == ["waiting", "queued", "waiting"]

    with transaction(engine) as connection:
        assert lane.queue_admitted(connection, event_id, serving=2, return_serving=1) == 1
    assert states(engine, ids) == ["queued", "queued", "waiting"]
    assert booking(engine, ids[0]).queued_at is not None


def test_at_most_so_many_are_queued_at_once_and_the_lowest_first(engine, event_id):
    ids = [a_booking(engine, event_id, Wish(quantity=1), number=n, state=WAITING) for n in (3, 1, 2)]

    with transaction(engine) as connection:
        assert lane.queue_admitted(connection, event_id, serving=9, return_serving=0, limit=2) == 2

    assert states(engine, ids) == ["waiting", "queued", "queued"]


def test_the_order_can_be_proved_afterwards(engine, event_id, house):
    first = a_booking(engine, event_id, Wish(quantity=1), number=1)
    work(engine, event_id, house)
    later = a_booking(engine, event_id, Wish(quantity=1), number=2)
    work(engine, event_id, house)

    visible = """SELECT pg_visible_in_snapshot(queued.queued_xid, decided.batch_snapshot)
                   FROM bookings queued, bookings decided WHERE queued.id = :queued AND decided.id = :decided"""
    with engine.connect() as connection:
        assert connection.execute(text(visible), {"queued": first, "decided": first}).scalar() is True
        assert connection.execute(text(visible), {"queued": later, "decided": first}).scalar() is False


def test_a_lane_whose_selling_is_stopped_reads_nothing_and_sees_no_work(engine, event_id):
    a_booking(engine, event_id, Wish(quantity=1), number=1)
    with transaction(engine) as connection:
        queue_settings.change(connection, event_id, QueueChange(selling=False), actor="test")

        batch = lane.read_batch(connection, event_id)
        assert (batch.selling, batch.bookings) == (False, ())
        assert not lane.any_queued(connection, event_id, serving=9)
        assert lane.with_work(connection) == ()


def test_the_last_look_sees_queued_bookings_and_those_whose_turn_has_come(engine, event_id):
    with transaction(engine) as connection:
        assert not lane.any_queued(connection, event_id, serving=99, return_serving=99)
    waits = a_booking(engine, event_id, Wish(quantity=1), number=5, state=WAITING)

    with transaction(engine) as connection:
        assert not lane.any_queued(connection, event_id, serving=4)
        assert lane.any_queued(connection, event_id, serving=5)
        assert lane.with_waiting(connection) == (event_id,)
    run_sql(engine, "UPDATE bookings SET return_number = 2 WHERE id = :id", id=waits)

    with transaction(engine) as connection:
        assert not lane.any_queued(connection, event_id, serving=5, return_serving=1)
        assert lane.any_queued(connection, event_id, serving=5, return_serving=2)
    a_booking(engine, event_id, Wish(quantity=1), number=9)

    with transaction(engine) as connection:
        assert lane.any_queued(connection, event_id)
        assert [one.event_id for one in lane.with_work(connection)] == [event_id]
        assert lane.with_work(connection, older_than_seconds=60) == ()
        assert lane.head(connection, event_id) is not None


# What a batch writes.


def test_a_hold_takes_tickets_at_todays_price_until_the_deadline(engine, event_id, house):
    found = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1), seat(event_id, 2))), number=1)

    (decision,), written = work(engine, event_id, house)
    run_sql(engine, "UPDATE sections SET price_minor = 9999")

    held = booking(engine, found)
    assert decision.outcome is Outcome.HELD
    assert (held.state, held.amount_minor, held.tickets_taken) == (BookingState.HELD, 10_000, 2)
    assert held.hold_version == held.version == 2
    assert held.hold_until == written.hold_until
    assert held.decided_at is not None
    assert (written.hold_until - held.decided_at).total_seconds() == pytest.approx(600, abs=1)
    assert written.versions == {seat(event_id, 1): 1, seat(event_id, 2): 1}
    with transaction(engine) as connection:
        assert [one.price_minor for one in bookings.tickets_of(connection, found)] == [5000, 5000]


def test_the_lowest_number_gets_the_seat_and_the_others_keep_their_admission(engine, event_id, house):
    wish = Wish(tickets=(seat(event_id, 1),))
    ids = [a_booking(engine, event_id, wish, number=number) for number in (7, 3, 5)]

    work(engine, event_id, house)

    assert states(engine, ids) == ["unavailable", "held", "unavailable"]
    refused = booking(engine, ids[0])
    assert (refused.reason, refused.hold_version) == (Refusal.TAKEN, None)
    assert a_booking(engine, event_id, Wish(quantity=1), number=7, buyer_id=refused.buyer_id) != ids[0]


def test_best_seats_are_found_without_reading_the_house_again(engine, event_id, house):
    for number in range(1, 4):
        a_booking(engine, event_id, Wish(quantity=2, section_id=1), number=number)
        work(engine, event_id, house)

    # What is kept was never thrown away: the same object, and as new as the record.
    assert house.missing([1], read(engine, event_id).changes) == ()
    assert sorted(house.sections) == [1]
    assert sum(state == "held" for state in ticket_states(engine, event_id).values()) == 6


def test_seats_that_come_back_are_seen_by_every_worker(engine, event_id, house):
    other_workers = House()
    everything = Wish(quantity=6, section_id=1)
    for number in (1, 2):
        a_booking(engine, event_id, everything, number=number)
    work(engine, event_id, house)
    full = a_booking(engine, event_id, everything, number=3)
    work(engine, event_id, other_workers)
    assert booking(engine, full).state is BookingState.UNAVAILABLE

    run_sql(engine, "UPDATE bookings SET hold_until = now() - interval '1 s' WHERE number = 1 AND state = 'held'")
    with transaction(engine) as connection:
        assert len(holds.expire(connection)) == 1

    for number, worker in ((4, house), (5, other_workers)):
        again = a_booking(engine, event_id, Wish(quantity=3, section_id=1), number=number)
        work(engine, event_id, worker)
        assert booking(engine, again).state is BookingState.HELD


def test_sold_out_is_said_only_when_nothing_is_free_and_nothing_held(engine, house):
    event_id = an_event(engine, sections=(NewSection(1, "Row", 5000, rows=1, seats_per_row=2),))
    holder = a_booking(engine, event_id, Wish(quantity=2), number=1)
    work(engine, event_id, house)
    early = a_booking(engine, event_id, Wish(quantity=1), number=2)
    work(engine, event_id, house)
    run_sql(engine, "UPDATE tickets SET state = 'sold', held_until = NULL")
    late = a_booking(engine, event_id, Wish(quantity=1), number=3)

    _, written = work(engine, event_id, house)

    assert states(engine, [holder, early, late]) == ["held", "unavailable", "sold_out"]
    assert written.sold_out == {late}


def test_the_limit_per_buyer_holds_in_the_lane_even_when_it_was_passed_at_the_door(engine, house):
    event_id = an_event(engine, tickets_per_buyer=4)
    buyer = a_buyer(engine)
    ids = [a_booking(engine, event_id, Wish(quantity=2), number=number, buyer_id=buyer) for number in (1, 2)]
    # As two posts at the same moment do: neither saw the other.
    run_sql(engine, "UPDATE events SET tickets_per_buyer = 100")
    ids.append(a_booking(engine, event_id, Wish(quantity=2), number=3, buyer_id=buyer))
    run_sql(engine, "UPDATE events SET tickets_per_buyer = 4")

    work(engine, event_id, house)

    assert states(engine, ids) == ["held", "held", "unavailable"]
    assert booking(engine, ids[2]).reason == Refusal.BUYER_LIMIT


def test_refusals_alone_are_written_too(engine, event_id, house):
    found = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 999),)), number=1)

    work(engine, event_id, house)

    refused = booking(engine, found)
    assert (refused.state, refused.reason) == (BookingState.UNAVAILABLE, Refusal.NO_SUCH_TICKET)
    assert refused.ended_at is not None


# The guards of the write.


@pytest.fixture
def decided(engine: Engine, event_id: EventId) -> Iterator[tuple[BookingId, Decision, Batch]]:
    """A booking read and decided, and not yet written."""
    found = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    batch = read(engine, event_id)
    ticket = Taken(seat(event_id, 1), 1, 1, 1, 5000)
    return found, Decision(found, 1, Outcome.HELD, (ticket,), 0), batch


def test_a_ticket_that_is_no_longer_free_stops_the_whole_batch(engine, event_id, decided):
    found, decision, batch = decided
    other = a_booking(engine, event_id, Wish(quantity=1), number=2)
    run_sql(
        engine,
        "UPDATE tickets SET state = 'held', booking_id = :other, held_until = now() WHERE id = :id",
        other=other,
        id=seat(event_id, 1),
    )

    with pytest.raises(AllocationStale) as stale, transaction(engine) as connection:
        lane.write_batch(connection, event_id, [decision], snapshot=batch.snapshot)

    assert stale.value.tickets == {seat(event_id, 1)}
    assert stale.value.section_ids == {1}
    assert booking(engine, found).state is BookingState.QUEUED


def test_a_booking_cancelled_under_the_batch_stops_it(engine, event_id, decided):
    found, decision, batch = decided
    with transaction(engine) as connection:
        assert bookings.cancel_undecided(connection, found, reason="buyer")

    with pytest.raises(AllocationStale) as stale, transaction(engine) as connection:
        lane.write_batch(connection, event_id, [decision], snapshot=batch.snapshot)

    assert stale.value.bookings == {found}
    assert ticket_states(engine, event_id)[seat(event_id, 1)] == "free"


def test_a_batch_written_twice_holds_once(engine, event_id, decided):
    _, decision, batch = decided
    with transaction(engine) as connection:
        lane.write_batch(connection, event_id, [decision], snapshot=batch.snapshot)

    with pytest.raises(AllocationStale), transaction(engine) as connection:
        lane.write_batch(connection, event_id, [decision], snapshot=batch.snapshot)


def test_a_decision_on_an_older_version_is_not_written(engine, event_id, decided):
    _, decision, batch = decided

    with pytest.raises(AllocationStale), transaction(engine) as connection:
        lane.write_batch(connection, event_id, [decision._replace(version=7)], snapshot=batch.snapshot)


def test_one_ticket_decided_for_two_bookings_is_written_for_none(engine, event_id, decided):
    found, decision, batch = decided
    other = a_booking(engine, event_id, Wish(quantity=1), number=2)

    with pytest.raises(AllocationStale), transaction(engine) as connection:
        lane.write_batch(connection, event_id, [decision, decision._replace(booking_id=other)], snapshot=batch.snapshot)

    assert states(engine, [found, other]) == ["queued", "queued"]


def test_the_booking_that_makes_its_batch_raise_ends_failed_once(engine, event_id):
    found = a_booking(engine, event_id, Wish(quantity=1), number=1)

    with transaction(engine) as connection:
        assert lane.head(connection, event_id) == found
        assert lane.mark_failed(connection, found, reason="lane_error")
        assert not lane.mark_failed(connection, found, reason="lane_error")

    failed = booking(engine, found)
    assert (failed.state, failed.reason) == (BookingState.FAILED, "lane_error")


# Reading the house.


def test_rows_with_an_aisle_and_ids_with_a_gap_are_read_as_they_are(engine, event_id):
    run_sql(engine, "DELETE FROM tickets WHERE id = :id", id=seat(event_id, 3))
    run_sql(engine, "UPDATE tickets SET seat_number = seat_number + 1 WHERE id = :id", id=seat(event_id, 6))

    with transaction(engine) as connection:
        stalls, standing = house_reading.section_index(connection, event_id)

    front = stalls.rows[0]
    assert (front.first_seat, front.width, f"{front.free:b}") == (1, 7, "1011011")
    assert [front.ticket_at(n) for n in (0, 1, 3, 4, 6)] == [seat(event_id, n) for n in (1, 2, 4, 5, 6)]
    assert (standing.free, standing.general) == (5, True)


def test_general_admission_with_a_gap_in_its_ids_gives_existing_tickets(engine, event_id, house):
    run_sql(engine, "DELETE FROM tickets WHERE id IN (:one, :other)", one=seat(event_id, 14), other=seat(event_id, 16))
    found = a_booking(engine, event_id, Wish(quantity=3, section_id=2), number=1)

    work(engine, event_id, house)

    assert booking(engine, found).state is BookingState.HELD
    taken = {one for one, state in ticket_states(engine, event_id).items() if state == "held"}
    assert taken == {seat(event_id, n) for n in (13, 15, 17)}


# What a batch reads.


@pytest.mark.parametrize(("by_index", "reads_the_house"), [(True, False), (False, True)])
def test_a_batch_finds_its_tickets_without_reading_the_house(engine, record_url, by_index, reads_the_house):
    event_id = an_event(engine, sections=(NewSection(1, "Parterre", 5000, rows=200, seats_per_row=50),))
    run_sql(engine, "ANALYZE tickets")
    lanes = make_engine(record_url, by_index=by_index)
    bookings = ["ids", "versions", "states", "counts", "amounts", "fees", "taxes", "reasons"]
    columns = dict.fromkeys([*bookings, "ticket_bookings", "prices", "tiers"], "{}")
    ids = ",".join(str(seat(event_id, number)) for number in range(1, 201))

    with transaction(lanes) as connection:
        arguments = {"event_id": event_id, "snapshot": "1:1:", "terms": None, "ticket_ids": f"{{{ids}}}"}
        plan = connection.execute(text(f"EXPLAIN {sql.load('write_batch')}"), columns | arguments).scalars()
        taken = "\n".join(plan).partition("CTE taken")[2].partition("CTE listed")[0]
    lanes.dispose()

    assert ("Seq Scan on tickets" in taken) is reads_the_house
