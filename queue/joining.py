"""What the script `join` is asked: its keys and arguments, for the store and for whoever measures the script alone."""

from __future__ import annotations

from onsale.db.ids import BuyerId, EventId
from onsale.queue.keys import EventKeys, address_bytes, address_digest

Call = tuple[list[str], list[bytes | int | str]]


def join_call(
    event_id: EventId,
    buyer_id: BuyerId,
    *,
    address: str,
    proven: int | None = None,
    early: bool = False,
    weight: int = 1,
    now_ms: int | None = None,
) -> Call:
    """Its keys and arguments; what they mean is in `QueueStore.join`."""
    keys, digest = EventKeys(event_id), address_digest(address)
    names = [keys.queue, keys.buyers(buyer_id), keys.address(digest), keys.joins]
    return [*names, *keys.numbers_lane()[:3], keys.lots, keys.moved], [
        buyer_id.bytes,
        digest,
        proven or 0,
        now_ms or "",
        address_bytes(address),
        int(early),
        weight,
    ]
