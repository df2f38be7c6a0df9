"""`onsale verify` asks the copies of the record: the queue's stock and the cache of taken tickets."""

from __future__ import annotations

from collections.abc import Iterator
from threading import Timer

import pytest
import redis

from onsale.db import catalogue
from onsale.db.catalogue import Event
from onsale.db.change_stream import followed_up_to
from onsale.db.packed import Packed
from onsale.queue.catalogue_cache import EVENTS, CatalogueCache
from onsale.queue.client import connect
from onsale.queue.followed import Followed
from onsale.queue.live_seats import LiveSeats
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TicketCache
from onsale.search.event_index import ALIAS, EventIndex
from onsale.search.postgres import PostgresSearch
from onsale.search.rebuild import rebuild
from onsale.verify.check import verify
from onsale.verify.copies import Copies
from onsale.verify.verdict import Finding
from onsale.web.seat_keeping import SeatKeeper
from onsale.web.showing import open_shows
from onsale.workers.admissions import tell_stock
from tests.builders import run_sql, seat
from tests.conftest import NOWHERE
from tests.services.small_sale import Sale, verified

FAR_AHEAD_MS = 1 << 47


def with_copies(sale: Sale, copies_at: Copies) -> Finding:
    verdict = verify(sale.engine, sale.event_id, ledger=None, copies_at=copies_at, agree_seconds=0.0)
    return next(finding for finding in verdict.findings if finding.invariant == "I10")


def call_taken(sale: Sale, ordinal: int) -> None:
    """The cache says that a ticket is taken."""
    sale.shop.ticket_cache.mark(sale.event_id, [(ordinal, 1_000, FAR_AHEAD_MS)])


def test_a_cache_that_calls_a_free_ticket_taken_is_found(sale: Sale) -> None:
    call_taken(sale, 8)

    ticket = seat(sale.event_id, 8)
    assert sale.broken() == {"I10"}
    found = sale.finding("I10")
    assert found.examples == (f"the cache says that ticket {ticket} is taken, the record: free",)
    assert found.note == "search; the queue's stock; the cache, about 5 free tickets"


def test_a_cache_that_forgot_everything_is_right(sale: Sale) -> None:
    client = connect(sale.shop.config.cache_url)
    client.flushdb()
    client.close()

    assert sale.broken() == set()


def test_a_queue_with_another_stock_than_the_records_is_found(sale: Sale) -> None:
    sale.shop.store.set_stock(sale.event_id, [], free=6, held=1)

    assert sale.broken() == {"I10"}
    assert sale.finding("I10").examples == ("the queue says 6 free and 1 held, the record 5 and 1",)


@pytest.mark.parametrize("late", ["stock", "cache"])
def test_a_copy_that_agrees_within_its_time_is_right(sale: Sale, late: str) -> None:
    sale.shop.store.set_stock(sale.event_id, [], free=6, held=1)
    call_taken(sale, 8)
    repairs = {
        "stock": lambda: tell_stock(sale.shop, sale.event_id),
        "cache": lambda: sale.shop.ticket_cache.clear(sale.event_id, {seat(sale.event_id, 8): 1_001}),
    }
    repairs.pop("cache" if late == "stock" else "stock")()

    repair = Timer(0.7, repairs[late])
    repair.start()
    found = verified(sale.shop, sale.event_id, agree_seconds=20.0)
    repair.join()

    assert [finding.invariant for finding in found.findings if not finding.ok] == []
    assert sum(finding.seconds for finding in found.findings) < 10


@pytest.fixture
def shown(sale: Sale) -> Iterator[Copies]:
    """The copies, once somebody has looked at the seats."""
    client = connect(sale.shop.config.cache_url)
    live = LiveSeats(client)
    shows = open_shows(sale.engine, PostgresSearch(sale.engine), client)
    SeatKeeper(sale.engine, shows, live, sale.shop.ticket_cache).compare(sale.event_id)
    yield Copies(sale.shop.store, sale.shop.ticket_cache, live)
    shows.stop()
    client.close()


def test_seats_shown_as_they_are_are_right(sale: Sale, shown: Copies) -> None:
    found = with_copies(sale, shown)

    assert (found.ok, found.examples) == (True, ())
    assert "the seats shown" in found.note


def test_a_seat_shown_otherwise_than_it_is_is_found(sale: Sale, shown: Copies) -> None:
    ticket = seat(sale.event_id, 8)
    sale.damage(f"UPDATE tickets SET state = 'sold', booking_id = gen_random_uuid(), version = 9 WHERE id = {ticket}")

    found = with_copies(sale, shown)

    assert found.ok is False
    assert f"viewers are shown that ticket {ticket} is f, the record: s" in found.examples


def test_a_queue_or_cache_that_is_away_is_not_checked_and_no_pass(sale: Sale) -> None:
    away = redis.Redis.from_url(f"redis://{NOWHERE}/0", socket_timeout=0.2, socket_connect_timeout=0.2)
    queue_away = with_copies(sale, Copies(QueueStore(away), sale.shop.ticket_cache))
    cache_away = with_copies(sale, Copies(sale.shop.store, TicketCache(away)))
    away.close()

    assert (queue_away.ok, cache_away.ok) == (None, None)
    assert "The queue's Redis does not answer." in queue_away.note
    assert "The cache's Redis does not answer." in cache_away.note


def test_an_event_without_a_queue_in_redis_is_not_checked(sale: Sale, redis_client: redis.Redis) -> None:
    redis_client.flushall()

    found = sale.finding("I10")

    assert found.ok is None
    assert "There is no queue in Redis" in found.note


def with_events(sale: Sale, client: redis.Redis, **where) -> Finding:
    return with_copies(
        sale,
        Copies(
            sale.shop.store,
            sale.shop.ticket_cache,
            events=CatalogueCache(client, EVENTS),
            index=where.get("index"),
        ),
    )


@pytest.mark.parametrize("change", ["", "UPDATE events SET name = 'Another'"])
def test_a_copy_of_the_event_that_says_something_else_is_found(sale: Sale, redis_client: redis.Redis, change: str):
    followed, cache, form = (
        Followed(redis_client, vouched_ms=60_000),
        CatalogueCache(redis_client, EVENTS),
        Packed(Event),
    )
    mark = followed.mark()
    assert mark is not None
    followed.vouch(mark, 1)
    turn = cache.look_up(form.named(sale.event_id), sale.event_id).turn
    assert turn is not None
    with sale.engine.connect() as connection:
        event = catalogue.event_by_id(connection, sale.event_id)
    cache.keep(form.named(sale.event_id), sale.event_id, turn, form.pack(event))
    if change:
        # As if nobody followed, and yet somebody vouched.
        run_sql(sale.engine, change)

    found = with_events(sale, redis_client)

    assert found.ok is not bool(change)
    assert ("the cache tells the event otherwise than the record" in found.examples) is bool(change)
    assert "the cache's copy of the event" in found.note


def test_an_index_that_says_something_else_is_found(sale: Sale, redis_client: redis.Redis, elasticsearch_server):
    with EventIndex(elasticsearch_server.url()) as index:
        missing = with_events(sale, redis_client, index=index)
        rebuild(sale.engine, index, position=followed_up_to)
        try:
            right = with_events(sale, redis_client, index=index)
            index.write(ALIAS, {sale.event_id: {"event_id": sale.event_id, "name": "Another"}}, version=2**62)
            wrong = with_events(sale, redis_client, index=index)
        finally:
            for name in index.written_to():
                index.delete(name)

    assert (missing.ok, right.ok, wrong.ok) == (None, True, False)
    assert wrong.examples == ("the index has the event otherwise than the record",)
