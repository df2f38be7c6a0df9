"""Three processes that advance one queue flat out together obey one rate."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

import pytest
from redis import Redis

from onsale.queue import rate
from onsale.queue.journaled import JOURNAL_MAX
from onsale.queue.state import AdmissionEntry
from onsale.queue.store import QueueStore
from onsale.sandbox.valkey import EmbeddedValkey
from tests.services.waiting_room import EMPTY, EVENT, RULES

PER_MINUTE = 24_000
SECONDS = 15
PROCESSES = 3
ERROR_MAX = 0.002
# Their only aim is to come in too early. They say when they are there: a machine slow to start them must not let the
# bucket run over before anybody takes from it.
FLAT_OUT = """
import sys, time
from redis import Redis
from onsale.db.ids import EventId
from onsale.errors import QueueRecovering
from onsale.queue.store import QueueStore
store, seconds, calls = QueueStore(Redis.from_url(sys.argv[1])), float(sys.argv[2]), 0
print("there", flush=True)
until = time.time() + 60
while time.time() < until:
    try:
        store.advance(EventId(int(sys.argv[3])))
    except QueueRecovering:
        continue
    calls += 1
    if calls == 1:
        until = time.time() + seconds
print(calls)
"""


@dataclass(frozen=True)
class Change:
    """The rate in force from `at_us` on, by the queue's clock."""

    at_us: int
    per_minute: int


def earned(changes: Sequence[Change], until_us: int) -> float:
    """How many people the rates allow from the first change up to a moment."""
    ends = [*(change.at_us for change in changes[1:]), until_us]
    return sum(
        max(0, min(end, until_us) - change.at_us) * change.per_minute / 60_000_000
        for change, end in zip(changes, ends, strict=True)
        if change.at_us < until_us
    )


def windows_over(runs: Sequence[AdmissionEntry], changes: Sequence[Change]) -> list[int]:
    """Every run that ends a window with more people than its rates and the largest burst in force allow."""
    burst = max(rate.capacity(change.per_minute) for change in changes) / rate.TURN_CREDITS
    over, admitted, lowest = [], 0, float("inf")
    for run in runs:
        fair = earned(changes, run.at_us)
        lowest = min(lowest, admitted - fair)
        admitted += run.admitted
        if admitted - fair > lowest + burst + 1e-6:
            over.append(run.seq)
    return over


def opened(client: Redis, per_minute: int) -> QueueStore:
    """A queue with more people waiting than will be let in, tickets and slots for all, nobody to be passed over."""
    store = QueueStore(client)
    rules = replace(RULES, rate_per_minute=per_minute, opens_at=datetime(2026, 1, 1, tzinfo=UTC))
    assert store.begin_recovery(EVENT, replace(EMPTY, issued=10_000_000, unknown_first=10_000_001), rules, version=1)
    store.set_stock(EVENT, [], free=10_000_000, held=0)
    assert store.finish_recovery(EVENT)
    return store


def flat_out(server: EmbeddedValkey, seconds: float) -> list[subprocess.Popen[str]]:
    """Processes that wait for the queue to open and then advance it for so long."""
    command = [sys.executable, "-c", FLAT_OUT, server.url(), str(seconds), str(EVENT)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "there\n"
    return processes


def calls_of(processes: Sequence[subprocess.Popen[str]]) -> int:
    calls = 0
    for process in processes:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0
        calls += int(said)
    return calls


def journal(store: QueueStore) -> list[AdmissionEntry]:
    runs: list[AdmissionEntry] = []
    while lines := store.admissions_to_write(EVENT, limit=JOURNAL_MAX):
        store.admissions_written(EVENT, lines[-1])
        runs += lines
    return runs


def opening(runs: Sequence[AdmissionEntry]) -> Change:
    """The bucket is empty at the opening, so the first run came when its first turns were earned."""
    return Change(runs[0].at_us - runs[0].admitted * 60_000_000 // PER_MINUTE, PER_MINUTE)


@pytest.mark.slow
def test_three_processes_flat_out_admit_the_rate(redis_client: Redis, valkey_server: EmbeddedValkey) -> None:
    processes = flat_out(valkey_server, SECONDS + 1)
    store = opened(redis_client, PER_MINUTE)

    calls = calls_of(processes)

    runs = journal(store)
    changes = [opening(runs)]
    whole, fair = sum(run.admitted for run in runs), earned(changes, runs[-1].at_us)
    assert windows_over(runs, changes) == []
    assert abs(whole - fair) <= fair * ERROR_MAX
    assert fair >= PER_MINUTE / 60 * SECONDS
    assert calls > 1_000
    assert [run.first for run in runs[1:]] == [run.last + 1 for run in runs[:-1]]


@pytest.mark.slow
def test_a_rate_that_changes_every_three_seconds_is_obeyed_all_the_same(
    redis_client: Redis, valkey_server: EmbeddedValkey
) -> None:
    processes = flat_out(valkey_server, SECONDS + 1)
    store = opened(redis_client, PER_MINUTE)
    changes = []

    for version, per_minute in enumerate([6_000, 24_000, 601, 12_000], start=2):
        time.sleep(3)
        store.configure(EVENT, replace(RULES, rate_per_minute=per_minute), version=version)
        # When it took effect, by the clock of the runs; asked afterwards, a busy machine adds its own time.
        changes.append(Change(int(redis_client.hget(f"q:{{{EVENT}}}:queue", "configured_at_us") or 0), per_minute))
    calls_of(processes)

    runs = journal(store)
    changes.insert(0, opening(runs))
    whole, fair = sum(run.admitted for run in runs), earned(changes, runs[-1].at_us)
    assert windows_over(runs, changes) == []
    assert abs(whole - fair) <= fair * ERROR_MAX
