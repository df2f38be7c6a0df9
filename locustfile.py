"""Load for one event: buyers who take a number, wait as the queue status says, come in, book and pay.

    locust --headless -u 200 -r 20 -t 3m --host http://127.0.0.1:8000        # against `make run`

Sends everybody to the show that is selling now; another one: ONSALE_EVENT=17 locust ... Every request is named by its
route, so that the report has one line per route however many events and bookings there are.
"""

# A load test's whims are nobody's secret.
# ruff: noqa: S311

from __future__ import annotations

import os
import random
from typing import Any
from uuid import uuid4

import gevent
from locust import HttpUser, between, events, task
from locust.env import Environment
from locust.exception import RescheduleTask, StopUser

SELLING_NOW = "Lanterns"
CARD = "pm_card_visa"
JITTER = (0.8, 1.2)
RETRIES_MAX = 20
RETRY_SECONDS_MAX = 15.0
RESULT_POLLS_MAX = 120
OVER = {"sold_out", "closed"}
ENDED = {"confirmed", "sold_out", "unavailable", "payment_failed", "expired", "cancelled", "failed"}

QUEUE = "/v1/events/{id}/queue"


@events.test_start.add_listener
def choose_event(environment: Environment, **_: Any) -> None:
    """Which event the crowd wants; asked once for all users."""
    environment.event_id = int(os.environ.get("ONSALE_EVENT", "0"))


class Buyer(HttpUser):
    """One buyer, from the guest token to the tickets; then somebody else comes."""

    wait_time = between(1, 3)

    @task
    def buy(self) -> None:
        self.headers: dict[str, str] = {}
        event_id = self._event()
        self.queue = f"/v1/events/{event_id}/queue"
        self.headers["Authorization"] = f"Bearer {self._ask('POST', '/v1/guests', json={})['token']}"
        joined = self._ask("POST", self.queue, name=QUEUE)
        self.headers["Queue-Token"] = joined["queue_token"]
        self._wait_for(joined["number"])
        entered = self._ask("POST", f"{self.queue}/me/enter", name=f"{QUEUE}/me/enter")
        self._think(1, 5)
        booking = self._ask(
            "POST",
            f"/v1/events/{event_id}/bookings",
            name="/v1/events/{id}/bookings",
            json={"wishes": [{"quantity": random.choice((1, 2, 2, 4)), "together": False}]},
            headers={"Idempotency-Key": str(uuid4()), "Admission-Token": entered["admission_token"]},
        )
        booking = self._result(booking)
        if booking["state"] == "held":
            self._think(1, 5)
            self._ask(
                "POST",
                f"{booking['url']}/payment",
                name="/v1/bookings/{id}/payment",
                json={"payment_method": CARD},
                headers={"Idempotency-Key": str(uuid4())},
            )
            self._result(booking)

    def _event(self) -> int:
        if not self.environment.event_id:
            found = self._ask("GET", f"/v1/event={SELLING_NOW}", name="/v1/event={name}")["event_ids"]
            # The evening on sale is the last one announced.
            self.environment.event_id = found[-1]
        return int(self.environment.event_id)

    def _wait_for(self, number: int) -> None:
        """Poll the status everybody polls, as often as it says; show presence when it asks for that."""
        shown_ago = float("inf")
        while True:
            status = self._ask("GET", self.queue, name=QUEUE)
            if status["phase"] in OVER:
                raise StopUser
            if status["serving"] >= number:
                return
            asked = status["heartbeat"]
            if number <= asked["up_to"] and shown_ago >= asked["every_seconds"]:
                self._ask("POST", f"{self.queue}/me/heartbeat", name=f"{QUEUE}/me/heartbeat")
                shown_ago = 0.0
            ahead = number - status["serving"] - 1
            seconds = next(
                band["seconds"] for band in status["poll"] if band["ahead"] is None or ahead <= band["ahead"]
            )
            shown_ago += self._think(seconds * JITTER[0], seconds * JITTER[1])

    def _result(self, booking: dict[str, Any]) -> dict[str, Any]:
        """Poll the booking until it is held, or over."""
        for _ in range(RESULT_POLLS_MAX):
            self._think(booking["poll_seconds"] * JITTER[0], booking["poll_seconds"] * JITTER[1])
            booking = self._ask("GET", booking["url"], name="/v1/bookings/{id}")
            if booking["state"] in ENDED | {"held"}:
                return booking
        raise RescheduleTask

    def _think(self, low: float, high: float) -> float:
        seconds = random.uniform(low, high)
        gevent.sleep(seconds)
        return seconds

    def _ask(self, method: str, path: str, *, headers: dict[str, str] | None = None, **more: Any) -> Any:
        """One request; 429 and 503 are waited out as Retry-After says, and are no failures of the shop."""
        for _ in range(RETRIES_MAX):
            asked = self.headers | (headers or {})
            with self.client.request(method, path, headers=asked, catch_response=True, **more) as answer:
                if answer.status_code not in (429, 503):
                    break
                answer.success()
            self._think(
                *(min(float(answer.headers.get("Retry-After", "1")), RETRY_SECONDS_MAX) * each for each in JITTER)
            )
        if not answer.ok:
            raise RescheduleTask
        return answer.json() if answer.content else None
