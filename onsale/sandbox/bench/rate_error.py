"""The row `rate-error`: how exactly three processes that admit at once, as fast as they can, obey the rate together.

From the journal the script itself writes: every window of t seconds admits at most rate x t + burst, and the whole
differs from rate x time by at most 0.2 %. Rate and size of the crowd are as in a big sale: 6,000 a minute.
"""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime

from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import QueueChange, change
from onsale.errors import QueueRecovering
from onsale.queue import rate
from onsale.queue.client import connect
from onsale.queue.journaled import JOURNAL_MAX
from onsale.queue.state import AdmissionEntry
from onsale.queue.store import QueueStore
from onsale.sandbox.bench.parts import Parts, open_queue, parts, put_on_sale
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec

PROCESSES = 3
PER_MINUTE = 6_000
PER_SECOND = PER_MINUTE / 60
# The error is counted over a minute; ten seconds are enough to see one of 0.2 % many times over.
SECONDS_MIN = 10.0
WAIT_SECONDS_MAX = 60
PEOPLE = 1_000_000
# They come early and wait: a machine slow to start them must not let the bucket run over before anybody takes from it.
_COMMAND = [sys.executable, "-m", "onsale.sandbox.bench.rate_error"]


def measure(effort: Effort, say: Say) -> Measured:
    seconds = 2.0 if effort.quick else max(SECONDS_MIN, effort.seconds * effort.pairs)
    with parts() as own:
        event_id = put_on_sale(own.shop, rows=1_000, now=datetime.now(UTC))
        with transaction(own.shop.engine) as connection:
            change(connection, event_id, QueueChange(rate_per_minute=PER_MINUTE), actor="bench")
        calls = _admitting(own, event_id, seconds)
        runs = journal(own.shop.store, event_id)
    say(f"{calls:,} calls by {PROCESSES} processes let {sum(run.admitted for run in runs):,} in")
    over = windows_over(runs, per_second=PER_SECOND, burst=rate.capacity(PER_MINUTE) / rate.TURN_CREDITS)
    faults = (f"{len(over)} windows let in more than rate x t + burst",) if over else ()
    return Measured(error_percent(runs, per_second=PER_SECOND), faults, (f"{calls:,} calls, {len(runs):,} runs",))


def _admitting(own: Parts, event_id: EventId, seconds: float) -> int:
    """Let all processes admit for so long, from the queue's opening on; returns how often they tried."""
    command = [*_COMMAND, own.settings["ONSALE_QUEUE_URL"], str(int(event_id)), str(seconds)]
    processes = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=own.env) for _ in range(PROCESSES)]
    try:
        for process in processes:
            assert process.stdout is not None
            process.stdout.readline()
        # More people than could be let in; who they are does not matter to the rate.
        open_queue(own.shop, event_id, numbers=PEOPLE, waiting=PEOPLE)
        return sum(int(process.communicate(timeout=seconds + WAIT_SECONDS_MAX)[0]) for process in processes)
    finally:
        for process in processes:
            process.kill()


def admit_flat_out(queue_url: str, event_id: EventId, seconds: float) -> int:
    """Advance as fast as this process can, from the queue's opening on; how often."""
    store, calls = QueueStore(connect(queue_url)), 0
    until = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < until:
        try:
            store.advance(event_id)
        except QueueRecovering:
            continue
        calls += 1
        if calls == 1:
            until = time.monotonic() + seconds
    return calls


def journal(store: QueueStore, event_id: EventId) -> list[AdmissionEntry]:
    """Every run that let somebody in, in order."""
    runs: list[AdmissionEntry] = []
    while lines := store.admissions_to_write(event_id, limit=JOURNAL_MAX):
        store.admissions_written(event_id, lines[-1])
        runs += lines
    return runs


def windows_over(runs: Sequence[AdmissionEntry], *, per_second: float, burst: float) -> list[int]:
    """Every run that ends a window with more people than rate and burst allow; all windows, in one pass."""
    over, admitted, lowest = [], 0, float("inf")
    for run in runs:
        fair = run.at_us * per_second / 1_000_000
        lowest = min(lowest, admitted - fair)
        admitted += run.admitted
        if admitted - fair > lowest + burst + 1e-3:
            over.append(run.seq)
    return over


def error_percent(runs: Sequence[AdmissionEntry], *, per_second: float) -> float:
    """How far the whole is from rate x time. The first run spends what was earned since the opening, and begins it."""
    if len(runs) < 2:
        return 100.0
    fair = (runs[-1].at_us - runs[0].at_us) * per_second / 1_000_000
    admitted = sum(run.admitted for run in runs[1:])
    return abs(admitted - fair) / fair * 100


SPEC = Spec(
    "rate-error",
    f"{PROCESSES} processes admitting at once: every window within rate x t + burst, and the whole within",
    "%",
    floor=0.2,
    goal=0.2,
    measure=measure,
    lower_is_better=True,
)


if __name__ == "__main__":
    # So that whoever opens the queue knows that we wait for it.
    print("there", flush=True)
    print(admit_flat_out(sys.argv[1], EventId(int(sys.argv[2])), float(sys.argv[3])))
