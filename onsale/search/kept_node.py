"""The client's way to a node of Elasticsearch over connections kept for it: few lines where urllib3 has many.

urllib3 connects, checks certificates and knows the settings; a question over an open connection is sent and read here.
Its own way there cost more than asking the engine and reading its answer together (docs/performance.md).
"""

from __future__ import annotations

import logging
import select
import socket
import ssl
import time
import weakref
from collections.abc import Callable
from typing import Any

import urllib3
from elastic_transport import (
    ApiResponseMeta,
    ConnectionTimeout,
    HttpHeaders,
    NodeConfig,
    TlsError,
    Urllib3HttpNode,
)
from elastic_transport import ConnectionError as ConnectionFailed
from elastic_transport._node import NodeApiResponse  # what every node answers with; it has no public name
from elastic_transport.client_utils import DEFAULT, DefaultType

READ_BYTES = 64 * 1024
HEAD_BYTES_MAX = 64 * 1024
ANSWER_BYTES_MAX = 64 * 1024 * 1024
END_OF_LINE, END_OF_HEAD = b"\r\n", b"\r\n\r\n"
# Asked by both these, over and over; whatever else there is to ask goes urllib3's way.
METHODS = ("GET", "POST")

log = logging.getLogger("elastic_transport.node")


class Gone(Exception):
    """The server closed a kept connection before it answered, as it may at any time. Ask over another."""


class KeptNode(Urllib3HttpNode):
    """A node asked over as many kept connections as questions were ever asked at once. Thread safe.

    For who only asks: a question whose connection ends before the answer begins is asked once more.
    """

    def __init__(self, config: NodeConfig) -> None:
        super().__init__(config)
        # Last in, first out: what is not needed is not used. A list's pop and append are atomic.
        self._idle: list[socket.socket] = []
        self._closed = False
        # For who forgets it without closing it, as urllib3 does for its own.
        weakref.finalize(self, _close_all, self._idle)
        self._host_header = self.base_url.partition("://")[2].partition("/")[0]

    def perform_request(
        self,
        method: str,
        target: str,
        body: bytes | None = None,
        headers: HttpHeaders | None = None,
        request_timeout: float | DefaultType | None = DEFAULT,
    ) -> NodeApiResponse:
        """The answer. Raises ConnectionFailed, ConnectionTimeout or TlsError."""
        # Asked to show each question: urllib3's way does.
        if method not in METHODS or self._http_compress or log.isEnabledFor(logging.DEBUG):
            return super().perform_request(method, target, body, headers, request_timeout)
        seconds = self.config.request_timeout if isinstance(request_timeout, DefaultType) else request_timeout
        question = self._written(method, self.path_prefix + target, body, headers)
        began = time.monotonic()
        try:
            status, told, answer = self._asked(question, seconds)
        except TimeoutError as error:
            raise ConnectionTimeout("Connection timed out during request", errors=(error,)) from error
        except ssl.SSLError as error:
            raise TlsError(str(error), errors=(error,)) from error
        except (Gone, OSError, ValueError, urllib3.exceptions.HTTPError) as error:
            raise ConnectionFailed(str(error), errors=(error,)) from error
        meta = ApiResponseMeta(status, "1.1", HttpHeaders(told), time.monotonic() - began, self.config)
        return NodeApiResponse(meta, answer)

    def close(self) -> None:
        """Close what is kept, and what urllib3 keeps; whoever still asks closes their own when they have an answer."""
        self._closed = True
        _close_all(self._idle)
        super().close()

    def _written(self, method: str, target: str, body: bytes | None, headers: HttpHeaders | None) -> bytes:
        """A request as HTTP/1.1 writes it."""
        named = {**self._headers, **(headers or {}), "host": self._host_header, "content-length": len(body or b"")}
        lines = [f"{method} {target} HTTP/1.1", *(f"{name}: {value}" for name, value in named.items())]
        return "\r\n".join(lines).encode("latin-1") + END_OF_HEAD + (body or b"")

    def _asked(self, question: bytes, seconds: float | None) -> tuple[int, dict[str, str], bytes]:
        while self._idle:
            try:
                kept = self._idle.pop()
            # Another thread was faster.
            except IndexError:
                break
            if _has_something_to_say(kept):
                kept.close()
                continue
            try:
                return self._over(kept, question, seconds)
            except Gone:
                continue
        return self._over(self._connected(seconds), question, seconds)

    def _over(self, kept: socket.socket, question: bytes, seconds: float | None) -> tuple[int, dict[str, str], bytes]:
        """The answer over this connection, which is kept if it may be. Raises Gone before any of the answer came."""
        whole = False
        try:
            kept.settimeout(seconds)
            try:
                kept.sendall(question)
                first = kept.recv(READ_BYTES)
            except TimeoutError:
                raise
            except OSError as error:
                raise Gone(str(error)) from error
            if not first:
                raise Gone("closed")
            status, told, answer = _read(first, lambda: kept.recv(READ_BYTES))
            whole = told.get("connection", "").lower() != "close"
        finally:
            # An answer that was not read would be taken for the next question's.
            if whole and not self._closed:
                self._idle.append(kept)
            else:
                kept.close()
        return status, told, answer

    def _connected(self, seconds: float | None) -> socket.socket:
        """A new connection as urllib3 makes it: with its certificates checked where there are any."""
        # Private, and the only way to its settings of TLS.
        connection: Any = self.pool._new_conn()
        connection.timeout = seconds
        try:
            connection.connect()
        # Refused at once: to urllib3 a kind of timeout.
        except urllib3.exceptions.NewConnectionError:
            raise
        except urllib3.exceptions.ConnectTimeoutError as error:
            raise TimeoutError(str(error)) from error
        made: socket.socket = connection.sock
        # It is ours now: urllib3 must not close it when it forgets the connection.
        connection.sock = None
        return made


def _close_all(idle: list[socket.socket]) -> None:
    while idle:
        idle.pop().close()


def _has_something_to_say(kept: socket.socket) -> bool:
    """Whether it was closed, or a proxy said unasked that it will be: taken for an answer, that would be another's."""
    waiting = select.poll()
    waiting.register(kept, select.POLLIN)
    return bool(waiting.poll(0))


def _read(first: bytes, more: Callable[[], bytes]) -> tuple[int, dict[str, str], bytes]:
    """Status, headers (small letters) and body of an answer that begins so; ValueError for what is not one."""
    read = first
    while (end := read.find(END_OF_HEAD)) < 0:
        if len(read) > HEAD_BYTES_MAX:
            raise ValueError("an answer without an end of its head")
        read += _some(more)
    if not read.startswith(b"HTTP/1.1 "):
        raise ValueError("not an answer of HTTP/1.1")
    line, *rest = read[:end].decode("latin-1").split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in rest)}
    body = read[end + len(END_OF_HEAD) :]
    if headers.get("transfer-encoding", "").lower() == "chunked":
        body = _unchunked(body, more)
    else:
        body = _filled(body, int(headers.get("content-length", "")), more)
    return int(line[9:12]), headers, body


def _filled(body: bytes, length: int, more: Callable[[], bytes]) -> bytes:
    """So many bytes, of which these are the first."""
    if length > ANSWER_BYTES_MAX:
        raise ValueError(f"an answer of {length} bytes")
    pieces, missing = [body], length - len(body)
    while missing > 0:
        pieces.append(_some(more))
        missing -= len(pieces[-1])
    if missing < 0:
        raise ValueError("more than one answer")
    return b"".join(pieces)


def _unchunked(read: bytes, more: Callable[[], bytes]) -> bytes:
    """A body in chunks, each led by its length; of those that Elasticsearch writes: no trailers."""
    pieces: list[bytes] = []
    total = 0
    while True:
        while (end := read.find(END_OF_LINE)) < 0:
            read += _some(more)
        length, begins = int(read[:end].partition(b";")[0], 16), end + len(END_OF_LINE)
        total += length
        if total > ANSWER_BYTES_MAX:
            raise ValueError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
        ends = begins + length
        while len(read) < ends + len(END_OF_LINE):
            read += _some(more)
        if not length:
            return b"".join(pieces)
        pieces.append(read[begins:ends])
        read = read[ends + len(END_OF_LINE) :]


def _some(more: Callable[[], bytes]) -> bytes:
    found = more()
    if not found:
        raise ConnectionResetError("the answer ended in its middle")
    return found
