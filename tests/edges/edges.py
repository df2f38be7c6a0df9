"""The edges of Onsale's code: before and after every commit, every call to the bank and every wake-up.

They are found where all of them pass (one function each), so a new step cannot be forgotten: whatever it writes, asks
or sends is an edge by itself. Installed in a process of a test's own alone; `die_at` ends it there as `kill -9` would.
"""

from __future__ import annotations

import os
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from onsale.db import engine as record
from onsale.payments.transport import PooledTransport
from onsale.queue.broker import Wakes

# Where the three pass through; whoever called them is who the edge is named after.
PASSAGES = ("db/engine.py", "payments/transport.py", "payments/stripe_provider.py", "queue/broker.py")
# Who is called by these wanted it.
ON_BEHALF = ("<lambda>", "call_provider")
FOLDERS = ("web/", "workers/", "db/", "queue/", "onsale/")
ROOT = Path(__file__).resolve().parents[2]


class Edges:
    """Tells `seen` of each that is passed, by its name and how often it has been. One process has one."""

    def __init__(self, die_at: str, *, seen: Callable[[str], None]) -> None:
        self._passed: Counter[str] = Counter()
        self._die_at = die_at
        self._seen = seen
        self._rests = False

    def install(self) -> None:
        """Stand where commits, calls and wake-ups pass."""
        confirmed, request, send = record.confirmed, PooledTransport.request, Wakes._send

        @contextmanager
        def at_commit(connection: Any) -> Iterator[None]:
            with self._around("commit"), confirmed(connection):
                yield

        record.confirmed = at_commit  # type: ignore[assignment]
        PooledTransport.request = self._within("call", request)  # type: ignore[method-assign]
        Wakes._send = self._within("wake-up", send)  # type: ignore[method-assign]

    def rest(self) -> None:
        """What is passed from now on is no edge of the story's."""
        self._rests = True

    def _within(self, kind: str, function: Callable[..., Any]) -> Callable[..., Any]:
        def passing(*arguments: Any, **more: Any) -> Any:
            with self._around(kind):
                return function(*arguments, **more)

        return passing

    @contextmanager
    def _around(self, kind: str) -> Iterator[None]:
        name = f"{kind} of {_caller()}"
        self._pass(f"before the {name}")
        yield
        self._pass(f"after the {name}")

    def _pass(self, name: str) -> None:
        if self._rests:
            return
        self._passed[name] += 1
        edge = f"{name}, time {self._passed[name]}"
        self._seen(edge)
        if edge == self._die_at:
            os.kill(os.getpid(), signal.SIGKILL)


def _caller() -> str:
    """The line of ours that wanted it."""
    frame = sys._getframe(1)
    while frame is not None:
        file = os.path.relpath(frame.f_code.co_filename, ROOT)
        is_ours = file.startswith(FOLDERS) and not file.endswith(PASSAGES)
        if is_ours and frame.f_code.co_name not in ON_BEHALF:
            return f"{file.removeprefix('onsale/')}:{frame.f_code.co_name}"
        frame = frame.f_back  # type: ignore[assignment]
    return "a test"
