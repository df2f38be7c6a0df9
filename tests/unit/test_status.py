"""The status everybody polls: its phases, and what one buyer reads off it."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onsale.queue import band, outlook, status
from onsale.queue.gaps import TOLD_MAX, Gaps, in_order
from onsale.queue.state import Phase, QueueRules, QueueState, SectionStock, SoFar

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
RULES = QueueRules(phase=Phase.OPEN, opens_at=NOW - timedelta(hours=1), rate_per_minute=600, max_active=400)
OPEN = QueueState(
    now_ms=int(NOW.timestamp() * 1000),
    recovering=False,
    rules=RULES,
    version=3,
    issued=5_000,
    block_end=10_000,
    serving=1_000,
    return_issued=0,
    return_serving=0,
    waiting=4_000,
    admitted=20,
    entered=100,
    holding=50,
    admitted_total=1_000,
    admitted_last_minute=580,
    asked_to=3_400,
    free=2_000,
    held=120,
    sections=(SectionStock(1, "Parterre", 8_000, 1_500, 100), SectionStock(2, "Balcony", 4_500, 500, 20)),
)


def in_phase(phase: Phase, **more: object) -> QueueState:
    return replace(OPEN, rules=replace(RULES, phase=phase), **more)


@pytest.mark.parametrize(
    ("state", "phase"),
    [
        (OPEN, "open"),
        (replace(OPEN, free=0, held=3), "all_held"),
        (replace(OPEN, free=0, held=0), "sold_out"),
        (replace(OPEN, free=None, held=None), "open"),
        (in_phase(Phase.PAUSED, free=0, held=0), "paused"),
        (in_phase(Phase.CLOSED), "closed"),
        (replace(OPEN, rules=replace(RULES, phase=Phase.PRE_QUEUE, opens_at=NOW + timedelta(seconds=1))), "pre_queue"),
        (replace(OPEN, rules=replace(RULES, phase=Phase.PRE_QUEUE, opens_at=NOW)), "open"),
        (replace(OPEN, rules=replace(RULES, phase=Phase.SCHEDULED, opens_at=NOW + timedelta(days=1))), "scheduled"),
    ],
)
def test_the_phase_is_read_off_settings_time_and_stock(state: QueueState, phase: str) -> None:
    assert status.document(state)["phase"] == phase


def test_the_document_says_what_a_buyer_needs_and_is_plain_json() -> None:
    body = status.document(OPEN)

    assert orjson.loads(orjson.dumps(body)) == body
    assert (body["serving"], body["waiting"], body["rate_per_minute"], body["admitted_per_minute"]) == (
        1_000,
        4_000,
        600,
        580,
    )
    assert body["heartbeat"] == {"up_to": 3_400, "every_seconds": 45}
    assert body["tickets_left"] == [
        {"section_id": 1, "name": "Parterre", "price_minor": 8_000, "free": 1_500, "sold_out_at": None},
        {"section_id": 2, "name": "Balcony", "price_minor": 4_500, "free": 500, "sold_out_at": None},
    ]


def test_a_section_that_sold_out_says_since_when() -> None:
    gone = replace(OPEN, so_far=SoFar(10, 20, ((2, OPEN.now_ms - 60_000),)))

    assert [one["sold_out_at"] for one in status.document(gone)["tickets_left"]] == [None, "2026-05-01T11:59:00+00:00"]


def test_an_unchanged_queue_keeps_its_etag_and_a_changed_one_does_not() -> None:
    looked = status.looked_at(OPEN)
    before = status.etag(status.document(OPEN, looked))

    # Longer, and that nobody has left yet would be news of how long people stay inside.
    for seconds in (1, 4):
        later = replace(OPEN, now_ms=OPEN.now_ms + 1_000 * seconds, outlook=outlook.kept_bytes(looked))
        assert status.etag(status.document(later)) == before
    assert status.etag(status.document(replace(OPEN, serving=1_001), looked)) != before
    assert before.startswith('"')


def test_people_ahead_are_the_numbers_before_ones_own() -> None:
    body = status.document(OPEN)

    assert status.people_ahead(1_001, body) == 0
    assert status.people_ahead(1_500, body) == 499
    assert status.people_ahead(900, body) == 0
    assert status.people_ahead(3, status.document(replace(OPEN, return_serving=1)), is_return=True) == 1


@given(
    number=st.integers(1, 5_000),
    servings=st.lists(st.integers(0, 5_000), min_size=1),
    skipped=st.lists(st.tuples(st.integers(1, 5_000), st.integers(0, 5_000)), max_size=TOLD_MAX + 5),
)
def test_people_ahead_never_rise_while_the_largest_serving_seen_counts(
    number: int, servings: list[int], skipped: list[tuple[int, int]]
) -> None:
    state = replace(OPEN, gaps=Gaps(in_order(skipped)))
    seen, ahead = 0, []
    for serving in servings:
        body = status.document(replace(state, serving=serving))
        ahead.append(status.people_ahead(number, body, seen_serving=seen))
        seen = max(seen, serving)

    assert ahead == sorted(ahead, reverse=True)


def test_the_wait_is_a_band_around_people_by_rate() -> None:
    told = status.wait_band(1_600, status.document(replace(OPEN, rules=replace(RULES, max_active=0))), now=NOW)

    assert told is not None
    low, high = band.seconds(told, OPEN.now_ms)
    assert low <= 60 <= high <= 90


@pytest.mark.parametrize(
    "state",
    [
        in_phase(Phase.PAUSED),
        in_phase(Phase.CLOSED),
        replace(OPEN, free=0),
        replace(OPEN, rules=replace(RULES, rate_per_minute=0)),
        replace(OPEN, free=120, held=50),
    ],
)
def test_where_nobody_can_know_no_wait_is_told(state: QueueState) -> None:
    assert status.wait_band(1_600, status.document(state), now=NOW) is None


def test_before_the_opening_the_time_until_then_is_part_of_the_wait() -> None:
    opens_at = NOW + timedelta(seconds=90)
    early = replace(OPEN, serving=0, rules=replace(RULES, phase=Phase.PRE_QUEUE, opens_at=opens_at, max_active=0))

    told = status.wait_band(600, status.document(early), now=NOW)

    assert told is not None
    low, high = band.seconds(told, OPEN.now_ms)
    assert 90 + 30 <= low <= 90 + 60 <= high <= 90 + 100


@given(st.integers(1_001, 5_000))
def test_who_is_further_back_waits_no_less_and_asks_no_more_often(number: int) -> None:
    body = status.document(replace(OPEN, free=20_000))
    nearer, further = status.wait_band(number, body, now=NOW), status.wait_band(number + 1, body, now=NOW)

    assert nearer is not None
    assert further is not None
    assert nearer.from_ms <= further.from_ms
    assert nearer.to_ms <= further.to_ms
    ahead = status.people_ahead(number, body)
    assert status.poll_seconds(ahead, body) <= status.poll_seconds(ahead + 1, body) <= status.POLL_SECONDS_MAX


def test_two_polls_of_anyone_asked_fit_into_the_time_before_passing_over() -> None:
    body = status.document(OPEN)

    ahead = status.people_ahead(body["heartbeat"]["up_to"], body)

    # Presence must be asked for during two whole slices of a minute before anybody may be passed over.
    assert 2 * status.poll_seconds(ahead, body) <= 120


def test_returns_have_half_of_the_turns_while_others_wait_and_always_show_presence() -> None:
    body = status.document(replace(OPEN, return_issued=600, rules=replace(RULES, max_active=0)))

    told = status.wait_band(600, body, now=NOW, is_return=True)

    assert told is not None
    low, high = band.seconds(told, OPEN.now_ms)
    assert low <= 120 <= high
    assert status.heartbeat_wanted(600, body, is_return=True)
    assert status.heartbeat_wanted(3_400, body)
    assert not status.heartbeat_wanted(3_401, body)
