"""The waiting room over HTTP: one number each, a status that costs nothing, a place that is kept."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.web.api.queue import StatusDocument
from tests.builders import an_event, open_queue, set_queue, until
from tests.services.serving import Person

ONE_AT_A_TIME = QueueChange(rate_per_minute=6_000, max_active=1)


@pytest.fixture
def event_id(engine, shop) -> EventId:
    """An event that lets everybody in."""
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def slow_event_id(engine, shop) -> EventId:
    """An event that lets one person in and then nobody."""
    event_id = an_event(engine, queue=ONE_AT_A_TIME)
    open_queue(shop, event_id)
    return event_id


def standing(person: Person, event_id: EventId) -> str:
    return str(person.get(f"/v1/events/{event_id}/queue/me").json()["standing"])


def let_in(web, person: Person, event_id: EventId) -> None:
    def admitted() -> bool:
        web.office.store.advance(event_id)
        return standing(person, event_id) == "admitted"

    until(admitted, "the person is admitted")


def redis_calls(redis_client) -> int:
    """Commands served so far, but for those that belong to counting and to keeping connections."""
    stats = redis_client.info("commandstats")
    # A script's own calls are counted too; whoever polls must cause neither.
    return sum(one["calls"] for name, one in stats.items() if name not in ("cmdstat_info", "cmdstat_ping"))


def test_joining_again_gives_the_same_number(web, event_id):
    first, second = web.guests(2)

    numbers = [first.join(event_id)["number"], second.join(event_id)["number"], first.join(event_id)["number"]]

    assert numbers == [1, 2, 1]


def test_a_first_join_is_created_and_a_repeat_is_not(web, event_id):
    person = web.guest()

    answers = [person.post(f"/v1/events/{event_id}/queue") for _ in range(2)]

    assert [(answer.status_code, answer.json()["created"]) for answer in answers] == [(201, True), (200, False)]


def test_parallel_joins_of_one_buyer_give_one_number(web, event_id):
    person = web.guest()

    with ThreadPoolExecutor(16) as pool:
        numbers = list(pool.map(lambda _: person.join(event_id)["number"], range(32)))

    assert set(numbers) == {1}


def test_a_queue_token_proves_a_number_that_the_queue_has_lost(web, event_id, redis_client):
    person, second = web.guests(2)
    token = person.join(event_id)["queue_token"]
    second.join(event_id)
    for bucket in redis_client.scan_iter(f"q:{{{event_id}}}:buyers:*"):
        redis_client.delete(bucket)

    place = person.ask("GET", f"/v1/events/{event_id}/queue/me", headers={"Queue-Token": token}).json()

    assert place["number"] == 1


def test_somebody_elses_queue_token_proves_nothing(web, event_id):
    owner, thief = web.guests(2)
    token = owner.join(event_id)["queue_token"]

    answer = thief.post(f"/v1/events/{event_id}/queue", queue_token=token)

    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/bad-queue-token")


def test_an_edited_queue_token_proves_nothing(web, event_id):
    person = web.guest()
    token = person.join(event_id)["queue_token"]

    answer = person.post(f"/v1/events/{event_id}/queue", queue_token=token[:-4] + "AAAA")

    assert answer.status_code == 403


def test_joining_before_the_opening_says_when_to_come_back(web, engine, shop):
    opens_at = datetime.now(UTC) + timedelta(minutes=5)
    event_id = an_event(engine, queue=QueueChange(phase=Phase.SCHEDULED, opens_at=opens_at))
    open_queue(shop, event_id)

    answer = web.guest().post(f"/v1/events/{event_id}/queue")

    assert answer.status_code == 425
    assert 200 < int(answer.headers["Retry-After"]) <= 301


def test_joining_an_event_that_is_not_there_is_not_found(web, event_id):
    assert web.guest().post(f"/v1/events/{event_id + 1}/queue").status_code == 404


def test_a_queue_nobody_has_opened_yet_says_to_come_back(web, engine):
    event_id = an_event(engine)

    answer = web.guest().post(f"/v1/events/{event_id}/queue")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")


def test_the_status_is_what_the_contract_promises(web, event_id):
    web.guest().join(event_id)

    answer = web.http.get(f"/v1/events/{event_id}/queue")

    StatusDocument.model_validate_json(answer.content)
    assert answer.headers["Cache-Control"] == "public, max-age=1, stale-if-error=30"


def test_a_status_poll_makes_no_call_to_redis(web, event_id, redis_client):
    url = f"/v1/events/{event_id}/queue"
    web.http.get(url).raise_for_status()

    before = redis_calls(redis_client)
    for _ in range(200):
        web.http.get(url).raise_for_status()
    polling = redis_calls(redis_client) - before

    # What is left is the one refresh per second, whoever polls: a dozen commands with those its scripts make.
    assert polling < 100


def test_somebody_who_has_the_status_is_told_that_nothing_changed(web, event_id):
    url = f"/v1/events/{event_id}/queue"
    etag = web.http.get(url).headers["ETag"]

    answer = web.http.get(url, headers={"If-None-Match": f'"other", W/{etag}'})

    assert (answer.status_code, answer.content, answer.headers["ETag"]) == (304, b"", etag)


def test_the_status_outlives_redis_for_a_while(web, event_id):
    url = f"/v1/events/{event_id}/queue"
    before = web.http.get(url).json()
    web.office.queue_client.connection_pool.connection_kwargs["port"] = 9
    web.office.queue_client.connection_pool.disconnect()

    answers = [web.http.get(url) for _ in range(20)]

    assert {answer.status_code for answer in answers} == {200}
    assert answers[-1].json()["serving"] == before["serving"]


def test_a_place_tells_the_people_ahead_and_a_wait(web, slow_event_id):
    people = web.guests(4)
    for person in people:
        person.join(slow_event_id)
    let_in(web, people[0], slow_event_id)
    web.office.statuses.forget(slow_event_id)

    place = people[3].get(f"/v1/events/{slow_event_id}/queue/me").json()

    assert (place["number"], place["standing"], place["ahead"]) == (4, "ahead", 2)
    assert 0 <= place["wait_low_seconds"] < place["wait_high_seconds"]


def test_the_people_ahead_never_rise_for_somebody_who_says_what_they_saw(web, slow_event_id):
    person = web.guests(1)[0]
    for other in web.guests(5):
        other.join(slow_event_id)
    person.join(slow_event_id)

    place = person.get(f"/v1/events/{slow_event_id}/queue/me", params={"seen": 4}).json()

    assert place["ahead"] == 1


def test_coming_in_before_ones_turn_is_refused(web, slow_event_id):
    first, second = web.guests(2)
    first.join(slow_event_id)
    second.join(slow_event_id)
    let_in(web, first, slow_event_id)

    answer = second.post(f"/v1/events/{slow_event_id}/queue/me/enter")

    assert (answer.status_code, answer.json()["type"]) == (409, "/problems/not-your-turn")


def test_entering_twice_gives_the_same_admission(web, event_id):
    person = web.guest()
    person.join(event_id)
    let_in(web, person, event_id)

    first, second = (person.post(f"/v1/events/{event_id}/queue/me/enter").json() for _ in range(2))

    assert first == second
    assert standing(person, event_id) == "entered"


def test_who_leaves_has_no_turn_any_more(web, event_id):
    person = web.guest()
    person.join(event_id)
    let_in(web, person, event_id)

    answers = [person.ask("DELETE", f"/v1/events/{event_id}/queue/me").status_code for _ in range(2)]

    assert answers == [204, 204]
    assert standing(person, event_id) == "done"


def test_a_heartbeat_answers_with_the_place(web, slow_event_id):
    person = web.guest()
    person.join(slow_event_id)

    answer = person.post(f"/v1/events/{slow_event_id}/queue/me/heartbeat")

    assert (answer.status_code, answer.json()["number"]) == (200, 1)


def test_somebody_who_is_not_away_cannot_come_back(web, slow_event_id):
    first, second = web.guests(2)
    first.join(slow_event_id)
    second.join(slow_event_id)

    answer = second.post(f"/v1/events/{slow_event_id}/queue/me/return")

    assert answer.status_code == 409


@pytest.mark.parametrize("method", ["GET", "DELETE"])
def test_who_has_not_joined_has_no_place(web, event_id, method):
    answer = web.guest().ask(method, f"/v1/events/{event_id}/queue/me")

    assert (answer.status_code, answer.json()["type"]) == (404, "/problems/not-in-queue")


@pytest.mark.parametrize("path", ["heartbeat", "enter", "return"])
def test_who_has_not_joined_can_do_nothing_with_a_place(web, event_id, path):
    assert web.guest().post(f"/v1/events/{event_id}/queue/me/{path}").status_code == 404


def test_the_address_limit_of_an_event_is_kept(web, engine, shop):
    event_id = an_event(engine)
    set_queue(engine, event_id, address_limit=2)
    open_queue(shop, event_id)

    answers = [person.post(f"/v1/events/{event_id}/queue").status_code for person in web.guests(3)]

    assert answers == [201, 201, 429]


# The short way and the app behind it.


def told(response) -> tuple[int, dict[str, str], bytes]:
    """Everything of an answer but what differs from one to the next."""
    passing = {"date", "server", "connection", "x-request-id"}
    headers = {name: value for name, value in response.headers.items() if name not in passing}
    return response.status_code, headers, response.content


def both_ways(web, method: str, path: str, headers: dict[str, str]) -> tuple[object, object]:
    """The answer of the short way and of the app: the query string is what the short way leaves to it."""
    short = web.http.request(method, path, headers=headers)
    with web.app.test_client() as client:
        long = client.open(path, method=method, headers=headers)
    long_headers = {
        name.lower(): value for name, value in long.headers.items() if name.lower() not in ("date", "x-request-id")
    }
    body = without_request_id(long.data)
    return (short.status_code, told(short)[1], without_request_id(short.content)), (
        long.status_code,
        long_headers,
        body,
    )


def without_request_id(body: bytes) -> bytes:
    return body.split(b',"request_id"')[0]


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/events/{event_id}/queue"),
        ("GET", "/v1/events/{event_id}/seats/availability"),
        ("GET", "/v1/events/{event_id}/seats/availability?since=long.1"),
        ("GET", "/v1/events/{event_id}/seats/availability?section=1"),
        ("GET", "/v1/events/{event_id}/seats/availability?section=1&since=0.0&wait=25"),
        ("GET", "/v1/events/{event_id}/seats/availability?section=9&wait=0"),
        ("GET", "/v1/events/{event_id}/seats/availability?wait=26"),
        ("GET", "/v1/events/{event_id}/seats/availability?section=1&section=1"),
        ("GET", "/v1/events/{event_id}/seats/availability?section=9999999999"),
        ("GET", "/v1/events/4000000000/seats/availability?section=1"),
        ("POST", "/v1/events/{event_id}/queue"),
        ("GET", "/v1/events/4000000000/queue"),
        ("POST", "/v1/events/4000000000/queue"),
        ("GET", "/v1/events/9999999999/queue"),
        ("GET", "/v1/events/0/queue"),
    ],
)
def test_the_short_way_answers_as_the_app_does(web, event_id, method, path):
    person = web.guest()
    person.join(event_id)
    headers = {"Authorization": f"Bearer {person.token}"}

    short, long = both_ways(web, method, path.format(event_id=event_id), headers)

    assert short == long


@pytest.mark.parametrize("token", ["", "nonsense", "Basic abc", "Bearer", "Bearer a.b.c"])
def test_the_short_way_refuses_a_stranger_as_the_app_does(web, event_id, token):
    short, long = both_ways(web, "POST", f"/v1/events/{event_id}/queue", {"Authorization": token})

    assert short == long
    assert short[0] == 401


@pytest.mark.parametrize("token", ["x" * 300, "q1.k1.AAAA.BBBB", "in two words"])
def test_the_short_way_refuses_a_wrong_queue_token_as_the_app_does(web, event_id, token):
    headers = {"Authorization": f"Bearer {web.guest().token}", "Queue-Token": token}

    short, long = both_ways(web, "POST", f"/v1/events/{event_id}/queue", headers)

    assert short == long
    assert short[0] in (403, 422)


def test_the_short_way_knows_who_has_the_status_as_the_app_does(web, event_id):
    path = f"/v1/events/{event_id}/queue"
    etag = web.http.get(path).headers["ETag"]

    short, long = both_ways(web, "GET", path, {"If-None-Match": etag})

    assert short == long
    assert short[0] == 304
