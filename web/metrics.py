"""The numbers Prometheus scrapes, all read from the record and the queue: every process of a cluster says the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import structlog
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST as CONTENT_TYPE
from prometheus_client.exposition import generate_latest
from prometheus_client.registry import Collector

from onsale.db import change_outbox, change_stream, letters, queue_settings, refunds, stats, stuck
from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.letters import STUCK, LetterState
from onsale.errors import OnsaleError
from onsale.queue.state import QueueState
from onsale.web.box_office import BoxOffice

# Each costs a round trip to Redis.
EVENTS_MAX = 200

__all__ = ["CONTENT_TYPE", "written"]

log = structlog.get_logger()


def written(office: BoxOffice) -> bytes:
    """The exposition text, computed now."""
    registry = CollectorRegistry()
    registry.register(_Numbers(office))
    return generate_latest(registry)


class _Numbers(Collector):
    """Everything in one reading. A part that is away leaves its numbers out: a missing series alarms, a zero lies."""

    def __init__(self, office: BoxOffice) -> None:
        self._office = office

    def collect(self) -> Iterator[Metric]:
        parts = self._of_record, self._of_stuck, self._of_refunds, self._of_changes, self._of_mail, self._of_provider
        for part in (*parts, self._of_queues):
            try:
                yield from part()
            except OnsaleError as error:
                log.warning("metrics_incomplete", why=type(error).__name__)

    def _of_record(self) -> Iterator[Metric]:
        with reading(self._office.engine) as connection:
            oldest = stats.oldest_undecided_seconds(connection)
            by_state = stats.bookings_by_state(connection)
            by_outcome = stats.attempts_by_outcome(connection)
        name, says = "onsale_oldest_undecided_booking_seconds", "Age of the oldest booking that waits for a lane."
        yield GaugeMetricFamily(name, says, value=oldest or 0)
        bookings = GaugeMetricFamily("onsale_bookings", "Bookings by state.", labels=["state"])
        for state, count in by_state.items():
            bookings.add_metric([state], count)
        yield bookings
        payments = CounterMetricFamily("onsale_payments", "Cards tried, by outcome.", labels=["outcome"])
        for outcome, count in by_outcome.items():
            payments.add_metric([outcome], count)
        yield payments

    def _of_stuck(self) -> Iterator[Metric]:
        """Read here and not told by the sweep, which may be what is stuck."""
        with reading(self._office.engine) as connection:
            found = stuck.find(connection, each=1)
        says = "Bookings past the time that their state may take, by what is wrong; above 0 is an alarm."
        bookings = GaugeMetricFamily("onsale_stuck_bookings", says, labels=["kind"])
        for kind, count in found.counts.items():
            bookings.add_metric([kind], count)
        yield bookings

    def _of_refunds(self) -> Iterator[Metric]:
        with reading(self._office.engine) as connection:
            failing = refunds.failing(connection)
        name, says = "onsale_refunds_failed", "Refunds that the bank refuses; above 0 is an alarm once it gives up."
        family = GaugeMetricFamily(name, says, labels=["tried"])
        family.add_metric(["again"], failing.count - failing.given_up)
        family.add_metric(["no_more"], failing.given_up)
        yield family

    def _of_changes(self) -> Iterator[Metric]:
        """Of what is set up; who reads events from the record alone has none of these."""
        with reading(self._office.engine) as connection:
            outbox, slot = change_outbox.state(connection), change_stream.slot(connection)
        if outbox is not None:
            name, says = "onsale_changes_outbox_rows", "Changes that nobody is done with."
            yield GaugeMetricFamily(name, says, value=outbox.rows)
        elif slot is not None:
            name, says = "onsale_changes_behind_bytes", "The record's log that its follower has not confirmed."
            yield GaugeMetricFamily(name, says, value=slot.behind_bytes)
        if found := outbox or slot:
            name, says = "onsale_changes_followed", "Whether somebody follows the record's changes."
            yield GaugeMetricFamily(name, says, value=found.followed)

    def _of_mail(self) -> Iterator[Metric]:
        with reading(self._office.engine) as connection:
            numbers = letters.numbers(connection)
        name, says = "onsale_oldest_waiting_letter_seconds", "How long the oldest letter has been waiting to be sent."
        yield GaugeMetricFamily(name, says, value=numbers.late_seconds or 0)
        unsent = GaugeMetricFamily(
            "onsale_letters",
            "Letters not sent, by state; what failed or is unclear: in the last day.",
            labels=["state"],
        )
        for state in (LetterState.WAITING, LetterState.SENDING, *sorted(STUCK)):
            unsent.add_metric([state], numbers.by_state.get(state, 0))
        yield unsent

    def _of_provider(self) -> Iterator[Metric]:
        spared = self._office.circuits.spared()
        name, says = (
            "onsale_provider_circuits_open",
            "Processes that make no calls to the payment provider for a while.",
        )
        yield GaugeMetricFamily(name, says, value=spared.processes)
        name, says = "onsale_provider_circuit_openings", "How often a process found the payment provider away."
        yield CounterMetricFamily(name, says, value=spared.openings)

    def _of_queues(self) -> Iterator[Metric]:
        with reading(self._office.engine) as connection:
            running = [settings.event_id for settings in queue_settings.running(connection, limit=EVENTS_MAX)]
        states = {event_id: state for event_id in running if (state := self._state(event_id)) is not None}
        for name, says, value in _BY_EVENT:
            family = GaugeMetricFamily(name, says, labels=["event"])
            for event_id, state in states.items():
                family.add_metric([str(event_id)], value(state))
            yield family
        admissions = CounterMetricFamily("onsale_admissions", "People let in.", labels=["event"])
        for event_id, state in states.items():
            admissions.add_metric([str(event_id)], state.admitted_total)
        yield admissions

    def _state(self, event_id: EventId) -> QueueState | None:
        try:
            return self._office.store.snapshot(event_id)
        except OnsaleError:
            return None


_BY_EVENT: tuple[tuple[str, str, Callable[[QueueState], float]], ...] = (
    ("onsale_queue_waiting", "People who wait for their turn.", lambda state: state.waiting),
    ("onsale_queue_admitted", "People let in who have not come yet.", lambda state: state.admitted),
    ("onsale_queue_entered", "People inside who choose, or wait for a decision.", lambda state: state.entered),
    ("onsale_holds", "People inside with tickets held.", lambda state: state.holding),
    ("onsale_queue_rate_per_minute", "The rate in force.", lambda state: state.rules.rate_per_minute),
    ("onsale_queue_ceiling_per_minute", "The rate that is set.", lambda state: state.rules.ceiling),
    ("onsale_tickets_free", "Tickets free, as last told to the queue.", lambda state: state.free or 0),
    ("onsale_tickets_held", "Tickets held, as last told to the queue.", lambda state: state.held or 0),
)
