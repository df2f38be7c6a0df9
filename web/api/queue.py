"""The waiting room: join, the status everybody polls, and one buyer's own place."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import orjson
from flask import request
from pydantic import Field, StringConstraints

from onsale.db.ids import EventId
from onsale.errors import (
    AddressLimitReached,
    AdmissionSpent,
    BadQueueToken,
    DeviceNeeded,
    NotInQueue,
    NotOpenYet,
    NotYourTurn,
    OtherDevice,
    PlaceRevoked,
    QueueClosed,
    TurnLapsed,
    WorkNeeded,
)
from onsale.queue.keys import device_digest
from onsale.queue.state import Phase, Standing
from onsale.web import joining
from onsale.web.api.contract import Answer, Asked, Routes, Shared, Told
from onsale.web.api.documents import EventNumber, EventPath, Moment, zulu
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office
from onsale.web.joining import Joined, MyPlace

waiting_room = Routes("queue", "The queue")

QUEUE_TOKEN = "Queue-Token"  # noqa: S105  a header's name
Token = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]


JOIN_WORK = "Join-Work"
DEVICE = "Device"
# As random as a browser's own, so that nobody guesses somebody else's.
DeviceId = Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[\x21-\x7e]+$")]


class QueueHeaders(Asked):
    """A queue token proves a number, also when the queue has lost it."""

    queue_token: Token | None = Field(None, alias=QUEUE_TOKEN, description="From joining; proves the number.")


class JoinHeaders(QueueHeaders):
    """Where an event asks newcomers for a computation, its solution comes along."""

    join_work: Token | None = Field(None, alias=JOIN_WORK, description="A solved challenge: challenge, colon, nonce.")


class DeviceHeaders(QueueHeaders):
    """A client that names its device has its turn there alone."""

    device: DeviceId | None = Field(None, alias=DEVICE, description="Random, yours, the same at every call.")

    @property
    def device_digest(self) -> bytes:
        return device_digest(self.device)


class SectionLeft(Told):
    """Tickets left in a section; `price_minor` is what one costs, with all fees and taxes."""

    section_id: int
    name: str
    price_minor: int
    free: int


class HeartbeatAsked(Told):
    """Numbers up to this one show presence so often; return numbers always do."""

    up_to: int
    every_seconds: int


class PollBand(Told):
    """With at most so many people ahead (null: any number), ask every so many seconds, jittered."""

    ahead: int | None
    seconds: int


class StatusDocument(Told):
    """How the queue stands, alike for everybody: people ahead are your number - serving - 1.

    Keep the largest `serving` you have seen. `poll` tells how often to ask, the first band that fits; `pace_per_minute`
    is what a wait is reckoned with, 0 where nobody can say.
    """

    phase: Phase
    serving: int
    return_serving: int
    issued: int
    waiting: int
    rate_per_minute: int
    admitted_per_minute: int
    pace_per_minute: int
    returns_waiting: bool
    opens_at: datetime
    enabled: bool
    selling: bool
    recovering: bool
    reason: str
    notice: str
    free: int | None
    held: int | None
    tickets_left: list[SectionLeft]
    enter_seconds: int
    choose_seconds: int
    heartbeat: HeartbeatAsked
    poll: list[PollBand]
    poll_ms: int


class SeenAsked(Asked):
    """What the client has shown already, so that the people ahead never rise."""

    seen: Annotated[int, Field(ge=0, le=(1 << 31) - 1)] = Field(0, description="The largest serving number seen.")


class JoinedDocument(Told):
    """A place in the queue. Keep the queue token: it proves the number."""

    event_id: EventNumber
    number: int
    queue_token: str
    joined_at: Moment
    created: bool
    status_url: str
    place_url: str


class PlaceDocument(Told):
    """Where one buyer stands; the wait is a band, null where nobody can know. Poll every `poll_seconds`, jittered."""

    event_id: int
    number: int
    return_number: int | None
    standing: Standing
    ahead: int
    wait_low_seconds: int | None
    wait_high_seconds: int | None
    poll_seconds: int
    heartbeat: bool
    deadline: Moment | None
    hands_free: bool
    queue_token: str


class EnteredDocument(Told):
    """The buyer is in. The admission token books until `choose_until`; a granted hold spends it, a refusal does not."""

    event_id: int
    number: int
    return_number: int | None
    admission_token: str
    choose_until: Moment


@waiting_room.post(
    "/v1/events/{event_id}/queue",
    answers={200: JoinedDocument, 201: JoinedDocument},
    raises=(NotOpenYet, QueueClosed, AddressLimitReached, BadQueueToken, WorkNeeded, PlaceRevoked),
)
def join_queue(path: EventPath, headers: JoinHeaders, buyer: Buyer) -> Answer[JoinedDocument]:
    """Join: a number and a queue token; again, the same number"""
    event_id = EventId(path.event_id)
    address = request.remote_addr or ""
    joined = joining.join(
        box_office(),
        event_id,
        buyer.id,
        address=address,
        queue_token=headers.queue_token,
        solution=headers.join_work,
    )
    return Answer(joined_document(event_id, joined), 201 if joined.created else 200, {"Cache-Control": "no-store"})


@waiting_room.get("/v1/events/{event_id}/queue", statuses=(304,))
def show_queue(path: EventPath) -> Shared[StatusDocument]:
    """The queue status, alike for everybody: poll this and subtract your own number"""
    return Shared(box_office().statuses.of(EventId(path.event_id)).kept)


@waiting_room.get("/v1/events/{event_id}/queue/me", raises=(NotInQueue, BadQueueToken, PlaceRevoked))
def show_place(path: EventPath, query: SeenAsked, headers: QueueHeaders, buyer: Buyer) -> Answer[PlaceDocument]:
    """Where I stand"""
    event_id = EventId(path.event_id)
    place = joining.my_place(box_office(), event_id, buyer.id, queue_token=headers.queue_token, seen_serving=query.seen)
    return _place(event_id, place)


@waiting_room.delete(
    "/v1/events/{event_id}/queue/me", answers={204: None}, raises=(NotInQueue, BadQueueToken, PlaceRevoked)
)
def leave_queue(path: EventPath, headers: QueueHeaders, buyer: Buyer) -> Answer[Told]:
    """Leave: the place is given up for good"""
    joining.leave(box_office(), EventId(path.event_id), buyer.id, queue_token=headers.queue_token)
    return Answer(None, 204)


@waiting_room.post("/v1/events/{event_id}/queue/me/heartbeat", raises=(NotInQueue, BadQueueToken, PlaceRevoked))
def send_heartbeat(path: EventPath, headers: QueueHeaders, buyer: Buyer) -> Answer[PlaceDocument]:
    """I am here"""
    event_id = EventId(path.event_id)
    return _place(event_id, joining.heartbeat(box_office(), event_id, buyer.id, queue_token=headers.queue_token))


@waiting_room.post(
    "/v1/events/{event_id}/queue/me/enter",
    raises=(
        NotInQueue,
        NotYourTurn,
        TurnLapsed,
        AdmissionSpent,
        BadQueueToken,
        OtherDevice,
        DeviceNeeded,
        PlaceRevoked,
    ),
)
def enter_event(path: EventPath, headers: DeviceHeaders, buyer: Buyer) -> Answer[EnteredDocument]:
    """Come in: an admission token; again, the same admission"""
    event_id = EventId(path.event_id)
    entered = joining.enter(
        box_office(), event_id, buyer.id, queue_token=headers.queue_token, device=headers.device_digest
    )
    document = EnteredDocument(
        event_id=event_id,
        number=entered.number,
        return_number=entered.return_number,
        admission_token=entered.admission_token,
        choose_until=entered.choose_until,
    )
    return Answer(document, headers={"Cache-Control": "no-store"})


@waiting_room.post(
    "/v1/events/{event_id}/queue/me/return",
    raises=(NotInQueue, NotYourTurn, AdmissionSpent, QueueClosed, BadQueueToken, PlaceRevoked),
)
def come_back(path: EventPath, headers: QueueHeaders, buyer: Buyer) -> Answer[PlaceDocument]:
    """I was away and am back: a return number"""
    event_id = EventId(path.event_id)
    return _place(event_id, joining.come_back(box_office(), event_id, buyer.id, queue_token=headers.queue_token))


def joined_json(event_id: EventId, joined: Joined) -> bytes:
    """What `joined_document` writes, for the short way: without building and checking a model it costs a fifth."""
    document = {
        "event_id": event_id,
        "number": joined.number,
        "queue_token": joined.queue_token,
        "joined_at": zulu(joined.joined_at),
        "created": joined.created,
        "status_url": f"/v1/events/{event_id}/queue",
        "place_url": f"/v1/events/{event_id}/queue/me",
    }
    return orjson.dumps(document)


def joined_document(event_id: EventId, joined: Joined) -> JoinedDocument:
    """A join as the API tells it."""
    return JoinedDocument(
        event_id=event_id,
        number=joined.number,
        queue_token=joined.queue_token,
        joined_at=joined.joined_at,
        created=joined.created,
        status_url=f"/v1/events/{event_id}/queue",
        place_url=f"/v1/events/{event_id}/queue/me",
    )


def _place(event_id: EventId, place: MyPlace) -> Answer[PlaceDocument]:
    document = PlaceDocument(
        event_id=event_id,
        number=place.number,
        return_number=place.return_number,
        standing=place.standing,
        ahead=place.ahead,
        wait_low_seconds=place.wait_low_seconds,
        wait_high_seconds=place.wait_high_seconds,
        poll_seconds=place.poll_seconds,
        heartbeat=place.heartbeat,
        deadline=place.deadline,
        hands_free=place.hands_free,
        queue_token=place.queue_token,
    )
    return Answer(document, headers={"Cache-Control": "no-store"})
