"""Carries visits over HTTP with asyncio: sends their requests, waits their waits, and times both honestly.

A request's time counts from when it should have been sent, not from when it was: a generator that is late, or a shop
that makes everybody behind a slow answer wait, shows up in the times instead of hiding there (coordinated omission).
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass

import aiohttp
import orjson

from onsale.sandbox.visitor.shared_cache import Fetched, SharedCache
from onsale.sandbox.visitor.steps import Answer, Ask, Steps, Wait

CONNECT_SECONDS_MAX = 10
READ_SECONDS_MAX = 20
# As many as a CDN holds open to its origin; who finds none free waits, and the wait counts.
CONNECTIONS_MAX = 256
# Refused, cut off in the middle, or too late.
NO_ANSWER = Answer(0)
JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Exchange:
    """One request and its answer; moments in seconds of the monotonic clock."""

    route: str
    method: str
    status: int
    due_at: float
    sent_at: float
    done_at: float
    retry_after: bool
    # The last word of the problem's type, where the answer was one.
    problem: str = ""


class Carrier:
    """Carries any number of visits to one shop."""

    def __init__(
        self,
        session: aiohttp.ClientSession,
        seen: Callable[[Exchange], None],
        *,
        cache: SharedCache | None = None,
    ) -> None:
        self._session = session
        self._seen = seen
        self._cache = cache

    async def carry(self, steps: Steps[None]) -> None:
        """One whole visit."""
        due = time.monotonic()
        answers: tuple[Answer, ...] = ()
        try:
            step = next(steps)
            while True:
                if isinstance(step, Wait):
                    due += step.seconds
                    await asyncio.sleep(max(0.0, due - time.monotonic()))
                    answers = ()
                else:
                    answers = await self._all(step, due)
                    due = time.monotonic()
                step = steps.send(answers)
        except StopIteration:
            return

    async def _all(self, asks: tuple[Ask, ...], due: float) -> tuple[Answer, ...]:
        if len(asks) == 1:
            return (await self._one(asks[0], due),)
        return tuple(await asyncio.gather(*(self._one(ask, due) for ask in asks)))

    async def _one(self, ask: Ask, due: float) -> Answer:
        if ask.method != "GET" or self._cache is None or ask.path.endswith("/me") or "/bookings" in ask.path:
            return (await self._send(ask, due, "")).answer
        return await self._cache.get(ask.path, lambda etag: self._send(ask, due, etag))

    async def _send(self, ask: Ask, due: float, etag: str) -> Fetched:
        headers = dict(ask.headers)
        data: bytes | Mapping[str, str] | None = ask.form
        if ask.body is not None:
            headers, data = {**headers, **JSON}, orjson.dumps(ask.body)
        if etag:
            headers["If-None-Match"] = etag
        sent = time.monotonic()
        fetched = await self._exchange(ask, headers, data)
        answer = fetched.answer
        waits = answer.retry_after_seconds is not None
        done = time.monotonic()
        self._seen(Exchange(ask.route, ask.method, answer.status, due, sent, done, waits, answer.problem))
        return fetched

    async def _exchange(self, ask: Ask, headers: dict[str, str], data: bytes | Mapping[str, str] | None) -> Fetched:
        try:
            async with self._session.request(
                ask.method, ask.path, headers=headers, data=data, allow_redirects=ask.form is None
            ) as response:
                body = await response.read()
                answer = Answer(response.status, _document(body), _retry_after(response.headers.get("Retry-After")))
                said = response.headers
                return Fetched(answer, said.get("Cache-Control", ""), said.get("ETag", ""))
        except (aiohttp.ClientError, TimeoutError, OSError):
            return Fetched(NO_ANSWER)


@asynccontextmanager
async def carrier(
    base_url: str, seen: Callable[[Exchange], None], *, shared_cache: bool = False
) -> AsyncIterator[Carrier]:
    """A carrier to the shop at this address; `shared_cache` puts a CDN's cache in between."""
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS_MAX, sock_read=READ_SECONDS_MAX)
    connector = aiohttp.TCPConnector(limit=CONNECTIONS_MAX, keepalive_timeout=15)
    async with aiohttp.ClientSession(base_url, timeout=timeout, connector=connector) as session:
        yield Carrier(session, seen, cache=SharedCache(time.monotonic) if shared_cache else None)


def _document(body: bytes) -> object:
    """The JSON of an answer; None for an empty one or another kind of text."""
    try:
        return orjson.loads(body) if body else None
    except orjson.JSONDecodeError:
        return None


def _retry_after(given: str | None) -> float | None:
    return float(given) if given and given.isascii() and given.isdecimal() else None
