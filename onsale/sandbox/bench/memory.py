"""The row `memory`: what one waiting person takes in Valkey, at a million people who joined through the real script.

Valkey's own count (`used_memory`) before and after, divided by the people. The journal of joins is trimmed as the
record's copy of it would have it trimmed: it holds what is not written down yet, not who waits.
"""

from __future__ import annotations

from itertools import islice
from uuid import uuid4

from redis import Redis

from onsale.db.ids import BuyerId, EventId
from onsale.queue import lua
from onsale.queue.keys import EventKeys, address_digest
from onsale.sandbox.bench.parts import an_open_event, parts
from onsale.sandbox.bench.rows import Effort, Measured, Say, Spec

PEOPLE = 1_000_000
# Few people fill their buckets badly, so a trial says more than a person takes.
PEOPLE_IN_A_TRIAL = 100_000
PIPELINE = 1_000
TRIM_EVERY = 10_000


def measure(effort: Effort, say: Say) -> Measured:
    people = PEOPLE_IN_A_TRIAL if effort.quick else PEOPLE
    with parts() as own, Redis.from_url(own.valkey.url()) as client:
        event_id = an_open_event(own.shop, numbers=people)
        before = _used(client)
        _join(client, event_id, people, say)
        bytes_each = (_used(client) - before) / people
        issued = own.shop.store.snapshot(event_id).issued
    faults = () if issued == people else (f"{issued:,} of {people:,} got a number",)
    return Measured(bytes_each, faults, (f"{people:,} people",))


def _join(client: Redis, event_id: EventId, people: int, say: Say) -> None:
    """Everybody joins, from as many addresses as there are people to each of a family's."""
    keys, join = EventKeys(event_id), client.register_script(lua.load("join"))
    here = keys.numbers_lane()[:3]
    buyers = (BuyerId(uuid4()) for _ in range(people))
    joined = 0
    while chunk := list(islice(buyers, PIPELINE)):
        pipeline = client.pipeline(transaction=False)
        for number, buyer_id in enumerate(chunk, start=joined):
            digest = address_digest(f"10.{number >> 18 & 255}.{number >> 10 & 255}.{number >> 2 & 255}")
            names = [keys.queue, keys.buyers(buyer_id), keys.address(digest), keys.joins, *here]
            join(names, [buyer_id.bytes, digest, 0], client=pipeline)
        pipeline.execute()
        joined += len(chunk)
        if joined % TRIM_EVERY == 0:
            client.xtrim(keys.joins, maxlen=0, approximate=False)
            say(f"{joined:,} joined")


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
