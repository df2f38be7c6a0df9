"""How an error becomes an answer: one table from the error's class to an HTTP status, and problem+json (RFC 9457).

    {"type": "/problems/ticket-taken", "title": "Someone else holds this ticket. Choose another.", "status": 409, ...}
"""

from __future__ import annotations

from dataclasses import dataclass

from onsale.errors import OnsaleError


@dataclass(frozen=True)
class Problem:
    """One answer to a request that went wrong; `errors` names the fields, `retry_after_seconds` says when to come back."""

    slug: str
    title: str
    status: int
    detail: str
    field: str | None = None
    errors: tuple[tuple[str, str], ...] = ()
    retry_after_seconds: int | None = None


def problem_of(error: OnsaleError) -> Problem:
    """The answer to an error; pages draw it, the API writes it as problem+json."""
    raise NotImplementedError
