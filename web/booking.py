"""A booking as its buyer drives it: book, look, pay, extend, cancel. API and pages both call these.

Everything here writes the record and wakes a worker by task name; nothing here decides who gets a ticket or charges a
card. What follows the commit (a slot in Redis, a wake-up) may fail without failing the request: the sweeps catch up.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Sequence
from dataclasses import dataclass, field

import orjson
import structlog
from sqlalchemy import Connection

from onsale.config import Config
from onsale.db import bookings, charges, code_rules, holds
from onsale.db.bookings import Booking, NewBooking
from onsale.db.engine import make_sure, reading, transaction
from onsale.db.ids import (
    BOOKING_ID_RANDOM_BYTES,
    TICKETS_PER_EVENT_MAX,
    BookingId,
    BuyerId,
    EventId,
    booking_id,
)
from onsale.db.sections import Section
from onsale.db.states import UNDECIDED, BookingState
from onsale.db.tiers import Tier, choices
from onsale.db.wishes import Wish, check
from onsale.errors import (
    AdmissionSpent,
    BadRequest,
    DeviceNeeded,
    IdempotencyKeyReused,
    NoSuchTier,
    NotDrawnYet,
    NotFound,
    OnsaleError,
    QueueClosed,
    TicketTaken,
    TierLimitReached,
)
from onsale.queue.draw import joined_as
from onsale.queue.keys import NO_DEVICE, PlaceId, address_digest, number_place
from onsale.queue.state import UNDECIDED_MS, Joined, Phase, QueueRules, SlotKind, SlotState, Standing
from onsale.web import cards, codes, joining, limits, newcomers, tokens, turns
from onsale.web.box_office import BoxOffice

KEY_CHARACTERS_MAX = 255
# Of an address: enough that no two of an event meet by chance.
ADDRESS_BYTES = 16

log = structlog.get_logger()


@dataclass(frozen=True)
class Request:
    """What a buyer asks for. `key` is the Idempotency-Key; a `payment_method` is charged as soon as tickets are held.

    `route` is part of what the key stands for: the same key at another address is another request.
    """

    event_id: EventId
    buyer_id: BuyerId
    key: str
    wishes: Sequence[Wish]
    address: str
    payment_method: str | None = field(default=None, repr=False)
    admission_token: str | None = field(default=None, repr=False)
    queue_token: str | None = field(default=None, repr=False)
    route: str = "bookings"
    # As they were typed.
    codes: tuple[str, ...] = ()
    device: bytes = NO_DEVICE

    @property
    def hash(self) -> bytes:
        """SHA-256 of route and body."""
        body: dict[str, object] = {
            "wishes": [wish.as_json() for wish in self.wishes],
            "payment_method": self.payment_method,
        }
        if self.codes:
            body["codes"] = sorted(code_rules.normalised(code) or code for code in self.codes)
        return hashlib.sha256(self.route.encode() + b"\n" + orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).digest()


@dataclass(frozen=True)
class Turn:
    """The place a booking is made under, and whether it may be decided now (else it waits for its number)."""

    number: int
    return_number: int | None
    admission_id: PlaceId | None
    now: bool


def accept_booking(office: BoxOffice, request: Request) -> Booking:
    """Write the booking down and wake its lane; the same key and request give the same booking.

    With an admission token it is decided at once; without one it is hands-free: it takes or keeps the buyer's number
    and waits for it. Raises NotFound, BadRequest, IdempotencyKeyReused, TicketTaken, BadAdmissionToken, AdmissionSpent,
    PlaceGivenUp, OtherDevice, BuyerLimitReached, QueueClosed, NotDrawnYet, TooManyRequests and what `codes.shown` and
    `joining.join` raise.
    """
    event = office.shows.event(request.event_id)
    check(request.wishes, request.event_id, tickets_max=event.tickets_per_buyer)
    before = _repeated(office, request)
    if before is not None:
        return before
    _check_house(office, request)
    shown = codes.shown(office, request.event_id, request.buyer_id, request.codes)
    turn = _turn(office, request, early=any(code.early_now for code in shown))
    new = _new_booking(office.config, request, turn, code_ids=tuple(code.rules.id for code in shown))
    if turn.now and turn.admission_id is not None:
        # Before the booking is there: a lane at work may decide it at once, and its word on the slot must be the last.
        undecided = SlotState(SlotKind.UNDECIDED, tokens.now_ms() + UNDECIDED_MS)
        _follow(office, request.event_id, turn.admission_id, undecided)
    with transaction(office.engine if request.admission_token else office.hands_free_engine) as connection:
        accepted = bookings.accept(connection, new)
    if accepted.created and accepted.booking.state is BookingState.QUEUED:
        office.wakes.wake_lane(request.event_id)
    if not accepted.created:
        _answer_again(office, accepted.booking)
    return accepted.booking


def _new_booking(config: Config, request: Request, turn: Turn, *, code_ids: tuple[int, ...]) -> NewBooking:
    return NewBooking(
        id=booking_id(request.event_id, os.urandom(BOOKING_ID_RANDOM_BYTES)),
        event_id=request.event_id,
        buyer_id=request.buyer_id,
        number=turn.number,
        return_number=turn.return_number,
        state=BookingState.QUEUED if turn.now else BookingState.WAITING,
        wishes=tuple(request.wishes),
        idempotency_key=request.key,
        request_hash=request.hash,
        admission_id=turn.admission_id,
        payment_method=request.payment_method,
        address_digest=address_secret(config, request.event_id, request.address),
        code_ids=code_ids,
    )


def address_secret(config: Config, event_id: EventId, address: str) -> bytes:
    """What is kept of an address: whoever has the record and not the secret learns nothing of it, nor that the same one
    booked at another event. IPv6 counts as /64, like everywhere else.
    """
    key = tokens.derived(config.secret_keys[0][1], "tickets per address")
    said = int(event_id).to_bytes(8, "big") + address_digest(address)
    return hmac.digest(key, said, "sha256")[:ADDRESS_BYTES]


def booking_of(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> Booking:
    """The booking, from the record. Raises NotFound, also for somebody else's."""
    with reading(office.engine) as connection:
        return of_buyer(connection, booking_id, buyer_id)


def of_buyer(connection: Connection, booking_id: BookingId, buyer_id: BuyerId) -> Booking:
    """This buyer's booking. Raises NotFound, also for somebody else's."""
    found = bookings.get(connection, booking_id)
    if found is None or found.buyer_id != buyer_id:
        raise NotFound
    return found


def pay(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId, *, payment_method: str, key: str) -> Booking:
    """Try this card: a new attempt in the record, and a wake-up. The same key is the same attempt.

    Raises NotFound, IllegalMove, HoldExpired, IdempotencyKeyReused.
    """
    booking_of(office, booking_id, buyer_id)
    cards.check_fresh(office, payment_method)
    with transaction(office.engine) as connection:
        charges.new_attempt(
            connection,
            booking_id,
            payment_method=payment_method,
            return_url=f"{office.config.public_url}/bookings/{booking_id}",
            buyer_id=buyer_id,
            key=key,
        )
    office.wakes.wake_authorise([booking_id])
    return booking_of(office, booking_id, buyer_id)


def returned(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> Booking:
    """The buyer came back from the bank (3-D Secure): wake `resume`, answer what the record says now."""
    found = booking_of(office, booking_id, buyer_id)
    if found.state is BookingState.REQUIRES_ACTION:
        office.wakes.wake_resume(booking_id)
    return found


def extend(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> Booking:
    """More time to pay, a few times (WCAG 2.2.1). Raises NotFound, IllegalMove, HoldExpired."""
    with transaction(office.engine) as connection:
        extended = holds.extend(connection, booking_id, buyer_id=buyer_id)
    found = booking_of(office, booking_id, buyer_id)
    until_ms = int(extended.hold_until.timestamp() * 1000)
    _follow_booking(office, found, SlotState(SlotKind.HOLDING, until_ms))
    return found


def cancel(office: BoxOffice, booking_id: BookingId, buyer_id: BuyerId) -> Booking:
    """Cancel before it is paid; one that is being charged is cancelled by its worker, through the provider.

    Raises NotFound, IllegalMove.
    """
    with transaction(office.engine) as connection:
        released = holds.cancel(connection, booking_id, buyer_id=buyer_id)
        if released is None:
            holds.begin_voiding(connection, booking_id, reason="cancelled")
    found = booking_of(office, booking_id, buyer_id)
    if released is None:
        office.wakes.wake_resume(booking_id)
    else:
        office.ticket_cache.clear(released.event_id, released.tickets)
        _follow_booking(office, found, _slot_after_cancelling(office, found))
    return found


def _repeated(office: BoxOffice, request: Request) -> Booking | None:
    """The booking made with this key before. Raises IdempotencyKeyReused when it was another request."""
    with reading(office.engine) as connection:
        before = bookings.by_key(connection, request.event_id, request.buyer_id, request.key)
    if before is None:
        return None
    if before.request_hash != request.hash:
        raise IdempotencyKeyReused
    _answer_again(office, before)
    return before


def _check_house(office: BoxOffice, request: Request) -> None:
    """Sections and tickets that do not exist are refused here, politely; the lane never guesses what was meant."""
    sections = {section.id: section for section in office.shows.event(request.event_id).sections}
    last = sum(section.capacity for section in office.shows.event(request.event_id).sections)
    for number, wish in enumerate(request.wishes):
        if wish.section_id is not None and wish.section_id not in sections:
            raise BadRequest("There is no such section.", field=f"wishes.{number}.section_id")
        # Ordinals count up from 1 over the whole house.
        if any(not 0 < ticket & TICKETS_PER_EVENT_MAX <= last for ticket in wish.tickets):
            raise NotFound("There is no such ticket.", field=f"wishes.{number}.tickets")
        if wish.section_id is not None:
            _check_tiers(wish, [sections[wish.section_id]])
        elif any(wish.tiers):
            _check_tiers(wish, list(sections.values()))


def _check_tiers(wish: Wish, sections: Sequence[Section]) -> None:
    """Whether one of these sections sells what a wish asks for. Raises what `choices` raises."""
    refused: OnsaleError | None = None
    for section in sections:
        tiers = tuple(Tier(*tier[:3]) for tier in section.tiers)
        try:
            choices(wish.tiers, [(section.price_minor, tiers)] * wish.size)
        except (NoSuchTier, TierLimitReached) as error:
            refused = refused or error
        else:
            return
    if refused is not None:
        raise refused


def _turn(office: BoxOffice, request: Request, *, early: bool) -> Turn:
    """Under which place the booking is made; `early`: a code lets it be decided before the opening, past the queue."""
    rules = office.statuses.of(request.event_id).rules
    if rules.phase is Phase.CLOSED:
        raise QueueClosed
    if request.admission_token:
        admission = office.tokens.verify_admission(
            request.admission_token,
            event_id=request.event_id,
            buyer_id=request.buyer_id,
            now_ms=tokens.now_ms(),
            device=request.device,
        )
        newcomers.refuse_revoked(office, request.event_id, joined_as(rules.draw, admission.number))
        turns.refuse_ended(office, admission, rules.draw, device=request.device)
        _check_taken(office, request)
        return Turn(admission.number, admission.return_number, admission.admission_id, now=True)
    if request.payment_method is not None:
        cards.check_saved(office, request.buyer_id, request.payment_method)
    joined = _join(office, request, rules, early=early)
    if not rules.enabled:
        return Turn(joined.number, None, None, now=True)
    # After joining: whoever is told to come back later has a number already.
    limits.hands_free(request.event_id, rules.handsfree_per_minute)
    if early:
        return Turn(joined.number, None, None, now=True)
    if joined.pre_queue_number is not None:
        # A place that moved before the draw: its device goes on with the drawn number once somebody looks.
        office.store.place_of(request.event_id, request.buyer_id)
    try:
        place = office.store.stay(request.event_id, joined.number, device=request.device)
    except AdmissionSpent as error:
        place_id = office.store.place_at(request.event_id, number_place(joined.number)).admission_id
        raise turns.why_used(office, request.event_id, place_id) from error
    waits = place.standing in (Standing.AHEAD, Standing.PASSED)
    return Turn(place.number, place.return_number, place.admission_id, now=not waits)


def _join(office: BoxOffice, request: Request, rules: QueueRules, *, early: bool) -> Joined:
    """The buyer's number, under which a booking without an admission is made."""
    proven = joining.proven_number(office, request.event_id, request.buyer_id, request.queue_token)
    guarded = office.guards.of(request.event_id)
    # Where nobody queues nobody is kept out. Else a hands-free booking is no way around what others are asked.
    if rules.enabled and guarded.settings.device_required and request.device == NO_DEVICE:
        raise DeviceNeeded
    # With a code there is no place that could have been taken before.
    if rules.enabled and guarded.asks_newcomers and proven is None and not early:
        newcomers.check(
            office, request.event_id, request.buyer_id, guarded=guarded, address=request.address, solution=None
        )
    joined = office.store.join(request.event_id, request.buyer_id, address=request.address, proven=proven, early=early)
    newcomers.refuse_revoked(office, request.event_id, joined.token_number)
    if joined.in_draw:
        # Its place in line is not known yet, not even with a code; and a booking keeps the number it was made under.
        raise NotDrawnYet
    return joined


def _check_taken(office: BoxOffice, request: Request) -> None:
    """The copy may refuse a buyer who is there to choose again; where another wish could be met only the lane knows."""
    only = request.wishes[0]
    if len(request.wishes) == 1 and not only.or_similar and only.tickets and office.ticket_cache.taken(only.tickets):
        raise TicketTaken


def _answer_again(office: BoxOffice, booking: Booking) -> None:
    """Who repeats a request was perhaps never answered: the promise is made now, and the lane perhaps not awake."""
    make_sure(office.engine)
    if booking.state is BookingState.QUEUED:
        office.wakes.wake_lane(booking.event_id)


def _follow(office: BoxOffice, event_id: EventId, place: PlaceId, slot: SlotState) -> None:
    """Let a slot follow its booking. The record has it: should Redis be away, the sweep tells it again."""
    try:
        office.store.follow(event_id, {place: slot})
    except OnsaleError as error:
        log.warning("slot_not_followed", event_id=event_id, place=place, why=type(error).__name__)


def _follow_booking(office: BoxOffice, booking: Booking, slot: SlotState) -> None:
    if booking.admission_id is not None:
        _follow(office, booking.event_id, PlaceId(booking.admission_id), slot)


def _slot_after_cancelling(office: BoxOffice, booking: Booking) -> SlotState:
    """Who was in and got no hold may choose again. A hold spent the turn; who is still waiting goes on waiting."""
    known = office.statuses.known(booking.event_id)
    if booking.hold_version is None and booking.queued_at is not None and known is not None:
        return SlotState(SlotKind.CHOOSING, tokens.now_ms() + known.rules.choose_seconds * 1000)
    return SlotState(SlotKind.LAPSED)


def is_settled(booking: Booking) -> bool:
    """Whether nothing more happens by itself: it has ended, or waits for its buyer."""
    return booking.state not in UNDECIDED | {
        BookingState.AUTHORISING,
        BookingState.AUTHORISED,
        BookingState.COMMITTED,
        BookingState.REFUNDING,
    }
