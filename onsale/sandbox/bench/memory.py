"""The row `memory`: what one waiting person takes in Valkey, at a million people who joined through the real script.

Valkey's own count (`used_memory`) before and after, divided by the people. The journal of joins is trimmed as the
record's copy of it would have it trimmed: it holds what is not written down yet, not who waits.

And what the calls cost Valkey among the first people and among the last: a join, a look at the queue, a run of
admission. Each asks `INFO server` once (is this still the Redis that it was?), which costs the same for ever: so many
times that is a call's cost, whatever else the machine does. None may grow with the people, but for the buckets that a
join looks through, which fill.
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
CALLS = 200
# Flat, but for the buckets and the noise of a shared machine.
GROWTH_MAX = 1.5
WORDS = {"join": "a join", "look": "a look at the queue", "advance": "a run of admission"}


@dataclass(frozen=True, slots=True)
class Cost:
    """What a call costs, in what Valkey needs for an `INFO server`."""

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
            yield f"{WORDS[name]} costs {after:.1f} INFOs among the last, {before:.1f} among the first"


def _costs(first: Cost, last: Cost) -> Iterator[str]:
    for name, words in WORDS.items():
        yield f"{words} costs {getattr(first, name):.1f} INFOs among the first, {getattr(last, name):.1f} at last"


def _cost(store: QueueStore, client: Redis, event_id: EventId, joins: Sequence[float]) -> Cost:
    return Cost(
        join=median(joins),
        look=_times_info(client, lambda: [store.snapshot(event_id) for _ in range(CALLS)]),
        # One comes in each time: who is let in is what the run is for.
        advance=_times_info(client, lambda: [store.advance(event_id, admit_max=1) for _ in range(CALLS)]),
    )


def _join(
    client: Redis, event_id: EventId, buyers: Iterable[BuyerId], *, joined: int, say: Say | None = None
) -> list[float]:
    """Everybody joins, from as many addresses as there are people to each of a family's; cost of a join, by
    a thousand of them.
    """
    join, took, rest = client.register_script(lua.load("join")), [], iter(buyers)
    while chunk := list(islice(rest, PIPELINE)):
        pipeline = client.pipeline(transaction=False)
        for number, buyer_id in enumerate(chunk, start=joined):
            address = f"10.{number >> 18 & 255}.{number >> 10 & 255}.{number >> 2 & 255}"
            join(*join_call(event_id, buyer_id, address=address), client=pipeline)
        took.append(_times_info(client, pipeline.execute))
        joined += len(chunk)
        if joined % TRIM_EVERY == 0:
            client.xtrim(EventKeys(event_id).joins, maxlen=0, approximate=False)
            if say is not None:
                say(f"{joined:,} joined")
    return took


def _times_info(client: Redis, act: Callable[[], object]) -> float:
    """What Valkey took for the scripts that `act` ran, by what it took for the one INFO in each."""
    before = _taken(client)
    act()
    after = _taken(client)
    script, info = (now - then for now, then in zip(after, before, strict=True))
    return script / max(info, 1)


def _taken(client: Redis) -> tuple[float, float]:
    stats: Mapping[str, Mapping[str, float]] = client.info("commandstats")
    of_scripts, of_infos = (stats.get(f"cmdstat_{name}", {}).get("usec", 0.0) for name in ("evalsha", "info"))
    return of_scripts, of_infos


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
