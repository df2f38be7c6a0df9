"""What anybody may read over HTTP: events, tickets, seats, search; cacheable, and never a draft."""

from __future__ import annotations

import time
from urllib.parse import quote

import pytest

from onsale.config import Config
from onsale.db import catalogue, seats
from onsale.db.catalogue import EventStatus, NewSection
from onsale.db.engine import transaction
from onsale.db.ids import EventId, ticket_id
from onsale.db.wishes import Wish
from onsale.workers.lanes import work_lane
from tests.builders import a_booking, an_event, open_queue, run_sql, until
from tests.services.serving import serving

TWO_SECTIONS = (
    NewSection(1, "Parterre", 4500, rows=2, seats_per_row=5),
    NewSection(2, "Floor", 2500, standing=20),
)


@pytest.fixture
def event_id(engine) -> EventId:
    return an_event(engine, sections=TWO_SECTIONS)


def named(web, name: str) -> list[int]:
    found: list[int] = web.http.get(f"/v1/event={quote(name)}").json()["event_ids"]
    return found


def test_an_event_is_told_with_its_venue_and_sections(web, event_id):
    event = web.http.get(f"/v1/events/{event_id}").json()

    assert (event["id"], event["venue"]["city"], event["currency"]) == (event_id, "Vienna", "eur")
    assert [(section["name"], section["capacity"]) for section in event["sections"]] == [
        ("Parterre", 10),
        ("Floor", 20),
    ]


def test_events_are_found_by_name_and_by_id(web, event_id):
    name = web.http.get(f"/v1/events/{event_id}").json()["name"]

    assert named(web, name) == [event_id]
    assert named(web, name.upper()) == [event_id]
    assert named(web, str(event_id)) == [event_id]
    assert named(web, "no such show") == []


@pytest.mark.parametrize("name", ["%", "_", "'", "\\", "🎫", "x" * 200])
def test_any_name_may_be_asked_for(web, event_id, name):
    assert web.http.get(f"/v1/event={quote(name)}").status_code == 200


@pytest.mark.parametrize("name", ["%00", "x" * 201])
def test_a_name_nothing_can_have_is_not_found(web, event_id, name):
    assert web.http.get(f"/v1/event={name}").status_code == 404


def test_a_draft_is_not_there(web, engine, event_id):
    with transaction(engine) as connection:
        catalogue.set_status(connection, event_id, EventStatus.DRAFT)

    paths = ["", "/seats", "/seats/availability", "/queue"]
    assert {web.http.get(f"/v1/events/{event_id}{path}").status_code for path in paths} == {404}
    assert web.http.get(f"/v1/tickets/{ticket_id(event_id, 1)}").status_code == 404


def test_a_ticket_is_told_in_the_words_the_api_began_with(web, event_id):
    first, last = (web.http.get(f"/v1/ticket={ticket_id(event_id, ordinal)}").json() for ordinal in (1, 30))

    assert set(first) >= {"ticketId", "price", "artists", "dateTime", "seats"}
    price = {"amount_minor": 4500, "fees_minor": 0, "taxes_minor": 0, "total_minor": 4500, "currency": "eur"}
    assert (first["ticketId"], first["price"]) == (ticket_id(event_id, 1), price)
    assert first["seats"] == [{"section": "Parterre", "row": "A", "seat": "1"}]
    assert last["seats"] == [{"section": "Floor", "row": None, "seat": None}]


def test_both_addresses_of_a_ticket_tell_the_same(web, event_id):
    ticket = ticket_id(event_id, 3)

    assert web.http.get(f"/v1/ticket={ticket}").content == web.http.get(f"/v1/tickets/{ticket}").content


@pytest.mark.parametrize("ordinal", [31, 1 << 19])
def test_a_ticket_that_does_not_exist_is_not_found(web, event_id, ordinal):
    assert web.http.get(f"/v1/tickets/{ticket_id(event_id, ordinal)}").status_code == 404


def test_the_seat_map_names_every_seat_once(web, event_id):
    house = web.http.get(f"/v1/events/{event_id}/seats").json()

    seats = [run["first_ticket_id"] + n for run in house["sections"][0]["runs"] for n in range(run["count"])]
    assert seats == [ticket_id(event_id, ordinal) for ordinal in range(1, 11)]
    assert house["sections"][1]["runs"] == []


def test_the_seat_map_lies_for_ever_under_its_version(web, event_id):
    house = web.http.get(f"/v1/events/{event_id}/seats").json()

    answer = web.http.get(house["map_url"])

    assert house["map_url"] == f"/v1/events/{event_id}/seats/{house['version']}"
    assert answer.headers["Cache-Control"] == "public, max-age=31536000, immutable"
    assert answer.json() == {name: house[name] for name in ("event_id", "version", "currency", "sections")}


def test_a_version_that_is_not_the_houses_is_not_found_and_not_kept(web, engine, event_id):
    house = web.http.get(f"/v1/events/{event_id}/seats").json()
    unknown = web.http.get(f"/v1/events/{event_id}/seats/{'0' * 24}")
    run_sql(engine, "UPDATE sections SET price_minor = 1 WHERE event_id = :id", id=event_id)

    # The copy of this process is older than the change; whoever knows of it is believed.
    dearer = until(
        lambda: (new := map_version(engine, event_id)) != house["version"] and new, "the record has another version"
    )
    now = until(lambda: (got := web.http.get(f"/v1/events/{event_id}/seats/{dearer}")).is_success and got, "it is read")

    assert now.json()["sections"][0]["price_minor"] == 1
    old = web.http.get(house["map_url"])
    assert [(each.status_code, each.headers["Cache-Control"]) for each in (unknown, old)] == [(404, "no-store")] * 2


def map_version(engine, event_id):
    with transaction(engine) as connection:
        return seats.seat_map(connection, event_id).version


def test_the_seat_map_says_where_to_wait_for_a_change(settings, redis_client, event_id, web):
    with serving(Config.from_env(settings | {"ONSALE_SEATS_URL": "http://127.0.0.1:8002/"})) as told:
        house = told.http.get(f"/v1/events/{event_id}/seats").json()
        choosing, home = (told.http.get(path).headers for path in (f"/events/{event_id}/choose", "/"))
        plain = web.http.get(f"/events/{event_id}/choose").headers

    assert house["live_url"] == f"http://127.0.0.1:8002/v1/events/{event_id}/seats/availability"
    assert web.http.get(f"/v1/events/{event_id}/seats").json()["live_url"] is None
    assert "connect-src 'self' http://127.0.0.1:8002;" in choosing["Content-Security-Policy"]
    assert all("connect-src 'self';" in each["Content-Security-Policy"] for each in (home, plain))


def test_who_would_wait_is_answered_at_once_and_told_when_to_come_back(web, event_id):
    url = f"/v1/events/{event_id}/seats/availability"
    version = web.http.get(url).json()["version"]
    began = time.monotonic()

    answer = web.http.get(url, params={"since": version, "wait": 25})

    assert time.monotonic() - began < 5
    assert (answer.json()["sections"], answer.headers["Retry-After"]) == ([], "2")


@pytest.mark.parametrize("path", ["", "/seats", "/seats/availability"])
def test_what_does_not_change_is_not_sent_twice(web, event_id, path):
    url = f"/v1/events/{event_id}{path}"
    first = web.http.get(url)

    again = web.http.get(url, headers={"If-None-Match": first.headers["ETag"]})

    assert (again.status_code, again.content) == (304, b"")
    assert first.headers["Cache-Control"].startswith("public")


def test_held_seats_are_seen_within_a_moment_and_only_what_changed_is_sent(web, engine, shop, event_id):
    open_queue(shop, event_id)
    url = f"/v1/events/{event_id}/seats/availability"
    before = web.http.get(url).json()
    a_booking(engine, event_id, Wish(tickets=(ticket_id(event_id, 2),)), number=1)

    work_lane(shop, event_id, last_look=True)

    def changed():
        answer = web.http.get(url, params={"since": before["version"]}).json()
        return answer if answer["version"] != before["version"] else None

    after = until(changed, "the change is seen", seconds=5)
    assert [section["id"] for section in before["sections"]] == [1, 2]
    assert [(section["id"], section["changes"]) for section in after["sections"]] == [(1, [[1, "h"]])]
    assert (after["since"], after["free"], after["held"]) == (before["version"], 29, 1)


def test_who_has_the_newest_availability_is_sent_no_section(web, event_id):
    url = f"/v1/events/{event_id}/seats/availability"
    version = web.http.get(url).json()["version"]

    answer = web.http.get(url, params={"since": version}).json()

    assert (answer["since"], answer["sections"]) == (version, [])


def test_an_unknown_version_is_answered_with_everything(web, event_id):
    answer = web.http.get(f"/v1/events/{event_id}/seats/availability", params={"since": "long.ago"}).json()

    assert (answer["since"], len(answer["sections"])) == (None, 2)


def test_one_section_may_be_asked_for(web, event_id):
    answer = web.http.get(f"/v1/events/{event_id}/seats/availability", params={"section": 2}).json()

    assert [section["id"] for section in answer["sections"]] == [2]


def test_a_search_finds_by_artist_place_and_day(web, event_id):
    event = web.http.get(f"/v1/events/{event_id}").json()
    asked = {"artist": "testers", "location": "vienna", "dateTime": event["starts_at"][:10]}

    page = web.http.get("/v1/search", params=asked).json()

    assert [hit["event_id"] for hit in page["events"]] == [event_id]
    assert page["next_cursor"] is None


def test_a_search_finds_what_is_near_and_puts_the_nearest_first(web, event_id):
    def found(**asked: object) -> list[int]:
        events = web.http.get("/v1/search", params=asked).json()["events"]
        return [event["event_id"] for event in events]

    vienna = {"latitude": 48.2, "longitude": 16.37}
    assert found(**vienna) == found(**vienna, radius_km=10, sort="distance") == [event_id]
    assert found(latitude=-33.9, longitude=151.2) == []


def test_a_search_is_paged_and_every_event_comes_once(web, engine):
    made = {an_event(engine) for _ in range(5)}
    found: list[int] = []
    asked = {"q": "show", "limit": "2"}

    while True:
        page = web.http.get("/v1/search", params=asked).json()
        found += [hit["event_id"] for hit in page["events"]]
        if page["next_cursor"] is None:
            break
        asked["cursor"] = page["next_cursor"]

    assert (len(found), set(found), page["total"]) == (5, made, 5)


def test_all_events_are_listed_page_by_page_as_a_search_without_words_tells_them(web, engine):
    made = {an_event(engine) for _ in range(5)}

    first = web.http.get("/v1/events?limit=3")
    second = web.http.get("/v1/events", params={"cursor": first.json()["next_cursor"]}).json()

    assert first.headers["Cache-Control"] == web.http.get("/v1/search").headers["Cache-Control"]
    listed = [*first.json()["events"], *second["events"]]
    assert (len(listed), {hit["event_id"] for hit in listed}) == (5, made)
    assert (first.json()["total"], second["next_cursor"]) == (5, None)
    assert listed == web.http.get("/v1/search?sort=date").json()["events"]
    known = {"If-None-Match": first.headers["ETag"]}
    assert web.http.get("/v1/events?limit=3", headers=known).status_code == 304


def test_a_list_of_events_is_not_a_search(standing_web):
    answer = standing_web.http.get("/v1/events?q=opera")

    assert (answer.status_code, answer.json()["field"]) == (422, "q")


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"dateTime": "someday"}, "dateTime"),
        ({"dateTime": "2026-13"}, "dateTime"),
        ({"limit": "0"}, "limit"),
        ({"limit": "101"}, "limit"),
        ({"limit": "many"}, "limit"),
        *[({"limit": written}, "limit") for written in ("01", "+1", "1_0", "1.0", " 1", "\u0661")],
        ({"dateTime": "20261209"}, "dateTime"),
        ({"q": "x" * 201}, "q"),
        ({"q": "a\x00b"}, "q"),
        ({"cursor": "made up"}, "cursor"),
        ({"latitude": "48"}, "longitude"),
        ({"latitude": "91", "longitude": "0"}, "latitude"),
        ({"latitude": "nan", "longitude": "0"}, "latitude"),
        ({"sort": "distance"}, "sort"),
        ({"colour": "red"}, "colour"),
        ({"month": "2026-13"}, "month"),
        ({"price_min_minor": "-1"}, "price_min_minor"),
        ({"price_min_minor": "2", "price_max_minor": "1"}, "price_max_minor"),
        ({"city": [str(n) for n in range(21)]}, "city"),
        ({"available": "perhaps"}, "available"),
    ],
)
def test_a_search_that_makes_no_sense_is_refused_and_the_field_named(standing_web, asked, field):
    answer = standing_web.http.get("/v1/search", params=asked)

    assert (answer.status_code, answer.json()["field"]) == (422, field)


def test_a_parameter_given_twice_is_refused_unless_it_is_a_list(web, engine):
    assert web.http.get("/v1/search?q=a&q=b").status_code == 422
    assert web.http.get("/v1/search?city=Paris&city=Vienna").status_code == 200


def test_a_search_tells_what_else_could_be_asked_and_which_letters_were(web, event_id):
    asked = {"q": "vien", "city": "Vienna", "price_max_minor": 10**6, "available": "true", "facets": "true"}

    page = web.http.get("/v1/search", params={**asked, "highlight": "true"}).json()

    (hit,) = page["events"]
    assert (page["total"], page["total_is_exact"]) == (1, True)
    assert page["facets"]["cities"] == [{"value": "Vienna", "count": 1}]
    assert hit["highlights"]["city"] == [{"text": "Vien", "marked": True}, {"text": "na", "marked": False}]
    plain = web.http.get("/v1/search").json()
    assert (plain["facets"], plain["events"][0]["highlights"]) == (None, None)


def test_what_is_typed_is_suggested_with_its_letters_marked(web, event_id):
    answer = web.http.get("/v1/suggestions", params={"q": "vie"})

    assert answer.json() == {
        "suggestions": [
            {
                "kind": "city",
                "text": "Vienna",
                "event_id": None,
                "parts": [{"text": "Vie", "marked": True}, {"text": "nna", "marked": False}],
            }
        ]
    }
    assert answer.headers["Cache-Control"].startswith("public")
    assert web.http.get("/v1/suggestions").json() == {"suggestions": []}
