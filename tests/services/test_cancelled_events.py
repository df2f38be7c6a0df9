"""An event that does not take place: nothing more is sold, every booking ends, everyone who paid is refunded once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from sqlalchemy import text

from onsale.db import cancellations, charges, doors, refund_requests
from onsale.db.cancellations import Progress
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, EventId
from onsale.db.refund_requests import Wanted
from onsale.db.refund_rules import RefundRules
from onsale.db.refunds import RefundReason
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.errors import NotFound, TicketCheckedIn
from onsale.workers import cancellations as carrying_on
from onsale.workers.lanes import work_lane
from onsale.workers.payment_steps import Step
from onsale.workers.payments import STEPS, resume
from onsale.workers.reconcile import reconcile
from onsale.workers.refunds import settle
from tests.builders import a_booking, an_event, open_queue, run_sql, seat, states, ticket_states, until
from tests.services.refunding import PRICE, VISA, a_paid_booking, ask, given_back
from tests.services.small_sale import verified
from tests.services.test_refunds import somebody_waits
from tests.services.test_refunds_sent_back import bank_is

ROUNDS_MAX = 30
PENDS = "pm_card_pendingRefund"


@pytest.fixture
def event_id(paying_shop, engine) -> EventId:
    event_id = an_event(engine, sections=[NewSection(1, "Stalls", PRICE, rows=3, seats_per_row=10)])
    open_queue(paying_shop, event_id)
    return event_id


def cancel(shop: Any, event_id: EventId, *, reason: str = "The singer is ill") -> str:
    with transaction(shop.engine) as connection:
        return cancellations.begin(connection, event_id, reason=reason, actor="test").reason


def carry_on(shop: Any, event_id: EventId) -> int:
    """What the workers do, until nothing is left; how many rounds it took."""
    for number in range(1, ROUNDS_MAX + 1):
        if carrying_on.carry_on(shop, event_id, settled_seconds=0):
            return number
        found = reconcile(shop, stuck_seconds=0, left_over_seconds=0, refund_seconds=0)
        for booking_id in found.all:
            resume(shop, booking_id)
        for booking_id in found.refunds:
            settle(shop, booking_id)
    raise AssertionError("it does not end")


def progress(shop: Any, event_id: EventId) -> Progress:
    with transaction(shop.engine) as connection:
        return cancellations.progress(connection, event_id)


def bookings_in_each_state(shop: Any, event_id: EventId) -> list[BookingId]:
    """Waiting, queued, held, one whose bank is asked, and one that is sold and not captured yet."""
    engine = shop.engine
    held, asking, sold = (
        a_booking(engine, event_id, Wish(tickets=(seat(event_id, n),)), number=n) for n in range(11, 14)
    )
    work_lane(shop, event_id, last_look=True)
    with transaction(engine) as connection:
        for booking_id, card in ((asking, "pm_card_threeDSecure2Required"), (sold, VISA)):
            charges.new_attempt(connection, booking_id, payment_method=card, return_url="https://shop.example/back")
    resume(shop, asking)
    _until_committed(shop, sold)
    wish = Wish(quantity=1)
    queued = a_booking(engine, event_id, wish, number=14)
    waiting = a_booking(engine, event_id, wish, number=15, state=BookingState.WAITING)
    return [waiting, queued, held, asking, sold]


def _until_committed(shop: Any, booking_id: BookingId) -> None:
    for step in (Step.AUTHORISE, Step.COMMIT):
        with transaction(shop.engine) as connection:
            charge = charges.charge_of(connection, booking_id)
        STEPS[step](shop, charge)


def test_every_booking_ends_and_who_paid_has_all_of_it_back(paying_shop, engine, event_id):
    paid = [a_paid_booking(paying_shop, event_id=event_id, number=n, tickets=2) for n in (1, 3)]
    unpaid = bookings_in_each_state(paying_shop, event_id)
    S = BookingState
    assert states(engine, unpaid) == [S.WAITING, S.QUEUED, S.HELD, S.REQUIRES_ACTION, S.COMMITTED]

    cancel(paying_shop, event_id)
    before = progress(paying_shop, event_id)
    carry_on(paying_shop, event_id)

    assert states(engine, paid) == [S.REFUNDED] * 2
    assert states(engine, unpaid) == [S.CANCELLED] * 4 + [S.REFUNDED]
    assert [given_back(paying_shop, one) for one in (*paid, unpaid[-1])] == [2 * PRICE, 2 * PRICE, PRICE]
    assert set(ticket_states(engine, event_id).values()) == {"free"}
    assert before == Progress(total=3, done=0, failed=0, let_in=0, open=4)
    assert progress(paying_shop, event_id) == Progress(total=3, done=3, failed=0, let_in=0, open=0)
    wrong = [what for one in verified(paying_shop, event_id, agree_seconds=5.0).findings for what in one.examples]
    assert [what for what in wrong if "queue says" not in what] == []


def test_nobody_books_at_a_cancelled_event_and_cancelling_twice_is_cancelling_once(paying_shop, engine, event_id):
    reasons = [cancel(paying_shop, event_id, reason=reason) for reason in ("The singer is ill", "The hall is")]

    assert reasons == ["The singer is ill"] * 2
    with pytest.raises(NotFound):
        a_booking(engine, event_id, Wish(quantity=1), number=1)
    with engine.connect() as connection:
        kinds = connection.execute(text("SELECT kind FROM sale_log WHERE event_id = :id"), {"id": event_id}).scalars()
        assert [*kinds].count("event_cancelled") == 1


def test_what_is_left_of_a_booking_is_refunded_and_who_was_let_in_is_counted(paying_shop, engine, event_id):
    part, used = (a_paid_booking(paying_shop, event_id=event_id, number=n, tickets=2) for n in (1, 3))
    ask(paying_shop, part, tickets=(seat(event_id, 1),))
    settle(paying_shop, part)
    with transaction(engine) as connection:
        assert all(doors.check_in(connection, seat(event_id, n)) for n in (3, 4))

    cancel(paying_shop, event_id)
    carry_on(paying_shop, event_id)

    assert (given_back(paying_shop, part), given_back(paying_shop, used)) == (2 * PRICE, 0)
    assert states(engine, [part, used]) == [BookingState.REFUNDED, BookingState.CONFIRMED]
    assert progress(paying_shop, event_id) == Progress(total=1, done=1, failed=0, let_in=1, open=0)


def test_only_so_many_refunds_of_an_event_are_under_way_at_once(paying_shop, engine, event_id):
    for number in range(1, 6):
        a_paid_booking(paying_shop, event_id=event_id, number=number, tickets=1)
    cancel(paying_shop, event_id)

    for _ in range(2):
        carrying_on.carry_on(paying_shop, event_id, at_once=2)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT count(*) FROM refunds")).scalar_one() == 2
    carry_on(paying_shop, event_id)
    assert progress(paying_shop, event_id).done == 5


def test_refunds_that_the_bank_calls_pending_hold_up_nobody_elses(paying_shop, engine, event_id):
    bank_is(paying_shop, aftermath_ms=60_000)
    paid = [a_paid_booking(paying_shop, event_id=event_id, number=n, tickets=1, card=PENDS) for n in range(1, 5)]
    cancel(paying_shop, event_id)
    asked_for = []

    for _ in range(2):
        carrying_on.carry_on(paying_shop, event_id, at_once=2)
        with engine.connect() as connection:
            asked_for.append(connection.execute(text("SELECT count(*) FROM refunds")).scalar_one())
        for booking_id in paid:
            settle(paying_shop, booking_id)

    assert asked_for == [2, 4]
    assert states(engine, paid) == [BookingState.REFUNDING] * 4


@pytest.mark.parametrize("reason", [RefundReason.BUYER_CANCELLED, RefundReason.ORGANISER])
def test_whoever_asks_before_the_sweep_comes_by_gets_all_back_for_the_cancelled_event(
    paying_shop, engine, event_id, reason
):
    asked_before = a_paid_booking(paying_shop, event_id=event_id, number=1)
    used, swept = (a_paid_booking(paying_shop, event_id=event_id, number=n) for n in (3, 5))
    rules = RefundRules(24, fee_minor=500)
    cancel(paying_shop, event_id)

    with transaction(engine) as connection:
        assert doors.check_in(connection, seat(event_id, 3))
    asked = ask(paying_shop, asked_before, tickets=(seat(event_id, 1),), reason=reason, rules=rules, amount_minor=4000)
    with pytest.raises(TicketCheckedIn):
        ask(paying_shop, used, tickets=(seat(event_id, 3),), reason=reason, rules=rules)
    carry_on(paying_shop, event_id)

    refund = asked.refund
    assert (refund.amount_minor, refund.kept_minor, refund.reason) == (2 * PRICE, 0, RefundReason.EVENT_CANCELLED)
    assert progress(paying_shop, event_id) == Progress(total=3, done=3, failed=0, let_in=0, open=0)
    assert [given_back(paying_shop, one) for one in (asked_before, used, swept)] == [2 * PRICE, PRICE, 2 * PRICE]


def test_a_refund_by_the_rules_and_the_cancellation_at_once_come_one_after_the_other(paying_shop, engine, event_id):
    booking_id = a_paid_booking(paying_shop, event_id=event_id)

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            cancellations.begin(connection, event_id, reason="The singer is ill", actor="test")
            asking = pool.submit(ask, paying_shop, booking_id, rules=RefundRules(24, fee_minor=500))
            until(lambda: somebody_waits(engine), "the refund waits for the cancellation")
        refund = asking.result().refund

    assert (refund.kept_minor, refund.reason) == (0, RefundReason.EVENT_CANCELLED)


def test_a_cancellation_is_later_than_a_refund_by_the_rules_that_it_waited_for(paying_shop, engine, event_id):
    booking_id = a_paid_booking(paying_shop, event_id=event_id)
    wanted = Wanted(uuid4(), RefundReason.BUYER_CANCELLED, "buyer", rules=RefundRules(24, fee_minor=500))

    with ThreadPoolExecutor(1) as pool:
        with transaction(engine) as connection:
            refund = refund_requests.request(connection, booking_id, wanted).refund
            cancelling = pool.submit(cancel, paying_shop, event_id)
            until(lambda: somebody_waits(engine), "the cancellation waits for the refund")
        cancelling.result()

    with transaction(engine) as connection:
        cancelled = cancellations.get(connection, event_id)
    assert cancelled is not None
    assert refund.kept_minor == 1000
    assert refund.requested_at < cancelled.asked_at


def test_it_is_not_done_while_a_request_from_before_may_still_be_written(paying_shop, event_id):
    cancel(paying_shop, event_id)

    assert not carrying_on.carry_on(paying_shop, event_id)
    assert carrying_on.carry_on(paying_shop, event_id, settled_seconds=0)


def test_everyone_is_told_once_that_the_event_is_cancelled(paying_shop, engine, event_id):
    booking_id = a_paid_booking(paying_shop, event_id=event_id)
    run_sql(
        engine,
        "UPDATE buyers SET email = 'ann@example.org' WHERE id = (SELECT buyer_id FROM bookings WHERE id = :id)",
        id=UUID(str(booking_id)),
    )

    cancel(paying_shop, event_id)
    carry_on(paying_shop, event_id)

    with engine.connect() as connection:
        assert connection.execute(text("SELECT kind FROM letters")).scalars().all() == ["event_cancelled"]
