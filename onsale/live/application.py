"""The ASGI callable of `onsale seats`: one document, which may be waited for.

    GET /v1/events/{id}/seats/availability?since=<version>&section=<id>&wait=<seconds>

It answers what the web answers at the same address, and only that: nothing personal, nothing to sign in for.
"""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from types import FrameType
from typing import Any
from urllib.parse import parse_qsl

import orjson

from onsale.db.ids import EVENT_ID_MAX, EventId
from onsale.live.gallery import Gallery, NotShown, TooManyViewers
from onsale.queue.seats_watch import SeatsWatch

# A shorter wait than most proxies' patience (30 or 60 s).
WAIT_SECONDS_MAX = 25
SECTION_ID_MAX = (1 << 31) - 1
SINCE_CHARACTERS_MAX = 100
# How often it is made sure that we hear the signal that ends the server.
SIGNAL_SECONDS = 1.0
PATH = re.compile(r"/v1/events/([1-9][0-9]{0,9})/seats/availability")
# What our own pages and most others ask; it is asked thousands of times a second.
USUAL = re.compile(rb"(?:section=(0|[1-9][0-9]{0,8})&)?since=([0-9a-z]{1,40}\.[0-9]{1,16})&wait=([0-9]|1[0-9]|2[0-5])")
NUMBER = re.compile(r"0|[1-9][0-9]{0,9}")
SINCE = re.compile(r"[\x21-\x7e]*")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

# Any page may read it, because it is for everybody; no cookie is ever asked for, so none may be sent.
HEADERS: Headers = [
    (b"access-control-allow-origin", b"*"),
    (b"x-content-type-options", b"nosniff"),
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
]
JSON = (b"content-type", b"application/json")
PROBLEM = (b"content-type", b"application/problem+json")
# Who asks for the same version within a second may be given the same answer by a cache in between.
FRESH = (b"cache-control", b"public, max-age=1")
# "Nothing has changed" must not be kept: it would be given again at once.
NOT_KEPT = (b"cache-control", b"no-store")
ONCE_MORE = (b"retry-after", b"1")
WHY = {
    404: "There is nothing here but the availability of an event's seats.",
    405: "Only GET.",
    422: "This query does not fit: since, section and wait (0 to 25 seconds), each once.",
    503: "These seats cannot be watched here now. Ask the web.",
}


@dataclass(frozen=True, slots=True)
class Asked:
    """A query that fits."""

    since: str | None = None
    section_id: int | None = None
    wait_seconds: int = 0


@dataclass(frozen=True, slots=True)
class Told:
    """An answer."""

    status: int
    headers: Headers
    body: bytes


class Application:
    """The callable; what it works with is made when the server says that its loop runs."""

    def __init__(self, cache_url: str, *, viewers_max: int) -> None:
        self._cache_url = cache_url
        self._viewers_max = viewers_max
        self._gallery: Gallery | None = None
        self._listening: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http":
            told = await self._answer(scope, receive)
            length = (b"content-length", str(len(told.body)).encode())
            headers = [*HEADERS, *told.headers, length]
            await send({"type": "http.response.start", "status": told.status, "headers": headers})
            await send({"type": "http.response.body", "body": told.body})

    async def _live(self, receive: Receive, send: Send) -> None:
        """Open when the server begins, close when it ends."""
        await receive()
        gallery = self._gallery = Gallery(SeatsWatch(self._cache_url), viewers_max=self._viewers_max)
        gallery.open()
        self._listening = asyncio.get_running_loop().create_task(_drain_at_the_end(gallery))
        await send({"type": "lifespan.startup.complete"})
        await receive()
        self._listening.cancel()
        await gallery.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _answer(self, scope: Message, receive: Receive) -> Told:
        gallery = self._gallery
        if scope["path"] == "/healthz" and gallery is not None:
            return Told(200, [(b"content-type", b"text/plain"), NOT_KEPT], b"%d wait\n" % gallery.viewers)
        found = PATH.fullmatch(scope["path"])
        if found is None or int(found[1]) > EVENT_ID_MAX:
            return _problem(404)
        if scope["method"] != "GET":
            return _problem(405, (b"allow", b"GET"))
        asked = asked_in(scope["query_string"])
        if asked is None:
            return _problem(422)
        if gallery is None:
            return _problem(503, ONCE_MORE)
        try:
            return await _seats(gallery, EventId(int(found[1])), asked, receive)
        except (NotShown, TooManyViewers):
            return _problem(503, ONCE_MORE)


async def _seats(gallery: Gallery, event_id: EventId, asked: Asked, receive: Receive) -> Told:
    known = (asked.since, asked.section_id)
    if asked.since is not None and asked.wait_seconds:

        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        body = await gallery.news(event_id, known, wait_seconds=asked.wait_seconds, gone=gone)
        if body is not None:
            return Told(200, [JSON, FRESH], body)
        body = (await gallery.seen(event_id)).told(*known)
        # Who had to go at once would be back at once.
        again = [ONCE_MORE, (b"connection", b"close")] if gallery.draining else []
        return Told(200, [JSON, NOT_KEPT, *again], body)
    body = (await gallery.seen(event_id)).told(*known)
    return Told(200, [JSON, FRESH], body)


def asked_in(query: bytes) -> Asked | None:
    """What a query asks for; None when it does not fit."""
    found = USUAL.fullmatch(query)
    if found is not None:
        section, since, wait = found.groups()
        return Asked(since.decode(), None if section is None else int(section), int(wait))
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, strict_parsing=bool(query), max_num_fields=3)
    except ValueError:
        return None
    given = dict(pairs)
    if len(given) < len(pairs) or given.keys() - {"since", "section", "wait"}:
        return None
    since, section, wait = given.get("since"), given.get("section"), given.get("wait", "0")
    fits = (
        (since is None or (len(since) <= SINCE_CHARACTERS_MAX and SINCE.fullmatch(since)))
        and (section is None or (NUMBER.fullmatch(section) and int(section) <= SECTION_ID_MAX))
        and NUMBER.fullmatch(wait)
        and int(wait) <= WAIT_SECONDS_MAX
    )
    return Asked(since, None if section is None else int(section), int(wait)) if fits else None


def _problem(status: int, *headers: tuple[bytes, bytes]) -> Told:
    title = HTTPStatus(status).phrase
    body = orjson.dumps({"type": "about:blank", "title": title, "status": status, "detail": WHY[status]})
    return Told(status, [PROBLEM, NOT_KEPT, *headers], body)


async def _drain_at_the_end(gallery: Gallery) -> None:
    """Hear the signal that ends the server beside the server, which lets requests end but cannot tell us.

    The loop hears signals by its wake-up descriptor, not by Python's handler; so that one is free to be ours. The
    server puts a handler of its own in place when it begins, at a time that nobody tells.
    """
    loop = asyncio.get_running_loop()

    def end(number: int) -> None:
        if not gallery.draining:
            gallery.drain()
            # While thousands are answered the descriptor may be full, and the server has heard nothing.
            loop.call_later(SIGNAL_SECONDS, signal.raise_signal, number)

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(end, number)

    while True:
        for each in (signal.SIGTERM, signal.SIGINT):
            if signal.getsignal(each) is not heard:
                signal.signal(each, heard)
        await asyncio.sleep(SIGNAL_SECONDS)
