"""One viewer's connection: reads a request, tells the answer now or when there is news, and reads the next.

A protocol of asyncio without a server's framework in between: an answer is one write of bytes that all viewers of a
version share, and costs a third of what it cost under an ASGI server (docs/decisions/0059). One request is answered
at a time, and what is read, unsent or unfinished is bounded.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine
from typing import Any

import structlog

from onsale.db.ids import EventId
from onsale.live import told
from onsale.live.asked import HEAD_END, LINE_END, READ, Asked, Fields, Request, TooMany, Wrong, fields_in, request_in
from onsale.live.gallery import Gallery, Known, NotShown, Show, TooManyViewers, Waiting

HEAD_BYTES_MAX = 16_384
READ_BYTES = 65_536
# How exactly a wait ends.
TICK_SECONDS = 0.5
# For a head that has begun, a reader that does not read, a client that does not go.
SLOW_SECONDS = 10.0
# A kept connection on which nothing is asked; longer than proxies usually keep theirs.
IDLE_SECONDS = 75.0

log = structlog.get_logger(__name__)


class Door:
    """All connections of this process."""

    def __init__(self, gallery: Gallery, *, connections_max: int) -> None:
        self.gallery = gallery
        self.connections_max = connections_max
        self.connections: set[Connection] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def connection(self) -> Connection:
        return Connection(self)

    async def keep_time(self) -> None:
        """End waits that are over and connections that take too long, until cancelled."""
        while True:
            await asyncio.sleep(TICK_SECONDS)
            now = time.monotonic()
            for each in list(self.connections):
                each.look(now)

    def drain(self) -> None:
        """Answer everybody who waits, and keep no connection."""
        self.gallery.drain()
        for each in list(self.connections):
            each.drain()

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("seats_request_broken", exc_info=task.exception())


class Connection(asyncio.BufferedProtocol):
    """One kept connection. It is free, or busy with one request."""

    _transport: asyncio.Transport
    # Of all connections: what is in it is taken out before anybody else is read.
    _arriving = bytearray(READ_BYTES)

    def __init__(self, door: Door) -> None:
        self._door = door
        self._gallery = door.gallery
        self._read = b""
        # The rest of its last head, which hardly changes from one request to the next, and what it said.
        self._rest, self._fields = b"", Fields(last=False, hosts=0)
        self._waiting: Waiting | None = None
        self._until = 0.0
        self._last = False
        self._head_only = False
        self._busy = self._full = self._ending = False
        self._moved_at = time.monotonic()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        if len(self._door.connections) >= self._door.connections_max:
            self._refuse(503)
        self._door.connections.add(self)

    def connection_lost(self, error: Exception | None) -> None:
        self._door.connections.discard(self)
        self._ending = True
        if self._waiting is not None:
            self._gallery.leave(self._waiting)
            self._waiting = None

    def get_buffer(self, sizehint: int) -> bytearray:
        return self._arriving

    def buffer_updated(self, nbytes: int) -> None:
        if self._ending:
            return
        data = bytes(memoryview(self._arriving)[:nbytes])
        if not self._read:
            self._moved_at = time.monotonic()
        self._read = self._read + data if self._read else data
        self._go_on()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._go_on()

    def look(self, now: float) -> None:
        """What is due: the end of a wait, or of a connection on which nothing moves."""
        if self._waiting is not None:
            if now >= self._until:
                self._end_wait()
        elif self._ending or self._full or self._busy:
            if now >= self._moved_at + SLOW_SECONDS:
                self._transport.abort()
        elif now >= self._moved_at + (SLOW_SECONDS if self._read else IDLE_SECONDS):
            self._transport.close()

    def drain(self) -> None:
        """Ask nothing more of it."""
        if self._busy:
            self._last = True
        elif not self._ending:
            self._transport.close()

    def _go_on(self) -> None:
        """Answer what has been read, one request after the other, as far as it can be answered and sent now."""
        while not (self._busy or self._full or self._ending):
            head, found, rest = self._read.partition(HEAD_END)
            if len(head) > HEAD_BYTES_MAX:
                return self._refuse(431)
            if not found:
                break
            self._read = rest
            line, _, fields = head.partition(LINE_END)
            request = request_in(line)
            try:
                if fields != self._rest:
                    self._rest, self._fields = fields, fields_in(fields)
            except TooMany:
                return self._refuse(431)
            except ValueError:
                return self._refuse(400)
            if request is None or (request.wants_host and self._fields.hosts != 1):
                return self._refuse(400)
            self._begin(request)
        # Who asks on and on without reading is not read either.
        if len(self._read) > HEAD_BYTES_MAX:
            self._transport.pause_reading()
        else:
            self._transport.resume_reading()

    def _begin(self, request: Request) -> None:
        self._busy, self._moved_at = True, time.monotonic()
        self._last = request.last or self._fields.last or self._gallery.draining
        self._head_only = request.method == b"HEAD"
        event_id = request.event_id
        if request.path == b"/healthz":
            self._send(told.plain(f"{self._gallery.viewers} wait", last=self._last))
        elif event_id is None:
            self._problem(404)
        elif request.method not in READ:
            self._problem(405)
        elif not isinstance(asked := request.asked, Asked):
            self._problem(422, asked)
        elif (show := self._gallery.open_show(event_id)) is not None:
            self._ask(show, asked)
        else:
            self._door.spawn(self._ask_later(event_id, asked))

    async def _ask_later(self, event_id: EventId, asked: Asked) -> None:
        """Nobody looks at this event yet."""
        try:
            show = await self._gallery.show(event_id)
        except NotShown:
            self._problem(503)
            return
        if not self._ending:
            self._ask(show, asked)

    def _ask(self, show: Show, asked: Asked) -> None:
        known = asked.known
        if known[0] is None or not asked.wait_seconds or show.news_for(known):
            return self._tell_now(show, known)
        if self._gallery.draining:
            return self._tell_nothing(show, known)
        try:
            self._waiting = self._gallery.wait(show, known, self._tell)
        except TooManyViewers:
            return self._problem(503)
        self._until = time.monotonic() + asked.wait_seconds

    def _tell_now(self, show: Show, known: Known) -> None:
        tag, has = show.seen.tag(known[0]).encode(), self._fields.has
        if has and told.is_in(tag, has):
            return self._send(told.unchanged(tag, last=self._last))
        self._send(told.news(show.seen.told(*known), tag, last=self._last))

    def _tell(self, body: bytes, tag: bytes) -> None:
        """There is news; or nothing when nobody can wait for it any more."""
        if not body:
            return self._end_wait()
        self._waiting = None
        self._send(told.news(body, tag, last=self._last))

    def _end_wait(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            self._gallery.leave(waiting)
            self._tell_nothing(waiting.show, waiting.known)

    def _tell_nothing(self, show: Show, known: Known) -> None:
        if show.stale:
            return self._problem(503)
        self._last = self._last or self._gallery.draining
        body = show.seen.told(*known)
        self._send(told.nothing_new(body, draining=self._gallery.draining, last=self._last))

    def _problem(self, status: int, wrong: Wrong = ()) -> None:
        self._send(told.problem(status, wrong, last=self._last))

    def _refuse(self, status: int) -> None:
        """What comes after this cannot be understood."""
        self._last, self._head_only = True, False
        self._problem(status)

    def _send(self, answer: bytes) -> None:
        if self._ending:
            return
        self._busy = False
        self._moved_at = time.monotonic()
        self._transport.write(told.without_body(answer) if self._head_only else answer)
        if self._last:
            # Closed at once, the rest of what it sends would cost it the answer.
            self._ending, self._read = True, b""
            self._transport.write_eof()
        elif self._read:
            asyncio.get_running_loop().call_soon(self._go_on)
