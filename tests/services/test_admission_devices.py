"""Which admission tokens let somebody book: one table, over HTTP, on a real record and queue."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from uuid import UUID

import httpx
import pytest

from onsale.config import Config
from onsale.db import queue_guards
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId
from onsale.db.queue_guards import GuardChange
from onsale.queue.keys import NO_DEVICE, device_digest
from onsale.queue.tokens import LEEWAY_MS, AdmissionToken, Tokens
from onsale.web.tokens import now_ms
from tests.builders import an_event, open_queue, until
from tests.services.serving import Person, Web, serving

OLD_KEY, NEW_KEY = ("k1", "the-key-of-last-year-of-32-letters"), ("k2", "the-key-of-this-year-of-32-letters")
MINE, OTHERS = "my-own-device-0123456789", "other-device-0123456789"


@pytest.fixture
def settings(settings: dict[str, str]) -> dict[str, str]:
    """An installation whose key was changed: the new one signs, both verify."""
    return {**settings, "ONSALE_SECRET_KEYS": ",".join(":".join(key) for key in (NEW_KEY, OLD_KEY))}


@dataclass(frozen=True)
class Door:
    """Somebody who is in, with what they hold."""

    web: Web
    person: Person
    event_id: EventId
    other_event_id: EventId
    number: int
    token: str

    def signed(
        self, *keys: tuple[str, str], device: bytes | None = None, event_id: EventId | None = None, until_ms: int = 0
    ) -> str:
        """An admission as the house signs it, with these keys."""
        admission = AdmissionToken(
            event_id or self.event_id,
            self.number,
            None,
            BuyerId(UUID(self.person.id)),
            until_ms or now_ms() + 60_000,
            device_digest(MINE) if device is None else device,
        )
        return Tokens(keys).sign_admission(admission)

    def book(
        self, token: str, *, person: Person | None = None, event_id: EventId | None = None, device: str | None = MINE
    ) -> httpx.Response:
        headers = {"Admission_Token": token} | ({"Device": device} if device else {})
        return (person or self.person).book(event_id or self.event_id, {"quantity": 1}, **headers)


@pytest.fixture
def door(web: Web, engine, shop) -> Door:
    event_id, other = an_event(engine), an_event(engine)
    for one in (event_id, other):
        open_queue(shop, one)
    person = web.guest()
    number = person.join(event_id)["number"]
    answer: list[httpx.Response] = []

    def is_in() -> bool:
        web.office.store.advance(event_id)
        answer[:] = [person.post(f"/v1/events/{event_id}/queue/me/enter", Device=MINE)]
        return answer[0].is_success

    until(is_in, "the person is in")
    return Door(web, person, event_id, other, number, answer[0].json()["admission_token"])


OTHER_INSTALLATION = ("k2", "the-key-of-somebody-else-32-letters")
REMOVED_KEY = ("k0", "the-key-of-long-ago-of-32-letters!")
IN, REFUSED, MOVED = 202, 403, 409

TABLE: dict[str, tuple[int, Callable[[Door], httpx.Response]]] = {
    "one's own, on one's own device": (IN, lambda door: door.book(door.token)),
    "signed by the key before": (IN, lambda door: door.book(door.signed(OLD_KEY))),
    "of a client that names none, at a place that is a device's": (
        MOVED,
        lambda door: door.book(door.signed(NEW_KEY, device=NO_DEVICE), device=None),
    ),
    "from another device": (REFUSED, lambda door: door.book(door.token, device=OTHERS)),
    "without the device it was signed for": (REFUSED, lambda door: door.book(door.token, device=None)),
    "at another event": (REFUSED, lambda door: door.book(door.token, event_id=door.other_event_id)),
    "signed for another event": (REFUSED, lambda door: door.book(door.signed(NEW_KEY, event_id=door.other_event_id))),
    "somebody else's": (REFUSED, lambda door: door.book(door.token, person=door.web.guest())),
    "expired": (REFUSED, lambda door: door.book(door.signed(NEW_KEY, until_ms=now_ms() - LEEWAY_MS - 1_000))),
    "a key that was removed": (REFUSED, lambda door: door.book(door.signed(REMOVED_KEY))),
    "another installation's": (REFUSED, lambda door: door.book(door.signed(OTHER_INSTALLATION))),
    "edited": (REFUSED, lambda door: door.book(door.token[:-4] + "AAAA")),
    "its queue token instead": (REFUSED, lambda door: door.book(door.person.join(door.event_id)["queue_token"])),
    "nonsense": (REFUSED, lambda door: door.book("a2.k2.AAAA.BBBB")),
}


@pytest.mark.parametrize("which", TABLE)
def test_exactly_the_right_admissions_let_somebody_book(door, which):
    status, book = TABLE[which]

    answer = book(door)

    assert answer.status_code == status, answer.text
    if status != IN:
        kind = "bad-admission-token" if status == REFUSED else "other-device"
        assert answer.json()["type"] == f"/problems/{kind}"


def test_one_admission_replayed_by_fifty_is_one_booking(door):
    def book(n: int) -> int:
        # Every fifth has the device right; nobody else gets as far as the record.
        return door.book(door.token, device=MINE if n % 5 == 0 else f"{OTHERS}-{n}").status_code

    with ThreadPoolExecutor(25) as pool:
        answers = list(pool.map(book, range(50)))

    assert {status: answers.count(status) for status in set(answers)} == {202: 1, 409: 9, 403: 40}


def test_a_session_copied_to_another_device_does_not_come_in_there(door):
    answer = door.person.post(f"/v1/events/{door.event_id}/queue/me/enter", Device=OTHERS)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/other-device")


def test_without_an_admission_another_device_does_not_book_under_the_place_either(door):
    there = door.person.book(door.event_id, {"quantity": 1}, Device=OTHERS)
    here = door.person.book(door.event_id, {"quantity": 1}, Device=MINE)

    assert (there.status_code, there.json()["type"], here.status_code) == (409, "/problems/other-device", 202)


def test_where_devices_must_be_named_a_client_that_names_none_is_refused(door, engine):
    with transaction(engine) as connection:
        queue_guards.change(connection, door.event_id, GuardChange(device_required=True), actor="test")
    door.web.office.guards.forget(door.event_id)

    path, wish = f"/v1/events/{door.event_id}/queue/me/enter", {"quantity": 1}
    answers = [door.person.post(path), door.person.post(path, Device=MINE), door.web.guest().book(door.event_id, wish)]

    assert [answer.status_code for answer in answers] == [409, 200, 409]


def test_a_changed_key_loses_no_place(settings, redis_client, engine, shop):
    """Sign with the old key, put a new one in front, take the old one away: the number is the same all along."""
    event_id = an_event(engine)
    open_queue(shop, event_id)

    def house(*keys: tuple[str, str]):
        return serving(Config.from_env({**settings, "ONSALE_SECRET_KEYS": ",".join(":".join(key) for key in keys)}))

    with house(OLD_KEY) as web:
        web.guest().join(event_id)
        person = web.guest()
        old_token = person.join(event_id)["queue_token"]
    with house(NEW_KEY, OLD_KEY) as web:
        proven = Person(web.http, person.token, person.id).post(f"/v1/events/{event_id}/queue", queue_token=old_token)
        page = web.http.get(f"/events/{event_id}/queue", headers={"Cookie": f"onsale_buyer={person.token}"})
        renewed = page.cookies["onsale_buyer"]
    with house(NEW_KEY) as web:
        web.http.cookies.clear()
        stale = Person(web.http, person.token, person.id).post(f"/v1/events/{event_id}/queue")
        again = Person(web.http, renewed, person.id).post(f"/v1/events/{event_id}/queue")

    tokens = [old_token, proven.json()["queue_token"], again.json()["queue_token"]]
    assert [token.split(".")[1] for token in tokens] == ["k1", "k2", "k2"]
    assert [proven.json()["number"], again.json()["number"]] == [2, 2]
    # What the dropped key signed says nothing any more; the visitor's own session was signed anew in time.
    assert stale.status_code == 401
