"""The kombu exchange and queues, declared once, and the wake-ups sent through them by task name.

A wake-up is a hint: whatever is lost is sent again from the record. So a dead broker never fails a buyer's request.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from celery import Celery
from kombu import Exchange, Queue  # type: ignore[attr-defined]  # kombu exports by a lazy module
from kombu.exceptions import KombuError, OperationalError
from redis import Redis
from redis.exceptions import RedisError

from onsale.db.ids import EventId
from onsale.queue.keys import MAIL_WAKE, REPORTS_WAKE, EventKeys
from onsale.queue.outage import Outage
from onsale.queue.probes import KEPT_SECONDS

# The default exchange goes by the queue's name. On Redis a named exchange keeps its bindings in a set of its own: after
# a FLUSHALL every message published to it is dropped, without an error.
DIRECT = Exchange("", type="direct")  # type: ignore[no-untyped-call]  # kombu has no types


def _queue(name: str) -> Any:
    return Queue(name, DIRECT, routing_key=name, durable=True)  # type: ignore[no-untyped-call]  # kombu has no types


LANES, PAYMENTS, MAIL, SWEEPS = _queue("lanes"), _queue("payments"), _queue("mail"), _queue("sweeps")
QUEUES = (LANES, PAYMENTS, MAIL, SWEEPS)

WORK_LANE = "onsale.work_lane"
AUTHORISE = "onsale.authorise"
RESUME = "onsale.resume"
REFUND = "onsale.refund"
SEND_MAIL = "onsale.send_mail"
MAKE_REPORTS = "onsale.make_reports"
PROBE = "onsale.probe"
ROUTES = {
    WORK_LANE: {"queue": LANES.name},
    AUTHORISE: {"queue": PAYMENTS.name},
    RESUME: {"queue": PAYMENTS.name},
    REFUND: {"queue": PAYMENTS.name},
    # Of their own: a mail server that takes its time must not keep a sweep waiting.
    SEND_MAIL: {"queue": MAIL.name},
    # Takes its time as well, and nobody's tickets wait for it.
    MAKE_REPORTS: {"queue": MAIL.name},
    "onsale.sweep": {"queue": SWEEPS.name},
    "onsale.reconcile": {"queue": SWEEPS.name},
    "onsale.resend": {"queue": SWEEPS.name},
    "onsale.watch_mail": {"queue": SWEEPS.name},
    "onsale.cancel_events": {"queue": SWEEPS.name},
    "onsale.change_prices": {"queue": SWEEPS.name},
    "onsale.watch_stuck": {"queue": SWEEPS.name},
    "onsale.waiting_lists": {"queue": SWEEPS.name},
    "onsale.reminders": {"queue": SWEEPS.name},
    "onsale.chain": {"queue": SWEEPS.name},
    "onsale.forget_addresses": {"queue": SWEEPS.name},
    # Sent to every queue in turn, by name.
    PROBE: {"queue": SWEEPS.name},
}

# One wake-up of a lane is enough while none has been taken. The flag falls by itself, for a message that got lost.
WAKE_FLAG_MS = 1_000
# Where nobody sends letters, the wake-ups that nobody takes must not fill the broker.
MAIL_WAKE_FLAG_MS = 10_000
# A buyer's request waits at most so long for a broker that hangs.
BROKER_SECONDS_MAX = 2.0


def transport_options(visibility_timeout_seconds: int) -> dict[str, Any]:
    """The broker settings of the workers; the shortest visibility timeout among all processes counts."""
    return {
        "visibility_timeout": visibility_timeout_seconds,
        "socket_timeout": 30.0,
        "socket_connect_timeout": BROKER_SECONDS_MAX,
        "socket_keepalive": True,
        "health_check_interval": 25,
    }


class Wakes:
    """Sends wake-ups. Raises nothing when the broker is away: it says so in the log once, and once when it is back."""

    def __init__(self, broker_url: str, queue_client: Redis) -> None:
        # Never a Celery application of its own kind: it only publishes, so nothing of the workers is imported.
        self._app = Celery("onsale-wakes", broker=broker_url, set_as_current=False)
        self._app.conf.update(
            # Of its own: Celery writes its default exchange into the queues it is given.
            task_queues=[_queue(queue.name) for queue in QUEUES],
            task_routes=ROUTES,
            task_default_queue=SWEEPS.name,
            task_ignore_result=True,
            task_send_sent_event=False,
            broker_connection_timeout=BROKER_SECONDS_MAX,
            broker_transport_options={
                "socket_timeout": BROKER_SECONDS_MAX,
                "socket_connect_timeout": BROKER_SECONDS_MAX,
                "max_retries": 1,
            },
        )
        self._queue_client = queue_client
        self._outage = Outage("broker")

    def wake_lane(self, event_id: EventId) -> bool:
        """Wake the event's lane; many at once become one. False when nothing was sent (coalesced, or no broker)."""
        flag = EventKeys(event_id).wake
        try:
            if not self._queue_client.set(flag, b"1", nx=True, px=WAKE_FLAG_MS):
                return False
        except RedisError:
            # Without the flag: one wake-up too many does no harm.
            return self._send(WORK_LANE, int(event_id))
        sent = self._send(WORK_LANE, int(event_id))
        if not sent:
            self.lane_started(event_id)
        return sent

    def lane_started(self, event_id: EventId) -> None:
        """The lane task begins: what is accepted from now on needs a wake-up of its own. Call it before reading."""
        try:
            self._queue_client.delete(EventKeys(event_id).wake)
        except RedisError:
            return

    def wake_authorise(self, booking_ids: Iterable[UUID]) -> int:
        """Wake payment for these bookings, in this order; returns how many were sent."""
        return sum(self._send(AUTHORISE, str(booking_id)) for booking_id in booking_ids)

    def wake_resume(self, booking_id: UUID, *, after_seconds: float | None = None) -> bool:
        """Something happened to this booking's payment; look now, or in a moment."""
        return self._send(RESUME, str(booking_id), countdown=after_seconds)

    def wake_refund(self, booking_id: UUID) -> bool:
        """There is money to be given back for this booking."""
        return self._send(REFUND, str(booking_id))

    def wake_mail(self) -> bool:
        """There are letters to send; many wake-ups become one. False when nothing was sent."""
        try:
            if not self._queue_client.set(MAIL_WAKE, b"1", nx=True, px=MAIL_WAKE_FLAG_MS):
                return False
        except RedisError:
            return self._send(SEND_MAIL)
        return self._send(SEND_MAIL)

    def mail_started(self) -> None:
        """Somebody begins to send letters: another wake-up brings another one."""
        try:
            self._queue_client.delete(MAIL_WAKE)
        except RedisError:
            return

    def wake_reports(self) -> bool:
        """There is a sale report to make; many wake-ups become one. False when nothing was sent."""
        try:
            if not self._queue_client.set(REPORTS_WAKE, b"1", nx=True, px=MAIL_WAKE_FLAG_MS):
                return False
        except RedisError:
            return self._send(MAKE_REPORTS)
        return self._send(MAKE_REPORTS)

    def reports_started(self) -> None:
        """Somebody begins to make reports: another wake-up brings another one."""
        try:
            self._queue_client.delete(REPORTS_WAKE)
        except RedisError:
            return

    def probe(self, queue: str, probe: str) -> bool:
        """Ask whoever works on this queue for a sign of life; `queue/probes.py` has the answer."""
        # Left in a queue that nobody serves, it must not be answered tomorrow.
        return self._send(PROBE, probe, queue=queue, expires=KEPT_SECONDS)

    def close(self) -> None:
        """Let go of the broker."""
        self._app.close()

    def _send(self, task: str, *arguments: int | str, **options: Any) -> bool:
        # What is not sent now is sent again from the record.
        if not self._outage.may_ask():
            return False
        try:
            # No retries: they would hold a buyer's request for as long as the broker is away.
            self._app.send_task(task, args=arguments, retry=False, **options)
        except (OperationalError, KombuError, RedisError, OSError) as error:
            self._outage.failed(error)
            return False
        self._outage.worked()
        return True
