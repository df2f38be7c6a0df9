"""Viewers of one seat map for the bench: each waits for the next change, again and again, over a kept connection.

A process of its own, so that its CPU is not counted: `python -m onsale.sandbox.bench.viewers PORT PATH COUNT`. It says
`ready` when each has seen the seats once, goes on until a line on its input, and ends with one line of JSON: for each
viewer the moments and the numbers of the versions it got.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from collections.abc import Callable

from onsale.sandbox.bench.load import HEAD_END, body_bytes
from onsale.sandbox.ports import LOOPBACK

WAIT_SECONDS = 25
AGAIN_SECONDS = 1.0
VERSION = b'"version":"'
# So many connect at once; a server's backlog is finite.
CONNECT_AT_ONCE = 100


class Viewer(asyncio.Protocol):
    """One viewer."""

    def __init__(self, path: str, first: Callable[[], None]) -> None:
        self._path = path
        self._first: Callable[[], None] | None = first
        self._read = b""
        self.refused = self.lost = 0
        self.got: list[tuple[float, int]] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self.ask("")

    def ask(self, version: str) -> None:
        query = f"?since={version}&wait={WAIT_SECONDS}" if version else ""
        self._transport.write(f"GET {self._path}{query} HTTP/1.1\r\nHost: {LOOPBACK}\r\n\r\n".encode())

    def data_received(self, data: bytes) -> None:
        self._read += data
        head_end = self._read.find(HEAD_END)
        if head_end < 0 or len(self._read) < head_end + len(HEAD_END) + body_bytes(self._read[:head_end]):
            return
        answer, self._read = self._read, b""
        if answer[9:12] != b"200":
            self.refused += 1
            asyncio.get_running_loop().call_later(AGAIN_SECONDS, self.ask, "")
            return
        at = answer.index(VERSION, head_end) + len(VERSION)
        version = answer[at : answer.index(b'"', at)].decode()
        self.got.append((time.time(), int(version.rpartition(".")[2])))
        if self._first is not None:
            self._first()
            self._first = None
        self.ask(version)

    def connection_lost(self, error: Exception | None) -> None:
        self.lost += 1


async def watch(port: int, path: str, count: int) -> dict[str, object]:
    """Let so many look on until there is a line on the input."""
    loop = asyncio.get_running_loop()
    all_in = asyncio.Event()
    viewers: list[Viewer] = []

    def one_more() -> None:
        if sum(1 for each in viewers if each.got) == count:
            all_in.set()

    for first in range(0, count, CONNECT_AT_ONCE):
        few = [Viewer(path, one_more) for _ in range(min(CONNECT_AT_ONCE, count - first))]
        viewers += few
        await asyncio.gather(*(loop.create_connection(lambda v=each: v, LOOPBACK, port) for each in few))  # type: ignore[misc]
    await all_in.wait()
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    return {
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
