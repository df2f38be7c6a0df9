"""What the record makes impossible whatever the code does; guards that matter most are taken away, to see it happen."""

from __future__ import annotations

import secrets
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text
from sqlalchemy.exc import IntegrityError

from onsale.db import catalogue, sale_log
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, EventId, booking_id, ticket_id
from onsale.db.states import LEGAL_MOVES, NEW, BookingState
from tests.builders import an_event, seat

BOOKING = """
    INSERT INTO bookings (event_id, id, buyer_id, number, state, wishes, tickets_wanted, currency, idempotency_key,
                          request_hash, admission_id)
    VALUES (:event_id, :id, :buyer_id, :number, :state, '[]', 1, 'eur', :key, '', :admission_id)
"""
HOLD = """
    UPDATE bookings SET state = 'held', version = version + 1, hold_version = version + 1, hold_until = now(),
           amount_minor = 4500, tickets_taken = 1, decided_at = now()
     WHERE id = :id
"""
SALE = """
    INSERT INTO booking_tickets (event_id, booking_id, ticket_id, price_minor, hold_version)
    VALUES (:event_id, :booking, :ticket, 4500, 1)
"""


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine)


def do(engine: Engine, statement: str, **values: object) -> None:
    with engine.begin() as connection:
        connection.execute(text(statement), values)


def a_row(engine: Engine, event_id: EventId, **changed: object) -> BookingId:
    """A booking written behind the back of all code."""
    values = {
        "event_id": event_id,
        "id": booking_id(event_id, secrets.token_bytes(12)),
        "buyer_id": uuid4(),
        "number": 1,
        "state": "queued",
        "key": secrets.token_hex(8),
        "admission_id": None,
    } | changed
    do(engine, BOOKING, **values)
    return values["id"]


def refused(engine: Engine, statement: str, *, by: str, **values: object) -> None:
    """The record refuses the statement, and the constraint named is why."""
    with pytest.raises(IntegrityError) as error:
        do(engine, statement, **values)
    assert error.value.orig is not None
    assert error.value.orig.diag.constraint_name == by


# A ticket is sold once.


def test_a_ticket_has_at_most_one_live_sale(engine, event_id):
    one, other = a_row(engine, event_id), a_row(engine, event_id)
    do(engine, SALE, event_id=event_id, booking=one, ticket=seat(event_id, 1))

    refused(engine, SALE, by="sale_index", event_id=event_id, booking=other, ticket=seat(event_id, 1))


def test_without_its_index_a_ticket_is_sold_twice(engine, event_id):
    do(engine, "DROP INDEX sale_index")
    for _ in range(2):
        do(engine, SALE, event_id=event_id, booking=a_row(engine, event_id), ticket=seat(event_id, 1))

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM booking_tickets")).scalar() == 2


def test_a_released_ticket_may_be_sold_again(engine, event_id):
    do(engine, SALE, event_id=event_id, booking=a_row(engine, event_id), ticket=seat(event_id, 1))
    do(engine, "UPDATE booking_tickets SET released_at = now()")

    do(engine, SALE, event_id=event_id, booking=a_row(engine, event_id), ticket=seat(event_id, 1))


def test_nothing_is_sold_that_is_no_ticket_of_the_event(engine, event_id):
    booking = a_row(engine, event_id)

    refused(engine, SALE, by="fk_booking_tickets_ticket", event_id=event_id, booking=booking, ticket=seat(event_id, 99))


def test_a_sale_belongs_to_a_booking(engine, event_id):
    unknown = booking_id(event_id, bytes(12))

    refused(engine, SALE, by="fk_booking_tickets_booking", event_id=event_id, booking=unknown, ticket=seat(event_id, 1))


def test_general_admission_cannot_be_oversold_because_each_unit_is_a_ticket(engine):
    event_id = an_event(engine, sections=(NewSection(1, "Standing", 3000, standing=2),))
    for ordinal in (1, 2):
        do(engine, SALE, event_id=event_id, booking=a_row(engine, event_id), ticket=seat(event_id, ordinal))

    third = a_row(engine, event_id)
    refused(engine, SALE, by="fk_booking_tickets_ticket", event_id=event_id, booking=third, ticket=seat(event_id, 3))


# A ticket and its state agree.


def test_a_free_ticket_has_no_booking_and_a_taken_one_has(engine, event_id):
    taken = "UPDATE tickets SET state = 'sold' WHERE id = :id"
    claimed = "UPDATE tickets SET booking_id = :booking WHERE id = :id"

    refused(engine, taken, by="ck_tickets_free_has_no_booking", id=seat(event_id, 1))
    refused(engine, claimed, by="ck_tickets_free_has_no_booking", id=seat(event_id, 1), booking=uuid4())


def test_a_held_ticket_has_a_deadline(engine, event_id):
    held = "UPDATE tickets SET state = 'held', booking_id = :booking WHERE id = :id"

    refused(engine, held, by="ck_tickets_held_has_deadline", id=seat(event_id, 1), booking=uuid4())


def test_a_ticket_is_free_held_or_sold(engine, event_id):
    lost = "UPDATE tickets SET state = 'lost', booking_id = :booking WHERE id = :id"

    refused(engine, lost, by="ck_tickets_state", id=seat(event_id, 1), booking=uuid4())


def test_a_seat_exists_once(engine, event_id):
    again = """INSERT INTO tickets (event_id, id, section_id, row_number, row_name, seat_number, seat_name)
               VALUES (:event_id, :id, 1, 1, 'A', 3, '3')"""

    refused(engine, again, by="uq_tickets_place", event_id=event_id, id=seat(event_id, 500))


def test_the_id_of_a_ticket_is_of_its_event(engine, event_id):
    foreign = "INSERT INTO tickets (event_id, id, section_id) VALUES (:event_id, :id, 1)"

    refused(engine, foreign, by="ck_tickets_id_carries_event", event_id=event_id, id=ticket_id(EventId(999), 1))


# A request is stored once, an admission is spent once.


def test_one_key_makes_one_booking(engine, event_id):
    buyer = uuid4()
    a_row(engine, event_id, buyer_id=buyer, key="k")

    with pytest.raises(IntegrityError, match="uq_bookings_key"):
        a_row(engine, event_id, buyer_id=buyer, key="k")
    a_row(engine, event_id, key="k")


def test_without_its_constraint_a_doubled_key_makes_two_bookings(engine, event_id):
    do(engine, "ALTER TABLE bookings DROP CONSTRAINT uq_bookings_key")
    buyer = uuid4()

    a_row(engine, event_id, buyer_id=buyer, key="k")
    a_row(engine, event_id, buyer_id=buyer, key="k")


def test_an_admission_has_one_booking_that_is_undecided_or_got_a_hold(engine, event_id):
    first = a_row(engine, event_id, admission_id="7")
    with pytest.raises(IntegrityError, match="admission_index"):
        a_row(engine, event_id, admission_id="7", state="waiting")

    do(engine, HOLD, id=first)
    do(engine, "UPDATE bookings SET state = 'expired', version = version + 1 WHERE id = :id", id=first)
    with pytest.raises(IntegrityError, match="admission_index"):
        a_row(engine, event_id, admission_id="7")


def test_a_refusal_gives_the_admission_back(engine, event_id):
    first = a_row(engine, event_id, admission_id="7")
    do(engine, "UPDATE bookings SET state = 'unavailable', version = version + 1 WHERE id = :id", id=first)

    a_row(engine, event_id, admission_id="7")


def test_without_its_index_one_admission_books_twice(engine, event_id):
    do(engine, "DROP INDEX admission_index")

    a_row(engine, event_id, admission_id="7")
    a_row(engine, event_id, admission_id="7")


def test_the_id_of_a_booking_is_of_its_event(engine, event_id):
    with pytest.raises(IntegrityError, match="ck_bookings_id_carries_event"):
        a_row(engine, event_id, id=booking_id(EventId(event_id + 1), bytes(12)))


# States.

S = BookingState
ILLEGAL = [(before, after) for before in S for after in S if after is not before and after not in LEGAL_MOVES[before]]


def at_state(engine: Engine, event_id: EventId, state: BookingState) -> BookingId:
    """A booking brought to this state by legal moves."""
    ways: dict[BookingState, list[BookingState]] = {S.WAITING: [S.WAITING], S.QUEUED: [S.QUEUED]}
    for before, afters in LEGAL_MOVES.items():
        for after in sorted(afters):
            ways.setdefault(after, [*ways[before], after])
    first, *rest = ways[state]
    found = a_row(engine, event_id, state=first.value)
    for following in rest:
        if following is S.HELD:
            do(engine, HOLD, id=found)
        else:
            move(engine, found, following)
    return found


def move(engine: Engine, booking: BookingId, state: BookingState) -> None:
    do(engine, "UPDATE bookings SET state = :state, version = version + 1 WHERE id = :id", id=booking, state=state)


def test_no_illegal_move_is_possible(engine, event_id):
    bookings = {state: at_state(engine, event_id, state) for state in S}

    for before, after in ILLEGAL:
        with pytest.raises(IntegrityError) as error:
            move(engine, bookings[before], after)
        assert error.value.orig.diag.constraint_name in {"booking_moves", "ck_bookings_hold_is_there"}, (before, after)


def test_without_its_trigger_a_refused_booking_is_sold(engine, event_id):
    do(engine, "ALTER TABLE bookings DISABLE TRIGGER booking_moved")
    booking = at_state(engine, event_id, S.EXPIRED)

    move(engine, booking, S.CONFIRMED)


def test_a_booking_begins_waiting_or_queued(engine, event_id):
    for state in set(S) - {S.WAITING, S.QUEUED}:
        with pytest.raises(IntegrityError):
            a_row(engine, event_id, state=state.value)


def test_every_move_is_in_the_history_and_a_change_of_nothing_is_not(engine, event_id):
    booking = at_state(engine, event_id, S.COMMITTED)
    do(engine, "UPDATE bookings SET claimed_until = now() WHERE id = :id", id=booking)

    with engine.connect() as connection:
        rows = connection.execute(text("SELECT from_state, to_state, version FROM booking_history ORDER BY version"))
        moves = [tuple(row) for row in rows]
    assert moves[0] == (NEW, "queued", 1)
    assert [after for _, after, _ in moves[:-1]] == [before for before, _, _ in moves[1:]]
    assert moves[-1][1] == "committed"
    assert [version for _, _, version in moves] == list(range(1, len(moves) + 1))


def test_a_move_must_count_the_version_up(engine, event_id):
    booking = a_row(engine, event_id)

    refused(engine, "UPDATE bookings SET state = 'cancelled' WHERE id = :id", by="pk_booking_history", id=booking)


def test_one_illegal_move_among_many_refuses_them_all(engine, event_id):
    ended, queued = at_state(engine, event_id, S.CANCELLED), a_row(engine, event_id)

    refused(engine, "UPDATE bookings SET state = 'failed', version = version + 1", by="booking_moves")

    with engine.connect() as connection:
        found = {row.id: row.state for row in connection.execute(text("SELECT id, state FROM bookings"))}
    assert found == {ended: "cancelled", queued: "queued"}


def test_who_has_tickets_has_a_hold(engine, event_id):
    booking = a_row(engine, event_id)

    refused(
        engine,
        "UPDATE bookings SET state = 'held', version = 2 WHERE id = :id",
        by="ck_bookings_hold_is_there",
        id=booking,
    )


# What happened is not rewritten.


@pytest.mark.parametrize(
    "table", ["booking_history", "sale_log", "captures", "join_journal", "return_journal", "admission_log"]
)
@pytest.mark.parametrize("change", ["UPDATE {} SET event_id = 1", "DELETE FROM {}", "TRUNCATE {}"])
def test_what_happened_cannot_be_changed(engine, table, change):
    refused(engine, change.format(table), by="append_only")


def test_history_is_written_by_moves_alone(engine, event_id):
    forged = """INSERT INTO booking_history (event_id, booking_id, version, from_state, to_state)
                VALUES (:event_id, :id, 9, 'queued', 'held')"""

    refused(engine, forged, by="written_by_moves", event_id=event_id, id=uuid4())


def test_the_sale_log_counts_without_a_gap(engine, event_id):
    with transaction(engine) as connection:
        before = sale_log.newest(connection, event_id, limit=1)[0].seq
        seqs = [sale_log.append(connection, event_id, actor="test", kind="word", body={}) for _ in range(3)]

    assert seqs == [before + 1, before + 2, before + 3]


# Money.


def test_a_booking_is_captured_once(engine, event_id):
    booking = a_row(engine, event_id)
    capture = "INSERT INTO captures (event_id, booking_id, amount_minor) VALUES (:event_id, :id, 4500)"
    do(engine, capture, event_id=event_id, id=booking)

    refused(engine, capture, by="pk_captures", event_id=event_id, id=booking)


@pytest.mark.parametrize(
    ("statement", "constraint"),
    [
        ("UPDATE sections SET price_minor = -1", "ck_sections_price_minor"),
        ("INSERT INTO captures VALUES (:event_id, :id, -1)", "ck_captures_amount_minor"),
        ("UPDATE booking_tickets SET price_minor = -1", "ck_booking_tickets_price_minor"),
        (
            "UPDATE bookings SET hold_version = 1, hold_until = now(), decided_at = now(), amount_minor = -1",
            "ck_bookings_amount_minor",
        ),
        (
            "INSERT INTO payments (event_id, booking_id, intent_id, client_secret, status, amount_minor, currency)"
            " VALUES (:event_id, :id, 'pi', 's', 'new', -1, 'eur')",
            "ck_payments_amounts",
        ),
        (
            "INSERT INTO payments (event_id, booking_id, intent_id, client_secret, status, amount_minor, currency,"
            " captured_minor) VALUES (:event_id, :id, 'pi', 's', 'new', 1, 'eur', 2)",
            "ck_payments_amounts",
        ),
    ],
)
def test_no_amount_is_below_zero_and_no_capture_above_its_intent(engine, event_id, statement, constraint):
    booking = a_row(engine, event_id)
    do(engine, SALE, event_id=event_id, booking=booking, ticket=seat(event_id, 1))

    refused(engine, statement, by=constraint, event_id=event_id, id=booking)


# Numbers.

BLOCK = "INSERT INTO number_blocks (event_id, first, last) VALUES (:event_id, :first, :last)"


@pytest.mark.parametrize(("first", "last"), [(100, 199), (50, 100), (150, 160), (199, 300), (1, 1000)])
def test_blocks_of_numbers_never_overlap(engine, event_id, first, last):
    do(engine, BLOCK, event_id=event_id, first=100, last=199)

    with pytest.raises(IntegrityError) as error:
        do(engine, BLOCK, event_id=event_id, first=first, last=last)

    assert error.value.orig.diag.constraint_name in {"blocks_never_overlap", "pk_number_blocks"}


def test_blocks_may_touch_and_events_share_no_numbers(engine, event_id):
    do(engine, BLOCK, event_id=event_id, first=100, last=199)
    do(engine, BLOCK, event_id=event_id, first=200, last=2**31 - 1)

    do(engine, BLOCK, event_id=an_event(engine), first=1, last=2**31 - 1)


def test_the_last_event_of_all_has_room_for_its_numbers(engine, event_id):
    do(
        engine,
        """INSERT INTO events (id, organiser_id, venue_id, name, slug, starts_at, on_sale_at, currency,
                               tickets_per_buyer)
           SELECT 4294967295, organiser_id, venue_id, name, 'last', now(), now(), 'eur', 1 FROM events""",
    )

    do(engine, BLOCK, event_id=2**32 - 1, first=1, last=2**31 - 1)


def test_a_number_is_taken_by_one_buyer(engine, event_id):
    join = "INSERT INTO join_journal (event_id, number, buyer_id, joined_at) VALUES (:event_id, :n, :buyer, now())"
    do(engine, join, event_id=event_id, n=1, buyer=uuid4())

    refused(engine, join, by="pk_join_journal", event_id=event_id, n=1, buyer=uuid4())


def test_every_section_has_a_change_counter_from_its_first_moment(engine, event_id):
    with transaction(engine) as connection:
        catalogue.add_sections(connection, event_id, [NewSection(2, "Circle", 100, rows=1, seats_per_row=2)])
        counted = connection.execute(
            text("SELECT array_agg(section_id ORDER BY section_id) FROM section_changes WHERE event_id = :id"),
            {"id": event_id},
        ).scalar()

    assert counted == [1, 2]
