"""Copies in this process that are as fresh as the change stream says: what was committed a second ago is seen.

A copy is looked up in Redis a few times a second, however many ask; the record is read by one process for all of them.
Where nobody follows the change stream, or Redis is away, this process reads the record twice a second for itself.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Generic, TypeVar

import structlog

from onsale.db.packed import Packed
from onsale.errors import BadRequest, NotFound, OnsaleError
from onsale.queue.catalogue_cache import READING_MS, Answer, CatalogueCache, Turn

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")

# An answer shows all that was committed this long before it was asked for, and the 0.75 s longer that the sign of the
# change stream is believed: 0.9 s together (queue/followed.py).
COPY_SECONDS = 0.15
# Of what this process has read itself there is nothing to add.
ALONE_SECONDS = 0.5
# While another process reads, its copy is looked for so often; when that one died, we read ourselves.
LOOK_AGAIN_SECONDS = 0.01
WAITED_SECONDS_MAX = READING_MS / 1_000 + 0.5
# Beyond this the one that was looked up first goes: made-up ids must not fill the memory.
KEPT_MAX = 2_000

log = structlog.get_logger()


class _Kept(Generic[V]):
    """One copy; it may be told to whoever asked before `good_until` (of the monotonic clock)."""

    __slots__ = ("error", "failing", "good_until", "lock", "read_at", "tag", "value")

    def __init__(self) -> None:
        self.value: V | None = None
        self.error: OnsaleError | None = None
        self.failing = False
        self.tag = ""
        self.read_at = 0.0
        self.good_until = 0.0
        self.lock = threading.Lock()


class Fresh(Generic[K, V]):
    """Copies by key, read by one thread at a time. `place` says where on the cache's shelf a key belongs.

    `read` is told up to which place in the record's log it must see everything; None: all there is.
    """

    def __init__(
        self,
        read: Callable[[K, int | None], V],
        cache: CatalogueCache,
        form: Packed[V],
        *,
        place: Callable[[K], tuple[str, int]],
        stale_seconds: float,
        kept_max: int = KEPT_MAX,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._read = read
        self._cache = cache
        self._form = form
        self._place = place
        self._stale = stale_seconds
        self._kept_max = kept_max
        self._clock = clock
        self._pause = pause
        self._kept: OrderedDict[K, _Kept[V]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: K) -> V:
        """What the record says, or said a moment ago. Raises what `read` raised, once there is no copy to tell."""
        asked = self._clock()
        kept = self._kept.get(key) or self._keep(key)
        if asked >= kept.good_until:
            with kept.lock:
                # By when it was asked for: whoever has waited here takes what was read meanwhile.
                if asked >= kept.good_until:
                    self._refresh(key, kept)
        error, value = kept.error, kept.value
        if error is not None or value is None:
            raise error or NotFound()
        return value

    def _refresh(self, key: K, kept: _Kept[V]) -> None:
        """With the key's lock."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
        began = self._clock()
        try:
            self._ask(key, kept)
            kept.read_at, kept.failing = self._clock(), False
        except (NotFound, BadRequest) as error:
            # An answer as well.
            kept.value, kept.error, kept.tag = None, error, ""
            kept.good_until = began + COPY_SECONDS
        except OnsaleError as error:
            # What does not answer is left alone for a moment, and what was is told meanwhile.
            kept.good_until = self._clock() + ALONE_SECONDS
            if kept.value is None or kept.good_until - kept.read_at > self._stale:
                kept.value, kept.error = None, error
            if not kept.failing:
                kept.failing = True
                log.warning("copy_not_refreshed", copy=self._form.name, why=type(error).__name__)

    def _ask(self, key: K, kept: _Kept[V]) -> None:
        """Redis, and whoever reads for all; else the record."""
        name, place = self._place(key)
        deadline = self._clock() + WAITED_SECONDS_MAX
        while True:
            began = self._clock()
            look = self._cache.look_up(name, place, known=kept.tag if kept.value is not None else "")
            if look.answer is Answer.WAIT and began < deadline:
                self._pause(LOOK_AGAIN_SECONDS)
                continue
            if look.answer is Answer.HIT and self._unpacked(look.text, kept):
                kept.tag = look.tag
            elif look.answer is Answer.READ and look.turn is not None:
                self._read_for_all(key, kept, look.turn)
            elif look.answer is not Answer.SAME:
                kept.value, kept.error, kept.tag = self._read(key, None), None, ""
                kept.good_until = began + ALONE_SECONDS
                return
            kept.good_until = began + COPY_SECONDS
            return

    def _unpacked(self, text: bytes, kept: _Kept[V]) -> bool:
        try:
            kept.value, kept.error = self._form.unpack(text), None
        except ValueError:
            log.warning("copy_not_understood", copy=self._form.name)
            return False
        return True

    def _read_for_all(self, key: K, kept: _Kept[V], turn: Turn) -> None:
        name, place = self._place(key)
        text = b""
        try:
            value = self._read(key, turn.stamp)
            text = self._form.pack(value)
        finally:
            self._cache.keep(name, place, turn, text)
        kept.value, kept.error, kept.tag = value, None, f"{turn.generation}:{turn.stamp}"

    def _keep(self, key: K) -> _Kept[V]:
        with self._lock:
            if len(self._kept) >= self._kept_max:
                self._kept.popitem(last=False)
            return self._kept.setdefault(key, _Kept())
