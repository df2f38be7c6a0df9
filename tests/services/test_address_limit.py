"""A network address has no more tickets of an event than it may, over bookings and buyers; what comes back is free."""

from __future__ import annotations

import secrets
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import text

from onsale.db import allocation, bookings, lane, sale_log, ticket_limits
from onsale.db.engine import reading, transaction
from onsale.db.house import House
from onsale.db.ids import BookingId, EventId, booking_id
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import NotFound
from onsale.web.booking import address_secret
from onsale.workers.deciding_ahead import counted
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from tests.builders import a_buyer, an_event, booking, let_the_hold_run_out, open_queue, run_sql, seat
from tests.services.small_sale import verified

HOME, ELSEWHERE = "198.51.100.7", "203.0.113.9"


def limit(engine: Any, event_id: EventId, most: int | None) -> None:
    """What staff change."""
    with transaction(engine) as connection:
        ticket_limits.change(connection, event_id, {"tickets_per_address": most}, actor="test")


@pytest.fixture
def event_id(engine: Any, shop: Any) -> EventId:
    """An event of which one address has two tickets at most."""
    found = an_event(engine, queue=QueueChange(enabled=False))
    limit(engine, found, 2)
    open_queue(shop, found)
    return found


def asked(shop: Any, event_id: EventId, *seats: int, address: str = HOME) -> BookingId:
    """A booking by somebody at this address, not decided yet."""
    tickets = tuple(seat(event_id, number) for number in seats)
    new = bookings.NewBooking(
        id=booking_id(event_id, secrets.token_bytes(12)),
        event_id=event_id,
        buyer_id=a_buyer(shop.engine),
        number=seats[0],
        state=BookingState.QUEUED,
        wishes=(Wish(tickets=tickets),),
        idempotency_key=str(seats),
        request_hash=b"one",
        admission_id=str(seats),
        address_digest=address_secret(shop.config, event_id, address),
    )
    with transaction(shop.engine) as connection:
        return bookings.accept(connection, new).booking.id


def decided(shop: Any, *ids: BookingId) -> list[tuple[str, str | None]]:
    work_lane(shop, booking(shop.engine, ids[0]).event_id, last_look=True)
    found = [booking(shop.engine, one) for one in ids]
    return [(one.state.value, one.reason) for one in found]


HELD, REFUSED = ("held", None), ("unavailable", "address_limit")


def test_an_address_over_its_limit_is_refused_and_another_one_is_not(shop, event_id):
    ids = [asked(shop, event_id, 1, 2), asked(shop, event_id, 3), asked(shop, event_id, 4, address=ELSEWHERE)]

    assert decided(shop, *ids) == [HELD, REFUSED, HELD]


def test_the_limit_is_counted_over_batches_too(shop, event_id):
    assert decided(shop, asked(shop, event_id, 1)) == [HELD]
    assert decided(shop, asked(shop, event_id, 2, 3), asked(shop, event_id, 4)) == [REFUSED, HELD]
    assert decided(shop, asked(shop, event_id, 5)) == [REFUSED]
    assert all(one.ok for one in verified(shop, event_id, agree_seconds=0).findings if one.invariant == "I9")


def test_two_bookings_from_one_address_at_once_never_pass_it_together(shop, event_id):
    with ThreadPoolExecutor(2) as pool:
        pair = list(pool.map(lambda n: asked(shop, event_id, n, n + 1), (1, 3)))
        list(pool.map(lambda _: work_lane(shop, event_id, last_look=True), range(2)))

    assert sorted(decided(shop, *pair)) == [HELD, REFUSED]


def test_tickets_that_are_let_go_may_be_had_again(shop, event_id):
    first = asked(shop, event_id, 1, 2)
    assert decided(shop, first) == [HELD]

    let_the_hold_run_out(shop.engine, first)
    sweep(shop)

    assert decided(shop, asked(shop, event_id, 1)) == [HELD]


def test_a_batch_read_ahead_counts_what_the_one_before_it_gives(shop, engine, event_id):
    asked(shop, event_id, 1, 2)
    with reading(engine) as connection:
        before = lane.read_batch(connection, event_id)
    decisions = allocation.allocate(
        before.requests,
        House(),
        {one: allocation.NamedTicket(one, 1, 1, 1, 4500, True) for one in before.requests[0].wishes[0].tickets},
    )
    ids = [asked(shop, event_id, 3), asked(shop, event_id, 4, address=ELSEWHERE)]
    with reading(engine) as connection:
        found = lane.read_batch(connection, event_id, being_written=[before.bookings[0].id])

    ahead = counted(found, before, decisions)

    assert {one.id: one.request.address_taken for one in ahead.bookings} == {ids[0]: 2, ids[1]: 0}


def test_without_a_limit_nothing_is_kept_of_an_address(shop, engine):
    event_id = an_event(engine)

    asked(shop, event_id, 1, 2)

    assert kept(engine) == [None]


def test_what_is_kept_says_nothing_of_the_address_without_the_secret_nor_of_another_event(shop, engine, event_id):
    asked(shop, event_id, 1)
    other = replace(shop.config, secret_keys=(("k2", "another-key-of-32-characters-or-more"),))

    (found,) = kept(engine)

    assert len(found) == 16
    assert found != address_secret(other, event_id, HOME)
    assert found != address_secret(shop.config, EventId(event_id + 1), HOME)
    assert address_secret(shop.config, event_id, "2001:db8::1") == address_secret(shop.config, event_id, "2001:db8::2")


def test_a_limit_that_is_taken_away_counts_nobody(shop, engine, event_id):
    assert decided(shop, asked(shop, event_id, 1, 2)) == [HELD]

    limit(engine, event_id, None)

    assert decided(shop, asked(shop, event_id, 3, 4)) == [HELD]


def test_verify_finds_an_address_with_too_many_tickets(shop, engine, event_id):
    assert decided(shop, asked(shop, event_id, 1, 2)) == [HELD]
    run_sql(engine, "UPDATE events SET tickets_per_address = 1 WHERE id = :id", id=event_id)

    found = verified(shop, event_id, agree_seconds=0).findings

    assert next(one.examples for one in found if one.invariant == "I9") == (
        "a network address has 2 tickets, of at most 1",
    )


def test_who_changed_a_limit_is_in_the_sale_log(engine, event_id):
    limit(engine, event_id, 4)
    limit(engine, event_id, 4)

    with reading(engine) as connection:
        changes = [one for one in sale_log.read(connection, event_id) if one.kind == "ticket_limits_changed"]
    assert [(one.actor, one.body["to"]["tickets_per_address"]) for one in changes] == [("test", 2), ("test", 4)]
    with pytest.raises(NotFound):
        limit(engine, EventId(999), 1)


def kept(engine: Any) -> list[bytes | None]:
    with reading(engine) as connection:
        rows = connection.execute(text("SELECT address_digest FROM bookings")).scalars()
        return [None if one is None else bytes(one) for one in rows]
