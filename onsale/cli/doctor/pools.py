"""How many connections to the record the processes of the Procfile may open, added up from their own pools."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass

from sqlalchemy import Engine
from sqlalchemy.pool import QueuePool

from onsale.cli.doctor.finding import Seen, broken, ok, warning
from onsale.config import Config
from onsale.sandbox.procfile import procfile
from onsale.web.box_office import open_box_office
from onsale.workers.changes import CONNECTIONS_MAX
from onsale.workers.shop import open_shop

WORKERS = ("lanes", "payments", "mail", "sweeps", "admit")
# Between this share and the limit there is no room for a second web process, a backup or a person with psql.
SHARE_MAX = 0.8
# `-c 4`, or `-c ${ONSALE_PAYMENT_CONCURRENCY:-16}`, which the configuration has read.
_THREADS = re.compile(r"-c (?P<count>\d+|\$\{ONSALE_PAYMENT_CONCURRENCY:-\d+\})")


@dataclass(frozen=True)
class Need:
    """Connections at most, by process."""

    by_process: Mapping[str, int]

    @property
    def total(self) -> int:
        return sum(self.by_process.values())


def need(config: Config) -> Need:
    """One of each process, as this configuration starts them; the pools are asked, nothing connects."""
    with closing(open_box_office(config)) as office:
        web = sum(_capacity(engine) for engine in (office.engine, office.hands_free_engine))
    lines = procfile()
    with closing(open_shop(config)) as shop:
        engines = (shop.engine, shop.lane_engine)
        # A thread has at most one connection of each pool.
        workers = {
            name: sum(min(_capacity(engine), _threads(lines[name], config)) for engine in engines) for name in WORKERS
        }
        # Nobody else takes leases.
        workers["payments"] += _capacity(shop.claimant.engine)
    return Need({"web": config.web_workers * web, **workers, "changes": CONNECTIONS_MAX})


def pools(needed: Need, *, allowed: int, reserved: int, connected: int) -> Seen:
    """Whether max_connections is enough for one of each, and for those that are there now."""
    usable = allowed - reserved
    listed = ", ".join(f"{name} {count}" for name, count in needed.by_process.items())
    saw = (
        f"One of each process opens at most {needed.total} ({listed}); the server takes {usable}, {connected} are open."
    )
    raise_it = f"Raise max_connections to {_round(needed.total)} or more, or put a pooler in between."
    if needed.total > usable:
        return broken(saw, f"{raise_it} Else buyers are refused when all are busy.")
    if connected > usable * SHARE_MAX:
        return warning(saw, f"Almost all are taken: end who needs none, or raise max_connections above {allowed}.")
    if needed.total > usable * SHARE_MAX:
        return warning(saw, f"{raise_it} There is no room for a second of any.")
    return ok(saw)


def _capacity(engine: Engine) -> int:
    pool = engine.pool
    assert isinstance(pool, QueuePool)
    return pool.size() + pool._max_overflow


def _threads(line: str, config: Config) -> int:
    """How many threads of a process use the record at once."""
    found = _THREADS.search(line)
    if found is None:
        return 1
    count = found["count"]
    return int(count) if count.isdecimal() else config.payment_concurrency


def _round(connections: int) -> int:
    """The next fifty above, with a quarter on top."""
    return -(-connections * 5 // 4 // 50) * 50
