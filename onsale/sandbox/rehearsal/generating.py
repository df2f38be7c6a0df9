"""The crowd, in a process of its own: carries all visits, tells how it stands, and hands over its journal at the end.

Of its own, so that its CPU is not the shop's, and what watches over the shop never makes a buyer late.
"""

from __future__ import annotations

import asyncio
import gc
import os
import signal
import time
from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection

from onsale.sandbox import leash
from onsale.sandbox.rehearsal.journal import SERVER_ERROR, Exchanges, Journal, Progress
from onsale.sandbox.rehearsal.plan import Plan
from onsale.sandbox.visitor.buyer import Buyer
from onsale.sandbox.visitor.carrying import Carrier, Exchange, carrier
from onsale.sandbox.visitor.habits import habits
from onsale.sandbox.visitor.visit import Stage, Visit

PROGRESS_SECONDS = 0.25
VISITS_COUNTED_A_SECOND = 50_000
# Between so many arrivals everybody else is heard: one at a time, a busy loop would let in a hundred people a second.
ARRIVALS_AT_ONCE = 64
BOOK = "/v1/events/{id}/bookings"
ACCEPTED = 202


@dataclass(frozen=True)
class Reached:
    """The n-th booking was answered: time to kill somebody."""

    at_booking: int
    at: float


@dataclass
class Generator:
    """The crowd as it goes on; what it sees goes to `pipe`."""

    plan: Plan
    url: str
    event_id: int
    tokens: Sequence[str]
    pipe: Connection
    began_at: float
    visits: list[Visit] = field(default_factory=list)
    accepted: int = 0
    no_answer: int = 0
    server_errors: int = 0
    exchanges: Exchanges = field(init=False)

    def __post_init__(self) -> None:
        self.exchanges = Exchanges(self.began_at)
        self._milestones = {kill.at_booking for kill in self.plan.kills}

    async def run(self) -> None:
        """Everybody's visit, from the first arrival to the last one's end or the end of all patience."""
        reporter = asyncio.create_task(self._report())
        with suppress(TimeoutError):
            async with (
                asyncio.timeout(self.plan.seconds_max),
                carrier(self.url, self._seen, shared_cache=self.plan.shared_cache) as carrying,
                asyncio.TaskGroup() as visits,
            ):
                for number, seconds in enumerate(self.plan.arrival_seconds()):
                    if number % ARRIVALS_AT_ONCE == 0 or self.began_at + seconds > time.monotonic():
                        await _until(self.began_at + seconds)
                    visits.create_task(self._visit(carrying, number))
        reporter.cancel()

    async def _visit(self, carrying: Carrier, number: int) -> None:
        chance = self.plan.chance_of(number)
        buyer = Buyer(
            self.event_id,
            habits(chance, self.plan.shares),
            chance=chance,
            clock=time.monotonic,
            manners=self.plan.manners,
            token=self.tokens[number] if number < len(self.tokens) else None,
        )
        self.visits.append(buyer.visit)
        await carrying.carry(buyer.steps())

    def _seen(self, one: Exchange) -> None:
        self.exchanges.add(one)
        if one.status == 0:
            self.no_answer += 1
        elif one.status >= SERVER_ERROR:
            self.server_errors += 1
        elif one.status == ACCEPTED and one.route == BOOK:
            self.accepted += 1
            if self.accepted in self._milestones:
                self.pipe.send(Reached(self.accepted, one.done_at))

    async def _report(self) -> None:
        while True:
            self.pipe.send(self.progress())
            # Counting a hundred thousand visits takes its time; it must not become the crowd's own work.
            await asyncio.sleep(PROGRESS_SECONDS + len(self.visits) / VISITS_COUNTED_A_SECOND)

    def progress(self) -> Progress:
        """How the crowd stands now."""
        stages = Counter(visit.stage for visit in self.visits)
        return Progress(
            seconds=time.monotonic() - self.began_at,
            coming=self.plan.buyers - len(self.visits) + stages[Stage.COMING],
            waiting=stages[Stage.WAITING],
            inside=stages[Stage.INSIDE],
            done=stages[Stage.DONE],
            requests=len(self.exchanges),
            accepted=self.accepted,
            confirmed=sum(visit.confirmed_at is not None for visit in self.visits),
            no_answer=self.no_answer,
            server_errors=self.server_errors,
        )


def generate(plan: Plan, url: str, event_id: int, tokens: Sequence[str], pipe: Connection) -> None:
    """What the process runs; ends with its Journal in the pipe, also after SIGTERM."""
    # Nobody would read what a crowd saw whose conductor is gone, and it would go on for minutes.
    leash.die_with(os.getppid(), signal.SIGKILL)
    # A terminal's Ctrl-C is for whoever conducts.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # Millions of objects that live to the end: looking for garbage among them would stop everybody for seconds.
    gc.freeze()
    gc.disable()
    began_at, cpu_before = time.monotonic(), time.process_time()
    crowd = Generator(plan, url, event_id, tokens, pipe, began_at)
    asyncio.run(_until_told(crowd))
    seconds = time.monotonic() - began_at
    pipe.send(crowd.progress())
    pipe.send(Journal(crowd.exchanges, crowd.visits, seconds, (time.process_time() - cpu_before) / seconds))
    pipe.close()


async def _until_told(crowd: Generator) -> None:
    task = asyncio.ensure_future(crowd.run())
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    with suppress(asyncio.CancelledError):
        await task


async def _until(moment: float) -> None:
    """Sleep until then; give way in any case, so that a thousand arrivals at once do not keep the others waiting."""
    await asyncio.sleep(max(0.0, moment - time.monotonic()))
