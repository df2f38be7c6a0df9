"""Turns settings, stock and snapshots into what Redis keeps, and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

import orjson

from onsale.errors import QueueRecovering
from onsale.queue.draw import DrawState, draw_of
from onsale.queue.gaps import Gaps, in_order
from onsale.queue.keys import DEVICE_BYTES
from onsale.queue.state import (
    AdmissionEntry,
    JoinEntry,
    Phase,
    QueueRules,
    QueueState,
    ReturnEntry,
    SectionStock,
    SoFar,
    TurnDevice,
)

MINUTE_MS = 60_000
# Milliseconds since 1970.
TIME_BYTES = 6


def turn_device(kept: bytes) -> TurnDevice | None:
    """Whose turn a place is, as `bind` and `enter` keep it."""
    if not kept:
        return None
    since = 2 * DEVICE_BYTES
    had = range(since + TIME_BYTES, len(kept), DEVICE_BYTES + TIME_BYTES)
    return TurnDevice(
        kept[:DEVICE_BYTES],
        int.from_bytes(kept[since : since + TIME_BYTES], "big"),
        tuple(kept[first : first + DEVICE_BYTES] for first in had),
    )


def rules_json(rules: QueueRules) -> bytes:
    """The settings as the queue's hash keeps them."""
    kept = asdict(rules)
    if kept["draw"] and not kept["draw"]["weights"]:
        # A process of the release before knows of no weights, and reads the settings of every other draw.
        del kept["draw"]["weights"]
    if kept["draw"] and not kept["draw"]["beacon_known"]:
        # Nor of this, which is so from the beacon to the draw alone.
        del kept["draw"]["beacon_known"]
    return orjson.dumps(kept)


def sections_json(sections: Sequence[SectionStock]) -> bytes:
    """The stock by section as the queue's hash keeps it."""
    return orjson.dumps([asdict(section) for section in sections])


def state_of(answer: Sequence[Any]) -> QueueState:
    """The state a `snapshot` script answered. Raises QueueRecovering while not even the settings are restored."""
    now_ms, whole, waiting, admitted, entered, holding = (int(value) for value in answer[:6])
    names = [name.decode() for name in answer[6::2]]
    values: dict[str, bytes] = dict(zip(names, answer[7::2], strict=True))
    if not values["rules"]:
        raise QueueRecovering(retry_after_seconds=1)

    rules = _rules(values["rules"], Phase(values["phase"].decode()))

    def counter(name: str) -> int:
        return int(values[name])

    return QueueState(
        now_ms=now_ms,
        recovering=not whole,
        rules=rules,
        version=counter("version"),
        issued=counter("issued"),
        block_end=counter("block_end"),
        serving=counter("serving"),
        return_issued=counter("return_issued"),
        return_serving=counter("return_serving"),
        waiting=waiting,
        admitted=admitted,
        entered=entered,
        holding=holding,
        admitted_total=counter("admitted_total"),
        admitted_last_minute=_last_minute(values, now_ms),
        asked_to=counter("asked_to"),
        **_stock(values),
        stopped=now_ms < int(values.get("stopped_until_ms", b"0")),
        grace_until_ms=counter("grace_until_ms"),
        asked_long=counter("asked_3"),
        asked=counter("asked") if "asked" in values else None,
        heard=counter("heard_people") if "heard_people" in values else None,
        configured_at_ms=int(values.get("configured_at_us", b"0")) // 1000,
        outlook=values.get("outlook", b""),
        **_nobodys(values, rules.draw),
    )


def _stock(values: Mapping[str, bytes]) -> dict[str, Any]:
    """What `set_stock` told."""
    return {
        "free": int(values["free"]) if "free" in values else None,
        "held": int(values["held"]) if "held" in values else None,
        "taken": int(values["taken"]),
        "sections": tuple(SectionStock(**section) for section in orjson.loads(values.get("sections", b"[]"))),
        "waiting_list": values.get("list") == b"1",
        "so_far": _so_far(values.get("so_far", b"")),
    }


def so_far_json(so_far: SoFar) -> bytes:
    """What the record knows of the sale, as the queue's hash keeps it."""
    return orjson.dumps(asdict(so_far))


def buyer_text(number: int, joined_at_ms: int) -> bytes:
    """A number and its time as the buyers' buckets keep them: 4 and 6 bytes, as `join.lua` packs them."""
    return number.to_bytes(4, "big") + joined_at_ms.to_bytes(6, "big")


def join_entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> JoinEntry:
    """A line of the joins stream."""
    number, joined_at_ms, weight = (int(fields.get(name, b"1")) for name in (b"n", b"t", b"w"))
    return JoinEntry(entry_id.decode(), number, fields[b"b"], joined_at_ms, fields.get(b"a", b""), weight)


def return_entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> ReturnEntry:
    """A line of the stream of return numbers."""
    return ReturnEntry(entry_id.decode(), int(fields[b"r"]), int(fields[b"n"]))


def admission_entry(entry_id: bytes, fields: Mapping[bytes, bytes]) -> AdmissionEntry:
    """A line of the admissions stream."""
    (first, last), (return_first, return_last) = (_ranges(fields[name])[0] for name in (b"n", b"r"))
    return AdmissionEntry(
        id=entry_id.decode(),
        seq=int(fields[b"s"]),
        at_us=int(fields[b"t"]),
        first=first,
        last=last,
        return_first=return_first,
        return_last=return_last,
        admitted=int(fields[b"a"]),
        passed=_joined(_ranges(fields[b"p"])),
        return_passed=_joined(_ranges(fields[b"q"])),
    )


def _ranges(text: bytes) -> list[tuple[int, int]]:
    pairs = (part.split(b"-") for part in text.split(b",") if part)
    return [(int(first), int(last)) for first, last in pairs]


def _joined(ranges: Sequence[tuple[int, int]]) -> tuple[tuple[int, int], ...]:
    """Neighbours as one range."""
    merged: list[tuple[int, int]] = []
    for first, last in ranges:
        start = merged.pop()[0] if merged and merged[-1][1] == first - 1 else first
        merged.append((start, last))
    return tuple(merged)


def ranges_text(ranges: Sequence[tuple[int, int]]) -> str:
    """Ranges of numbers as the queue's hash keeps them."""
    return ",".join(f"{first}-{last}" for first, last in ranges)


def _nobodys(values: Mapping[str, bytes], draw: DrawState | None) -> dict[str, Any]:
    """Numbers without anybody: how far a draw's were looked through, and what recoveries went on behind."""
    # Among what was drawn there is none: who is missing there was drawn like the others.
    drawn = (draw.size or 0) if draw is not None and draw.held else 0

    def lane(prefix: str, above: int) -> tuple[tuple[int, int], ...]:
        latest = int(values[f"{prefix}unknown_first"]), int(values[f"{prefix}unknown_last"])
        return in_order([*_ranges(values.get(f"{prefix}gaps", b"")), latest], above=above)

    spare_to = int(values["spare_to"]) if "spare_to" in values else None
    gaps = Gaps(lane("", drawn), lane("return_", 0))
    return {"spare_to": spare_to, "gaps": gaps, "restored_to": int(values["unknown_last"])}


def _so_far(text: bytes) -> SoFar | None:
    if not text:
        return None
    kept = orjson.loads(text)
    return SoFar(kept["buyers"], kept["tickets"], tuple((section, at_ms) for section, at_ms in kept["sold_out"]))


def _rules(text: bytes, phase: Phase) -> QueueRules:
    """The settings; the phase is the queue's own, which opens by itself."""
    kept = orjson.loads(text)
    opens_at = datetime.fromisoformat(kept.pop("opens_at")).astimezone(UTC)
    draw = kept.pop("draw", None)
    return QueueRules(**{**kept, "phase": phase, "opens_at": opens_at, "draw": draw_of(draw)})


def _last_minute(values: dict[str, bytes], now_ms: int) -> int:
    """Admitted per minute, over the time since the newest sample that is a minute old; a younger queue's whole count.

    `samples` are `time_ms:total`, one every few seconds, newest first.
    """
    total = before = int(values["admitted_total"])
    elapsed_ms = 0
    for sample in values.get("samples", b"").split():
        at_ms, before = (int(number) for number in sample.split(b":"))
        elapsed_ms = now_ms - at_ms
        if elapsed_ms >= MINUTE_MS:
            break
    return max(0, total - before) * MINUTE_MS // max(MINUTE_MS, elapsed_ms)
