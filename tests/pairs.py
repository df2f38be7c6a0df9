"""What tests do to a primary and its standby."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager, suppress

import psutil

from onsale.sandbox.embedded import working_in
from onsale.sandbox.pair import PostgresPair
from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.standby import PairedPostgres


@contextmanager
def mute(pair: PostgresPair, *, promotes: bool = False) -> Iterator[None]:
    """The primary sends nothing to its standby for a while, and neither knows yet.

    `promotes`: the standby's own work goes on, so that it can be promoted; after SILENCE_SECONDS it would call anew.
    """
    still = [_one_of(pair, pair.primary, "walsender")]
    if not promotes:
        still.append(_one_of(pair, pair.standby, "walreceiver"))
    for process in still:
        process.suspend()
    try:
        yield
    finally:
        for process in reversed(still):
            with suppress(psutil.NoSuchProcess):
                process.resume()


def _one_of(pair: PostgresPair, server: PairedPostgres, title: str) -> psutil.Process:
    """The server's one process with this title."""
    processes = working_in(server.data_folder, pair.program)
    (found,) = [one for one in processes if title in " ".join(one.cmdline())]
    return found


def waits_for_the_standby(pair: PostgresPair) -> bool:
    """Whether a commit on the primary waits to be confirmed."""
    with closing(pair.connect()) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        row = cursor.fetchone()
        return bool(row and row[0])


class Wire:
    """A way to a port that can be cut for new connections: they are taken and never answered, as by a dead machine."""

    def __init__(self, port: int) -> None:
        self._to = port
        self._listening = socket.create_server((LOOPBACK, 0))
        self._open = ExitStack()
        self.port: int = self._listening.getsockname()[1]
        self.is_cut = False
        self.unanswered = 0

    def __enter__(self) -> Wire:
        threading.Thread(target=self._take, daemon=True).start()
        return self

    def __exit__(self, *error: object) -> None:
        # Wakes the thread that takes them.
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        self._open.close()

    def _take(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self._open.callback(_hang_up, near)
                if self.is_cut:
                    self.unanswered += 1
                    continue
                far = socket.create_connection((LOOPBACK, self._to))
                self._open.callback(_hang_up, far)
                for here, there in ((near, far), (far, near)):
                    threading.Thread(target=_carry, args=(here, there), daemon=True).start()


def _hang_up(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def _carry(here: socket.socket, there: socket.socket) -> None:
    with suppress(OSError):
        while heard := here.recv(65_536):
            there.sendall(heard)
        there.shutdown(socket.SHUT_WR)
