"""Who may be passed over: the pure rule."""

from __future__ import annotations

from onsale.queue.presence import Lane, Walked, counts_as_present, heard_enough, shares, walk

ASKED = Lane(serving=0, issued=10, asked_to=10)


def test_the_absent_are_passed_over_and_cost_no_turn() -> None:
    lane = Lane(serving=0, issued=10, asked_to=10, present=frozenset({3, 4, 9}))

    walked = walk(lane, turns=3, everyone=False)

    assert walked == Walked(serving=9, admitted=(3, 4, 9), passed=(1, 2, 5, 6, 7, 8))


def test_nobody_is_passed_over_beyond_the_last_turn() -> None:
    lane = Lane(serving=0, issued=10, asked_to=10, present=frozenset({1, 2}))

    assert walk(lane, turns=2, everyone=False) == Walked(2, (1, 2), ())
    assert walk(lane, turns=0, everyone=False) == Walked(0, (), ())


def test_everyone_counts_as_present_in_the_grace() -> None:
    assert walk(ASKED, turns=4, everyone=True) == Walked(4, (1, 2, 3, 4), ())


def test_who_was_not_asked_long_enough_counts_as_present() -> None:
    lane = Lane(serving=0, issued=6, asked_to=4)

    assert walk(lane, turns=9, everyone=False) == Walked(6, (5, 6), (1, 2, 3, 4))


def test_who_is_done_is_passed_over_even_in_the_grace() -> None:
    lane = Lane(serving=0, issued=4, asked_to=0, present=frozenset({2}), done=frozenset({2, 3}))

    assert walk(lane, turns=9, everyone=True) == Walked(4, (1, 4), (2, 3))


def test_a_number_that_nobody_is_known_to_own_must_be_heard_even_in_the_grace() -> None:
    lane = Lane(serving=0, issued=6, asked_to=0, present=frozenset({4}), unknown=range(3, 6))

    assert walk(lane, turns=9, everyone=True) == Walked(6, (1, 2, 4, 6), (3, 5))
    assert not counts_as_present(lane, 3, everyone=True)


def test_heartbeats_of_under_half_prove_nothing() -> None:
    assert heard_enough(asked=0, heard=0)
    assert heard_enough(asked=10, heard=5)
    assert not heard_enough(asked=10, heard=4)


def test_returns_take_at_most_half_of_each_run_and_every_other_single_turn() -> None:
    assert shares(10, both_wait=True, odd_to_returns=False) == (5, 5)
    assert shares(11, both_wait=True, odd_to_returns=False) == (5, 6)
    assert shares(1, both_wait=True, odd_to_returns=False) == (0, 1)
    assert shares(1, both_wait=True, odd_to_returns=True) == (1, 0)
    assert shares(7, both_wait=False, odd_to_returns=False) == (7, 0)
