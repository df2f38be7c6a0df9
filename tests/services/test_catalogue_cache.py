"""Copies of events and searches in Redis: told only under the stream's word, the newest only, and never too many."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from redis import Redis

from onsale.queue import lua
from onsale.queue.catalogue_cache import EVENTS, READING_MS, SEARCHES, TEXT_BYTES_MAX, Answer, CatalogueCache, Turn
from onsale.queue.client import connect
from onsale.queue.followed import VOUCHED_MS, Followed
from onsale.queue.keys import CatalogueKeys
from tests.builders import until

SLOT = CatalogueKeys.slot(EVENTS.name, 7)


class Stream:
    """The reader of the change stream, and how far it is."""

    def __init__(self, client: Redis, *, vouched_ms: int = 60_000) -> None:
        self.followed = Followed(client, vouched_ms=vouched_ms)
        self.position = 100
        self.vouch()

    def vouch(self) -> None:
        mark = self.followed.mark()
        assert mark is not None
        assert self.followed.vouch(mark, self.position)

    def change(self, event_id: int, lsn: int) -> None:
        self.followed.outdate([event_id], lsn)
        self.position = max(self.position, lsn)
        self.vouch()


@pytest.fixture
def stream(redis_client: Redis) -> Stream:
    return Stream(redis_client)


@pytest.fixture
def cache(redis_client: Redis) -> CatalogueCache:
    return CatalogueCache(redis_client, EVENTS)


def turn_of(cache: CatalogueCache, name: str = "seven", place: int = 7) -> Turn:
    look = cache.look_up(name, place)
    assert look.answer is Answer.READ
    assert look.turn is not None
    return look.turn


def told(cache: CatalogueCache, name: str = "seven", place: int = 7) -> bytes | None:
    return cache.told(name, place)


def without(script: str, line: str, instead: str = "") -> dict[str, str]:
    source = lua.load(script)
    assert line in source
    return {script: source.replace(line, instead)}


def test_what_one_has_read_is_told_to_all(stream: Stream, cache: CatalogueCache, redis_client: Redis) -> None:
    assert cache.keep("seven", 7, turn_of(cache), b"text")

    look = CatalogueCache(redis_client, EVENTS).look_up("seven", 7)

    assert (look.answer, look.text) == (Answer.HIT, b"text")
    assert cache.look_up("seven", 7, known=look.tag).answer is Answer.SAME


def test_one_reads_and_the_others_wait(stream: Stream, cache: CatalogueCache) -> None:
    turn = turn_of(cache)
    assert cache.look_up("seven", 7).answer is Answer.WAIT

    cache.keep("seven", 7, turn, b"")

    assert cache.look_up("seven", 7).answer is Answer.READ


def test_when_the_one_who_reads_has_died_another_reads(stream: Stream, cache: CatalogueCache) -> None:
    turn = turn_of(cache)

    second = until(
        lambda: cache.look_up("seven", 7).turn, "the turn of the dead one ends", seconds=READING_MS / 1_000 + 5
    )
    assert not cache.keep("seven", 7, turn, b"too late")
    assert cache.keep("seven", 7, second, b"text")


def test_without_the_word_of_the_stream_nothing_is_told(cache: CatalogueCache, redis_client: Redis) -> None:
    Stream(redis_client, vouched_ms=VOUCHED_MS)

    until(lambda: cache.look_up("seven", 7).answer is Answer.ALONE, "the word is forgotten", seconds=VOUCHED_MS / 100)


def test_a_word_given_too_late_is_not_believed(redis_client: Redis, cache: CatalogueCache) -> None:
    """As by a reader that was stopped (SIGSTOP) between looking and telling."""
    followed = Followed(redis_client)
    mark = followed.mark()
    assert mark is not None

    assert not followed.vouch(type(mark)(mark.run_id, mark.since_ms - VOUCHED_MS), 100)
    assert cache.look_up("seven", 7).answer is Answer.ALONE


def test_a_word_for_another_server_is_not_believed_and_begins_a_new_generation(
    stream: Stream, cache: CatalogueCache
) -> None:
    cache.keep("seven", 7, turn_of(cache), b"of before")
    mark = stream.followed.mark()
    assert mark is not None
    stream.followed._run_id = "0" * 40

    assert not stream.followed.vouch(type(mark)("0" * 40, mark.since_ms), 100)
    stream.vouch()

    assert told(cache) is None


def test_a_change_outdates_its_event_and_no_other(stream: Stream, cache: CatalogueCache) -> None:
    cache.keep("seven", 7, turn_of(cache), b"old")
    cache.keep("eight", 8, turn_of(cache, "eight", 8), b"other")

    stream.change(7, 200)

    assert told(cache) is None
    assert told(cache, "eight", 8) == b"other"


def what_a_slow_reader_leaves(client: Redis, cache: CatalogueCache) -> bytes | None:
    """It read before the change, and writes after it."""
    stream = Stream(client)
    turn = turn_of(cache)
    stream.change(7, 200)
    cache.keep("seven", 7, turn, b"from before the change")
    return told(cache)


def test_a_slow_reader_cannot_bring_back_what_was(redis_client: Redis, cache: CatalogueCache) -> None:
    assert what_a_slow_reader_leaves(redis_client, cache) is None


def test_without_comparing_stamps_a_slow_reader_brings_back_what_was(redis_client: Redis) -> None:
    keep = without("keep", "if stamp < floor then\n  return 0\nend")
    look_up = without("look_up", "tonumber(slot[3]) >= tonumber(whole and changed or slot[4])", "true")

    left = what_a_slow_reader_leaves(redis_client, CatalogueCache(redis_client, EVENTS, sources=keep | look_up))

    assert left == b"from before the change"


def test_an_evicted_floor_lets_no_old_copy_in(stream: Stream, cache: CatalogueCache, redis_client: Redis) -> None:
    turn = turn_of(cache)
    stream.change(7, 200)
    redis_client.delete(SLOT)

    assert not cache.keep("seven", 7, turn, b"from before the change")


def test_a_generation_ends_every_copy_and_every_turn_of_the_one_before(stream: Stream, cache: CatalogueCache) -> None:
    cache.keep("seven", 7, turn_of(cache), b"old")
    turn = turn_of(cache, "eight", 8)

    stream.followed.begin_anew()
    stream.vouch()

    assert not cache.keep("eight", 8, turn, b"old")
    assert told(cache) is None


Moves = st.lists(
    st.one_of(
        st.tuples(st.just("change"), st.integers(1, 4)),
        st.tuples(st.just("late"), st.integers(1, 40)),
        st.tuples(st.just("read"), st.integers(0, 3)),
        st.tuples(st.just("keep"), st.integers(0, 3)),
    ),
    max_size=30,
)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@example([("read", 0), ("change", 1), ("keep", 0)])
@given(moves=Moves)
def test_in_whatever_order_readers_and_changes_come_what_is_told_is_never_older_than_the_floor(
    redis_client: Redis, moves: list[tuple[str, int]]
) -> None:
    """The record is a number, its LSN; `late` is a change told again, as after a crash of the follower."""
    redis_client.flushdb()
    stream, record = Stream(redis_client), 100
    caches = [CatalogueCache(redis_client, EVENTS) for _ in range(4)]
    begun: dict[int, tuple[Turn, int]] = {}
    for move, number in moves:
        if move == "change":
            record += number
            stream.change(7, record)
        elif move == "late":
            stream.followed.outdate([7], max(1, record - number))
        elif move == "read" and (turn := caches[number].look_up("seven", 7).turn):
            begun[number] = (turn, record)
        elif move == "keep" and number in begun:
            turn, read = begun.pop(number)
            caches[number].keep("seven", 7, turn, str(read).encode())
        stream.vouch()
        look = caches[0].look_up("seven", 7)
        if look.turn is not None:
            caches[0].keep("seven", 7, look.turn, b"")
        assert look.answer is not Answer.HIT or int(look.text) == record


def test_searches_are_outdated_by_any_change(stream: Stream, redis_client: Redis) -> None:
    searches = CatalogueCache(redis_client, SEARCHES)
    searches.keep("jazz", 3, turn_of(searches, "jazz", 3), b"found")
    assert told(searches, "jazz", 3) == b"found"
    turn = turn_of(searches, "rock", 4)

    stream.change(99, 200)

    assert told(searches, "jazz", 3) is None
    assert not searches.keep("rock", 4, turn, b"found before")


def test_a_log_that_begins_anew_at_lower_positions_outdates_searches_all_the_same(
    stream: Stream, redis_client: Redis
) -> None:
    """As of a server restored from a backup."""
    stream.change(99, 5_000)
    stream.followed.begin_anew()
    stream.position = 300
    stream.vouch()
    searches = CatalogueCache(redis_client, SEARCHES)
    searches.keep("jazz", 3, turn_of(searches, "jazz", 3), b"found")

    stream.change(99, 400)

    assert told(searches, "jazz", 3) is None


def test_made_up_names_push_nothing_out_and_fill_nothing(stream: Stream, redis_client: Redis) -> None:
    searches = CatalogueCache(redis_client, SEARCHES)
    searches.keep("jazz", 3, turn_of(searches, "jazz", 3), b"found")

    for number in range(3 * SEARCHES.slots):
        searches.keep(f"made up {number}", number, turn_of(searches, f"made up {number}", number), b"nothing")

    assert told(searches, "jazz", 3) == b"found"
    keys = list(redis_client.scan_iter())
    assert len(keys) <= SEARCHES.slots + 1
    assert all(redis_client.pttl(key) > 0 for key in keys)


def test_what_is_asked_for_twice_takes_the_place_of_what_nobody_asks_for(stream: Stream, cache: CatalogueCache) -> None:
    cache.keep("seven", 7, turn_of(cache), b"text")
    rival = 7 + EVENTS.slots

    first = cache.keep("rival", rival, turn_of(cache, "rival", rival), b"another")
    second = cache.keep("rival", rival, turn_of(cache, "rival", rival), b"another")

    assert (first, second) == (False, True)
    assert told(cache, "rival", rival) == b"another"


def test_what_is_too_large_is_not_kept(stream: Stream, cache: CatalogueCache) -> None:
    assert not cache.keep("seven", 7, turn_of(cache), b"x" * (TEXT_BYTES_MAX + 1))
    assert cache.keep("seven", 7, turn_of(cache), b"x" * TEXT_BYTES_MAX)


def test_more_changes_than_slots_begin_a_new_generation(stream: Stream, cache: CatalogueCache) -> None:
    cache.keep("seven", 7, turn_of(cache), b"text")

    stream.followed.outdate(range(EVENTS.slots + 1), 200)
    stream.vouch()

    assert told(cache) is None


@pytest.fixture
def away() -> Iterator[Redis]:
    client = connect("redis://127.0.0.1:9", answer_seconds=0.2)
    yield client
    client.close()


def test_a_redis_that_is_away_tells_nothing_and_breaks_nothing(away: Redis) -> None:
    cache, followed = CatalogueCache(away, EVENTS), Followed(away)

    assert cache.look_up("seven", 7).answer is Answer.ALONE
    assert not cache.keep("seven", 7, Turn("token", "generation", 1), b"text")
    assert followed.mark() is None
    followed.outdate([7], 100)
