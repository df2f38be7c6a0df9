"""What may be kept for everybody is the same for everybody: every GET route, asked by a stranger, a buyer, an admin."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from http.cookies import SimpleCookie
from uuid import uuid4

import httpx
import pytest

from onsale.db import catalogue
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.staff import Role, Staff, put
from onsale.web import passwords, tokens
from tests.builders import an_event, open_queue, seat

MOMENTS_MAX = 5
PASSWORD = "correct horse battery staple"
# Every argument a route may take, with what is there; the rest of a path is read by the walk.
PUBLIC = {
    "/v1/events/<event_id>",
    "/v1/event=<name>",
    "/v1/tickets/<ticket_id>",
    "/v1/ticket=<ticket_id>",
    "/v1/events",
    "/v1/search",
    "/v1/suggestions",
    "/v1/events/<event_id>/seats",
    "/v1/events/<event_id>/seats/<version>",
    "/v1/events/<event_id>/seats/availability",
    "/v1/events/<event_id>/queue",
    "/v1/events/<event_id>/notices",
    "/v1/openapi.json",
    "/v1/docs/<name>",
    "/static/<path:filename>",
    "/.well-known/onsale-report-key",
    "/.well-known/onsale-verify-report.py",
}


@pytest.fixture
def event_id(engine, shop, web) -> EventId:
    event_id = an_event(engine)
    open_queue(shop, event_id)
    return event_id


@pytest.fixture
def stranger(web) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=web.address, timeout=20) as client:
        yield client


@pytest.fixture
def buyer(web, event_id) -> Iterator[httpx.Client]:
    """With a JWT for the API and a place in the queue."""
    guest = web.guest()
    place = guest.join(event_id)
    headers = {"Authorization": f"Bearer {guest.token}", "Queue-Token": place["queue_token"]}
    with httpx.Client(base_url=web.address, timeout=20, headers=headers) as client:
        account = {"email": f"{uuid4().hex}@example.org", "password": PASSWORD}
        form = client.get("/sign-up").text
        key = form.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
        client.post("/sign-up", data={**account, "csrf_token": key})
        assert "onsale_buyer" in " ".join(client.cookies) or len(client.cookies) > 1, dict(client.cookies)
        yield client


@pytest.fixture
def admin(web, engine) -> Iterator[httpx.Client]:
    """With a JWT and a session of the console."""
    email = f"{uuid4().hex}@example.org"
    with transaction(engine) as connection:
        organiser_id = catalogue.add_organiser(connection, "Test organiser")
        one = put(connection, Staff(uuid4(), organiser_id, email, Role.ADMIN, passwords.hashed(PASSWORD)))
    token = tokens.sign(web.office.config, one.id, audience=tokens.STAFF)
    with httpx.Client(base_url=web.address, timeout=20, headers={"Authorization": f"Bearer {token}"}) as client:
        form = client.get("/admin/sign-in").text
        key = form.split('name="csrf_token"', 1)[1].split('value="', 1)[1].split('"', 1)[0]
        client.post("/admin/sign-in", data={"email": email, "password": PASSWORD, "csrf_token": key})
        assert client.get("/admin").status_code == 200
        yield client


def paths(web, event_id: EventId) -> dict[str, str]:
    """Every GET route of the app, with an address of it."""
    values = {
        "event_id": str(event_id),
        "name": str(event_id),
        "ticket_id": str(seat(event_id, 1)),
        "booking_id": str(uuid4()),
        "letter_id": str(uuid4()),
        "report_id": str(uuid4()),
        "filename": "css/base.css",
        "version": web.http.get(f"/v1/events/{event_id}/seats").json()["version"],
    }
    found = {}
    for rule in web.app.url_map.iter_rules():
        if "GET" not in rule.methods:
            continue
        path = rule.rule
        for name in rule.arguments:
            value = "start.js" if path.startswith("/v1/docs/") else values[name]
            path = path.replace(f"<{name}>", value).replace(f"<int:{name}>", value)
            path = path.replace(f"<uuid:{name}>", value).replace(f"<path:{name}>", value)
        found[rule.rule] = path
    return found


def is_public(answer: httpx.Response) -> bool:
    return "public" in answer.headers["Cache-Control"]


def wrong_with(answers: list[httpx.Response]) -> list[str]:
    """What is wrong with what a stranger, a buyer and an admin were told at one address, if any of it is public."""
    if not any(is_public(answer) for answer in answers):
        return []
    rules = {
        "not public for all": not all(is_public(answer) for answer in answers),
        "no answer for all": {answer.status_code for answer in answers} != {200},
        "another answer for some": len({answer.content for answer in answers}) > 1,
        "a cookie for everybody": any(SimpleCookie(answer.headers.get("Set-Cookie", "")) for answer in answers),
        "another answer for each": any({"Cookie", "Authorization", "*"} & vary(answer) for answer in answers),
    }
    return [rule for rule, is_broken in rules.items() if is_broken]


def test_what_is_public_is_the_same_for_everybody_and_sets_no_cookie(web, event_id, stranger, buyer, admin):
    public, wrong = set(), {}
    for rule, path in paths(web, event_id).items():
        answers = at_one_moment(lambda path=path: [client.get(path) for client in (stranger, buyer, admin, stranger)])
        wrong |= {rule: found} if (found := wrong_with(answers)) else {}
        public |= {rule} if is_public(answers[0]) else set()

    assert wrong == {}
    # Named, so that one that becomes public is looked at by somebody.
    assert public == PUBLIC


def at_one_moment(ask: Callable[[], list[httpx.Response]]) -> list[httpx.Response]:
    """Answers between which nothing changed: a queue's status is another one a second later, for everybody."""
    for _ in range(MOMENTS_MAX):
        answers = ask()
        if answers[0].content == answers[-1].content:
            break
    return answers


SHARED = {"Cache-Control": "public, max-age=10"}


@pytest.mark.parametrize(
    ("planted", "broken"),
    [
        (httpx.Response(200, headers=SHARED, content=b"for you alone"), "another answer for some"),
        (httpx.Response(200, headers=SHARED | {"Set-Cookie": "onsale_form=1"}, content=b"a"), "a cookie for everybody"),
        (httpx.Response(200, headers=SHARED | {"Vary": "Authorization"}, content=b"a"), "another answer for each"),
        (httpx.Response(200, headers={"Cache-Control": "no-store"}, content=b"a"), "not public for all"),
        (httpx.Response(403, headers=SHARED, content=b"a"), "no answer for all"),
    ],
)
def test_a_planted_answer_that_is_not_for_everybody_is_seen(planted, broken):
    right = httpx.Response(200, headers=SHARED, content=b"a")
    assert wrong_with([right, right]) == []

    assert broken in wrong_with([right, planted])


def vary(answer: httpx.Response) -> set[str]:
    return {name.strip().title() for name in answer.headers.get("Vary", "").split(",")}


def test_everything_else_says_that_nobody_in_between_may_keep_it(web, event_id, stranger, buyer, admin):
    for rule, path in paths(web, event_id).items():
        for client in (stranger, buyer, admin):
            answer = client.get(path)
            told = answer.headers["Cache-Control"]
            assert is_public(answer) or {"no-store", "private"} & set(told.split(", ")), f"{rule}: {told}"
            # A cache that keeps a page for one browser must not tell it to another that signed in meanwhile.
            assert "private" not in told or "Cookie" in vary(answer), rule


def test_a_public_answer_is_known_again_by_its_etag(web, event_id, stranger, buyer):
    for rule, path in paths(web, event_id).items():
        if rule in PUBLIC:
            first, again, _ = at_one_moment(lambda path=path: known_again(path, stranger, buyer))

            assert (again.status_code, again.content) == (304, b""), rule
            assert again.headers["Cache-Control"] == first.headers["Cache-Control"], rule


def known_again(path: str, stranger: httpx.Client, buyer: httpx.Client) -> list[httpx.Response]:
    """An answer, the one to somebody who has it, and a third by which it shows whether anything changed meanwhile."""
    first = stranger.get(path)
    return [first, buyer.get(path, headers={"If-None-Match": first.headers["ETag"]}), stranger.get(path)]


def test_the_catalogue_may_be_told_old_while_a_cache_asks_anew(event_id, stranger):
    told = stranger.get(f"/v1/events/{event_id}").headers["Cache-Control"].split(", ")

    assert {"public", "s-maxage=10", "stale-while-revalidate=30", "stale-if-error=600"} <= set(told)
