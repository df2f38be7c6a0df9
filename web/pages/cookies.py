"""The cookies that carry a buyer's tokens: HttpOnly, only for one event's pages, never in a URL."""

from __future__ import annotations

from flask import Response, request

from onsale.db.ids import EventId

QUEUE_COOKIE = "onsale_queue"
ADMISSION_COOKIE = "onsale_admission"
# Longer than any sale: a place is kept through a closed tab and a night's sleep.
QUEUE_SECONDS = 14 * 24 * 3600
# The token itself says when it ends; a cookie that outlives it only costs a refusal.
ADMISSION_SECONDS = 3 * 3600


def queue_token() -> str | None:
    """The queue token this browser holds for the event of this page."""
    return request.cookies.get(QUEUE_COOKIE) or None


def admission_token() -> str | None:
    """The admission token this browser holds for the event of this page."""
    return request.cookies.get(ADMISSION_COOKIE) or None


def keep_queue_token(response: Response, event_id: EventId, token: str) -> None:
    """Remember the place, for this event's pages only."""
    _keep(response, event_id, QUEUE_COOKIE, token, QUEUE_SECONDS)


def keep_admission_token(response: Response, event_id: EventId, token: str) -> None:
    """Remember that this browser is in."""
    _keep(response, event_id, ADMISSION_COOKIE, token, ADMISSION_SECONDS)


def forget_place(response: Response, event_id: EventId) -> None:
    """After leaving: neither number nor admission."""
    for name in (QUEUE_COOKIE, ADMISSION_COOKIE):
        response.delete_cookie(name, path=_path(event_id), httponly=True, samesite="Lax", secure=request.is_secure)


def _path(event_id: EventId) -> str:
    return f"/events/{event_id}"


def _keep(response: Response, event_id: EventId, name: str, token: str, seconds: int) -> None:
    response.set_cookie(
        name,
        token,
        max_age=seconds,
        path=_path(event_id),
        httponly=True,
        samesite="Lax",
        secure=request.is_secure,
    )
