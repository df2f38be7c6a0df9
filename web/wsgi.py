"""The callable a server serves: a short way for the three requests a crowd sends, and the Flask app behind it.

    granian --interface wsgi --factory onsale.web.wsgi:application

Join, queue status and seat availability come by the ten thousand a second; a Flask route costs five times what they do.
The short way answers exactly as the app would (a test compares them), and leaves whatever is unusual to the app.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from flask import Flask
from werkzeug.middleware.proxy_fix import ProxyFix

from onsale import logs
from onsale.config import Config
from onsale.db.ids import EVENT_ID_MAX, EventId
from onsale.errors import OnsaleError
from onsale.web import auth, availability, create_app, draining, edge, joining
from onsale.web.api.queue import joined_json
from onsale.web.box_office import EXTENSION, BoxOffice
from onsale.web.kept import JSON, Kept
from onsale.web.problems import Problem, problem_of

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

# What our own pages ask, in their order; the app reads every other form.
SINCE = re.compile(
    r"(?:(?:^|&)section=(0|[1-9][0-9]{0,8}))?(?:(?:^|&)since=([0-9a-z]{1,40}\.[0-9]{1,16}))?"
    r"(?:(?:^|&)wait=([0-9]|1[0-9]|2[0-5]))?"
)
HOT = re.compile(r"/v1/events/([1-9][0-9]{0,9})/(queue|seats/availability)")
# The only form of these headers that the short way reads; the app says what is wrong with another.
QUEUE_TOKEN = re.compile(r"[\x21-\x7e]{1,256}")

# Status line, headers and body.
Told = tuple[str, list[tuple[str, str]], bytes]
LINES = {status.value: f"{status.value} {status.phrase.upper()}" for status in HTTPStatus}


class FrontDoor:
    """The short way, and the app behind it."""

    def __init__(self, app: Flask) -> None:
        self._app = app
        self._office: BoxOffice = app.extensions[EXTENSION]
        self._headers = list(edge.safe_headers(self._office.config, edge.API_PREFIX).items())

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        found = HOT.fullmatch(environ["PATH_INFO"])
        verb = _VERBS.get((environ["REQUEST_METHOD"], found[2])) if found else None
        if found is None or verb is None or int(found[1]) > EVENT_ID_MAX:
            return self._app(environ, start_response)
        if environ.get("QUERY_STRING") and verb is not _availability:
            return self._app(environ, start_response)
        request_id = edge.new_request_id(self._office.config, environ.get("HTTP_X_REQUEST_ID"))
        try:
            answer = verb(self._office, EventId(int(found[1])), environ)
        except OnsaleError as error:
            answer = _problem(problem_of(error), request_id)
        if answer is None:
            return self._app(environ, start_response)
        status, headers, body = answer
        start_response(status, [*headers, *self._headers, (edge.REQUEST_ID, request_id)])
        return [body]


Verb = Callable[[BoxOffice, EventId, "WSGIEnvironment"], "Told | None"]


def _status(office: BoxOffice, event_id: EventId, environ: WSGIEnvironment) -> Told:
    return _kept(office.statuses.of(event_id).kept, environ)


def _availability(office: BoxOffice, event_id: EventId, environ: WSGIEnvironment) -> Told | None:
    found = SINCE.fullmatch(environ.get("QUERY_STRING", ""))
    if found is None:
        return None
    section, since, wait = found.groups()
    seen = office.availabilities.of(event_id)
    section_id = None if section is None else int(section)
    return _kept(availability.told(seen, since=since, section_id=section_id, wait_seconds=int(wait or 0)), environ)


def _kept(kept: Kept, environ: WSGIEnvironment) -> Told:
    status, headers, body = kept.answer(environ.get("HTTP_IF_NONE_MATCH"))
    return LINES[status], headers, body


def _join(office: BoxOffice, event_id: EventId, environ: WSGIEnvironment) -> Told | None:
    queue_token = environ.get("HTTP_QUEUE_TOKEN")
    if queue_token is not None and not QUEUE_TOKEN.fullmatch(queue_token):
        return None
    solution = environ.get("HTTP_JOIN_WORK")
    if solution is not None and not QUEUE_TOKEN.fullmatch(solution):
        return None
    buyer = auth.buyer_of(office.config, auth.bearer(environ.get("HTTP_AUTHORIZATION")))
    address = environ.get("REMOTE_ADDR", "")
    joined = joining.join(office, event_id, buyer.id, address=address, queue_token=queue_token, solution=solution)
    body = joined_json(event_id, joined)
    headers = [("Content-Type", JSON), ("Content-Length", str(len(body))), ("Cache-Control", "no-store")]
    return LINES[201 if joined.created else 200], headers, body


def _problem(problem: Problem, request_id: str) -> Told:
    body = problem.body(request_id)
    return LINES[problem.status], [*problem.all_headers(), ("Content-Length", str(len(body)))], body


_VERBS: dict[tuple[str, str], Verb] = {
    ("GET", "queue"): _status,
    ("POST", "queue"): _join,
    ("GET", "seats/availability"): _availability,
}


def front(app: Flask, config: Config) -> WSGIApplication:
    """The app with the short way in front, behind as many proxies as are believed."""
    door = FrontDoor(app)
    hops = config.trusted_proxies
    # Whoever is not behind a proxy could claim any address in a header.
    return ProxyFix(door, x_for=hops, x_proto=hops, x_host=hops) if hops else door


def application() -> WSGIApplication:
    """The factory a server calls once per process; it reads the environment and says what is wrong with it."""
    config = Config.from_env(os.environ)
    logs.configure(config)
    app = create_app(config)
    office: BoxOffice = app.extensions[EXTENSION]
    # At once, not with the first who asks here: viewers may be waiting at another process.
    office.seat_keeper.start()
    draining.set_at_the_end(office.draining)
    return front(app, config)
