"""The crowd of the bench: sends prepared requests over kept connections, one at a time on each, and counts answers.

A process of its own, so that its CPU is not counted: `python -m onsale.sandbox.bench.load PORT CONNECTIONS FILE TIMES
STATUS`. The file has requests without a body, each ended by its empty line. It says `ready` when connected, starts at a
line on its input, and ends with one line of JSON.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from onsale.sandbox.ports import LOOPBACK
from onsale.sandbox.rehearsal.figures import percentiles

HEAD_END = b"\r\n\r\n"
LENGTH = b"\r\ncontent-length:"
# Beyond this the server is not slow, it hangs.
SECONDS_MAX = 120


class Connection(asyncio.Protocol):
    """One visitor with a kept connection: the next request when the last one is answered."""

    def __init__(self, requests: Iterator[bytes], expected: bytes, done: asyncio.Future[None]) -> None:
        self._requests = requests
        self._expected = expected
        self._done = done
        self._read = b""
        self.answered = self.refused = 0
        self.waited_ms: list[float] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def ask(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._asked_at = time.monotonic()
            self._transport.write(request)
        elif not self._done.done():
            self._done.set_result(None)

    def data_received(self, data: bytes) -> None:
        self._read += data
        head_end = self._read.find(HEAD_END)
        if head_end < 0:
            return
        if len(self._read) < head_end + len(HEAD_END) + body_bytes(self._read[:head_end]):
            return
        if self._read[9:12] == self._expected:
            self.answered += 1
        else:
            self.refused += 1
        self._read = b""
        self.waited_ms.append((time.monotonic() - self._asked_at) * 1_000)
        self.ask()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("the server closed a connection"))


def body_bytes(head: bytes) -> int:
    """How long the body is that follows this head."""
    found = head.lower().partition(LENGTH)[2]
    return int(found.partition(b"\r\n")[0] or 0)


async def crowd(port: int, connections: int, requests: list[bytes], times: int, expected: bytes) -> dict[str, float]:
    """Send every request `times` times over so many connections; how many were answered as expected, and not."""
    loop = asyncio.get_running_loop()
    queue = itertools.chain.from_iterable(itertools.repeat(requests, times))
    visitors = []
    ends: list[asyncio.Future[None]] = []
    for _ in range(connections):
        ended = loop.create_future()
        _, visitor = await loop.create_connection(lambda: Connection(queue, expected, ended), LOOPBACK, port)  # noqa: B023 - called at once
        visitors.append(visitor)
        ends.append(ended)
    print("ready", flush=True)
    await loop.run_in_executor(None, sys.stdin.readline)
    began = time.monotonic()
    for visitor in visitors:
        visitor.ask()
    async with asyncio.timeout(SECONDS_MAX):
        await asyncio.gather(*ends)
    seconds = time.monotonic() - began
    waited = percentiles(ms for visitor in visitors for ms in visitor.waited_ms)
    return {
        "answered": sum(visitor.answered for visitor in visitors),
        "refused": sum(visitor.refused for visitor in visitors),
        "seconds": seconds,
        "p50_ms": waited.p50 or 0.0,
        "p99_ms": waited.p99 or 0.0,
    }


def main() -> None:
    port, connections, file, times, expected = sys.argv[1:]
    heads = Path(file).read_bytes().split(HEAD_END)
    requests = [head + HEAD_END for head in heads if head]
    print(json.dumps(asyncio.run(crowd(int(port), int(connections), requests, int(times), expected.encode()))))


if __name__ == "__main__":
    main()
