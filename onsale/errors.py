"""Every error a buyer, an admin or an operator can meet; each says what to do about it.

`web/problems.py` maps each class to an HTTP status in one table; its docstring is the problem's title.
"""

from __future__ import annotations

import re


class OnsaleError(Exception):
    """Something went wrong. Try again."""

    def __init__(self, detail: str = "", *, field: str | None = None, retry_after_seconds: int | None = None) -> None:
        super().__init__(detail or (self.__doc__ or "").strip().splitlines()[0])
        self.field = field
        self.retry_after_seconds = retry_after_seconds


def slug_of(kind: type[OnsaleError]) -> str:
    """`TicketTaken` is `ticket-taken`: stable, part of the API."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", "-", kind.__name__).lower()


class ConfigError(OnsaleError):
    """A setting is missing or wrong. Mend the variable it names and start again."""


# Who is asking.


class NotSignedIn(OnsaleError):
    """Sign in, or ask for a guest token, and send it as `Authorization: Bearer`."""


class WrongCredentials(OnsaleError):
    """The e-mail or the password is wrong."""


class EmailTaken(OnsaleError):
    """This e-mail has an account already. Sign in instead."""


class NotAllowed(OnsaleError):
    """Your role does not allow this."""


class NotFound(OnsaleError):
    """There is nothing here, or it is not yours."""


class TooManyRequests(OnsaleError):
    """Slow down and try again after the time given."""


class BadRequest(OnsaleError):
    """The request does not fit; the field is named."""


# The queue.


class NotOpenYet(OnsaleError):
    """The queue has not opened yet. Come back at the time given."""


class QueueClosed(OnsaleError):
    """The sale has ended."""


class QueueRecovering(OnsaleError):
    """The queue is being restored. Your place is safe; try again in a moment."""


class NumbersExhausted(OnsaleError):
    """More numbers are being reserved. Try again in a moment."""


class AddressLimitReached(OnsaleError):
    """Too many places were taken from this network address."""


class NotInQueue(OnsaleError):
    """Join the queue first."""


class NotYourTurn(OnsaleError):
    """Your number has not been admitted yet. Keep waiting; the queue status says how far it is."""


class NotDrawnYet(OnsaleError):
    """Your number is still to be drawn. Nothing can be booked yet, with a code neither: come back at the opening."""


class TurnLapsed(OnsaleError):
    """Your turn came and went. Ask for a return number; you keep your place near the front."""


class OtherDevice(OnsaleError):
    """The turn of this place is taken on another device. Go on there, or move the place to this one."""


class MoveCodeGone(OnsaleError):
    """This code is not known: mistyped, used, or older than five minutes. Ask the other device for a new one."""


class WorkNeeded(OnsaleError):
    """This event asks newcomers for a computation first. Ask for a challenge, solve it, and join with the solution."""


class BlockTooWide(OnsaleError):
    """This block of addresses is too wide: a whole country may be behind it. Give a smaller one."""


class DeviceNeeded(OnsaleError):
    """This event lets in only clients that name their device. Send the header Device."""


class PlaceRevoked(OnsaleError):
    """The organiser has taken this place out of the queue. If that is a mistake, write to the contact given."""


class PlaceHandedOver(OnsaleError):
    """This place went along to the account you signed in to. Sign in to it, or join anew without this queue token."""


class PlaceGivenUp(OnsaleError):
    """You have left the queue, and nothing was booked with this turn: it has ended. Leaving is for good."""


class BadQueueToken(OnsaleError):
    """This queue token is not valid for this event and buyer."""


class BadAdmissionToken(OnsaleError):
    """This admission token is not valid for this event and buyer, or has expired. Enter again."""


# Booking.


class TicketTaken(OnsaleError):
    """Someone else holds this ticket. Choose another."""


class SellingStopped(OnsaleError):
    """The organiser has stopped selling for now. Your place is kept."""


class AdmissionSpent(OnsaleError):
    """This admission already has a booking. Finish or cancel that one."""


class BuyerLimitReached(OnsaleError):
    """This booking would pass the limit of tickets per buyer."""


class NoSuchTier(OnsaleError):
    """This section does not sell tickets of that kind. Look at its prices and choose again."""


class TierLimitReached(OnsaleError):
    """One booking may not have so many tickets of that kind. Take fewer of them."""


class IdempotencyKeyReused(OnsaleError):
    """This Idempotency-Key was used with another request. Send a new key."""


class IllegalMove(OnsaleError):
    """As things stand this cannot be done. Look again."""


class HoldExpired(OnsaleError):
    """The time to pay has passed and the tickets are free for others. You were not charged."""


# Being told later.


class WaitingListClosed(OnsaleError):
    """There is no waiting list for this show now. Join the queue, or look again when it is sold out."""


class HasTicketsAlready(OnsaleError):
    """You have a booking for this show. The waiting list is for people who have none."""


class AccountNeeded(OnsaleError):
    """Letters go to an account's address only. Make an account, or sign in, then ask again."""


class TooManyReminders(OnsaleError):
    """You have asked to be reminded of many shows already. Take one back first."""


class ReminderTooLate(OnsaleError):
    """It is too late for this letter: the sale has opened, or your turn has come."""


class TiersUnfit(OnsaleError):
    """A section's price tiers want a name each, and no two of them the same."""


class PriceUnpayable(OnsaleError):
    """At this price a ticket could be held and never paid: no bank takes the amount. Set another price, or nothing."""


# Codes.


class CodeUnknown(OnsaleError):
    """This event has no such code. Check it letter by letter."""


class CodeNotYet(OnsaleError):
    """This code is not valid yet."""


class CodeOver(OnsaleError):
    """This code is not valid any more. Leave it out."""


class CodeUsed(OnsaleError):
    """This code is used up. Leave it out."""


class WeightNotCounted(OnsaleError):
    """This code counts when you join a draw with it, before the entries close. Join without it, or keep your place."""


class CodesDoNotStack(OnsaleError):
    """These codes cannot be used together. Leave one of them out."""


class CodeUnfit(OnsaleError):
    """What this code is to be does not fit together; the field is named."""


class CodeExists(OnsaleError):
    """The event has this code already. Choose another."""


# Giving back.


class CancellationClosed(OnsaleError):
    """The organiser's rules do not let you cancel this booking, or not any more. Ask the organiser."""


class TicketCheckedIn(OnsaleError):
    """Somebody was let in with this ticket. It cannot be given back any more."""


class PaymentDisputed(OnsaleError):
    """The buyer's bank was asked for this money and decides who gets it. Until then nothing can be given back here."""


class RefundChanged(OnsaleError):
    """What you would get back has changed. Look at it again, then decide."""


# Paying.


class NothingToReport(OnsaleError):
    """Nothing of this sale has been chained yet. A worker of `sweeps` does that every two seconds; try again."""


class ReportKeyMissing(OnsaleError):
    """No key is set to sign reports with. Make one with `onsale report-key --new` and set ONSALE_REPORT_KEY."""


class ProviderUnavailable(OnsaleError):
    """The payment provider did not answer. Nothing is lost; it is tried again."""


class PaymentRefused(OnsaleError):
    """The payment provider refuses this request as wrong. Trying it again will not help; tell the organiser."""


class BadWebhook(OnsaleError):
    """The webhook's signature does not match."""


# The parts.


class RecordUnavailable(OnsaleError):
    """The database does not answer. Try again in a moment."""


class ChangesNotSetUp(OnsaleError):
    """The record sends no changes. Run `onsale changes setup`, and see what it says."""


class SomebodyElseReads(OnsaleError):
    """Another process reads the change stream; this one takes over when it ends."""


class ChangesLost(OnsaleError):
    """More changed than anybody has read. Every copy is made anew; `onsale changes run` does it."""


class SearchUnavailable(OnsaleError):
    """The search does not answer. Try again in a moment."""


class QueueUnavailable(OnsaleError):
    """The queue does not answer. Your place is safe; try again in a moment."""
