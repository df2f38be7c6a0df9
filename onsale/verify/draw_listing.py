"""Writes the list of a draw that was held, which strangers check with `draw_list.py`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from hashlib import sha256

from sqlalchemy import Connection

from onsale.db import draw_lots, draws
from onsale.db.draws import Draw
from onsale.db.ids import EventId
from onsale.queue.draw import entrant_id, permutation
from onsale.verify import draw_list


def listed(connection: Connection, event_id: EventId, found: Draw) -> tuple[Iterator[str], str, int]:
    """The lines, the list's hash, and of how many people its entries are."""
    entries = _entries(connection, event_id, found)
    head = _head(event_id, found, draw_list.list_hash(entries))
    people = len({name for _, name in entries} - {draw_list.NOBODY})
    return _lines(head, entries, found), str(head["list_hash"]), people


def _entries(connection: Connection, event_id: EventId, found: Draw) -> list[tuple[int, str]]:
    size = found.size or 0
    weights = draw_lots.rows(connection, event_id)
    names = {
        number: entrant_id(found.seed, buyer)
        for first, buyer in draws.entrants(connection, event_id, size=size)
        for number in range(first, first + weights.get(first, 1))
    }
    return [(number, names.get(number, draw_list.NOBODY)) for number in range(1, size + 1)]


def _head(event_id: EventId, found: Draw, list_hash: str) -> dict[str, object]:
    value = found.beacon or ""
    return {
        "format": draw_list.FORMAT,
        "event_id": event_id,
        "size": found.size,
        "seed": found.seed.hex(),
        "seed_hash": found.seed_hash,
        "beacon_name": found.beacon_name,
        "beacon_value": value,
        "beacon_hash": sha256(value.encode()).hexdigest(),
        "without_beacon": found.without_beacon,
        "list_hash": list_hash,
        "weights": found.weights,
    }


def _lines(head: dict[str, object], entries: list[tuple[int, str]], found: Draw) -> Iterator[str]:
    yield json.dumps(head)
    if entries:
        rule = permutation(found.key or b"", len(entries))
        for number, name in entries:
            yield f"{number},{name},{rule.drawn(number)}"
