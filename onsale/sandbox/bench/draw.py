"""The row `draw`: what opening a pre-queue by lot writes, of ten thousand people and of a million.

The value is the ratio of the two: 1 means that it does not depend on how many joined. What else was promised of a draw
is tried beside it, and a promise that does not hold is a fault: everybody's number readable within a second, no place
better than another, browser and verifier with the same numbers, nothing to be learned from the seed before the beacon.
"""

from __future__ import annotations

import json
import math
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from importlib.resources import files
from pathlib import Path
from statistics import correlation
from typing import Any

from redis import Redis
from sqlalchemy import Engine, event

from onsale.db import draws, queue_settings
from onsale.db.engine import transaction
from onsale.db.queue_settings import Phase, QueueChange
from onsale.db.queue_settings import change as change_settings
from onsale.queue.draw import Permutation, draw_key, permutation
from onsale.queue.keys import EventKeys
from onsale.sandbox.bench import drawn_read, web_process
from onsale.sandbox.bench.drawn_read import Read
from onsale.sandbox.bench.parts import Parts, open_queue, parts, put_on_sale
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec
from onsale.sandbox.bench.web_process import WebProcess
from onsale.verify.draw_list import Draw
from onsale.workers import drawing
from onsale.workers.rounds import rules_of

SMALL, LARGE = 10_000, 1_000_000
READABLE_SECONDS_MAX = 1.0
DRAWS, PEOPLE, TENTHS = 200, 10_000, 10
P_MIN = 1e-4
AGREED, AGREED_IN_A_TRIAL = 100_000, 2_000
SEED, VALUE = bytes(range(32)), "8a1f27"
# Of Valkey's commands, those that the queue's scripts change something with.
WRITES = frozenset(
    [
        "set",
        "setbit",
        "bitfield",
        "hset",
        "hdel",
        "hincrby",
        "hsetnx",
        "zadd",
        "zrem",
        "xadd",
        "xtrim",
        "unlink",
        "del",
        "expire",
    ]
)
BROWSER_SECONDS_MAX = 300
IN_THE_BROWSER = """
import { Draw, drawKey } from './draw_rule.mjs';
const [seed, beacon, size] = process.argv.slice(2);
const draw = await Draw.of(await drawKey(seed, beacon, Number(size)), Number(size));
const drawn = [];
for (let number = 1; number <= Number(size); number += 1) drawn.push(await draw.drawn(number));
console.log(JSON.stringify(drawn));
"""


@dataclass(frozen=True)
class Opened:
    """One opening: what was written to either store, how long it took, and until the first number could be read."""

    writes: int
    seconds: float
    readable_seconds: float
    over_http: Read


def measure(effort: Effort, say: Say) -> Measured:
    with parts() as own, Redis.from_url(own.valkey.url()) as client, web_process.web_process(own) as web:
        opened = [_opened(own, client, web, people) for people in (SMALL, LARGE)]
    small, large = opened
    say("all is opened; now the numbers themselves")
    faults, notes = [], [f"{one.writes} writes, {one.seconds * 1000:.0f} ms" for one in opened]
    if small.writes == 0:
        faults.append("no writes were seen: nothing was counted")
    if large.writes != small.writes:
        faults.append(f"{large.writes} writes for {LARGE:,} people, {small.writes} for {SMALL:,}")
    if large.readable_seconds > READABLE_SECONDS_MAX:
        faults.append(f"a number of a million was readable only after {large.readable_seconds:.2f} s")
    told = large.over_http
    if told.slowest_seconds > READABLE_SECONDS_MAX:
        faults.append(
            f"over HTTP the slowest of {drawn_read.READERS} numbers was there after {told.slowest_seconds:.2f} s"
        )
    faults += [fault for one in opened for fault in one.over_http.faults]
    notes.append(f"over HTTP, {LARGE:,} people: {told}")
    for trial in (_fairness(), _agreement(effort), _seed_alone()):
        faults += trial.faults
        notes += trial.notes
    return Measured(large.writes / max(1, small.writes), tuple(faults), tuple(notes))


def _opened(own: Parts, client: Redis, web: WebProcess, people: int) -> Opened:
    """Open a pre-queue of so many, which is made without asking each of them to join."""
    event_id = put_on_sale(own.shop, rows=20, now=datetime.now(UTC))
    later = datetime.now(UTC) + timedelta(hours=1)
    with transaction(own.shop.engine) as connection:
        change_settings(connection, event_id, QueueChange(phase=Phase.SCHEDULED, opens_at=later), actor="bench")
        draws.announce(connection, event_id, seed=SEED, beacon_name="round 1", actor="bench")
        change_settings(connection, event_id, QueueChange(phase=Phase.PRE_QUEUE), actor="bench")
    open_queue(own.shop, event_id, numbers=people)
    client.hset(EventKeys(event_id).queue, "issued", people)
    asking = drawn_read.readers(own, client, event_id, people)
    with transaction(own.shop.engine) as connection:
        now = datetime.now(UTC) - timedelta(seconds=1)
        settings = change_settings(connection, event_id, QueueChange(opens_at=now), actor="bench")
    own.shop.store.configure(event_id, rules_of(settings), version=settings.version)
    drawn_read.look(web, event_id)
    # What is logged is no part of the table that is printed.
    with counted(own.shop.engine, client) as written, redirect_stdout(sys.stderr):
        began = time.perf_counter()
        drawing.open_by_draw(own.shop, event_id)
        with transaction(own.shop.engine) as connection:
            draws.put_beacon(connection, event_id, VALUE, actor="bench")
        drawing.open_by_draw(own.shop, event_id)
        with transaction(own.shop.engine) as connection:
            settings = queue_settings.get(connection, event_id) or settings
        own.shop.store.configure(event_id, rules_of(settings), version=settings.version)
        seconds = time.perf_counter() - began
    over_http = drawn_read.read(web, event_id, asking, opened_at=time.perf_counter())
    rule = permutation(draw_key(SEED, VALUE, people), people)
    began = time.perf_counter()
    for number in range(1, people + 1, max(1, people // 1_000)):
        rule.drawn(number)
    readable_seconds = time.perf_counter() - began
    assert settings.phase is Phase.OPEN
    return Opened(written.writes, seconds, readable_seconds, over_http)


@dataclass
class Written:
    """What a stretch of code wrote: Valkey's own count of its commands, and rows of PostgreSQL."""

    commands: int = 0
    rows: int = 0

    @property
    def writes(self) -> int:
        return self.commands + self.rows


@contextmanager
def counted(engine: Engine, client: Redis) -> Iterator[Written]:
    """What is written between the two ends."""
    written = Written()

    def after(_connection: object, cursor: Any, statement: str, *_: object) -> None:
        if statement.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            written.rows += max(0, cursor.rowcount)

    before = _commands(client)
    event.listen(engine, "after_cursor_execute", after)
    try:
        yield written
    finally:
        event.remove(engine, "after_cursor_execute", after)
        written.commands = _commands(client) - before


def _commands(client: Redis) -> int:
    """Commands that change something; those that a script calls are counted too."""
    stats = client.info("commandstats")
    return sum(int(one["calls"]) for name, one in stats.items() if name.removeprefix("cmdstat_") in WRITES)


@dataclass(frozen=True)
class Tried:
    """A promise that was tried."""

    notes: tuple[str, ...]
    faults: tuple[str, ...] = ()


def _fairness() -> Tried:
    """Over many draws, in which tenth of the order a few people came: all tenths alike, by the same fixed seeds."""
    tenths = {number: [0] * TENTHS for number in (1, PEOPLE // 2, PEOPLE)}
    whole = [0] * TENTHS
    for nth in range(DRAWS):
        drawn = Permutation(draw_key(SEED, f"round {nth}", PEOPLE), PEOPLE)
        for number, counts in tenths.items():
            counts[(drawn.drawn(number) - 1) * TENTHS // PEOPLE] += 1
        # Who came first: pre-queue numbers of the first hundred.
        for place in range(1, 101):
            whole[(drawn.joined(place) - 1) * TENTHS // PEOPLE] += 1
    lowest = min(chi_square_p(counts) for counts in (*tenths.values(), whole))
    fault = (f"places are not alike: p = {lowest:.2g}",) if lowest <= P_MIN else ()
    return Tried((f"{DRAWS} draws of {PEOPLE:,}: lowest p of chi-square {lowest:.2g}",), fault)


def chi_square_p(observed: list[int]) -> float:
    """The chance of a worse fit to all alike (Wilson and Hilferty's approximation)."""
    freedom, expected = len(observed) - 1, sum(observed) / len(observed)
    found = sum((one - expected) ** 2 for one in observed) / expected
    spread = 2 / (9 * freedom)
    return 0.5 * math.erfc(((found / freedom) ** (1 / 3) - (1 - spread)) / math.sqrt(2 * spread))


def _agreement(effort: Effort) -> Tried:
    """Queue, verifier and browser, number by number."""
    size = AGREED_IN_A_TRIAL if effort.quick else AGREED
    ours, theirs = permutation(draw_key(SEED, VALUE, size), size), Draw(SEED, VALUE, size)
    numbers = [ours.drawn(number) for number in range(1, size + 1)]
    faults = []
    if numbers != [theirs.of(number) for number in range(1, size + 1)]:
        faults.append("the verifier has other numbers than the queue")
    node = shutil.which("node")
    if node is None:
        return Tried(("the browser's rule was NOT TRIED: there is no Node.js (`node`) here",), tuple(faults))
    if numbers != _in_the_browser(node, size):
        faults.append("the browser has other numbers than the queue")
    return Tried((f"queue, verifier and browser agree on {size:,} numbers",) if not faults else (), tuple(faults))


def _in_the_browser(node: str, size: int) -> list[int]:
    with tempfile.TemporaryDirectory(prefix="onsale-bench-") as name:
        rule = files("onsale.web").joinpath("static/js/draw_rule.js").read_text(encoding="utf-8")
        Path(name, "draw_rule.mjs").write_text(rule, encoding="utf-8")
        script = Path(name, "all.mjs")
        script.write_text(IN_THE_BROWSER, encoding="utf-8")
        command = [node, str(script), SEED.hex(), VALUE, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=BROWSER_SECONDS_MAX, check=True)
    found: list[int] = json.loads(done.stdout)
    return found


def _seed_alone() -> Tried:
    """What somebody who knows the seed works out with another beacon, against what comes out."""
    guess = Permutation(draw_key(SEED, "another", PEOPLE), PEOPLE)
    real = Permutation(draw_key(SEED, VALUE, PEOPLE), PEOPLE)
    numbers = range(1, PEOPLE + 1)
    found = correlation([guess.drawn(one) for one in numbers], [real.drawn(one) for one in numbers])
    # Four standard deviations of chance.
    fault = (f"the seed alone tells something: correlation {found:.3f}",) if abs(found) > 4 / math.sqrt(PEOPLE) else ()
    return Tried((f"the seed without the beacon: correlation {found:+.4f} with the draw",), fault)


SPEC = Spec(
    "draw",
    "writes at the opening of a draw of a million people, against those of ten thousand",
    "ratio",
    floor=1,
    goal=1,
    measure=measure,
    lower_is_better=True,
)
