"""Staff let a rate follow checkout, and give it a ramp, over HTTP: on record, in the log, in the queue at once."""

from __future__ import annotations

from uuid import uuid4

import pytest

from onsale.db import catalogue, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueChange
from onsale.db.staff import Role, Staff, put
from onsale.web import tokens
from tests.builders import an_event, open_queue
from tests.services.serving import Person

RATE = 600
STEPS = [{"after_seconds": 0, "per_minute": 300}, {"after_seconds": 300, "per_minute": 1_200}]


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=RATE))
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


def at(event_id: EventId, more: str = "") -> str:
    return f"/v1/admin/events/{event_id}/rate{more}"


def test_a_ramp_from_now_is_in_the_queue_at_once_and_taken_away_at_once(web, event_id, staff_of):
    member = staff_of()

    made = member.ask("PATCH", at(event_id, "/ramp"), json={"steps": STEPS, "from_now": True})
    climbing = web.http.get(f"/v1/events/{event_id}/queue").json()
    gone = member.ask("DELETE", at(event_id, "/ramp"))

    assert (made.status_code, made.json()["rate_per_minute"], made.json()["because"]) == (200, 300, "ramp")
    assert made.json()["ramp"]["steps"] == STEPS
    assert (climbing["rate_per_minute"], climbing["ceiling_per_minute"]) == (300, RATE)
    assert climbing["why"] == "The organiser lets people in step by step: letting in 300 instead of 600 a minute."
    assert (gone.json()["ramp"], gone.json()["rate_per_minute"]) == (None, RATE)
    assert web.office.store.snapshot(event_id).rules.rate_per_minute == RATE


def test_a_ramp_from_the_opening_holds_from_before_it(event_id, staff_of):
    """The queue was opened a minute ago; its second step comes after five."""
    made = staff_of().ask("PATCH", at(event_id, "/ramp"), json={"steps": STEPS})

    assert (made.json()["rate_per_minute"], made.json()["ceiling_per_minute"]) == (300, RATE)


def test_steps_may_come_in_any_order(event_id, staff_of):
    made = staff_of().ask("PATCH", at(event_id, "/ramp"), json={"steps": STEPS[::-1], "linear": True})

    assert made.json()["ramp"]["steps"] == STEPS
    assert made.json()["ramp"]["linear"]


def test_auto_is_switched_and_the_sale_log_says_by_whom(engine, event_id, staff_of):
    member = staff_of()

    on = member.ask("PATCH", at(event_id), json={"auto": True})
    again = member.ask("PATCH", at(event_id), json={"auto": True})
    off = member.ask("PATCH", at(event_id), json={"auto": False})

    assert [answer.json()["auto"] for answer in (on, again, off)] == [True, True, False]
    with reading(engine) as connection:
        lines = [line for line in sale_log.newest(connection, event_id) if line.kind == "rate_control_changed"]
    assert [line.body["auto"] for line in lines] == [{"from": True, "to": False}, {"from": False, "to": True}]
    assert {line.actor for line in lines} == {f"staff:{member.id}"}


def test_only_the_events_own_staff_who_may_change_do(event_id, staff_of):
    viewer, stranger = staff_of(Role.VIEWER), staff_of(organiser="Somebody else")

    assert viewer.get(at(event_id)).json()["rate_per_minute"] == RATE
    assert viewer.ask("PATCH", at(event_id), json={"auto": True}).status_code == 403
    assert viewer.ask("DELETE", at(event_id, "/ramp")).status_code == 403
    assert stranger.get(at(event_id)).status_code == 404
    assert stranger.ask("PATCH", at(event_id, "/ramp"), json={"steps": STEPS}).status_code == 404
