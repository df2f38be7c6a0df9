"""A gate in front of the simulator: counts the calls that come, and passes them on, refuses them, or lets them hang."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl

import httpx

PASSED_ON = ("Authorization", "Content-Type", "Idempotency-Key", "Stripe-Version")


class Gate(StrEnum):
    """What happens to a call."""

    OPEN = "open"
    FAILS = "fails"  # 503, as from a proxy in front of a dead bank
    HANGS = "hangs"  # nobody answers


@dataclass(frozen=True)
class Asked:
    """One call that came."""

    method: str
    path: str
    params: dict[str, str]
    headers: dict[str, str]


@dataclass
class Doorway:
    """The gate as a test sees it."""

    url: str
    gate: Gate = Gate.OPEN
    asked: list[Asked] = field(default_factory=list)
    ending: threading.Event = field(default_factory=threading.Event)

    def of(self, path: str) -> list[Asked]:
        """The calls whose path ends so."""
        return [one for one in self.asked if one.path.endswith(path)]


@contextmanager
def gate_to(bank_url: str) -> Iterator[Doorway]:
    """A gate on a port of its own, open at first."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.come()

        def do_POST(self) -> None:
            self.come()

        def come(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            doorway.asked.append(
                Asked(self.command, self.path, dict(parse_qsl(body.decode())), dict(self.headers.items()))
            )
            if doorway.gate is Gate.HANGS:
                doorway.ending.wait(60)
                self.close_connection = True
                return
            if doorway.gate is Gate.FAILS:
                self.answer(503, b"<html>no</html>", {})
                return
            headers = {name: self.headers[name] for name in PASSED_ON if name in self.headers}
            # Nobody else keeps these: the bank's address for 3-D Secure must be the bank's own.
            told = httpx.request(self.command, bank_url + self.path, content=body, headers=headers, timeout=30)
            kept = {name: told.headers[name] for name in ("Idempotent-Replayed", "Request-Id") if name in told.headers}
            self.answer(told.status_code, told.content, kept)

        def answer(self, status: int, body: bytes, headers: dict[str, str]) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Keep the tests' output quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    doorway = Doorway(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield doorway
    finally:
        doorway.ending.set()
        server.shutdown()
        thread.join()
        server.server_close()
