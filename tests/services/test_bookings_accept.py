"""Accepting a request: once per key, once per admission, never above the buyer's limit, alone or all at once."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from sqlalchemy import Engine, text

from onsale.db import bookings, catalogue
from onsale.db.bookings import NewBooking
from onsale.db.catalogue import EventStatus
from onsale.db.engine import make_engine, transaction
from onsale.db.ids import BuyerId, EventId, booking_id
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import AdmissionSpent, BuyerLimitReached, IdempotencyKeyReused, NotFound, OnsaleError
from tests.builders import an_event, run_sql, seat

PARALLEL = 50


@pytest.fixture
def event_id(engine: Engine) -> EventId:
    return an_event(engine, tickets_per_buyer=4)


def a_request(event_id: EventId, **changed: object) -> NewBooking:
    new = NewBooking(
        id=booking_id(event_id, secrets.token_bytes(12)),
        event_id=event_id,
        buyer_id=BuyerId(uuid4()),
        number=1,
        state=BookingState.QUEUED,
        wishes=(Wish(quantity=2),),
        idempotency_key="key",
        request_hash=bytes(32),
    )
    return replace(new, **changed)


def again(new: NewBooking, **changed: object) -> NewBooking:
    """The same request as a client repeats it: the server has made a new id for it."""
    return replace(new, **{"id": booking_id(new.event_id, secrets.token_bytes(12)), **changed})


def accept(engine: Engine, new: NewBooking) -> bookings.Accepted:
    with transaction(engine) as connection:
        return bookings.accept(connection, new)


def test_what_was_asked_is_stored_as_it_was_asked(engine, event_id):
    wishes = (Wish(tickets=(seat(event_id, 1),), or_similar=True), Wish(quantity=2, section_id=1, together=False))
    new = a_request(event_id, wishes=wishes, payment_method="pm_1", number=17, return_number=3, admission_id="r3")

    accepted = accept(engine, new)

    stored = accepted.booking
    assert accepted.created
    assert (stored.id, stored.buyer_id, stored.wishes, stored.payment_method) == (new.id, new.buyer_id, wishes, "pm_1")
    assert (stored.number, stored.return_number, stored.admission_id) == (17, 3, "r3")
    assert (stored.state, stored.version, stored.tickets_wanted, stored.currency) == ("queued", 1, 2, "eur")
    assert stored.queued_at is not None


def test_a_booking_before_its_turn_is_not_queued_yet(engine, event_id):
    stored = accept(engine, a_request(event_id, state=BookingState.WAITING, admission_id="1")).booking

    assert (stored.state, stored.queued_at) == (BookingState.WAITING, None)


def test_the_same_request_again_is_the_same_booking(engine, event_id):
    new = a_request(event_id)

    first, second = accept(engine, new), accept(engine, again(new))

    assert (first.created, second.created) == (True, False)
    assert first.booking == second.booking


def test_the_same_request_again_is_answered_after_it_was_decided_too(engine, event_id):
    new = a_request(event_id, admission_id="1", wishes=(Wish(quantity=4),))
    accept(engine, new)
    run_sql(engine, "UPDATE bookings SET state = 'unavailable', version = 2")

    assert accept(engine, again(new)).booking.state is BookingState.UNAVAILABLE


def test_another_request_under_the_same_key_is_refused(engine, event_id):
    new = a_request(event_id)
    accept(engine, new)

    with pytest.raises(IdempotencyKeyReused):
        accept(engine, again(new, request_hash=bytes([1] * 32)))


def test_a_key_is_its_buyers_own(engine, event_id):
    new = a_request(event_id)

    assert accept(engine, new).created
    assert accept(engine, again(new, buyer_id=BuyerId(uuid4()))).created


def test_an_admission_books_once_until_it_is_refused(engine, event_id):
    first = a_request(event_id, admission_id="5")
    other = again(first, idempotency_key="other")
    accept(engine, first)
    with pytest.raises(AdmissionSpent):
        accept(engine, other)

    run_sql(engine, "UPDATE bookings SET state = 'unavailable', version = 2")

    assert accept(engine, other).created


def test_a_buyer_books_up_to_the_events_limit_and_not_above(engine, event_id):
    new = a_request(event_id, wishes=(Wish(quantity=2), Wish(quantity=1)))
    accept(engine, new)
    accept(engine, again(new, idempotency_key="second", number=2))

    with pytest.raises(BuyerLimitReached):
        accept(engine, again(new, idempotency_key="third", number=3, wishes=(Wish(quantity=1),)))


def test_what_ended_without_tickets_does_not_count_against_the_limit(engine, event_id):
    new = a_request(event_id, wishes=(Wish(quantity=4),))
    accept(engine, new)
    run_sql(engine, "UPDATE bookings SET state = 'cancelled', version = 2")

    assert accept(engine, again(new, idempotency_key="second")).created


@pytest.mark.parametrize("status", [EventStatus.DRAFT, EventStatus.CANCELLED])
def test_an_event_that_is_not_published_takes_no_bookings(engine, event_id, status):
    with transaction(engine) as connection:
        catalogue.set_status(connection, event_id, status)

    with pytest.raises(NotFound):
        accept(engine, a_request(event_id))


def test_an_unknown_event_takes_no_bookings(engine, event_id):
    with pytest.raises(NotFound):
        accept(engine, a_request(EventId(event_id + 1)))


def test_a_refusal_leaves_the_transaction_usable(engine, event_id):
    first = a_request(event_id, admission_id="5")
    with transaction(engine) as connection:
        bookings.accept(connection, first)
        with pytest.raises(AdmissionSpent):
            bookings.accept(connection, again(first, idempotency_key="other"))
        assert bookings.get(connection, first.id) is not None


def all_at_once(record_url: str, requests: list[NewBooking]) -> list[object]:
    """What each of many connections got: the booking's id, or the error's class."""
    engine = make_engine(record_url, pool_size=10, max_overflow=10)

    def one(new: NewBooking) -> object:
        try:
            return accept(engine, new).booking.id
        except OnsaleError as error:
            return type(error)

    try:
        with ThreadPoolExecutor(16) as pool:
            return list(pool.map(one, requests))
    finally:
        engine.dispose()


def test_fifty_posts_with_one_key_make_one_booking(record_url, engine, event_id):
    new = a_request(event_id, admission_id="1")

    answers = all_at_once(record_url, [again(new) for _ in range(PARALLEL)])

    assert len(set(answers)) == 1
    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM bookings")).scalar() == 1


def test_fifty_replays_of_an_admission_make_one_booking(record_url, engine, event_id):
    new = a_request(event_id, admission_id="1", wishes=(Wish(quantity=1),))

    answers = all_at_once(
        record_url, [again(new, idempotency_key=str(n), buyer_id=BuyerId(uuid4())) for n in range(PARALLEL)]
    )

    assert answers.count(AdmissionSpent) == PARALLEL - 1


def test_a_buyers_bookings_are_listed_newest_first_and_paged(engine, event_id):
    other_event = an_event(engine)
    new = a_request(event_id, wishes=(Wish(quantity=1),))
    made = [
        accept(engine, a_request(where, buyer_id=new.buyer_id, idempotency_key=str(n), wishes=new.wishes)).booking
        for n, where in enumerate((event_id, other_event, event_id))
    ]

    with transaction(engine) as connection:
        first = bookings.of_buyer(connection, new.buyer_id, limit=2)
        rest = bookings.of_buyer(connection, new.buyer_id, limit=2, before=first[-1].created_at)
        nobodys = bookings.of_buyer(connection, BuyerId(uuid4()))

    assert [*first, *rest] == made[::-1]
    assert nobodys == ()


def test_a_booking_that_never_was_is_not_found(engine, event_id):
    with transaction(engine) as connection:
        assert bookings.get(connection, booking_id(event_id, bytes(12))) is None
        assert bookings.get(connection, uuid4()) is None
