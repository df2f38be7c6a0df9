"""Wake-ups: they arrive as Celery's messages, many for a lane are one, and a broker that is away hurts nobody."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from uuid import uuid4

import orjson
import pytest
from celery import Celery
from redis import Redis

from onsale.db.ids import EventId
from onsale.queue import broker
from onsale.queue.broker import Wakes
from onsale.queue.client import connect
from onsale.sandbox.ports import free_port
from onsale.sandbox.valkey import EmbeddedValkey
from tests.builders import until

EVENT, OTHER = EventId(7), EventId(8)


@pytest.fixture
def wakes(redis_client: Redis, valkey_server: EmbeddedValkey) -> Iterator[Wakes]:
    sender = Wakes(valkey_server.url(2), redis_client)
    yield sender
    sender.close()


def messages(server: EmbeddedValkey, queue: str) -> list[tuple[str, list[object]]]:
    """(task, arguments) of what lies in a queue, oldest first, read the way a worker does."""
    app = Celery(broker=server.url(2), set_as_current=False)
    found = []
    declared = next(one for one in broker.QUEUES if one.name == queue)
    with app.connection_for_read() as connection, connection.SimpleQueue(declared) as simple, suppress(simple.Empty):
        while True:
            message = simple.get(timeout=0.2)
            arguments, _, _ = message.payload
            found.append((message.headers["task"], arguments))
            message.ack()
    app.close()
    return found


def test_a_lanes_wake_up_arrives_by_its_name(wakes: Wakes, valkey_server: EmbeddedValkey) -> None:
    assert wakes.wake_lane(EVENT)

    assert messages(valkey_server, "lanes") == [("onsale.work_lane", [7])]


def test_many_wake_ups_of_a_lane_are_one_until_it_starts(wakes: Wakes, valkey_server: EmbeddedValkey) -> None:
    sent = [wakes.wake_lane(EVENT) for _ in range(20)]
    wakes.wake_lane(OTHER)
    wakes.lane_started(EVENT)
    again = wakes.wake_lane(EVENT)

    assert sent == [True, *[False] * 19]
    assert again
    assert [arguments for _, arguments in messages(valkey_server, "lanes")] == [[7], [8], [7]]


def test_a_flag_whose_message_got_lost_falls_by_itself(wakes: Wakes) -> None:
    wakes.wake_lane(EVENT)

    until(lambda: wakes.wake_lane(EVENT), "another wake-up is sent", seconds=broker.WAKE_FLAG_MS / 1_000 + 5)


def test_payments_are_woken_in_the_order_given(wakes: Wakes, valkey_server: EmbeddedValkey) -> None:
    bookings = [uuid4() for _ in range(5)]

    assert wakes.wake_authorise(bookings) == 5
    assert wakes.wake_resume(bookings[0])

    assert messages(valkey_server, "payments") == [
        *(("onsale.authorise", [str(booking)]) for booking in bookings),
        ("onsale.resume", [str(bookings[0])]),
    ]


def test_a_wake_up_carries_ids_and_nothing_else(
    wakes: Wakes, redis_client: Redis, valkey_server: EmbeddedValkey
) -> None:
    wakes.wake_lane(EVENT)

    (raw,) = Redis.from_url(valkey_server.url(2)).lrange("lanes", 0, -1)
    message = orjson.loads(raw)
    assert message["content-type"] == "application/json"
    assert message["headers"]["argsrepr"] == "(7,)"
    # The default exchange, by the queue's name: nothing that a FLUSHALL could take away.
    assert message["properties"]["delivery_info"] == {"exchange": "", "routing_key": "lanes"}


def test_wake_ups_arrive_again_after_a_flushall(
    wakes: Wakes, redis_client: Redis, valkey_server: EmbeddedValkey
) -> None:
    wakes.wake_lane(EVENT)
    redis_client.flushall()

    assert wakes.wake_lane(EVENT)

    assert messages(valkey_server, "lanes") == [("onsale.work_lane", [7])]


def test_a_broker_that_is_away_fails_no_request_and_is_logged_once(
    redis_client: Redis, capsys: pytest.CaptureFixture[str]
) -> None:
    wakes = Wakes(f"redis://:a-secret-password@127.0.0.1:{free_port()}/0", redis_client)

    began = time.monotonic()
    answers = [wakes.wake_lane(EVENT), *[wakes.wake_resume(uuid4()) for _ in range(50)]]

    assert not any(answers)
    assert time.monotonic() - began < 2 * broker.BROKER_SECONDS_MAX
    said = capsys.readouterr().out
    assert said.count("part_away") == 1
    assert "a-secret-password" not in said
    # Nothing was sent, so nothing stands in the way of the next wake-up.
    assert not redis_client.keys("*wake*")


def test_a_broker_that_is_back_is_used_again(redis_client: Redis, tmp_path: Path) -> None:
    server = EmbeddedValkey(tmp_path / "broker", port=free_port(), durable=False)
    server.start()
    url = server.url(2)
    wakes = Wakes(url, redis_client)
    assert wakes.wake_resume(uuid4())
    server.stop()
    assert not wakes.wake_resume(uuid4())

    with EmbeddedValkey(tmp_path / "broker", port=server.port, durable=False) as again:
        assert again.url(2) == url
        until(lambda: wakes.wake_resume(uuid4()), "the broker is used again", seconds=10)
        assert len(messages(again, "payments")) == 1
    wakes.close()


def test_a_queue_that_is_away_does_not_keep_a_lane_asleep(valkey_server: EmbeddedValkey) -> None:
    wakes = Wakes(valkey_server.url(2), connect("redis://127.0.0.1:9"))

    assert wakes.wake_lane(EVENT)
    wakes.close()


def test_every_route_leads_to_a_declared_queue() -> None:
    names = {queue.name for queue in broker.QUEUES}

    assert {route["queue"] for route in broker.ROUTES.values()} <= names
    assert [queue.routing_key for queue in broker.QUEUES] == [queue.name for queue in broker.QUEUES]
