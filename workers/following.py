"""Lets an event's rate follow its checkout and its ramp: measures, decides, writes it down, and tells the queue.

Any number of copies of `onsale admit` call this. One at a time decides, at most every few seconds, by a row's lock: a
process that is killed in it leaves nothing behind. Without the record nobody is let in.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import structlog
from sqlalchemy import Connection

from onsale.db import checkout_signs, queue_settings, rate_control
from onsale.db import engine as record
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueSettings
from onsale.db.rate_control import RateControl
from onsale.errors import QueueUnavailable
from onsale.queue import auto_rate
from onsale.queue.auto_rate import LOOK_SECONDS, REST_SECONDS, AutoRate, Because, Signs
from onsale.queue.ramps import Ramp
from onsale.queue.rate_in_force import in_force
from onsale.workers.rounds import Watched
from onsale.workers.shop import Shop

# While the record is away the queue is told again and again to let nobody in for so long: longer than a copy waits for
# a record that says nothing at all.
STOP_SECONDS = 15.0
STOP_AGAIN_SECONDS = 0.5

log = structlog.get_logger(__name__)


def decide(shop: Shop, one: Watched, now: float, *, provider_away: bool = False) -> None:
    """Decide the event's rate if it is time, and know it. Raises RecordUnavailable."""
    one.rate_at = now + LOOK_SECONDS
    if one.control is None or not _due(one.control, one.settings):
        return
    event_id = one.settings.event_id
    sold = one.sold_lately(now, seconds=checkout_signs.LATELY_SECONDS)
    with record.transaction(shop.engine) as connection:
        turn = rate_control.take_turn(connection, event_id, every_seconds=LOOK_SECONDS)
        settings = queue_settings.get(connection, event_id) if turn else None
        if turn is None or settings is None:
            return
        before, at = turn
        signs = None
        if before.auto and settings.phase is Phase.OPEN:
            signs = _signs(connection, event_id, sold=sold, provider_away=provider_away)
        after = followed(before, settings, signs, at=at)
        rate_control.say(connection, before, after, actor="admit", ceiling=settings.rate_per_minute)
        after = rate_control.put(connection, before, after, ceiling=settings.rate_per_minute)
    one.control, one.settings = after, settings
    if after.version != before.version:
        one.look_at = now
        log.info("rate_follows", event_id=event_id, per_minute=after.per_minute, because=after.because, signs=signs)


def followed(control: RateControl, settings: QueueSettings, signs: Signs | None, *, at: datetime) -> RateControl:
    """What is decided at this moment; without signs what checkout allows stays as it is."""
    auto = auto_of(control)
    if auto and signs:
        rested = control.changed_at is None or at - control.changed_at >= timedelta(seconds=REST_SECONDS)
        auto = auto_rate.decided(auto, signs, pay_seconds=settings.pay_seconds, rested=rested)
    found = in_force(
        settings.rate_per_minute,
        auto=auto,
        ramp=Ramp.of(control.ramp) if control.ramp else None,
        begins=control.ramp_from or settings.opens_at,
        now=at,
    )
    state = auto or AutoRate()
    return replace(
        control,
        share_ppm=state.share_ppm,
        strain=state.strain,
        usual_paying=state.usual_paying,
        looks=state.looks,
        per_minute=found.per_minute,
        because=found.because.value,
    )


def auto_of(control: RateControl) -> AutoRate | None:
    """The rule's own state; None where auto is off."""
    if not control.auto:
        return None
    because = Because(control.because)
    return AutoRate(
        control.share_ppm,
        Because.NOTHING if because is Because.RAMP else because,
        control.strain,
        control.usual_paying,
        control.looks,
    )


def stop_without_record(shop: Shop, one: Watched, now: float) -> None:
    """Auto, and bookings cannot be taken: nobody is let in, whoever advances the queue."""
    one.rate_at = now + STOP_AGAIN_SECONDS
    if one.control is not None and one.control.auto:
        shop.store.stop_briefly(one.settings.event_id, seconds=STOP_SECONDS)
        one.stopped = True


def go_on(shop: Shop, one: Watched) -> None:
    """The record is back: what this process stopped goes on at once."""
    if one.stopped:
        shop.store.stop_briefly(one.settings.event_id, seconds=0)
        one.stopped = False


def provider_away(shop: Shop) -> bool:
    """Whether some process spares the provider; without the cache's Redis nobody knows."""
    try:
        return shop.circuits.spared().processes > 0
    except QueueUnavailable:
        return False


def _due(control: RateControl, settings: QueueSettings) -> bool:
    """Whether there may be something to decide. By this host's clock, which decides nothing: it spares statements."""
    if control.auto or not control.ramp:
        return control.auto
    expected = followed(control, settings, None, at=datetime.now(UTC))
    return (expected.per_minute, expected.because) != (control.per_minute, control.because)


def _signs(connection: Connection, event_id: EventId, *, sold: int | None, provider_away: bool) -> Signs:
    seen = checkout_signs.read(connection, event_id)
    return Signs(
        backlog_seconds=seen.backlog_seconds,
        carried=seen.carried,
        carried_seconds=seen.carried_seconds,
        uncarried=seen.uncarried,
        uncarried_seconds=seen.uncarried_seconds,
        declined=seen.declined,
        sold=sold,
        provider_away=provider_away,
    )
