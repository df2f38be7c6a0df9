"""What a history may do: each step's effect foretold, and what holds after every step, whatever was done.

The model knows the rules and nothing of SQL. What a payment worker does is foretold by what it may do, not step by
step: how far it gets depends on the bank.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from uuid import UUID

from onsale.db.allocation import Decision, Outcome, Request
from onsale.db.charges import ATTEMPTS_MAX
from onsale.db.holds import EXTENSIONS_MAX
from onsale.db.ids import BookingId, TicketId
from onsale.db.states import ENDED, HOLDING, LEGAL_MOVES, NEW, SOLD, UNDECIDED, BookingState
from onsale.db.wishes import Wish
from onsale.payments.provider import Intent, IntentStatus
from tests.histories.bank import SLOW, Bank
from tests.histories.seen import Seen, SeenBooking

S = BookingState
WITHOUT_TICKETS = ENDED - {S.CONFIRMED, S.REFUNDED}
# Model time and the record's differ by what the history took to run.
SLACK_SECONDS = 25.0


@dataclass
class Made:
    """A booking as the model knows it. `deadline` in model seconds; `cards` are (card, key)."""

    id: BookingId
    buyer: UUID
    key: str
    number: int
    admission: str
    wish: Wish
    state: BookingState
    tickets: frozenset[TicketId] = frozenset()
    deadline: float | None = None
    voiding: bool = False
    extensions: int = 0
    cards: list[tuple[str, str]] = field(default_factory=list)
    saved: str | None = None
    ever_held: bool = False
    gave_up: bool = False

    @property
    def live(self) -> bool:
        return self.state in HOLDING | SOLD


class Wrong(AssertionError):
    """The record is not what the rules say."""


def check(true: bool, what: str, *about: object) -> None:
    if not true:
        raise Wrong(" ".join(map(str, (what, *about))))


@dataclass
class Model:
    """A sale by the rules. Times are seconds since its start."""

    seats: tuple[TicketId, ...]
    limit: int
    pay_seconds: float
    now: float = 0.0
    made: dict[BookingId, Made] = field(default_factory=dict)

    # What may be asked, and what comes of it.

    def refusal(self, buyer: UUID, wish: Wish, admission: str) -> str:
        """Why a request is refused; empty when it is accepted."""
        for one in self.made.values():
            if one.admission == admission and (one.ever_held or one.state in UNDECIDED):
                return "AdmissionSpent"
        return "BuyerLimitReached" if self.counted(buyer) + wish.size > self.limit else ""

    def counted(self, buyer: UUID) -> int:
        """What counts against the limit: what was asked for until it is decided, then what was given."""
        mine = [one for one in self.made.values() if one.buyer == buyer]
        return sum(one.wish.size if one.state in UNDECIDED else len(one.tickets) if one.live else 0 for one in mine)

    def owned(self) -> frozenset[TicketId]:
        return frozenset().union(*(one.tickets for one in self.made.values() if one.live))

    def next_batch(self, size: int) -> list[Made]:
        queued = [one for one in self.made.values() if one.state is S.QUEUED]
        return sorted(queued, key=lambda one: one.number)[:size]

    def check_decisions(self, requests: Sequence[Request], decisions: Sequence[Decision]) -> None:
        """Each decision against a search of every seat: what can be met is, in order, with what is free and no more."""
        gone, given = set(self.owned()), Counter[UUID]()
        for request, decision in zip(requests, decisions, strict=True):
            (wish,) = request.wishes
            tickets = {ticket.ticket_id for ticket in decision.tickets}
            held = sum(len(one.tickets) for one in self.made.values() if one.live and one.buyer == request.buyer_id)
            allowed = held + given[request.buyer_id] + wish.size <= self.limit
            can = allowed and any(not block & gone for block in self._blocks(wish))
            check((decision.outcome is Outcome.HELD) == can, "a wish that can be met is, another is not:", wish)
            check(not can or frozenset(tickets) in self._blocks(wish), "what was given is not what was wished:", wish)
            check(not tickets & gone, "a ticket that is taken was given")
            gone |= tickets
            given[request.buyer_id] += len(tickets)

    def _blocks(self, wish: Wish) -> list[frozenset[TicketId]]:
        if wish.tickets:
            return [frozenset(wish.tickets)]
        starts = range(len(self.seats) - wish.quantity + 1)
        return [frozenset(self.seats[start : start + wish.quantity]) for start in starts]

    def is_stale(self, decisions: Sequence[Decision]) -> bool:
        """Whether something changed under a batch since it was decided."""
        gone = {one.id for one in self.made.values() if one.state is not S.QUEUED}
        taken = self.owned()
        return any(
            decision.booking_id in gone or any(ticket.ticket_id in taken for ticket in decision.tickets)
            for decision in decisions
        )

    def decided(self, decisions: Sequence[Decision], *, all_sold: bool) -> None:
        for decision in decisions:
            one = self.made[decision.booking_id]
            if decision.outcome is Outcome.HELD:
                one.state, one.ever_held, one.deadline = S.HELD, True, self.now + self.pay_seconds
                one.tickets = frozenset(ticket.ticket_id for ticket in decision.tickets)
            else:
                refused_for_want = decision.reason in ("taken", "none_free")
                one.state = S.SOLD_OUT if all_sold and refused_for_want else S.UNAVAILABLE

    def turn_comes(self, serving: int) -> None:
        for one in self.made.values():
            if one.state is S.WAITING and one.number <= serving:
                one.state = S.QUEUED

    def may_pay(self, one: Made) -> bool:
        open_ = one.state in (S.HELD, S.REQUIRES_ACTION) and not one.voiding
        return open_ and not self.over(one) and len(one.cards) < ATTEMPTS_MAX

    def paid(self, one: Made, card: str, key: str) -> None:
        one.state = S.AUTHORISING
        one.deadline = max(one.deadline or 0.0, self.now + self.pay_seconds)
        one.cards.append((card, key))

    def may_extend(self, one: Made) -> bool:
        paying = one.state in (S.HELD, S.AUTHORISING, S.REQUIRES_ACTION) and not one.voiding
        return paying and not self.over(one) and one.extensions < EXTENSIONS_MAX

    def extended(self, one: Made) -> None:
        one.deadline = max(one.deadline or 0.0, self.now + self.pay_seconds)
        one.extensions += 1

    def may_cancel(self, one: Made) -> bool:
        return one.state in UNDECIDED | HOLDING | {S.CANCELLED}

    def cancelled(self, one: Made) -> None:
        one.gave_up = True
        if one.state in UNDECIDED | {S.HELD} and not one.voiding:
            one.state = S.CANCELLED
        elif one.state in HOLDING:
            one.voiding = True

    def over(self, one: Made) -> bool:
        return one.deadline is not None and one.deadline < self.now

    def expired(self) -> None:
        """The sweeper came: what nobody pays for and is over its time has ended."""
        for one in self.made.values():
            if one.state is S.HELD and not one.voiding and self.over(one):
                one.state = S.EXPIRED

    # What must hold.

    def compare(self, seen: Seen) -> None:
        """The record is what was foretold."""
        check(set(seen.bookings) == set(self.made), "the record has other bookings")
        for one in self.made.values():
            found = seen.bookings[one.id]
            check(found.state is one.state, "a booking is", found.state, "and should be", one.state)
            check(found.voiding == one.voiding, "a booking is marked wrongly in", one.state)
            check(found.extensions == one.extensions, "extensions")
            check([card for card, _ in found.attempts] == [card for card, _ in one.cards], "other cards were tried")
            if one.live:
                check(set(found.tickets) == one.tickets, "a booking has other tickets", found.tickets)
            if one.state in HOLDING:
                assert one.deadline is not None
                left = found.left_seconds or 0.0
                check(abs(left - (one.deadline - self.now)) < SLACK_SECONDS, "a hold has another deadline", left)

    def adopt(self, seen: Seen, bank: Bank, *, newest_seen: dict[BookingId, int]) -> None:
        """A payment worker, or the sweeper, was at work: what it did is allowed, and is taken over.

        `newest_seen`: of a worker that read long ago, how many cards had been tried then.
        """
        for one in self.made.values():
            found = seen.bookings[one.id]
            if one.state is S.HELD and one.saved and not one.cards and found.attempts:
                check(self.may_pay(one), "a saved card was tried too late")
                self.paid(one, one.saved, "")
            if (found.state, found.voiding) != (one.state, one.voiding):
                cards = newest_seen.get(one.id, len(one.cards))
                self._check_move(one, found, bank.of_booking(one.id), is_newest=cards == len(one.cards))
                one.state, one.voiding = found.state, found.voiding
                if self._was_waited_for(one, found):
                    one.deadline = self.now + self.pay_seconds

    def _was_waited_for(self, one: Made, found: SeenBooking) -> bool:
        """A card whose answer came later said no: its buyer has as long for another one as everybody (decision 72)."""
        waited = one.state is S.HELD and bool(one.cards) and one.cards[-1][0] == SLOW
        return waited and abs((found.left_seconds or 0.0) - self.pay_seconds) < SLACK_SECONDS

    def _check_move(self, one: Made, found: SeenBooking, intent: Intent | None, *, is_newest: bool) -> None:
        made, status = found.state, intent.status if intent else None
        check(
            (one.state not in ENDED and one.state not in SOLD) or found.voiding == one.voiding, "marked after its end"
        )
        if made in (S.REQUIRES_ACTION, S.HELD, S.AUTHORISED) and made is not one.state:
            check(is_newest, "what came of an older card was written:", made)
            check(not one.voiding or made is S.AUTHORISED, "a voided booking went on to", made)
        if made in SOLD and one.state not in SOLD:
            check(not one.voiding, "a voided booking was sold")
            check(status in (IntentStatus.REQUIRES_CAPTURE, IntentStatus.SUCCEEDED), "sold, and the bank says", status)
        if made is S.EXPIRED:
            check(self.over(one), "a booking expired before its time")
        if made is S.CANCELLED:
            check(one.gave_up, "a booking was cancelled by nobody")
        if made is S.PAYMENT_FAILED:
            check(status is IntentStatus.CANCELED, "failed, and the bank says", status)
        if found.voiding and not one.voiding and made in HOLDING:
            check(self.over(one) or status is IntentStatus.CANCELED, "marked for nothing in", made)


def check_always(seen: Seen, bank: Bank, model: Model) -> None:
    """What holds after every step (the numbers are those of `onsale verify`)."""
    for rule in (_one_sale, _tickets_and_bookings, _money, _histories):
        for wrong in rule(seen, bank):
            raise Wrong(wrong)
    held: dict[UUID, int] = defaultdict(int)
    for one in seen.bookings.values():
        held[one.buyer] += one.taken if one.live else 0
    check(max(held.values(), default=0) <= model.limit, "I9: a buyer has more than the limit")
    keys = Counter((one.buyer, one.key) for one in seen.bookings.values())
    check(max(keys.values(), default=1) == 1, "I4: a key has two bookings")


def _one_sale(seen: Seen, _: Bank) -> Iterator[str]:
    if any(times > 1 for times in Counter(ticket for ticket, _ in seen.sales).values()):
        yield "I1: a ticket has two live sales"


def _tickets_and_bookings(seen: Seen, _: Bank) -> Iterator[str]:
    owners = {ticket: one.booking for ticket, one in seen.tickets.items() if one.state != "free"}
    if owners != dict(seen.sales):
        yield f"I1: tickets say {owners}, sales {seen.sales}"
    for booking in seen.bookings.values():
        if len(booking.tickets) != (booking.taken if booking.live else 0):
            yield f"I7: a booking is {booking.state} and has {len(booking.tickets)} tickets of {booking.taken}"
        if booking.live and booking.price_minor != booking.amount_minor:
            yield "I8: a booking's amount is not what its tickets cost at the hold"
        for ticket in booking.tickets:
            state, until = seen.tickets[ticket].state, seen.tickets[ticket].left_seconds
            if (state == "sold") != (booking.state in SOLD):
                yield f"I7: a ticket is {state}, its booking {booking.state}"
            if state == "held" and abs((until or 0.0) - (booking.left_seconds or 0.0)) > 1.0:
                yield "I7: a ticket has another deadline than its booking"


def _money(seen: Seen, bank: Bank) -> Iterator[str]:
    for booking in seen.bookings.values():
        intent = bank.of_booking(booking.id)
        status = intent.status if intent else None
        if len(booking.captures) != (booking.state is S.CONFIRMED):
            yield f"I2: {len(booking.captures)} captures of a booking that is {booking.state}"
        if booking.state in SOLD and status not in (IntentStatus.REQUIRES_CAPTURE, IntentStatus.SUCCEEDED):
            yield f"I2: tickets are sold and the bank says {status}"
        if status is IntentStatus.SUCCEEDED and booking.state not in SOLD:
            yield f"I2: the money is taken and the booking is {booking.state}"
        for number, (card, outcome) in enumerate(booking.attempts, start=1):
            if outcome == "declined" and f"{booking.id}-{number}" not in bank.asked:
                yield f"I2: card {number} ({card}) is declined, and the bank was never asked about it"


def _histories(seen: Seen, _: Bank) -> Iterator[str]:
    for booking in seen.bookings.values():
        before = NEW
        for move in booking.moves:
            if move[0] != before:
                yield f"I12: a history goes from {before} on with {move}"
            if move[0] != NEW and BookingState(move[1]) not in LEGAL_MOVES[BookingState(move[0])]:
                yield f"I12: no booking may move so: {move}"
            before = move[1]
        if booking.version != len(booking.moves):
            yield f"I12: version {booking.version} after {len(booking.moves)} moves"
        if before != booking.state:
            yield f"I12: a history ends with {before}, its booking is {booking.state}"


def check_over(seen: Seen, bank: Bank) -> None:
    """Everything was given its time: each booking has ended, and nobody's money is held or taken for nothing."""
    for booking in seen.bookings.values():
        check(booking.state in ENDED, "I3: a booking does not end:", booking.state, booking.voiding)
        intent = bank.of_booking(booking.id)
        if booking.state is S.CONFIRMED:
            check(intent is not None and intent.captured_minor == booking.amount_minor, "I2: another amount was taken")
        elif intent is not None and booking.settled is None:
            # Its id was lost with the answer, so nobody can have confirmed it: it is no more than a form.
            check(
                intent.status is IntentStatus.REQUIRES_PAYMENT_METHOD, "I2: nobody knows of a payment that is", intent
            )
        elif intent is not None:
            check(intent.canceled, "I2: a booking ended without tickets and its payment is", intent.status)
            check(booking.settled is True, "I2: a payment that is over is still open in the record")
