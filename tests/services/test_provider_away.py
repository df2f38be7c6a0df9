"""A payment provider that is away costs a few calls and not one per payment, and everything ends right afterwards."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import httpx
import pytest

from onsale.db import charges
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import BookingId
from onsale.db.states import BookingState
from onsale.db.wishes import Wish
from onsale.payments.circuit import FAILURES_MAX, PAUSE_SECONDS, Breaker
from onsale.payments.stripe_provider import StripeProvider
from onsale.queue.circuits import Circuits
from onsale.queue.client import connect
from onsale.workers.lanes import work_lane
from onsale.workers.payments import resume
from onsale.workers.reconcile import reconcile
from tests.builders import a_booking, a_buyer, an_event, booking
from tests.services.bank_gate import Doorway, Gate, gate_to
from tests.services.paying import until

BOOKINGS = 12
THREADS = 4


@dataclass
class Counter:
    """A shop whose provider stands behind a gate, with a clock that the test turns."""

    shop: Any
    gate: Doorway
    held: list[BookingId]
    told: Circuits
    now: list[float] = field(default_factory=lambda: [0.0])

    def states(self) -> set[BookingState]:
        return {booking(self.shop.engine, one).state for one in self.held}

    def resume_all(self) -> None:
        for one in self.held:
            resume(self.shop, one)


@pytest.fixture
def counter(paying_shop: Any) -> Iterator[Counter]:
    """Twelve bookings whose buyers have given a card."""
    engine = paying_shop.engine
    event_id = an_event(
        engine, sections=[NewSection(1, "Standing", 4500, standing=BOOKINGS)], tickets_per_buyer=BOOKINGS
    )
    buyer_id = a_buyer(engine)
    held = [
        a_booking(engine, event_id, Wish(quantity=1), number=number, buyer_id=buyer_id)
        for number in range(1, BOOKINGS + 1)
    ]
    work_lane(paying_shop, event_id, last_look=True)
    for one in held:
        with transaction(engine) as connection:
            charges.new_attempt(connection, one, payment_method="pm_card_visa", return_url="https://shop.example/b")
    with gate_to(paying_shop.config.stripe_api_base) as gate:
        made = Counter(paying_shop, gate, held, Circuits(connect(paying_shop.config.cache_url)))
        provider = StripeProvider(
            secret_key=paying_shop.config.stripe_secret_key,
            api_base=gate.url,
            seconds_max=0.5,
            breaker=Breaker(told=made.told.told, clock=lambda: made.now[0]),
        )
        made.shop = replace(paying_shop, provider=provider)
        yield made
        provider.close()


def test_a_dead_provider_costs_five_calls_and_a_probe_a_pause_however_many_pay(counter):
    counter.gate.gate = Gate.FAILS

    counter.resume_all()
    at_first = len(counter.gate.asked)
    counter.resume_all()
    in_the_pause = len(counter.gate.asked)
    counter.now[0] += PAUSE_SECONDS
    counter.resume_all()

    assert (at_first, in_the_pause, len(counter.gate.asked)) == (FAILURES_MAX, FAILURES_MAX, FAILURES_MAX + 1)
    assert counter.states() == {BookingState.AUTHORISING}


def test_a_provider_that_hangs_keeps_no_more_threads_than_were_in_it(counter):
    counter.gate.gate = Gate.HANGS

    with ThreadPoolExecutor(THREADS) as threads:
        list(threads.map(lambda one: resume(counter.shop, one), counter.held))

    assert FAILURES_MAX <= len(counter.gate.asked) < FAILURES_MAX + THREADS
    assert counter.states() == {BookingState.AUTHORISING}


@pytest.mark.parametrize("gate", [Gate.FAILS, Gate.HANGS])
def test_when_it_is_back_every_booking_is_paid_once(counter, gate):
    counter.gate.gate = gate
    counter.resume_all()
    refused = resume(counter.shop, counter.held[0])

    counter.gate.gate = Gate.OPEN
    counter.now[0] += PAUSE_SECONDS

    def all_paid() -> bool:
        for one in reconcile(counter.shop, stuck_seconds=0).all:
            resume(counter.shop, one)
        return counter.states() == {BookingState.CONFIRMED}

    until(all_paid, "all are paid")
    assert refused.again_seconds == PAUSE_SECONDS
    assert len(counter.gate.of("/capture")) == BOOKINGS


def test_a_bank_that_declines_is_not_away(counter):
    counter.resume_all()
    asked = [one for one in counter.gate.asked if one.path == "/v1/payment_intents"]
    assert counter.states() == {BookingState.CONFIRMED}
    assert len(asked) == BOOKINGS

    for _ in range(2 * FAILURES_MAX):
        counter.shop.provider.card_fingerprint("pm_nobody_has_this")

    assert counter.shop.provider.card_fingerprint("pm_card_visa")


def test_the_metrics_say_how_many_processes_spare_the_provider(counter, web):
    def told() -> list[str]:
        lines = httpx.get(f"{web.address}/metrics").text.splitlines()
        return [line for line in lines if line.startswith("onsale_provider_circuit")]

    counter.gate.gate = Gate.FAILS
    counter.resume_all()
    until(lambda: told() == ["onsale_provider_circuits_open 1.0", "onsale_provider_circuit_openings_total 1.0"], "open")
    counter.gate.gate = Gate.OPEN
    counter.now[0] += PAUSE_SECONDS
    counter.resume_all()

    closed = ["onsale_provider_circuits_open 0.0", "onsale_provider_circuit_openings_total 1.0"]
    until(lambda: told() == closed, "closed")
