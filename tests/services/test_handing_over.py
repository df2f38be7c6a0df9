"""A guest who signs in keeps the place: the lower number that still counts, and the bookings made with it."""

from __future__ import annotations

from dataclasses import dataclass
from uuid import UUID, uuid4

import pytest

from onsale.db.ids import EventId
from onsale.workers import journaling, recovery
from tests.builders import an_event, open_queue
from tests.services.serving import Person


@dataclass(frozen=True)
class Member(Person):
    """Somebody with an account."""

    email: str


PASSWORD = "a long enough password"


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def account(web) -> Member:
    return an_account(web, f"{uuid4().hex}@example.org")


def an_account(web, email: str) -> Member:
    document = web.http.post("/v1/accounts", json={"email": email, "password": PASSWORD}).raise_for_status().json()
    return Member(web.http, document["token"], document["buyer_id"], email)


def signs_in(web, guest: Person, account: Member) -> Person:
    """The guest signs in: their JWT comes along, as a browser's cookie does."""
    answer = guest.post("/v1/sessions", {"email": account.email, "password": PASSWORD})
    document = answer.raise_for_status().json()
    return Person(web.http, document["token"], document["buyer_id"])


def number(person: Person, event_id: EventId) -> int | None:
    answer = person.get(f"/v1/events/{event_id}/queue/me")
    return int(answer.json()["number"]) if answer.is_success else None


def test_a_guest_who_signs_in_keeps_the_place(web, shop, event_id, account):
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)

    person = signs_in(web, guest, account)

    assert (number(person, event_id), number(guest, event_id)) == (1, None)


@pytest.mark.parametrize("guest_first", [True, False])
def test_of_two_places_the_lower_number_counts_and_the_other_is_nobodys(web, shop, event_id, account, guest_first):
    guest = web.guest()
    for one in (guest, account) if guest_first else (account, guest):
        one.join(event_id)
    journaling.write_journal(shop, event_id)

    person = signs_in(web, guest, account)

    assert (number(person, event_id), number(guest, event_id)) == (1, None)
    assert web.office.store.place_at(event_id, "2").standing == "done"


def test_a_place_that_counts_beats_a_lower_one_that_is_used(web, shop, event_id, account):
    account.join(event_id)
    account.ask("DELETE", f"/v1/events/{event_id}/queue/me").raise_for_status()
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)

    assert number(signs_in(web, guest, account), event_id) == 2


def test_a_wrong_password_moves_nothing(web, shop, event_id, account):
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)

    answer = guest.post("/v1/sessions", {"email": account.email, "password": "a wrong one"})

    assert (answer.status_code, number(guest, event_id)) == (401, 1)


def test_a_signed_in_accounts_place_is_not_taken_by_signing_in_as_another(web, shop, event_id, account):
    other = an_account(web, f"{uuid4().hex}@example.org")
    account.join(event_id)
    journaling.write_journal(shop, event_id)

    person = signs_in(web, account, other)

    assert (number(person, event_id), number(account, event_id)) == (None, 1)


def test_bookings_come_along_with_the_place(web, shop, event_id, account):
    guest = web.guest()
    guest.join(event_id)
    booked = guest.book(event_id, {"quantity": 1}).json()
    journaling.write_journal(shop, event_id)

    person = signs_in(web, guest, account)

    assert person.get(f"/v1/bookings/{booked['id']}").status_code == 200
    assert guest.get(f"/v1/bookings/{booked['id']}").status_code == 404


def test_bookings_stay_the_guests_where_both_together_pass_the_limit(web, shop, event_id, account):
    guest = web.guest()
    for one in (guest, account):
        one.join(event_id)
        assert one.book(event_id, {"quantity": 5}).status_code == 202
    journaling.write_journal(shop, event_id)

    person = signs_in(web, guest, account)

    assert [len(one.get("/v1/bookings").json()["bookings"]) for one in (person, guest)] == [1, 1]


def test_a_queue_that_lost_redis_knows_whose_place_it_is(web, shop, event_id, account, redis_client):
    guest = web.guest()
    guest.join(event_id)
    journaling.write_journal(shop, event_id)
    person = signs_in(web, guest, account)
    redis_client.flushall()

    assert recovery.recover(shop, event_id)

    assert web.office.store.place_of(event_id, UUID(guest.id)) is None
    assert number(person, event_id) == 1
