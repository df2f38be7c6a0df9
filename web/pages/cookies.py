"""The cookies that carry a buyer's tokens: HttpOnly, only for one event's pages, never in a URL."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import UTC, datetime

from flask import request
from werkzeug.wrappers import Response as AnyResponse

from onsale.db.ids import EventId
from onsale.queue import band
from onsale.queue.band import Band
from onsale.queue.keys import device_digest
from onsale.web.box_office import box_office

QUEUE_COOKIE = "onsale_queue"
ADMISSION_COOKIE = "onsale_admission"
# Longer than any sale: a place is kept through a closed tab and a night's sleep.
QUEUE_SECONDS = 14 * 24 * 3600
# What this browser was shown of its way: only for showing, so nothing is lost with it.
WAY_COOKIE = "onsale_way"
# The band of the wait this browser was told under its number: for showing it no later, and for nothing else.
WAIT_COOKIE = "onsale_wait"
# Which device this is: random, so that nobody else's is like it; for all pages, for a place moves to a new one.
DEVICE_COOKIE = "onsale_device"
DEVICE_SECONDS = 365 * 24 * 3600
DEVICE_CHARACTERS_MAX = 64
# The moment to choose by, beside the token itself.
CHOOSE_UNTIL_COOKIE = "onsale_choose_until"
# The token itself says when it ends; a cookie that outlives it only costs a refusal.
ADMISSION_SECONDS = 3 * 3600


def queue_token() -> str | None:
    """The queue token this browser holds for the event of this page."""
    return request.cookies.get(QUEUE_COOKIE) or None


def admission_token() -> str | None:
    """The admission token this browser holds for the event of this page."""
    return request.cookies.get(ADMISSION_COOKIE) or None


def device_or_new() -> str:
    """The id of this browser; a fresh one, to be kept, where it has none."""
    known = request.cookies.get(DEVICE_COOKIE, "")
    return known if 16 <= len(known) <= DEVICE_CHARACTERS_MAX else secrets.token_urlsafe(24)


def device() -> bytes:
    """By which bytes this browser is known; NO_DEVICE for one without the cookie."""
    return digest(request.cookies.get(DEVICE_COOKIE, ""))


def digest(device_id: str) -> bytes:
    """By which bytes a browser with this id is known."""
    return device_digest(device_id[:DEVICE_CHARACTERS_MAX])


def keep_device(response: AnyResponse, device_id: str) -> None:
    """Remember which device this is."""
    response.set_cookie(
        DEVICE_COOKIE, device_id, max_age=DEVICE_SECONDS, path="/", httponly=True, samesite="Lax", secure=_https()
    )


def keep_queue_token(response: AnyResponse, event_id: EventId, token: str) -> None:
    """Remember the place, for this event's pages only."""
    _keep(response, event_id, QUEUE_COOKIE, token, QUEUE_SECONDS)


def keep_admission(response: AnyResponse, event_id: EventId, token: str, choose_until: datetime) -> None:
    """Remember that this browser is in, and until when it may choose."""
    _keep(response, event_id, ADMISSION_COOKIE, token, ADMISSION_SECONDS)
    _keep(response, event_id, CHOOSE_UNTIL_COOKIE, str(int(choose_until.timestamp())), ADMISSION_SECONDS)


def choose_until() -> datetime | None:
    """Until when this browser was told it may choose; the queue, not this, decides."""
    text = request.cookies.get(CHOOSE_UNTIL_COOKIE, "")
    return datetime.fromtimestamp(int(text), UTC) if text.isascii() and text.isdigit() and len(text) < 12 else None


@dataclass(frozen=True)
class Way:
    """What one browser was shown of its way to the door: people ahead at first, and the least since."""

    number: int
    first: int
    least: int


def way(number: int) -> Way | None:
    """What this browser was shown under this number; None at the first look."""
    parts = request.cookies.get(WAY_COOKIE, "").split(".")
    if len(parts) != 3 or not all(part.isascii() and part.isdigit() and len(part) < 12 for part in parts):
        return None
    found = Way(*map(int, parts))
    return found if found.number == number else None


def keep_way(response: AnyResponse, event_id: EventId, shown: Way) -> None:
    """Remember what was shown."""
    _keep(response, event_id, WAY_COOKIE, f"{shown.number}.{shown.first}.{shown.least}", QUEUE_SECONDS)


def told_band(place_id: str) -> Band | None:
    """The wait this browser was told last for this place; None at the first look."""
    name, _, text = request.cookies.get(WAIT_COOKIE, "").partition(":")
    return band.kept_text(text) if name == place_id else None


def keep_told(response: AnyResponse, event_id: EventId, place_id: str, told: Band) -> None:
    """Remember the wait that was told."""
    _keep(response, event_id, WAIT_COOKIE, f"{place_id}:{told.text}", QUEUE_SECONDS)


def forget_place(response: AnyResponse, event_id: EventId) -> None:
    """After leaving: neither number nor admission."""
    for name in (QUEUE_COOKIE, ADMISSION_COOKIE, WAY_COOKIE, WAIT_COOKIE, CHOOSE_UNTIL_COOKIE):
        response.delete_cookie(name, path=_path(event_id), httponly=True, samesite="Lax", secure=_https())


def _https() -> bool:
    return box_office().config.public_url.startswith("https://")


def _path(event_id: EventId) -> str:
    return f"/events/{event_id}"


def _keep(response: AnyResponse, event_id: EventId, name: str, token: str, seconds: int) -> None:
    response.set_cookie(
        name,
        token,
        max_age=seconds,
        path=_path(event_id),
        httponly=True,
        samesite="Lax",
        secure=_https(),
    )
