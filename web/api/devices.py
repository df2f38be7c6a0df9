"""A place on another device, and what a device computes before it joins."""

from __future__ import annotations

from typing import Annotated
from uuid import UUID

from pydantic import Field, SecretStr, StringConstraints

from onsale.db.ids import EventId
from onsale.errors import MoveCodeGone, NotInQueue, OtherDevice, PlaceRevoked, TooManyRequests, WrongCredentials
from onsale.queue.keys import device_digest
from onsale.web import limits, moving, newcomers
from onsale.web.api.accounts import PASSWORD_MAX
from onsale.web.api.contract import Answer, Asked, Routes, Told
from onsale.web.api.documents import EventPath
from onsale.web.api.queue import DEVICE, PLACE_REFUSALS, DeviceHeaders, DeviceId
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office

devices = Routes("devices", "Devices")

_PRIVATE = {"Cache-Control": "no-store"}


class ChallengeDocument(Told):
    """Find a nonce so that SHA-256 of `challenge:nonce` begins with `bits` zero bits; then join with `Join-Work`.

    0 bits: nothing is asked, join without.
    """

    challenge: str
    bits: int
    expected_tries: int
    expires_in_seconds: int


class OfferedDocument(Told):
    """A code that moves the place once; show the link as a QR code, the code for typing."""

    code: str
    link: str
    expires_in_seconds: int


class CodeBody(Asked):
    """The code that the other device shows; small letters, spaces and dashes do not matter."""

    code: Annotated[str, StringConstraints(min_length=1, max_length=40)]


class NewDeviceHeaders(Asked):
    """The device that the place moves to."""

    device: DeviceId | None = Field(None, alias=DEVICE, description="Random, yours, the same at every call.")


class BackBody(Asked):
    """Nothing, for a device that had the place; the account's password, for a new one."""

    password: SecretStr | None = Field(None, min_length=1, max_length=PASSWORD_MAX)


class MovedDocument(Told):
    """The place is here now: its buyer's JWT, and the queue token that proves the number."""

    event_id: int
    number: int
    queue_token: str
    token: str
    token_type: str = "Bearer"  # noqa: S105  the scheme's name
    expires_in_seconds: int
    buyer_id: UUID


@devices.post("/v1/events/{event_id}/queue/challenge", raises=(TooManyRequests,))
def create_challenge(path: EventPath, buyer: Buyer) -> Answer[ChallengeDocument]:
    """What to compute before joining, where the event asks newcomers for it"""
    limits.by_buyer(limits.CHALLENGES_OF_BUYER, buyer.id)
    asked = newcomers.challenge(box_office(), EventId(path.event_id), buyer.id)
    document = ChallengeDocument(
        challenge=asked.text, bits=asked.bits, expected_tries=asked.expected_tries, expires_in_seconds=asked.seconds
    )
    return Answer(document, headers=_PRIVATE)


@devices.post(
    "/v1/events/{event_id}/queue/me/moves",
    answers={201: OfferedDocument},
    raises=(*PLACE_REFUSALS, OtherDevice, TooManyRequests),
)
def offer_place(path: EventPath, headers: DeviceHeaders, buyer: Buyer) -> Answer[OfferedDocument]:
    """Take my place to another device: a code, good once and for five minutes; shown on the device it is on alone"""
    limits.by_buyer(limits.MOVES_OF_BUYER, buyer.id)
    offered = moving.offer(
        box_office(),
        EventId(path.event_id),
        buyer,
        device=headers.device_digest,
        queue_token=headers.queue_token,
    )
    document = OfferedDocument(code=offered.code, link=offered.link, expires_in_seconds=offered.seconds)
    return Answer(document, 201, _PRIVATE)


@devices.post(
    "/v1/moves", answers={201: MovedDocument}, raises=(MoveCodeGone, NotInQueue, PlaceRevoked, TooManyRequests)
)
def take_place(headers: NewDeviceHeaders, body: CodeBody) -> Answer[MovedDocument]:
    """Take a place to this device with the code that the other one shows"""
    limits.by_address(limits.MOVES)
    moved = moving.take(box_office(), body.code, device=device_digest(headers.device))
    document = MovedDocument(
        event_id=moved.event_id,
        number=moved.number,
        queue_token=moved.queue_token,
        token=moved.session.token,
        expires_in_seconds=moved.session.expires_in_seconds,
        buyer_id=moved.session.subject,
    )
    return Answer(document, 201, _PRIVATE)


@devices.post(
    "/v1/events/{event_id}/queue/me/device",
    answers={204: None},
    raises=(NotInQueue, OtherDevice, PlaceRevoked, WrongCredentials, TooManyRequests),
)
def take_place_back(path: EventPath, headers: DeviceHeaders, body: BackBody, buyer: Buyer) -> Answer[Told]:
    """Take my place back: for a device that had it within a day, and with an account's password for any"""
    limits.by_buyer(limits.MOVES_OF_BUYER, buyer.id)
    password = body.password.get_secret_value() if body.password else None
    moving.take_back(box_office(), EventId(path.event_id), buyer, device=headers.device_digest, password=password)
    return Answer(None, 204)
