"""Viewers of one seat map for the bench: each waits for the next change, again and again, over a kept connection.

A process of its own, so that its CPU is not counted: `python -m onsale.sandbox.bench.viewers PORT PATH COUNT`. It says
`ready` when each has seen the seats once, goes on until a line on its input, and ends with one line of JSON: for each
viewer when it read each version, its number, and how long before that it had arrived at this machine. Two thousand
viewers in one process read late themselves; only the system, which stamps what arrives, can tell whose time that was.
"""

from __future__ import annotations

import asyncio
import json
import resource
import socket
import struct
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress

from onsale.sandbox.bench.load import HEAD_END, body_bytes
from onsale.sandbox.ports import LOOPBACK

WAIT_SECONDS = 25
AGAIN_SECONDS = 1.0
VERSION = b'"version":"'
# So many connect at once; a server's backlog is finite.
CONNECT_AT_ONCE = 100
READ_BYTES = 65_536
# Linux' SO_TIMESTAMPNS: with each reading comes when its last byte arrived. Python has no name for it.
STAMP_ARRIVALS = 35
ARRIVAL = struct.Struct("qq")
ARRIVAL_ROOM = socket.CMSG_SPACE(ARRIVAL.size)


class Viewer:
    """One viewer: a socket, read when there is something."""

    def __init__(self, path: str, first: Callable[[], None]) -> None:
        self._path = path
        self._first: Callable[[], None] | None = first
        self._read = b""
        self.refused = self.lost = 0
        self.got: list[tuple[float, int, float]] = []

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        self._socket = socket.socket()
        self._socket.setblocking(False)
        if sys.platform.startswith("linux"):
            with suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, STAMP_ARRIVALS, 1)
        await loop.sock_connect(self._socket, (LOOPBACK, port))
        loop.add_reader(self._socket, self.read)
        self.ask("")

    def ask(self, version: str) -> None:
        query = f"?since={version}&wait={WAIT_SECONDS}" if version else ""
        # A hundred bytes, and nothing else under way: they always fit.
        self._socket.send(f"GET {self._path}{query} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode())

    def read(self) -> None:
        """Take what has come, and ask for the next version when it is a whole answer."""
        try:
            piece, extra, _, _ = self._socket.recvmsg(READ_BYTES, ARRIVAL_ROOM)
            self._read += piece
            if piece and not self._is_whole():
                return
            answer, self._read = self._read, b""
            if piece:
                self._take(answer, extra)
            else:
                self._lose()
        except OSError:
            self._lose()

    def _is_whole(self) -> bool:
        head_end = self._read.find(HEAD_END)
        return head_end >= 0 and len(self._read) >= head_end + len(HEAD_END) + body_bytes(self._read[:head_end])

    def _take(self, answer: bytes, extra: Iterable[tuple[int, int, bytes]]) -> None:
        if answer[9:12] != b"200":
            self.refused += 1
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.ask, "")
            return
        at = answer.index(VERSION) + len(VERSION)
        version = answer[at : answer.index(b'"', at)].decode()
        now = time.time()
        self.got.append((now, int(version.rpartition(".")[2]), max(0.0, now - _arrived_at(extra, now))))
        if self._first is not None:
            self._first()
            self._first = None
        self.ask(version)

    def _lose(self) -> None:
        asyncio.get_running_loop().remove_reader(self._socket)
        self._socket.close()
        self.lost += 1


def _arrived_at(extra: Iterable[tuple[int, int, bytes]], now: float) -> float:
    """As the system stamped it; now, where it stamps nothing."""
    for level, kind, stamp in extra:
        if (level, kind) == (socket.SOL_SOCKET, STAMP_ARRIVALS) and len(stamp) == ARRIVAL.size:
            seconds, nanoseconds = ARRIVAL.unpack(stamp)
            return float(seconds + nanoseconds / 1e9)
    return now


async def watch(port: int, path: str, count: int) -> dict[str, object]:
    """Let so many look on until there is a line on the input."""
    loop = asyncio.get_running_loop()
    all_in = asyncio.Event()
    viewers: list[Viewer] = []
    missing = iter(range(count - 1, -1, -1))

    def one_more() -> None:
        if next(missing) == 0:
            all_in.set()

    for first in range(0, count, CONNECT_AT_ONCE):
        few = [Viewer(path, one_more) for _ in range(min(CONNECT_AT_ONCE, count - first))]
        viewers += few
        await asyncio.gather(*(each.connect(port) for each in few))
    await all_in.wait()
    print("ready", flush=True)
    cpu_before, began = time.process_time(), time.monotonic()
    await loop.run_in_executor(None, sys.stdin.readline)
    return {
        "cpu_share": (time.process_time() - cpu_before) / (time.monotonic() - began),
        "got": [each.got for each in viewers],
        "refused": sum(each.refused for each in viewers),
        "lost": sum(each.lost for each in viewers),
    }


def main() -> None:
    port, path, count = sys.argv[1:]
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    print(json.dumps(asyncio.run(watch(int(port), path, int(count)))))


if __name__ == "__main__":
    main()
