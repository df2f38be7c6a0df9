"""`onsale crowd`: a few hundred simulated buyers, so that a lone visitor of the demo sees a queue.

They are ordinary clients over HTTP: each asks for a guest token, joins, polls as the queue status tells it to, shows
its presence, enters, books the best available and pays with one of the test cards. Some are declined, some walk away.
The crowd stops by itself: after so many buyers, or so many minutes.
"""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections import Counter
from collections.abc import Coroutine
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import click
import httpx

from onsale.config import Config
from onsale.db import engine as engines
from onsale.db.catalogue import event_by_slug
from onsale.db.ids import EventId
from onsale.sandbox.catalogue import DEMO_PARTS, Part, catalogue
from onsale.sandbox.shopper import REQUEST_SECONDS_MAX, Shopper, Stage

# At the demo's 60 a minute: two and a half minutes for a visitor who comes after them.
SELLING_NOW_AHEAD = 150
SELLING_NOW_BUYERS_MAX = 400
OPENS_SOON_AHEAD = 90
ARRIVALS_PER_SECOND = 12
# Nobody new comes after this, and everybody goes home after that.
ARRIVE_SECONDS_MAX = 480
CROWD_SECONDS_MAX = 1_200
# Requests at once: a laptop's two cores are also the shop's.
BUSY_MAX = 6
SHOP_OPENS_SECONDS_MAX = 60


@dataclass
class Audience:
    """The simulated buyers of one event: at least `ahead` of them wait, until `buyers_max` have come."""

    event_id: EventId
    ahead: int
    buyers_max: int
    shoppers: list[Shopper] = field(default_factory=list)

    def wanted(self) -> int:
        """How many more should come now."""
        outside = sum(shopper.stage in (Stage.COMING, Stage.WAITING) for shopper in self.shoppers)
        return min(self.ahead - outside, self.buyers_max - len(self.shoppers))

    def ended(self) -> Counter[str]:
        """How many visits ended how."""
        return Counter(shopper.ended.split(":")[0] for shopper in self.shoppers if shopper.ended)


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
    asyncio.run(_until_stopped(gather(config.public_url, audiences, chance=chance)))


async def gather(url: str, audiences: list[Audience], *, chance: random.Random) -> None:
    """Both audiences of the demo, from their arrival to the last one's end."""
    async with httpx.AsyncClient(base_url=url, timeout=REQUEST_SECONDS_MAX) as client:
        await _shop_is_open(client)
        click.echo(f"a crowd for events {', '.join(str(each.event_id) for each in audiences)} at {url}")
        async with asyncio.timeout(CROWD_SECONDS_MAX):
            await _fill(client, audiences, chance=chance)
        for audience in audiences:
            click.echo(f"event {audience.event_id}: {dict(audience.ended())}")


async def _fill(client: httpx.AsyncClient, audiences: list[Audience], *, chance: random.Random) -> None:
    """Let buyers come a few at a time wherever too few wait, then wait for the last to go home."""
    busy = asyncio.Semaphore(BUSY_MAX)
    clock = asyncio.get_running_loop().time
    last_arrival = clock() + ARRIVE_SECONDS_MAX
    async with asyncio.TaskGroup() as visits:
        while clock() < last_arrival and any(len(each.shoppers) < each.buyers_max for each in audiences):
            for audience in audiences:
                for _ in range(min(audience.wanted(), ARRIVALS_PER_SECOND // len(audiences))):
                    shopper = Shopper(client, audience.event_id, chance=chance, busy=busy)
                    audience.shoppers.append(shopper)
                    visits.create_task(shopper.shop())
            await asyncio.sleep(1)


async def _shop_is_open(client: httpx.AsyncClient) -> None:
    """The web answers; it may still be starting."""
    async with asyncio.timeout(SHOP_OPENS_SECONDS_MAX):
        while True:
            try:
                if (await client.get("/readyz")).is_success:
                    return
            except httpx.TransportError:
                pass
            await asyncio.sleep(0.5)


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
