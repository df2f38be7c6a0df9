"""What makes a route: method, path, models, answers and problems; checked at the edge, told in the OpenAPI.

    events = Routes("events", "Events and tickets")

    @events.get("/v1/events/{event_id}", raises=(NotFound,))
    def show_event(path: EventPath) -> Shared[EventDocument]:
        \"\"\"An event\"\"\"

A view names what it takes by its parameters: `path`, `query`, `headers`, `body` (pydantic models), `buyer` and `staff`
(who must be signed in). What comes in is validated before the view runs; what goes out is a model, so as promised.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, wraps
from typing import Any, Generic, TypeVar, get_args, get_origin, get_type_hints

from flask import Blueprint, Response, request
from pydantic import BaseModel, ConfigDict, ValidationError
from werkzeug.exceptions import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

from onsale.errors import NotFound, NotSignedIn, OnsaleError
from onsale.web import auth, problems
from onsale.web.kept import CATALOGUE, Kept
from onsale.web.problems import Problem

JSON = "application/json"
M = TypeVar("M", bound=BaseModel)
View = Callable[..., "Answer[Any] | Shared[Any]"]


class Asked(BaseModel):
    """Base of what comes in: nothing unknown, no type bent into another."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, hide_input_in_errors=True)


class Told(BaseModel):
    """Base of what goes out."""

    model_config = ConfigDict(extra="forbid", frozen=True, json_schema_serialization_defaults_required=True)


@dataclass(frozen=True)
class Answer(Generic[M]):
    """A model to be sent, or None for an answer without a body."""

    model: M | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Shared(Generic[M]):
    """What everybody gets alike, as bytes with an ETag; M is the model it keeps to."""

    kept: Kept


def shared(model: M, cache_control: str = CATALOGUE) -> Shared[M]:
    """A model that caches may keep."""
    return Shared(Kept(model.model_dump_json().encode(), cache_control))


class Refused(Exception):
    """A request that does not fit, as the problem to answer with."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


@dataclass(frozen=True)
class Operation:
    """One route as promised; routes and OpenAPI are both made from it."""

    name: str
    tag: str
    method: str
    # As OpenAPI writes it: /v1/events/{event_id}
    path: str
    summary: str
    takes: Mapping[str, type[BaseModel]]
    signed_in: str | None
    answers: Mapping[int, type[BaseModel] | None]
    raises: tuple[type[OnsaleError], ...]
    # Beside those that follow from what it takes: 304 of a cacheable read.
    statuses: tuple[int, ...]
    # A body that is not checked by a model: the webhook's signature is over its bytes.
    raw_body: bool

    @property
    def rule(self) -> str:
        """As Flask writes it: /v1/events/<event_id>"""
        return self.path.replace("{", "<").replace("}", ">")


class Routes:
    """The operations of one noun, collected by its module and mounted by the app factory."""

    def __init__(self, name: str, tag: str) -> None:
        self.blueprint = Blueprint(f"api_{name}", __name__)
        self.tag = tag
        self.operations: list[Operation] = []

    def get(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("GET", path, **promises)

    def post(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("POST", path, **promises)

    def patch(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("PATCH", path, **promises)

    def delete(self, path: str, **promises: Any) -> Callable[[View], View]:
        return self._route("DELETE", path, **promises)

    def _route(
        self,
        method: str,
        path: str,
        *,
        answers: Mapping[int, type[BaseModel] | None] | None = None,
        raises: tuple[type[OnsaleError], ...] = (),
        statuses: tuple[int, ...] = (),
        raw_body: bool = False,
    ) -> Callable[[View], View]:
        """Mount the view; it answers 200 with the model its annotation names, unless `answers` says otherwise."""

        def mount(view: View) -> View:
            hints = get_type_hints(view)
            told = get_args(hints.pop("return"))
            operation = Operation(
                name=view.__name__,
                tag=self.tag,
                method=method,
                path=path,
                summary=inspect.getdoc(view) or "",
                takes={name: hint for name, hint in hints.items() if name in _READERS},
                signed_in=next((name for name in ("buyer", "staff") if name in hints), None),
                answers=answers or {200: told[0]},
                raises=raises,
                statuses=statuses,
                raw_body=raw_body,
            )
            self.operations.append(operation)
            self.blueprint.add_url_rule(
                operation.rule,
                operation.name,
                _checked(view, operation),
                methods=[method],
                provide_automatic_options=False,
            )
            return view

        return mount


def _checked(view: View, operation: Operation) -> Callable[..., Response]:
    """The view as Flask calls it: reads and validates what it takes, writes what it answers."""

    @wraps(view)
    def serve(**in_path: str) -> Response:
        given: dict[str, object] = {}
        # Who asks comes first: a stranger learns nothing about what would have fitted.
        if operation.signed_in == "buyer":
            given["buyer"] = auth.current_buyer()
        elif operation.signed_in == "staff":
            given["staff"] = auth.current_staff()
        # Of the webhook's address whatever its provider was given is right: it is signed.
        if "query" not in operation.takes and not operation.raw_body:
            _ask_nothing()
        for name, model in operation.takes.items():
            given[name] = _READERS[name](model, in_path)
        answer = view(**given)
        return answer.kept.response() if isinstance(answer, Shared) else _written(answer)

    return serve


def _written(answer: Answer[Any]) -> Response:
    body = answer.model.model_dump_json(by_alias=True) if answer.model is not None else b""
    response = Response(body, answer.status, mimetype=JSON if body else None)
    response.headers.update(answer.headers)
    return response


def _path(model: type[BaseModel], in_path: Mapping[str, str]) -> BaseModel:
    try:
        return model.model_validate_strings(in_path)
    except ValidationError:
        # An id that cannot exist is an id that does not exist.
        raise NotFound from None


def _ask_nothing() -> None:
    """As a query's model does: a parameter that nobody reads is a slip, or somebody's way around the caches."""
    if request.args:
        raise Refused(problems.of_fields([(name, "is not read here") for name in request.args]))


def _query(model: type[BaseModel], _: Mapping[str, str]) -> BaseModel:
    lists = _lists(model)
    twice = [name for name in request.args if name not in lists and len(request.args.getlist(name)) > 1]
    if twice:
        raise Refused(problems.of_fields([(name, "is given more than once") for name in twice]))
    given = {name: request.args.getlist(name) if name in lists else request.args[name] for name in request.args}
    # Not as strings alone, which know no lists; a number or a flag is read from its text just the same.
    return _validated(lambda: model.model_validate(given, strict=False))


@cache
def _lists(model: type[BaseModel]) -> frozenset[str]:
    """The fields that may be given more than once."""
    return frozenset(name for name, field in model.model_fields.items() if get_origin(field.annotation) is list)


def _headers(model: type[BaseModel], _: Mapping[str, str]) -> BaseModel:
    names = (each.alias or name for name, each in model.model_fields.items())
    given = {name: request.headers[name] for name in names if name in request.headers}
    return _validated(lambda: model.model_validate_strings(given))


def _body(model: type[BaseModel], _: Mapping[str, str]) -> BaseModel:
    raw = body_bytes()
    if request.mimetype != JSON and (raw or not _all_optional(model)):
        raise UnsupportedMediaType
    try:
        return model.model_validate_json(raw or b"{}")
    except ValidationError as error:
        if any(each["type"] == "json_invalid" for each in error.errors(include_url=False, include_input=False)):
            raise BadRequest from None
        raise Refused(problems.of_validation(error)) from None


def body_bytes() -> bytes:
    """The body as received; 413 above the limit, also in chunks, where Werkzeug would give the beginning of it."""
    raw = request.get_data(cache=False)
    if request.content_length is None and len(raw) >= (request.max_content_length or 0):
        raise RequestEntityTooLarge
    return raw


def _all_optional(model: type[BaseModel]) -> bool:
    return not any(each.is_required() for each in model.model_fields.values())


def _validated(read: Callable[[], BaseModel]) -> BaseModel:
    try:
        return read()
    except ValidationError as error:
        raise Refused(problems.of_validation(error, depth=1)) from None


_READERS: dict[str, Callable[[type[BaseModel], Mapping[str, str]], BaseModel]] = {
    "path": _path,
    "query": _query,
    "headers": _headers,
    "body": _body,
}


def statuses_of(operation: Operation) -> frozenset[int]:
    """Every status this operation may answer with, besides those of a broken part."""
    found = {*operation.answers, *operation.statuses, 422, 503}
    found.update(problems.status_of(error) for error in operation.raises)
    if operation.signed_in:
        found.add(problems.status_of(NotSignedIn))
    if "path" in operation.takes:
        found.add(404)
    if "body" in operation.takes or operation.raw_body:
        found.update({400, 413, 415})
    return frozenset(found)
