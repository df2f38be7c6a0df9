"""What a CDN in front of the shop does for what everybody gets alike (RFC 9111): one request per second for all.

Only answers that say `public` are kept, as long as they say; one request at a time per address (the others wait for
it); asked again with its ETag; an old one within `stale-if-error` rather than an error.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from onsale.sandbox.visitor.steps import Answer

NOT_MODIFIED = 304
_DIRECTIVE = re.compile(r"([a-z-]+)(?:=([0-9]+))?")


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer with what HTTP says about keeping it."""

    answer: Answer
    cache_control: str = ""
    etag: str = ""


@dataclass
class _Kept:
    fetched: Fetched
    fresh_until: float
    usable_until: float


class SharedCache:
    """Answers by address, for all buyers of one process."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._kept: dict[str, _Kept] = {}
        self._locks: dict[str, asyncio.Lock] = {}

    async def get(self, path: str, fetch: Callable[[str], Awaitable[Fetched]]) -> Answer:
        """What is kept for the path, or what `fetch` brings; it is given the ETag to ask with."""
        found = self._fresh(path)
        if found:
            return found.fetched.answer
        async with self._locks.setdefault(path, asyncio.Lock()):
            found = self._fresh(path)
            if found:
                return found.fetched.answer
            known = self._kept.get(path)
            return self._keep(path, known, await fetch(known.fetched.etag if known else ""))

    def _fresh(self, path: str) -> _Kept | None:
        known = self._kept.get(path)
        return known if known and self._clock() < known.fresh_until else None

    def _keep(self, path: str, known: _Kept | None, fetched: Fetched) -> Answer:
        now, status = self._clock(), fetched.answer.status
        if known and status == NOT_MODIFIED:
            fetched = Fetched(known.fetched.answer, fetched.cache_control, known.fetched.etag)
        elif known and (status == 0 or status >= 500) and now < known.usable_until:
            return known.fetched.answer
        directives = dict(_DIRECTIVE.findall(fetched.cache_control.lower()))
        if "public" in directives and fetched.answer.is_success:
            seconds = int(directives.get("s-maxage") or directives.get("max-age") or 0)
            fresh_until = now + seconds
            self._kept[path] = _Kept(fetched, fresh_until, fresh_until + int(directives.get("stale-if-error") or 0))
        return fetched.answer
