"""What everybody may know about a queue: one cacheable document, and from it each buyer's people ahead and wait.

Pure: QueueState in, values out. Everyone polls the same document and subtracts their own number; nothing here is per person
but `people_ahead` and `wait_band`, which the browser computes for itself the same way.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onsale.queue.state import Phase, QueueState


@dataclass(frozen=True, slots=True)
class WaitBand:
    """Between `low_seconds` and `high_seconds` to wait."""

    low_seconds: int
    high_seconds: int


def derived_phase(state: QueueState) -> Phase:
    """The phase as the page says it: open with nothing free is `all_held` (some may come back) or `sold_out`."""
    raise NotImplementedError


def document(state: QueueState) -> dict[str, Any]:
    """The public status document, ready for JSON; the largest `serving` a client has seen counts for it."""
    raise NotImplementedError


def etag(body: Mapping[str, Any]) -> str:
    """A strong ETag (quoted) of the document's content; equal content, equal tag, in every process."""
    raise NotImplementedError


def people_ahead(number: int, body: Mapping[str, Any], *, is_return: bool = False, seen_serving: int = 0) -> int:
    """How many places come before this one; never rises while `seen_serving` (the largest serving seen) is passed in."""
    raise NotImplementedError


def wait_band(number: int, body: Mapping[str, Any], *, is_return: bool = False, seen_serving: int = 0) -> WaitBand | None:
    """How long until this place's turn, as a band; None where nobody can know (paused, closed, sold out, rate 0)."""
    raise NotImplementedError


def poll_seconds(ahead: int, body: Mapping[str, Any]) -> int:
    """How often a place this far away asks for the status (jitter is the client's)."""
    raise NotImplementedError


def heartbeat_wanted(number: int, body: Mapping[str, Any], *, is_return: bool = False) -> bool:
    """Whether this place is near enough to be asked to show presence."""
    raise NotImplementedError
