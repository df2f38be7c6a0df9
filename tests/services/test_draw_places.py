"""A draw over HTTP from end to end: places that are revoked, that move to another device, and codes for early entry."""

from __future__ import annotations

import re

import pytest
from click.testing import CliRunner

from onsale.cli import main
from onsale.db import sale_log
from onsale.db.engine import reading
from onsale.errors import NotDrawnYet
from onsale.queue.draw import draw_key, permutation
from onsale.workers import journaling
from tests.builders import set_queue
from tests.services.serving import Person
from tests.services.test_draw import SEED, VALUE, a_draw, opened
from tests.services.test_draw_vacant import A_HALL, admitting_until
from tests.services.test_place_moves import NEW, OLD, enter, offered, taken
from tests.services.test_place_pages import Browser, code_of, takes
from tests.services.test_place_pages import joined as joined_page
from tests.services.test_revocations import place, revoke, staff_of, told, undo

PEOPLE = 6
# A fixture: whoever revokes.
__all__ = ["staff_of"]


def rule(size: int = PEOPLE):
    return permutation(draw_key(SEED, VALUE, size), size)


def a_crowd(web, shop, engine, people: int = PEOPLE):
    """An event's pre-queue, and who joined it, by pre-queue number; all of it on record."""
    event_id = a_draw(shop, engine, sections=A_HALL)
    crowd = web.guests(people)
    for person in crowd:
        person.join(event_id)
    journaling.write_journal(shop, event_id)
    return event_id, crowd


def drawn(web, shop, engine, event_id) -> None:
    opened(shop, engine, event_id)
    web.office.statuses.forget(event_id)


def standing(person: Person, event_id) -> str:
    return str(place(person, event_id).json().get("standing"))


# Revoked.


def test_a_place_revoked_in_the_pre_queue_is_refused_and_its_drawn_number_costs_nothing(web, shop, engine, staff_of):
    event_id, crowd = a_crowd(web, shop, engine)
    # So many may be inside as are left.
    set_queue(engine, event_id, max_active=PEOPLE - 1)
    first = rule().joined(1)
    assert revoke(staff_of(), event_id, number=first).json()["places"] == 1
    told(web, shop, event_id)

    drawn(web, shop, engine, event_id)
    others = [person for number, person in enumerate(crowd, start=1) if number != first]
    admitting_until(shop, lambda: shop.store.snapshot(event_id).admitted_total == PEOPLE - 1, "the others are let in")

    refused = crowd[first - 1].post(f"/v1/events/{event_id}/queue/me/enter")
    assert (refused.status_code, refused.json()["type"]) == (403, "/problems/place-revoked")
    assert [standing(person, event_id) for person in others] == ["admitted"] * (PEOPLE - 1)


@pytest.mark.parametrize("drawn_first", [False, True])
def test_a_revocation_undone_in_time_gives_the_drawn_number_back(web, shop, engine, staff_of, drawn_first):
    event_id, crowd = a_crowd(web, shop, engine)
    set_queue(engine, event_id, rate_per_minute=1)
    last, member = rule().joined(PEOPLE), staff_of()
    made = revoke(member, event_id, number=last).json()
    told(web, shop, event_id)

    if drawn_first:
        drawn(web, shop, engine, event_id)
        told(web, shop, event_id)
    undo(member, event_id, made)
    told(web, shop, event_id)
    if not drawn_first:
        drawn(web, shop, engine, event_id)
    set_queue(engine, event_id, rate_per_minute=6_000)

    person = crowd[last - 1]
    assert place(person, event_id).json()["drawn_number"] == PEOPLE
    admitting_until(shop, lambda: standing(person, event_id) == "admitted", "the last one is let in")
    assert person.enter(event_id)


def test_support_and_the_log_tell_of_a_drawn_place_that_was_revoked(web, shop, engine, staff_of, settings, monkeypatch):
    event_id, crowd = a_crowd(web, shop, engine)
    first = rule().joined(1)
    revoke(staff_of(), event_id, number=first)
    drawn(web, shop, engine, event_id)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)

    said = CliRunner().invoke(main, ["why", crowd[first - 1].id])

    assert said.exit_code == 0, said.output
    assert f"with pre-queue number {first}, which was drawn as 1" in said.output
    assert "Staff revoked the place: A script" in said.output
    with reading(engine) as connection:
        assert "places_revoked" in [line.kind for line in sale_log.read(connection, event_id)]


# On another device.


@pytest.mark.parametrize("moved", ["before", "after"])
def test_a_place_that_moves_keeps_its_drawn_number_and_its_turn(web, shop, engine, moved):
    event_id, crowd = a_crowd(web, shop, engine)
    old = crowd[0]
    new = taken(web, offered(old, event_id)) if moved == "before" else None
    drawn(web, shop, engine, event_id)
    new = new or taken(web, offered(old, event_id))

    there = place(new, event_id).json()
    admitting_until(shop, lambda: standing(new, event_id) == "admitted", "the place is let in")
    refused, entered = enter(old, event_id, OLD), enter(new, event_id, NEW)

    assert (there["pre_queue_number"], there["drawn_number"]) == (1, rule().drawn(1))
    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/other-device")
    assert (entered.status_code, entered.json()["number"]) == (200, rule().drawn(1))


def test_a_place_that_moved_before_the_draw_leaves_the_turn_of_the_number_it_had_to_whoever_is_drawn_as_it(
    web, shop, engine
):
    event_id, crowd = a_crowd(web, shop, engine)
    # Two different people: the one who joined as 1, and the one who was drawn as 1.
    other = crowd[rule().joined(1) - 1]
    assert other is not crowd[0]
    taken(web, offered(crowd[0], event_id))
    drawn(web, shop, engine, event_id)

    admitting_until(shop, lambda: standing(other, event_id) == "admitted", "the other is let in")

    assert enter(other, event_id, OLD).status_code == 200


def test_a_booking_from_the_old_device_is_refused_though_nobody_has_looked_since_the_draw(web, shop, engine):
    event_id, crowd = a_crowd(web, shop, engine)
    set_queue(engine, event_id, rate_per_minute=1)
    taken(web, offered(crowd[0], event_id))
    drawn(web, shop, engine, event_id)

    refused = crowd[0].book(event_id, {"quantity": 1}, Device=OLD)

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/other-device")


@pytest.mark.parametrize("moved", ["before", "after"])
def test_the_pages_of_a_moved_place_show_the_draw_on_the_new_device_and_tell_the_old_one(web, shop, engine, moved):
    event_id = a_draw(shop, engine, sections=A_HALL)
    old, new = Browser(web.address), Browser(web.address)
    joined_page(old, event_id)
    if moved == "before":
        takes(new, code_of(old, event_id))
    drawn(web, shop, engine, event_id)
    if moved == "after":
        old.go(f"/events/{event_id}/queue")
        takes(new, code_of(old, event_id))

    told_old = old.go(f"/events/{event_id}/queue") and old.words
    check = new.go(f"/events/{event_id}/draw")

    assert re.search(r"moved to another device at \d\d:\d\d:\d\d UTC", told_old)
    assert 'data-number="1"' in check
    assert 'data-drawn="1"' in check


# Before the draw there is nothing to book, not even with a code for early entry.


def test_what_to_do_before_the_draw_is_said_with_the_refusal(web, shop, engine):
    event_id, crowd = a_crowd(web, shop, engine, people=1)

    refused = crowd[0].book(event_id, {"quantity": 1})

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/not-drawn-yet")
    assert NotDrawnYet.__doc__ in refused.json()["title"]
