"""A queue that Redis lost comes back out of the record: no number twice, nobody behind where they were."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from sqlalchemy.exc import SQLAlchemyError

from onsale.db import number_blocks, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import AdmissionSpent, OnsaleError, QueueRecovering
from onsale.queue import status
from onsale.queue.keys import EventKeys, number_place
from onsale.queue.state import SlotKind, SlotState, Standing
from onsale.workers import journaling
from onsale.workers.admissions import Admitter
from onsale.workers.lanes import work_lane
from onsale.workers.recovery import recover
from tests.builders import a_booking, a_buyer, an_event, open_queue, run_sql, set_queue, some_buyers, until
from tests.services.refunding import a_paid_booking

SLOW = QueueChange(rate_per_minute=60)


def join(shop: Any, event_id: Any, buyer_id: Any, **proven: Any) -> int:
    return int(shop.store.join(event_id, buyer_id, address="192.0.2.1", **proven).number)


def write_down(shop: Any, event_id: Any) -> None:
    """What `onsale admit` does once a second."""
    journaling.write_journal(shop, event_id)
    journaling.write_checkpoint(shop, event_id, shop.store.snapshot(event_id))


def go_on(shop: Any, event_id: Any) -> None:
    """Recover, and reserve numbers beyond those that may have been given out."""
    recover(shop, event_id)
    open_queue(shop, event_id)


def test_nothing_is_given_out_of_an_emptied_redis(shop, engine, redis_client):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    join(shop, event_id, a_buyer(engine))

    redis_client.flushall()

    with pytest.raises(QueueRecovering):
        join(shop, event_id, a_buyer(engine))
    with pytest.raises(QueueRecovering):
        shop.store.advance(event_id)


def test_after_an_emptied_redis_everybody_has_the_number_they_had_and_no_number_is_given_twice(
    shop, engine, redis_client
):
    event_id = an_event(engine, queue=SLOW)
    open_queue(shop, event_id)
    people = some_buyers(engine, 50)
    numbers = {buyer_id: join(shop, event_id, buyer_id) for buyer_id in people}
    write_down(shop, event_id)
    # These joined after the journal was last written; one of them has the token that proves it.
    late, proving = some_buyers(engine, 2)
    lost, proven = join(shop, event_id, late), join(shop, event_id, proving)

    redis_client.flushall()
    go_on(shop, event_id)

    assert {buyer_id: join(shop, event_id, buyer_id) for buyer_id in people} == numbers
    assert join(shop, event_id, proving, proven=proven) == proven
    fresh = [join(shop, event_id, buyer_id) for buyer_id in [late, *some_buyers(engine, 20)]]
    assert len(set(fresh)) == len(fresh)
    assert min(fresh) > max(*numbers.values(), lost, proven)


def test_numbers_that_recoveries_skipped_are_ahead_of_nobody(shop, engine, redis_client):
    event_id = an_event(engine, queue=SLOW)
    open_queue(shop, event_id)
    buyers, told = some_buyers(engine, 60), []
    for people in (buyers[:20], buyers[20:40], buyers[40:]):
        number = [join(shop, event_id, buyer_id) for buyer_id in people][-1]
        write_down(shop, event_id)
        redis_client.flushall()
        go_on(shop, event_id)
        told.append((number, *called_and_ahead(shop, event_id, number)))

    again = [called_and_ahead(shop, event_id, number) for number, *_ in told]

    assert [1 + called + ahead for _, called, ahead in told] == [20, 40, 60]
    assert [ahead for _, ahead in again] == [max(0, 19 - again[0][0]), 39 - again[0][0], 59 - again[0][0]]
    assert told[-1][0] > 20_000


def test_who_proves_a_number_that_was_skipped_makes_nobody_wait_longer(shop, engine, redis_client):
    event_id = an_event(engine, queue=SLOW)
    open_queue(shop, event_id)
    *first, unwritten, behind = some_buyers(engine, 22)
    for buyer_id in first:
        join(shop, event_id, buyer_id)
    write_down(shop, event_id)
    proven = join(shop, event_id, unwritten)
    redis_client.flushall()
    go_on(shop, event_id)
    number = join(shop, event_id, behind)
    before = sum(called_and_ahead(shop, event_id, number))

    join(shop, event_id, unwritten, proven=proven)
    write_down(shop, event_id)
    redis_client.flushall()
    go_on(shop, event_id)

    assert (before, sum(called_and_ahead(shop, event_id, number))) == (20, 20)


def called_and_ahead(shop: Any, event_id: Any, number: int) -> tuple[int, int]:
    state = shop.store.snapshot(event_id)
    return state.called, status.people_ahead(number, status.document(state))


def log_of_recoveries(engine: Any, event_id: Any) -> list[tuple[str, dict[str, Any]]]:
    with reading(engine) as connection:
        lines = sale_log.read(connection, event_id)
    return [(line.actor, dict(line.body)) for line in lines if line.kind == "queue_recovered"]


@pytest.mark.parametrize("found", ["nothing", "another_server"])
def test_a_queue_that_was_restored_is_in_the_sale_log_once_with_what_came_back(shop, engine, redis_client, found):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=600))
    open_queue(shop, event_id)
    for buyer_id in some_buyers(engine, 5):
        join(shop, event_id, buyer_id)
    until(lambda: shop.store.advance(event_id).serving >= 3, "three are let in")
    write_down(shop, event_id)
    if found == "nothing":
        redis_client.flushall()
    else:
        redis_client.hset(EventKeys(event_id).queue, "run_id", "0" * 40)

    recover(shop, event_id)
    recover(shop, event_id)

    after = shop.store.snapshot(event_id)
    ((actor, body),) = log_of_recoveries(engine, event_id)
    assert actor == "recovery"
    assert (body["found"], body["places"], body["bookings"]) == (found, 5, 0)
    assert (body["issued"], body["serving"]) == (after.issued, after.serving)


def test_a_new_queue_is_no_recovery(shop, engine):
    event_id = an_event(engine)

    open_queue(shop, event_id)

    assert log_of_recoveries(engine, event_id) == []


NO_WORD = {
    "written": """CREATE TRIGGER no_word BEFORE INSERT ON sale_log FOR EACH ROW
                  WHEN (NEW.kind = 'queue_recovered') EXECUTE FUNCTION no_word()""",
    "committed": """CREATE CONSTRAINT TRIGGER no_word AFTER INSERT ON sale_log
                    DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
                    WHEN (NEW.kind = 'queue_recovered') EXECUTE FUNCTION no_word()""",
}
A_FUNCTION = """CREATE FUNCTION no_word() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE 'no word'; END $$"""


@pytest.mark.parametrize("when", NO_WORD)
def test_a_queue_is_not_opened_again_when_the_log_cannot_say_so(shop, engine, redis_client, when):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    join(shop, event_id, a_buyer(engine))
    redis_client.flushall()
    run_sql(engine, A_FUNCTION)
    run_sql(engine, NO_WORD[when])

    with pytest.raises((OnsaleError, SQLAlchemyError)):
        recover(shop, event_id)

    with pytest.raises(QueueRecovering):
        join(shop, event_id, a_buyer(engine))
    run_sql(engine, "DROP TRIGGER no_word ON sale_log")
    recover(shop, event_id)
    assert [body["found"] for _, body in log_of_recoveries(engine, event_id)] == ["unfinished"]


def test_nobody_is_behind_where_they_were(shop, engine, redis_client):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=600))
    open_queue(shop, event_id)
    people = some_buyers(engine, 40)
    for buyer_id in people:
        join(shop, event_id, buyer_id)
    until(lambda: shop.store.advance(event_id).serving >= 10, "ten are let in")
    before = shop.store.snapshot(event_id)
    write_down(shop, event_id)

    redis_client.flushall()
    go_on(shop, event_id)

    after = shop.store.snapshot(event_id)
    assert after.serving >= before.serving
    assert after.serving <= after.issued
    # Who had been let in and had not come yet still may.
    for buyer_id in people[:10]:
        standing = shop.store.place_of(event_id, buyer_id).standing
        assert standing in (Standing.ADMITTED, Standing.ENTERED)


def test_bookings_keep_their_places_and_their_slots(shop, engine, redis_client):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    people = some_buyers(engine, 3)
    numbers = [join(shop, event_id, buyer_id) for buyer_id in people]
    shop.store.advance(event_id)
    for number in numbers[:2]:
        shop.store.enter(event_id, str(number))
    a_booking(engine, event_id, Wish(quantity=1), number=numbers[0], buyer_id=people[0])
    work_lane(shop, event_id, last_look=True)
    write_down(shop, event_id)

    redis_client.flushall()
    go_on(shop, event_id)

    assert shop.store.place_of(event_id, people[0]).standing is Standing.HOLDING
    assert shop.store.snapshot(event_id).holding == 1


def test_a_hands_free_booking_still_waits_for_its_turn(shop, engine, redis_client):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    set_queue(engine, event_id, rate_per_minute=1, max_active=1)
    buyer_id = a_buyer(engine)
    for other in some_buyers(engine, 30):
        join(shop, event_id, other)
    number = join(shop, event_id, buyer_id)
    shop.store.stay(event_id, number)
    a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id, state=BookingState.WAITING)
    write_down(shop, event_id)

    redis_client.flushall()
    go_on(shop, event_id)

    place = shop.store.place_of(event_id, buyer_id)
    assert (place.number, place.hands_free) == (number, True)


def test_ten_that_recover_at_once_restore_the_queue_once(shop, engine, redis_client):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    people = some_buyers(engine, 10)
    numbers = [join(shop, event_id, buyer_id) for buyer_id in people]
    write_down(shop, event_id)
    redis_client.flushall()

    with ThreadPoolExecutor(4) as recoverers:
        done = [one.result(30) for one in [recoverers.submit(recover, shop, event_id) for _ in range(10)]]

    assert done.count(True) == 1
    assert [join(shop, event_id, buyer_id) for buyer_id in people] == numbers


def test_a_whole_queue_is_left_alone(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    number = join(shop, event_id, a_buyer(engine))

    assert recover(shop, event_id) is False

    assert shop.store.snapshot(event_id).issued == number


def test_the_blocks_behind_a_recovery_begin_after_every_number_that_may_have_been_given(shop, engine, redis_client):
    event_id = an_event(engine)
    reserved = open_queue(shop, event_id).block_end

    redis_client.flushall()
    go_on(shop, event_id)

    with transaction(engine) as connection:
        assert number_blocks.last_reserved(connection, event_id) > reserved
    assert join(shop, event_id, a_buyer(engine)) == reserved + 1


def test_a_second_loss_lets_nobody_in_under_the_numbers_that_the_first_went_on_behind(shop, engine, redis_client):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=600))
    open_queue(shop, event_id)
    people = some_buyers(engine, 30)
    for buyer_id in people[:10]:
        join(shop, event_id, buyer_id)
    write_down(shop, event_id)
    redis_client.flushall()
    go_on(shop, event_id)
    # Behind some ten thousand numbers that nobody had.
    later = [join(shop, event_id, buyer_id) for buyer_id in people[10:]]
    write_down(shop, event_id)

    redis_client.flushall()
    go_on(shop, event_id)

    assert shop.store.snapshot(event_id).waiting <= len(people)
    shop.store.set_stock(event_id, [], free=len(people), held=0)
    until(lambda: shop.store.advance(event_id).serving >= later[-1], "everybody is called")
    assert shop.store.snapshot(event_id).admitted == len(people)


def test_who_has_tickets_is_not_let_in_again(paying_shop, engine, redis_client):
    shop, event_id = paying_shop, an_event(engine)
    open_queue(shop, event_id)
    buyer_id = a_buyer(engine)
    number = join(shop, event_id, buyer_id)
    until(lambda: shop.store.advance(event_id).serving >= number, "the turn comes")
    shop.store.enter(event_id, number_place(number))
    a_paid_booking(shop, event_id=event_id, number=number, buyer_id=buyer_id)
    write_down(shop, event_id)

    for _ in range(2):
        redis_client.flushall()
        go_on(shop, event_id)

    with pytest.raises(AdmissionSpent):
        shop.store.enter(event_id, number_place(number))
    with pytest.raises(AdmissionSpent):
        shop.store.come_back(event_id, number)
    assert shop.store.snapshot(event_id).active == 0


def passed(shop: Any, event_id: Any, number: int) -> None:
    """The turn comes and goes."""
    until(lambda: shop.store.advance(event_id).serving >= number, "the turn comes")
    shop.store.follow(event_id, {number_place(number): SlotState(SlotKind.LAPSED)})


def test_return_numbers_are_kept_in_order_and_nobody_else_has_a_slot(shop, engine, redis_client):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=600))
    open_queue(shop, event_id)
    people = some_buyers(engine, 3)
    numbers = [join(shop, event_id, buyer_id) for buyer_id in people]
    for number in numbers:
        passed(shop, event_id, number)
    returns = {number: shop.store.come_back(event_id, number) for number in reversed(numbers)}
    write_down(shop, event_id)

    for _ in range(2):
        redis_client.flushall()
        go_on(shop, event_id)
        write_down(shop, event_id)

    places = [shop.store.place_at(event_id, number_place(number)) for number in numbers]
    assert {place.number: place.return_number for place in places} == returns
    # The numbers themselves are used up by the return numbers, and what two recoveries skipped is nobody's.
    until(lambda: shop.store.advance(event_id).return_serving >= max(returns.values()), "all are called again")
    assert shop.store.snapshot(event_id).admitted == len(people)


def test_a_return_number_that_was_lost_with_redis_is_given_to_nobody_else(shop, engine, redis_client):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=600))
    open_queue(shop, event_id)
    numbers = [join(shop, event_id, buyer_id) for buyer_id in some_buyers(engine, 2)]
    for number in numbers:
        passed(shop, event_id, number)
    write_down(shop, event_id)
    lost = shop.store.come_back(event_id, numbers[0])

    redis_client.flushall()
    go_on(shop, event_id)
    until(lambda: shop.store.advance(event_id).serving >= numbers[1], "the turn comes")
    shop.store.follow(event_id, {number_place(number): SlotState(SlotKind.LAPSED) for number in numbers})

    assert shop.store.come_back(event_id, numbers[1]) > lost


@pytest.mark.slow
def test_a_sale_through_five_emptied_redises_gives_nobody_two_numbers_and_no_number_to_two(shop, engine, redis_client):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    stop = threading.Event()
    loop = threading.Thread(target=Admitter(shop).run, args=(stop,))
    loop.start()
    people = some_buyers(engine, 60)
    given: dict[Any, int] = {}
    try:
        for turn in range(5):
            for buyer_id in people[turn * 12 : turn * 12 + 12]:
                given[buyer_id] = until(lambda buyer_id=buyer_id: tried(shop, event_id, buyer_id), "somebody can join")
            redis_client.flushall()
            time.sleep(0.05)
        # Everybody comes back with the token that proves the number.
        again = {
            buyer_id: until(
                lambda buyer_id=buyer_id: tried(shop, event_id, buyer_id, proven=given[buyer_id]), "they can come back"
            )
            for buyer_id in people
        }
    finally:
        stop.set()
        loop.join(20)

    assert again == given
    assert len(set(given.values())) == len(people)


def tried(shop: Any, event_id: Any, buyer_id: Any, **proven: Any) -> int | None:
    try:
        return join(shop, event_id, buyer_id, **proven)
    except OnsaleError:
        return None
