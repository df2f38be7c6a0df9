"""Killed before and after every commit, every call to the bank and every wake-up: each booking ends as it should."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from typing import Any
from uuid import uuid4

import orjson
import pytest
from sqlalchemy import text

from onsale.db import catalogue, refund_settings, staff
from onsale.db.catalogue import NewSection
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.refund_rules import RefundRules
from onsale.web import tokens
from tests.builders import an_event, open_queue, seat, some_buyers, ticket_states
from tests.edges.acts import FEE, PRICE, STORIES
from tests.edges.places import places, reason, unused
from tests.edges.process import Heard, Told
from tests.edges.recovering import Sweeps
from tests.services.small_sale import verified
from tests.worker_processes import ROOT

SEATS = 150
# How often each story is told without a kill.
WHOLE = 2
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
def teller(settings: dict[str, str]) -> Iterator[Teller]:
    """One at work, on these settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith("ONSALE_")}
    with subprocess.Popen(
        [sys.executable, "-m", "tests.edges.process"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**ours, **settings},
    ) as process:
        # It ends with its input, which the end of the block closes.
        yield Teller(process)


class Sale:
    """One event, and for each story a buyer and a seat of their own."""

    def __init__(self, shop: Any, engine: Any, settings: dict[str, str]) -> None:
        self.shop, self.engine = shop, engine
        self.settings = {**settings, "ONSALE_STRIPE_API_BASE": shop.config.stripe_api_base}
        self.events: list[EventId] = []
        self._buyers = iter(some_buyers(engine, SEATS))
        self._staff = a_member_of_staff(shop, engine)

    def _event(self, *, own: bool) -> EventId:
        if own or not self.events:
            event_id = an_event(
                self.engine, sections=[NewSection(1, "Stalls", PRICE, rows=SEATS // 10, seats_per_row=10)]
            )
            with transaction(self.engine) as connection:
                refund_settings.change(connection, event_id, RefundRules(24, fee_minor=FEE), actor="test")
            open_queue(self.shop, event_id)
            self.events.append(event_id)
            self._seats = iter(range(1, SEATS + 1))
        return self.events[-1]

    def told(self, story: str, **more: Any) -> Told:
        event_id = self._event(own=STORIES[story].own_event)
        buyer_id = next(self._buyers)
        token = tokens.sign(self.shop.config, buyer_id, audience=tokens.BUYERS, guest=True)
        ticket = int(seat(event_id, next(self._seats)))
        for _ in range(STORIES[story].seats - 1):
            next(self._seats)
        return Told(story, event_id, str(buyer_id), token, ticket, self._staff, **more)

    def wrong(self, told: Told, heard: Heard) -> str:
        """How this one did not end as it should; empty if it did."""
        story = STORIES[told.story]
        with self.engine.connect() as connection:
            found = connection.execute(_ENDED, {"event_id": told.event_id, "buyer_id": told.buyer_id}).all()
        if heard.failed or len(found) != 1:
            return heard.failed or f"{len(found)} bookings"
        (row,) = found
        free = ticket_states(self.engine, EventId(told.event_id))[told.ticket] == "free"
        is_so = (row.state, row.captures, free, row.unheard) == (story.ends, story.captured, story.free, 0)
        return "" if is_so else f"{row}, free: {free}"


def a_member_of_staff(shop: Any, engine: Any) -> str:
    """The token of somebody who may cancel events."""
    with transaction(engine) as connection:
        organiser_id = catalogue.add_organiser(connection, "Test organiser")
        one = staff.put(connection, staff.Staff(uuid4(), organiser_id, "ann@example.org", staff.Role.ADMIN, "none"))
    return tokens.sign(shop.config, one.id, audience=tokens.STAFF)


_ENDED = text("""
    SELECT b.state, (SELECT count(*) FROM captures c WHERE c.event_id = b.event_id AND c.booking_id = b.id) AS captures,
           (SELECT count(*) FROM payments p WHERE p.booking_id = b.id AND p.refunds_told_at IS NOT NULL) AS unheard
      FROM bookings b WHERE b.event_id = :event_id AND b.buyer_id = :buyer_id
""")


@pytest.fixture
def sale(paying_shop, engine, settings) -> Sale:
    return Sale(paying_shop, engine, settings)


def killed_everywhere(sale: Sale, story: str, *, only: str = "", without: Sequence[Sweeps] = ()) -> dict[str, str]:
    """What did not end as it should, by the edge (of those that begin with `only`) at which its process was killed.

    One after the other: whoever takes over finds what is left in the record, of anybody.
    """
    with teller(sale.settings) as one:
        whole = [sale.told(story) for _ in range(WHOLE)]
        heard = [one.tell(told) for told in whole]
        assert [sale.wrong(*pair) for pair in zip(whole, heard, strict=True)] == [""] * WHOLE
        # What a web process does beside, now and then, is in one of them by chance.
        common = [edge for edge in heard[0].edges if all(edge in other.edges for other in heard)]
        edges = [edge for edge in common if edge.startswith(only)]
        wrong = {}
        for edge in edges:
            told = sale.told(story, die_at=edge, without=tuple(without))
            killed = one.tell(told)
            assert killed.killed, (edge, killed.failed)
            if how := sale.wrong(told, killed):
                wrong[edge] = how
    print(f"\n{story}: killed at {len(edges)} edges", *edges, sep="\n  ")
    return wrong


@pytest.mark.parametrize("story", STORIES)
def test_killed_at_any_edge_a_booking_ends_as_it_should(sale, story):
    wrong = killed_everywhere(sale, story)

    assert wrong == {}
    for event_id in sale.events:
        found = {each.invariant: each for each in verified(sale.shop, event_id, agree_seconds=5.0).findings}
        assert {name: found[name].examples for name in CHECKED if not found[name].ok} == {}


def test_every_place_is_passed_by_a_story_or_says_why_none_does(sale):
    with teller(sale.settings) as one:
        heard = {story: one.tell(sale.told(story)) for story in STORIES}

    assert {story: told.failed for story, told in heard.items() if told.failed} == {}
    passed = frozenset(_PLACE.sub("", edge) for told in heard.values() for edge in told.edges)
    there = places()
    assert {place for place in there - passed if reason(place) is None} == set()
    assert unused(there - passed) == set()
    # Read off the source and met on the way, a place has one name.
    assert {place for place in passed - there if not place.endswith("a test")} == set()


_PLACE = re.compile(r"^(before|after) the |, time \d+$")


@pytest.mark.parametrize(
    ("story", "edge", "without"),
    [
        ("paid", "after the commit of web/booking.py:accept_booking", Sweeps.LANES),
        ("paid", "after the call of workers/payments.py:_capture", Sweeps.PAYMENTS),
        ("too late", "before the commit of workers/payments.py:end_voided", Sweeps.PAYMENTS),
        ("given back", "after the call of workers/refunds.py:_settle", Sweeps.REFUNDS),
        ("event cancelled", "before the commit of workers/cancellations.py:_refund", Sweeps.CANCELLED),
    ],
)
def test_an_edge_that_nobody_recovers_from_is_found(sale, story, edge, without):
    assert [*killed_everywhere(sale, story, only=edge, without=[without])] == [f"{edge}, time 1"]
