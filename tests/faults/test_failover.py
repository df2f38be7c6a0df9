"""The record's primary dies in the middle of a sale: its standby takes over, and nobody can tell from what they got."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from onsale.sandbox.pair import NAMES
from onsale.sandbox.rehearsal.plan import Kill, Plan
from onsale.sandbox.rehearsal.rehearsal import Director, Sale
from onsale.sandbox.rehearsal.results import Results
from onsale.sandbox.standby import STANDBY
from onsale.sandbox.visitor.buyer import Manners
from onsale.sandbox.visitor.habits import Shares
from tests.fleeting import fleeting_folder
from tests.worker_processes import said

BUYERS = 100
SEATS = 60
AT_BOOKING = 25
# Promised are thirty.
BACK_SECONDS_MAX = 10
# People who think quickly, and none who walks off with a hold: what that needs is time.
MANNERS = Manners(choose=(0.2, 1.0), pay=(0.2, 1.0), away=(1.0, 3.0))
SHARES = Shares(abandons=0.0)
# Time enough for a busy machine: nobody should miss a turn for any other reason than the kill.
SALE = Sale(seats=SEATS, rate_per_minute=1200)
LINES = ("web", "lanes", "payments", "sweeps", "admit")

pytestmark = pytest.mark.slow


@dataclass(frozen=True)
class Sold:
    """A small sale on a pair whose primary was killed, what the stack said, and where it left its files."""

    results: Results
    told: list[str]
    folder: Path

    def log(self, line: str) -> str:
        return said(self.folder / "logs" / f"{line}.log")


@pytest.fixture(scope="module")
def sold() -> Iterator[Sold]:
    plan = Plan(buyers=BUYERS, shares=SHARES, manners=MANNERS, kills=(Kill("postgres", AT_BOOKING),), seconds_max=120)
    told: list[str] = []
    director = Director(plan, told.append, lambda progress, sample: None)
    with fleeting_folder("onsale-failover-") as folder:
        found = director.on_a_stack_of_its_own(SALE, folder=folder, standby=True)
        yield Sold(found.results, told, folder)


def test_a_sale_whose_primary_dies_sells_every_ticket_once_and_loses_no_booking(sold):
    results = sold.results

    assert results.why_not == ()
    assert (results.sold, results.double_sold, results.lost_bookings, results.inversions) == (SEATS, 0, 0, 0)
    assert set(results.verify.values()) == {True}


def test_booking_is_back_within_seconds_of_the_primarys_death(sold):
    (killed,) = sold.results.kills

    print(f"back after {killed.recovered_seconds} s, {sold.results.http_5xx} requests were told to try again")
    assert killed.process == "postgres"
    assert killed.recovered_seconds < BACK_SECONDS_MAX


def test_a_failover_is_told_as_try_again_in_a_moment_and_leaves_no_traceback(sold):
    requests = [json.loads(line) for line in sold.log("web").splitlines() if '"event": "request"' in line]

    assert len(requests) > BUYERS
    assert {request["status"] for request in requests if request["status"] >= 500} <= {503}
    assert [line for line in LINES if "Traceback" in sold.log(line)] == []


def test_the_old_primary_comes_back_as_the_new_ones_standby(sold):
    one, two = (sold.folder / "postgres" / name for name in NAMES)

    assert [line for line in sold.told if "ended and" in line] != []
    assert [(each / "data" / STANDBY).exists() for each in (one, two)] == [True, False]
    assert "is now a synchronous standby" in said(two / "log")
