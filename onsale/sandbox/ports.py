"""Finds ports on 127.0.0.1 that nobody uses."""

from __future__ import annotations

import errno
import socket

LOOPBACK = "127.0.0.1"
# How far a busy port is moved before giving up: beyond this something else is wrong.
TRIES_MAX = 100


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As servers do: without it a port counts as busy for a minute after its last connection.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            if error.errno in (errno.EADDRINUSE, errno.EACCES):
                return False
            raise
        return True


def free_port(preferred: int | None = None) -> int:
    """`preferred` if it is free, else any free port of the system's choosing."""
    if preferred and is_free(preferred):
        return preferred
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])


def first_free(port: int, *, host: str = LOOPBACK) -> int:
    """The first free port from `port` upwards, so that addresses stay guessable; OSError after TRIES_MAX."""
    for candidate in range(port, min(port + TRIES_MAX, 65_536)):
        if is_free(candidate, host):
            return candidate
    raise OSError(errno.EADDRINUSE, f"No port from {port} to {port + TRIES_MAX - 1} is free")
