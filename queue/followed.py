"""What the reader of the change stream says to the copies in Redis: what is outdated, and how far they may be believed.

It vouches for three quarters of a second at a time. Whenever something may have been missed (Redis was away, or is
another one, or the stream was begun anew) a new generation begins, and every older copy is worthless.
"""

from __future__ import annotations

import secrets
from collections.abc import Collection
from dataclasses import dataclass

from redis import Redis
from redis.exceptions import RedisError

from onsale.queue import lua
from onsale.queue.catalogue_cache import EVENTS
from onsale.queue.kept_connections import KeptConnections, KeptScript
from onsale.queue.keys import CatalogueKeys
from onsale.queue.outage import REST_SECONDS, Outage

# Whoever finds the sign sees everything that was committed this long before; a front adds its own copy's age.
VOUCHED_MS = 750
KEYS_MAX = 500
# Whoever follows has other things to do than to wait for the cache.
ANSWER_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment by the clock of one Redis, from which the log is looked at."""

    run_id: str
    since_ms: int


class Followed:
    """One reader's word to the copies. Not thread safe; raises nothing: without its word the record is read."""

    def __init__(self, client: Redis, *, vouched_ms: int = VOUCHED_MS, sources: dict[str, str] | None = None) -> None:
        """`sources` replaces a script's text: negative controls do."""
        kept = KeptConnections(client.connection_pool)
        texts = {name: lua.load(name) for name in ("outdate", "vouch")} | (sources or {})
        self._client = client
        self._vouched_ms = vouched_ms
        self._outdate = KeptScript(client, texts["outdate"], kept)
        self._vouch = KeptScript(client, texts["vouch"], kept)
        # Nobody waits for it but it; until it is back every front reads the record by itself.
        self._outage = Outage("caches of events and searches", hung_rest_seconds=REST_SECONDS)
        self._run_id = ""
        # Empty: the next mark begins a new one.
        self._generation = ""
        self._changed = 0

    def is_vouched_for(self) -> bool:
        """Whether somebody vouches for the copies now. Raises RedisError."""
        return bool(self._client.exists(CatalogueKeys.followed))

    def begin_anew(self) -> None:
        """Something may have been missed: no copy made so far is believed again."""
        self._generation = ""
        # Another log's positions may be lower: what is outdated by them would be told for good.
        self._changed = 0

    def mark(self) -> Mark | None:
        """The moment to vouch for, taken before the end of the log is looked at; None while Redis is away."""
        if not self._outage.may_ask():
            return None
        try:
            if not self._generation:
                self._run_id = str(self._client.info("server")["run_id"])
                self._generation = secrets.token_hex(8)
            seconds, microseconds = self._client.time()
        except RedisError as error:
            self._failed(error)
            return None
        self._outage.worked()
        return Mark(self._run_id, int(seconds) * 1_000 + int(microseconds) // 1_000)

    def outdate(self, event_ids: Collection[int], lsn: int) -> None:
        """These events changed, the last of them in a transaction that ends here; so did every search."""
        self.outdate_searches(lsn)
        if not self._generation:
            return
        if len(event_ids) > EVENTS.slots:
            self.begin_anew()
            return
        keys = sorted({CatalogueKeys.slot(EVENTS.name, event_id % EVENTS.slots) for event_id in event_ids})
        try:
            for first in range(0, len(keys), KEYS_MAX):
                self._outdate(keys[first : first + KEYS_MAX], [self._generation, lsn, EVENTS.keep_ms])
        except RedisError as error:
            self._failed(error)

    def outdate_searches(self, lsn: int) -> None:
        """Searches made so far are outdated as soon as the next sign says so."""
        self._changed = max(self._changed, lsn)

    def vouch(self, mark: Mark, position: int) -> bool:
        """All that was committed before the mark, and so before this position, was told; whether that is believed."""
        if not self._generation or mark.run_id != self._run_id:
            return False
        self._changed = self._changed or position
        arguments: list[str | bytes | int] = [
            mark.run_id,
            self._generation,
            position,
            self._changed,
            mark.since_ms,
            self._vouched_ms,
        ]
        try:
            answer = bytes(self._vouch([CatalogueKeys.followed], arguments))
        except RedisError as error:
            self._failed(error)
            return False
        if answer == b"OTHER":
            self.begin_anew()
        return answer == b"OK"

    def _failed(self, error: RedisError) -> None:
        self._outage.failed(error)
        # What it did not hear it will never hear.
        self.begin_anew()
