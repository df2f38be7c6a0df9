"""Whether somebody works: each Celery queue gives a sign of life, open events move, nothing is overdue."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from uuid import uuid4

from redis import Redis
from redis.exceptions import RedisError

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning
from onsale.cli.doctor.sales import Numbers, Pulse, read_numbers, read_pulses
from onsale.config import Config
from onsale.db.engine import make_engine, reading
from onsale.errors import RecordUnavailable
from onsale.queue.broker import QUEUES, Wakes
from onsale.queue.client import connect
from onsale.queue.probes import Probes

# Several, because of two workers on a queue one may be deaf.
PROBES_PER_QUEUE = 4
# A lane works for a second at most; the sweeps' one thread may have several sweeps in front.
PROBE_SECONDS_MAX = 8.0
LOOK_SECONDS = 0.02
# The end of a queue that is searched for our probes: they are the newest.
SEARCHED_MAX = 1_000
# `onsale admit` comes by several times a second, and copies the journal every five seconds at the latest.
STILL_SECONDS_MAX = 5.0
JOURNAL_SECONDS_MAX = 20.0
UNDECIDED_SECONDS_WARNING = 5.0
UNDECIDED_SECONDS_BROKEN = 60.0


@dataclass(frozen=True)
class Asked:
    """What became of the probes of one queue: by whom each was answered, how many still lie in the broker."""

    sent: int
    answered: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    # None where the broker cannot be looked into.
    waiting: int | None = None
    # Other people's messages, before and after.
    before: int = 0
    after: int = 0


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """Signs of life first, then the record's and the queue's own word."""
    queues = [queue.name for queue in QUEUES]
    try:
        found = ask(config, queues)
        for queue in queues:
            yield queue, alive(queue, found[queue])
    except RedisError:
        for queue in queues:
            yield queue, not_checked("The cache does not answer, through which a worker would.")
    engine = make_engine(config.database_url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    client = connect(config.queue_url)
    try:
        with reading(engine) as connection:
            pulses, numbers = read_pulses(connection, client), read_numbers(connection)
    except (RecordUnavailable, RedisError):
        for check in CHECKS[len(queues) :]:
            yield check, not_checked("The record or the queue does not answer.")
        return
    finally:
        client.close()
        engine.dispose()
    yield "admission", admission(pulses)
    yield "journal", journal(pulses)
    yield "overdue holds", overdue_holds(numbers)
    yield "undecided bookings", undecided(numbers)


def ask(config: Config, queues: Sequence[str], *, seconds_max: float = PROBE_SECONDS_MAX) -> dict[str, Asked]:
    """Send each queue its probes and wait for the signs of life. Raises RedisError when the cache is away."""
    with ExitStack() as stack:
        cache, flags = connect(config.cache_url), connect(config.queue_url)
        wakes = Wakes(config.broker_url, flags)
        for each in (cache, flags, wakes):
            stack.callback(each.close)
        looker = _looker(config.broker_url, stack)
        cache.ping()
        before = {queue: _length(looker, queue) for queue in queues}
        sent = {queue: [f"{queue}-{uuid4().hex}" for _ in range(PROBES_PER_QUEUE)] for queue in queues}
        sent = {queue: [one for one in probes if wakes.probe(queue, one)] for queue, probes in sent.items()}
        answered, took = _wait(Probes(cache), sent, seconds_max=seconds_max)
        return {
            queue: _asked(looker, queue, sent[queue], answered, seconds=took[queue], before=before[queue])
            for queue in queues
        }


def alive(queue: str, asked: Asked) -> Seen:
    """Whether the queue's workers work, and if not, whether there are none or they are deaf."""
    start = f"Start one: `celery -A onsale.workers.app worker -Q {queue} ...`, as the Procfile does."
    if not asked.sent:
        return not_checked("The broker takes no message.")
    workers = ", ".join(sorted(set(asked.answered.values())))
    if len(asked.answered) == asked.sent:
        return ok(f"{workers} answered {asked.sent} probes within {asked.seconds * 1000:,.0f} ms.")
    waiting = asked.waiting
    if waiting is None:
        return broken(f"{len(asked.answered)} of {asked.sent} probes were answered.", f"Look at its log. {start}")
    deaf = asked.sent - len(asked.answered) - waiting
    if deaf > 0:
        others = f" {workers} works." if workers else ""
        return broken(
            f"A worker took {deaf} of {asked.sent} probes and did nothing: it is connected and deaf.{others}",
            "Find the process that logs nothing (stopped, swapped out, or hanging), kill -9 it, start another.",
        )
    if asked.after < asked.before or workers:
        return warning(
            f"Busy: {asked.after} messages wait, and our probes behind them.",
            "Wait, or start another worker; look again when the number falls.",
        )
    return broken(f"Nobody takes from it: {asked.after} messages and our probes wait.", start)


def admission(pulses: Sequence[Pulse]) -> Seen:
    """Whether somebody lets people in."""
    start = "Start `onsale admit`, in any number of copies."
    if not pulses:
        return not_checked("No event is open, so nobody can be seen admitting.", "Look again when one is.")
    lost = [one for one in pulses if one.still_seconds is None]
    if lost:
        return broken(
            f"Event {lost[0].event_id} is open and Redis has no queue of it: nobody is let in.",
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


def _wait(
    probes: Probes, sent: Mapping[str, list[str]], *, seconds_max: float
) -> tuple[dict[str, str], dict[str, float]]:
    """Who answered what, and after how long each queue's last answer came."""
    everything = [one for each in sent.values() for one in each]
    began = time.monotonic()
    took = dict.fromkeys(sent, 0.0)
    answered: dict[str, str] = {}
    while len(answered) < len(everything) and time.monotonic() - began < seconds_max:
        time.sleep(LOOK_SECONDS)
        fresh = probes.answered(everything)
        for queue, ours in sent.items():
            if any(one in fresh and one not in answered for one in ours):
                took[queue] = time.monotonic() - began
        answered = fresh
    return answered, took


def _asked(
    looker: Redis | None,
    queue: str,
    ours: Sequence[str],
    answered: Mapping[str, str],
    *,
    seconds: float,
    before: int,
) -> Asked:
    mine = {one: answered[one] for one in ours if one in answered}
    waiting = _waiting(looker, queue, ours)
    after = max(0, _length(looker, queue) - (waiting or 0))
    return Asked(len(ours), mine, seconds=seconds, waiting=waiting, before=before, after=after)


def _looker(broker_url: str, stack: ExitStack) -> Redis | None:
    """Somebody who can look into the broker's lists; None where it has none."""
    if not broker_url.startswith(("redis", "unix")):
        return None
    client = connect(broker_url)
    stack.callback(client.close)
    return client


def _length(looker: Redis | None, queue: str) -> int:
    return _looked(looker, lambda client: int(client.llen(queue))) or 0


def _waiting(looker: Redis | None, queue: str, ours: Sequence[str]) -> int | None:
    """How many of our probes still lie in the queue; a message names its arguments in its header."""

    def count(client: Redis) -> int:
        messages = client.lrange(queue, 0, SEARCHED_MAX - 1)
        return sum(any(one.encode() in message for one in ours) for message in messages)

    return _looked(looker, count)


def _looked(looker: Redis | None, look: Callable[[Redis], int]) -> int | None:
    if looker is not None:
        with suppress(RedisError):
            return look(looker)
    return None


def _events(count: int) -> str:
    return "1 event is" if count == 1 else f"{count} events are"


CHECKS = (*(queue.name for queue in QUEUES), "admission", "journal", "overdue holds", "undecided bookings")
PART = Part("workers", "Workers", CHECKS, examine)
