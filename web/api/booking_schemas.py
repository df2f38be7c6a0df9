"""What the API tells of a booking: its tickets, its bill, its way so far, its card and what was given back."""

from __future__ import annotations

from uuid import UUID

from onsale.db.code_rules import CodeKind
from onsale.db.states import BookingState
from onsale.web.api.contract import Told
from onsale.web.api.documents import Moment
from onsale.web.timeline import Standing


class BookedTicketDocument(Told):
    """A ticket of a booking at the price of the hold; `total_minor` is what it adds to the booking.

    `tier`: what it was sold as, null where its section had one price.
    """

    ticket_id: int
    section: str
    row: str | None
    seat: str | None
    tier: str | None
    price_minor: int
    fees_minor: int
    taxes_minor: int
    total_minor: int


class MoveDocument(Told):
    """One line of a booking's history."""

    state: BookingState
    at: Moment
    reason: str | None


class StepDocument(Told):
    """One step of a booking's way, in words for its buyer; `at` is null while it is `ahead`.

    `step` is the state it leads to, `declined` (the hold goes on), or `released` (a payment that is being let go).
    """

    step: str
    words: str
    standing: Standing
    at: Moment | None


class RefusedCardDocument(Told):
    """A card that was not taken, and why."""

    attempt: int
    decline_code: str | None
    message: str | None


class PaymentDocument(Told):
    """The card that counts, mostly the newest: what came of it, and where to confirm it when the bank asks.

    `refused`: another card that was tried since, and not taken; the bank still asks about this one.
    """

    attempt: int
    outcome: str
    decline_code: str | None
    message: str | None
    next_action_url: str | None
    refused: RefusedCardDocument | None


class UsedCodeDocument(Told):
    """A code that the hold used, and what it took off the tickets' prices, which are told without it."""

    code: str
    kind: CodeKind
    discount_minor: int


class RefundOfferDocument(Told):
    """What cancelling a paid booking now gives back, what the organiser keeps of its price, and until when."""

    amount_minor: int
    kept_minor: int
    until: Moment


class RefundDocument(Told):
    """Money given back for some tickets: `requested`, `sent`, `succeeded`, or `failed` and tried again by itself.

    `paid_elsewhere` and `paid_note`: it succeeded, and the money went back without us: `outside` the payment provider,
    by hand at the `provider`, or in a `dispute` with the buyer's bank.
    """

    id: UUID
    state: str
    reason: str
    tickets: int
    amount_minor: int
    kept_minor: int
    currency: str
    requested_at: Moment
    ended_at: Moment | None
    paid_elsewhere: str | None
    paid_note: str | None


class BookingDocument(Told):
    """A booking and all that became of it; `settled` means that nothing more happens by itself.

    `amount_minor`, what is charged in all, is `tickets_minor` and `fees_minor` together, with `taxes_minor` added
    unless `taxes_included`. All are null until tickets are held.
    Poll `url` every `poll_seconds` until it is settled, held, or wants the buyer's bank.
    """

    id: UUID
    event_id: int
    state: BookingState
    settled: bool
    version: int
    number: int
    return_number: int | None
    tickets_wanted: int
    tickets: list[BookedTicketDocument]
    amount_minor: int | None
    tickets_minor: int | None
    fees_minor: int | None
    taxes_minor: int | None
    taxes_included: bool
    codes: list[UsedCodeDocument]
    currency: str
    hold_until: Moment | None
    extensions_left: int
    # A card is known and will be charged without the buyer.
    hands_free: bool
    # The buyer cancelled, or the deadline passed, while a card was being charged: it ends through the provider.
    cancelling: bool
    reason: str | None
    payment: PaymentDocument | None
    # Null where the organiser's rules do not let the buyer cancel what is paid.
    refund_offer: RefundOfferDocument | None
    refunds: list[RefundDocument]
    created_at: Moment
    queued_at: Moment | None
    decided_at: Moment | None
    ended_at: Moment | None
    history: list[MoveDocument]
    timeline: list[StepDocument]
    poll_seconds: float
    url: str


class BookingsDocument(Told):
    """This buyer's bookings, newest first; `next_before` asks for the next page and is null on the last."""

    bookings: list[BookingDocument]
    next_before: Moment | None
