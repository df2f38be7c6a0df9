"""`onsale admit` opens, admits, journals and reserves, for every event by itself, whatever part is broken."""

from __future__ import annotations

import itertools
import threading
import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onsale.db import journal, number_blocks, queue_settings, stats
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import OnsaleError, QueueClosed
from onsale.queue.state import Standing
from onsale.workers.admissions import ROUND_SECONDS, Admitter
from onsale.workers.expiry import sweep
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.rounds import ADVANCE_SECONDS
from tests.builders import (
    a_booking,
    a_buyer,
    an_event,
    booking,
    let_the_hold_run_out,
    open_queue,
    run_sql,
    seat,
    set_queue,
    some_buyers,
    until,
)

# Room for everybody: the queue lets in no more than there are tickets.
ROOM = [NewSection(1, "Standing", 1000, standing=100)]


@pytest.fixture
def admitting(shop):
    """The loop, running; started by calling it."""
    yield from running(shop)


@pytest.fixture
def paying_and_admitting(paying_shop):
    yield from running(paying_shop)


def running(shop: Any):
    stop = threading.Event()
    threads: list[threading.Thread] = []

    def start() -> None:
        thread = threading.Thread(target=Admitter(shop).run, args=(stop,))
        threads.append(thread)
        thread.start()

    yield start
    stop.set()
    for thread in threads:
        thread.join(20)
        assert not thread.is_alive()


def joined(shop: Any, event_id: Any, buyer_id: Any) -> int | None:
    try:
        return int(shop.store.join(event_id, buyer_id, address="192.0.2.1").number)
    except OnsaleError:
        return None


def test_a_new_event_gets_its_queue_its_numbers_and_its_settings(shop, engine, admitting):
    event_id = an_event(engine)

    admitting()
    number = until(lambda: joined(shop, event_id, a_buyer(engine)), "somebody can join")

    with transaction(engine) as connection:
        assert number_blocks.last_reserved(connection, event_id) >= number == 1


def test_whoever_joins_an_open_queue_is_let_in_within_a_second(shop, engine):
    event_id = an_event(engine)
    admitter, rounds, buyer_id = Admitter(shop), itertools.count(time.monotonic(), ROUND_SECONDS), a_buyer(engine)

    def is_idle() -> bool:
        admitter.go_round(now := next(rounds))
        watched = admitter.watched[event_id]
        # It has just been advanced for nobody, and will not be so soon again.
        return watched.looked_at > 0 and not watched.busy and watched.advance_at > now + ADVANCE_SECONDS

    until(is_idle, "nobody was there to let in")
    assert joined(shop, event_id, buyer_id)

    for now in itertools.islice(rounds, int(1 / ROUND_SECONDS)):
        admitter.go_round(now)

    assert shop.store.place_of(event_id, buyer_id).standing is Standing.ADMITTED


def test_a_queue_opens_at_its_time_in_redis_and_in_the_record(shop, engine, admitting):
    opens_at = datetime.now(UTC) + timedelta(seconds=2)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.PRE_QUEUE, opens_at=opens_at))
    admitting()
    buyer_id = a_buyer(engine)
    until(lambda: joined(shop, event_id, buyer_id), "somebody can join the pre-queue")
    early = shop.store.snapshot(event_id).serving

    until(lambda: shop.store.snapshot(event_id).serving, "somebody is let in")
    opened_after = datetime.now(UTC)

    def in_the_record() -> bool:
        with transaction(engine) as connection:
            settings = queue_settings.get(connection, event_id)
        return settings is not None and settings.phase is Phase.OPEN

    until(in_the_record, "the record says open")
    assert early == 0
    assert opened_after >= opens_at


def test_a_turned_dial_reaches_the_queue(shop, engine, admitting):
    event_id = an_event(engine)
    admitting()
    until(lambda: joined(shop, event_id, a_buyer(engine)), "somebody can join")

    set_queue(engine, event_id, rate_per_minute=77, notice="Doors at seven.")

    until(lambda: shop.store.snapshot(event_id).rules.rate_per_minute == 77, "the rate is in force")
    assert shop.store.snapshot(event_id).rules.notice == "Doors at seven."


def test_joins_admissions_and_a_checkpoint_get_into_the_record(shop, engine, admitting):
    event_id = an_event(engine, sections=ROOM)
    admitting()
    people = some_buyers(engine, 30)
    until(lambda: joined(shop, event_id, people[0]), "somebody can join")
    numbers = [joined(shop, event_id, buyer_id) for buyer_id in people]

    def journaled() -> bool:
        with transaction(engine) as connection:
            mark = journal.last_checkpoint(connection, event_id)
            return (
                journal.admitted_total(connection, event_id) == len(people)
                and mark is not None
                and mark.serving == len(people)
            )

    until(journaled, "the journal has everybody")
    with transaction(engine) as connection:
        assert [journal.number_of(connection, event_id, buyer_id) for buyer_id in people] == numbers
    # Acknowledged: nothing is left to write.
    assert shop.store.joins_to_write(event_id) == []
    assert shop.store.admissions_to_write(event_id) == []


def test_the_stock_reaches_the_queue_and_nobody_is_let_in_for_nothing(shop, engine, admitting):
    event_id = an_event(engine, sections=[NewSection(1, "Box", 1000, rows=1, seats_per_row=3)])
    admitting()
    until(lambda: shop_stock(shop, event_id) == 3, "the stock is told")
    for buyer_id in some_buyers(engine, 8):
        until(lambda buyer_id=buyer_id: joined(shop, event_id, buyer_id), "somebody can join")

    until(lambda: shop.store.snapshot(event_id).serving >= 3, "as many as there are tickets come in")

    assert shop.store.snapshot(event_id).admitted_total <= 3


def free_in_the_record(engine: Any, event_id: Any) -> int:
    with reading(engine) as connection:
        return stats.stock(connection, event_id).free


def shop_stock(shop: Any, event_id: Any) -> int | None:
    try:
        return shop.store.snapshot(event_id).free
    except OnsaleError:
        return None


@pytest.mark.parametrize("sold", [False, True])
def test_how_a_hold_ends_after_its_slot_is_gone_is_told_within_two_seconds(paying_shop, engine, sold):
    """A bank that was late: nobody waits, nobody is inside, and still the queue must say what the record says (I10)."""
    shop, event_id, seconds = paying_shop, an_event(engine), itertools.count(time.monotonic())
    open_queue(shop, event_id)
    admitter = Admitter(shop)
    card = "pm_card_visa" if sold else None
    booking_id = a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1, payment_method=card)
    work_lane(shop, event_id, last_look=True)
    # Long after the last move, and after the stock was told in full.
    for _ in range(20):
        admitter.go_round(next(seconds))
    assert shop.store.snapshot(event_id).held == 1

    if sold:
        while booking(engine, booking_id).state is not BookingState.CONFIRMED:
            resume(shop, booking_id)
    else:
        let_the_hold_run_out(engine, booking_id)
        sweep(shop)
    for _ in range(2):
        admitter.go_round(next(seconds))

    assert shop.store.snapshot(event_id).held == 0
    assert shop.store.snapshot(event_id).free == free_in_the_record(engine, event_id)


def test_a_ticket_that_comes_back_to_a_quiet_event_is_told_within_two_seconds(shop, engine):
    event_id, seconds = an_event(engine), itertools.count(time.monotonic())
    open_queue(shop, event_id)
    admitter = Admitter(shop)
    for _ in range(20):
        admitter.go_round(next(seconds))
    before = shop.store.snapshot(event_id).free

    # Taken and freed elsewhere: the queue has heard of nothing.
    a_booking(engine, event_id, Wish(tickets=(seat(event_id, 1),)), number=1)
    work_lane(shop, event_id, last_look=True)
    for _ in range(2):
        admitter.go_round(next(seconds))

    assert shop.store.snapshot(event_id).free == before - 1


def test_an_event_that_cannot_be_looked_after_stops_no_other(shop, engine, admitting, redis_client):
    broken, whole = an_event(engine), an_event(engine)
    # Somebody wrote nonsense over one event's queue.
    for name in ("queue", "admitted", "joins"):
        redis_client.set(f"q:{{{broken}}}:{name}", "nonsense")

    admitting()

    until(lambda: joined(shop, whole, a_buyer(engine)), "the other event works")
    assert joined(shop, broken, a_buyer(engine)) is None


def test_three_loops_at_once_admit_and_journal_everybody_once(shop, engine, admitting):
    event_id = an_event(engine, sections=ROOM)
    for _ in range(3):
        admitting()
    people = some_buyers(engine, 40)
    until(lambda: joined(shop, event_id, people[0]), "somebody can join")
    numbers = [joined(shop, event_id, buyer_id) for buyer_id in people]

    def journaled() -> int:
        with transaction(engine) as connection:
            return journal.admitted_total(connection, event_id)

    until(lambda: journaled() >= len(people), "everybody is in the journal")
    assert sorted(numbers) == list(range(1, len(people) + 1))
    assert journaled() == len(people) == shop.store.snapshot(event_id).admitted_total


def test_the_loop_goes_on_admitting_while_the_record_is_away(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    admitter = Admitter(shop)
    admitter.go_round(time.monotonic())
    number = joined(shop, event_id, a_buyer(engine))
    run_sql(engine, "ALTER TABLE queue_settings RENAME TO gone")

    until(lambda: go_round(admitter) or shop.store.snapshot(event_id).serving >= number, "they are let in")


def go_round(admitter: Admitter) -> None:
    try:
        admitter.go_round(time.monotonic())
    except Exception as error:
        pytest.fail(f"the loop must not raise: {error!r}")


def test_a_hands_free_booking_goes_from_waiting_to_confirmed_by_itself(paying_shop, engine, paying_and_admitting):
    shop = paying_shop
    event_id = an_event(engine)
    open_queue(shop, event_id)
    buyer_id = a_buyer(engine)
    number = joined(shop, event_id, buyer_id)
    assert shop.store.stay(event_id, number).standing is Standing.AHEAD
    booking_id = a_booking(
        engine,
        event_id,
        Wish(quantity=2),
        number=number,
        buyer_id=buyer_id,
        state=BookingState.WAITING,
        payment_method="pm_card_visa",
    )

    paying_and_admitting()
    until(lambda: shop.store.snapshot(event_id).serving >= number, "its number is admitted")
    work_lane(shop, event_id, last_look=True)
    held = booking(engine, booking_id).state
    resume(shop, booking_id)

    assert held is BookingState.HELD
    assert booking(engine, booking_id).state is BookingState.CONFIRMED
    assert shop.store.place_of(event_id, buyer_id).standing is Standing.DONE


def test_closing_a_sale_reaches_the_queue(shop, engine, admitting):
    event_id = an_event(engine)
    admitting()
    until(lambda: joined(shop, event_id, a_buyer(engine)), "somebody can join")

    set_queue(engine, event_id, phase=Phase.CLOSED)

    until(lambda: joined(shop, event_id, a_buyer(engine)) is None, "nobody can join any more")
    with pytest.raises(QueueClosed):
        shop.store.join(event_id, a_buyer(engine), address="192.0.2.1")


def test_an_event_without_a_queue_gives_numbers_too(shop, engine, admitting):
    event_id = an_event(engine, queue=QueueChange(enabled=False))

    admitting()

    assert until(lambda: joined(shop, event_id, a_buyer(engine)), "somebody gets a number") == 1
