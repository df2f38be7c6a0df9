"""The row `status`: what a poll of the queue status costs the web, and that it costs no call to Redis.

Polls per CPU-second of the web, divided by requests per CPU-second of the empty route, in runs that alternate. Beside
it the commands that Valkey counted: each process refreshes its copy once a second, however many poll, so in a run with
many polls there must be no more of them than in one with few.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

from redis import Redis

from onsale.sandbox.bench import web_process
from onsale.sandbox.bench.parts import an_open_event, parts
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec, alternating, median_ratio, medians
from onsale.sandbox.bench.web_process import EMPTY, WebProcess, get

# Polls in the quiet time: enough to keep the copy fresh, too few to count.
QUIET_POLLS_PER_SECOND = 4
QUIET_SECONDS_MIN = 3.0
# More than this and polls do call Redis. A refresh that fell into one time and not the other is far below it.
CALLS_PER_POLL_MAX = 0.01


@dataclass(frozen=True)
class Watched:
    """The commands Valkey ran in some time, and the polls in it."""

    commands: int
    polls: int
    seconds: float


def calls_per_poll(quiet: Watched, busy: Watched) -> float:
    """The commands each poll adds to what the refreshes of the same time make."""
    refreshing = quiet.commands / quiet.seconds * busy.seconds
    return max(0.0, busy.commands - refreshing) / (busy.polls - quiet.polls / quiet.seconds * busy.seconds)


def measure(effort: Effort, say: Say, *, factory: str = web_process.FACTORY) -> Measured:
    with parts() as own, web_process.web_process(own, factory=factory) as web:
        poll = get(f"/v1/events/{an_open_event(own.shop)}/queue")
        polls, empties = web.times_for(poll, effort.seconds), web.times_for(EMPTY, effort.seconds)
        pairs = alternating(
            lambda: web.load([poll], times=polls).per_cpu_second,
            lambda: web.load([EMPTY], times=empties).per_cpu_second,
            pairs=effort.pairs,
            say=say,
        )
        with Redis.from_url(own.valkey.url()) as client:
            calls = _calls_per_poll(web, client, poll, polls)
    faults = (f"a poll calls Redis {calls:.2f} times",) if calls > CALLS_PER_POLL_MAX else ()
    return Measured(median_ratio(pairs), faults, (medians(pairs, "per CPU-second"), f"{calls:.4f} Redis calls a poll"))


def _calls_per_poll(web: WebProcess, client: Redis, poll: bytes, polls: int) -> float:
    web.load([poll])
    began, before = time.monotonic(), _commands(client)
    few = 0
    while time.monotonic() - began < QUIET_SECONDS_MIN:
        few += web.load([poll]).answered
        time.sleep(1 / QUIET_POLLS_PER_SECOND)
    quiet = Watched(_commands(client) - before, few, time.monotonic() - began)
    began, before = time.monotonic(), _commands(client)
    many = web.load([poll], times=polls).answered
    return calls_per_poll(quiet, Watched(_commands(client) - before, many, time.monotonic() - began))


def _commands(client: Redis) -> int:
    return int(client.info("stats")["total_commands_processed"])


SPEC = Spec(
    "status",
    "status polls per CPU-second of the web, against an empty Flask route, and no Redis call in a poll",
    "of an empty route",
    floor=3.0,
    goal=3.0,
    measure=measure,
)
