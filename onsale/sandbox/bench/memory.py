"""The row `memory`: what one waiting person takes in Valkey, at a million people who joined through the real script.

Valkey's own count (`used_memory`) before and after, divided by the people. The journal of joins is trimmed as the
record's copy of it would have it trimmed: it holds what is not written down yet, not who waits.

And what the calls cost Valkey (its own microseconds, medians) among the first people and among the last: a join, a look
at the queue, a run of admission. None may grow with the people.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from statistics import median
from uuid import uuid4

from redis import Redis

from onsale.db.ids import BuyerId, EventId
from onsale.queue import lua
from onsale.queue.joining import join_call
from onsale.queue.keys import EventKeys
from onsale.queue.store import QueueStore
from onsale.sandbox.bench.parts import an_open_event, parts
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec

PEOPLE = 1_000_000
# Few people fill their buckets badly, so a trial says more than a person takes.
PEOPLE_IN_A_TRIAL = 100_000
PIPELINE = 1_000
TRIM_EVERY = 10_000
# The first and the last of so many parts are compared.
FEW_OF = 20
CALLS = 51
# Flat, but for the noise of a shared machine.
GROWTH_MAX = 1.5
WORDS = {"join": "a join", "look": "a look at the queue", "advance": "a run of admission"}


@dataclass(frozen=True, slots=True)
class Cost:
    """Microseconds of Valkey for a call."""

    join: float
    look: float
    advance: float


def measure(effort: Effort, say: Say) -> Measured:
    people = PEOPLE_IN_A_TRIAL if effort.quick else PEOPLE
    with parts() as own, Redis.from_url(own.valkey.url()) as client:
        event_id = an_open_event(own.shop, numbers=people)
        before = _used(client)
        buyers = (BuyerId(uuid4()) for _ in range(people))
        few = people // FEW_OF
        first = _cost(own.shop.store, client, event_id, _join(client, event_id, islice(buyers, few), joined=0))
        joins = _join(client, event_id, buyers, joined=few, say=say)
        last = _cost(own.shop.store, client, event_id, joins[-(few // PIPELINE) :])
        bytes_each = (_used(client) - before) / people
        issued = own.shop.store.snapshot(event_id).issued
    faults = (f"{issued:,} of {people:,} got a number",) if issued != people else ()
    return Measured(bytes_each, (*faults, *grown(first, last)), (f"{people:,} people", *_costs(first, last)))


def grown(first: Cost, last: Cost) -> Iterator[str]:
    """What costs more among the last than among the first."""
    for name in Cost.__dataclass_fields__:
        before, after = getattr(first, name), getattr(last, name)
        if after > GROWTH_MAX * before:
            yield f"{WORDS[name]} costs {after:.1f} us among the last, {before:.1f} among the first"


def _costs(first: Cost, last: Cost) -> Iterator[str]:
    for name, words in WORDS.items():
        yield f"{words} takes {getattr(first, name):.1f} us among the first, {getattr(last, name):.1f} among the last"


def _cost(store: QueueStore, client: Redis, event_id: EventId, joins: Sequence[float]) -> Cost:
    return Cost(
        join=median(joins),
        look=median(_microseconds(client, lambda: store.snapshot(event_id)) for _ in range(CALLS)),
        # One comes in each time: who is let in is what the run is for.
        advance=median(_microseconds(client, lambda: store.advance(event_id, admit_max=1)) for _ in range(CALLS)),
    )


def _join(
    client: Redis, event_id: EventId, buyers: Iterable[BuyerId], *, joined: int, say: Say | None = None
) -> list[float]:
    """Everybody joins, from as many addresses as there are people to each of a family's; microseconds a join, by
    a thousand of them.
    """
    join, took, rest = client.register_script(lua.load("join")), [], iter(buyers)
    while chunk := list(islice(rest, PIPELINE)):
        pipeline = client.pipeline(transaction=False)
        for number, buyer_id in enumerate(chunk, start=joined):
            address = f"10.{number >> 18 & 255}.{number >> 10 & 255}.{number >> 2 & 255}"
            join(*join_call(event_id, buyer_id, address=address), client=pipeline)
        took.append(_microseconds(client, pipeline.execute))
        joined += len(chunk)
        if joined % TRIM_EVERY == 0:
            client.xtrim(EventKeys(event_id).joins, maxlen=0, approximate=False)
            if say is not None:
                say(f"{joined:,} joined")
    return took


def _microseconds(client: Redis, act: Callable[[], object]) -> float:
    """What Valkey took for each script that `act` ran, by its own count."""
    before = _scripts(client)
    act()
    after = _scripts(client)
    return (after["usec"] - before["usec"]) / max(1, after["calls"] - before["calls"])


def _scripts(client: Redis) -> Mapping[str, float]:
    stats: Mapping[str, Mapping[str, float]] = client.info("commandstats")
    return stats.get("cmdstat_evalsha", {"usec": 0, "calls": 0})


def _used(client: Redis) -> int:
    return int(client.info("memory")["used_memory"])


SPEC = Spec(
    "memory",
    "bytes in Valkey per waiting person, at a million",
    "bytes",
    floor=60,
    goal=60,
    measure=measure,
    lower_is_better=True,
)
