"""Runs a rehearsal: starts the crowd, keeps the shop going, kills what the plan says, waits until all is settled."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess

from sqlalchemy import Engine, text

from onsale.db.engine import reading
from onsale.db.ids import EventId
from onsale.db.states import ENDED
from onsale.errors import RecordUnavailable
from onsale.sandbox.embedded import PartFailed
from onsale.sandbox.rehearsal.generating import Reached, generate
from onsale.sandbox.rehearsal.journal import Journal, Progress
from onsale.sandbox.rehearsal.plan import Plan
from onsale.sandbox.rehearsal.recovering import Killed
from onsale.sandbox.rehearsal.watching import Sample, Watch
from onsale.sandbox.stack import Stack

LOOK_SECONDS = 0.1
SAMPLE_SECONDS = 1.0
# Words of the crowd heard between two looks at the shop.
TOLD_MAX = 1_000
# What the crowd may take beyond the plan's own end to hand over its journal.
HAND_OVER_SECONDS_MAX = 120.0
SETTLE_LOOK_SECONDS = 0.25
# When so long nobody came a step further, whoever watches is told what is waited for.
STILL_SECONDS = 20.0


@dataclass
class Conducted:
    """What happened, before anybody judges it."""

    journal: Journal
    samples: list[Sample]
    killed: list[Killed]
    settled: bool
    # How many faults of each kind the bank had; None where it was left alone.
    faults: Mapping[str, int] | None = None


@dataclass
class Stillness:
    """Notices that nobody comes a step further, once each time; a crowd is waited for, at most `seconds_max`."""

    seconds_max: float
    _moved_at: float = 0.0
    _stood: tuple[int, ...] = ()
    _told: bool = False

    def seen(self, progress: Progress, *, now: datetime) -> str:
        """What to say of it; empty while people move, or when it was said."""
        stands = (progress.coming, progress.waiting, progress.inside, progress.accepted, progress.confirmed)
        if stands != self._stood:
            self._stood, self._moved_at, self._told = stands, progress.seconds, False
        if self._told or progress.seconds - self._moved_at < STILL_SECONDS:
            return ""
        self._told = True
        until = now + timedelta(seconds=self.seconds_max - progress.seconds)
        return (
            f"Nobody came a step further for {STILL_SECONDS:.0f} s: {progress.coming} are to come, {progress.waiting} "
            f"wait, {progress.inside} are inside. They are waited for until {until:%H:%M:%S} at the latest (--minutes)."
        )


def waiting_says(bookings: int, tickets: int, *, until: datetime) -> str:
    """What is waited for when everybody has gone home."""
    return (
        f"Everybody went home; {bookings} bookings have not ended and {tickets} tickets are held. Waiting until "
        f"{until:%H:%M:%S} at the latest: holds that nobody pays for run out by themselves."
    )


@dataclass
class Conductor:
    """One rehearsal of one event; `show` is told how the crowd stands, four times a second."""

    plan: Plan
    url: str
    event_id: EventId
    tokens: Sequence[str]
    show: Callable[[Progress, Sample | None], None]
    stack: Stack | None = None
    engine: Engine | None = None
    say: Callable[[str], None] = lambda what: None
    # Told how many seconds the crowd has been coming, several times a second.
    passing: list[Callable[[float], None]] = field(default_factory=list)
    killed: list[Killed] = field(default_factory=list)
    _journal: Journal | None = None
    _watch: Watch = field(init=False)
    _still: Stillness = field(init=False)

    def __post_init__(self) -> None:
        status_url = f"{self.url}/v1/events/{self.event_id}/queue"
        self._watch = Watch(status_url, time.monotonic(), self.stack)
        self._still = Stillness(self.plan.seconds_max)

    def run(self, *, settle_seconds: float) -> Conducted:
        """From the first arrival until every booking has ended, or `settle_seconds` after the last buyer went home."""
        self._watch.look()
        crowd, pipe = self._start_crowd()
        try:
            self._until_the_crowd_is_gone(crowd, pipe)
        finally:
            # Its journal came last; without one something went wrong, and nobody would read it.
            crowd.kill()
            crowd.join()
        settled = self._settle(settle_seconds)
        self._watch.look()
        assert self._journal is not None
        return Conducted(self._journal, self._watch.samples, self.killed, settled)

    def _start_crowd(self) -> tuple[BaseProcess, Connection]:
        # Spawned, not forked: nothing of ours, neither connections nor memory, is in it.
        context = multiprocessing.get_context("spawn")
        ours, theirs = context.Pipe()
        crowd = context.Process(
            target=generate, args=(self.plan, self.url, self.event_id, self.tokens, theirs), daemon=True
        )
        crowd.start()
        theirs.close()
        return crowd, ours

    def _until_the_crowd_is_gone(self, crowd: BaseProcess, pipe: Connection) -> None:
        give_up = time.monotonic() + self.plan.seconds_max + HAND_OVER_SECONDS_MAX
        sample_at = time.monotonic()
        while self._journal is None:
            if pipe.poll(LOOK_SECONDS):
                self._told_all(pipe)
            elif not crowd.is_alive():
                raise PartFailed(f"The crowd's process ended with {crowd.exitcode} before it could say what it saw.")
            self._look_after_the_shop()
            if time.monotonic() >= sample_at:
                sample_at = time.monotonic() + SAMPLE_SECONDS
                self._watch.look()
            if time.monotonic() > give_up:
                raise PartFailed("The crowd did not come to an end.")

    def _told_all(self, pipe: Connection) -> None:
        """Everything that has been said: where one look takes longer than the crowd's next word, one word a look would
        fall behind, kills would come too late, and a full pipe would stop the crowd.
        """
        for _ in range(TOLD_MAX):
            self._told(pipe)
            if self._journal is not None or not pipe.poll():
                return

    def _told(self, pipe: Connection) -> None:
        try:
            said = pipe.recv()
        except EOFError:
            raise PartFailed("The crowd's process ended before it could say what it saw.") from None
        if isinstance(said, Journal):
            self._journal = said
            # Its first moment is the rehearsal's; the watch began a little earlier.
            self._count_from(said.exchanges.began_at)
        elif isinstance(said, Reached):
            self._kill(said)
        else:
            for each in self.passing:
                each(said.seconds)
            self.show(said, self._watch.samples[-1] if self._watch.samples else None)
            still = self._still.seen(said, now=datetime.now().astimezone())
            if still:
                self.say(still)

    def _count_from(self, began_at: float) -> None:
        ahead = began_at - self._watch.began_at
        self._watch.began_at = began_at
        self._watch.samples[:] = [Sample(one.at - ahead, one.status, one.cpu) for one in self._watch.samples]
        self.killed[:] = [Killed(one.process, one.at_booking, one.at - began_at) for one in self.killed]

    def _kill(self, reached: Reached) -> None:
        assert self.stack is not None
        for kill in self.plan.kills:
            if kill.at_booking == reached.at_booking:
                self.stack.kill(kill.process)
                # On the machine's clock for now; the crowd's first moment comes with its journal.
                self.killed.append(Killed(kill.process, kill.at_booking, time.monotonic()))

    def _look_after_the_shop(self) -> None:
        if self.stack is not None:
            self.stack.look()

    def _settle(self, seconds: float) -> bool:
        """Wait until every booking of the event rests; whether they all do."""
        if self.engine is None:
            return False
        deadline = time.monotonic() + seconds
        told = False
        while time.monotonic() < deadline:
            self._look_after_the_shop()
            try:
                with reading(self.engine) as connection:
                    arguments = {"event_id": self.event_id, "ended": [state.value for state in ENDED]}
                    bookings, tickets = connection.execute(_ON_THEIR_WAY, arguments).one()
                if not bookings and not tickets:
                    return True
                if not told:
                    until = datetime.now().astimezone() + timedelta(seconds=deadline - time.monotonic())
                    self.say(waiting_says(bookings, tickets, until=until))
                    told = True
            except RecordUnavailable:
                pass
            time.sleep(SETTLE_LOOK_SECONDS)
        return False


_ON_THEIR_WAY = text("""
    SELECT (SELECT count(*) FROM bookings WHERE event_id = :event_id AND state <> ALL (CAST(:ended AS text[]))),
           (SELECT count(*) FROM tickets WHERE event_id = :event_id AND state = 'held')
""")
