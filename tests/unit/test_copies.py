"""Copies of what everybody asks for: read once per interval however many ask, and served on when the source is away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest

from onsale.errors import NotFound, QueueUnavailable
from onsale.web import copies
from onsale.web.copies import Copies
from onsale.web.kept import Kept

EVERY = 0.05


@contextmanager
def keeping(read: Callable[[str], Any], **options: float) -> Iterator[Copies[str, Any]]:
    kept: Copies[str, Any] = Copies(read, name="test", **{"every_seconds": EVERY, **options})
    yield kept
    kept.stop()


class Source:
    """Counts its readings; fails while `error` is set."""

    def __init__(self) -> None:
        self.readings = 0
        self.at_once = 0
        self.most_at_once = 0
        self.error: Exception | None = None
        self._lock = threading.Lock()

    def __call__(self, key: str) -> int:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            self.readings += 1
            reading = self.readings
        time.sleep(0.005)
        with self._lock:
            self.at_once -= 1
        if self.error is not None:
            raise self.error
        return reading


def wait_for(true: Callable[[], bool], *, seconds: float = 5) -> None:
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.002)


def test_a_thousand_who_ask_cause_one_reading():
    source = Source()

    with keeping(source, every_seconds=60) as kept, ThreadPoolExecutor(16) as pool:
        answers = set(pool.map(lambda _: kept.get("a"), range(1_000)))

    assert (answers, source.readings) == ({1}, 1)


def test_a_copy_that_is_asked_for_stays_fresh_by_one_thread():
    source = Source()

    with keeping(source) as kept:
        wait_for(lambda: kept.get("a") >= 5)

    assert source.most_at_once == 1


def test_it_is_read_once_per_interval_at_most():
    source = Source()
    began = time.monotonic()

    with keeping(source) as kept:
        while time.monotonic() < began + 0.5:
            kept.get("a")
        took = time.monotonic() - began

    assert source.readings <= took / EVERY + 2


def test_an_expensive_copy_is_read_less_often():
    def slow(_: str) -> float:
        time.sleep(0.02)
        return time.monotonic()

    with keeping(slow, every_seconds=0.001) as kept:
        first = kept.get("a")
        wait_for(lambda: kept.get("a") != first)
        gap = kept.get("a") - first

    assert gap >= 0.02 / copies.SHARE_MAX * 0.9


def test_what_nobody_asks_for_is_not_read(monkeypatch):
    monkeypatch.setattr(copies, "IDLE_SECONDS", 0.1)
    source = Source()

    with keeping(source) as kept:
        kept.get("a")
        wait_for(lambda: source.readings >= 2)
        time.sleep(0.3)
        idle = source.readings
        time.sleep(0.3)

        assert source.readings == idle


def test_the_last_copy_is_served_while_the_source_is_away():
    source = Source()

    with keeping(source, stale_seconds=60) as kept:
        kept.get("a")
        source.error = QueueUnavailable()
        seen = source.readings
        wait_for(lambda: source.readings > seen + 2)

        assert kept.get("a") <= seen + 1


def test_a_copy_that_is_too_old_is_not_served():
    source = Source()

    with keeping(source, stale_seconds=0.1) as kept:
        kept.get("a")
        source.error = QueueUnavailable()

        def refused() -> bool:
            try:
                kept.get("a")
            except QueueUnavailable:
                return True
            return False

        wait_for(refused)


def test_an_error_is_a_copy_too_and_the_source_is_not_stormed():
    source = Source()
    source.error = QueueUnavailable()

    with keeping(source, every_seconds=60) as kept:
        for _ in range(100):
            with pytest.raises(QueueUnavailable):
                kept.get("a")

    assert source.readings == 1


def test_what_is_gone_is_gone_at_once():
    source = Source()

    with keeping(source, stale_seconds=60) as kept:
        kept.get("a")
        source.error = NotFound()

        def gone() -> bool:
            try:
                kept.get("a")
            except NotFound:
                return True
            return False

        wait_for(gone)


def test_what_was_forgotten_is_read_anew():
    source = Source()

    with keeping(source, every_seconds=60) as kept:
        first = kept.get("a")
        kept.forget("a")

        assert kept.get("a") == first + 1


def test_no_more_copies_are_kept_than_fit(monkeypatch):
    monkeypatch.setattr(copies, "KEPT_MAX", 10)
    source = Source()

    with keeping(source, every_seconds=60) as kept:
        for number in range(30):
            kept.get(str(number))

        assert len(kept._kept) == 10
        assert "29" in kept._kept


def test_a_broken_reading_does_not_stop_the_others():
    source = Source()

    def read(key: str) -> int:
        if key == "broken" and source.readings > 1:
            raise RuntimeError("broken")
        return source(key)

    with keeping(read) as kept:
        kept.get("broken")
        before = kept.get("good")
        kept.get("broken")

        wait_for(lambda: kept.get("good") > before + 2)


@pytest.mark.parametrize(
    ("header", "has_it"),
    [
        ('"a"', True),
        ('W/"a"', True),
        ('"b", "a"', True),
        ("*", True),
        ('"b"', False),
        ("a", False),
        ("", False),
        (None, False),
    ],
)
def test_who_has_the_version_is_told_so(header, has_it):
    status, headers, body = Kept(b"{}", etag='"a"').answer(header)

    assert (status, body) == ((304, b"") if has_it else (200, b"{}"))
    assert ("ETag", '"a"') in headers


def test_equal_bodies_have_equal_tags_and_others_have_others():
    assert Kept(b"a").etag == Kept(b"a").etag != Kept(b"b").etag
