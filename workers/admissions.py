"""`onsale admit`: lets people in at the set rate, and keeps queue and record telling each other what they need.

Run as many copies as you like: `advance` is one atomic script that obeys the rate whoever calls it, and everything
written here may be written twice. Without any copy nobody is let in and nothing is lost.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable
from datetime import UTC, datetime

import click
import structlog

from onsale import logs
from onsale.config import Config
from onsale.db import engine as record
from onsale.db import number_blocks, queue_settings, rate_control, selling_out, stats, waiting_lists
from onsale.db.ids import EventId
from onsale.errors import QueueRecovering, QueueUnavailable, RecordUnavailable
from onsale.queue.state import QueueState, SectionStock
from onsale.workers import drawing, following, journaling, recovery, revoking, rounds, waiting
from onsale.workers.rounds import Watched
from onsale.workers.shop import Shop, open_shop

# The shortest rest between two rounds, and how often the list of events is read.
ROUND_SECONDS = 0.025
EVENTS_SECONDS = 1.0
EVENTS_MAX = 2_000
# A part that is away is asked again after this long; the log says it once.
AWAY_SECONDS = 0.5

log = structlog.get_logger(__name__)


class Admitter:
    """One copy of the loop. Every event is looked after by itself: one that fails never stops another."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.watched: dict[EventId, Watched] = {}
        self._events_at = 0.0
        self._away: set[str] = set()
        self._provider_away = False

    def run(self, stop: threading.Event) -> None:
        """Go round until told to stop; then write the journal once more."""
        while not stop.is_set():
            self.go_round(time.monotonic())
            stop.wait(ROUND_SECONDS)
        for event_id, one in self.watched.items():
            if one.busy:
                self._attempt(one, lambda: journaling.write_journal(self.shop, event_id))  # noqa: B023 - called at once

    def go_round(self, now: float) -> None:
        """Advance and look at whatever is due at `now` (seconds of a monotonic clock)."""
        if now >= self._events_at:
            self._events_at = now + EVENTS_SECONDS
            self._read_events()
        clock = datetime.now(UTC)
        for one in self.watched.values():
            if now >= one.look_at:
                self._attempt(one, lambda: self._look(one, now))  # noqa: B023 - called at once
            if now >= one.rate_at and one.control is not None and one.control.on:
                self._follow(one, now)
            if now >= one.advance_at and rounds.may_admit(one.settings, clock):
                self._attempt(one, lambda: self._advance(one, now))  # noqa: B023 - called at once

    def _read_events(self) -> None:
        """What runs, from the record. While the record is away the queue goes on with what was known."""
        try:
            with record.reading(self.shop.engine) as connection:
                running = queue_settings.running(connection, limit=EVENTS_MAX)
                event_ids = [one.event_id for one in running]
                moved = stats.stock_changes(connection, event_ids)
                controls = rate_control.of_events(connection, event_ids)
            revoking.tell_queues(self.shop)
        except RecordUnavailable:
            self._say("record", away=True)
        except Exception:
            log.exception("events_not_read")
        else:
            self._say("record", away=False)
            self.watched = rounds.watch(self.watched, running, moved, controls)
            if any(control.auto for control in controls.values()):
                self._provider_away = following.provider_away(self.shop)

    def _attempt(self, one: Watched, what: Callable[[], object]) -> None:
        event_id = one.settings.event_id
        try:
            what()
            self._say("queue", away=False)
        except QueueRecovering:
            one.failed(time.monotonic())
            self._attempt_recovery(one)
        except QueueUnavailable:
            one.failed(time.monotonic())
            self._say("queue", away=True)
        except RecordUnavailable:
            one.look_at = time.monotonic() + AWAY_SECONDS
            self._say("record", away=True)
        except Exception:
            one.failed(time.monotonic())
            log.exception("event_not_looked_after", event_id=event_id, failures=one.failures)

    def _attempt_recovery(self, one: Watched) -> None:
        try:
            if recovery.recover(self.shop, one.settings.event_id):
                one.advance_at = one.look_at = 0.0
                # It went on behind the last number there is: who joins before the next look would be sent away.
                self._grant_numbers(one, self.shop.store.snapshot(one.settings.event_id), time.monotonic())
        except (QueueUnavailable, RecordUnavailable, QueueRecovering) as error:
            log.warning("recovery_waits", event_id=one.settings.event_id, error=type(error).__name__)
        except Exception:
            log.exception("recovery_failed", event_id=one.settings.event_id)

    def _advance(self, one: Watched, now: float) -> None:
        advanced = self.shop.store.advance(one.settings.event_id)
        one.advanced(now, anybody=advanced.admitted > 0)
        if advanced.hands_free:
            self.shop.wakes.wake_lane(one.settings.event_id)

    def _look(self, one: Watched, now: float) -> None:
        """Everything that once a second is enough for."""
        event_id, store = one.settings.event_id, self.shop.store
        if rounds.opening_due(one.settings, datetime.now(UTC)):
            self._open(one)
        if one.version_set > one.version:
            store.configure(event_id, rounds.rules_of(one.settings, one.control), version=one.version_set)
            one.version = one.version_set
        queue = store.snapshot(event_id)
        if queue.recovering:
            raise QueueRecovering
        self._grant_numbers(one, queue, now)
        waiting.look_ahead(self.shop, one, queue)
        drawing.look_ahead(self.shop, event_id, queue)
        moving = one.busy
        one.looked(now, queue)
        if moving or one.busy or now >= one.stock_at:
            one.sold.append((now, tell_stock(self.shop, event_id)))
            one.stock_at = now + rounds.STOCK_SECONDS
        if moving or one.busy:
            journaling.write_journal(self.shop, event_id)
            journaling.write_checkpoint(self.shop, event_id, queue)

    def _follow(self, one: Watched, now: float) -> None:
        """Let the rate follow checkout; with the record away nobody could book, and nobody is let in."""
        try:
            if "record" in self._away:
                following.stop_without_record(self.shop, one, now)
            else:
                following.go_on(self.shop, one)
                following.decide(self.shop, one, now, provider_away=self._provider_away)
        except RecordUnavailable:
            self._say("record", away=True)
            one.rate_at = now
        except (QueueUnavailable, QueueRecovering):
            # Whoever advances it says so, and restores it.
            one.rate_at = now + AWAY_SECONDS
        except Exception:
            log.exception("rate_not_decided", event_id=one.settings.event_id)

    def _open(self, one: Watched) -> None:
        if one.settings.draw is not None:
            drawing.open_by_draw(self.shop, one.settings.event_id)
        with record.transaction(self.shop.engine) as connection:
            opened = queue_settings.open_due(connection, one.settings.event_id)
            settings = queue_settings.get(connection, one.settings.event_id)
        if settings is not None:
            one.settings = settings
        if opened:
            log.info("queue_opened", event_id=one.settings.event_id)

    def _grant_numbers(self, one: Watched, queue: QueueState, now: float) -> None:
        """Reserve numbers in the record before the queue may give them out."""
        # The first look has seen no speed: since this machine was started is no time in which people joined.
        issued_before = one.issued if one.looked_at else queue.issued
        size = rounds.block_wanted(queue, issued_before=issued_before, seconds=now - one.looked_at)
        if size:
            with record.transaction(self.shop.engine) as connection:
                block = number_blocks.reserve(connection, one.settings.event_id, size)
            self.shop.store.grant_block(one.settings.event_id, block.last)

    def _say(self, part: str, *, away: bool) -> None:
        """Log once when a part goes, and once when it is back."""
        if away and part not in self._away:
            self._away.add(part)
            log.warning("part_away", part=part)
        elif not away and part in self._away:
            self._away.discard(part)
            log.info("part_back", part=part)


def tell_stock(shop: Shop, event_id: EventId) -> int:
    """Tell the queue what is left, so that nobody is let in for nothing; and everybody when nothing will be.

    Returns how many are sold.
    """
    with record.reading(shop.engine) as connection:
        stock = stats.stock(connection, event_id)
        noted = selling_out.is_noted(connection, event_id)
        listed = waiting_lists.get(connection, event_id)
        so_far = waiting.so_far(connection, event_id)
    so_far = waiting.with_sections(shop, event_id, so_far, stock)
    begins = stock.sold_out and listed.enabled and listed.began_at is None
    if stock.sold_out != noted or begins:
        with record.transaction(shop.engine) as connection:
            selling_out.note(connection, event_id, sold_out=stock.sold_out)
            if begins and waiting_lists.begin(connection, event_id):
                listed = waiting_lists.get(connection, event_id)
    # What came back is the list's until its round leaves it to everybody.
    free = min(stock.free, listed.released) if listed.active else stock.free
    sections = [
        SectionStock(one.section_id, one.name, one.price_minor, one.free if free else 0, one.held)
        for one in stock.sections
    ]
    asks_to = listed.asked_to if listed.active else None
    shop.store.set_stock(event_id, sections, free=free, held=stock.held, list_asks_to=asks_to, so_far=so_far)
    return stock.sold


@click.command()
def admit() -> None:
    """Let people into every open event at its rate, until SIGTERM. Any number of copies may run."""
    config = Config.from_env(os.environ)
    logs.configure(config)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    shop = open_shop(config)
    log.info("admitting")
    Admitter(shop).run(stop)
    shop.close()
