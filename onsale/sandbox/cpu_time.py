"""CPU seconds of a process with all its children, dead ones too, as the system counts them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field

import psutil


def cpu_seconds(pid: int) -> float:
    """User and system time of the process, of its living descendants, and of those that have ended and were waited for.

    0 for a process that is not there.
    """
    total = 0.0
    with suppress(psutil.Error):
        root = psutil.Process(pid)
        for process in (root, *root.children(recursive=True)):
            with suppress(psutil.Error):
                times = process.cpu_times()
                total += times.user + times.system + times.children_user + times.children_system
    return total


@dataclass
class CpuMeter:
    """CPU seconds by name, over restarts: a process that was replaced keeps what it had used."""

    read: Callable[[int], float] = cpu_seconds
    _spent: dict[str, float] = field(default_factory=dict)
    _now: dict[str, tuple[int, float]] = field(default_factory=dict)

    def look(self, pids: Mapping[str, int | None]) -> dict[str, float]:
        """The seconds of each since its first look; a name without a process keeps its last value."""
        for name, pid in pids.items():
            if pid is None:
                continue
            used = self.read(pid)
            known, before = self._now.get(name, (pid, used))
            # A child that died without being waited for takes its seconds along: never count backwards.
            self._spent[name] = self._spent.get(name, 0.0) + (max(0.0, used - before) if known == pid else used)
            self._now[name] = (pid, used)
        return dict(self._spent)
