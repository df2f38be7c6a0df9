"""How soon after its opening people read their drawn numbers from a running web: the status everybody polls, then the
own place and the page of the draw. For the row `draw`.
"""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from urllib.request import Request, urlopen
from uuid import uuid4

from redis import Redis

from onsale.db import buyers
from onsale.db.engine import transaction
from onsale.db.ids import BuyerId, EventId
from onsale.queue.keys import EventKeys
from onsale.queue.state_text import buyer_text
from onsale.sandbox.bench.parts import Parts
from onsale.sandbox.bench.web_process import WebProcess
from onsale.sandbox.embedded import poll
from onsale.sandbox.ports import LOOPBACK
from onsale.verify.draw_list import Draw
from onsale.web import tokens

READERS = 20
ANSWER_SECONDS_MAX = 10.0


@dataclass(frozen=True)
class Reader:
    """Somebody of the pre-queue, and the number they joined with."""

    number: int
    token: str


@dataclass(frozen=True)
class Read:
    """Seconds from the opening until the status told the draw and the slowest number was read; what was wrong."""

    status_seconds: float
    slowest_seconds: float
    page_seconds: float
    faults: tuple[str, ...]

    def __str__(self) -> str:
        told, slowest, page = (
            round(1000 * seconds) for seconds in (self.status_seconds, self.slowest_seconds, self.page_seconds)
        )
        return (
            f"the status tells the draw {told} ms after the opening, the slowest of {READERS} numbers is read after "
            f"{slowest} ms, the draw's page takes {page} ms"
        )


def readers(own: Parts, client: Redis, event_id: EventId, people: int) -> list[Reader]:
    """A few of so many, from the first to the last, with sessions of their own; the queue knows their numbers."""
    found = []
    for nth in range(READERS):
        number, buyer_id = 1 + nth * (people - 1) // (READERS - 1), BuyerId(uuid4())
        with transaction(own.shop.engine) as connection:
            buyers.add_guest(connection, buyer_id)
        client.hset(EventKeys(event_id).buyers(buyer_id), buyer_id.bytes, buyer_text(number, 1))
        now = datetime.now(UTC)
        found.append(Reader(number, tokens.sign(own.config, buyer_id, audience=tokens.BUYERS, guest=True, now=now)))
    return found


def look(web: WebProcess, event_id: EventId) -> None:
    """What everybody does while they wait: from now on the web has a copy of the status."""
    _get(web, f"/v1/events/{event_id}/queue")


def read(web: WebProcess, event_id: EventId, people: Sequence[Reader], *, opened_at: float) -> Read:
    """Read everybody's place, and the status until it tells the draw; numbers are held to the rule worked out anew."""
    queue = f"/v1/events/{event_id}/queue"
    places = [_json(web, f"{queue}/me", one.token) for one in people]
    slowest = time.perf_counter() - opened_at
    # A copy of the status is a second old at most; whoever asks sooner may be told that the draw is not held.
    told = poll(lambda: _json(web, queue)["draw"]["seed"] is not None, seconds=ANSWER_SECONDS_MAX)
    status_seconds = time.perf_counter() - opened_at
    if not told:
        return Read(status_seconds, slowest, 0.0, ("the status never told the draw",))
    draw = _json(web, queue)["draw"]
    rule = Draw(bytes.fromhex(draw["seed"]), draw["beacon_value"] or "", draw["size"])
    wrong = [one.number for one, place in zip(people, places, strict=True) if place["number"] != rule.of(one.number)]
    began = time.perf_counter()
    _get(web, f"/events/{event_id}/draw")
    faults = (f"{len(wrong)} of {len(people)} were told another number than follows",) if wrong else ()
    return Read(status_seconds, slowest, time.perf_counter() - began, faults)


def _json(web: WebProcess, path: str, token: str | None = None) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(_get(web, path, token))
    return found


def _get(web: WebProcess, path: str, token: str | None = None) -> bytes:
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    # An address of our own on loopback.
    request = Request(f"http://{LOOPBACK}:{web.port}{path}", headers=headers)
    with urlopen(request, timeout=ANSWER_SECONDS_MAX) as answer:  # noqa: S310
        body: bytes = answer.read()
    return body
