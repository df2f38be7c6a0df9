"""The queue as one buyer sees it: join, where I stand, here I am, enter, come back, leave. API and pages call these.

A queue token proves a number, also when Redis lost everything; whoever has one passes it in `queue_token`. Tokens are
signed here and travel in headers (API) or HttpOnly cookies (pages), never in a URL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime

from onsale.db.ids import BuyerId, EventId
from onsale.errors import AdmissionSpent, DeviceNeeded, NotDrawnYet, NotInQueue, NotYourTurn
from onsale.queue import band, odds, status
from onsale.queue.band import Band
from onsale.queue.keys import NO_DEVICE, PlaceId, number_place, return_place
from onsale.queue.odds import Odds
from onsale.queue.state import Place, Standing, TurnDevice
from onsale.queue.tokens import AdmissionToken, QueueToken
from onsale.web import newcomers, turns
from onsale.web.box_office import BoxOffice
from onsale.web.tokens import now_ms


@dataclass(frozen=True)
class Joined:
    """A place in the queue; joining again gives the same one (`created` is then false)."""

    number: int
    queue_token: str
    joined_at: datetime
    created: bool
    # Of a draw: what they joined with, the first of so many numbers in a row.
    pre_queue_number: int | None = None
    weight: int = 1


@dataclass(frozen=True)
class MyPlace:
    """Where one buyer stands; `deadline` is until when to come in, to choose or to pay.

    `ahead` counts the numbers before this one; the wait is a band in seconds, None where nobody can know, and `told`
    is it for keeping: handed in again it is never told later unexplained. `heartbeat` asks to show presence with every
    poll. `pre_queue_number`: what they joined a draw with; `number` is the drawn one as soon as there is one, and until
    then the standing is `in_draw`.
    """

    number: int
    return_number: int | None
    standing: Standing
    ahead: int
    wait_low_seconds: int | None
    wait_high_seconds: int | None
    told: Band | None
    odds: Odds | None
    poll_seconds: int
    heartbeat: bool
    deadline: datetime | None
    hands_free: bool
    queue_token: str
    pre_queue_number: int | None = None
    # So many pre-queue numbers in a row, from that one on; the best drawn of them counts.
    weight: int = 1
    # The device whose turn it is, where one came in or the place moved to one.
    turn: TurnDevice | None = None

    @property
    def drawn_number(self) -> int | None:
        """What the pre-queue number was drawn as."""
        return None if self.pre_queue_number is None or self.standing is Standing.IN_DRAW else self.number

    @property
    def place_id(self) -> PlaceId:
        """The place that counts now: the return number, once there is one."""
        return return_place(self.return_number) if self.return_number else number_place(self.number)

    def keeping(self, told: Band | None, now_ms: int) -> MyPlace:
        """The same for somebody who was told this band before."""
        kept = band.kept(told, self.told)
        low, high = band.seconds(kept, now_ms) if kept else (None, None)
        return replace(self, told=kept, wait_low_seconds=low, wait_high_seconds=high)


@dataclass(frozen=True)
class Entered:
    """The buyer is in: the admission token that books, and until when to choose."""

    admission_id: str
    admission_token: str
    number: int
    return_number: int | None
    choose_until: datetime


def join(
    office: BoxOffice,
    event_id: EventId,
    buyer_id: BuyerId,
    *,
    address: str,
    queue_token: str | None = None,
    solution: str | None = None,
    weight: int = 1,
) -> Joined:
    """Take a number, or get the one this buyer has. One call to Redis; `solution` is of `newcomers.challenge`.

    `weight`: of a code (`weighing.join`).

    Raises NotFound, NotOpenYet, QueueClosed, NumbersExhausted, QueueRecovering, AddressLimitReached, BadQueueToken,
    PlaceHandedOver, WorkNeeded, PlaceRevoked.
    """
    office.shows.event(event_id)
    proven = proven_number(office, event_id, buyer_id, queue_token)
    guarded = office.guards.of(event_id)
    if guarded.asks_newcomers and proven is None:
        newcomers.check(office, event_id, buyer_id, guarded=guarded, address=address, solution=solution)
    joined = office.store.join(event_id, buyer_id, address=address, proven=proven, weight=weight)
    newcomers.refuse_revoked(office, event_id, joined.token_number)
    return Joined(
        joined.number,
        _queue_token(office, event_id, buyer_id, joined.token_number, joined.joined_at_ms),
        moment(joined.joined_at_ms),
        joined.created,
        joined.pre_queue_number,
        joined.weight,
    )


def my_place(
    office: BoxOffice,
    event_id: EventId,
    buyer_id: BuyerId,
    *,
    queue_token: str | None = None,
    seen_serving: int = 0,
    told: Band | None = None,
) -> MyPlace:
    """Where this buyer stands now. `seen_serving`: the largest serving number they saw; it is never shown falling.

    `told`: the band they were told last; it gets no later without a reason. Raises NotFound, NotInQueue, BadQueueToken.
    """
    place = place_of(office, event_id, buyer_id, queue_token=queue_token)
    return _seen(office, event_id, buyer_id, place, seen_serving=seen_serving, told=told)


def heartbeat(
    office: BoxOffice,
    event_id: EventId,
    buyer_id: BuyerId,
    *,
    queue_token: str | None = None,
    told: Band | None = None,
) -> MyPlace:
    """Show being there. Raises NotFound, NotInQueue, BadQueueToken."""
    place = place_of(office, event_id, buyer_id, queue_token=queue_token)
    if place.standing is not Standing.IN_DRAW:
        office.store.heartbeat(event_id, place.admission_id)
    return _seen(office, event_id, buyer_id, place, told=told)


def enter(
    office: BoxOffice,
    event_id: EventId,
    buyer_id: BuyerId,
    *,
    queue_token: str | None = None,
    device: bytes = NO_DEVICE,
) -> Entered:
    """Come in, or get the same admission again: the token is good on this device.

    Raises NotInQueue, NotYourTurn, TurnLapsed, AdmissionSpent, PlaceGivenUp, OtherDevice, DeviceNeeded, PlaceRevoked.
    """
    if device == NO_DEVICE and office.guards.of(event_id).settings.device_required:
        raise DeviceNeeded
    place = place_of(office, event_id, buyer_id, queue_token=queue_token)
    if place.standing is Standing.IN_DRAW:
        raise NotYourTurn
    try:
        entered = office.store.enter(event_id, place.admission_id, device=device)
    except AdmissionSpent as error:
        raise turns.why_used(office, event_id, place.admission_id) from error
    token = AdmissionToken(event_id, entered.number, entered.return_number, buyer_id, entered.deadline_ms, device)
    return Entered(
        entered.admission_id,
        office.tokens.sign_admission(token),
        entered.number,
        entered.return_number,
        moment(entered.deadline_ms),
    )


def come_back(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> MyPlace:
    """Take a return number after being passed over, or get the one this buyer has.

    Raises NotFound, NotInQueue, NotYourTurn (nothing to come back from), AdmissionSpent, PlaceGivenUp,
    QueueClosed.
    """
    place = place_of(office, event_id, buyer_id, queue_token=queue_token)
    if place.standing is Standing.IN_DRAW:
        raise NotYourTurn
    try:
        office.store.come_back(event_id, place.number)
    except AdmissionSpent as error:
        raise turns.why_used(office, event_id, place.admission_id) from error
    return my_place(office, event_id, buyer_id)


def leave(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> None:
    """Give the place up for good; harmless twice. Raises NotFound, NotInQueue, NotDrawnYet."""
    place = place_of(office, event_id, buyer_id, queue_token=queue_token)
    if place.standing is Standing.IN_DRAW:
        raise NotDrawnYet
    office.store.leave(event_id, place.admission_id)


def _seen(
    office: BoxOffice,
    event_id: EventId,
    buyer_id: BuyerId,
    place: Place,
    *,
    seen_serving: int = 0,
    told: Band | None = None,
) -> MyPlace:
    """A place beside the status that everybody has."""
    document = office.statuses.of(event_id).document
    number, is_return = place.return_number or place.number, place.return_number is not None
    waiting, now = place.standing is Standing.AHEAD, datetime.now(UTC)
    ahead = status.people_ahead(number, document, is_return=is_return, seen_serving=seen_serving) if waiting else 0
    fresh = (
        status.wait_band(number, document, now=now, is_return=is_return, seen_serving=seen_serving) if waiting else None
    )
    seen = MyPlace(
        number=place.number,
        return_number=place.return_number,
        standing=place.standing,
        ahead=ahead,
        wait_low_seconds=None,
        wait_high_seconds=None,
        told=fresh,
        odds=odds.odds(ahead, document) if waiting else None,
        poll_seconds=status.poll_seconds(ahead, document),
        heartbeat=waiting and status.heartbeat_wanted(number, document, is_return=is_return),
        deadline=moment(place.deadline_ms) if place.deadline_ms is not None else None,
        hands_free=place.hands_free,
        queue_token=_queue_token(office, event_id, buyer_id, place.token_number, place.joined_at_ms),
        pre_queue_number=place.pre_queue_number,
        weight=place.weight,
        turn=place.turn,
    )
    return seen.keeping(told, now_ms())


def place_of(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, *, queue_token: str | None = None) -> Place:
    """The buyer's place as the queue has it; a token proves one that the queue has lost.

    Raises NotFound, NotInQueue, BadQueueToken, PlaceHandedOver, PlaceRevoked.
    """
    office.shows.event(event_id)
    proven = proven_number(office, event_id, buyer_id, queue_token)
    place = office.store.place_of(event_id, buyer_id)
    if proven is not None and (place is None or proven < place.token_number):
        office.store.join(event_id, buyer_id, address="", proven=proven)
        place = office.store.place_of(event_id, buyer_id)
    if place is None:
        raise NotInQueue
    newcomers.refuse_revoked(office, event_id, place.token_number)
    return place


def proven_number(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, queue_token: str | None) -> int | None:
    """The number a queue token proves. Raises BadQueueToken."""
    if not queue_token:
        return None
    return office.tokens.verify_queue(queue_token, event_id=event_id, buyer_id=buyer_id).number


def moment(at_ms: int) -> datetime:
    """A time of Redis' clock."""
    return datetime.fromtimestamp(at_ms / 1000, UTC)


def _queue_token(office: BoxOffice, event_id: EventId, buyer_id: BuyerId, number: int, joined_at_ms: int) -> str:
    return office.tokens.sign_queue(QueueToken(event_id, number, buyer_id, joined_at_ms))
