"""Finds ports on 127.0.0.1 that nobody uses."""

from __future__ import annotations

import errno
import secrets
import socket

LOOPBACK = "127.0.0.1"
# Below what systems give to outgoing connections (from 32768 on Linux, 49152 elsewhere): one of those would take the
# port between our look and its server's start, and keep it.
FOR_SERVERS = range(12_000, 32_000)
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
    """`preferred` if it is free, else any that is; OSError after TRIES_MAX."""
    if preferred and is_free(preferred):
        return preferred
    for _ in range(TRIES_MAX):
        if is_free(candidate := secrets.choice(FOR_SERVERS)):
            return candidate
    raise OSError(errno.EADDRINUSE, f"No port was free among {TRIES_MAX}")


def first_free(port: int, *, host: str = LOOPBACK) -> int:
    """The first free port from `port` upwards, so that addresses stay guessable; OSError after TRIES_MAX."""
    for candidate in range(port, min(port + TRIES_MAX, 65_536)):
        if is_free(candidate, host):
            return candidate
    raise OSError(errno.EADDRINUSE, f"No port from {port} to {port + TRIES_MAX - 1} is free")
