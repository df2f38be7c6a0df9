"""An event's rate follows its checkout and its ramp: measured, decided once, written down, and obeyed by the queue."""

from __future__ import annotations

import itertools
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import Engine, text

from onsale.db import checkout_signs, clock, rate_control, sale_log
from onsale.db.engine import make_engine, reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.rate_control import RateControl
from onsale.db.wishes import Wish
from onsale.queue import status
from onsale.queue.auto_rate import FLOOR_PER_MINUTE, LOOK_SECONDS, RECOVERY_STEPS, WHOLE_PPM, Because
from onsale.queue.ramps import Ramp, Step
from onsale.workers import following, recovery
from onsale.workers.admissions import Admitter
from onsale.workers.lanes import work_lane
from onsale.workers.rounds import Watched
from onsale.workers.shop import Shop
from tests.builders import a_booking, an_event, open_queue, run_sql, seat, set_queue
from tests.services.waiting_room import EVENT, MINUTE_MS, RULES, Room

VISA = "pm_card_visa"
_numbers = itertools.count(100)
RATE = 600


@pytest.fixture
def event_id(engine: Engine, shop: Shop) -> EventId:
    """An open queue at RATE, which follows checkout."""
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=RATE))
    open_queue(shop, event_id)
    put(engine, event_id, auto=True)
    return event_id


def put(engine: Engine, event_id: EventId, **changed: Any) -> RateControl:
    """As staff switch it."""
    with transaction(engine) as connection:
        before = rate_control.hold(connection, event_id)
        return rate_control.put(connection, before, replace(before, **changed), ceiling=RATE)


def control(engine: Engine, event_id: EventId) -> RateControl:
    with reading(engine) as connection:
        return rate_control.get(connection, event_id)


def its_time(engine: Engine, event_id: EventId) -> None:
    """As if the last decision were long ago."""
    long_ago = "now() - interval '1 hour'"
    run_sql(
        engine,
        f"UPDATE rate_control SET decided_at = {long_ago}, changed_at = {long_ago} WHERE event_id = :id",
        id=event_id,
    )


def go_round(shop: Shop, engine: Engine, event_id: EventId, *, times: int = 1) -> None:
    """A fresh copy of `onsale admit` decides, and puts into force what is decided; so often."""
    for _ in range(times):
        its_time(engine, event_id)
        admitter = Admitter(shop)
        # What is decided in one round is put into force in the next.
        for _ in range(2):
            admitter.go_round(time.monotonic())


def left_lying(engine: Engine, event_id: EventId, *, seconds: float) -> None:
    """Bookings that no lane has decided for so long."""
    a_booking(engine, event_id, Wish(quantity=1), number=next(_numbers))
    run_sql(
        engine,
        "UPDATE bookings SET queued_at = clock_timestamp() - :seconds * interval '1 second' WHERE event_id = :id",
        id=event_id,
        seconds=seconds,
    )


def test_a_lane_that_is_behind_slows_the_queue_and_everybody_reads_why(shop, engine, event_id):
    left_lying(engine, event_id, seconds=8)

    go_round(shop, engine, event_id)

    state = shop.store.snapshot(event_id)
    assert (state.rules.rate_per_minute, state.rules.ceiling) == (120, RATE)
    told = status.document(state)
    assert (told["rate_per_minute"], told["ceiling_per_minute"], told["pace_per_minute"]) == (120, RATE, 120)
    assert told["why"] == "Bookings are decided slowly: letting in 120 instead of 600 a minute."


def test_a_dead_lane_lets_nobody_in_and_once_it_lives_the_whole_rate_is_back(shop, engine, event_id):
    left_lying(engine, event_id, seconds=20)
    go_round(shop, engine, event_id)
    dead = shop.store.snapshot(event_id)

    work_lane(shop, event_id, last_look=True)
    go_round(shop, engine, event_id)
    soon = shop.store.snapshot(event_id).rules.rate_per_minute
    go_round(shop, engine, event_id, times=RECOVERY_STEPS)
    again = shop.store.snapshot(event_id)

    assert (dead.rules.rate_per_minute, dead.rules.because) == (0, Because.LANE_DEAD)
    assert FLOOR_PER_MINUTE <= soon < RATE
    assert (again.rules.rate_per_minute, status.document(again)["why"]) == (RATE, "")


def test_bookings_that_wait_because_selling_is_stopped_slow_nobody(shop, engine, event_id):
    left_lying(engine, event_id, seconds=60)
    set_queue(engine, event_id, selling=False)

    go_round(shop, engine, event_id)

    assert control(engine, event_id).per_minute is None


def test_with_auto_off_the_rate_stays_as_it_was_set(shop, engine, event_id):
    put(engine, event_id, auto=False)
    left_lying(engine, event_id, seconds=20)

    go_round(shop, engine, event_id)

    assert shop.store.snapshot(event_id).rules.rate_per_minute == RATE


def test_payments_under_way_are_told_from_those_that_wait_for_a_worker(shop, engine, event_id):
    for number in range(1, 7):
        wish = Wish(tickets=(seat(event_id, number),))
        a_booking(engine, event_id, wish, number=number, payment_method=VISA)
    work_lane(shop, event_id, last_look=True)
    run_sql(
        engine,
        """UPDATE bookings SET decided_at = decided_at - interval '9 seconds',
                  claimed_until = CASE WHEN number <= 2 THEN now() + interval '1 minute' END WHERE event_id = :id""",
        id=event_id,
    )

    with reading(engine) as connection:
        seen = checkout_signs.read(connection, event_id)

    assert (seen.carried, seen.uncarried, seen.declined) == (2, 4, 0)
    assert seen.uncarried_seconds >= 9


def test_a_card_just_refused_counts_and_its_buyer_is_not_waited_for(shop, engine, event_id):
    refused = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1, payment_method=VISA)
    work_lane(shop, event_id, last_look=True)
    run_sql(
        engine,
        """INSERT INTO payment_attempts (event_id, booking_id, attempt, payment_method, outcome)
           VALUES (:event_id, :id, 1, 'pm_card_visa', 'declined')""",
        event_id=event_id,
        id=refused,
    )

    with reading(engine) as connection:
        seen = checkout_signs.read(connection, event_id)

    assert (seen.declined, seen.carried, seen.uncarried) == (1, 0, 0)


def test_a_provider_that_is_spared_lets_nobody_in_until_it_answers(shop, engine, event_id):
    shop.circuits.told(True)
    go_round(shop, engine, event_id)
    spared = shop.store.snapshot(event_id).rules

    shop.circuits.told(False)
    go_round(shop, engine, event_id)

    assert (spared.rate_per_minute, spared.because) == (0, Because.PROVIDER_AWAY)
    assert shop.store.snapshot(event_id).rules.rate_per_minute > 0


def test_many_copies_decide_once(shop, engine, event_id):
    left_lying(engine, event_id, seconds=3)
    settings = Admitter(shop)
    settings.go_round(time.monotonic())
    watched = settings.watched[event_id]
    its_time(engine, event_id)
    before = control(engine, event_id)

    def decide(_: int) -> None:
        following.decide(shop, Watched(watched.settings, replace(before)), time.monotonic())

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(decide, range(16)))

    after = control(engine, event_id)
    assert after.version == before.version + 1
    assert after.share_ppm == pytest.approx(WHOLE_PPM / (1 + 3 / 2), rel=0.2)


def test_a_rate_that_was_changed_rests_for_seconds_and_a_checkout_that_dies_meanwhile_stops_it(shop, engine, event_id):
    left_lying(engine, event_id, seconds=8)
    go_round(shop, engine, event_id)
    a_moment_ago = "UPDATE rate_control SET decided_at = now() - interval '1 hour' WHERE event_id = :id"

    run_sql(engine, a_moment_ago, id=event_id)
    Admitter(shop).go_round(time.monotonic())
    rests = control(engine, event_id).per_minute
    left_lying(engine, event_id, seconds=20)
    run_sql(engine, a_moment_ago, id=event_id)
    Admitter(shop).go_round(time.monotonic())

    assert (rests, control(engine, event_id).per_minute) == (120, 0)


def test_a_process_killed_in_its_decision_keeps_nobody_from_the_next(shop, engine, event_id):
    its_time(engine, event_id)
    dying = engine.connect()
    assert rate_control.take_turn(dying, event_id, every_seconds=LOOK_SECONDS)
    with transaction(engine) as connection:
        meanwhile = rate_control.take_turn(connection, event_id, every_seconds=LOOK_SECONDS)
    pid = dying.execute(text("SELECT pg_backend_pid()")).scalar_one()
    run_sql(engine, "SELECT pg_terminate_backend(:pid, 5000)", pid=pid)
    dying.invalidate()

    with transaction(engine) as connection:
        found = rate_control.take_turn(connection, event_id, every_seconds=LOOK_SECONDS)
    assert (meanwhile, found is not None) == (None, True)


def test_every_rate_in_force_is_written_down_and_the_sale_log_tells_when_it_began_and_ended(shop, engine, event_id):
    left_lying(engine, event_id, seconds=8)
    go_round(shop, engine, event_id, times=2)
    work_lane(shop, event_id, last_look=True)
    go_round(shop, engine, event_id, times=RECOVERY_STEPS)

    with reading(engine) as connection:
        now = clock.now(connection)
        steps = rate_control.steps(connection, event_id, since=now - timedelta(hours=1), limit=100)
        told = [line.body for line in sale_log.newest(connection, event_id) if line.kind == "rate_followed"]
    assert [step.version for step in steps] == list(range(1, len(steps) + 1))
    rates = [step.per_minute for step in steps]
    assert (rates[0], rates[-1]) == (120, None)
    assert [(body["from"], body["to"]) for body in reversed(told)] == [
        ("at the rate set", "holding back"),
        ("holding back", "at the rate set"),
    ]


def test_a_queue_that_was_lost_comes_back_with_the_rate_in_force(shop, engine, event_id, redis_client):
    left_lying(engine, event_id, seconds=8)
    go_round(shop, engine, event_id)

    redis_client.flushdb()
    recovery.recover(shop, event_id)

    assert shop.store.snapshot(event_id).rules.rate_per_minute == 120


def test_a_dial_turned_meanwhile_is_obeyed_and_never_raises_what_checkout_allows(shop, engine, event_id):
    left_lying(engine, event_id, seconds=8)
    go_round(shop, engine, event_id)

    set_queue(engine, event_id, rate_per_minute=60)
    Admitter(shop).go_round(time.monotonic())
    lower = shop.store.snapshot(event_id).rules
    set_queue(engine, event_id, rate_per_minute=6_000)
    Admitter(shop).go_round(time.monotonic())
    higher = shop.store.snapshot(event_id).rules

    assert (lower.rate_per_minute, lower.ceiling) == (60, 60)
    assert (higher.rate_per_minute, higher.ceiling) == (120, 6_000)


def test_a_ramp_is_walked_by_the_records_clock(shop, engine, event_id):
    ramp = Ramp.made([Step(0, 100), Step(300, 200), Step(900, 900)])
    put(engine, event_id, auto=False, ramp=ramp.kept(), ramp_from=None)
    seen = []
    for minutes in (1, 6, 16):
        run_sql(
            engine,
            "UPDATE rate_control SET ramp_from = now() - :minutes * interval '1 minute' WHERE event_id = :id",
            id=event_id,
            minutes=minutes,
        )
        go_round(shop, engine, event_id)
        seen.append(shop.store.snapshot(event_id).rules.rate_per_minute)

    # The rate set stays the most.
    assert seen == [100, 200, RATE]


def test_a_queue_that_is_not_open_learns_nothing_and_loses_nothing(shop, engine, event_id):
    left_lying(engine, event_id, seconds=20)
    set_queue(engine, event_id, phase=Phase.PAUSED, reason="a fire drill")

    go_round(shop, engine, event_id)

    assert control(engine, event_id).share_ppm == WHOLE_PPM


def test_while_the_record_is_away_nobody_is_let_in_and_when_it_is_back_they_are(shop, engine, event_id):
    admitter = Admitter(shop)
    admitter.go_round(time.monotonic())
    one = admitter.watched[event_id]

    following.stop_without_record(shop, one, time.monotonic())
    away = shop.store.snapshot(event_id)
    following.go_on(shop, one)

    told = status.document(away)
    assert (away.stopped, told["rate_per_minute"], told["pace_per_minute"]) == (True, 0, 0)
    assert told["why"] == "Bookings cannot be taken for the moment: nobody is let in until that is over."
    assert not shop.store.snapshot(event_id).stopped


def test_a_copy_that_loses_the_record_stops_the_queue_and_lets_it_go_on_when_it_is_back(shop, engine, event_id):
    nowhere = make_engine("postgresql+psycopg2://nobody@127.0.0.1:9/none", application_name="test")
    admitter = Admitter(shop)
    admitter.go_round(time.monotonic())

    admitter.shop = replace(shop, engine=nowhere)
    for later in (2, 4):
        admitter.go_round(time.monotonic() + later)
    away = shop.store.snapshot(event_id).stopped
    admitter.shop = shop
    for later in (6, 8):
        admitter.go_round(time.monotonic() + later)

    assert (away, shop.store.snapshot(event_id).stopped) == (True, False)


def test_a_queue_that_was_stopped_for_a_moment_goes_on_by_itself(redis_client):
    room = Room(redis_client)
    room.crowd(100)
    room.later(1_000)

    room.store.stop_briefly(EVENT, seconds=15, now_ms=room.now_ms)
    stopped = [run.admitted for run in room.advance_until(room.now_ms + 14_000, step_ms=1_000)]
    goes_on = [run.admitted for run in room.advance_until(room.now_ms + 2_000, step_ms=1_000)]

    assert sum(stopped) == 0
    # What was earned meanwhile is a burst and no more.
    assert 0 < sum(goes_on) <= 2 * RULES.rate_per_minute // 60 + 20


def test_a_rate_that_comes_back_below_its_ceiling_lets_the_absent_be_passed_over(redis_client):
    """A grace at each of its steps would never end: while a checkout is strained nobody would be passed over."""
    rules = replace(RULES, rate_per_minute=60, ceiling_per_minute=600)
    room = Room(redis_client, rules=rules)
    room.later(4 * MINUTE_MS)
    before = redis_client.hget(room.keys.queue, "grace_until_ms")

    room.configure(rate_per_minute=90)
    held_down = redis_client.hget(room.keys.queue, "grace_until_ms")
    room.configure(rate_per_minute=900, ceiling_per_minute=900)

    assert held_down == before
    assert redis_client.hget(room.keys.queue, "grace_until_ms") > before
