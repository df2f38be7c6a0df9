"""The dial over HTTP: staff of the event turn it, it is on record, and the queue obeys at once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from onsale.db import catalogue, sale_log
from onsale.db.engine import reading, transaction
from onsale.db.ids import EventId
from onsale.db.staff import Role, Staff, put
from onsale.web import tokens
from tests.builders import an_event, open_queue
from tests.services.serving import Person


@pytest.fixture
def event_id(engine, shop) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def staff_of(web, engine):
    """Somebody of an organiser's staff, signed in."""

    def member(role: Role = Role.ADMIN, organiser: str = "Test organiser") -> Person:
        with transaction(engine) as connection:
            organiser_id = catalogue.add_organiser(connection, organiser)
            one = put(connection, Staff(uuid4(), organiser_id, f"{uuid4().hex}@example.org", role, "no password"))
        token = tokens.sign(web.office.config, one.id, audience=tokens.STAFF)
        return Person(web.http, token, str(one.id))

    return member


def dial(event_id: EventId) -> str:
    return f"/v1/admin/events/{event_id}/queue"


def turn(member: Person, event_id: EventId, **changes: Any):
    return member.ask("PATCH", dial(event_id), json=changes)


def test_a_turned_rate_is_on_record_and_in_the_queue_at_once(web, event_id, staff_of):
    answer = turn(staff_of(), event_id, rate_per_minute=120, max_active=7)

    assert (answer.status_code, answer.json()["rate_per_minute"]) == (200, 120)
    state = web.office.store.snapshot(event_id)
    assert (state.rules.rate_per_minute, state.rules.max_active, state.version) == (120, 7, answer.json()["version"])


def test_what_was_turned_is_in_the_sale_log_with_who_did_it(web, engine, event_id, staff_of):
    member = staff_of()

    turn(member, event_id, phase="paused", reason="The card terminal is being restarted")

    with reading(engine) as connection:
        line = sale_log.newest(connection, event_id, limit=1)[0]
    assert (line.actor, line.body["phase"]) == (f"staff:{member.id}", {"from": "open", "to": "paused"})


def test_buyers_read_why_the_queue_is_paused(web, event_id, staff_of):
    web.http.get(f"/v1/events/{event_id}/queue").raise_for_status()

    turn(staff_of(), event_id, phase="paused", reason="One moment", notice="Gate B is closed")

    status = web.http.get(f"/v1/events/{event_id}/queue").json()
    assert (status["phase"], status["reason"], status["notice"]) == ("paused", "One moment", "Gate B is closed")


def test_what_is_left_out_stays(web, event_id, staff_of):
    before = staff_of().get(dial(event_id)).json()["settings"]

    after = turn(staff_of(), event_id, selling=False).json()

    passing = ("selling", "version", "updated_at")
    assert {name: value for name, value in after.items() if name not in passing} == {
        name: value for name, value in before.items() if name not in passing
    }
    assert after["selling"] is False


def test_a_change_of_something_changed_meanwhile_is_refused(web, event_id, staff_of):
    member = staff_of()
    seen = turn(member, event_id, rate_per_minute=100).json()["version"]
    turn(member, event_id, rate_per_minute=200)

    answer = turn(member, event_id, rate_per_minute=300, version=seen)

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/illegal-move")


def test_the_sale_is_told_with_its_numbers(web, event_id, staff_of):
    web.guest().join(event_id)
    web.office.statuses.forget(event_id)

    sale = staff_of().get(dial(event_id)).json()

    assert (sale["free"], sale["held"], sale["sold"], sale["currency"]) == (10, 0, 0, "eur")
    assert sale["queue"]["issued"] == 1


def test_a_viewer_looks_and_does_not_touch(web, event_id, staff_of):
    viewer = staff_of(Role.VIEWER)

    assert viewer.get(dial(event_id)).status_code == 200
    answer = turn(viewer, event_id, rate_per_minute=1)
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/not-allowed")


def test_another_organisers_event_is_not_there(web, event_id, staff_of):
    stranger = staff_of(Role.OWNER, organiser="Somebody else")

    answers = [stranger.get(dial(event_id)), turn(stranger, event_id, rate_per_minute=1)]

    assert [answer.status_code for answer in answers] == [404, 404]


@pytest.mark.parametrize(
    "change",
    [
        {"rate_per_minute": -1},
        {"rate_per_minute": 600_001},
        {"rate_per_minute": "60"},
        {"rate_per_minute": 1.5},
        {"max_active": 0},
        {"phase": "sold_out"},
        {"phase": "half open"},
        {"phase": 1},
        {"selling": "no"},
        {"selling": 0},
        {"reason": "x" * 281},
        {"reason": "a\u0000b"},
        {"opens_at": "tomorrow"},
        {"opens_at": "2026-12-24T20:00:00"},
        {"opens_at": "2026-12-24"},
        {"enter_seconds": 1},
        {"speed": 9},
    ],
)
def test_a_change_that_makes_no_sense_is_refused_and_the_field_named(web, event_id, staff_of, change):
    answer = turn(staff_of(), event_id, **change)

    assert answer.status_code == 422, answer.text
    assert answer.json()["errors"][0]["field"] == next(iter(change))


def test_the_opening_can_be_moved(web, event_id, staff_of):
    opens_at = (datetime.now(UTC) + timedelta(hours=1)).replace(microsecond=0)

    answer = turn(staff_of(), event_id, phase="scheduled", opens_at=opens_at.isoformat())

    assert datetime.fromisoformat(answer.json()["opens_at"]) == opens_at
    assert web.guest().post(f"/v1/events/{event_id}/queue").status_code == 425


def test_the_staff_of_the_event_see_how_often_the_waits_held(web, event_id, staff_of):
    path = f"/v1/admin/events/{event_id}/waits"

    mine = staff_of().get(path)
    theirs = staff_of(organiser="Somebody else").get(path)

    assert (mine.status_code, mine.json()["told"], mine.json()["held_percent"]) == (200, 0, None)
    assert theirs.status_code == 404


def test_a_queue_is_not_switched_off_over_people_who_wait_unless_that_is_said(web, event_id, staff_of):
    member = staff_of()
    turn(member, event_id, phase="paused", reason="One moment").raise_for_status()
    web.guest().join(event_id)
    web.office.statuses.forget(event_id)

    refused = turn(member, event_id, enabled=False)
    others = turn(member, event_id, enabled=True, rate_per_minute=120)
    said = turn(member, event_id, enabled=False, lose_order=True)

    assert (refused.status_code, refused.json()["type"], refused.json()["field"]) == (
        409,
        "/problems/illegal-move",
        "enabled",
    )
    assert refused.json()["detail"].startswith("1 in the queue:")
    assert (others.status_code, said.status_code, said.json()["enabled"]) == (200, 200, False)
    # Off already: nobody waits for anything.
    assert turn(member, event_id, enabled=False).status_code == 200


def test_a_queue_in_which_nobody_waits_is_switched_off_at_once(web, event_id, staff_of):
    assert turn(staff_of(), event_id, enabled=False).status_code == 200
