"""Numbers that are nobody's count for nobody: not in who is ahead, not in how fast people are called, not in odds."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.queue import gaps, outlook, status
from onsale.queue.calibration import sample
from onsale.queue.gaps import TOLD_MAX, Gaps
from onsale.queue.outlook import Outlook
from onsale.queue.state import Phase, QueueState
from tests.unit.test_calibration import OPENED, Line
from tests.unit.test_status import OPEN

SKIPPED = 9_900
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)

ranges = st.lists(st.tuples(st.integers(1, 60), st.integers(0, 60)), max_size=8)


@given(found=ranges, above=st.integers(0, 30))
def test_ranges_in_order_have_the_same_numbers_each_once(found: list[tuple[int, int]], above: int) -> None:
    kept = gaps.in_order(found, above=above)

    listed = [number for first, last in kept for number in range(first, last + 1)]
    assert listed == sorted({n for first, last in found for n in range(first, last + 1) if n > above})


@given(found=ranges, first=st.integers(1, 70), last=st.integers(0, 70))
def test_people_are_the_numbers_in_no_gap(found: list[tuple[int, int]], first: int, last: int) -> None:
    nobodys = Gaps(gaps.in_order(found))

    people = gaps.people(first, last, nobodys.numbers)

    assert people == sum(not nobodys.has(number, is_return=False) for number in range(first, last + 1))


@given(found=ranges, serving=st.integers(0, 70), turn=st.integers(1, 20))
def test_the_number_at_a_turn_is_somebodys_and_has_so_many_people_up_to_it(
    found: list[tuple[int, int]], serving: int, turn: int
) -> None:
    nobodys = Gaps(gaps.in_order(found))

    number = gaps.number_at(turn, serving, nobodys.numbers)

    assert not nobodys.has(number, is_return=False)
    assert gaps.people(serving + 1, number, nobodys.numbers) == turn


def test_what_is_told_of_them_is_bounded_and_ends_when_they_are_passed() -> None:
    many = Gaps(tuple((10 * n, 10 * n + 5) for n in range(1, TOLD_MAX + 3)), ((1, 9),))

    told = many.told(serving=15, return_serving=8)

    assert told["numbers"][0] == [20, 25]
    assert len(told["numbers"]) == TOLD_MAX
    assert told["returns"] == [[1, 9]]
    assert many.told(serving=0, return_serving=9)["returns"] == []


def a_sale(moments: list[tuple[int, int, int]], *, skips: bool) -> tuple[QueueState, Outlook]:
    """Forty seconds of a queue that passed number 1,100; with `skips` it goes on behind SKIPPED numbers there."""
    looked: Outlook | None = None
    for seconds, serving, returns in moments:
        past = SKIPPED if skips and serving > 1_100 else 0
        state = replace(
            OPEN,
            now_ms=OPEN.now_ms + 1_000 * seconds,
            serving=serving + past,
            issued=OPEN.issued + (SKIPPED if skips else 0),
            admitted_total=OPEN.admitted_total + serving - 1_000 + returns,
            return_issued=400 + (SKIPPED if skips else 0),
            return_serving=300 + returns,
            gaps=Gaps(((1_101, 1_100 + SKIPPED),), ((351, 350 + SKIPPED),)) if skips else Gaps(),
        )
        looked = outlook.following(looked, state, Phase.OPEN)
    assert looked
    return state, looked


@pytest.mark.parametrize("serving", [1_040, 1_100, 1_101, 1_400])
def test_a_queue_that_skipped_numbers_tells_the_waits_and_odds_of_one_that_did_not(serving: int) -> None:
    moments = [(0, 1_000, 0), (20, (1_000 + serving) // 2, 10), (40, serving, 20)]

    told = []
    for skips in (False, True):
        state, looked = a_sale(moments, skips=skips)
        body = status.document(state, looked)
        last = state.issued
        told.append(
            [
                body["wait"],
                body["odds"],
                body["returns_waiting"],
                status.people_ahead(last, body),
                status.wait_band(last, body, now=NOW),
                status.wait_band(state.return_issued, body, now=NOW, is_return=True),
                [to_ms for _, to_ms in looked.promises],
            ]
        )

    assert told[1] == told[0]


def test_numbers_to_look_at_are_drawn_from_people_alone() -> None:
    lines = [Line(OPENED, serving=4, issued=40), Line(OPENED, serving=20, issued=10_060)]

    numbers = sample(lines, [(1, 2), (31, 10_050)], most=18)

    assert numbers == (*range(5, 31, 2), *range(10_051, 10_061, 2))
