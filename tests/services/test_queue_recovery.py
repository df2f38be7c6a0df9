"""A Redis that lost the queue, or came back from the past: nothing is given out, and after that nothing twice."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from redis import Redis

from onsale.errors import NotInQueue, NumbersExhausted, QueueRecovering, QueueUnavailable
from onsale.queue import status
from onsale.queue.gaps import Gaps
from onsale.queue.journaled import RESTORE_MAX
from onsale.queue.keys import number_place
from onsale.queue.recovery import RETURNS_GAP, Mark
from onsale.queue.state import SlotKind, SlotState
from onsale.queue.store import QueueStore
from onsale.sandbox.valkey import EmbeddedValkey
from tests.services.waiting_room import EMPTY, EVENT, MINUTE_MS, PATIENCE_MS, RULES, START_MS, Room, a_buyer

GIVING: dict[str, Callable[[Room], object]] = {
    "join": lambda room: room.join(),
    "advance": lambda room: room.advance(),
    "enter": lambda room: room.enter(1),
    "come back": lambda room: room.come_back(1),
    "stay": lambda room: room.store.stay(EVENT, 1),
    "place": lambda room: room.store.place_at(EVENT, "1"),
}


def lose_to_another_server(room: Room) -> None:
    """As after a restart: the data of a server with another run id."""
    room.client.hset(room.keys.queue, "run_id", "0" * 40)


@pytest.mark.parametrize("call", GIVING.values(), ids=GIVING.keys())
def test_nothing_is_given_out_by_an_emptied_redis(redis_client: Redis, call: Callable[[Room], object]) -> None:
    room = Room(redis_client)
    room.crowd(3)
    redis_client.flushall()

    with pytest.raises(QueueRecovering) as refused:
        call(room)

    assert refused.value.retry_after_seconds == 1
    assert redis_client.dbsize() == 0


@pytest.mark.parametrize("call", GIVING.values(), ids=GIVING.keys())
def test_nothing_is_given_out_by_another_server_with_the_same_data(
    redis_client: Redis, call: Callable[[Room], object]
) -> None:
    room = Room(redis_client)
    room.crowd(3)
    lose_to_another_server(room)

    with pytest.raises(QueueRecovering):
        call(room)

    assert redis_client.hget(room.keys.queue, "issued") == b"3"


@pytest.mark.parametrize("call", GIVING.values(), ids=GIVING.keys())
def test_nothing_is_given_out_until_the_last_buyer_is_restored(
    redis_client: Redis, call: Callable[[Room], object]
) -> None:
    room = Room(redis_client)
    redis_client.flushall()
    assert room.store.begin_recovery(EVENT, EMPTY, RULES, version=1)

    with pytest.raises(QueueRecovering):
        call(room)
    assert room.state().recovering

    assert room.store.finish_recovery(EVENT)
    assert not room.state().recovering


def test_a_whole_queue_is_not_restored_over(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(3)

    assert not room.store.begin_recovery(EVENT, EMPTY, RULES, version=9)

    assert room.state().issued == 3


def test_of_two_at_once_one_restores(redis_client: Redis) -> None:
    room = Room(redis_client)
    lose_to_another_server(room)

    def restore() -> bool:
        found = room.store.begin_recovery(EVENT, EMPTY, RULES, version=1)
        return found is not None and room.store.finish_recovery(EVENT)

    restore()
    with ThreadPoolExecutor(8) as pool:
        rest = list(pool.map(lambda _: restore(), range(8)))

    assert rest == [False] * 8


def test_a_recovery_cut_short_begins_again(redis_client: Redis) -> None:
    room = Room(redis_client)
    lose_to_another_server(room)
    assert room.store.begin_recovery(EVENT, EMPTY, RULES, version=1) == "another_server"

    assert room.store.begin_recovery(EVENT, EMPTY, RULES, version=1) == "unfinished"

    assert room.store.finish_recovery(EVENT)


def test_a_redis_lost_again_meanwhile_is_not_opened(redis_client: Redis) -> None:
    room = Room(redis_client)
    lose_to_another_server(room)
    room.store.begin_recovery(EVENT, EMPTY, RULES, version=1)
    redis_client.flushall()

    assert not room.store.finish_recovery(EVENT)


def test_after_a_loss_numbers_go_on_behind_the_reserved_block(redis_client: Redis) -> None:
    room = Room(redis_client, block=1_000)
    buyers = [a_buyer() for _ in range(20)]
    for buyer in buyers:
        room.join(buyer)
    room.later(1_000).advance()
    mark = Mark(serving=10, return_serving=0, issued=20, return_issued=0, at_ms=room.now_ms)
    redis_client.flushall()
    room.later(500)

    # The journal lacks the last two; they have tokens.
    room.recover_from(mark, buyers[:18], last_reserved=1_000)

    with pytest.raises(NumbersExhausted):
        room.join()
    room.store.grant_block(EVENT, 2_000)
    assert [room.join(buyer).number for buyer in buyers[:18]] == list(range(1, 19))
    assert room.join(buyers[19], proven=20).number == 20
    assert room.join().number == 1_001


def test_after_a_loss_nobody_is_behind_where_they_were(redis_client: Redis) -> None:
    room = Room(redis_client)
    buyers = [a_buyer() for _ in range(200)]
    for buyer in buyers:
        room.join(buyer)
    room.later(1_000).advance()
    mark = Mark(serving=10, return_serving=0, issued=200, return_issued=0, at_ms=room.now_ms)
    # It went on for two seconds that nobody wrote down.
    before = room.later(2_000).advance().serving
    redis_client.flushall()

    room.recover_from(mark, buyers, last_reserved=1_000)

    assert room.state().serving >= before
    # Who had been let in may still come in.
    assert {room.standing(number) for number in range(11, before + 1)} == {"admitted"}


def test_numbers_nobody_is_known_to_own_take_no_turns(redis_client: Redis) -> None:
    room = Room(redis_client)
    buyers = [a_buyer() for _ in range(20)]
    for buyer in buyers:
        room.join(buyer)
    mark = Mark(serving=0, return_serving=0, issued=20, return_issued=0, at_ms=room.now_ms)
    redis_client.flushall()
    room.recover_from(mark, buyers, last_reserved=5_000)
    room.store.grant_block(EVENT, 6_000)
    newcomer = room.join()
    assert room.state().waiting == 20 - room.state().serving + 1

    runs = room.advance_until(room.now_ms + 3_000, step_ms=100)

    assert newcomer.number == 5_001
    assert room.standing(newcomer.number) == "admitted"
    assert sum(run.passed_over for run in runs) == 5_000 - 20 + RETURNS_GAP


def test_slots_of_live_bookings_are_counted_again(redis_client: Redis) -> None:
    room = Room(redis_client)
    redis_client.flushall()
    mark = Mark(serving=50, return_serving=0, issued=100, return_issued=0, at_ms=room.now_ms)

    room.recover_from(
        mark,
        [],
        last_reserved=1_000,
        slots={
            number_place(3): SlotState(SlotKind.HOLDING, room.now_ms + MINUTE_MS),
            number_place(4): SlotState(SlotKind.UNDECIDED, room.now_ms + MINUTE_MS),
            number_place(5): SlotState(SlotKind.DONE),
        },
    )

    assert [room.standing(number) for number in (3, 4, 5)] == ["holding", "entered", "done"]


def test_return_numbers_come_back_with_their_owners(redis_client: Redis) -> None:
    room = Room(redis_client)
    redis_client.flushall()
    mark = Mark(serving=50, return_serving=2, issued=100, return_issued=5, at_ms=room.now_ms)
    room.recover_from(mark, [], last_reserved=1_000, returns=[(7, 5)])

    place = room.store.place_at(EVENT, "7", now_ms=room.now_ms)

    assert place.return_number == 5
    assert room.store.place_at(EVENT, "r5", now_ms=room.now_ms).number == 7
    # Eight was let in again, and is away.
    assert room.later(MINUTE_MS).come_back(8) > 5


def test_the_last_return_number_of_a_number_counts(redis_client: Redis) -> None:
    room = Room(redis_client)
    redis_client.flushall()
    mark = Mark(serving=50, return_serving=2, issued=100, return_issued=9, at_ms=room.now_ms)

    room.recover_from(mark, [], last_reserved=1_000, returns=[(7, 5), (7, 9)])

    assert room.store.place_at(EVENT, "7", now_ms=room.now_ms).return_number == 9


@pytest.mark.parametrize(("first", "last"), [(1, 1), (3, 6), (3, 8), (7, 8), (8, 15), (8, 16), (5, 40), (1, 1_000)])
def test_the_numbers_that_are_nobodys_are_marked_and_no_others(redis_client: Redis, first: int, last: int) -> None:
    room = Room(redis_client)

    room.store.restore_nobodys(EVENT, Gaps(numbers=((first, last),), returns=((2, 3),)))

    marked = [number for number in range(1_100) if redis_client.getbit(room.keys.nobodys()[0], number)]
    assert marked == list(range(first, last + 1))
    assert redis_client.bitcount(room.keys.nobodys()[1]) == 2


def test_who_is_nobodys_is_not_waited_for_nor_let_in_nor_counted(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.many(10_050)
    room.store.restore_nobodys(EVENT, Gaps(numbers=((11, 10_000),)))
    assert room.state().waiting == 60
    room.store.set_stock(EVENT, [], free=30, held=0)

    run = room.later(10_000).advance()

    assert (run.admitted, run.passed_over) == (20, 9_990)
    assert run.serving == 10_010


def test_who_took_tickets_since_they_were_counted_has_a_claim_on_what_is_said_to_be_free(
    redis_client: Redis,
) -> None:
    room = Room(redis_client)
    room.many(60)
    room.store.set_stock(EVENT, [], free=30, held=0)
    admitted = room.later(10_000).advance().admitted
    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.HOLDING, room.now_ms + 60_000)})

    state = room.state()

    assert (admitted, state.free, state.choosing) == (20, 30, 20)
    assert status.document(state)["odds"]["choosing"] == 20


def test_a_new_recovery_forgets_whom_the_one_before_left_out(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.store.restore_nobodys(EVENT, Gaps(numbers=((11, 20),), returns=((1, 9),)))
    lose_to_another_server(room)

    room.recover(replace(EMPTY, issued=100))

    assert redis_client.exists(*room.keys.nobodys()) == 0


def test_a_return_number_is_a_line_of_its_stream_until_the_record_has_it(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(3)
    room.later(10_000).advance()
    room.later(PATIENCE_MS)
    in_person, hands_free = room.come_back(1), room.store.stay(EVENT, 2, now_ms=room.now_ms).return_number
    # Asked again, it is the same one, and no line more.
    assert room.come_back(1) == in_person

    lines = room.store.returns_to_write(EVENT)
    room.store.returns_written(EVENT, lines[0])

    assert [(line.number, line.return_number) for line in lines] == [(1, in_person), (2, hands_free)]
    assert room.store.returns_to_write(EVENT) == lines[1:]


def test_an_older_copy_never_pulls_the_queue_back(redis_client: Redis) -> None:
    room = Room(redis_client)
    room.crowd(100)
    room.later(3_000).advance()
    reached = room.state().serving
    lose_to_another_server(room)

    # The record knows less than the copy: its journal was behind.
    room.recover(replace(EMPTY, issued=100))

    assert room.state().serving == reached
    assert room.state().issued == 100


def test_a_million_joins_are_restored_in_chunks_of_ten_thousand(redis_client: Redis) -> None:
    room = Room(redis_client)
    chunk = [(number, a_buyer(), START_MS) for number in range(1, RESTORE_MAX + 1)]

    room.store.restore_joins(EVENT, chunk)
    with pytest.raises(ValueError, match="at most 10000"):
        room.store.restore_joins(EVENT, [*chunk, chunk[0]])

    room.many(RESTORE_MAX)
    place = room.store.place_of(EVENT, chunk[-1][1])
    assert place is not None
    assert (place.number, place.joined_at_ms) == (RESTORE_MAX, START_MS)


def test_a_real_restart_gives_nothing_out_until_it_is_restored(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        room = Room(Redis.from_url(server.url()))
        assert room.crowd(3) == [1, 2, 3]

    with EmbeddedValkey(tmp_path / "valkey") as server:
        client = Redis.from_url(server.url())
        again = QueueStore(client)
        # The append-only file kept everything; all the same it may be a second old.
        assert client.hget(room.keys.queue, "issued") == b"3"
        with pytest.raises(QueueRecovering):
            again.join(EVENT, a_buyer(), address="")
        client.close()


def test_a_server_that_is_gone_is_said_to_be_away(tmp_path: Path) -> None:
    with EmbeddedValkey(tmp_path / "valkey") as server:
        room = Room(Redis.from_url(server.url(), socket_timeout=1))

    with pytest.raises(QueueUnavailable):
        room.join()


def test_a_place_is_asked_for_by_a_number_that_exists(redis_client: Redis) -> None:
    with pytest.raises(NotInQueue):
        Room(redis_client).standing(1)
