"""The copy of a house's seats in Redis: numbered by write, of one epoch, and made right from the record."""

from __future__ import annotations

import random
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import orjson
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis import Redis
from sqlalchemy import Engine

from onsale.db.catalogue import NewSection
from onsale.db.ids import EventId, ticket_id
from onsale.queue.keys import SEATS_WATCHED, EventKeys
from onsale.queue.live_seats import WATCHED_MAX, LiveSeats
from onsale.queue.seats_seen import Plan, SeatsSeen, SectionPlan
from onsale.queue.ticket_cache import LOG_MAX, TakenTicket, TicketCache
from onsale.queue.ticket_marks import MARK_BYTES, SOLD_UNTIL_MS
from onsale.sandbox.valkey import EmbeddedValkey
from onsale.search.postgres import PostgresSearch
from onsale.web.availability import Availabilities
from onsale.web.seat_keeping import SeatKeeper
from onsale.web.showing import open_shows
from tests.builders import an_event, run_sql, seat, ticket_states, until

EVENT = EventId(7)
KEYS = EventKeys(EVENT)
COUNT = 6
PLAN = Plan((SectionPlan(1, False, ((1, COUNT),)),))
FAR_MS = 1 << 46
SECTIONS = (NewSection(1, "Parterre", 4500, rows=2, seats_per_row=5), NewSection(2, "Floor", 3000, standing=5))
LETTER = {0: "f", SOLD_UNTIL_MS: "s"}


@dataclass
class Copy:
    """The copy, and who marks in it."""

    client: Redis
    live: LiveSeats
    cache: TicketCache

    def seen(self, before: SeatsSeen | None = None, event_id: EventId = EVENT) -> SeatsSeen:
        found = self.live.read(event_id, before)
        assert found is not None
        return found

    def letters(self, event_id: EventId = EVENT) -> str:
        return b"".join(each.letters for each in self.seen(None, event_id).sections).decode()


@pytest.fixture
def copy(redis_client: Redis) -> Copy:
    """An epoch of six free tickets."""
    made = Copy(redis_client, LiveSeats(redis_client), TicketCache(redis_client))
    assert made.live.begin(EVENT, PLAN)
    return made


# By ticket: until when it is taken at version 1, 2, ... A version has one state, as in the record.
histories = st.dictionaries(
    st.integers(1, COUNT),
    st.lists(st.sampled_from([0, FAR_MS, SOLD_UNTIL_MS]), min_size=1, max_size=5),
    min_size=1,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(histories, st.randoms(use_true_random=False))
def test_whatever_the_order_of_the_marks_the_newest_version_of_each_ticket_stays(
    redis_client: Redis, history: dict[int, list[int]], chance: random.Random
) -> None:
    redis_client.flushall()
    live, cache = LiveSeats(redis_client), TicketCache(redis_client)
    live.begin(EVENT, PLAN)
    follower = start = live.read(EVENT, None)
    marks = [(ordinal, version, until) for ordinal, ends in history.items() for version, until in enumerate(ends, 1)]
    # Some come twice.
    marks += chance.sample(marks, chance.randint(0, len(marks)))
    chance.shuffle(marks)

    while marks:
        batch = [marks.pop() for _ in range(min(len(marks), chance.randint(1, 4)))]
        cache.mark(EVENT, batch)
        if chance.random() < 0.5:
            follower = live.read(EVENT, follower)

    newest = {ordinal: LETTER.get(ends[-1], "h") for ordinal, ends in history.items()}
    expected = "".join(newest.get(ordinal, "f") for ordinal in range(1, COUNT + 1))
    now, follower, whole = (live.read(EVENT, each) for each in (start, follower, None))
    assert now is not None
    assert follower is not None
    assert whole is not None
    assert whole.sections[0].letters.decode() == expected
    assert now.sections[0].letters == follower.sections[0].letters == whole.sections[0].letters
    assert now.version == follower.version == whole.version


def test_marks_of_many_threads_end_as_the_newest_version_says(copy: Copy) -> None:
    marks = [
        (ordinal, version, [0, FAR_MS][version % 2]) for ordinal in range(1, COUNT + 1) for version in range(1, 41)
    ]
    random.Random(4).shuffle(marks)
    threads = [threading.Thread(target=copy.cache.mark, args=(EVENT, marks[part::8])) for part in range(8)]
    follower = copy.seen()

    for thread in threads:
        thread.start()
    while any(thread.is_alive() for thread in threads):
        follower = copy.seen(follower)
    for thread in threads:
        thread.join()

    assert copy.letters() == "f" * COUNT
    assert copy.seen(follower).sections[0].letters.decode() == "f" * COUNT


def test_a_deadline_of_one_version_only_moves_to_later(copy: Copy) -> None:
    copy.cache.mark(EVENT, [(1, 1, FAR_MS)])
    before = copy.seen()

    assert copy.cache.mark(EVENT, [(1, 1, FAR_MS - 1)]) == 0
    assert copy.cache.mark(EVENT, [(1, 1, FAR_MS + 1)]) == 1

    # Nothing that anybody sees has changed.
    assert copy.seen(before) is before


def test_each_write_counts_one_and_is_told_once(copy: Copy) -> None:
    with copy.client.pubsub(ignore_subscribe_messages=True) as listening:
        listening.subscribe(KEYS.seats_about)
        listening.get_message(timeout=5)
        before = copy.seen()

        copy.cache.put(EVENT, [TakenTicket(ticket_id(EVENT, each), 1, None) for each in (1, 2, 3)])
        copy.cache.clear(EVENT, {ticket_id(EVENT, 1): 2})
        copy.cache.clear(EVENT, {ticket_id(EVENT, 1): 2})

        heard = [until(lambda: listening.get_message(timeout=1), "a word")["channel"] for _ in range(2)]
        assert listening.get_message(timeout=0.1) is None
    now = copy.seen(before)
    assert heard == [KEYS.seats_about.encode()] * 2
    assert (now.epoch, now.seq - before.seq) == (before.epoch, 2)
    assert orjson.loads(now.told(before.version))["sections"][0]["changes"] == [[0, "f"], [1, "s"], [2, "s"]]


def test_who_missed_more_than_the_log_has_is_told_everything(copy: Copy) -> None:
    before = copy.seen()
    # The log is trimmed by whole nodes of a hundred.
    for version in range(1, LOG_MAX + 202):
        copy.cache.mark(EVENT, [(1, version, [0, FAR_MS][version % 2])])

    now = copy.seen(before)

    assert copy.client.xlen(KEYS.seats_log) <= LOG_MAX + 200
    assert now.known(before.version) is None
    assert orjson.loads(now.told(before.version))["since"] is None
    assert now.known(f"{now.epoch}.{now.seq - LOG_MAX + 1}") is not None


def test_a_new_epoch_knows_no_version_of_the_old(copy: Copy) -> None:
    copy.cache.mark(EVENT, [(1, 1, FAR_MS)])
    before = copy.seen()
    copy.client.delete(KEYS.seats_about)

    assert copy.live.read(EVENT, before) is None
    assert copy.live.begin(EVENT, PLAN)

    now = copy.seen(before)
    assert (now.epoch != before.epoch, now.seq, now.known(before.version)) == (True, 0, None)
    assert now.sections[0].letters == b"h" + b"f" * 5


def test_as_many_writes_of_another_epoch_are_no_changes(copy: Copy) -> None:
    copy.cache.mark(EVENT, [(1, 1, FAR_MS)])
    before = copy.seen()
    copy.client.delete(KEYS.seats_about)
    copy.live.begin(EVENT, PLAN)
    for ordinal in (2, 3):
        copy.cache.mark(EVENT, [(ordinal, 1, FAR_MS)])

    now = copy.seen(before)

    assert (now.epoch != before.epoch, now.seq, now.sections[0].letters) == (True, 2, b"hhhfff")


def test_an_epoch_that_has_begun_goes_on(copy: Copy) -> None:
    before = copy.seen()

    assert not copy.live.begin(EVENT, PLAN)
    assert copy.seen().version == before.version


def test_another_house_is_another_epoch(copy: Copy) -> None:
    before = copy.seen()

    assert copy.live.begin(EVENT, Plan((SectionPlan(1, False, ((1, COUNT + 1),)),)))

    assert copy.seen(before).epoch != before.epoch
    assert len(copy.letters()) == COUNT + 1


@pytest.mark.parametrize("key", [KEYS.seats, KEYS.seats_about])
def test_a_copy_that_was_evicted_in_part_is_not_believed(copy: Copy, key: str) -> None:
    copy.cache.mark(EVENT, [(1, 1, FAR_MS)])
    copy.client.delete(key)

    assert copy.live.read(EVENT, None) is None
    # A mark that comes now, of the last ticket too, must not be taken for all there was.
    copy.cache.mark(EVENT, [(COUNT, 1, FAR_MS)])
    assert copy.live.read(EVENT, None) is None


def test_a_log_that_was_evicted_is_only_a_longer_answer(copy: Copy) -> None:
    before = copy.seen()
    copy.cache.mark(EVENT, [(1, 1, FAR_MS)])
    copy.client.delete(KEYS.seats_log)

    now = copy.seen(before)

    assert (now.epoch, now.seq, now.known(before.version)) == (before.epoch, before.seq + 1, None)
    assert now.sections[0].letters == b"h" + b"f" * 5


def test_a_redis_that_came_back_from_the_past_is_not_believed(tmp_path: Any) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        client = Redis.from_url(server.url())
        copy = Copy(client, LiveSeats(client), TicketCache(client))
        copy.live.begin(EVENT, PLAN)
        copy.cache.mark(EVENT, [(1, 1, FAR_MS)])
        before = copy.seen()
        client.save()
        server.kill()
        server.start_again_if_ended()

        assert until(lambda: client.exists(KEYS.seats_about), "it is back with what it had")
        assert copy.live.read(EVENT, before) is None
        copy.live.begin(EVENT, PLAN)

        assert copy.seen(before).epoch != before.epoch
        client.close()


def test_those_who_are_looked_at_are_known_to_all_and_never_more_than_a_bound(copy: Copy) -> None:
    assert copy.live.watched([EventId(1), EventId(2)]) == [1, 2]
    assert LiveSeats(copy.client).watched() == [1, 2]

    many = copy.live.watched(EventId(each) for each in range(10, WATCHED_MAX + 20))

    assert len(many) == WATCHED_MAX
    assert copy.client.pttl(SEATS_WATCHED) > 0


def test_one_process_at_a_time_compares(copy: Copy) -> None:
    others = [LiveSeats(copy.client) for _ in range(4)]

    turns = [each.is_our_turn(EVENT, every_ms=60_000) for each in others]

    assert turns == [True, False, False, False]
    assert 0 < copy.client.pttl(KEYS.seats_turn) <= 60_000


# With a record.


@dataclass
class Kept:
    """A house in the record, and a web process' keeper of its copy."""

    engine: Engine
    event_id: EventId
    copy: Copy
    keeper: SeatKeeper
    availabilities: Availabilities

    def change(self, ordinal: int, state: str) -> int:
        """As a worker that is killed before it has marked the change; its version."""
        run_sql(
            self.engine,
            "UPDATE tickets SET state = :s, booking_id = CASE :s WHEN 'free' THEN NULL ELSE gen_random_uuid() END,"
            " held_until = CASE :s WHEN 'held' THEN now() + interval '5 minutes' END, version = version + 1"
            " WHERE id = :id",
            s=state,
            id=seat(self.event_id, ordinal),
        )
        with self.engine.connect() as connection:
            found = connection.exec_driver_sql(f"SELECT version FROM tickets WHERE id = {seat(self.event_id, ordinal)}")
            return int(found.scalar_one())

    def agrees(self) -> bool:
        record = "".join(state[0] for _, state in sorted(ticket_states(self.engine, self.event_id).items()))
        return self.copy.letters(self.event_id) == record


@pytest.fixture
def kept(engine: Engine, redis_client: Redis) -> Iterator[Kept]:
    shows = open_shows(engine, PostgresSearch(engine), redis_client)
    live, cache = LiveSeats(redis_client), TicketCache(redis_client)
    keeper = SeatKeeper(engine, shows, live, cache)
    availabilities = Availabilities(engine, shows, live, keeper)
    made = Kept(engine, an_event(engine, sections=SECTIONS), Copy(redis_client, live, cache), keeper, availabilities)
    made.keeper.compare(made.event_id)
    yield made
    availabilities.stop()
    keeper.stop()
    shows.stop()


@pytest.mark.parametrize("seed", range(5))
def test_lost_marks_are_made_up_for_from_the_record(kept: Kept, seed: int) -> None:
    chance = random.Random(seed)
    for _ in range(30):
        ordinal, state = chance.randint(1, 15), chance.choice(["free", "held", "sold"])
        version = kept.change(ordinal, state)
        if chance.random() < 0.5:
            ends = {"free": 0, "held": FAR_MS, "sold": SOLD_UNTIL_MS}[state]
            kept.copy.cache.mark(kept.event_id, [(ordinal, version, ends)])
    before = kept.copy.seen(None, kept.event_id)

    kept.keeper.compare(kept.event_id)

    assert kept.agrees()
    assert kept.copy.seen(before, kept.event_id).epoch == before.epoch
    assert kept.keeper.compare(kept.event_id) == 0


def test_a_comparison_never_takes_back_what_is_newer_than_its_reading(kept: Kept) -> None:
    kept.change(3, "held")
    kept.copy.cache.mark(kept.event_id, [(3, 2, SOLD_UNTIL_MS)])

    assert kept.keeper.compare(kept.event_id) == 0

    assert kept.copy.letters(kept.event_id)[2] == "s"


def test_a_flushed_redis_is_filled_from_the_record_in_a_new_epoch(kept: Kept) -> None:
    version = kept.change(3, "sold")
    kept.keeper.compare(kept.event_id)
    before = kept.copy.seen(None, kept.event_id)
    kept.copy.client.flushall()

    kept.keeper.compare(kept.event_id)

    assert kept.agrees()
    assert kept.copy.seen(None, kept.event_id).epoch != before.epoch
    # An older mark that comes late finds the newer version there.
    assert kept.copy.cache.mark(kept.event_id, [(3, version - 1, FAR_MS)]) == 0


def test_what_is_looked_at_is_compared_within_ten_seconds_wherever_it_is_looked_at(kept: Kept) -> None:
    kept.change(4, "held")
    kept.copy.live.watched([kept.event_id])

    kept.keeper.start()

    until(kept.agrees, "the lost mark is made up for", seconds=10)


def test_what_nobody_looks_at_is_not_compared(kept: Kept) -> None:
    kept.change(4, "held")

    kept.keeper.look()

    assert not kept.agrees()


def test_a_made_up_event_is_not_compared_and_stops_nobody(kept: Kept) -> None:
    kept.change(4, "held")
    kept.copy.live.watched([EventId(999_999), kept.event_id])

    kept.keeper.look()

    assert kept.agrees()


def test_with_redis_away_the_seats_come_from_the_record_in_numbered_versions(kept: Kept, engine: Engine) -> None:
    nowhere = Redis.from_url("redis://127.0.0.1:9", socket_timeout=0.2, socket_connect_timeout=0.2)
    shows = open_shows(engine, PostgresSearch(engine), nowhere)
    live = LiveSeats(nowhere)
    availabilities = Availabilities(engine, shows, live, SeatKeeper(engine, shows, live, TicketCache(nowhere)))
    try:
        first = availabilities._read(kept.event_id)
        kept.change(2, "sold")
        second = availabilities._read(kept.event_id)
    finally:
        shows.stop()

    assert (first.epoch, second.seq) == (second.epoch, first.seq + 1)
    assert orjson.loads(second.told(first.version))["sections"][0]["changes"] == [[1, "s"]]


def test_the_first_who_looks_begins_the_copy(engine: Engine, kept: Kept) -> None:
    other = an_event(engine, sections=SECTIONS)
    assert kept.copy.live.read(other, None) is None

    seen = kept.availabilities.of(other)

    assert seen.version == kept.copy.seen(None, other).version


def test_a_stadium_is_copied_in_pieces(engine: Engine, kept: Kept) -> None:
    big = an_event(engine, sections=(NewSection(1, "Block", 4500, rows=50, seats_per_row=50),))
    run_sql(
        engine,
        "UPDATE tickets SET state = 'sold', booking_id = gen_random_uuid(), version = 1 WHERE event_id = :id",
        id=big,
    )

    assert kept.keeper.compare(big) == 2_500

    assert kept.copy.seen(None, big).sections[0].sold == 2_500
    assert kept.copy.client.strlen(EventKeys(big).seats) == 2_500 * MARK_BYTES
