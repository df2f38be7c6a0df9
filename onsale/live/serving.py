"""Serves viewers in one event loop until SIGTERM or SIGINT, at which everybody who waits is answered at once."""

from __future__ import annotations

import asyncio
import signal
import socket

from onsale.live.connection import Door
from onsale.live.gallery import Gallery
from onsale.queue.seats_watch import SeatsWatch

# Who waits is answered at once when it ends; this is for slow readers.
DRAIN_SECONDS = 5.0
LOOK_SECONDS = 0.05
# Connections beside those that wait: who is answered at once, and who is told that too many wait.
MORE_CONNECTIONS = 1_000


def connections_max(viewers_max: int) -> int:
    """How many connections there may be for so many who wait."""
    return viewers_max + MORE_CONNECTIONS


async def serve(listening: socket.socket, cache_url: str, *, viewers_max: int) -> None:
    """Answer whoever comes until a signal, and then until nobody is there, for DRAIN_SECONDS at most."""
    loop, told = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, told.set)
    gallery = Gallery(SeatsWatch(cache_url), viewers_max=viewers_max)
    gallery.open()
    most = connections_max(viewers_max)
    door = Door(gallery, connections_max=most)
    server = await loop.create_server(door.connection, sock=listening, backlog=most)
    time = loop.create_task(door.keep_time())
    await told.wait()
    server.close()
    door.drain()
    ends_at = loop.time() + DRAIN_SECONDS
    while door.connections and loop.time() < ends_at:
        await asyncio.sleep(LOOK_SECONDS)
    time.cancel()
    await gallery.close()
