"""A place moves to another device by a code that is good once; every device shows the place, one takes its turn."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from uuid import uuid4

import pytest

from onsale.db.ids import EventId
from onsale.errors import OtherDevice
from onsale.queue.keys import NO_DEVICE, EventKeys, device_digest
from onsale.queue.moves import LIFE_SECONDS
from onsale.web import limits
from tests.builders import an_event, open_queue, until
from tests.services.serving import Person

OLD, NEW, THIRD = "old-device-0123456789", "new-device-0123456789", "third-device-0123456789"


@pytest.fixture
def event_id(engine, shop) -> EventId:
    """An event that lets everybody in."""
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


def offered(person: Person, event_id: EventId, device: str = OLD) -> str:
    answer = person.post(f"/v1/events/{event_id}/queue/me/moves", Device=device)
    assert answer.status_code == 201, answer.text
    return str(answer.json()["code"])


def take(web, code: str, device: str = NEW):
    return web.http.post("/v1/moves", json={"code": code}, headers={"Device": device})


def taken(web, code: str, device: str = NEW) -> Person:
    document = take(web, code, device).raise_for_status().json()
    return Person(web.http, document["token"], document["buyer_id"])


def admitted(web, person: Person, event_id: EventId) -> None:
    def is_admitted() -> bool:
        web.office.store.advance(event_id)
        return person.get(f"/v1/events/{event_id}/queue/me").json()["standing"] == "admitted"

    until(is_admitted, "the person is admitted")


def enter(person: Person, event_id: EventId, device: str):
    return person.post(f"/v1/events/{event_id}/queue/me/enter", Device=device)


def back(person: Person, event_id: EventId, device: str, **body: str):
    return person.post(f"/v1/events/{event_id}/queue/me/device", body, Device=device)


def test_a_guests_place_moves_with_the_code_and_keeps_its_number(web, event_id):
    web.guest().join(event_id)
    guest = web.guest()
    number = guest.join(event_id)["number"]

    moved = take(web, offered(guest, event_id)).json()

    assert (moved["event_id"], moved["number"], moved["buyer_id"]) == (event_id, number, guest.id)
    there = Person(web.http, moved["token"], moved["buyer_id"])
    proven = there.post(f"/v1/events/{event_id}/queue", queue_token=moved["queue_token"]).json()
    assert proven["number"] == number


def test_a_code_is_good_once_however_many_take_it_at_once(web, event_id):
    guest = web.guest()
    guest.join(event_id)
    code = offered(guest, event_id)

    with ThreadPoolExecutor(16) as pool:
        answers = [answer.status_code for answer in pool.map(lambda _: take(web, code), range(16))]

    assert sorted(answers) == [201] + [410] * 15


def test_a_code_may_be_typed_with_small_letters_and_without_the_dash(web, event_id):
    guest = web.guest()
    guest.join(event_id)

    assert take(web, offered(guest, event_id).lower().replace("-", " ")).status_code == 201


@pytest.mark.parametrize("code", ["AAAAA-AAAAA", "short", "*" * 10, "é" * 10, "0" * 40])
def test_a_code_that_nobody_was_shown_takes_nothing(web, event_id, code):
    answer = take(web, code)

    assert (answer.status_code, answer.json()["type"]) == (410, "/problems/move-code-gone")


def test_a_code_ends_after_some_minutes_and_is_nowhere_in_redis(web, event_id, redis_client):
    guest = web.guest()
    guest.join(event_id)

    code = offered(guest, event_id).replace("-", "")

    (key,) = redis_client.scan_iter("move:*")
    assert 0 < redis_client.ttl(key) <= LIFE_SECONDS
    assert code.encode() not in key + redis_client.get(key)


def test_codes_may_be_tried_so_often_from_one_address(web, event_id):
    # In the sandbox a whole crowd comes from one address.
    web.app.extensions[limits.EXTENSION].sandbox = False

    answers = [take(web, "AAAAA-AAAAA").status_code for _ in range(31)]

    assert answers == [410] * 30 + [429]


def test_who_has_no_place_has_nothing_to_move(web, event_id):
    answer = web.guest().post(f"/v1/events/{event_id}/queue/me/moves")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-in-queue")


def test_after_a_move_the_turn_is_the_new_devices_and_the_old_one_takes_it_back(web, event_id):
    old = web.guest()
    old.join(event_id)
    admitted(web, old, event_id)
    new = taken(web, offered(old, event_id))

    refused = enter(old, event_id, OLD)
    there = enter(new, event_id, NEW)
    back = old.post(f"/v1/events/{event_id}/queue/me/device", Device=OLD)
    answers = [enter(old, event_id, OLD), enter(new, event_id, NEW)]

    assert (refused.status_code, refused.json()["type"]) == (409, "/problems/other-device")
    assert (there.status_code, back.status_code) == (200, 204)
    assert [answer.status_code for answer in answers] == [200, 409]


def test_a_device_that_never_had_the_place_does_not_take_it_back(web, event_id):
    old = web.guest()
    old.join(event_id)
    taken(web, offered(old, event_id))

    answer = old.post(f"/v1/events/{event_id}/queue/me/device", Device=THIRD)

    assert answer.status_code == 409


def test_an_account_goes_on_wherever_it_signs_in(web, event_id):
    credentials = {"email": f"{uuid4().hex}@example.org", "password": "a long enough password"}
    made = web.http.post("/v1/accounts", json=credentials).raise_for_status().json()
    lost = Person(web.http, made["token"], made["buyer_id"])
    number = lost.join(event_id)["number"]
    admitted(web, lost, event_id)
    enter(lost, event_id, OLD).raise_for_status()

    found = Person(web.http, web.http.post("/v1/sessions", json=credentials).json()["token"], made["buyer_id"])
    refused = [enter(found, event_id, NEW), back(found, event_id, NEW), back(found, event_id, NEW, password="a guess")]
    back(found, event_id, NEW, password=credentials["password"]).raise_for_status()

    assert [answer.status_code for answer in refused] == [409, 409, 401]
    assert enter(found, event_id, NEW).json()["number"] == number


def test_both_devices_show_the_same_place(web, event_id):
    old = web.guest()
    old.join(event_id)
    new = taken(web, offered(old, event_id))

    places = [person.get(f"/v1/events/{event_id}/queue/me").json() for person in (old, new)]

    assert places[0] == places[1]


def test_an_admission_from_before_the_move_is_worth_nothing_on_the_new_device(web, event_id):
    old = web.guest()
    old.join(event_id)
    admitted(web, old, event_id)
    token = enter(old, event_id, OLD).json()["admission_token"]
    new = taken(web, offered(old, event_id))
    wish = {"quantity": 1}

    stolen = new.book(event_id, wish, key=str(uuid4()), Admission_Token=token, Device=NEW)
    own = new.book(event_id, wish, Admission_Token=enter(new, event_id, NEW).json()["admission_token"], Device=NEW)

    assert (stolen.status_code, own.status_code) == (403, 202)


def test_an_admission_from_before_the_move_is_worth_nothing_on_the_old_device_either(web, event_id):
    old = web.guest()
    old.join(event_id)
    admitted(web, old, event_id)
    token = enter(old, event_id, OLD).json()["admission_token"]
    new = taken(web, offered(old, event_id))
    wish = {"quantity": 1}

    stale = old.book(event_id, wish, key=str(uuid4()), Admission_Token=token, Device=OLD)
    own = new.book(event_id, wish, Admission_Token=enter(new, event_id, NEW).json()["admission_token"], Device=NEW)

    assert (stale.status_code, stale.json()["type"], own.status_code) == (409, "/problems/other-device", 202)
    assert "moved to another device" in stale.json()["detail"]


def test_an_admission_that_names_no_device_ends_when_the_place_moves(web, event_id):
    old = web.guest()
    old.join(event_id)
    admitted(web, old, event_id)
    token = old.post(f"/v1/events/{event_id}/queue/me/enter").raise_for_status().json()["admission_token"]
    code = old.post(f"/v1/events/{event_id}/queue/me/moves").raise_for_status().json()["code"]
    taken(web, code)

    stale = old.book(event_id, {"quantity": 1}, Admission_Token=token)

    assert (stale.status_code, stale.json()["type"]) == (409, "/problems/other-device")


def test_a_copied_session_moves_nothing_from_a_device_that_the_place_is_not_on(web, event_id):
    old = web.guest()
    old.join(event_id)
    offered(old, event_id, OLD)

    answers = [old.post(f"/v1/events/{event_id}/queue/me/moves", Device=THIRD), back(old, event_id, THIRD)]
    nameless = old.post(f"/v1/events/{event_id}/queue/me/moves")

    assert [answer.status_code for answer in (*answers, nameless)] == [409, 409, 409]
    assert {answer.json()["type"] for answer in answers} == {"/problems/other-device"}


def test_a_code_ends_when_the_device_that_showed_it_loses_the_place(web, event_id):
    old = web.guest()
    old.join(event_id)
    first, second = offered(old, event_id), offered(old, event_id)
    taken(web, first)

    late = take(web, second, THIRD)

    assert (late.status_code, late.json()["type"]) == (410, "/problems/move-code-gone")


def test_whoever_took_a_place_wrongly_and_moved_it_on_keeps_it_from_nobody(web, event_id):
    old = web.guest()
    old.join(event_id)
    admitted(web, old, event_id)
    thief = taken(web, offered(old, event_id))
    taken(web, offered(thief, event_id, NEW), THIRD)

    mended = back(old, event_id, OLD)
    again = [back(thief, event_id, device).status_code for device in (NEW, THIRD)]

    assert mended.status_code == 204
    assert again == [409, 409]
    assert [enter(old, event_id, device).status_code for device in (OLD, NEW, THIRD)] == [200, 409, 409]


def test_a_place_is_taken_back_for_a_day(web, event_id, redis_client):
    number, day_ms, now_ms = 1, 24 * 3_600_000, 1_800_000_000_000
    old, new, third = (device_digest(name) for name in (OLD, NEW, THIRD))
    web.guest().join(event_id)
    bind = web.office.places._bind  # the script with a clock of ours

    bind(event_id, [number, new, old, "move", now_ms])
    with pytest.raises(OtherDevice):
        bind(event_id, [number, old, NO_DEVICE, "back", now_ms + day_ms])
    bind(event_id, [number, third, new, "move", now_ms + day_ms - 1])

    bind(event_id, [number, old, NO_DEVICE, "back", now_ms + day_ms - 1])
    assert web.office.store.place_at(event_id, str(number)).turn.device == old


def test_a_place_that_is_moved_on_and_on_stays_its_first_devices_and_takes_no_more_room(web, event_id, redis_client):
    web.guest().join(event_id)
    places, devices = web.office.places, [device_digest(f"device-number-{n}-0123456789") for n in range(30)]

    for before, device in pairwise(devices):
        places.bind(event_id, 1, device=device, before=before)
    kept = redis_client.hget(EventKeys(event_id).devices, "1")
    places.take_back(event_id, 1, device=devices[0])

    assert len(kept) == 22 + 8 * 14
    assert web.office.store.place_at(event_id, "1").turn.device == devices[0]
