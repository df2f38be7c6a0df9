"""A slot follows its booking whatever comes first: a lane at work, a second tab, a lane that stands still."""

from __future__ import annotations

from redis import Redis
from sqlalchemy import event

from onsale.db.queue_settings import QueueChange
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.queue.keys import number_place
from onsale.queue.state import SlotKind, SlotState
from onsale.workers.resend import resend
from tests.builders import a_booking, a_buyer, an_event, open_queue, run_sql, until
from tests.services.test_queue_enter import let_in
from tests.services.waiting_room import EVENT, MINUTE_MS

LATER_MS = 6 * 60 * MINUTE_MS


def test_a_second_booking_of_an_admission_that_holds_does_not_take_the_hold_out_of_its_slot(
    redis_client: Redis,
) -> None:
    room = let_in(redis_client, 2)
    room.enter(1)
    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.HOLDING, room.now_ms + MINUTE_MS)})

    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.UNDECIDED, room.now_ms + LATER_MS)})

    state = room.state()
    assert (state.entered, state.holding) == (0, 1)


def test_a_second_booking_of_an_admission_that_sold_takes_no_slot(redis_client: Redis) -> None:
    room = let_in(redis_client, 2)
    room.enter(1)
    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.DONE)})

    room.store.follow(EVENT, {number_place(1): SlotState(SlotKind.UNDECIDED, room.now_ms + LATER_MS)})

    state = room.state()
    assert (state.entered, state.holding) == (0, 0)


def test_the_queue_is_told_of_a_booking_before_a_lane_can_see_it(web, shop, engine, redis_client: Redis) -> None:
    """A lane at work may decide it the moment it is there: what the web says of the slot must not come after that."""
    event_id = an_event(engine)
    open_queue(shop, event_id)
    person = web.guest()
    number = person.join(event_id)["number"]
    until(lambda: shop.store.advance(event_id).serving >= number, "the buyer is let in")
    entered = person.post(f"/v1/events/{event_id}/queue/me/enter").json()
    choosing_until = redis_client.zscore(f"q:{{{event_id}}}:entered", str(number))
    at_the_insert: list[float | None] = []

    def look(_connection, _cursor, statement: str, *_more) -> None:
        if "INSERT INTO bookings" in statement:
            at_the_insert.append(redis_client.zscore(f"q:{{{event_id}}}:entered", str(number)))

    event.listen(web.office.engine, "before_cursor_execute", look)
    answer = person.book(event_id, {"quantity": 1}, admission_token=entered["admission_token"])

    assert answer.status_code == 202
    assert len(at_the_insert) == 1
    assert at_the_insert[0] != choosing_until


def test_a_booking_that_waits_for_a_lane_at_rest_keeps_its_slot(shop, engine, redis_client: Redis) -> None:
    event_id = an_event(engine, queue=QueueChange(selling=False))
    open_queue(shop, event_id)
    buyer = a_buyer(engine)
    number = shop.store.join(event_id, buyer, address="192.0.2.1").number
    until(lambda: shop.store.advance(event_id).serving >= number, "the buyer is let in")
    shop.store.enter(event_id, number_place(number))
    a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer, state=BookingState.QUEUED)
    run_sql(engine, "UPDATE bookings SET queued_at = now() - interval '10 minutes'")
    entered = f"q:{{{event_id}}}:entered"
    # As if nothing had told the queue for almost as long as a slot lasts.
    redis_client.zadd(entered, {str(number): shop.store.snapshot(event_id).now_ms + 1_000})

    resend(shop)

    assert redis_client.zscore(entered, str(number)) > shop.store.snapshot(event_id).now_ms + MINUTE_MS
