"""What a lane does beside its database work: one thing after the other, all of it done at the end, errors kept."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from onsale.workers.beside import Beside


def test_what_is_owed_is_done_in_order_whether_it_was_begun_or_not():
    done: list[int] = []

    with Beside() as beside:
        for number in range(4):
            beside.owe(lambda number=number: done.append(number))
            if number % 2:
                beside.begin()

    assert done == [0, 1, 2, 3]


def test_what_was_begun_runs_while_the_lane_waits():
    begun, go_on = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        assert go_on.wait(10)

    with Beside() as beside:
        beside.owe(work)
        waits = not begun.is_set()
        beside.begin()
        runs = begun.wait(10)
        go_on.set()

    assert (waits, runs) == (True, True)


def carry(works: list[Callable[[], None]], *, begin: bool = False, then: Exception | None = None) -> None:
    """Owe each of them, begin the last, and fail in the end when told to."""
    with Beside() as beside:
        for work in works:
            beside.owe(work)
        if begin:
            beside.begin()
        if then:
            raise then


@pytest.mark.parametrize("begin", [True, False])
def test_what_it_raises_reaches_the_lane_by_the_end(begin):
    def fails() -> None:
        raise ValueError("the cache is upside down")

    with pytest.raises(ValueError, match="upside down"):
        carry([fails], begin=begin)


def test_a_batch_that_fails_leaves_nothing_of_the_one_before_undone():
    done: list[str] = []

    with pytest.raises(LookupError):
        carry([lambda: done.append("told")], then=LookupError())

    assert done == ["told"]


@pytest.mark.parametrize("begin", [True, False])
def test_what_fails_keeps_nobody_from_the_batch_after_it(begin):
    done: list[str] = []

    def fails() -> None:
        raise ValueError("the cache is upside down")

    with pytest.raises(ValueError, match="upside down"):
        carry([fails, lambda: done.append("told")], begin=begin)

    assert done == ["told"]
