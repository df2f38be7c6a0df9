"""The crowd of the row `simulator`: each pays one payment after the other over a kept connection, as Onsale would.

A process of its own, so that its CPU is not counted: `python -m onsale.sandbox.bench.payers PORT PAYERS SECRET_KEY`. It
says `ready` when connected, makes as many payments as each line of its input asks for, and answers it with one line of
JSON. A payment is three calls: created, confirmed, captured, each with an idempotency key of its own.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
import time
from collections.abc import Iterator
from uuid import uuid4

import stripe

from onsale.sandbox.bench.load import HEAD_END, body_bytes
from onsale.sandbox.ports import LOOPBACK

FORM = "application/x-www-form-urlencoded"
# Beyond this the simulator is not slow, it hangs.
SECONDS_MAX = 300
OK = b"200"
ID = re.compile(rb'"id":"(pi_[^"]+)"')


class Payer(asyncio.Protocol):
    """One after the other: the next call when the last one is answered."""

    def __init__(self, head: str) -> None:
        self._head = head
        self._read = b""
        self._path = ""
        self._step = 0
        self.paid = 0
        self.refused = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport

    def pay(self, tickets: Iterator[int], done: asyncio.Future[None]) -> None:
        """Make payments for as long as there are tickets."""
        self._tickets, self._done = tickets, done
        self._begin()

    def _begin(self) -> None:
        if next(self._tickets, None) is None:
            self._done.set_result(None)
            return
        self._booking = uuid4()
        self._step = 0
        self._ask(
            "/v1/payment_intents",
            f"amount=4500&currency=eur&capture_method=manual&description=Two+tickets"
            f"&metadata[booking_id]={self._booking}&allowed_payment_method_types[0]=card",
        )

    def _ask(self, path: str, body: str) -> None:
        self._transport.write(
            f"POST {path} HTTP/1.1\r\n{self._head}Idempotency-Key: {self._booking}-{self._step}\r\n"
            f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
        )

    def data_received(self, data: bytes) -> None:
        self._read += data
        head_end = self._read.find(HEAD_END)
        if head_end < 0 or len(self._read) < head_end + len(HEAD_END) + body_bytes(self._read[:head_end]):
            return
        answer, self._read = self._read, b""
        if answer[9:12] != OK:
            self.refused += 1
            self._begin()
            return
        self._step += 1
        if self._step == 1:
            found = ID.search(answer)
            assert found is not None
            self._path = f"/v1/payment_intents/{found[1].decode()}"
            self._ask(
                f"{self._path}/confirm", "payment_method=pm_card_visa&return_url=https%3A%2F%2Fshop.example%2Fback"
            )
        elif self._step == 2:
            self._ask(f"{self._path}/capture", "")
        else:
            self.paid += 1
            self._begin()

    def connection_lost(self, error: Exception | None) -> None:
        if not self._done.done():
            self._done.set_exception(error or ConnectionResetError("the simulator closed a connection"))


async def crowd(port: int, payers: int, secret_key: str) -> None:
    """Connect once, and pay as often as is asked for."""
    loop = asyncio.get_running_loop()
    head = (
        f"Host: {LOOPBACK}:{port}\r\nAuthorization: Bearer {secret_key}\r\nContent-Type: {FORM}\r\n"
        f"Stripe-Version: {stripe.api_version}\r\nUser-Agent: Stripe/v1 PythonBindings/{stripe.VERSION}\r\n"
    )
    everybody = [(await loop.create_connection(lambda: Payer(head), LOOPBACK, port))[1] for _ in range(payers)]
    print("ready", flush=True)
    while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
        tickets = iter(range(int(line)))
        ends = [loop.create_future() for _ in everybody]
        for payer in everybody:
            payer.paid = payer.refused = 0
        began = time.monotonic()
        for payer, end in zip(everybody, ends, strict=True):
            payer.pay(tickets, end)
        async with asyncio.timeout(SECONDS_MAX):
            await asyncio.gather(*ends)
        answer = {
            "paid": sum(payer.paid for payer in everybody),
            "refused": sum(payer.refused for payer in everybody),
            "seconds": time.monotonic() - began,
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    asyncio.run(crowd(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]))
