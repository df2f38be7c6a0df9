"""Whether somebody works: each Celery queue gives a sign of life, open events move, nothing is overdue."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from redis.exceptions import RedisError

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning
from onsale.cli.doctor.sales import Numbers, Pulse, read_numbers, read_pulses
from onsale.cli.doctor.signs import Asked, ask
from onsale.config import Config
from onsale.db.engine import make_engine, reading
from onsale.errors import RecordUnavailable
from onsale.queue.broker import QUEUES
from onsale.queue.client import connect
from onsale.queue.probes import Probes

QUEUE_CHECKS = tuple(str(queue.name) for queue in QUEUES)
SALES_CHECKS = ("admission", "journal", "overdue holds", "undecided bookings", "failed refunds")
# `onsale admit` comes by several times a second, and copies the journal every five seconds at the latest.
STILL_SECONDS_MAX = 5.0
JOURNAL_SECONDS_MAX = 20.0
# It sends a sweep every second; one that asks a slow provider keeps the next ones waiting.
BEAT_SECONDS_MAX = 10.0
UNDECIDED_SECONDS_WARNING = 5.0
UNDECIDED_SECONDS_BROKEN = 60.0
_FIND_IT = "Find the process that logs nothing (stopped, swapped out, or all threads hang), kill -9 it, start another."


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """Signs of life first, then the record's and the queue's own word."""
    yield from examine_queues(config)
    yield "beat", examine_beat(config)
    yield from examine_sales(config)


def examine_queues(config: Config) -> Iterator[tuple[str, Seen]]:
    """Whether each Celery queue has somebody who works."""
    try:
        found = ask(config, QUEUE_CHECKS)
    except RedisError:
        for queue in QUEUE_CHECKS:
            yield queue, not_checked("The cache does not answer, through which a worker would.")
        return
    for queue in QUEUE_CHECKS:
        yield queue, alive(queue, found[queue])


def examine_beat(config: Config) -> Seen:
    """Whether sweeps come by themselves."""
    cache = connect(config.cache_url)
    try:
        return beat(Probes(cache).seconds_since_sweep())
    except RedisError:
        return not_checked("The cache does not answer, where a sweep leaves its sign.")
    finally:
        cache.close()


def examine_sales(config: Config) -> Iterator[tuple[str, Seen]]:
    """Whether what the workers do shows in the record and in the queue."""
    engine = make_engine(config.database_url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    client = connect(config.queue_url)
    try:
        with reading(engine) as connection:
            pulses, numbers = read_pulses(connection, client), read_numbers(connection)
    except (RecordUnavailable, RedisError):
        for check in SALES_CHECKS:
            yield check, not_checked("The record or the queue does not answer.")
        return
    finally:
        client.close()
        engine.dispose()
    yield "admission", admission(pulses)
    yield "journal", journal(pulses)
    yield "overdue holds", overdue_holds(numbers)
    yield "undecided bookings", undecided(numbers)
    yield "failed refunds", failed_refunds(numbers)


def alive(queue: str, asked: Asked) -> Seen:
    """Whether the queue's workers work, and if not, whether there are none or they are deaf."""
    if not asked.sent:
        return not_checked("The broker takes no message.")
    workers = ", ".join(sorted(set(asked.answered.values())))
    if len(asked.answered) == asked.sent:
        return ok(f"{workers} answered {asked.sent} probes within {asked.seconds * 1000:,.0f} ms.")
    start = f"Start one: `celery -A onsale.workers.app worker -Q {queue} ...`, as the Procfile does."
    if asked.waiting is None:
        return broken(f"{len(asked.answered)} of {asked.sent} probes were answered.", f"Look at its log. {start}")
    if asked.sent > len(asked.answered) + asked.waiting:
        return _deaf(asked, workers)
    if asked.after < asked.before or workers:
        return warning(
            f"Busy: {asked.after} messages wait, and our probes behind them.",
            "Wait, or start another worker; look again when the number falls.",
        )
    if asked.silent:
        return broken(
            f"Nobody takes from it; a worker is connected to the broker ({', '.join(asked.silent)}) and deaf.",
            f"{_FIND_IT} `ss -tnp` says whose connection it is.",
        )
    return broken(f"Nobody takes from it: no worker, and {asked.after} messages wait.", start)


def _deaf(asked: Asked, workers: str) -> Seen:
    taken = asked.sent - len(asked.answered) - (asked.waiting or 0)
    others = f" {workers} works." if workers else ""
    return broken(f"A worker took {taken} of {asked.sent} probes and did nothing: it is deaf.{others}", _FIND_IT)


def beat(since_sweep: float | None) -> Seen:
    """Whether somebody sends the sweeps that end holds and send lost wake-ups again."""
    if since_sweep is None:
        return broken(
            "No sweep came within a minute: holds do not end, and a lost wake-up is never sent again.",
            "Start a worker of the queue `sweeps` with its beat (-B), as the Procfile does; copies are harmless.",
        )
    saw = f"The last sweep came {since_sweep:,.1f} s ago."
    if since_sweep > BEAT_SECONDS_MAX:
        return warning(saw, "See the log of the `sweeps` worker: it waits for somebody, or its beat has ended.")
    return ok(saw)


def admission(pulses: Sequence[Pulse]) -> Seen:
    """Whether somebody lets people in."""
    start = "Start `onsale admit`, in any number of copies."
    if not pulses:
        return not_checked("No event is open, so nobody can be seen admitting.", "Look again when one is.")
    lost = [one for one in pulses if one.still_seconds is None]
    if lost:
        return broken(
            f"Event {lost[0].event_id} is open and Redis has no queue of it, or one in recovery: nobody is let in.",
            f"{start} It restores the queue from the record; its log says `recovery_waits` while it cannot.",
        )
    slowest = max(pulses, key=lambda one: one.still_seconds or 0.0)
    still = slowest.still_seconds or 0.0
    if still > STILL_SECONDS_MAX:
        return broken(f"The queue of event {slowest.event_id} has stood still for {still:,.0f} s.", start)
    return ok(f"{_events(len(pulses))} open; the last was looked after {still * 1000:,.0f} ms ago.")


def journal(pulses: Sequence[Pulse]) -> Seen:
    """Whether the record knows who has which number."""
    if not pulses:
        return not_checked("No event is open, so nothing is to be written down.")
    slowest = max(pulses, key=lambda one: one.unwritten_seconds)
    if slowest.unwritten_seconds > JOURNAL_SECONDS_MAX:
        ago = f"{slowest.unwritten_seconds:,.0f} s ago"
        return broken(
            f"What the queue of event {slowest.event_id} did {ago} is not in the record.",
            "Start `onsale admit`: the web lets people in without it, but only it writes the journal.",
        )
    return ok("What the queues did is in the record.")


def overdue_holds(numbers: Numbers) -> Seen:
    """Whether tickets come back on sale when their time is over."""
    if numbers.overdue:
        return broken(
            f"{numbers.overdue} holds are past their deadline, the oldest for {numbers.overdue_seconds:,.0f} s.",
            "See that the queue `sweeps` has a worker, and that the provider answers: a payment is asked about first.",
        )
    return ok("None.")


def undecided(numbers: Numbers) -> Seen:
    """Whether lanes decide."""
    oldest = numbers.undecided_seconds
    if oldest is None:
        return ok("None.")
    saw = f"The oldest has waited for {oldest:,.1f} s."
    do = 'See that the queue `lanes` has a worker; docs/operations.md, "Bookings stay queued".'
    if oldest > UNDECIDED_SECONDS_BROKEN:
        return broken(saw, do)
    return warning(saw, do) if oldest > UNDECIDED_SECONDS_WARNING else ok(saw)


def failed_refunds(numbers: Numbers) -> Seen:
    """Whether everybody who gave tickets back has the money."""
    failing = numbers.refunds
    if not failing.count:
        return ok("None.")
    do = "The event's console, Refunds, says why each is refused and tries again; else pay it back in another way."
    saw = f"{failing.count} refunds are refused by the bank"
    if failing.given_up:
        return broken(f"{saw}, {failing.given_up} of them too often to be tried again.", do)
    return warning(f"{saw}, and tried again by themselves.", do)


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count} events are"


PART = Part("workers", "Workers", (*QUEUE_CHECKS, "beat", *SALES_CHECKS), examine)
