"""Copies in this process of what everybody asks for: read at most once per interval, by one thread, however many ask.

An answer from here costs neither a call to Redis nor one to PostgreSQL. When the source does not answer, the last copy
goes on being served for a while, as the answers' own `stale-if-error` says.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

from onsale.errors import NotFound, OnsaleError

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# A copy nobody asked for in this time is no longer kept fresh; after the longer one it is forgotten.
IDLE_SECONDS = 10.0
FORGOTTEN_SECONDS = 60.0
# Beyond this the least recently asked one goes: made-up ids must not fill the memory.
KEPT_MAX = 2_000
# A reading never takes more than this share of the time: an expensive copy is refreshed less often.
SHARE_MAX = 0.1

log = structlog.get_logger()


class _Kept(Generic[V]):
    """One copy with its times (of the monotonic clock)."""

    __slots__ = ("asked_at", "due_at", "error", "lock", "read_at", "value")

    def __init__(self, now: float) -> None:
        self.value: V | None = None
        self.error: OnsaleError | None = None
        self.read_at = 0.0
        self.due_at = 0.0
        self.asked_at = now
        self.lock = threading.Lock()


class Copies(Generic[K, V]):
    """Copies by key. `read` runs in one thread at a time per key, at most once per interval while somebody asks."""

    def __init__(
        self, read: Callable[[K], V], *, name: str, every_seconds: float = 1.0, stale_seconds: float = 30.0
    ) -> None:
        self._read = read
        self._name = name
        self._every = every_seconds
        self._stale = stale_seconds
        self._kept: dict[K, _Kept[V]] = {}
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self._stopped = threading.Event()

    def get(self, key: K) -> V:
        """The copy; read now only if there is none, or it was idle. Raises what `read` raised once no copy is left."""
        kept = self._kept.get(key)
        now = time.monotonic()
        if kept is None:
            kept = self._keep(key, now)
        kept.asked_at = now
        # Twice, because the thread may be late; it is the thread's work to be in time.
        if kept.value is not None and kept.error is None and now < kept.due_at + self._every:
            return kept.value
        return self._from_source(key, kept)

    def is_old(self, key: K, *, seconds: float) -> bool:
        """Whether the copy was read longer ago than this."""
        kept = self._kept.get(key)
        return kept is not None and time.monotonic() - kept.read_at > seconds

    def forget(self, key: K) -> None:
        """Read it anew at the next asking: the organiser has just changed it."""
        with self._lock:
            self._kept.pop(key, None)

    def stop(self) -> None:
        """End the thread; for tests and the end of the process."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(timeout=5)

    def _from_source(self, key: K, kept: _Kept[V]) -> V:
        # Who has a copy to serve does not wait for the one who is reading.
        usable = kept.value is not None and time.monotonic() - kept.read_at < self._stale
        if kept.lock.acquire(blocking=not usable):
            try:
                if time.monotonic() >= kept.due_at:
                    self._refresh(key, kept)
            finally:
                kept.lock.release()
        if kept.value is not None and time.monotonic() - kept.read_at < self._stale:
            return kept.value
        raise kept.error or NotFound()

    def _refresh(self, key: K, kept: _Kept[V]) -> None:
        """Read the source; called with the key's lock."""
        began = time.monotonic()
        try:
            kept.value, kept.error = self._read(key), None
            kept.read_at = time.monotonic()
        except NotFound as error:
            kept.value, kept.error = None, error
        except OnsaleError as error:
            if kept.error is None:
                log.warning("copy_not_refreshed", copy=self._name, key=str(key), why=type(error).__name__)
            kept.error = error
        took = time.monotonic() - began
        kept.due_at = began + max(self._every, took / SHARE_MAX)

    def _keep(self, key: K, now: float) -> _Kept[V]:
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._keep_fresh, name=f"copies-{self._name}", daemon=True)
                self._thread.start()
            if len(self._kept) >= KEPT_MAX:
                del self._kept[min(self._kept, key=lambda each: self._kept[each].asked_at)]
            return self._kept.setdefault(key, _Kept(now))

    def _keep_fresh(self) -> None:
        while not self._stopped.wait(self._every / 10):
            now = time.monotonic()
            with self._lock:
                asked = list(self._kept.items())
            for key, kept in asked:
                if now - kept.asked_at > FORGOTTEN_SECONDS:
                    self._forget_idle(key, now)
                elif now >= kept.due_at and now - kept.asked_at <= IDLE_SECONDS and kept.lock.acquire(blocking=False):
                    try:
                        self._refresh(key, kept)
                    except Exception:
                        # The edge of this thread: a copy that cannot be read must not stop the others being kept fresh.
                        log.exception("copy_broken", copy=self._name, key=str(key))
                        kept.due_at = now + self._every
                    finally:
                        kept.lock.release()

    def _forget_idle(self, key: K, now: float) -> None:
        with self._lock:
            kept = self._kept.get(key)
            if kept is not None and now - kept.asked_at > FORGOTTEN_SECONDS:
                del self._kept[key]
