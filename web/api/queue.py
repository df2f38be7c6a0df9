"""The waiting room: join, the status everybody polls, and one buyer's own place."""

from __future__ import annotations

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
    NotDrawnYet,
    NotInQueue,
    NotOpenYet,
    NotYourTurn,
    OtherDevice,
    PlaceGivenUp,
    PlaceHandedOver,
    PlaceRevoked,
    QueueClosed,
    TurnLapsed,
    WeightNotCounted,
    WorkNeeded,
)
from onsale.queue import band
from onsale.queue.keys import device_digest
from onsale.web import joining, weighing
from onsale.web.api.codes import WRONG, CheckBody
from onsale.web.api.contract import Answer, Asked, Routes, Shared, Told
from onsale.web.api.documents import EventPath, zulu
from onsale.web.api.queue_documents import (
    EnteredDocument,
    JoinedDocument,
    JoinedWithCodeDocument,
    NoticesDocument,
    PlaceDocument,
    StatusDocument,
)
from onsale.web.auth import Buyer
from onsale.web.box_office import box_office
from onsale.web.joining import Joined, MyPlace

waiting_room = Routes("queue", "The queue")

QUEUE_TOKEN = "Queue-Token"  # noqa: S105  a header's name
TOLD = r"^\d{1,15}\.\d{1,15}\.\d{1,15}$"
Token = Annotated[str, StringConstraints(min_length=1, max_length=256, pattern=r"^[\x21-\x7e]+$")]


JOIN_WORK = "Join-Work"
DEVICE = "Device"
# As random as a browser's own, so that nobody guesses somebody else's.
DeviceId = Annotated[str, StringConstraints(min_length=16, max_length=128, pattern=r"^[\x21-\x7e]+$")]


# What every call about one's own place may answer.
PLACE_REFUSALS = (NotInQueue, BadQueueToken, PlaceHandedOver, PlaceRevoked)


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


class SeenAsked(Asked):
    """What the client has shown already, so that the people ahead never rise and the wait gets no later unexplained."""

    seen: Annotated[int, Field(ge=0, le=(1 << 31) - 1)] = Field(0, description="The largest serving number seen.")
    told: Annotated[str, StringConstraints(max_length=48, pattern=TOLD)] | None = Field(
        None, description="`told` of the last answer."
    )


@waiting_room.post(
    "/v1/events/{event_id}/queue",
    answers={200: JoinedDocument, 201: JoinedDocument},
    raises=(NotOpenYet, QueueClosed, AddressLimitReached, BadQueueToken, PlaceHandedOver, WorkNeeded, PlaceRevoked),
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


@waiting_room.post(
    "/v1/events/{event_id}/queue/with-code",
    answers={200: JoinedWithCodeDocument, 201: JoinedWithCodeDocument},
    raises=(
        NotOpenYet,
        QueueClosed,
        AddressLimitReached,
        BadQueueToken,
        PlaceHandedOver,
        WorkNeeded,
        PlaceRevoked,
        WeightNotCounted,
        *WRONG,
    ),
)
def join_with_code(
    path: EventPath, headers: JoinHeaders, body: CheckBody, buyer: Buyer
) -> Answer[JoinedWithCodeDocument]:
    """Join a draw with a code that counts more than once; again, the same place"""
    event_id = EventId(path.event_id)
    joined = weighing.join(
        box_office(),
        event_id,
        buyer.id,
        body.code,
        address=request.remote_addr or "",
        queue_token=headers.queue_token,
        solution=headers.join_work,
    )
    document = JoinedWithCodeDocument(**joined_document(event_id, joined).model_dump(), weight=joined.weight)
    return Answer(document, 201 if joined.created else 200, {"Cache-Control": "no-store"})


@waiting_room.get("/v1/events/{event_id}/queue", statuses=(304,))
def show_queue(path: EventPath) -> Shared[StatusDocument]:
    """The queue status, alike for everybody: poll this and subtract your own number"""
    return Shared(box_office().statuses.of(EventId(path.event_id)).kept)


@waiting_room.get("/v1/events/{event_id}/notices", statuses=(304,))
def show_notices(path: EventPath) -> Shared[NoticesDocument]:
    """What the organiser said to everybody waiting, and when"""
    return Shared(box_office().notices.of(EventId(path.event_id)).kept)


@waiting_room.get("/v1/events/{event_id}/queue/me", raises=PLACE_REFUSALS)
def show_place(path: EventPath, query: SeenAsked, headers: QueueHeaders, buyer: Buyer) -> Answer[PlaceDocument]:
    """Where I stand"""
    event_id = EventId(path.event_id)
    place = joining.my_place(
        box_office(),
        event_id,
        buyer.id,
        queue_token=headers.queue_token,
        seen_serving=query.seen,
        told=band.kept_text(query.told),
    )
    return _place(event_id, place)


@waiting_room.delete(
    "/v1/events/{event_id}/queue/me",
    answers={204: None},
    raises=(*PLACE_REFUSALS, NotDrawnYet),
)
def leave_queue(path: EventPath, headers: QueueHeaders, buyer: Buyer) -> Answer[Told]:
    """Leave: the place is given up for good"""
    joining.leave(box_office(), EventId(path.event_id), buyer.id, queue_token=headers.queue_token)
    return Answer(None, 204)


@waiting_room.post("/v1/events/{event_id}/queue/me/heartbeat", raises=PLACE_REFUSALS)
def send_heartbeat(path: EventPath, headers: QueueHeaders, buyer: Buyer) -> Answer[PlaceDocument]:
    """I am here"""
    event_id = EventId(path.event_id)
    return _place(event_id, joining.heartbeat(box_office(), event_id, buyer.id, queue_token=headers.queue_token))


@waiting_room.post(
    "/v1/events/{event_id}/queue/me/enter",
    raises=(
        *PLACE_REFUSALS,
        NotYourTurn,
        TurnLapsed,
        AdmissionSpent,
        PlaceGivenUp,
        OtherDevice,
        DeviceNeeded,
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
    raises=(*PLACE_REFUSALS, NotYourTurn, AdmissionSpent, PlaceGivenUp, QueueClosed),
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
        pre_queue_number=place.pre_queue_number,
        weight=place.weight,
        drawn_number=place.drawn_number,
        return_number=place.return_number,
        standing=place.standing,
        ahead=place.ahead,
        wait_low_seconds=place.wait_low_seconds,
        wait_high_seconds=place.wait_high_seconds,
        told=place.told.text if place.told else None,
        odds=place.odds,
        poll_seconds=place.poll_seconds,
        heartbeat=place.heartbeat,
        deadline=place.deadline,
        hands_free=place.hands_free,
        queue_token=place.queue_token,
    )
    return Answer(document, headers={"Cache-Control": "no-store"})
