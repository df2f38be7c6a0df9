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
    NotDrawnYet,
    NotInQueue,
    NotOpenYet,
    NotYourTurn,
    OtherDevice,
    PlaceRevoked,
    QueueClosed,
    TurnLapsed,
    WorkNeeded,
)
from onsale.queue import band
from onsale.queue.keys import device_digest
from onsale.queue.odds import Odds
from onsale.queue.outlook import Cause
from onsale.queue.state import Phase, Standing
from onsale.web import joining
from onsale.web.api.contract import Answer, Asked, Routes, Shared, Told
from onsale.web.api.documents import EventNumber, EventPath, Moment, zulu
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
    """Tickets left in a section; `price_minor` is what one costs, with all fees and taxes.

    `sold_out_at`: since when the section has none free and none held; it stays for whoever comes later.
    """

    section_id: int
    name: str
    price_minor: int
    free: int
    sold_out_at: datetime | None


class WaitPiece(Told):
    """The next `people` in line (null: all the others) are called at between `slow` and `fast` a minute."""

    people: int | None
    fast_per_minute: float
    slow_per_minute: float


class WaitOutlook(Told):
    """What each client reckons its wait with: add up the pieces over its people ahead and itself.

    From `fast` comes the moment from which on the turn may come, from `slow` the one by which it will, nine times in
    ten. Within an `epoch` keep the earliest end and the narrowest band you have told; a new epoch has a `cause`, and
    `since` when. No pieces left for you: nobody can know; not `sure`: nobody has finished yet, so bands are wider.
    `opens_at_ms`, where not 0, is when the reckoning begins.
    """

    epoch: int
    opens_at_ms: int
    pieces: list[WaitPiece]
    returns: list[WaitPiece]
    sure: bool
    cause: Cause
    since: datetime | None


class OddsFigures(Told):
    """What is known of everybody, for the chances of each: of a hundred who decided, `buys_percent` bought so many
    tickets.

    `present_percent` of those who wait will be let in; `choosing` are inside and have not decided; `seen_percent`: how
    much of it was seen in this sale rather than taught by others.
    """

    buys_percent: int
    tickets_per_buyer: float
    seen_percent: int
    present_percent: int
    choosing: int


class HeartbeatAsked(Told):
    """Numbers up to this one show presence so often; return numbers always do."""

    up_to: int
    every_seconds: int


class PollBand(Told):
    """With at most so many people ahead (null: any number), ask every so many seconds, jittered."""

    ahead: int | None
    seconds: int


class DrawDocument(Told):
    """A draw, as it was announced and as it came out; docs/draw.md tells how to work a number out again.

    `waits_for`: `opening` or `beacon` until it was held. `size`: how many numbers are drawn, null while entries are
    open; a beacon published before `closed_at` proves nothing. `seed` and `beacon_value` are told when it was held;
    `without_beacon`: the organiser did not wait for it.
    """

    seed_hash: str
    beacon_name: str | None
    waits_for: str | None
    size: int | None
    closed_at: datetime | None
    without_beacon: bool
    seed: str | None
    beacon_value: str | None


class StatusDocument(Told):
    """How the queue stands, alike for everybody: people ahead are your number - serving - 1.

    Keep the largest `serving` you have seen. `poll` tells how often to ask, the first band that fits; `wait` is what a
    wait is reckoned with, `odds` what the chances are. `pace_per_minute`: how many come in now, 0 where nobody can say.
    `rate_per_minute` is in force now, `ceiling_per_minute` is what the organiser set; `why` tells in a sentence why it
    is lower, and is empty where it is not.
    """

    phase: Phase
    draw: DrawDocument | None
    serving: int
    return_serving: int
    issued: int
    waiting: int
    rate_per_minute: int
    ceiling_per_minute: int
    why: str
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
    wait: WaitOutlook
    odds: OddsFigures
    enter_seconds: int
    choose_seconds: int
    waiting_list: bool
    heartbeat: HeartbeatAsked
    poll: list[PollBand]
    poll_ms: int


class NoticeDocument(Told):
    """What the organiser said, and when."""

    at: Moment
    words: str
    current: bool


class NoticesDocument(Told):
    """The last notices, newest first, alike for everybody."""

    event_id: EventNumber
    notices: list[NoticeDocument]


class SeenAsked(Asked):
    """What the client has shown already, so that the people ahead never rise and the wait gets no later unexplained."""

    seen: Annotated[int, Field(ge=0, le=(1 << 31) - 1)] = Field(0, description="The largest serving number seen.")
    told: Annotated[str, StringConstraints(max_length=48, pattern=TOLD)] | None = Field(
        None, description="`told` of the last answer."
    )


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
    """Where one buyer stands; the wait is a band, null where nobody can know. Poll every `poll_seconds`, jittered.

    Of a draw: `pre_queue_number` is what they joined with, `drawn_number` (then also `number`) what came of it.
    Hand `told` in with the next question: what was told then gets no later without a reason (`wait.cause` of the
    status). `odds`: whether a ticket is left at your turn, null where nobody can know.
    """

    event_id: int
    number: int
    pre_queue_number: int | None
    drawn_number: int | None
    return_number: int | None
    standing: Standing
    ahead: int
    wait_low_seconds: int | None
    wait_high_seconds: int | None
    told: str | None
    odds: Odds | None
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


@waiting_room.get("/v1/events/{event_id}/notices", statuses=(304,))
def show_notices(path: EventPath) -> Shared[NoticesDocument]:
    """What the organiser said to everybody waiting, and when"""
    return Shared(box_office().notices.of(EventId(path.event_id)).kept)


@waiting_room.get("/v1/events/{event_id}/queue/me", raises=(NotInQueue, BadQueueToken, PlaceRevoked))
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
    raises=(NotInQueue, NotDrawnYet, BadQueueToken, PlaceRevoked),
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
        pre_queue_number=place.pre_queue_number,
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
