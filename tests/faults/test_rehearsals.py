"""Whole rehearsals on stacks of their own: kills lose nothing, and a guard taken out turns the verdict red."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from onsale.sandbox.rehearsal import drawing, faults, guards
from onsale.sandbox.rehearsal.faults import Faults
from onsale.sandbox.rehearsal.plan import Arrivals, Kill, Plan
from onsale.sandbox.rehearsal.rehearsal import SETTLE_SECONDS_MORE, Director, Sale
from onsale.sandbox.rehearsal.results import Results
from onsale.sandbox.rehearsal.slowness import SlowProvider
from onsale.sandbox.visitor.buyer import Manners
from onsale.sandbox.visitor.habits import Shares

QUICK = Manners(choose=(0.1, 0.5), pay=(0.1, 0.5), away=(1.0, 3.0))
# Everybody books at once, in person, and nobody walks away: what is measured is the guard.
EAGER = Shares(declined_first=0, cancels=0, abandons=0, leaves=0, goes_away=0, hands_free=0, reloads=0)
PLENTY = Sale(seats=400, rate_per_minute=60_000, choose_seconds=10, pay_seconds=5)
# A booking that nobody looks at any more is not waited for: by the time holds run out, something wakes its lane.
SETTLE_SECONDS = 3
# Makes the moment between a lane's reading and its commit long enough for everybody to book in it: a booking that
# came after it would wake the lane anew, for the lost ones too.
SLOW_LANES = (
    """
    CREATE FUNCTION dawdle() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
        IF current_setting('application_name') = 'onsale-lane' THEN PERFORM pg_sleep(5); END IF;
        RETURN NULL;
    END $$
    """,
    "CREATE TRIGGER dawdle AFTER UPDATE ON section_changes FOR EACH STATEMENT EXECUTE FUNCTION dawdle()",
)


def rehearsed(
    plan: Plan,
    sale: Sale,
    *,
    without: Sequence[str] = (),
    sabotage: Sequence[str] = (),
    settings: Mapping[str, str] | None = None,
) -> Results:
    """The results of one rehearsal, with guards taken out."""
    said: list[str] = []
    director = Director(
        plan,
        said.append,
        lambda progress, sample: None,
        settings={**guards.settings_without(without), **(settings or {})},
        sabotage=[*guards.statements_without(without), *sabotage],
        settle_seconds=SETTLE_SECONDS - sale.choose_seconds - sale.pay_seconds if without else SETTLE_SECONDS_MORE,
    )
    return director.on_a_stack_of_its_own(sale).results


@pytest.mark.slow
def test_killing_web_lane_payments_and_admit_in_the_middle_loses_and_doubles_nothing() -> None:
    kills = tuple(Kill.parse(text) for text in ("web@40", "lane@90", "payments@140", "admit@190"))
    plan = Plan(buyers=250, seed=7, manners=QUICK, kills=kills, seconds_max=120)

    found = rehearsed(plan, Sale(seats=250, rate_per_minute=1_200, pay_seconds=10))

    assert found.why_not == ()
    assert [kill.process for kill in found.kills] == ["web", "lanes", "payments", "admit"]
    assert (found.double_sold, found.inversions, found.lost_bookings) == (0, 0, 0)
    assert found.http_no_answer > 0, "the web was away for a moment, and buyers noticed"


@pytest.mark.slow
def test_a_sale_whose_numbers_are_drawn_serves_early_and_late_comers_and_its_list_is_right() -> None:
    plan = Plan(buyers=120, seed=7, manners=QUICK, arrivals=Arrivals.POISSON, arrive_seconds=12, seconds_max=180)

    found = rehearsed(plan, Sale(seats=400, rate_per_minute=1_200, pay_seconds=10, draw_after_seconds=8))

    assert found.why_not == ()
    assert found.verify[drawing.CHECK] is True
    assert found.confirmed > 0


@pytest.mark.slow
def test_a_bank_that_fails_now_and_then_charges_nobody_without_tickets() -> None:
    """Declines, 3-D Secure, timeouts after success, 500s, webhooks lost and doubled; verify asks the bank's ledger."""
    shares = faults.crowd(Shares(hands_free=0.2))
    plan = Plan(buyers=120, seed=11, manners=QUICK, shares=shares, faults=Faults.PAYMENTS, seconds_max=180)

    found = rehearsed(plan, Sale(seats=150, rate_per_minute=3_000))

    assert found.why_not == ()
    assert found.faults is not None
    assert found.faults["late"], found.faults
    assert found.faults["webhook_doubled"], found.faults


# Some four calls of a second each, nine at a time, for five buyers a second: it falls behind by three a second.
SLOW_BANK = {"ONSALE_PAYMENT_CONCURRENCY": "9"}
SLOW_SALE = Sale(seats=400, rate_per_minute=300, choose_seconds=10, pay_seconds=12)
SLOW_PLAN = Plan(
    buyers=150,
    arrivals=Arrivals.POISSON,
    arrive_seconds=30,
    seed=13,
    manners=QUICK,
    shares=EAGER,
    slow=SlowProvider(3, 27),
    seconds_max=40,
)


@pytest.mark.slow
def test_a_bank_ten_times_slower_in_mid_sale_lets_fewer_in_and_nobodys_hold_runs_out_while_paying() -> None:
    found = rehearsed(SLOW_PLAN, replace(SLOW_SALE, auto=True), settings=SLOW_BANK)

    assert (found.late_payments, found.lost_bookings, found.double_sold) == (0, 0, 0)
    assert {name for name, holds in found.verify.items() if not holds} == set()
    assert found.lowest_rate_per_minute is not None
    assert found.last_rate_per_minute is not None
    assert found.lowest_rate_per_minute <= SLOW_SALE.rate_per_minute // 5
    assert any(why.startswith("The payment provider answers slowly") for why in found.why_slower)
    # It comes back by a twentieth every three seconds, and the crowd goes home a few seconds after the bank is well.
    assert found.last_rate_per_minute > found.lowest_rate_per_minute


@pytest.mark.slow
@pytest.mark.soak
def test_without_auto_the_same_bank_lets_holds_run_out_while_they_are_paid() -> None:
    found = rehearsed(SLOW_PLAN, SLOW_SALE, settings=SLOW_BANK)

    assert found.lowest_rate_per_minute == SLOW_SALE.rate_per_minute
    assert found.late_payments
    assert any("ran out while their payment was under way" in why for why in found.why_not)


@pytest.mark.slow
def test_indexes_taken_out_turn_the_verdict() -> None:
    plan = Plan(buyers=40, seed=3, manners=QUICK, shares=replace(EAGER, two_tabs=0.5), seconds_max=60)

    found = rehearsed(plan, PLENTY, without=["sale_index", "admission_index"])

    assert not found.ok
    assert {name for name, holds in found.verify.items() if holds is False} >= {"I1", "I6"}
    # Not only the missing index is seen, but what it lets through.
    assert any("one admission gave two holds" in what for what in found.broken_promises)


# Both times without the sweep that would make up for it.
LATE_PLAN = Plan(buyers=30, seed=5, manners=QUICK, shares=EAGER, seconds_max=12)
# A seat that is refused after two dawdling batches may be followed by another: the turn must outlast them.
PATIENT = replace(PLENTY, choose_seconds=40, pay_seconds=20)


@pytest.mark.slow
def test_the_last_look_taken_out_turns_the_verdict() -> None:
    without = rehearsed(LATE_PLAN, PATIENT, without=["last_look"], sabotage=SLOW_LANES)

    assert without.lost_bookings
    assert not without.ok


@pytest.mark.slow
def test_the_last_look_left_in_does_not_turn_the_verdict() -> None:
    with_it = rehearsed(replace(LATE_PLAN, seconds_max=60), PATIENT, without=["resend"], sabotage=SLOW_LANES)

    assert with_it.why_not == ()
