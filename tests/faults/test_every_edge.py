"""Killed before and after every commit, every call to the bank and every wake-up: each booking ends as it should."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any

import orjson
import pytest
from sqlalchemy import text

from onsale.db.catalogue import NewSection
from onsale.db.ids import EventId
from onsale.web import tokens
from tests.builders import an_event, open_queue, seat, some_buyers, ticket_states
from tests.edges.acts import STORIES
from tests.edges.process import Heard, Told
from tests.services.small_sale import verified
from tests.worker_processes import ROOT

SEATS = 150
AT_ONCE = 2
CHECKED = {"I1", "I2", "I3", "I4"}

pytestmark = pytest.mark.slow


class Teller:
    """A process that tells stories."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def tell(self, told: Told) -> Heard:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(asdict(told)).decode() + "\n")
        self._process.stdin.flush()
        line = self._process.stdout.readline()
        assert line, "the teller is gone"
        heard = orjson.loads(line)
        return Heard(tuple(heard["edges"]), heard["killed"], heard["failed"])


@contextmanager
def tellers(settings: dict[str, str]) -> Iterator[list[Teller]]:
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    processes = [
        subprocess.Popen(
            [sys.executable, "-m", "tests.edges.process"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            cwd=ROOT,
            env={**ours, **settings},
        )
        for _ in range(AT_ONCE)
    ]
    try:
        yield [Teller(process) for process in processes]
    finally:
        for process in processes:
            process.stdin.close()
            process.wait(20)
            process.stdout.close()


class Sale:
    """One event, and for each story a buyer and a seat of their own."""

    def __init__(self, shop: Any, engine: Any, settings: dict[str, str]) -> None:
        self.shop, self.engine = shop, engine
        self.settings = {**settings, "ONSALE_STRIPE_API_BASE": shop.config.stripe_api_base}
        self.event_id = an_event(engine, sections=[NewSection(1, "Stalls", 4500, rows=SEATS // 10, seats_per_row=10)])
        open_queue(shop, self.event_id)
        self._buyers = iter(some_buyers(engine, SEATS))
        self._seats = iter(range(1, SEATS + 1))

    def told(self, story: str, **more: Any) -> Told:
        buyer_id = next(self._buyers)
        token = tokens.sign(self.shop.config, buyer_id, audience=tokens.BUYERS, guest=True)
        return Told(story, self.event_id, str(buyer_id), token, int(seat(self.event_id, next(self._seats))), **more)

    def wrong(self, told: Told, heard: Heard) -> str:
        """How this one did not end as it should; empty if it did."""
        story = STORIES[told.story]
        with self.engine.connect() as connection:
            found = connection.execute(_ENDED, {"event_id": self.event_id, "buyer_id": told.buyer_id}).all()
        if heard.failed or len(found) != 1:
            return heard.failed or f"{len(found)} bookings"
        (row,) = found
        free = ticket_states(self.engine, EventId(told.event_id))[told.ticket] == "free"
        is_so = (row.state, row.captures, free) == (story.ends, story.captured, story.free)
        return "" if is_so else f"{row}, free: {free}"


_ENDED = text("""
    SELECT b.state, (SELECT count(*) FROM captures c WHERE c.event_id = b.event_id AND c.booking_id = b.id) AS captures
      FROM bookings b WHERE b.event_id = :event_id AND b.buyer_id = :buyer_id
""")


@pytest.fixture
def sale(paying_shop, engine, settings) -> Sale:
    return Sale(paying_shop, engine, settings)


def killed_everywhere(sale: Sale, story: str, **more: Any) -> dict[str, str]:
    """What did not end as it should, by the edge at which its process was killed."""
    with tellers(sale.settings) as some:
        whole = sale.told(story)
        edges = some[0].tell(whole).edges
        assert sale.wrong(whole, Heard(edges, False)) == "", "nobody was killed"
        all_told = [sale.told(story, die_at=at, **more) for at in range(1, len(edges) + 1)]

        def tell(number: int) -> list[tuple[Told, Heard]]:
            return [(told, some[number].tell(told)) for told in all_told[number::AT_ONCE]]

        with ThreadPoolExecutor(AT_ONCE) as threads:
            heard = [pair for pairs in threads.map(tell, range(AT_ONCE)) for pair in pairs]
    # How often the lane is asked before the turn has come differs from one time to the next, and its commits with it.
    assert all(one.killed or len(one.edges) < told.die_at for told, one in heard)
    assert set(edges) - {one.edges[-1] for _, one in heard if one.killed} == set(), "these killed nobody"
    print(f"\n{story}: killed at {len(edges)} edges")
    for edge, times in Counter(edges).items():
        print(f"  {times} x {edge}")
    return {one.edges[-1]: wrong for told, one in heard if (wrong := sale.wrong(told, one))}


@pytest.mark.parametrize("story", STORIES)
def test_killed_at_any_edge_a_booking_ends_as_it_should(sale, story):
    wrong = killed_everywhere(sale, story)

    assert wrong == {}
    found = {each.invariant: each for each in verified(sale.shop, sale.event_id, agree_seconds=5.0).findings}
    assert {name: found[name].examples for name in CHECKED if not found[name].ok} == {}
