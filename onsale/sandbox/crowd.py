"""`onsale crowd`: a few hundred simulated buyers for the demo, so that whoever tries it is not alone.

They come to the show that sells now, so many that a visitor who joins waits some minutes, and to the one that opens a
minute after the start. It ends by itself; it is the sandbox's crowd, not a load test (`onsale rehearse`, Locust).
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
import time
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import click

from onsale.config import Config
from onsale.db import engine as engines
from onsale.db.catalogue import event_by_slug
from onsale.db.ids import EventId
from onsale.sandbox.catalogue import DEMO_PARTS, Part, catalogue
from onsale.sandbox.embedded import poll
from onsale.sandbox.stack import answers
from onsale.sandbox.visitor.buyer import Buyer
from onsale.sandbox.visitor.carrying import Carrier, carrier
from onsale.sandbox.visitor.habits import Shares, habits
from onsale.sandbox.visitor.visit import Stage, Visit

# At the demo's 60 a minute: two and a half minutes for a visitor who comes after them.
SELLING_NOW_AHEAD = 150
SELLING_NOW_BUYERS_MAX = 400
OPENS_SOON_AHEAD = 90
ARRIVALS_PER_SECOND = 12
# Nobody new comes after this, and everybody goes home after that.
ARRIVE_SECONDS_MAX = 480
CROWD_SECONDS_MAX = 1_200
SHOP_OPENS_SECONDS_MAX = 60
# Nobody holds tickets for nothing, or the demo's visitor would wait for them; few come before their turn.
SHARES = Shares(declined_first=0.10, cancels=0.07, abandons=0.0, leaves=0.05, hands_free=0.05)


@dataclass
class Audience:
    """The simulated buyers of one event: at least `ahead` of them wait, until `buyers_max` have come."""

    event_id: EventId
    ahead: int
    buyers_max: int
    visits: list[Visit] = field(default_factory=list)

    def wanted(self) -> int:
        """How many more should come now."""
        outside = sum(visit.stage in (Stage.COMING, Stage.WAITING) for visit in self.visits)
        return min(self.ahead - outside, self.buyers_max - len(self.visits))

    def ended(self) -> Counter[str]:
        """How many visits ended how."""
        return Counter(visit.ended.split(":")[0] for visit in self.visits if visit.ended)

    def next_buyer(self, chance: random.Random) -> Buyer:
        """One more."""
        buyer = Buyer(self.event_id, habits(chance, SHARES), chance=chance, clock=time.monotonic)
        self.visits.append(buyer.visit)
        return buyer


@click.command("crowd")
@click.option("--ahead", default=SELLING_NOW_AHEAD, show_default=True, help="So many wait for the show on sale.")
@click.option("--seed", default=None, type=int, help="Repeat the choices of an earlier crowd.")
def main(ahead: int, seed: int | None) -> None:
    """Send a few hundred simulated buyers to the demo's queues; ends by itself."""
    config = Config.from_env(os.environ)
    events = _on_sale(config.database_url)
    audiences = [
        Audience(events[Part.SELLING_NOW], ahead, SELLING_NOW_BUYERS_MAX),
        Audience(events[Part.OPENS_SOON], OPENS_SOON_AHEAD, OPENS_SOON_AHEAD),
    ]
    chance = random.Random(seed)  # noqa: S311 - a crowd's whims, nobody's secret
    if not poll(lambda: answers(f"{config.public_url}/readyz"), seconds=SHOP_OPENS_SECONDS_MAX, every=0.5):
        raise click.ClickException(f"{config.public_url} is not ready.")
    asyncio.run(_until_stopped(gather(config.public_url, audiences, chance=chance)))


async def gather(url: str, audiences: list[Audience], *, chance: random.Random) -> None:
    """Both audiences of the demo, from their arrival to the last one's end."""
    async with carrier(url, lambda _: None) as carrying:
        click.echo(f"a crowd for events {', '.join(str(each.event_id) for each in audiences)} at {url}")
        async with asyncio.timeout(CROWD_SECONDS_MAX):
            await _fill(carrying, audiences, chance=chance)
        for audience in audiences:
            click.echo(f"event {audience.event_id}: {dict(audience.ended())}")


async def _fill(carrying: Carrier, audiences: list[Audience], *, chance: random.Random) -> None:
    """Let buyers come a few at a time wherever too few wait, then wait for the last to go home."""
    clock = asyncio.get_running_loop().time
    last_arrival = clock() + ARRIVE_SECONDS_MAX
    async with asyncio.TaskGroup() as visits:
        while clock() < last_arrival and any(len(each.visits) < each.buyers_max for each in audiences):
            for audience in audiences:
                for _ in range(min(audience.wanted(), ARRIVALS_PER_SECOND // len(audiences))):
                    visits.create_task(carrying.carry(audience.next_buyer(chance).steps()))
            await asyncio.sleep(1)


def _on_sale(database_url: str) -> dict[Part, EventId]:
    """The events of the demo as the record has them now."""
    engine = engines.make_engine(database_url, application_name="onsale crowd", pool_size=1)
    with engines.reading(engine) as connection:
        events = {
            show.part: event_by_slug(connection, show.slug) for show in catalogue().shows if show.part in DEMO_PARTS
        }
    engine.dispose()
    if None in events.values():
        raise click.ClickException("The demo is not on sale; run: onsale seed --rearm")
    return {part: event.id for part, event in events.items() if event}


async def _until_stopped(work: Coroutine[Any, Any, None]) -> None:
    """Run the crowd; Ctrl-C, SIGTERM or its last minute send everybody home without a word."""
    task = asyncio.ensure_future(work)
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    with suppress(asyncio.CancelledError, TimeoutError):
        await task
