"""Revoked places: counted first, passed over, told politely, undone; bookings are never touched."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest

from onsale.db import catalogue, revocations, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueChange
from onsale.db.staff import Role, Staff, put
from onsale.errors import PlaceRevoked
from onsale.queue.journaled import JOINING_MAX
from onsale.queue.keys import EventKeys
from onsale.web import joining, tokens
from onsale.workers import journaling, recovery, revoking
from tests.builders import an_event, open_queue, run_sql, until
from tests.services.serving import Person

HERE = "127.0.0.1"


@pytest.fixture
def event_id(engine, shop) -> EventId:
    """An event that lets everybody in."""
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def slow_event_id(engine, shop) -> EventId:
    """An event in which one may be inside at a time."""
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=6_000, max_active=1))
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def staff_of(web, engine):
    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password"))
        return Person(web.http, tokens.sign(web.office.config, one.id, audience=tokens.STAFF), str(one.id))

    return member


def crowd(web, shop, event_id: EventId, *addresses: str) -> list[Person]:
    """One guest from each address, on record."""
    people = web.guests(len(addresses))
    for person, address in zip(people, addresses, strict=True):
        joining.join(web.office, event_id, person_id(person), address=address)
    journaling.write_journal(shop, event_id)
    return people


def person_id(person: Person) -> Any:

    return UUID(person.id)


def revoke(member: Person, event_id: EventId, *, dry_run: bool = False, **which: Any):
    body = {"reason": "A script", "dry_run": dry_run, **which}
    return member.post(f"/v1/admin/events/{event_id}/revocations", body)


def undo(member: Person, event_id: EventId, revocation: dict[str, Any]):
    return member.ask("DELETE", f"/v1/admin/events/{event_id}/revocations/{revocation['id']}")


def told(web, shop, event_id: EventId) -> None:
    """What `onsale admit` does within a second, and the copies of this process anew."""
    revoking.tell_queues(shop)
    web.office.guards.forget(event_id)


def place(person: Person, event_id: EventId):
    return person.get(f"/v1/events/{event_id}/queue/me")


BLOCK = ("198.51.100.1", "198.51.100.255", "198.51.101.1", "203.0.113.9", "2001:db8:1:2::1", "2001:db8:9::1")


@pytest.mark.parametrize(
    ("which", "places"),
    [
        ({"network": "198.51.100.0/24"}, 2),
        ({"network": "198.51.100.7/23"}, 3),
        ({"network": "203.0.113.9/32"}, 1),
        ({"network": "2001:db8:1::/48"}, 1),
        ({"network": "2001:db8::/32"}, 2),
        ({"network": "2001:db8:1:2::99/128"}, 1),
        ({"network": "192.0.2.0/24"}, 0),
        ({"number": 3}, 1),
    ],
)
def test_a_dry_run_counts_and_does_nothing(web, engine, shop, event_id, staff_of, which, places):
    people = crowd(web, shop, event_id, *BLOCK)

    answer = revoke(staff_of(), event_id, dry_run=True, **which)

    assert (answer.status_code, answer.json()["places"], answer.json()["id"]) == (200, places, None)
    with reading(engine) as connection:
        assert revocations.listed(connection, event_id) == ()
    assert {place(person, event_id).status_code for person in people} == {200}


def test_who_joined_a_moment_ago_is_revoked_though_the_record_does_not_know_them_yet(
    web, shop, slow_event_id, staff_of, redis_client
):
    person, other = web.guests(2)
    person.join(slow_event_id), other.join(slow_event_id)
    member = staff_of()

    assert revoke(member, slow_event_id, dry_run=True, number=1).json()["places"] == 1
    assert revoke(member, slow_event_id, number=1).status_code == 201
    # The queue has given two numbers, and no third.
    nobodys = revoke(member, slow_event_id, number=3)
    told(web, shop, slow_event_id)
    journaling.write_journal(shop, slow_event_id)

    assert (nobodys.status_code, nobodys.json()["detail"]) == (404, "Nobody has joined under this number.")
    assert redis_client.getbit(EventKeys(slow_event_id).revoked, 1) == 1
    assert place(person, slow_event_id).json()["type"] == "/problems/place-revoked"
    assert place(other, slow_event_id).status_code == 200


@pytest.mark.parametrize("many", [JOINING_MAX - 1, JOINING_MAX])
def test_behind_more_people_than_are_looked_through_staff_are_asked_to_try_again(
    web, slow_event_id, staff_of, redis_client, many
):
    pipeline = redis_client.pipeline(transaction=False)
    for number in range(2, many + 2):
        line = {"n": number, "b": bytes(16), "t": 1, "a": b""}
        pipeline.xadd(EventKeys(slow_event_id).joins, line)
    pipeline.execute()

    answer = revoke(staff_of(), slow_event_id, number=1)

    assert answer.status_code == (404 if many < JOINING_MAX else 503)
    assert answer.headers.get("Retry-After") == (None if many < JOINING_MAX else "1")


def test_a_revoked_number_is_passed_over_and_the_next_comes_in(web, shop, slow_event_id, staff_of):
    people = crowd(web, shop, slow_event_id, HERE, HERE)
    assert revoke(staff_of(), slow_event_id, number=1).json()["places"] == 1
    told(web, shop, slow_event_id)

    def second_is_in() -> bool:
        web.office.store.advance(slow_event_id)
        return place(people[1], slow_event_id).json()["standing"] == "admitted"

    until(second_is_in, "the second is let in")
    answer = place(people[0], slow_event_id)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/place-revoked")


@pytest.mark.parametrize("what", ["", "/heartbeat", "/enter", "/return", "/moves"])
def test_a_revoked_buyer_is_told_whom_to_write_to_whatever_they_try(web, shop, event_id, staff_of, what):
    member = staff_of()
    (person,) = crowd(web, shop, event_id, HERE)
    member.ask("PATCH", f"/v1/admin/events/{event_id}/guard", json={"contact": "help@example.org"}).raise_for_status()
    revoke(member, event_id, number=1)

    path = f"/v1/events/{event_id}/queue/me{what}"
    answer = person.post(path) if what else person.post(f"/v1/events/{event_id}/queue")

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/place-revoked")
    assert "help@example.org" in answer.json()["detail"]


def test_a_revoked_buyer_who_was_let_in_already_does_not_book(web, shop, event_id, staff_of):
    (person,) = crowd(web, shop, event_id, HERE)
    until(
        lambda: web.office.store.advance(event_id) and person.post(f"/v1/events/{event_id}/queue/me/enter").is_success,
        "in",
    )
    admission = person.enter(event_id)
    revoke(staff_of(), event_id, number=1)

    answer = person.book(event_id, {"quantity": 1}, admission_token=admission)

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/place-revoked")


def test_a_booking_that_was_made_goes_on_and_is_counted(web, shop, event_id, staff_of):
    (person,) = crowd(web, shop, event_id, HERE)
    until(
        lambda: web.office.store.advance(event_id) and person.post(f"/v1/events/{event_id}/queue/me/enter").is_success,
        "in",
    )
    booked = person.book(event_id, {"quantity": 1}, admission_token=person.enter(event_id)).json()
    member = staff_of()

    counted = revoke(member, event_id, dry_run=True, number=1).json()
    revoke(member, event_id, number=1)
    told(web, shop, event_id)

    assert (counted["places"], counted["with_bookings"]) == (1, 1)
    assert person.get(f"/v1/bookings/{booked['id']}").json()["state"] == "queued"


def test_from_a_revoked_block_nobody_new_joins_and_who_just_had_is_caught(web, shop, event_id, staff_of):
    member = staff_of()
    stranger, late = web.guests(2)
    joining.join(web.office, event_id, person_id(late), address="198.51.100.9")

    # The late one has joined, and is not on record yet.
    assert revoke(member, event_id, network="198.51.100.0/24").json()["places"] == 0
    with pytest.raises(PlaceRevoked):
        joining.join(web.office, event_id, person_id(stranger), address="198.51.100.10")
    journaling.write_journal(shop, event_id)

    assert place(late, event_id).status_code == 403
    assert joining.join(web.office, event_id, person_id(stranger), address="192.0.2.1").created


def test_an_undone_revocation_leaves_everybody_where_they_were(web, shop, slow_event_id, staff_of):
    people = crowd(web, shop, slow_event_id, HERE, HERE, "192.0.2.1")
    member = staff_of()
    until(
        lambda: (
            web.office.store.advance(slow_event_id).serving
            or place(people[0], slow_event_id).json()["standing"] == "admitted"
        ),
        "in",
    )
    made = revoke(member, slow_event_id, network="127.0.0.0/8").json()
    told(web, shop, slow_event_id)

    assert undo(member, slow_event_id, made).json()["undone_at"]
    told(web, shop, slow_event_id)

    places = [place(person, slow_event_id).json() for person in people]
    assert [one["number"] for one in places] == [1, 2, 3]
    # The first one's slot was given up: a return number brings them in.
    assert places[0]["standing"] == "passed"
    assert places[1]["standing"] in ("ahead", "passed", "admitted")
    assert people[0].post(f"/v1/events/{slow_event_id}/queue/me/return").status_code == 200


def test_undoing_one_revocation_does_not_undo_another(web, shop, event_id, staff_of):
    (person,) = crowd(web, shop, event_id, HERE)
    member = staff_of()
    single = revoke(member, event_id, number=1).json()
    block = revoke(member, event_id, network="127.0.0.0/8").json()

    undo(member, event_id, single)
    told(web, shop, event_id)
    still = place(person, event_id).status_code
    undo(member, event_id, block)
    told(web, shop, event_id)

    assert (still, place(person, event_id).json()["standing"] in ("ahead", "admitted")) == (403, True)


def test_who_had_left_before_stays_gone_when_it_is_undone(web, shop, event_id, staff_of):
    (person,) = crowd(web, shop, event_id, HERE)
    person.ask("DELETE", f"/v1/events/{event_id}/queue/me").raise_for_status()
    member = staff_of()

    made = revoke(member, event_id, number=1).json()
    told(web, shop, event_id)
    undo(member, event_id, made)
    told(web, shop, event_id)

    assert place(person, event_id).json()["standing"] == "done"


def test_a_queue_that_lost_redis_passes_revoked_places_over_again(web, shop, slow_event_id, staff_of, redis_client):
    people = crowd(web, shop, slow_event_id, HERE, HERE)
    revoke(staff_of(), slow_event_id, number=1)
    told(web, shop, slow_event_id)
    redis_client.flushall()

    assert recovery.recover(shop, slow_event_id)
    told(web, shop, slow_event_id)

    assert redis_client.getbit(EventKeys(slow_event_id).revoked, 1) == 1
    assert place(people[0], slow_event_id).status_code == 403
    assert place(people[1], slow_event_id).json()["number"] == 2


def test_revoking_and_undoing_are_in_the_sale_log_with_who_did_it(web, engine, shop, event_id, staff_of):
    crowd(web, shop, event_id, HERE)
    member = staff_of()

    undo(member, event_id, revoke(member, event_id, number=1).json())

    with reading(engine) as connection:
        lines = sale_log.newest(connection, event_id, limit=2)
    assert [(line.kind, line.actor, line.body["places"]) for line in lines] == [
        ("revocation_undone", f"staff:{member.id}", 1),
        ("places_revoked", f"staff:{member.id}", 1),
    ]


@pytest.mark.parametrize(
    ("which", "status"),
    [
        ({}, 404),
        ({"number": 1, "network": "192.0.2.0/24"}, 404),
        ({"network": "0.0.0.0/0"}, 409),
        ({"network": "2001::/16"}, 409),
        ({"network": "nonsense"}, 404),
        ({"number": 0}, 422),
        ({"number": 999}, 404),
    ],
)
def test_what_makes_no_sense_is_refused(web, shop, event_id, staff_of, which, status):
    crowd(web, shop, event_id, HERE)

    assert revoke(staff_of(), event_id, **which).status_code == status


def test_a_viewer_and_a_stranger_revoke_nothing(web, shop, event_id, staff_of):
    crowd(web, shop, event_id, HERE)
    viewer, stranger = staff_of(Role.VIEWER), staff_of(Role.OWNER, organiser="Somebody else")

    answers = [revoke(one, event_id, number=1).status_code for one in (viewer, stranger)]

    assert answers == [403, 404]
    assert revoke(viewer, event_id, dry_run=True, number=1).status_code == 200


def test_what_newcomers_are_asked_is_changed_over_the_api_and_logged(web, engine, event_id, staff_of):
    member = staff_of()

    answer = member.ask("PATCH", f"/v1/admin/events/{event_id}/guard", json={"work_bits": 12})

    assert (answer.json()["work_bits"], answer.json()["expected_tries"]) == (12, 4096)
    assert web.guest().post(f"/v1/events/{event_id}/queue").status_code == 409
    with reading(engine) as connection:
        line = sale_log.newest(connection, event_id, limit=1)[0]
    assert (line.kind, line.body) == ("guard_changed", {"work_bits": {"from": 0, "to": 12}})


def test_addresses_are_forgotten_a_week_after_the_show(web, engine, shop, event_id):
    crowd(web, shop, event_id, HERE)

    revoking.forget_addresses(shop)
    with reading(engine) as connection:
        before = revocations.count(connection, event_id, revocations.Which(network="127.0.0.0/8")).places
    run_sql(engine, "UPDATE events SET starts_at = now() - interval '8 days' WHERE id = :id", id=event_id)
    revoking.forget_addresses(shop)

    with reading(engine) as connection:
        after = revocations.count(connection, event_id, revocations.Which(network="127.0.0.0/8")).places
    assert (before, after) == (1, 0)
