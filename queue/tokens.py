"""Signed, self-contained proofs: a queue token proves a number, an admission token lets its buyer book.

    codec = Tokens(config.secret_keys)
    text = codec.sign_queue(QueueToken(event_id, number, buyer_id, joined_at))

Text is `q1.<key id>.<payload>.<signature>` (`a1` for admissions), base64url, HMAC-SHA256. The first key signs, all verify.
They travel in headers or cookies, never in a URL.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from onsale.db.ids import BuyerId, EventId
from onsale.queue.keys import PlaceId, number_place, return_place

# Servers' clocks differ a little.
LEEWAY_SECONDS = 10
TOKEN_CHARACTERS_MAX = 256


@dataclass(frozen=True, slots=True)
class QueueToken:
    """This buyer has this number for this event since `joined_at_ms`."""

    event_id: EventId
    number: int
    buyer_id: BuyerId
    joined_at_ms: int


@dataclass(frozen=True, slots=True)
class AdmissionToken:
    """This buyer may book for this event until `expires_at_ms`."""

    event_id: EventId
    number: int
    return_number: int | None
    buyer_id: BuyerId
    expires_at_ms: int

    @property
    def admission_id(self) -> PlaceId:
        """Which admission: the same for every token signed for one turn."""
        return return_place(self.return_number) if self.return_number else number_place(self.number)


class Tokens:
    """Signs and verifies with the keys of this installation."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        raise NotImplementedError

    def sign_queue(self, token: QueueToken) -> str:
        """The token as text."""
        raise NotImplementedError

    def verify_queue(self, text: str, *, event_id: EventId, buyer_id: BuyerId) -> QueueToken:
        """The token, if it is ours and for this event and buyer; BadQueueToken otherwise. It never expires."""
        raise NotImplementedError

    def sign_admission(self, token: AdmissionToken) -> str:
        """The token as text."""
        raise NotImplementedError

    def verify_admission(self, text: str, *, event_id: EventId, buyer_id: BuyerId, now_ms: int) -> AdmissionToken:
        """The token, if it is ours, for this event and buyer, and not older than its time (10 s leeway); BadAdmissionToken otherwise."""
        raise NotImplementedError
