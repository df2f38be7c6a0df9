"""The client's short way to Elasticsearch: any way an answer may be cut, and any moment a connection may end."""

from __future__ import annotations

import socket
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from elastic_transport import ConnectionError as ConnectionFailed
from elastic_transport import ConnectionTimeout, HttpHeaders, NodeConfig, TlsError

from onsale.search.kept_node import KeptNode

PLAIN = b"HTTP/1.1 200 OK\r\nX-elastic-product: Elasticsearch\r\ncontent-length: 11\r\n\r\n" + b'{"took": 1}'
CHUNKED = (
    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
    b'5\r\n{"too\r\n6\r\nk": 1}\r\n0\r\n\r\n'
)
# What the server does on one connection, for each question it gets there: these pieces, each sent alone.
Answers = list[list[bytes]]


class Server:
    """Answers as it is told, and remembers what it was asked; each list is one connection, and closes it at its end."""

    def __init__(self, connections: list[Answers], wrap: Callable[[socket.socket], socket.socket]) -> None:
        self.asked: list[bytes] = []
        self.connected = 0
        self._connections, self._wrap = connections, wrap
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._listening.close()
        self._thread.join(timeout=5)

    def _serve(self) -> None:
        for answers in self._connections:
            try:
                accepted, _ = self._listening.accept()
                with self._wrap(accepted) as connection:
                    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                    self.connected += 1
                    for pieces in answers:
                        self.asked.append(connection.recv(65_536))
                        for piece in pieces:
                            connection.sendall(piece)
            # The client had enough, or the test is over.
            except OSError:
                continue


@contextmanager
def serving(
    *connections: Answers, wrap: Callable[[socket.socket], socket.socket] = lambda accepted: accepted
) -> Iterator[tuple[Server, KeptNode]]:
    server = Server(list(connections), wrap)
    scheme = "http" if wrap.__name__ == "<lambda>" else "https"
    node = KeptNode(NodeConfig(scheme, "127.0.0.1", server.port, request_timeout=5.0))
    try:
        yield server, node
    finally:
        node.close()
        server.close()


def ask(node: KeptNode, **changed: object) -> bytes:
    headers = HttpHeaders({"content-type": "application/json"})
    return node.perform_request("POST", "/shows/_search", b'{"size": 1}', headers, **changed).body


@pytest.mark.parametrize("answer", [PLAIN, CHUNKED])
@pytest.mark.parametrize("size", [1, 7, 10_000])
def test_an_answer_is_read_however_it_is_cut(answer: bytes, size: int):
    pieces = [answer[at : at + size] for at in range(0, len(answer), size)]

    with serving([pieces, pieces]) as (server, node):
        first, second = ask(node), ask(node)

    assert first == second == b'{"took": 1}'
    assert server.connected == 1


def test_a_question_is_sent_as_http_wants_it():
    with serving([[PLAIN]]) as (server, node):
        ask(node)

    head, _, body = server.asked[0].partition(b"\r\n\r\n")
    line, *headers = head.decode().split("\r\n")
    assert line == "POST /shows/_search HTTP/1.1"
    assert {f"host: 127.0.0.1:{server.port}", "content-type: application/json", "content-length: 11"} <= set(headers)
    assert body == b'{"size": 1}'


def test_a_connection_that_was_closed_meanwhile_is_replaced():
    with serving([[PLAIN]], [[PLAIN]]) as (server, node):
        ask(node)

        assert ask(node) == b'{"took": 1}'

    assert server.connected == 2


def test_what_a_server_says_unasked_is_no_answer():
    accepted: list[socket.socket] = []

    with serving([[PLAIN], [PLAIN]], [[PLAIN]], wrap=lambda one: accepted.append(one) or one) as (server, node):
        ask(node)
        accepted[0].sendall(b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\n\r\n")

        assert ask(node) == b'{"took": 1}'

    assert server.connected == 2


def test_an_answer_that_ends_in_its_middle_is_a_failure_and_not_half_an_answer():
    with serving([[PLAIN[:-3]]], [[CHUNKED[:-8]]], [[CHUNKED[:-5]]]) as (_, node):
        for _ in range(3):
            with pytest.raises(ConnectionFailed):
                ask(node)


def test_a_late_answer_is_not_taken_for_the_next_question_s():
    with serving([[], [PLAIN.replace(b"1}", b"9}")]], [[PLAIN]]) as (server, node):
        with pytest.raises(ConnectionTimeout):
            ask(node, request_timeout=0.1)

        assert ask(node) == b'{"took": 1}'

    assert server.connected == 2


@pytest.mark.parametrize(
    "answer",
    [
        b"SSH-2.0-OpenSSH_9.9\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: many\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nmany\r\n",
        b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n{}",
    ],
)
def test_what_is_no_answer_is_a_failure(answer: bytes):
    with serving([[answer]]) as (_, node), pytest.raises(ConnectionFailed):
        ask(node)


def test_a_connection_that_the_server_wants_closed_is_not_kept():
    closing = PLAIN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")

    with serving([[closing]], [[PLAIN]]) as (server, node):
        ask(node)
        ask(node)

    assert server.connected == 2


def test_nobody_listening_is_a_failure():
    with serving() as (server, node):
        server.close()

        with pytest.raises(ConnectionFailed) as failed:
            ask(node)

    assert not isinstance(failed.value, ConnectionTimeout)


def test_a_certificate_that_nobody_vouches_for_is_refused(tmp_path: Path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1", "-days", "2"]
    subprocess.run([*made, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)

    def secured(accepted: socket.socket) -> socket.socket:
        return context.wrap_socket(accepted, server_side=True)

    with serving([[PLAIN]], wrap=secured) as (server, node), pytest.raises(TlsError):
        ask(node)

    assert not server.asked
