"""What the tests of payments work with: a simulator in its own process, a shop that takes webhooks, some payments."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from onsale.sandbox.ports import free_port

SECRET_KEY = "sk_test_of_the_tests"
WEBHOOK_SECRET = "whsec_of_the_tests_with_32_characters"
PATIENCE_SECONDS = 20


def until(true: Callable[[], Any], what: str, *, seconds: float = PATIENCE_SECONDS) -> Any:
    """Wait for a condition; fail with `what` when it does not come true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if found := true():
            return found
        time.sleep(0.01)
    pytest.fail(f"not within {seconds} s: {what}")


@dataclass
class Simulator:
    """`onsale simulator` as its own process on its own file."""

    folder: Path
    port: int = field(default_factory=free_port)
    secret_key: str = SECRET_KEY
    webhook_secret: str = WEBHOOK_SECRET
    process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        env = {
            **os.environ,
            "ONSALE_ENVIRONMENT": "sandbox",
            "ONSALE_DATABASE_URL": "postgresql://nobody@127.0.0.1:9/none",
            "ONSALE_QUEUE_URL": "redis://127.0.0.1:9/0",
            "ONSALE_SECRET_KEYS": "k1:" + "a-test-key-of-32-characters-or-more",
            "ONSALE_STRIPE_API_BASE": self.url,
            "ONSALE_STRIPE_SECRET_KEY": self.secret_key,
            "ONSALE_STRIPE_PUBLISHABLE_KEY": "pk_test_of_the_tests",
            "ONSALE_STRIPE_WEBHOOK_SECRET": self.webhook_secret,
        }
        command = [sys.executable, "-c", "from onsale.cli import main; main()", "--folder", str(self.folder)]
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [*command, "simulator", "--webhook-url", ""], env=env, stdout=log, stderr=log, start_new_session=True
        )
        log.close()
        until(self._answers, f"the simulator answers; its log is in {self.folder / 'log'}")

    def _answers(self) -> bool:
        assert self.process is not None
        assert self.process.poll() is None, (self.folder / "log").read_text()
        try:
            return httpx.get(f"{self.url}/healthz").is_success
        except httpx.TransportError:
            return False

    def stop(self, *, kill: bool = False) -> None:
        """End it: by SIGTERM, or by SIGKILL of the server with no word to its worker."""
        if self.process is not None:
            self.process.kill() if kill else self.process.terminate()
            self.process.wait(PATIENCE_SECONDS)
            self.process = None
        until(lambda: not self._port_taken(), "the simulator's port is free again")

    def _port_taken(self) -> bool:
        try:
            httpx.get(f"{self.url}/healthz", timeout=1)
        except httpx.ConnectError:
            return False
        except httpx.TransportError:
            return True
        return True

    def set(self, **settings: Any) -> None:
        self._post("/_simulator/settings", settings)

    def reset(self) -> None:
        self._post("/_simulator/reset", {})

    def _post(self, path: str, body: dict[str, Any]) -> None:
        answer = httpx.post(self.url + path, json=body, headers={"Authorization": f"Bearer {self.secret_key}"})
        assert answer.status_code == 200, answer.text

    def client(self) -> stripe.StripeClient:
        """The official SDK, pointed here."""
        return stripe.StripeClient(self.secret_key, base_addresses={"api": self.url}, max_network_retries=0)


@dataclass
class Receiver:
    """A shop's webhook address: keeps what came, and answers as told."""

    url: str
    came: list[tuple[bytes, str]] = field(default_factory=list)
    # Status by event type, for as many times as listed; then 200.
    refuse: dict[str, list[int]] = field(default_factory=dict)

    def types(self) -> list[str]:
        return [json.loads(body)["type"] for body, _ in self.came]

    def answer(self, body: bytes, header: str) -> int:
        self.came.append((body, header))
        statuses = self.refuse.get(json.loads(body)["type"])
        return statuses.pop(0) if statuses else 200


def create(api: Any, *, key: str | None = None, **params: Any) -> Any:
    body = {"amount": 4500, "currency": "eur", "capture_method": "manual", **params}
    return api.payment_intents.create(body, {"idempotency_key": key} if key else {})


def reserved(api: Any, **params: Any) -> Any:
    """An intent whose money is reserved and not yet taken."""
    return create(api, **{"payment_method": "pm_card_visa", "confirm": True, **params})


def paid(api: Any, **params: Any) -> Any:
    return api.payment_intents.capture(reserved(api, **params).id)


def post(simulator: Any, path: str, body: str, *, key: str | None = None, **headers: str) -> httpx.Response:
    """One call without the SDK, to see status and headers."""
    headers |= {"Authorization": f"Bearer {simulator.secret_key}", "Content-Type": "application/x-www-form-urlencoded"}
    if key:
        headers["Idempotency-Key"] = key
    return httpx.post(f"{simulator.url}/v1/{path}", content=body, headers=headers)


def with_card(card: str) -> dict[str, Any]:
    if card.startswith("pm_"):
        return {"payment_method": card}
    details = {"number": card, "exp_month": 12, "exp_year": 2040, "cvc": "123"}
    return {"payment_method_data": {"type": "card", "card": details}}


def waiting_for_the_cardholder(api: Any, card: str = "pm_card_threeDSecure2Required") -> Any:
    return create(api, payment_method=card, confirm=True, return_url="https://shop.example/back?booking=7")


def on_its_way(api: Any, kind: str = "ideal") -> Any:
    """A payment by a method without manual capture, whose buyer has said yes at the bank."""
    method = api.payment_methods.create({"type": kind}).id
    types = {"allowed_payment_method_types": ["card", kind], "capture_method": "automatic"}
    intent = create(api, payment_method=method, confirm=True, return_url="https://shop.example/back", **types)
    httpx.post(intent.next_action.redirect_to_url.url, data={"outcome": "complete"})
    return api.payment_intents.retrieve(intent.id)
