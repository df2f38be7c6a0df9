"""Everything that happened to a booking and why, in sentences: for who answers buyers' questions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from sqlalchemy import Connection

from onsale.db import bookings, letters, payments, queue_ways, refunds, sale_log
from onsale.db.allocation import Refusal
from onsale.db.bookings import Booking, Move
from onsale.db.code_rules import CodeRefusal
from onsale.db.letters import Letter, LetterState
from onsale.db.payments import Attempt, AttemptOutcome
from onsale.db.queue_ways import InTheWay, QueueWay
from onsale.db.refunds import Refund, RefundState
from onsale.db.states import BookingState as S
from onsale.web.pages.words import money

LOG_LINES_MAX = 1_000


@dataclass(frozen=True, slots=True)
class Sentence:
    """What happened, and when."""

    at: datetime
    words: str


@dataclass(frozen=True)
class Story:
    """All that is on record of a booking."""

    booking: Booking
    way: QueueWay
    moves: Sequence[Move]
    attempts: Sequence[Attempt] = ()
    refunds: Sequence[Refund] = ()
    letters: Sequence[Letter] = ()
    in_the_way: Sequence[InTheWay] = ()
    log: Sequence[sale_log.Line] = ()


def story_of(connection: Connection, booking: Booking) -> Story:
    """Read it."""
    way = queue_ways.of(
        connection, booking.event_id, booking.buyer_id, number=booking.number, return_number=booking.return_number
    )
    return Story(
        booking=booking,
        way=way,
        moves=bookings.history(connection, booking.id),
        attempts=payments.attempts(connection, booking.id),
        refunds=refunds.of_booking(connection, booking.id),
        letters=letters.of_booking(connection, booking.id),
        in_the_way=queue_ways.in_the_way(connection, booking),
        log=sale_log.about(connection, booking.event_id, str(booking.id), limit=LOG_LINES_MAX),
    )


def sentences(story: Story) -> list[Sentence]:
    """What happened, oldest first."""
    told = [*_queue(story), *(_move(story, move) for move in story.moves)]
    told += [_attempt(story, one) for one in story.attempts]
    for refund in story.refunds:
        told += _refund(story, refund)
    told += [Sentence(letter.updated_at, _letter(letter)) for letter in story.letters]
    told += [
        Sentence(line.at, f"The sale log says {line.kind.replace('_', ' ')}: {dict(line.body)}.") for line in story.log
    ]
    # What a bank says of a card ends in its own full stop.
    once = (replace(each, words=f"{each.words.rstrip('.')}.") for each in told)
    return sorted(once, key=lambda each: each.at)


def _queue(story: Story) -> list[Sentence]:
    way, told = story.way, []
    if way.joined_at:
        number = way.pre_queue_number or way.number
        told.append(Sentence(way.joined_at, f"Joined the queue and got number {number:,}."))
    if way.drawn_at:
        told.append(Sentence(way.drawn_at, f"The numbers were drawn: theirs became {way.number:,}."))
    if way.passed_at:
        words = "The number was called and gave no sign of life: it was passed over, its place kept."
        back = f" Coming back gave return number {way.return_number:,}." if way.return_number else ""
        told.append(Sentence(way.passed_at, words + back))
    if way.admitted_at:
        told.append(Sentence(way.admitted_at, f"Let in, by run {way.run:,} of the queue."))
    return told


def _move(story: Story, move: Move) -> Sentence:
    booking, state, reason = story.booking, move.to_state, move.reason or ""
    if state is S.WAITING:
        words = (
            f"Booked hands-free, {booking.tickets_wanted} wanted: it waits until number {booking.number:,} is let in."
        )
    elif state is S.QUEUED and move.from_state is not S.WAITING:
        words = f"Booked, {booking.tickets_wanted} wanted: the booking is in line to be decided."
    elif state is S.HELD:
        words = _held(booking, move)
    elif state is S.UNAVAILABLE:
        words = f"Refused: {_refusal(story, reason)}"
    elif state is S.CONFIRMED and move.from_state is S.REFUNDING:
        words = "What was to be given back is settled; the booking stands."
    elif state is S.CONFIRMED and not booking.amount_minor:
        words = "Confirmed; there was nothing to pay."
    else:
        words = STATES[state].format(reason=REASONS.get(reason, reason or "no reason on record"))
    return Sentence(move.at, words)


def _held(booking: Booking, move: Move) -> str:
    if move.from_state is not S.QUEUED:
        return "The card was not taken; the tickets stay held for another one."
    price = money(booking.amount_minor or 0, booking.currency)
    return f"Its turn in the line: tickets held, {price} in all, version {move.version} of the booking."


def _refusal(story: Story, reason: str) -> str:
    taken = "; ".join(
        f"ticket {one.ticket_id} was number {one.number:,}'s from {one.taken_at:%H:%M:%S}"
        + (f" until {one.released_at:%H:%M:%S}" if one.released_at else " on")
        for one in story.in_the_way
    )
    said = REFUSALS.get(reason, reason or "no reason on record")
    return f"{said}{f' ({taken})' if taken else ''}."


def _attempt(story: Story, one: Attempt) -> Sentence:
    said = {
        AttemptOutcome.PENDING: "the bank's answer is awaited",
        AttemptOutcome.REQUIRES_ACTION: "the bank asked its owner to confirm",
        AttemptOutcome.DECLINED: f"declined, {one.decline_code or 'no code'}: {one.message or 'no word from the bank'}",
        AttemptOutcome.AUTHORISED: "taken",
        AttemptOutcome.ABANDONED: "given up and not charged: another one was asked, or answered first",
    }[one.outcome]
    return Sentence(_given_at(story, one), f"Card {one.attempt}: {said}.")


def _given_at(story: Story, one: Attempt) -> datetime:
    """When it was tried: told after the move that says so, which is written a moment later than the card."""
    until = [each.created_at for each in story.attempts if each.attempt > one.attempt]
    moves = [move.at for move in story.moves if move.to_state is S.AUTHORISING and move.at >= one.created_at]
    found = min(moves, default=one.created_at)
    return one.created_at if until and found > min(until) else found


def _refund(story: Story, refund: Refund) -> list[Sentence]:
    amount = money(refund.amount_minor, refund.currency)
    kept = f", {money(refund.kept_minor, refund.currency)} kept by the organiser" if refund.kept_minor else ""
    asked = (
        f"{amount} is to be given back{kept} ({REASONS.get(refund.reason, refund.reason)}, asked by {refund.asked_by})."
    )
    told = [Sentence(refund.requested_at, asked)]
    if refund.ended_at and refund.paid_elsewhere:
        how = f"{amount} was paid back in another way: {refund.paid_note} (said by {refund.paid_by})."
        told.append(Sentence(refund.ended_at, how))
    elif refund.ended_at and refund.state is RefundState.SUCCEEDED:
        told.append(Sentence(refund.ended_at, f"{amount} was given back; banks take days to show it."))
    elif refund.state is RefundState.FAILED:
        # A bank may send money back long after it took it: then this is the last that is known.
        last = max((move.at for move in story.moves), default=refund.requested_at)
        told.append(Sentence(max(last, refund.requested_at), f"The bank refuses the refund: {refund.why}."))
    return told


def _letter(letter: Letter) -> str:
    what = LETTERS.get(letter.kind.value, letter.kind.value)
    said = {
        LetterState.WAITING: "is to be sent",
        LetterState.SENDING: "is being sent",
        LetterState.SENT: "was sent",
        LetterState.UNCLEAR: "may have been sent; see `onsale mail`",
        LetterState.FAILED: "could not be sent; see `onsale mail`",
        LetterState.DROPPED: "was dropped: what it would say was no longer so",
    }[letter.state]
    return f"The letter {what} {said}."


STATES = {
    S.QUEUED: "Its number was let in: the booking is in line to be decided.",
    S.AUTHORISING: "A card was given; the bank is asked.",
    S.REQUIRES_ACTION: "The bank wants the buyer to confirm (3-D Secure).",
    S.AUTHORISED: "The bank reserved the money.",
    S.COMMITTED: "The tickets were sold to this booking.",
    S.CONFIRMED: "The money was taken.",
    S.REFUNDING: "Tickets were given back ({reason}).",
    S.REFUNDED: "All of it is given back.",
    S.SOLD_OUT: "Refused: nothing was free any more when its turn came.",
    S.PAYMENT_FAILED: "Ended without a payment ({reason}).",
    S.EXPIRED: "Not paid in time; the tickets went back on sale ({reason}).",
    S.CANCELLED: "Cancelled ({reason}).",
    S.FAILED: "It made the lane fail and was ended alone, with an alarm; this is a bug of ours.",
}
REFUSALS: dict[str, str] = {
    Refusal.TAKEN: "the seats asked for were others'",
    Refusal.NONE_FREE: "nothing that was asked for was free together",
    Refusal.NO_SUCH_TICKET: "there is no such ticket",
    Refusal.BUYER_LIMIT: "with what this buyer has already it would be more than one may have",
    Refusal.PRICE_CHANGED: "the price was higher than what the buyer was shown",
    Refusal.NO_SUCH_TIER: "tickets of that kind are not sold there",
    Refusal.TIER_LIMIT: "one booking may not have so many of one kind of ticket",
    Refusal.ADDRESS_LIMIT: "with what was booked from its network address it would be more than one may have",
    Refusal.TOTAL_TOO_SMALL: "all of it came to less than the payment provider takes",
    Refusal.TOTAL_TOO_LARGE: "all of it came to more than the payment provider takes at once",
    CodeRefusal.USED: "its code was used up",
    CodeRefusal.OFF: "its code was switched off",
    CodeRefusal.NOT_FOR_TICKETS: "its code is not for these tickets",
    CodeRefusal.NEEDED: "these tickets are sold only with a code",
}
REASONS = {
    "buyer": "by its buyer",
    "cancelled": "by its buyer",
    "deadline": "the time was over",
    "buyer_cancelled": "by its buyer",
    "organiser": "by the organiser",
    "event_cancelled": "the event was cancelled",
    "expired": "the time was over",
    "card_limit": "its card may not pay for so many",
    "payment_cancelled": "the payment was cancelled at the bank",
    "hold_lost": "the hold had ended",
    "closed": "the sale was closed",
}
LETTERS = {
    "needs_buyer": "that asks to pay",
    "tickets": "with the tickets",
    "event_cancelled": "about the cancelled event",
    "refunded": "about the refund",
}
