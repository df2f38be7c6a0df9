"""`onsale web`: serves the API and the pages with Granian."""

from __future__ import annotations

import os

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from onsale.config import Config

# A worker that has not finished its requests by then is killed; longer than the slowest answer of the API.
DRAIN_SECONDS = 10
# Connections waiting to be accepted, over all workers: a crowd arrives in one second. Granian's own is 1,024.
BACKLOG = 2_048


@click.command("web")
def web() -> None:
    """Serve the API and the pages on ONSALE_WEB_HOST and ONSALE_WEB_PORT until SIGTERM, which lets requests end."""
    config = Config.from_env(os.environ)
    Granian(
        "onsale.web.wsgi:application",
        # Called once in each worker, so that nothing is connected before the fork.
        factory=True,
        address=config.web_host,
        port=config.web_port,
        interface=Interfaces.WSGI,
        workers=config.web_workers,
        blocking_threads=config.web_threads,
        backlog=BACKLOG,
        # Nothing here speaks them, and what is off cannot be attacked.
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        log_level=LogLevels.warning,
    ).serve()
