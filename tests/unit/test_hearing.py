"""A worker is deaf when messages wait beside it, it has nothing to do, and still takes none."""

from __future__ import annotations

from onsale.workers.hearing import LOOKS_MAX, Hearing


def looks(hearing: Hearing, number: int, *, waiting: int = 3, busy: int = 0, taken: int = 0) -> list[bool]:
    return [hearing.is_gone(waiting=waiting, busy=busy, taken=taken) for _ in range(number)]


def test_a_worker_beside_which_messages_wait_for_so_many_looks_is_deaf():
    assert looks(Hearing(), LOOKS_MAX) == [False] * (LOOKS_MAX - 1) + [True]


def test_a_busy_worker_a_worker_that_takes_and_one_with_nothing_to_take_are_not():
    assert not any(looks(Hearing(), 3 * LOOKS_MAX, busy=1))
    assert not any(looks(Hearing(), 3 * LOOKS_MAX, waiting=0))
    hearing = Hearing()
    assert not any(hearing.is_gone(waiting=3, busy=0, taken=number) for number in range(1, 3 * LOOKS_MAX))


def test_one_message_taken_in_between_begins_the_count_anew():
    hearing = Hearing()
    looks(hearing, LOOKS_MAX - 1)

    assert looks(hearing, 1, taken=1) == [False]
    assert looks(hearing, LOOKS_MAX - 1, taken=1)[:-1] == [False] * (LOOKS_MAX - 2)
