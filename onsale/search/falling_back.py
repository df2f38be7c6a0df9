"""A search that goes on from the record while the index is away: the same answers, slower."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from onsale.errors import SearchUnavailable
from onsale.search import Search, SearchPage, SearchQuery

# Nobody waits for an index that did not answer a moment ago.
REST_SECONDS = 5.0

log = structlog.get_logger(__name__)


class FallingBack:
    """`Search` on the first that answers. Thread safe: a race costs one more question to the first."""

    def __init__(self, first: Search, second: Search, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._second = second
        self._clock = clock
        self._rests_until: float | None = None

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for. SearchUnavailable for a later page of an index that is away: only it can go on."""
        if self._rests_until is None or self._clock() >= self._rests_until:
            try:
                page = self._first.search(query)
            except SearchUnavailable as error:
                if self._rests_until is None:
                    log.warning("search_from_the_record", reason=str(error.__cause__))
                self._rests_until = self._clock() + REST_SECONDS
            else:
                self._rests_until = None
                return page
        if query.cursor is not None:
            raise SearchUnavailable
        return self._second.search(query)
