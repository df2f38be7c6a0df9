"""The web on a real port for a test: its own record, an empty queue, people with JWTs."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import httpx
from flask import Flask
from werkzeug.serving import WSGIRequestHandler, make_server

from onsale.config import Config
from onsale.web import create_app
from onsale.web.box_office import EXTENSION, BoxOffice
from onsale.web.wsgi import front


@dataclass(frozen=True)
class Person:
    """Somebody with a JWT."""

    http: httpx.Client
    token: str
    id: str

    def ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> httpx.Response:
        bearer = {"Authorization": f"Bearer {self.token}"}
        return self.http.request(method, path, headers=bearer | (headers or {}), **more)

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.ask("GET", path, **more)

    def post(self, path: str, json: Any = None, *, key: str | None = None, **headers: str) -> httpx.Response:
        """`headers` as keyword arguments: admission_token="..." is sent as Admission-Token."""
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        if key is not None:
            named["Idempotency-Key"] = key
        return self.ask("POST", path, json=json, headers=named)

    def join(self, event_id: int) -> dict[str, Any]:
        answer = self.post(f"/v1/events/{event_id}/queue")
        assert answer.is_success, answer.text
        document: dict[str, Any] = answer.json()
        return document

    def enter(self, event_id: int) -> str:
        answer = self.post(f"/v1/events/{event_id}/queue/me/enter")
        assert answer.is_success, answer.text
        return str(answer.json()["admission_token"])

    def book(self, event_id: int, *wishes: dict[str, Any], key: str | None = None, **headers: str) -> httpx.Response:
        wanted = {"wishes": list(wishes)}
        return self.post(f"/v1/events/{event_id}/bookings", wanted, key=key or str(uuid4()), **headers)


@dataclass(frozen=True)
class Web:
    """A running web and its parts."""

    address: str
    http: httpx.Client
    app: Flask
    office: BoxOffice
    # Ends the server early: what others see when the web is away.
    stop: Callable[[], None]

    def guest(self) -> Person:
        session = self.http.post("/v1/guests", json={}).raise_for_status().json()
        return Person(self.http, session["token"], session["buyer_id"])

    def guests(self, how_many: int) -> list[Person]:
        return [self.guest() for _ in range(how_many)]


class _Quiet(WSGIRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_request(self, *_: Any) -> None:
        """Keep the tests' output quiet."""


@contextmanager
def serving(config: Config) -> Iterator[Web]:
    """The web for this configuration on a free port, with the short way in front as in production."""
    app = create_app(config)
    server = make_server("127.0.0.1", 0, front(app, config), threaded=True, request_handler=_Quiet)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    address = f"http://127.0.0.1:{server.server_port}"
    office: BoxOffice = app.extensions[EXTENSION]

    def stop() -> None:
        server.shutdown()
        thread.join()
        server.server_close()

    try:
        with httpx.Client(base_url=address, timeout=20, limits=httpx.Limits(max_connections=60)) as http:
            yield Web(address, http, app, office, stop)
    finally:
        stop()
        office.close()
