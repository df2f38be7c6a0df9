"""A stack of a row's own: an empty record and an empty queue in a temporary folder, and an event on sale in them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from onsale.config import PREFIX, Config
from onsale.db import number_blocks, queue_settings
from onsale.db.catalogue import NewSection
from onsale.db.engine import migrate, transaction
from onsale.db.ids import EventId
from onsale.db.queue_settings import Phase, QueueChange
from onsale.queue.state import Restored
from onsale.sandbox.environment import sandbox_secrets
from onsale.sandbox.ports import free_port
from onsale.sandbox.postgres import EmbeddedPostgres
from onsale.sandbox.rehearsal import sale
from onsale.sandbox.settings import Addresses, sandbox_settings
from onsale.sandbox.valkey import EmbeddedValkey
from onsale.workers.admissions import tell_stock
from onsale.workers.rounds import rules_of
from onsale.workers.shop import Shop, open_shop

PRICE_MINOR = 4_500
SEATS_PER_ROW = 50
# One address sends the whole crowd here, and everybody may come in: neither limit is what is measured.
OPEN = QueueChange(
    enabled=True, phase=Phase.OPEN, rate_per_minute=600_000, max_active=1_000_000, selling=True, address_limit=1_000_000
)


@dataclass(frozen=True)
class Parts:
    """A running PostgreSQL and Valkey that nobody else uses, as durable as on a laptop, and a worker's shop on them."""

    folder: Path
    postgres: EmbeddedPostgres
    valkey: EmbeddedValkey
    settings: dict[str, str]
    config: Config
    shop: Shop

    @property
    def env(self) -> dict[str, str]:
        """The environment of a process on these parts, without the settings of any other Onsale."""
        return plain_environment() | self.settings


def plain_environment() -> dict[str, str]:
    """Ours, without a setting of Onsale's: a row must not depend on what the last `onsale run` wrote down."""
    return {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}


@contextmanager
def parts() -> Iterator[Parts]:
    """Fresh parts; everything is gone at the end."""
    with tempfile.TemporaryDirectory(prefix="onsale-bench-") as name:
        folder = Path(name)
        postgres = EmbeddedPostgres(folder / "postgres")
        try:
            postgres.start()
            with EmbeddedValkey(folder / "valkey") as valkey:
                settings = _settings(folder, postgres, valkey)
                migrate(settings["ONSALE_DATABASE_URL"])
                config = Config.from_env(settings)
                shop = open_shop(config)
                try:
                    yield Parts(folder, postgres, valkey, settings, config, shop)
                finally:
                    shop.close()
        finally:
            postgres.discard()


def _settings(folder: Path, postgres: EmbeddedPostgres, valkey: EmbeddedValkey) -> dict[str, str]:
    addresses = Addresses(
        database_url=postgres.ensure_database("onsale"),
        valkey_urls=(valkey.url(0), valkey.url(1), valkey.url(2)),
        web_port=free_port(),
        # Nobody listens there: no row that starts its parts here pays.
        simulator_port=9,
    )
    return sandbox_settings({}, folder=folder, secrets=sandbox_secrets(folder), addresses=addresses)


def put_on_sale(shop: Shop, *, rows: int, tickets_per_buyer: int = 8, now: datetime) -> EventId:
    """A published event with `rows` rows of fifty seats; its queue is not opened yet."""
    section = NewSection(1, "Parterre", PRICE_MINOR, rows=rows, seats_per_row=SEATS_PER_ROW)
    with transaction(shop.engine) as connection:
        return sale.put_on_sale(connection, [section], change=OPEN, now=now, tickets_per_buyer=tickets_per_buyer)


def open_queue(shop: Shop, event_id: EventId, *, numbers: int, admitted: int = 0, waiting: int = 0) -> None:
    """What `onsale admit` does before the first join, with `numbers` to give out; some are in, some wait already."""
    with transaction(shop.engine) as connection:
        block = number_blocks.reserve(connection, event_id, numbers)
        settings = queue_settings.get(connection, event_id)
    assert settings is not None
    began = Restored(
        issued=admitted + waiting,
        serving=admitted,
        return_issued=0,
        return_serving=0,
        unknown_first=admitted + waiting + 1,
        return_unknown_first=1,
        seq=0,
        admitted_total=admitted,
    )
    shop.store.begin_recovery(event_id, began, rules_of(settings), version=settings.version)
    shop.store.finish_recovery(event_id)
    shop.store.grant_block(event_id, block.last)
    tell_stock(shop, event_id)


def an_open_event(shop: Shop, *, rows: int = 20, numbers: int = number_blocks.BLOCK_MAX, admitted: int = 0) -> EventId:
    """An event that sells, with an open queue."""
    event_id = put_on_sale(shop, rows=rows, now=datetime.now(UTC))
    open_queue(shop, event_id, numbers=numbers, admitted=admitted)
    return event_id
