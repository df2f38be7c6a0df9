"""A search that goes on from the record while the index is away: the same answers, slower."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

import structlog
from elasticsearch import BadRequestError

from onsale.breaker import Breaker
from onsale.errors import BadRequest, SearchUnavailable
from onsale.search import Search, SearchPage, SearchQuery, Suggestion

# Nobody waits for an index that did not answer a moment ago.
REST_SECONDS = 5.0
# What the log says of it.
AWAY, REFUSED = "search_from_the_record", "search_refused"

T = TypeVar("T")

log = structlog.get_logger(__name__)


class FallingBack:
    """`Search` on the first that answers. Thread safe."""

    def __init__(self, first: Search, second: Search, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._first = first
        self._second = second
        self._breaker = Breaker(REST_SECONDS, clock=clock)

    def search(self, query: SearchQuery) -> SearchPage:
        """The page asked for. SearchUnavailable for a later page of an index that is away: only it can go on."""
        page = self._from_the_first(lambda: self._first.search(query))
        if page is not None:
            return page
        if query.cursor is not None:
            raise SearchUnavailable
        return self._second.search(query)

    def suggest(self, text: str) -> tuple[Suggestion, ...]:
        """What the text may be the beginning of."""
        found = self._from_the_first(lambda: self._first.suggest(text))
        return self._second.suggest(text) if found is None else found

    def _from_the_first(self, ask: Callable[[], T]) -> T | None:
        """Its answer; None while it is away."""
        if not self._breaker.may_ask():
            return None
        try:
            answer = ask()
        except BadRequest:
            # Else whoever asks nonsense whenever it might be asked again could keep it away from everybody.
            self._breaker.was_not_asked()
            raise
        except SearchUnavailable as error:
            # It is there and refuses one question: nobody else has to do without it.
            if isinstance(error.__cause__, BadRequestError):
                self._breaker.worked()
                log.error(REFUSED, reason=str(error.__cause__))
                return None
            if self._breaker.failed():
                log.warning(AWAY, reason=str(error.__cause__))
            return None
        self._breaker.worked()
        return answer
