"""What one connection of `onsale seats` may do: its requests are kept apart, and nothing of it is without a bound."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import pytest

from onsale.db.ids import EventId
from onsale.live.asked import FIELDS_MAX
from onsale.live.connection import HEAD_BYTES_MAX, IDLE_SECONDS, SLOW_SECONDS, Connection, Door
from onsale.live.gallery import Gallery, Show
from onsale.queue.seats_seen import Plan, SeatsSeen, SectionPlan
from onsale.queue.seats_watch import SeatsWatch
from onsale.sandbox.ports import LOOPBACK
from tests.conftest import NOWHERE

EVENT = EventId(7)
SEATS = 60_000
SEEN = SeatsSeen.whole(EVENT, ("a", 1), Plan((SectionPlan(1, False, ((1, SEATS),)),)), b"\0" * 11 * SEATS)
PATH = f"/v1/events/{EVENT}/seats/availability"
HEALTH = b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
WAIT = f"GET {PATH}?since=a.1&wait=25 HTTP/1.1\r\nHost: x\r\n\r\n".encode()
WHOLE = f"GET {PATH} HTTP/1.1\r\nHost: x\r\n\r\n".encode()
PATIENCE_SECONDS = 5


def _head(*fields: bytes) -> bytes:
    return b"\r\n".join((b"GET /healthz HTTP/1.1", b"Host: x", *fields, b"", b""))


def _heads(*fields: bytes) -> list[bytes]:
    return [_head(each) for each in fields]


def _undated(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if not line.startswith(b"date:")]


@dataclass
class House:
    """A door with one show, and clients on real sockets."""

    door: Door
    port: int
    clients: list[Client] = field(default_factory=list)

    async def client(self) -> Client:
        reader, writer = await asyncio.open_connection(LOOPBACK, self.port)
        self.clients.append(Client(reader, writer))
        return self.clients[-1]

    @property
    def show(self) -> Show:
        return self.door.gallery._shows[EVENT]

    @property
    def only(self) -> Connection:
        (connection,) = self.door.connections
        return connection

    def later(self, seconds: float) -> None:
        for each in list(self.door.connections):
            each.look(time.monotonic() + seconds)


@dataclass
class Client:
    """Whoever has connected."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    async def answer(self) -> tuple[int, bytes, bytes]:
        """Status, head and body of the next answer."""
        head = await self.head()
        length = int(head.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0])
        return int(head[9:12]), head, await self.reader.readexactly(length)

    async def head(self) -> bytes:
        """The next answer without its body."""
        return await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE_SECONDS)

    async def rest(self) -> bytes:
        """Everything until the other side ends."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE_SECONDS)


@asynccontextmanager
async def house(*, connections_max: int = 10) -> AsyncIterator[House]:
    gallery = Gallery(SeatsWatch(f"redis://{NOWHERE}/0"), viewers_max=2)
    # Read by nobody in this test, and never stale.
    gallery._shows[EVENT] = Show(SEEN, time.monotonic() + 1_000, time.monotonic())
    door = Door(gallery, connections_max=connections_max)
    server = await asyncio.get_running_loop().create_server(door.connection, LOOPBACK, 0)
    made = House(door, server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
        for each in list(door.connections):
            each._transport.abort()
        for client in made.clients:
            client.writer.transport.abort()
            with suppress(OSError):
                await client.writer.wait_closed()
        await gallery.close()


def played(scene: Callable[[House], Awaitable[None]], *, connections_max: int = 10) -> None:
    async def play() -> None:
        async with house(connections_max=connections_max) as made:
            await scene(made)

    asyncio.run(play())


async def soon(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE_SECONDS):
        while not condition():
            await asyncio.sleep(0.01)


def test_requests_sent_together_are_answered_one_after_the_other() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(HEALTH + WAIT + HEALTH + b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")

        assert (await client.answer())[2] == b"0 wait\n"
        await soon(lambda: made.door.gallery.viewers == 1)
        made.only._end_wait()

        assert b'"since":"a.1"' in (await client.answer())[2]
        assert [(await client.answer())[0] for _ in range(2)] == [200, 404]

    played(scene)


def test_a_request_that_comes_letter_by_letter_is_answered_once() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        for letter in HEALTH:
            client.writer.write(bytes([letter]))
            await asyncio.sleep(0)

        assert (await client.answer())[0] == 200

    played(scene)


@pytest.mark.parametrize(
    "first",
    [
        *_heads(
            b"Content-Length: 36", b"Content-Length: 0\r\nContent-Length: 36", b"X: y\r\nTransfer-Encoding: chunked"
        ),
        *_heads(b"transfer-encoding:\tidentity, chunked", b"Expect: 100-continue\r\ncontent-length:1"),
        *_heads(b"Connection: close", b"connection:Upgrade", b"Connection: keep-alive, close"),
        *_heads(b"Connection: keep-alive\r\nConnection: close", b"Connection: close\r\nConnection: keep-alive"),
        b"POST /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"get /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\nConnection: keep-alive\r\n\r\n",
        b"GET /healthz HTTP/1.0\r\n\r\n",
    ],
)
def test_nothing_is_read_after_a_request_that_may_have_a_body_or_is_the_last(first: bytes) -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(first + HEALTH)

        said = await client.rest()

        assert said.count(b"HTTP/1.1 ") == 1
        assert b"\r\nconnection: close\r\n" in said

    played(scene)


def test_a_kept_connection_that_says_so_stays_until_its_head_says_otherwise() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        kept = _head(b"Connection: keep-alive")
        client.writer.write(kept + HEALTH + kept.replace(b"keep-alive", b"close") + HEALTH)

        assert (await client.rest()).count(b"HTTP/1.1 200") == 3

    played(scene)


def test_head_is_get_without_the_body_and_keeps_the_connection() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(WHOLE)
        _, whole, _ = await client.answer()
        client.writer.write(WHOLE.replace(b"GET", b"HEAD") + HEALTH)

        head = await client.head()

        assert _undated(head) == _undated(whole)
        assert (await client.answer())[2] == b"0 wait\n"

    played(scene)


def test_after_a_head_what_is_no_request_is_told_so_whole() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(HEALTH.replace(b"GET", b"HEAD") + b"nonsense\r\n\r\n")

        await client.head()

        assert (await client.answer())[0] == 400

    played(scene)


@pytest.mark.parametrize("address", [b"http://tickets.example.org", b"HTTPS://[::1]:8443", b"http://x"])
def test_a_whole_address_is_read_as_its_path(address: bytes) -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        for asked in (HEALTH, WHOLE, WAIT.replace(b"since=a.1&wait=25", b"wait=1")):
            client.writer.write(asked.replace(b"GET ", b"GET " + address))
            assert (await client.answer())[0] == 200
        client.writer.write(b"GET " + address + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await client.answer())[0] == 404

    played(scene)


def test_who_has_the_seats_already_is_told_so() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(WHOLE)
        _, head, _ = await client.answer()
        tag = head.partition(b"etag: ")[2].partition(b"\r\n")[0]
        for has in (tag, b"*", b'"b.1", W/' + tag, b'"b.1"\r\nIf-None-Match: ' + tag):
            client.writer.write(WHOLE.replace(b"Host: x", b"Host: x\r\nIf-None-Match: " + has) + HEALTH)

            same = await client.head()

            assert same.startswith(b"HTTP/1.1 304 ")
            assert b"\r\netag: " + tag + b"\r\n" in same
            assert (await client.answer())[2] == b"0 wait\n"
        client.writer.write(WHOLE.replace(b"Host: x", b'Host: x\r\nIf-None-Match: "b.1"'))
        assert (await client.answer())[0] == 200

    played(scene)


LINES = [
    *(
        b"GET  / HTTP/1.1",
        b"GET / HTTP/2",
        b"GET  HTTP/1.1",
        b"GET /",
        b"GET x/healthz HTTP/1.1",
        b"GET http:// HTTP/1.1",
    ),
    *(b"GET\t/ HTTP/1.1", b"GET /healthz HTTP/1.1 ", b" GET / HTTP/1.1", b"G\xc9T / HTTP/1.1", b"GET /\x00 HTTP/1.1"),
]
# Where one reader sees the end of a line, of a head or of a name, another sees none.
FIELDS = [
    *(
        b"X: y\nConnection: close",
        b"X: y\n\nGET /healthz HTTP/1.1",
        b"X: y\rZ: z",
        b"X: y\x00z",
        b"X: y\x0bz",
        b"X: \x7f",
    ),
    *(b"X: y\r\n folded", b"X: y\r\n\tfolded", b" X: y", b"X : y", b"X\t: y", b"X", b": y", b"X(: y", b"\xc3\xa9: y"),
    *(b"Content-Length : 5", b"X: y\nTransfer-Encoding : chunked", b"Transfer-Encoding\x0b: chunked"),
    *(b"Host: y", b"host: x"),
]


@pytest.mark.parametrize(
    "wrong",
    [
        *(b"\x16\x03\x01\r\n\r\n", b"\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n"),
        b"GET /healthz HTTP/1.1\nHost: x\n\nGET /healthz HTTP/1.1\r\nHost: x\r\n\r\n",
        *(line + b"\r\nHost: x\r\n\r\n" for line in LINES),
        *_heads(*FIELDS),
    ],
)
def test_what_is_no_request_is_refused_and_the_connection_ended(wrong: bytes) -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(wrong + HEALTH)

        said = await client.rest()

        assert said.startswith(b"HTTP/1.1 400 ")
        assert said.count(b"HTTP/1.1 ") == 1

    played(scene)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
def test_a_head_may_have_as_many_fields_as_the_bound(more: int, status: int) -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(_head(*[b"X: y"] * (FIELDS_MAX - 1 + more)))

        assert (await client.answer())[0] == status

    played(scene)


@pytest.mark.parametrize(("more", "status"), [(0, 200), (1, 431)])
def test_a_head_may_be_as_long_as_the_bound(more: int, status: int) -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        start = b"GET /healthz HTTP/1.1\r\nHost: x\r\nX: "
        client.writer.write(start + b"x" * (HEAD_BYTES_MAX + more - len(start)) + b"\r\n\r\n")

        assert (await client.answer())[0] == status

    played(scene)


def test_a_head_without_an_end_is_refused_at_the_bound() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(b"x" * (HEAD_BYTES_MAX + 1))

        assert (await client.rest()).startswith(b"HTTP/1.1 431 ")

    played(scene)


def test_who_asks_on_while_waiting_is_not_read_without_a_bound() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(WAIT + HEALTH * 100_000)

        await soon(lambda: not made.only._transport.is_reading())

        assert len(made.only._read) < 10 * HEAD_BYTES_MAX
        made.only._end_wait()
        await soon(made.only._transport.is_reading)

    played(scene)


def test_who_does_not_read_is_not_answered_without_a_bound_and_sent_away() -> None:
    async def scene(made: House) -> None:
        quiet = socket.create_connection((LOOPBACK, made.port))
        await asyncio.get_running_loop().run_in_executor(None, quiet.sendall, WHOLE * 200)

        await soon(lambda: made.door.connections and made.only._full)

        assert made.only._transport.get_write_buffer_size() < 4 * SEATS
        made.later(SLOW_SECONDS)
        await soon(lambda: not made.door.connections)
        quiet.close()

    played(scene)


@pytest.mark.parametrize(
    ("sent", "seconds"), [(b"", IDLE_SECONDS), (HEALTH, IDLE_SECONDS), (b"GET / HTTP/1.1\r\n", SLOW_SECONDS)]
)
def test_a_connection_on_which_nothing_moves_is_ended(sent: bytes, seconds: float) -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(sent)
        if sent == HEALTH:
            await client.answer()
        await soon(lambda: bool(made.door.connections) and (sent == HEALTH or made.only._read == sent))

        made.later(seconds - 1)
        await asyncio.sleep(0)
        assert not made.only._transport.is_closing()
        made.later(seconds)

        assert await client.rest() == b""

    played(scene)


def test_a_wait_ends_in_its_time_and_not_before() -> None:
    async def scene(made: House) -> None:
        client = await made.client()
        client.writer.write(WAIT)
        await soon(lambda: made.door.gallery.viewers == 1)

        made.later(24)
        assert made.door.gallery.viewers == 1
        made.later(25)

        assert b"no-store" in (await client.answer())[1]
        assert made.door.gallery.viewers == 0

    played(scene)


def test_who_goes_away_makes_room_at_once() -> None:
    async def scene(made: House) -> None:
        clients = [await made.client() for _ in range(3)]
        for each in clients[:2]:
            each.writer.write(WAIT)
        await soon(lambda: made.door.gallery.viewers == 2)
        clients[2].writer.write(WAIT)
        assert (await clients[2].answer())[0] == 503

        clients[0].writer.close()
        await soon(lambda: made.show.viewers == 1)

        clients[2].writer.write(WAIT)
        await soon(lambda: made.show.viewers == made.door.gallery.viewers == 2)

    played(scene)


def test_no_more_connections_are_served_than_there_may_be() -> None:
    async def scene(made: House) -> None:
        first = await made.client()
        await soon(lambda: len(made.door.connections) == 1)

        second = await made.client()

        assert (await second.rest()).startswith(b"HTTP/1.1 503 ")
        first.writer.write(HEALTH)
        assert (await first.answer())[0] == 200

    played(scene, connections_max=1)


def test_at_the_end_everybody_is_answered_and_every_connection_ended() -> None:
    async def scene(made: House) -> None:
        waiting, idle = await made.client(), await made.client()
        waiting.writer.write(WAIT)
        await soon(lambda: made.door.gallery.viewers == 1 and len(made.door.connections) == 2)

        made.door.drain()

        assert b"\r\nretry-after: 1\r\nconnection: close\r\n" in await waiting.rest()
        assert await idle.rest() == b""

    played(scene)
