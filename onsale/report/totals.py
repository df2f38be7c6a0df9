"""A sale in numbers, added up from the lines of its log as they are written into a report."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any


class Tally:
    """Add the lines in their order, then read `sale`. Money is in minor units, by currency."""

    def __init__(self) -> None:
        self._states: dict[str, str] = {}
        self._held: dict[str, int] = {}
        self._sold: set[str] = set()
        self._captured: Counter[str] = Counter()
        self._captures = 0
        self._refunds: dict[str, tuple[str, int, str, int]] = {}
        self._runs: dict[int, int] = {}
        self._acts: list[Mapping[str, Any]] = []

    def add(self, line: Mapping[str, Any]) -> None:
        """One line."""
        if "unreadable" in line:
            return
        match line["t"]:
            case "move":
                self._move(line)
            case "capture":
                self._captured[line["currency"]] += line["amount_minor"]
                self._captures += 1
            case "refund":
                tickets = len(line.get("tickets", []))
                self._refunds[line["refund"]] = (line["state"], line["amount_minor"], line["currency"], tickets)
            case "run":
                self._runs[line["run"]] = line["admitted"]
            case "log":
                self._acts.append(line)

    def _move(self, line: Mapping[str, Any]) -> None:
        booking, state = line["booking"], line["to"]
        self._states[booking] = state
        if "tickets" in line:
            self._held[booking] = len(line["tickets"])
        if state == "committed":
            self._sold.add(booking)

    @property
    def acts(self) -> list[Mapping[str, Any]]:
        """What people and the system did to the sale, in order."""
        return self._acts

    def sale(self) -> dict[str, object]:
        """The numbers."""
        refunded: Counter[str] = Counter()
        for state, amount_minor, currency, _ in self._refunds.values():
            if state == "succeeded":
                refunded[currency] += amount_minor
        sold = sum(self._held.get(booking, 0) for booking in self._sold)
        return {
            "bookings": len(self._states),
            "bookings_by_state": dict(Counter(self._states.values())),
            "tickets_sold": sold - sum(tickets for *_, tickets in self._refunds.values()),
            "captures": self._captures,
            "captured_minor": dict(self._captured),
            "refunded_minor": dict(refunded),
            "admitted": sum(self._runs.values()),
        }
