"""The row `join`: what joining the queue costs the web, held against a Flask route that does nothing.

Joins per CPU-second of the whole web process (user and system time, all threads), divided by requests per CPU-second of
the empty route on the same server, in runs that alternate. Each join is a new buyer with a JWT of their own, signed
beforehand; the crowd is a process of its own, and neither its CPU nor Valkey's is counted.
"""

from __future__ import annotations

from collections.abc import Callable
from uuid import uuid4

from onsale.config import Config
from onsale.db.ids import EventId
from onsale.sandbox.bench import web_process
from onsale.sandbox.bench.parts import Parts, an_open_event, parts
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec, alternating, median_ratio, medians
from onsale.sandbox.bench.web_process import EMPTY, WebProcess
from onsale.sandbox.ports import LOOPBACK
from onsale.web import tokens

WARM_UP = 200
CALIBRATION = 1_000


def measure(effort: Effort, say: Say) -> Measured:
    with parts() as own, web_process.web_process(own) as web:
        event_id = an_open_event(own.shop)
        joins = _calibrated(own, web, event_id, effort.seconds)
        empties = web.times_for(EMPTY, effort.seconds)
        lost: list[int] = []
        pairs = alternating(
            lambda: _joins(own.config, web, event_id, joins, lost),
            lambda: web.load([EMPTY], times=empties).per_cpu_second,
            pairs=effort.pairs,
            say=say,
        )
    faults = (f"{sum(lost)} joins were not answered 201",) if any(lost) else ()
    return Measured(median_ratio(pairs), faults, (medians(pairs, "per CPU-second"),))


def _calibrated(own: Parts, web: WebProcess, event_id: EventId, seconds: float) -> int:
    web.load(requests(own.config, event_id, WARM_UP), status=201)
    trial = web.load(requests(own.config, event_id, CALIBRATION), status=201)
    return max(WARM_UP, round(trial.per_second * seconds))


def _joins(config: Config, web: WebProcess, event_id: EventId, times: int, lost: list[int]) -> float:
    load = web.load(requests(config, event_id, times), status=201)
    lost.append(load.refused)
    return load.per_cpu_second


def requests(config: Config, event_id: EventId, times: int, *, mint: Callable[..., str] = tokens.sign) -> list[bytes]:
    """Joins of so many new guests."""
    head = f"POST /v1/events/{event_id}/queue HTTP/1.1\r\nHost: {LOOPBACK}\r\nContent-Length: 0\r\n"
    return [
        f"{head}Authorization: Bearer {mint(config, uuid4(), audience=tokens.BUYERS, guest=True)}\r\n\r\n".encode()
        for _ in range(times)
    ]


SPEC = Spec(
    "join",
    "joins per CPU-second of the web, against an empty Flask route on the same server",
    "of an empty route",
    floor=0.4,
    goal=0.5,
    measure=measure,
)
