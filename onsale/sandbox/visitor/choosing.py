"""What a simulated buyer wishes for: seats pointed at on the map, or the best available with ever less to ask for."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

FREE = "f"
# A block is looked through from a random row on, so that not everybody points at the first free seat.
LOOKED_AT_MAX = 40


def best_available(party: int, sections: list[int], chance: random.Random) -> list[dict[str, Any]]:
    """Side by side in a favourite section, then anywhere, then apart, then at least one: somebody takes the last."""
    wishes: list[dict[str, Any]] = [{"quantity": party}, {"quantity": party, "together": False}]
    if sections:
        wishes.insert(0, {"quantity": party, "section_id": chance.choice(sections)})
    if party > 1:
        wishes.append({"quantity": 1})
    return wishes


def pointed_at(
    seat_map: dict[str, Any], availability: dict[str, Any], party: int, chance: random.Random
) -> list[int] | None:
    """Ids of `party` free neighbours, as somebody picks them from the picture; None where nothing was found."""
    letters = {each["id"]: each["states"] for each in availability["sections"]}
    runs = [
        (run, letters[block["id"]], at)
        for block in seat_map["sections"]
        if letters.get(block["id"])
        for run, at in _runs(block)
    ]
    for run, states, at in chance.sample(runs, min(LOOKED_AT_MAX, len(runs))):
        found = states.find(FREE * party, at, at + run["count"])
        if found >= 0:
            first = run["first_ticket_id"] + found - at
            return list(range(first, first + party))
    return None


def _runs(block: dict[str, Any]) -> Iterator[tuple[dict[str, Any], int]]:
    """A block's runs of seats, each with where its letters begin in the block's states."""
    at = 0
    for run in block["runs"]:
        yield run, at
        at += run["count"]
