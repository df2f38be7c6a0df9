"""HTTP as WSGI brings it, for `/v1` alone: a call is so short that Flask's own work would be most of it."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import TYPE_CHECKING

from onsale.sandbox.stripe_simulator.errors import ApiError, Thing

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

BODY_BYTES_MAX = 256 * 1024
PREFIX = "/v1/"
STATUS_LINES = {each.value: f"{each.value} {each.phrase}" for each in HTTPStatus}

Operation = Callable[..., Thing]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What goes back to the caller."""

    status: int
    body: bytes
    headers: dict[str, str] = field(default_factory=dict)


class Asked:
    """One request to the API."""

    __slots__ = ("_environ", "method", "path")

    def __init__(self, environ: WSGIEnvironment) -> None:
        self._environ = environ
        self.method: str = environ["REQUEST_METHOD"]
        self.path: str = environ["PATH_INFO"]

    def header(self, name: str) -> str | None:
        """A header by its WSGI name (`HTTP_...`)."""
        value: str | None = self._environ.get(name)
        return value

    @property
    def posted(self) -> bool:
        return self.method == "POST"

    @property
    def base_url(self) -> str:
        """The simulator's address as the caller knows it."""
        return f"{self._environ['wsgi.url_scheme']}://{self._environ.get('HTTP_HOST', '')}"

    def sent(self) -> str:
        """The form that came: in the body of a POST, else in the address. 413 when it is too long."""
        if not self.posted:
            return str(self._environ.get("QUERY_STRING", ""))
        said = self._environ.get("CONTENT_LENGTH") or ""
        if said.isdecimal() and int(said) > BODY_BYTES_MAX:
            raise too_long()
        # Without a length it comes in chunks: one byte more tells whether it is too long.
        body: bytes = self._environ["wsgi.input"].read(int(said) if said.isdecimal() else BODY_BYTES_MAX + 1)
        if len(body) > BODY_BYTES_MAX:
            raise too_long()
        return body.decode("utf-8", "replace")

    def key(self) -> str | None:
        """The secret key in `Authorization`: as a bearer token, or as the user of Basic."""
        scheme, _, value = (self.header("HTTP_AUTHORIZATION") or "").partition(" ")
        value = value.strip()
        if scheme.lower() == "bearer":
            return value or None
        if scheme.lower() == "basic":
            try:
                return base64.b64decode(value, validate=True).decode().partition(":")[0] or None
            except (binascii.Error, UnicodeDecodeError):
                return None
        return None


def too_long() -> ApiError:
    return ApiError(413, f"A request may have at most {BODY_BYTES_MAX} bytes.")


class Routes:
    """Finds an operation by its address: `things`, `things/<id>` or `things/<id>/verb`."""

    def __init__(self, table: Iterable[tuple[str, str, Operation]]) -> None:
        self._found: dict[tuple[str, int, str, str], Operation] = {}
        for method, path, operation in table:
            steps = path.split("/")
            self._found[(method, len(steps), steps[0], steps[2] if len(steps) == 3 else "")] = operation

    def find(self, asked: Asked) -> tuple[Operation, tuple[str, ...]]:
        """The operation and the ids in its address; 404 as Stripe words it."""
        steps = asked.path.removeprefix(PREFIX).split("/")
        operation = self._found.get((asked.method, len(steps), steps[0], steps[2] if len(steps) == 3 else ""))
        if operation is None:
            raise ApiError(
                404,
                f"Unrecognized request URL ({asked.method}: {asked.path[:100]}). This simulator knows payments and no "
                "more.",
            )
        return operation, tuple(steps[1:2])


def beside(api: Callable[[Asked], Outcome], pages: WSGIApplication) -> WSGIApplication:
    """The API and the pages as one application."""

    def application(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        if not environ["PATH_INFO"].startswith(PREFIX):
            return pages(environ, start_response)
        outcome = api(Asked(environ))
        start_response(STATUS_LINES[outcome.status], _headers(outcome))
        return (outcome.body,)

    return application


def _headers(outcome: Outcome) -> list[tuple[str, str]]:
    usual: Mapping[str, str] = {
        "Content-Type": "application/json",
        "Content-Length": str(len(outcome.body)),
        "Cache-Control": "no-store",
    }
    return [*usual.items(), *outcome.headers.items()]
