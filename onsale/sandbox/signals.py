"""Ctrl-C and SIGTERM for `onsale run`: the first asks to stop in order, one more stops at once."""

from __future__ import annotations

import signal
import time
from types import FrameType

WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
# `make` passes on what the terminal has sent us already; that is one wish, not two.
ECHO_SECONDS = 1.0


class StopAsked(BaseException):
    """Somebody asked to stop; no part may take it for an error of its own."""


class StopSignals:
    """Raises StopAsked at the first signal, wherever the main thread is; later ones only make it hurry."""

    def __init__(self) -> None:
        self._first: float | None = None
        self._hurried = False
        self._raises = True
        self._before: dict[int, object] = {}

    def __enter__(self) -> StopSignals:
        for number in WATCHED:
            self._before[number] = signal.signal(number, self._received)
        return self

    def __exit__(self, *_: object) -> None:
        for number, before in self._before.items():
            signal.signal(number, before)  # type: ignore[arg-type]  # what signal.signal itself returned

    def hurried(self) -> bool:
        return self._hurried

    def only_hurry(self) -> None:
        """Raise no more: stopping has begun, for whatever reason."""
        self._raises = False

    def _received(self, number: int, frame: FrameType | None) -> None:
        now = time.monotonic()
        if self._first is None:
            self._first = now
        elif now - self._first > ECHO_SECONDS:
            self._hurried = True
        if self._raises:
            self._raises = False
            raise StopAsked
