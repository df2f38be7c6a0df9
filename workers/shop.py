"""What a worker process works with: its configuration, and its connections to record, queue and payment provider."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from dataclasses import dataclass

from redis import Redis
from sqlalchemy import Engine

from onsale.config import Config
from onsale.db import engine as record
from onsale.db.claimant import Claimant
from onsale.payments.circuit import Breaker
from onsale.payments.provider import PaymentProvider
from onsale.payments.stripe_provider import StripeProvider
from onsale.queue.broker import Wakes
from onsale.queue.circuits import Circuits
from onsale.queue.client import connect
from onsale.queue.pace import Pace
from onsale.queue.place_store import PlaceStore
from onsale.queue.probes import ANSWER_SECONDS, Probes
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TicketCache
from onsale.workers.houses import Houses

# A lane that waits longer for a row than this is not poison: it gives up and is woken again.
LANE_LOCK_TIMEOUT_MS = 2_000
# A worker stopped in mid-lane (SIGSTOP, a frozen machine) loses its transaction, and with it the lane, after this long.
LANE_IDLE_IN_TRANSACTION_MS = 5_000
LANE_STATEMENT_TIMEOUT_MS = 10_000
LANE_CONNECTIONS = 4


@dataclass(frozen=True)
class Shop:
    """The parts one worker process holds; made once per process by `open_shop`, never at import. Thread safe."""

    config: Config
    engine: Engine
    lane_engine: Engine
    claimant: Claimant
    store: QueueStore
    places: PlaceStore
    ticket_cache: TicketCache
    wakes: Wakes
    probes: Probes
    circuits: Circuits
    provider: PaymentProvider
    pace: Pace
    houses: Houses
    clients: tuple[Redis, ...]

    def close(self) -> None:
        """Give every connection back."""
        self.wakes.close()
        for client in self.clients:
            client.close()
        self.claimant.close()
        self.lane_engine.dispose()
        self.engine.dispose()


def open_shop(config: Config) -> Shop:
    """The shop of one process; connects lazily, so a part that is away now may come up later."""
    queue_client, cache_client = connect(config.queue_url), connect(config.cache_url)
    probing_client = connect(config.cache_url, answer_seconds=ANSWER_SECONDS)
    circuits = Circuits(probing_client)
    return Shop(
        config=config,
        engine=record.make_engine(
            config.database_url, application_name="onsale-worker", pool_size=config.payment_concurrency, max_overflow=4
        ),
        lane_engine=record.make_engine(
            config.database_url,
            application_name="onsale-lane",
            pool_size=LANE_CONNECTIONS,
            lock_timeout_ms=LANE_LOCK_TIMEOUT_MS,
            statement_timeout_ms=LANE_STATEMENT_TIMEOUT_MS,
            idle_in_transaction_ms=LANE_IDLE_IN_TRANSACTION_MS,
            by_index=True,
        ),
        claimant=Claimant(config.database_url),
        store=QueueStore(queue_client),
        places=PlaceStore(queue_client),
        ticket_cache=TicketCache(cache_client),
        wakes=Wakes(config.broker_url, queue_client),
        probes=Probes(probing_client),
        circuits=circuits,
        provider=StripeProvider(
            secret_key=config.stripe_secret_key,
            api_base=config.stripe_api_base,
            breaker=Breaker(told=circuits.told),
            methods=config.payment_methods,
        ),
        pace=Pace(queue_client, name="provider", per_second=config.payment_rate_per_second),
        houses=Houses(),
        clients=(queue_client, cache_client, probing_client),
    )


class ShopOfThisProcess:
    """Opens the shop at its first use in each process, so that a forked child never shares its parent's connections."""

    def __init__(self, opener: Callable[[], Shop]) -> None:
        self._opener = opener
        self._lock = threading.Lock()
        self._opened: tuple[int, Shop] | None = None

    def __call__(self) -> Shop:
        with self._lock:
            if self._opened is None or self._opened[0] != os.getpid():
                self._opened = (os.getpid(), self._opener())
            return self._opened[1]
