"""`onsale seats`: lets viewers wait for the next change of a seat map, in one process without the record."""

from __future__ import annotations

import asyncio
import os
import resource
import socket

import click

from onsale import logs
from onsale.config import Config
from onsale.live.serving import connections_max, serve

# Descriptors for everything that is no viewer.
OWN_FILES = 100


@click.command("seats")
def seats() -> None:
    """Tell seats live on ONSALE_SEATS_HOST and ONSALE_SEATS_PORT until SIGTERM, which answers everybody who waits.

    Tell the web its public address as ONSALE_SEATS_URL. Without it, or while it does not answer, browsers ask the web
    every two seconds. More of these processes run beside each other on ports of their own.
    """
    config = Config.from_env(os.environ)
    logs.configure(config)
    _allow_files(connections_max(config.seats_viewers) + OWN_FILES)
    with _listening(config.seats_host, config.seats_port) as listening:
        asyncio.run(serve(listening, config.cache_url, viewers_max=config.seats_viewers))


def _listening(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as error:
        raise click.ClickException(f"{host} port {port}: {error.strerror or error}") from error


def _allow_files(wanted: int) -> None:
    """Each viewer is a descriptor, of which many systems allow 1,024 until asked for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
    if soft != resource.RLIM_INFINITY and soft < most:
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
