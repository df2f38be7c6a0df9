"""A crowd of the bench that asks at a set pace, whether or not the last answers are in; a process of its own.

`python -m onsale.sandbox.bench.paced PORT SECONDS` reads streams from its input, JSON `[{"name", "requests",
"per_second", "after_seconds"}, ...]`; the requests of each are sent in their order, again from the first after the
last. It ends with one line of JSON: for each stream how many were due, and how many answers of each status came.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import re
import sys
import time
from collections import Counter
from collections.abc import Iterator
from typing import Any, TypedDict

from onsale.sandbox.ports import LOOPBACK

CONNECTIONS_EACH = 4
TICK_SECONDS = 0.05
# For the last answers.
WAIT_SECONDS_MAX = 10
STATUS_LINE = re.compile(rb"HTTP/1\.1 ([0-9]{3}) ")
# A status line that is not whole yet is shorter than this.
TAIL = 12


class Stream(TypedDict):
    """What one kind of people ask; `after_seconds`: when the first does."""

    name: str
    requests: list[str]
    per_second: float
    after_seconds: float


class Answers(TypedDict):
    """What one stream got: `due` requests were sent, so many answers came by status."""

    due: int
    statuses: dict[str, int]


class Reader(asyncio.Protocol):
    """One kept connection: counts the status lines of what comes back."""

    def __init__(self) -> None:
        self.statuses: Counter[str] = Counter()
        self._tail = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        read, kept = self._tail + data, 0
        for found in STATUS_LINE.finditer(read):
            self.statuses[found[1].decode()] += 1
            kept = found.end()
        self._tail = read[max(kept, len(read) - TAIL) :]


class Group:
    """One stream over a few connections."""

    def __init__(self, stream: Stream) -> None:
        self._requests: Iterator[bytes] = itertools.cycle([each.encode() for each in stream["requests"]])
        self._per_second, self._after = stream["per_second"], stream["after_seconds"]
        self.readers: list[Reader] = []
        self.due = 0

    async def connect(self, port: int) -> None:
        loop = asyncio.get_running_loop()
        for _ in range(CONNECTIONS_EACH):
            self.readers.append((await loop.create_connection(Reader, LOOPBACK, port))[1])

    def send(self, passed_seconds: float) -> None:
        """Send what is due by now, the connections taking turns."""
        due = max(0, int((passed_seconds - self._after) * self._per_second)) - self.due
        share = -(-due // len(self.readers))
        for reader in self.readers:
            now = min(share, due)
            reader.transport.write(b"".join(itertools.islice(self._requests, now)))
            due, self.due = due - now, self.due + now

    @property
    def statuses(self) -> Counter[str]:
        return sum((reader.statuses for reader in self.readers), Counter[str]())

    def close(self) -> Answers:
        for reader in self.readers:
            reader.transport.close()
        return Answers(due=self.due, statuses=dict(self.statuses))


async def crowd(port: int, seconds: float, streams: list[Stream]) -> dict[str, Any]:
    """Let every stream ask for so long, then wait for the last answers."""
    groups = {stream["name"]: Group(stream) for stream in streams}
    for group in groups.values():
        await group.connect(port)
    began = time.monotonic()
    while (passed := time.monotonic() - began) < seconds:
        for group in groups.values():
            group.send(passed)
        await asyncio.sleep(TICK_SECONDS)
    until = time.monotonic() + WAIT_SECONDS_MAX
    while time.monotonic() < until and any(group.statuses.total() < group.due for group in groups.values()):
        await asyncio.sleep(TICK_SECONDS)
    return {name: group.close() for name, group in groups.items()}


def main() -> None:
    port, seconds = sys.argv[1:]
    print(json.dumps(asyncio.run(crowd(int(port), float(seconds), json.load(sys.stdin)))))


if __name__ == "__main__":
    main()
