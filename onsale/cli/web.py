"""`onsale web`: serves the API and the pages with Granian."""

from __future__ import annotations

import os
import signal
from typing import TYPE_CHECKING

import click
from granian import Granian
from granian.constants import Interfaces
from granian.log import LogLevels

from onsale.config import Config
from onsale.sandbox import leash
from onsale.web import wsgi

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

# A worker that has not finished its requests by then is killed; longer than the slowest answer of the API.
DRAIN_SECONDS = 10
# Connections waiting to be accepted, over all workers: a crowd arrives in one second. Granian's own is 1,024.
BACKLOG = 2_048
_PARENT = "ONSALE_WEB_PARENT"


@click.command("web")
def web() -> None:
    """Serve the API and the pages on ONSALE_WEB_HOST and ONSALE_WEB_PORT until SIGTERM, which lets requests end."""
    config = Config.from_env(os.environ)
    os.environ[_PARENT] = str(os.getpid())
    Granian(
        f"{__name__}:application",
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


def application() -> WSGIApplication:
    """The worker's callable, tied to its parent: after a kill -9 of that one it would go on answering, unseen."""
    leash.die_with(int(os.environ[_PARENT]), signal.SIGTERM)
    return wsgi.application()
