"""The outlook of a queue: what binds is what is reckoned with, and what gets later has a cause."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from onsale.queue import odds, outlook, status
from onsale.queue.flow import NOTHING, Flow, Sample
from onsale.queue.forecast import forecast
from onsale.queue.outlook import Cause, Outlook
from onsale.queue.state import Phase, QueueRules, QueueState, SoFar

NOW_MS = 1_800_000_000_000
RULES = QueueRules(
    phase=Phase.OPEN,
    opens_at=datetime.fromtimestamp(NOW_MS / 1000 - 3_600, UTC),
    rate_per_minute=100,
    max_active=0,
)
OPEN = QueueState(
    now_ms=NOW_MS,
    recovering=False,
    rules=RULES,
    version=1,
    issued=1_000,
    block_end=9_000,
    serving=0,
    return_issued=0,
    return_serving=0,
    waiting=1_000,
    admitted=0,
    entered=0,
    holding=0,
    admitted_total=0,
    admitted_last_minute=0,
    asked_to=500,
    free=None,
    held=None,
    sections=(),
    asked_long=1_000,
    asked=500,
    heard=500,
    configured_at_ms=NOW_MS - 3_600_000,
)
# 300 let in over three minutes, of whom two in three have left after a minute and a half inside.
BUSY = Flow(minutes=3, admitted=300, called=300, returns_called=0, came_back=0, left=200, stayed=300)


def speed(state: QueueState, flow: Flow) -> tuple[float, float]:
    """Of those at the end of the line."""
    last = forecast(state, flow).pieces[-1]
    return last.slow, last.fast


def with_rules(state: QueueState = OPEN, **changed: object) -> QueueState:
    return replace(state, rules=replace(state.rules, **changed))


def test_where_nothing_else_binds_it_is_the_rate() -> None:
    slow, fast = speed(OPEN, BUSY)

    assert slow < 100 < fast < 2 * slow


def test_where_slots_bind_it_is_how_fast_they_turn_over() -> None:
    full = replace(with_rules(max_active=60), entered=60, admitted_total=260)

    slow, fast = speed(full, BUSY)

    # 60 slots, each used for a minute and a half.
    assert slow < 40 < fast < 2 * slow


def test_slots_that_are_not_full_yet_are_filled_at_the_rate_first() -> None:
    pieces = forecast(replace(with_rules(max_active=60), entered=10, admitted_total=210), BUSY).pieces

    assert len(pieces) == 2
    assert pieces[0].people is not None
    assert 50 <= pieces[0].people <= 120
    assert pieces[0].slow > pieces[1].slow


def test_before_anybody_has_finished_how_long_people_stay_is_an_estimate_and_it_says_so() -> None:
    unknown = forecast(replace(with_rules(max_active=60)), replace(BUSY, left=0, stayed=10.0))

    assert not unknown.sure
    assert unknown.pieces[0].people == 60
    assert unknown.pieces[1].fast > 2 * unknown.pieces[1].slow


def test_short_deadlines_make_short_stays() -> None:
    quick = with_rules(max_active=60, choose_seconds=30, pay_seconds=30)

    slow, fast = speed(quick, NOTHING)
    usual_slow, usual_fast = speed(with_rules(max_active=60), NOTHING)

    # People who have a minute in all free their slots faster than they are let in.
    assert usual_slow < 100 / 2 < 100 / 1.5 < slow
    assert usual_fast <= fast


def test_who_has_left_already_tells_how_long_people_stay() -> None:
    full = replace(with_rules(max_active=60), admitted=60, admitted_total=100)
    samples = tuple(Sample(NOW_MS + at * 5_000, at * 5, at * 5, 0, 0, min(60, at * 5)) for at in range(21))

    learned, guessed = forecast(full, NOTHING, samples), forecast(full, NOTHING)

    assert not learned.sure
    assert learned.pieces[-1].fast / learned.pieces[-1].slow < 0.9 * guessed.pieces[-1].fast / guessed.pieces[-1].slow


def test_who_is_away_is_passed_over_so_numbers_go_faster_than_people() -> None:
    slow, fast = speed(replace(OPEN, heard=300), BUSY)

    assert slow < 100 / 0.6 < fast


def test_heartbeats_that_hardly_arrive_prove_nothing() -> None:
    assert speed(replace(OPEN, heard=200), BUSY) == speed(OPEN, BUSY)


def test_who_came_back_takes_half_of_the_turns_first() -> None:
    pieces = forecast(replace(OPEN, return_issued=50), BUSY).pieces

    assert [piece.people for piece in pieces] == [50, None]
    assert pieces[0].slow == pytest.approx(pieces[1].slow / 2, rel=0.02)


def test_nobody_is_told_a_time_for_tickets_that_are_spoken_for() -> None:
    scarce = replace(OPEN, free=100, held=0, admitted_total=120, so_far=SoFar(100, 100))

    people = sum(piece.people or 0 for piece in forecast(scarce, BUSY).pieces)

    assert 60 <= people <= 120


# Promises.


def at(seconds: int, state: QueueState = OPEN, **changed: object) -> QueueState:
    return replace(state, now_ms=NOW_MS + seconds * 1_000, **changed)


def looked(state: QueueState, before: Outlook | None = None) -> Outlook:
    return outlook.following(before, state, status.derived_phase(state))


def test_nothing_changed_is_no_new_epoch() -> None:
    before = looked(OPEN)

    after = looked(at(1, serving=2), before)

    assert (after.epoch, after.cause) == (before.epoch, Cause.NONE)


@pytest.mark.parametrize(
    ("after", "cause"),
    [
        (with_rules(at(60, serving=100), rate_per_minute=50), Cause.ORGANISER),
        (with_rules(at(60, serving=100), rate_per_minute=0), Cause.STOPPED),
        (with_rules(at(60, serving=100), rate_per_minute=200), Cause.FASTER),
        (with_rules(at(60, serving=100), phase=Phase.PAUSED), Cause.PAUSED),
        # Two minutes in which hardly anybody was called.
        (at(600, serving=100), Cause.SLOWER),
        (at(60, serving=100, return_issued=900), Cause.RETURNS),
        (at(60, serving=100, free=10, held=900), Cause.TICKETS),
    ],
)
def test_what_gets_later_says_why(after: QueueState, cause: Cause) -> None:
    before = looked(OPEN)

    now = looked(after, before)

    assert now.cause is cause
    assert now.epoch > before.epoch
    assert outlook.document(now)["since"] is not None


def test_after_a_pause_the_reason_is_still_there_since_when_it_began() -> None:
    paused = with_rules(at(60, configured_at_ms=NOW_MS + 59_000), phase=Phase.PAUSED)
    on_pause = looked(paused, looked(OPEN))

    resumed = looked(at(120), looked(replace(paused, now_ms=NOW_MS + 100_000), on_pause))

    assert not on_pause.pieces
    assert resumed.pieces
    assert (resumed.cause, resumed.since_ms) == (Cause.PAUSED, NOW_MS + 59_000)
    assert resumed.epoch > on_pause.epoch


@pytest.mark.parametrize("before", [Phase.PAUSED, Phase.OPEN])
def test_an_ended_sale_has_neither_a_reason_for_the_wait_nor_chances(before: Phase) -> None:
    first = looked(with_rules(at(60, serving=100, free=900, held=0), phase=before), looked(OPEN))

    state = with_rules(at(120, serving=100, free=900, held=0), phase=Phase.CLOSED)
    body = status.document(state, looked(state, first))

    assert (body["wait"]["cause"], body["wait"]["since"]) == ("", None)
    assert odds.odds(10, body) is None
    assert odds.odds(10, {**body, "phase": "open"}) is not None


def test_a_sale_that_goes_on_after_its_end_blames_nothing_for_the_wait() -> None:
    ended = looked(with_rules(at(60, serving=100), phase=Phase.CLOSED), looked(OPEN))

    again = looked(at(120, serving=100), ended)

    assert (again.cause, again.epoch > ended.epoch) == (Cause.NONE, True)


def test_a_restored_queue_says_so() -> None:
    assert looked(replace(OPEN, serving=300)).cause is Cause.RECOVERED
    assert looked(OPEN).cause is Cause.NONE


def test_what_is_kept_is_read_back_and_another_version_s_is_nothing() -> None:
    kept = looked(at(30, serving=40), looked(OPEN))

    assert outlook.kept_outlook(outlook.kept_bytes(kept)) == kept
    for nonsense in (b"", b"{}", b"[]", b"null", b'{"at_ms": 3}'):
        assert outlook.kept_outlook(nonsense) is None


def test_everybody_publishes_what_somebody_has_just_kept() -> None:
    kept = looked(OPEN)

    assert outlook.current(kept, at(1, serving=7), Phase.OPEN) is kept
    assert outlook.current(kept, at(4), Phase.OPEN) is not kept
    assert outlook.current(kept, with_rules(at(1), rate_per_minute=50), Phase.OPEN).cause is Cause.ORGANISER
