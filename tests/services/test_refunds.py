"""Money is given back once, for tickets that are void, whoever asks, how often, and wherever the one before stopped."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx
import pytest

from onsale.db import doors, pricing, refunds
from onsale.db.engine import transaction
from onsale.db.ids import BookingId, EventId, TicketId, event_of_booking
from onsale.db.refund_rules import RefundRules
from onsale.db.refunds import Refund, RefundState
from onsale.db.states import BookingState
from onsale.errors import IdempotencyKeyReused, IllegalMove, NotFound, OnsaleError, RefundChanged, TicketCheckedIn
from onsale.payments.stripe_provider import StripeProvider
from onsale.workers.admissions import tell_stock
from onsale.workers.reconcile import reconcile
from onsale.workers.refunds import settle
from tests.builders import an_event, booking, open_queue, run_sql, seat, ticket_states, until
from tests.services.refunding import PRICE, a_paid_booking, ask, given_back
from tests.services.small_sale import verified
from tests.services.test_payments_resume import go_wrong

TOGETHER = 4
ROUNDS = 8
LATE_MS = 3_000


@contextmanager
def impatient(shop: Any) -> Iterator[Any]:
    """A worker that gives a call up before a late answer comes."""
    config = shop.config
    provider = StripeProvider(
        secret_key=config.stripe_secret_key, api_base=config.stripe_api_base, seconds_max=LATE_MS / 2_000
    )
    try:
        yield replace(shop, provider=provider)
    finally:
        provider.close()


def only_refund(shop: Any, booking_id: BookingId) -> Refund:
    with transaction(shop.engine) as connection:
        (refund,) = refunds.of_booking(connection, booking_id)
    return refund


def let_in(shop: Any, ticket: TicketId) -> bool:
    with transaction(shop.engine) as connection:
        return doors.check_in(connection, ticket)


def wrong(shop: Any, booking_id: BookingId) -> list[str]:
    """What `onsale verify` finds."""
    event_id = booking(shop.engine, booking_id).event_id
    tell_stock(shop, event_id)
    return [what for one in verified(shop, event_id, agree_seconds=5.0).findings for what in one.examples]


def outcome(function: Any, *arguments: Any) -> Any:
    try:
        return function(*arguments)
    except OnsaleError as error:
        return type(error)


def test_a_refund_voids_the_tickets_puts_them_on_sale_and_gives_the_money_back(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)

    asked = ask(paying_shop, booking_id)
    meanwhile = booking(engine, booking_id).state
    settle(paying_shop, booking_id)

    assert (asked.refund.amount_minor, asked.refund.kept_minor, len(asked.freed)) == (2 * PRICE, 0, 2)
    assert (meanwhile, booking(engine, booking_id).state) == (BookingState.REFUNDING, BookingState.REFUNDED)
    assert set(ticket_states(engine, asked.refund.event_id).values()) == {"free"}
    assert given_back(paying_shop, booking_id) == 2 * PRICE
    assert only_refund(paying_shop, booking_id).state is RefundState.SUCCEEDED
    assert wrong(paying_shop, booking_id) == []


def test_of_a_part_the_booking_is_confirmed_again_with_what_it_keeps(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop, tickets=3)
    event_id = booking(engine, booking_id).event_id

    ask(paying_shop, booking_id, tickets=(seat(event_id, 2),))
    settle(paying_shop, booking_id)
    now = booking(engine, booking_id)
    in_between = wrong(paying_shop, booking_id)
    ask(paying_shop, booking_id)
    settle(paying_shop, booking_id)

    assert (now.state, now.tickets_taken, in_between) == (BookingState.CONFIRMED, 2, [])
    assert booking(engine, booking_id).state is BookingState.REFUNDED
    assert given_back(paying_shop, booking_id) == 3 * PRICE
    assert wrong(paying_shop, booking_id) == []


def test_what_the_organiser_keeps_is_not_given_back(paying_shop):
    booking_id = a_paid_booking(paying_shop)

    asked = ask(paying_shop, booking_id, rules=RefundRules(24, fee_minor=150, fee_basis_points=1000))
    settle(paying_shop, booking_id)

    assert (asked.refund.amount_minor, asked.refund.kept_minor) == (2 * (PRICE - 600), 2 * 600)
    assert given_back(paying_shop, booking_id) == 2 * (PRICE - 600)
    assert wrong(paying_shop, booking_id) == []


def test_where_all_is_kept_the_bank_is_not_asked(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)

    ask(paying_shop, booking_id, rules=RefundRules(24, fee_basis_points=10_000))
    settle(paying_shop, booking_id)

    assert booking(engine, booking_id).state is BookingState.REFUNDED
    assert given_back(paying_shop, booking_id) == 0
    assert wrong(paying_shop, booking_id) == []


def test_another_amount_than_was_shown_is_refused(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)

    with pytest.raises(RefundChanged):
        ask(paying_shop, booking_id, amount_minor=PRICE)

    assert booking(engine, booking_id).state is BookingState.CONFIRMED


def test_the_same_key_is_the_same_refund(paying_shop):
    booking_id = a_paid_booking(paying_shop)

    first = ask(paying_shop, booking_id, key="k", request_hash=b"all")
    settle(paying_shop, booking_id)
    again = ask(paying_shop, booking_id, key="k", request_hash=b"all")

    assert (again.refund.id, again.freed) == (first.refund.id, {})
    with pytest.raises(IdempotencyKeyReused):
        ask(paying_shop, booking_id, key="k", request_hash=b"one")
    assert given_back(paying_shop, booking_id) == 2 * PRICE


def test_of_many_who_ask_at_once_one_is_heard(paying_shop):
    booking_id = a_paid_booking(paying_shop)

    with ThreadPoolExecutor(TOGETHER) as pool:
        answers = list(pool.map(lambda _: outcome(ask, paying_shop, booking_id), range(TOGETHER)))
    settle(paying_shop, booking_id)

    assert answers.count(IllegalMove) == TOGETHER - 1
    assert given_back(paying_shop, booking_id) == 2 * PRICE
    assert wrong(paying_shop, booking_id) == []


def test_a_refund_and_a_check_in_at_once_have_one_winner(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop, tickets=ROUNDS)
    event_id = booking(engine, booking_id).event_id

    for number in range(1, ROUNDS + 1):
        ticket = seat(event_id, number)
        with ThreadPoolExecutor(2) as pool:
            entering = pool.submit(let_in, paying_shop, ticket)
            giving_back = pool.submit(outcome, lambda one=ticket: ask(paying_shop, booking_id, tickets=(one,)))
        let, refunded = entering.result(), giving_back.result()
        settle(paying_shop, booking_id)

        assert (let is True) != (refunded is not TicketCheckedIn), (let, refunded)
    assert wrong(paying_shop, booking_id) == []


def test_who_was_let_in_between_the_look_and_the_writing_keeps_the_ticket(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop, tickets=1)
    ticket = seat(booking(engine, booking_id).event_id, 1)

    # The door's transaction is open: the refund sees a ticket that nobody was let in with, and waits at its row.
    with ThreadPoolExecutor(1) as pool, transaction(engine) as door:
        assert doors.check_in(door, ticket)
        giving_back = pool.submit(outcome, ask, paying_shop, booking_id)
        until(lambda: somebody_waits(engine), "the refund waits at the ticket's row")

    assert giving_back.result() is TicketCheckedIn
    assert booking(engine, booking_id).state is BookingState.CONFIRMED
    assert wrong(paying_shop, booking_id) == []


def test_a_ticket_is_accepted_once_and_not_when_it_was_given_back(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)
    first, second = (seat(booking(engine, booking_id).event_id, number) for number in (1, 2))

    entered = [let_in(paying_shop, first), let_in(paying_shop, first)]
    asked = ask(paying_shop, booking_id)
    settle(paying_shop, booking_id)

    assert entered == [True, False]
    assert [*asked.freed] == [second]
    assert not let_in(paying_shop, second)
    with pytest.raises(TicketCheckedIn):
        ask(paying_shop, booking_id)
    with pytest.raises(NotFound):
        ask(paying_shop, booking_id, tickets=(second,))


@pytest.mark.parametrize("state", [RefundState.REQUESTED, RefundState.SENT])
def test_a_refund_that_was_made_before_a_crash_is_not_made_again(paying_shop, bank, state):
    booking_id = a_paid_booking(paying_shop)
    refund = ask(paying_shop, booking_id, tickets=(seat(event_of_booking(booking_id), 1),)).refund
    settle(paying_shop, booking_id)
    run_sql(
        paying_shop.engine,
        "UPDATE refunds SET state = :state, provider_refund_id = NULL, ended_at = NULL, due_at = clock_timestamp()",
        state=state.value,
    )
    run_sql(paying_shop.engine, "UPDATE bookings SET state = 'refunding', version = version + 1")

    found = reconcile(paying_shop, refund_seconds=0).refunds
    settle(paying_shop, booking_id)

    assert found == (booking_id,)
    assert only_refund(paying_shop, booking_id).state is RefundState.SUCCEEDED
    assert given_back(paying_shop, booking_id) == refund.amount_minor


def test_a_refund_whose_key_the_bank_has_forgotten_is_found_and_not_made_again(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)
    refund = ask(paying_shop, booking_id, tickets=(seat(event_of_booking(booking_id), 1),)).refund
    run_sql(engine, "UPDATE refunds SET state = 'sent', due_at = clock_timestamp()")
    with engine.connect() as connection:
        intent_id = connection.exec_driver_sql("SELECT intent_id FROM payments").scalar_one()
    # What was made under the key, as it is found when the key itself means nothing any more.
    of_yesterday = {"payment_intent": intent_id, "amount": str(PRICE), "metadata[key]": refund.key}
    httpx.post(
        f"{paying_shop.config.stripe_api_base}/v1/refunds",
        data=of_yesterday,
        headers={"Authorization": f"Bearer {paying_shop.config.stripe_secret_key}"},
    ).raise_for_status()

    settle(paying_shop, booking_id)

    assert only_refund(paying_shop, booking_id).state is RefundState.SUCCEEDED
    assert given_back(paying_shop, booking_id) == PRICE


@pytest.mark.parametrize("kind", ["server_error", "server_error_after", "late", "rate_limit"])
def test_a_bank_that_fails_is_asked_again_and_gives_back_once(paying_shop, engine, kind):
    booking_id = a_paid_booking(paying_shop)
    ask(paying_shop, booking_id, tickets=(seat(event_of_booking(booking_id), 1),))
    go_wrong(paying_shop, kind=kind, path="refunds", late_ms=LATE_MS)

    with impatient(paying_shop) as shop:
        interrupted = settle(shop, booking_id)
        for _ in range(3):
            settle(shop, booking_id)

    assert interrupted is not None
    assert booking(engine, booking_id).state is BookingState.CONFIRMED
    assert given_back(paying_shop, booking_id) == PRICE
    assert wrong(paying_shop, booking_id) == []


def test_the_refund_of_a_worker_that_is_gone_is_looked_after_at_once(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)
    ask(paying_shop, booking_id)
    run_sql(engine, "UPDATE refunds SET state = 'sent', due_at = clock_timestamp() + interval '1 minute'")
    claimed = "UPDATE bookings SET claimed_until = clock_timestamp() + interval '1 minute', claimed_by = :by"
    alive = paying_shop.claimant.number()

    run_sql(engine, claimed, by=alive)
    under_way = reconcile(paying_shop).refunds
    run_sql(engine, claimed, by=alive ^ 1)
    gone = reconcile(paying_shop).refunds

    assert (under_way, gone) == ((), (booking_id,))


def test_callers_at_once_without_the_lease_give_back_once(paying_shop, engine):
    booking_id = a_paid_booking(paying_shop)
    ask(paying_shop, booking_id, tickets=(seat(event_of_booking(booking_id), 1),))

    with ThreadPoolExecutor(TOGETHER) as pool:
        list(pool.map(lambda _: settle(paying_shop, booking_id, lease_seconds=0), range(TOGETHER)))
    settle(paying_shop, booking_id)

    assert booking(engine, booking_id).state is BookingState.CONFIRMED
    assert given_back(paying_shop, booking_id) == PRICE


def somebody_waits(engine: Any) -> bool:
    with engine.connect() as connection:
        return bool(connection.exec_driver_sql("SELECT count(*) FROM pg_locks WHERE NOT granted").scalar_one())


def test_a_ticket_with_fees_and_tax_is_given_back_as_it_was_charged_and_the_bookings_fee_with_the_last_one(paying_shop):
    # 45.00 and 1.00 a ticket, 2.00 once, a tenth of tax on all of it: 50.60 each, 2.20 once.
    terms = {"ticket_fee_minor": 100, "booking_fee_minor": 200, "tax_bp": 1000, "tax_included": False}
    event_id = an_event(paying_shop.engine)
    with transaction(paying_shop.engine) as connection:
        pricing.change(connection, event_id, terms=terms, prices_minor={}, actor="test")
    open_queue(paying_shop, event_id)
    booking_id = a_paid_booking(paying_shop, event_id=event_id)
    back = []

    for number in (1, 2):
        asked = ask(paying_shop, booking_id, tickets=(seat(event_id, number),))
        settle(paying_shop, booking_id)
        back.append(asked.refund.amount_minor)
        assert broken(paying_shop, event_id) == set()

    assert back == [5060, 5060 + 220]
    assert given_back(paying_shop, booking_id) == sum(back) == 10340


def broken(shop: Any, event_id: EventId) -> set[str]:
    """The invariants of money and prices that do not hold; whose turn it was is nobody's affair here."""
    tell_stock(shop, event_id)
    verdict = verified(shop, event_id, agree_seconds=0)
    return {each.invariant for each in verdict.findings if each.ok is False} & {"I1", "I2", "I7", "I8", "I11", "I12"}
