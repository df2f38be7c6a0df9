"""The row `seats`: how late the slowest of 2,000 viewers of one seat map sees a change while it sells.

Each looks at the whole house over `onsale seats` and is answered at every change. Lateness counts from the moment the
lane wrote, by the record's clock, until the viewer has read that version or a later one, for each change and each
viewer; how much of it the viewers' own process took is said beside it. The same sale runs with and without viewers,
alternating: what a booking costs must not tell the difference. It sells at a set pace: on a machine that is taken whole
by its buyers, everybody waits for a processor, viewers too.
"""

from __future__ import annotations

import json
import subprocess
import sys
import threading
import time
from bisect import bisect_left
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import psutil
from sqlalchemy import text

from onsale.db.engine import reading
from onsale.db.ids import TICKETS_PER_EVENT_MAX
from onsale.queue.client import connect
from onsale.queue.live_seats import LiveSeats
from onsale.queue.seats_seen import SeatsSeen
from onsale.queue.ticket_marks import HELD
from onsale.sandbox.bench.house import NOT_OURS, House, house
from onsale.sandbox.bench.rows import Effort, Measured, Pair, Say, Spec, median_ratio
from onsale.sandbox.embedded import PartFailed
from onsale.sandbox.rehearsal.figures import CPU_SHARE_MAX, LATE_MS_MAX, percentiles
from onsale.sandbox.rehearsal.watching import processes
from onsale.sandbox.visitor.steps import Steps, Wait

VIEWERS, VIEWERS_QUICK = 2_000, 100
SALES, SALES_QUICK = 80, 20
SALES_PER_SECOND = 4
POLLS = 5
LINE = "seats"
# What a booking and its joins may cost more while they look on.
SLOWED_MAX = 1.10
MEMORY_MB_MAX = 500
# The last change has this long to be seen.
LAST_LOOK_SECONDS = 2.0
READ_EVERY_SECONDS = 0.2
END_SECONDS_MAX = 60


@dataclass
class Watched:
    """What came out of the sales with viewers."""

    late_ms: list[float] = field(default_factory=list)
    # The same until it had arrived at the viewer's machine, and each answer's time from there until it was read.
    arrived_ms: list[float] = field(default_factory=list)
    read_ms: list[float] = field(default_factory=list)
    unseen: int = 0
    refused: int = 0
    lost: int = 0
    answers: int = 0
    viewers_cpu_share: list[float] = field(default_factory=list)
    seats_cpu_share: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


@dataclass(frozen=True)
class Sold:
    """What a sale took: without the viewers' process and the bank's stand-in, and on the clock."""

    cpu_seconds: float
    seats_cpu_seconds: float
    seconds: float
    confirmed: int

    @property
    def cpu_each(self) -> float:
        return self.cpu_seconds / max(1, self.confirmed)


def measure(effort: Effort, say: Say) -> Measured:
    viewers, sales, pairs = (VIEWERS_QUICK, SALES_QUICK, 1) if effort.quick else (VIEWERS, SALES, effort.pairs)
    rounds = 2 * pairs + 1
    watched, costs, times, confirmed = Watched(), [], [], 0
    with house(seats=4 * sales * rounds, buyers=2 * sales * rounds) as shop:
        _sold(shop, sales)
        for number in range(1, pairs + 1):
            looked_on = _with_viewers(shop, sales, viewers, watched)
            alone = _sold(shop, sales)
            confirmed += looked_on.confirmed + alone.confirmed
            costs.append(Pair(looked_on.cpu_each, alone.cpu_each))
            times.append(Pair(looked_on.seconds, alone.seconds))
            say(f"pair {number} of {pairs}: {costs[-1].ours:.4f} to {costs[-1].base:.4f} CPU-seconds a booking")
    late = percentiles(watched.late_ms)
    return Measured(
        late.max or 0.0,
        tuple(_faults(watched, median_ratio(costs), confirmed=confirmed, wanted=2 * pairs * sales)),
        (
            f"{viewers:,} viewers saw {late.count:,} changes: median {late.p50 or 0:.0f} ms, p99 {late.p99 or 0:.0f}",
            f"`onsale seats`: {median(watched.seats_cpu_share):.2f} of a core, {watched.memory_mb:.0f} MB,"
            f" {watched.answers:,} answers",
            *_viewers_own(watched),
            f"a booking with its joins costs {median_ratio(costs):.3f} of what it costs alone"
            f" ({median(pair.ours for pair in costs):.4f} to {median(pair.base for pair in costs):.4f} CPU-seconds)",
            f"{SALES_PER_SECOND} sales a second take {median_ratio(times):.2f} of the time they take alone",
        ),
    )


def _viewers_own(watched: Watched) -> Iterator[str]:
    """How much of the lateness was the viewers' own, all of them one process."""
    arrived, read = percentiles(watched.arrived_ms), percentiles(watched.read_ms)
    share = max(watched.viewers_cpu_share)
    yield (
        f"it had arrived after {arrived.p50 or 0:.0f} ms, p99 {arrived.p99 or 0:.0f}, slowest {arrived.max or 0:.0f};"
        f" the viewers took {share:.2f} of a core and read {read.p99 or 0:.0f} ms later at p99"
    )
    if share > CPU_SHARE_MAX or (read.p99 or 0.0) > LATE_MS_MAX:
        yield "The viewers could not keep up: these times are partly their own, or their machine's."


def _faults(watched: Watched, ratio: float, *, confirmed: int, wanted: int) -> Iterator[str]:
    if confirmed < wanted:
        yield f"only {confirmed} of {wanted} bookings were confirmed"
    if not watched.late_ms:
        yield "no change was seen"
    if watched.unseen or watched.refused or watched.lost:
        yield f"{watched.unseen} changes unseen, {watched.refused} answers refused, {watched.lost} connections lost"
    if ratio > SLOWED_MAX:
        yield f"bookings cost {ratio:.2f} of what they cost without viewers"
    if watched.memory_mb > MEMORY_MB_MAX:
        yield f"the process took {watched.memory_mb:.0f} MB"


def _sold(shop: House, sales: int) -> Sold:
    """A sale: two visits each, of which one books."""
    done: list[str] = []
    visits = [
        _later(shop.visit(done, polls=POLLS, books=books), sale / SALES_PER_SECOND)
        for sale in range(sales)
        for books in (True, False)
    ]
    before, began = _cpu(shop), time.monotonic()
    shop.send(visits, at_once=len(visits))
    after, seconds = _cpu(shop), time.monotonic() - began
    spent = {name: after[name] - before.get(name, 0.0) for name in after}
    ours = sum(taken for name, taken in spent.items() if name not in (NOT_OURS, LINE))
    return Sold(ours, spent.get(LINE, 0.0), seconds, done.count("confirmed"))


def _later(visit: Steps[None], seconds: float) -> Steps[None]:
    yield Wait(seconds)
    yield from visit


def _cpu(shop: House) -> dict[str, float]:
    shop.stack.look()
    return shop.meter.look(processes(shop.stack))


def _with_viewers(shop: House, sales: int, viewers: int, watched: Watched) -> Sold:
    with _writes(shop) as writes, _viewers(shop, viewers) as said:
        sold = _sold(shop, sales)
        watched.memory_mb = max(watched.memory_mb, _memory_mb(shop))
        time.sleep(LAST_LOOK_SECONDS)
    watched.seats_cpu_share.append(sold.seats_cpu_seconds / sold.seconds)
    watched.refused += said["refused"]
    watched.lost += said["lost"]
    watched.answers += sum(map(len, said["got"]))
    watched.viewers_cpu_share.append(said["cpu_share"])
    written_at = _written_at(shop, writes)
    for got in said["got"]:
        numbers = [number for _, number, _ in got]
        watched.read_ms += [unread * 1000 for _, _, unread in got]
        for number, at in written_at.items():
            seen = bisect_left(numbers, number)
            if seen == len(got):
                watched.unseen += 1
            else:
                read_at, _, unread = got[seen]
                watched.late_ms.append((read_at - at) * 1000)
                watched.arrived_ms.append((read_at - unread - at) * 1000)
    return sold


@contextmanager
def _viewers(shop: House, count: int) -> Iterator[dict[str, Any]]:
    """So many look on until the end of the block; then the dictionary has what they say."""
    path, said = f"/v1/events/{shop.event_id}/seats/availability", dict[str, Any]()
    command = [sys.executable, "-m", "onsale.sandbox.bench.viewers", str(shop.config.seats_port), path, str(count)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        if process.stdout.readline() != "ready\n":
            raise PartFailed("The viewers of the bench did not see the seats.")
        yield said
        told, _ = process.communicate("stop\n", timeout=END_SECONDS_MAX)
        said.update(json.loads(told))


@contextmanager
def _writes(shop: House) -> Iterator[dict[int, bytes]]:
    """Every write to the copy of the seats until the end of the block, by its number."""
    client = connect(shop.config.cache_url)
    live, found, ended = LiveSeats(client), dict[int, bytes](), threading.Event()
    began = live.read(shop.event_id, None)

    def read(before: SeatsSeen | None) -> SeatsSeen | None:
        now = live.read(shop.event_id, before)
        if before is not None and now is not None:
            found.update((number, changes) for number, changes in now.writes if number > before.seq)
        return now or before

    def go_on() -> None:
        seen = began
        while not ended.wait(READ_EVERY_SECONDS):
            seen = read(seen)
        read(seen)

    thread = threading.Thread(target=go_on, daemon=True)
    thread.start()
    try:
        yield found
    finally:
        ended.set()
        thread.join()
        client.close()


def _written_at(shop: House, writes: dict[int, bytes]) -> dict[int, float]:
    """When the lane held the tickets of each write, by the record's clock."""
    with reading(shop.engine) as connection:
        held = {
            int(ticket) & TICKETS_PER_EVENT_MAX: float(at)
            for ticket, at in connection.execute(_TAKEN_AT, {"event_id": shop.event_id})
        }
    found = {}
    for number, changes in writes.items():
        each = (changes[at : at + 4] for at in range(0, len(changes), 4))
        ordinals = (int.from_bytes(one[:3], "big") for one in each if one[3:] == HELD.encode())
        moments = [held[ordinal] for ordinal in ordinals if ordinal in held]
        if moments:
            found[number] = min(moments)
    return found


def _memory_mb(shop: House) -> float:
    """Of the whole line, with whatever it has started."""
    total = 0
    with suppress(psutil.Error):
        root = psutil.Process(processes(shop.stack)[LINE])
        total = sum(each.memory_info().rss for each in (root, *root.children(recursive=True)))
    return total / 1e6


SPEC = Spec(
    "seats",
    "how late the slowest of 2,000 viewers of one seat map sees a change while it sells",
    "ms",
    floor=1_000,
    goal=1_000,
    measure=measure,
    lower_is_better=True,
)
_TAKEN_AT = text("""
    SELECT ticket_id, extract(epoch FROM taken_at)::float8 FROM booking_tickets WHERE event_id = :event_id
""")
