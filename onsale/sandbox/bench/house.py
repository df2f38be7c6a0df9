"""A whole house of a row's own: parts, web, workers and simulator, an event on sale in it, and visits sent to it."""

from __future__ import annotations

import asyncio
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

from sqlalchemy import Engine

from onsale.config import Config
from onsale.db.engine import make_engine, migrate
from onsale.db.ids import EventId
from onsale.sandbox.cpu_time import CpuMeter
from onsale.sandbox.embedded import PartFailed
from onsale.sandbox.ports import free_port
from onsale.sandbox.rehearsal import sale
from onsale.sandbox.rehearsal.rehearsal import OWN_SETTINGS, open_doors
from onsale.sandbox.rehearsal.watching import processes
from onsale.sandbox.stack import Stack
from onsale.sandbox.visitor.carrying import carrier
from onsale.sandbox.visitor.steps import Answer, Ask, Steps, Wait

RATE_PER_MINUTE = 600_000
SECONDS = (600, 600, 600)
CARD = "pm_card_visa"
POLLS_MAX = 200
# The simulator stands for a bank.
NOT_OURS = "simulator"


@dataclass
class House:
    """A running Onsale whose event sells to everybody at once."""

    stack: Stack
    config: Config
    engine: Engine
    event_id: EventId
    tokens: Iterator[str]
    meter: CpuMeter

    def cpu_seconds(self) -> float:
        """What all its processes have spent since the first look, but for the bank's stand-in."""
        self.stack.look()
        spent = self.meter.look(processes(self.stack))
        return sum(seconds for name, seconds in spent.items() if name != NOT_OURS)

    def send(self, visits: Sequence[Steps[None]], *, at_once: int) -> None:
        """Carry these visits, so many side by side; from a thread, because the house is looked after in this one."""
        done = threading.Thread(target=lambda: asyncio.run(self._carry(visits, at_once)), daemon=True)
        done.start()
        while done.is_alive():
            done.join(0.2)
            self.stack.look()

    async def _carry(self, visits: Sequence[Steps[None]], at_once: int) -> None:
        waiting = iter(visits)

        async with carrier(self.config.public_url, lambda _: None) as carrying:

            async def one_after_the_other() -> None:
                for visit in waiting:
                    await carrying.carry(visit)

            await asyncio.gather(*(one_after_the_other() for _ in range(at_once)))

    def visit(self, done: list[str], *, polls: int, books: bool) -> Steps[None]:
        """Join and poll the status; whoever books comes in, looks at the seats, books with a card and polls the result.

        `done` gets the state of each booking that ended.
        """
        event, headers = f"/v1/events/{self.event_id}", {"Authorization": f"Bearer {next(self.tokens)}"}
        joined = yield from _asked(Ask("POST", f"{event}/queue", "join", headers))
        for _ in range(polls):
            yield from _asked(Ask("GET", f"{event}/queue", "status"))
        if not books:
            return
        headers["Queue-Token"] = joined.document["queue_token"]
        entered = yield from _asked(Ask("POST", f"{event}/queue/me/enter", "enter", headers))
        yield from _asked(Ask("GET", f"{event}/seats/availability", "seats"))
        headers |= {"Idempotency-Key": str(uuid4()), "Admission-Token": entered.document["admission_token"]}
        wish = {"wishes": [{"quantity": 2, "together": False}], "payment_method": CARD}
        booking = yield from _asked(Ask("POST", f"{event}/bookings", "book", headers, wish))
        for _ in range(POLLS_MAX):
            yield Wait(float(booking.document["poll_seconds"]))
            booking = yield from _asked(Ask("GET", booking.document["url"], "result", headers))
            if booking.document["settled"] and booking.document["state"] != "held":
                done.append(booking.document["state"])
                return


def _asked(ask: Ask) -> Steps[Answer]:
    """The answer, once there is a good one: until the turn has come, "not yet" is none."""
    for _ in range(POLLS_MAX):
        (answer,) = yield (ask,)
        if answer.is_success:
            return answer
        yield Wait(0.1)
    raise PartFailed(f"{ask.method} {ask.path} was answered {answer.status} {POLLS_MAX} times: {answer.document}")


@contextmanager
def house(*, seats: int, buyers: int) -> Iterator[House]:
    """A house with an event of so many seats, and JWTs for so many buyers; everything is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="onsale-bench-") as folder:
        given = {"ONSALE_WEB_PORT": str(free_port()), **OWN_SETTINGS}
        with Stack(Path(folder), lambda _: None, given) as stack:
            stack.start_parts()
            config = Config.from_env(stack.settings)
            migrate(config.database_url)
            engine = make_engine(config.database_url, application_name="onsale bench")
            change = sale.queue_change(
                rate_per_minute=RATE_PER_MINUTE, max_active=0, seconds=SECONDS, now=datetime.now(UTC)
            )
            try:
                event_id, tokens = open_doors(stack, config, engine, seats=seats, buyers=buyers, change=change)
                yield House(stack, config, engine, event_id, iter(tokens), CpuMeter())
            finally:
                engine.dispose()
