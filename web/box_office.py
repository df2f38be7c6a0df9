"""What a web process works with: its configuration, its connections, its copies of what everybody asks for.

office = box_office()     # of the app that serves this request
"""

from __future__ import annotations

import threading
from dataclasses import dataclass

from flask import current_app
from redis import Redis
from sqlalchemy import Engine

from onsale.config import Config
from onsale.db.engine import make_engine
from onsale.db.standby_reads import Reads
from onsale.payments.circuit import Breaker
from onsale.payments.provider import PaymentProvider
from onsale.payments.stripe_provider import StripeProvider
from onsale.queue.broker import Wakes
from onsale.queue.circuits import Circuits
from onsale.queue.client import connect
from onsale.queue.live_seats import LiveSeats
from onsale.queue.moves import Moves
from onsale.queue.outage import Outage
from onsale.queue.place_store import PlaceStore
from onsale.queue.store import QueueStore
from onsale.queue.ticket_cache import TicketCache
from onsale.queue.tokens import Tokens
from onsale.search.opening import open_search
from onsale.web.availability import Availabilities
from onsale.web.guards import Guards
from onsale.web.notices import Notices
from onsale.web.seat_keeping import SeatKeeper
from onsale.web.showing import Shows, open_shows
from onsale.web.statuses import Statuses

EXTENSION = "onsale"
# Nobody waits longer than this for a statement of the front; lanes and sweeps have limits of their own.
STATEMENT_TIMEOUT_MS = 5_000
LOCK_TIMEOUT_MS = 2_000
# Hands-free bookings come in floods; on connections of their own they cannot take those that pay.
HANDS_FREE_CONNECTIONS = 4
# The record answers sooner than a cache that takes longer.
COPIES_ANSWER_SECONDS = 0.5


@dataclass(frozen=True)
class BoxOffice:
    """The parts of one web process; they connect at their first use, so it may be opened before a fork."""

    config: Config
    engine: Engine
    hands_free_engine: Engine
    store: QueueStore
    places: PlaceStore
    moves: Moves
    guards: Guards
    tokens: Tokens
    ticket_cache: TicketCache
    wakes: Wakes
    # Web itself only saves cards (SetupIntents); charging is the workers'.
    provider: PaymentProvider
    circuits: Circuits
    shows: Shows
    # Each event's queue status and seat availability, a copy per process, a second old at most.
    statuses: Statuses
    availabilities: Availabilities
    seat_keeper: SeatKeeper
    # What the organiser said last, likewise.
    notices: Notices
    queue_client: Redis
    cache_client: Redis
    copies_client: Redis
    # The record's standby, for what copies are made of.
    reads: Reads
    # Set when the process was told to end: it finishes what it began and takes nothing new.
    draining: threading.Event

    def close(self) -> None:
        """End the threads and let go of the connections."""
        self.statuses.stop()
        self.guards.stop()
        self.availabilities.stop()
        self.notices.stop()
        self.seat_keeper.stop()
        self.shows.stop()
        self.wakes.close()
        for client in (self.queue_client, self.cache_client, self.copies_client):
            client.close()
        self.reads.close()
        for engine in (self.engine, self.hands_free_engine):
            engine.dispose()


def open_box_office(config: Config) -> BoxOffice:
    """The parts for this configuration; nothing is asked of them yet."""
    engine = _engine(config, config.database_url, "onsale-web")
    queue_client, cache_client = connect(config.queue_url), connect(config.cache_url)
    store, wakes = QueueStore(queue_client), Wakes(config.broker_url, queue_client)
    # Of its own: who looks for a copy does not wait for it as long as for what only Redis knows.
    copies_client = connect(config.cache_url, answer_seconds=COPIES_ANSWER_SECONDS)
    standby = _engine(config, config.read_url, "onsale-web-reads") if config.read_url else None
    reads = Reads(engine, standby)
    shows = open_shows(engine, open_search(config.search_url, engine), copies_client, reads)
    seats_outage = Outage("live seats")
    ticket_cache, live_seats = TicketCache(cache_client, seats_outage), LiveSeats(cache_client, seats_outage)
    circuits, tokens = Circuits(copies_client), Tokens(config.secret_keys)
    keeper = SeatKeeper(engine, shows, live_seats, ticket_cache)
    return BoxOffice(
        config=config,
        engine=engine,
        hands_free_engine=_hands_free_engine(config),
        store=store,
        places=PlaceStore(queue_client),
        moves=Moves(queue_client, tokens.code_digest),
        guards=Guards(engine),
        tokens=tokens,
        ticket_cache=ticket_cache,
        wakes=wakes,
        provider=_provider(config, circuits),
        circuits=circuits,
        shows=shows,
        statuses=Statuses(store, shows, wakes),
        availabilities=Availabilities(engine, shows, live_seats, keeper),
        seat_keeper=keeper,
        notices=Notices(engine, shows),
        queue_client=queue_client,
        cache_client=cache_client,
        copies_client=copies_client,
        reads=reads,
        draining=threading.Event(),
    )


def _provider(config: Config, circuits: Circuits) -> StripeProvider:
    return StripeProvider(
        secret_key=config.stripe_secret_key, api_base=config.stripe_api_base, breaker=Breaker(told=circuits.told)
    )


def _hands_free_engine(config: Config) -> Engine:
    return _engine(config, config.database_url, "onsale-hands-free", pool_size=HANDS_FREE_CONNECTIONS, max_overflow=0)


def _engine(
    config: Config, url: str, name: str, *, pool_size: int | None = None, max_overflow: int | None = None
) -> Engine:
    """Connections to a server: one for each thread, and as many again for those that take two."""
    return make_engine(
        url,
        application_name=name,
        pool_size=config.web_threads if pool_size is None else pool_size,
        max_overflow=config.web_threads if max_overflow is None else max_overflow,
        statement_timeout_ms=STATEMENT_TIMEOUT_MS,
        lock_timeout_ms=LOCK_TIMEOUT_MS,
    )


def box_office() -> BoxOffice:
    """The parts of the app that serves this request."""
    office: BoxOffice = current_app.extensions[EXTENSION]
    return office
