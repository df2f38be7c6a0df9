"""The kombu exchanges and queues, declared once, and the wake-ups sent through them by task name.

A wake-up is a hint: whatever is lost is sent again from the record. So a dead broker never fails a buyer's request.
"""

from __future__ import annotations

import threading
from collections.abc import Iterable
from typing import Any
from uuid import UUID

import structlog
from celery import Celery
from kombu import Exchange, Queue
from redis import Redis

from onsale.db.ids import EventId
from onsale.queue.keys import EventKeys

log = structlog.get_logger(__name__)

# The default exchange goes by the queue's name. On Redis a named exchange keeps its bindings in a set: after a FLUSHALL every
# message published to it is dropped without an error.
DIRECT = Exchange("", type="direct")
LANES = Queue("lanes", DIRECT, routing_key="lanes", durable=True)
PAYMENTS = Queue("payments", DIRECT, routing_key="payments", durable=True)
SWEEPS = Queue("sweeps", DIRECT, routing_key="sweeps", durable=True)
QUEUES = (LANES, PAYMENTS, SWEEPS)

WORK_LANE = "onsale.work_lane"
AUTHORISE = "onsale.authorise"
RESUME = "onsale.resume"
ROUTES = {
    WORK_LANE: {"queue": LANES.name},
    AUTHORISE: {"queue": PAYMENTS.name},
    RESUME: {"queue": PAYMENTS.name},
    "onsale.sweep": {"queue": SWEEPS.name},
    "onsale.reconcile": {"queue": SWEEPS.name},
    "onsale.resend": {"queue": SWEEPS.name},
}


def transport_options(visibility_timeout_seconds: int) -> dict[str, Any]:
    """The broker settings every process shares, publishers and workers."""
    raise NotImplementedError


class Wakes:
    """Sends wake-ups. Raises nothing when the broker is away: it says so in the log once, and once when it is back."""

    def __init__(self, broker_url: str, queue_client: Redis) -> None:
        raise NotImplementedError

    def wake_lane(self, event_id: EventId) -> bool:
        """Wake the event's lane; many at once become one. False when nothing was sent (coalesced, or no broker)."""
        raise NotImplementedError

    def lane_started(self, event_id: EventId) -> None:
        """The lane task begins: what is accepted from now on needs a wake-up of its own. Call it before reading the record."""
        raise NotImplementedError

    def wake_authorise(self, booking_ids: Iterable[UUID]) -> int:
        """Wake payment for these bookings, in this order; returns how many were sent."""
        raise NotImplementedError

    def wake_resume(self, booking_id: UUID) -> bool:
        """Something happened to this booking's payment."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the broker."""
        raise NotImplementedError
