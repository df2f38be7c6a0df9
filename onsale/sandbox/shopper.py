"""One simulated buyer over HTTP: a guest who joins, waits as the queue status says, enters, books, pays or walks away.

An ordinary client of the public API: it knows nothing that a buyer's browser could not know.
"""

from __future__ import annotations

import asyncio
import random
from enum import StrEnum
from typing import Any
from uuid import uuid4

import httpx

REQUEST_SECONDS_MAX = 10.0
# A 429 or 503 is waited out this often, as long as Retry-After says but no longer than this.
RETRIES_MAX = 20
RETRY_SECONDS_MAX = 15.0
WAIT_POLLS_MAX = 2_000
RESULT_POLLS_MAX = 120
# A browser polls as often as the document says, give or take; so does the crowd.
JITTER = (0.8, 1.2)
CHOOSE_SECONDS = (3.0, 15.0)
PAY_SECONDS = (4.0, 20.0)
PARTY_SIZES = (1, 2, 2, 2, 3, 4)
GOOD_CARD = "pm_card_visa"
REFUSED_CARDS = ("pm_card_visa_chargeDeclined", "pm_card_visa_chargeDeclinedInsufficientFunds")
# Nobody waits for a queue that is over.
OVER = frozenset({"sold_out", "closed"})
ENDED = frozenset({"confirmed", "sold_out", "unavailable", "payment_failed", "expired", "cancelled", "failed"})


class Habit(StrEnum):
    """What a simulated buyer does once let in."""

    PAYS = "pays"
    DECLINED_FIRST = "declined_first"
    CANCELS = "cancels"
    LEAVES = "leaves"


# Of a hundred buyers so many are like this.
HABITS = {Habit.PAYS: 78, Habit.DECLINED_FIRST: 10, Habit.CANCELS: 7, Habit.LEAVES: 5}


class Stage(StrEnum):
    """Where a simulated buyer is."""

    COMING = "coming"
    WAITING = "waiting"
    INSIDE = "inside"
    DONE = "done"


def poll_seconds(bands: list[dict[str, int | None]], ahead: int) -> int:
    """How often somebody this far away asks: the first band that reaches so far."""
    return next(band["seconds"] or 0 for band in bands if band["ahead"] is None or ahead <= band["ahead"])


class GaveUp(Exception):
    """The shop refused, or did not answer too often; this buyer goes home."""


class Shopper:
    """One buyer of one event; `stage` may be looked at from outside."""

    def __init__(self, client: httpx.AsyncClient, event_id: int, *, chance: random.Random, busy: asyncio.Semaphore):
        self._client = client
        self._queue = f"/v1/events/{event_id}/queue"
        self._bookings = f"/v1/events/{event_id}/bookings"
        self._chance = chance
        self._busy = busy
        self._headers: dict[str, str] = {}
        self.habit = chance.choices(list(HABITS), list(HABITS.values()))[0]
        self.stage = Stage.COMING
        self.ended = ""

    async def shop(self) -> None:
        """The whole visit; always ends in DONE, with `ended` saying how."""
        try:
            self.ended = await self._visit()
        except (GaveUp, httpx.HTTPError) as reason:
            self.ended = f"gave up: {reason or type(reason).__name__}"
        finally:
            self.stage = Stage.DONE

    async def _visit(self) -> str:
        session = await self._ask("POST", "/v1/guests", json={})
        self._headers["Authorization"] = f"Bearer {session['token']}"
        joined = await self._ask("POST", self._queue)
        self._headers["Queue-Token"] = joined["queue_token"]
        self.stage = Stage.WAITING
        await self._wait(joined["number"])
        entered = await self._ask("POST", f"{self._queue}/me/enter")
        self.stage = Stage.INSIDE
        await self._think(CHOOSE_SECONDS)
        if self.habit is Habit.LEAVES:
            await self._ask("DELETE", f"{self._queue}/me")
            return "left"
        return await self._buy(entered["admission_token"])

    async def _wait(self, number: int) -> None:
        """Poll the status everybody polls until it has reached the number, and show presence when asked to."""
        shown_at = float("-inf")
        clock = asyncio.get_running_loop().time
        for _ in range(WAIT_POLLS_MAX):
            status = await self._ask("GET", self._queue)
            if status["phase"] in OVER:
                raise GaveUp(f"the queue is {status['phase']}")
            if status["serving"] >= number:
                return
            asked = status["heartbeat"]
            if number <= asked["up_to"] and clock() - shown_at > asked["every_seconds"]:
                await self._ask("POST", f"{self._queue}/me/heartbeat")
                shown_at = clock()
            ahead = number - status["serving"] - 1
            await asyncio.sleep(poll_seconds(status["poll"], ahead) * self._chance.uniform(*JITTER))
        raise GaveUp("waited too long")

    async def _buy(self, admission_token: str) -> str:
        wish = {"quantity": self._chance.choice(PARTY_SIZES)}
        booking = await self._ask(
            "POST",
            self._bookings,
            json={"wishes": [wish, wish | {"together": False}]},
            headers={"Idempotency-Key": str(uuid4()), "Admission-Token": admission_token},
        )
        booking = await self._result(booking, until={"held"})
        if booking["state"] != "held":
            return str(booking["state"])
        await self._think(PAY_SECONDS)
        if self.habit is Habit.CANCELS:
            await self._ask("DELETE", booking["url"])
            return "cancelled"
        if self.habit is Habit.DECLINED_FIRST:
            booking = await self._pay(booking, self._chance.choice(REFUSED_CARDS))
            await self._think(CHOOSE_SECONDS)
        booking = await self._pay(booking, GOOD_CARD)
        return str(booking["state"])

    async def _pay(self, booking: dict[str, Any], card: str) -> dict[str, Any]:
        await self._ask(
            "POST",
            f"{booking['url']}/payment",
            json={"payment_method": card},
            headers={"Idempotency-Key": str(uuid4())},
        )
        return await self._result(booking, until={"held"})

    async def _result(self, booking: dict[str, Any], *, until: set[str]) -> dict[str, Any]:
        """Poll the booking until it rests in one of these states, or for good."""
        for _ in range(RESULT_POLLS_MAX):
            await asyncio.sleep(booking["poll_seconds"] * self._chance.uniform(*JITTER))
            booking = await self._ask("GET", booking["url"])
            if booking["state"] in until | ENDED:
                return booking
        raise GaveUp(f"still {booking['state']}")

    async def _think(self, seconds: tuple[float, float]) -> None:
        await asyncio.sleep(self._chance.uniform(*seconds))

    async def _ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        """One request, repeated while the shop says "not now"; the document it answers with."""
        for _ in range(RETRIES_MAX):
            async with self._busy:
                answer = await self._client.request(method, path, headers=self._headers | (headers or {}), **more)
            if answer.status_code in (429, 503):
                wait = float(answer.headers.get("Retry-After", "1"))
                await asyncio.sleep(min(wait, RETRY_SECONDS_MAX) * self._chance.uniform(*JITTER))
                continue
            if answer.is_error:
                raise GaveUp(f"{method} {path}: {answer.status_code} {answer.text[:200]}")
            return answer.json() if answer.content else None
        raise GaveUp(f"{method} {path}: refused {RETRIES_MAX} times")
