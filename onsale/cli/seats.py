"""`onsale seats`: lets viewers wait for the next change of a seat map, in one process of Granian without the record."""

from __future__ import annotations

import os
import resource
import signal

import click
from granian import Granian
from granian.constants import Interfaces, Loops
from granian.log import LogLevels

from onsale import logs
from onsale.config import Config
from onsale.live.application import Application
from onsale.sandbox import leash

# Who waits is answered at once when it ends; this is for slow readers.
DRAIN_SECONDS = 5
# Connections beside those that wait: who is answered at once, and who is told that too many wait.
MORE_CONNECTIONS = 1_000
# Descriptors for everything that is no viewer.
OWN_FILES = 100
_PARENT = "ONSALE_SEATS_PARENT"


@click.command("seats")
def seats() -> None:
    """Tell seats live on ONSALE_SEATS_HOST and ONSALE_SEATS_PORT until SIGTERM, which answers everybody who waits.

    Tell the web its public address as ONSALE_SEATS_URL. Without it, or while it does not answer, browsers ask the web
    every two seconds.
    """
    config = Config.from_env(os.environ)
    os.environ[_PARENT] = str(os.getpid())
    connections = config.seats_viewers + MORE_CONNECTIONS
    _allow_files(connections + OWN_FILES)
    Granian(
        f"{__name__}:application",
        factory=True,
        address=config.seats_host,
        port=config.seats_port,
        interface=Interfaces.ASGI,
        # One, so that a change is read once; more of them run beside each other on ports of their own.
        workers=1,
        loop=Loops.asyncio,
        backlog=connections,
        # How many connections are served at once; the rest would wait unseen, without an answer.
        backpressure=connections,
        websockets=False,
        respawn_failed_workers=True,
        workers_kill_timeout=DRAIN_SECONDS,
        log_level=LogLevels.warning,
    ).serve()


def application() -> Application:
    """The worker's callable, tied to its parent: after a kill -9 of that one it would go on answering, unseen."""
    leash.die_with(int(os.environ[_PARENT]), signal.SIGTERM)
    config = Config.from_env(os.environ)
    logs.configure(config)
    return Application(config.cache_url, viewers_max=config.seats_viewers)


def _allow_files(wanted: int) -> None:
    """Each viewer is a descriptor, of which many systems allow 1,024 until asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
