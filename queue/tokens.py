"""Signed, self-contained proofs: a queue token proves a number, an admission token lets its buyer book.

    tokens = Tokens(config.secret_keys)
    text = tokens.sign_queue(QueueToken(event_id, number, buyer_id, joined_at_ms))

Text is `q1.<key id>.<payload>.<signature>` (`a2` for admissions, `w1` for challenges of newcomers): base64url without
padding, HMAC-SHA256 over what is before the last dot. The first key signs, all verify. They travel in headers or
cookies, never in a URL.
"""

from __future__ import annotations

import binascii
import hmac
import struct
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from onsale.db.ids import BuyerId, EventId
from onsale.errors import BadAdmissionToken, BadQueueToken
from onsale.queue.keys import NO_DEVICE, PlaceId, number_place, return_place

# Servers' clocks differ a little.
LEEWAY_MS = 10_000
# Long enough for a key id of 32 characters; anything longer is not ours and is not worth a hash.
TOKEN_CHARACTERS_MAX = 160
_QUEUE, _ADMISSION, _WORK = "q1", "a2", "w1"
# Event, number, (return number,) buyer, milliseconds since 1970(, device).
_QUEUE_PAYLOAD = struct.Struct(">II16sQ")
_ADMISSION_PAYLOAD = struct.Struct(">III16sQ8s")
# Event, buyer, bits, milliseconds since 1970.
_WORK_PAYLOAD = struct.Struct(">I16sBQ")
# What these keys are for, so that no other signature made with the installation's secrets is ever taken for a token.
_PURPOSE = b"onsale: queue and admission tokens"
_CODES = b"onsale: codes that move a place"


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
    # NO_DEVICE: good on any, for clients that name none.
    device: bytes = NO_DEVICE

    @property
    def admission_id(self) -> PlaceId:
        """Which admission: the same for every token signed for one turn."""
        return return_place(self.return_number) if self.return_number else number_place(self.number)


class Tokens:
    """Signs and verifies with the keys of this installation: (key id, secret), newest first."""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        self._keys = {kid: hmac.digest(secret.encode(), _PURPOSE, "sha256") for kid, secret in keys}
        self._newest = keys[0][0]
        # Of the oldest key: it stays the same while a newer one is put in front.
        self._codes = hmac.digest(keys[-1][1].encode(), _CODES, "sha256")

    def sign_queue(self, token: QueueToken) -> str:
        """The token as text."""
        payload = _QUEUE_PAYLOAD.pack(token.event_id, token.number, token.buyer_id.bytes, token.joined_at_ms)
        return self._sign(_QUEUE, payload)

    def verify_queue(self, text: str, *, event_id: EventId, buyer_id: BuyerId) -> QueueToken:
        """The token, if it is ours and for this event and buyer; BadQueueToken otherwise. It never expires."""
        payload = self._verified(_QUEUE, text, _QUEUE_PAYLOAD.size)
        if payload is None:
            raise BadQueueToken
        event, number, buyer, joined_at_ms = _QUEUE_PAYLOAD.unpack(payload)
        if event != event_id or buyer != buyer_id.bytes:
            raise BadQueueToken
        return QueueToken(EventId(event), number, BuyerId(UUID(bytes=buyer)), joined_at_ms)

    def sign_admission(self, token: AdmissionToken) -> str:
        """The token as text."""
        back = token.return_number or 0
        payload = _ADMISSION_PAYLOAD.pack(
            token.event_id, token.number, back, token.buyer_id.bytes, token.expires_at_ms, token.device
        )
        return self._sign(_ADMISSION, payload)

    def verify_admission(
        self, text: str, *, event_id: EventId, buyer_id: BuyerId, now_ms: int, device: bytes = NO_DEVICE
    ) -> AdmissionToken:
        """The token, if it is ours, for this event, buyer and device, in time (10 s leeway); else BadAdmissionToken."""
        payload = self._verified(_ADMISSION, text, _ADMISSION_PAYLOAD.size)
        if payload is None:
            raise BadAdmissionToken
        event, number, back, buyer, expires_at_ms, signed_for = _ADMISSION_PAYLOAD.unpack(payload)
        if event != event_id or buyer != buyer_id.bytes or now_ms > expires_at_ms + LEEWAY_MS:
            raise BadAdmissionToken
        if signed_for not in (NO_DEVICE, device):
            raise BadAdmissionToken("This admission token is another device's. Enter with this one.")
        return AdmissionToken(
            EventId(event), number, back or None, BuyerId(UUID(bytes=buyer)), expires_at_ms, signed_for
        )

    def sign_work(self, event_id: EventId, buyer_id: BuyerId, *, bits: int, until_ms: int) -> str:
        """A challenge for this buyer at this event, as text."""
        return self._sign(_WORK, _WORK_PAYLOAD.pack(event_id, buyer_id.bytes, bits, until_ms))

    def verify_work(self, text: str, *, event_id: EventId, buyer_id: BuyerId, now_ms: int) -> int | None:
        """How many bits this challenge asks for; None unless it is ours, this buyer's, this event's and in time."""
        payload = self._verified(_WORK, text, _WORK_PAYLOAD.size)
        if payload is None:
            return None
        event, buyer, bits, until_ms = _WORK_PAYLOAD.unpack(payload)
        ours = event == event_id and buyer == buyer_id.bytes and now_ms <= until_ms + LEEWAY_MS
        return int(bits) if ours else None

    def code_digest(self, code: str) -> str:
        """Under which name a code that moves a place is kept."""
        return hmac.digest(self._codes, code.encode(), "sha256").hex()

    def _sign(self, kind: str, payload: bytes) -> str:
        signed = f"{kind}.{self._newest}.{_text(payload)}"
        return f"{signed}.{_text(hmac.digest(self._keys[self._newest], signed.encode(), 'sha256'))}"

    def _verified(self, kind: str, text: str, size: int) -> bytes | None:
        """The payload of a token of this kind that one of our keys signed."""
        if len(text) > TOKEN_CHARACTERS_MAX or not text.isascii():
            return None
        signed, _, signature = text.rpartition(".")
        pieces = signed.split(".")
        if len(pieces) != 3 or pieces[0] != kind or pieces[1] not in self._keys:
            return None
        expected = _text(hmac.digest(self._keys[pieces[1]], signed.encode(), "sha256"))
        if not hmac.compare_digest(expected, signature):
            return None
        # What our own key signed decodes; the check is for the day when a key is used by something else.
        try:
            payload = urlsafe_b64decode(pieces[2] + "=" * (-len(pieces[2]) % 4))
        except (binascii.Error, ValueError):
            return None
        return payload if len(payload) == size else None


def _text(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()
