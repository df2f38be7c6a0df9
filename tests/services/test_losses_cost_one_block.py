"""However often Redis is lost, numbers are reserved for people, not for the numbers that the losses skipped."""

from __future__ import annotations

import time
from typing import Any
from uuid import uuid4

import pytest
from sqlalchemy import text

from onsale.db.ids import BuyerId
from onsale.db.queue_settings import QueueChange
from onsale.errors import QueueRecovering
from onsale.workers.admissions import Admitter
from onsale.workers.rounds import NUMBERS_AHEAD
from tests.builders import an_event, open_queue, some_buyers, until

LOSSES = 10
BLOCK = 2 * NUMBERS_AHEAD
# In half a second they would be a rush that needs another block.
JOINS = 1_300


def sizes(engine: Any, event_id: Any) -> list[int]:
    with engine.connect() as connection:
        blocks = text("SELECT last - first + 1 FROM number_blocks WHERE event_id = :id ORDER BY first")
        return list(connection.execute(blocks, {"id": event_id}).scalars())


def joined(shop: Any, event_id: Any, buyers: list[Any]) -> list[int]:
    return [shop.store.join(event_id, one, address="192.0.2.1").number for one in buyers]


@pytest.mark.parametrize("people", [0, 30])
def test_ten_losses_cost_ten_ordinary_blocks_and_nobody_is_sent_away(shop, engine, redis_client, people):
    event_id = an_event(engine, queue=QueueChange(rate_per_minute=60))
    everybody = some_buyers(engine, people)
    admitter = Admitter(shop)
    given: list[int] = []

    def is_whole() -> bool:
        admitter.go_round(time.monotonic())
        watched = admitter.watched[event_id]
        return watched.look_at > time.monotonic() and watched.failures == 0

    until(is_whole, "the queue is made")
    for loss in range(LOSSES):
        given += joined(shop, event_id, everybody[loss * people // LOSSES : (loss + 1) * people // LOSSES])
        admitter.watched[event_id].look_at = 0.0
        until(is_whole, "who joined is on record")
        redis_client.flushall()
        admitter.watched[event_id].look_at = 0.0
        until(is_whole, "the queue is restored")

    assert sizes(engine, event_id) == [BLOCK] * (LOSSES + 1)
    assert given == sorted(set(given))
    assert joined(shop, event_id, everybody) == given


def test_whoever_joins_the_moment_a_queue_is_restored_gets_a_number(shop, engine, redis_client):
    event_id = an_event(engine)
    admitter, people = Admitter(shop), some_buyers(engine, 2)
    given = []

    def is_restored() -> bool:
        admitter.go_round(time.monotonic())
        try:
            return not shop.store.snapshot(event_id).recovering
        except QueueRecovering:
            return False

    for buyer_id in people:
        redis_client.flushall()
        until(is_restored, "it is restored")
        given += joined(shop, event_id, [buyer_id])

    assert given == [1, BLOCK + 1]


def test_a_loop_that_starts_on_a_machine_just_booted_takes_nobody_for_a_rush(shop, engine):
    event_id = an_event(engine)
    open_queue(shop, event_id)
    joined(shop, event_id, [BuyerId(uuid4()) for _ in range(JOINS)])

    Admitter(shop).go_round(0.5)

    assert sizes(engine, event_id) == [BLOCK]
