"""What can be changed while the simulator runs: delays, webhooks on or off, and faults, planned or by chance."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from onsale.payments.webhooks import WANTED
from onsale.sandbox.stripe_simulator.chances import BY_CARD, LATE_MS, LATE_MS_MAX, Chances, Draws, Fault, chances, whole
from onsale.sandbox.stripe_simulator.errors import invalid

DELAY_MS_MAX = 60_000
FAULTS_MAX = 10_000
FAILED_BY_CARD_MAX = 10_000
# An endpoint at Stripe names the events it wants; these are the ones Onsale's would. `*` is every one.
EVENTS_WANTED = tuple(sorted(WANTED))


@dataclass(frozen=True)
class Plan:
    """Faults for the next `times` POSTs whose path contains `path`, and that name this card if it names one."""

    kind: Fault
    times: int = 1
    path: str = ""
    card: str = ""
    late_ms: int = LATE_MS


@dataclass(frozen=True)
class Settings:
    """How the simulator behaves now."""

    delay_ms: int = 0
    webhook_delay_ms: int = 0
    # How long after a payment its dispute comes, and after a refund the news of it, with the cards for that.
    aftermath_ms: int = 1_000
    webhooks: bool = True
    webhook_url: str = ""
    webhook_events: tuple[str, ...] = EVENTS_WANTED
    fail_next: tuple[Plan, ...] = field(default=())
    chances: Chances = field(default_factory=Chances)

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
        self._draws = Draws(first.chances)
        self._failed_by_card: set[str] = set()

    @property
    def now(self) -> Settings:
        return self._now

    def change(self, sent: Mapping[str, Any]) -> Settings:
        """Change what is named and leave the rest; a wrong value changes nothing."""
        with self._lock:
            self._now = changed(self._now, sent)
            if "chances" in sent:
                self._draws = Draws(self._now.chances)
            return self._now

    def reset(self) -> None:
        with self._lock:
            self._now = self._first
            self._draws = Draws(self._first.chances)
            self._failed_by_card.clear()

    @property
    def draws(self) -> Draws:
        """The faults that come by chance, since the chances were set."""
        return self._draws

    def take_fault(self, path: str, card: str) -> Plan | None:
        """The fault of this call: one that was planned, used up by one, else the card's, else one by chance."""
        return self._planned(path, card) or self._of_card(path, card) or self._by_chance()

    def _of_card(self, path: str, card: str) -> Plan | None:
        kind = BY_CARD.get(card)
        if kind is None or not path.endswith("/confirm"):
            return None
        with self._lock:
            # Once for each payment: nobody could ever pay with a card that fails each time.
            if path in self._failed_by_card:
                return None
            if len(self._failed_by_card) >= FAILED_BY_CARD_MAX:
                self._failed_by_card.clear()
            self._failed_by_card.add(path)
        return Plan(kind, late_ms=self._draws.chances.late_ms)

    def _by_chance(self) -> Plan | None:
        kind = self._draws.call()
        return None if kind is None else Plan(kind, late_ms=self._draws.chances.late_ms)

    def _planned(self, path: str, card: str) -> Plan | None:
        if not self._now.fail_next:
            return None
        with self._lock:
            plans = self._now.fail_next
            for place, plan in enumerate(plans):
                if plan.path in path and plan.card in ("", card):
                    left = (replace(plan, times=plan.times - 1),) if plan.times > 1 else ()
                    self._now = replace(self._now, fail_next=plans[:place] + left + plans[place + 1 :])
                    return plan
        return None


def changed(settings: Settings, sent: Mapping[str, Any]) -> Settings:
    """The settings with what was sent; refuses unknown names and wrong values by name."""
    known: dict[str, Any] = {}
    for name, value in sent.items():
        if name not in KINDS:
            raise invalid(f"Unknown setting: {name[:50]}", param=name[:50])
        known[name] = KINDS[name](name, value)
    return replace(settings, **known)


def _delay(name: str, value: Any) -> int:
    return whole(name, value, 0, DELAY_MS_MAX)


def _switch(name: str, value: Any) -> bool:
    if not isinstance(value, bool):
        raise invalid(f"{name} is true or false.", param=name)
    return value


def _address(name: str, value: Any) -> str:
    if not isinstance(value, str) or (value and not value.startswith(("http://", "https://"))):
        raise invalid(f"{name} is an address.", param=name)
    return value


def _types(name: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(one, str) for one in value):
        raise invalid(f"{name} is a list of event types.", param=name)
    return tuple(value)


def _plans(_: str, value: Any) -> tuple[Plan, ...]:
    return tuple(_plan(one) for one in (value if isinstance(value, list) else [value]) if one)


def _plan(sent: Any) -> Plan:
    wanted = f"fail_next wants kind ({', '.join(Fault)}), and optionally times, path, card and late_ms."
    if not isinstance(sent, dict) or not set(sent) <= {"kind", "times", "path", "card", "late_ms"}:
        raise invalid(wanted, param="fail_next")
    path, card = sent.get("path", ""), sent.get("card", "")
    if sent.get("kind") not in list(Fault) or not isinstance(path, str) or not isinstance(card, str):
        raise invalid(wanted, param="fail_next")
    return Plan(
        kind=Fault(sent["kind"]),
        times=whole("times", sent.get("times", 1), 1, FAULTS_MAX),
        path=path,
        card=card,
        late_ms=whole("late_ms", sent.get("late_ms", LATE_MS), 0, LATE_MS_MAX),
    )


KINDS: Mapping[str, Callable[[str, Any], Any]] = {
    "delay_ms": _delay,
    "webhook_delay_ms": _delay,
    "aftermath_ms": _delay,
    "webhooks": _switch,
    "webhook_url": _address,
    "webhook_events": _types,
    "fail_next": _plans,
    "chances": lambda _, value: chances(value),
}
