"""The row `search`: what a search costs the web, above what the engine spends on the query itself.

CPU-seconds of the whole web process per answered `GET /v1/search`, over a mixture of questions, on an Elasticsearch of
its own with a million events; the engine's own CPU, and how long answers and suggestions took, are notes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from statistics import median

from onsale.config import Config
from onsale.sandbox.bench import web_process
from onsale.sandbox.bench.many_events import ManyEvents, beginning
from onsale.sandbox.bench.parts import Parts, parts
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec
from onsale.sandbox.bench.web_process import Load, WebProcess, get
from onsale.sandbox.cpu_time import cpu_seconds
from onsale.sandbox.elasticsearch import EmbeddedElasticsearch
from onsale.search import falling_back
from onsale.search.event_index import ALIAS, EventIndex

EVENTS, EVENTS_IN_A_TRIAL = 1_000_000, 20_000
BATCH = 1_000
# One makes documents while the engine works on those of the other.
WRITERS = 2
QUESTIONS = 1_000
# Few enough not to measure the queue in front of two cores.
UNHURRIED = 2
INDEX = "onsale-bench"


def measure(effort: Effort, say: Say) -> Measured:
    many = ManyEvents(now=beginning())
    searches = [get(path) for path in many.searches(QUESTIONS)]
    typed = [get(path) for path in many.typed(QUESTIONS)]
    with parts() as own, EmbeddedElasticsearch(_folder(own)) as node, EventIndex(node.url()) as index:
        events = EVENTS_IN_A_TRIAL if effort.quick else EVENTS
        fill_seconds = _fill(index, many, events, say)
        with _searching(own, node.url()) as web:
            web.load(searches)
            runs = [_run(web, searches, node, say) for _ in range(effort.pairs)]
            latencies = web.load(searches, connections=UNHURRIED)
            suggested = web.load(typed, connections=UNHURRIED)
            elsewhere = _answered_elsewhere(web)
    loads = [load for load, _ in runs]
    refused = sum(each.refused for each in (*loads, latencies, suggested))
    notes = (
        f"{events:,} events, filled and merged in {fill_seconds:.0f} s",
        f"the engine itself {median(engine for _, engine in runs):.2f} ms of CPU a search",
        f"search p50 {latencies.p50_ms:.1f} ms, p99 {latencies.p99_ms:.1f} ms; "
        f"suggestions p50 {suggested.p50_ms:.1f} ms, p99 {suggested.p99_ms:.1f} ms ({UNHURRIED} at a time)",
    )
    faults = [f"{refused} searches were not answered"] if refused else []
    if elsewhere:
        faults.append(f"{elsewhere} times the index did not answer, and the empty record did")
    return Measured(median(_milliseconds(load.cpu_seconds, load) for load in loads), tuple(faults), notes)


def _folder(own: Parts) -> Path:
    return own.folder / "elasticsearch"


def _fill(index: EventIndex, many: ManyEvents, events: int, say: Say) -> float:
    """Fill the index as a rebuild does; how many seconds it took."""

    def write(first: int) -> int:
        count = min(BATCH, events + 1 - first)
        return index.write(INDEX, many.documents(first, count), version=1)

    began = time.monotonic()
    index.create(INDEX, alias=ALIAS, filling=True)
    written = 0
    with ThreadPoolExecutor(WRITERS) as writers:
        for count in writers.map(write, range(1, events + 1, BATCH)):
            written += count
            say(f"{written:,} of {events:,} events")
    say(f"{events:,} events: merging")
    index.settle(INDEX)
    return time.monotonic() - began


@contextmanager
def _searching(own: Parts, url: str) -> Iterator[WebProcess]:
    settings = own.settings | {"ONSALE_SEARCH_URL": url}
    with web_process.web_process(replace(own, settings=settings, config=Config.from_env(settings))) as web:
        yield web


def _answered_elsewhere(web: WebProcess) -> int:
    """How often the web left the index for the record, where there is nothing to find and an answer costs little."""
    said = (web.folder / web_process.LOG).read_text(encoding="utf-8", errors="replace")
    return sum(said.count(event) for event in (falling_back.AWAY, falling_back.REFUSED))


def _run(web: WebProcess, searches: Sequence[bytes], engine: EmbeddedElasticsearch, say: Say) -> tuple[Load, float]:
    """A run, and the engine's own CPU in ms per search."""
    assert engine.pid is not None
    before = cpu_seconds(engine.pid)
    load = web.load(searches)
    spent = _milliseconds(cpu_seconds(engine.pid) - before, load)
    say(f"web {_milliseconds(load.cpu_seconds, load):.2f} ms, engine {spent:.2f} ms of CPU a search")
    return load, spent


def _milliseconds(seconds: float, load: Load) -> float:
    return seconds * 1_000 / max(load.answered, 1)


SPEC = Spec(
    "search",
    "CPU of the web per search, above the engine's own, with a million events (Java 21 and Maven)",
    "ms of CPU",
    floor=3.0,
    goal=2.0,
    measure=measure,
    lower_is_better=True,
)
