"""Numbers of a draw that nobody has, after Redis was lost in the pre-queue: passed over at no cost, and claimable."""

from __future__ import annotations

import time

import pytest

from onsale.db import vacancies
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading
from onsale.queue.draw import draw_key, permutation
from onsale.queue.keys import EventKeys
from onsale.queue.state import Standing
from onsale.workers import drawing, journaling
from onsale.workers.admissions import Admitter
from tests.builders import a_buyer, set_queue, some_buyers, until
from tests.services.test_draw import (
    ADDRESS,
    BEACON,
    SEED,
    VALUE,
    a_draw,
    it_is_time,
    joined,
    on_record,
    opened,
    redis_emptied,
)

BLOCK = 10_000
A_HALL = (NewSection(1, "Parterre", 4500, rows=20, seats_per_row=25),)


def lost_with(shop, engine, redis_client, people, *, beacon=BEACON, rate=6_000, max_active=10_000):
    """A draw in whose pre-queue so many joined, were written down, and had their Redis emptied."""
    event_id = a_draw(shop, engine, beacon=beacon, sections=A_HALL)
    set_queue(engine, event_id, rate_per_minute=rate, max_active=max_active)
    buyers = some_buyers(engine, people)
    joined(shop, event_id, buyers)
    journaling.write_journal(shop, event_id)
    redis_emptied(shop, redis_client, event_id)
    return event_id, buyers


def admitting_until(shop, until_true, what):
    admitter = Admitter(shop)

    def there():
        admitter.go_round(time.monotonic())
        return until_true()

    return until(there, what)


def standings(shop, event_id, buyers):
    return [shop.store.place_of(event_id, buyer).standing for buyer in buyers]


def test_numbers_that_nobody_has_cost_no_turn_and_no_slot(shop, engine, redis_client):
    # A slot for each who is there, and none to spare.
    event_id, buyers = lost_with(shop, engine, redis_client, 50, max_active=50)

    opened(shop, engine, event_id)
    admitting_until(shop, lambda: shop.store.snapshot(event_id).admitted_total == 50, "fifty are let in")

    assert on_record(engine, event_id).size == BLOCK
    assert standings(shop, event_id, buyers) == [Standing.ADMITTED] * 50


def test_of_a_queue_that_was_never_lost_nothing_is_asked(shop, engine, redis_client):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 5))

    opened(shop, engine, event_id)

    with reading(engine) as connection:
        assert not vacancies.may_be(connection, event_id)
    assert not redis_client.exists(EventKeys(event_id).vacant)


def test_whoever_joined_in_the_last_second_before_the_draw_has_a_number(shop, engine, redis_client):
    event_id, _ = lost_with(shop, engine, redis_client, 3, beacon="")
    late = some_buyers(engine, 3)
    # Their joining is in the stream and not yet on record when the numbers of nobody are told.
    joined(shop, event_id, late)
    it_is_time(engine, event_id)

    assert drawing.open_by_draw(shop, event_id)

    admitting_until(shop, lambda: shop.store.snapshot(event_id).admitted_total == 6, "all six are let in")
    assert standings(shop, event_id, late) == [Standing.ADMITTED] * 3


def lost_entry(shop, engine, redis_client):
    """Somebody whose joining was lost with Redis, and who has but a token; the draw was held without them."""
    event_id = a_draw(shop, engine)
    set_queue(engine, event_id, rate_per_minute=60)
    buyer = a_buyer(engine)
    number = joined(shop, event_id, [buyer])[0]
    redis_emptied(shop, redis_client, event_id)
    opened(shop, engine, event_id)
    size = on_record(engine, event_id).size
    return event_id, buyer, number, permutation(draw_key(SEED, VALUE, size), size).drawn(number)


def test_a_lost_entry_is_drawn_and_its_token_claims_the_number(shop, engine, redis_client):
    event_id, buyer, number, drawn = lost_entry(shop, engine, redis_client)

    found = shop.store.join(event_id, buyer, address=ADDRESS, proven=number)

    assert (found.number, found.drawn) == (drawn, True)
    assert shop.store.place_of(event_id, buyer).standing is not Standing.DONE


def test_a_claim_that_was_cut_off_is_made_good_at_the_next_look(shop, engine, redis_client):
    event_id, buyer, number, drawn = lost_entry(shop, engine, redis_client)
    shop.store.join(event_id, buyer, address=ADDRESS, proven=number)
    shop.places.vacate(event_id, [drawn])

    assert shop.store.place_of(event_id, buyer).standing is not Standing.DONE


def test_a_claimed_number_that_was_used_up_stays_so(shop, engine, redis_client):
    event_id, buyer, number, drawn = lost_entry(shop, engine, redis_client)
    shop.store.join(event_id, buyer, address=ADDRESS, proven=number)
    shop.store.leave(event_id, str(drawn))

    shop.places.vacate(event_id, [drawn])
    shop.store.join(event_id, buyer, address=ADDRESS, proven=number)

    assert shop.store.place_of(event_id, buyer).standing is Standing.DONE


def test_after_another_loss_nobodys_numbers_are_passed_over_again_and_take_no_slot(shop, engine, redis_client):
    event_id, buyers = lost_with(shop, engine, redis_client, 20, rate=60, max_active=20)
    opened(shop, engine, event_id)
    admitting_until(shop, lambda: shop.store.snapshot(event_id).admitted_total >= 1, "somebody is let in")
    journaling.write_journal(shop, event_id)

    redis_emptied(shop, redis_client, event_id)
    set_queue(engine, event_id, rate_per_minute=6_000)

    def all_came() -> bool:
        found = standings(shop, event_id, buyers)
        return all(one in (Standing.ADMITTED, Standing.PASSED) for one in found)

    admitting_until(shop, all_came, "everybody was called")
    assert shop.store.snapshot(event_id).admitted <= 20
    assert redis_client.zcard(EventKeys(event_id).admitted) == len(
        [one for one in standings(shop, event_id, buyers) if one is Standing.ADMITTED]
    )


def test_who_booked_keeps_the_number_though_nobody_wrote_down_that_they_joined(shop, engine, redis_client):
    event_id, _ = lost_with(shop, engine, redis_client, 1)
    hands_free = EventKeys(event_id).numbers_lane()[3]
    redis_client.setbit(hands_free, 7, 1)

    assert shop.places.vacate(event_id, [7, 8]) == 1


@pytest.mark.parametrize("people", [0, 1])
def test_a_draw_of_hardly_anybody_opens_after_a_loss(shop, engine, redis_client, people):
    event_id, buyers = lost_with(shop, engine, redis_client, people)

    opened(shop, engine, event_id)
    admitting_until(shop, lambda: shop.store.snapshot(event_id).serving == BLOCK, "the queue is through")

    assert standings(shop, event_id, buyers) == [Standing.ADMITTED] * people
