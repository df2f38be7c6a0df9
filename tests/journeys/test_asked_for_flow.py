"""The flow that was asked for, over HTTP on the whole house: booking requests go into an event's queue, are let in at a
controlled rate, decided one after the other, charged, and their results can be polled.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest
import sqlalchemy

from onsale.db import catalogue, journal, queue_settings
from onsale.db.catalogue import NewEvent, NewSection
from onsale.db.ids import EventId, TicketId, ticket_id
from onsale.db.queue_settings import Phase, QueueChange
from onsale.sandbox.passwords import ADMIN, passwords
from onsale.sandbox.seed import ORGANISER

THREADS = 8
POLL_SECONDS = 0.5
CARD = "pm_card_visa"
ENDED = {"confirmed", "sold_out", "unavailable", "payment_failed", "expired", "cancelled", "failed"}
BURST_SECONDS = 2
_slugs = count(1)


@dataclass
class Client:
    """One person with a JWT, over a connection pool they share."""

    http: httpx.Client
    token: str = ""
    headers: dict[str, str] = field(default_factory=dict)

    def ask(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}", **self.headers, **more.pop("headers", {})}
        return self.http.request(method, path, headers=headers, **more)

    def book(self, path: str, body: dict[str, Any], *, key: str, **headers: str) -> httpx.Response:
        return self.ask("POST", path, json=body, headers={"Idempotency-Key": key, **headers})


@pytest.fixture
def http(stack) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=stack.address, timeout=30) as client:
        yield client


@pytest.fixture
def engine(stack) -> Iterator[sqlalchemy.Engine]:
    engine = sqlalchemy.create_engine(stack.settings["ONSALE_DATABASE_URL"])
    yield engine
    engine.dispose()


@pytest.fixture
def staff(stack, http) -> Client:
    password = passwords(Path(stack.folder) / "passwords").by_email[ADMIN]
    session = http.post("/v1/admin/sessions", json={"email": ADMIN, "password": password}).raise_for_status().json()
    return Client(http, session["token"])


@pytest.fixture
def put_on_sale(engine, http) -> Callable[..., EventId]:
    """An event of this test's own: one section of numbered seats, and a queue set as told, which answers."""

    def put(*, seats: int, **settings: Any) -> EventId:
        now = datetime.now(UTC)
        with engine.begin() as connection:
            event_id = catalogue.add_event(
                connection,
                NewEvent(
                    organiser_id=catalogue.add_organiser(connection, ORGANISER),
                    venue_id=1,
                    name="The Asked-For Flow",
                    slug=f"asked-for-{next(_slugs)}",
                    description="",
                    starts_at=now + timedelta(days=30),
                    on_sale_at=now,
                    currency="eur",
                    tickets_per_buyer=6,
                    artists=("The Testers",),
                ),
            )
            block = NewSection(id=1, name="Block", price_minor=2500, rows=seats // 10, seats_per_row=10)
            catalogue.add_sections(connection, event_id, [block])
            opened = {"phase": Phase.OPEN, "opens_at": now - timedelta(seconds=1), "address_limit": 0}
            change = QueueChange(**(opened | settings))
            queue_settings.change(connection, event_id, change, actor="test")
        eventually(lambda: _has_begun(http, event_id), seconds=20)
        return event_id

    return put


def _has_begun(http: httpx.Client, event_id: EventId) -> bool:
    """A queue nobody knew yet is written from the record by `onsale admit`, within a second."""
    answer = http.get(f"/v1/events/{event_id}/queue")
    return answer.is_success and not answer.json()["recovering"]


def in_parallel(work: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
    with ThreadPoolExecutor(THREADS) as pool:
        return list(pool.map(work, items))


def guests(http: httpx.Client, how_many: int) -> list[Client]:
    def guest(_: int) -> Client:
        return Client(http, http.post("/v1/guests", json={}).raise_for_status().json()["token"])

    return in_parallel(guest, range(how_many))


def eventually(look: Callable[[], Any], *, seconds: float) -> Any:
    """What `look` returns once it is truthy; polled until the deadline."""
    deadline = time.monotonic() + seconds
    while not (found := look()):
        assert time.monotonic() < deadline, f"not after {seconds} s"
        time.sleep(POLL_SECONDS)
    return found


def results(buyers: list[Client], urls: list[str], *, states: set[str], seconds: float) -> list[dict[str, Any]]:
    """Poll every booking until it is in one of the states; a round asks only for those that were not yet."""
    found: dict[int, dict[str, Any]] = {}

    def poll(index: int) -> None:
        document = buyers[index].ask("GET", urls[index]).raise_for_status().json()
        if document["state"] in states:
            found[index] = document

    def round_of_polls() -> bool:
        # The queue is first come, first served: who is far from the front need not be asked for.
        in_parallel(poll, [index for index in range(len(urls)) if index not in found][:40])
        return len(found) == len(urls)

    eventually(round_of_polls, seconds=seconds)
    return [found[index] for index in range(len(urls))]


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text)


def test_500_bookings_are_let_in_at_the_rate_decided_in_order_and_paid(http, engine, staff, put_on_sale):
    event_id = put_on_sale(
        seats=600, rate_per_minute=600, max_active=1_000, handsfree_per_minute=100_000, phase=Phase.PAUSED
    )
    buyers = guests(http, 500)

    def post(index: int) -> httpx.Response:
        path = f"/v1/book-{ticket_id(event_id, index + 1)}"
        return buyers[index].book(path, {"payment_method": CARD}, key=str(uuid4()))

    # Most come before the opening, the others while it admits; at the front nobody's post races their own turn.
    posted = in_parallel(post, range(300))
    turn(staff, event_id, phase="open")
    posted += in_parallel(post, range(300, 500))
    assert {answer.status_code for answer in posted} == {202}, [a.text for a in posted if a.status_code != 202][:3]
    ended = results(buyers, [answer.headers["Location"] for answer in posted], states=ENDED, seconds=150)

    assert [booking["state"] for booking in ended] == ["confirmed"] * 500
    assert [[TicketId(t["ticket_id"]) for t in booking["tickets"]] for booking in ended] == [
        [ticket_id(event_id, ordinal)] for ordinal in range(1, 501)
    ]
    in_order = sorted(ended, key=lambda booking: booking["number"])
    assert [booking["number"] for booking in in_order] == list(range(1, 501))
    queued = [moment(booking["queued_at"]) for booking in in_order]
    assert queued == sorted(queued)
    assert_rate_held(engine, event_id, rate_per_minute=600, admitted=500)
    assert inversions(engine, event_id) == 0


def assert_rate_held(engine: sqlalchemy.Engine, event_id: EventId, *, rate_per_minute: int, admitted: int) -> None:
    """In every window of the journal: admitted <= rate x t + burst."""

    def whole_journal() -> Any:
        with engine.connect() as connection:
            runs = journal.admissions_after(connection, event_id, 0)
        return runs if sum(run.admitted for run in runs) >= admitted else None

    runs = eventually(whole_journal, seconds=20)
    per_second = rate_per_minute / 60
    total = 0
    # The lowest (admitted before - rate x t) so far: any window that overshoots overshoots from there.
    lowest = 0.0
    for run in runs:
        paced = per_second * (run.at - runs[0].at).total_seconds()
        lowest = min(lowest, total - paced)
        total += run.admitted
        assert total - paced - lowest <= per_second * BURST_SECONDS + 1e-6, run
    assert total == admitted
    assert (runs[-1].at - runs[0].at).total_seconds() >= (admitted / per_second - BURST_SECONDS) * 0.998


def inversions(engine: sqlalchemy.Engine, event_id: EventId) -> int:
    """Pairs in which the lower number was decided in a later batch although the earlier batch could see it."""
    query = sqlalchemy.text("""
        SELECT count(*) FROM bookings AS low JOIN bookings AS high USING (event_id)
         WHERE event_id = :event AND low.number < high.number AND low.decided_at > high.decided_at
           AND pg_visible_in_snapshot(low.queued_xid, high.batch_snapshot)
    """)
    with engine.connect() as connection:
        return int(connection.execute(query, {"event": event_id}).scalar_one())


def test_50_parallel_posts_with_one_key_are_one_booking_and_50_same_answers(http, engine, put_on_sale):
    event_id = put_on_sale(seats=20, enabled=False, rate_per_minute=600, max_active=100)
    (buyer,) = guests(http, 1)
    key = str(uuid4())
    body = {"wishes": [{"quantity": 2}]}

    with ThreadPoolExecutor(50) as pool:
        posts = [pool.submit(buyer.book, f"/v1/events/{event_id}/bookings", body, key=key) for _ in range(50)]
        answers = [post.result() for post in posts]

    assert {answer.status_code for answer in answers} == {202}
    same = ("id", "event_id", "number", "tickets_wanted", "created_at", "url")
    assert len({tuple(answer.json()[name] for name in same) for answer in answers}) == 1
    assert len(buyer.ask("GET", "/v1/bookings").json()["bookings"]) == 1
    (booking,) = results([buyer], [answers[0].headers["Location"]], states={"held"}, seconds=20)
    assert len(booking["tickets"]) == 2


def test_the_same_key_with_another_body_is_refused(http, put_on_sale):
    event_id = put_on_sale(seats=20, enabled=False, rate_per_minute=600, max_active=100)
    (buyer,) = guests(http, 1)
    path = f"/v1/events/{event_id}/bookings"
    first = buyer.book(path, {"wishes": [{"quantity": 2}]}, key="mine")

    other = buyer.book(path, {"wishes": [{"quantity": 3}]}, key="mine")

    assert (first.status_code, other.status_code) == (202, 422)
    assert other.headers["Content-Type"] == "application/problem+json"


def test_of_200_bookings_for_one_seat_posted_in_any_order_the_lowest_number_wins(http, staff, put_on_sale):
    event_id = put_on_sale(seats=300, rate_per_minute=60_000, max_active=1_000)
    queue, bookings = f"/v1/events/{event_id}/queue", f"/v1/events/{event_id}/bookings"
    buyers = guests(http, 200)
    numbers = {id(buyer): join(buyer, queue) for buyer in buyers}
    admissions = dict(zip(map(id, buyers), in_parallel(lambda buyer: enter(buyer, queue), buyers), strict=True))
    turn(staff, event_id, selling=False)
    seat = ticket_id(event_id, 7)
    shuffled = random.Random(20_000).sample(buyers, len(buyers))

    def post(buyer: Client, wish: dict[str, Any]) -> httpx.Response:
        admission = {"Admission-Token": admissions[id(buyer)]}
        return buyer.book(bookings, {"wishes": [wish]}, key=str(uuid4()), **admission)

    posted = in_parallel(lambda buyer: post(buyer, {"tickets": [seat]}), shuffled)
    assert {answer.status_code for answer in posted} == {202}
    turn(staff, event_id, selling=True)
    decided = results(shuffled, [answer.headers["Location"] for answer in posted], states=ENDED | {"held"}, seconds=60)

    held = [booking for booking in decided if booking["state"] == "held"]
    refused = [booking for booking in decided if booking["state"] == "unavailable"]
    assert [booking["number"] for booking in held] == [min(numbers.values())]
    assert len(refused) == 199
    assert all(booking["reason"] for booking in refused)
    # Refused politely: the admission is still good for another seat.
    losers = [buyer for buyer in buyers if numbers[id(buyer)] != min(numbers.values())]
    again = in_parallel(lambda buyer: post(buyer, {"quantity": 1}), losers)
    assert {answer.status_code for answer in again} == {202}
    second = results(losers, [answer.headers["Location"] for answer in again], states=ENDED | {"held"}, seconds=60)
    assert {booking["state"] for booking in second} == {"held"}


def join(buyer: Client, queue: str) -> int:
    joined = buyer.ask("POST", queue).raise_for_status().json()
    buyer.headers["Queue-Token"] = joined["queue_token"]
    number: int = joined["number"]
    return number


def enter(buyer: Client, queue: str) -> str:
    def token() -> Any:
        answer = buyer.ask("POST", f"{queue}/me/enter")
        return answer.json()["admission_token"] if answer.is_success else None

    found: str = eventually(token, seconds=30)
    return found


def turn(staff: Client, event_id: EventId, **settings: Any) -> None:
    staff.ask("PATCH", f"/v1/admin/events/{event_id}/queue", json=settings).raise_for_status()
