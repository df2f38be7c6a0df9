"""The OpenAPI document (3.1), generated from the same operations and models that the routes are made from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from onsale import __doc__ as about
from onsale.web import problems
from onsale.web.api.contract import Operation, statuses_of
from onsale.web.api.documents import ProblemDocument

VERSION = "1"
_REFERENCE = "#/components/schemas/{model}"
_IN = {"path": "path", "query": "query", "headers": "header"}
_BEARER = {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}
_SCHEMES = {
    "buyer": _BEARER | {"description": "From /v1/guests, /v1/accounts or /v1/sessions."},
    "staff": _BEARER | {"description": "From /v1/admin/sessions."},
}

Json = dict[str, Any]


def document(operations: Iterable[Operation], *, server: str) -> bytes:
    """The whole document as JSON, in the order the operations are given."""
    operations = list(operations)
    schemas, definitions = models_json_schema(sorted(_models(operations), key=str), ref_template=_REFERENCE)
    paths: dict[str, Json] = {}
    for each in operations:
        paths.setdefault(each.path, {})[each.method.lower()] = _operation(each, schemas)
    return orjson.dumps(
        {
            "openapi": "3.1.0",
            "info": {"title": "Onsale", "version": VERSION, "description": (about or "").splitlines()[0]},
            "servers": [{"url": server}],
            "paths": paths,
            "components": {"schemas": definitions["$defs"], "securitySchemes": _SCHEMES},
        }
    )


def _models(operations: Iterable[Operation]) -> set[tuple[type[BaseModel], JsonSchemaMode]]:
    found: set[tuple[type[BaseModel], JsonSchemaMode]] = {(ProblemDocument, "serialization")}
    for each in operations:
        found.update((model, "validation") for model in each.takes.values())
        found.update((model, "serialization") for model in each.answers.values() if model)
    return found


def _operation(operation: Operation, schemas: Any) -> Json:
    summary, _, description = operation.summary.partition("\n")
    written: Json = {
        "operationId": operation.name,
        "tags": [operation.tag],
        "summary": summary,
        "responses": _responses(operation, schemas),
        "parameters": [one for name in _IN for one in _parameters(operation, name)],
    }
    if description.strip():
        written["description"] = re.sub(r"\s*\n\s*", " ", description.strip())
    if operation.signed_in:
        written["security"] = [{operation.signed_in: []}]
    if "body" in operation.takes:
        schema = schemas[operation.takes["body"], "validation"]
        required = any(each.is_required() for each in operation.takes["body"].model_fields.values())
        written["requestBody"] = {"required": required, "content": {"application/json": {"schema": schema}}}
    elif operation.raw_body:
        written["requestBody"] = {"required": True, "content": {"application/json": {"schema": {"type": "object"}}}}
    return written


def _parameters(operation: Operation, name: str) -> Iterable[Json]:
    """The fields of a model as parameters; their schemas are plain, without references."""
    model = operation.takes.get(name)
    if model is None:
        return
    schema = model.model_json_schema()
    for field, one in schema.get("properties", {}).items():
        one.pop("title", None)
        one.pop("default", None)
        required = field in schema.get("required", ())
        parameter = {"name": field, "in": _IN[name], "required": required, "schema": _not_null(one)}
        if "description" in one:
            parameter["description"] = one.pop("description")
        yield parameter


def _not_null(schema: Json) -> Json:
    """A parameter is given or left out; it is never null."""
    kinds = [each for each in schema.get("anyOf", ()) if each != {"type": "null"}]
    if len(kinds) != 1:
        return schema
    return {**{key: value for key, value in schema.items() if key != "anyOf"}, **kinds[0]}


def _responses(operation: Operation, schemas: Any) -> dict[str, Json]:
    found: dict[str, Json] = {}
    for status in sorted(statuses_of(operation)):
        if status in operation.answers:
            model = operation.answers[status]
            content = {"application/json": {"schema": schemas[model, "serialization"]}} if model else None
        elif status == HTTPStatus.NOT_MODIFIED:
            content = None
        else:
            content = {problems.CONTENT_TYPE: {"schema": schemas[ProblemDocument, "serialization"]}}
        found[str(status)] = {"description": HTTPStatus(status).phrase} | ({"content": content} if content else {})
    return found
