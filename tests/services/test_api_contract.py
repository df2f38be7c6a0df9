"""What every answer keeps to: the routes are the document's, problems are problem+json, headers keep a browser safe."""

from __future__ import annotations

import inspect
import json
import re

import pytest
import structlog

from onsale import errors
from onsale.config import Config
from onsale.errors import ConfigError, OnsaleError
from onsale.web import api, problems
from tests.builders import an_event
from tests.services.serving import serving

# Flask answers HEAD and OPTIONS itself; the description does not describe itself.
OWN_METHODS = {"HEAD", "OPTIONS"}
DESCRIPTION = "docs."


def promised(document) -> set[tuple[str, str]]:
    return {(method.upper(), path) for path, methods in document["paths"].items() for method in methods}


def routed(app) -> set[tuple[str, str]]:
    return {
        (method, re.sub(r"<(?:[^:>]+:)?([^>]+)>", r"{\1}", rule.rule))
        for rule in app.url_map.iter_rules()
        for method in rule.methods - OWN_METHODS
        if rule.rule.startswith("/v1/") and not rule.endpoint.startswith(DESCRIPTION)
    }


def test_every_route_is_in_the_document_and_every_path_of_it_is_routed(web):
    document = web.http.get("/v1/openapi.json").json()

    assert promised(document) == routed(web.app)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/v1/guests"),
        ("POST", "/v1/accounts"),
        ("POST", "/v1/sessions"),
        ("GET", "/v1/events"),
        ("GET", "/v1/events/{event_id}"),
        ("GET", "/v1/event={name}"),
        ("GET", "/v1/tickets/{ticket_id}"),
        ("GET", "/v1/ticket={ticket_id}"),
        ("GET", "/v1/search"),
        ("GET", "/v1/events/{event_id}/seats"),
        ("POST", "/v1/events/{event_id}/queue"),
        ("GET", "/v1/events/{event_id}/queue"),
        ("GET", "/v1/events/{event_id}/queue/me"),
        ("DELETE", "/v1/events/{event_id}/queue/me"),
        ("POST", "/v1/events/{event_id}/queue/me/heartbeat"),
        ("POST", "/v1/events/{event_id}/queue/me/enter"),
        ("POST", "/v1/events/{event_id}/bookings"),
        ("POST", "/v1/book-{ticket_id}"),
        ("GET", "/v1/bookings"),
        ("GET", "/v1/bookings/{booking_id}"),
        ("DELETE", "/v1/bookings/{booking_id}"),
        ("POST", "/v1/bookings/{booking_id}/payment"),
        ("POST", "/v1/webhooks/stripe"),
        ("PATCH", "/v1/admin/events/{event_id}/queue"),
    ],
)
def test_the_api_that_was_designed_is_there(method, path):
    assert (method, path) in {(each.method, each.path) for each in api.operations()}


def test_every_operation_says_what_it_does_and_has_a_name_of_its_own(web):
    operations = [one for path in web.http.get("/v1/openapi.json").json()["paths"].values() for one in path.values()]

    assert all(one["summary"] for one in operations)
    assert len({one["operationId"] for one in operations}) == len(operations)


def test_every_reference_of_the_document_leads_somewhere(web):
    document = web.http.get("/v1/openapi.json").json()
    wanted = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(document)))

    assert wanted - set(document["components"]["schemas"]) == set()


def test_no_token_travels_in_an_address(web):
    parameters = [
        one
        for path in web.http.get("/v1/openapi.json").json()["paths"].values()
        for operation in path.values()
        for one in operation["parameters"]
    ]

    assert [one["name"] for one in parameters if one["in"] != "header" and "token" in one["name"].lower()] == []


def test_every_error_has_a_status_of_its_own():
    kinds = {
        kind
        for _, kind in inspect.getmembers(errors, inspect.isclass)
        if issubclass(kind, OnsaleError) and kind not in (OnsaleError, ConfigError)
    }

    assert kinds - set(problems.STATUS) == set()
    assert all(400 <= status < 600 for status in problems.STATUS.values())


def test_an_error_says_in_its_title_what_to_do():
    problem = problems.problem_of(errors.TicketTaken())

    assert problem.document() == {
        "type": "/problems/ticket-taken",
        "title": "Someone else holds this ticket. Choose another.",
        "status": 409,
        "detail": "Someone else holds this ticket. Choose another.",
    }


@pytest.mark.parametrize("error", [errors.QueueUnavailable(), errors.TooManyRequests(retry_after_seconds=0)])
def test_who_may_come_back_is_told_when(error):
    assert dict(problems.problem_of(error).all_headers())["Retry-After"] == "1"


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("PUT", "/v1/guests", 405),
        ("GET", "/v1/guests", 405),
        ("DELETE", "/v1/search", 405),
    ],
)
def test_what_is_not_there_is_a_problem_too(web, method, path, status):
    answer = web.http.request(method, path)

    assert (answer.status_code, answer.json()["status"]) == (status, status)
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["request_id"] == answer.headers["X-Request-Id"]
    assert ("Allow" in answer.headers) is (status == 405)


def test_what_breaks_inside_stays_inside(web, engine, monkeypatch):
    def broken(*_):
        raise RuntimeError("password=hunter2 at db/secret.py")

    monkeypatch.setattr(type(web.office.shows), "matching", broken)

    answer = web.http.get("/v1/event=anything")

    assert (answer.status_code, answer.json()["type"]) == (500, "/problems/internal-server-error")
    assert "hunter2" not in answer.text
    assert "RuntimeError" not in answer.text


def test_a_record_that_is_away_is_a_503_with_a_time_to_come_back(settings, redis_client):
    nowhere = Config.from_env({**settings, "ONSALE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/nowhere"})

    with serving(nowhere) as web:
        answer = web.http.get("/v1/event=anything")

    assert (answer.status_code, answer.json()["type"]) == (503, "/problems/record-unavailable")
    assert int(answer.headers["Retry-After"]) >= 1


@pytest.mark.parametrize("path", ["/", "/v1/openapi.json", "/v1/nothing", "/v1/events/1/queue", "/healthz", "/nothing"])
def test_every_answer_keeps_a_browser_safe(web, engine, path):
    an_event(engine)

    headers = web.http.get(path).headers

    policy = headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "frame-ancestors 'none'" in policy
    assert "unsafe-inline" not in policy
    assert headers["X-Content-Type-Options"] == "nosniff"
    # On plain http the header would be ignored, and a laptop's localhost spoilt for everything else.
    assert "Strict-Transport-Security" not in headers


@pytest.mark.parametrize("path", ["/", "/v1/docs", "/nothing", "/healthz"])
def test_a_page_may_use_nothing_of_the_browser_and_tells_others_nothing(web, path):
    headers = web.http.get(path).headers

    assert headers["Referrer-Policy"] == "same-origin"
    assert "geolocation=()" in headers["Permissions-Policy"]


def test_only_the_search_page_may_ask_where_somebody_is(web):
    assert "geolocation=(self)" in web.http.get("/search").headers["Permissions-Policy"]
    assert "geolocation=()" in web.http.get("/search/").headers["Permissions-Policy"]


def test_swagger_ui_comes_from_here(web):
    page = web.http.get("/v1/docs").text

    addresses = re.findall(r'(?:src|href)="([^"]+)"', page)
    assert addresses
    assert {web.http.get(each).status_code for each in addresses} == {200}
    assert "<script>" not in page


def test_a_form_from_elsewhere_is_refused(web):
    answer = web.http.post("/sign-in", data={"email": "a@example.org", "password": "x"})

    assert answer.status_code == 400


def test_the_log_has_the_path_and_neither_query_nor_token(web):
    token = web.guest().token

    with structlog.testing.capture_logs() as lines:
        web.http.get("/v1/search?q=secret-words", headers={"Authorization": f"Bearer {token}", "Queue-Token": "q1.abc"})
    seen = [str(line) for line in lines]

    assert any("/v1/search" in line for line in seen)
    assert not any("secret-words" in line or token in line or "q1.abc" in line for line in seen)
