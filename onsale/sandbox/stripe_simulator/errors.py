"""Stripe's error answers, in the shape and with the codes that it documents."""

from __future__ import annotations

from typing import Any

# Any JSON object of the API.
Thing = dict[str, Any]


class ApiError(Exception):
    """An answer that is not 200; `body` is what goes under "error"."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", **more: Any) -> None:
        super().__init__(message)
        self.status = status
        self.body: Thing = {"message": message, "type": kind, **{k: v for k, v in more.items() if v is not None}}
        if code := more.get("code"):
            self.body["doc_url"] = f"https://docs.stripe.com/error-codes#{str(code).replace('_', '-')}"


class ExecutedError(ApiError):
    """An error that came after the work began: what changed stays, and the answer is kept under the idempotency key."""


def missing(param: str) -> ApiError:
    return ApiError(400, f"Missing required param: {param}.", code="parameter_missing", param=param)


def no_such(kind: str, given: str, *, param: str) -> ApiError:
    return ApiError(404, f"No such {kind}: '{given}'", code="resource_missing", param=param)


def invalid(message: str, *, param: str | None = None, code: str | None = None) -> ApiError:
    return ApiError(400, message, param=param, code=code)


def unexpected_state(message: str, intent: Thing) -> ExecutedError:
    """The intent is in another state than the call needs; it comes along, so that the caller sees which."""
    kind = str(intent["object"])
    error = ExecutedError(400, message, code=f"{kind}_unexpected_state")
    error.body[kind] = intent
    return error
