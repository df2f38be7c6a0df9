"""What can be changed while the simulator runs: delays, webhooks on or off, and faults for the next calls."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from enum import StrEnum
from typing import Any

from onsale.payments.webhooks import RESUMES, SAVES_A_CARD
from onsale.sandbox.stripe_simulator.errors import invalid

DELAY_MS_MAX = 60_000
FAULTS_MAX = 10_000
# An endpoint at Stripe names the events it wants; these are the ones Onsale's would. `*` is every one.
EVENTS_WANTED = tuple(sorted(RESUMES | SAVES_A_CARD))


class Fault(StrEnum):
    """What goes wrong with a call."""

    # Nothing was done, and the 500 is replayed for its key, as at Stripe.
    SERVER_ERROR = "server_error"
    # It was done, and the answer is a 500 all the same: only asking again tells.
    SERVER_ERROR_AFTER = "server_error_after"
    # It was done, and the answer comes when the caller has long given up.
    LATE = "late"
    # 429: nothing was done, nothing is remembered.
    RATE_LIMIT = "rate_limit"


@dataclass(frozen=True)
class Plan:
    """Faults for the next `times` POSTs whose path contains `path`."""

    kind: Fault
    times: int = 1
    path: str = ""
    late_ms: int = 30_000


@dataclass(frozen=True)
class Settings:
    """How the simulator behaves now."""

    delay_ms: int = 0
    webhook_delay_ms: int = 0
    webhooks: bool = True
    webhook_url: str = ""
    webhook_events: tuple[str, ...] = EVENTS_WANTED
    fail_next: tuple[Plan, ...] = field(default=())

    def shown(self) -> dict[str, Any]:
        return asdict(self)

    def wants(self, event: str) -> bool:
        """Whether this kind of event is sent at all."""
        return self.webhooks and bool(self.webhook_url) and (event in self.webhook_events or "*" in self.webhook_events)


class Control:
    """The settings of the running simulator, changed from one thread and read by all."""

    def __init__(self, first: Settings) -> None:
        self._lock = threading.Lock()
        self._first = first
        self._now = first

    @property
    def now(self) -> Settings:
        return self._now

    def change(self, sent: Mapping[str, Any]) -> Settings:
        """Change what is named and leave the rest; a wrong value changes nothing."""
        with self._lock:
            self._now = changed(self._now, sent)
            return self._now

    def reset(self) -> None:
        with self._lock:
            self._now = self._first

    def take_fault(self, path: str) -> Plan | None:
        """The fault planned for this call, used up by one."""
        if not self._now.fail_next:
            return None
        with self._lock:
            plans = self._now.fail_next
            for place, plan in enumerate(plans):
                if plan.path in path:
                    left = (replace(plan, times=plan.times - 1),) if plan.times > 1 else ()
                    self._now = replace(self._now, fail_next=plans[:place] + left + plans[place + 1 :])
                    return plan
        return None


def changed(settings: Settings, sent: Mapping[str, Any]) -> Settings:
    """The settings with what was sent; refuses unknown names and wrong values by name."""
    known: dict[str, Any] = {}
    for name, value in sent.items():
        match name:
            case "delay_ms" | "webhook_delay_ms":
                known[name] = _whole(name, value, 0, DELAY_MS_MAX)
            case "webhooks":
                if not isinstance(value, bool):
                    raise invalid("webhooks is true or false.", param=name)
                known[name] = value
            case "webhook_url":
                if not isinstance(value, str) or (value and not value.startswith(("http://", "https://"))):
                    raise invalid("webhook_url is an address.", param=name)
                known[name] = value
            case "webhook_events":
                if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
                    raise invalid("webhook_events is a list of event types.", param=name)
                known[name] = tuple(value)
            case "fail_next":
                known[name] = tuple(_plan(one) for one in (value if isinstance(value, list) else [value]) if one)
            case _:
                raise invalid(f"Unknown setting: {name[:50]}", param=name[:50])
    return replace(settings, **known)


def _plan(sent: Any) -> Plan:
    wanted = f"fail_next wants kind ({', '.join(Fault)}), and optionally times, path and late_ms."
    if not isinstance(sent, dict) or not set(sent) <= {"kind", "times", "path", "late_ms"}:
        raise invalid(wanted, param="fail_next")
    path = sent.get("path", "")
    if sent.get("kind") not in list(Fault) or not isinstance(path, str):
        raise invalid(wanted, param="fail_next")
    return Plan(
        kind=Fault(sent["kind"]),
        times=_whole("times", sent.get("times", 1), 1, FAULTS_MAX),
        path=path,
        late_ms=_whole("late_ms", sent.get("late_ms", 30_000), 0, DELAY_MS_MAX),
    )


def _whole(name: str, value: Any, lowest: int, highest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise invalid(f"{name} is a whole number from {lowest} to {highest}.", param=name)
    return value
