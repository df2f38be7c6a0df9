"""Looks at the shop once a second while the crowd is there: how the queue stands, and what each process spends."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from http.client import HTTPException
from typing import Any
from urllib.request import urlopen

import orjson

from onsale.sandbox.cpu_time import CpuMeter
from onsale.sandbox.stack import Stack

STATUS_SECONDS_MAX = 2.0
KEPT = ("phase", "serving", "issued", "waiting", "free", "held", "rate_per_minute", "admitted_per_minute")


@dataclass(frozen=True)
class Sample:
    """The shop at one moment: seconds from the opening, the queue status (empty when nobody answered), CPU seconds."""

    at: float
    status: dict[str, Any]
    cpu: dict[str, float]


@dataclass
class Watch:
    """The samples of one rehearsal; without a stack of our own there is no CPU to look at."""

    status_url: str
    began_at: float
    stack: Stack | None = None
    samples: list[Sample] = field(default_factory=list)
    _meter: CpuMeter = field(default_factory=CpuMeter)

    def look(self) -> Sample:
        """Take one sample."""
        cpu = self._meter.look(processes(self.stack)) if self.stack else {}
        sample = Sample(time.monotonic() - self.began_at, status_at(self.status_url), cpu)
        self.samples.append(sample)
        return sample


def processes(stack: Stack) -> dict[str, int | None]:
    """The process of every part and line of a stack by name; None for one that is just being started again."""
    parts = {part.name: part.pid for part in stack.parts}
    lines = stack.supervisor.lines if stack.supervisor else {}
    return parts | {
        name: line.process.pid if line.process is not None and line.runs else None for name, line in lines.items()
    }


def status_at(url: str) -> dict[str, Any]:
    """The queue status as anybody sees it; empty when nobody answers in time, or with something else."""
    try:
        with urlopen(url, timeout=STATUS_SECONDS_MAX) as answer:  # noqa: S310 - the address is the shop's
            status = orjson.loads(answer.read())
    # urllib's own errors are OSErrors.
    except (OSError, HTTPException, ValueError):
        return {}
    if not isinstance(status, dict) or not status.keys() >= set(KEPT):
        return {}
    odds = status.get("odds")
    choosing = odds.get("choosing", 0) if isinstance(odds, dict) else 0
    return {name: status[name] for name in KEPT} | {"why": str(status.get("why", "")), "choosing": choosing}
