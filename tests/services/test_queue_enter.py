"""Coming in, staying away, coming back, leaving: one turn is one entry; an absence costs the turn, not the place."""

from __future__ import annotations

from dataclasses import replace

import pytest
from redis import Redis

from onsale.errors import AdmissionSpent, NotInQueue, NotYourTurn, QueueClosed, TurnLapsed
from onsale.queue.keys import PlaceId, number_place, return_place
from onsale.queue.state import Phase, SlotKind, SlotState, Standing
from tests.services.waiting_room import EVENT, MINUTE_MS, RULES, Room, a_buyer, in_parallel

ENTER_MS = RULES.enter_seconds * 1_000
CHOOSE_MS = RULES.choose_seconds * 1_000


def let_in(client: Redis, people: int, *, waiting: int = 0) -> Room:
    """A room in which so many have been let in and so many still wait."""
    room = Room(client, rules=replace(RULES, rate_per_minute=60_000))
    room.crowd(people + waiting)
    assert room.later(1_000).advance(admit_max=people).admitted == people
    return room


def everyone_away(room: Room) -> None:
    """Nobody enters in time: all who were let in are passed over."""
    room.configure(phase=Phase.PAUSED)
    room.later(ENTER_MS + 1).advance()
    room.configure(phase=Phase.OPEN)


def test_entering_twice_is_one_entry_until_the_same_time(redis_client: Redis) -> None:
    room = let_in(redis_client, 3)

    first = room.store.enter(EVENT, "2", now_ms=room.now_ms)
    again = room.store.enter(EVENT, "2", now_ms=room.now_ms + 5_000)

    assert first == again
    assert (first.admission_id, first.number, first.return_number) == ("2", 2, None)
    assert first.deadline_ms == room.now_ms + CHOOSE_MS


def test_fifty_simultaneous_entries_of_one_buyer_are_counted_once(redis_client: Redis) -> None:
    room = let_in(redis_client, 2)

    answers = in_parallel(lambda: room.enter(1), 50)

    assert set(answers) == {"1"}
    state = room.state()
    assert (state.admitted, state.entered, state.active) == (1, 1, 2)


def test_who_is_not_called_yet_must_wait(redis_client: Redis) -> None:
    room = let_in(redis_client, 1, waiting=1)

    with pytest.raises(NotYourTurn):
        room.enter(2)
    with pytest.raises(NotInQueue):
        room.enter(3)
    with pytest.raises(NotInQueue):
        room.enter("r1")
    with pytest.raises(NotInQueue):
        room.enter("1; DROP")


def test_a_turn_lapses_after_the_time_to_enter(redis_client: Redis) -> None:
    room = let_in(redis_client, 2)
    room.later(ENTER_MS - 1)
    assert room.enter(1) == "1"

    room.later(1)

    with pytest.raises(TurnLapsed):
        room.enter(2)
    assert room.standing(2) == "passed"


def test_an_entry_lapses_after_the_time_to_choose(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    room.enter(1)

    room.later(CHOOSE_MS)

    with pytest.raises(TurnLapsed):
        room.enter(1)
    room.advance()
    assert room.state().active == 0


def test_who_comes_back_gets_one_return_number_per_absence(redis_client: Redis) -> None:
    room = let_in(redis_client, 3, waiting=3)
    everyone_away(room)

    returns = in_parallel(lambda: room.come_back(2), 20)
    other = room.come_back(3)

    assert set(returns) == {1}
    assert other == 2
    place = room.store.place_at(EVENT, "2", now_ms=room.now_ms)
    assert (place.admission_id, place.standing) == ("r1", Standing.AHEAD)


def test_a_return_number_that_is_used_up_is_followed_by_another(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    everyone_away(room)
    first = room.come_back(1)
    room.later(1_000).advance()
    everyone_away(room)

    second = room.come_back(1)

    assert (first, second) == (1, 2)
    assert room.standing("r1") == "passed"


def test_the_number_or_its_return_number_open_the_same_door(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    everyone_away(room)
    room.come_back(1)
    room.later(1_000).advance()

    by_number = room.store.enter(EVENT, "1", now_ms=room.now_ms)
    by_return = room.store.enter(EVENT, "r1", now_ms=room.now_ms)

    assert by_number == by_return
    assert (by_return.admission_id, by_return.number, by_return.return_number) == ("r1", 1, 1)
    assert room.state().active == 1


def test_there_is_nothing_to_come_back_from_while_ahead_or_in(redis_client: Redis) -> None:
    room = let_in(redis_client, 1, waiting=1)

    for number in (1, 2):
        with pytest.raises(NotYourTurn):
            room.come_back(number)
    room.enter(1)
    with pytest.raises(NotYourTurn):
        room.come_back(1)
    with pytest.raises(NotInQueue):
        room.come_back(3)


def test_nobody_comes_back_to_a_closed_queue(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    everyone_away(room)
    room.configure(phase=Phase.CLOSED)

    with pytest.raises(QueueClosed):
        room.come_back(1)


def test_returns_take_at_most_half_of_each_run_while_both_have_people(redis_client: Redis) -> None:
    room = let_in(redis_client, 20, waiting=30)
    everyone_away(room)
    for number in range(1, 21):
        room.come_back(number)

    run = room.later(1_000).advance(admit_max=10)
    rest = room.advance()

    assert (run.return_first, run.return_last, run.first, run.last) == (1, 5, 21, 25)
    assert (rest.return_serving, rest.serving) == (20, 50)


def test_single_turns_go_to_numbers_and_returns_by_turns(redis_client: Redis) -> None:
    room = let_in(redis_client, 4, waiting=10)
    everyone_away(room)
    for number in range(1, 5):
        room.come_back(number)
    room.later(1_000)

    runs = [room.advance(admit_max=1) for _ in range(8)]

    assert [run.return_last > 0 for run in runs] == [False, True] * 4
    assert [run.serving for run in runs][-1] == 8


def test_leaving_frees_the_slot_and_ends_the_place_for_good(redis_client: Redis) -> None:
    room = let_in(redis_client, 2)
    room.enter(1)

    room.store.leave(EVENT, "1")
    room.store.leave(EVENT, "1")

    assert room.state().active == 1
    with pytest.raises(AdmissionSpent):
        room.enter(1)
    with pytest.raises(AdmissionSpent):
        room.come_back(1)


def test_leaving_by_a_return_number_ends_the_number_too(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    everyone_away(room)
    room.come_back(1)

    room.store.leave(EVENT, "r1")

    assert (room.standing("1"), room.standing("r1")) == ("done", "done")
    assert room.later(1_000).advance().admitted == 0


def test_slots_follow_their_bookings_many_at_once_and_twice(redis_client: Redis) -> None:
    room = let_in(redis_client, 5, waiting=1)
    until = room.now_ms + MINUTE_MS
    slots = {
        number_place(1): SlotState(SlotKind.CHOOSING, until),
        number_place(2): SlotState(SlotKind.UNDECIDED, until),
        number_place(3): SlotState(SlotKind.HOLDING, until),
        number_place(4): SlotState(SlotKind.DONE),
        number_place(5): SlotState(SlotKind.LAPSED),
        number_place(6): SlotState(SlotKind.HOLDING, until),
    }

    for _ in range(2):
        room.store.follow(EVENT, slots)

    assert [room.standing(number) for number in range(1, 7)] == [
        "entered",
        "entered",
        "holding",
        "done",
        "passed",
        "ahead",
    ]
    state = room.state()
    assert (state.admitted, state.entered, state.holding) == (0, 2, 1)
    assert room.come_back(5) == 1


def test_two_thousand_slots_follow_in_one_call(redis_client: Redis) -> None:
    room = Room(redis_client, rules=replace(RULES, rate_per_minute=600_000))
    room.many(2_001)
    for _ in range(5):
        room.later(1_000).advance()
    until = room.now_ms + MINUTE_MS

    room.store.follow(EVENT, {number_place(number): SlotState(SlotKind.HOLDING, until) for number in range(1, 2_002)})

    assert (room.state().admitted, room.state().holding) == (0, 2_001)


def test_a_refused_booking_keeps_its_admission(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    room.enter(1)
    until = room.now_ms + CHOOSE_MS
    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.UNDECIDED, until)})

    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.CHOOSING, until)})

    assert room.enter(1) == "1"


def test_a_hands_free_booking_is_told_where_its_number_stands(redis_client: Redis) -> None:
    room = let_in(redis_client, 3, waiting=1)
    room.enter(1)
    room.store.leave(EVENT, "3")

    def stay(number: int) -> tuple[Standing, PlaceId]:
        place = room.store.stay(EVENT, number, now_ms=room.now_ms)
        return place.standing, place.admission_id

    assert stay(1) == (Standing.ENTERED, "1")
    assert stay(2) == (Standing.ENTERED, "2")
    assert stay(4) == (Standing.AHEAD, "4")
    with pytest.raises(AdmissionSpent):
        stay(3)
    with pytest.raises(NotInQueue):
        stay(5)


def test_a_hands_free_booking_passed_over_waits_under_a_return_number(redis_client: Redis) -> None:
    room = let_in(redis_client, 1)
    everyone_away(room)

    first = room.store.stay(EVENT, 1, now_ms=room.now_ms)
    again = room.store.stay(EVENT, 1, now_ms=room.now_ms)
    run = room.later(1_000).advance()

    assert first == again
    assert (first.standing, first.admission_id) == (Standing.AHEAD, return_place(1))
    assert (run.hands_free, run.return_last) == (1, 1)
    assert room.standing(1) == "entered"


def test_a_cancelled_hands_free_booking_leaves_its_buyer_in_the_queue(redis_client: Redis) -> None:
    room = let_in(redis_client, 1, waiting=1)
    room.store.stay(EVENT, 2, now_ms=room.now_ms)

    room.store.follow(EVENT, {number_place(2): SlotState(SlotKind.LAPSED)})

    place = room.store.place_at(EVENT, "2", now_ms=room.now_ms)
    assert (place.standing, place.hands_free) == (Standing.AHEAD, False)
    assert room.later(1_000).advance().admitted == 1


def test_a_buyer_is_found_with_number_and_time(redis_client: Redis) -> None:
    room, buyer = Room(redis_client), a_buyer()
    joined = room.join(buyer)

    place = room.store.place_of(EVENT, buyer, now_ms=room.now_ms)

    assert place is not None
    assert (place.number, place.joined_at_ms, place.standing) == (joined.number, joined.joined_at_ms, Standing.AHEAD)
    assert room.store.place_of(EVENT, a_buyer()) is None
