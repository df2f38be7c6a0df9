"""When `onsale admit` looks at which event, and how many numbers it reserves."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueSettings
from onsale.queue.state import QueueState
from onsale.workers import rounds
from onsale.workers.rounds import Watched, block_wanted, may_admit, opening_due, rules_of, watch

NOW = datetime(2026, 11, 23, 20, 0, tzinfo=UTC)
SETTINGS = QueueSettings(
    event_id=EventId(7),
    enabled=True,
    phase=Phase.OPEN,
    opens_at=NOW,
    rate_per_minute=600,
    max_active=100,
    selling=True,
    reason="",
    notice="",
    enter_seconds=120,
    choose_seconds=600,
    pay_seconds=600,
    address_limit=0,
    handsfree_per_minute=60,
    version=3,
    updated_at=NOW,
    updated_by="test",
)
QUIET = QueueState(
    now_ms=0,
    recovering=False,
    rules=rules_of(SETTINGS),
    version=3,
    issued=0,
    block_end=10_000,
    serving=0,
    return_issued=0,
    return_serving=0,
    waiting=0,
    admitted=0,
    entered=0,
    holding=0,
    admitted_total=0,
    admitted_last_minute=0,
    asked_to=0,
    free=None,
    held=None,
    sections=(),
)


@pytest.mark.parametrize(
    ("phase", "seconds_to_opening", "may"),
    [
        (Phase.OPEN, 0, True),
        (Phase.PAUSED, 0, False),
        (Phase.CLOSED, 0, False),
        (Phase.SCHEDULED, 3600, False),
        (Phase.PRE_QUEUE, 3600, False),
        # The queue opens by itself, by Redis' clock: ours may be a little late.
        (Phase.SCHEDULED, rounds.EARLY_SECONDS, True),
        (Phase.PRE_QUEUE, 0, True),
    ],
)
def test_only_events_that_are_open_or_about_to_are_advanced(phase, seconds_to_opening, may):
    settings = replace(SETTINGS, phase=phase, opens_at=NOW + timedelta(seconds=seconds_to_opening))

    assert may_admit(settings, NOW) is may


def test_the_record_is_asked_to_open_at_the_opening_and_not_before():
    waiting = replace(SETTINGS, phase=Phase.PRE_QUEUE, opens_at=NOW)

    assert opening_due(waiting, NOW)
    assert not opening_due(waiting, NOW - timedelta(seconds=1))
    assert not opening_due(SETTINGS, NOW)


def test_a_quiet_event_is_looked_at_seldom_and_a_busy_one_every_second():
    one = Watched(SETTINGS)

    one.looked(100.0, replace(QUIET, waiting=5, issued=5))
    busy = one.look_at
    one.looked(101.0, replace(QUIET, issued=5, serving=5))
    moved = one.look_at
    one.looked(102.0, replace(QUIET, issued=5, serving=5))

    assert busy == 100 + rounds.LOOK_SECONDS
    # One more look at once, in which stock and checkpoint catch up with the last move.
    assert moved == 101 + rounds.LOOK_SECONDS
    assert one.look_at == 102 + rounds.LOOK_QUIET_SECONDS


def test_an_event_with_tickets_held_is_not_quiet_though_nobody_is_inside():
    """A late bank keeps a hold beyond its slot; the queue must hear within ten seconds how it ended (I10)."""
    one = Watched(SETTINGS)

    one.looked(100.0, QUIET)
    one.looked(101.0, replace(QUIET, held=6))

    assert one.busy
    assert one.look_at == 101 + rounds.LOOK_SECONDS


def test_an_event_whose_stock_changed_is_told_at_once_however_quiet_it_was():
    known = watch({}, [SETTINGS], {EventId(7): 40})
    known[EventId(7)].look_at = known[EventId(7)].stock_at = 1000.0

    watch(known, [SETTINGS], {EventId(7): 40})
    unchanged = known[EventId(7)].stock_at
    watch(known, [SETTINGS], {EventId(7): 41})

    assert unchanged == 1000
    assert (known[EventId(7)].look_at, known[EventId(7)].stock_at) == (0, 0)


def test_an_event_that_fails_is_left_alone_longer_each_time_and_never_for_good():
    one = Watched(SETTINGS)
    waits = []
    for _ in range(12):
        one.failed(100.0)
        waits.append(one.look_at - 100)

    assert waits == sorted(waits)
    assert waits[0] == rounds.RETRY_SECONDS
    assert waits[-1] == rounds.RETRY_SECONDS_MAX
    one.advanced(200.0, anybody=True)
    assert one.failures == 0


def test_changed_settings_are_looked_at_at_once_and_a_closed_event_is_forgotten():
    known = watch({}, [SETTINGS, replace(SETTINGS, event_id=EventId(8))], {})
    known[EventId(7)].look_at = 1000.0

    same = watch(known, [SETTINGS], {})
    unchanged = same[EventId(7)].look_at
    watch(known, [replace(SETTINGS, version=4)], {})

    assert list(same) == [7]
    assert unchanged == 1000
    assert known[EventId(7)].look_at == 0


@pytest.mark.parametrize(
    ("left", "joined", "wanted"),
    [
        (rounds.NUMBERS_AHEAD, 0, 0),
        (rounds.NUMBERS_AHEAD - 1, 0, 2 * rounds.NUMBERS_AHEAD),
        # 20,000 joined in the last second: enough for the next four, twice.
        (rounds.NUMBERS_AHEAD, 20_000, 160_000),
        (80_000, 20_000, 0),
        (0, 1_000_000, rounds.BLOCK_MAX),
    ],
)
def test_numbers_are_reserved_ahead_of_the_speed_of_joining(left, joined, wanted):
    queue = replace(QUIET, issued=joined, block_end=joined + left)

    assert block_wanted(queue, issued_before=0, seconds=1.0) == wanted


def test_what_a_recovery_skipped_was_nobodys_join():
    restored = replace(QUIET, issued=500_000, block_end=500_000, restored_to=500_000)

    assert block_wanted(restored, issued_before=30, seconds=1.0) == 2 * rounds.NUMBERS_AHEAD
    joined = replace(restored, issued=520_000, block_end=520_000)
    assert block_wanted(joined, issued_before=30, seconds=1.0) == 160_000


def test_the_queue_gets_every_setting_of_the_organiser():
    rules = rules_of(replace(SETTINGS, reason="sound check", notice="soon", address_limit=9))

    assert (rules.rate_per_minute, rules.max_active, rules.reason, rules.notice) == (600, 100, "sound check", "soon")
    assert (rules.enter_seconds, rules.choose_seconds, rules.pay_seconds, rules.address_limit) == (120, 600, 600, 9)
