"""Whether this machine, the record and the queue agree on the time: deadlines go by theirs, tokens by ours."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from redis.exceptions import RedisError

from onsale.cli.doctor.examining import Part
from onsale.cli.doctor.finding import Seen, broken, not_checked, ok, warning
from onsale.config import Config
from onsale.db import clock
from onsale.db.engine import make_engine, reading
from onsale.errors import RecordUnavailable
from onsale.queue.client import connect

SKEW_SECONDS_WARNING = 1.0
# Tokens get as much leeway.
SKEW_SECONDS_BROKEN = 10.0


@dataclass(frozen=True, slots=True)
class Reading:
    """How far a clock is ahead of this machine's, give or take `within` seconds."""

    ahead: float
    within: float


def examine(config: Config) -> Iterator[tuple[str, Seen]]:
    """Each against ours, then against each other."""
    record, queue = _record(config), _queue(config)
    yield "record", against_ours("PostgreSQL", record)
    yield "queue", against_ours("Redis", queue)
    yield "each other", against_each_other(record, queue)


def compared(read: Callable[[], float], *, ours: Callable[[], float] = time.time) -> Reading:
    """Read a clock (seconds since 1970) between two looks at ours."""
    before = ours()
    theirs = read()
    after = ours()
    return Reading(theirs - (before + after) / 2, (after - before) / 2)


def against_ours(whose: str, found: Reading | None) -> Seen:
    """Whether a server's clock and this machine's can work together."""
    if found is None:
        return not_checked("It does not answer.")
    where = "ahead of" if found.ahead > 0 else "behind"
    return _judged(f"{whose} is {_seconds(found)} {where} this machine.", found)


def against_each_other(record: Reading | None, queue: Reading | None) -> Seen:
    """Whether a hold's deadline and its slot's end together."""
    if record is None or queue is None:
        return not_checked("Only one of them answers.")
    apart = Reading(record.ahead - queue.ahead, record.within + queue.within)
    return _judged(f"PostgreSQL and Redis are {_seconds(apart)} apart.", apart)


def _judged(saw: str, found: Reading) -> Seen:
    # The part of the difference that the way there and back cannot explain.
    surely = abs(found.ahead) - found.within
    do = "Let every machine follow one time server (chrony), and look again before the sale."
    if surely > SKEW_SECONDS_BROKEN:
        return broken(f"{saw} Tokens are refused, and deadlines end at the wrong moment.", do)
    if surely > SKEW_SECONDS_WARNING:
        return warning(saw, do)
    return ok(saw)


def _record(config: Config) -> Reading | None:
    engine = make_engine(config.database_url, application_name="onsale doctor", pool_size=1, max_overflow=0)
    try:
        with reading(engine) as connection:
            # Once before, so that connecting is not taken for a difference.
            clock.now(connection)
            return compared(lambda: clock.now(connection).timestamp())
    except RecordUnavailable:
        return None
    finally:
        engine.dispose()


def _queue(config: Config) -> Reading | None:
    client = connect(config.queue_url)

    def read() -> float:
        seconds, microseconds = client.time()
        return float(seconds + microseconds / 1_000_000)

    try:
        read()
        return compared(read)
    except RedisError:
        return None
    finally:
        client.close()


def _seconds(found: Reading) -> str:
    size = abs(found.ahead)
    return f"{size * 1000:.0f} ms" if size < 1 else f"{size:,.1f} s"


PART = Part("clocks", "Clocks", ("record", "queue", "each other"), examine)
