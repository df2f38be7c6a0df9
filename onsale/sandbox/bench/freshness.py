"""The row `freshness`: from the commit of a change to a search that finds it, at 200 changes a second.

A follower and an Elasticsearch of their own. Changes carry their number in a date of the event; a watcher asks the
index for the newest it shows, again and again. One reader writes them in order, so whatever came before is there too.
"""

from __future__ import annotations

import sys
import threading
import time
from bisect import bisect_right
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from elasticsearch import Elasticsearch
from sqlalchemy import Engine, text

from onsale.db import change_source
from onsale.db.change_source import Source
from onsale.db.engine import transaction
from onsale.db.ids import EventId
from onsale.sandbox.bench.parts import Parts, parts, put_on_sale
from onsale.sandbox.bench.processes import running
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec
from onsale.sandbox.elasticsearch import EmbeddedElasticsearch
from onsale.sandbox.embedded import PartFailed, poll
from onsale.sandbox.rehearsal.figures import percentiles
from onsale.search.event_index import ALIAS, EventIndex

CHANGES_PER_SECOND = 200
EVENTS = 2_000
SECONDS_MIN = 20.0
P50_SECONDS_MAX = 0.5
READY_SECONDS_MAX = 60
LAST_SECONDS_MAX = 30
LOOK_SECONDS = 0.01
# Change number n moves the date to so many seconds after this.
FIRST_DATE = datetime(2030, 1, 1, tzinfo=UTC)

# (when, the newest change there was then)
Seen = tuple[float, int]


def measure(effort: Effort, say: Say, *, source: Source = Source.SLOT) -> Measured:
    seconds = 3.0 if effort.quick else max(SECONDS_MIN, effort.seconds * effort.pairs)
    with parts() as own, EmbeddedElasticsearch(own.folder / "elasticsearch") as node:
        _set_up(own, source)
        env = own.env | {"ONSALE_SEARCH_URL": node.url()}
        follower = [str(Path(sys.executable).with_name("onsale")), "changes", "run"]
        with running(follower, env=env, log=own.folder / "changes.log"), EventIndex(node.url()) as index:
            if not poll(lambda: bool(index.named(ALIAS)), seconds=READY_SECONDS_MAX):
                raise PartFailed(f"There was no index after {READY_SECONDS_MAX} s.")
            delays = _delays(own.shop.engine, node.url(), seconds, say)
    took = percentiles(delays)
    assert took.p50 is not None and took.p99 is not None  # noqa: PT018 - one thing: there was a change
    faults = (f"half of the changes took longer than {P50_SECONDS_MAX} s",) if took.p50 > P50_SECONDS_MAX else ()
    rate = took.count / seconds
    notes = (f"{took.count:,} changes, {rate:.0f} a second; p50 {took.p50:.2f} s, the slowest {took.max:.2f} s",)
    return Measured(took.p99, faults, notes)


def _set_up(own: Parts, source: Source) -> None:
    """A record with EVENTS events, and what changes are heard by."""
    event_id = put_on_sale(own.shop, rows=1, now=datetime.now(UTC))
    with transaction(own.shop.engine) as connection:
        connection.execute(_MANY, {"like": event_id, "count": EVENTS})
    change_source.set_up(own.shop.engine, source)


def _delays(engine: Engine, url: str, seconds: float, say: Say) -> list[float]:
    """For each change the seconds from its commit until the index showed it, ordered."""
    committed: list[float] = []
    seen: list[Seen] = []
    stop = threading.Event()
    watcher = threading.Thread(target=_watch, args=(url, seen, stop), daemon=True)
    watcher.start()
    try:
        _change(engine, committed, seconds)
        say(f"{len(committed):,} changes; waiting for the last")
        last = len(committed)
        if not poll(lambda: bool(seen) and seen[-1][1] >= last, seconds=LAST_SECONDS_MAX):
            raise PartFailed(f"The last change was not found within {LAST_SECONDS_MAX} s.")
    finally:
        stop.set()
        watcher.join()
    return delays(committed, seen)


def delays(committed: Sequence[float], seen: Sequence[Seen]) -> list[float]:
    """When change 1, 2, ... was committed, and what was seen when: how long each took, ordered."""
    found: list[float] = []
    newest = [number for _, number in seen]
    for number, moment in enumerate(committed, start=1):
        # The first look that showed a later change than the one before this, hence this one.
        at, _ = seen[bisect_right(newest, number - 1)]
        found.append(at - moment)
    return sorted(found)


def _change(engine: Engine, committed: list[float], seconds: float) -> None:
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        number = len(committed) + 1
        time.sleep(max(0.0, number / CHANGES_PER_SECOND - elapsed))
        with transaction(engine) as connection:
            moved = {"date": FIRST_DATE + timedelta(seconds=number), "id": EventId(2 + number % EVENTS)}
            connection.execute(_MOVE, moved)
        committed.append(time.monotonic())


def _watch(url: str, seen: list[Seen], stop: threading.Event) -> None:
    with Elasticsearch(url) as client:
        while not stop.wait(LOOK_SECONDS):
            number = _newest(client)
            if not seen or number > seen[-1][1]:
                seen.append((time.monotonic(), number))


def _newest(client: Elasticsearch) -> int:
    """The number of the newest change that a search finds; 0 before the first."""
    newest = client.search(index=ALIAS, size=1, sort=[{"on_sale_at": "desc"}])["hits"]["hits"]
    date = datetime.fromisoformat(newest[0]["_source"]["on_sale_at"]) if newest else FIRST_DATE
    return max(0, round((date - FIRST_DATE).total_seconds()))


_MANY = text("""
    INSERT INTO events (organiser_id, venue_id, name, slug, description, starts_at, on_sale_at, currency,
                        tickets_per_buyer, status)
    SELECT organiser_id, venue_id, name || ' ' || n, slug || '-' || n, description, starts_at, on_sale_at, currency,
           tickets_per_buyer, status
      FROM events, generate_series(1, :count) AS n WHERE id = :like""")
_MOVE = text("UPDATE events SET on_sale_at = :date WHERE id = :id")

SPEC = Spec(
    "freshness",
    "from a commit to a search that finds it, 99 of 100, at 200 changes a second (Java 21 and Maven)",
    "s",
    floor=2.0,
    goal=0.5,
    measure=measure,
    lower_is_better=True,
)
