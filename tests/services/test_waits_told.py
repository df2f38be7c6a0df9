"""What those who wait are told is kept, written down, and put against what came; a section that sold out stays told."""

from __future__ import annotations

import itertools
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import orjson
from click.testing import CliRunner

from onsale.cli.waits import table
from onsale.cli.waits import waits as waits_command
from onsale.db import journal, waits
from onsale.db.catalogue import NewSection
from onsale.db.engine import reading, transaction
from onsale.db.journal import Admission, Join
from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.waits import WaitTold
from onsale.db.wishes import Wish
from onsale.queue import status
from onsale.web.waits import how_they_held
from onsale.workers import waiting
from onsale.workers.admissions import Admitter, tell_stock
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from tests.builders import a_booking, a_buyer, an_event, booking, open_queue, run_sql, seat, some_buyers

TWO_SECTIONS = [NewSection(1, "Box", 1_000, standing=1), NewSection(2, "Floor", 1_000, standing=50)]
ONE_AT_A_TIME = QueueChange(rate_per_minute=1, max_active=1)


def test_the_loop_keeps_an_outlook_and_writes_down_what_is_told(shop, engine):
    event_id, seconds = an_event(engine, queue=ONE_AT_A_TIME), itertools.count(time.monotonic())
    open_queue(shop, event_id)
    for buyer_id in some_buyers(engine, 30):
        shop.store.join(event_id, buyer_id, address="192.0.2.1")
    admitter = Admitter(shop)

    for _ in range(5):
        admitter.go_round(next(seconds))

    assert shop.store.snapshot(event_id).outlook
    with reading(engine) as connection:
        lines = waits.lines(connection, event_id)
    assert 1 <= len(lines) <= 2
    assert lines[0].issued == 30
    assert lines[0].body["pieces"]


def sold_to_somebody(shop, engine, event_id, ordinal: int) -> None:
    wish = Wish(tickets=(seat(event_id, ordinal),))
    booking_id = a_booking(engine, event_id, wish, number=ordinal, payment_method="pm_card_visa")
    work_lane(shop, event_id, last_look=True)
    while booking(engine, booking_id).state is not BookingState.CONFIRMED:
        resume(shop, booking_id)


def gone(shop, event_id) -> list[str | None]:
    return [one["sold_out_at"] for one in status.document(shop.store.snapshot(event_id))["tickets_left"]]


def test_a_section_that_sold_out_says_when_also_after_redis_was_lost(paying_shop, engine, redis_client):
    shop, event_id = paying_shop, an_event(engine, sections=TWO_SECTIONS)
    open_queue(shop, event_id)
    tell_stock(shop, event_id)
    before = gone(shop, event_id)

    sold_to_somebody(shop, engine, event_id, 1)
    tell_stock(shop, event_id)
    first = gone(shop, event_id)
    redis_client.flushall()
    open_queue(shop, event_id)
    tell_stock(shop, event_id)

    assert before == [None, None]
    assert first[0] is not None
    assert first[1] is None
    assert gone(shop, event_id) == first
    assert shop.store.snapshot(event_id).so_far.tickets == 1


def test_a_ticket_that_comes_back_takes_the_notice_away(paying_shop, engine):
    shop, event_id = paying_shop, an_event(engine, sections=TWO_SECTIONS)
    open_queue(shop, event_id)
    # As if it had been sold out a while ago.
    run_sql(engine, "INSERT INTO sections_gone (event_id, section_id) VALUES (:event_id, 1)", event_id=event_id)

    tell_stock(shop, event_id)

    assert gone(shop, event_id) == [None, None]


def test_a_slot_of_time_is_written_once_whoever_writes(engine):
    event_id = an_event(engine)
    told = WaitTold(datetime.now(UTC), 0, 5, {"epoch": 1})

    with transaction(engine) as connection:
        assert waits.note(connection, event_id, told, slot=7)
        assert not waits.note(connection, event_id, replace(told, issued=9), slot=7)
        assert [line.issued for line in waits.lines(connection, event_id)] == [5]


def test_a_month_of_a_sale_is_a_few_thousand_lines(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    state = shop.store.snapshot(event_id)
    opened_ms = int(state.rules.opens_at.timestamp() * 1000)

    slots = {
        waiting.due_slot(replace(state, now_ms=opened_ms + after_ms)) for after_ms in range(0, 30 * 86_400_000, 15_000)
    }

    assert 1_000 < len(slots) < waits.LINES_MAX


def told_and_called(engine, event_id) -> None:
    """A hundred a minute promised and kept, but for the last, who waited three times as long."""
    opened = datetime(2026, 5, 1, 10, tzinfo=UTC)
    piece = {"people": None, "fast_per_minute": 125.0, "slow_per_minute": 80.0}
    body = {"epoch": 1, "opens_at_ms": 0, "pieces": [piece], "returns": []}
    with transaction(engine) as connection:
        buyers = [Join(number, a_buyer(engine), opened - timedelta(seconds=5)) for number in (500, 501)]
        journal.record_joins(connection, event_id, buyers)
        waits.note(connection, event_id, WaitTold(opened, 499, 501, body), slot=1)
        runs = [
            Admission(1, opened + timedelta(seconds=1), 500, 500, 0, 0, 1),
            Admission(2, opened + timedelta(seconds=90), 501, 501, 0, 0, 1),
        ]
        journal.record_admissions(connection, event_id, runs)
        waits.note(connection, event_id, WaitTold(opened + timedelta(minutes=2), 501, 501, body), slot=2)


def test_how_often_the_bands_held_is_in_the_record(engine):
    event_id = an_event(engine)
    told_and_called(engine, event_id)

    held = how_they_held(engine, event_id)

    assert (held.told, held.held, held.later, held.held_percent) == (2, 1, 1, 50.0)


def test_the_command_says_how_often_they_held(engine, settings):
    event_id, other = an_event(engine), an_event(engine)
    told_and_called(engine, event_id)

    answer = CliRunner().invoke(waits_command, [str(event_id), "--json"], env=settings)
    words = CliRunner().invoke(waits_command, [str(other)], env=settings)

    assert orjson.loads(answer.output)["held_percent"] == 50.0, answer.output
    assert "no wait was told yet" in words.output
    assert "50.0 % of the time" in table(how_they_held(engine, event_id), "Show")


def test_no_smaller_serving_is_ever_published_by_a_web_that_has_told_a_larger_one(web, engine, shop):
    event_id = an_event(engine, queue=ONE_AT_A_TIME)
    open_queue(shop, event_id)
    queue = f"q:{{{event_id}}}:queue"
    web.office.store._client.hset(queue, mapping={"serving": 40, "issued": 90})
    web.office.statuses.forget(event_id)
    first = web.http.get(f"/v1/events/{event_id}/queue").json()["serving"]

    # A Redis that came back from the past, before anybody has noticed.
    web.office.store._client.hset(queue, mapping={"serving": 7, "run_id": "0" * 40})
    web.office.statuses.forget(event_id)
    after = web.http.get(f"/v1/events/{event_id}/queue").json()

    assert first >= 40
    assert after["recovering"]
    assert after["serving"] >= first


def test_who_hands_in_what_they_were_told_is_told_nothing_later(web, engine, shop):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=1, max_active=10))
    open_queue(shop, event_id)
    people = web.guests(6)
    for one in people:
        one.join(event_id)
    path = f"/v1/events/{event_id}/queue/me"
    first = people[-1].get(path).json()
    from_ms, to_ms, epoch = (int(part) for part in first["told"].split("."))

    earlier = people[-1].get(path, params={"told": f"{from_ms}.{to_ms - 60_000}.{epoch}"}).json()
    other_epoch = people[-1].get(path, params={"told": f"{from_ms}.{to_ms - 60_000}.{epoch - 1}"}).json()

    assert first["wait_low_seconds"] < first["wait_high_seconds"]
    assert int(earlier["told"].split(".")[1]) == to_ms - 60_000
    assert earlier["wait_high_seconds"] < first["wait_high_seconds"]
    assert abs(int(other_epoch["told"].split(".")[1]) - to_ms) < 30_000
