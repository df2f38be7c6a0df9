"""The copy of held and sold tickets: newest version wins, in any order; away or wiped, it knows nothing and breaks
nothing.
"""

from __future__ import annotations

import time
from itertools import permutations

import pytest
from redis import Redis

from onsale.db.ids import EventId, ticket_id
from onsale.queue.client import connect
from onsale.queue.ticket_cache import TICKETS_MAX, TakenTicket, TicketCache
from tests.builders import until

EVENT = EventId(7)
ONE, TWO, THREE = (ticket_id(EVENT, ordinal) for ordinal in (1, 2, 3))


def soon_ms(milliseconds: int) -> int:
    return time.time_ns() // 1_000_000 + milliseconds


@pytest.fixture
def cache(redis_client: Redis) -> TicketCache:
    return TicketCache(redis_client)


def test_held_and_sold_tickets_are_taken_and_others_are_not(cache: TicketCache) -> None:
    cache.put(EVENT, [TakenTicket(ONE, 1, soon_ms(60_000)), TakenTicket(TWO, 1, None)])

    assert cache.taken([ONE, TWO, THREE]) == {ONE, TWO}
    assert cache.taken([THREE]) == frozenset()
    assert cache.taken([]) == frozenset()


def test_a_hold_ends_at_its_deadline(cache: TicketCache) -> None:
    cache.put(EVENT, [TakenTicket(ONE, 1, soon_ms(200))])
    assert cache.taken([ONE]) == {ONE}

    until(lambda: cache.taken([ONE]) == frozenset(), "the hold ends", seconds=5)


def test_whatever_the_order_the_newest_version_stays(redis_client: Redis) -> None:
    far = soon_ms(60_000)

    for order in permutations(range(3)):
        redis_client.flushdb()
        cache = TicketCache(redis_client)
        steps = (
            lambda c: c.put(EVENT, [TakenTicket(ONE, 1, far)]),
            lambda c: c.clear(EVENT, {ONE: 2}),
            lambda c: c.put(EVENT, [TakenTicket(ONE, 3, None)]),
        )
        for step in order:
            steps[step](cache)
        assert cache.taken([ONE]) == {ONE}, order


def test_a_late_hold_does_not_come_back_after_its_release(cache: TicketCache) -> None:
    cache.clear(EVENT, {ONE: 5})

    cache.put(EVENT, [TakenTicket(ONE, 4, soon_ms(60_000))])

    assert cache.taken([ONE]) == frozenset()


def test_an_extended_hold_of_the_same_version_lasts_longer(cache: TicketCache) -> None:
    cache.put(EVENT, [TakenTicket(ONE, 1, soon_ms(-1))])
    cache.put(EVENT, [TakenTicket(ONE, 1, soon_ms(60_000))])

    assert cache.taken([ONE]) == {ONE}


def test_many_are_written_in_one_call(cache: TicketCache) -> None:
    tickets = [ticket_id(EVENT, ordinal) for ordinal in range(1, 2 * TICKETS_MAX + 2)]

    cache.put(EVENT, [TakenTicket(ticket, 1, None) for ticket in tickets])
    assert len(cache.taken(tickets[:TICKETS_MAX])) == TICKETS_MAX
    cache.clear(EVENT, dict.fromkeys(tickets, 2))

    assert cache.taken(tickets[:TICKETS_MAX]) == frozenset()


def test_tickets_of_two_events_are_kept_apart(cache: TicketCache) -> None:
    other = ticket_id(EventId(8), 1)
    cache.put(EventId(8), [TakenTicket(other, 1, None)])

    assert cache.taken([ONE, other]) == {other}


def test_an_events_copy_is_forgotten_in_the_end(cache: TicketCache, redis_client: Redis) -> None:
    cache.put(EVENT, [TakenTicket(ONE, 1, None)])

    (key,) = redis_client.keys("*")
    assert 0 < redis_client.pttl(key) <= 30 * 24 * 3_600_000


def test_a_cache_that_is_away_knows_nothing_and_breaks_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    nowhere = TicketCache(connect("redis://127.0.0.1:9"))

    nowhere.put(EVENT, [TakenTicket(ONE, 1, None)])
    nowhere.clear(EVENT, {ONE: 2})

    assert nowhere.taken([ONE]) == frozenset()
    assert capsys.readouterr().out.count("part_away") == 1
