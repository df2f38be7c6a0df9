"""A queue whose numbers are drawn: from the announcement to the first who comes in, and whatever goes wrong between."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta

import pytest
from sqlalchemy.exc import DBAPIError

from onsale.db import draws, queue_settings, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.queue_settings import Phase, QueueChange
from onsale.errors import BadRequest, IllegalMove, NotDrawnYet, NotFound, NotInQueue, NotOpenYet, QueueRecovering
from onsale.queue import status
from onsale.queue.draw import draw_key, permutation
from onsale.queue.keys import EventKeys
from onsale.queue.state import Standing
from onsale.sandbox.bench.draw import counted
from onsale.workers import drawing, journaling
from onsale.workers.admissions import Admitter
from onsale.workers.rounds import rules_of
from tests.builders import ONE_ROW, a_buyer, an_event, open_queue, run_sql, set_queue, some_buyers, until

BEACON = "drand quicknet round 31415926"
VALUE = "8a1f27"
SEED = bytes(range(32))
ADDRESS = "192.0.2.1"


def announced(engine, event_id, *, beacon: str = BEACON, seed: bytes = SEED):
    with transaction(engine) as connection:
        return draws.announce(connection, event_id, seed=seed, beacon_name=beacon, actor="staff:test")


def on_record(engine, event_id):
    with reading(engine) as connection:
        return draws.get(connection, event_id)


def kinds(engine, event_id):
    with reading(engine) as connection:
        return [line.kind for line in sale_log.read(connection, event_id)]


def a_draw(shop, engine, *, beacon: str = BEACON, seed: bytes = SEED, sections=ONE_ROW):
    """An event in whose pre-queue one may join."""
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, sections=sections, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))
    announced(engine, event_id, beacon=beacon, seed=seed)
    set_queue(engine, event_id, phase=Phase.PRE_QUEUE)
    open_queue(shop, event_id)
    return event_id


def joined(shop, event_id, buyers):
    return [shop.store.join(event_id, buyer, address=ADDRESS).number for buyer in buyers]


def it_is_time(engine, event_id):
    set_queue(engine, event_id, opens_at=datetime.now(UTC) - timedelta(seconds=1))


def go_round(shop, until_true, what):
    """What `onsale admit` does, until it has come to this."""
    admitter = Admitter(shop)

    def there():
        admitter.go_round(time.monotonic())
        return until_true()

    until(there, what)


def entries_closed(shop, engine, event_id):
    it_is_time(engine, event_id)
    go_round(shop, lambda: shop.store.snapshot(event_id).rules.draw.size is not None, "the entries are closed")


def beacon_came(engine, event_id, value: str = VALUE):
    with transaction(engine) as connection:
        draws.put_beacon(connection, event_id, value, actor="staff:test")


def is_open(shop, event_id):
    try:
        return shop.store.snapshot(event_id).rules.phase == Phase.OPEN
    except QueueRecovering:
        return False


def redis_emptied(shop, redis_client, event_id):
    redis_client.flushall()
    open_queue(shop, event_id)

    def numbers_to_give() -> bool:
        state = shop.store.snapshot(event_id)
        return state.block_end > state.issued

    go_round(shop, numbers_to_give, "there are numbers to give out")


def opened(shop, engine, event_id, value: str = VALUE):
    entries_closed(shop, engine, event_id)
    beacon_came(engine, event_id, value)
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")


def test_everybody_of_the_pre_queue_gets_the_number_that_the_rule_says(shop, engine):
    event_id = a_draw(shop, engine)
    buyers = some_buyers(engine, 20)
    joined(shop, event_id, buyers)

    opened(shop, engine, event_id)

    rule = permutation(draw_key(SEED, VALUE, 20), 20)
    places = [shop.store.place_of(event_id, buyer) for buyer in buyers]
    assert [place.number for place in places] == [rule.drawn(number) for number in range(1, 21)]
    assert [place.pre_queue_number for place in places] == list(range(1, 21))
    assert joined(shop, event_id, buyers) == [place.number for place in places]


def test_until_the_draw_nobody_is_ahead_or_behind(shop, engine):
    event_id = a_draw(shop, engine)
    buyer = a_buyer(engine)
    number = joined(shop, event_id, [buyer])[0]

    place = shop.store.place_of(event_id, buyer)

    assert (place.standing, place.number, place.pre_queue_number) == (Standing.IN_DRAW, number, number)
    assert not shop.store.advance(event_id).admitted


def test_the_drawn_number_comes_in_and_leaves_under_it(shop, engine):
    event_id = a_draw(shop, engine)
    buyers = some_buyers(engine, 5)
    joined(shop, event_id, buyers)
    opened(shop, engine, event_id)
    first = next(buyer for buyer in buyers if shop.store.place_of(event_id, buyer).number == 1)
    until(lambda: shop.store.advance(event_id).serving >= 1, "the first is let in")

    entered = shop.store.enter(event_id, shop.store.place_of(event_id, first).admission_id)
    shop.store.leave(event_id, entered.admission_id)

    assert entered.number == 1
    assert shop.store.place_of(event_id, first).standing is Standing.DONE


def test_who_joins_while_entries_are_closed_comes_after_everybody_drawn(shop, engine):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 10))
    entries_closed(shop, engine, event_id)
    late = a_buyer(engine)

    number = joined(shop, event_id, [late])[0]

    place = shop.store.place_of(event_id, late)
    assert (number, place.standing, place.pre_queue_number) == (11, Standing.AHEAD, None)
    beacon_came(engine, event_id)
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")
    assert joined(shop, event_id, [late]) == [11]
    assert on_record(engine, event_id).size == 10


def test_joining_twice_is_one_entry(shop, engine):
    event_id = a_draw(shop, engine)
    buyer = a_buyer(engine)

    assert joined(shop, event_id, [buyer, buyer]) == [1, 1]
    opened(shop, engine, event_id)

    assert on_record(engine, event_id).size == 1


def test_the_opening_waits_for_the_beacon_and_the_status_says_so(shop, engine):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 3))

    entries_closed(shop, engine, event_id)
    Admitter(shop).go_round(time.monotonic())

    state = shop.store.snapshot(event_id)
    assert (state.rules.phase, state.rules.draw.waits_for) == (Phase.PRE_QUEUE, "beacon")
    assert (state.rules.draw.seed, state.rules.draw.size) == ("", 3)
    assert not shop.store.advance(event_id).admitted


def test_an_opening_put_off_after_the_entries_closed_is_what_is_waited_for_once_the_beacon_is_in(shop, engine):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 3))
    entries_closed(shop, engine, event_id)
    set_queue(engine, event_id, opens_at=datetime.now(UTC) + timedelta(hours=1))
    beacon_came(engine, event_id)

    go_round(shop, lambda: shop.store.snapshot(event_id).rules.draw.waits_for == "opening", "the opening is waited for")

    draw = shop.store.snapshot(event_id).rules.draw
    assert (draw.size, draw.seed, draw.beacon_value, draw.held) == (3, "", "", False)
    it_is_time(engine, event_id)
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")
    assert shop.store.snapshot(event_id).rules.draw.beacon_value == VALUE


def test_without_a_named_beacon_it_is_held_at_the_opening(shop, engine):
    event_id = a_draw(shop, engine, beacon="")
    joined(shop, event_id, some_buyers(engine, 3))

    it_is_time(engine, event_id)
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")

    assert on_record(engine, event_id).key == draw_key(SEED, "", 3)


def test_the_organiser_may_go_without_the_beacon_and_everybody_is_told(shop, engine):
    event_id = a_draw(shop, engine)
    entries_closed(shop, engine, event_id)

    with transaction(engine) as connection:
        draws.go_without_beacon(connection, event_id, actor="staff:test")
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")

    draw = shop.store.snapshot(event_id).rules.draw
    assert (draw.without_beacon, draw.beacon_name, draw.beacon_value) == (True, BEACON, "")
    assert "draw_without_beacon" in kinds(engine, event_id)


def test_a_beacon_known_before_the_entries_close_does_not_count(shop, engine):
    event_id = a_draw(shop, engine)

    with pytest.raises(IllegalMove, match="Entries are still open"):
        beacon_came(engine, event_id)


def test_the_beacon_is_not_changed_once_it_is_there(shop, engine):
    event_id = a_draw(shop, engine)
    entries_closed(shop, engine, event_id)
    beacon_came(engine, event_id)

    beacon_came(engine, event_id)
    with pytest.raises(IllegalMove, match="cannot be changed"):
        beacon_came(engine, event_id, "another")
    with transaction(engine) as connection, pytest.raises(IllegalMove, match="it counts"):
        draws.go_without_beacon(connection, event_id, actor="staff:test")


def test_no_beacon_counts_that_was_not_named_before(shop, engine):
    event_id = a_draw(shop, engine, beacon="")
    joined(shop, event_id, [a_buyer(engine)])
    entries_closed(shop, engine, event_id)

    with pytest.raises(IllegalMove, match="No beacon was named"):
        beacon_came(engine, event_id)


@pytest.mark.parametrize("value", ["", " 1", "a\nb", "ä", "x" * 201])
def test_a_beacons_value_is_one_line_of_text(shop, engine, value):
    event_id = a_draw(shop, engine)
    entries_closed(shop, engine, event_id)

    with pytest.raises(BadRequest):
        beacon_came(engine, event_id, value)


def test_a_draw_is_announced_before_the_pre_queue_opens_and_not_changed_after(shop, engine):
    event_id = a_draw(shop, engine)

    with pytest.raises(IllegalMove, match="has opened"):
        announced(engine, event_id, beacon="a better one")
    with transaction(engine) as connection, pytest.raises(IllegalMove, match="has opened"):
        draws.withdraw(connection, event_id, actor="staff:test")


def test_nobody_gets_another_draw_by_going_back_to_before_the_pre_queue(shop, engine):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, [a_buyer(engine)])
    journaling.write_journal(shop, event_id)
    set_queue(engine, event_id, phase=Phase.SCHEDULED)

    with pytest.raises(IllegalMove, match="has opened"):
        announced(engine, event_id, beacon="a better one")


def test_an_announcement_can_be_taken_back_and_the_seed_is_then_told(shop, engine):
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))
    before = announced(engine, event_id)

    again = announced(engine, event_id, beacon="another round", seed=bytes(32))
    with transaction(engine) as connection:
        draws.withdraw(connection, event_id, actor="staff:test")
        draws.withdraw(connection, event_id, actor="staff:test")

    assert (again.seed_hash, again.beacon_name) == (before.seed_hash, "another round")
    assert on_record(engine, event_id) is None
    assert kinds(engine, event_id)[-3:] == ["draw_announced", "draw_announced", "draw_withdrawn"]


def test_an_event_that_is_not_there_has_no_draw(engine):
    with pytest.raises(NotFound):
        announced(engine, 4_711)
    with pytest.raises(NotFound):
        beacon_came(engine, 4_711)


@pytest.mark.parametrize("change", [{"phase": Phase.OPEN}, {"enabled": False}])
def test_nobody_is_let_in_around_a_draw(shop, engine, change):
    event_id = a_draw(shop, engine)

    with pytest.raises(IllegalMove):
        set_queue(engine, event_id, **change)


def test_the_record_does_not_open_a_draw_by_the_clock(shop, engine):
    event_id = a_draw(shop, engine)
    it_is_time(engine, event_id)

    with transaction(engine) as connection:
        assert not queue_settings.open_due(connection, event_id)


def test_before_the_pre_queue_nobody_joins(shop, engine):
    later = datetime.now(UTC) + timedelta(hours=1)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=later))
    announced(engine, event_id)
    open_queue(shop, event_id)

    with pytest.raises(NotOpenYet) as refused:
        joined(shop, event_id, [a_buyer(engine)])

    assert refused.value.retry_after_seconds == 30


def test_a_draw_that_nobody_joined_opens_for_latecomers(shop, engine):
    event_id = a_draw(shop, engine)
    opened(shop, engine, event_id)

    assert joined(shop, event_id, some_buyers(engine, 2)) == [1, 2]
    assert shop.store.place_of(event_id, a_buyer(engine)) is None


def test_a_new_rate_does_not_open_entries_again_that_the_queue_has_closed(shop, engine):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 4))

    assert shop.store.close_entries(event_id) == 4
    set_queue(engine, event_id, rate_per_minute=7)
    go_round(shop, lambda: shop.store.snapshot(event_id).rules.rate_per_minute == 7, "the new rate is in force")
    joined(shop, event_id, some_buyers(engine, 2))

    assert shop.store.close_entries(event_id) == 4


def test_a_queue_that_has_not_heard_of_its_draw_is_told_and_then_opened_by_it(shop, engine, redis_client):
    event_id = a_draw(shop, engine, beacon="")
    joined(shop, event_id, some_buyers(engine, 3))
    queue = EventKeys(event_id).queue
    redis_client.hdel(queue, "draw_size", "draw_key")
    redis_client.hset(queue, "version", 0)

    it_is_time(engine, event_id)
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")

    assert on_record(engine, event_id).size == 3


def test_a_latecomer_is_told_no_wait_while_nobody_knows_when_it_opens(shop, engine):
    event_id = a_draw(shop, engine)
    entries_closed(shop, engine, event_id)

    body = status.document(shop.store.snapshot(event_id))

    assert status.wait_band(1, body, now=datetime.now(UTC)) is None


def test_an_event_without_a_draw_has_no_entries_to_close(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)

    with pytest.raises(NotInQueue):
        shop.store.close_entries(event_id)


def test_an_emptied_redis_in_the_pre_queue_keeps_every_entry(shop, engine, redis_client):
    event_id = a_draw(shop, engine)
    buyers = some_buyers(engine, 10)
    joined(shop, event_id, buyers)
    journaling.write_journal(shop, event_id)

    redis_emptied(shop, redis_client, event_id)

    assert joined(shop, event_id, buyers) == list(range(1, 11))
    assert shop.store.place_of(event_id, buyers[0]).standing is Standing.IN_DRAW
    # However long ago the last checkpoint was: nobody's turn has come and gone.
    assert shop.store.snapshot(event_id).serving == 0
    opened(shop, engine, event_id)
    drawn = joined(shop, event_id, buyers)
    size = on_record(engine, event_id).size
    rule = permutation(draw_key(SEED, VALUE, size), size)
    assert drawn == [rule.drawn(number) for number in range(1, 11)]


def test_an_emptied_redis_while_the_beacon_is_awaited_adds_no_entry(shop, engine, redis_client):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 6))
    journaling.write_journal(shop, event_id)
    entries_closed(shop, engine, event_id)

    redis_emptied(shop, redis_client, event_id)
    late = a_buyer(engine)
    joined(shop, event_id, [late])

    assert shop.store.place_of(event_id, late).pre_queue_number is None
    beacon_came(engine, event_id)
    go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")
    assert on_record(engine, event_id).size == 6


def test_an_emptied_redis_after_the_draw_changes_no_drawn_number(shop, engine, redis_client):
    event_id = a_draw(shop, engine)
    buyers = some_buyers(engine, 10)
    joined(shop, event_id, buyers)
    opened(shop, engine, event_id)
    numbers = joined(shop, event_id, buyers)
    journaling.write_journal(shop, event_id)

    redis_emptied(shop, redis_client, event_id)

    assert joined(shop, event_id, buyers) == numbers
    until(lambda: shop.store.advance(event_id).serving >= 10, "those who were drawn are let in")


@pytest.mark.parametrize("held", [False, True])
def test_of_two_numbers_nobody_chooses_the_better_one(shop, engine, redis_client, held):
    # Two numbers by a Redis that was lost before the first was written down; the token proves it.
    event_id = a_draw(shop, engine)
    buyer = a_buyer(engine)
    first = joined(shop, event_id, [buyer])[0]
    redis_emptied(shop, redis_client, event_id)
    second = joined(shop, event_id, [buyer])[0]
    entries_closed(shop, engine, event_id)
    if held:
        # Before that, too: the beacon may be known to everybody before it is on record.
        beacon_came(engine, event_id)
        go_round(shop, lambda: is_open(shop, event_id), "the numbers are drawn")

    shop.store.join(event_id, buyer, address=ADDRESS, proven=first)

    assert second > first
    assert shop.store.place_of(event_id, buyer).pre_queue_number == second


def test_who_lost_an_entry_and_came_late_is_in_the_draw_again_by_the_token(shop, engine, redis_client):
    event_id = a_draw(shop, engine)
    buyer = a_buyer(engine)
    first = joined(shop, event_id, [buyer])[0]
    redis_emptied(shop, redis_client, event_id)
    entries_closed(shop, engine, event_id)
    late = joined(shop, event_id, [buyer])[0]

    shop.store.join(event_id, buyer, address=ADDRESS, proven=first)

    assert late > on_record(engine, event_id).size
    assert shop.store.place_of(event_id, buyer).pre_queue_number == first


def test_a_seed_that_was_announced_is_never_another_one(shop, engine):
    event_id = a_draw(shop, engine)
    opened(shop, engine, event_id)

    for change in ("beacon_value = 'another'", "size = size + 1", "without_beacon = true", "key = seed"):
        with pytest.raises(DBAPIError, match="is settled"):
            run_sql(engine, f"UPDATE draws SET {change} WHERE event_id = :id", id=event_id)
    with pytest.raises(DBAPIError, match="is settled"):
        run_sql(engine, "DELETE FROM draws WHERE event_id = :id", id=event_id)


def test_every_act_is_a_line_in_the_sale_log(shop, engine):
    event_id = a_draw(shop, engine)
    joined(shop, event_id, some_buyers(engine, 2))
    opened(shop, engine, event_id)

    acts = [kind for kind in kinds(engine, event_id) if kind != "queue_changed"]
    assert acts == ["draw_announced", "draw_entries_closed", "draw_beacon", "draw_held", "queue_opened"]


@pytest.mark.parametrize("beacon", ["", BEACON])
def test_an_opening_writes_as_much_for_a_hundred_thousand_as_for_ten(shop, engine, redis_client, beacon):
    def writes_of(people: int) -> int:
        event_id = a_draw(shop, engine, beacon=beacon)
        # So many numbers given out, without asking each to join.
        redis_client.hset(EventKeys(event_id).queue, "issued", people)
        it_is_time(engine, event_id)
        with counted(engine, redis_client) as written:
            drawing.open_by_draw(shop, event_id)
            if beacon:
                beacon_came(engine, event_id)
                drawing.open_by_draw(shop, event_id)
            with reading(engine) as connection:
                settings = queue_settings.get(connection, event_id)
            shop.store.configure(event_id, rules_of(settings), version=settings.version)
        assert (on_record(engine, event_id).size, settings.phase) == (people, Phase.OPEN)
        return written.writes

    few, many = writes_of(10), writes_of(100_000)

    assert few == many > 0


# Over HTTP.


def test_the_status_and_the_place_tell_the_draw(web, shop, engine):
    event_id = a_draw(shop, engine)
    person = web.guest()
    token = person.join(event_id)["queue_token"]

    before = person.get(f"/v1/events/{event_id}/queue").json()
    place = person.get(f"/v1/events/{event_id}/queue/me").json()
    opened(shop, engine, event_id)
    web.office.statuses.forget(event_id)
    after = person.get(f"/v1/events/{event_id}/queue").json()
    later = person.get(f"/v1/events/{event_id}/queue/me", headers={"Queue-Token": token}).json()

    assert (before["draw"]["waits_for"], before["draw"]["seed"]) == ("opening", None)
    assert (place["standing"], place["pre_queue_number"], place["drawn_number"]) == ("in_draw", 1, None)
    assert (after["draw"]["seed"], after["draw"]["beacon_value"], after["draw"]["size"]) == (SEED.hex(), VALUE, 1)
    assert after["draw"]["seed_hash"] == before["draw"]["seed_hash"]
    assert (later["number"], later["pre_queue_number"], later["drawn_number"]) == (1, 1, 1)


def test_a_number_somebody_made_up_or_that_is_another_buyers_is_refused(web, shop, engine):
    event_id = a_draw(shop, engine)
    person, other = web.guests(2)
    mine, theirs = person.join(event_id)["queue_token"], other.join(event_id)["queue_token"]
    made_up = mine[:-2] + ("AA" if mine[-2:] != "AA" else "BB")

    answers = [
        person.get(f"/v1/events/{event_id}/queue/me", headers={"Queue-Token": token}) for token in (theirs, made_up)
    ]

    assert [answer.status_code for answer in answers] == [403, 403]


def test_before_the_draw_there_is_nothing_to_enter_to_book_or_to_leave(web, shop, engine):
    event_id = a_draw(shop, engine)
    person = web.guest()
    person.join(event_id)

    answers = [
        person.post(f"/v1/events/{event_id}/queue/me/enter"),
        person.post(f"/v1/events/{event_id}/queue/me/return"),
        person.ask("DELETE", f"/v1/events/{event_id}/queue/me"),
        person.book(event_id, {"quantity": 1}),
    ]

    assert [answer.status_code for answer in answers] == [409] * 4
    assert person.post(f"/v1/events/{event_id}/queue/me/heartbeat").status_code == 200
    assert NotDrawnYet.__doc__ in answers[3].json()["title"]


def test_after_the_draw_a_booking_waits_under_the_drawn_number(web, shop, engine):
    event_id = a_draw(shop, engine)
    set_queue(engine, event_id, rate_per_minute=1)
    people = web.guests(8)
    for person in people:
        person.join(event_id)
    opened(shop, engine, event_id)
    last = next(one for one in people if one.join(event_id)["number"] == 8)

    booked = last.book(event_id, {"quantity": 1})

    assert booked.status_code == 202, booked.text
    with reading(engine) as connection:
        found = connection.exec_driver_sql("SELECT number, state FROM bookings").one()
    assert tuple(found) == (8, "waiting")
