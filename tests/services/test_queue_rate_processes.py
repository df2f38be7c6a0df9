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
from onsale.queue.state import AdmissionEntry
from onsale.queue.store import JOURNAL_MAX, QueueStore
from onsale.sandbox.valkey import EmbeddedValkey
from tests.services.waiting_room import EMPTY, EVENT, RULES

PER_MINUTE = 24_000
SECONDS = 15
PROCESSES = 3
ERROR_MAX = 0.002
# Their only aim is to come in too early.
FLAT_OUT = """
import sys, time
from redis import Redis
from onsale.db.ids import EventId
from onsale.queue.store import QueueStore
store, until, calls = QueueStore(Redis.from_url(sys.argv[1])), float(sys.argv[2]), 0
while time.time() < until:
    store.advance(EventId(int(sys.argv[3])))
    calls += 1
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


def flat_out(server: EmbeddedValkey, until: float) -> list[subprocess.Popen[str]]:
    command = [sys.executable, "-c", FLAT_OUT, server.url(), str(until), str(EVENT)]
    return [subprocess.Popen(command, stdout=subprocess.PIPE, text=True) for _ in range(PROCESSES)]


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


@pytest.mark.slow
def test_three_processes_flat_out_admit_the_rate(redis_client: Redis, valkey_server: EmbeddedValkey) -> None:
    store = opened(redis_client, PER_MINUTE)
    processes = flat_out(valkey_server, time.time() + SECONDS + 1)
    # The whole is measured from the opening, at which the bucket is empty, up to the last run.
    began = int(redis_client.hget(f"q:{{{EVENT}}}:queue", "credits_at_us") or 0)

    calls = calls_of(processes)

    runs = journal(store)
    changes = [Change(began, PER_MINUTE)]
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
    store = opened(redis_client, PER_MINUTE)
    processes = flat_out(valkey_server, time.time() + SECONDS + 1)
    key = f"q:{{{EVENT}}}:queue"
    changes = [Change(int(redis_client.hget(key, "credits_at_us") or 0), PER_MINUTE)]

    for version, per_minute in enumerate([6_000, 24_000, 601, 12_000], start=2):
        time.sleep(3)
        store.configure(EVENT, replace(RULES, rate_per_minute=per_minute), version=version)
        # When it took effect, by the clock of the runs; asked afterwards, a busy machine adds its own time.
        changes.append(Change(int(redis_client.hget(key, "configured_at_us") or 0), per_minute))
    calls_of(processes)

    runs = journal(store)
    whole, fair = sum(run.admitted for run in runs), earned(changes, runs[-1].at_us)
    assert windows_over(runs, changes) == []
    assert abs(whole - fair) <= fair * ERROR_MAX
